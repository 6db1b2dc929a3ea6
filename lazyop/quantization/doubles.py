"""What is given, in the double precision in which everything here is computed."""

from __future__ import annotations

from typing import Any

import numpy as np

from lazyop.quantization.matches import Values

__all__ = ["in_double"]


def in_double(values: Values, wide: type[np.generic], name: str) -> Values:
    """Return finite numbers in double precision.

    Parameters
    ----------
    values : array
    wide : type
        ``np.float64`` or ``np.complex128``.
    name : str
        What the error calls the array.

    Raises
    ------
    ValueError
        If a number of a wider dtype becomes infinite, or zero.
    """
    dtype: np.dtype[Any] = np.dtype(wide)
    with np.errstate(over="ignore", under="ignore"):
        double = values.astype(dtype)
    if values.dtype.itemsize > dtype.itemsize or values.dtype.char in "gG":
        kept = np.isfinite(double) & ((double != 0) == (values != 0))
        if not kept.all():
            raise ValueError(f"{name} holds numbers outside the range of double precision")
    return double
