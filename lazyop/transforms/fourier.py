"""The discrete Fourier transform and its inverse, along one or several axes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lazyop.algebra.neutral import Identity
from lazyop.algebra.normal_form import multiple, multiply
from lazyop.kernels.fourier import ADJOINT_NORM, NORMS, as_norm
from lazyop.kernels.fourier import dft as fourier_transform
from lazyop.namespaces import Array
from lazyop.operator import LazyOperator
from lazyop.transforms.along_axes import AlongAxes, as_axis, as_complex_dtype, as_dims, check_points
from lazyop.transforms.resize import as_axes_and_lengths, resize, resized_dims

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from lazyop.traits import Invert, Order


class Fourier(AlongAxes):
    """Discrete Fourier transform, ``y[k] = sum_j x[j] exp(-2 pi i j k / n)``, times a norm."""

    _fields = ("dims", "axes", "norm", "inverse", "dtype")

    def __init__(
        self,
        dims: tuple[int, ...],
        axes: tuple[int, ...],
        norm: str,
        inverse: bool,
        dtype: npt.DTypeLike,
    ) -> None:
        self.dims, self.axes, self.norm, self.inverse = dims, axes, norm, inverse
        super().__init__(dtype, dims, dims, axes)

    def _transform(self, X: Array, axes: tuple[int, ...]) -> Array:
        return fourier_transform(X, axes, self.norm, inverse=self.inverse)

    def _adjoint(self) -> LazyOperator:
        inverse = not self.inverse
        return Fourier(self.dims, self.axes, ADJOINT_NORM[self.norm], inverse, self.dtype)

    def _transpose(self) -> LazyOperator:
        return self

    def _conj(self) -> LazyOperator:
        return self.adjoint()

    @property
    def _is_unitary(self) -> bool:
        return self.norm == "ortho"

    def _inverse(self, invert: Invert) -> LazyOperator | None:
        return Fourier(self.dims, self.axes, self.norm, not self.inverse, self.dtype)

    def _norm(self, order: Order, norm_of: Callable[[LazyOperator], float]) -> float | None:
        magnitude: float = self._points() ** -self._divides_by()  # of every entry of one transform
        if order not in (2, "fro"):
            return self._points() * magnitude
        spectral = math.sqrt(self._points()) * magnitude
        return spectral if order == 2 else math.sqrt(self.shape[0]) * spectral

    def _times(self, other: LazyOperator) -> LazyOperator | None:
        if not isinstance(other, Fourier) or (self.dims, self.inverse) != (
            other.dims,
            not other.inverse,
        ):
            return None
        if set(self.axes) != set(other.axes):
            return None
        dtype = np.result_type(self.dtype, other.dtype)
        exponent = 1 - self._divides_by() - other._divides_by()
        identity = Identity(self.shape[0], dtype)
        return multiple(self._points() ** exponent if exponent else 1, identity, dtype)

    def _points(self) -> int:
        """Count the points of one transform."""
        return math.prod(self.dims[axis] for axis in self.axes)

    def _divides_by(self) -> float:
        """Return the power of the number of points by which the sum is divided."""
        return NORMS[ADJOINT_NORM[self.norm] if self.inverse else self.norm]

    def _flops(self) -> int:
        points = self._points()
        return math.ceil(5 * points * math.log2(points)) * (self.shape[0] // points)

    def _details(self) -> str:
        parts = ("inverse" * self.inverse, super()._details(), f"norm={self.norm!r}")
        return ", ".join(part for part in parts if part)


def dft(
    shape: int | tuple[int, ...],
    n: int | None = None,
    axis: int = -1,
    norm: str | None = None,
    *,
    dtype: npt.DTypeLike = np.complex128,
) -> LazyOperator:
    r"""Return the discrete Fourier transform along one axis, as `scipy.fft.fft` computes it.

    .. math:: y_k = \frac{1}{n^s} \sum_{j=0}^{n-1} x_j\, e^{-2 \pi i j k / n}

    with s = 0 for the norm "backward", 1/2 for "ortho" and 1 for "forward". The adjoint is the
    inverse transform with the norm of the other name.

    Parameters
    ----------
    shape : int or tuple of int
        The length of a vector, or the shape of the array that a vector holds in row-major order.
    n : int, optional
        The length of the transform: the axis is cropped to it, or zeros are appended.
    axis : int, optional
        The axis to transform, the last one by default.
    norm : {"backward", "ortho", "forward"}, optional
        As in `scipy.fft`; None means "backward". With "ortho" the operator is unitary.
    dtype : dtype, optional
        complex128 by default, or complex64.

    Returns
    -------
    LazyOperator
        On arrays of any namespace with Fourier transforms. Real arguments are as welcome as
        complex ones.

    Raises
    ------
    ValueError
        If there are no points along the axis, the axis is out of range, or the norm is unknown.
    TypeError
        If a length or the axis is not an integer, or the dtype is not complex.

    Examples
    --------
    >>> import lazyop as lo
    >>> F = lo.transforms.dft(4)
    >>> F @ [1.0, 0.0, -1.0, 0.0]
    array([0.+0.j, 2.+0.j, 0.+0.j, 2.+0.j])
    >>> F.H @ F
    Scaled(4x4, complex128, coefficient=4.0)
    """
    return _along_axis(shape, n, axis, norm, False, dtype)


def idft(
    shape: int | tuple[int, ...],
    n: int | None = None,
    axis: int = -1,
    norm: str | None = None,
    *,
    dtype: npt.DTypeLike = np.complex128,
) -> LazyOperator:
    r"""Return the inverse discrete Fourier transform along one axis, as `scipy.fft.ifft`.

    .. math:: x_j = \frac{1}{n^{1-s}} \sum_{k=0}^{n-1} y_k\, e^{2 \pi i j k / n}

    with s as in `dft`.

    Parameters
    ----------
    shape : int or tuple of int
        The length of a vector, or the shape of the array that a vector holds in row-major order.
    n : int, optional
        The length of the transform: the axis is cropped to it, or zeros are appended.
    axis : int, optional
        The axis to transform, the last one by default.
    norm : {"backward", "ortho", "forward"}, optional
        As in `scipy.fft`; None means "backward". With "ortho" the operator is unitary.
    dtype : dtype, optional
        complex128 by default, or complex64.

    Returns
    -------
    LazyOperator
        The inverse of `dft` with the same arguments.

    Raises
    ------
    ValueError
        If there are no points along the axis, the axis is out of range, or the norm is unknown.
    TypeError
        If a length or the axis is not an integer, or the dtype is not complex.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.transforms.idft(4) @ [0.0, 2.0, 0.0, 2.0]
    array([ 1.+0.j,  0.+0.j, -1.+0.j,  0.+0.j])
    """
    return _along_axis(shape, n, axis, norm, True, dtype)


def dftn(
    shape: int | tuple[int, ...],
    s: int | tuple[int, ...] | None = None,
    axes: int | tuple[int, ...] | None = None,
    norm: str | None = None,
    *,
    dtype: npt.DTypeLike = np.complex128,
) -> LazyOperator:
    """Return the discrete Fourier transform along several axes, as `scipy.fft.fftn` computes it.

    It is the Kronecker product of the transforms along each axis, and of identities.

    Parameters
    ----------
    shape : int or tuple of int
        The shape of the array that a vector holds in row-major order.
    s : int or tuple of int, optional
        The lengths of the transform along the axes, which are cropped to them, or zeros are
        appended. Where there are no ``axes``, of the last axes.
    axes : int or tuple of int, optional
        The axes to transform; all by default, or the last ``len(s)``.
    norm : {"backward", "ortho", "forward"}, optional
        As in `dft`, for the product of the lengths.
    dtype : dtype, optional
        complex128 by default, or complex64.

    Returns
    -------
    LazyOperator
        Unitary with the norm "ortho".

    Raises
    ------
    ValueError
        If an axis has no points, is out of range or named twice, ``s`` and ``axes`` differ in
        length, or the norm is unknown.
    TypeError
        If a length or an axis is not an integer, or the dtype is not complex.

    Examples
    --------
    >>> import lazyop as lo
    >>> F = lo.transforms.dftn((2, 2))
    >>> F @ [1.0, 0.0, 0.0, 1.0]
    array([2.+0.j, 0.+0.j, 0.+0.j, 2.+0.j])
    """
    return _along_axes(shape, s, axes, norm, False, dtype)


def idftn(
    shape: int | tuple[int, ...],
    s: int | tuple[int, ...] | None = None,
    axes: int | tuple[int, ...] | None = None,
    norm: str | None = None,
    *,
    dtype: npt.DTypeLike = np.complex128,
) -> LazyOperator:
    """Return the inverse discrete Fourier transform along several axes, as `scipy.fft.ifftn`.

    Parameters
    ----------
    shape : int or tuple of int
        The shape of the array that a vector holds in row-major order.
    s : int or tuple of int, optional
        The lengths of the transform along the axes, which are cropped to them, or zeros are
        appended. Where there are no ``axes``, of the last axes.
    axes : int or tuple of int, optional
        The axes to transform; all by default, or the last ``len(s)``.
    norm : {"backward", "ortho", "forward"}, optional
        As in `idft`, for the product of the lengths.
    dtype : dtype, optional
        complex128 by default, or complex64.

    Returns
    -------
    LazyOperator
        The inverse of `dftn` with the same arguments.

    Raises
    ------
    ValueError
        If an axis has no points, is out of range or named twice, ``s`` and ``axes`` differ in
        length, or the norm is unknown.
    TypeError
        If a length or an axis is not an integer, or the dtype is not complex.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.transforms.idftn((2, 2)) @ [2.0, 0.0, 0.0, 2.0]
    array([1.+0.j, 0.+0.j, 0.+0.j, 1.+0.j])
    """
    return _along_axes(shape, s, axes, norm, True, dtype)


def _along_axis(
    shape: Any, n: Any, axis: Any, norm: Any, inverse: bool, dtype: Any
) -> LazyOperator:
    dims = as_dims(shape)
    place = as_axis(axis, dims)
    return _resized(dims, (place,), None if n is None else (n,), norm, inverse, dtype)


def _along_axes(
    shape: Any, s: Any, axes: Any, norm: Any, inverse: bool, dtype: Any
) -> LazyOperator:
    dims = as_dims(shape)
    places, lengths = as_axes_and_lengths(axes, s, dims)
    return _resized(dims, places, lengths, norm, inverse, dtype)


def _resized(
    dims: tuple[int, ...],
    axes: tuple[int, ...],
    lengths: tuple[int, ...] | None,
    norm: Any,
    inverse: bool,
    dtype: Any,
) -> LazyOperator:
    kind, new_dims = as_complex_dtype(dtype), resized_dims(dims, axes, lengths)
    check_points(new_dims, axes)
    transform = Fourier(new_dims, axes, as_norm(norm), inverse, kind)
    return multiply(transform, resize(dims, new_dims, kind))
