r"""Leading singular subspaces of every matrix in a stack at once, and what lies outside of them.

They come from the Gram matrices of the shorter side where these say enough, and from singular value
decompositions where they do not. The eigenvectors of a computed Gram matrix :math:`G` of a block
are those of a matrix that is within :math:`\delta = O(\epsilon \operatorname{tr} G)` of it, with
:math:`\epsilon` the rounding unit. The subspace of the `r` leading ones therefore misses, in
squares, at most

.. math:: r \min\bigl(2 \delta,\; \delta^2 / (\lambda_r - \lambda_{r+1})\bigr)

of what the best one holds (the trace inequality of von Neumann, and second-order perturbation). The
subspace stands if the sum of that over the stack is below :math:`\epsilon^{2/3}` of what the best
subspaces leave out, or of the order of rounding anyway. That fails where blocks are nearly of rank
below `r`, and the rest of them is tiny: there the squares hide singular values below
:math:`\epsilon^{1/2} \sigma_1`. For `r = 1` it never fails: either the gap is above
:math:`\lambda_1 / 2`, or what is left out is.

Where it fails, the space of more eigenvectors, multiplied by :math:`B B^H` once more, mostly holds
all of a block that matters. With :math:`Q` an orthonormal basis of it, the best approximation of
:math:`Q Q^H B` misses at most :math:`\|B - Q Q^H B\|^2` of what the best one of :math:`B` holds, as
the singular values of :math:`Q^H B` are no larger than those of :math:`B`. It is measured, and
stands under the same condition. Else the decomposition of the blocks themselves is taken. In large
blocks a space that starts from some of their rows is tried before anything else.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from lazyop.factorization.residual import energy
from lazyop.namespaces import Array, adjoint, conj, device_of, is_complex, namespace_of

__all__ = ["Subspaces", "leading_subspaces", "singular_energies", "tail_norm"]

#: Rounding errors of a Gram matrix, in units of its trace, are below this many epsilons.
_GRAM_ROUNDING = 4.0
#: Dimensions of the wider space: twice the rank and so many more.
_SPARE = 8
#: Blocks with so many rows are large; spaces with so small a part of their dimensions are tried.
_LARGE, _PART = 512, 8


class Subspaces(NamedTuple):
    """Orthonormal bases `(..., m, r)`, and the norm of the stack without its part in them."""

    basis: Array
    residual: float


def leading_subspaces(blocks: Array, rank: int) -> Subspaces:
    r"""Bases :math:`U` for which :math:`U U^H B` is the best approximation of each block.

    Parameters
    ----------
    blocks : array, shape (..., m, n)
    rank : int
        Less than or equal to `m` and `n`.

    Returns
    -------
    Subspaces
        The residual is :math:`\bigl(\sum_{\text{blocks}} \sum_{i > r} \sigma_i^2\bigr)^{1/2}`;
        from Gram matrices, its square has a rounding error in proportion to the square of the
        norm of the stack.
    """
    rows, columns = blocks.shape[-2:]
    if columns < rows:
        return _from_row_space(blocks, rank)
    if (rows, rank) == (2, 1):
        return _plane(blocks)
    xp, width = namespace_of(blocks), 2 * rank + _SPARE
    found = _from_space(blocks, _some_rows(blocks, width), rank) if _fits(blocks, width) else None
    if found is not None:
        return found
    values, vectors = xp.linalg.eigh(_gram(blocks))
    found = _from_gram(values, vectors, rank)
    if found is None and 2 * width <= rows:
        # From large to small, as the QR decomposition then keeps the small columns apart.
        start = xp.flip(vectors[..., :, -width:], axis=-1)
        found = _from_space(blocks, xp.matmul(adjoint(blocks), start), rank)
    if found is not None:
        return found
    U, s = _left_svd(blocks)
    return Subspaces(U[..., :, :rank], float(xp.linalg.vector_norm(s[..., rank:])))


def tail_norm(blocks: Array, rank: int) -> float:
    """The `residual` of `leading_subspaces`, by singular values alone."""
    xp = namespace_of(blocks)
    values = xp.linalg.eigvalsh(_gram(_wide(blocks)))
    tail, total = values[..., :-rank], xp.sum(values, axis=-1)
    energy = _total(xp.where(tail > 0, tail, xp.zeros_like(tail)))
    # The rounding errors of the sum add up to this much at most.
    if _GRAM_ROUNDING * _epsilon(total) * _total(total) <= _negligible(total) * energy:
        return math.sqrt(energy)
    return float(xp.linalg.vector_norm(xp.linalg.svdvals(_tall(blocks))[..., rank:]))


def singular_energies(blocks: Array, accurate: bool) -> Array:
    """Squared singular values, largest first, summed over the stack.

    Unless they are to be accurate, they come from Gram matrices, and are off by rounding in
    proportion to the energy of the stack.
    """
    xp, energies = namespace_of(blocks), _few_energies(_wide(blocks))
    if energies is None and accurate:
        energies = xp.linalg.svdvals(_tall(blocks)) ** 2
    elif energies is None:
        values = xp.flip(xp.linalg.eigvalsh(_gram(_wide(blocks))), axis=-1)
        energies = xp.where(values > 0, values, xp.zeros_like(values))
    return xp.sum(xp.reshape(energies, (-1, energies.shape[-1])), axis=0)


def _from_row_space(blocks: Array, rank: int) -> Subspaces:
    """Bases of blocks with more rows than columns: images of the leading right subspaces."""
    xp = namespace_of(blocks)
    # If Q spans the column space of B^T, then B conj(Q) spans the best column space of B.
    found = leading_subspaces(xp.matrix_transpose(blocks), rank)
    images = xp.matmul(blocks, conj(found.basis))
    basis = _normalized(images) if rank == 1 else xp.linalg.qr(images)[0]
    return Subspaces(basis, found.residual)


def _normalized(columns: Array) -> Array:
    """Single columns divided by their norms; the first unit vector for zero."""
    xp = namespace_of(columns)
    norm = xp.linalg.vector_norm(columns, axis=-2, keepdims=True)
    unit = xp.eye(columns.shape[-2], 1, dtype=columns.dtype, device=device_of(columns))
    return xp.where(norm > 0, columns / xp.where(norm > 0, norm, xp.ones_like(norm)), unit)


def _plane(blocks: Array) -> Subspaces:
    r"""Rank one in a plane: the leading eigenvector of a 2 x 2 Gram matrix in closed form.

    For :math:`\bigl(\begin{smallmatrix} p & z \\ \bar z & q \end{smallmatrix}\bigr)` with
    :math:`h = (p - q) / 2` and :math:`t = (h^2 + |z|^2)^{1/2}`, the eigenvalues are
    :math:`(p + q) / 2 \pm t`, and the leading eigenvector is :math:`(h + t, \bar z)` or
    :math:`(z, t - h)`: whichever does not cancel.
    """
    xp = namespace_of(blocks)
    first, second = blocks[..., 0, :], blocks[..., 1, :]
    p, q = _real(xp.vecdot(first, first)), _real(xp.vecdot(second, second))
    z = xp.vecdot(second, first)
    h = (p - q) / 2
    t = xp.hypot(h, xp.abs(z)) if is_complex(z) else xp.hypot(h, z)
    large, upper = xp.abs(h) + t, h >= 0
    norm = xp.hypot(large, xp.abs(z))
    # Complex division takes the reciprocal first, which overflows for subnormal numbers.
    some = norm >= float(xp.finfo(norm.dtype).smallest_normal)
    safe = xp.where(some, norm, xp.ones_like(norm))
    cosine, sine = xp.where(some, large / safe, xp.ones_like(norm)), z / safe
    cosine = xp.astype(cosine, z.dtype, copy=False)
    basis = xp.stack([xp.where(upper, cosine, sine), xp.where(upper, conj(sine), cosine)], axis=-1)
    tail = (p + q) / 2 - t
    energy = _total(xp.where(tail > 0, tail, xp.zeros_like(tail)))
    return Subspaces(basis[..., None], math.sqrt(energy))


def _from_gram(values: Array, vectors: Array, rank: int) -> Subspaces | None:
    """Bases from Gram matrices of wide blocks, or None where they would not be good enough."""
    xp = namespace_of(values)
    values = xp.where(values > 0, values, xp.zeros_like(values))
    residual = _total(values[..., :-rank])
    if rank > 1 and not _good_enough(values, rank, residual):
        return None
    return Subspaces(vectors[..., :, -rank:], math.sqrt(residual))


def _good_enough(values: Array, rank: int, residual: float) -> bool:
    """Whether the bound on what the subspaces miss is negligible (see the module's docstring)."""
    xp = namespace_of(values)
    if values.shape[-1] == rank:
        return True
    trace, eps = xp.sum(values, axis=-1), _epsilon(values)
    delta = _GRAM_ROUNDING * eps * trace
    gap = values[..., -rank] - values[..., -rank - 1]
    # Without a gap, or without a block, the first of the two bounds counts.
    small = gap <= delta
    second = xp.where(small, 2 * delta, delta * (delta / xp.where(small, xp.ones_like(gap), gap)))
    missed = rank * _total(xp.where(second < 2 * delta, second, 2 * delta))
    return missed <= _negligible(values) * residual + (8 * eps) ** 2 * _total(trace)


def _from_space(blocks: Array, rows: Array, rank: int) -> Subspaces | None:
    """Bases within the space that blocks make of some rows; None where that misses too much."""
    xp = namespace_of(blocks)
    Q, U, s, outside = _compressed(blocks, rows)
    tail, eps = _total(s[..., rank:] ** 2), _epsilon(s)
    if outside > _negligible(s) * tail + (8 * eps) ** 2 * _total(s**2):
        return None
    return Subspaces(xp.matmul(Q, U[..., :, :rank]), math.sqrt(outside + tail))


def _compressed(blocks: Array, rows: Array) -> tuple[Array, Array, Array, float]:
    """An orthonormal `Q`, what is left of a decomposition of `Q^H B`, and the energy outside `Q`.

    The columns of `rows` span about the space of the rows of each block.
    """
    xp = namespace_of(blocks)
    Q = xp.linalg.qr(xp.matmul(blocks, xp.linalg.qr(rows)[0]))[0]
    inside = xp.matmul(adjoint(Q), blocks)
    return Q, *_left_svd(inside), energy(blocks - xp.matmul(Q, inside))


def _some_rows(blocks: Array, width: int) -> Array:
    """Columns that span about the rows of wide blocks: what these make of some of the rows."""
    xp = namespace_of(blocks)
    some = blocks[..., :: blocks.shape[-2] // width, :][..., :width, :]
    images = xp.matmul(blocks, xp.linalg.qr(adjoint(some))[0])
    return xp.matmul(adjoint(blocks), xp.linalg.qr(images)[0])


def _fits(blocks: Array, width: int) -> bool:
    rows = int(blocks.shape[-2])
    return rows >= _LARGE and _PART * width <= rows


def _few_energies(blocks: Array) -> Array | None:
    """Squared singular values of large blocks of low rank but for rounding, else None."""
    width = blocks.shape[-2] // _PART
    if not _fits(blocks, width):
        return None
    xp = namespace_of(blocks)
    _, _, s, outside = _compressed(blocks, _some_rows(blocks, width))
    if outside > (64 * _epsilon(s)) ** 2 * _total(s**2):
        return None
    rest = xp.zeros((*s.shape[:-1], blocks.shape[-2] - width), dtype=s.dtype, device=device_of(s))
    return xp.concat([s**2, rest], axis=-1)


def _gram(blocks: Array) -> Array:
    return namespace_of(blocks).matmul(blocks, adjoint(blocks))


def _left_svd(blocks: Array) -> tuple[Array, Array]:
    # LAPACK is up to twice as fast on a stack of tall matrices as on their transposes.
    xp = namespace_of(blocks)
    if blocks.shape[-2] >= blocks.shape[-1]:
        U, s, _ = xp.linalg.svd(blocks, full_matrices=False)
        return U, s
    _, s, Uh = xp.linalg.svd(xp.matrix_transpose(blocks), full_matrices=False)
    return xp.matrix_transpose(Uh), s


def _wide(blocks: Array) -> Array:
    rows, columns = blocks.shape[-2:]
    return namespace_of(blocks).matrix_transpose(blocks) if columns < rows else blocks


def _tall(blocks: Array) -> Array:
    rows, columns = blocks.shape[-2:]
    return namespace_of(blocks).matrix_transpose(blocks) if rows < columns else blocks


def _real(x: Array) -> Array:
    return namespace_of(x).real(x) if is_complex(x) else x


def _total(x: Array) -> float:
    return float(namespace_of(x).sum(x))


def _epsilon(x: Array) -> float:
    return float(namespace_of(x).finfo(x.dtype).eps)


def _negligible(x: Array) -> float:
    """Relative change of a squared error that no one asks about."""
    return float(_epsilon(x) ** (2 / 3))
