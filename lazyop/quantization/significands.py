"""Rounding of doubles to fewer significand bits, fast: what all else here is made of."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["round_significand"]

#: Significand bits of double precision.
_DOUBLE = 53


def round_significand(x: npt.NDArray[np.float64], bits: int) -> npt.NDArray[np.float64]:
    """Nearest doubles with so many significand bits, ties to even, exponents unbounded."""
    spare = _DOUBLE - bits
    if spare == 0:
        return x.copy()
    # Doubles of one sign are ordered as their codes are, and a carry goes to the next exponent.
    code = x.view(np.uint64) if x.flags.c_contiguous else np.ascontiguousarray(x).view(np.uint64)
    even = (code >> np.uint64(spare)) & np.uint64(1)
    if bits == 1:  # that is a bit of the exponent: between 1 and 2 units, the even number is 2
        even |= np.uint64(1)
    even += np.uint64(2 ** (spare - 1) - 1)
    even += code
    even &= np.uint64(2**64 - 2**spare)
    rounded = even.view(np.float64)
    special = ~np.isfinite(x)
    return np.where(special, x, rounded) if special.any() else rounded
