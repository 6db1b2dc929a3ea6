"""A dense matrix as an operator."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array

from lazyop.algebra.array_norm import MOST_ENTRIES, array_norm
from lazyop.algebra.composite import Conjugate
from lazyop.algebra.restriction import Extension, Restriction
from lazyop.aslazy import aslazy
from lazyop.kernels.array_api import pick
from lazyop.kernels.plan import Step
from lazyop.namespaces import Array, as_data, copied, dtype_of, namespace_of, to_numpy, unify_kinds
from lazyop.operator import LazyOperator
from lazyop.structured.lu import triangular_inverse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from lazyop.traits import Invert, Order


class Dense(LazyOperator):
    """Dense matrix, held without a copy."""

    _fields = ("values",)
    _makes_new = True

    def __init__(self, values: Any) -> None:
        self.values = as_data(values, "a dense matrix", ndim=2)
        super().__init__(dtype_of(self.values), self.values.shape)

    def _apply(self, X: Array) -> Array:
        if isinstance(X, np.ndarray):
            return self.values @ X
        values, X = unify_kinds(self.values, X)
        return namespace_of(X).matmul(values, X)

    def _apply_stack(self, S: Array) -> Array:
        if S.shape[2] != 1:
            return self._apply(S)  # a matrix product broadcasts over a stack
        xp = namespace_of(S)  # one column each: they make one matrix
        values, rows = unify_kinds(self.values, S[:, :, 0])
        return xp.matmul(rows, xp.matrix_transpose(values))[:, :, None]

    def _apply_vector(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        product: npt.NDArray[Any] = self.values @ x
        return product

    def _adjoint(self) -> LazyOperator:
        transpose = self._transpose()
        return Conjugate(transpose) if self.dtype.kind == "c" else transpose

    def _transpose(self) -> LazyOperator:
        return Dense(namespace_of(self.values).matrix_transpose(self.values))

    def _norm(self, order: Order, norm_of: Callable[[LazyOperator], float]) -> float | None:
        if order == 2 and math.prod(self.shape) > MOST_ENTRIES:
            return None
        return array_norm(self.values, order)

    def _inverse(self, invert: Invert) -> LazyOperator | None:
        values = triangular_inverse(self.values)
        return None if values is None else Dense(values)

    def _times(self, other: LazyOperator) -> LazyOperator | None:
        if isinstance(other, Extension) and other.bounds is not None:
            xp = namespace_of(self.values)
            turned = xp.matrix_transpose(self.values)
            picked = pick(turned, slice(*other.bounds), self.shape[1])
            return Dense(xp.matrix_transpose(picked))
        return None

    def _times_left(self, other: LazyOperator) -> LazyOperator | None:
        if isinstance(other, Restriction) and other.bounds is not None:
            return Dense(pick(self.values, slice(*other.bounds), self.shape[0]))
        return None

    def _diagonal(self, reference: Array) -> Array:
        return namespace_of(self.values).linalg.diagonal(self.values)

    def _toarray(self, reference: Array) -> Array:
        return copied(self.values)

    def _tosparse(self) -> csr_array:
        return csr_array(to_numpy(self.values))

    def _steps(self, columns: int) -> Iterator[Step]:
        yield Step(repr(self), "matmul", self._flops() * columns)


aslazy.register(np.ndarray, Dense)
