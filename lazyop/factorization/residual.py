"""How far a product of factors is from a matrix, without the product in memory."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import matmul

from lazyop.butterfly.blocks import Junction, chain_values, dense_from_values, values_from_dense
from lazyop.butterfly.chain import Chain
from lazyop.butterfly.pattern import Pattern
from lazyop.namespaces import Array, is_complex, namespace_of

__all__ = ["energy", "energy_outside", "norm", "residual_norm"]

#: Entries that are compared at a time: they and their product stay in a core's second-level cache.
_PANEL = 1 << 15


def energy(x: Array) -> float:
    """Sum of the squared absolute values, without a copy."""
    xp = namespace_of(x)
    rows = xp.vecdot(x, x)
    return float(xp.sum(xp.real(rows) if is_complex(rows) else rows))


def norm(x: Array) -> float:
    """Root of the sum of the squared absolute values."""
    return float(namespace_of(x).linalg.vector_norm(x))


def energy_outside(A: Array, pattern: Pattern) -> float:
    """Energy of the entries of a matrix off the support of a pattern."""
    if pattern.a == pattern.d == 1:
        return 0.0
    return energy(A - dense_from_values(values_from_dense(A, pattern)))


def residual_norm(A: Array, factors: Sequence[Array], chain: Chain) -> float:
    """Frobenius norm of a matrix minus a product of factors, entry by entry.

    Multiplies all factors but the first, and then goes over the matrix in panels.

    Parameters
    ----------
    A : array, shape (m, n)
    factors : sequence of array
        Values of shape `(a, b, c, d)`, leftmost factor first.
    chain : Chain
        Their patterns, chainable, of the shape of `A`.

    Returns
    -------
    float
    """
    pattern = reduce(matmul, chain)
    values = values_from_dense(A, pattern)
    inside = _energy_of_difference(values, factors, chain)
    return float((energy_outside(A, pattern) + inside) ** 0.5)


def _energy_of_difference(values: Array, factors: Sequence[Array], chain: Chain) -> float:
    if len(chain) == 1:
        return energy(values - factors[0])
    xp = namespace_of(values)
    junction = Junction(chain[0], reduce(matmul, chain[1:]))
    X = junction.split_left(factors[0])
    Y = junction.split_right(chain_values(factors[1:], chain[1:]))
    blocks, total = junction.split(values), 0.0
    depth = max(1, _PANEL * junction.delta // chain[0].nnz // junction.right.c)
    for start in range(0, junction.delta, depth):
        panel = (slice(None), slice(None), slice(start, min(start + depth, junction.delta)), ...)
        total += energy(blocks[panel] - xp.matmul(X[panel], Y[panel]))
    return total
