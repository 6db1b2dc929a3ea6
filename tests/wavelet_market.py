"""Named transforms in time and scale or frequency, each with the matrix of a reference library."""

from __future__ import annotations

import warnings

import numpy as np
import pywt
from scipy.signal import ShortTimeFFT
from transform_market import matrix

import lazyop as lo

T = lo.transforms


def wavedec(x, *arguments, axis=-1):
    """PyWavelets' coefficients in one array along the axis."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of many levels
        return np.concatenate(pywt.wavedec(x, *arguments, axis=axis), axis=axis)


def wavedecn(x, *arguments, axes=None):
    """PyWavelets' coefficients in one vector."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        coefficients = pywt.wavedecn(x, *arguments, axes=axes)
    return pywt.ravel_coeffs(coefficients, axes=axes)[0]


def waverec(y, W, axis=-1):
    """What PyWavelets reconstructs from the coefficients of an operator, cut to its length."""
    n = W.dims[axis]
    x = pywt.waverec(W.split(y.ravel()), W.wavelet, W.mode, axis=axis)
    return np.take(x, range(n), axis=axis)


def waverecn(y, W):
    """The same along several axes."""
    x = pywt.waverecn(W.split(y.ravel()), W.wavelet, W.mode, axes=W.axes)
    return x[tuple(slice(n) for n in W.dims)]


def stationary(x, *arguments, axis=-1):
    """PyWavelets' coefficients of the stationary transform in one array along the axis."""
    parts = pywt.swt(x, *arguments, axis=axis, trim_approx=True)
    return np.concatenate(parts, axis=axis)


def unstationary(y, W, axis=-1):
    """What PyWavelets reconstructs from them."""
    return pywt.iswt(W.split(y.ravel()), W.wavelet, axis=axis)


def _forward(transform, function, shape, *arguments, **axes):
    def make(dtype):
        dense = matrix(lambda x: function(x, *arguments, **axes), shape, dtype)
        return transform(shape, *arguments, **axes, dtype=dtype), dense

    return make


def _inverse(transform, function, shape, *arguments, **axes):
    def make(dtype):
        V = transform(shape, *arguments, **axes, dtype=dtype)
        return V, matrix(lambda y: function(y, V, **axes), V.shape[1], dtype)

    return make


def _lapped(transform, shape, boundary):
    def make(dtype):
        window = np.sin(np.pi * (np.arange(4) + 0.5) / 4)
        C = np.cos(np.pi / 2 * np.outer(np.arange(2) + 0.5, np.arange(4) + 1.5)) * window
        starts = range(-2, shape, 2) if boundary == "zero" else range(0, shape - 3, 2)
        frames = [np.pad(C, ((0, 0), (2 + t, shape + 2 - t)))[:, 2:-4] for t in starts]
        D = np.concatenate(frames)[:, :shape].astype(dtype)
        A = transform(shape, ("sine", 4), boundary=boundary, dtype=dtype)
        return A, D if transform is T.mdct else D.T

    return make


#: From a name to a function of the dtype that returns an operator and its dense matrix.
WAVELET_MARKET = {
    "Dwt": _forward(T.dwt, wavedec, 11, "db2", "symmetric"),
    "DwtNoLevel": _forward(T.dwt, wavedec, 1, "haar"),
    "DwtAxis": _forward(T.dwt, wavedec, (2, 10, 2), "bior2.2", "smooth", 1, axis=1),
    "DwtUnitary": _forward(T.dwt, wavedec, 16, "db2", "periodization"),
    "DwtOddPeriod": _forward(T.dwt, wavedec, 13, "db2", "periodization"),
    "Idwt": _inverse(T.idwt, waverec, 13, "db2", "antireflect"),
    "IdwtOddPeriod": _inverse(T.idwt, waverec, (7, 2), "haar", "periodization", 2, axis=0),
    "Dwtn": _forward(T.dwtn, wavedecn, (4, 5), "haar", "constant", 2),
    "DwtnAxes": _forward(T.dwtn, wavedecn, (3, 2, 4), "haar", "reflect", 1, axes=(2, 0)),
    "Swt": _forward(T.swt, stationary, 8, "db2", 2),
    "IswtAxis": _inverse(T.iswt, unstationary, (4, 2), "haar", 1, axis=0),
    "Mdct": _lapped(T.mdct, 7, "zero"),
    "Imdct": _lapped(T.imdct, 8, "none"),
    "Idwtn": _inverse(T.idwtn, waverecn, (7, 6), "db2", "periodic", 1),
}


def _short_time(transform, shape, **arguments):
    """A transform of windows of five, and its matrix by SciPy's."""
    window = np.hamming(5)

    def make(dtype):
        A = transform(shape, window, 2, **arguments, dtype=dtype)
        reference = ShortTimeFFT(window, 2, fs=1.0, fft_mode=arguments["fft_mode"], phase_shift=0)
        if transform is T.stft:
            return A, matrix(
                lambda x: reference.stft(x, axis=arguments.get("axis", -1)), shape, dtype
            )
        units = np.eye(A.shape[1]).reshape(-1, *A.spectrum_shape)
        columns = [reference.istft(unit, k1=shape) for unit in units]
        return A, np.stack(columns, axis=1).astype(dtype)

    return make


def _nudft(dtype):
    frequencies = np.array([[0.1, -0.3], [0.7, 1.2], [0.25, 0.5]])
    grid = np.stack(np.meshgrid(range(2), range(3), indexing="ij"), axis=-1).reshape(-1, 2)
    waves = np.exp(-2j * np.pi * frequencies @ grid.T)
    return T.nudft((2, 3), frequencies, dtype=dtype), waves.astype(dtype)


def _noiselet(dtype):
    two = np.array([[1 - 1j, 1 + 1j], [1 + 1j, 1 - 1j]]) / 2
    return T.noiselet(4, dtype=dtype), np.kron(two, two)[[0, 2, 1, 3]].astype(dtype)


#: Those with complex matrices.
SHORT_TIME_MARKET = {
    "Stft": _short_time(T.stft, 9, fft_mode="onesided"),
    "StftAxis": _short_time(T.stft, (7, 2), fft_mode="centered", axis=0),
    "Nudft": _nudft,
    "Noiselet": _noiselet,
    "Istft": _short_time(T.istft, 8, fft_mode="twosided"),
}
