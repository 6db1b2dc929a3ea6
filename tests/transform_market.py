"""Named transforms, each with the dense matrix that the reference library gives."""

from __future__ import annotations

import numpy as np
import scipy.fft

import lazyop as lo


def matrix(function, shape, dtype):
    """The matrix of a function of arrays of a shape, by its values on unit arrays."""
    n = int(np.prod(shape))
    units = np.eye(n).reshape(n, *np.atleast_1d(shape))
    return np.stack([np.ravel(function(unit)) for unit in units], axis=-1).astype(dtype)


def _analytic(inverse):
    """The complex-linear function whose real part is that of an inverse of a real transform."""
    return lambda x, **arguments: inverse(x, **arguments) - 1j * inverse(1j * x, **arguments)


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
    "Rdft": _pair(T.rdft, scipy.fft.rfft, 6),
    "RdftOdd": _pair(T.rdft, scipy.fft.rfft, (5, 2), axis=0, norm="ortho"),
    "RdftLonger": _pair(T.rdft, scipy.fft.rfft, (2, 3), n=6, norm="forward"),
    "Rdftn": _pair(T.rdftn, scipy.fft.rfftn, (3, 2, 4), axes=(2, 0), s=(3, 5)),
    "Irdft": _pair(T.irdft, _analytic(scipy.fft.irfft), 4),
    "IrdftOdd": _pair(T.irdft, _analytic(scipy.fft.irfft), (5, 2), n=7, axis=0, norm="ortho"),
    "IrdftOnePoint": _pair(T.irdft, _analytic(scipy.fft.irfft), 3, n=1),
    "Irdftn": _pair(T.irdftn, _analytic(scipy.fft.irfftn), (3, 2, 4), norm="forward"),
    "Idftn": _pair(T.idftn, scipy.fft.ifftn, (2, 5), norm="forward"),
}

#: Those with real matrices.
REAL_MARKET = {
    **{
        f"{name.title()}{type}{norm}": _pair(
            getattr(T, name), getattr(scipy.fft, name), 5, type=type, norm=norm
        )
        for name in ("dct", "dst")
        for type in (1, 2, 3, 4)
        for norm in ("backward", "ortho")
    },
    "DctOnePoint": _pair(T.dct, scipy.fft.dct, 1),
    "DctLonger": _pair(T.dct, scipy.fft.dct, (2, 3), n=4, norm="ortho"),
    "DctPlain": _pair(T.dct, scipy.fft.dct, 4, norm="ortho", orthogonalize=False),
    "DctWeighted": _pair(T.dct, scipy.fft.dct, 4, type=3, norm="forward", orthogonalize=True),
    "Idct": _pair(T.idct, scipy.fft.idct, (3, 4), axis=0),
    "DctnAxes": _pair(T.dctn, scipy.fft.dctn, (2, 3, 4), type=3, axes=(2, 0)),
    "Idctn": _pair(T.idctn, scipy.fft.idctn, (2, 3), type=1),
    "Idst": _pair(T.idst, scipy.fft.idst, 6, type=2, norm="forward"),
    "Dstn": _pair(T.dstn, scipy.fft.dstn, (3, 2), s=4, norm="ortho"),
    "Idstn": _pair(T.idstn, scipy.fft.idstn, (3, 2), type=1, axes=0),
}
