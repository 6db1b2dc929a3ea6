"""Matrices whose rows are Kronecker products of the rows of several smaller ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lazyop.namespaces import Array, as_data, conj, dtype_of, namespace_of, unify_kinds
from lazyop.operator import LazyOperator

#: How many numbers an intermediate result may hold.
_BUDGET = 2**20


class RowKron(LazyOperator):
    """Row-wise Kronecker product, ``A[j, :] = F_1[j, :] (x) F_2[j, :] (x) ...``.

    A wave ``exp(i f k)`` of a frequency is such a row: over the axes of a grid, and over the digits
    of k. It holds the numbers of the factors and costs the flops of the dense matrix; most of them
    are one product of matrices.

    Parameters
    ----------
    *factors : arrays, each of shape (m, n_i)
        At least one.
    """

    _fields = ("factors",)
    _makes_new = True

    def __init__(self, *factors: Any) -> None:
        self.factors = tuple(as_data(factor, "a factor", ndim=2) for factor in factors)
        (m,) = {int(factor.shape[0]) for factor in self.factors}
        self._sizes = tuple(int(factor.shape[1]) for factor in self.factors)
        dtype = np.result_type(*(dtype_of(factor) for factor in self.factors))
        super().__init__(dtype, (m, math.prod(self._sizes)))

    @classmethod
    def _rebuild(cls, **fields: Any) -> RowKron:
        return cls(*fields["factors"])

    def _apply(self, X: Array) -> Array:
        columns = int(X.shape[1])
        width = self.shape[1] // max(self._sizes[0], 1) * columns
        parts = [self._rows(X, *rows) for rows in _batches(self.shape[0], width)]
        return parts[0] if len(parts) == 1 else namespace_of(X).concat(parts, axis=0)

    def _rows(self, X: Array, start: int, stop: int) -> Array:
        xp, columns = namespace_of(X), X.shape[1]
        first, *others = (factor[start:stop, :] for factor in self.factors)
        rest = math.prod(self._sizes[1:]) * columns
        first, X = unify_kinds(first, xp.reshape(X, (self._sizes[0], rest)))
        Y = xp.matmul(first, X)
        for i, factor in enumerate(others, 2):
            rest = math.prod(self._sizes[i:]) * columns  # no -1, which nothing says where 0 is
            Y = xp.reshape(Y, (stop - start, factor.shape[1], rest))
            Y = xp.matmul(factor[:, None, :], Y)[:, 0, :]
        return xp.reshape(Y, (stop - start, columns))

    def _adjoint(self) -> LazyOperator:
        return RowKronAdjoint(*self.factors)

    def _flops(self) -> int:
        return self._flops_per_entry() * self.shape[0] * self.shape[1]


class RowKronAdjoint(LazyOperator):
    """The adjoint of a `RowKron`, of which it has the factors."""

    _fields = ("factors",)
    _makes_new = True

    def __init__(self, *factors: Any) -> None:
        self.factors = tuple(as_data(factor, "a factor", ndim=2) for factor in factors)
        (m,) = {int(factor.shape[0]) for factor in self.factors}
        self._sizes = tuple(int(factor.shape[1]) for factor in self.factors)
        dtype = np.result_type(*(dtype_of(factor) for factor in self.factors))
        super().__init__(dtype, (math.prod(self._sizes), m))

    @classmethod
    def _rebuild(cls, **fields: Any) -> RowKronAdjoint:
        return cls(*fields["factors"])

    def _apply(self, X: Array) -> Array:
        columns = int(X.shape[1])
        width = self.shape[0] // max(self._sizes[0], 1) * columns
        parts = (self._rows(X, *rows) for rows in _batches(self.shape[1], width))
        total = next(parts)
        for part in parts:
            total = total + part
        return total

    def _rows(self, X: Array, start: int, stop: int) -> Array:
        """Return what the entries of some rows of the factors give to the product."""
        xp, columns = namespace_of(X), X.shape[1]
        first, *others = (factor[start:stop, :] for factor in self.factors)
        Y = X[start:stop, :]
        for factor in reversed(others):
            Y = conj(factor)[:, :, None] * Y[:, None, :]
            Y = xp.reshape(Y, (stop - start, Y.shape[1] * Y.shape[2]))
        first, Y = unify_kinds(conj(xp.matrix_transpose(first)), Y)
        return xp.reshape(xp.matmul(first, Y), (self.shape[0], columns))

    def _adjoint(self) -> LazyOperator:
        return RowKron(*self.factors)

    def _flops(self) -> int:
        return self._flops_per_entry() * self.shape[0] * self.shape[1]


def _batches(rows: int, width: int) -> list[tuple[int, int]]:
    """Return ranges of rows for which intermediate results of a width are not large."""
    size = max(_BUDGET // max(width, 1), 1)
    starts = range(0, max(rows, 1), size)
    return [(start, min(start + size, rows)) for start in starts]
