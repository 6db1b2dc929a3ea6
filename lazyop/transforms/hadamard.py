"""The Hadamard transform, of powers of two times 1, 12 or 20."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lazyop.algebra.neutral import Identity
from lazyop.algebra.normal_form import multiple
from lazyop.kernels.fourier import ADJOINT_NORM, NORMS, as_norm
from lazyop.kernels.hadamard import matrix, matrix_order
from lazyop.namespaces import Array, dtype_of, like, namespace_of, real_counterpart
from lazyop.operator import LazyOperator
from lazyop.transforms.along_axes import AlongAxes, as_axis, as_dims, as_real_dtype

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from lazyop.traits import Invert, Order

#: Blocks of up to so many rows are multiplied as dense matrices.
_LARGEST_BLOCK = 64


class Hadamard(AlongAxes):
    """Hadamard transform along an axis: a Kronecker product of matrices of 1 and -1."""

    _fields = ("dims", "axis", "norm", "order", "transposed", "dtype")

    def __init__(
        self,
        dims: tuple[int, ...],
        axis: int,
        norm: str,
        order: str,
        transposed: bool,
        dtype: npt.DTypeLike,
    ) -> None:
        self.dims, self.axis, self.norm = dims, axis, norm
        self.order, self.transposed = order, transposed
        self._factors = factors(dims[axis])
        self._scale: float = dims[axis] ** -NORMS[norm]
        super().__init__(dtype, dims, dims, (axis,))

    def _transform(self, X: Array, axes: tuple[int, ...]) -> Array:
        (axis,) = axes
        xp, shape = namespace_of(X), X.shape
        if self.order == "sequency" and self.transposed:
            X = xp.take(X, like(np.argsort(sequency(self.dims[self.axis])), X), axis=axis)
        before, n, after = math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])
        for i, order in enumerate(self._factors):
            last = i == len(self._factors) - 1
            block = self._block(order, X, last)
            n //= order
            if n * after > 1:
                X = xp.matmul(block, xp.reshape(X, (before, order, n * after)))
            else:
                X = xp.matmul(xp.reshape(X, (before, order)), xp.matrix_transpose(block))
            before *= order
        X = xp.reshape(X, shape)
        if self.order == "sequency" and not self.transposed:
            X = xp.take(X, like(sequency(self.dims[self.axis]), X), axis=axis)
        return X

    def _block(self, order: int, X: Array, last: bool) -> Array:
        """Return a small matrix in the namespace and precision of an array, the last one scaled."""
        block = matrix(order)
        block = block.T if self.transposed else block
        block = (block * self._scale if last else block).astype(real_counterpart(dtype_of(X)))
        return like(block, X)

    def _transpose(self) -> LazyOperator:
        rest = self.norm, self.order, not self.transposed, self.dtype
        return Hadamard(self.dims, self.axis, *rest)

    def _adjoint(self) -> LazyOperator:
        return self._transpose()

    def _conj(self) -> LazyOperator:
        return self

    @property
    def _is_unitary(self) -> bool:
        return self.norm == "ortho"

    def _inverse(self, invert: Invert) -> LazyOperator | None:
        rest = ADJOINT_NORM[self.norm], self.order, not self.transposed, self.dtype
        return Hadamard(self.dims, self.axis, *rest)

    def _norm(self, order: Order, norm_of: Callable[[LazyOperator], float]) -> float | None:
        n = self.dims[self.axis]  # entries of one magnitude, and rows that are orthogonal
        if order not in (2, "fro"):
            return n * self._scale
        spectral = math.sqrt(n) * self._scale
        return spectral if order == 2 else math.sqrt(self.shape[0]) * spectral

    def _times(self, other: LazyOperator) -> LazyOperator | None:
        if not isinstance(other, Hadamard):
            return None
        is_symmetric = self.order == "natural" and matrix_order(self.dims[self.axis]) == 1
        same = (self.dims, self.axis, self.order) == (other.dims, other.axis, other.order)
        if not same or not (is_symmetric or self.transposed != other.transposed):
            return None
        exponent = 1 - NORMS[self.norm] - NORMS[other.norm]
        dtype = np.result_type(self.dtype, other.dtype)
        coefficient = self.dims[self.axis] ** exponent if exponent else 1
        return multiple(coefficient, Identity(self.shape[0], dtype), dtype)

    def _flops(self) -> int:
        return self.shape[0] * sum(self._factors) * (4 if self.dtype.kind == "c" else 2)

    def _details(self) -> str:
        parts = (super()._details(), f"norm={self.norm!r}", "sequency" * (self.order != "natural"))
        return ", ".join(part for part in parts if part)


def factors(n: int) -> tuple[int, ...]:
    """Return the orders of the small matrices whose Kronecker product a transform is."""
    m = matrix_order(n) or 1
    bits = (n // m).bit_length() - 1
    most = _LARGEST_BLOCK.bit_length() - 1
    count = -(-bits // most)
    sizes = [bits // count + (i < bits % count) for i in range(count)]
    return (*(1 << size for size in sizes), *((m,) if m > 1 or not sizes else ()))


def sequency(n: int) -> npt.NDArray[np.int64]:
    """Return the rows of a natural transform of a power of two in order of their sign changes."""
    gray = np.arange(n) ^ (np.arange(n) >> 1)
    bits = n.bit_length() - 1
    reversal: Any = np.arange(n).reshape((2,) * bits).transpose().ravel()
    return np.asarray(reversal[gray])


def hadamard(
    shape: int | tuple[int, ...],
    axis: int = -1,
    norm: str | None = None,
    *,
    order: str = "natural",
    dtype: npt.DTypeLike = np.float64,
) -> LazyOperator:
    r"""Return the Hadamard transform along an axis, of ``n = m 2^k`` points for m = 1, 12 or 20.

    .. math:: H_{2^k m} = H_2 \otimes \dots \otimes H_2 \otimes H_m, \quad
       H_2 = \begin{pmatrix} 1 & 1 \\ 1 & -1 \end{pmatrix}

    with the matrices of Paley's first construction of orders 12 and 20. For a power of two it is
    symmetric, and the matrix that `scipy.linalg.hadamard` fills.

    Parameters
    ----------
    shape : int or tuple of int
        The length of a vector, or the shape of the array that a vector holds in row-major order.
    axis : int, optional
        The last one by default.
    norm : {"backward", "ortho", "forward"}, optional
        Divides by nothing (None means this), by the square root of n, by n. With "ortho" the
        operator is orthogonal.
    order : {"natural", "sequency"}, optional
        The order of the rows: as above, or, for a power of two, by their number of sign changes, as
        Walsh functions.
    dtype : dtype, optional
        float64 by default; float32, or complex64 or complex128 for a complex operator.

    Returns
    -------
    LazyOperator
        Without data of its own.

    Raises
    ------
    ValueError
        If the number of points is none of these, the axis is out of range, or the norm or the
        order is unknown.
    TypeError
        If a length or the axis is not an integer.

    References
    ----------
    R. E. A. C. Paley, "On orthogonal matrices", J. Math. Phys. 12 (1933).

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.transforms.hadamard(4) @ [1.0, 2.0, 3.0, 4.0]
    array([10., -2., -4.,  0.])
    >>> lo.transforms.hadamard(4, order="sequency") @ [1.0, 2.0, 3.0, 4.0]
    array([10., -4.,  0., -2.])
    """
    dims = as_dims(shape)
    place, scale, real = as_axis(axis, dims), as_norm(norm), as_real_dtype(dtype)
    kind = matrix_order(dims[place])
    if kind is None:
        raise ValueError(
            f"a Hadamard transform needs a power of two times 1, 12 or 20, got {dims[place]} points"
        )
    if order not in ("natural", "sequency"):
        raise ValueError(f"order must be 'natural' or 'sequency', got {order!r}")
    if order == "sequency" and kind != 1:
        raise ValueError(f"only powers of two have a sequency order, not {dims[place]} points")
    return Hadamard(dims, place, scale, order, False, real)
