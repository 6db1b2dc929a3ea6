"""Cropping and padding with zeros at the end of axes, as transforms do for another length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lazyop.algebra.neutral import Identity
from lazyop.namespaces import Array, along, dtype_of, namespace_of, zeros
from lazyop.operator import LazyOperator
from lazyop.transforms.along_axes import AlongAxes, as_axes, as_length

if TYPE_CHECKING:
    import numpy.typing as npt


class Resize(AlongAxes):
    """Crop axes that get shorter, and append zeros to those that get longer; its adjoint is alike.

    Parameters
    ----------
    dims, new_dims : tuple of int
        The shapes of argument and result, of equally many axes.
    dtype : dtype
        The dtype of the matrix.
    """

    _fields = ("dims", "new_dims", "dtype")
    _makes_new = False

    def __init__(
        self, dims: tuple[int, ...], new_dims: tuple[int, ...], dtype: npt.DTypeLike
    ) -> None:
        self.dims, self.new_dims = dims, new_dims
        axes = tuple(i for i, (m, n) in enumerate(zip(dims, new_dims, strict=True)) if m != n)
        super().__init__(dtype, dims, new_dims, axes)

    def _transform(self, X: Array, axes: tuple[int, ...]) -> Array:
        for axis, own in zip(axes, self._axes, strict=True):
            X = resized(X, self.new_dims[own], axis)
        return X

    def _adjoint(self) -> LazyOperator:
        return Resize(self.new_dims, self.dims, self.dtype)

    def _transpose(self) -> LazyOperator:
        return self.adjoint()

    def _conj(self) -> LazyOperator:
        return self

    def _flops(self) -> int:
        return 0


def resized(X: Array, n: int, axis: int) -> Array:
    """Return an array cropped, or padded with zeros, to a length along an axis."""
    if X.shape[axis] >= n:
        return X[along(axis, slice(n))]
    shape = list(X.shape)
    if isinstance(X, np.ndarray):
        shape[axis] = n
        Y = np.zeros(shape, X.dtype)
        Y[along(axis, slice(X.shape[axis]))] = X
        return Y
    shape[axis] = n - shape[axis]
    return namespace_of(X).concat([X, zeros(tuple(shape), dtype_of(X), X)], axis=axis)


def shifted(X: Array, shift: int, n: int, axis: int) -> Array:
    """Return an array moved forward along an axis by leading zeros, cropped or padded to n."""
    zero_shape = (*X.shape[:axis], shift, *X.shape[axis + 1 :])
    if not shift:
        return resized(X, n, axis)
    if not isinstance(X, np.ndarray):
        moved = namespace_of(X).concat([zeros(zero_shape, dtype_of(X), X), X], axis=axis)
        return resized(moved, n, axis)
    Y = np.zeros((*X.shape[:axis], n, *X.shape[axis + 1 :]), X.dtype)
    kept = min(X.shape[axis], n - shift)
    Y[along(axis, slice(shift, shift + kept))] = X[along(axis, slice(kept))]
    return Y


def resize(dims: tuple[int, ...], new_dims: tuple[int, ...], dtype: Any) -> LazyOperator:
    """Return the operator that brings arrays to another shape, the identity where there is none."""
    if dims == new_dims:
        return Identity(int(np.prod(dims, dtype=np.int64)), dtype)
    return Resize(dims, new_dims, dtype)


# What callers say ---------------------------------------------------------------------------


def as_axes_and_lengths(
    axes: Any, s: Any, dims: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """Return the axes that a caller means, and the lengths along them, if given."""
    if s is None:
        return as_axes(axes, dims), None
    lengths = tuple(s) if isinstance(s, tuple | list | np.ndarray) else (s,)
    if axes is None:
        if len(lengths) > len(dims):
            raise ValueError(f"there are {len(lengths)} lengths for the shape {dims}")
        return as_axes(tuple(range(len(dims) - len(lengths), len(dims))), dims), lengths
    places = as_axes(axes, dims)
    if len(places) != len(lengths):
        raise ValueError(f"there are {len(lengths)} lengths for {len(places)} axes")
    return places, lengths


def resized_dims(
    dims: tuple[int, ...], axes: tuple[int, ...], lengths: tuple[int, ...] | None
) -> tuple[int, ...]:
    """Return the shape with other lengths along some axes, where they are given."""
    new = list(dims)
    for axis, length in zip(axes, lengths or (), strict=lengths is not None):
        new[axis] = as_length(length, "the length of a transform", least=1)
    return tuple(new)
