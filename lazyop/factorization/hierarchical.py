"""The hierarchical algorithm on arrays: from a dense matrix to the values of a chain's factors.

Each step splits one factor in two, by the best approximation of given rank of every block, and
is optimal. The order of the steps and the gauge between them decide what is proved of the whole.
Nothing here checks or scales its input; `lazyop.factorization.given_chain` does.
"""

from __future__ import annotations

import math
import operator as operators
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from itertools import accumulate, pairwise
from operator import matmul
from typing import NamedTuple

from lazyop.butterfly.blocks import Junction, values_from_dense
from lazyop.butterfly.chain import Chain
from lazyop.butterfly.pattern import Pattern
from lazyop.factorization.low_rank import leading_subspaces, tail_norm
from lazyop.factorization.progress import tracked
from lazyop.factorization.residual import energy_outside, norm
from lazyop.namespaces import Array, conj, namespace_of

__all__ = [
    "Distances",
    "Steps",
    "continued_factors",
    "distances",
    "error_bound",
    "hierarchical_factors",
    "peels",
    "product_norm",
    "split_errors",
    "split_order",
    "steps_are_orthogonal",
    "weighted_left",
]


def split_order(order: str | Iterable[int], length: int) -> tuple[int, ...]:
    """Order of the splits `1, ..., length - 1` of a chain, from its name or as given."""
    splits = tuple(range(1, length))
    if isinstance(order, str):
        named = {"left-to-right": splits, "right-to-left": splits[::-1]}
        named["balanced"] = tuple(_middle_first(0, length))
        if order in named:
            return named[order]
    else:
        given = _integers(order)
        if sorted(given) == list(splits):
            return given
    raise ValueError(
        "order must be 'left-to-right', 'right-to-left', 'balanced' or a permutation of the "
        f"splits 1 to {length - 1}, got {order!r}"
    )


def _integers(order: Iterable[int]) -> tuple[int, ...]:
    try:
        return tuple(operators.index(s) for s in order)
    except TypeError:
        raise TypeError(f"order must be a name or a sequence of integers, got {order!r}") from None


def _middle_first(first: int, last: int) -> Iterator[int]:
    if last - first > 1:
        middle = (first + last) // 2
        yield middle
        yield from _middle_first(first, middle)
        yield from _middle_first(middle, last)


def peels(order: Sequence[int]) -> bool:
    """Whether every split in turn is the first or the last of those that remain."""
    remaining = sorted(order)
    for s in order:
        if s not in (remaining[0], remaining[-1]):
            return False
        remaining.remove(s)
    return True


class Distances(NamedTuple):
    r"""Distances from a matrix to the sets that contain all products of a chain.

    Attributes
    ----------
    outside : float
        Norm of the entries that lie off the support of the whole product.
    splits : tuple of float
        For each split, the distance from the other entries to the products of two factors,
        the chain's patterns before the split multiplied into one and those after it into one.
    """

    outside: float
    splits: tuple[float, ...]

    @property
    def total(self) -> tuple[float, ...]:
        """For each split, the distance from the whole matrix."""
        return tuple(math.hypot(self.outside, error) for error in self.splits)

    @property
    def lower_bound(self) -> float:
        """What every product of the chain is away from the matrix, at least."""
        return max(self.total, default=self.outside)


def distances(A: Array, chain: Chain, progress: bool = False) -> Distances:
    """Distances from a dense matrix to the two-factor sets at every split of a chain."""
    pattern = reduce(matmul, chain)
    values = values_from_dense(A, pattern)
    outside = math.sqrt(energy_outside(A, pattern))
    junctions = tracked(list(_junctions(chain)), progress, "bounds")
    return Distances(outside, tuple(_split_error(values, j) for j in junctions))


def split_errors(A: Array, chain: Chain) -> tuple[float, ...]:
    r"""Distance from a matrix to the two-factor set at every split of a chain.

    The products of a chain lie in each of these sets, so that no product comes closer than the
    largest of these numbers.

    Parameters
    ----------
    A : array, shape (m, n)
    chain : Chain
        Chainable, of this shape.

    Returns
    -------
    tuple of float
        :math:`E_s`, for :math:`s = 1, \dots, L - 1`: the norm of the entries off the support of
        the product together with :math:`\bigl(\sum_{\text{blocks}} \sum_{i > r_s}
        \sigma_i^2\bigr)^{1/2}` over the blocks of the split.
    """
    return distances(A, chain).total


