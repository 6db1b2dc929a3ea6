"""Finite differences along an axis, with a choice of what happens at its ends."""

from __future__ import annotations

import math
import operator as operators
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from lazyop.namespaces import Array, along, namespace_of
from lazyop.operator import LazyOperator
from lazyop.transforms.along_axes import (
    AlongAxes,
    as_axis,
    as_dims,
    as_real_dtype,
    check_points,
)
from lazyop.transforms.resize import shifted

if TYPE_CHECKING:
    import numpy.typing as npt

#: Weights, divisor of the first power of the spacing or the second, and points beyond either end.
_STENCILS: dict[tuple[str, int], tuple[tuple[float, ...], float, tuple[int, int]]] = {
    ("forward", 1): ((-1, 1), 1, (0, 1)),
    ("backward", 1): ((-1, 1), 1, (1, 0)),
    ("centered", 1): ((-1, 0, 1), 2, (1, 1)),
    ("centered", 2): ((1, -2, 1), 1, (1, 1)),
}
_EDGES = ("valid", "zero", "one-sided", "constant", "edge", "reflect", "symmetric", "wrap")

#: A row of a matrix: places and their weights.
Row = tuple[tuple[int, float], ...]


class Difference(AlongAxes):
    """Weighted sums of neighbours along an axis, with rows of their own at its ends.

    ``y[b + i] = scale sum_j weights[j] x[i + j]`` after the b rows of the beginning, and then those
    of the end; or the transpose.
    """

    _fields = ("dims", "axis", "weights", "scale", "beginning", "end", "transposed", "dtype")

    def __init__(
        self,
        dims: tuple[int, ...],
        axis: int,
        weights: tuple[float, ...],
        scale: float,
        beginning: tuple[Row, ...],
        end: tuple[Row, ...],
        transposed: bool,
        dtype: npt.DTypeLike,
    ) -> None:
        self.dims, self.axis, self.weights, self.scale = dims, axis, weights, scale
        self.beginning, self.end, self.transposed = beginning, end, transposed
        self._inner = max(dims[axis] - len(weights) + 1, 0)
        self._first, self._last = len(beginning), len(beginning) + self._inner
        self._rows = (*enumerate(beginning), *enumerate(end, self._last))
        others = (*dims[:axis], self._last + len(end), *dims[axis + 1 :])
        super().__init__(dtype, *((others, dims) if transposed else (dims, others)), (axis,))

    def _transform(self, X: Array, axes: tuple[int, ...]) -> Array:
        (axis,) = axes
        if not isinstance(X, np.ndarray):
            Y = self._transposed_of(X, axis) if self.transposed else self._of(X, axis)
            return Y if self.scale == 1 else self.scale * Y
        shape = (*X.shape[:axis], self._dims_out[self.axis], *X.shape[axis + 1 :])
        if self.transposed:
            Y = np.zeros(shape, X.dtype)
            inner = X[along(axis, slice(self._first, self._last))]
            for j, weight in enumerate(self.weights):
                _add_to(Y[along(axis, slice(j, j + self._inner))], weight, inner)
        else:
            Y = np.empty(shape, X.dtype)
            _combine(self._neighbours(X, axis), Y[along(axis, slice(self._first, self._last))])
        for i, row in self._rows:
            if not self.transposed:
                Y[along(axis, i)] = 0
            for j, weight in row:
                to, of = (j, i) if self.transposed else (i, j)
                Y[along(axis, slice(to, to + 1))] += weight * X[along(axis, slice(of, of + 1))]
        return Y if self.scale == 1 else np.multiply(Y, X.dtype.type(self.scale), out=Y)

    def _neighbours(self, X: Array, axis: int) -> list[tuple[float, Array]]:
        return [
            (weight, X[along(axis, slice(j, j + self._inner))])
            for j, weight in enumerate(self.weights)
            if weight
        ]

    def _of(self, X: Array, axis: int) -> Array:
        """Return the product without a scale, in any namespace."""
        parts = [weight * part for weight, part in self._neighbours(X, axis)]
        zero = 0 * X[along(axis, slice(1))]
        ends = [
            reduce(operators.add, [w * X[along(axis, slice(j, j + 1))] for j, w in row], zero)
            for row in (*self.beginning, *self.end)
        ]
        pieces = [*ends[: self._first], reduce(operators.add, parts), *ends[self._first :]]
        return namespace_of(X).concat(pieces, axis=axis)

    def _transposed_of(self, X: Array, axis: int) -> Array:
        """Return the product of the transpose without a scale, in any namespace."""
        n, inner = self.dims[self.axis], X[along(axis, slice(self._first, self._last))]
        terms = [
            weight * shifted(inner, j, n, axis) for j, weight in enumerate(self.weights) if weight
        ]
        for i, row in self._rows:
            entry = X[along(axis, slice(i, i + 1))]
            terms += [weight * shifted(entry, j, n, axis) for j, weight in row]
        return reduce(operators.add, terms)

    def _transpose(self) -> LazyOperator:
        rest = self.beginning, self.end, not self.transposed, self.dtype
        return Difference(self.dims, self.axis, self.weights, self.scale, *rest)

    def _adjoint(self) -> LazyOperator:
        return self._transpose()

    def _conj(self) -> LazyOperator:
        return self

    def _flops(self) -> int:
        return min(self.shape) * len(self.weights) * self._flops_per_entry()

    def _details(self) -> str:
        text = f"{super()._details()}, weights={self.weights}{', transposed' * self.transposed}"
        return text.removeprefix(", ")


def _combine(parts: list[tuple[float, Array]], out: npt.NDArray[Any]) -> None:
    """Write a weighted sum of two arrays or more, of which the outer ones have weights of 1."""
    (before, low), (_, high) = parts[0], parts[-1]
    (np.subtract if before == -1 else np.add)(high, low, out=out)
    for weight, part in parts[1:-1]:
        _add_to(out, weight, part)


