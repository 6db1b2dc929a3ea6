r"""Factorization within a tolerance of a matrix that is not dense: the choice of chain and ranks.

The middle cut is made first, with ranks growing until enough is left of the tolerance. The spectra
at the cuts on either side of it are those of the two factors' blocks, if the other factor is
orthonormal, so that `lazyop.factorization.allocation` can choose among them as it does for dense
matrices, for each side on its own.
"""

from __future__ import annotations

import math
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
from lazyop.factorization.estimate import PROBES, Probes
from lazyop.factorization.given_chain import Factorization
from lazyop.factorization.hierarchical import continued_factors, split_order, weighted_left
from lazyop.factorization.low_rank import leading_subspaces, singular_energies
from lazyop.factorization.matrix_free import Source
from lazyop.factorization.middle_split import two_factors
from lazyop.factorization.residual import energy, norm
from lazyop.factorization.sketched import (
    factorization_of,
    factorize_source,
    images_of,
    measured,
    probed,
)
from lazyop.namespaces import Array, conj, namespace_of, to_numpy

__all__ = ["source_within_tolerance"]

#: The first rank at the middle cut, and by what it grows.
_FIRST_RANK, _GROWTH = 8, 2
#: What share of the numbers of a dense matrix two factors of rank one may hold, so as to be tried.
_LARGEST_SHARE = 0.25
#: What share of the squared tolerance the middle cut may take, and which shares are tried.
_MIDDLE_SHARE, _SHARES = 0.5, (1 / 16, 1 / 4, 1 / 2)
#: As in `lazyop.factorization.search`: below this many roots of the rounding unit, Gram matrices do
#: not tell the spectra.
_GRAM_REACH = 256
#: Larger budgets that are tried once one is good, smaller ones as long as none is, and the largest.
_LARGER, _SMALLER, _LARGEST = 5, 4, 64.0


def source_within_tolerance(
    source: Source,
    tol: float,
    order: str,
    orthonormalize: bool = True,
    permutation: Any = None,
    progress: bool = False,
) -> Factorization:
    """The fewest numbers found whose relative error is at most `tol`, and that with confidence.

    One set of random vectors guides the search: the end of its interval has to be within the
    tolerance. Another set gives the estimate that is reported.

    Parameters
    ----------
    source : Source
    tol : float
    order : str
        Name of an order of splits.
    orthonormalize : bool
    permutation : None, "bit-reversal", Permutation or pair
    progress : bool

    Raises
    ------
    ValueError
        If no factors that are small enough to be held come as close.
    """
    m, n = source.shape
    if min(m, n) == 1:  # no factors hold less than the matrix itself
        chain = Chain([(1, m, n, 1)])
        return factorize_source(source, chain, (), orthonormalize, permutation, progress)
    inner, rows, columns = source.without(permutation)
    inner, probes = probed(inner, 2 * PROBES)
    middle = _middle(inner, probes, tol, progress)
    found = _Search(inner, _half(inner, probes, 0), middle, tol, order, orthonormalize).run()
    reported = _half(inner, probes, 1)
    for chain, factors in sorted(found, key=lambda pair: pair[0].nnz):
        estimate = measured(inner, chain, factors, reported)
        if estimate.relative_error <= tol:
            choice = f"chosen for tol={tol:g}"
            return factorization_of(inner, chain, factors, estimate, (rows, columns), choice)
    raise ValueError(_out_of_reach(inner, tol))


def _half(source: Source, probes: Probes, which: int) -> Probes:
    part = slice(which * PROBES, (which + 1) * PROBES)
    return Probes(probes.vectors[:, part], images_of(source, probes)[:, part], probes.size)


def _out_of_reach(source: Source, tol: float) -> str:
    m, n = source.shape
    return (
        f"no factors of a {m} x {n} matrix were found within tol={tol:g} that hold much less than "
        "a dense matrix; give a larger tolerance or a chain, or make A dense if there is room"
    )


@dataclass(frozen=True)
class _Middle:
    """Two factors across the middle cut, the left one orthonormal, and the spectra at all cuts.

    Attributes
    ----------
    place : tuple of int
        The cut `(B, C)`.
    left, right : array
        Values of the factors.
    tails : ndarray
        Energies that ranks 1, 2, ... leave out at the middle.
    before, after : list of Cut
        Cuts on either side.
    size : float
        Norm of the matrix.
    """

    place: tuple[int, int]
    left: Array
    right: Array
    tails: npt.NDArray[Any]
    before: list[Cut]
    after: list[Cut]
    size: float


