"""What is to be factorized where it is not dense: known by products, or by blocks of entries.

A `Source` answers with columns and products, checked, in range and in the precision of the result.
What is done with them is in `lazyop.factorization.middle_split`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lazyop.aslazy import aslazy
from lazyop.factorization.matrix import (
    dense_matrix,
    described_permutations,
    factored_dtype,
    safe_exponent,
    times_power,
)
from lazyop.namespaces import (
    Array,
    as_array,
    cast,
    conj,
    dtype_of,
    is_array,
    like,
    namespace_of,
    to_numpy,
    zeros,
)
from lazyop.operator import LazyOperator
from lazyop.scalars import positive_int
from lazyop.structured.dense import Dense
from lazyop.structured.permutation import Permutation
from lazyop.tracing import known

__all__ = ["DENSE_BYTES", "PANEL_BYTES", "EntrySource", "ProductSource", "Source", "opened"]

#: Operators and functions of entries whose dense matrix takes no more than this are made dense.
DENSE_BYTES = 1 << 26
#: How much the columns may take that are asked for at a time.
PANEL_BYTES = 1 << 25
#: Rows and columns of the sample that says what a function of entries returns.
_SAMPLE = 64

Index = npt.NDArray[np.int64]
Entries = Callable[[Index, Index], Any]


def opened(A: Any, shape: Any = None) -> Array | Source:
    """The entries of what stands for a matrix, or a source where they would take too much memory.

    Parameters
    ----------
    A : array, array_like, sparse array, operator or function of entries
    shape : tuple of int or None
        Of the matrix, where `A` is a function.

    Raises
    ------
    ValueError
        If the shape is missing or not wanted, or the matrix is empty.
    TypeError
        If its entries are not numbers in single or double precision.
    """
    is_operator = not is_array(A) and (hasattr(A, "matvec") or hasattr(A, "tocsr"))
    if callable(A) and not is_operator and not is_array(A):
        return _opened_function(A, _checked_shape(shape))
    if shape is not None:
        raise ValueError("shape goes with a function of entries; A has a shape of its own")
    if not is_operator:
        return dense_matrix(A)
    operator = aslazy(A)
    if isinstance(operator, Dense) or _dense_bytes(operator.shape, operator.dtype) <= DENSE_BYTES:
        return dense_matrix(A)
    return ProductSource(operator, factored_dtype(operator.dtype))


def _opened_function(function: Entries, shape: tuple[int, int]) -> Array | Source:
    sample = _block(function, *(_spread(n) for n in shape))
    dtype = factored_dtype(dtype_of(sample))
    rows, cols = np.arange(shape[0]), np.arange(shape[1])
    source = EntrySource(shape, dtype, function, sample[:0, :0], rows, cols)
    if _dense_bytes(shape, dtype) <= DENSE_BYTES:
        return source.block(rows, cols)
    return replace(source, exponent=safe_exponent(cast(sample, dtype)))


def _spread(n: int) -> Index:
    return np.unique(np.linspace(0, n - 1, min(n, _SAMPLE)).astype(np.int64))


def _checked_shape(shape: Any) -> tuple[int, int]:
    if shape is None:
        raise ValueError("a function of entries needs shape=(m, n)")
    if not isinstance(shape, tuple | list) or len(shape) != 2:
        raise ValueError(f"shape must be a pair (m, n), got {shape!r}")
    return positive_int(shape[0], "the number of rows"), positive_int(
        shape[1], "the number of columns"
    )


def _dense_bytes(shape: tuple[int, int], dtype: np.dtype[Any]) -> int:
    return math.prod(shape) * np.result_type(dtype, np.float32).itemsize


class Source(ABC):
    """A matrix `B`, of which products and columns come divided by a power of two.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
        In single or double precision.
    exponent : int
        What comes is `B / 2**exponent`, in range for squares of its entries.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    exponent: int
    #: Whether a pass over all columns costs no more than a product.
    reads_entries: bool

    @property
    @abstractmethod
    def reference(self) -> Array:
        """An array in the namespace of the products."""

    @property
    @abstractmethod
    def H(self) -> Source:
        """The adjoint."""

    @abstractmethod
    def columns(self, index: Index) -> Array:
        """Some columns, `(m, len(index))`."""

    @abstractmethod
    def product(self, X: Array) -> Array:
        """The product with a matrix `(n, k)`."""

    @abstractmethod
    def without(self, permutation: Any) -> tuple[Source, Permutation | None, Permutation | None]:
        """`B` for which this is `P B Q`, with `P` and `Q`."""

    def array(self, x: npt.NDArray[Any]) -> Array:
        """A NumPy array where the products live, in their precision."""
        return like(x.astype(self.dtype, copy=False), self.reference)

    def _checked(self, Y: Array, shape: tuple[int, int], what: str) -> Array:
        Y = as_array(Y, what)
        if tuple(Y.shape) != shape:
            raise ValueError(f"expected {what} of shape {shape}, got {tuple(Y.shape)}")
        if dtype_of(Y).kind == "c" and self.dtype.kind != "c":
            raise TypeError(f"{what} came complex, where the first ones, or the dtype, are real")
        Y = cast(Y, self.dtype)
        xp = namespace_of(Y)
        if not bool(xp.all(xp.isfinite(Y))):
            raise ValueError(f"{what} hold NaN or infinite entries")
        return times_power(Y, -self.exponent) if self.exponent else Y


