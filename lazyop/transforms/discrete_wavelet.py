"""The discrete wavelet transform along one axis, its inverse, and the adjoints of both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lazyop.algebra.neutral import Identity
from lazyop.namespaces import Array, as_array, copied, namespace_of
from lazyop.operator import LazyOperator
from lazyop.transforms.along_axes import AlongAxes, as_axis, as_dims, as_real_dtype, check_points
from lazyop.transforms.filter_bank import FilterBank, writable
from lazyop.transforms.wavelet import (
    Wavelet,
    as_levels,
    as_mode,
    as_wavelet,
    extension_of,
    filters_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from lazyop.traits import Invert


class WaveletTransform(AlongAxes):
    """What an analysis and its adjoint share: the filters of each level, and the lengths.

    The analysis is the wavelet transform itself or, where it is dual, the one whose adjoint is the
    inverse transform: by the reversed filters of the reconstruction, with zeros beyond the ends.
    """

    _fields = ("dims", "wavelet", "mode", "level", "axis", "dual", "dtype")

    def __init__(
        self,
        dims: tuple[int, ...],
        wavelet: Wavelet,
        mode: str,
        level: int,
        axis: int,
        dual: bool,
        dtype: npt.DTypeLike,
    ) -> None:
        self.dims, self.wavelet, self.mode = dims, wavelet, mode
        self.level, self.axis, self.dual = level, axis, dual
        self._banks: tuple[Any, ...] = level_banks(dims[axis], wavelet, mode, level, dual)
        #: The lengths of the coefficients, the coarsest first: cA_n, cD_n, ..., cD_1.
        details = [bank.half for bank in reversed(self._banks)]
        self._lengths = [*details[:1], *details] if details else [dims[axis]]
        before, after = dims[:axis], dims[axis + 1 :]
        transformed = (*before, sum(self._lengths), *after)
        ends = (dims, transformed) if self._is_analysis else (transformed, dims)
        super().__init__(dtype, *ends, (axis,))

    _is_analysis = True

    def split(self, coefficients: Any) -> list[Array]:
        """Return coefficients as PyWavelets has them: ``[cA_n, cD_n, ..., cD_1]``.

        Parameters
        ----------
        coefficients : array_like, shape (m,) or (m, k)
            What the transform gives, or k columns of it.

        Returns
        -------
        list of array
            Views where the namespace has them, of the shape of the signal with the length of
            each level along the axis. Columns are one more axis at the end.

        Raises
        ------
        ValueError
            If there are other than m coefficients.

        Examples
        --------
        >>> import lazyop as lo
        >>> W = lo.transforms.dwt(4, "haar", level=1)
        >>> W.split(W @ [3.0, 1.0, 2.0, 2.0])
        [array([2.82842712, 2.82842712]), array([1.41421356, 0. ])]
        """
        y = as_array(coefficients, "the coefficients")
        dims = self._dims_out if self._is_analysis else self._dims_in
        size = self.shape[0 if self._is_analysis else 1]
        if y.ndim not in (1, 2) or y.shape[0] != size:
            raise ValueError(f"expected {size} coefficients, got the shape {tuple(y.shape)}")
        return self._cut(namespace_of(y).reshape(y, (*dims, *y.shape[1:])), self.axis)

    def join(self, coefficients: Sequence[Any]) -> Array:
        """Return coefficients in one vector, or matrix of columns: the inverse of `split`.

        Parameters
        ----------
        coefficients : sequence of array_like
            ``[cA_n, cD_n, ..., cD_1]``, as `pywt.wavedec` gives it.

        Returns
        -------
        array, shape (m,) or (m, k)

        Raises
        ------
        ValueError
            If their number or shapes are not those of this transform.

        Examples
        --------
        >>> import lazyop as lo
        >>> W = lo.transforms.dwt(4, "haar", level=1)
        >>> W.join([[1.0, 2.0], [3.0, 4.0]])
        array([1., 2., 3., 4.])
        """
        parts = [as_array(part, "coefficients") for part in coefficients]
        wanted = [(*self.dims[: self.axis], n, *self.dims[self.axis + 1 :]) for n in self._lengths]
        found = [tuple(part.shape) for part in parts]
        rank = len(self.dims)
        columns = found[0][rank:] if found else ()
        if len(columns) > 1 or found != [(*shape, *columns) for shape in wanted]:
            raise ValueError(f"expected coefficients of the shapes {wanted}, got {found}")
        xp = namespace_of(parts[0])
        return xp.reshape(xp.concat(parts, axis=self.axis), (-1, *columns))

    def _cut(self, Y: Array, axis: int) -> list[Array]:
        """Return the coefficients of each level from all, along an axis."""
        parts, start = [], 0
        for length in self._lengths:
            parts.append(Y[(slice(None),) * axis + (slice(start, start + length), ...)])
            start += length
        return parts

    def _is_invertible(self) -> bool:
        """Whether there are as many coefficients as samples, and they say all."""
        return self.shape[0] == self.shape[1] and filters_of(self.wavelet).reconstructs

    @property
    def _is_unitary(self) -> bool:
        return self.shape[0] == self.shape[1] and filters_of(self.wavelet).is_orthonormal

    def _flops(self) -> int:
        """Count a product and a sum for each tap of both filters, two of each for complex data."""
        others = self.shape[1 if self._is_analysis else 0] // max(self.dims[self.axis], 1)
        taps = 2 * len(filters_of(self.wavelet).dec_lo)
        each = 4 if self.dtype.kind == "c" else 2
        halves: int = sum(bank.half for bank in self._banks)
        return each * taps * others * halves

    def _details(self) -> str:
        name = self.wavelet if isinstance(self.wavelet, str) else f"{len(self.wavelet[0])} taps"
        parts = ("dual" * self.dual, super()._details(), name, self.mode, f"level {self.level}")
        return ", ".join(part for part in parts if part)

    def _as(self, kind: type[WaveletTransform], dual: bool) -> WaveletTransform:
        """Return another transform of the same wavelet, mode and levels."""
        fields = {**self._field_values(), "dual": dual}
        return kind._rebuild(**fields)

    def _transpose(self) -> LazyOperator:
        return self.adjoint()

    def _conj(self) -> LazyOperator:
        return self


class WaveletAnalysis(WaveletTransform):
    """The wavelet transform; where it is dual, the adjoint of the inverse transform."""

    def _transform(self, X: Array, axes: tuple[int, ...]) -> Array:
        if not self._banks:
            return copied(X)
        (axis,) = axes
        X, parts = writable(X), []
        for bank in self._banks:
            X, detail = bank.analyse(X, axis)
            parts.append(detail)
        return namespace_of(X).concat([X, *reversed(parts)], axis=axis)

    def _adjoint(self) -> LazyOperator:
        return self._as(WaveletSynthesis, self.dual)

    def _inverse(self, invert: Invert) -> LazyOperator | None:
        return self._as(WaveletSynthesis, not self.dual) if self._is_invertible() else None


class WaveletSynthesis(WaveletTransform):
    """The adjoint of the wavelet transform; where it is dual, the inverse transform."""

    _is_analysis = False

    def _transform(self, X: Array, axes: tuple[int, ...]) -> Array:
        if not self._banks:
            return copied(X)
        (axis,) = axes
        X, *details = self._cut(writable(X), axis)
        for bank, detail in zip(reversed(self._banks), details, strict=True):
            X = bank.adjoint(X, detail, axis)
        return X

    def _adjoint(self) -> LazyOperator:
        return self._as(WaveletAnalysis, self.dual)

    def _inverse(self, invert: Invert) -> LazyOperator | None:
        return self._as(WaveletAnalysis, not self.dual) if self._is_invertible() else None

    def _times(self, other: LazyOperator) -> LazyOperator | None:
        """Reconstruction undoes the transform, whether that was square or not."""
        if not isinstance(other, WaveletAnalysis) or not undoes(self, other):
            return None
        return Identity(self.shape[0], np.result_type(self.dtype, other.dtype))


def undoes(synthesis: Any, analysis: Any) -> bool:
    """Whether the adjoint of one analysis is known to be a left inverse of the other analysis."""
    mine, other = synthesis._field_values(), analysis._field_values()
    if mine.keys() != other.keys():  # a stationary one is an analysis too
        return False
    if any(mine[name] != other[name] for name in mine if name not in ("mode", "dual", "dtype")):
        return False
    if (mine["mode"] == "periodization") != (other["mode"] == "periodization"):
        return False
    # PyWavelets' synthesis takes nothing from beyond the ends, whatever the analysis saw there
    is_square = synthesis.shape[0] == synthesis.shape[1]
    is_plain = mine["dual"] or mine["mode"] == "zero" or is_square
    filters = filters_of(mine["wavelet"])
    fit = filters.is_orthonormal if mine["dual"] == other["dual"] else filters.reconstructs
    return is_plain and fit


def level_banks(
    n: int, wavelet: Wavelet, mode: str, level: int, dual: bool
) -> tuple[FilterBank, ...]:
    """Return the filter banks of all levels, the finest first."""
    filters = filters_of(wavelet)
    low, high = filters.dual if dual else filters.analysis
    extension = extension_of(mode, dual)
    banks: list[FilterBank] = []
    for _ in range(level):
        if n < 2 and mode in ("reflect", "antireflect"):
            raise ValueError(f"mode {mode!r} needs at least 2 samples at every level, got {n}")
        banks.append(FilterBank(n, low, high, extension))
        n = banks[-1].half
    return tuple(banks)


def dwt(
    shape: int | tuple[int, ...],
    wavelet: Any = "haar",
    mode: str = "symmetric",
    level: int | None = None,
    axis: int = -1,
    *,
    dtype: npt.DTypeLike = np.float64,
) -> WaveletAnalysis:
    r"""Return the discrete wavelet transform along one axis, as `pywt.wavedec` computes it.

    With the filters l and h of F taps, each level makes of a signal x

    .. math:: a_k = \sum_{j=0}^{F-1} l_j\, x_{2k+1-j}, \qquad
              d_k = \sum_{j=0}^{F-1} h_j\, x_{2k+1-j},

    and the next level does the same to a. What x is beyond its ends, the mode says. The result is
    ``[cA_n, cD_n, ..., cD_1]`` in one vector: the last a, and the d of all levels, the coarsest
    first. In arrays of more axes they follow each other along the axis. ``W.split(y)`` returns the
    list that PyWavelets has, ``W.join`` takes it.

    The adjoint is the synthesis by the reversed filters, with what it has beyond the ends added to
    where the mode took it from. The transform is known to be unitary if the wavelet is orthonormal
    (to 1e-12, which leaves out "dmey", "sym3" and "sym16" to "sym20"), and nothing is doubled at
    the ends: the mode is "periodization" and the lengths of all levels are even.

    Parameters
    ----------
    shape : int or tuple of int
        The length of a vector, or the shape of the array that a vector holds in row-major order.
    wavelet : str, pywt.Wavelet or sequence of filters, optional
        One of ``pywt.wavelist(kind="discrete")``, or the taps ``(dec_lo, dec_hi, rec_lo, rec_hi)``,
        equally many and an even number; of an orthonormal wavelet, the first two are enough.
    mode : str, optional
        The extension beyond the ends, one of `pywt.Modes.modes`: "zero", "constant", "symmetric",
        "periodic", "smooth", "periodization", "reflect", "antisymmetric" or "antireflect".
    level : int, optional
        How many levels; by default as many as `pywt.dwt_max_level` says.
    axis : int, optional
        The axis to transform, the last one by default.
    dtype : dtype, optional
        float64 by default.

    Returns
    -------
    WaveletAnalysis
        An operator that holds no arrays: it takes those of any namespace. On NumPy, PyWavelets
        computes it. Complex arguments are transformed as their real and imaginary parts.

    Raises
    ------
    ImportError
        If PyWavelets is not installed.
    ValueError
        If the wavelet or the mode is unknown, the filters are of different lengths, there are no
        samples along the axis or, at some level, too few to reflect, or the axis is out of range.
    TypeError
        If a length, the axis or the level is not an integer, or the dtype is not real or complex.

    Warns
    -----
    UserWarning
        If there are more levels than `pywt.dwt_max_level` says. They are computed all the same.

    See Also
    --------
    idwt : the inverse.
    dwtn : along several axes.

    References
    ----------
    I. Daubechies, Ten Lectures on Wavelets, SIAM, 1992, doi 10.1137/1.9781611970104. PyWavelets:
    Lee et al., J. Open Source Software 4(36):1237, 2019, doi 10.21105/joss.01237.

    Examples
    --------
    >>> import numpy as np
    >>> import lazyop as lo
    >>> W = lo.transforms.dwt(8, "haar", level=2)
    >>> y = W @ np.array([1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0])
    >>> y
    array([ 3.,  7., -1., -1.,  0.,  0.,  0.,  0.])
    >>> [len(part) for part in W.split(y)]
    [2, 2, 4]
    >>> W.H @ y
    array([1., 1., 2., 2., 3., 3., 4., 4.])
    """
    return WaveletAnalysis(
        *_arguments(shape, wavelet, mode, level, axis), False, as_real_dtype(dtype)
    )


def idwt(
    shape: int | tuple[int, ...],
    wavelet: Any = "haar",
    mode: str = "symmetric",
    level: int | None = None,
    axis: int = -1,
    *,
    dtype: npt.DTypeLike = np.float64,
) -> WaveletSynthesis:
    """Return the inverse of the discrete wavelet transform, as `pywt.waverec` computes it.

    It is a left inverse of `dwt` with the same arguments, ``idwt(...) @ dwt(...)`` is the identity,
    and takes the coefficients in the same order. Between levels, and at the end, it cuts what is
    beyond the lengths of the signal.

    Parameters
    ----------
    shape : int or tuple of int
        The shape of the signal: that which `dwt` takes, and this returns.
    wavelet, mode, level, axis, dtype
        As in `dwt`.

    Returns
    -------
    WaveletSynthesis

    Raises
    ------
    ImportError, ValueError, TypeError
        As `dwt` does.

    Examples
    --------
    >>> import lazyop as lo
    >>> W, V = lo.transforms.dwt(7, "db2"), lo.transforms.idwt(7, "db2")
    >>> V.shape
    (7, 10)
    >>> V @ (W @ [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    array([1., 2., 3., 4., 5., 6., 7.])
    """
    return WaveletSynthesis(
        *_arguments(shape, wavelet, mode, level, axis), True, as_real_dtype(dtype)
    )


def _arguments(
    shape: Any, wavelet: Any, mode: Any, level: Any, axis: Any
) -> tuple[tuple[int, ...], Wavelet, str, int, int]:
    """Check what a caller says, and return it in the order of the fields."""
    dims = as_dims(shape)
    place = as_axis(axis, dims)
    check_points(dims, (place,))
    kept = as_wavelet(wavelet)
    return dims, kept, as_mode(mode), as_levels(level, (dims[place],), kept), place
