"""Nearest sums of Kronecker products: a low-rank problem in the rearranged matrix.

With more than two operands it becomes one of low-rank tensors, which has no closed form: there,
alternating updates lead to a stationary point, term by term.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import reduce
from typing import Any

import numpy as np

from lazyop.algebra.composite import Sum
from lazyop.factorization.low_rank import leading_subspaces
from lazyop.factorization.matrix import dense_matrix, scaled, spread_power
from lazyop.factorization.progress import tracked
from lazyop.factorization.residual import norm
from lazyop.namespaces import Array, adjoint, conj, dtype_of, namespace_of
from lazyop.operator import LazyOperator
from lazyop.scalars import positive_int
from lazyop.structured.kron import Kron

__all__ = ["nearest_kron"]

Shape = tuple[int, int]

#: Rounds of updates of one term with three operands or more, and the least gain that goes on.
_ROUNDS, _LEAST_GAIN = 100, 1e-8


def nearest_kron(
    A: Any, shapes: Iterable[Any], terms: int = 1, *, progress: bool = False
) -> LazyOperator:
    r"""Approximate a matrix by a sum of Kronecker products of matrices of given shapes.

    Finds :math:`A \approx \sum_{k=1}^{t} B_k \otimes C_k` with the least Frobenius error. Entry
    :math:`(i, j)` of :math:`B` meets entry :math:`(p, q)` of :math:`C` in row
    :math:`i\,m_2 + p` and column :math:`j\,n_2 + q`, so that in the rearranged matrix

    .. math:: \mathcal{R}(A)_{(i, j), (p, q)} = A_{i m_2 + p,\, j n_2 + q}

    a Kronecker product is a matrix of rank one, :math:`\operatorname{vec}(B)
    \operatorname{vec}(C)^T`. The nearest sum is its truncated singular value decomposition, and
    the squared error is the sum of the squares of the singular values left out. The scale of each
    term is shared evenly by its operands.

    Parameters
    ----------
    A : array, array_like, sparse array or operator, shape (m, n)
        What has no dense array is made dense. Integers count as float64; other precisions and
        the array's namespace are kept. Tensors of PyTorch that require gradients count as
        constants.
    shapes : sequence of (int, int)
        Shapes :math:`(m_i, n_i)` of the operands, two or more, leftmost first. Their rows
        multiply to `m`, their columns to `n`.
    terms : int
        Kronecker products in the sum, at most. There are fewer where those left out would be
        zero up to rounding.
    progress : bool
        Whether to show a progress bar, by tqdm.

    Returns
    -------
    LazyOperator
        A `Kron`, or a `Sum` of them, largest first.

    Raises
    ------
    ValueError
        If `A` is not finite, there are fewer than two shapes, they do not multiply to that of
        `A`, or a number is below 1.
    TypeError
        If the entries of `A` are not real or complex numbers in single or double precision, or not
        known, because JAX or PyTorch traces them, or a size or `terms` is not an integer.
    ImportError
        If a progress bar is asked for, and tqdm is not installed.

    Notes
    -----
    With two shapes, the singular vectors come from the Gram matrix of the shorter side, as long as
    the squared error is above the least by less than 1e-10 of it (3e-5 in single precision) or by
    rounding alone. Where that is not sure, they come from the decomposition itself.

    With three shapes or more, :math:`\mathcal{R}(A)` is a tensor, and no algorithm is known that
    finds its nearest sum in general; there may not even be one for two terms. Each term is then
    started from singular vectors, improved by least squares over one operand after the other
    until nothing is gained, and fitted to what the terms before it leave. A matrix that is one
    Kronecker product is found exactly, and more terms are never worse.

    References
    ----------
    C. F. Van Loan, N. Pitsianis, "Approximation with Kronecker products", in Linear Algebra for
    Large Scale and Real-Time Applications, Kluwer, 1993, 293-314.

    Examples
    --------
    A blur with a kernel of two separable parts is a sum of two Kronecker products:

    >>> import numpy as np
    >>> import lazyop as lo
    >>> T = [np.exp(-abs(np.subtract.outer(range(8), range(8))) / s) for s in (1, 2, 3, 4)]
    >>> A = np.kron(T[0], T[1]) + np.kron(T[2], T[3])
    >>> found = lo.nearest_kron(A, [(8, 8), (8, 8)], terms=2)
    >>> found.cost.parameters, A.size
    (256, 4096)
    >>> np.allclose(found.toarray(), A, rtol=0, atol=1e-13)
    True

    With one term fewer, it is the nearest single product:

    >>> found = lo.nearest_kron(A, [(8, 8), (8, 8)])
    >>> round(float(np.linalg.norm(A - found.toarray()) / np.linalg.norm(A)), 2)
    0.03
    """
    matrix = dense_matrix(A)
    sizes = _checked(shapes, tuple(matrix.shape))
    count = positive_int(terms, "terms")
    entries, exponent = scaled(matrix)
    tensor = _rearranged(entries, sizes)
    steps = tracked(range(count if tensor.ndim > 2 else 1), progress, "Kronecker products")
    found = _tensor_terms(tensor, steps) if tensor.ndim > 2 else _matrix_terms(tensor, count, steps)
    products = [
        Kron(*_operands(spread_power(vectors, exponent), sizes, matrix)) for vectors in found
    ]
    return products[0] if len(products) == 1 else Sum(*products)


def _checked(shapes: Iterable[Any], shape: Shape) -> list[Shape]:
    sizes: list[Shape] = []
    for item in shapes:
        pair = tuple(item) if isinstance(item, Iterable) else (item,)
        if len(pair) != 2:
            raise ValueError(f"each shape is a pair (rows, columns), got {item!r}")
        sizes.append((positive_int(pair[0], "rows"), positive_int(pair[1], "columns")))
    if len(sizes) < 2:
        raise ValueError(f"a Kronecker product takes two shapes or more, got {len(sizes)}")
    whole = tuple(math.prod(side) for side in zip(*sizes, strict=True))
    if whole != shape:
        raise ValueError(f"the shapes {sizes} multiply to {whole}, A has shape {shape}")
    return sizes


def _rearranged(matrix: Array, sizes: list[Shape]) -> Array:
    """The tensor in which a Kronecker product has rank one, an axis for each operand."""
    xp = namespace_of(matrix)
    rows, columns = zip(*sizes, strict=True)
    count = len(sizes)
    axes = [axis for k in range(count) for axis in (k, count + k)]
    paired = xp.permute_dims(xp.reshape(matrix, (*rows, *columns)), axes)
    return xp.reshape(paired, tuple(m * n for m, n in sizes))


def _operands(vectors: list[Array], sizes: list[Shape], reference: Array) -> list[Array]:
    xp = namespace_of(reference)
    return [xp.reshape(v, size) for v, size in zip(vectors, sizes, strict=True)]


def _matrix_terms(matrix: Array, count: int, steps: Iterable[int]) -> list[list[Array]]:
    """The leading singular triplets of a matrix, as pairs of vectors of equal norm."""
    xp = namespace_of(matrix)
    for _ in steps:  # one, as a decomposition does not say how far it has come
        basis = leading_subspaces(matrix, min(count, *matrix.shape)).basis
    U, s, V = xp.linalg.svd(xp.matmul(adjoint(basis), matrix), full_matrices=False)
    U, V = xp.matmul(basis, U) * xp.sqrt(s), V * xp.sqrt(s)[:, None]
    sizes = [float(value) for value in s[:count]]
    floor = float(np.finfo(dtype_of(matrix)).eps) * sizes[0]
    kept = max(1, sum(size > floor for size in sizes))
    return [[U[:, k], V[k, :]] for k in range(kept)]


def _tensor_terms(tensor: Array, steps: Iterable[int]) -> list[list[Array]]:
    """Products of vectors, each near to what the ones before it leave of a tensor."""
    found: list[list[Array]] = []
    floor = float(np.finfo(dtype_of(tensor)).eps) * norm(tensor)
    for _ in steps:
        if found and norm(tensor) <= floor * len(tensor.shape):
            break
        found.append(_rank_one(tensor))
        tensor = tensor - reduce(_outer, found[-1])
    return found


def _rank_one(tensor: Array) -> list[Array]:
    """Vectors whose outer product is near to a tensor, by least squares for one after another."""
    vectors = _leading(tensor)
    size = 0.0
    for _ in range(_ROUNDS):
        before = size
        for k in range(len(vectors)):
            vector = _contracted(tensor, vectors, k)
            size = norm(vector)
            vectors[k] = vector / (size or 1.0)
        if size <= before * (1 + _LEAST_GAIN):
            break
    share = size ** (1 / len(vectors))
    return [vector * share for vector in vectors]


def _leading(tensor: Array) -> list[Array]:
    """Unit vectors: the first singular vector of each axis in turn, the rest carried on."""
    xp = namespace_of(tensor)
    vectors = []
    for size in tensor.shape[:-1]:
        U, _, V = xp.linalg.svd(xp.reshape(tensor, (size, -1)), full_matrices=False)
        vectors.append(U[:, 0])
        tensor = V[0, :]
    return [*vectors, tensor]


def _contracted(tensor: Array, vectors: list[Array], axis: int) -> Array:
    """The product of a tensor with the conjugates of all vectors but one."""
    xp = namespace_of(tensor)
    for vector in reversed(vectors[axis + 1 :]):
        tensor = xp.matmul(tensor, conj(vector))
    for vector in vectors[:axis]:
        tensor = xp.tensordot(conj(vector), tensor, axes=1)
    return tensor


def _outer(x: Array, y: Array) -> Array:
    return x[..., None] * y
