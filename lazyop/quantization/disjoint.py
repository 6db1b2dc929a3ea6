r"""Chains of rank one, seen from one junction: a sum of rank-one matrices of disjoint support.

At a junction of a chain whose ranks are one, index `i` stands for a column `u` of the product of
all factors before it, and a row `v` of that of all factors after it. The product of the whole chain
is the sum of the :math:`u v^T`, no two of which have an entry in common. Each column is itself a
sum, over the entries of the last factor's column, of disjoint columns of the junction before. So
sizes, overlaps and residuals go from junction to junction by sums over a factor's entries.

Values of factors have shape `(a, b, c, d)`; what belongs to the indices of a junction, or to the
outer rows or columns of the chain, is flat.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lazyop.quantization.matches import Reals, Side, Values, quotient, square

__all__ = [
    "Columns",
    "all_columns",
    "columns_of",
    "from_columns",
    "from_rows",
    "shares",
    "transposed",
]


@dataclass(frozen=True)
class Columns:
    r"""Columns `u` of the product of some first factors, and the quantized :math:`\hat u`.

    With :math:`\hat u = \mu u + \delta`, where :math:`\delta` is orthogonal to `u`, `size` is
    :math:`\|u\|^2`, `overlap` is :math:`\mu` and `residual` is :math:`\|\delta\|^2`.
    """

    size: Reals
    overlap: Values
    residual: Reals

    @classmethod
    def unit(cls, count: int, dtype: np.dtype[np.generic]) -> Columns:
        """Columns of the identity, before the first factor."""
        return cls(np.ones(count), np.ones(count, dtype), np.zeros(count))

    def times(self, values: Values, quantized: Values) -> Columns:
        """Columns of the product with one more factor."""
        a, b, _, d = values.shape
        before = [x.reshape(a, b, 1, d) for x in (self.size, self.overlap, self.residual)]
        energy, mu, rest = before
        size = np.sum(square(values) * energy, axis=1)
        moved = quantized * mu
        overlap = quotient(np.sum(np.conj(values) * moved * energy, axis=1), size)
        off = square(moved - overlap[:, None] * values) * energy
        residual = np.sum(off + square(quantized) * rest, axis=1)
        return Columns(size.ravel(), overlap.ravel(), residual.ravel())

    def side(self, values: Values) -> Side:
        r"""Columns of the next factor as vectors to quantize, for the least error of the product.

        The best multiple of :math:`\hat u` for a multiple of `u` takes its place.
        """
        a, b, _, d = values.shape
        weights = square(self.overlap) * self.size + self.residual
        scale = quotient(np.conj(self.overlap) * self.size, weights).reshape(a, b, 1, d)
        spread = np.broadcast_to(weights.reshape(a, b, 1, d), values.shape)
        return Side(columns_of(values * scale), columns_of(spread))


def columns_of(values: Values) -> Values:
    """Entries of a factor, a row for each index of the junction after it."""
    return np.ascontiguousarray(values.transpose(0, 2, 3, 1).reshape(-1, values.shape[1]))


def from_columns(vectors: Values, like: Values) -> Values:
    """Values of a factor from its columns, laid out as `like`."""
    a, b, c, d = like.shape
    return np.ascontiguousarray(vectors.reshape(a, c, d, b).transpose(0, 3, 1, 2))


def from_rows(vectors: Values, like: Values) -> Values:
    """Values of a factor from its rows, laid out as `like`."""
    a, b, c, d = like.shape
    return np.ascontiguousarray(vectors.reshape(a, b, d, c).transpose(0, 1, 3, 2))


def transposed(factors: Sequence[Values]) -> list[Values]:
    """Factors of the transpose of a product."""
    return [np.ascontiguousarray(values.transpose(0, 2, 1, 3)) for values in reversed(factors)]


def all_columns(factors: Sequence[Values], quantized: Iterable[Values]) -> list[Columns]:
    """Columns before the first factor, after it, and so on to the last."""
    a, b, _, d = factors[0].shape
    columns = [Columns.unit(a * b * d, np.result_type(*factors))]
    for values, rounded in zip(factors, quantized, strict=True):
        columns.append(columns[-1].times(values, rounded))
    return columns


def shares(factors: Sequence[Values]) -> list[Reals]:
    """Weights of a factor's entries: times its squared size, an entry's share of the whole.

    Parameters
    ----------
    factors : sequence of arrays

    Returns
    -------
    list of arrays, shapes (a, b, c, d)
        Zero where nothing comes of an entry.
    """
    lefts = all_columns(factors, factors)
    rights = all_columns(transposed(factors), transposed(factors))[::-1]
    total = float(np.sum(lefts[-1].size)) or 1.0
    weights = []
    for values, left, right in zip(factors, lefts, rights[1:], strict=False):
        a, b, c, d = values.shape
        weights.append(left.size.reshape(a, b, 1, d) * right.size.reshape(a, 1, c, d) / total)
    return weights
