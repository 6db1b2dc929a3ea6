"""The discrete cosine transforms of types I to IV, and their inverses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lazyop.operator import LazyOperator
from lazyop.transforms.along_axes import as_axis, as_dims
from lazyop.transforms.resize import as_axes_and_lengths
from lazyop.transforms.trigonometric import make

if TYPE_CHECKING:
    import numpy.typing as npt


def dct(
    shape: int | tuple[int, ...],
    type: int = 2,
    n: int | None = None,
    axis: int = -1,
    norm: str | None = None,
    *,
    orthogonalize: bool | None = None,
    dtype: npt.DTypeLike = np.float64,
) -> LazyOperator:
    r"""Return the discrete cosine transform along one axis, as `scipy.fft.dct`.

    .. math::

       \text{I:} &\quad y_k = x_0 + (-1)^k x_{n-1}
           + 2 \sum_{j=1}^{n-2} x_j \cos \frac{\pi j k}{n-1} \\
       \text{II:} &\quad y_k = 2 \sum_{j=0}^{n-1} x_j \cos \frac{\pi (2j+1) k}{2n} \\
       \text{III:} &\quad y_k = x_0 + 2 \sum_{j=1}^{n-1} x_j \cos \frac{\pi j (2k+1)}{2n} \\
       \text{IV:} &\quad y_k = 2 \sum_{j=0}^{n-1} x_j \cos \frac{\pi (2j+1)(2k+1)}{4n}

    for the norm "backward"; "ortho" divides by the square root of 2n (types II to IV) or of 2(n-1),
    and weights the ends so that the matrix is orthogonal. The adjoint of an orthogonal one is the
    transform of the inverse type; III is the inverse type of II, the others are their own.

    Parameters
    ----------
    shape : int or tuple of int
        The length of a vector, or the shape of the array that a vector holds in row-major order.
    type : {1, 2, 3, 4}, optional
        The type of the transform, 2 by default.
    n : int, optional
        The length of the transform: the axis is cropped to it, or zeros are appended.
    axis : int, optional
        The axis to transform, the last one by default.
    norm : {"backward", "ortho", "forward"}, optional
        As in `scipy.fft`; None means "backward". With "ortho" the operator is orthogonal.
    orthogonalize : bool, optional
        Whether to weight the ends so that the matrix is a multiple of an orthogonal one, as
        `scipy.fft` does; by default with the norm "ortho".
    dtype : dtype, optional
        float64 by default; float32, or complex64 or complex128 for a complex operator.

    Returns
    -------
    LazyOperator
        Orthogonal with the norm "ortho".

    Raises
    ------
    ValueError
        If there are too few points along an axis (type I takes two), it is out of range, or the
        type or the norm is unknown.
    TypeError
        If a length or an axis is not an integer, or the dtype is none of the above.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.transforms.dct(3) @ [1.0, 1.0, 1.0]
    array([6., 0., 0.])
    >>> lo.transforms.dct(3, norm="ortho").N
    Identity(3x3, float64)
    """
    dims = as_dims(shape)
    places = (as_axis(axis, dims),)
    lengths = None if n is None else (n,)
    return make(dims, places, lengths, "cos", type, norm, orthogonalize, dtype, inverse=False)


def idct(
    shape: int | tuple[int, ...],
    type: int = 2,
    n: int | None = None,
    axis: int = -1,
    norm: str | None = None,
    *,
    orthogonalize: bool | None = None,
    dtype: npt.DTypeLike = np.float64,
) -> LazyOperator:
    r"""Return the inverse discrete cosine transform along one axis, as `scipy.fft.idct`.

    Parameters
    ----------
    shape : int or tuple of int
        The length of a vector, or the shape of the array that a vector holds in row-major order.
    type : {1, 2, 3, 4}, optional
        The type of the transform whose inverse this is, 2 by default.
    n : int, optional
        The length of the transform: the axis is cropped to it, or zeros are appended.
    axis : int, optional
        The axis to transform, the last one by default.
    norm : {"backward", "ortho", "forward"}, optional
        As in `scipy.fft`; None means "backward". With "ortho" the operator is orthogonal.
    orthogonalize : bool, optional
        Whether to weight the ends so that the matrix is a multiple of an orthogonal one, as
        `scipy.fft` does; by default with the norm "ortho".
    dtype : dtype, optional
        float64 by default; float32, or complex64 or complex128 for a complex operator.

    Returns
    -------
    LazyOperator
        The inverse of `dct` with the same arguments.

    Raises
    ------
    ValueError
        If there are too few points along an axis (type I takes two), it is out of range, or the
        type or the norm is unknown.
    TypeError
        If a length or an axis is not an integer, or the dtype is none of the above.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.transforms.idct(3) @ [6.0, 0.0, 0.0]
    array([1., 1., 1.])
    """
    dims = as_dims(shape)
    places = (as_axis(axis, dims),)
    lengths = None if n is None else (n,)
    return make(dims, places, lengths, "cos", type, norm, orthogonalize, dtype, inverse=True)


def dctn(
    shape: int | tuple[int, ...],
    type: int = 2,
    s: int | tuple[int, ...] | None = None,
    axes: int | tuple[int, ...] | None = None,
    norm: str | None = None,
    *,
    orthogonalize: bool | None = None,
    dtype: npt.DTypeLike = np.float64,
) -> LazyOperator:
    r"""Return the discrete cosine transform along several axes, as `scipy.fft.dctn`.

    It is the Kronecker product of the transforms along each axis, and of identities.

    Parameters
    ----------
    shape : int or tuple of int
        The shape of the array that a vector holds in row-major order.
    type : {1, 2, 3, 4}, optional
        The type of the transform, 2 by default.
    s : int or tuple of int, optional
        The lengths of the transform along the axes, which are cropped to them, or zeros are
        appended. Where there are no ``axes``, of the last axes.
    axes : int or tuple of int, optional
        The axes to transform; all by default, or the last ``len(s)``.
    norm : {"backward", "ortho", "forward"}, optional
        As in `scipy.fft`; None means "backward". With "ortho" the operator is orthogonal.
    orthogonalize : bool, optional
        Whether to weight the ends so that the matrix is a multiple of an orthogonal one, as
        `scipy.fft` does; by default with the norm "ortho".
    dtype : dtype, optional
        float64 by default; float32, or complex64 or complex128 for a complex operator.

    Returns
    -------
    LazyOperator
        Orthogonal with the norm "ortho".

    Raises
    ------
    ValueError
        If there are too few points along an axis (type I takes two), it is out of range, or the
        type or the norm is unknown.
    TypeError
        If a length or an axis is not an integer, or the dtype is none of the above.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.transforms.dctn((2, 2)) @ [1.0, 1.0, 1.0, 1.0]
    array([16., 0., 0., 0.])
    """
    dims = as_dims(shape)
    places, lengths = as_axes_and_lengths(axes, s, dims)
    return make(dims, places, lengths, "cos", type, norm, orthogonalize, dtype, inverse=False)


def idctn(
    shape: int | tuple[int, ...],
    type: int = 2,
    s: int | tuple[int, ...] | None = None,
    axes: int | tuple[int, ...] | None = None,
    norm: str | None = None,
    *,
    orthogonalize: bool | None = None,
    dtype: npt.DTypeLike = np.float64,
) -> LazyOperator:
    r"""Return the inverse discrete cosine transform along several axes, as `scipy.fft.idctn`.

    Parameters
    ----------
    shape : int or tuple of int
        The shape of the array that a vector holds in row-major order.
    type : {1, 2, 3, 4}, optional
        The type of the transform whose inverse this is, 2 by default.
    s : int or tuple of int, optional
        The lengths of the transform along the axes, which are cropped to them, or zeros are
        appended. Where there are no ``axes``, of the last axes.
    axes : int or tuple of int, optional
        The axes to transform; all by default, or the last ``len(s)``.
    norm : {"backward", "ortho", "forward"}, optional
        As in `scipy.fft`; None means "backward". With "ortho" the operator is orthogonal.
    orthogonalize : bool, optional
        Whether to weight the ends so that the matrix is a multiple of an orthogonal one, as
        `scipy.fft` does; by default with the norm "ortho".
    dtype : dtype, optional
        float64 by default; float32, or complex64 or complex128 for a complex operator.

    Returns
    -------
    LazyOperator
        The inverse of `dctn` with the same arguments.

    Raises
    ------
    ValueError
        If there are too few points along an axis (type I takes two), it is out of range, or the
        type or the norm is unknown.
    TypeError
        If a length or an axis is not an integer, or the dtype is none of the above.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.transforms.idctn((2, 2)) @ [16.0, 0.0, 0.0, 0.0]
    array([1., 1., 1., 1.])
    """
    dims = as_dims(shape)
    places, lengths = as_axes_and_lengths(axes, s, dims)
    return make(dims, places, lengths, "cos", type, norm, orthogonalize, dtype, inverse=True)