def _junctions(chain: Chain) -> Iterator[Junction]:
    heads = list(accumulate(chain, matmul))
    tails = list(accumulate(reversed(chain), lambda tail, pattern: pattern @ tail))[::-1]
    return (Junction(*pair) for pair in zip(heads[:-1], tails[1:], strict=True))


def _split_error(values: Array, junction: Junction) -> float:
    return tail_norm(junction.split(values), junction.rank)


def error_bound(
    found: Distances, order: Sequence[int], orthonormalize: bool = True
) -> float | None:
    r"""What the hierarchical algorithm is away from the matrix, at most; None if not known.

    With :math:`E_s` the distances at the splits, the bound is :math:`\sum_s E_s`, and
    :math:`(\sum_s E_s^2)^{1/2}` for an order that peels factors off the two ends, because the
    steps then leave residuals orthogonal to each other. Without orthonormalisation it holds for
    the one order that needs none.
    """
    if not orthonormalize and not _needs_no_gauge(order):
        return None
    inside = math.hypot(*found.splits) if peels(order) else math.fsum(found.splits)
    return math.hypot(found.outside, inside)


def steps_are_orthogonal(order: Sequence[int], orthonormalize: bool = True) -> bool:
    """Whether the residuals of the steps are orthogonal, so that their squares add up.

    That is so for orders that peel factors off the two ends, if each step sees the other factors
    orthonormal.
    """
    return peels(order) and (orthonormalize or _needs_no_gauge(order))


def _needs_no_gauge(order: Sequence[int]) -> bool:
    # From left to right the left factors come out orthonormal, and there are none on the right.
    return list(order) == sorted(order)


class Steps(NamedTuple):
    """Values of the factors found, leftmost first, and the norm that each step left out."""

    factors: list[Array]
    residuals: list[float]


def hierarchical_factors(
    A: Array,
    chain: Chain,
    order: Sequence[int],
    orthonormalize: bool = True,
    progress: bool = False,
) -> Steps:
    r"""Factors of a chain whose product approximates a dense matrix.

    Parameters
    ----------
    A : array, shape (m, n)
        Floating-point, real or complex, of any namespace.
    chain : Chain
        Chainable, not redundant, of the same shape.
    order : sequence of int
        Permutation of the splits `1, ..., len(chain) - 1`.
    orthonormalize : bool
        Whether each step sees the other factors in the gauge in which its block errors are
        errors of the whole product.
    progress : bool
        Whether to show a progress bar, by tqdm.

    Returns
    -------
    Steps
        Values of shape `(a, b, c, d)`. The squares of the residuals add up to that of the error
        of the product, off its support aside, if `steps_are_orthogonal`.
    """
    values = values_from_dense(A, reduce(matmul, chain))
    return _Train(chain, [values], [0, len(chain)], 0).split_all(order, orthonormalize, progress)


def continued_factors(
    two: list[Array],
    split: int,
    chain: Chain,
    order: Sequence[int],
    orthonormalize: bool = True,
) -> list[Array]:
    """Factors of a chain from two, which stand for the parts of the chain on a split's sides.

    Parameters
    ----------
    two : list of array
        Values of two factors, of the products of the patterns before and after the split; the
        first one is orthonormal. The list becomes that of the factors, so that nothing is kept
        longer than needed.
    split : int
    chain : Chain
        Chainable, not redundant.
    order : sequence of int
        All splits. Those right of the given one come first, since a large factor would have to
        change otherwise.
    orthonormalize : bool

    Returns
    -------
    list of array
    """
    train = _Train(chain, two, [0, split, len(chain)], 1)
    others = [s for s in order if s > split] + [s for s in order if s < split]
    return train.split_all(others, orthonormalize).factors


def weighted_left(two: list[Array], chain: Chain) -> Array:
    """The first of two factors of the same product, of which the second one is orthonormal.

    The first of the given two is orthonormal.
    """
    train = _Train(chain, list(two), [0, 1, 2], 1)
    train.centre_at(0)
    return train.factors[0]


