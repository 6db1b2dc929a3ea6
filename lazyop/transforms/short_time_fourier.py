"""The short-time Fourier transform along one axis, and its inverse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lazyop.namespaces import as_array, real_counterpart, to_numpy
from lazyop.scalars import as_integer
from lazyop.transforms.along_axes import (
    as_axis,
    as_complex_dtype,
    as_dims,
    as_length,
)
from lazyop.transforms.short_time import FFT_MODES, ShortTimeAnalysis, ShortTimeSynthesis
from lazyop.transforms.window import made_by_scipy

if TYPE_CHECKING:
    import numpy.typing as npt


def stft(
    shape: int | tuple[int, ...],
    window: Any,
    hop: int | None = None,
    axis: int = -1,
    *,
    fft_mode: str = "onesided",
    mfft: int | None = None,
    phase_shift: int | None = 0,
    dtype: npt.DTypeLike = np.complex128,
) -> ShortTimeAnalysis:
    r"""Return the short-time Fourier transform, as `scipy.signal.ShortTimeFFT.stft` computes it.

    .. math:: S_{q p} = \sum_{j=0}^{m-1} x_{k_p + j}\, \overline{w_j}\,
              e^{-2 \pi i q (j - \lfloor m/2 \rfloor) / M}, \qquad k_p = p h - \lfloor m/2 \rfloor,

    for a window w of length m, the hop h, and M frequencies (``mfft``), with x zero beyond its
    ends. Slices p are those that SciPy has: from the first whose window reaches the signal to the
    last. In the result, which is of the shape ``S.spectrum_shape``, frequencies are where the
    signal had times, and slices along one more axis, the last. ``S.frequencies(fs)`` and
    ``S.times(fs)`` say what they stand for.

    Parameters
    ----------
    shape : int or tuple of int
        The length of a vector, or the shape of the array that a vector holds in row-major order.
    window : array_like or tuple
        The window, real or complex, or a pair of a name (or what else `scipy.signal.get_window`
        takes) and a length, as ``("hann", 256)``.
    hop : int, optional
        How far slices are apart; half a window by default.
    axis : int, optional
        The axis to transform, the last one by default.
    fft_mode : {"onesided", "twosided", "centered"}, optional
        Which frequencies: those from 0, enough for real signals, by default; or all, from 0 or
        with 0 in the middle. Unlike SciPy's, the one-sided transform takes complex signals.
    mfft : int, optional
        How many frequencies there are, at least and by default the length of the window.
    phase_shift : int or None, optional
        Where in a slice phase zero is: so many samples from the middle of the window, or at its
        beginning if None.
    dtype : dtype, optional
        complex128 by default, or complex64.

    Returns
    -------
    ShortTimeAnalysis

    Raises
    ------
    ValueError
        If a length is out of range, the signal is shorter than half the window, the window is
        unknown, zero, or not finite, or the mode is unknown.
    TypeError
        If a length is not an integer, or the dtype is not complex.

    See Also
    --------
    istft : the inverse.

    Notes
    -----
    Of `ShortTimeFFT` there are neither scalings, which multiply the window, nor other paddings than
    by zeros, nor ranges of slices, which restrictions of the operator are.

    References
    ----------
    K. Groechenig, Foundations of Time-Frequency Analysis, Birkhaeuser, 2001,
    doi 10.1007/978-1-4612-0003-1.

    Examples
    --------
    >>> import numpy as np
    >>> import lazyop as lo
    >>> S = lo.transforms.stft(64, ("hann", 16))
    >>> S.spectrum_shape
    (9, 9)
    >>> wave = np.cos(2 * np.pi * 4 / 16 * np.arange(64))
    >>> abs((S @ wave).reshape(S.spectrum_shape))[:, 4].round(6)
    array([0., 0., 0., 2., 4., 2., 0., 0., 0.])
    """
    dims, place, w = _arguments(shape, axis, window, as_complex_dtype(dtype))
    plan = _plan(dims, place, w, hop, fft_mode, mfft, phase_shift)
    return ShortTimeAnalysis(dims, w, *plan, False, place)


def istft(
    shape: int | tuple[int, ...],
    window: Any,
    hop: int | None = None,
    axis: int = -1,
    *,
    dual_window: Any = None,
    fft_mode: str = "onesided",
    mfft: int | None = None,
    phase_shift: int | None = 0,
    dtype: npt.DTypeLike = np.complex128,
) -> ShortTimeSynthesis:
    r"""Return the inverse short-time Fourier transform, as `scipy.signal.ShortTimeFFT.istft`.

    Each slice of the spectrum is transformed back, multiplied by the dual window, and added where
    it was. The canonical dual window

    .. math:: v_j = w_j \Big/ \sum_p |w_{j - p h}|^2

    makes it the left inverse of `stft` with the least norm of v. From the one-sided spectrum
    of a real signal x comes its sum with an imaginary part that means nothing: take the real part,
    which is SciPy's result.

    Parameters
    ----------
    shape : int or tuple of int
        The shape of the signal: that which `stft` takes, and this returns.
    window, hop, axis, fft_mode, mfft, phase_shift, dtype
        As in `stft`.
    dual_window : array_like, optional
        In place of the canonical dual window, and of the same length.

    Returns
    -------
    ShortTimeSynthesis

    Raises
    ------
    ValueError
        As in `stft`, and if the window has no dual: hops leave gaps.
    TypeError
        If a length is not an integer, or the dtype is not complex.

    Examples
    --------
    >>> import numpy as np
    >>> import lazyop as lo
    >>> S, R = (f(64, ("hann", 16), 4) for f in (lo.transforms.stft, lo.transforms.istft))
    >>> x = np.sin(np.arange(64.0))
    >>> bool(np.allclose((R @ (S @ x)).real, x))
    True
    """
    dims, place, w = _arguments(shape, axis, window, as_complex_dtype(dtype))
    plan = _plan(dims, place, w, hop, fft_mode, mfft, phase_shift)
    step, _, _, frequencies, *_ = plan
    if dual_window is None:
        dual = _canonical_dual(w, step)
    else:
        dual = _as_window(dual_window, as_complex_dtype(dtype))
        if dual.shape != w.shape:
            raise ValueError(f"the dual window has {dual.size} samples, the window {w.size}")
        if fft_mode == "onesided" and dual.dtype.kind == "c":
            raise ValueError("a complex dual window needs fft_mode 'twosided' or 'centered'")
    dual = (dual / frequencies).astype(dual.dtype)
    return ShortTimeSynthesis(dims, dual, *plan, fft_mode == "onesided", place)


def _arguments(
    shape: Any, axis: Any, window: Any, dtype: np.dtype[Any]
) -> tuple[tuple[int, ...], int, npt.NDArray[Any]]:
    dims = as_dims(shape)
    return dims, as_axis(axis, dims), _as_window(window, dtype)


def _as_window(window: Any, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return a window of the precision of a dtype, real where it can be."""
    if isinstance(window, str):
        raise TypeError(f"a named window needs its length: ({window!r}, 256)")
    if isinstance(window, tuple) and len(window) == 2 and not isinstance(window[0], int | float):
        length = as_length(window[1], "the length of a window", least=1)
        found = made_by_scipy("get_window", window[0], Nx=length)
    else:
        found = to_numpy(as_array(window, "a window"))
    if found.ndim != 1 or not found.size:
        raise ValueError(f"a window must have one dimension, and samples, got shape {found.shape}")
    if not np.all(np.isfinite(found)) or not np.any(found):
        raise ValueError("a window must be finite, and not zero throughout")
    kept: npt.NDArray[Any] = found.astype(
        dtype if found.dtype.kind == "c" else real_counterpart(dtype)
    )
    return kept


