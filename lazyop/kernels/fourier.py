"""Fourier transforms of arrays of any namespace, by the library that has them there.

Nothing else in lazyop knows which library that is: SciPy for NumPy's arrays, CuPy's counterpart of
it for CuPy's, and the fft extension of the array API standard for others.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import array_api_compat
import numpy as np

from lazyop.namespaces import Array, cast, dtype_of, is_dask, namespace_of

#: The norms of `scipy.fft`, and the power of the length by which the forward transform divides.
NORMS = {"backward": 0.0, "ortho": 0.5, "forward": 1.0}
#: The norm with which the transform the other way is the adjoint.
ADJOINT_NORM = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


def as_norm(norm: Any) -> str:
    """Return "backward" (for None), "ortho" or "forward"."""
    if norm is None:
        return "backward"
    if not isinstance(norm, str) or norm not in NORMS:
        raise ValueError(f"norm must be 'backward', 'ortho', 'forward' or None, got {norm!r}")
    return norm


def dft(
    X: Array,
    axes: tuple[int, ...],
    norm: str,
    *,
    inverse: bool = False,
    lengths: tuple[int, ...] | None = None,
) -> Array:
    """Return the discrete Fourier transform along some axes, or the inverse; a new array.

    Parameters
    ----------
    X : array
        Real or complex floating-point numbers, none of the axes empty.
    axes : tuple of int
        Different ones, not negative.
    norm : str
        "backward", "ortho" or "forward", as in `scipy.fft`.
    inverse : bool
        Whether to transform the other way.
    lengths : tuple of int, optional
        To which to crop the axes, or to append zeros.
    """
    library = signal_library(X)
    if library is None:
        X = _transformable(X, axes)
        library = namespace_of(X).fft
    if len(axes) == 1:
        n = lengths and lengths[0]
        return (library.ifft if inverse else library.fft)(X, n=n, axis=axes[0], norm=norm)
    return (library.ifftn if inverse else library.fftn)(X, s=lengths, axes=axes, norm=norm)


def real_dft(
    X: Array, axes: tuple[int, ...], norm: str, *, lengths: tuple[int, ...] | None = None
) -> Array:
    """Return the first half, along the last of some axes, of the transform of a real array."""
    library = signal_library(X)
    if library is None:
        X = _in_one_chunk(X, axes)
        library = namespace_of(X).fft
    if len(axes) == 1:
        return library.rfft(X, n=lengths and lengths[0], axis=axes[0], norm=norm)
    return library.rfftn(X, s=lengths, axes=axes, norm=norm)


def inverse_real_dft(
    X: Array, axes: tuple[int, ...], norm: str, *, lengths: tuple[int, ...]
) -> Array:
    """Return the real array of those lengths of which the transform's first half is given."""
    library = signal_library(X)
    if library is None:
        X = _transformable(X, axes)
        library = namespace_of(X).fft
    if len(axes) == 1:
        return library.irfft(X, n=lengths[0], axis=axes[0], norm=norm)
    return library.irfftn(X, s=lengths, axes=axes, norm=norm)


def fast_length(n: int) -> int:
    """Return the smallest length from n on that Fourier transforms are fast for."""
    length: int = _module("scipy.fft").next_fast_len(n, real=True)
    return length


def signal_library(X: Array) -> Any:
    """Return `scipy.fft` or its counterpart for an array, or None if there is neither."""
    if isinstance(X, np.ndarray):
        return _module("scipy.fft")
    return _module("cupyx.scipy.fft") if array_api_compat.is_cupy_array(X) else None


@cache
def _module(name: str) -> Any:
    return importlib.import_module(name)  # late: it takes as long as all that lazyop imports


def _transformable(X: Array, axes: tuple[int, ...]) -> Array:
    """Return an array as the standard's transforms take it: complex."""
    return cast(_in_one_chunk(X, axes), np.result_type(dtype_of(X), np.complex64))


def _in_one_chunk(X: Array, axes: tuple[int, ...]) -> Array:
    """Return an array of Dask with one chunk along each of some axes, others as they are."""
    return X.rechunk(dict.fromkeys(axes, -1)) if is_dask(X) else X
