"""Factorization without a given chain, of a matrix that is not dense.

Candidates come from `lazyop.factorization.middle_cut`; here they are factorized and measured. One
set of random vectors guides the search, and another one gives the estimate that is reported. With
a tolerance, the intervals of both end within it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lazyop.butterfly.chain import Chain
from lazyop.factorization.cuts import is_beyond_gram
from lazyop.factorization.estimate import PROBES, ErrorEstimate, Probes
from lazyop.factorization.given_chain import Factorization
from lazyop.factorization.matrix_free import Source
from lazyop.factorization.middle_cut import (
    SHARES,
    MiddleCut,
    TwoFactors,
    junction_at,
    middle_place,
)
from lazyop.factorization.middle_split import two_factors
from lazyop.factorization.residual import energy, norm
from lazyop.factorization.sketched import (
    factorization_of,
    factorize_source,
    images_of,
    measured,
    probed,
)
from lazyop.namespaces import Array

__all__ = ["source_within_parameters", "source_within_tolerance"]

#: The first rank at the middle cut, and by what it grows.
_FIRST_RANK, _GROWTH = 8, 2
#: What share of the squared tolerance the middle cut may take.
_MIDDLE_SHARE = 0.5
#: Larger budgets that are tried once one is good, smaller ones as long as none is, and the largest.
_LARGER, _SMALLER, _LARGEST = 5, 4, 64.0
#: How often the budget is halved, in powers of ten, in search of a number of parameters.
_BISECTIONS = 10


def source_within_tolerance(
    source: Source,
    tol: float,
    order: str,
    orthonormalize: bool = True,
    permutation: Any = None,
    progress: bool = False,
) -> Factorization:
    """The fewest numbers found whose relative error is at most `tol`, and that with confidence.

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
    if min(source.shape) == 1:
        return _as_it_is(source, permutation, progress)
    inner, rows, columns = source.without(permutation)
    inner, probes = probed(inner, 2 * PROBES)
    search = _Search(inner, probes, tol, order, orthonormalize)
    search.begin(progress)
    found = search.run()
    others = _half(inner, probes, 1)
    if measured(inner, *_by_size(found)[0], others).interval[1] > tol:
        found = search.closer()
    for chain, factors in _by_size(found):
        estimate = measured(inner, chain, factors, others)
        if estimate.interval[1] <= tol:
            choice = f"chosen for tol={tol:g}"
            return factorization_of(inner, chain, factors, estimate, (rows, columns), choice)
    raise search.out_of_reach()


def _by_size(found: list[tuple[Chain, list[Array]]]) -> list[tuple[Chain, list[Array]]]:
    return sorted(found, key=lambda pair: pair[0].nnz)


def source_within_parameters(
    source: Source,
    limit: int,
    order: str,
    orthonormalize: bool = True,
    permutation: Any = None,
    progress: bool = False,
) -> Factorization:
    """The smallest error found with no more than `limit` numbers.

    Parameters
    ----------
    source : Source
    limit : int
    order : str
        Name of an order of splits.
    orthonormalize : bool
    permutation : None, "bit-reversal", Permutation or pair
    progress : bool

    Raises
    ------
    ValueError
        If every chain that is tried holds more.
    """
    m, n = source.shape
    if min(m, n) == 1 and m * n <= limit:
        return _as_it_is(source, permutation, progress)
    inner, rows, columns = source.without(permutation)
    inner, probes = probed(inner, 2 * PROBES)
    rank, largest = _ranks(inner)
    while True:
        two, estimate = _at_middle(inner, rank, None, probes, progress)
        size = _size(inner, probes)
        middle = MiddleCut(two, (estimate.relative_error * size) ** 2, accurate=True)
        chain, split = _closest(middle, size**2, limit)
        if chain.ranks[split - 1] < rank or rank == largest:
            break
        rank = min(_GROWTH * rank, largest)
    factors = middle.factors(chain, split, order, orthonormalize)
    estimate = measured(inner, chain, factors, _half(inner, probes, 1))
    choice = f"chosen for at most {limit} parameters"
    return factorization_of(inner, chain, factors, estimate, (rows, columns), choice)


def _closest(middle: MiddleCut, whole: float, limit: int) -> tuple[Chain, int]:
    """The chain of the smallest budget, up to a bisection, that holds no more than a limit."""
    # With the whole energy for each of up to some hundred cuts, rank one is enough everywhere.
    low, high = 2 * math.log10(np.finfo(float).eps), 4.0
    best = middle.chain_within(whole * 10**high)
    if best is None or best[0].nnz > limit:
        m, n = middle.two.shape
        held = middle.two.chain.nnz if best is None else best[0].nnz
        raise ValueError(
            f"no chain for a {m} x {n} matrix holds {limit} parameters or fewer; the smallest that "
            f"is tried holds {held}"
        )
    for _ in range(_BISECTIONS):
        between = (low + high) / 2
        found = middle.chain_within(whole * 10**between)
        if found is None or found[0].nnz > limit:
            low = between
        else:
            best, high = found, between
    return best


