"""One product of factors on its way: brought to size, quantized, and brought into range."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from lazyop.butterfly.chain import Chain
from lazyop.quantization.balance import Balanced, balanced
from lazyop.quantization.chain import Sweeps, left_to_right, pairwise
from lazyop.quantization.disjoint import shares, transposed
from lazyop.quantization.errors import relative_error
from lazyop.quantization.formats import FloatFormat
from lazyop.quantization.matches import Reals, Values
from lazyop.quantization.ranges import Powers, in_range, times_power, within

__all__ = ["Held", "Term"]


class Held(NamedTuple):
    """Numbers of a format, as they compare with the exact ones.

    Attributes
    ----------
    unit : list of arrays
        Scaled as `Term.unit` is.
    powers : list of arrays or int
        Of two, which times these are numbers of the format.
    """

    unit: list[Values]
    powers: list[Powers]


@dataclass(frozen=True)
class Term:
    """A product of factors to be quantized.

    Attributes
    ----------
    values : list of arrays
        Of the factors, in double precision, leftmost first.
    form : FloatFormat
    dtype : dtype
        In which the result is held. What is far below its unit of rounding counts as zero.
    """

    values: list[Values]
    form: FloatFormat
    dtype: np.dtype[Any]

    @cached_property
    def _balanced(self) -> Balanced:
        return balanced(self.values if self._chains else transposed(self.values))

    @property
    def unit(self) -> list[Values]:
        """Factors with columns of ordinary size, in the direction in which they chain."""
        return self._balanced.factors

    @property
    def exponent(self) -> int:
        """Power of two that times the product of `unit` is the given product."""
        return self._balanced.exponent

    @cached_property
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
            floors = [4 * np.finfo(self.dtype).eps / w for w in self._weights]
        return [_without(values, f) for values, f in zip(self.unit, floors, strict=True)]

    # Methods ----------------------------------------------------------------------------------

    def rounded(self) -> Held:
        """Every entry rounded, without any scaling but powers of two for the range."""
        return self.held(self.clean)

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

    def held(self, factors: list[Values]) -> Held:
        """Factors as numbers of the format that the dtype holds."""
        form = within(self.form, self.dtype)
        powers = in_range(factors, self._balanced.powers, form, self._weights)
        # Scaled back, so that differences from the exact factors are small ones.
        unit = [
            times_power(form.round(times_power(v, p)), -p)
            for v, p in zip(factors, powers, strict=True)
        ]
        return Held(unit, powers)

    def restored(self, held: Held) -> list[Values]:
        """Numbers of the format, in the given order."""
        numbers = [times_power(v, p) for v, p in zip(held.unit, held.powers, strict=True)]
        return numbers if self._chains else transposed(numbers)


def _without(values: Values, floor: Reals) -> Values:
    if values.dtype.kind != "c":
        return np.where(np.abs(values) > floor, values, 0.0)
    clean = np.empty_like(values)
    clean.real, clean.imag = _without(values.real, floor), _without(values.imag, floor)
    return clean
