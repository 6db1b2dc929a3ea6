"""One product of factors on its way: brought to size, quantized, and brought into range."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lazyop.butterfly.chain import Chain
from lazyop.quantization.chain import Sweeps, left_to_right, pairwise, rounded
from lazyop.quantization.disjoint import shares, transposed
from lazyop.quantization.errors import relative_error
from lazyop.quantization.formats import FloatFormat
from lazyop.quantization.matches import Reals, Values
from lazyop.quantization.ranges import in_range, times_power, unit_exponent

__all__ = ["Term"]


@dataclass(frozen=True)
class Term:
    """A product of factors to be quantized.

    Attributes
    ----------
    values : list of arrays
        Of the factors, in double precision, leftmost first.
    form : FloatFormat
    epsilon : float
        Unit of rounding of the given values: what is far below it counts as zero.
    """

    values: list[Values]
    form: FloatFormat
    epsilon: float

    @cached_property
    def exponents(self) -> list[int]:
        """Powers of two taken out of the factors, whose largest entries are then near 1."""
        return [unit_exponent(values) for values in self.values]

    @cached_property
    def unit(self) -> list[Values]:
        """Factors without these powers, in the direction in which they chain."""
        scaled = [times_power(v, -e) for v, e in zip(self.values, self.exponents, strict=True)]
        return scaled if self._chains else transposed(scaled)

    @property
    def _chains(self) -> bool:
        return Chain([values.shape for values in self.values]).chainable

    @cached_property
    def _weights(self) -> list[Reals]:
        """Relative error of the product, if all entries are off by as much as one, by that."""
        count = sum(values.size for values in self.unit)
        return [np.sqrt(count * w) for w in shares(self.unit)]

    @cached_property
    def clean(self) -> list[Values]:
        """Factors with zeros for what is rounding errors alone, and would need small exponents."""
        with np.errstate(divide="ignore"):
            floors = [4 * self.epsilon / w for w in self._weights]
        return [_without(values, f) for values, f in zip(self.unit, floors, strict=True)]

    # Methods ----------------------------------------------------------------------------------

    def rounded(self) -> list[Values]:
        """Every entry rounded, without any scaling but powers of two for the range."""
        if not self.form.is_bounded:
            return rounded(self.clean, self.form.significand_bits)
        return self._held(self.clean)

    def pairwise(self) -> list[Values]:
        """By disjoint pairs of factors."""
        return pairwise(self.clean, self.form.significand_bits)

    def left_to_right(self, mirror: bool | None) -> list[Values]:
        """From left to right, or from right to left, or the better of both."""
        bits = self.form.significand_bits
        directions: dict[bool, Callable[[], list[Values]]] = {
            False: lambda: left_to_right(self.clean, bits),
            True: lambda: transposed(left_to_right(transposed(self.clean), bits)),
        }
        if mirror is None:
            return min((make() for make in directions.values()), key=self.error)
        # What chains from right to left only is worked on as its transpose.
        return directions[mirror == self._chains]()

    def swept(self, quantized: list[Values], most: int | None) -> list[Values]:
        """Improved by sweeps of coordinate descent, until nothing changes."""
        sweeps = Sweeps(self.clean, quantized, self.form.significand_bits)
        disjoint = max(Chain([v.shape for v in self.clean]).ranks, default=1) == 1
        error, done = self.error(quantized), 0
        while (most is None or done < most) and sweeps.sweep():
            done += 1
            if disjoint:
                quantized = list(sweeps.quantized)
                continue
            after = self.error(sweeps.quantized)
            if not after < error:
                break
            quantized, error = list(sweeps.quantized), after
        return quantized

    # Results ----------------------------------------------------------------------------------

    def error(self, quantized: Sequence[Values]) -> float:
        """Relative error of quantized factors."""
        return relative_error([self.unit], [quantized])

    def held(self, quantized: list[Values]) -> list[Values]:
        """Quantized factors as numbers of the format."""
        return self._held(quantized) if self.form.is_bounded else quantized

    def _held(self, factors: list[Values]) -> list[Values]:
        exponents = self.exponents if self._chains else self.exponents[::-1]
        sized = [times_power(v, e) for v, e in zip(factors, exponents, strict=True)]
        weights = [times_power(w, -e) for w, e in zip(self._weights, exponents, strict=True)]
        inside = in_range(sized, self.form, weights)
        return [times_power(self.form.round(v), -e) for v, e in zip(inside, exponents, strict=True)]

    def restored(self, held: list[Values]) -> list[Values]:
        """Quantized factors with the powers of two, in the given order."""
        ordered = held if self._chains else transposed(held)
        return [times_power(v, e) for v, e in zip(ordered, self.exponents, strict=True)]


def _without(values: Values, floor: Reals) -> Values:
    if values.dtype.kind != "c":
        return np.where(np.abs(values) > floor, values, 0.0)
    clean = np.empty_like(values)
    clean.real, clean.imag = _without(values.real, floor), _without(values.imag, floor)
    return clean
