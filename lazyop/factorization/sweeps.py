r"""Alternating least squares over the factors of a chain that chains, by block.

While every factor left of one has blocks with orthonormal columns, and every factor right of it
blocks with orthonormal rows, the least-squares problem for that factor falls apart into its
blocks, and the solution is a projection of the matrix on both sides. A sweep moves that centre
from the first factor to the last and back, as one does for tensor trains.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from operator import matmul

from lazyop.butterfly.blocks import Junction
from lazyop.butterfly.chain import Chain
from lazyop.butterfly.pattern import Pattern
from lazyop.namespaces import Array, adjoint, namespace_of

__all__ = ["swept"]


def swept(values: Array, factors: Sequence[Array], chain: Chain) -> list[Array]:
    r"""Factors after every one of them, in turn, minimised the error while the others stood still.

    Parameters
    ----------
    values : array, shape (a, b, c, d)
        The matrix on the support of the product of the chain.
    factors : sequence of array
        Values of the factors, of the dtype of the matrix.
    chain : Chain
        Their patterns: chainable, not redundant.

    Returns
    -------
    list of array
        The factors after updates from the first to the last and back. Their product is no
        further from the matrix than that of those given, up to rounding. All but the first have
        blocks with orthonormal rows.

    Notes
    -----
    With :math:`U` the product of the factors before factor `k`, :math:`V` of those after it, and
    both orthonormal by blocks, :math:`\|A - U K V\|^2 = \|U^H A V^H - K\|^2 + \text{const}` on
    the support of `K`. The projections of `A` shrink with every step, so that for the square
    dyadic chain a sweep takes a few passes over the matrix.
    """
    if len(chain) == 1:
        return [values]
    tails, patterns = _right_orthonormal_tails(factors, chain), _tails(chain)
    held: list[Array] = []
    rest = values
    for k in range(len(chain) - 1):
        junction, xp = Junction(chain[k], patterns[k + 1]), namespace_of(rest)
        blocks = junction.split(rest)
        best = xp.matmul(blocks, adjoint(junction.split_right(tails[k])))
        Q = xp.linalg.qr(best)[0]
        held.append(junction.join_left(Q))
        rest = junction.join_right(xp.matmul(adjoint(Q), blocks))
    return _swept_back(values, held, chain)


def _swept_back(values: Array, held: Sequence[Array], chain: Chain) -> list[Array]:
    """Updates from the last factor to the first, with all factors but the last held."""
    heads = _heads(held, chain)
    patterns = list(accumulate(chain, matmul))
    found: list[Array] = []
    rest = values
    for k in range(len(chain) - 1, 0, -1):
        junction, xp = Junction(patterns[k - 1], chain[k]), namespace_of(rest)
        blocks = junction.split(rest)
        best = xp.matmul(adjoint(junction.split_left(heads[k - 1])), blocks)
        Q = xp.matrix_transpose(xp.linalg.qr(xp.matrix_transpose(best))[0])
        found.append(junction.join_right(Q))
        rest = junction.join_left(xp.matmul(blocks, adjoint(Q)))
    return [rest, *reversed(found)]


def _right_orthonormal_tails(factors: Sequence[Array], chain: Chain) -> list[Array]:
    """The product from each factor but the first on, its blocks with orthonormal rows.

    What that takes from a factor goes into the one before it; the first, which a sweep replaces
    before it looks at it, need not know.
    """
    patterns, current = _tails(chain), factors[-1]
    tails: list[Array] = []
    for k in range(len(chain) - 1, 0, -1):
        junction, xp = Junction(chain[k - 1], chain[k]), namespace_of(current)
        # If Y^T = Q R then Y = R^T Q^T, and the rows of Q^T are orthonormal, complex or not.
        right = xp.matrix_transpose(junction.split_right(current))
        Q, R = map(xp.matrix_transpose, xp.linalg.qr(right))
        tail = junction.join_right(Q)
        if tails:
            tail = Junction(chain[k], patterns[k + 1]).product(tail, tails[-1])
        tails.append(tail)
        current = junction.join_left(xp.matmul(junction.split_left(factors[k - 1]), R))
    return tails[::-1]


def _heads(factors: Sequence[Array], chain: Chain) -> list[Array]:
    """The product up to each of the factors."""
    patterns, heads = list(accumulate(chain, matmul)), [factors[0]]
    for k in range(1, len(factors)):
        heads.append(Junction(patterns[k - 1], chain[k]).product(heads[-1], factors[k]))
    return heads


def _tails(chain: Chain) -> list[Pattern]:
    """The pattern of the product from each factor on."""
    return list(accumulate(reversed(chain), lambda tail, pattern: pattern @ tail))[::-1]
