"""The modified discrete cosine transform (MDCT) along one axis, and its inverse."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lazyop.algebra.neutral import Identity
from lazyop.kernels.trigonometric import trigonometric
from lazyop.namespaces import (
    Array,
    as_array,
    as_data,
    cast,
    dtype_of,
    is_complex,
    namespace_of,
    real_counterpart,
    to_numpy,
)
from lazyop.operator import LazyOperator
from lazyop.scalars import as_real
from lazyop.transforms.along_axes import AlongAxes, as_axis, as_dims, as_length, as_real_dtype
from lazyop.transforms.frames import moved

if TYPE_CHECKING:
    import numpy.typing as npt

#: What is at the ends of the signal.
BOUNDARIES = ("zero", "orthogonal", "none")


class Lapped(AlongAxes):
    """What the transform and its adjoint share: window, blocks of half its length, and the ends.

    Frame t is two blocks, or four half blocks a, b, c, d times those of the window, and its
    coefficients are the orthogonal cosine transform of type IV of ``(-c_r - d, a - b_r)``, where r
    reverses. So a block is folded into two halves, of the frames that it is in, by rotations of
    samples that mirror each other; a signal is what its rotations and cosine transforms make of it.
    """

    _fields = ("dims", "window", "boundary", "axis", "dtype")
    _is_analysis = True

    def __init__(
        self,
        dims: tuple[int, ...],
        window: Array,
        boundary: str,
        axis: int,
        dtype: npt.DTypeLike,
    ) -> None:
        self.dims, self.boundary, self.axis = dims, boundary, axis
        window = as_data(window, "a window", ndim=1)
        # In a complex operator too: what becomes complex with the operator's dtype is real again.
        self.window = namespace_of(window).real(window) if is_complex(window) else window
        self._block = int(self.window.shape[0]) // 2
        n = dims[axis]
        blocks = -(-n // self._block) if boundary == "zero" else n // self._block
        self._count = {"zero": blocks + 1, "orthogonal": blocks, "none": blocks - 1}[boundary]
        transformed = (*dims[:axis], self._count * self._block, *dims[axis + 1 :])
        ends = (dims, transformed) if self._is_analysis else (transformed, dims)
        super().__init__(dtype, *ends, (axis,))

    def _quarters(self, X: Array) -> list[Array]:
        """Return the quarters of the window, to multiply half blocks with."""
        half = self._block // 2
        window = cast(self.window, real_counterpart(dtype_of(X)))
        return [window[i * half : (i + 1) * half][:, None] for i in range(4)]

    def _cosines(self, X: Array) -> Array:
        """Apply the cosine transform to all frames; it is its own inverse."""
        return trigonometric(X, "cos", 4, (2,), "ortho", True)

    @property
    def _is_unitary(self) -> bool:
        return self.boundary == "orthogonal"

    def _transpose(self) -> LazyOperator:
        return self.adjoint()

    def _conj(self) -> LazyOperator:
        return self

    def _flops(self) -> int:
        others = math.prod(self.dims) // max(self.dims[self.axis], 1)
        transform = math.ceil(2.5 * self._block * math.log2(self._block)) + 3 * self._block
        return (2 if self.dtype.kind == "c" else 1) * others * self._count * transform

    def _details(self) -> str:
        sizes = f"window of {2 * self._block}, boundary {self.boundary}"
        return ", ".join(part for part in (super()._details(), sizes) if part)

    def _as(self, kind: type[Lapped]) -> Lapped:
        return kind._rebuild(**self._field_values())

    def _undoes(self, other: LazyOperator, kind: type[Lapped], boundary: str) -> bool:
        """Whether the other one is the adjoint, and the two make the identity at such ends."""
        if type(other) is not kind or self.boundary not in (boundary, "orthogonal"):
            return False
        mine, others = self._field_values(), other._field_values()
        same = all(mine[name] == others[name] for name in ("dims", "boundary", "axis"))
        return same and (
            self.window is other.window
            or (self._on_numpy and np.array_equal(self.window, other.window))
        )


class LappedAnalysis(Lapped):
    """The modified cosine transform."""

    def _transform(self, X: Array, axes: tuple[int, ...]) -> Array:
        (axis,) = axes
        xp = namespace_of(X)
        before, after = X.shape[:axis], X.shape[axis + 1 :]
        F = self._fold(xp.reshape(X, (math.prod(before), X.shape[axis], math.prod(after))))
        shape = (*before, self._count * self._block, *after)
        return xp.reshape(self._cosines(F), shape)

    def _fold(self, X: Array) -> Array:
        """Return what each frame gives to the cosine transform."""
        xp, half = namespace_of(X), self._block // 2
        before, _, after = X.shape
        if self.boundary != "orthogonal":
            X = moved(X, self._block * (self.boundary == "zero"), (self._count + 1) * self._block)
        halves = xp.reshape(X, (before, -1, half, after))
        first, second = halves[:, ::2, :, :], halves[:, 1::2, :, :]
        a, b, c, d = self._quarters(X)
        if self.boundary != "orthogonal":
            late = a * first - xp.flip(b * second, axis=2)
            early = -xp.flip(c * first, axis=2) - d * second
            return xp.concat([early[:, 1:, :, :], late[:, :-1, :, :]], axis=2)
        # here blocks are halves before and after the edge of two frames, and the ends are kept
        before_edge, after_edge = second[:, :-1, :, :], first[:, 1:, :, :]
        late = a * before_edge - xp.flip(b * after_edge, axis=2)
        early = -xp.flip(c * before_edge, axis=2) - d * after_edge
        start, end = -xp.flip(first[:, :1, :, :], axis=2), -xp.flip(second[:, -1:, :, :], axis=2)
        early, late = xp.concat([early, end], axis=1), xp.concat([start, late], axis=1)
        return xp.concat([early, late], axis=2)

    def _adjoint(self) -> LazyOperator:
        return self._as(LappedSynthesis)

    def _times(self, other: LazyOperator) -> LazyOperator | None:
        if not self._undoes(other, LappedSynthesis, "none"):
            return None
        return Identity(self.shape[0], np.result_type(self.dtype, other.dtype))


class LappedSynthesis(Lapped):
    """The adjoint of the modified cosine transform, which is its inverse."""

    _is_analysis = False

    def _transform(self, X: Array, axes: tuple[int, ...]) -> Array:
        (axis,) = axes
        xp = namespace_of(X)
        before, after = X.shape[:axis], X.shape[axis + 1 :]
        F = xp.reshape(X, (math.prod(before), self._count, self._block, math.prod(after)))
        shape = (*before, self.dims[self.axis], *after)
        return xp.reshape(self._unfold(self._cosines(F)), shape)

    def _unfold(self, F: Array) -> Array:
        """Return the signal, each block from the two frames that it is in."""
        xp, half = namespace_of(F), self._block // 2
        early, late = F[:, :, :half, :], F[:, :, half:, :]
        a, b, c, d = self._quarters(F)
        size = (self._count + 1) * self._block
        if self.boundary != "orthogonal":
            none = xp.zeros_like(early[:, :1, :, :])
            early, late = xp.concat([none, early], axis=1), xp.concat([late, none], axis=1)
            first = a * late - c * xp.flip(early, axis=2)
            second = -b * xp.flip(late, axis=2) - d * early
            X = xp.reshape(xp.concat([first, second], axis=2), (F.shape[0], size, F.shape[3]))
            return moved(X, -self._block * (self.boundary == "zero"), self.dims[self.axis])
        start, end = -xp.flip(late[:, :1, :, :], axis=2), -xp.flip(early[:, -1:, :, :], axis=2)
        early, late = early[:, :-1, :, :], late[:, 1:, :, :]
        before_edge = a * late - c * xp.flip(early, axis=2)
        after_edge = -b * xp.flip(late, axis=2) - d * early
        first = xp.concat([start, after_edge], axis=1)
        second = xp.concat([before_edge, end], axis=1)
        size = self._count * self._block
        return xp.reshape(xp.concat([first, second], axis=2), (F.shape[0], size, F.shape[3]))

    def _adjoint(self) -> LazyOperator:
        return self._as(LappedAnalysis)

    def _times(self, other: LazyOperator) -> LazyOperator | None:
        if not self._undoes(other, LappedAnalysis, "zero"):
            return None
        return Identity(self.shape[0], np.result_type(self.dtype, other.dtype))


def mdct(
    shape: int | tuple[int, ...],
    window: Any,
    axis: int = -1,
    *,
    boundary: str = "zero",
    dtype: npt.DTypeLike = np.float64,
) -> LappedAnalysis:
    r"""Return the modified discrete cosine transform along one axis.

    Frames of 2M samples follow each other by M. With the window w, each has M coefficients

    .. math:: y_k = \sqrt{\frac{2}{M}} \sum_{j=0}^{2M-1} w_j\, x_j
              \cos\left(\frac{\pi}{M} \left(j + \tfrac12 + \tfrac M2\right)
              \left(k + \tfrac12\right)\right),

    and the result is those of the first frame, then of the second, and so on, along the axis. The
    window satisfies the condition of Princen and Bradley, ``w[j]**2 + w[j + M]**2 == 1`` and
    ``w[2 * M - 1 - j] == w[j]``. So what overlapping frames have too much cancels out, and the
    adjoint is the inverse, on the side that the boundary says.

    Parameters
    ----------
    shape : int or tuple of int
        The length of a vector, or the shape of the array that a vector holds in row-major order.
    window : tuple or array_like
        A pair of a name and the length 2M, a multiple of 4: ``("sine", 256)``, ``("vorbis", 256)``
        or ``(("kaiser_bessel_derived", beta), 256)``; or the window itself.
    axis : int, optional
        The axis to transform, the last one by default.
    boundary : {"zero", "orthogonal", "none"}, optional
        With "zero", the signal is zero beyond its ends, where there are frames too: there are more
        coefficients than samples, and ``A.H @ A`` is the identity. With "orthogonal", windows at
        the ends are cut so that they do not overlap: the transform is square and orthogonal, and
        the length is a multiple of M. With "none", frames are within the signal, as TensorFlow and
        lazylinop have them, and ``A @ A.H`` is the identity; the ends can't be recovered.
    dtype : dtype, optional
        float64 by default.

    Returns
    -------
    LappedAnalysis

    Raises
    ------
    ValueError
        If the window is unknown, its length is no multiple of 4 or it does not satisfy the
        condition, or the signal is too short, or of a length that the boundary does not take.
    TypeError
        If a length is not an integer, or the dtype is not real or complex.

    References
    ----------
    J. P. Princen, A. B. Bradley, Analysis/synthesis filter bank design based on time domain
    aliasing cancellation, IEEE Trans. Acoust. Speech Signal Process. 34(5):1153-1161, 1986,
    doi 10.1109/TASSP.1986.1164954.

    Examples
    --------
    >>> import numpy as np
    >>> import lazyop as lo
    >>> A = lo.transforms.mdct(16, ("sine", 8), boundary="orthogonal")
    >>> A.N
    Identity(16x16, float64)
    >>> x = np.arange(16.0)
    >>> np.allclose(A.H @ (A @ x), x)
    True
    """
    dims = as_dims(shape)
    place, kind = as_axis(axis, dims), as_real_dtype(dtype)
    found = _as_window(window)
    block, n = found.size // 2, dims[place]
    if boundary not in BOUNDARIES:
        raise ValueError(f"boundary must be one of {', '.join(BOUNDARIES)}, got {boundary!r}")
    if n < {"zero": 1, "orthogonal": block, "none": 2 * block}[boundary]:
        raise ValueError(f"a signal of length {n} is too short for windows of {found.size}")
    if boundary == "orthogonal" and n % block:
        raise ValueError(
            "with boundary='orthogonal' the length must be a multiple of half the window, "
            f"{block}, got {n}"
        )
    return LappedAnalysis(dims, found.astype(real_counterpart(kind)), boundary, place, kind)


def imdct(
    shape: int | tuple[int, ...],
    window: Any,
    axis: int = -1,
    *,
    boundary: str = "zero",
    dtype: npt.DTypeLike = np.float64,
) -> LazyOperator:
    """Return the inverse of `mdct`, which is its adjoint.

    Parameters
    ----------
    shape : int or tuple of int
        The shape of the signal: that which `mdct` takes, and this returns.
    window, axis, boundary, dtype
        As in `mdct`.

    Returns
    -------
    LazyOperator
        A left inverse; a right inverse with boundary "none".

    Raises
    ------
    ValueError, TypeError
        As `mdct` does.

    Examples
    --------
    >>> import lazyop as lo
    >>> arguments = 10, ("vorbis", 8)
    >>> lo.transforms.imdct(*arguments) @ lo.transforms.mdct(*arguments)
    Identity(10x10, float64)
    """
    return mdct(shape, window, axis, boundary=boundary, dtype=dtype).adjoint()


def _as_window(window: Any) -> npt.NDArray[np.float64]:
    """Return a window that satisfies the condition of Princen and Bradley."""
    resolution = float(np.finfo(np.float64).eps)
    if isinstance(window, str):
        raise TypeError(f"a named window needs its length: ({window!r}, 256)")
    if isinstance(window, tuple) and len(window) == 2 and isinstance(window[0], str | tuple):
        found = _named(window[0], as_length(window[1], "the length of a window", least=1))
    else:
        values = as_array(window, "a window")
        resolution = float(np.finfo(np.result_type(dtype_of(values), np.float16)).eps)
        if is_complex(values):
            raise TypeError("a window of the modified cosine transform must be real")
        found = to_numpy(values).astype(np.float64)
    if found.ndim != 1 or found.size % 4 or not found.size:
        raise ValueError(f"the length of a window must be a multiple of 4, got {found.shape}")
    half = found.size // 2
    defect = max(
        np.max(abs(found[:half] ** 2 + found[half:] ** 2 - 1)), np.max(abs(found - found[::-1]))
    )
    if not defect <= 1e3 * resolution:  # rather than >, for windows with NaN
        raise ValueError(
            "a window must be symmetric, and squares of samples half its length apart must add up "
            f"to 1 (Princen and Bradley); this one is {defect:.2g} off"
        )
    return found


def _named(name: Any, length: int) -> npt.NDArray[np.float64]:
    sine = np.sin(np.pi * (np.arange(length) + 0.5) / length)
    if name == "sine":
        return sine
    if name == "vorbis":
        return np.asarray(np.sin(np.pi / 2 * sine**2))
    if isinstance(name, tuple) and len(name) == 2 and name[0] == "kaiser_bessel_derived":
        from scipy.signal.windows import kaiser_bessel_derived

        beta = as_real(name[1], "the beta of a window")
        return np.asarray(kaiser_bessel_derived(length, beta=beta))
    raise ValueError(
        f"a window must be 'sine', 'vorbis' or ('kaiser_bessel_derived', beta), got {name!r}"
    )
