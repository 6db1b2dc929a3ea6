"""The operators of the short-time Fourier transform: an analysis by frames, and its adjoint."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lazyop.kernels.fourier import dft, real_dft
from lazyop.namespaces import Array, as_data, conj, dtype_of, is_complex, namespace_of
from lazyop.operator import LazyOperator
from lazyop.transforms.along_axes import AlongAxes
from lazyop.transforms.frames import Frames

if TYPE_CHECKING:
    import numpy.typing as npt

#: The frequencies that `scipy.signal.ShortTimeFFT` keeps by these names.
FFT_MODES = ("onesided", "twosided", "centered")


class ShortTime(AlongAxes):
    """What the transform and its adjoint share: window, frames, and frequencies.

    Of the signal x, frame p is the products ``conj(w[j]) x[k_p + j]``, its Fourier transform is
    column p of the result. Where it is doubled, so are frequencies that stand for two.
    """

    _fields = (
        *("dims", "window", "hop", "first", "count", "mfft", "phase_shift", "fft_mode"),
        *("doubled", "axis"),
    )
    _is_analysis = True

    def __init__(
        self,
        dims: tuple[int, ...],
        window: Array,
        hop: int,
        first: int,
        count: int,
        mfft: int,
        phase_shift: int | None,
        fft_mode: str,
        doubled: bool,
        axis: int,
    ) -> None:
        self.dims, self.window, self.hop = dims, as_data(window, "a window", ndim=1), hop
        self.first, self.count, self.mfft = first, count, mfft
        self.phase_shift, self.fft_mode = phase_shift, fft_mode
        self.doubled, self.axis = doubled, axis
        length = int(self.window.shape[0])
        middle = length // 2
        self._turn = 0 if phase_shift is None else (phase_shift + middle) % length
        self._frames = Frames(dims[axis], length, hop, count, first * hop - middle)
        self._kept = mfft // 2 + 1 if fft_mode == "onesided" else mfft
        transformed = (*dims[:axis], self._kept, *dims[axis + 1 :], count)
        ends = (dims, transformed) if self._is_analysis else (transformed, dims)
        dtype = np.result_type(dtype_of(self.window), np.complex64)
        super().__init__(dtype, *ends, (axis,))

    @property
    def spectrum_shape(self) -> tuple[int, ...]:
        """The shape of the transform: frequencies where the signal had times, slices at the end."""
        return self._dims_out if self._is_analysis else self._dims_in

    def frequencies(self, fs: float = 1.0) -> npt.NDArray[Any]:
        """Return the frequencies of the transform's rows.

        Parameters
        ----------
        fs : float, optional
            Samples per unit of time; 1 by default.

        Returns
        -------
        numpy.ndarray
            On the host.

        Examples
        --------
        >>> import numpy as np
        >>> import lazyop as lo
        >>> lo.transforms.stft(64, np.hanning(8), 4).frequencies(fs=100.0)
        array([ 0. , 12.5, 25. , 37.5, 50. ])
        """
        if self.fft_mode == "onesided":
            return np.fft.rfftfreq(self.mfft, 1 / fs)
        found = np.fft.fftfreq(self.mfft, 1 / fs)
        return np.fft.fftshift(found) if self.fft_mode == "centered" else found

    def times(self, fs: float = 1.0) -> npt.NDArray[np.float64]:
        """Return the times of the middle of the slices, the transform's columns.

        Parameters
        ----------
        fs : float, optional
            Samples per unit of time; 1 by default.

        Returns
        -------
        numpy.ndarray
            On the host.

        Examples
        --------
        >>> import numpy as np
        >>> import lazyop as lo
        >>> lo.transforms.stft(12, np.hanning(8), 4).times()
        array([ 0., 4., 8., 12.])
        """
        return (self.first + np.arange(self.count)) * self.hop / fs

    def _flops(self) -> int:
        others = math.prod(self.dims) // max(self.dims[self.axis], 1)
        slices = self.count * others
        transform = math.ceil(5 * self.mfft * math.log2(max(self.mfft, 2)))
        return slices * (transform + 6 * int(self.window.shape[0]))

    def _details(self) -> str:
        sizes = f"window of {self.window.shape[0]}, hop {self.hop}, {self.fft_mode}"
        along = f"{self.dims} along {self.axis}" if len(self.dims) > 1 else ""
        parts = ("doubled" * self.doubled, along, sizes)
        return ", ".join(part for part in parts if part)

    def _as(self, kind: type[ShortTime]) -> ShortTime:
        return kind._rebuild(**self._field_values())

    def _weighted(self, Y: Array) -> Array:
        """Double the frequencies that stand for their negatives too, in an array of our own."""
        if not self.doubled:
            return Y
        last = self._kept - (self.mfft % 2 == 0)
        if isinstance(Y, np.ndarray):
            Y[:, 1:last] *= 2
            return Y
        parts = [Y[:, :1, ...], 2 * Y[:, 1:last, ...], Y[:, last:, ...]]
        return namespace_of(Y).concat(parts, axis=1)


class ShortTimeAnalysis(ShortTime):
    """The short-time Fourier transform; with a dual window and doubled, adjoint to the inverse."""

    def _transform(self, X: Array, axes: tuple[int, ...]) -> Array:
        (axis,) = axes
        stop = axis + len(self.dims) - self.axis
        before, after, columns = X.shape[:axis], X.shape[axis + 1 : stop], X.shape[stop:]
        sizes = math.prod(before), X.shape[axis], math.prod(after), math.prod(columns)
        Y = self._spectra(self._turned(self._frames.cut(namespace_of(X).reshape(X, sizes))))
        shape = (*before, self._kept, *after, self.count, *columns)
        return namespace_of(Y).reshape(self._weighted(Y), shape)

    def _turned(self, F: Array) -> Array:
        """Return frames times the window, with zeros up to the length of the transform.

        They are turned so that the time of phase zero comes first.
        """
        xp, turn, length = namespace_of(F), self._turn, int(self.window.shape[0])
        window = conj(self.window)[:, None, None, None]
        if isinstance(F, np.ndarray):
            shape = (F.shape[0], self.mfft, *F.shape[2:])
            made = np.empty if self.mfft == length else np.zeros
            Y = made(shape, np.result_type(F.dtype, window.dtype))
            np.multiply(F[:, turn:], window[turn:], out=Y[:, : length - turn])
            np.multiply(F[:, :turn], window[:turn], out=Y[:, self.mfft - turn :])
            return Y
        F = window * F
        middle = xp.zeros_like(F[:, :1, ...])
        zeros = [middle] * (self.mfft - length)
        return xp.concat([F[:, turn:, ...], *zeros, F[:, :turn, ...]], axis=1)

    def _spectra(self, F: Array) -> Array:
        """Return the frequencies that are kept."""
        if self.fft_mode == "onesided":
            if not is_complex(F):
                return real_dft(F, (1,), "backward")
            return dft(F, (1,), "backward")[:, : self._kept, ...]
        Y = dft(F, (1,), "backward")
        return namespace_of(Y).roll(Y, self.mfft // 2, axis=1) if self.fft_mode == "centered" else Y

    def _adjoint(self) -> LazyOperator:
        return self._as(ShortTimeSynthesis)


class ShortTimeSynthesis(ShortTime):
    """The adjoint of the transform; with a dual window and doubled, the inverse."""

    _is_analysis = False

    def _transform(self, X: Array, axes: tuple[int, ...]) -> Array:
        (axis,) = axes
        stop = axis + len(self.dims) - self.axis
        before, after, columns = X.shape[:axis], X.shape[axis + 1 : stop], X.shape[stop + 1 :]
        sizes = math.prod(before), self._kept, math.prod(after), self.count, math.prod(columns)
        F = self._unturned(self._waves(namespace_of(X).reshape(X, sizes)))
        shape = (*before, self.dims[self.axis], *after, *columns)
        return namespace_of(F).reshape(self._frames.add(F), shape)

    def _waves(self, Y: Array) -> Array:
        """Return the sum of waves of the frequencies that are kept, unscaled."""
        xp = namespace_of(Y)
        if self.fft_mode == "centered":
            Y = xp.roll(Y, -(self.mfft // 2), axis=1)
        if self.fft_mode == "onesided":
            negative = xp.zeros_like(Y[:, : (self.mfft - 1) // 2, ...])
            Y = self._weighted(xp.concat([Y, negative], axis=1))
        return dft(Y, (1,), "forward", inverse=True)

    def _unturned(self, F: Array) -> Array:
        """Return frames in the order of time, times the window: the adjoint of `_turned`."""
        turn, length = self._turn, int(self.window.shape[0])
        window = self.window[:, None, None, None]
        if isinstance(F, np.ndarray):
            Y = np.empty((F.shape[0], length, *F.shape[2:]), np.result_type(F.dtype, window.dtype))
            np.multiply(F[:, : length - turn], window[turn:], out=Y[:, turn:])
            np.multiply(F[:, self.mfft - turn :], window[:turn], out=Y[:, :turn])
            return Y
        parts = [F[:, self.mfft - turn :, ...], F[:, : length - turn, ...]]
        return window * namespace_of(F).concat(parts, axis=1)

    def _adjoint(self) -> LazyOperator:
        return self._as(ShortTimeAnalysis)
