"""The inverse of an operator as a solver gives it, one column at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lazyop.algebra.array_norm import entries_norm
from lazyop.namespaces import (
    Array,
    as_array,
    cast,
    copied,
    dtype_of,
    is_array,
    is_complex,
    namespace_of,
    zeros,
)
from lazyop.operator import LazyOperator

if TYPE_CHECKING:
    from lazyop.traits import Invert

Solver = Callable[[LazyOperator, Array], Any]


class SolverInverse(LazyOperator):
    """Inverse whose product with a column b is what a solver makes of ``A x = b``.

    The adjoint is the same for ``A.H``, and so on. Columns come to the solver in the dtype that the
    result will have: complex where the operand is.
    """

    _fields = ("operand", "solver")
    _makes_new = True

    def __init__(self, operand: LazyOperator, solver: Solver) -> None:
        self.operand, self.solver = operand, solver
        dtype = operand.dtype if operand.dtype.kind in "fc" else np.dtype(np.float64)
        super().__init__(dtype, operand.shape)

    def _apply(self, X: Array) -> Array:
        xp = namespace_of(X)
        if is_complex(X) and self.dtype.kind != "c":  # some solvers take real numbers alone
            return self._columns(xp.real(X)) + 1j * self._columns(xp.imag(X))
        return self._columns(X)

    def _columns(self, B: Array) -> Array:
        dtype = np.result_type(self.dtype, dtype_of(B))
        if B.shape[1] == 0:
            return zeros((self.shape[0], 0), dtype, B)
        columns = [self._solve(copied(cast(B[:, k], dtype)), k) for k in range(B.shape[1])]
        return namespace_of(B).stack(columns, axis=1)

    def _solve(self, b: Array, column: int) -> Array:
        found = self.solver(self.operand, b)
        if isinstance(found, tuple):
            if len(found) != 2:
                raise TypeError(
                    f"a solver must return x or (x, info), {self._name()} returned a tuple of "
                    f"{len(found)}; make a function of it that checks what else it says"
                )
            found, info = found
            if info != 0:
                raise RuntimeError(self._failure(found, b, column, info))
        return self._checked(found, b)

    def _failure(self, x: Any, b: Array, column: int, info: Any) -> str:
        message = f"{self._name()} did not converge for column {column}: it returned info = {info}"
        if not is_array(x) or tuple(x.shape) != tuple(b.shape):
            return message
        residual, size = (entries_norm(r) for r in (b - self.operand @ x, b))
        if size == 0:
            return f"{message}, with a residual of {residual:.2g} for zeros"
        return f"{message}, with a relative residual of {residual / size:.2g}"

    def _checked(self, found: Any, b: Array) -> Array:
        x, n = as_array(found, f"what {self._name()} returned"), self.shape[0]
        if tuple(x.shape) not in ((n,), (n, 1)):
            raise ValueError(
                f"{self._name()} must return a vector of length {n}, got shape {tuple(x.shape)}"
            )
        xp = namespace_of(b)
        if is_complex(x) and not is_complex(b):
            raise TypeError(f"{self._name()} returned complex numbers for a real system")
        if not bool(xp.all(xp.isfinite(x))):
            raise RuntimeError(f"{self._name()} returned numbers that are not finite")
        return cast(xp.reshape(x, (n,)), dtype_of(b))

    def _name(self) -> str:
        name = getattr(self.solver, "__name__", type(self.solver).__name__)
        return f"the solver {name!r}"

    def _adjoint(self) -> LazyOperator:
        return SolverInverse(self.operand.adjoint(), self.solver)

    def _transpose(self) -> LazyOperator:
        return SolverInverse(self.operand.transpose(), self.solver)

    def _conj(self) -> LazyOperator:
        return SolverInverse(self.operand.conj(), self.solver)

    def _inverse(self, invert: Invert) -> LazyOperator | None:
        return self.operand

    def _details(self) -> str:
        return getattr(self.solver, "__name__", type(self.solver).__name__)
