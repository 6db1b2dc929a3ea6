"""The neutral elements of the algebra: identity and zero. They hold no data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array, eye_array

from lazyop.namespaces import Array, device_of, dtype_of, namespace_of, native_dtype, zeros
from lazyop.operator import LazyOperator
from lazyop.scalars import as_integer

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from lazyop.traits import Invert, Order


class Identity(LazyOperator):
    """Identity, ``A x = x``.

    Parameters
    ----------
    n : int
        Rows and columns.
    dtype : dtype, optional
        float64 by default.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.Identity(2) @ [1.0, 2.0]
    array([1., 2.])
    """

    _fields = ("n", "dtype")

    def __init__(self, n: int, dtype: npt.DTypeLike = np.float64) -> None:
        self.n = _size(n)
        super().__init__(dtype, (self.n, self.n))

    def _apply(self, X: Array) -> Array:
        return X

    def _apply_stack(self, S: Array) -> Array:
        return S

    def _adjoint(self) -> LazyOperator:
        return self

    def _transpose(self) -> LazyOperator:
        return self

    def _conj(self) -> LazyOperator:
        return self

    def _times(self, other: LazyOperator) -> LazyOperator | None:
        return other if other.dtype == np.result_type(self.dtype, other.dtype) else None

    _times_left = _times

    @property
    def _is_unitary(self) -> bool:
        return True

    @property
    def _is_diagonal(self) -> bool:
        return True

    def _keeps_norm(self, order: Order) -> bool:
        return True

    def _diagonal(self, reference: Array) -> Array:
        xp = namespace_of(reference)
        dtype = native_dtype(xp, self.dtype)
        return xp.ones(self.n, dtype=dtype, device=device_of(reference))

    def _tosparse(self) -> csr_array:
        return eye_array(self.n, dtype=self.dtype, format="csr")

    def _flops(self) -> int:
        return 0


class Zero(LazyOperator):
    """Zero matrix, ``A x = 0``.

    Parameters
    ----------
    shape : tuple of int
        ``(m, n)``; an int n means (n, n).
    dtype : dtype, optional
        float64 by default.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.Zero((3, 2)) @ [1.0, 2.0]
    array([0., 0., 0.])
    """

    _fields = ("shape", "dtype")

    def __init__(self, shape: tuple[int, int] | int, dtype: npt.DTypeLike = np.float64) -> None:
        sizes: Any = shape if isinstance(shape, tuple | list) else (shape, shape)
        if len(sizes) != 2:
            raise ValueError(f"a shape has two sizes, got {shape!r}")
        super().__init__(dtype, (_size(sizes[0]), _size(sizes[1])))

    def _apply(self, X: Array) -> Array:
        dtype = np.result_type(self.dtype, dtype_of(X))
        return zeros((self.shape[0], X.shape[1]), dtype, X)

    def _adjoint(self) -> LazyOperator:
        return Zero((self.shape[1], self.shape[0]), self.dtype)

    def _transpose(self) -> LazyOperator:
        return Zero((self.shape[1], self.shape[0]), self.dtype)

    def _conj(self) -> LazyOperator:
        return self

    def _times(self, other: LazyOperator) -> LazyOperator | None:
        return Zero((self.shape[0], other.shape[1]), np.result_type(self.dtype, other.dtype))

    def _times_left(self, other: LazyOperator) -> LazyOperator | None:
        return Zero((other.shape[0], self.shape[1]), np.result_type(self.dtype, other.dtype))

    def _plus(self, other: LazyOperator) -> LazyOperator | None:
        return other if other.dtype == np.result_type(self.dtype, other.dtype) else None

    def _norm(self, order: Order, norm_of: Callable[[LazyOperator], float]) -> float | None:
        return 0.0

    def _inverse(self, invert: Invert) -> LazyOperator | None:
        raise np.linalg.LinAlgError("a zero matrix is singular")

    def _diagonal(self, reference: Array) -> Array:
        return zeros((min(self.shape),), self.dtype, reference)

    def _tosparse(self) -> csr_array:
        return csr_array(self.shape, dtype=self.dtype)

    def _flops(self) -> int:
        return 0


def _size(n: Any) -> int:
    size = as_integer(n, "a size")
    if size < 0:
        raise ValueError(f"a size can't be negative, got {size}")
    return size
