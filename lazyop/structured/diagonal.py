"""Diagonal matrices."""

from __future__ import annotations

import operator as operators
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array

from lazyop.namespaces import (
    Array,
    as_data,
    cast,
    conj,
    dtype_of,
    namespace_of,
    share_home,
    to_numpy,
    unify_kinds,
)
from lazyop.operator import LazyOperator
from lazyop.tracing import value_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from lazyop.traits import Invert


class Diagonal(LazyOperator):
    """Diagonal matrix, ``(A x)[i] = d[i] x[i]`` and ``(A^H y)[i] = conj(d[i]) y[i]``.

    Parameters
    ----------
    d : array_like, shape (n,)
        The diagonal.

    Raises
    ------
    ValueError
        If ``d`` is not one-dimensional.
    TypeError
        If it is no array of numbers.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.Diagonal([1.0, 2.0]) @ [3.0, 4.0]
    array([3., 8.])
    """

    _fields = ("d",)
    _makes_new = True

    def __init__(self, d: Any) -> None:
        self.d = as_data(d, "a diagonal", ndim=1)
        n = self.d.shape[0]
        super().__init__(dtype_of(self.d), (n, n))

    def _apply(self, X: Array) -> Array:
        d, X = unify_kinds(self.d, X)
        return d[:, None] * X

    def _apply_to_own(self, X: Array) -> Array:
        if X.dtype != np.result_type(self.d, X) or not X.flags.writeable:
            return self._apply(X)
        return np.multiply(self.d[:, None], X, out=X)

    def _apply_vector(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        product: npt.NDArray[Any] = self.d * x
        return product

    def _adjoint(self) -> LazyOperator:
        return self.conj()

    def _transpose(self) -> LazyOperator:
        return self

    def _conj(self) -> LazyOperator:
        return Diagonal(conj(self.d))

    @property
    def _is_diagonal(self) -> bool:
        return True

    def _inverse(self, invert: Invert) -> LazyOperator | None:
        return Diagonal(reciprocals(self.d))

    def _times(self, other: LazyOperator) -> LazyOperator | None:
        return self._combined(operators.mul, other)

    def _plus(self, other: LazyOperator) -> LazyOperator | None:
        return self._combined(operators.add, other)

    def _combined(
        self, combine: Callable[[Array, Array], Array], other: LazyOperator
    ) -> LazyOperator | None:
        if not isinstance(other, Diagonal) or not share_home(self.d, other.d):
            return None
        dtype = np.result_type(self.dtype, other.dtype)
        if dtype.kind in "iu" and dtype.itemsize < np.dtype(np.int64).itemsize:
            return None  # narrow integers may not hold the entries
        return Diagonal(combine(*unify_kinds(self.d, other.d)))

    def _diagonal(self, reference: Array) -> Array:
        return self.d

    def _tosparse(self) -> csr_array:
        n = self.d.shape[0]
        return csr_array((to_numpy(self.d), np.arange(n), np.arange(n + 1)), shape=self.shape)

    def _flops(self) -> int:
        return self.shape[0] * self._flops_per_entry()


def reciprocals(d: Array) -> Array:
    """Return 1 / d, of integers as float64; LinAlgError where there is a zero."""
    if dtype_of(d).kind in "iu":
        d = cast(d, np.float64)
    xp = namespace_of(d)
    if not d.shape[0]:
        return d
    if value_of(xp.min(xp.abs(d))) == 0:
        i = int(np.argmin(np.abs(to_numpy(d))))
        raise np.linalg.LinAlgError(f"a diagonal matrix is singular: entry {i} is zero")
    with np.errstate(over="ignore", invalid="ignore"):
        inverse = xp.ones_like(d) / d
    largest = value_of(xp.max(xp.abs(d) + xp.abs(inverse)))
    if largest is not None and not np.isfinite(largest):
        raise ValueError("a diagonal matrix has entries that are not finite, or their inverses are")
    return inverse
