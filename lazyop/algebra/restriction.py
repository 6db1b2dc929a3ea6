"""Rows of a matrix picked by index: the operators behind ``A[rows, cols]``."""

from __future__ import annotations

import math
import operator as operators
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy.sparse import csr_array

from lazyop.algebra.array_norm import extreme, sum_axis
from lazyop.algebra.normal_form import multiply
from lazyop.kernels.array_api import pick, scatter_add, scatter_rounds, spread
from lazyop.namespaces import (
    Array,
    as_array,
    as_data,
    as_index,
    cast,
    dtype_of,
    index_dtype,
    is_array,
    like,
    namespace_of,
    take_rows,
    to_numpy,
)
from lazyop.operator import LazyOperator

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from lazyop.traits import Invert, Order

#: A field that a slice, which pickles but does not hash or compare well, is kept as.
Bounds = tuple[int | None, int | None, int | None]


class _Selection(LazyOperator):
    """What `Restriction` and its transpose share: the rows they pick, by slice or by index.

    A slice holds no data, so the operator follows its argument's namespace; an index array
    (of the widest integers there, within range) lives in a namespace as any data do.
    """

    #: The axis along which entries add up to how often each of the `size` indices is picked.
    _counts_along: ClassVar[int]

    _fields = ("size", "bounds", "index", "dtype")
    _index_fields = frozenset({"index"})

    def __init__(
        self, size: int, bounds: Bounds | None, index: Array | None, dtype: npt.DTypeLike
    ) -> None:
        self.size, self.bounds = size, bounds
        if index is not None:
            index = cast(index, index_dtype(namespace_of(index)))
            index = as_data(index, "the indices", ndim=1)
        self.index = index
        super().__init__(dtype, self._shape(self._count(), size))

    @staticmethod
    def _shape(picked: int, size: int) -> tuple[int, int]:
        raise NotImplementedError

    def _count(self) -> int:
        return self.rows().size

    def rows(self) -> npt.NDArray[np.int64]:
        """Return the indices picked, as a NumPy array."""
        if self.index is not None:
            return to_numpy(self.index)
        return np.arange(self.size)[slice(*(self.bounds or (None,)))]

    def _swapped(self, kind: type[_Selection]) -> LazyOperator:
        return kind(self.size, self.bounds, self.index, self.dtype)

    def _transpose(self) -> LazyOperator:
        return self.adjoint()

    def _conj(self) -> LazyOperator:
        return self

    @property
    def _is_unitary(self) -> bool:
        rows = self.rows()
        return rows.size == self.size and bool(np.all(np.sort(rows) == np.arange(self.size)))

    def _keeps_norm(self, order: Order) -> bool:
        return self._is_unitary

    def _norm(self, order: Order, norm_of: Callable[[LazyOperator], float]) -> float | None:
        rows = self.rows()
        if order == "fro":
            return math.sqrt(rows.size)
        counts = np.bincount(rows, minlength=self.size)
        if order == 2:
            return math.sqrt(counts.max())
        return extreme(counts, order) if sum_axis(order) == self._counts_along else 1.0

    def _inverse(self, invert: Invert) -> LazyOperator | None:
        raise np.linalg.LinAlgError("rows that are picked more than once make a singular matrix")

    def _flops(self) -> int:
        return 0


class Restriction(_Selection):
    """Picks rows, ``(A x)[i] = x[index[i]]``; its transpose adds rows into a zero vector."""

    _counts_along = 0

    @staticmethod
    def _shape(picked: int, size: int) -> tuple[int, int]:
        return picked, size

    def _apply(self, X: Array) -> Array:
        if self.bounds is not None:
            return pick(X, slice(*self.bounds), self.size)
        return take_rows(X, self.index)

    def _adjoint(self) -> LazyOperator:
        return self._swapped(Extension)

    def _times(self, other: LazyOperator) -> LazyOperator | None:
        if not isinstance(other, Restriction):
            return None
        dtype = np.result_type(self.dtype, other.dtype)
        if self.bounds is not None and other.bounds is not None:  # which have no home
            kept = range(other.size)[slice(*other.bounds)][slice(*self.bounds)]
            stop = kept.stop if kept.stop >= 0 else None
            rows = slice(kept.start, stop, kept.step) if kept else slice(0, 0)
            return make_restriction(rows, other.size, None, dtype)
        picked = other.rows()[self.rows()]
        home = next((x for x in (self.index, other.index) if x is not None), None)
        return make_restriction(picked, other.size, home, dtype)

    def _tosparse(self) -> csr_array:
        rows = self.rows()
        ones = np.ones(rows.size, dtype=self.dtype)
        return csr_array((ones, rows, np.arange(rows.size + 1)), shape=self.shape)


class Extension(_Selection):
    """Adds entries into a zero vector, ``y[index[i]] += x[i]``."""

    _counts_along = 1

    def __init__(
        self, size: int, bounds: Bounds | None, index: Array | None, dtype: npt.DTypeLike
    ) -> None:
        self._plan = None
        if index is not None:
            pairs, place = scatter_rounds(to_numpy(index), size)
            self._plan = [(like(a, index), like(b, index)) for a, b in pairs], like(place, index)
        super().__init__(size, bounds, index, dtype)

    @staticmethod
    def _shape(picked: int, size: int) -> tuple[int, int]:
        return size, picked

    def _apply(self, X: Array) -> Array:
        if self._plan is None:
            return spread(X, slice(*(self.bounds or (None,))), self.size)
        return scatter_add(X, *self._plan)

    def _adjoint(self) -> LazyOperator:
        return self._swapped(Restriction)

    def _tosparse(self) -> csr_array:
        return csr_array(self.adjoint().tosparse().T)


