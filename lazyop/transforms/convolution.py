"""Convolution operators: what they hold, and the three ways in which they run."""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from lazyop.algebra.array_norm import absolute_sums, array_norm, entries_norm
from lazyop.kernels.circular import convolved, inverse_filter, spectrum
from lazyop.kernels.fourier import fast_length
from lazyop.kernels.plan import Step
from lazyop.kernels.real_parts import by_parts
from lazyop.namespaces import Array, along, conj, dtype_of, is_complex, namespace_of
from lazyop.operator import LazyOperator
from lazyop.transforms.along_axes import AlongAxes
from lazyop.transforms.resize import resized, shifted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from lazyop.traits import Invert, Order


class Convolution(AlongAxes):
    """A window of the convolution with a kernel, ``y[i] = sum_j h[j] x[start + i - j]``.

    Its transpose is one too, with the kernel reversed: full convolutions and those of valid parts
    belong together.

    Parameters
    ----------
    kernel : array
        With an axis for each of the axes.
    dims, dims_out : tuple of int
        The shapes of argument and result.
    starts : tuple of int
        Where in the full convolution the result begins, along each of the axes.
    axes : tuple of int
        In ascending order.
    method : str
        "direct", "fft" or "overlap-add", or "auto" for the cheapest, by count, for a vector and
        for a matrix of columns.
    """

    _fields = ("kernel", "dims", "dims_out", "starts", "axes", "method")

    def __init__(
        self,
        kernel: Array,
        dims: tuple[int, ...],
        dims_out: tuple[int, ...],
        starts: tuple[int, ...],
        axes: tuple[int, ...],
        method: str,
    ) -> None:
        self.kernel, self.dims, self.dims_out = kernel, dims, dims_out
        self.starts, self.axes, self.method = starts, axes, method
        vector, columns = method, method
        if method == "auto":
            vector, columns = (cheapest(dims, kernel.shape, axes, one) for one in (True, False))
        self._ways = vector if len(dims) == 1 else columns, columns
        self._taps = _taps(kernel) if "direct" in self._ways else []
        self._filters = {way: self._filter(way) for way in self._ways if way != "direct"}
        super().__init__(dtype_of(kernel), dims, dims_out, axes)

    def _filter(self, way: str) -> tuple[tuple[int, ...], Array]:
        """Return lengths at which nothing wraps around, and the transform of the kernel."""
        if way == "overlap-add":
            lengths = [block_period(self.dims[self.axes[0]], self.kernel.shape[0])]
        else:
            lengths = []
            for k, start, axis in zip(self.kernel.shape, self.starts, self.axes, strict=True):
                n, size = self.dims[axis], self.dims_out[axis]
                lengths.append(fast_length(max(n, k, n + k - 1 - start, start + size)))
        return tuple(lengths), spectrum(self.kernel, tuple(lengths))

    def _transform(self, X: Array, axes: tuple[int, ...]) -> Array:
        way = self._ways[0 if X.ndim == 1 else 1]
        if way == "direct":
            return self._direct(X, axes)
        lengths, transformed = self._filters[way]
        if way == "overlap-add":
            return self._window(self._by_blocks(X, lengths[0], transformed, axes[0]), axes)
        real = self.dtype.kind != "c"
        return self._window(convolved(X, transformed, lengths, axes, real), axes)

    def _window(self, Y: Array, axes: tuple[int, ...]) -> Array:
        for axis, own, start in zip(axes, self.axes, self.starts, strict=True):
            Y = Y[along(axis, slice(start, start + self.dims_out[own]))]
        return Y

    def _direct(self, X: Array, axes: tuple[int, ...]) -> Array:
        """Add up multiples of shifted arrays, or leave it to NumPy where there is a vector."""
        if X.ndim == 1 and isinstance(X, np.ndarray):
            return self._window(np.convolve(X, self.kernel), axes)
        for axis, own, start, k in zip(
            axes, self.axes, self.starts, self.kernel.shape, strict=True
        ):
            X = shifted(X, k - 1 - start, self.dims_out[own] + k - 1, axis)
        Y = None
        for place, tap in self._taps:
            index = [slice(None)] * X.ndim
            for axis, own, j, k in zip(axes, self.axes, place, self.kernel.shape, strict=True):
                index[axis] = slice(k - 1 - j, k - 1 - j + self.dims_out[own])
            Y = _plus_multiple(Y, tap, X[tuple(index)])
        return Y

    def _by_blocks(self, X: Array, period: int, transformed: Array, axis: int) -> Array:
        """Return the full convolution by overlap-add: of blocks as long as the period allows."""
        real = self.dtype.kind != "c"
        if real and is_complex(X):
            return by_parts(lambda x: self._by_blocks(x, period, transformed, axis), X)
        xp, size = namespace_of(X), period - self.kernel.shape[0] + 1
        count = -(-X.shape[axis] // size)
        before, after = X.shape[:axis], X.shape[axis + 1 :]

        def of_blocks(first: int, last: int) -> Array:
            part = resized(X[along(axis, slice(first * size, None))], (last - first) * size, axis)
            blocks = xp.reshape(part, (*before, last - first, size, *after))
            return convolved(blocks, transformed, (period,), (axis + 1,), real)

        if isinstance(X, np.ndarray):
            step = max(1, _CACHED * X.shape[axis] // (X.size * size))
            return _overlapped(of_blocks, X, axis, (count, size, self.kernel.shape[0] - 1), step)
        Y = of_blocks(0, count)
        main = resized(Y[along(axis + 1, slice(size))], count + 1, axis)
        tails = resized(Y[along(axis + 1, slice(size, period))], size, axis + 1)
        Y = main + shifted(tails, 1, count + 1, axis)
        return xp.reshape(Y, (*before, (count + 1) * size, *after))

    def _transpose(self) -> LazyOperator:
        xp = namespace_of(self.kernel)
        starts = tuple(
            k - 1 - start for k, start in zip(self.kernel.shape, self.starts, strict=True)
        )
        kernel = xp.flip(self.kernel)
        return Convolution(kernel, self.dims_out, self.dims, starts, self.axes, self.method)

    def _conj(self) -> LazyOperator:
        kernel = conj(self.kernel)
        return Convolution(kernel, self.dims, self.dims_out, self.starts, self.axes, self.method)

    def _adjoint(self) -> LazyOperator:
        return self._transpose().conj()

    def _flops(self) -> int:
        return self._flops_of(self._ways[0])

    def _flops_of(self, way: str) -> int:
        if way == "direct":
            return len(self._taps) * self._flops_per_entry() * self.shape[0]
        lengths, _ = self._filters[way]
        points = math.prod(lengths)
        times = math.prod(n for axis, n in enumerate(self.dims) if axis not in self.axes)
        if way == "overlap-add":
            times *= -(-self.dims[self.axes[0]] // (points - self.kernel.shape[0] + 1))
        each = math.ceil(5 * points * math.log2(points)) + 3 * points
        return times * each * (2 if self.dtype.kind == "c" else 1)

    def _steps(self, columns: int) -> Iterator[Step]:
        way = self._ways[0 if columns == 1 else 1]
        yield Step(repr(self), way, self._flops_of(way) * columns)

    def _details(self) -> str:
        ways = " or ".join(dict.fromkeys(self._ways))
        return f"{super()._details()}, {ways}".removeprefix(", ")


class CircularConvolution(AlongAxes):
    """Circular convolution along axes, ``y[i] = sum_j h[j] x[(i - j) % n]``.

    Parameters
    ----------
    kernel : array
        As long as the array along each of the axes.
    dims : tuple of int
        The shape of argument and result.
    axes : tuple of int
        In ascending order.
    """

    _fields = ("kernel", "dims", "axes")

    def __init__(self, kernel: Array, dims: tuple[int, ...], axes: tuple[int, ...]) -> None:
        self.kernel, self.dims, self.axes = kernel, dims, axes
        self._lengths = tuple(dims[axis] for axis in axes)
        self._spectrum = spectrum(kernel, self._lengths)
        super().__init__(dtype_of(kernel), dims, dims, axes)

    def _transform(self, X: Array, axes: tuple[int, ...]) -> Array:
        return convolved(X, self._spectrum, self._lengths, axes, self.dtype.kind != "c")

    def _transpose(self) -> LazyOperator:
        xp, all_axes = namespace_of(self.kernel), tuple(range(len(self.axes)))
        kernel = xp.roll(xp.flip(self.kernel), (1,) * len(all_axes), axis=all_axes)
        return CircularConvolution(kernel, self.dims, self.axes)

    def _conj(self) -> LazyOperator:
        return CircularConvolution(conj(self.kernel), self.dims, self.axes)

    def _adjoint(self) -> LazyOperator:
        return self._transpose().conj()

    def _inverse(self, invert: Invert) -> LazyOperator | None:
        return CircularConvolution(inverse_filter(self.kernel), self.dims, self.axes)

    def _norm(self, order: Order, norm_of: Callable[[LazyOperator], float]) -> float | None:
        if order == "fro":
            return math.sqrt(self.shape[0]) * entries_norm(self.kernel)
        if order == 2:
            return array_norm(self._spectrum[None, ...], 1)  # the largest magnitude
        return float(absolute_sums(self.kernel, axis=None))  # what all rows and columns sum up to

    def _flops(self) -> int:
        points = math.prod(self._lengths)
        each = math.ceil(5 * points * math.log2(points)) + 3 * points
        return self.shape[0] // points * each * (2 if self.dtype.kind == "c" else 1)


def _taps(kernel: Array) -> list[tuple[tuple[int, ...], Any]]:
    """Return the places and values of a kernel, on NumPy without the zeros but the last."""
    places = list(product(*(range(k) for k in kernel.shape)))
    if not isinstance(kernel, np.ndarray):
        return [(place, kernel[place]) for place in places]
    nonzero = [place for place in places if kernel[place] != 0]
    return [(place, kernel[place].item()) for place in nonzero or places[-1:]]


def _plus_multiple(Y: Array | None, tap: Any, X: Array) -> Array:
    """Return ``Y + tap X``; on NumPy in the place of Y, which nobody else holds."""
    if not isinstance(X, np.ndarray):
        return tap * X if Y is None else Y + tap * X
    if Y is None:
        return tap * X if tap != 1 else X.copy()
    if tap in (1, -1):
        return (np.add if tap == 1 else np.subtract)(Y, X, out=Y)
    Y += tap * X
    return Y


def _overlapped(
    of_blocks: Callable[[int, int], Array],
    X: npt.NDArray[Any],
    axis: int,
    sizes: tuple[int, int, int],
    step: int,
) -> Array:
    """Add up overlapping results of blocks, so few at a time that they stay in the cache.

    The sizes are the number of blocks, their length, and by how much their results overlap.
    """
    count, size, overlap = sizes
    Y: Any = None
    carried: Any = 0.0
    head, tail = along(axis + 1, slice(overlap)), along(axis + 1, slice(size, size + overlap))
    for first in range(0, count, step):
        last = min(first + step, count)
        part = of_blocks(first, last)
        if Y is None:
            Y = np.empty((*X.shape[:axis], count + 1, size, *X.shape[axis + 1 :]), part.dtype)
            Y[along(axis, count)] = 0
        Y[along(axis, slice(first, last))] = part[along(axis + 1, slice(size))]
        overlaps = part[tail]
        Y[along(axis, slice(first, first + 1))][head] += carried
        Y[along(axis, slice(first + 1, last))][head] += overlaps[along(axis, slice(-1))]
        carried = overlaps[along(axis, slice(last - first - 1, None))]
    Y[along(axis, slice(count, None))][head] += carried
    return Y.reshape(*X.shape[:axis], (count + 1) * size, *X.shape[axis + 1 :])


# Which way ----------------------------------------------------------------------------------

#: What takes place at a time in overlap-add: so many numbers, with what they become, stay cached.
_CACHED = 2**13


def cheapest(
    dims: tuple[int, ...], sizes: tuple[int, ...], axes: tuple[int, ...], vector: bool
) -> str:
    """Return the way that takes the least time by count, in nanoseconds on one core or so.

    NumPy convolves a vector with up to 11 points by one loop, with more by a product for each
    point of the result. Anything else adds up shifted arrays.
    """
    taps, lengths = math.prod(sizes), [dims[axis] for axis in axes]
    points = math.prod(lengths)
    each = 0.45 * taps if not vector else 0.2 * taps if taps <= 11 else 9 + 0.1 * taps
    whole = math.prod(n + k - 1 for n, k in zip(lengths, sizes, strict=True))
    costs = {"direct": 4000 + 1000 * (0 if vector else taps) + each * points}
    slow = 1.5 if whole > 2**15 else 1  # new memory in each product
    costs["fft"] = 16000 + 0.8 * slow * whole * math.log2(max(whole, 2))
    if len(axes) == 1 and sizes[0] < lengths[0]:
        period = block_period(lengths[0], sizes[0])
        blocks = -(-lengths[0] // (period - sizes[0] + 1))
        calls = -(-blocks * period // _CACHED)
        costs["overlap-add"] = 25000 * calls + 0.95 * blocks * period * math.log2(period)
    return min(costs, key=lambda way: costs[way])


def block_period(n: int, k: int) -> int:
    """Return the length of the transforms with which overlap-add takes the least operations."""
    best, least = 0, math.inf
    for bits in range((2 * k - 1).bit_length(), 21):
        period = 1 << bits
        cost = -(-n // (period - k + 1)) * period * bits
        if cost < least:
            best, least = period, cost
    return best or fast_length(n + k - 1)