def _middle(source: Source, probes: Probes, tol: float, progress: bool) -> _Middle:
    """Two factors that leave enough of the tolerance, and what is known from them."""
    place = _middle_place(*source.shape)
    accurate = tol < _GRAM_REACH * math.sqrt(np.finfo(source.dtype).eps)
    two, tails, error = _close_factors(source, place, probes, tol, accurate, progress)
    rank = tails.size
    after = _cuts_after(two[1], source.shape, place, rank, accurate)
    weighted = weighted_left(two, _pair(_junction(source, place, rank)))
    before = _cuts_before(weighted, source.shape, place, rank, accurate)
    return _Middle(place, two[0], two[1], tails + error**2, before, after, _size(source, probes))


def _close_factors(
    source: Source,
    place: tuple[int, int],
    probes: Probes,
    tol: float,
    accurate: bool,
    progress: bool,
) -> tuple[list[Array], npt.NDArray[Any], float]:
    """Factors of the first rank tried that leaves enough of the tolerance.

    With them, the energies that lower ranks leave out of them, and their error.
    """
    largest = max(1, (min(place[0], source.shape[1] // place[1]) - 1) // 2)
    rank = min(_FIRST_RANK, largest)
    while True:
        given = _junction(source, place, rank)
        unseen = probes if probes.images is None else None
        two = list(two_factors(source, given, unseen, progress))
        tails, size = _tails(given.split_right(two[1]), accurate), _size(source, probes)
        # Higher ranks than this are not chosen, whatever the budget.
        kept = 1 + int(np.argmax(tails <= min(_SHARES) * 4.0**-_SMALLER * (tol * size) ** 2))
        wanted = _junction(source, place, kept)
        two = _truncated(two, given, wanted)
        estimate = measured(
            source, _pair(wanted), two, _half(source, probes, 0), norm_of_factors=norm(two[1])
        )
        enough = estimate.interval[1] ** 2 <= _MIDDLE_SHARE * tol**2
        if enough or (rank == largest and estimate.interval[1] <= tol):
            return two, tails[:kept], estimate.relative_error * size
        if rank == largest:
            raise ValueError(_out_of_reach(source, tol))
        rank = min(_GROWTH * rank, largest)


def _pair(junction: Junction) -> Chain:
    return Chain([junction.left, junction.right])


def _truncated(two: list[Array], given: Junction, wanted: Junction) -> list[Array]:
    """The best two factors of a lower rank for the product of two, the left ones orthonormal."""
    X, Y = given.split_left(two[0]), given.split_right(two[1])
    xp = namespace_of(X)
    basis = leading_subspaces(Y, wanted.rank).basis
    return [
        wanted.join_left(xp.matmul(X, basis)),
        wanted.join_right_product(conj(xp.matrix_transpose(basis)), Y),
    ]


def _size(source: Source, probes: Probes) -> float:
    """Norm of the matrix, or its estimate."""
    images = images_of(source, probes)
    return math.sqrt(energy(images) / images.shape[1]) if probes.size is None else probes.size


def _middle_place(m: int, n: int) -> tuple[int, int]:
    """The cut whose two factors hold the fewest numbers per rank, but for the whole as one block.

    That is only taken where there is no other, as for prime sizes.
    """
    places = [(B, C) for B, C in cut_places(m, n) if (m, 1) != (B, C)]
    return min(places, key=lambda place: place[1] / n + 1 / place[0], default=(m, 1))


def _junction(source: Source, place: tuple[int, int], rank: int) -> Junction:
    (m, n), (B, C) = source.shape, place
    return Junction(Pattern(1, B, C * rank, m // B), Pattern(C, rank * m // B, n // C, 1))


def _cuts_before(
    left: Array, shape: tuple[int, int], place: tuple[int, int], rank: int, accurate: bool
) -> list[Cut]:
    """Cuts of the left factor, and what ranks there leave out if the right one is orthonormal."""
    (m, _), (B, C) = shape, place
    cuts = []
    for b, c in cut_places(B, C):
        junction = Junction(
            Pattern(1, b, c, m // b), Pattern(c, B // b * (m // B), C // c * rank, m // B)
        )
        cuts.append(Cut(b, c, _tails(junction.split(left), accurate)))
    return cuts


def _cuts_after(
    right: Array, shape: tuple[int, int], place: tuple[int, int], rank: int, accurate: bool
) -> list[Cut]:
    """Cuts of the right factor, and what ranks there leave out if the left one is orthonormal."""
    (m, n), (B, C) = shape, place
    cuts = []
    for b, c in cut_places(m // B, n // C):
        junction = Junction(
            Pattern(C, rank * b, c, m // B // b), Pattern(C * c, m // B // b, n // C // c, 1)
        )
        cuts.append(Cut(b, c, _tails(junction.split(right), accurate)))
    return cuts


def _tails(blocks: Array, accurate: bool) -> npt.NDArray[Any]:
    energies = to_numpy(singular_energies(blocks, accurate)).astype(np.float64)
    sums = np.cumsum(energies[::-1])[::-1]
    return np.append(sums[1:], 0.0)


class _Search:
    """Chains for ever larger budgets, as long as the tolerance is met, or for smaller ones."""

    def __init__(
        self,
        source: Source,
        probes: Probes,
        middle: _Middle,
        tol: float,
        order: str,
        orthonormalize: bool,
    ) -> None:
        self.source, self.probes, self.middle, self.tol = source, probes, middle, tol
        self.order, self.orthonormalize = order, orthonormalize
        # The two factors themselves are close enough already.
        pair = _pair(_junction(source, middle.place, middle.tails.size))
        self.good: dict[Chain, list[Array]] = {pair: [middle.left, middle.right]}
        self.bad: set[Chain] = set()

    def run(self) -> list[tuple[Chain, list[Array]]]:
        """All chains that met the tolerance, with their factors."""
        if self._meets_with(1.0):
            good, bad = 1.0, _LARGEST
            for _ in range(_LARGER):
                middle = math.sqrt(good * bad)
                good, bad = (middle, bad) if self._meets_with(middle) else (good, middle)
        else:
            any(self._meets_with(4.0**-k) for k in range(1, _SMALLER + 1))
        return list(self.good.items())

    def _meets_with(self, share: float) -> bool:
        budget = share * (self.tol * self.middle.size) ** 2
        found = min(self._chains(budget), key=lambda pair: pair[0].nnz, default=None)
        if found is None or found[0] in self.bad:
            return False
        chain, split = found
        if chain not in self.good:
            factors = self._factors(chain, split)
            estimate = measured(self.source, chain, factors, self.probes)
            if estimate.interval[1] > self.tol:
                self.bad.add(chain)
                return False
            self.good[chain] = factors
        return True

    def _chains(self, budget: float) -> Iterator[tuple[Chain, int]]:
        """Chains with a sum of tails within a budget, and where their middle is."""
        for share in _SHARES:
            fitting = np.flatnonzero(self.middle.tails <= share * budget)
            if fitting.size:
                rank = int(fitting[0]) + 1
                rest = (budget - float(self.middle.tails[rank - 1])) / 2
                yield self._joined(rank, rest)

    def _joined(self, rank: int, budget: float) -> tuple[Chain, int]:
        """The chain with a rank at the middle, and the fewest numbers on either side of it."""
        (m, n), (B, C) = self.source.shape, self.middle.place
        before = fewest_numbers((B, C * rank), self.middle.before, budget).chain
        scaled = [Cut(rank * cut.rows, cut.columns, cut.tails) for cut in self.middle.after]
        after = fewest_numbers((rank * m // B, n // C), scaled, budget).chain
        left = [Pattern(a, b, c, d * (m // B)) for a, b, c, d in before]
        right = [Pattern(a * C, b, c, d) for a, b, c, d in after]
        # A rank that a neighbour of the middle cannot have would make the middle redundant.
        while left[-1].b <= rank and len(left) > 1:
            left[-2:] = [left[-2] @ left[-1]]
        while right[0].c <= rank and len(right) > 1:
            right[:2] = [right[0] @ right[1]]
        return Chain([*left, *right]), len(left)

    def _factors(self, chain: Chain, split: int) -> list[Array]:
        rank = chain.ranks[split - 1]
        B, C = self.middle.place
        given = _junction(self.source, (B, C), self.middle.tails.size)
        wanted = _junction(self.source, (B, C), rank)
        two = _truncated([self.middle.left, self.middle.right], given, wanted)
        order = split_order(self.order, len(chain))
        return continued_factors(two, split, chain, order, self.orthonormalize)
