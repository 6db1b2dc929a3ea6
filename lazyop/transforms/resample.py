"""Resampling along an axis: by Fourier transforms, or by a filter and a rational rate."""

from __future__ import annotations

import importlib
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lazyop.algebra.neutral import Identity
from lazyop.kernels.circular import convolved, spectrum
from lazyop.kernels.fourier import fast_length, inverse_real_dft, real_dft
from lazyop.kernels.real_parts import by_parts
from lazyop.namespaces import (
    Array,
    along,
    as_array,
    as_data,
    cast,
    conj,
    dtype_of,
    floating,
    is_complex,
    namespace_of,
)
from lazyop.operator import LazyOperator
from lazyop.transforms.along_axes import (
    AlongAxes,
    as_axis,
    as_dims,
    as_length,
    as_real_dtype,
    check_points,
)
from lazyop.transforms.resize import resized
from lazyop.transforms.subsample import spread
from lazyop.transforms.window import made_by_scipy

if TYPE_CHECKING:
    import numpy.typing as npt


class FourierResample(AlongAxes):
    """Another number of points along an axis, by cropping or padding the Fourier transform.

    The adjoint goes the other way, and weights the highest frequency of the shorter, if even, once
    where this counts it twice or half.
    """

    _fields = ("dims", "dims_out", "axis", "highest", "divisor", "dtype")

    def __init__(
        self,
        dims: tuple[int, ...],
        dims_out: tuple[int, ...],
        axis: int,
        highest: float,
        divisor: int,
        dtype: npt.DTypeLike,
    ) -> None:
        self.dims, self.dims_out, self.axis = dims, dims_out, axis
        self.highest, self.divisor = highest, divisor
        super().__init__(dtype, dims, dims_out, (axis,))

    def _transform(self, X: Array, axes: tuple[int, ...]) -> Array:
        if is_complex(X):
            return by_parts(lambda x: self._transform(x, axes), X)
        (axis,) = axes
        n, new = self.dims[self.axis], self.dims_out[self.axis]
        fewer = min(n, new)
        Y = real_dft(X, axes, "backward")[along(axis, slice(fewer // 2 + 1))]
        if fewer % 2 == 0 and self.highest != 1:
            top = along(axis, slice(fewer // 2, None))
            if isinstance(Y, np.ndarray):
                Y[top] *= self.highest
            else:
                rest = Y[along(axis, slice(fewer // 2))]
                Y = namespace_of(Y).concat([rest, self.highest * Y[top]], axis=axis)
        Y = inverse_real_dft(Y, axes, "forward", lengths=(new,))
        if isinstance(Y, np.ndarray):
            return np.multiply(Y, Y.dtype.type(1 / self.divisor), out=Y)
        return Y * (1 / self.divisor)

    def _transpose(self) -> LazyOperator:
        shorter = self.dims_out[self.axis] < self.dims[self.axis]
        highest = self.highest / 2 if shorter else 2 * self.highest
        rest = self.axis, highest, self.divisor, self.dtype
        return FourierResample(self.dims_out, self.dims, *rest)

    def _adjoint(self) -> LazyOperator:
        return self._transpose()

    def _conj(self) -> LazyOperator:
        return self

    def _flops(self) -> int:
        sizes = self.dims[self.axis], self.dims_out[self.axis]
        one = sum(math.ceil(2.5 * n * math.log2(n)) for n in sizes)
        return one * (self.shape[1] // sizes[0]) * (2 if self.dtype.kind == "c" else 1)


class Polyphase(AlongAxes):
    """Zeros between entries, a filter, and every so manieth entry of the result, along an axis.

    ``y[i] = sum_m h[(i + offset) down - m up] x[m]``, by `scipy.signal.upfirdn` on NumPy
    in single and double precision.
    """

    _fields = ("taps", "dims", "dims_out", "axis", "up", "down", "offset")

    def __init__(
        self,
        taps: Array,
        dims: tuple[int, ...],
        dims_out: tuple[int, ...],
        axis: int,
        up: int,
        down: int,
        offset: int,
    ) -> None:
        self.taps, self.dims, self.dims_out, self.axis = taps, dims, dims_out, axis
        self.up, self.down, self.offset = up, down, offset
        super().__init__(dtype_of(taps), dims, dims_out, (axis,))

    def _transform(self, X: Array, axes: tuple[int, ...]) -> Array:
        (axis,) = axes
        if isinstance(X, np.ndarray) and np.result_type(X, self.taps).char in "fdFD":
            signal = importlib.import_module("scipy.signal")
            Y = signal.upfirdn(self.taps, X, self.up, self.down, axis=axis)
        else:
            Y = self._by_transforms(X, axis)
        size = self.dims_out[self.axis]
        Y = Y[along(axis, slice(min(self.offset, Y.shape[axis]), None))]
        return resized(Y, size, axis)

    def _by_transforms(self, X: Array, axis: int) -> Array:
        between = (X.shape[axis] - 1) * self.up + 1
        length = fast_length(between + self.taps.shape[0] - 1)
        transformed = spectrum(self.taps, (length,))
        real = self.dtype.kind != "c"
        longer = spread(X, 0, self.up, between, axis)
        Y = convolved(longer, transformed, (length,), (axis,), real)
        Y = Y[along(axis, slice(between + self.taps.shape[0] - 1))]
        return Y[along(axis, slice(None, None, self.down))]

    def _transpose(self) -> LazyOperator:
        """Return the reversed filter, delayed so that its phases meet, between swapped rates."""
        xp, k = namespace_of(self.taps), self.taps.shape[0]
        last = k - 1 - self.offset * self.down
        offset = max(-(-last // self.up), 0)
        delay = offset * self.up - last
        zeros = 0 * self.taps[:1]
        taps = xp.concat([*[zeros] * delay, xp.flip(self.taps, axis=0)])
        return Polyphase(taps, self.dims_out, self.dims, self.axis, self.down, self.up, offset)

    def _conj(self) -> LazyOperator:
        rest = self.axis, self.up, self.down, self.offset
        return Polyphase(conj(self.taps), self.dims, self.dims_out, *rest)

    def _adjoint(self) -> LazyOperator:
        return self._transpose().conj()

    def _flops(self) -> int:
        taps = -(-int(self.taps.shape[0]) // self.up)
        return self.shape[0] * taps * self._flops_per_entry()

    def _details(self) -> str:
        return f"{super()._details()}, up={self.up}, down={self.down}".removeprefix(", ")


def resample(
    shape: int | tuple[int, ...],
    num: int,
    axis: int = -1,
    *,
    dtype: npt.DTypeLike = np.float64,
) -> LazyOperator:
    """Return the resampling of a periodic signal to a number of points, as `scipy.signal.resample`.

    The Fourier transform is cropped or padded with zeros, so that a signal of low frequencies
    keeps its values where the points coincide.

    Parameters
    ----------
    shape : int or tuple of int
        The length of a vector, or the shape of the array that a vector holds in row-major order.
    num : int
        The number of points along the axis in the result.
    axis : int, optional
        The last one by default.
    dtype : dtype, optional
        float64 by default; float32, or complex64 or complex128 for a complex operator.

    Returns
    -------
    LazyOperator
        Real, and without data of its own.

    Raises
    ------
    ValueError
        If there are no points along the axis, ``num`` is less than 1, or the axis is out of range.
    TypeError
        If one of them is not an integer.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.transforms.resample(4, 8) @ [1.0, 0.0, -1.0, 0.0]
    array([ 1. , 0.70710678, 0. , -0.70710678, -1. , -0.70710678, 0. , 0.70710678])
    """
    dims, real = as_dims(shape), as_real_dtype(dtype)
    place, new = as_axis(axis, dims), as_length(num, "the number of points", least=1)
    check_points(dims, (place,))
    n = dims[place]
    if n == new:
        return Identity(math.prod(dims), real)
    dims_out = (*dims[:place], new, *dims[place + 1 :])
    return FourierResample(dims, dims_out, place, 2.0 if new < n else 0.5, n, real)


def resample_poly(
    shape: int | tuple[int, ...],
    up: int,
    down: int,
    axis: int = -1,
    window: Any = ("kaiser", 5.0),
    *,
    dtype: npt.DTypeLike | None = None,
) -> LazyOperator:
    """Return the resampling at ``up / down`` times the rate, as `scipy.signal.resample_poly`.

    The signal is taken to be zero beyond its ends.

    Parameters
    ----------
    shape : int or tuple of int
        The length of a vector, or the shape of the array that a vector holds in row-major order.
    up, down : int
        At least 1; common factors don't count.
    axis : int, optional
        The last one by default.
    window : str, tuple or array_like, optional
        The window by which `scipy.signal.firwin` designs a low-pass filter of zero phase, or the
        coefficients of the filter.
    dtype : dtype, optional
        That of the coefficients by default, and float64 for a designed filter.

    Returns
    -------
    LazyOperator
        The identity where ``up`` and ``down`` are equal.

    Raises
    ------
    ValueError
        If a rate is less than 1, there are no points along the axis, it is out of range, or the
        window is unknown, empty or not one-dimensional.
    TypeError
        If a rate or the axis is not an integer, or the dtype would lose the imaginary part of
        coefficients.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.transforms.resample_poly(4, 1, 2, window=[1.0, 2.0, 1.0]) @ [1.0, 2.0, 3.0, 4.0]
    array([ 4., 12.])
    """
    dims = as_dims(shape)
    place = as_axis(axis, dims)
    up, down = as_length(up, "a rate", least=1), as_length(down, "a rate", least=1)
    check_points(dims, (place,))
    common = math.gcd(up, down)
    up, down = up // common, down // common
    taps = _as_taps(window, max(up, down))
    if dtype is not None:
        kind = as_real_dtype(dtype)
        if is_complex(taps) and kind.kind != "c":
            raise TypeError(f"complex coefficients of a window are no filter of dtype {kind}")
        taps = cast(taps, kind)
    if up == down:
        return Identity(math.prod(dims), dtype_of(taps))
    half = (taps.shape[0] - 1) // 2
    # A delay by zeros makes the middle of the filter meet one of the entries that are kept.
    delay = down - half % down
    xp = namespace_of(taps)
    taps = xp.concat([*[0 * taps[:1]] * delay, up * taps])
    size = -(-dims[place] * up // down)
    dims_out = (*dims[:place], size, *dims[place + 1 :])
    taps = as_data(taps, "the taps", ndim=1)
    return Polyphase(taps, dims, dims_out, place, up, down, (half + delay) // down)


def _as_taps(window: Any, most: int) -> Array:
    """Return the coefficients of a filter, or design one for the higher of the two rates."""
    if isinstance(window, str | tuple):
        if most == 1:
            return np.ones(1)
        return made_by_scipy("firwin", window, 20 * most + 1, 1 / most)
    taps = floating(as_data(as_array(window, "a window"), "a window", ndim=1))
    if not taps.shape[0]:
        raise ValueError("a window needs coefficients, got none")
    return taps


def decimate(
    shape: int | tuple[int, ...],
    q: int,
    n: int | None = None,
    axis: int = -1,
    *,
    zero_phase: bool = True,
    dtype: npt.DTypeLike = np.float64,
) -> LazyOperator:
    """Return a low-pass filter with every q-th entry, as `scipy.signal.decimate` with "fir".

    Parameters
    ----------
    shape : int or tuple of int
        The length of a vector, or the shape of the array that a vector holds in row-major order.
    q : int
        At least 1.
    n : int, optional
        The order of the filter, ``20 q`` by default.
    axis : int, optional
        The last one by default.
    zero_phase : bool, optional
        Whether to make up for the delay of the filter.
    dtype : dtype, optional
        float64 by default; float32, or complex64 or complex128 for a complex operator.

    Returns
    -------
    LazyOperator
        With ``ceil(m / q)`` entries along the axis for m points.

    Raises
    ------
    ValueError
        If q is less than 1, n is negative, there are no points along the axis, or it is out of
        range.
    TypeError
        If one of them is not an integer.

    Examples
    --------
    >>> import numpy as np
    >>> import lazyop as lo
    >>> y = lo.transforms.decimate(400, 4) @ np.ones(400)
    >>> y.shape, round(float(y[50]), 3)
    ((100,), 1.0)
    """
    dims, real = as_dims(shape), as_real_dtype(dtype)
    place, q = as_axis(axis, dims), as_length(q, "the factor", least=1)
    order = 20 * q if n is None else as_length(n, "the order of the filter")
    check_points(dims, (place,))
    signal = importlib.import_module("scipy.signal")
    taps = signal.firwin(order + 1, 1.0 / q, window="hamming") if q > 1 else np.ones(1)
    if zero_phase:
        return resample_poly(dims, 1, q, place, taps, dtype=real)
    dims_out = (*dims[:place], -(-dims[place] // q), *dims[place + 1 :])
    return Polyphase(as_data(taps.astype(real), "the taps", 1), dims, dims_out, place, 1, q, 0)
