"""Every so manieth entry along an axis, and back with zeros between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lazyop.namespaces import Array, along, dtype_of, namespace_of, zeros
from lazyop.operator import LazyOperator
from lazyop.transforms.along_axes import AlongAxes, as_axis, as_dims, as_length, as_real_dtype
from lazyop.transforms.resize import shifted

if TYPE_CHECKING:
    import numpy.typing as npt


class Subsample(AlongAxes):
    """Keep ``x[start::step]`` along an axis, or, transposed, put entries back between zeros."""

    _fields = ("dims", "axis", "start", "step", "transposed", "dtype")

    def __init__(
        self,
        dims: tuple[int, ...],
        axis: int,
        start: int,
        step: int,
        transposed: bool,
        dtype: npt.DTypeLike,
    ) -> None:
        self.dims, self.axis, self.start, self.step = dims, axis, start, step
        self.transposed = transposed
        kept = len(range(start, dims[axis], step))
        fewer = (*dims[:axis], kept, *dims[axis + 1 :])
        super().__init__(dtype, *((fewer, dims) if transposed else (dims, fewer)), (axis,))

    def _transform(self, X: Array, axes: tuple[int, ...]) -> Array:
        (axis,) = axes
        if self.transposed:
            return spread(X, self.start, self.step, self.dims[self.axis], axis)
        part = X[along(axis, slice(self.start, None, self.step))]
        return part.copy() if isinstance(X, np.ndarray) else part

    def _transpose(self) -> LazyOperator:
        rest = self.start, self.step, not self.transposed, self.dtype
        return Subsample(self.dims, self.axis, *rest)

    def _adjoint(self) -> LazyOperator:
        return self._transpose()

    def _conj(self) -> LazyOperator:
        return self

    def _flops(self) -> int:
        return 0

    def _details(self) -> str:
        text = f"{super()._details()}, start={self.start}, step={self.step}"
        return (text + ", transposed" * self.transposed).removeprefix(", ")


def spread(X: Array, start: int, step: int, n: int, axis: int) -> Array:
    """Return an array of n points along an axis with entries ``start, start + step, ...`` given."""
    shape = (*X.shape[:axis], n, *X.shape[axis + 1 :])
    if isinstance(X, np.ndarray):
        Y = np.zeros(shape, X.dtype)
        Y[along(axis, slice(start, None, step))] = X
        return Y
    xp, count = namespace_of(X), X.shape[axis]
    if step > 1:
        between = (*X.shape[: axis + 1], step - 1, *X.shape[axis + 1 :])
        X = xp.concat(
            [xp.expand_dims(X, axis=axis + 1), zeros(between, dtype_of(X), X)], axis=axis + 1
        )
        X = xp.reshape(X, (*shape[:axis], count * step, *shape[axis + 1 :]))
    return shifted(X, start, n, axis)


def downsample(
    shape: int | tuple[int, ...],
    step: int,
    axis: int = -1,
    *,
    start: int = 0,
    dtype: npt.DTypeLike = np.float64,
) -> LazyOperator:
    """Return the operator that keeps every so manieth entry along an axis, ``x[start::step]``.

    Its adjoint puts zeros between entries. No entry is smoothed: see `decimate` for that.

    Parameters
    ----------
    shape : int or tuple of int
        The length of a vector, or the shape of the array that a vector holds in row-major order.
    step : int
        At least 1.
    axis : int, optional
        The last one by default.
    start : int, optional
        The first entry that is kept, 0 by default.
    dtype : dtype, optional
        float64 by default; float32, or complex64 or complex128 for a complex operator.

    Returns
    -------
    LazyOperator
        Without data of its own.

    Raises
    ------
    ValueError
        If the step is less than 1, ``start`` is negative, or the axis is out of range.
    TypeError
        If one of them is not an integer.

    Examples
    --------
    >>> import lazyop as lo
    >>> A = lo.transforms.downsample(5, 2)
    >>> A @ [1.0, 2.0, 3.0, 4.0, 5.0]
    array([1., 3., 5.])
    >>> A.H @ [1.0, 3.0, 5.0]
    array([1., 0., 3., 0., 5.])
    """
    dims = as_dims(shape)
    first, each = as_length(start, "the start"), as_length(step, "the step", least=1)
    return Subsample(dims, as_axis(axis, dims), first, each, False, as_real_dtype(dtype))
