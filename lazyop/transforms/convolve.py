"""What makes convolution operators: convolve, correlate, and matrices with constant diagonals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lazyop.algebra.neutral import Identity
from lazyop.namespaces import Array, as_array, as_data, cast, conj, floating, namespace_of
from lazyop.operator import LazyOperator
from lazyop.structured.kron import kron
from lazyop.structured.toeplitz import Circulant, Toeplitz
from lazyop.transforms.along_axes import as_axes, as_axis, as_dims, check_points
from lazyop.transforms.convolution import CircularConvolution, Convolution
from lazyop.transforms.resize import resized

if TYPE_CHECKING:
    from collections.abc import Sequence

_MODES = ("full", "same", "valid", "circular")
_METHODS = ("auto", "direct", "fft", "overlap-add")


def convolve(
    shape: int | tuple[int, ...],
    kernel: Any,
    mode: str = "full",
    axes: int | tuple[int, ...] | None = None,
    *,
    method: str = "auto",
) -> LazyOperator:
    """Return the convolution with a kernel, as `scipy.signal.convolve` computes it.

    ``y[i] = sum_j h[j] x[i - j]`` along one axis, and the like along several. The adjoint is the
    correlation with the kernel, of the other mode: a valid part belongs to a full convolution.

    Parameters
    ----------
    shape : int or tuple of int
        The length of a vector, or the shape of the array that a vector holds in row-major order.
    kernel : array_like
        With an axis for each of the axes; of any namespace, which the operator then keeps to.
        Integers are widened to float64.
    mode : {"full", "same", "valid", "circular"}, optional
        All of it; as much as the argument, from the middle; where kernel and argument overlap in
        full; or of the periodic continuation of the argument, ``y[i] = sum_j h[j] x[(i - j) % n]``.
    axes : int or tuple of int, optional
        Which axes the axes of the kernel belong to; the last ones by default.
    method : {"auto", "direct", "fft", "overlap-add"}, optional
        How products run: the cheapest way by count, sums of shifted arrays, Fourier transforms, or
        (along one axis) such of blocks. "circular" runs by Fourier transforms.

    Returns
    -------
    LazyOperator
        Of the kernel's dtype.

    Raises
    ------
    ValueError
        If the kernel is empty or has other than one axis for each of the axes, an axis is out of
        range, the mode or the method is unknown or not to be had, or neither the kernel nor the
        argument is at least as long as the other along all axes for the mode "valid".
    TypeError
        If the kernel is no array of numbers, or a length or an axis is not an integer.

    Examples
    --------
    >>> import lazyop as lo
    >>> A = lo.transforms.convolve(4, [1.0, -1.0])
    >>> A @ [1.0, 2.0, 4.0, 8.0]
    array([ 1.,  1.,  2.,  4., -8.])
    >>> lo.transforms.convolve(4, [1.0, -1.0], mode="circular") @ [1.0, 2.0, 4.0, 8.0]
    array([-7.,  1.,  2.,  4.])
    """
    dims = as_dims(shape)
    h, places = _as_kernel(kernel, axes, dims)
    if mode not in _MODES:
        raise ValueError(f"mode must be one of {', '.join(map(repr, _MODES))}, got {mode!r}")
    if method not in _METHODS:
        raise ValueError(f"method must be one of {', '.join(map(repr, _METHODS))}, got {method!r}")
    check_points(dims, places)
    if mode == "circular":
        if method not in ("auto", "fft"):
            raise ValueError(f"a circular convolution runs by 'fft', not by {method!r}")
        return CircularConvolution(_folded(h, [dims[axis] for axis in places]), dims, places)
    if method == "overlap-add" and len(places) > 1:
        raise ValueError(f"overlap-add is for one axis, got {len(places)}")
    starts, dims_out = _window(dims, h.shape, places, mode)
    return Convolution(h, dims, dims_out, starts, places, method)


def correlate(
    shape: int | tuple[int, ...],
    kernel: Any,
    mode: str = "full",
    axes: int | tuple[int, ...] | None = None,
    *,
    method: str = "auto",
) -> LazyOperator:
    """Return the correlation with a kernel, as `scipy.signal.correlate` computes it.

    It is the convolution with the conjugate of the reversed kernel: for a kernel of k points
    ``y[i] = sum_j conj(h[j]) x[i + j - k + 1]``.

    Parameters
    ----------
    shape : int or tuple of int
        The length of a vector, or the shape of the array that a vector holds in row-major order.
    kernel : array_like
        As in `convolve`.
    mode : {"full", "same", "valid", "circular"}, optional
        As in `convolve`; "circular" is ``y[i] = sum_j conj(h[j]) x[(i + j) % n]``.
    axes : int or tuple of int, optional
        Which axes the axes of the kernel belong to; the last ones by default.
    method : {"auto", "direct", "fft", "overlap-add"}, optional
        As in `convolve`.

    Returns
    -------
    LazyOperator
        Of the kernel's dtype.

    Raises
    ------
    ValueError
        As `convolve` does.
    TypeError
        As `convolve` does.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.transforms.correlate(4, [1.0, -1.0], mode="valid") @ [1.0, 2.0, 4.0, 8.0]
    array([-1., -2., -4.])
    """
    if mode == "circular":
        return convolve(shape, kernel, mode, axes, method=method).adjoint()
    h = as_array(kernel, "a kernel")
    return convolve(shape, conj(namespace_of(h).flip(h)), mode, axes, method=method)


def toeplitz(
    c: Any, r: Any = None, *, shape: int | tuple[int, ...] | None = None, axis: int = -1
) -> LazyOperator:
    """Return a Toeplitz matrix that acts along one axis, as `scipy.linalg.toeplitz` fills it.

    Parameters
    ----------
    c : array_like, shape (m,)
        First column.
    r : array_like, shape (n,), optional
        First row, as in `lazyop.Toeplitz`.
    shape : int or tuple of int, optional
        The shape of the array that a vector holds; ``(n,)`` by default.
    axis : int, optional
        The axis, of n points, along which the matrix acts; the last one by default.

    Returns
    -------
    LazyOperator
        A `lazyop.Toeplitz`, in a Kronecker product with identities where there are more axes.

    Raises
    ------
    ValueError
        If the axis is out of range or has other than n points, or ``c`` or ``r`` is not
        one-dimensional.
    TypeError
        If one is no array of numbers.

    Examples
    --------
    >>> import lazyop as lo
    >>> A = lo.transforms.toeplitz([0.0, 1.0], [0.0, 0.0], shape=(2, 2), axis=0)
    >>> A @ [1.0, 2.0, 3.0, 4.0]
    array([0., 0., 1., 2.])
    """
    return _along(Toeplitz(c, r), shape, axis)


def circulant(
    c: Any, *, shape: int | tuple[int, ...] | None = None, axis: int = -1
) -> LazyOperator:
    """Return a circulant matrix that acts along one axis, as `scipy.linalg.circulant` fills it.

    Parameters
    ----------
    c : array_like, shape (n,)
        First column.
    shape : int or tuple of int, optional
        The shape of the array that a vector holds; ``(n,)`` by default.
    axis : int, optional
        The axis, of n points, along which the matrix acts; the last one by default.

    Returns
    -------
    LazyOperator
        A `lazyop.Circulant`, in a Kronecker product with identities where there are more axes.

    Raises
    ------
    ValueError
        If the axis is out of range or has other than n points, or ``c`` is not one-dimensional.
    TypeError
        If it is no array of numbers.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.transforms.circulant([0.0, 1.0, 0.0]) @ [1.0, 2.0, 3.0]
    array([3., 1., 2.])
    """
    return _along(Circulant(c), shape, axis)


def hankel(
    c: Any, r: Any = None, *, shape: int | tuple[int, ...] | None = None, axis: int = -1
) -> LazyOperator:
    """Return a Hankel matrix, constant along anti-diagonals, as `scipy.linalg.hankel` fills it.

    ``A[i, j] = (c followed by r[1:])[i + j]``: a Toeplitz matrix with its columns reversed.

    Parameters
    ----------
    c : array_like, shape (m,)
        First column.
    r : array_like, shape (n,), optional
        Last row, of which the first entry is taken from ``c``; zeros by default, as many as c has.
    shape : int or tuple of int, optional
        The shape of the array that a vector holds; ``(n,)`` by default.
    axis : int, optional
        The axis, of n points, along which the matrix acts; the last one by default.

    Returns
    -------
    LazyOperator
        In a Kronecker product with identities where there are more axes.

    Raises
    ------
    ValueError
        If the axis is out of range or has other than n points, or ``c`` or ``r`` is empty or not
        one-dimensional.
    TypeError
        If one is no array of numbers.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.transforms.hankel([1.0, 2.0], [2.0, 3.0, 4.0]).toarray()
    array([[1., 2., 3.],
           [2., 3., 4.]])
    """
    column = floating(as_data(c, "the first column", ndim=1))
    xp = namespace_of(column)
    row = 0 * column if r is None else floating(as_data(r, "the last row", ndim=1))
    m, n = column.shape[0], row.shape[0]
    if not (m and n):
        raise ValueError(f"a Hankel matrix needs a column and a row, got {m} and {n} entries")
    dtype = np.result_type(Toeplitz(column, row).dtype)
    entries = xp.concat([cast(column, dtype), cast(row, dtype)[1:]])
    reversed_columns = Toeplitz(entries[n - 1 :], xp.flip(entries[:n], axis=0))
    return _along(reversed_columns[:, ::-1], shape, axis)


def _along(A: LazyOperator, shape: Any, axis: Any) -> LazyOperator:
    """Return an operator that acts along one axis of an array."""
    dims = as_dims(A.shape[1] if shape is None else shape)
    place = as_axis(axis, dims)
    if dims[place] != A.shape[1]:
        raise ValueError(
            f"a matrix of shape {A.shape} acts along axis {place} of the shape {dims}, which has "
            f"{dims[place]} points and not {A.shape[1]}"
        )
    before = int(np.prod(dims[:place], dtype=np.int64))
    after = int(np.prod(dims[place + 1 :], dtype=np.int64))
    parts: Sequence[LazyOperator] = [
        *([Identity(before, A.dtype)] if before != 1 else []),
        A,
        *([Identity(after, A.dtype)] if after != 1 else []),
    ]
    return kron(*parts) if len(parts) > 1 else A


def _as_kernel(kernel: Any, axes: Any, dims: tuple[int, ...]) -> tuple[Array, tuple[int, ...]]:
    """Return a kernel with its axes in ascending order, and which axes they belong to."""
    h = as_array(kernel, "a kernel")
    if axes is None:
        if not 1 <= h.ndim <= len(dims):
            raise ValueError(f"a kernel with {h.ndim} axes does not fit the shape {dims}")
        places = tuple(range(len(dims) - h.ndim, len(dims)))
    else:
        places = as_axes(axes, dims)
    if h.ndim != len(places):
        raise ValueError(f"a kernel for {len(places)} axes has {h.ndim} axes")
    if 0 in h.shape:
        raise ValueError(f"a kernel needs entries, got the shape {tuple(h.shape)}")
    order = tuple(int(i) for i in np.argsort(places))
    h = namespace_of(h).permute_dims(h, order) if len(order) > 1 else h
    return floating(as_data(h, "a kernel", h.ndim)), tuple(sorted(places))


def _window(
    dims: tuple[int, ...], sizes: tuple[int, ...], axes: tuple[int, ...], mode: str
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return where in the full convolution the result begins, and its shape."""
    starts, dims_out = [], list(dims)
    longer = [dims[axis] - k for axis, k in zip(axes, sizes, strict=True)]
    if mode == "valid" and min(longer) < 0 < max(longer):
        raise ValueError(
            f"for 'valid' a kernel of shape {tuple(sizes)} or the argument, of shape {dims}, must "
            "be at least as long as the other along all axes"
        )
    for axis, k in zip(axes, sizes, strict=True):
        n = dims[axis]
        if mode == "full":
            start, size = 0, n + k - 1
        elif mode == "same":
            start, size = (k - 1) // 2, n
        else:
            start, size = min(n, k) - 1, abs(n - k) + 1
        starts.append(start)
        dims_out[axis] = size
    return tuple(starts), tuple(dims_out)


def _folded(h: Array, periods: list[int]) -> Array:
    """Return a kernel whose entries a period apart are added up, as long as the periods."""
    xp = namespace_of(h)
    for axis, n in enumerate(periods):
        count = -(-h.shape[axis] // n)
        before, after = h.shape[:axis], h.shape[axis + 1 :]
        h = resized(h, count * n, axis)
        h = xp.sum(xp.reshape(h, (*before, count, n, *after)), axis=axis)
    return h
