r"""The first split of a matrix that is not dense: two factors, and little else in memory.

Across a split of a chain the matrix falls into blocks, one for each pair of a group of rows and a
group of columns. Every group of columns gets its own random matrix :math:`\Omega` of a few more
columns than the rank. A product with it, zero in other rows, is a sketch :math:`B \Omega` of all
blocks in these columns; products with the adjoint give :math:`\Psi^H B` for all blocks in a group
of rows. With orthonormal columns :math:`Q` of :math:`B \Omega`, a block is close to :math:`Q C`,
where `C` solves the least-squares problem :math:`\Psi^H Q C \approx \Psi^H B`, and is truncated to
the rank [1]_. That takes as many products as there are groups, times the columns of the sketches.

Where sketches would take as many products as there are columns, and for functions of entries, all
columns are gone through once, a panel at a time, and each block is seen whole.

.. [1] J. A. Tropp, A. Yurtsever, M. Udell, V. Cevher, "Practical sketching algorithms for low-rank
   matrix approximation", SIAM J. Matrix Anal. Appl. 38(4), 2017.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from lazyop.butterfly.blocks import Junction
from lazyop.butterfly.pattern import Pattern
from lazyop.factorization.estimate import Probes, normal_vectors
from lazyop.factorization.low_rank import leading_subspaces
from lazyop.factorization.matrix_free import PANEL_BYTES, Source
from lazyop.factorization.progress import tracked
from lazyop.namespaces import Array, adjoint, conj, dtype_of, like, namespace_of, zeros

__all__ = ["on_support", "products_needed", "two_factors"]

#: Seeds of the random matrices on either side.
_RIGHT, _LEFT, _RANGE = 1, 2, 3

#: Groups of columns or rows of a function of entries are looked at whole if they hold no more than
#: the factors, or than this.
_ENTRIES_AT_ONCE = 1 << 22

#: Where some blocks are in a stack of all of them.
Place = tuple[Any, ...]


def two_factors(
    source: Source, junction: Junction, probes: Probes | None = None, progress: bool = False
) -> tuple[Array, Array]:
    """Values of two factors, of the patterns of a junction, whose product is close to a matrix.

    Parameters
    ----------
    source : Source
    junction : Junction
        Not redundant, of the shape of the matrix.
    probes : Probes, optional
        Vectors whose images are to be added up where all columns are gone through.
    progress : bool
        Whether to show a progress bar, by tqdm.

    Returns
    -------
    left, right : array
        The left one is orthonormal across the junction.
    """
    by_columns, by_rows = _whole_ways(source, junction)
    if by_columns:
        return _from_blocks(_column_blocks(source, junction, probes, progress), source, junction)
    if by_rows:
        return _from_blocks(_row_blocks(source, junction, progress), source, junction)
    return _from_sketches(source, junction, progress)


def _whole_ways(source: Source, junction: Junction) -> tuple[bool, bool]:
    """Whether to go through all columns, and whether, if not, through all rows."""
    m, n = source.shape
    if source.reads_entries:
        room = max(junction.left.nnz + junction.right.nnz, _ENTRIES_AT_ONCE)
        return m * junction.right.c <= room, n * junction.left.b <= room
    by_products = products_needed(junction) >= min(m, n)
    return by_products and n <= m, by_products


def products_needed(junction: Junction) -> int:
    """Products with the matrix and with its adjoint that sketches take."""
    (a1, _, _, d1), (a2, _, _, d2) = junction.left, junction.right
    columns, rows = _widths(junction.rank)
    return columns * a2 * d2 + rows * a1 * d1


def _widths(rank: int) -> tuple[int, int]:
    """Columns of the sketches from the right and from the left.

    With these, a matrix that is only close to a product of the chain is approximated with an error
    that is a few per cent above that of the blocks' own decompositions.
    """
    return rank + 8, 2 * (rank + 8)


def on_support(
    source: Source, pattern: Pattern, probes: Probes | None = None, progress: bool = False
) -> Array:
    """Entries on the support of a pattern, as values `(a, b, c, d)`, from all columns in turn."""
    a, b, c, d = pattern
    rows = np.arange(a * b * d).reshape(a, b, d)
    width = _depth(source, source.shape[0])
    starts, parts = range(0, source.shape[1], width), []
    for start in tracked(starts, progress, "columns"):
        index = np.arange(start, min(start + width, source.shape[1]))
        panel = source.columns(index)
        xp = namespace_of(panel)
        if probes is not None:
            probes.see(panel, like(index, panel))
        i, _, j = np.unravel_index(index, (a, c, d))
        places = rows[i, :, j] * index.size + np.arange(index.size)[:, None]
        flat = xp.take(xp.reshape(panel, (-1,)), like(places.ravel(), panel), axis=0)
        parts.append(xp.reshape(flat, (index.size, b)))
    values = xp.reshape(xp.concat(parts, axis=0), (a, c, d, b))
    return xp.permute_dims(values, (0, 3, 1, 2))


# All columns ----------------------------------------------------------------------------------


def _from_blocks(
    seen: Iterator[tuple[Place, Array]], source: Source, junction: Junction
) -> tuple[Array, Array]:
    left, right = _empty(source, junction)
    X, Y = junction.split_left(left), junction.split_right(right)
    for place, blocks in seen:
        xp = namespace_of(blocks)
        basis = _near_leading(blocks, junction.rank)
        X[place] = basis
        Y[place] = xp.matmul(adjoint(basis), blocks)
    return left, right


def _column_blocks(
    source: Source, junction: Junction, probes: Probes | None, progress: bool
) -> Iterator[tuple[Place, Array]]:
    """All blocks in some groups of columns at a time, and where they lie."""
    (a1, b1, _, _), (_, _, c2, d2) = junction.left, junction.right
    alpha, delta = junction.alpha, junction.delta
    places = np.arange(source.shape[1]).reshape(a1, alpha, c2, d2)
    width = _depth(source, source.shape[0] * c2)
    for i, j, group in tracked(_batches(a1, d2, alpha, width), progress, "columns"):
        index = places[i, group, :, j].ravel()
        panel = source.columns(index)
        xp = namespace_of(panel)
        if probes is not None:
            probes.see(panel, like(index, panel))
        seen = xp.reshape(panel, (a1, b1, delta, d2, -1, c2))[i, :, :, j, ...]
        yield (i, group, slice(None), j, ...), xp.permute_dims(seen, (2, 1, 0, 3))


def _row_blocks(
    source: Source, junction: Junction, progress: bool
) -> Iterator[tuple[Place, Array]]:
    """All blocks in some groups of rows at a time, and where they lie."""
    (a1, b1, _, _), (_, _, c2, d2) = junction.left, junction.right
    alpha, delta = junction.alpha, junction.delta
    places = np.arange(source.shape[0]).reshape(a1, b1, delta, d2)
    width = _depth(source, source.shape[1] * b1)
    for i, j, group in tracked(_batches(a1, d2, delta, width), progress, "rows"):
        panel = source.H.columns(places[i, :, group, j].ravel())
        xp = namespace_of(panel)
        seen = xp.reshape(panel, (a1, alpha, c2, d2, b1, -1))[i, :, :, j, ...]
        yield (i, slice(None), group, j, ...), conj(xp.permute_dims(seen, (0, 3, 2, 1)))


def _near_leading(blocks: Array, rank: int) -> Array:
    """Bases of subspaces that come close to the leading ones, for blocks that are at hand.

    For large blocks from a random matrix and a step of subspace iteration (N. Halko, P.-G.
    Martinsson, J. A. Tropp, SIAM Review 53(2), 2011).
    """
    xp, wide = namespace_of(blocks), blocks.shape[-1]
    width, _ = _widths(rank)
    if 3 * width >= min(blocks.shape[-2:]):
        return leading_subspaces(blocks, rank).basis
    start = normal_vectors((wide, width), dtype_of(blocks), (_RANGE,))
    Q = xp.linalg.qr(xp.matmul(blocks, like(start, blocks)))[0]
    Q = xp.linalg.qr(xp.matmul(adjoint(blocks), Q))[0]
    Q = xp.linalg.qr(xp.matmul(blocks, Q))[0]
    inner = xp.matmul(adjoint(Q), blocks)
    return xp.matmul(Q, leading_subspaces(inner, rank).basis)


# Sketches -------------------------------------------------------------------------------------


def _from_sketches(source: Source, junction: Junction, progress: bool) -> tuple[Array, Array]:
    alpha, delta, d2 = junction.alpha, junction.delta, junction.right.d
    held = _column_sketches(source, junction, progress)
    left, right = _empty(source, junction)
    X, Y = junction.split_left(left), junction.split_right(right)
    a1, b1, c2 = junction.left.a, junction.left.b, junction.right.c
    _, width = _widths(junction.rank)
    depth = _depth(source, sum(source.shape) * width)
    for i, j, group in tracked(_batches(a1, d2, delta, depth), progress, "rows"):
        count = group.stop - group.start
        tests = np.stack(
            [_test(source, (b1, width), (_LEFT, i, j, e)) for e in range(group.start, group.stop)]
        )
        spread = np.zeros((a1, b1, delta, d2, count, width), dtype=source.dtype)
        for q in range(count):
            spread[i, :, group.start + q, j, q] = tests[q]
        images = source.H.product(source.array(spread.reshape(-1, count * width)))
        xp = namespace_of(images)
        seen = xp.reshape(images, (a1, alpha, c2, d2, count, width))[i, :, :, j, ...]
        sketch = conj(xp.permute_dims(seen, (0, 2, 3, 1)))
        basis, inner = _solved(held[i, :, group, j, ...], source.array(tests), sketch)
        leading = leading_subspaces(inner, junction.rank).basis
        X[i, :, group, j, ...] = xp.matmul(basis, leading)
        Y[i, :, group, j, ...] = xp.matmul(adjoint(leading), inner)
    return left, right


def _column_sketches(source: Source, junction: Junction, progress: bool) -> Array:
    """Products of all blocks with random matrices, `(a1, alpha, delta, d2, b1, columns)`."""
    (a1, b1, _, _), (_, _, c2, d2) = junction.left, junction.right
    alpha, delta = junction.alpha, junction.delta
    width, _ = _widths(junction.rank)
    held = zeros((a1, alpha, delta, d2, b1, width), source.dtype, source.reference)
    depth = _depth(source, sum(source.shape) * width)
    for i, j, group in tracked(_batches(a1, d2, alpha, depth), progress, "columns"):
        count = group.stop - group.start
        spread = np.zeros((a1, alpha, c2, d2, count, width), dtype=source.dtype)
        for q in range(count):
            p = group.start + q
            spread[i, p, :, j, q] = _test(source, (c2, width), (_RIGHT, i, j, p))
        images = source.product(source.array(spread.reshape(-1, count * width)))
        xp = namespace_of(images)
        seen = xp.reshape(images, (a1, b1, delta, d2, count, width))[i, :, :, j, ...]
        held[i, group, :, j, ...] = xp.permute_dims(seen, (2, 1, 0, 3))
    return held


def _solved(sketch: Array, tests: Array, adjoint_sketch: Array) -> tuple[Array, Array]:
    """Orthonormal `Q` and the `C` that make `Q C` close to each block."""
    xp = namespace_of(sketch)
    basis = xp.linalg.qr(sketch)[0]
    seen = xp.matmul(adjoint(tests), basis)
    Q, R = xp.linalg.qr(seen)
    wanted = xp.matmul(adjoint(Q), adjoint_sketch)
    return basis, xp.linalg.solve(R, wanted)


def _test(source: Source, shape: tuple[int, int], seed: tuple[int, ...]) -> npt.NDArray[np.generic]:
    return normal_vectors(shape, source.dtype, seed)


def _depth(source: Source, numbers: int) -> int:
    """How many groups of so many numbers each are in memory at a time."""
    return max(1, PANEL_BYTES // (numbers * source.dtype.itemsize))


def _batches(a: int, d: int, count: int, depth: int) -> list[tuple[int, int, slice]]:
    starts = range(0, count, depth)
    return [
        (i, j, slice(start, min(start + depth, count)))
        for i, j, start in product(range(a), range(d), starts)
    ]


def _empty(source: Source, junction: Junction) -> tuple[Array, Array]:
    left, right = tuple(junction.left), tuple(junction.right)
    reference = source.reference
    return zeros(left, source.dtype, reference), zeros(right, source.dtype, reference)
