"""Named wavelet transforms, each with the dense matrix that PyWavelets gives."""

from __future__ import annotations

import warnings

import numpy as np
import pywt
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
    "Idwtn": _inverse(T.idwtn, waverecn, (7, 6), "db2", "periodic", 1),
}
