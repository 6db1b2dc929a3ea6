"""Factorization without a given chain: within a tolerance, or within a number of parameters.

Candidates come from `lazyop.factorization.allocation`; here they are factorized and measured.
"""

from __future__ import annotations

import math

from lazyop.factorization.allocation import (
    Allocation,
    fewest_numbers,
    least_tail,
    uniform_ranks,
)
from lazyop.factorization.cuts import Cut, cut_places, tails_at
from lazyop.factorization.given_chain import Factorization, factorize_on
from lazyop.factorization.hierarchical import split_order
from lazyop.factorization.matrix import Target
from lazyop.namespaces import namespace_of

__all__ = ["within_parameters", "within_tolerance"]

#: Gram matrices give tails to rounding relative to the matrix: enough for errors this many roots of
#: the rounding unit above zero.
_GRAM_REACH = 256
#: How many larger budgets are tried once the sum of the tails is within the tolerance, and how many
#: smaller ones where the error is not, by rounding or in an order without that bound.
_LARGER, _SMALLER = 5, 4


def within_tolerance(target: Target, tol: float, order: str, orthonormalize: bool) -> Factorization:
    """The fewest numbers found with a relative error of at most `tol`.

    Parameters
    ----------
    target : Target
    tol : float
    order : str
        Name of an order of splits.
    orthonormalize : bool

    Returns
    -------
    Factorization
        The matrix itself as one dense factor, if nothing smaller is close enough.
    """
    accurate = tol < _GRAM_REACH * math.sqrt(_epsilon(target))
    search = _Search(target, tol, order, orthonormalize, _cuts(target, accurate))
    search.try_budgets()
    search.try_uniform_ranks()
    return search.best


def within_parameters(
    target: Target, limit: int, order: str, orthonormalize: bool
) -> Factorization:
    """The smallest error found with no more than `limit` numbers.

    Parameters
    ----------
    target : Target
    limit : int
    order : str
        Name of an order of splits.
    orthonormalize : bool

    Returns
    -------
    Factorization

    Raises
    ------
    ValueError
        If every chain that is tried holds more.
    """
    allocation = least_tail(_shape(target), _cuts(target, accurate=True), limit)
    choice = f"chosen for at most {limit} parameters"
    return _factorized(target, allocation, order, orthonormalize, choice)


class _Search:
    """The best factorization found within a tolerance, and the chains that need no second try."""

    def __init__(
        self, target: Target, tol: float, order: str, orthonormalize: bool, cuts: list[Cut]
    ) -> None:
        self.target, self.tol, self.cuts = target, tol, cuts
        self.order, self.orthonormalize = order, orthonormalize
        dense = Allocation(_shape(target), (), ())
        why = f"one dense factor, as nothing smaller was found within tol={tol:g}"
        self.best = _factorized(target, dense, order, orthonormalize, why)
        self.verdicts = {dense.chain: True}

    def try_budgets(self) -> None:
        """Tails within the tolerance first, then larger sums of them, or smaller ones."""
        if self._meets_with(1.0):
            good, bad = 1.0, float(len(self.cuts) + 1)
            for _ in range(_LARGER):
                middle = math.sqrt(good * bad)
                good, bad = (middle, bad) if self._meets_with(middle) else (good, middle)
        else:
            shares = (4.0**-k for k in range(1, _SMALLER + 1))
            any(self._meets_with(share) for share in shares)

    def try_uniform_ranks(self) -> None:
        """The largest equal ranks that hold fewer numbers than the best, and smaller ones."""
        rank = max((len(cut.tails) for cut in self.cuts), default=0)
        while rank > 0:
            allocation = uniform_ranks(_shape(self.target), self.cuts, rank)
            if allocation.chain.nnz < self.best.chain.nnz and not self._meets(allocation):
                return
            rank -= 1

    def _meets_with(self, share: float) -> bool:
        budget = share * (self.tol * self.target.size) ** 2
        return self._meets(fewest_numbers(_shape(self.target), self.cuts, budget))

    def _meets(self, allocation: Allocation) -> bool:
        """Whether the tolerance is met; the smallest factorization that does is kept."""
        chain = allocation.chain
        if chain not in self.verdicts:
            choice = f"chosen for tol={self.tol:g}"
            found = _factorized(self.target, allocation, self.order, self.orthonormalize, choice)
            self.verdicts[chain] = found.relative_error <= self.tol
            if self.verdicts[chain] and chain.nnz < self.best.chain.nnz:
                self.best = found
        return self.verdicts[chain]


def _factorized(
    target: Target, allocation: Allocation, order: str, orthonormalize: bool, choice: str | None
) -> Factorization:
    chain = allocation.chain
    return factorize_on(chain, target, split_order(order, len(chain)), orthonormalize, choice)


def _cuts(target: Target, accurate: bool) -> list[Cut]:
    places = cut_places(*_shape(target))
    return [Cut(B, C, tails_at(target.entries, B, C, accurate)) for B, C in places]


def _shape(target: Target) -> tuple[int, int]:
    m, n = target.entries.shape
    return m, n


def _epsilon(target: Target) -> float:
    return float(namespace_of(target.entries).finfo(target.entries.dtype).eps)
