"""Factorization without a given chain: within a tolerance, or within a number of parameters.

Candidates come from `lazyop.factorization.allocation`; here they are factorized and measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from lazyop.factorization.allocation import (
    Allocation,
    fewest_numbers,
    least_tail,
    uniform_ranks,
)
from lazyop.factorization.cuts import Cut, cut_places, is_beyond_gram, tails_at, whole_cut
from lazyop.factorization.given_chain import Factorization, factorize_on
from lazyop.factorization.hierarchical import split_order
from lazyop.factorization.matrix import Target
from lazyop.factorization.progress import tracked
from lazyop.namespaces import namespace_of

__all__ = ["predicted_numbers", "within_parameters", "within_tolerance"]

#: Of the whole matrix, one row or column in so many is looked at first; a power of two.
_SAMPLED = 4
#: Tails are off by less than this part of a squared error, whether they come from squares or not.
_ROUNDING = 1e-2
#: How many larger budgets are tried once the sum of the tails is within the tolerance, and how many
#: smaller ones where the error is not, by rounding or in an order without that bound.
_LARGER, _SMALLER = 5, 4


def within_tolerance(
    target: Target, tol: float, order: str, orthonormalize: bool, progress: bool = False
) -> Factorization:
    """The fewest numbers found with a relative error of at most `tol`.

    Parameters
    ----------
    target : Target
    tol : float
    order : str
        Name of an order of splits.
    orthonormalize : bool
    progress : bool
        Whether to show progress bars, by tqdm.

    Returns
    -------
    Factorization
        The matrix itself as one dense factor, if nothing smaller is close enough.
    """
    accurate = is_beyond_gram(tol, _epsilon(target))
    search = _Search(target, tol, order, orthonormalize, _Cuts(target, accurate, progress))
    for _ in tracked(search.tries(), progress, "chains"):
        pass
    return search.best


def within_parameters(
    target: Target, limit: int, order: str, orthonormalize: bool, progress: bool = False
) -> Factorization:
    """The smallest error found with no more than `limit` numbers.

    Parameters
    ----------
    target : Target
    limit : int
    order : str
        Name of an order of splits.
    orthonormalize : bool
    progress : bool
        Whether to show progress bars, by tqdm.

    Returns
    -------
    Factorization

    Raises
    ------
    ValueError
        If every chain that is tried holds more.
    """
    cuts = _Cuts(target, True, progress)
    allocation = cuts.allocated(lambda held: least_tail(_shape(target), held, limit))
    splits = split_order(order, len(allocation.chain))
    choice = f"chosen for at most {limit} parameters"
    return factorize_on(allocation.chain, target, splits, orthonormalize, choice, progress)


def predicted_numbers(target: Target, tol: float) -> int:
    """How many numbers the factors hold from which `within_tolerance` starts to look for fewer.

    Parameters
    ----------
    target : Target
    tol : float

    Returns
    -------
    int
        Of the factors whose cuts leave out no more than the tolerance together, or of one dense
        factor. Nothing is factorized for it.
    """
    cuts = _Cuts(target, is_beyond_gram(tol, _epsilon(target)), False)
    budget = (tol * target.size) ** 2
    return cuts.allocated(lambda held: fewest_numbers(_shape(target), held, budget)).chain.nnz


class _Cuts:
    """The cuts of a matrix. That of the whole is only as exact as it must be not to be wanted."""

    def __init__(self, target: Target, accurate: bool, progress: bool) -> None:
        self.entries, self.accurate = target.entries, accurate
        places = cut_places(*_shape(target))
        self.proper = [
            Cut(B, C, tails_at(self.entries, B, C, accurate))
            for B, C in tracked(places, progress, "spectra")
        ]
        self.step = _SAMPLED
        self.whole = whole_cut(self.entries, accurate, self.step)

    @property
    def held(self) -> list[Cut]:
        """All of them, from left to right."""
        return sorted([*self.proper, *self.whole], key=lambda cut: cut.rows * cut.columns)

    def allocated(self, choose: Callable[[Sequence[Cut]], Allocation]) -> Allocation:
        """The allocation that is chosen among exact cuts."""
        chosen = choose(self.held)
        while not all(cut.exact for cut in chosen.cuts):
            self.step //= 2
            self.whole = whole_cut(self.entries, self.accurate, self.step)
            chosen = choose(self.held)
        return chosen


class _Search:
    """The best factorization found within a tolerance, and the chains that need no second try."""

    def __init__(
        self, target: Target, tol: float, order: str, orthonormalize: bool, cuts: _Cuts
    ) -> None:
        self.target, self.tol, self.cuts = target, tol, cuts
        self.order, self.orthonormalize = order, orthonormalize
        dense = Allocation(_shape(target), (), ())
        why = f"one dense factor, as nothing smaller was found within tol={tol:g}"
        self.best = self._factorized(dense, why)
        self.verdicts = {dense.chain: True}
        # No product of a chain comes closer than what one of its cuts leaves out.
        self._hopeless = (tol * target.size) ** 2 * (1 + _ROUNDING)

    def tries(self) -> Iterator[bool]:
        """Whether one chain after the other meets the tolerance, until none is left to try."""
        yield from self._budgets()
        yield from self._uniform_ranks()

    def _budgets(self) -> Iterator[bool]:
        """Tails within the tolerance first, then larger sums of them, or smaller ones."""
        met = self._meets_with(1.0)
        yield met
        yield from self._larger_budgets() if met else self._smaller_budgets()

    def _larger_budgets(self) -> Iterator[bool]:
        good, bad = 1.0, float(len(self.cuts.held) + 1)
        for _ in range(_LARGER):
            middle = math.sqrt(good * bad)
            met = self._meets_with(middle)
            good, bad = (middle, bad) if met else (good, middle)
            yield met

    def _smaller_budgets(self) -> Iterator[bool]:
        for k in range(1, _SMALLER + 1):
            met = self._meets_with(4.0**-k)
            yield met
            if met:
                return

    def _uniform_ranks(self) -> Iterator[bool]:
        """The largest equal ranks that hold fewer numbers than the best, and smaller ones."""
        cuts = self.cuts.held
        for rank in range(max((len(cut.tails) for cut in cuts), default=0), 0, -1):
            allocation = uniform_ranks(_shape(self.target), cuts, rank)
            if allocation.chain.nnz < self.best.chain.nnz:
                met = self._meets(allocation)
                yield met
                if not met:
                    return

    def _meets_with(self, share: float) -> bool:
        budget = share * (self.tol * self.target.size) ** 2
        shape = _shape(self.target)
        return self._meets(self.cuts.allocated(lambda held: fewest_numbers(shape, held, budget)))

    def _meets(self, allocation: Allocation) -> bool:
        """Whether the tolerance is met; the smallest factorization that does is kept."""
        chain = allocation.chain
        if chain not in self.verdicts and allocation.largest_tail > self._hopeless:
            self.verdicts[chain] = False
        if chain not in self.verdicts:
            found = self._factorized(allocation, f"chosen for tol={self.tol:g}")
            self.verdicts[chain] = found.relative_error <= self.tol
            if self.verdicts[chain] and chain.nnz < self.best.chain.nnz:
                self.best = found
        return self.verdicts[chain]

    def _factorized(self, allocation: Allocation, choice: str) -> Factorization:
        splits = split_order(self.order, len(allocation.chain))
        return factorize_on(allocation.chain, self.target, splits, self.orthonormalize, choice)


def _shape(target: Target) -> tuple[int, int]:
    m, n = target.entries.shape
    return m, n


def _epsilon(target: Target) -> float:
    return float(namespace_of(target.entries).finfo(target.entries.dtype).eps)
