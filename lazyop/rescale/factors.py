r"""Networks and chains as one sequence of factors, whose junctions can be rescaled.

A layer that is a product of operators is as many layers without an activation between them. At a
junction, a positive diagonal matrix passes through either way: :math:`K_2 D^{-1} (D K_1)` is
:math:`K_2 K_1`, and :math:`K_2 D^{-1} \max(0, D K_1 x)` is :math:`K_2 \max(0, K_1 x)`.
"""

from __future__ import annotations

import operator as operators
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce, singledispatch
from itertools import accumulate, pairwise
from typing import TypeAlias

import numpy as np

from lazyop.algebra.composite import Conjugate, Product, Scaled
from lazyop.algebra.neutral import Identity
from lazyop.algebra.normal_form import multiply
from lazyop.algebra.restriction import Extension, Restriction
from lazyop.butterfly.kronecker_sparse import KroneckerSparse
from lazyop.butterfly.operator import Butterfly
from lazyop.namespaces import (
    Array,
    adjoint,
    cast,
    dtype_of,
    is_complex,
    namespace_of,
    take_rows,
)
from lazyop.operator import LazyOperator
from lazyop.rescale.entries import magnitudes
from lazyop.rescale.layers import Layer
from lazyop.structured.block_diagonal import BlockDiagonal
from lazyop.structured.dense import Dense
from lazyop.structured.diagonal import Diagonal
from lazyop.structured.low_rank import LowRank
from lazyop.structured.permutation import Permutation
from lazyop.structured.sparse import Sparse

__all__ = ["Stage", "restored", "stages_of", "taken_apart"]

#: Makes an operator from others in the places of its factors, leftmost first.
Rebuild: TypeAlias = Callable[[Sequence[LazyOperator]], LazyOperator]

#: A diagonal matrix passes through them.
_TRANSPARENT = (Extension, Identity, Permutation, Restriction)


def taken_apart(op: LazyOperator) -> tuple[list[LazyOperator], Rebuild]:
    """Return the factors of an operator, leftmost first, and how to make one of others."""
    if isinstance(op, Product):
        inner = [taken_apart(part) for part in op.operands]
        cuts = list(accumulate((len(factors) for factors, _ in inner), initial=0))
        spans = [slice(*cut) for cut in pairwise(cuts)]
        return [f for factors, _ in inner for f in factors], lambda made: Product(
            *(rebuild(made[span]) for (_, rebuild), span in zip(inner, spans, strict=True))
        )
    if isinstance(op, Butterfly):
        return list(op.factors), lambda made: Butterfly(
            made, kernels=op.kernels, _unitary=op._unitary
        )
    if isinstance(op, LowRank):
        pair: list[LazyOperator] = [Dense(op.U), Dense(adjoint(op.V))]
        return pair, lambda made: LowRank(*_outer_factors(made))
    if isinstance(op, Scaled):
        factors, remake = taken_apart(op.operand)
        return factors, lambda made: Scaled(op.coefficient, remake(made), _dtype(op, made))
    if isinstance(op, Conjugate):
        factors, remake = taken_apart(op.operand)
        return factors, lambda made: Conjugate(remake(made))
    return [op], lambda made: made[0]


def _outer_factors(made: Sequence[LazyOperator]) -> Iterator[Array]:
    left, right = made
    if not (isinstance(left, Dense) and isinstance(right, Dense)):
        raise TypeError(f"a low-rank matrix has two dense factors, got {left!r} and {right!r}")
    yield left.values
    yield adjoint(right.values)


def _dtype(op: Scaled, made: Sequence[LazyOperator]) -> np.dtype[np.generic]:
    return np.result_type(op.dtype, *(factor.dtype for factor in made))


@dataclass(frozen=True)
class Stage:
    """One factor with entries, among what permutes or picks before and after it.

    Attributes
    ----------
    before, after : tuple of operators
        What acts before and after the factor, leftmost first.
    factor : LazyOperator
        What can be rescaled.
    bias : array or None
        What is added at the end.
    """

    before: tuple[LazyOperator, ...]
    factor: LazyOperator
    after: tuple[LazyOperator, ...]
    bias: Array | None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows = self.after[0] if self.after else self.factor
        columns = self.before[-1] if self.before else self.factor
        return rows.shape[0], columns.shape[1]

    def magnitudes(self, p: float) -> LazyOperator:
        """Return the matrix of the p-th powers of the absolute values of the entries."""
        return multiply(*self.after, magnitudes(self.factor, p), *self.before)

    def scaled(self, rows: Array, columns: Array) -> Stage:
        """Return the stage with its rows and columns multiplied by positive numbers."""
        inner_rows, inner_columns = rows, columns
        for op in self.after:
            inner_rows = _passed_on(op.T, inner_rows)
        for op in reversed(self.before):
            inner_columns = _passed_on(op, inner_columns)
        factor = scaled(self.factor, inner_rows, inner_columns)
        bias = None if self.bias is None else _times(self.bias, rows)
        return Stage(self.before, factor, self.after, bias)


