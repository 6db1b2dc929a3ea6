"""Windows along an axis."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from lazyop.namespaces import as_array, as_data, dtype_of, floating, namespace_of
from lazyop.operator import LazyOperator
from lazyop.structured.diagonal import Diagonal
from lazyop.transforms.along_axes import as_axis, as_dims, as_real_dtype, check_points

if TYPE_CHECKING:
    import numpy.typing as npt


def window(
    shape: int | tuple[int, ...],
    window: Any,
    axis: int = -1,
    *,
    fftbins: bool = True,
    dtype: npt.DTypeLike | None = None,
) -> LazyOperator:
    """Return the multiplication by a window along an axis.

    Parameters
    ----------
    shape : int or tuple of int
        The length of a vector, or the shape of the array that a vector holds in row-major order.
    window : str, float, tuple or array_like
        What `scipy.signal.get_window` takes: a name, or a name with parameters; or the values of
        the window, as many as there are points along the axis.
    axis : int, optional
        The last one by default.
    fftbins : bool, optional
        Whether a named window is periodic, as for spectra, or symmetric, as for filters; as in
        `scipy.signal.get_window`.
    dtype : dtype, optional
        That of the values by default, and float64 for a named window.

    Returns
    -------
    Diagonal
        Which holds the window at every point of the array.

    Raises
    ------
    ValueError
        If the window is unknown or of another length, or the axis is out of range or empty.
    TypeError
        If the values are no numbers.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.transforms.window(4, "hann") @ [1.0, 1.0, 1.0, 1.0]
    array([0. , 0.5, 1. , 0.5])
    """
    dims = as_dims(shape)
    place = as_axis(axis, dims)
    check_points(dims, (place,))
    n = dims[place]
    if isinstance(window, str | float | tuple):
        values: Any = made_by_scipy("get_window", window, Nx=n, fftbins=fftbins)
    else:
        values = floating(as_data(as_array(window, "a window"), "a window", ndim=1))
    if values.shape[0] != n:
        raise ValueError(f"a window of {values.shape[0]} points is none for {n} along the axis")
    xp = namespace_of(values)
    values = xp.reshape(values, (n,) + (1,) * (len(dims) - place - 1))
    whole = Diagonal(xp.reshape(xp.broadcast_to(values, dims), (-1,)))
    if dtype is None:
        return whole
    return whole.astype(np.result_type(as_real_dtype(dtype), _kind(dtype_of(values))))


def made_by_scipy(function: str, window: Any, *args: Any, **kwargs: Any) -> npt.NDArray[Any]:
    """Return what a function of `scipy.signal` makes of the name of a window and its parameters."""
    signal = importlib.import_module("scipy.signal")
    make = getattr(signal, function)
    try:
        found: npt.NDArray[Any] = make(*args, window=window, **kwargs)
    except (ValueError, TypeError, IndexError) as error:  # from wherever parameters do not fit
        raise ValueError(f"unknown window {window!r}: {error}") from None
    return found


def _kind(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the narrowest floating-point dtype, complex for a complex one."""
    return np.dtype(np.complex64 if dtype.kind == "c" else np.float32)
