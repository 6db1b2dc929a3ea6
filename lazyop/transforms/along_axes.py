"""The base of all transforms: operators that act along axes of an n-dimensional array.

A vector of the operator is such an array in row-major order, as ``x.ravel()`` gives it, and a
matrix of columns is an array with one more axis at the end. The checks of what a caller says about
shapes, axes, norms and precision are here as well.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from lazyop.namespaces import Array, namespace_of
from lazyop.operator import LazyOperator
from lazyop.scalars import as_integer

if TYPE_CHECKING:
    import numpy.typing as npt


class AlongAxes(LazyOperator):
    """A linear map of n-dimensional arrays that acts along some of their axes.

    A subclass keeps its arguments as any operator does, calls ``super().__init__`` last, and
    defines `_transform` and ``_adjoint``.

    Parameters
    ----------
    dtype : dtype
        The dtype of the matrix.
    dims_in, dims_out : tuple of int
        The shapes of argument and result.
    axes : tuple of int
        Along which axes it acts; not negative.
    """

    _makes_new = True

    def __init__(
        self,
        dtype: npt.DTypeLike,
        dims_in: tuple[int, ...],
        dims_out: tuple[int, ...],
        axes: tuple[int, ...],
    ) -> None:
        self._dims_in, self._dims_out, self._axes = dims_in, dims_out, axes
        self._axes_in_stack = tuple(axis + 1 for axis in axes)
        self._is_short = self._makes_new and 0 not in dims_in and 0 not in dims_out
        self._is_flat = len(dims_in) == len(dims_out) == 1
        super().__init__(dtype, (math.prod(dims_out), math.prod(dims_in)))

    @abstractmethod
    def _transform(self, X: Array, axes: tuple[int, ...]) -> Array:
        """Return the transform of an array along these axes, of which it may have more.

        The result is a new array. It may be real where the operator is complex: whoever calls
        brings it to the dtype that the product has.
        """

    def _apply(self, X: Array) -> Array:
        xp, columns = namespace_of(X), X.shape[1]
        Y = self._transform(xp.reshape(X, (*self._dims_in, columns)), self._axes)
        return xp.reshape(Y, (self.shape[0], columns))

    def _apply_vector(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if not self._is_short:
            return super()._apply_vector(x)
        y: npt.NDArray[Any]
        if self._is_flat:
            y = self._transform(x, self._axes)
        else:
            y = self._transform(x.reshape(self._dims_in), self._axes).reshape(self.shape[0])
        dtype = self._result_with(x.dtype)
        return y if y.dtype == dtype else y.astype(dtype)

    def _apply_stack(self, S: Array) -> Array:
        xp, (depth, _, columns) = namespace_of(S), S.shape
        X = xp.reshape(S, (depth, *self._dims_in, columns))
        return xp.reshape(self._transform(X, self._axes_in_stack), (depth, self.shape[0], columns))

    def _details(self) -> str:
        if len(self._dims_in) == 1:
            return ""
        along = self._axes[0] if len(self._axes) == 1 else self._axes
        return f"{self._dims_in} along {along}"


# What callers say ---------------------------------------------------------------------------


def as_dims(shape: Any) -> tuple[int, ...]:
    """Return the shape of the arrays that a transform takes: a length, or a tuple of lengths."""
    sizes = shape if isinstance(shape, tuple | list | np.ndarray) else (shape,)
    if len(sizes) == 0:
        raise ValueError("a transform needs at least one axis, got the shape ()")
    return tuple(as_length(n, "a length") for n in sizes)


def as_length(n: Any, what: str, least: int = 0) -> int:
    """Return an integer that is not less than the least one allowed."""
    length = as_integer(n, what)
    if length < least:
        raise ValueError(f"{what} must be at least {least}, got {length}")
    return length


def as_axis(axis: Any, dims: tuple[int, ...]) -> int:
    """Return an axis of an array of a shape, counted from the front."""
    place = as_integer(axis, "an axis")
    if not -len(dims) <= place < len(dims):
        raise ValueError(f"axis {place} is out of range for the shape {dims}")
    return place % len(dims)


def as_axes(axes: Any, dims: tuple[int, ...]) -> tuple[int, ...]:
    """Return different axes of an array of a shape, counted from the front; None for all."""
    if axes is None:
        return tuple(range(len(dims)))
    several = axes if isinstance(axes, tuple | list | np.ndarray) else (axes,)
    found = tuple(as_axis(axis, dims) for axis in several)
    if not found:
        raise ValueError("a transform needs at least one axis, got none")
    if len(set(found)) < len(found):
        raise ValueError(f"axes must be different, got {tuple(several)} for the shape {dims}")
    return found


def as_real_dtype(dtype: Any) -> np.dtype[Any]:
    """Return the dtype of a transform whose matrix is real: floating-point or complex."""
    found: np.dtype[Any] = np.dtype(dtype).newbyteorder("=")
    if found.kind not in "fc" or found == np.float16:
        raise TypeError(
            f"a transform's dtype must be float32, float64, complex64 or complex128, got {found}"
        )
    return found


def as_complex_dtype(dtype: Any) -> np.dtype[Any]:
    """Return the dtype of a transform whose matrix is complex."""
    found: np.dtype[Any] = np.dtype(dtype).newbyteorder("=")
    if found.kind != "c":
        raise TypeError(f"this transform's dtype must be complex64 or complex128, got {found}")
    return found


def check_points(dims: tuple[int, ...], axes: tuple[int, ...], least: int = 1) -> None:
    """Raise ValueError where there are too few points along an axis to transform."""
    for axis in axes:
        if dims[axis] < least:
            raise ValueError(
                f"this transform needs at least {least} point(s) along an axis, got {dims[axis]} "
                f"along axis {axis} of the shape {dims}"
            )
