"""Sums of products of one chain: each term fitted to what the terms before it leave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lazyop.algebra.composite import Sum
from lazyop.butterfly.chain import Chain
from lazyop.factorization.bounds import StatedBounds
from lazyop.factorization.hierarchical import Distances, distances
from lazyop.factorization.progress import tracked
from lazyop.factorization.residual import norm
from lazyop.namespaces import Array, dtype_of

if TYPE_CHECKING:
    from lazyop.factorization.given_chain import Factorization

__all__ = ["residual_sum", "sum_distances"]


def residual_sum(
    A: Array,
    chain: Chain,
    terms: int,
    fit: Callable[[Array], Factorization],
    progress: bool = False,
) -> Factorization:
    r"""Factorization of a matrix as a sum of products of factors of one chain.

    Parameters
    ----------
    A : array, shape (m, n)
        Entries of about 1 at most.
    chain : Chain
        Chainable, not redundant, of this shape.
    terms : int
        Products in the sum, at most: none is added that gains nothing or rounding errors alone.
    fit : callable
        Factorizes a matrix with the chain.
    progress : bool
        Whether to show progress bars, by tqdm.

    Returns
    -------
    Factorization
        Of the sum. As `t` products of rank `r` at a split make a matrix of rank `t r` there, its
        lower bound and the errors at the splits are those of `t` times the ranks. Its upper bound
        is that of the last term, for what the others leave.
    """
    size = norm(A) or 1.0
    first = part = fit(A)
    operators, left = [part.operator], A - part.operator.toarray()
    error, bound = norm(left), first.error_bound
    floor = max(chain.shape) * float(np.finfo(dtype_of(A)).eps) * size
    for _ in tracked(range(1, terms), progress, "further terms"):
        if error <= floor:
            break
        part = fit(left)
        after = left - part.operator.toarray()
        if not norm(after) < error:
            break
        bound = None if part.error_bound is None else part.error_bound * error / size
        operators.append(part.operator)
        left, error = after, norm(after)
    found = sum_distances(A, chain, terms, progress)
    splits = tuple(distance / size for distance in found.total)
    return replace(
        first,
        operator=Sum(*operators),
        relative_error=error / size,
        _bounds=StatedBounds(bound, found.lower_bound / size, splits),
    )


def sum_distances(A: Array, chain: Chain, terms: int, progress: bool = False) -> Distances:
    """Distances from a matrix to the sets that contain all sums of products of a chain."""
    last = len(chain) - 1
    widened = Chain(
        (a, b * (terms if k else 1), c * (terms if k < last else 1), d)
        for k, (a, b, c, d) in enumerate(chain)
    )
    return distances(A, widened, progress)
