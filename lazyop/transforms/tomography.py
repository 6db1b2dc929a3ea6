"""The Radon transform of an image: its line integrals, as a sparse matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array

from lazyop.aslazy import aslazy
from lazyop.namespaces import as_array, to_numpy
from lazyop.operator import LazyOperator
from lazyop.transforms.along_axes import as_dims, as_length, as_real_dtype

if TYPE_CHECKING:
    import numpy.typing as npt

#: Lines that are closer than this to a pixel go through it, in pixels.
_SNAPPED = 1e-9


def radon(
    shape: int | tuple[int, int],
    angles: Any,
    detectors: int | None = None,
    *,
    dtype: npt.DTypeLike = np.float64,
) -> LazyOperator:
    r"""Return the Radon transform: integrals of an image along parallel lines, for some angles.

    The line of detector s at the angle a goes through the pixels

    .. math:: \text{row} = r_0 - \sigma \sin a + t \cos a, \qquad
              \text{column} = c_0 + \sigma \cos a + t \sin a

    for all t, with :math:`\sigma = s - \lfloor d/2 \rfloor` for d detectors, and the middle of the
    image, of shape (m, n), at ``(m // 2, n // 2)``. At 0 degrees these are sums of columns. The
    integral is Joseph's: the image is interpolated linearly between the two pixels next to the line
    in each row, or in each column where the line is nearer to horizontal, and is zero outside.

    Parameters
    ----------
    shape : int or tuple of int
        Rows and columns of the image, which a vector holds in row-major order; an integer means a
        square.
    angles : array_like, shape (p,)
        In degrees.
    detectors : int, optional
        How many there are, a pixel apart; by default the larger side of the image.
    dtype : dtype, optional
        float64 by default.

    Returns
    -------
    LazyOperator
        From images to sinograms of shape ``(detectors, angles)``, the order of
        `skimage.transform.radon`. It holds two numbers for each row or column and line.

    Raises
    ------
    ValueError
        If the image is not two-dimensional or empty, there are no detectors, or angles are not
        finite or not one-dimensional.
    TypeError
        If a length is not an integer, angles are not real, or the dtype is not real or complex.

    References
    ----------
    P. M. Joseph, An improved algorithm for reprojecting rays through pixel images, IEEE Trans. Med.
    Imaging 1(3):192-196, 1982, doi 10.1109/TMI.1982.4307572.

    Examples
    --------
    >>> import numpy as np
    >>> import lazyop as lo
    >>> R = lo.transforms.radon(3, [0.0, 90.0])
    >>> sinogram = R @ np.arange(9.0)
    >>> sinogram.reshape(3, 2)
    array([[ 9., 21.],
           [12., 12.],
           [15.,  3.]])
    """
    dims = as_dims(shape if isinstance(shape, tuple | list | np.ndarray) else (shape, shape))
    if len(dims) != 2 or 0 in dims:
        raise ValueError(f"an image has rows and columns, got the shape {dims}")
    count = as_length(max(dims) if detectors is None else detectors, "detectors", least=1)
    kind = as_real_dtype(dtype)
    found = to_numpy(as_array(angles, "angles"))
    if found.dtype.kind == "c":
        raise TypeError("angles must be real")
    if found.ndim != 1 or not np.all(np.isfinite(found)):
        raise ValueError(f"angles must be finite, and of one dimension; got shape {found.shape}")
    views = [_view(dims, float(angle), count) for angle in np.deg2rad(found)]
    size = count * len(views)
    if not views:
        return aslazy(csr_array((0, dims[0] * dims[1]), dtype=kind))
    lines = np.concatenate([line * len(views) + i for i, (line, _, _) in enumerate(views)])
    pixels, weights = (np.concatenate([view[k] for view in views]) for k in (1, 2))
    matrix = csr_array((weights.astype(kind), (lines, pixels)), shape=(size, dims[0] * dims[1]))
    return aslazy(matrix)


def _view(
    dims: tuple[int, ...], angle: float, count: int
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Return detectors, pixels and weights of all lines at one angle."""
    middle = np.array([dims[0] // 2, dims[1] // 2])
    direction = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-np.sin(angle), np.cos(angle)])
    along = int(abs(direction[0]) < abs(direction[1]))  # the axis whose pixels the line steps over
    other = 1 - along
    offset = np.arange(count)[:, None] - count // 2
    step = np.arange(dims[along])[None, :]
    t = (step - middle[along] - offset * across[along]) / direction[along]
    place = middle[other] + offset * across[other] + t * direction[other]
    nearest = np.round(place)  # a line through pixels meets no others by rounding
    place = np.where(np.abs(place - nearest) < _SNAPPED, nearest, place)
    low = np.floor(place).astype(np.int64)
    share = place - low
    parts = []
    for index, weight in ((low, 1 - share), (low + 1, share)):
        detector, at = np.nonzero((index >= 0) & (index < dims[other]) & (weight > 0))
        position = index[detector, at]
        row, column = (at, position) if along == 0 else (position, at)
        length = 1 / abs(direction[along])
        parts.append((detector, row * dims[1] + column, length * weight[detector, at]))
    detectors, pixels, weights = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return detectors, pixels, weights