@dataclass(frozen=True)
class ProductSource(Source):
    """An operator, known by its products and those of its adjoint."""

    operator: LazyOperator
    dtype: np.dtype[Any]
    exponent: int = 0

    reads_entries = False

    @property
    def shape(self) -> tuple[int, int]:  # type: ignore[override]
        """Rows and columns."""
        return self.operator.shape

    @property
    def reference(self) -> Array:
        """An array in the namespace of the products."""
        return self.operator._reference()

    @property
    def H(self) -> ProductSource:
        """The adjoint."""
        return replace(self, operator=self.operator.adjoint())

    def columns(self, index: Index) -> Array:
        """Some columns, by products with columns of the identity."""
        unit = np.zeros((self.shape[1], index.size), dtype=self.dtype)
        unit[index, np.arange(index.size)] = 1
        return self.product(self.array(unit))

    def product(self, X: Array) -> Array:
        """The product with a matrix `(n, k)`."""
        try:
            Y = self.operator @ X
        except NotImplementedError as error:
            m, n = self.shape
            raise TypeError(
                f"a {m} x {n} operator is too large to be made dense, and is factorized from "
                f"products with it and with its adjoint, but {error}"
            ) from error
        Y = known(Y, "products of A")
        return self._checked(Y, (self.shape[0], X.shape[1]), "the products of A")

    def without(self, permutation: Any) -> tuple[Source, Permutation | None, Permutation | None]:
        """`B` for which this is `P B Q`, with `P` and `Q`."""
        rows, columns = described_permutations(permutation, self.shape, self.reference)
        operator = self.operator if rows is None else rows.adjoint() @ self.operator
        operator = operator if columns is None else operator @ columns.adjoint()
        return replace(self, operator=operator), rows, columns


@dataclass(frozen=True)
class EntrySource(Source):
    """A function of entries, asked for blocks; `rows` and `cols` say where its own entries lie."""

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    function: Entries
    home: Array
    rows: Index
    cols: Index
    exponent: int = 0
    is_adjoint: bool = False

    reads_entries = True

    @property
    def reference(self) -> Array:
        """An array in the namespace of the blocks."""
        return self.home

    @property
    def H(self) -> EntrySource:
        """The adjoint."""
        return replace(self, shape=self.shape[::-1], is_adjoint=not self.is_adjoint)

    def block(self, rows: Index, cols: Index) -> Array:
        """The entries in some rows and columns."""
        if self.is_adjoint:
            block = replace(self.H, exponent=0).block(cols, rows)
            block = conj(namespace_of(block).matrix_transpose(block))
        else:
            block = _block(self.function, self.rows[rows], self.cols[cols])
        return self._checked(block, (rows.size, cols.size), "the entries of A")

    def columns(self, index: Index) -> Array:
        """Some columns."""
        return self.block(np.arange(self.shape[0]), index)

    def product(self, X: Array) -> Array:
        """The product with a matrix, from the columns that it does not skip, a panel at a time."""
        xp = namespace_of(X)
        used = np.flatnonzero(to_numpy(xp.any(X != 0, axis=1)))
        Y = zeros((self.shape[0], X.shape[1]), self.dtype, X)
        for part in self._panels(used):
            Y += xp.matmul(self.columns(part), xp.take(X, like(part, X), axis=0))
        return Y

    def _panels(self, index: Index) -> Iterator[Index]:
        width = max(1, PANEL_BYTES // (self.shape[0] * self.dtype.itemsize))
        return (index[k : k + width] for k in range(0, index.size, width))

    def without(self, permutation: Any) -> tuple[Source, Permutation | None, Permutation | None]:
        """`B` for which this is `P B Q`, with `P` and `Q`."""
        rows, columns = described_permutations(permutation, self.shape, self.reference)
        # As in `lazyop.factorization.matrix`: B = A[p^-1][:, q].
        found = self
        if rows is not None:
            found = replace(found, rows=np.argsort(to_numpy(rows.p)))
        if columns is not None:
            found = replace(found, cols=to_numpy(columns.p))
        return found, rows, columns


def _block(function: Entries, rows: Index, cols: Index) -> Array:
    block = known(as_array(function(rows, cols), "the block of entries"), "a block of entries")
    if tuple(block.shape) != (rows.size, cols.size):
        raise ValueError(
            f"entries(rows, cols) must return a block of shape (len(rows), len(cols)) = "
            f"{(rows.size, cols.size)}, got {tuple(block.shape)}"
        )
    return block
