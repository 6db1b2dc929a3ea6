"""Expressions of operators seen as what they hold: entries, which can be changed one by one.

A walk rebuilds an expression with other entries in their places. It goes through the operators
whose entries are known; of what another library, or a rule, makes products of, there are none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np

from lazyop.algebra.composite import Conjugate, Power, Product, Scaled, Sum
from lazyop.algebra.neutral import Identity, Zero
from lazyop.algebra.restriction import Extension, Restriction
from lazyop.butterfly.kronecker_sparse import KroneckerSparse
from lazyop.butterfly.operator import Butterfly
from lazyop.namespaces import (
    Array,
    cast,
    is_array,
    is_complex,
    namespace_of,
    real_counterpart,
    to_numpy,
)
from lazyop.operator import LazyOperator
from lazyop.quantization.packed import PackedButterfly
from lazyop.structured.block import Block
from lazyop.structured.block_diagonal import BlockDiagonal
from lazyop.structured.dense import Dense
from lazyop.structured.diagonal import Diagonal
from lazyop.structured.kron import Kron, KronSum
from lazyop.structured.low_rank import LowRank
from lazyop.structured.permutation import Permutation
from lazyop.structured.sparse import Sparse, from_sparse
from lazyop.structured.toeplitz import Circulant, Toeplitz

__all__ = [
    "entry_arrays",
    "largest",
    "magnitude",
    "magnitudes",
    "mapped",
    "scored_form",
    "settled",
]

Change: TypeAlias = Callable[[Array], Array]

#: Hold entries, one array or two.
_LEAVES = frozenset({Circulant, Dense, Diagonal, KroneckerSparse, LowRank, Sparse, Toeplitz})
#: Have entries 0 and 1 for good.
_FIXED = frozenset({Extension, Identity, Permutation, Restriction, Zero})
#: Are made of operators.
_COMPOSITES = frozenset(
    {Block, BlockDiagonal, Butterfly, Conjugate, Kron, KronSum, Power, Product, Scaled, Sum}
)


def settled(op: LazyOperator) -> LazyOperator:
    """Return an expression in which every entry is there once, as a number.

    Raises
    ------
    TypeError
        If the entries of an operator in it are not known.
    """
    return _Walk(_settled_leaf, _unchanged, _unchanged).operator(op)


def _unchanged(x: Any) -> Any:
    return x


def _settled_leaf(leaf: LazyOperator) -> LazyOperator:
    if not isinstance(leaf, Sparse) or leaf._matrix.has_canonical_format:
        return leaf
    matrix = leaf._matrix.copy()
    matrix.sum_duplicates()
    return from_sparse(matrix)


def magnitudes(op: LazyOperator, q: float) -> LazyOperator:
    """Return an expression of the same form with entries ``|w| ** q``, in double precision.

    It is the matrix of these powers where each entry of the matrix comes from one entry of each
    factor, as in butterflies of rank one; elsewhere the powers of what runs in parallel add up.
    """
    leaf = _with_entries(lambda x: magnitude(x) ** q)
    return _Walk(leaf, lambda c: abs(c) ** q, _real).operator(op)


def _real(fixed: LazyOperator) -> LazyOperator:
    fields = fixed._field_values()
    return fixed._rebuild(**{**fields, "dtype": real_counterpart(fixed.dtype)})


def magnitude(x: Array) -> Array:
    """Return the absolute values of an array, in double precision."""
    double = cast(x, np.complex128 if is_complex(x) else np.float64)
    return namespace_of(x).abs(double)


def largest(x: Array) -> float:
    """Return the largest of nonnegative numbers, 0 where there is none."""
    return float(to_numpy(namespace_of(x).max(x))) if math.prod(x.shape) else 0.0


def mapped(op: LazyOperator, change: Change) -> LazyOperator:
    """Return an expression of the same form with changed arrays of entries."""
    return _Walk(_with_entries(change), _unchanged, _unchanged).operator(op)


def scored_form(op: LazyOperator, change: Change) -> LazyOperator:
    """Return an expression of the same form with changed entries, and coefficients of one."""
    return _Walk(_with_entries(change), lambda _: 1, _unchanged).operator(op)


def _with_entries(change: Change) -> Callable[[LazyOperator], LazyOperator]:
    def changed(leaf: LazyOperator) -> LazyOperator:
        arrays = {name: change(x) for name, x in _fields_of_entries(leaf).items()}
        return leaf._rebuild(**{**leaf._field_values(), **arrays})

    return changed


def entry_arrays(op: LazyOperator) -> list[Array]:
    """Return the arrays of entries of an expression from left to right, each leaf's once."""
    leaves: dict[int, LazyOperator] = {}
    for leaf in _leaves(op):
        leaves.setdefault(id(leaf), leaf)
    return [x for leaf in leaves.values() for x in _fields_of_entries(leaf).values()]


def _leaves(op: LazyOperator) -> Iterator[LazyOperator]:
    if type(op) in _LEAVES:
        yield op
    for part in op.args:
        yield from _leaves(part)


def _fields_of_entries(leaf: LazyOperator) -> dict[str, Array]:
    fields = leaf._field_values().items()
    return {name: x for name, x in fields if is_array(x) and name not in leaf._index_fields}


class _Walk:
    """Rebuilds an expression from changed leaves and coefficients, shared parts once."""

    def __init__(
        self,
        leaf: Callable[[LazyOperator], LazyOperator],
        coefficient: Callable[[complex], complex],
        fixed: Callable[[LazyOperator], LazyOperator],
    ) -> None:
        self._leaf, self._coefficient, self._fixed = leaf, coefficient, fixed
        self._made: dict[int, tuple[LazyOperator, LazyOperator]] = {}

    def operator(self, op: LazyOperator) -> LazyOperator:
        if id(op) not in self._made:
            self._made[id(op)] = op, self._make(op)
        return self._made[id(op)][1]

    def _make(self, op: LazyOperator) -> LazyOperator:
        if isinstance(op, PackedButterfly):
            return self.operator(op.unpack())
        if type(op) in _LEAVES:
            return self._leaf(op)
        if type(op) in _FIXED:
            return self._fixed(op)
        if type(op) not in _COMPOSITES:
            raise TypeError(
                f"the entries of {op!r} are not known, only its products; pass the matrix, for "
                "example as toarray() makes it"
            )
        held = op._field_values()
        fields = {name: self._value(x) for name, x in held.items()}
        if isinstance(op, Butterfly) and fields["factors"] != held["factors"]:
            fields["_unitary"] = False  # known of the factors before
        if isinstance(op, Scaled):
            fields["coefficient"] = self._coefficient(op.coefficient)
        if "dtype" in fields:
            fields["dtype"] = self._dtype(op)
        return op._rebuild(**fields)

    def _dtype(self, op: LazyOperator) -> np.dtype[Any]:
        """Return the dtype of a composite that states one: wider than its parts where it was."""
        old, new = (
            np.result_type(*(part.dtype for part in parts))
            for parts in (op.args, [self.operator(part) for part in op.args])
        )
        return op.dtype if old == new else new

    def _value(self, x: Any) -> Any:
        if isinstance(x, LazyOperator):
            return self.operator(x)
        return tuple(map(self._value, x)) if isinstance(x, tuple) else x
