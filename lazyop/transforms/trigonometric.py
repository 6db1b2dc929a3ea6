"""Cosine and sine transforms as operators; `cosine` and `sine` hold what makes them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lazyop.algebra.neutral import Identity
from lazyop.algebra.normal_form import multiple, multiply
from lazyop.kernels.fourier import ADJOINT_NORM, NORMS, as_norm
from lazyop.kernels.trigonometric import INVERSE_TYPE, logical_length, trigonometric
from lazyop.namespaces import Array
from lazyop.operator import LazyOperator
from lazyop.transforms.along_axes import AlongAxes, as_real_dtype, check_points
from lazyop.transforms.end_weights import EndWeights
from lazyop.transforms.resize import resize, resized_dims

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from lazyop.traits import Invert, Order


class Trigonometric(AlongAxes):
    """Discrete cosine or sine transform of types I to IV along some axes, as in `scipy.fft`."""

    _fields = ("dims", "axes", "kind", "type", "norm", "orthogonalize", "dtype")

    def __init__(
        self,
        dims: tuple[int, ...],
        axes: tuple[int, ...],
        kind: str,
        type: int,
        norm: str,
        orthogonalize: bool,
        dtype: npt.DTypeLike,
    ) -> None:
        self.dims, self.axes, self.norm = dims, axes, norm
        self.kind, self.type, self.orthogonalize = kind, type, orthogonalize
        super().__init__(dtype, dims, dims, axes)

    def _transform(self, X: Array, axes: tuple[int, ...]) -> Array:
        return trigonometric(X, self.kind, self.type, axes, self.norm, self.orthogonalize)

    def _with_type(self, type: int) -> Trigonometric:
        rest = self.norm, self.orthogonalize, self.dtype
        return Trigonometric(self.dims, self.axes, self.kind, type, *rest)

    def _adjoint(self) -> LazyOperator:
        """Return the transform of the inverse type, with weights where an end counts once only."""
        turned = self._with_type(INVERSE_TYPE[self.type])
        if self._is_balanced:
            return turned
        if self.type == 1:
            return multiply(self._ends(0.5, 0.5), turned, self._ends(2.0, 2.0))
        weight = 2.0 if self.type == 2 else 0.5
        ends = self._ends(weight, 1.0) if self.kind == "cos" else self._ends(1.0, weight)
        return multiply(*((turned, ends) if self.type == 2 else (ends, turned)))

    def _ends(self, first: float, last: float) -> EndWeights:
        return EndWeights(self.dims, self.axes, first, last, self.dtype)

    def _transpose(self) -> LazyOperator:
        return self.adjoint()

    def _conj(self) -> LazyOperator:
        return self

    @property
    def _is_balanced(self) -> bool:
        """Whether the matrix is a multiple of an orthogonal one."""
        return self.orthogonalize or self.type == 4 or (self.kind, self.type) == ("sin", 1)

    @property
    def _is_unitary(self) -> bool:
        return self.norm == "ortho" and self._is_balanced

    def _times(self, other: LazyOperator) -> LazyOperator | None:
        if not isinstance(other, Trigonometric) or set(self.axes) != set(other.axes):
            return None
        expected = self.dims, self.kind, INVERSE_TYPE[self.type], self._is_balanced
        if expected != (other.dims, other.kind, other.type, other._is_balanced):
            return None
        exponent = 1 - NORMS[self.norm] - NORMS[other.norm]
        coefficient = self._logical_points() ** exponent if exponent else 1
        dtype = np.result_type(self.dtype, other.dtype)
        return multiple(coefficient, Identity(self.shape[0], dtype), dtype)

    def _logical_points(self) -> int:
        lengths = (logical_length(self.kind, self.type, self.dims[axis]) for axis in self.axes)
        return math.prod(lengths)

    def _inverse(self, invert: Invert) -> LazyOperator | None:
        turned = INVERSE_TYPE[self.type], ADJOINT_NORM[self.norm], self.orthogonalize
        return Trigonometric(self.dims, self.axes, self.kind, *turned, self.dtype)

    def _norm(self, order: Order, norm_of: Callable[[LazyOperator], float]) -> float | None:
        if order not in (2, "fro") or not self._is_balanced:
            return None
        spectral: float = self._logical_points() ** (0.5 - NORMS[self.norm])
        return spectral if order == 2 else math.sqrt(self.shape[0]) * spectral

    def _flops(self) -> int:
        points = math.prod(self.dims[axis] for axis in self.axes)
        one = math.ceil(2.5 * points * math.log2(points))
        return one * (self.shape[0] // points) * (2 if self.dtype.kind == "c" else 1)

    def _details(self) -> str:
        name = f"{self.kind} {'I' * self.type if self.type < 4 else 'IV'}"
        parts = [name, super()._details(), f"norm={self.norm!r}"]
        return ", ".join(part for part in parts if part)


def make(
    dims: tuple[int, ...],
    axes: tuple[int, ...],
    lengths: tuple[int, ...] | None,
    kind: str,
    type: Any,
    norm: Any,
    orthogonalize: Any,
    dtype: Any,
    *,
    inverse: bool,
) -> LazyOperator:
    """Return a transform or the inverse of one, after checking what the caller says."""
    if isinstance(type, bool) or type not in list(INVERSE_TYPE):  # which also takes lists
        raise ValueError(f"the type of a cosine or sine transform is 1, 2, 3 or 4, got {type!r}")
    real, scale, new_dims = as_real_dtype(dtype), as_norm(norm), resized_dims(dims, axes, lengths)
    check_points(new_dims, axes, least=2 if (kind, type) == ("cos", 1) else 1)
    if orthogonalize is None:
        orthogonalize = scale == "ortho"
    elif not isinstance(orthogonalize, bool | np.bool_):
        raise TypeError(f"orthogonalize must be True, False or None, got {orthogonalize!r}")
    if inverse:
        type, scale = INVERSE_TYPE[type], ADJOINT_NORM[scale]
    transform = Trigonometric(new_dims, axes, kind, int(type), scale, bool(orthogonalize), real)
    return multiply(transform, resize(dims, new_dims, real))
