"""Matrices that are constant along their diagonals, applied by Fourier transforms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lazyop.algebra.array_norm import array_norm, entries_norm, extreme, sum_axis
from lazyop.kernels.circular import convolved, inverse_filter, spectrum
from lazyop.kernels.fourier import dft, fast_length
from lazyop.kernels.plan import Step
from lazyop.namespaces import (
    Array,
    as_data,
    cast,
    conj,
    copied,
    describe,
    dtype_of,
    floating,
    like,
    namespace_of,
    real_counterpart,
    share_home,
    take_rows,
    to_numpy,
    zeros,
)
from lazyop.operator import LazyOperator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from lazyop.traits import Invert, Order

#: Up to so many entries a product with the dense matrix takes less time than Fourier transforms.
_DIRECT_ENTRIES = 2**15


class _ConstantDiagonals(LazyOperator):
    """What Toeplitz and circulant matrices share: a product is a part of a circular convolution.

    Parameters
    ----------
    cycle : array, shape (L,)
        The entry in row i and column j is ``cycle[(i - j) % L]``.
    shape : tuple of int
        ``(m, n)``.
    """

    _makes_new = True

    def __init__(self, cycle: Array, shape: tuple[int, int]) -> None:
        self._period = int(cycle.shape[0])
        self._dense = self._spectrum = None
        if _is_direct(shape):
            self._dense = _gathered(cycle, shape)
        else:
            self._spectrum = spectrum(cycle, (self._period,))
        super().__init__(dtype_of(cycle), shape)

    def _cycle(self) -> Array:
        """Return the entries of a column that goes on in a circle, from the main diagonal."""
        raise NotImplementedError

    def _apply(self, X: Array) -> Array:
        if self._dense is not None:
            return namespace_of(X).matmul(self._dense, X)
        return self._convolved(X)[: self.shape[0], :]

    def _apply_vector(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        y: npt.NDArray[Any]
        if self._dense is not None:
            y = self._dense @ x
        else:
            y = cast(self._convolved(x)[: self.shape[0]], self._result_with(x.dtype))
        return y

    def _convolved(self, X: Array) -> Array:
        return convolved(X, self._spectrum, (self._period,), (0,), self.dtype.kind != "c")

    def _toarray(self, reference: Array) -> Array:
        dense = self._dense
        return _gathered(self._cycle(), self.shape) if dense is None else copied(dense)

    def _diagonal(self, reference: Array) -> Array:
        main = self._cycle()[:1]
        return namespace_of(main).broadcast_to(main, (min(self.shape),))

    def _flops(self) -> int:
        if self._dense is not None:
            return super()._flops()
        transforms = 2 * math.ceil(2.5 * self._period * math.log2(self._period))
        factor = 2 if self.dtype.kind == "c" else 1
        return factor * (transforms + 3 * self._period)

    def _steps(self, columns: int) -> Iterator[Step]:
        kernel = "fft" if self._dense is None else "matmul"
        yield Step(repr(self), kernel, self._flops() * columns)


class Toeplitz(_ConstantDiagonals):
    """Toeplitz matrix, ``A[i, j] = c[i - j]`` for ``i >= j`` and ``r[j - i]`` for ``i < j``.

    A product takes O((m + n) log(m + n)) operations, by Fourier transforms of real numbers where
    the matrix is real. Small matrices are multiplied directly.

    Parameters
    ----------
    c : array_like, shape (m,)
        First column.
    r : array_like, shape (n,), optional
        First row, of which the first entry is taken from ``c``. By default the conjugate of ``c``,
        which makes the matrix Hermitian if ``c[0]`` is real, as `scipy.linalg.toeplitz` does.

    Raises
    ------
    ValueError
        If ``c`` or ``r`` is not one-dimensional.
    TypeError
        If one is no array of numbers, or they live in different namespaces.

    Notes
    -----
    Integers are widened to float64.

    Examples
    --------
    >>> import lazyop as lo
    >>> A = lo.Toeplitz([1.0, 2.0, 3.0], [1.0, -1.0])
    >>> A.toarray()
    array([[ 1., -1.],
           [ 2.,  1.],
           [ 3.,  2.]])
    >>> A @ [1.0, 1.0]
    array([0., 3., 5.])
    """

    _fields = ("c", "r")

    def __init__(self, c: Any, r: Any = None) -> None:
        column = floating(as_data(c, "the first column", ndim=1))
        row = conj(column) if r is None else floating(as_data(r, "the first row", ndim=1))
        if not share_home(column, row):
            raise TypeError(
                f"the first column is in {describe(column)}, the first row in {describe(row)}; "
                "bring them together"
            )
        dtype = np.result_type(dtype_of(column), dtype_of(row))
        self.c = as_data(cast(column, dtype), "the first column", ndim=1)
        self.r = as_data(cast(row, dtype), "the first row", ndim=1)
        super().__init__(self._cycle(), (self.c.shape[0], self.r.shape[0]))

    def _cycle(self) -> Array:
        xp, m, n = namespace_of(self.c), self.c.shape[0], self.r.shape[0]
        above = xp.flip(self.r[1:], axis=0)
        if _is_direct((m, n)):
            return xp.concat([self.c, above])
        gap = zeros((fast_length(m + n - 1) - (m + n - 1),), dtype_of(self.c), self.c)
        return xp.concat([self.c, gap, above])

    def _transpose(self) -> LazyOperator:
        column = self.r
        if all(self.shape):
            column = namespace_of(self.c).concat([self.c[:1], self.r[1:]])
        return Toeplitz(column, self.c)

    def _conj(self) -> LazyOperator:
        return Toeplitz(conj(self.c), conj(self.r))

    def _adjoint(self) -> LazyOperator:
        return self._transpose().conj()

    def _norm(self, order: Order, norm_of: Callable[[LazyOperator], float]) -> float | None:
        if order == 2:
            return None
        m, n = self.shape
        left, up = (abs(to_numpy(x)) for x in (self.c, self.r[1:]))
        if order == "fro":
            counts = np.concatenate([np.minimum(np.arange(m, 0, -1), n), _counts_above(m, n)])
            return entries_norm(np.sqrt(counts) * np.concatenate([left, up]))
        if sum_axis(order) == 1:
            return _sums_of_columns(np.append(left[0], up), left[1:], order)
        return _sums_of_columns(left, up, order)

    def _plus(self, other: LazyOperator) -> LazyOperator | None:
        if not isinstance(other, Toeplitz) or not share_home(self.c, other.c):
            return None
        return Toeplitz(self.c + other.c, self.r + other.r)


class Circulant(_ConstantDiagonals):
    """Circulant matrix, ``A[i, j] = c[(i - j) % n]``: each column is the one before, turned by one.

    ``A = F^H diag(F c) F / n`` with the Fourier matrix F: a product is a circular convolution.
    Products and sums of circulant matrices are circulant, and are multiplied out.

    Parameters
    ----------
    c : array_like, shape (n,)
        First column. Integers are widened to float64.

    Raises
    ------
    ValueError
        If ``c`` is not one-dimensional.
    TypeError
        If it is no array of numbers.

    Examples
    --------
    >>> import lazyop as lo
    >>> A = lo.Circulant([0.0, 1.0, 0.0])
    >>> A @ [1.0, 2.0, 3.0]
    array([3., 1., 2.])
    >>> (A @ A).toarray()[:, 0]
    array([0., 0., 1.])
    """

    _fields = ("c",)

    def __init__(self, c: Any) -> None:
        column = as_data(c, "the first column", ndim=1)
        self.c = as_data(floating(column), "the first column", ndim=1)
        super().__init__(self.c, (self.c.shape[0],) * 2)

    def _cycle(self) -> Array:
        return self.c

    def _eigenvalues(self) -> Array:
        """Return the eigenvalues, the Fourier transform of the first column."""
        return dft(self.c, (0,), "backward")

    def _transpose(self) -> LazyOperator:
        xp = namespace_of(self.c)
        return Circulant(xp.roll(xp.flip(self.c, axis=0), 1))

    def _conj(self) -> LazyOperator:
        return Circulant(conj(self.c))

    def _adjoint(self) -> LazyOperator:
        return self._transpose().conj()

    def _norm(self, order: Order, norm_of: Callable[[LazyOperator], float]) -> float | None:
        if order == "fro":
            return math.sqrt(self.shape[0]) * entries_norm(self.c)
        if order == 2:
            return array_norm(self._eigenvalues()[None, :], 1)  # the largest magnitude
        return array_norm(self.c[:, None], 1)  # what all rows and columns sum up to

    def _inverse(self, invert: Invert) -> LazyOperator | None:
        return Circulant(inverse_filter(self.c))

    def _times(self, other: LazyOperator) -> LazyOperator | None:
        if not isinstance(other, Circulant) or not share_home(self.c, other.c):
            return None
        dtype = np.result_type(self.dtype, other.dtype)
        column = cast(other.c, np.result_type(other.dtype, real_counterpart(dtype)))
        return Circulant(self._run(column[:, None])[:, 0])

    def _plus(self, other: LazyOperator) -> LazyOperator | None:
        if not isinstance(other, Circulant) or not share_home(self.c, other.c):
            return None
        return Circulant(self.c + other.c)


def _is_direct(shape: tuple[int, int]) -> bool:
    return math.prod(shape) <= _DIRECT_ENTRIES


def _gathered(cycle: Array, shape: tuple[int, int]) -> Array:
    """Return the dense matrix of a shape with constant diagonals, taken from a cycle."""
    rows, columns = np.arange(shape[0])[:, None], np.arange(shape[1])
    index = like((rows - columns).ravel() % max(cycle.shape[0], 1), cycle)
    return namespace_of(cycle).reshape(take_rows(cycle, index), shape)


def _counts_above(m: int, n: int) -> npt.NDArray[np.int64]:
    """Count the entries of each diagonal above the main one."""
    return np.minimum(np.arange(n - 1, 0, -1), m)


def _sums_of_columns(column: npt.NDArray[Any], row: npt.NDArray[Any], order: Order) -> float:
    """Return the extreme sum of the columns of a Toeplitz matrix; the row is without its first."""
    # Of the diagonals, from the upper right corner on, a column has neighbours.
    return extreme(_window_sums(np.append(row[::-1], column), column.size), order)


def _window_sums(x: npt.NDArray[Any], length: int) -> npt.NDArray[np.float64]:
    """Return the sums of all runs of so many neighbours, without a difference that may cancel.

    A run has the end of one block of that length, and the beginning of the next one.
    """
    blocks = np.zeros((x.size // length + 1, length))
    blocks.reshape(-1)[: x.size] = x
    to_end = np.cumsum(blocks[:, ::-1], axis=1)[:, ::-1].ravel()
    from_start = np.cumsum(blocks, axis=1).ravel()
    starts = np.arange(x.size - length + 1)
    next_block = np.where(starts % length, from_start[starts + length - 1], 0)
    sums: npt.NDArray[np.float64] = to_end[starts] + next_block
    return sums