def _add_to(Y: npt.NDArray[Any], weight: float, X: npt.NDArray[Any]) -> None:
    if weight in (1, -1):
        (np.add if weight == 1 else np.subtract)(Y, X, out=Y)
    elif weight:
        Y += weight * X


def difference(
    shape: int | tuple[int, ...],
    axis: int = -1,
    *,
    kind: str = "forward",
    order: int = 1,
    edge: str = "valid",
    spacing: float = 1.0,
    dtype: npt.DTypeLike = np.float64,
) -> LazyOperator:
    r"""Return finite differences along an axis, for the first or the second derivative.

    .. math::

       \frac{x_{i+1} - x_i}{h}, \quad \frac{x_i - x_{i-1}}{h}, \quad
       \frac{x_{i+1} - x_{i-1}}{2h}, \quad \frac{x_{i+1} - 2 x_i + x_{i-1}}{h^2}

    forward, backward, centred, and of second order.

    Parameters
    ----------
    shape : int or tuple of int
        The length of a vector, or the shape of the array that a vector holds in row-major order.
    axis : int, optional
        The last one by default.
    kind : {"forward", "backward", "centered"}, optional
        Which neighbours a difference is of. Second differences are centred.
    order : {1, 2}, optional
        Of the derivative.
    edge : str, optional
        What happens where a neighbour is missing. "valid" leaves these differences out, as
        `numpy.diff` does, and is the default; "zero" says 0 for them; "one-sided" takes the
        difference that there is, as `numpy.gradient` does. The others continue the array as
        `numpy.pad` does: "constant" by zeros, "edge", "reflect", "symmetric" or "wrap".
    spacing : float, optional
        The distance h of neighbours.
    dtype : dtype, optional
        float64 by default; float32, or complex64 or complex128 for a complex operator.

    Returns
    -------
    LazyOperator
        Without data of its own.

    Raises
    ------
    ValueError
        If there are too few points along the axis, it is out of range, one of the words is unknown
        or they don't go together, or the spacing is zero, not finite, or beyond the dtype's range.
    TypeError
        If a length or the axis is not an integer, or the spacing is no real number.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.transforms.difference(4) @ [1.0, 2.0, 4.0, 8.0]
    array([1., 2., 4.])
    >>> lo.transforms.difference(4, kind="centered", edge="one-sided") @ [1.0, 2.0, 4.0, 8.0]
    array([1. , 1.5, 3. , 4. ])
    """
    dims, real = as_dims(shape), as_real_dtype(dtype)
    place, h = as_axis(axis, dims), _as_real(spacing)
    if order == 2 and kind == "forward":  # the default, of first differences
        kind = "centered"
    if (kind, order) not in list(_STENCILS):  # which also takes lists
        raise ValueError(
            "the kind must be 'forward', 'backward' or 'centered', of order 1, or 'centered', of "
            f"order 2; got {kind!r} of order {order!r}"
        )
    if edge not in _EDGES:
        raise ValueError(f"edge must be one of {', '.join(map(repr, _EDGES))}, got {edge!r}")
    if h == 0 or not math.isfinite(h):
        raise ValueError(f"the spacing must be finite and not zero, got {spacing!r}")
    weights, divisor, width = _STENCILS[kind, order]
    check_points(dims, (place,), least=len(weights) if edge in ("valid", "zero") else 1)
    if edge == "one-sided":
        check_points(dims, (place,), least=2)
    beginning, end = _ends(dims[place], weights, width, edge)
    # a product, where a power would raise or be taken for zero; 0 and inf fail here too
    power, limits = divisor * math.prod([h] * order), np.finfo(np.result_type(real, np.float32))
    if not limits.tiny <= abs(power) <= 1 / limits.tiny:
        raise ValueError(f"the spacing {spacing!r} is beyond the range of {real}, to order {order}")
    scale = 1 / power
    return Difference(dims, place, weights, scale, beginning, end, False, real)


def _as_real(spacing: Any) -> float:
    try:
        return float(spacing)
    except (TypeError, ValueError):
        raise TypeError(f"the spacing must be a real number, got {spacing!r}") from None


def _ends(
    n: int, weights: tuple[float, ...], width: tuple[int, int], edge: str
) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """Return the rows whose neighbours lie beyond the ends, of n points as they go on there."""
    if edge == "valid":
        return (), ()
    if edge == "zero":
        return ((),) * width[0], ((),) * width[1]
    before: Row = {
        "constant": (),
        "one-sided": ((0, 2.0), (1, -1.0)),
        "edge": ((0, 1.0),),
        "symmetric": ((0, 1.0),),
        "reflect": ((min(1, n - 1), 1.0),),
        "wrap": ((n - 1, 1.0),),
    }[edge]
    after: Row = tuple((n - 1 - i, weight) for i, weight in before)  # the same from the other end

    def row(first: int) -> Row:
        places = range(first - width[0], first - width[0] + len(weights))
        points = [before if i < 0 else after if i >= n else ((i, 1.0),) for i in places]
        return _row(points, weights)

    count = n + sum(width) - len(weights) + 1
    beginning = tuple(row(i) for i in range(min(width[0], count)))
    end = tuple(row(i) for i in range(max(count - width[1], width[0]), count))
    return beginning, end


def _row(places: list[Row], weights: tuple[float, ...]) -> Row:
    """Return a weighted sum of points that are such sums themselves."""
    total: dict[int, float] = {}
    for place, weight in zip(places, weights, strict=True):
        for i, factor in place:
            total[i] = total.get(i, 0.0) + weight * factor
    return tuple((i, weight) for i, weight in sorted(total.items()) if weight)
