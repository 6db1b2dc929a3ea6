"""The stationary (undecimated) wavelet transform along one axis, its inverse, and the adjoints."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lazyop.algebra.neutral import Identity
from lazyop.namespaces import Array, namespace_of
from lazyop.operator import LazyOperator
from lazyop.transforms.along_axes import (
    AlongAxes,
    as_axis,
    as_dims,
    as_length,
    as_real_dtype,
    check_points,
)
from lazyop.transforms.discrete_wavelet import WaveletAnalysis, WaveletSynthesis, WaveletTransform
from lazyop.transforms.extension import Extension
from lazyop.transforms.filter_bank import Taps, by_pywavelets, pywavelets
from lazyop.transforms.wavelet import Wavelet, as_wavelet, filters_of

if TYPE_CHECKING:
    import numpy.typing as npt


class CircularBank:
    """Two filters of periodic signals, whose taps are a step apart; nothing is left out.

    ``a[i] = sum_j low[j] x[i + step (F/2 - j)]`` for F taps, and likewise with the taps of high.
    """

    def __init__(self, n: int, low: Taps, high: Taps, level: int) -> None:
        self.low, self.high, self._level = low, high, level
        self.half = n  # as many coefficients of each kind as samples
        self._step = 2**level
        half = len(low) // 2
        self._extension = Extension(n // self._step, half - 1, half, "periodic")
        pywt = pywavelets()
        self._swt = pywt.swt
        # PyWavelets looks at the filters of the decomposition alone
        self._wavelet, self._reversed = (
            pywt.Wavelet("", filter_bank=(a, b, a, b))
            for a, b in ((low, high), (low[::-1], high[::-1]))
        )

    def analyse(self, X: Array, axis: int) -> tuple[Array, Array]:
        """Return both filtered signals."""
        if by_pywavelets(X):
            [(low, high)] = self._swt(X, self._wavelet, 1, self._level, axis)
            return low, high
        extended = self._extension.extend(self._grouped(X, axis))
        shape = tuple(X.shape)
        low, high = (self._filtered(extended, taps) for taps in (self.low, self.high))
        xp = namespace_of(X)
        return xp.reshape(low, shape), xp.reshape(high, shape)

    def adjoint(self, low: Array, high: Array, axis: int) -> Array:
        """Return the product of the adjoint with both signals."""
        if by_pywavelets(low):
            [(first, _)] = self._swt(low, self._reversed, 1, self._level, axis)
            [(_, second)] = self._swt(high, self._reversed, 1, self._level, axis)
            return np.roll(first + second, self._step, axis=axis)
        parts = [
            self._spread(self._grouped(x, axis), taps)
            for x, taps in ((low, self.low), (high, self.high))
        ]
        X = self._extension.fold(parts[0] + parts[1])
        return namespace_of(X).reshape(X, tuple(low.shape))

    def _grouped(self, X: Array, axis: int) -> Array:
        """Return signals of which neighbours are a step apart in ours."""
        n = X.shape[axis] // self._step
        after = self._step * math.prod(X.shape[axis + 1 :])
        return namespace_of(X).reshape(X, (math.prod(X.shape[:axis]), n, after))

    def _filtered(self, X: Array, taps: Taps) -> Array:
        n, last = self._extension.n, len(taps) - 1
        Y = taps[last] * X[:, :n, :]
        for j in range(1, len(taps)):
            Y = Y + taps[last - j] * X[:, j : j + n, :]
        return Y

    def _spread(self, X: Array, taps: Taps) -> Array:
        """Return the adjoint of `_filtered`."""
        xp = namespace_of(X)
        margin = xp.zeros_like(X[:, :1, :])
        last = len(taps) - 1
        X = xp.concat([*[margin] * last, X, *[margin] * last], axis=1)
        n = self._extension.n + last
        Y = taps[last] * X[:, last : last + n, :]
        for j in range(1, len(taps)):
            Y = Y + taps[last - j] * X[:, last - j : last - j + n, :]
        return Y


class StationaryTransform(WaveletTransform):
    """What the stationary analysis and its adjoint share."""

    _fields = ("dims", "wavelet", "level", "axis", "norm", "dual", "dtype")

    def __init__(
        self,
        dims: tuple[int, ...],
        wavelet: Wavelet,
        level: int,
        axis: int,
        norm: bool,
        dual: bool,
        dtype: npt.DTypeLike,
    ) -> None:
        self.dims, self.wavelet, self.mode = dims, wavelet, "periodic"
        self.level, self.axis, self.norm, self.dual = level, axis, norm, dual
        self._banks = tuple(_banks(dims[axis], wavelet, level, norm, dual))
        self._lengths = [dims[axis]] * (level + 1)
        transformed = (*dims[:axis], sum(self._lengths), *dims[axis + 1 :])
        ends = (dims, transformed) if self._is_analysis else (transformed, dims)
        AlongAxes.__init__(self, dtype, *ends, (axis,))

    @property
    def _is_unitary(self) -> bool:
        return self.level == 0

    def _is_invertible(self) -> bool:
        return False  # but where it is unitary


class StationaryAnalysis(StationaryTransform, WaveletAnalysis):
    """The stationary transform; where it is dual, the adjoint of the inverse."""

    def _adjoint(self) -> LazyOperator:
        return self._as(StationarySynthesis, self.dual)


class StationarySynthesis(StationaryTransform, WaveletSynthesis):
    """The adjoint of the stationary transform; where it is dual, the inverse."""

    def _adjoint(self) -> LazyOperator:
        return self._as(StationaryAnalysis, self.dual)

    def _times(self, other: LazyOperator) -> LazyOperator | None:
        if not isinstance(other, StationaryAnalysis):
            return None
        names = ("dims", "wavelet", "level", "axis", "norm")
        if any(getattr(self, name) != getattr(other, name) for name in names):
            return None
        filters = filters_of(self.wavelet)
        is_frame = self.dual == other.dual and self.norm and filters.is_orthonormal
        if not (is_frame or (self.dual != other.dual and filters.reconstructs)):
            return None
        return Identity(self.shape[0], np.result_type(self.dtype, other.dtype))


def _banks(n: int, wavelet: Wavelet, level: int, norm: bool, dual: bool) -> list[CircularBank]:
    """Return the filters of all levels, the finest first.

    The inverse is half the sum of what both filters give back, since twice as much went in.
    """
    filters = filters_of(wavelet)
    scale = math.sqrt(0.5) if norm else 0.5 if dual else 1.0
    low, high = (
        tuple(scale * tap for tap in taps) for taps in (filters.dual if dual else filters.analysis)
    )
    return [CircularBank(n, low, high, j) for j in range(level)]


def swt(
    shape: int | tuple[int, ...],
    wavelet: Any = "haar",
    level: int | None = None,
    axis: int = -1,
    norm: bool = False,
    *,
    dtype: npt.DTypeLike = np.float64,
) -> StationaryAnalysis:
    """Return the stationary wavelet transform along one axis, as `pywt.swt` computes it.

    Nothing is left out after the filters, so that a shifted signal has shifted coefficients. The
    signal is periodic. The result is ``[cA_n, cD_n, ..., cD_1]`` along the axis, each as long as
    the signal: what `pywt.swt` returns with ``trim_approx=True``. ``W.split`` and ``W.join`` are
    as for `dwt`.

    Parameters
    ----------
    shape : int or tuple of int
        The length of a vector, or the shape of the array that a vector holds in row-major order.
    wavelet, dtype
        As in `dwt`.
    level : int, optional
        How many levels; 2 to its power divides the length. By default as many as there can be.
    axis : int, optional
        The axis to transform, the last one by default.
    norm : bool, optional
        Whether to divide the filters by the square root of two; then the transform of an
        orthonormal wavelet keeps norms, and ``W.H @ W`` is the identity.

    Returns
    -------
    StationaryAnalysis

    Raises
    ------
    ImportError
        If PyWavelets is not installed.
    ValueError
        If the wavelet is unknown, the length can't be halved so often, or the axis is out of range.
    TypeError
        If a length, the axis or the level is not an integer, the norm is no bool, or the dtype is
        not real or complex.

    Examples
    --------
    >>> import lazyop as lo
    >>> W = lo.transforms.swt(8, "haar", level=2, norm=True)
    >>> W.shape
    (24, 8)
    >>> W.N
    Identity(8x8, float64)
    """
    return StationaryAnalysis(
        *_arguments(shape, wavelet, level, axis), _as_bool(norm), False, as_real_dtype(dtype)
    )


def iswt(
    shape: int | tuple[int, ...],
    wavelet: Any = "haar",
    level: int | None = None,
    axis: int = -1,
    norm: bool = False,
    *,
    dtype: npt.DTypeLike = np.float64,
) -> StationarySynthesis:
    """Return the inverse of `swt`, as `pywt.iswt` computes it: a left inverse.

    Parameters
    ----------
    shape : int or tuple of int
        The shape of the signal: that which `swt` takes, and this returns.
    wavelet, level, axis, norm, dtype
        As in `swt`.

    Returns
    -------
    StationarySynthesis

    Raises
    ------
    ImportError, ValueError, TypeError
        As `swt` does.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.transforms.iswt(12, "db2", level=2) @ lo.transforms.swt(12, "db2", level=2)
    Identity(12x12, float64)
    """
    return StationarySynthesis(
        *_arguments(shape, wavelet, level, axis), _as_bool(norm), True, as_real_dtype(dtype)
    )


def _as_bool(norm: Any) -> bool:
    """Return whether to divide by norms; "ortho" and the like are what other transforms take."""
    if not isinstance(norm, bool | np.bool_):
        raise TypeError(f"norm must be True or False, got {norm!r}")
    return bool(norm)


def _arguments(
    shape: Any, wavelet: Any, level: Any, axis: Any
) -> tuple[tuple[int, ...], Wavelet, int, int]:
    dims = as_dims(shape)
    place = as_axis(axis, dims)
    check_points(dims, (place,))
    n = dims[place]
    most = (n & -n).bit_length() - 1  # how often two divides n
    levels = most if level is None else as_length(level, "level")
    if levels > most:
        raise ValueError(f"{levels} levels need a length that 2**{levels} divides, got {n}")
    return dims, as_wavelet(wavelet), levels, place
