r"""Powers of two that bring the entries of a product's factors into a format's range.

Column `j` of a factor is multiplied by :math:`2^{p_j}` and row `j` of the next one by
:math:`2^{-p_j}`, which changes neither the product nor a significand. That all entries are in range
says of an entry in row `i` and column `j` that :math:`l \le p_j - p_i \le h`, with `l` and `h` from
its own exponent: constraints on differences, which are solved as shortest paths are found.

Below the normal range an entry is off by half a unit, the same for all. So where not all entries
can be normal, what is made as small as can be is the largest part of the product's error that an
entry below the normal range has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from lazyop.quantization.formats import FloatFormat
from lazyop.quantization.matches import Reals, Values

__all__ = ["Powers", "exponents_of", "in_range", "times_power", "unit_exponent", "within"]

Exponents: TypeAlias = npt.NDArray[np.float64]

#: Powers of two for the entries of a factor, or one for all.
Powers: TypeAlias = "npt.NDArray[np.int64] | int"

#: All exponents are smaller.
_BEYOND = 4096

#: Times that bounds are passed on along the chain and back, before they count as contradictory.
_ROUNDS = 32


@dataclass(frozen=True)
class _Limits:
    """What each entry, `(a, b, c, d)`, says of the power of two by which it is multiplied.

    Attributes
    ----------
    normal : array
        The least power with which real and imaginary part are normal numbers, or zero.
    faint : array
        The least power with which half a unit of the numbers below is no part of the product.
    high : array
        The largest power with which it is not too large.
    """

    normal: Exponents
    faint: Exponents
    high: Exponents

    def low(self, accuracy: float) -> Exponents:
        """Least power with which the product loses at most 2 to the minus `accuracy`."""
        return np.minimum(self.normal, self.faint + accuracy)

    def turned(self) -> _Limits:
        """The same of the transposed factor."""
        return _Limits(*(x.transpose(0, 2, 1, 3) for x in (self.normal, self.faint, self.high)))


def within(form: FloatFormat, dtype: np.dtype[Any]) -> FloatFormat:
    """Return the format with the range of single or double precision, if its own is no narrower.

    Parameters
    ----------
    form : FloatFormat
    dtype : dtype
        Real or complex.
    """
    bits, width = (24, 8) if np.finfo(dtype).bits <= 32 else (53, 11)
    held = FloatFormat(min(form.significand_bits, bits), width)
    is_wider = form.largest >= held.largest and form.min_exponent <= held.min_exponent
    return held if is_wider else form


def in_range(
    factors: Sequence[Values], powers: Sequence[Powers], form: FloatFormat, weights: Sequence[Reals]
) -> list[Powers]:
    """Find powers of two for rows and columns of factors, so that a format holds the entries.

    Parameters
    ----------
    factors : sequence of arrays
        Values `(a, b, c, d)`, leftmost first.
    powers : sequence of arrays or int
        Of two, by which entries are to be multiplied to begin with. The results of these
        multiplications are not formed, and may be outside the range of double precision.
    form : FloatFormat
        With bounded exponents.
    weights : sequence of arrays
        For each entry, the relative error of the product by that of the entry in `factors`.

    Returns
    -------
    list of arrays or int
        By which entries are to be multiplied: the given ones where these bring all entries into
        range. If there are no powers that bring all there, those that make the loss of the small
        ones, on which the product depends least, as small as can be.

    Raises
    ------
    ValueError
        If some entry is too large for the format, whatever the powers; it names the factor.
    """
    limits = [_limits(*each, form) for each in zip(factors, powers, weights, strict=True)]
    if all((x.normal <= 0).all() and (x.high >= 0).all() for x in limits):
        return list(powers)
    shifts = _solution(limits, _BEYOND)
    if shifts is None:
        shifts = _solution(limits, -np.inf)
        if shifts is None:
            raise ValueError(_too_large(factors, powers, limits, form))
        feasible, infeasible = -_BEYOND, _BEYOND
        while infeasible - feasible > 1:
            accuracy = (feasible + infeasible) // 2
            found = _solution(limits, accuracy)
            if found is None:
                infeasible = accuracy
            else:
                feasible, shifts = accuracy, found
    return [
        power + _shifts(values, *shifts[k : k + 2])
        for k, (values, power) in enumerate(zip(factors, powers, strict=True))
    ]


def _limits(values: Values, power: Powers, weights: Reals, form: FloatFormat) -> _Limits:
    parts = np.abs(np.stack([values.real, values.imag]))
    large = np.max(parts, axis=0)
    small = np.min(np.where(parts > 0, parts, np.inf), axis=0)
    half_unit = form.min_exponent - form.significand_bits
    # Exponents are subtracted, since a quotient of the numbers may overflow.
    (most, highest), (significand, exponent) = np.frexp(form.largest), np.frexp(large)
    high = np.where(large > 0, highest - exponent - (significand > most), np.inf)
    with np.errstate(divide="ignore"):
        faint = np.ceil(np.log2(weights)) + half_unit
    normal = np.where(large > 0, form.min_exponent + 1 - np.frexp(small)[1], -np.inf)
    return _Limits(normal - power, faint - power, high - power)


def _solution(limits: Sequence[_Limits], accuracy: float) -> list[Exponents] | None:
    """Powers for all junctions, the outer ones 0, if there are any of that accuracy.

    In the middle between the largest and the least, which are solutions as well.
    """
    largest = _largest(limits, accuracy)
    if largest is None:
        return None
    # The negatives of powers obey the same constraints, with rows and columns swapped.
    least = _largest([x.turned() for x in reversed(limits)], accuracy)
    if least is None:
        return None
    return [np.floor((p - q) / 2) for p, q in zip(largest, reversed(least), strict=True)]


def _largest(limits: Sequence[_Limits], accuracy: float) -> list[Exponents] | None:
    """The largest powers that obey all constraints, or None."""
    powers = [np.zeros(_rows(limits[0].high)), *(np.zeros(_columns(x.high)) for x in limits)]
    lows = [x.low(accuracy) for x in limits]
    for p in powers[1:-1]:
        p.fill(_BEYOND * len(limits))
    for _ in range(_ROUNDS):
        before = [p.copy() for p in powers]
        for k, x in enumerate(limits):
            a, b, _, d = x.high.shape
            bound = np.min(powers[k].reshape(a, b, 1, d) + x.high, axis=1)
            powers[k + 1] = np.minimum(powers[k + 1], bound.ravel())
        for k, low in reversed(list(enumerate(lows))):
            a, _, c, d = low.shape
            bound = np.min(powers[k + 1].reshape(a, 1, c, d) - low, axis=2)
            powers[k] = np.minimum(powers[k], bound.ravel())
        if (powers[0] < 0).any() or (powers[-1] < 0).any():
            return None
        if all(np.array_equal(p, q) for p, q in zip(before, powers, strict=True)):
            return powers
    return None


def _rows(x: Exponents) -> int:
    return int(x.size // x.shape[2])


def _columns(x: Exponents) -> int:
    return int(x.size // x.shape[1])


def _shifts(values: Values, rows: Exponents, columns: Exponents) -> Powers:
    a, b, c, d = values.shape
    return (columns.reshape(a, 1, c, d) - rows.reshape(a, b, 1, d)).astype(np.int64)


def times_power(values: Values, power: Any) -> Values:
    """Values times powers of two; exact, unless they leave the range of double precision."""
    power = np.asarray(power).astype(np.int64, copy=False)
    if values.dtype.kind != "c":
        return np.asarray(np.ldexp(values, power))
    scaled = np.empty(np.broadcast_shapes(values.shape, power.shape), values.dtype)
    scaled.real = np.ldexp(values.real, power)
    scaled.imag = np.ldexp(values.imag, power)
    return scaled


def unit_exponent(values: Values) -> int:
    """Power of two by which values are to be divided, so that the largest is near 1."""
    return int(np.frexp(np.max(_largest_parts(values), initial=0.0))[1])


def exponents_of(values: Values) -> npt.NDArray[np.int64]:
    """Powers of two by which values are to be divided, so that each is near 1; 0 of zero."""
    return np.frexp(_largest_parts(values))[1].astype(np.int64)


def _largest_parts(values: Values) -> Reals:
    """Real or imaginary parts; absolute values of complex numbers may overflow."""
    if values.dtype.kind != "c":
        return np.asarray(np.abs(values))
    return np.asarray(np.maximum(np.abs(values.real), np.abs(values.imag)))


def _too_large(
    factors: Sequence[Values],
    powers: Sequence[Powers],
    limits: Sequence[_Limits],
    form: FloatFormat,
) -> str:
    worst = int(np.argmin([x.high.min() for x in limits]))
    with np.errstate(over="ignore"):
        size = float(np.max(np.abs(times_power(factors[worst], powers[worst]))))
    return (
        f"factor {worst + 1} of {len(factors)} comes to have an entry of size {size:.3g}; no "
        f"powers of two between factors bring all entries below {form.largest:.5g}, the most of "
        f"{form}"
    )
