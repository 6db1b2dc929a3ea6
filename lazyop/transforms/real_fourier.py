"""The first half of the Fourier transform, which tells all of a real signal, and the way back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lazyop.algebra.normal_form import multiply, scale
from lazyop.kernels.fourier import ADJOINT_NORM, as_norm, dft, real_dft
from lazyop.namespaces import Array, along, is_complex
from lazyop.operator import LazyOperator
from lazyop.transforms.along_axes import (
    AlongAxes,
    as_axis,
    as_complex_dtype,
    as_dims,
    as_length,
    check_points,
)
from lazyop.transforms.end_weights import EndWeights
from lazyop.transforms.fourier import Fourier
from lazyop.transforms.resize import as_axes_and_lengths, resize, resized_dims

if TYPE_CHECKING:
    import numpy.typing as npt


class RealFourier(AlongAxes):
    """Discrete Fourier transform, of which the first half along the last of its axes is kept."""

    _fields = ("dims", "axes", "norm", "dtype")

    def __init__(
        self, dims: tuple[int, ...], axes: tuple[int, ...], norm: str, dtype: npt.DTypeLike
    ) -> None:
        self.dims, self.axes, self.norm = dims, axes, norm
        self._half = dims[axes[-1]] // 2 + 1
        super().__init__(dtype, dims, half_dims(dims, axes[-1]), axes)

    def _transform(self, X: Array, axes: tuple[int, ...]) -> Array:
        if is_complex(X):
            return dft(X, axes, self.norm)[along(axes[-1], slice(self._half))]
        return real_dft(X, axes, self.norm)

    def _whole(self, norm: str, inverse: bool) -> LazyOperator:
        return Fourier(self.dims, self.axes, norm, inverse, self.dtype)

    def _adjoint(self) -> LazyOperator:
        back = resize(self._dims_out, self.dims, self.dtype)
        return multiply(self._whole(ADJOINT_NORM[self.norm], True), back)

    def _transpose(self) -> LazyOperator:
        return multiply(
            self._whole(self.norm, False), resize(self._dims_out, self.dims, self.dtype)
        )

    def _conj(self) -> LazyOperator:
        return self.adjoint().transpose()

    def _flops(self) -> int:
        points = math.prod(self.dims[axis] for axis in self.axes)
        return math.ceil(2.5 * points * math.log2(points)) * (self.shape[1] // points)

    def _details(self) -> str:
        return f"{super()._details()}, norm={self.norm!r}".removeprefix(", ")


def half_dims(dims: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """Return the shape of the first half, along an axis, of the transform of an array."""
    return (*dims[:axis], dims[axis] // 2 + 1, *dims[axis + 1 :])


def rdft(
    shape: int | tuple[int, ...],
    n: int | None = None,
    axis: int = -1,
    norm: str | None = None,
    *,
    dtype: npt.DTypeLike = np.complex128,
) -> LazyOperator:
    r"""Return the Fourier transform of a real signal along one axis, as `scipy.fft.rfft`.

    These are the first ``n // 2 + 1`` entries of `dft`; for a real signal the others are their
    conjugates. The operator is a complex matrix like any other, and takes complex signals too. Its
    adjoint is the conjugate transpose of that matrix, and so complex.

    Parameters
    ----------
    shape : int or tuple of int
        The length of a vector, or the shape of the array that a vector holds in row-major order.
    n : int, optional
        The length of the transform: the axis is cropped to it, or zeros are appended.
    axis : int, optional
        The axis to transform, the last one by default.
    norm : {"backward", "ortho", "forward"}, optional
        As in `scipy.fft`; None means "backward".
    dtype : dtype, optional
        complex128 by default, or complex64.

    Returns
    -------
    LazyOperator
        With ``n // 2 + 1`` entries along the axis of its result.

    Raises
    ------
    ValueError
        If there are no points along an axis, an axis is out of range or named twice, or the norm
        is unknown.
    TypeError
        If a length or an axis is not an integer, or the dtype is not complex.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.transforms.rdft(4) @ [1.0, 0.0, -1.0, 0.0]
    array([0.+0.j, 2.+0.j, 0.+0.j])
    """
    dims = as_dims(shape)
    return _forward(dims, (as_axis(axis, dims),), None if n is None else (n,), norm, dtype)


def irdft(
    shape: int | tuple[int, ...],
    n: int | None = None,
    axis: int = -1,
    norm: str | None = None,
    *,
    dtype: npt.DTypeLike = np.complex128,
) -> LazyOperator:
    r"""Return the way back from `rdft`, whose real part is what `scipy.fft.irfft` computes.

    .. math::

       x_j = \frac{1}{n^{1-s}} \sum_{k=0}^{\lfloor n/2 \rfloor} w_k\, y_k\, e^{2 \pi i j k / n}

    with w = 1 for k = 0 and k = n/2, and 2 between, and s as in `dft`. Of a spectrum of a real
    signal x this is the analytic signal, and x its real part. To take the real part, as
    `scipy.fft.irfft` does, is not linear over the complex numbers, so that no matrix does it.

    Parameters
    ----------
    shape : int or tuple of int
        The number of entries of the spectrum, or the shape of an array of spectra.
    n : int, optional
        The length of the signal, ``2 * (m - 1)`` for m entries by default. The spectrum is cropped
        to ``n // 2 + 1`` entries, or zeros are appended.
    axis : int, optional
        The axis to transform, the last one by default.
    norm : {"backward", "ortho", "forward"}, optional
        As in `scipy.fft`; None means "backward".
    dtype : dtype, optional
        complex128 by default, or complex64.

    Returns
    -------
    LazyOperator
        Its product has the real part that `scipy.fft.irfft` gives.

    Raises
    ------
    ValueError
        If there are no points along an axis, an axis is out of range or named twice, or the norm
        is unknown.
    TypeError
        If a length or an axis is not an integer, or the dtype is not complex.

    Examples
    --------
    >>> import lazyop as lo
    >>> spectrum = lo.transforms.rdft(4) @ [1.0, 2.0, 3.0, 4.0]
    >>> (lo.transforms.irdft(3) @ spectrum).real
    array([1., 2., 3., 4.])
    """
    dims = as_dims(shape)
    return _back(dims, (as_axis(axis, dims),), None if n is None else (n,), norm, dtype)


def rdftn(
    shape: int | tuple[int, ...],
    s: int | tuple[int, ...] | None = None,
    axes: int | tuple[int, ...] | None = None,
    norm: str | None = None,
    *,
    dtype: npt.DTypeLike = np.complex128,
) -> LazyOperator:
    r"""Return the Fourier transform of a real array along several axes, as `scipy.fft.rfftn`.

    Along the last of the axes it keeps the first half, as `rdft`.

    Parameters
    ----------
    shape : int or tuple of int
        The shape of the array that a vector holds in row-major order.
    s : int or tuple of int, optional
        The lengths of the transform along the axes, which are cropped to them, or zeros are
        appended. Where there are no ``axes``, of the last axes.
    axes : int or tuple of int, optional
        The axes to transform, the last of them to half; all by default, or the last ``len(s)``.
    norm : {"backward", "ortho", "forward"}, optional
        As in `scipy.fft`; None means "backward".
    dtype : dtype, optional
        complex128 by default, or complex64.

    Returns
    -------
    LazyOperator
        With ``n // 2 + 1`` entries along the last of the axes.

    Raises
    ------
    ValueError
        If there are no points along an axis, an axis is out of range or named twice, or the norm
        is unknown.
    TypeError
        If a length or an axis is not an integer, or the dtype is not complex.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.transforms.rdftn((2, 2)) @ [1.0, 0.0, 0.0, 1.0]
    array([2.+0.j, 0.+0.j, 0.+0.j, 2.+0.j])
    """
    dims = as_dims(shape)
    return _forward(dims, *as_axes_and_lengths(axes, s, dims), norm, dtype)


def irdftn(
    shape: int | tuple[int, ...],
    s: int | tuple[int, ...] | None = None,
    axes: int | tuple[int, ...] | None = None,
    norm: str | None = None,
    *,
    dtype: npt.DTypeLike = np.complex128,
) -> LazyOperator:
    r"""Return the way back from `rdftn`, whose real part is what `scipy.fft.irfftn` computes.

    It is `irdft` along the last of the axes, and `idft` along the others.

    Parameters
    ----------
    shape : int or tuple of int
        The shape of the spectrum that a vector holds in row-major order.
    s : int or tuple of int, optional
        The lengths of the result along the axes; along the last one ``2 * (m - 1)`` for m entries
        by default.
    axes : int or tuple of int, optional
        The axes to transform, the last of them from its half; all by default, or the last
        ``len(s)``.
    norm : {"backward", "ortho", "forward"}, optional
        As in `scipy.fft`; None means "backward".
    dtype : dtype, optional
        complex128 by default, or complex64.

    Returns
    -------
    LazyOperator
        Its product has the real part that `scipy.fft.irfftn` gives.

    Raises
    ------
    ValueError
        If there are no points along an axis, an axis is out of range or named twice, or the norm
        is unknown.
    TypeError
        If a length or an axis is not an integer, or the dtype is not complex.

    Examples
    --------
    >>> import lazyop as lo
    >>> (lo.transforms.irdftn((2, 2)) @ [2.0, 0.0, 0.0, 2.0]).real
    array([1., 0., 0., 1.])
    """
    dims = as_dims(shape)
    return _back(dims, *as_axes_and_lengths(axes, s, dims), norm, dtype)


def _forward(
    dims: tuple[int, ...],
    axes: tuple[int, ...],
    lengths: tuple[int, ...] | None,
    norm: Any,
    dtype: Any,
) -> LazyOperator:
    kind, new_dims = as_complex_dtype(dtype), resized_dims(dims, axes, lengths)
    check_points(new_dims, axes)
    transform = RealFourier(new_dims, axes, as_norm(norm), kind)
    return multiply(transform, resize(dims, new_dims, kind))


def _back(
    dims: tuple[int, ...],
    axes: tuple[int, ...],
    lengths: tuple[int, ...] | None,
    norm: Any,
    dtype: Any,
) -> LazyOperator:
    kind, last = as_complex_dtype(dtype), axes[-1]
    if lengths is None:
        lengths = (*(dims[axis] for axis in axes[:-1]), 2 * (dims[last] - 1))
    n = as_length(lengths[-1], "the length of a transform", least=1)
    whole = resized_dims(dims, axes, (*lengths[:-1], n))
    check_points(whole, axes)
    half = half_dims(whole, last)
    ends = EndWeights(half, (last,), 0.5, 1.0 if n % 2 else 0.5, kind)
    product = multiply(
        Fourier(whole, axes, as_norm(norm), True, kind),
        resize(half, whole, kind),
        ends,
        resize(dims, half, kind),
    )
    return scale(2, product)
