r"""Derivatives of sums :math:`\sum_k u_k^T A v_k` by the entries that an expression holds.

For `A` dense they are :math:`\sum_k u_k v_k^T`. Of any other operator, `u` and `v` are led through
the expression to its entries; what a product needs of its other factors are products with these.
"""

from __future__ import annotations

import math
from functools import singledispatch
from itertools import accumulate, pairwise
from typing import TypeAlias

from lazyop.algebra.composite import Conjugate, Power, Product, Scaled, Sum
from lazyop.algebra.neutral import Identity, Zero
from lazyop.algebra.restriction import Extension, Restriction
from lazyop.butterfly.kronecker_sparse import KroneckerSparse
from lazyop.butterfly.operator import Butterfly
from lazyop.namespaces import Array, dtype_of, namespace_of, take_rows, zeros
from lazyop.operator import LazyOperator
from lazyop.rescale.factors import coordinates
from lazyop.structured.block import Block
from lazyop.structured.block_diagonal import BlockDiagonal
from lazyop.structured.dense import Dense
from lazyop.structured.diagonal import Diagonal
from lazyop.structured.kron import Kron, KronSum
from lazyop.structured.low_rank import LowRank
from lazyop.structured.permutation import Permutation
from lazyop.structured.sparse import Sparse
from lazyop.structured.toeplitz import Circulant, Toeplitz

__all__ = ["Derivatives", "sensitivities"]

#: From the identity of an array of entries to the array and the derivatives by them.
Derivatives: TypeAlias = dict[int, tuple[Array, Array]]


def sensitivities(op: LazyOperator, u: Array, v: Array) -> Derivatives:
    """Return the derivatives of ``u^T A v`` by the arrays of entries of a real expression.

    An array that is used more than once has one derivative, of all its uses.
    """
    found: Derivatives = {}
    _visit(op, u[:, None], v[:, None], found)
    return found


def _add(x: Array, derivative: Array, found: Derivatives) -> None:
    known = found.get(id(x))
    found[id(x)] = x, derivative if known is None else known[1] + derivative


@singledispatch
def _visit(op: LazyOperator, U: Array, V: Array, found: Derivatives) -> None:
    """Add the derivatives of the sum over columns of ``U^T A V``."""
    raise TypeError(f"the entries of {op!r} are not known")


@_visit.register(Extension)
@_visit.register(Identity)
@_visit.register(Permutation)
@_visit.register(Restriction)
@_visit.register(Zero)
def _(op: LazyOperator, U: Array, V: Array, found: Derivatives) -> None:
    pass


@_visit.register
def _(op: Dense, U: Array, V: Array, found: Derivatives) -> None:
    _add(op.values, U @ namespace_of(V).matrix_transpose(V), found)


@_visit.register
def _(op: Diagonal, U: Array, V: Array, found: Derivatives) -> None:
    _add(op.d, namespace_of(U).sum(U * V, axis=1), found)


@_visit.register
def _(op: Sparse, U: Array, V: Array, found: Derivatives) -> None:
    i, j = coordinates(op)
    _add(op.data, namespace_of(U).sum(take_rows(U, i) * take_rows(V, j), axis=1), found)


@_visit.register
def _(op: KroneckerSparse, U: Array, V: Array, found: Derivatives) -> None:
    a, b, c, d = op.pattern
    xp, k = namespace_of(U), U.shape[1]
    rows = xp.permute_dims(xp.reshape(U, (a, b, d, k)), (0, 2, 1, 3))
    columns = xp.permute_dims(xp.reshape(V, (a, c, d, k)), (0, 2, 3, 1))
    _add(op._held, xp.permute_dims(xp.matmul(rows, columns), (0, 2, 3, 1)), found)


@_visit.register
def _(op: LowRank, U: Array, V: Array, found: Derivatives) -> None:
    xp = namespace_of(U)
    _add(op.U, U @ xp.matrix_transpose(V) @ op.V, found)
    _add(op.V, V @ xp.matrix_transpose(U) @ op.U, found)


@_visit.register
def _(op: Circulant, U: Array, V: Array, found: Derivatives) -> None:
    _add(op.c, _correlation(U, V, op.shape[0]), found)


