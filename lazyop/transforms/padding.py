"""Padding of arrays by what they hold, in the ways of `numpy.pad` that are linear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lazyop.namespaces import Array, along, dtype_of, namespace_of, zeros
from lazyop.operator import LazyOperator
from lazyop.transforms.along_axes import AlongAxes, as_dims, as_length, as_real_dtype
from lazyop.transforms.resize import shifted

if TYPE_CHECKING:
    import numpy.typing as npt

_MODES = ("constant", "edge", "reflect", "symmetric", "wrap")


class Run(NamedTuple):
    """Entries of a padded axis one after the other, as they come from the axis before.

    ``length`` entries from ``start`` on, in steps of 1, -1 or 0, which are taken from twice the
    entry at ``edge`` where that is not negative.
    """

    start: int
    length: int
    step: int
    edge: int = -1

    def place(self) -> slice:
        """Return what the entries are in the axis before, in ascending order."""
        first = self.start if self.step > 0 else self.start - self.length + 1
        return slice(first, first + self.length)


class Pad(AlongAxes):
    """Padding along axes, or its transpose, which folds back what was padded.

    Parameters
    ----------
    dims : tuple of int
        The shape without padding.
    widths : tuple of pairs of int
        Before and after, for each axis.
    mode : str
        Of `numpy.pad`: "constant" (zeros), "edge", "reflect", "symmetric" or "wrap".
    odd : bool
        Whether reflections are odd around the edges.
    transposed : bool
        Which of the two.
    dtype : dtype
        The dtype of the matrix.
    """

    _makes_new = False
    _fields = ("dims", "widths", "mode", "odd", "transposed", "dtype")

    def __init__(
        self,
        dims: tuple[int, ...],
        widths: tuple[tuple[int, int], ...],
        mode: str,
        odd: bool,
        transposed: bool,
        dtype: npt.DTypeLike,
    ) -> None:
        self.dims, self.widths, self.mode = dims, widths, mode
        self.odd, self.transposed = odd, transposed
        axes = tuple(axis for axis, width in enumerate(widths) if any(width))
        self._runs: dict[int, tuple[Run, ...]] = {}
        if mode != "constant":
            self._runs = {axis: _runs(dims[axis], widths[axis], mode, odd) for axis in axes}
        padded_dims = tuple(n + sum(width) for n, width in zip(dims, widths, strict=True))
        shapes = (padded_dims, dims) if transposed else (dims, padded_dims)
        super().__init__(dtype, *shapes, axes)

    def _transform(self, X: Array, axes: tuple[int, ...]) -> Array:
        for axis, own in zip(axes, self._axes, strict=True):
            if self.mode == "constant":
                before, n = self.widths[own][0], self._dims_out[own]
                cut = along(axis, slice(before, before + n))
                X = X[cut] if self.transposed else shifted(X, before, n, axis)
            elif self.transposed:
                X = folded(X, self._runs[own], self.dims[own], axis)
            else:
                X = padded(X, self._runs[own], axis)
        return X

    def _transpose(self) -> LazyOperator:
        rest = self.mode, self.odd, not self.transposed, self.dtype
        return Pad(self.dims, self.widths, *rest)

    def _adjoint(self) -> LazyOperator:
        return self._transpose()

    def _conj(self) -> LazyOperator:
        return self

    def _flops(self) -> int:
        return abs(self.shape[0] - self.shape[1]) if self.transposed or self.odd else 0

    def _details(self) -> str:
        text = f"{super()._details()}, {self.mode}{', transposed' * self.transposed}"
        return text.removeprefix(", ")


def _runs(n: int, width: tuple[int, int], mode: str, odd: bool) -> tuple[Run, ...]:
    """Return an axis of n points, padded, as runs of its entries."""
    before, after = width
    if odd:
        all_runs = (Run(before, before, -1, 0), Run(0, n, 1), Run(n - 2, after, -1, n - 1))
        return tuple(run for run in all_runs if run.length)
    index = np.pad(np.arange(n), width, mode)  # type: ignore[call-overload]
    steps = np.diff(index)
    runs, first = [], 0
    while first < index.size:
        step = int(steps[first]) if first < steps.size else 1
        if abs(step) > 1:
            runs.append(Run(int(index[first]), 1, 1))
            first += 1
            continue
        others = np.flatnonzero(steps[first:] != step)
        length = 1 + (int(others[0]) if others.size else index.size - 1 - first)
        runs.append(Run(int(index[first]), length, step))
        first += length
    return tuple(runs)


def padded(X: Array, runs: tuple[Run, ...], axis: int) -> Array:
    """Return an array padded along an axis."""
    xp = namespace_of(X)
    return xp.concat([_piece(X, run, axis) for run in runs], axis=axis)


def _piece(X: Array, run: Run, axis: int) -> Array:
    xp, shape = namespace_of(X), (*X.shape[:axis], run.length, *X.shape[axis + 1 :])
    if run.step == 0:
        return xp.broadcast_to(X[along(axis, slice(run.start, run.start + 1))], shape)
    piece = X[along(axis, run.place())]
    piece = piece if run.step > 0 else xp.flip(piece, axis=axis)
    if run.edge < 0:
        return piece
    return 2 * X[along(axis, slice(run.edge, run.edge + 1))] - piece


def folded(Y: Array, runs: tuple[Run, ...], n: int, axis: int) -> Array:
    """Return the transpose of the padding of an axis: what was padded, added to where it is from.

    On NumPy in place of zeros; elsewhere as a sum of arrays.
    """
    xp, first = namespace_of(Y), 0
    X = zeros((*Y.shape[:axis], n, *Y.shape[axis + 1 :]), dtype_of(Y), Y)
    for run in runs:
        piece = Y[along(axis, slice(first, first + run.length))]
        first += run.length
        if run.edge >= 0:
            X = _added(X, 2 * xp.sum(piece, axis=axis, keepdims=True), run.edge, axis)
            piece = -piece
        if run.step == 0:
            X = _added(X, xp.sum(piece, axis=axis, keepdims=True), run.start, axis)
        else:
            piece = piece if run.step > 0 else xp.flip(piece, axis=axis)
            X = _added(X, piece, run.place().start, axis)
    return X


def _added(X: Array, piece: Array, start: int, axis: int) -> Array:
    if isinstance(X, np.ndarray):
        X[along(axis, slice(start, start + piece.shape[axis]))] += piece
        return X
    return X + shifted(piece, start, X.shape[axis], axis)


def pad(
    shape: int | tuple[int, ...],
    pad_width: Any,
    mode: str = "constant",
    *,
    reflect_type: str = "even",
    dtype: npt.DTypeLike = np.float64,
) -> LazyOperator:
    """Return the padding of arrays by zeros or by what they hold, as `numpy.pad` does it.

    The adjoint adds what was padded to where it came from; for zeros it crops.

    Parameters
    ----------
    shape : int or tuple of int
        The length of a vector, or the shape of the array that a vector holds in row-major order.
    pad_width : int, pair of int, or sequence of pairs
        How much before and after each axis: of all axes, or an axis each, as in `numpy.pad`.
    mode : {"constant", "edge", "reflect", "symmetric", "wrap"}, optional
        As in `numpy.pad`, "constant" being zeros.
    reflect_type : {"even", "odd"}, optional
        For "reflect": "odd" takes the reflected values from twice the edge value, so that lines go
        on. It reaches no further than the axis.
    dtype : dtype, optional
        float64 by default; float32, or complex64 or complex128 for a complex operator.

    Returns
    -------
    LazyOperator
        Real, and without data of its own.

    Raises
    ------
    ValueError
        If the mode is unknown, a width is negative or they don't fit the shape, an empty axis would
        have to be continued, or an odd reflection reaches too far.
    TypeError
        If a length or a width is not an integer.

    Examples
    --------
    >>> import lazyop as lo
    >>> P = lo.transforms.pad(3, (2, 1), mode="reflect")
    >>> P @ [1.0, 2.0, 3.0]
    array([3., 2., 1., 2., 3., 2.])
    >>> P.H @ [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    array([1., 3., 2.])
    """
    dims, kind = as_dims(shape), as_real_dtype(dtype)
    if mode not in _MODES:
        raise ValueError(f"mode must be one of {', '.join(map(repr, _MODES))}, got {mode!r}")
    if reflect_type not in ("even", "odd"):
        raise ValueError(f"reflect_type must be 'even' or 'odd', got {reflect_type!r}")
    odd = reflect_type == "odd"
    if odd and mode != "reflect":
        raise ValueError(f"reflect_type='odd' is for the mode 'reflect', not for {mode!r}")
    widths = _as_widths(pad_width, dims)
    for n, width in zip(dims, widths, strict=True):
        if any(width) and mode != "constant" and not n:
            raise ValueError(f"an empty axis can't be continued by {mode!r}; the shape is {dims}")
        if odd and max(width) >= max(n, 1):
            raise ValueError(f"an odd reflection of {n} points reaches {n - 1} far, not {width}")
    return Pad(dims, widths, mode, odd, False, kind)


def _as_widths(pad_width: Any, dims: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Return the widths before and after each axis."""
    try:
        pairs = np.broadcast_to(np.asarray(pad_width, dtype=object), (len(dims), 2))
    except ValueError:
        raise ValueError(
            f"pad_width must be an integer, a pair, or a pair for each axis of the shape {dims}, "
            f"got {pad_width!r}"
        ) from None
    lengths = [[as_length(w, "a width of padding") for w in pair] for pair in pairs.tolist()]
    return tuple((before, after) for before, after in lengths)