def _as_it_is(source: Source, permutation: Any, progress: bool) -> Factorization:
    """A row or a column: no factors hold less than the matrix itself."""
    chain = Chain([(1, *source.shape, 1)])
    return factorize_source(source, chain, (), permutation=permutation, progress=progress)


def _half(source: Source, probes: Probes, which: int) -> Probes:
    part = slice(which * PROBES, (which + 1) * PROBES)
    return Probes(probes.vectors[:, part], images_of(source, probes)[:, part], probes.size)


def _size(source: Source, probes: Probes) -> float:
    """Norm of the matrix, or its estimate."""
    images = images_of(source, probes)
    return math.sqrt(energy(images) / images.shape[1]) if probes.size is None else probes.size


def _ranks(source: Source) -> tuple[int, int]:
    """The first rank that is tried at the middle, and the largest."""
    (m, n) = source.shape
    B, C = middle_place(m, n)
    largest = max(1, (min(B, n // C) - 1) // 2)
    return min(_FIRST_RANK, largest), largest


def _at_middle(
    source: Source, rank: int, negligible: float | None, probes: Probes, progress: bool
) -> tuple[TwoFactors, ErrorEstimate]:
    """Two factors at the middle cut, and their error.

    Ranks that leave out no more than what is negligible, relative to the energy of the matrix, are
    taken off.
    """
    place = middle_place(*source.shape)
    unseen = probes if probes.images is None else None
    junction = junction_at(source.shape, place, rank)
    two = TwoFactors(source.shape, place, *two_factors(source, junction, unseen, progress))
    if negligible is not None:
        tails, whole = two.tails(accurate=True), _size(source, probes) ** 2
        two = two.truncated(1 + int(np.argmax(tails <= negligible * whole)))
    guide, size = _half(source, probes, 0), norm(two.right)
    return two, measured(source, two.chain, [two.left, two.right], guide, norm_of_factors=size)


class _Search:
    """Chains for ever larger budgets, as long as the tolerance is met, or for smaller ones."""

    def __init__(
        self, source: Source, probes: Probes, tol: float, order: str, orthonormalize: bool
    ) -> None:
        self.source, self.probes, self.tol = source, probes, tol
        self.order, self.orthonormalize = order, orthonormalize
        self.good: dict[Chain, list[Array]] = {}
        self.bad: set[Chain] = set()

    def begin(self, progress: bool) -> None:
        """Factors at the middle of the first rank tried that leaves enough of the tolerance."""
        rank, largest = _ranks(self.source)
        # Higher ranks than this leaves are not chosen, whatever the budget.
        negligible = min(SHARES) * 4.0**-_SMALLER * self.tol**2
        while True:
            two, estimate = _at_middle(self.source, rank, negligible, self.probes, progress)
            enough = estimate.interval[1] ** 2 <= _MIDDLE_SHARE * self.tol**2
            if enough or (rank == largest and estimate.interval[1] <= self.tol):
                break
            if rank == largest:
                raise self.out_of_reach()
            rank = min(_GROWTH * rank, largest)
        self.size = _size(self.source, self.probes)
        accurate = is_beyond_gram(self.tol, float(np.finfo(self.source.dtype).eps))
        self.middle = MiddleCut(two, (estimate.relative_error * self.size) ** 2, accurate)
        self.good[two.chain] = [two.left, two.right]

    def run(self) -> list[tuple[Chain, list[Array]]]:
        """All chains that met the tolerance, with their factors."""
        if self._meets_with(1.0):
            good, bad = 1.0, _LARGEST
            for _ in range(_LARGER):
                middle = math.sqrt(good * bad)
                good, bad = (middle, bad) if self._meets_with(middle) else (good, middle)
            self.share = good
        else:
            smaller = (4.0**-k for k in range(1, _SMALLER + 1))
            self.share = next(filter(self._meets_with, smaller), 1.0)
        return list(self.good.items())

    def closer(self) -> list[tuple[Chain, list[Array]]]:
        """Chains for budgets somewhat below the largest good one as well.

        That one meets the tolerance by a hair, and perhaps not with other random vectors.
        """
        for k in range(1, _SMALLER + 1):
            self._meets_with(self.share * 2.0**-k)
        return list(self.good.items())

    def out_of_reach(self) -> ValueError:
        """What to say where no factors are close enough."""
        m, n = self.source.shape
        return ValueError(
            f"no factors of a {m} x {n} matrix were found within tol={self.tol:g} that hold much "
            "less than a dense matrix; give a larger tolerance or a chain, or make A dense if "
            "there is room"
        )

    def _meets_with(self, share: float) -> bool:
        found = self.middle.chain_within(share * (self.tol * self.size) ** 2)
        if found is None or found[0] in self.bad:
            return False
        chain, split = found
        if chain not in self.good:
            factors = self.middle.factors(chain, split, self.order, self.orthonormalize)
            guide = _half(self.source, self.probes, 0)
            if measured(self.source, chain, factors, guide).interval[1] > self.tol:
                self.bad.add(chain)
                return False
            self.good[chain] = factors
        return True
