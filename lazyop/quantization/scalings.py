"""Scalings of a vector that are worth trying before it is rounded.

Of a real vector, one scaling for every way in which its multiples can be rounded. Of a complex
one, which has too many, a fine and even sample.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from lazyop.quantization.matches import Reals, Values, quotient, square
from lazyop.quantization.significands import round_significand

__all__ = [
    "all_scalings",
    "breakpoints",
    "number_of_scalings",
    "round_to",
    "simple_scalings",
    "usual_sample",
]

#: So little above a breakpoint, the product is rounded up, whatever its own rounding in doubles.
_ABOVE = 1 + 2.0**-50


def round_to(x: Values, bits: int) -> Values:
    """Nearest numbers with so many significand bits; real and imaginary parts one by one."""
    if x.dtype.kind != "c":
        return round_significand(x, bits)
    parts = round_significand(np.ascontiguousarray(x).view(np.float64), bits)
    return np.asarray(parts.view(np.complex128))


def breakpoints(x: Reals, bits: int) -> Reals:
    r"""Scalings from 1 to 2 at which an entry is halfway between two numbers.

    With an entry's significand :math:`m \in [1, 2)`, they are
    :math:`(1 + (k + 1/2) 2^{1-t}) / m` for :math:`0 \le k < 2^{t-1}`, doubled where below 1.

    Parameters
    ----------
    x : array, shape (..., m)
    bits : int
        `t`.

    Returns
    -------
    array, shape (..., m, 2**(t-1))
        Ones for entries that are zero.
    """
    significand = 2 * np.frexp(np.abs(x))[0][..., None]
    middles = 1 + (np.arange(2 ** (bits - 1)) + 0.5) * 2.0 ** (1 - bits)
    points = middles / np.where(significand == 0, 1.0, significand)
    points *= np.where(points < 1, 2.0, 1.0)
    return np.asarray(np.where(significand == 0, 1.0, points))


def all_scalings(x: Values, bits: int, sample: int) -> Values:
    """Scalings to try for each of some vectors; `simple_scalings` come first.

    Parameters
    ----------
    x : array, shape (count, m)
    bits : int
    sample : int
        How many to try for a complex vector, beside those made from its entries.

    Returns
    -------
    array, shape (count, number_of_scalings(m, bits, sample, x.dtype))
    """
    simple = simple_scalings(x, bits)
    if x.dtype.kind != "c":
        points = breakpoints(x, bits).reshape(x.shape[0], -1)
        return np.concatenate([simple, points * _ABOVE], axis=1)
    spread = _spread(sample)
    spread = np.broadcast_to(spread, (x.shape[0], spread.size))
    return np.concatenate([simple, spread], axis=1)


def number_of_scalings(length: int, bits: int, sample: int, dtype: np.dtype[Any]) -> int:
    """How many scalings `all_scalings` tries for a vector."""
    return 1 + length + (sample if dtype.kind == "c" else length * 2 ** (bits - 1))


def usual_sample(bits: int) -> int:
    """How many scalings of a complex column are tried: they pay less and less."""
    return 1 << min(12, max(10, 2 * bits))


def simple_scalings(x: Values, bits: int) -> Values:
    """Scalings with a reason: none at all, and those that make an entry a power of two.

    The latter find multiples of vectors that are exact, and leave what they are multiplied by to
    the partner.

    Parameters
    ----------
    x : array, shape (count, m)
    bits : int

    Returns
    -------
    array, shape (count, 1 + m)
        The first is 1 where the vector is exact as it is.
    """
    largest = np.argmax(np.abs(x), axis=1)[:, None]
    entries = np.where(x == 0, np.take_along_axis(x, largest, axis=1), x)
    size = square(entries)
    inverse = np.conj(entries) if x.dtype.kind == "c" else np.abs(entries)
    inverse = np.where(size == 0, 1.0, quotient(inverse, size))
    powers = np.ldexp(1.0, 1 - np.frexp(np.abs(inverse))[1]) * inverse
    exact = (round_to(x, bits) == x).all(axis=1, keepdims=True)
    first = np.where(exact, 1.0, np.take_along_axis(powers, largest, axis=1))
    return np.concatenate([first, powers], axis=1)


@cache
def _spread(count: int) -> npt.NDArray[np.complex128]:
    """Complex numbers spread evenly, in logarithm, over moduli from 1 to 2 and a quarter turn."""
    # An additive recurrence that fills the square evenly: its steps are the first two powers of
    # the inverse of the real root of z^3 = z + 1.
    root = 1.324717957244746
    k = np.arange(count) + 0.5
    points: npt.NDArray[np.complex128]
    points = np.exp2(k / root % 1) * np.exp(0.5j * np.pi * (k / root**2 % 1))
    points.flags.writeable = False
    return points
