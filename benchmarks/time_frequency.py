"""Wavelet and time-frequency transforms: rows like those of `transforms.py`.

Run ``python benchmarks/time_frequency.py``; what is timed, and how, is said there.
"""

import sys
from functools import partial
from pathlib import Path

import numpy as np
import pywt
import scipy.fft
import scipy.signal
from transforms import PACKAGES, draw, main, peer, product

import lazyop as lo

RESULTS = Path(__file__).parent / "results" / "time_frequency.json"
T = lo.transforms


def wavelets(n, name, mode, way="forward"):
    """The transform, its inverse, or its adjoint; PyLops has periodization alone."""
    pylops, lazylinop, x = peer("pylops"), peer("lazylinop.signal"), draw(n)
    W = T.dwt(n, name, mode)
    level = W.level
    has_pylops = pylops and mode == "periodization"
    P = pylops.signalprocessing.DWT(n, wavelet=name, level=level) if has_pylops else None
    L = lazylinop and lazylinop.dwt(n, name, mode, level)
    if way == "forward":
        call = lambda: np.concatenate(pywt.wavedec(x, name, mode))  # noqa: E731
        return {
            "lazyop": product(W, x),
            "call": call,
            "pylops": product(P, x),
            "lazylinop": product(L, x),
        }
    y = W @ x
    if way == "adjoint":
        return {
            "lazyop": product(W.H, y),
            "pylops": P and product(P.H, y),
            "lazylinop": L and product(L.H, y),
        }
    parts = W.split(y)
    return {
        "lazyop": product(T.idwt(n, name, mode), y),
        "call": lambda: pywt.waverec(parts, name, mode),
        "pylops": P and product(P.H, y),
        "lazylinop": lazylinop and product(lazylinop.idwt(n, name, mode, level), y),
    }


def wavelets_of_photograph(n, name, level):
    pylops, x = peer("pylops"), draw(n, n)
    v = x.ravel()

    def call():
        return pywt.ravel_coeffs(pywt.wavedecn(x, name, "periodization", level))[0]

    # PyLops and lazylinop order the coefficients otherwise
    DWT2D = pylops and pylops.signalprocessing.DWT2D
    lazylinop = peer("lazylinop.signal2d")
    return {
        "lazyop": product(T.dwtn((n, n), name, "periodization", level), v),
        "call": call,
        "pylops in another order": pylops and product(DWT2D((n, n), wavelet=name, level=level), v),
        "lazylinop in another order": lazylinop
        and product(lazylinop.dwt2d((n, n), name, "periodization", level), v),
    }


def short_time(n, length, hop, mode, way="forward"):
    """The transform or its inverse; lazylinop's has other slices, all within the signal."""
    lazylinop, x = peer("lazylinop.signal"), draw(n)
    window = scipy.signal.get_window("hann", length)
    S = T.stft(n, window, hop, fft_mode=mode)
    reference = scipy.signal.ShortTimeFFT(window, hop, fs=1.0, fft_mode=mode)
    if way == "inverse":
        R, spectrum = T.istft(n, window, hop, fft_mode=mode), reference.stft(x)
        flat = spectrum.ravel()
        return {"lazyop": lambda: (R @ flat).real, "call": lambda: reference.istft(spectrum, k1=n)}
    found = {"lazyop": product(S, x), "call": lambda: reference.stft(x).ravel()}
    if lazylinop and mode == "twosided":
        found["lazylinop of fewer slices"] = product(lazylinop.stft(n, window, hop), x)
    return found


def lapped(n, length, way="forward"):
    lazylinop, x = peer("lazylinop.signal"), draw(n)
    A = T.mdct(n, ("vorbis", length), boundary="none")
    L = lazylinop and lazylinop.mdct(n, ("vorbis", length))
    if way == "adjoint":
        y = A @ x
        return {"lazyop": product(A.H, y), "lazylinop": L and product(L.H, y)}
    return {"lazyop": product(A, x), "lazylinop": product(L, x)}


def irregular(n):
    lazylinop, x = peer("lazylinop.signal"), draw(n, dtype="complex128")
    f = np.random.default_rng(0).uniform(0, 1, n)
    dense = np.exp(-2j * np.pi * np.mod(np.outer(f, np.arange(n)), 1)) / np.sqrt(n)
    return {
        "lazyop": product(T.nudft(n, f, norm="ortho", method="direct"), x),
        "call": lambda: dense @ x,
        "lazylinop": lazylinop and product(lazylinop.nudft(n, None, n * f), x),
    }


def zak(n, period):
    lazylinop, x = peer("lazylinop.signal"), draw(n)
    return {
        "lazyop": product(T.zak(n, period), x),
        "call": lambda: scipy.fft.fft(x.reshape(-1, period), axis=0, norm="ortho").ravel(),
        "lazylinop in another order": lazylinop and product(lazylinop.dzt(n, n // period), x),
    }


def noiselets(n):
    lazylinop, x = peer("lazylinop.signal"), draw(n)
    return {
        "lazyop": product(T.noiselet(n), x),
        "lazylinop": lazylinop and product(lazylinop.fnt(n), x),
    }


#: Titles, sizes (points along an axis), and functions that make the contenders.
ROWS = [
    *[
        (f"dwt, {way}, {n}, {name}, {mode}", n, partial(wavelets, n, name, mode, way))
        for n, name, mode in (
            (4096, "haar", "periodization"),
            (4096, "db4", "symmetric"),
            (4096, "db4", "zero"),
            (65536, "sym8", "periodization"),
        )
        for way in ("forward", "inverse", "adjoint")
    ],
    ("dwtn, 256 x 256, db4", 65536, partial(wavelets_of_photograph, 256, "db4", 3)),
    *[
        (f"stft, {n}, {length} by {hop}, {mode}", n, partial(short_time, n, length, hop, mode))
        for n, length, hop in ((4096, 256, 128), (65536, 1024, 256))
        for mode in ("onesided", "twosided")
    ],
    *[
        (f"istft, {n}, {m} by {hop}", n, partial(short_time, n, m, hop, "onesided", "inverse"))
        for n, m, hop in ((4096, 256, 128), (65536, 1024, 256))
    ],
    *[
        (f"mdct, {way}, {n}, frames of 256", n, partial(lapped, n, 256, way))
        for n in (4096, 65536)
        for way in ("forward", "adjoint")
    ],
    ("nudft, direct, 1024", 1024, partial(irregular, 1024)),
    ("zak, 4096 by 64", 4096, partial(zak, 4096, 64)),
    ("noiselet, 4096", 4096, partial(noiselets, 4096)),
]


if __name__ == "__main__":
    main(sys.argv[1:], ROWS, RESULTS, (*PACKAGES, "PyWavelets"))
