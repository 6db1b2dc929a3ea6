"""The discrete wavelet transform along several axes, its inverse, and the adjoints of both."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from lazyop.algebra.neutral import Identity
from lazyop.namespaces import Array, as_array, copied, namespace_of
from lazyop.operator import LazyOperator
from lazyop.transforms.along_axes import AlongAxes, as_axes, as_dims, as_real_dtype, check_points
from lazyop.transforms.discrete_wavelet import level_banks, undoes
from lazyop.transforms.wavelet import Wavelet, as_levels, as_mode, as_wavelet, filters_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt


class WaveletTransformN(AlongAxes):
    """What an analysis along several axes and its adjoint share, as `WaveletTransform` has it.

    Each level halves its array along every axis, low and high, and the next one takes what was
    low along all. The coefficients are in the order of `pywt.ravel_coeffs`.
    """

    _fields = ("dims", "wavelet", "mode", "level", "axes", "dual", "dtype")

    _is_analysis = True

    def __init__(
        self,
        dims: tuple[int, ...],
        wavelet: Wavelet,
        mode: str,
        level: int,
        axes: tuple[int, ...],
        dual: bool,
        dtype: npt.DTypeLike,
    ) -> None:
        self.dims, self.wavelet, self.mode = dims, wavelet, mode
        self.level, self.axes, self.dual = level, axes, dual
        self._banks = [level_banks(dims[axis], wavelet, mode, level, dual) for axis in axes]
        self._shapes = list(self._find_shapes())
        size = sum(math.prod(shape) for _, _, shape in self._shapes)
        transformed: tuple[int, ...] = (size,)
        ends = (dims, transformed) if self._is_analysis else (transformed, dims)
        super().__init__(dtype, *ends, axes)

    def _find_shapes(self) -> Iterator[tuple[int, str, tuple[int, ...]]]:
        """Yield place in PyWavelets' list, key and shape of all coefficients, in their order."""
        sizes = [
            [self.dims[axis], *(bank.half for bank in banks)]
            for axis, banks in zip(self.axes, self._banks, strict=True)
        ]
        low = "a" * len(self.axes)
        for place in range(self.level + 1):
            shape = list(self.dims)
            for axis, lengths in zip(self.axes, sizes, strict=True):
                shape[axis] = lengths[self.level - max(place - 1, 0)]
            for key in [low] if place == 0 else self._details_of_level:
                yield place, key, tuple(shape)

    @cached_property
    def _details_of_level(self) -> list[str]:
        keys = [""]
        for _ in self.axes:
            keys = [key + half for key in keys for half in "ad"]
        return keys[1:]

    def split(self, coefficients: Any) -> list[Any]:
        """Return coefficients as PyWavelets has them: ``[cA_n, {...}, ..., {...}]``.

        Parameters
        ----------
        coefficients : array_like, shape (m,) or (m, k)
            What the transform gives, or k columns of it.

        Returns
        -------
        list
            The array of the approximation, and for each level, the coarsest first, a dict of
            arrays by keys such as ``"ad"``: low along the first axis, high along the second. Views
            where the namespace has them. Columns are one more axis at the end.

        Raises
        ------
        ValueError
            If there are other than m coefficients.

        Examples
        --------
        >>> import lazyop as lo
        >>> W = lo.transforms.dwtn((2, 2), "haar")
        >>> approximation, details = W.split(W @ [1.0, 1.0, 3.0, 3.0])
        >>> approximation
        array([[4.]])
        >>> sorted(details)
        ['ad', 'da', 'dd']
        """
        y = as_array(coefficients, "the coefficients")
        size = self.shape[0 if self._is_analysis else 1]
        if y.ndim not in (1, 2) or y.shape[0] != size:
            raise ValueError(f"expected {size} coefficients, got the shape {tuple(y.shape)}")
        return self._list(y, (), tuple(y.shape[1:]))

    def join(self, coefficients: Sequence[Any]) -> Array:
        """Return coefficients in one vector, or matrix of columns: the inverse of `split`.

        Parameters
        ----------
        coefficients : sequence
            ``[cA_n, {...}, ..., {...}]``, as `pywt.wavedecn` gives it.

        Returns
        -------
        array, shape (m,) or (m, k)

        Raises
        ------
        ValueError
            If levels, keys or shapes are not those of this transform.

        Examples
        --------
        >>> import lazyop as lo
        >>> W = lo.transforms.dwtn((2, 2), "haar")
        >>> W.join([[[4.0]], {"ad": [[0.0]], "da": [[-2.0]], "dd": [[0.0]]}])
        array([ 4.,  0., -2.,  0.])
        """
        levels = list(coefficients)
        keys = [set(self._details_of_level) if len(self._shapes) > 1 else set()] * self.level
        if len(levels) != self.level + 1 or [set(level) for level in levels[1:]] != keys:
            raise ValueError(
                f"expected an approximation and {self.level} levels of details "
                f"{self._details_of_level}, got {len(levels)} parts"
            )
        parts = []
        for place, key, shape in self._shapes:
            part = as_array(levels[place] if place == 0 else levels[place][key], "coefficients")
            columns = tuple(part.shape[len(shape) :])
            if tuple(part.shape[: len(shape)]) != shape or len(columns) > 1:
                raise ValueError(f"expected {key!r} of the shape {shape}, got {tuple(part.shape)}")
            parts.append(namespace_of(part).reshape(part, (math.prod(shape), *columns)))
        return namespace_of(parts[0]).concat(parts, axis=0)

    def _list(self, Y: Array, before: tuple[int, ...], after: tuple[int, ...]) -> list[Any]:
        """Return PyWavelets' list from coefficients, with other axes before and after."""
        levels: list[Any] = [None, *({} for _ in range(self.level))]
        start = 0
        for place, key, shape in self._shapes:
            stop = start + math.prod(shape)
            part = Y[(slice(None),) * len(before) + (slice(start, stop), ...)]
            part = namespace_of(Y).reshape(part, (*before, *shape, *after))
            if place:
                levels[place][key] = part
            else:
                levels[0] = part
            start = stop
        return levels

    def _is_invertible(self) -> bool:
        return self.shape[0] == self.shape[1] and filters_of(self.wavelet).reconstructs

    @property
    def _is_unitary(self) -> bool:
        return self.shape[0] == self.shape[1] and filters_of(self.wavelet).is_orthonormal

    def _flops(self) -> int:
        taps = 2 * len(filters_of(self.wavelet).dec_lo)
        each = 4 if self.dtype.kind == "c" else 2
        shape, total = list(self.dims), 0
        for level in range(self.level):
            halves = 1
            for axis, banks in zip(self.axes, self._banks, strict=True):
                shape[axis] = banks[level].half
                total += halves * each * taps * math.prod(shape)
                halves *= 2
        return total

    def _details(self) -> str:
        name = self.wavelet if isinstance(self.wavelet, str) else f"{len(self.wavelet[0])} taps"
        along = f"{self.dims} along {self.axes}"
        parts = ("dual" * self.dual, along, name, self.mode, f"level {self.level}")
        return ", ".join(part for part in parts if part)

    def _as(self, kind: type[WaveletTransformN], dual: bool) -> WaveletTransformN:
        fields = {**self._field_values(), "dual": dual}
        return kind._rebuild(**fields)

    def _transpose(self) -> LazyOperator:
        return self.adjoint()

    def _conj(self) -> LazyOperator:
        return self


