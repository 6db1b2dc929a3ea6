"""What of an operator can be quantized: a chain of factors, and what stands around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from lazyop.algebra.composite import Product, Scaled, Sum
from lazyop.butterfly.chain import Chain
from lazyop.butterfly.kronecker_sparse import KroneckerSparse
from lazyop.butterfly.operator import Butterfly
from lazyop.namespaces import to_numpy
from lazyop.operator import LazyOperator
from lazyop.quantization.matches import Values
from lazyop.quantization.packed import PackedButterfly
from lazyop.structured.permutation import Permutation

__all__ = ["Chained", "chained", "quantized_dtype"]

#: Makes the operator from others in the places of the chains.
Rebuild: TypeAlias = Callable[[Sequence[LazyOperator]], LazyOperator]


@dataclass(frozen=True)
class Chained:
    """An operator taken apart.

    Attributes
    ----------
    terms : list of lists of arrays
        Values of the factors, leftmost first, of each term of a sum; one for most operators.
    coefficients : list of complex
        By which the terms are multiplied.
    rebuild : callable
        Takes an operator for each term.
    """

    terms: list[list[Values]]
    coefficients: list[complex]
    rebuild: Rebuild

    @property
    def weights(self) -> int:
        """Number of entries of all factors."""
        return sum(values.size for term in self.terms for values in term)


def chained(op: LazyOperator) -> Chained:
    """Take an operator apart.

    Raises
    ------
    ValueError
        If it is not a butterfly, a Kronecker-sparse factor, a product of neighbours among these
        with permutations around it, a multiple of one, or a sum of some of one chain; or if the
        factors do not chain, in this or the other direction.
    """
    found = _apart(op)
    chains = [Chain([values.shape for values in term]) for term in found.terms]
    for chain in chains:
        turned = Chain([pattern.H for pattern in reversed(chain)])
        if not chain.chainable and not turned.chainable:
            raise ValueError(f"the factors of {op!r} do not chain, in either direction: {chain}")
        if chain != chains[0]:
            raise ValueError(f"{op!r} is a sum of different chains: {chains[0]} and {chain}")
    return found


def quantized_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of a quantized operator: single precision stays, all else is double."""
    if dtype.kind not in "fc":
        return np.dtype(np.float64)
    single = dtype.itemsize <= (8 if dtype.kind == "c" else 4)
    names = ("float32", "complex64") if single else ("float64", "complex128")
    return np.dtype(names[dtype.kind == "c"])


def _apart(op: LazyOperator) -> Chained:
    if isinstance(op, KroneckerSparse):
        return _one_chain([op])
    if isinstance(op, Butterfly):
        return _one_chain(op.factors)
    if isinstance(op, PackedButterfly):
        return _apart(op.unpack())
    if isinstance(op, Scaled):
        return _multiple(op)
    if isinstance(op, Product):
        return _product(op)
    if isinstance(op, Sum):
        return _sum(op)
    raise ValueError(
        "expected a butterfly, a Kronecker-sparse factor, or one of these with permutations around "
        f"it, scaled, or in a sum; got {op!r}"
    )


def _one_chain(factors: Sequence[KroneckerSparse]) -> Chained:
    values = [to_numpy(factor.values) for factor in factors]
    return Chained([values], [1.0], lambda found: found[0])


def _multiple(op: Scaled) -> Chained:
    inner = _apart(op.operand)
    coefficients = [op.coefficient * c for c in inner.coefficients]
    return Chained(
        inner.terms,
        coefficients,
        lambda found: Scaled(op.coefficient, inner.rebuild(found), quantized_dtype(op.dtype)),
    )


def _product(op: Product) -> Chained:
    places = [k for k, x in enumerate(op.operands) if not isinstance(x, Permutation)]
    start, stop = (places[0], places[-1] + 1) if places else (0, 0)
    middle = op.operands[start:stop]
    if all(isinstance(x, KroneckerSparse | Butterfly) for x in middle) and middle:
        inner = _one_chain([factor for x in middle for factor in _factors(x)])
    elif len(middle) == 1:
        inner = _apart(middle[0])
    else:
        raise ValueError(f"expected one chain between permutations, got {op!r}")
    before, after = op.operands[:start], op.operands[stop:]
    return Chained(
        inner.terms,
        inner.coefficients,
        lambda found: Product(*before, inner.rebuild(found), *after),
    )


def _factors(op: LazyOperator) -> tuple[KroneckerSparse, ...]:
    return op.factors if isinstance(op, Butterfly) else (op,)


def _sum(op: Sum) -> Chained:
    parts = [_apart(term) for term in op.operands]
    if any(len(part.terms) > 1 for part in parts) or any(map(_permutes, op.operands)):
        raise ValueError(f"expected a sum of chains without permutations of their own, got {op!r}")
    return Chained(
        [part.terms[0] for part in parts],
        [part.coefficients[0] for part in parts],
        lambda found: Sum(*(part.rebuild([x]) for part, x in zip(parts, found, strict=True))),
    )


def _permutes(op: LazyOperator) -> bool:
    return isinstance(op, Permutation) or any(_permutes(part) for part in op.args)