def _plan(
    dims: tuple[int, ...],
    axis: int,
    window: npt.NDArray[Any],
    hop: Any,
    fft_mode: Any,
    mfft: Any,
    phase_shift: Any,
) -> tuple[int, int, int, int, int | None, str]:
    """Return hop, first slice, slices, frequencies, phase shift and mode."""
    length, n = window.size, dims[axis]
    step = max(length // 2, 1) if hop is None else as_length(hop, "hop", least=1)
    if fft_mode not in FFT_MODES:
        raise ValueError(f"fft_mode must be one of {', '.join(FFT_MODES)}, got {fft_mode!r}")
    if fft_mode == "onesided" and window.dtype.kind == "c":
        raise ValueError("a complex window needs fft_mode 'twosided' or 'centered'")
    frequencies = length if mfft is None else as_length(mfft, "mfft", least=length)
    shift = None if phase_shift is None else as_integer(phase_shift, "phase_shift")
    if shift is not None and not -frequencies < shift < frequencies:
        raise ValueError(
            f"phase_shift must be between -{frequencies} and {frequencies}, the points of a "
            f"transform, got {shift}"
        )
    if n < length - length // 2:
        raise ValueError(
            f"a signal must be at least half as long as the window of {length}, got {n} along "
            f"axis {axis} of the shape {dims}"
        )
    first, last = _slices(n, window, step)
    return step, first, last - first, frequencies, shift, fft_mode


def _slices(n: int, window: npt.NDArray[Any], hop: int) -> tuple[int, int]:
    """Return the first slice that SciPy has, and the one after the last."""
    from scipy.signal import ShortTimeFFT  # late: it takes longer than all that lazyop imports

    first, stop = ShortTimeFFT(window, hop, fs=1.0, fft_mode="twosided").p_range(n)
    return int(first), int(stop)


def _canonical_dual(window: npt.NDArray[Any], hop: int) -> npt.NDArray[Any]:
    """Return the window over the sum of squares of its copies, one every hop."""
    squares = abs(window.astype(np.complex128)) ** 2
    padded = np.pad(squares, (0, -squares.size % hop)).reshape(-1, hop)
    total = padded.sum(axis=0)
    if total.size > window.size or np.min(total) <= np.finfo(window.dtype).resolution * np.max(
        total
    ):
        raise ValueError(
            f"the window has no dual for hop {hop}: between its copies, some samples are lost"
        )
    dual: npt.NDArray[Any] = window / np.tile(total, len(padded))[: window.size]
    return dual.astype(window.dtype)
