"""Finite differences along an axis, with a choice of what happens at its ends."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lazyop.algebra.normal_form import multiply
from lazyop.namespaces import Array, along
from lazyop.operator import LazyOperator
from lazyop.transforms.along_axes import (
    AlongAxes,
    as_axis,
    as_dims,
    as_real_dtype,
    check_points,
)
from lazyop.transforms.padding import Pad, pad

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


class Stencil(AlongAxes):
    """Weighted sums of neighbours along an axis, ``y[i] = scale sum_j weights[j] x[i + j]``."""

    _fields = ("weights", "scale", "dims", "axis", "dtype")

    def __init__(
        self,
        weights: tuple[float, ...],
        scale: float,
        dims: tuple[int, ...],
        axis: int,
        dtype: npt.DTypeLike,
    ) -> None:
        self.weights, self.scale, self.dims, self.axis = weights, scale, dims, axis
        self._size = max(dims[axis] - len(weights) + 1, 0)
        dims_out = (*dims[:axis], self._size, *dims[axis + 1 :])
        super().__init__(dtype, dims, dims_out, (axis,))

    def _transform(self, X: Array, axes: tuple[int, ...]) -> Array:
        (axis,) = axes

        def part(j: int) -> Array:
            return X[along(axis, slice(j, j + self._size))]

        rest = {j: weight for j, weight in enumerate(self.weights) if weight}
        plus = next((j for j, weight in rest.items() if weight == 1), None)
        minus = next((j for j, weight in rest.items() if weight == -1), None)
        if plus is not None and minus is not None:
            Y = part(plus) - part(minus)
            del rest[plus], rest[minus]
        else:
            j, weight = rest.popitem()
            Y = weight * part(j)
        in_place = isinstance(Y, np.ndarray)
        for j, weight in rest.items():
            term = part(j) if weight == 1 else weight * part(j)
            Y = np.add(Y, term, out=Y) if in_place else Y + term
        if self.scale == 1:
            return Y
        return np.multiply(Y, Y.dtype.type(self.scale), out=Y) if in_place else self.scale * Y

    def _transpose(self) -> LazyOperator:
        """Return the reversed stencil on zeros around the array."""
        reach = len(self.weights) - 1
        widths = tuple((reach, reach) if i == self.axis else (0, 0) for i in range(len(self.dims)))
        zero_padding = Pad(self._dims_out, widths, "constant", False, False, self.dtype)
        around = zero_padding._dims_out
        back = Stencil(self.weights[::-1], self.scale, around, self.axis, self.dtype)
        return multiply(back, zero_padding)

    def _adjoint(self) -> LazyOperator:
        return self._transpose()

    def _conj(self) -> LazyOperator:
        return self

    def _flops(self) -> int:
        return self.shape[0] * len(self.weights) * self._flops_per_entry()

    def _details(self) -> str:
        return f"{super()._details()}, weights={self.weights}".removeprefix(", ")


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
        or they don't go together, or the spacing is zero or not finite.
    TypeError
        If a length or the axis is not an integer.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.transforms.difference(4) @ [1.0, 2.0, 4.0, 8.0]
    array([1., 2., 4.])
    >>> lo.transforms.difference(4, kind="centered", edge="one-sided") @ [1.0, 2.0, 4.0, 8.0]
    array([1. , 1.5, 3. , 4. ])
    """
    dims, real = as_dims(shape), as_real_dtype(dtype)
    place, h = as_axis(axis, dims), float(spacing)
    if order == 2 and kind == "forward":  # the default, of first differences
        kind = "centered"
    if (kind, order) not in _STENCILS:
        raise ValueError(
            "the kind must be 'forward', 'backward' or 'centered', of order 1, or 'centered', of "
            f"order 2; got {kind!r} of order {order!r}"
        )
    if edge not in _EDGES:
        raise ValueError(f"edge must be one of {', '.join(map(repr, _EDGES))}, got {edge!r}")
    if h == 0 or not math.isfinite(h):
        raise ValueError(f"the spacing must be finite and not zero, got {spacing!r}")
    weights, divisor, width = _STENCILS[kind, order]
    scale = 1 / (divisor * h**order)
    widths = [width if i == place else (0, 0) for i in range(len(dims))]
    check_points(dims, (place,), least=len(weights) if edge in ("valid", "zero") else 1)
    if edge in ("valid", "zero"):
        stencil = Stencil(weights, scale, dims, place, real)
        if edge == "valid":
            return stencil
        return multiply(pad(stencil._dims_out, widths, dtype=real), stencil)
    if edge == "one-sided":
        check_points(dims, (place,), least=2)
        continuation = pad(dims, widths, "reflect", reflect_type="odd", dtype=real)
    else:
        continuation = pad(dims, widths, edge, dtype=real)
    longer = tuple(n + sum(w) for n, w in zip(dims, widths, strict=True))
    return multiply(Stencil(weights, scale, longer, place, real), continuation)