def product_norm(factors: Sequence[Array], chain: Chain) -> float:
    """Frobenius norm of the product of a chain's factors, which is not formed.

    The norm is that of the last factor, once all others are orthonormal.
    """
    train = _Train(chain, list(factors), list(range(len(chain) + 1)), 0)
    train.centre_at(len(factors) - 1)
    return norm(train.factors[-1])


class _Train:
    """Factors of a partial factorization, each for an interval of the chain, and their gauge.

    As in a tensor train, one factor is the centre: across the junction with its right
    neighbour, every factor left of it has blocks with orthonormal columns; across the junction
    with its left neighbour, every factor right of it has blocks with orthonormal rows. A change
    of the centre then changes the whole product by as much.
    """

    def __init__(self, chain: Chain, factors: list[Array], ends: list[int], centre: int) -> None:
        self.chain, self.factors, self.ends, self.centre = chain, factors, ends, centre

    def split_all(
        self, order: Sequence[int], orthonormalize: bool, progress: bool = False
    ) -> Steps:
        """Split at all the given places, in their order."""
        steps, residuals = list(pairwise([*order, len(self.chain)])), []
        for split, following in tracked(steps, progress, "splits"):
            if orthonormalize:
                self.centre_at(self._position(split))
            weight_left = orthonormalize and following < split
            residuals.append(self.split(split, weight_left))
        return Steps(self.factors, residuals)

    def centre_at(self, target: int) -> None:
        """Make a factor the centre."""
        while self.centre < target:
            self._shift_right()
        while self.centre > target:
            self._shift_left()

    def split(self, split: int, weight_left: bool) -> float:
        """Split a factor in two by blocks of low rank; one of the two becomes the centre.

        Returns the norm of what the truncation leaves out.
        """
        k = self._position(split)
        self.ends.insert(k + 1, split)
        junction, values = self._junction(k), self.factors[k]
        parts = _weighted_left if weight_left else _weighted_right
        left, right, residual = parts(junction, junction.split(values))
        self.factors[k : k + 1] = [left, right]
        self.centre = k if weight_left else k + 1
        return residual

    def _shift_right(self) -> None:
        k = self.centre
        junction, xp = self._junction(k), namespace_of(self.factors[k])
        Q, R = xp.linalg.qr(junction.split_left(self.factors[k]))
        self.factors[k] = junction.join_left(Q)
        right = xp.matmul(R, junction.split_right(self.factors[k + 1]))
        self.factors[k + 1] = junction.join_right(right)
        self.centre = k + 1

    def _shift_left(self) -> None:
        k = self.centre - 1
        junction, xp = self._junction(k), namespace_of(self.factors[k])
        # If Y^T = Q R then Y = R^T Q^T, and the rows of Q^T are orthonormal, complex or not.
        right = junction.split_right(self.factors[k + 1])
        Q, R = map(xp.matrix_transpose, xp.linalg.qr(xp.matrix_transpose(right)))
        self.factors[k + 1] = junction.join_right(Q)
        left = xp.matmul(junction.split_left(self.factors[k]), R)
        self.factors[k] = junction.join_left(left)
        self.centre = k

    def _position(self, split: int) -> int:
        return next(k for k, (i, j) in enumerate(pairwise(self.ends)) if i < split < j)

    def _pattern(self, k: int) -> Pattern:
        return reduce(matmul, self.chain[self.ends[k] : self.ends[k + 1]])

    def _junction(self, k: int) -> Junction:
        return Junction(self._pattern(k), self._pattern(k + 1))


def _weighted_right(junction: Junction, blocks: Array) -> tuple[Array, Array, float]:
    """The best two factors for the blocks of their product, the left one orthonormal."""
    basis, residual = leading_subspaces(blocks, junction.rank)
    adjoint = namespace_of(basis).matrix_transpose(conj(basis))
    return junction.join_left(basis), junction.join_right_product(adjoint, blocks), residual


def _weighted_left(junction: Junction, blocks: Array) -> tuple[Array, Array, float]:
    """The best two factors for the blocks of their product, the right one orthonormal."""
    xp = namespace_of(blocks)
    # If Q spans the best column space of B^T, then B is close to B conj(Q) Q^T.
    basis, residual = leading_subspaces(xp.matrix_transpose(blocks), junction.rank)
    left = junction.join_left(xp.matmul(blocks, conj(basis)))
    return left, junction.join_right(xp.matrix_transpose(basis)), residual
