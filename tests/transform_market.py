"""Named transforms, each with the dense matrix that the reference library gives."""

from __future__ import annotations

import numpy as np
import scipy.fft

import lazyop as lo

COMPLEX = ("complex64", "complex128")


def matrix(function, shape, dtype):
    """The matrix of a function of arrays of a shape, by its values on unit arrays."""
    n = int(np.prod(shape))
    units = np.eye(n).reshape(n, *np.atleast_1d(shape))
    return np.stack([np.ravel(function(unit)) for unit in units], axis=-1).astype(dtype)


def _pair(transform, function, shape, **arguments):
    """A function of the dtype that returns a transform and the matrix of a function alike."""
    return lambda dtype: (
        transform(shape, **arguments, dtype=dtype),
        matrix(lambda x: function(x, **arguments), shape, dtype),
    )


T = lo.transforms

#: From a name to a function of the dtype that returns an operator and its dense matrix; transforms
#: with complex matrices.
COMPLEX_MARKET = {
    "Dft": _pair(T.dft, scipy.fft.fft, 6),
    "DftOnePoint": _pair(T.dft, scipy.fft.fft, 1),
    "DftAxis": _pair(T.dft, scipy.fft.fft, (3, 4, 2), axis=1, norm="ortho"),
    "DftLonger": _pair(T.dft, scipy.fft.fft, (2, 3), n=5, norm="forward"),
    "Idft": _pair(T.idft, scipy.fft.ifft, 6),
    "IdftShorter": _pair(T.idft, scipy.fft.ifft, (5, 2), n=3, axis=0),
    "Dftn": _pair(T.dftn, scipy.fft.fftn, (3, 4), norm="ortho"),
    "DftnAxes": _pair(T.dftn, scipy.fft.fftn, (2, 3, 4), s=(3, 2), axes=(2, 0)),
    "Idftn": _pair(T.idftn, scipy.fft.ifftn, (2, 5), norm="forward"),
}

#: Those with real matrices.
REAL_MARKET = {}
