"""Factorization of a matrix that is not dense, with a given chain.

The chain is first split near its middle, by `lazyop.factorization.middle_split`. The two factors
are small enough to go on with as if they had come from a dense matrix.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from operator import matmul
from typing import Any

from lazyop.butterfly.blocks import Junction
from lazyop.butterfly.chain import Chain
from lazyop.butterfly.operator import Butterfly
from lazyop.factorization.bounds import NO_BOUNDS
from lazyop.factorization.estimate import (
    PROBES,
    ErrorEstimate,
    Probes,
    estimated_error,
    normal_vectors,
)
from lazyop.factorization.given_chain import Factorization
from lazyop.factorization.hierarchical import continued_factors, product_norm
from lazyop.factorization.matrix import Permutations, for_the_matrix, safe_exponent, times_power
from lazyop.factorization.matrix_free import ProductSource, Source
from lazyop.factorization.middle_split import on_support, products_needed, two_factors
from lazyop.factorization.residual import norm
from lazyop.namespaces import Array, adjoint, namespace_of

__all__ = ["factorization_of", "factorize_source", "images_of", "measured", "probed"]

#: Seeds of the vectors of an estimate, and of those that the adjoint is tried with.
_PROBES, _TRIALS = 0, 4
#: Pairs of vectors, and what share of the norm their two products may differ by.
_PAIRS, _LARGEST_MISMATCH = 4, 0.1


def factorize_source(
    source: Source,
    chain: Chain,
    order: Sequence[int],
    orthonormalize: bool = True,
    permutation: Any = None,
    progress: bool = False,
) -> Factorization:
    """Factorize with a chain without redundant neighbours, of the shape of the source.

    Parameters
    ----------
    source : Source
    chain : Chain
    order : sequence of int
        Of the splits; that near the middle is made first in any case.
    orthonormalize : bool
    permutation : None, "bit-reversal", Permutation or pair
    progress : bool
    """
    inner, rows, columns = source.without(permutation)
    inner, probes = probed(inner)
    factors = _factors(inner, chain, order, orthonormalize, probes, progress)
    estimate = measured(inner, chain, factors, probes)
    return factorization_of(inner, chain, factors, estimate, (rows, columns))


def factorization_of(
    source: Source,
    chain: Chain,
    factors: Sequence[Array],
    estimate: ErrorEstimate,
    permutations: Permutations,
    choice: str | None = None,
) -> Factorization:
    """The record of factors of a source from which two permutations were taken out."""
    return Factorization(
        operator=for_the_matrix([factors], source.exponent, *permutations),
        chain=chain,
        relative_error=estimate.relative_error,
        permutation=None if permutations == (None, None) else permutations,
        _bounds=NO_BOUNDS,
        _choice=choice,
        estimate=estimate,
    )


def probed(source: Source, count: int = PROBES) -> tuple[Source, Probes]:
    """A source in range, and the vectors of the estimate, with their images if they cost little."""
    vectors = normal_vectors((source.shape[1], count), source.dtype, (_PROBES,))
    probes = Probes(source.array(vectors))
    if not isinstance(source, ProductSource):
        return source, probes
    images = source.product(probes.vectors)
    found = replace(source, exponent=safe_exponent(images))
    images = times_power(images, -found.exponent)
    _checkadjoint(found, probes.vectors, images)
    return found, Probes(probes.vectors, images)


def _checkadjoint(source: ProductSource, vectors: Array, images: Array) -> None:
    """Whether products with the adjoint are what the products themselves say."""
    size = norm(images) / math.sqrt(images.shape[1])
    right, images = vectors[:, :_PAIRS], images[:, :_PAIRS]
    left = source.array(normal_vectors((source.shape[0], _PAIRS), source.dtype, (_TRIALS,)))
    xp = namespace_of(left)
    forward = xp.matmul(adjoint(left), images)
    backward = xp.matmul(adjoint(source.H.product(left)), right)
    # Each of these products of two vectors is about as large as the norm of the matrix.
    apart = norm(forward - backward) / _PAIRS
    if apart > _LARGEST_MISMATCH * size:
        raise ValueError(
            "the products of A and of its adjoint contradict each other: <A x, y> and <x, A^H y> "
            f"differ by {apart:.3g} for normally distributed x and y"
        )


def _factors(
    source: Source,
    chain: Chain,
    order: Sequence[int],
    orthonormalize: bool,
    probes: Probes,
    progress: bool,
) -> list[Array]:
    unseen = probes if probes.images is None else None
    if len(chain) == 1:
        return [on_support(source, chain[0], unseen, progress)]
    split = _first_split(chain)
    two = list(two_factors(source, _junction(chain, split), unseen, progress))
    return continued_factors(two, split, chain, order, orthonormalize)


def _junction(chain: Chain, split: int) -> Junction:
    """Two factors, of the patterns before and after a split."""
    return Junction(reduce(matmul, chain[:split]), reduce(matmul, chain[split:]))


def _first_split(chain: Chain) -> int:
    """The split whose two factors hold the fewest numbers."""

    def cost(split: int) -> tuple[int, int]:
        junction = _junction(chain, split)
        return junction.left.nnz + junction.right.nnz, products_needed(junction)

    return min(range(1, len(chain)), key=cost)


def measured(
    source: Source,
    chain: Chain,
    factors: Sequence[Array],
    probes: Probes,
    norm_of_factors: float | None = None,
) -> ErrorEstimate:
    """The error of factors of a source, by its probes; the norm of their product may be known."""
    of_factors, images = Butterfly(factors) @ probes.vectors, images_of(source, probes)
    if norm_of_factors is None:
        norm_of_factors = product_norm(factors, chain)
    return estimated_error(images, of_factors, norm_of_factors, probes.size)


def images_of(source: Source, probes: Probes) -> Array:
    """The products of a source with its probes, which are made if they are not there yet."""
    if probes.images is None:
        probes.images = source.product(probes.vectors)
    return probes.images
