"""Transforms of signals as operators: Fourier, cosine and sine, convolutions, and their kin.

Every function here returns an operator on arrays of a given ``shape``, which a vector holds in
row-major order. Names and arguments are those of `scipy.fft` and `scipy.signal` where these have
the transform.
"""

from lazyop.transforms.fourier import dft, dftn, idft, idftn

__all__ = ["dft", "dftn", "idft", "idftn"]
