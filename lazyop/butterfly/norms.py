"""Norms of chains of Kronecker-sparse factors, in the time of a few products with vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lazyop.algebra.array_norm import entries_norm, extreme, in_floats, product_of, sum_axis
from lazyop.butterfly.blocks import Junction
from lazyop.butterfly.kronecker_sparse import KroneckerSparse, apply_chain
from lazyop.butterfly.pattern import Pattern
from lazyop.namespaces import Array, namespace_of, unify_kinds, zeros

if TYPE_CHECKING:
    from lazyop.butterfly.operator import Butterfly
    from lazyop.traits import Order


def chain_norm(A: Butterfly, order: Order) -> float | None:
    """Return a norm of a butterfly of several factors; None where its patterns don't give it."""
    if not A.chain.chainable:
        return chain_norm(A._transpose(), _of_transpose(order)) if A.chain.H.chainable else None
    if order == "fro":
        return _frobenius([factor.values for factor in A.merge().factors])
    if order == 2 or set(A.chain.ranks) != {1}:
        return None
    return _sums([factor.values for factor in A.factors], order)


def _of_transpose(order: Order) -> Order:
    swaps: dict[Order, Order] = {1: math.inf, -1: -math.inf, math.inf: 1, -math.inf: -1}
    return swaps.get(order, order)


def _frobenius(factors: Sequence[Array]) -> float:
    r"""Return the Frobenius norm by moving all of it into the last factor.

    The blocks of a product across a junction are products X Y of blocks of the two factors, each
    in one of them; with X = Q R, the norm of X Y is that of R Y.
    """
    rest, sizes = in_floats(factors[0]), []
    for right in factors[1:]:
        rest, scale = _scaled(rest)
        sizes.append(scale)
        junction = Junction(Pattern(*rest.shape), Pattern(*right.shape))
        xp = namespace_of(rest)
        R = xp.linalg.qr(junction.split_left(rest)).R
        Y = junction.split_right(in_floats(right))
        rest = junction.join_right(xp.matmul(*unify_kinds(R, Y)))
    return product_of([*sizes, entries_norm(rest)])


def _sums(factors: Sequence[Array], order: Order) -> float:
    """Return a norm of sums where every entry of the matrix is one product of the factors' entries.

    That is so where all ranks are 1, and then magnitudes multiply as the entries do.
    """
    sizes, scales = zip(*(_scaled(namespace_of(x).abs(in_floats(x))) for x in factors), strict=True)
    chain = [KroneckerSparse(values) for values in sizes]
    if sum_axis(order) == 0:
        chain = [factor._transpose() for factor in reversed(chain)]
    ones = zeros((chain[-1].shape[1], 1), chain[-1].dtype, sizes[0]) + 1
    return product_of([*scales, extreme(apply_chain(chain, ones), order)])


def _scaled(values: Array) -> tuple[Array, float]:
    """Return values with a largest magnitude of 1, and what it was."""
    largest = float(namespace_of(values).max(namespace_of(values).abs(values)))
    return (values / largest, largest) if largest and math.isfinite(largest) else (values, 1.0)
