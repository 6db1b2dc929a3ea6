"""Factors of few bits: columns are scaled before they are rounded, from junction to junction.

Between two factors stands any diagonal matrix and its inverse: the product is the same, what
rounding does to it is not. Chains of rank one are dealt with exactly, one junction at a time; in
others, columns count as disjoint, which they are not. Exponents are unbounded here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lazyop.quantization.disjoint import (
    Columns,
    all_columns,
    columns_of,
    from_columns,
    from_rows,
    transposed,
)
from lazyop.quantization.matches import Reals, Side, Values, are_smaller, errors_of, matched
from lazyop.quantization.pairs import quantized_pairs, quantized_vectors
from lazyop.quantization.scalings import round_to

__all__ = ["Sweeps", "left_to_right", "pairwise", "rounded"]


def rounded(factors: Sequence[Values], bits: int) -> list[Values]:
    """Every entry rounded."""
    return [round_to(values, bits) for values in factors]


def pairwise(factors: Sequence[Values], bits: int) -> list[Values]:
    """First and second factor quantized together, third and fourth, and so on."""
    quantized: list[Values] = []
    for left, right in zip(factors[::2], factors[1::2], strict=False):
        x, y = _unit(left).side(left), _unit(_turned(right)).side(_turned(right))
        x_hat, y_hat = quantized_pairs(x, y, bits)
        quantized += [from_columns(x_hat, left), from_rows(y_hat, right)]
    return quantized + rounded(factors[len(quantized) :], bits)


def left_to_right(factors: Sequence[Values], bits: int) -> list[Values]:
    """One factor after the other, its columns as parallel as can be; the last two together.

    What is left of a column's scale and direction goes to the row of the next factor.
    """
    if len(factors) < 2:
        return rounded(factors, bits)
    columns, quantized = _unit(factors[0]), []
    for values in factors[:-2]:
        found = quantized_vectors(columns.side(values), bits)
        quantized.append(from_columns(found, values))
        columns = columns.times(values, quantized[-1])
    left, right = factors[-2:]
    x, y = columns.side(left), _unit(_turned(right)).side(_turned(right))
    x_hat, y_hat = quantized_pairs(x, y, bits)
    return [*quantized, from_columns(x_hat, left), from_rows(y_hat, right)]


class Sweeps:
    """Coordinate descent: junction after junction, the best two factors for the others as they are.

    Sweeps go back and forth. A pair of a column and a row whose surroundings are as they were when
    it was last chosen is passed over, and one that does not get better stays.

    Parameters
    ----------
    factors, quantized : sequences of arrays
        Exact factors, and quantized ones to begin with.
    bits : int
    """

    def __init__(self, factors: Sequence[Values], quantized: Sequence[Values], bits: int) -> None:
        self.quantized = list(quantized)
        self._factors, self._bits = list(factors), bits
        self._lefts = all_columns(factors, quantized)
        self._rights = all_columns(transposed(factors), transposed(quantized))[::-1]
        self._seen: dict[int, tuple[Side, Side]] = {}
        self._forth = False

    def sweep(self) -> int:
        """Go once over all junctions, and return how many pairs have changed."""
        junctions = range(len(self._factors) - 1)
        changed = 0
        for k in junctions if self._forth else reversed(junctions):
            changed += self._improve(k)
            if self._forth:
                self._lefts[k + 1] = self._lefts[k].times(self._factors[k], self.quantized[k])
            else:
                following = _turned(self._factors[k + 1]), _turned(self.quantized[k + 1])
                self._rights[k + 1] = self._rights[k + 2].times(*following)
        self._forth = not self._forth
        return changed

    def _improve(self, k: int) -> int:
        left, right = self._factors[k], _turned(self._factors[k + 1])
        x, y = self._lefts[k].side(left), self._rights[k + 2].side(right)
        open_pairs = self._unseen(k, x, y)
        x, y = x[open_pairs], y[open_pairs]
        x_all = columns_of(self.quantized[k]).copy()
        y_all = columns_of(_turned(self.quantized[k + 1])).copy()
        x_hat, y_hat = quantized_pairs(x, y, self._bits)
        before = _errors(x, y, x_all[open_pairs], y_all[open_pairs])
        better = are_smaller(_errors(x, y, x_hat, y_hat), before)
        changed = open_pairs[better]
        x_all[changed], y_all[changed] = x_hat[better], y_hat[better]
        self.quantized[k] = from_columns(x_all, self._factors[k])
        self.quantized[k + 1] = from_rows(y_all, self._factors[k + 1])
        return int(changed.size)

    def _unseen(self, k: int, x: Side, y: Side) -> Values:
        """Indices of the pairs that have not been chosen for just these surroundings."""
        before, self._seen[k] = self._seen.get(k), (x, y)
        if before is None:
            return np.arange(x.count)
        same = np.ones(x.count, dtype=bool)
        for old, new in zip(before, (x, y), strict=True):
            same &= (old.vectors == new.vectors).all(axis=1)
            same &= (old.weights == new.weights).all(axis=1)
        return np.flatnonzero(~same)


def _unit(values: Values) -> Columns:
    a, b, _, d = values.shape
    return Columns.unit(a * b * d, values.dtype)


def _turned(values: Values) -> Values:
    return values.transpose(0, 2, 1, 3)


def _errors(x: Side, y: Side, x_hat: Values, y_hat: Values) -> Reals:
    return errors_of(matched(x, x_hat), matched(y, y_hat))
