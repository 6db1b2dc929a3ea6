r"""Orders of rows and columns in which a matrix is a butterfly, from its entries alone.

At the first split of the square dyadic chain, rows come in pairs and columns in halves, and on
either half the two rows of a pair are multiples of each other. Once pairs and halves are found,
each pair is one row on either half, a row in the first singular vector of the two; what remains
are two matrices of half the order with their rows in common, and they have the same structure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lazyop.factorization.halving import (
    halves_by_lines,
    halves_by_rows,
    halves_by_spectrum,
    two_line_scores,
)

__all__ = ["butterfly_orders"]

Values = npt.NDArray[Any]
Index = npt.NDArray[np.int64]

#: Pairs of rows that a level starts from, and rounds of improvement for each of them.
_STARTS, _ROUNDS = 16, 10

#: So many starts that end alike are enough; and errors alike are those that differ by less.
_ALIKE, _DIFFERENCE = 4, 1e-6


class _Level(NamedTuple):
    """Halves of the columns `(g, 2, q / 2)`, pairs of rows `(p / 2, 2)`, and the squared error."""

    halves: Index
    pairs: Index
    cost: float


def butterfly_orders(A: Values) -> tuple[Index, Index]:
    r"""Orders `r` of rows and `c` of columns for which `A[r][:, c]` is near to a butterfly.

    Level by level, it looks for the pairs of rows and halves of columns of least squared error,

    .. math:: \sum_{\text{pairs}} \sum_{\text{halves}} \sigma_2^2,

    with :math:`\sigma_2` the second singular value of the two rows on the half. Given the halves,
    all pairs have their error in closed form, and the best are taken; given the pairs, columns go
    to the half whose lines they fit. Both in turn lead from a first guess to a minimum, and the
    best of several guesses is kept, which are enough once four of them lead to the same. A guess
    is a spectral clustering of the columns over the pairs that fit each other best, or the two
    lines of a single pair.

    Parameters
    ----------
    A : array, shape (n, n)
        Of NumPy, real or complex; `n` is a power of two.

    Returns
    -------
    rows, columns : array of int, shape (n,)

    Notes
    -----
    Each level takes what is best for it, and never goes back. That is enough where the
    structure is determined by its first level or all choices are alike, as for Fourier, Hadamard
    and generic butterflies with moderate noise; it can fail on matrices with many zeros.
    Time :math:`O(n^3)` in matrix products, memory :math:`O(n^2)`.

    References
    ----------
    L. Zheng et al., "Butterfly factorization by algorithmic identification of rank-one blocks",
    GRETSI 2023, arXiv:2307.00820, identify the blocks by clustering rows and columns in turn.
    """
    X = A[None]
    rows, columns = np.arange(len(A)), np.arange(len(A))[None]
    while X.shape[1] > 1:
        level = _best_level(X)
        rows = rows[level.pairs]
        halves = np.take_along_axis(columns[:, None], level.halves, axis=2)
        columns = halves.reshape(-1, halves.shape[2])
        X = _one_row_for_each_pair(X, level)
    # The axes of rows tell the levels, the last first.
    return rows.T.ravel(), columns.ravel()


def _best_level(X: Values) -> _Level:
    floor = 10 * float(np.finfo(X.dtype).eps) * float(np.sum(np.abs(X) ** 2))
    found: list[_Level] = []
    for halves in _starts(X):
        found.append(_improved(X, halves))
        least = min(level.cost for level in found)
        alike = sum(level.cost <= least * (1 + _DIFFERENCE) for level in found)
        if least <= floor or alike == _ALIKE:
            break
    return min(found, key=lambda level: level.cost)


def _starts(X: Values) -> Iterator[Index]:
    scores = two_line_scores(X)
    yield halves_by_spectrum(X, _matched(scores))
    first, second = np.triu_indices(len(scores), 1)
    for k in np.argsort(scores[first, second], kind="stable")[:_STARTS]:
        yield halves_by_rows(X, int(first[k]), int(second[k]))


def _improved(X: Values, halves: Index) -> _Level:
    """Pairs for halves and halves for pairs in turn, while the error falls."""
    pairs, _ = _best_pairs(X, halves)
    best = _Level(halves, pairs, np.inf)
    for _ in range(_ROUNDS):
        halves = halves_by_lines(X, best.pairs, best.halves)
        pairs, cost = _best_pairs(X, halves)
        if not cost < best.cost:
            break
        best = _Level(halves, pairs, cost)
    return best


def _best_pairs(X: Values, halves: Index) -> tuple[Index, float]:
    costs = _pair_costs(X, halves)
    pairs = _matched(costs)
    return pairs, float(np.sum(costs[pairs[:, 0], pairs[:, 1]]))


def _pair_costs(X: Values, halves: Index) -> npt.NDArray[np.float64]:
    """For every two rows, the squares of their second singular values on all halves together."""
    blocks = np.take_along_axis(X[:, None], halves[:, :, None, :], axis=3)
    gram = np.matmul(blocks, np.conj(blocks).swapaxes(2, 3))
    norms = np.real(np.diagonal(gram, axis1=2, axis2=3))
    first, second = norms[..., :, None], norms[..., None, :]
    least = (first + second) / 2 - np.sqrt(((first - second) / 2) ** 2 + np.abs(gram) ** 2)
    costs: npt.NDArray[np.float64] = np.sum(least, axis=(0, 1))
    np.fill_diagonal(costs, np.inf)
    return costs


def _matched(costs: npt.NDArray[np.float64]) -> Index:
    """All rows in pairs: the two of least cost, then the two of least cost among the others."""
    costs = costs.copy()
    pairs = []
    for _ in range(len(costs) // 2):
        pair = sorted(np.unravel_index(np.argmin(costs), costs.shape))
        costs[pair, :] = np.inf
        costs[:, pair] = np.inf
        pairs.append(pair)
    return np.array(pairs)


def _one_row_for_each_pair(X: Values, level: _Level) -> Values:
    """Matrices on every half, of the first singular vectors of the pairs of rows."""
    columns = level.halves[:, :, None, :]
    blocks = np.take_along_axis(X[:, None], columns, axis=3)[:, :, level.pairs]
    _, s, Vh = np.linalg.svd(blocks, full_matrices=False)
    merged: Values = s[..., :1] * Vh[..., 0, :]
    return merged.reshape(-1, *merged.shape[2:])
