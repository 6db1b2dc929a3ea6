"""Operators of other libraries: SciPy's, and anything that multiplies vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from lazyop.aslazy import aslazy
from lazyop.namespaces import Array, dtype_of, is_array, namespace_of, zeros
from lazyop.operator import LazyOperator
from lazyop.structured.dense import Dense
from lazyop.structured.sparse import from_sparse


class External(LazyOperator):
    """An object with ``shape``, ``dtype``, ``matvec`` and ``rmatvec``, as it is or adjoint.

    SciPy's operators live on NumPy; any other object gets the arrays that the caller passes.
    """

    _fields = ("source", "is_adjoint")

    def __init__(self, source: Any, is_adjoint: bool = False) -> None:
        dtype = getattr(source, "dtype", None)
        if dtype is None:
            raise TypeError(
                f"{type(source).__name__} has no dtype; give it one, e.g. with the dtype "
                "argument of scipy.sparse.linalg.LinearOperator"
            )
        self.source, self.is_adjoint = source, is_adjoint
        m, n = source.shape
        super().__init__(dtype, (n, m) if is_adjoint else (m, n))

    def _find_anchor(self) -> Array | None:
        return np.empty(0) if isinstance(self.source, LinearOperator) else None

    def _apply(self, X: Array) -> Array:
        many, one = ("rmatmat", "rmatvec") if self.is_adjoint else ("matmat", "matvec")
        product = getattr(self.source, many, None)
        try:
            return self._by_vectors(one, X) if product is None else product(X)
        except (NotImplementedError, TypeError) as error:
            if isinstance(error, TypeError) and not _is_of_scipy(error):
                raise
            raise NotImplementedError(
                f"{type(self.source).__name__} does not define {one}"
            ) from error

    def _by_vectors(self, method: str, X: Array) -> Array:
        product = getattr(self.source, method, None)
        if product is None:
            raise NotImplementedError
        if X.shape[1] == 0:
            return zeros((self.shape[0], 0), np.result_type(self.dtype, dtype_of(X)), X)
        columns = [product(X[:, k]) for k in range(X.shape[1])]
        return namespace_of(X).stack(columns, axis=1)

    def _adjoint(self) -> LazyOperator:
        return External(self.source, not self.is_adjoint)

    def _converted(self, conversion: Any) -> LazyOperator:
        moves = self._anchor is not None and conversion.xp not in (None, self.namespace)
        if moves or conversion.target(self.dtype) != self.dtype:
            raise TypeError(
                f"{type(self.source).__name__} is another library's operator: its data can't be "
                "moved or converted"
            )
        return self

    def _details(self) -> str:
        return type(self.source).__name__ + (", adjoint" if self.is_adjoint else "")


def _is_of_scipy(error: TypeError) -> bool:
    """Whether SciPy itself raised an error, as it does where it was given no function to call."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_globals["__name__"].startswith("scipy.")


aslazy.register(LinearOperator, External)


@aslazy.register
def _(obj: object) -> LazyOperator:
    if is_array(obj):
        return Dense(obj)
    if type(obj).__module__.startswith("cupyx."):
        return from_sparse(obj)
    if hasattr(obj, "shape") and hasattr(obj, "matvec"):
        return External(obj)
    if isinstance(obj, list | tuple):
        return Dense(obj)
    raise TypeError(f"expected a matrix, a sparse array or an operator, got {type(obj).__name__}")
