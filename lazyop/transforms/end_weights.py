"""Diagonal operators that weight the ends of axes, where transforms and adjoints differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lazyop.kernels.trigonometric import with_ends
from lazyop.namespaces import Array, along, zeros
from lazyop.operator import LazyOperator
from lazyop.transforms.along_axes import AlongAxes

if TYPE_CHECKING:
    import numpy.typing as npt

    from lazyop.traits import Invert


class EndWeights(AlongAxes):
    """Multiply the first and the last entries along each of some axes; a diagonal matrix.

    An entry that is both is multiplied by both.

    Parameters
    ----------
    dims : tuple of int
        The shape of argument and result.
    axes : tuple of int
        The axes whose ends are weighted.
    first, last : float
        The weights of the ends.
    dtype : dtype
        The dtype of the matrix.
    """

    _fields = ("dims", "axes", "first", "last", "dtype")

    def __init__(
        self,
        dims: tuple[int, ...],
        axes: tuple[int, ...],
        first: float,
        last: float,
        dtype: npt.DTypeLike,
    ) -> None:
        self.dims, self.axes, self.first, self.last = dims, axes, first, last
        super().__init__(dtype, dims, dims, axes)

    def _transform(self, X: Array, axes: tuple[int, ...]) -> Array:
        if isinstance(X, np.ndarray):
            return self._weight(X.copy(), axes)
        for axis in axes:
            X = with_ends(X, axis, self.first, self.last)
        return X

    def _apply_to_own(self, X: Array) -> Array:
        if not X.flags.writeable or not X.flags.c_contiguous:
            return self._apply(X)
        self._weight(X.reshape(*self.dims, X.shape[1]), self.axes)
        return X

    def _weight(self, X: Array, axes: tuple[int, ...]) -> Array:
        """Weight a NumPy array in place."""
        for axis in axes:
            if self.first != 1:
                X[along(axis, 0)] *= self.first
            if self.last != 1:
                X[along(axis, -1)] *= self.last
        return X

    def _adjoint(self) -> LazyOperator:
        return self

    def _transpose(self) -> LazyOperator:
        return self

    def _conj(self) -> LazyOperator:
        return self

    @property
    def _is_diagonal(self) -> bool:
        return True

    def _diagonal(self, reference: Array) -> Array:
        ones = zeros((self.shape[0], 1), self.dtype, reference) + 1
        return self._run(ones)[:, 0]

    def _inverse(self, invert: Invert) -> LazyOperator | None:
        return EndWeights(self.dims, self.axes, 1 / self.first, 1 / self.last, self.dtype)

    def _flops(self) -> int:
        ends = sum(self.shape[0] // self.dims[axis] for axis in self.axes if self.dims[axis])
        return ends * ((self.first != 1) + (self.last != 1)) * self._flops_per_entry()

    def _details(self) -> str:
        weights = f"first={self.first:g}, last={self.last:g}"
        return f"{super()._details()}, {weights}".removeprefix(", ")
