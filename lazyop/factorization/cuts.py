r"""The places where a chain for a matrix can be cut in two, and what each rank there leaves out.

A chain of shape `(m, n)` made from row sizes :math:`b_l` and column sizes :math:`c_l` is cut
between two factors by :math:`(B, C)`, the products of the sizes to the left. The blocks of the cut
have `B` rows, `m / B` apart, and `n / C` columns next to each other. They are the same in every
chain with this cut, and so is the energy that truncating them to rank `r` leaves out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lazyop.butterfly.blocks import Junction
from lazyop.butterfly.pattern import Pattern
from lazyop.factorization.low_rank import singular_energies
from lazyop.namespaces import Array, namespace_of, to_numpy

__all__ = ["Cut", "cut_places", "is_beyond_gram", "tails_at", "whole_cut"]

#: Gram matrices give tails to rounding relative to the matrix: enough for errors this many roots of
#: the rounding unit above zero.
_GRAM_REACH = 256

#: Matrices larger than this on both sides are not tried as a product of two of low rank, which
#: takes the singular values of the whole.
_LARGEST_WHOLE = 2048


@dataclass(frozen=True)
class Cut:
    """A cut `(B, C)`, and for each rank from 1 up the energy that it leaves out, or no less."""

    rows: int
    columns: int
    tails: npt.NDArray[Any]
    exact: bool = True

    def before(self, other: Cut) -> bool:
        """Whether a chain can have this cut and the other one right of it."""
        proper = (self.rows, self.columns) != (other.rows, other.columns)
        return proper and other.rows % self.rows == 0 and other.columns % self.columns == 0


def cut_places(m: int, n: int, *, whole: bool = False) -> list[tuple[int, int]]:
    """Cuts `(B, C)` worth a look, in an order from left to right.

    Those that keep `B` and `C` in proportion, that is `log B / log m` next to `log C / log n`, and
    `(m, 1)`, which makes two factors of the whole, if asked for and if that is not too large. The
    blocks of each have at least two rows and columns; others can be represented exactly with no
    fewer numbers than without the cut.
    """
    rows, columns = _divisors(m), _divisors(n)
    places = {(B, C) for B in rows for C in _nearest(columns, _level(B, m))}
    places |= {(B, C) for C in columns for B in _nearest(rows, _level(C, n))}
    if whole and min(m, n) <= _LARGEST_WHOLE:
        places.add((m, 1))
    return sorted(
        ((B, C) for B, C in places if min(B, n // C) > 1), key=lambda place: math.prod(place)
    )


def whole_cut(matrix: Array, accurate: bool, step: int) -> list[Cut]:
    """The cut `(m, 1)`, which makes two factors of the whole; none where that is no use.

    It takes the singular values of the whole matrix. Those of every other row, or column, are no
    larger and leave out less: they show for less work that the rank of the whole is too high.

    Parameters
    ----------
    matrix : array, shape (m, n)
    accurate : bool
        As in `tails_at`.
    step : int
        One row or column in so many counts, of the shorter side.
    """
    m, n = matrix.shape
    if not 1 < min(m, n) <= _LARGEST_WHOLE:
        return []
    sample = matrix[::step, :] if m <= n else matrix[:, ::step]
    tails = np.zeros(min(m, n))
    found = tails_at(sample, sample.shape[0], 1, accurate)
    tails[: found.size] = found
    return [Cut(m, 1, tails, exact=step == 1)]


def is_beyond_gram(tol: float, epsilon: float) -> bool:
    """Whether a tolerance takes more accurate tails than Gram matrices give, at that rounding."""
    return tol < _GRAM_REACH * math.sqrt(epsilon)


def tails_at(matrix: Array, B: int, C: int, accurate: bool) -> npt.NDArray[Any]:
    """Energies left out by ranks 1, 2, ... of the blocks of a cut, of a dense matrix.

    Parameters
    ----------
    matrix : array, shape (m, n)
    B, C : int
        Divisors of `m` and of `n`.
    accurate : bool
        Whether what is below the square root of rounding, relative to the matrix, matters.

    Returns
    -------
    ndarray, shape (min(B, n / C),)
        The last one, of full rank, is zero.
    """
    m, n = matrix.shape
    junction = Junction(Pattern(1, B, C, m // B), Pattern(C, m // B, n // C, 1))
    blocks = junction.split(namespace_of(matrix).reshape(matrix, (1, m, n, 1)))
    energies = to_numpy(singular_energies(blocks, accurate)).astype(np.float64)
    sums = np.cumsum(energies[::-1])[::-1]
    return np.append(sums[1:], 0.0)


def _divisors(n: int) -> list[int]:
    small = [d for d in range(1, math.isqrt(n) + 1) if n % d == 0]
    return sorted({*small, *(n // d for d in small)})


def _level(d: int, n: int) -> float:
    return math.log(d) / math.log(n) if n > 1 else 0.0


def _nearest(divisors: list[int], level: float) -> list[int]:
    """The divisor closest to a power of the largest, or both where two are."""
    distances = [abs(_level(d, divisors[-1]) - level) for d in divisors]
    least = min(distances) + 1e-9
    return [d for d, distance in zip(divisors, distances, strict=True) if distance <= least]
