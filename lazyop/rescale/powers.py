r"""Products with the matrices of :math:`|w|^q`, for numbers of any size.

Such a product is led through an expression to what holds entries, so that powers are taken and
multiplied there, in the range of floating-point numbers, and sums keep exponents of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce, singledispatch
from itertools import accumulate, pairwise

import numpy as np

from lazyop.algebra.composite import Conjugate, Power, Product, Scaled, Sum
from lazyop.butterfly.operator import Butterfly
from lazyop.namespaces import Array, adjoint, like, namespace_of
from lazyop.operator import LazyOperator
from lazyop.rescale.entries import entry_arrays, magnitude, magnitudes, mapped
from lazyop.rescale.ranged import Ranged, concatenated, exponents_of
from lazyop.structured.block import Block
from lazyop.structured.block_diagonal import BlockDiagonal
from lazyop.structured.dense import Dense
from lazyop.structured.kron import Kron, KronSum
from lazyop.structured.low_rank import LowRank

__all__ = ["powers_times"]


@singledispatch
def powers_times(op: LazyOperator, x: Ranged, q: float) -> Ranged:
    """Return the product of the matrix of q-th powers of magnitudes with columns.

    As in `magnitudes`, the powers of what runs in parallel add up.

    Parameters
    ----------
    op : LazyOperator
        Whose entries are known.
    x : Ranged, shape (n, k)
    q : float
        Positive.
    """
    # Of all types that are not registered: they hold entries themselves, or have zeros and ones.
    powers = {id(w): Ranged.of(magnitude(w)).power(q) for w in entry_arrays(op)}
    if not powers:
        return _product(magnitudes(op, q), x, 0.0)
    total = _zeros(op.shape[0], x)
    for exponent in exponents_of(powers.values()):
        total = total.plus(_product(_part(op, powers, exponent), x, exponent))
    return total


def _part(op: LazyOperator, powers: dict[int, Ranged], exponent: float) -> LazyOperator:
    """Return an operator of those powers, by the identity of arrays, that have an exponent."""
    return mapped(op, lambda w: powers[id(w)].at(exponent))


def _product(op: LazyOperator, x: Ranged, exponent: float) -> Ranged:
    """Return the product of an operator times a power of two with columns.

    Its entries are such mantissas as those of the columns.
    """
    total = _zeros(op.shape[0], x)
    for shift in exponents_of([x]):
        total = total.plus(Ranged.of(op @ x.at(shift), exponent + shift))
    return total


def _zeros(rows: int, x: Ranged) -> Ranged:
    """Return zeros for the columns of another array, where its data live."""
    return Ranged.of(like(np.zeros((rows, x.mantissa.shape[1])), x.mantissa))


def _one_by_one(factors: tuple[LazyOperator, ...], x: Ranged, q: float) -> Ranged:
    return reduce(lambda y, factor: powers_times(factor, y, q), reversed(factors), x)


@powers_times.register
def _(op: Product, x: Ranged, q: float) -> Ranged:
    return _one_by_one(op.operands, x, q)


@powers_times.register
def _(op: Butterfly, x: Ranged, q: float) -> Ranged:
    return _one_by_one(op.factors, x, q)


@powers_times.register
def _(op: Power, x: Ranged, q: float) -> Ranged:
    return _one_by_one((op.operand,) * op.exponent, x, q)


@powers_times.register
def _(op: LowRank, x: Ranged, q: float) -> Ranged:
    return _one_by_one((Dense(op.U), Dense(adjoint(op.V))), x, q)


@powers_times.register
def _(op: Conjugate, x: Ranged, q: float) -> Ranged:
    return powers_times(op.operand, x, q)


@powers_times.register
def _(op: Scaled, x: Ranged, q: float) -> Ranged:
    coefficient = like(np.full((1, 1), float(abs(op.coefficient))), x.mantissa)
    return powers_times(op.operand, x, q).times(Ranged.of(coefficient).power(q))


@powers_times.register
def _(op: Sum, x: Ranged, q: float) -> Ranged:
    return reduce(Ranged.plus, (powers_times(term, x, q) for term in op.operands))


@powers_times.register
def _(op: BlockDiagonal, x: Ranged, q: float) -> Ranged:
    parts = _parts(x, [block.shape[1] for block in op.operands])
    return concatenated(
        [powers_times(block, part, q) for block, part in zip(op.operands, parts, strict=True)]
    )


@powers_times.register
def _(op: Block, x: Ranged, q: float) -> Ranged:
    parts, rows = _parts(x, op.widths), []
    for row, height in zip(op.grid, op.heights, strict=True):
        pairs = zip(row, parts, strict=True)
        terms = [powers_times(block, part, q) for block, part in pairs if block is not None]
        rows.append(reduce(Ranged.plus, terms, _zeros(height, x)))
    return concatenated(rows)


def _parts(x: Ranged, sizes: list[int] | tuple[int, ...]) -> list[Ranged]:
    return [_rows(x, slice(*cut)) for cut in pairwise(accumulate(sizes, initial=0))]


def _rows(x: Ranged, rows: slice) -> Ranged:
    return x.map(lambda a: a[rows, :])


@powers_times.register
def _(op: Kron, x: Ranged, q: float) -> Ranged:
    sizes, columns = [part.shape[1] for part in op.operands], x.mantissa.shape[1]
    for i in op._order:
        m, n = op.operands[i].shape
        before, after = math.prod(sizes[:i]), math.prod(sizes[i + 1 :]) * columns
        inner = powers_times(op.operands[i], x.map(_unfolding((before, n, after))), q)
        x = inner.map(_folding((before, m, after), columns))
        sizes[i] = m
    return x


def _unfolding(sizes: tuple[int, int, int]) -> Callable[[Array], Array]:
    """Return the change of a stack of matrices, one above the other, to one beside the other."""
    before, n, after = sizes

    def unfolded(a: Array) -> Array:
        xp = namespace_of(a)
        stack = xp.permute_dims(xp.reshape(a, (before, n, after)), (1, 0, 2))
        return xp.reshape(stack, (n, before * after))

    return unfolded


def _folding(sizes: tuple[int, int, int], columns: int) -> Callable[[Array], Array]:
    """Return the change back, to so many columns."""
    before, m, after = sizes

    def folded(a: Array) -> Array:
        xp = namespace_of(a)
        stack = xp.permute_dims(xp.reshape(a, (m, before, after)), (1, 0, 2))
        return xp.reshape(stack, (before * m * after // columns, columns))

    return folded


@powers_times.register
def _(op: KronSum, x: Ranged, q: float) -> Ranged:
    return reduce(Ranged.plus, (powers_times(term, x, q) for term in op._expanded()))
