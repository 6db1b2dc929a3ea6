"""Transforms of signals as operators: Fourier, cosine and sine, convolutions, and their kin.

Every function here returns an operator on arrays of a given ``shape``, which a vector holds in
row-major order. Names and arguments are those of `scipy.fft` and `scipy.signal` where these have
the transform.
"""

from lazyop.transforms.convolve import circulant, convolve, correlate, hankel, toeplitz
from lazyop.transforms.cosine import dct, dctn, idct, idctn
from lazyop.transforms.difference import difference
from lazyop.transforms.discrete_wavelet import dwt, idwt
from lazyop.transforms.discrete_wavelet_n import dwtn, idwtn
from lazyop.transforms.fourier import dft, dftn, idft, idftn
from lazyop.transforms.hadamard import hadamard
from lazyop.transforms.lapped import imdct, mdct
from lazyop.transforms.nonuniform import nudft
from lazyop.transforms.padding import pad
from lazyop.transforms.real_fourier import irdft, irdftn, rdft, rdftn
from lazyop.transforms.reordered import noiselet, zak
from lazyop.transforms.resample import decimate, resample, resample_poly
from lazyop.transforms.scipy_fft_backend import ScipyFFTBackend, scipy_fft_backend
from lazyop.transforms.short_time_fourier import istft, stft
from lazyop.transforms.sine import dst, dstn, idst, idstn
from lazyop.transforms.stationary_wavelet import iswt, swt
from lazyop.transforms.subsample import downsample
from lazyop.transforms.tomography import radon
from lazyop.transforms.window import window

__all__ = [
    "ScipyFFTBackend",
    "circulant",
    "convolve",
    "correlate",
    "dct",
    "dctn",
    "decimate",
    "dft",
    "dftn",
    "difference",
    "downsample",
    "dst",
    "dstn",
    "dwt",
    "dwtn",
    "hadamard",
    "hankel",
    "idct",
    "idctn",
    "idft",
    "idftn",
    "idst",
    "idstn",
    "idwt",
    "idwtn",
    "imdct",
    "irdft",
    "irdftn",
    "istft",
    "iswt",
    "mdct",
    "noiselet",
    "nudft",
    "pad",
    "radon",
    "rdft",
    "rdftn",
    "resample",
    "resample_poly",
    "scipy_fft_backend",
    "stft",
    "swt",
    "toeplitz",
    "window",
    "zak",
]
