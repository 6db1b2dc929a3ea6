"""Nonnegative numbers of any size: arrays of floating-point numbers, each with a power of two.

Sums of products of such numbers neither overflow nor lose terms to underflow, whatever exponents
their q-th powers have. Exponents go in large steps, so that most arrays have just one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from lazyop.namespaces import Array, namespace_of, to_numpy
from lazyop.rescale.entries import largest

__all__ = ["STEP", "Ranged", "concatenated", "exponents_of"]

#: Exponents are multiples of it. Mantissas can be multiplied, and many products added up.
STEP = 256
_HIGHEST, _LOWEST = 2.0 ** (STEP // 2), 2.0 ** -(STEP // 2)
#: Up to this, the power of a mantissa is a number.
_LARGEST_POWER = 7
#: Exponents are known to a small part of 1 up to this power.
_LARGEST_ORDER = 2.0**40
#: How many exponents the numbers of an array may have: each takes a product of its own.
_MOST_EXPONENTS = 1024


@dataclass(frozen=True)
class Ranged:
    """An array of nonnegative numbers, ``mantissa * 2 ** exponent``; `of` makes it.

    Attributes
    ----------
    mantissa : array
        Zeros, and numbers from ``2 ** -128`` up to ``2 ** 128``, in double precision.
    exponent : array or float
        Multiples of 256: of the same shape and dtype, or one for all. Those of zeros say nothing.
    """

    mantissa: Array
    exponent: Any

    @classmethod
    def of(cls, x: Array, exponent: float = 0.0) -> Ranged:
        """Return an array times 2 to a multiple of 256; its negative entries, errors, as zeros.

        Raises
        ------
        OverflowError
            If an entry is infinite or NaN.
        """
        xp = namespace_of(x)
        return _settled(xp.where(x < 0, xp.zeros_like(x), x), exponent)

    def power(self, q: float) -> Ranged:
        """Return the q-th power of each number.

        Raises
        ------
        OverflowError
            If `q` is above ``2 ** 40``.
        """
        if q == 1:
            return self
        if q > _LARGEST_ORDER:
            raise OverflowError(f"too large a power, q={q:g}, for exponents in double precision")
        xp, x, exponent = namespace_of(self.mantissa), self.mantissa, q * self.exponent
        if q <= _LARGEST_POWER:
            powers = x**q
        else:
            logarithm = q * xp.log2(xp.where(x > 0, x, xp.ones_like(x)))
            whole = _whole_steps(logarithm)
            powers = xp.where(x > 0, 2.0 ** (logarithm - whole), xp.zeros_like(x))
            exponent = exponent + whole
        whole = _whole_steps(exponent)
        return _settled(powers * 2.0 ** (exponent - whole), whole)

    def times(self, other: Ranged) -> Ranged:
        """Return the products with numbers of a shape that broadcasts."""
        return _settled(self.mantissa * other.mantissa, self.exponent + other.exponent)

    def plus(self, other: Ranged) -> Ranged:
        """Return the sums with numbers of the same shape."""
        xp = namespace_of(self.mantissa)
        mine, others = self._exponents(), other._exponents()
        left = xp.where(self.mantissa > 0, mine, others)
        right = xp.where(other.mantissa > 0, others, mine)
        top = xp.maximum(left, right)
        mantissa = self.mantissa * _beside(left, top) + other.mantissa * _beside(right, top)
        return _settled(mantissa, top)

    def at(self, exponent: float) -> Array:
        """Return the mantissas that have an exponent, and zeros elsewhere."""
        xp = namespace_of(self.mantissa)
        if isinstance(self.exponent, float) and self.exponent == exponent:
            return self.mantissa
        zero = xp.zeros_like(self.mantissa)
        return xp.where(self._exponents() == exponent, self.mantissa, zero)

    def in_units(self, exponent: float) -> Array:
        """Return an array of the numbers, each divided by 2 to a power: none is much above it."""
        xp = namespace_of(self.mantissa)
        shift = self._exponents() - exponent
        return self.mantissa * 2.0 ** xp.where(self.mantissa > 0, shift, xp.zeros_like(shift))

    def map(self, change: Callable[[Array], Array]) -> Ranged:
        """Return the numbers that a change of places makes of these."""
        one_for_all = isinstance(self.exponent, float)
        return Ranged(
            change(self.mantissa), self.exponent if one_for_all else change(self.exponent)
        )

    def total(self) -> tuple[float, float]:
        """Return a number and an exponent that the sum is the product of."""
        array, exponent = self.common()
        return float(to_numpy(namespace_of(array).sum(array))), exponent

    def common(self) -> tuple[Array, float]:
        """Return an array whose largest entry is near 1, and one exponent for all of it."""
        total = namespace_of(self.mantissa).zeros_like(self.mantissa)
        exponents = exponents_of([self])
        if not exponents:
            return total, 0.0
        top = exponents[0] + math.frexp(largest(self.at(exponents[0])))[1]
        for exponent in exponents:
            total = total + self.at(exponent) * 2.0 ** (exponent - top)
        return total, top

    def _exponents(self) -> Array:
        return namespace_of(self.mantissa).zeros_like(self.mantissa) + self.exponent


def _whole_steps(exponent: Any) -> Any:
    if isinstance(exponent, float):
        return float(STEP * round(exponent / STEP))
    return STEP * namespace_of(exponent).round(exponent / STEP)


def _settled(mantissa: Array, exponent: Any) -> Ranged:
    """Return nonnegative floating-point numbers times powers with mantissas in range."""
    xp = namespace_of(mantissa)
    _check_finite(mantissa)
    one = xp.ones_like(mantissa)
    while largest(mantissa) >= _HIGHEST:
        down = mantissa >= _HIGHEST
        mantissa = mantissa * xp.where(down, 2.0**-STEP * one, one)
        exponent = exponent + xp.where(down, STEP * one, 0 * one)
    while bool(xp.any(up := (mantissa > 0) & (mantissa < _LOWEST))):
        mantissa = mantissa * xp.where(up, 2.0**STEP * one, one)
        exponent = exponent - xp.where(up, STEP * one, 0 * one)
    return Ranged(mantissa, exponent)


def _check_finite(mantissa: Array) -> None:
    xp = namespace_of(mantissa)
    if not bool(xp.all(xp.isfinite(mantissa))):
        raise OverflowError("a magnitude is beyond the range of floating-point numbers")


def _beside(exponent: Array, top: Array) -> Array:
    """Return what a mantissa is to be multiplied by, beside one of the higher exponent.

    Two steps below it, all that there is would be rounded off.
    """
    xp = namespace_of(top)
    one = xp.ones_like(top)
    below = xp.where(exponent == top - STEP, 2.0**-STEP * one, 0 * one)
    return xp.where(exponent == top, one, below)


def exponents_of(arrays: Iterable[Ranged]) -> list[float]:
    """Return the exponents of the numbers above zero, the highest first.

    Raises
    ------
    OverflowError
        If there are more than a thousand.
    """
    return sorted({exponent for x in arrays for exponent in _distinct(x)}, reverse=True)


def _distinct(x: Ranged) -> list[float]:
    if not largest(x.mantissa):
        return []
    if isinstance(x.exponent, float):
        return [x.exponent]
    xp, found = namespace_of(x.mantissa), []
    nothing = xp.full_like(x.mantissa, -math.inf)
    rest = xp.where(x.mantissa > 0, x.exponent, nothing)
    while (top := float(to_numpy(xp.max(rest)))) > -math.inf:
        found.append(top)
        rest = xp.where(rest < top, rest, nothing)
        if len(found) > _MOST_EXPONENTS:
            raise OverflowError("powers of magnitudes are too far apart to be added up")
    return found


def concatenated(parts: list[Ranged]) -> Ranged:
    """Return arrays one above the other."""
    xp = namespace_of(parts[0].mantissa)
    return Ranged(
        xp.concat([part.mantissa for part in parts], axis=0),
        xp.concat([part._exponents() for part in parts], axis=0),
    )
