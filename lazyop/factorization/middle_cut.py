"""The middle cut of a matrix that is not dense, and the chains that have it.

Two factors across a cut, one of them orthonormal, tell the spectra at all other cuts that a chain
can have with it: they are those of the other factor's blocks. `lazyop.factorization.allocation`
then chooses among them as it does for dense matrices, on each side of the cut by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lazyop.butterfly.blocks import Junction
from lazyop.butterfly.chain import Chain
from lazyop.butterfly.pattern import Pattern
from lazyop.factorization.allocation import fewest_numbers
from lazyop.factorization.cuts import Cut, cut_places
from lazyop.factorization.hierarchical import continued_factors, split_order, weighted_left
from lazyop.factorization.low_rank import leading_subspaces, singular_energies
from lazyop.namespaces import Array, adjoint, namespace_of, to_numpy

__all__ = ["SHARES", "MiddleCut", "TwoFactors", "junction_at", "middle_place"]

#: What share of the numbers of a dense matrix two factors of rank one may hold, so as to be tried.
_LARGEST_SHARE = 0.25
#: What shares of a budget are tried for the middle cut.
SHARES = (1 / 16, 1 / 4, 1 / 2)


def middle_place(m: int, n: int) -> tuple[int, int]:
    """The cut whose two factors hold the fewest numbers per rank, but for the whole as one block.

    That is only taken where all others hold too many, as for prime sizes.
    """

    def share(place: tuple[int, int]) -> float:
        B, C = place
        return C / n + 1 / B

    places = [p for p in cut_places(m, n) if share(p) <= _LARGEST_SHARE]
    return min(places, key=share, default=(m, 1))


def junction_at(shape: tuple[int, int], place: tuple[int, int], rank: int) -> Junction:
    """The two patterns of a cut, with a rank."""
    (m, n), (B, C) = shape, place
    return Junction(Pattern(1, B, C * rank, m // B), Pattern(C, rank * m // B, n // C, 1))


@dataclass(frozen=True)
class TwoFactors:
    """Values of two factors across a cut, the left one orthonormal.

    Attributes
    ----------
    shape : tuple of int
    place : tuple of int
        The cut `(B, C)`.
    left, right : array
    """

    shape: tuple[int, int]
    place: tuple[int, int]
    left: Array
    right: Array

    @property
    def rank(self) -> int:
        """Columns of a block of the left factor."""
        return int(self.left.shape[2]) // self.place[1]

    @property
    def junction(self) -> Junction:
        """The two patterns."""
        return junction_at(self.shape, self.place, self.rank)

    @property
    def chain(self) -> Chain:
        """The two patterns, as a chain."""
        return Chain([self.junction.left, self.junction.right])

    def tails(self, accurate: bool) -> npt.NDArray[Any]:
        """Energies that ranks 1, 2, ... leave out of the product of the two."""
        return _tails(self.junction.split_right(self.right), accurate)

    def truncated(self, rank: int) -> TwoFactors:
        """The best two factors of a lower rank for the product of the two."""
        X, Y = self.junction.split_left(self.left), self.junction.split_right(self.right)
        wanted, xp = junction_at(self.shape, self.place, rank), namespace_of(X)
        basis = leading_subspaces(Y, rank).basis
        left = wanted.join_left(xp.matmul(X, basis))
        right = wanted.join_right_product(adjoint(basis), Y)
        return TwoFactors(self.shape, self.place, left, right)

    def cuts_before(self, accurate: bool) -> list[Cut]:
        """Cuts left of this one, and what ranks there leave out."""
        (m, _), (B, C) = self.shape, self.place
        weighted, cuts = weighted_left([self.left, self.right], self.chain), []
        for b, c in cut_places(B, C, whole=True):
            inner = Pattern(c, B // b * (m // B), C // c * self.rank, m // B)
            blocks = Junction(Pattern(1, b, c, m // b), inner).split(weighted)
            cuts.append(Cut(b, c, _tails(blocks, accurate)))
        return cuts

    def cuts_after(self, accurate: bool) -> list[Cut]:
        """Cuts right of this one, counted from it, and what ranks there leave out."""
        (m, n), (B, C) = self.shape, self.place
        cuts = []
        for b, c in cut_places(m // B, n // C, whole=True):
            inner = Pattern(C, self.rank * b, c, m // B // b)
            blocks = Junction(inner, Pattern(C * c, m // B // b, n // C // c, 1)).split(self.right)
            cuts.append(Cut(b, c, _tails(blocks, accurate)))
        return cuts


def _tails(blocks: Array, accurate: bool) -> npt.NDArray[Any]:
    energies = to_numpy(singular_energies(blocks, accurate)).astype(np.float64)
    sums = np.cumsum(energies[::-1])[::-1]
    return np.append(sums[1:], 0.0)


class MiddleCut:
    """Two factors that are close to a matrix, and the chains that go on from them.

    Parameters
    ----------
    two : TwoFactors
    left_out : float
        Energy of the matrix that is not in their product.
    accurate : bool
        Whether what is below the square root of rounding, relative to the matrix, matters.
    """

    def __init__(self, two: TwoFactors, left_out: float, accurate: bool) -> None:
        self.two = two
        self.tails = two.tails(accurate) + left_out
        self.before, self.after = two.cuts_before(accurate), two.cuts_after(accurate)

    def chain_within(self, budget: float) -> tuple[Chain, int] | None:
        """The fewest numbers found with a sum of tails within a budget, and where the middle is."""
        return min(self._chains(budget), key=lambda found: found[0].nnz, default=None)

    def factors(self, chain: Chain, split: int, order: str, orthonormalize: bool) -> list[Array]:
        """Factors of a chain whose middle is at a split."""
        two = self.two.truncated(chain.ranks[split - 1])
        given = [two.left, two.right]
        del two
        return continued_factors(
            given, split, chain, split_order(order, len(chain)), orthonormalize
        )

    def _chains(self, budget: float) -> Iterator[tuple[Chain, int]]:
        for share in SHARES:
            fitting = np.flatnonzero(self.tails <= share * budget)
            if fitting.size:
                rank = int(fitting[0]) + 1
                yield self._joined(rank, (budget - float(self.tails[rank - 1])) / 2)

    def _joined(self, rank: int, budget: float) -> tuple[Chain, int]:
        """The chain with a rank at the middle, and the fewest numbers on either side of it."""
        left = min(self._left_sides(rank, budget), key=_numbers)
        right = min(self._right_sides(rank, budget), key=_numbers)
        return Chain([*left, *right]), len(left)

    # A cut with the same rows or columns as the middle has to have a higher rank. The allocation
    # doesn't know, so it is also tried without, and neighbours that turn out redundant are merged.

    def _left_sides(self, rank: int, budget: float) -> Iterator[list[Pattern]]:
        (m, _), (B, C) = self.two.shape, self.two.place
        for cuts in (self.before, [cut for cut in self.before if cut.rows < B]):
            chain = _fewest((B, C * rank), cuts, budget)
            side = [Pattern(a, b, c, d * (m // B)) for a, b, c, d in chain]
            while side[-1].b <= rank and len(side) > 1:
                side[-2:] = [side[-2] @ side[-1]]
            yield side

    def _right_sides(self, rank: int, budget: float) -> Iterator[list[Pattern]]:
        (m, n), (B, C) = self.two.shape, self.two.place
        scaled = [Cut(rank * cut.rows, cut.columns, cut.tails) for cut in self.after]
        for cuts in (scaled, [cut for cut in scaled if cut.columns > 1]):
            chain = _fewest((rank * m // B, n // C), cuts, budget)
            side = [Pattern(a * C, b, c, d) for a, b, c, d in chain]
            while side[0].c <= rank and len(side) > 1:
                side[:2] = [side[0] @ side[1]]
            yield side


def _numbers(side: list[Pattern]) -> int:
    return sum(pattern.nnz for pattern in side)


def _fewest(shape: tuple[int, int], cuts: list[Cut], budget: float) -> Chain:
    unit = budget if budget > 0 else 1.0
    relative = [Cut(cut.rows, cut.columns, cut.tails / unit) for cut in cuts]
    return fewest_numbers(shape, relative, budget / unit).chain