class WaveletAnalysisN(WaveletTransformN):
    """The wavelet transform; where it is dual, the adjoint of the inverse transform."""

    def _transform(self, X: Array, axes: tuple[int, ...]) -> Array:
        xp, first = namespace_of(X), axes[0] - self._axes[0]
        before, after = X.shape[:first], X.shape[first + len(self.dims) :]
        levels = []
        for level in range(self.level):
            parts = {"": X}
            for axis, banks in zip(axes, self._banks, strict=True):
                halves = {key: banks[level].analyse(part, axis) for key, part in parts.items()}
                parts = {
                    key + half: part
                    for key, pair in halves.items()
                    for half, part in zip("ad", pair, strict=True)
                }
            X = parts.pop("a" * len(axes))
            levels.append([parts[key] for key in self._details_of_level])
        ordered = [X, *(part for parts in reversed(levels) for part in parts)]
        flat = [xp.reshape(part, (*before, -1, *after)) for part in ordered]
        return xp.concat(flat, axis=first) if levels else copied(flat[0])

    def _adjoint(self) -> LazyOperator:
        return self._as(WaveletSynthesisN, self.dual)

    def _inverse(self, invert: Callable[[LazyOperator], LazyOperator]) -> LazyOperator | None:
        return self._as(WaveletSynthesisN, not self.dual) if self._is_invertible() else None


