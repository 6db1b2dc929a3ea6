"""Matrices of blocks, side by side and one above the other."""

from __future__ import annotations

import math
import operator as operators
from functools import reduce
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from lazyop.algebra.neutral import Zero
from lazyop.aslazy import aslazy
from lazyop.namespaces import Array, dtype_of, namespace_of, zeros
from lazyop.operator import LazyOperator
from lazyop.sequences import as_list
from lazyop.structured.block_diagonal import block_diag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from scipy.sparse import csr_array

    from lazyop.kernels.plan import Step
    from lazyop.traits import Order

Grid = tuple[tuple[LazyOperator | None, ...], ...]


class Block(LazyOperator):
    """Matrix of blocks, None standing for a zero block; `block` makes it."""

    _fields = ("grid", "heights", "widths", "dtype")

    def __init__(
        self, grid: Grid, heights: tuple[int, ...], widths: tuple[int, ...], dtype: Any
    ) -> None:
        self.grid, self.heights, self.widths = grid, heights, widths
        super().__init__(dtype, (sum(heights), sum(widths)))

    def _apply(self, X: Array) -> Array:
        starts = list(accumulate(self.widths, initial=0))
        parts = [X[start:stop, ...] for start, stop in pairwise(starts)]
        rows = [
            self._apply_row(row, height, parts)
            for row, height in zip(self.grid, self.heights, strict=True)
        ]
        return namespace_of(X).concat(rows, axis=0)

    def _apply_row(
        self, row: Sequence[LazyOperator | None], height: int, parts: Sequence[Array]
    ) -> Array:
        terms = [op._apply(part) for op, part in zip(row, parts, strict=True) if op is not None]
        if terms:
            return reduce(operators.add, terms)
        dtype = np.result_type(self.dtype, dtype_of(parts[0]))
        return zeros((height, parts[0].shape[1]), dtype, parts[0])

    def _map(
        self, change: Callable[[LazyOperator], LazyOperator], *, swap: bool = False
    ) -> LazyOperator:
        grid = tuple(tuple(op and change(op) for op in row) for row in self.grid)
        if not swap:
            return Block(grid, self.heights, self.widths, self.dtype)
        return Block(tuple(zip(*grid, strict=True)), self.widths, self.heights, self.dtype)

    def _adjoint(self) -> LazyOperator:
        return self._map(LazyOperator.adjoint, swap=True)

    def _transpose(self) -> LazyOperator:
        return self._map(LazyOperator.transpose, swap=True)

    def _conj(self) -> LazyOperator:
        return self._map(LazyOperator.conj)

    def _norm(self, order: Order, norm_of: Callable[[LazyOperator], float]) -> float | None:
        return math.hypot(*map(norm_of, self.args)) if order == "fro" else None

    def _tosparse(self) -> csr_array:
        cells = [
            [self._cell(op, height, width) for op, width in zip(row, self.widths, strict=True)]
            for row, height in zip(self.grid, self.heights, strict=True)
        ]
        return sparse.block_array(cells, format="csr")

    def _cell(self, op: LazyOperator | None, height: int, width: int) -> csr_array:
        return (Zero((height, width), self.dtype) if op is None else op).tosparse()

    def _flops(self) -> int:
        return sum(op._flops() for op in self.args)

    def _steps(self, columns: int) -> Iterator[Step]:
        for op in self.args:
            yield from op._steps(columns)

    def _details(self) -> str:
        return f"{len(self.heights)}x{len(self.widths)} blocks"


def block(grid: Iterable[Iterable[Any]]) -> LazyOperator:
    """Return an operator of blocks, as `numpy.block` does for arrays.

    Parameters
    ----------
    grid : nested sequence
        Rows of blocks, all rows equally long; a block is what `aslazy` takes, or None for a zero
        block whose size the others in its row and column tell.

    Returns
    -------
    LazyOperator
        The block itself where there is one, and a block-diagonal operator where only the
        diagonal of the grid is there.

    Raises
    ------
    ValueError
        If the grid is empty or ragged, sizes in a row or column differ, or a row or column has
        no block to tell its size.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.block([[lo.Identity(1), None], [[[2.0]], [[3.0]]]]).toarray()
    array([[1., 0.],
           [2., 3.]])
    """
    expected = "rows of blocks, as in [[A, B], [C, D]]"
    each = [as_list(row, expected) for row in as_list(grid, expected)]
    rows = [[None if op is None else aslazy(op) for op in row] for row in each]
    if not rows or not rows[0]:
        raise ValueError("a block operator needs at least one block")
    if len({len(row) for row in rows}) > 1:
        raise ValueError(f"rows of blocks differ in length: {[len(row) for row in rows]}")
    heights = tuple(_common_size(row, 0, f"block row {i}") for i, row in enumerate(rows))
    columns = list(zip(*rows, strict=True))
    widths = tuple(_common_size(col, 1, f"block column {j}") for j, col in enumerate(columns))
    dtype = np.result_type(*(op.dtype for row in rows for op in row if op is not None))
    return _simplest(
        tuple(tuple(None if isinstance(op, Zero) else op for op in row) for row in rows),
        heights,
        widths,
        dtype,
    )


def _common_size(ops: Iterable[LazyOperator | None], axis: int, where: str) -> int:
    sizes = {op.shape[axis] for op in ops if op is not None}
    if not sizes:
        raise ValueError(f"{where} has only zero blocks (None); use lo.Zero(shape) to size it")
    if len(sizes) > 1:
        raise ValueError(f"{where} has blocks of different sizes {sorted(sizes)}")
    return sizes.pop()


def _simplest(
    grid: Grid, heights: tuple[int, ...], widths: tuple[int, ...], dtype: Any
) -> LazyOperator:
    """Return a block-diagonal operator where the grid is one."""
    diagonal = [row[i] for i, row in enumerate(grid) if i < len(row)]
    count = sum(op is not None for row in grid for op in row)
    if len(heights) == len(widths) == count and all(op is not None for op in diagonal):
        whole = block_diag(*diagonal)
        if whole.dtype == dtype:
            return whole
    return Block(grid, heights, widths, dtype)


def hstack(ops: Iterable[Any]) -> LazyOperator:
    """Return operators side by side.

    Parameters
    ----------
    ops : iterable of operators or what `aslazy` takes
        At least one, equally many rows each.

    Returns
    -------
    LazyOperator

    Raises
    ------
    ValueError
        If there is none, or numbers of rows differ.
    TypeError
        If one is nothing that `aslazy` takes.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.hstack([[[1.0]], [[2.0]]]) @ [1.0, 1.0]
    array([3.])
    """
    return block([as_list(ops, "operators, as in [A, B]")])


def vstack(ops: Iterable[Any]) -> LazyOperator:
    """Return operators one above the other.

    Parameters
    ----------
    ops : iterable of operators or what `aslazy` takes
        At least one, equally many columns each.

    Returns
    -------
    LazyOperator

    Raises
    ------
    ValueError
        If there is none, or numbers of columns differ.
    TypeError
        If one is nothing that `aslazy` takes.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.vstack([[[1.0]], [[2.0]]]) @ [1.0]
    array([1., 2.])
    """
    return block([[op] for op in as_list(ops, "operators, as in [A, B]")])