@_visit.register
def _(op: Toeplitz, U: Array, V: Array, found: Derivatives) -> None:
    xp, (m, n) = namespace_of(U), op.shape
    found_below = _correlation(U, V, max(m + n - 1, 0))
    above = xp.flip(found_below[m:], axis=0)
    _add(op.c, found_below[:m], found)
    _add(op.r, xp.concat([zeros((min(n, 1),), dtype_of(U), U), above]), found)  # r[0] is not used


def _correlation(U: Array, V: Array, period: int) -> Array:
    """Return the sums of ``u[i] v[j]`` over ``(i - j) % period``, for all of these numbers."""
    total = zeros((period,), dtype_of(U), U)
    for k in range(U.shape[1] if period else 0):
        u, v = (_padded(X[:, k], period) for X in (U, V))
        total = total + Circulant(v).T @ u
    return total


def _padded(x: Array, length: int) -> Array:
    rest = zeros((length - x.shape[0],), dtype_of(x), x)
    return namespace_of(x).concat([x, rest])


def _visit_factors(factors: tuple[LazyOperator, ...], U: Array, V: Array, d: Derivatives) -> None:
    inputs = [V]
    for factor in factors[:0:-1]:
        inputs.append(factor @ inputs[-1])
    for factor, inner in zip(factors, reversed(inputs), strict=True):
        _visit(factor, U, inner, d)
        U = factor.T @ U


@_visit.register
def _(op: Product, U: Array, V: Array, found: Derivatives) -> None:
    _visit_factors(op.operands, U, V, found)


@_visit.register
def _(op: Butterfly, U: Array, V: Array, found: Derivatives) -> None:
    _visit_factors(op.factors, U, V, found)


@_visit.register
def _(op: Power, U: Array, V: Array, found: Derivatives) -> None:
    _visit_factors((op.operand,) * op.exponent, U, V, found)


@_visit.register
def _(op: Sum, U: Array, V: Array, found: Derivatives) -> None:
    for term in op.operands:
        _visit(term, U, V, found)


@_visit.register
def _(op: Scaled, U: Array, V: Array, found: Derivatives) -> None:
    _visit(op.operand, op.coefficient * U, V, found)


@_visit.register
def _(op: Conjugate, U: Array, V: Array, found: Derivatives) -> None:
    _visit(op.operand, U, V, found)


@_visit.register
def _(op: BlockDiagonal, U: Array, V: Array, found: Derivatives) -> None:
    sizes = zip(*(block.shape for block in op.operands), strict=True)
    spans = zip(*map(_spans, sizes), strict=True)
    for block, (rows, columns) in zip(op.operands, spans, strict=True):
        _visit(block, U[rows, :], V[columns, :], found)


@_visit.register
def _(op: Block, U: Array, V: Array, found: Derivatives) -> None:
    for row, rows in zip(op.grid, _spans(op.heights), strict=True):
        for block, columns in zip(row, _spans(op.widths), strict=True):
            if block is not None:
                _visit(block, U[rows, :], V[columns, :], found)


def _spans(sizes: tuple[int, ...]) -> list[slice]:
    return [slice(*cut) for cut in pairwise(accumulate(sizes, initial=0))]


@_visit.register
def _(op: Kron, U: Array, V: Array, found: Derivatives) -> None:
    for i, operand in enumerate(op.operands):
        left, right = op.operands[:i], op.operands[i + 1 :]
        # The others act on v; what is left is one product by the operand for each of their rows.
        others = (*left, Identity(operand.shape[1]), *right)
        _visit(operand, _unfolded(U, op, i, 0), _unfolded(Kron(*others) @ V, op, i, 1), found)


def _unfolded(X: Array, op: Kron, i: int, axis: int) -> Array:
    """Return columns along one axis of arrays over the rows of all other operands."""
    xp, size = namespace_of(X), op.operands[i].shape[axis]
    before = math.prod(other.shape[0] for other in op.operands[:i])
    after = math.prod(other.shape[0] for other in op.operands[i + 1 :]) * X.shape[1]
    unfolded = xp.permute_dims(xp.reshape(X, (before, size, after)), (1, 0, 2))
    return xp.reshape(unfolded, (size, before * after))


@_visit.register
def _(op: KronSum, U: Array, V: Array, found: Derivatives) -> None:
    for term in op._expanded():
        _visit(term, U, V, found)
