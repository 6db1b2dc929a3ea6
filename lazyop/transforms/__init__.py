"""Transforms of signals as operators: Fourier, cosine and sine, convolutions, and their kin.

Every function here returns an operator on arrays of a given ``shape``, which a vector holds in
row-major order. Names and arguments are those of `scipy.fft` and `scipy.signal` where these have
the transform.
"""

from lazyop.transforms.cosine import dct, dctn, idct, idctn
from lazyop.transforms.dwt import dwt, idwt
from lazyop.transforms.dwtn import dwtn, idwtn
from lazyop.transforms.fourier import dft, dftn, idft, idftn
from lazyop.transforms.real_fourier import irdft, irdftn, rdft, rdftn
from lazyop.transforms.sine import dst, dstn, idst, idstn

__all__ = [
    "dct",
    "dctn",
    "dft",
    "dftn",
    "dst",
    "dstn",
    "dwt",
    "dwtn",
    "idct",
    "idctn",
    "idft",
    "idftn",
    "idst",
    "idstn",
    "idwt",
    "idwtn",
    "irdft",
    "irdftn",
    "rdft",
    "rdftn",
]
