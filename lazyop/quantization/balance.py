r"""A product's factors with columns of ordinary size, whatever stands between them.

Diagonal matrices of powers of two and their inverses between factors change neither the product nor
a significand, but squared entries may leave the range of double precision. So such powers are taken
out, and kept beside the factors: the columns of all factors but the last come to have a largest
entry near 1, and what they were multiplied by goes to the rows of the next factor. From the last
one, a single power is taken. What then is far below 1 is a small part of the product, unless
columns cancel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lazyop.quantization.matches import Values
from lazyop.quantization.ranges import Powers, exponents_of, times_power

__all__ = ["Balanced", "balanced"]

#: Stands for the exponent of zero: below all others, also when a few of those are added.
_OF_ZERO = -(2**40)


class Balanced(NamedTuple):
    """What `balanced` returns.

    Attributes
    ----------
    factors : list of arrays
        Entries, whose real and imaginary parts are at most 1. Rows that stand after a column of
        zeros are zero.
    powers : list of arrays
        Of two, by which entries are to be multiplied to be as they were given.
    exponent : int
        The given product is this power of two times that of the factors; 0 where it is zero.
    """

    factors: list[Values]
    powers: list[Powers]
    exponent: int


def balanced(factors: Sequence[Values]) -> Balanced:
    """Take powers of two out of the columns of factors.

    Parameters
    ----------
    factors : sequence of arrays (a, b, c, d)
        Finite values in double precision, leftmost first.

    Returns
    -------
    Balanced
    """
    a, b, _, d = factors[0].shape
    moved = np.zeros(a * b * d, dtype=np.int64)  # from the columns before, to rows
    found: list[Values] = []
    powers: list[Powers] = []
    for k, values in enumerate(factors):
        a, b, _, d = values.shape
        rows = moved.reshape(a, b, 1, d)
        exponents = np.where(values != 0, exponents_of(values), _OF_ZERO) + rows
        is_last = k == len(factors) - 1
        columns = exponents.max(axis=None if is_last else 1, keepdims=True)
        power = np.where(_is_zero(exponents), 0, columns - rows)
        found.append(times_power(np.where(_is_zero(exponents), 0, values), -power))
        powers.append(power)
        moved = np.where(_is_zero(columns), _OF_ZERO, columns).ravel()
    return Balanced(found, powers, 0 if _is_zero(moved).any() else int(moved[0]))


def _is_zero(exponents: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Whether exponents, or sums of them, are those of zero."""
    return exponents < _OF_ZERO // 2
