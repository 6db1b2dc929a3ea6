"""The matrix that is to be factorized: its entries on rectangles, however it is stored."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from lazyop.aslazy import aslazy
from lazyop.factorization.matrix import dense_matrix, factored_dtype, scaled
from lazyop.factorization.matrix_free import DENSE_BYTES
from lazyop.factorization.residual import energy
from lazyop.fixed_support.supports import Index
from lazyop.namespaces import describe, is_array
from lazyop.structured.sparse import Sparse

__all__ = ["Target", "opened"]

Matrix = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Target:
    """A matrix divided by `2**exponent`, in range for squares of its entries.

    Attributes
    ----------
    entries : ndarray or csr_array, shape (m, n)
        Nobody writes to it. The indices of a sparse one are sorted.
    exponent : int
        Even, so that two factors take equal shares.
    """

    entries: Any
    exponent: int = 0

    @property
    def shape(self) -> tuple[int, int]:
        """Its shape."""
        m, n = self.entries.shape
        return int(m), int(n)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Its dtype."""
        dtype: np.dtype[Any] = self.entries.dtype
        return dtype

    @property
    def is_sparse(self) -> bool:
        """Whether it is held sparse."""
        return not isinstance(self.entries, np.ndarray)

    @property
    def norm(self) -> float:
        """Frobenius norm."""
        return math.sqrt(energy(self.entries.data if self.is_sparse else self.entries))

    def with_entries(self, entries: Any) -> Target:
        """Another matrix at the same scale."""
        return Target(entries, self.exponent)

    def adjoint(self) -> Target:
        """Its conjugate transpose."""
        if not self.is_sparse:
            return self.with_entries(self.entries.conj().T)
        swapped = csr_array(self.entries.conj().T)
        swapped.sort_indices()
        return self.with_entries(swapped)

    def densified(self) -> Target:
        """The same with dense entries, if that takes no more than 64 MiB; else itself."""
        bytes_held = math.prod(self.shape) * self.dtype.itemsize
        if self.is_sparse and bytes_held <= DENSE_BYTES:
            return self.with_entries(self.entries.toarray())
        return self

    def gather(self, rows: Index, columns: Index) -> Matrix:
        """Return blocks `(b, p, q)` of the entries at `b` rectangles.

        Parameters
        ----------
        rows : array of int, shape (b, p)
        columns : array of int, shape (b, q)
        """
        blocks: Matrix
        i, j = rows[:, :, None], columns[:, None, :]
        if not self.is_sparse:
            blocks = self.entries[i, j]
            return blocks
        wanted = i * self.shape[1] + j
        if not self.entries.nnz:
            return np.zeros(wanted.shape, self.dtype)
        at = np.minimum(np.searchsorted(self._places, wanted), len(self._places) - 1)
        found = self._places[at] == wanted
        blocks = np.where(found, self.entries.data[at], self.dtype.type(0))
        return blocks

    @cached_property
    def _places(self) -> Index:
        """Where the stored entries of a sparse matrix stand, as row * n + column, sorted."""
        held = self.entries.tocoo()
        places: Index = held.row.astype(np.int64) * self.shape[1] + held.col
        return places

    def stored(self, rows: Index, columns: Index) -> csr_array:
        """Return one rectangle of a sparse matrix, sparse."""
        return csr_array(self.entries[rows][:, columns])


def opened(A: Any) -> Target:
    """Return what stands for a matrix; sparse arrays and operators that are one stay sparse.

    Raises
    ------
    TypeError
        If it is no matrix of real or complex numbers in single or double precision on NumPy.
    ValueError
        If it has no entries, or some that are not finite.
    """
    operator = None if is_array(A) else _operator(A)
    if operator is None or not _stays_sparse(operator):
        matrix = dense_matrix(A)
        _check_numpy(matrix)
        return _scaled(matrix, matrix)
    if operator.namespace is not None:
        _check_numpy(operator._anchor)
    matrix = operator.tosparse()
    if 0 in matrix.shape:
        raise ValueError(f"A has no entries: its shape is {matrix.shape}")
    matrix = csr_array(matrix, dtype=factored_dtype(matrix.dtype))
    matrix.sum_duplicates()
    return _scaled(matrix, matrix.data)


def _operator(A: Any) -> Any:
    return aslazy(A) if hasattr(A, "matvec") or hasattr(A, "tocsr") else None


def _stays_sparse(operator: Any) -> bool:
    size = math.prod(operator.shape) * np.result_type(operator.dtype, np.float32).itemsize
    return isinstance(operator, Sparse) or size > DENSE_BYTES


def _check_numpy(array: Any) -> None:
    if not isinstance(array, np.ndarray):
        raise TypeError(
            f"A is in {describe(array)}; factors with given supports are found on NumPy: "
            "bring it there first, an operator by .to('numpy')"
        )


def _scaled(matrix: Any, numbers: Matrix) -> Target:
    """In range, with an even power of two taken out."""
    if not numbers.size:
        return Target(matrix)
    in_range, exponent = scaled(numbers)
    if exponent % 2:
        in_range, exponent = in_range / 2, exponent + 1
    if matrix is numbers:
        return Target(in_range, exponent)
    return Target(csr_array((in_range, matrix.indices, matrix.indptr), matrix.shape), exponent)
