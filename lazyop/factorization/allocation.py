r"""Which cuts a chain makes and the rank at each: as few numbers, or as little left out, as can be.

With cuts :math:`(B_s, C_s)` and ranks :math:`r_s`, :math:`r_0 = r_L = 1`, factor `l` holds
:math:`C_l\, m / B_{l-1} \cdot r_{l-1} r_l` numbers, and the squared error of the chain from left to
right is at most the sum of the tails :math:`T_s(r_s)`. Both are sums along a path of cuts. For a
multiplier :math:`\mu`, the path with the least :math:`\text{numbers} + \mu \sum_s T_s(r_s)` comes
from dynamic programming over cuts and ranks, and is optimal among the paths that leave out no more,
and among those that hold no more. A bisection finds the multiplier; ranks then change one by one to
use up what is left, as multipliers reach only the convex hull.

H. Everett, "Generalized Lagrange multiplier method for solving problems of optimum allocation of
resources", Operations Research 11(3), 1963.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from lazyop.butterfly.chain import Chain
from lazyop.factorization.cuts import Cut

__all__ = ["Allocation", "fewest_numbers", "least_tail", "uniform_ranks"]

#: Ranks that are tried at a cut: all up to this one, then in geometric progression.
_ALL_RANKS = 32
_BISECTIONS = 48
#: Smaller tails and budgets, of a matrix of size near 1, would make multipliers infinite.
_LEAST_TAIL = 1e-250


@dataclass(frozen=True)
class Allocation:
    """Cuts of a chain for matrices of some shape, leftmost first, and the rank at each."""

    shape: tuple[int, int]
    cuts: tuple[Cut, ...]
    ranks: tuple[int, ...]

    @property
    def numbers(self) -> int:
        """How many numbers the factors hold."""
        ends = list(pairwise([_start(), *self.cuts, _end(self.shape)]))
        ranks = pairwise([1, *self.ranks, 1])
        return sum(
            _weight(self.shape, left, right) * r * s
            for (left, right), (r, s) in zip(ends, ranks, strict=True)
        )

    @property
    def tail(self) -> float:
        """The sum of what the ranks leave out."""
        chosen = zip(self.cuts, self.ranks, strict=True)
        return float(sum(cut.tails[rank - 1] for cut, rank in chosen))

    @property
    def largest_tail(self) -> float:
        """The most that one of the cuts leaves out."""
        chosen = zip(self.cuts, self.ranks, strict=True)
        return max((float(cut.tails[rank - 1]) for cut, rank in chosen), default=0.0)

    @property
    def chain(self) -> Chain:
        """The chain, redundant neighbours merged."""
        places = [(1, 1), *((cut.rows, cut.columns) for cut in self.cuts), self.shape]
        rows, columns = zip(*places, strict=True)
        return Chain.from_sizes(_ratios(rows), _ratios(columns), self.ranks).merge()


def fewest_numbers(shape: tuple[int, int], cuts: Sequence[Cut], budget: float) -> Allocation:
    """The fewest numbers found whose tails sum to no more than a budget."""
    best = Allocation(shape, (), ())

    def feasible(multiplier: float) -> bool:
        nonlocal best
        found = _cheapest(shape, cuts, multiplier)
        if found.tail > budget:
            return False
        best = min(best, found, key=lambda a: a.numbers)
        return True

    # From where the smallest tails matter as much as one number, down to where nothing else counts.
    _bisect(feasible, 16 * best.numbers / max(budget, _LEAST_TAIL), 1e-3)
    return _lowered(best, budget)


def least_tail(shape: tuple[int, int], cuts: Sequence[Cut], limit: int) -> Allocation:
    """The smallest sum of tails found among chains with no more numbers than a limit.

    Raises
    ------
    ValueError
        If all chains hold more.
    """
    best = _cheapest(shape, cuts, 0.0)
    if best.numbers > limit:
        raise ValueError(
            f"no chain for a {shape[0]} x {shape[1]} matrix holds {limit} parameters or fewer; "
            f"the smallest that is tried holds {best.numbers}"
        )

    def feasible(multiplier: float) -> bool:
        nonlocal best
        found = _cheapest(shape, cuts, multiplier)
        if found.numbers > limit:
            return False
        best = min(best, found, key=lambda a: a.tail)
        return True

    scale = max([_LEAST_TAIL, *(float(cut.tails[0]) for cut in cuts)])
    _bisect(feasible, 1e-3 / scale, 1e40 / scale)
    return _raised(best, limit)


def uniform_ranks(shape: tuple[int, int], cuts: Sequence[Cut], rank: int) -> Allocation:
    """One rank, as far as blocks allow it, at as many cuts in proportion as follow each other."""
    path: list[Cut] = []
    for cut in cuts:
        if cut.columns > 1 and (not path or path[-1].before(cut)):
            path.append(cut)
    ranks = tuple(min(rank, len(cut.tails)) for cut in path)
    return Allocation(shape, tuple(path), ranks)


def _bisect(feasible: Callable[[float], bool], good: float, bad: float) -> None:
    """Try multipliers between a good one and a bad one, ever closer to where it changes."""
    feasible(good)
    for _ in range(_BISECTIONS):
        middle = math.sqrt(good) * math.sqrt(bad)
        good, bad = (middle, bad) if feasible(middle) else (good, middle)


def _cheapest(shape: tuple[int, int], cuts: Sequence[Cut], multiplier: float) -> Allocation:
    """The path with the least sum of numbers and tails, these times the multiplier."""
    nodes = [_start(), *cuts, _end(shape)]
    ranks = [_tried_ranks(len(node.tails)) for node in nodes]
    costs: list[npt.NDArray[Any]] = [np.zeros(1)]
    origins: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]] = [(np.zeros(1, int),) * 2]
    for k in range(1, len(nodes)):
        least = np.full(len(ranks[k]), np.inf)
        node, place = np.zeros(len(least), int), np.zeros(len(least), int)
        for j in range(k):
            if not nodes[j].before(nodes[k]):
                continue
            weight = _weight(shape, nodes[j], nodes[k])
            through = costs[j][:, None] + weight * np.outer(ranks[j], ranks[k])
            nearest = through.argmin(axis=0)
            cost = through[nearest, np.arange(len(least))]
            closer = cost < least
            least = np.where(closer, cost, least)
            node, place = np.where(closer, j, node), np.where(closer, nearest, place)
        costs.append(least + multiplier * nodes[k].tails[ranks[k] - 1])
        origins.append((node, place))
    return _traced(shape, nodes, ranks, origins)


def _traced(
    shape: tuple[int, int],
    nodes: Sequence[Cut],
    ranks: Sequence[npt.NDArray[Any]],
    origins: Sequence[tuple[npt.NDArray[Any], npt.NDArray[Any]]],
) -> Allocation:
    chosen, k, i = [], len(nodes) - 1, 0
    while True:
        k, i = (int(origin[i]) for origin in origins[k])
        if k == 0:
            break
        chosen.append((nodes[k], int(ranks[k][i])))
    path = chosen[::-1]
    return Allocation(shape, tuple(c for c, _ in path), tuple(r for _, r in path))


def _lowered(start: Allocation, budget: float) -> Allocation:
    """Ranks lowered one by one, the one that saves most first, while the budget allows it."""
    while True:
        steps = [a for a in _neighbours(start, -1) if a.tail <= budget]
        if not steps:
            return start
        start = min(steps, key=lambda a: a.numbers)


def _raised(start: Allocation, limit: int) -> Allocation:
    """Ranks raised one by one, the one that leaves out least first, while the limit allows it."""
    while True:
        steps = [a for a in _neighbours(start, 1) if a.numbers <= limit and a.tail < start.tail]
        if not steps:
            return start
        start = min(steps, key=lambda a: a.tail)


def _neighbours(start: Allocation, step: int) -> list[Allocation]:
    moved = []
    for k, (cut, rank) in enumerate(zip(start.cuts, start.ranks, strict=True)):
        if 1 <= rank + step <= len(cut.tails):
            ranks = (*start.ranks[:k], rank + step, *start.ranks[k + 1 :])
            moved.append(replace(start, ranks=ranks))
    return moved


def _tried_ranks(largest: int) -> npt.NDArray[Any]:
    if largest <= _ALL_RANKS:
        return np.arange(1, largest + 1)
    count = 2 + int(16 * math.log2(largest / _ALL_RANKS))
    beyond = np.geomspace(_ALL_RANKS, largest, count).round().astype(int)
    return np.unique(np.concatenate([np.arange(1, _ALL_RANKS), beyond]))


def _weight(shape: tuple[int, int], left: Cut, right: Cut) -> int:
    """Numbers of the factor between two cuts, for rank one at both."""
    return right.columns * (shape[0] // left.rows)


def _ratios(numbers: Sequence[int]) -> list[int]:
    return [b // a for a, b in pairwise(numbers)]


def _start() -> Cut:
    return Cut(1, 1, np.zeros(1))


def _end(shape: tuple[int, int]) -> Cut:
    return Cut(*shape, np.zeros(1))
