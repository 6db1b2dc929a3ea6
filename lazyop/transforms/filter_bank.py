"""One level of a wavelet transform along one axis: two filters, each second sample kept.

On NumPy PyWavelets runs it; in other namespaces it is multiply-adds of strided slices, by the array
API standard alone.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from lazyop.namespaces import Array, dtype_of, namespace_of, zeros
from lazyop.transforms.extension import Extension

#: The taps of a filter.
Taps = tuple[float, ...]

#: Periodization as the adjoint of a synthesis sees it: an odd signal gets a zero to be even.
PERIODIC_WITH_ZERO = "periodization with zero"


def pywavelets() -> Any:
    """Import PyWavelets, or say what to install."""
    try:
        import pywt
    except ImportError as error:
        raise ImportError(
            "wavelet transforms need PyWavelets, which comes with: pip install lazyop[wavelets]"
        ) from error
    return pywt


class FilterBank:
    r"""Low-pass and high-pass halves of signals of length n, and the adjoint.

    .. math:: a_k = \sum_j l_j\, x_{2k + 1 - j}, \qquad d_k = \sum_j h_j\, x_{2k + 1 - j}

    for as many k as PyWavelets keeps, with x extended by the mode; with ``2k + F/2 - j`` for F taps
    where it is periodized.

    Parameters
    ----------
    n : int
        The length of the signals.
    low, high : tuple of float
        The taps, an even number.
    mode : str
        A mode of PyWavelets, or `PERIODIC_WITH_ZERO`.
    """

    def __init__(self, n: int, low: Taps, high: Taps, mode: str) -> None:
        taps = len(low)
        self.low, self.high = low, high
        self._is_periodic = mode in ("periodization", PERIODIC_WITH_ZERO)
        self.half = (n + 1) // 2 if self._is_periodic else (n + taps - 1) // 2
        left = taps // 2 - 1 if self._is_periodic else taps - 2
        # An odd period that repeats its last sample folds it; one with a zero drops it.
        self._appends_zero = mode == PERIODIC_WITH_ZERO and n % 2 == 1
        self.n = n
        size = n + 1 if self._appends_zero else n
        own = "periodization" if self._is_periodic else mode
        self._mode = own
        self._synthesis_mode = "periodization" if self._is_periodic else "zero"
        self._extension = Extension(size, left, 2 * self.half + taps - 2 - left - size, own)
        pywt = pywavelets()
        self._wavelet = pywt.Wavelet("", filter_bank=(low, high, low[::-1], high[::-1]))
        self._pywt = pywt

    def analyse(self, X: Array, axis: int) -> tuple[Array, Array]:
        """Return the low-pass and the high-pass half along an axis."""
        if self._appends_zero:
            end = (*X.shape[:axis], 1, *X.shape[axis + 1 :])
            X = namespace_of(X).concat([X, zeros(end, dtype_of(X), X)], axis=axis)
        if isinstance(X, np.ndarray) and X.size:
            halves: tuple[Array, Array] = self._pywt.dwt(X, self._wavelet, self._mode, axis=axis)
            return halves
        before, n, after = X.shape[:axis], X.shape[axis], X.shape[axis + 1 :]
        flat = _flat(X, before, n, after)
        extended = self._extension.extend(flat)
        shape = (*before, self.half, *after)
        low, high = (self._filtered(extended, taps) for taps in (self.low, self.high))
        return _unflat(low, shape), _unflat(high, shape)

    def _filtered(self, X: Array, taps: Taps) -> Array:
        """Filter extended signals, where every sum is whole."""
        length, last = 2 * self.half - 1, len(taps) - 1
        Y = taps[last] * X[:, :length:2, :]
        for j in range(1, len(taps)):
            Y = Y + taps[last - j] * X[:, j : j + length : 2, :]
        return Y

    def adjoint(self, low: Array, high: Array, axis: int) -> Array:
        """Return the product of the adjoint with both halves."""
        if isinstance(low, np.ndarray) and low.size:
            return self._adjoint_by_pywavelets(low, high, axis)
        before, after = low.shape[:axis], low.shape[axis + 1 :]
        halves = [_flat(x, before, self.half, after) for x in (low, high)]
        X = self._extension.fold(self._extended_adjoint(*halves))
        return _unflat(X[:, : self.n, :], (*before, self.n, *after))

    def _adjoint_by_pywavelets(self, low: Any, high: Any, axis: int) -> Array:
        """Use that PyWavelets' synthesis is the adjoint of an analysis by the reversed filters.

        It is the adjoint where the signal is periodized, or zero beyond the ends; otherwise, what
        the coefficients near the ends saw beyond goes back to the samples near the ends.
        """
        X: Array = self._pywt.idwt(low, high, self._wavelet, self._synthesis_mode, axis=axis)
        if X.shape[axis] == self.n and self._ends_to_ends is None:
            return X
        keep = (slice(None),) * axis
        if X.shape[axis] != self.n:
            if self._is_periodic and not self._appends_zero:
                X[(*keep, self.n - 1)] += X[(*keep, self.n)]
            X = X[(*keep, slice(self.n))]
        if self._ends_to_ends is not None:
            near = [_near_ends(x, self._seen, axis) for x in (low, high)]
            ends = _in_front(np.concatenate(near, axis=axis), axis)
            added = self._ends_to_ends @ ends.reshape(ends.shape[0], -1)
            _add_near_ends(X, added, self._extension.reach, axis)
        return X

    @cached_property
    def _seen(self) -> int:
        """How many coefficients at either end see what is beyond it."""
        return len(self.low) // 2

    @cached_property
    def _ends_to_ends(self) -> npt.NDArray[np.float64] | None:
        """From coefficients near the ends to samples near them, by what is beyond; None if zero."""
        extension = self._extension
        if self._is_periodic or extension.matrix is None or not extension.matrix.size:
            return None
        k = _near_ends(np.arange(self.half), self._seen, 0)
        j = 2 * k + 1 - extension.outside()[:, None]
        inside = (j >= 0) & (j < len(self.low))
        taps = np.where(inside, np.array([self.low, self.high])[:, j * inside], 0.0)
        matrix: npt.NDArray[np.float64] = extension.matrix.T @ np.concatenate([*taps], axis=1)
        return matrix

    def _extended_adjoint(self, low: Array, high: Array) -> Array:
        """Return the adjoint of the filters, before what is beyond the ends is folded."""
        margin = len(self.low) // 2 - 1
        low, high = (_padded(x, margin) for x in (low, high))
        xp = namespace_of(low)
        length = self.half + margin
        phases = []
        for phase in (0, 1):
            terms = [
                taps[len(taps) - 1 - phase - 2 * q] * x[:, margin - q : margin - q + length, :]
                for taps, x in ((self.low, low), (self.high, high))
                for q in range(margin + 1)
            ]
            phases.append(sum(terms[1:], terms[0]))
        before, _, after = low.shape
        return xp.reshape(xp.stack(phases, axis=2), (before, 2 * length, after))


def _near_ends(x: Any, count: int, axis: int) -> Any:
    """Return so many entries at either end of an axis, or all if they would overlap."""
    if x.shape[axis] <= 2 * count:
        return x
    keep = (slice(None),) * axis
    return np.concatenate([x[(*keep, slice(count))], x[(*keep, slice(-count, None))]], axis=axis)


def _add_near_ends(X: npt.NDArray[Any], added: npt.NDArray[Any], reach: int, axis: int) -> None:
    """Add rows to the entries at either end of an axis, or to all."""
    X = _in_front(X, axis)
    if X.shape[0] <= 2 * reach:
        X += added.reshape(X.shape)
    else:
        X[:reach] += added[:reach].reshape(reach, *X.shape[1:])
        X[-reach:] += added[reach:].reshape(reach, *X.shape[1:])


def _in_front(X: npt.NDArray[Any], axis: int) -> npt.NDArray[Any]:
    return np.moveaxis(X, axis, 0) if axis else X


def _flat(X: Array, before: tuple[int, ...], n: int, after: tuple[int, ...]) -> Array:
    """Return an array with the axes before and after one joined."""
    shape = math.prod(before), n, math.prod(after)
    return X if tuple(X.shape) == shape else namespace_of(X).reshape(X, shape)


def _unflat(X: Array, shape: tuple[int, ...]) -> Array:
    return X if tuple(X.shape) == shape else namespace_of(X).reshape(X, shape)


def _padded(X: Array, margin: int) -> Array:
    if not margin:
        return X
    before, _, after = X.shape
    end = zeros((before, margin, after), dtype_of(X), X)
    return namespace_of(X).concat([end, X, end], axis=1)
