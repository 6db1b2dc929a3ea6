"""The factors with the fewest numbers for a function's matrix, over several orders of its entries.

A matrix that is not square is also tried within a square one, filled up with zeros: the transforms
whose results are real or half as long are parts of square ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lazyop.butterfly.chain import Chain
from lazyop.factorization.factorize import factorize
from lazyop.factorization.given_chain import Factorization
from lazyop.factorization.matrix import prepared
from lazyop.factorization.matrix_free import DENSE_BYTES
from lazyop.factorization.middle_cut import middle_place
from lazyop.factorization.progress import tracked
from lazyop.factorization.search import predicted_numbers
from lazyop.operator import LazyOperator
from lazyop.transforms.substitution.black_box import BlackBox, Columns
from lazyop.transforms.substitution.orders import Index, likely_permutations
from lazyop.transforms.substitution.record import NotCompressibleError

__all__ = ["Goal", "factorized_entries", "factorized_matrix", "is_dense"]

#: Up to which order "search" is tried where no likely permutation helps: it takes `O(n^3)`.
_SEARCHED = 256
#: In sampled blocks, what share of the full rank is too much for factors to save anything.
_PROMISING = 0.5


@dataclass(frozen=True)
class Goal:
    """What is asked of the factors; `permutation` is "try", or as in `lazyop.factorize`."""

    tol: float
    chain: Chain | None = None
    permutation: Any = "try"
    progress: bool = False

    @property
    def tries(self) -> bool:
        """Whether there are several permutations to try."""
        return isinstance(self.permutation, str) and self.permutation == "try"

    def within(self, tol: float) -> Goal:
        """The same with another tolerance."""
        return Goal(tol, self.chain, self.permutation, self.progress)


def is_dense(box: BlackBox) -> bool:
    """Whether the matrix of a function is small enough to be held."""
    m, n = box.shape
    return m * n * np.dtype(box.out_dtype).itemsize <= DENSE_BYTES


def factorized_matrix(matrix: Columns, goal: Goal) -> tuple[LazyOperator, Factorization]:
    """An operator within the tolerance, in the order that lets expect the fewest numbers.

    Raises
    ------
    NotCompressibleError
        If none holds fewer than the matrix; it says how far off the best with half of them is.
    """
    for tried, permutation in _promising(matrix, goal):
        found = _factorized(tried, goal, permutation)
        if found.chain.nnz < matrix.size and found.relative_error <= goal.tol:
            return _part(found, matrix.shape), found
    raise NotCompressibleError(_nearest(matrix, goal))


def _promising(matrix: Columns, goal: Goal) -> Iterator[tuple[Columns, Any]]:
    """What to factorize in which order, the fewest numbers to expect first."""
    tries = list(_tries(matrix, goal))
    if goal.chain is not None or not goal.tries:
        yield from tries
        return
    numbers = [
        predicted_numbers(prepared(tried, permutation), goal.tol)
        for tried, permutation in tracked(tries, goal.progress, "orders")
    ]
    for k in np.argsort(numbers, kind="stable"):
        yield tries[k]
    m, n = matrix.shape
    if m == n and 4 <= n <= _SEARCHED and n & (n - 1) == 0:
        yield matrix, "search"


def _tries(matrix: Columns, goal: Goal) -> Iterator[tuple[Columns, Any]]:
    """The matrix and, if it is not square, the square one it is part of, each in its orders."""
    if not goal.tries:
        yield matrix, goal.permutation
        return
    m, n = matrix.shape
    order = max(m, n)
    fits = [matrix]
    if m != n:
        fits.append(np.pad(matrix, ((0, order - m), (0, order - n))))
    for tried in fits:
        if goal.chain is None or goal.chain.shape == tried.shape:
            for permutation in likely_permutations(*tried.shape):
                yield tried, permutation


def _factorized(matrix: Columns, goal: Goal, permutation: Any) -> Factorization:
    if goal.chain is not None:
        return factorize(matrix, goal.chain, permutation=permutation)
    return factorize(matrix, tol=goal.tol, permutation=permutation)


def _part(found: Factorization, shape: tuple[int, ...]) -> LazyOperator:
    m, n = shape
    operator: LazyOperator = found.operator
    return operator if operator.shape == (m, n) else operator[:m, :n]


def _nearest(matrix: Columns, goal: Goal) -> str:
    """What to say of a matrix without factors: how far off the best are."""
    tries = list(_tries(matrix, goal))
    if goal.chain is not None:
        errors = [_factorized(tried, goal, p).relative_error for tried, p in tries]
        held = f"the given chain, which holds {goal.chain.nnz} numbers"
        if goal.chain.nnz >= matrix.size:
            return f"{held}, saves none of the {matrix.size} of the matrix"
    else:
        errors = []
        for tried, permutation in tries:
            try:
                found = factorize(tried, max_parameters=matrix.size // 2, permutation=permutation)
            except ValueError:  # no chain of this shape holds so few
                continue
            errors.append(found.relative_error)
        held = "the best chain with half as many numbers"
    if not errors:
        return f"no chain for a matrix of shape {matrix.shape} holds much fewer numbers than it has"
    return (
        f"no factors with fewer numbers than the matrix of shape {matrix.shape} were found within "
        f"tol={goal.tol:g}: {held} has a relative error of {min(errors):.2g}, in the best of "
        f"{len(tries)} orders of rows and columns that were tried"
    )


# A matrix that is too large to be held -----------------------------------------------------------


def factorized_entries(box: BlackBox, goal: Goal) -> tuple[LazyOperator, Factorization]:
    """The operator of a function whose matrix is never held, from panels of its columns.

    Orders of rows and columns are tried by the rank of some blocks at the middle of the chain, and
    the first within the tolerance is taken.

    Raises
    ------
    NotCompressibleError
        If there is none.
    """
    m, n = box.shape
    order = max(m, n)
    shapes = [(m, n)] if m == n or not goal.tries else [(m, n), (order, order)]
    if not goal.tries:
        found = _factorized_source(box, shapes[0], goal, goal.permutation)
        return _part(found, box.shape), found
    tries = [(shape, p) for shape in shapes for p in likely_permutations(*shape)]
    if goal.chain is not None:
        tries = [pair for pair in tries if pair[0] == goal.chain.shape]
    ranks = [_sampled_rank(box, shape, p, goal.tol) for shape, p in tries]
    for k in np.argsort([rank for rank, _ in ranks], kind="stable"):
        if ranks[k][0] > _PROMISING:
            break
        try:
            found = _factorized_source(box, tries[k][0], goal, tries[k][1])
        except NotCompressibleError:
            continue
        return _part(found, box.shape), found
    raise NotCompressibleError(
        f"no factors with fewer numbers than the matrix of shape {box.shape} were found within "
        f"tol={goal.tol:g}: of {len(tries)} orders of rows and columns that were tried, the best "
        f"leaves a relative error of {min((left for _, left in ranks), default=1.0):.2g} in "
        "sampled blocks at half of their rank"
    )


def _factorized_source(
    box: BlackBox, shape: tuple[int, int], goal: Goal, permutation: Any
) -> Factorization:
    def entries(rows: Index, cols: Index) -> Columns:
        return _entries(box, rows, cols)

    options: dict[str, Any] = {"tol": goal.tol} if goal.chain is None else {"chain": goal.chain}
    try:
        found = factorize(
            entries, shape=shape, permutation=permutation, progress=goal.progress, **options
        )
    except ValueError as error:
        if not goal.tries:  # perhaps of the permutation, which is the caller's
            raise
        raise NotCompressibleError(str(error)) from error
    if found.relative_error > goal.tol or found.chain.nnz >= math.prod(box.shape):
        raise NotCompressibleError(
            f"the factors hold {found.chain.nnz} numbers, and are off by {found.relative_error:.2g}"
        )
    return found


def _entries(box: BlackBox, rows: Index, cols: Index) -> Columns:
    """Entries of the matrix, and zeros around it."""
    m, n = box.shape
    block = np.zeros((rows.size, cols.size), box.out_dtype)
    inside = np.ix_(rows < m, cols < n)
    block[inside] = box.columns(cols[cols < n])[rows[rows < m]]
    return block


def _sampled_rank(
    box: BlackBox, shape: tuple[int, int], permutation: Any, tol: float
) -> tuple[float, float]:
    """For two blocks at the middle, the share of their rank that counts, and what half leaves."""
    (m, n), (B, C) = shape, middle_place(*shape)
    P, Q = permutation or (None, None)
    rows = np.arange(m) if P is None else np.argsort(P.p)
    cols = np.arange(n) if Q is None else np.asarray(Q.p)
    share, left = 0.0, 0.0
    for column, row in ((0, 0), (C // 2, m // B // 3)):
        width = n // C
        block = _entries(box, rows[row :: m // B], cols[column * width : (column + 1) * width])
        s = np.linalg.svd(block, compute_uv=False)
        tails = np.sqrt(np.cumsum(s[::-1] ** 2)[::-1])
        if tails[0] == 0:
            continue
        share = max(share, np.count_nonzero(tails > tol * tails[0]) / s.size)
        left = max(left, float(tails[s.size // 2] / tails[0]))
    return share, left
