r"""Powers of two that bring the entries of a product's factors into a format's range.

Column `j` of a factor is multiplied by :math:`2^{p_j}` and row `j` of the next one by
:math:`2^{-p_j}`, which changes neither the product nor a significand. That all entries are in range
says of an entry in row `i` and column `j` that :math:`l \le p_j - p_i \le h`, with `l` and `h` from
its own exponent: constraints on differences, which are solved as shortest paths are found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from lazyop.quantization.formats import FloatFormat
from lazyop.quantization.matches import Reals, Values

__all__ = ["in_range", "times_power", "unit_exponent"]

Exponents: TypeAlias = npt.NDArray[np.float64]

#: Small entries may lie so many powers of two below the normal range, at the worst.
_DEEPEST = 4096

#: Times that bounds are passed on along the chain and back, before they count as contradictory.
_ROUNDS = 32


@dataclass(frozen=True)
class _Limits:
    """Least and largest power of two by which each entry may be multiplied, `(a, b, c, d)`."""

    low: Exponents
    high: Exponents


def in_range(
    factors: Sequence[Values], form: FloatFormat, negligible: Sequence[Reals] | None = None
) -> list[Values]:
    """Multiply rows and columns of factors by powers of two, so that a format holds the entries.

    Parameters
    ----------
    factors : sequence of arrays
        Values `(a, b, c, d)`, leftmost first.
    form : FloatFormat
        With unbounded exponents, nothing is done.
    negligible : sequence of arrays, optional
        Sizes below which an entry may fall out of the range, for each entry.

    Returns
    -------
    list of arrays
        The same where all entries are in range already. If there are no powers that bring them
        there, those that leave the small ones as little below the range as can be.

    Raises
    ------
    ValueError
        If some entry is too large for the format, whatever the powers; it names the factor.
    """
    if not form.is_bounded:
        return list(factors)
    floors = negligible or [np.zeros(values.shape) for values in factors]
    limits = [_limits(v, f, form) for v, f in zip(factors, floors, strict=True)]
    if all((x.low <= 0).all() and (x.high >= 0).all() for x in limits):
        return list(factors)
    powers = _solution(limits, _DEEPEST)
    if powers is None:
        raise ValueError(_too_large(factors, limits, form))
    feasible, infeasible = _DEEPEST, -1
    while feasible - infeasible > 1:
        depth = (feasible + infeasible) // 2
        found = _solution(limits, depth)
        if found is None:
            infeasible = depth
        else:
            feasible, powers = depth, found
    return [_scaled(values, *powers[k : k + 2]) for k, values in enumerate(factors)]


def _limits(values: Values, floor: Reals, form: FloatFormat) -> _Limits:
    parts = np.abs(
        np.stack([values.real, values.imag]) if values.dtype.kind == "c" else values[None]
    )
    large = np.max(parts, axis=0)
    small = np.min(np.where((parts > floor) & (parts > 0), parts, np.inf), axis=0)
    with np.errstate(divide="ignore"):
        high = np.where(large > 0, np.frexp(form.largest / large)[1] - 1, np.inf)
    low = np.where(np.isfinite(small), form.min_exponent + 1 - np.frexp(small)[1], -np.inf)
    return _Limits(low.astype(np.float64), high.astype(np.float64))


def _solution(limits: Sequence[_Limits], depth: int) -> list[Exponents] | None:
    """Powers for all junctions, the outer ones 0, with small entries at most `depth` too small.

    In the middle between the largest and the least, which is a solution as they are.
    """
    largest = _largest(limits, depth)
    if largest is None:
        return None
    # The negatives of powers obey the same constraints, with rows and columns swapped.
    swapped = [_Limits(_turned(x.low), _turned(x.high)) for x in reversed(limits)]
    least = _largest(swapped, depth)
    if least is None:
        return None
    return [np.floor((p - q) / 2) for p, q in zip(largest, reversed(least), strict=True)]


def _turned(x: Exponents) -> Exponents:
    return x.transpose(0, 2, 1, 3)


def _largest(limits: Sequence[_Limits], depth: int) -> list[Exponents] | None:
    """The largest powers that obey all constraints, or None."""
    powers = [np.zeros(_rows(limits[0].low)), *(np.zeros(_columns(x.low)) for x in limits)]
    for p in powers[1:-1]:
        p.fill(_DEEPEST * len(limits))
    for _ in range(_ROUNDS):
        before = [p.copy() for p in powers]
        for k, x in enumerate(limits):
            a, b, c, d = x.low.shape
            bound = np.min(powers[k].reshape(a, b, 1, d) + x.high, axis=1)
            powers[k + 1] = np.minimum(powers[k + 1], bound.ravel())
        for k, x in reversed(list(enumerate(limits))):
            a, b, c, d = x.low.shape
            bound = np.min(powers[k + 1].reshape(a, 1, c, d) - (x.low - depth), axis=2)
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


def _scaled(values: Values, rows: Exponents, columns: Exponents) -> Values:
    a, b, c, d = values.shape
    return times_power(values, columns.reshape(a, 1, c, d) - rows.reshape(a, b, 1, d))


def times_power(values: Values, power: Any) -> Values:
    """Values times powers of two; exact, unless they leave the range of double precision."""
    power = np.asarray(power).astype(np.int64)
    if values.dtype.kind != "c":
        return np.asarray(np.ldexp(values, power))
    scaled = np.empty(np.broadcast_shapes(values.shape, power.shape), values.dtype)
    scaled.real = np.ldexp(values.real, power)
    scaled.imag = np.ldexp(values.imag, power)
    return scaled


def unit_exponent(values: Values) -> int:
    """Power of two by which values are to be divided, so that the largest is near 1."""
    return int(np.frexp(np.max(np.abs(values), initial=0.0))[1])


def _too_large(factors: Sequence[Values], limits: Sequence[_Limits], form: FloatFormat) -> str:
    worst = int(np.argmin([x.high.min() for x in limits]))
    size = float(np.max(np.abs(factors[worst])))
    return (
        f"factor {worst + 1} of {len(factors)} comes to have an entry of size {size:.3g}; no "
        f"powers of two between factors bring all entries below {form.largest:.5g}, the most of "
        f"{form}"
    )
