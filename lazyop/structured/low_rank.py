"""Products of two thin matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lazyop.algebra.array_norm import array_norm, in_floats
from lazyop.algebra.composite import Conjugate
from lazyop.kernels.plan import Step
from lazyop.namespaces import Array, adjoint, as_data, conj, dtype_of, namespace_of, unify_kinds
from lazyop.operator import LazyOperator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lazyop.traits import Invert, Order


class LowRank(LazyOperator):
    """Low-rank matrix ``U V^H``, applied as ``U (V^H x)``; its adjoint is ``V U^H``.

    Parameters
    ----------
    U : array_like, shape (m, r)
        Left factor.
    V : array_like, shape (n, r)
        Right factor, of which the conjugate transpose is taken.

    Raises
    ------
    ValueError
        If the numbers of columns differ.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.LowRank([[1.0], [2.0]], [[3.0], [4.0]]) @ [1.0, 1.0]
    array([ 7., 14.])
    """

    _fields = ("U", "V")

    def __init__(self, U: Any, V: Any) -> None:
        self.U = as_data(U, "U", ndim=2)
        self.V = as_data(V, "V", ndim=2)
        if self.U.shape[1] != self.V.shape[1]:
            raise ValueError(
                f"U and V must have equally many columns, got {self.U.shape[1]} and "
                f"{self.V.shape[1]}"
            )
        dtype = np.result_type(dtype_of(self.U), dtype_of(self.V))
        super().__init__(dtype, (self.U.shape[0], self.V.shape[0]))

    def _apply(self, X: Array) -> Array:
        xp = namespace_of(X)
        V, X = unify_kinds(self.V, conj(X))
        U, inner = unify_kinds(self.U, conj(xp.matmul(xp.matrix_transpose(V), X)))
        return xp.matmul(U, inner)

    def _adjoint(self) -> LazyOperator:
        return LowRank(self.V, self.U)

    def _transpose(self) -> LazyOperator:
        return Conjugate(self.adjoint())

    def _norm(self, order: Order, norm_of: Callable[[LazyOperator], float]) -> float | None:
        if order not in (2, "fro") or not self.U.shape[1]:
            return None
        xp = namespace_of(self.U)
        left, right = (xp.linalg.qr(in_floats(x)).R for x in (self.U, self.V))
        return array_norm(xp.matmul(*unify_kinds(left, adjoint(right))), order)

    def _inverse(self, invert: Invert) -> LazyOperator | None:
        rank, n = self.U.shape[1], self.shape[0]
        if rank < n:
            raise np.linalg.LinAlgError(f"an operator of rank {rank} and order {n} has no inverse")
        return None

    def _diagonal(self, reference: Array) -> Array:
        size = min(self.shape)
        U, V = unify_kinds(self.U, self.V)
        return namespace_of(U).sum(U[:size, :] * conj(V[:size, :]), axis=1)

    def _flops(self) -> int:
        entries = (self.shape[0] + self.shape[1]) * int(self.U.shape[1])
        return self._flops_per_entry() * entries

    def _steps(self, columns: int) -> Iterator[Step]:
        for name, factor in (("V^H", self.V), ("U", self.U)):
            size = factor.shape[0] * factor.shape[1]
            yield Step(f"{name} of {self!r}", "matmul", self._flops_per_entry() * size * columns)

    def _details(self) -> str:
        return f"rank {self.U.shape[1]}"
