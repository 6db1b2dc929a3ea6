"""Reference kernels: the array API standard alone, for arrays of any namespace.

Every argument is a matrix of columns ``(n, N)``. Nothing here writes into an argument.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lazyop.namespaces import (
    Array,
    dtype_of,
    is_dask,
    namespace_of,
    take_rows,
    unify_kinds,
    zeros,
)


def kronecker_sparse_elementwise(values: Array, x: Array) -> Array:
    """Apply a Kronecker-sparse factor as ``c`` multiply-adds of whole arrays.

    ``Y[i, k, j, n] = sum_l K[i, k, l, j] X[i, l, j, n]`` with the sum over ``l`` outermost:
    nothing is permuted, and the temporaries are of the size of the result.
    """
    xp = namespace_of(x)
    values, x = unify_kinds(values, x)
    a, b, c, d = values.shape
    columns = x.shape[1]
    x = xp.reshape(x, (a, c, d, columns))
    y = values[:, :, 0, :, None] * x[:, None, 0, :, :]
    for l in range(1, c):
        y += values[:, :, l, :, None] * x[:, None, l, :, :]
    return xp.reshape(y, (a * b * d, columns))


def kronecker_sparse_matmul(values: Array, x: Array) -> Array:
    """Apply a Kronecker-sparse factor as ``a d`` products with its ``b x c`` blocks."""
    xp = namespace_of(x)
    values, x = unify_kinds(values, x)
    a, b, c, d = values.shape
    columns = x.shape[1]
    blocks = xp.permute_dims(values, (0, 3, 1, 2))
    x = xp.permute_dims(xp.reshape(x, (a, c, d, columns)), (0, 2, 1, 3))
    y = xp.matmul(blocks, x)
    return xp.reshape(xp.permute_dims(y, (0, 2, 1, 3)), (a * b * d, columns))


def regroup(x: Array, between: tuple[int, ...], shape: tuple[int, ...]) -> Array:
    """Reshape, by way of another shape on Dask, which either merges axes or splits them."""
    xp = namespace_of(x)
    return xp.reshape(xp.reshape(x, between) if is_dask(x) else x, shape)


def pick(x: Array, where: slice, size: int) -> Array:
    """Return the rows ``range(size)[where]`` of ``x``; not every namespace steps backwards."""
    if isinstance(x, np.ndarray):
        return x[where, ...]
    rows = range(size)[where]
    forwards = rows if rows.step > 0 else rows[::-1]
    part = x[forwards.start : min(forwards.stop, size) : forwards.step, ...]
    return part if rows.step > 0 else namespace_of(x).flip(part, axis=0)


def spread(x: Array, where: slice, size: int) -> Array:
    """Place the rows of ``x`` at ``range(size)[where]`` of a zero matrix with ``size`` rows."""
    xp = namespace_of(x)
    start, _, step = where.indices(size)
    rows, columns = x.shape
    if rows == 0:
        return zeros((size, columns), dtype_of(x), x)
    if step < 0:
        x = xp.flip(x, axis=0)
        start, step = start + (rows - 1) * step, -step
    if step > 1:
        gaps = zeros((rows, step - 1, columns), dtype_of(x), x)
        x = xp.reshape(xp.concat([x[:, None, :], gaps], axis=1), (rows * step, columns))
    before = zeros((start, columns), dtype_of(x), x)
    after = zeros((max(0, size - start - rows * step), columns), dtype_of(x), x)
    return xp.concat([before, x, after], axis=0)[:size, :]


def scatter_rounds(
    index: npt.NDArray[np.int64], size: int
) -> tuple[list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]], npt.NDArray[np.int64]]:
    """Plan ``y[index[k]] += x[k]`` as rounds of gathers: pairs to add, then places to fill.

    In each round, entries with the same target are added in pairs, so that ``r`` repeats of an
    index take ``ceil(log2 r)`` rounds. An index equal to the number of rows stands for zero.
    """
    position = np.argsort(index, kind="stable")
    targets = index[position]
    pairs = []
    while np.any(targets[1:] == targets[:-1]):
        count = targets.size
        starts = np.flatnonzero(np.append(True, targets[1:] != targets[:-1]))
        rank = np.arange(count) - np.repeat(starts, np.diff(np.append(starts, count)))
        first = np.flatnonzero(rank % 2 == 0)
        has_second = np.append(rank % 2 == 1, False)[first + 1]
        second = np.where(has_second, np.append(position, count)[first + 1], count)
        pairs.append((position[first], second))
        targets = targets[first]
        position = np.arange(targets.size)
    place = np.full(size, targets.size, dtype=np.int64)
    place[targets] = position
    return pairs, place


def scatter_add(x: Array, pairs: list[tuple[Array, Array]], place: Array) -> Array:
    """Carry out what `scatter_rounds` planned."""
    xp = namespace_of(x)
    zero = zeros((1, x.shape[1]), dtype_of(x), x)
    for first, second in pairs:
        padded = xp.concat([x, zero], axis=0)
        x = take_rows(padded, first) + take_rows(padded, second)
    return take_rows(xp.concat([x, zero], axis=0), place)