def make_restriction(
    rows: slice | npt.NDArray[np.int64],
    size: int,
    home: Array | None,
    dtype: npt.DTypeLike = np.int8,
) -> Restriction:
    """Make a restriction whose index data live where ``home`` does.

    The default dtype is the narrowest of signed integers, which widens unsigned ones alone.
    """
    if isinstance(rows, slice):
        bounds = (rows.start, rows.stop, rows.step)
        start, stop, step = (None if b is None else operators.index(b) for b in bounds)
        return Restriction(size, (start, stop, step), None, dtype)
    index = as_index(rows, "the indices", size)
    return Restriction(size, None, index if home is None else like(index, home), dtype)


def narrowest_beside(dtype: np.dtype[Any]) -> npt.DTypeLike:
    """Return a dtype of integers that does not widen a given one."""
    return np.uint8 if dtype.kind == "u" else np.int8


def restrict(op: LazyOperator, key: Any) -> Any:
    """Return ``op[key]``: an operator, an array where one index is an integer, or a scalar."""
    row, column = (
        _parse(part, size, axis)
        for part, size, axis in zip(_split_key(key), op.shape, ("row", "column"), strict=True)
    )
    if isinstance(column, int):
        picked = _column(op, column)
        return picked[row] if isinstance(row, int) else _pick(picked, row)
    if isinstance(row, int):
        return _pick(_row(op, row), column)
    factors, dtype = [op], narrowest_beside(op.dtype)
    if not _is_everything(row, op.shape[0]):
        factors.insert(0, make_restriction(row, op.shape[0], op._anchor, dtype))
    if not _is_everything(column, op.shape[1]):
        factors.append(make_restriction(column, op.shape[1], op._anchor, dtype).T)
    return multiply(*factors)


def _split_key(key: Any) -> tuple[Any, Any]:
    """Return the row and the column part of an index, an ellipsis standing for what is left."""
    parts = key if isinstance(key, tuple) else (key,)
    if any(part is None for part in parts):
        raise IndexError("an operator can't be indexed with None: it has two dimensions for good")
    ellipses = sum(part is Ellipsis for part in parts)
    if ellipses > 1 or len(parts) - ellipses > 2:
        raise IndexError(f"an operator takes a row and a column index, got {len(parts)} indices")
    if ellipses:
        at = next(i for i, part in enumerate(parts) if part is Ellipsis)
        fill = (slice(None),) * (3 - len(parts))
        parts = parts[:at] + fill + parts[at + 1 :]
    row, column = (*parts, slice(None), slice(None))[:2]
    return row, column


def _parse(part: Any, size: int, axis: str) -> int | slice | npt.NDArray[np.int64]:
    """Return an integer in range, a slice, or an array of indices in range."""
    if isinstance(part, slice):
        part.indices(size)  # raises where a bound is not an integer
        return part
    if isinstance(part, bool | np.bool_):
        raise IndexError(f"a {axis} index can't be a single boolean")
    if not is_array(part) or part.ndim == 0:
        try:
            number = operators.index(part)
        except TypeError:
            pass
        else:
            if not -size <= number < size:
                raise IndexError(f"{axis} index {number} is out of range for size {size}")
            return number % size
    wrong = f"a {axis} index must be an integer, a slice, integers or booleans, got {part!r}"
    try:
        given = as_array(part, f"the {axis} index")
    except TypeError:
        raise IndexError(wrong) from None
    is_empty_list = given.size == 0 and not is_array(part)  # which has no dtype of its own
    index: Array = np.zeros(given.shape, np.int64) if is_empty_list else given
    if dtype_of(index).kind not in "biu":
        raise IndexError(wrong)
    if dtype_of(index).kind == "b":
        if tuple(index.shape) != (size,):
            raise IndexError(
                f"a boolean {axis} mask must have shape ({size},), got {tuple(index.shape)}"
            )
        return np.flatnonzero(to_numpy(index))
    if index.ndim != 1:
        raise IndexError(f"a {axis} index must be one-dimensional, got shape {index.shape}")
    return to_numpy(as_index(index, f"the {axis} index", size))


def _is_everything(part: slice | npt.NDArray[np.int64], size: int) -> bool:
    return isinstance(part, slice) and part.indices(size) == (0, size, 1)


def _row(op: LazyOperator, i: int) -> Array:
    """Return a row, from the entries where they are held: others may be NaN, which spreads."""
    picked = op._times_left(_restriction_to(i, op.shape[0], op))
    return op.T @ _unit(i, op.shape[0], op) if picked is None else picked.toarray()[0, :]


def _column(op: LazyOperator, j: int) -> Array:
    """Return a column, from the entries where they are held."""
    picked = op._times(_restriction_to(j, op.shape[1], op).T)
    return op @ _unit(j, op.shape[1], op) if picked is None else picked.toarray()[:, 0]


def _restriction_to(i: int, size: int, op: LazyOperator) -> Restriction:
    return make_restriction(slice(i, i + 1), size, op._anchor, narrowest_beside(op.dtype))


def _unit(i: int, size: int, op: LazyOperator) -> Array:
    """Return a column of the identity, where the operator's data live."""
    return like(np.eye(1, size, k=i, dtype=op.dtype)[0], op._reference())


def _pick(x: Array, where: slice | npt.NDArray[np.int64]) -> Array:
    """Index a vector by a slice or an array, as the array API standard can."""
    if isinstance(where, slice):
        return pick(x, where, x.shape[0])
    return take_rows(x, like(where, x))