class WaveletSynthesisN(WaveletTransformN):
    """The adjoint of the wavelet transform; where it is dual, the inverse transform."""

    _is_analysis = False

    def _transform(self, X: Array, axes: tuple[int, ...]) -> Array:
        first = axes[0] - self._axes[0]
        approximation, *levels = self._list(X, X.shape[:first], X.shape[first + 1 :])
        for level, details in zip(reversed(range(self.level)), levels, strict=True):
            parts = {**details, "a" * len(axes): approximation}
            for axis, banks in zip(reversed(axes), reversed(self._banks), strict=True):
                parts = {
                    key: banks[level].adjoint(parts[key + "a"], parts[key + "d"], axis)
                    for key in {key[:-1] for key in parts}
                }
            approximation = parts[""]
        return approximation if levels else copied(approximation)

    def _adjoint(self) -> LazyOperator:
        return self._as(WaveletAnalysisN, self.dual)

    def _inverse(self, invert: Callable[[LazyOperator], LazyOperator]) -> LazyOperator | None:
        return self._as(WaveletAnalysisN, not self.dual) if self._is_invertible() else None

    def _times(self, other: LazyOperator) -> LazyOperator | None:
        """Reconstruction undoes the transform, whether that was square or not."""
        if not isinstance(other, WaveletAnalysisN) or not undoes(self, other):
            return None
        return Identity(self.shape[0], np.result_type(self.dtype, other.dtype))


def dwtn(
    shape: int | tuple[int, ...],
    wavelet: Any = "haar",
    mode: str = "symmetric",
    level: int | None = None,
    axes: int | tuple[int, ...] | None = None,
    *,
    dtype: npt.DTypeLike = np.float64,
) -> WaveletAnalysisN:
    """Return the discrete wavelet transform along several axes, as `pywt.wavedecn` computes it.

    A level of `dwt` is done along each axis, and the next level to what is low along all of them.
    The result is one vector in the order of `pywt.ravel_coeffs`: the approximation, then level by
    level, the coarsest first, the details by their keys ("ad", "da", "dd" for two axes), each array
    in row-major order. ``W.split(y)`` returns PyWavelets' list of arrays and dicts, ``W.join``
    takes it.

    Parameters
    ----------
    shape : int or tuple of int
        The shape of the array that a vector holds in row-major order.
    wavelet, mode, dtype
        As in `dwt`; the same for all axes.
    level : int, optional
        How many levels; by default as many as `pywt.dwtn_max_level` says.
    axes : int or tuple of int, optional
        The axes to transform; all by default.

    Returns
    -------
    WaveletAnalysisN
        Unitary where `dwt` along each axis is.

    Raises
    ------
    ImportError, ValueError, TypeError
        As `dwt` does, and where an axis is named twice.

    Warns
    -----
    UserWarning
        If there are more levels than `pywt.dwtn_max_level` says. They are computed all the same.

    Examples
    --------
    >>> import numpy as np
    >>> import lazyop as lo
    >>> W = lo.transforms.dwtn((4, 4), "haar", level=1)
    >>> y = W @ np.arange(16.0)
    >>> W.split(y)[0]
    array([[ 5.,  9.],
           [21., 25.]])
    >>> y[4:8]
    array([-1., -1., -1., -1.])
    """
    return WaveletAnalysisN(
        *_arguments(shape, wavelet, mode, level, axes), False, as_real_dtype(dtype)
    )


def idwtn(
    shape: int | tuple[int, ...],
    wavelet: Any = "haar",
    mode: str = "symmetric",
    level: int | None = None,
    axes: int | tuple[int, ...] | None = None,
    *,
    dtype: npt.DTypeLike = np.float64,
) -> WaveletSynthesisN:
    """Return the inverse of `dwtn`, as `pywt.waverecn` computes it.

    It is a left inverse of `dwtn` with the same arguments, and takes the coefficients in the same
    order.

    Parameters
    ----------
    shape : int or tuple of int
        The shape of the signal: that which `dwtn` takes, and this returns.
    wavelet, mode, level, axes, dtype
        As in `dwtn`.

    Returns
    -------
    WaveletSynthesisN

    Raises
    ------
    ImportError, ValueError, TypeError
        As `dwtn` does.

    Examples
    --------
    >>> import lazyop as lo
    >>> arguments = (3, 3), "db2", "reflect"
    >>> lo.transforms.idwtn(*arguments) @ lo.transforms.dwtn(*arguments)
    Identity(9x9, float64)
    """
    return WaveletSynthesisN(
        *_arguments(shape, wavelet, mode, level, axes), True, as_real_dtype(dtype)
    )


def _arguments(
    shape: Any, wavelet: Any, mode: Any, level: Any, axes: Any
) -> tuple[tuple[int, ...], Wavelet, str, int, tuple[int, ...]]:
    dims = as_dims(shape)
    places = as_axes(axes, dims)
    check_points(dims, places)
    kept = as_wavelet(wavelet)
    lengths = tuple(dims[place] for place in places)
    return dims, kept, as_mode(mode), as_levels(level, lengths, kept), places