def _passed_on(op: LazyOperator, d: Array) -> Array:
    """Return the diagonal matrix E with ``A D = E A``, of ones where A has no row.

    The transpose of an operator that picks or permutes is the other way round.
    """
    xp = namespace_of(d)
    return op @ d + (1 - op @ xp.ones_like(d))


def stages_of(layers: Sequence[Layer]) -> list[Stage]:
    """Return the factors of all layers as stages, the one that acts first at the start.

    Raises
    ------
    TypeError
        If the rows and columns of a factor can't be multiplied one by one.
    ValueError
        If a layer has no factor with entries.
    """
    return [stage for k, layer in enumerate(layers, start=1) for stage in _stages(layer, k)]


def _stages(layer: Layer, k: int) -> list[Stage]:
    factors = taken_apart(layer.operator)[0][::-1]
    places = [i for i, op in enumerate(factors) if not isinstance(op, _TRANSPARENT)]
    if not places:
        raise ValueError(f"layer {k}, {layer.operator!r}, has no entries that could be rescaled")
    for op in factors:
        if not _can_be_scaled(op):
            raise TypeError(
                f"rows and columns of {op!r} in layer {k} can't be multiplied one by one"
            )
    found = []
    for i, start in zip(places, [0, *(place + 1 for place in places)], strict=False):
        is_last = i == places[-1]
        after = tuple(factors[:i:-1]) if is_last else ()
        before = tuple(factors[start:i][::-1])
        found.append(Stage(before, factors[i], after, layer.bias if is_last else None))
    return found


def _can_be_scaled(op: LazyOperator) -> bool:
    if isinstance(op, Restriction | Extension):  # the same row twice has one multiple
        return np.unique(op.rows()).size == op.rows().size
    if isinstance(op, _TRANSPARENT):
        return True
    if isinstance(op, BlockDiagonal):
        return all(map(_can_be_scaled, op.operands)) and not any(
            isinstance(block, _TRANSPARENT) for block in op.operands
        )
    return scaled.dispatch(type(op)) is not scaled.dispatch(object)


def restored(layers: Sequence[Layer], stages: Sequence[Stage]) -> list[Layer]:
    """Return the layers that stages in the places of their own make."""
    left, made = iter(stages), []
    for layer in layers:
        factors, rebuild = taken_apart(layer.operator)
        bias, new = layer.bias, []
        for op in reversed(factors):
            if not isinstance(op, _TRANSPARENT):
                stage = next(left)
                op, bias = stage.factor, stage.bias
            new.append(op)
        made.append(layer.with_parts(rebuild(new[::-1]), bias))
    return made


@singledispatch
def scaled(factor: LazyOperator, rows: Array, columns: Array) -> LazyOperator:
    """Return a factor with its rows and columns multiplied by positive numbers."""
    raise TypeError(f"rows and columns of {factor!r} can't be multiplied one by one")


@scaled.register
def _(factor: Dense, rows: Array, columns: Array) -> LazyOperator:
    return Dense(_times(factor.values, rows[:, None], columns[None, :]))


@scaled.register
def _(factor: Diagonal, rows: Array, columns: Array) -> LazyOperator:
    return Diagonal(_times(factor.d, rows, columns))


@scaled.register
def _(factor: KroneckerSparse, rows: Array, columns: Array) -> LazyOperator:
    a, b, c, d = factor.pattern
    xp = namespace_of(rows)
    across = xp.reshape(rows, (a, b, 1, d)), xp.reshape(columns, (a, 1, c, d))
    return KroneckerSparse(_times(factor._held, *across), _conjugated=factor._conjugated)


@scaled.register
def _(factor: Sparse, rows: Array, columns: Array) -> LazyOperator:
    i, j = coordinates(factor)
    data = _times(factor.data, take_rows(rows, i), take_rows(columns, j))
    return Sparse(data, factor.indices, factor.indptr, factor.shape, factor.format)


def coordinates(factor: Sparse) -> tuple[Array, Array]:
    """Return the row and the column of every entry, in the order in which they are held."""
    matrix = factor._matrix.tocoo()
    return matrix.row, matrix.col


@scaled.register
def _(factor: BlockDiagonal, rows: Array, columns: Array) -> LazyOperator:
    blocks, i, j = [], 0, 0
    for op in factor.operands:
        m, n = op.shape
        blocks.append(scaled(op, rows[i : i + m], columns[j : j + n]))
        i, j = i + m, j + n
    return BlockDiagonal(blocks)


def _times(x: Array, *multiples: Array) -> Array:
    """Multiply entries by real numbers in double precision; the result has theirs."""
    dtype = dtype_of(x) if dtype_of(x).kind in "fc" else np.dtype(np.float64)
    double = cast(x, np.complex128 if is_complex(x) else np.float64)
    # All multiples first: entries may be as large as their inverse.
    with np.errstate(over="ignore"):  # which the caller looks for
        return cast(double * reduce(operators.mul, multiples), dtype)
