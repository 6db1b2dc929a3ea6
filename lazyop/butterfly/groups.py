"""Neighbours multiplied out: the groups of factors that kernels apply in place of a chain's own."""

from __future__ import annotations

from functools import partial, reduce
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from lazyop.algebra.array_norm import is_moderate
from lazyop.butterfly.kronecker_sparse import KroneckerSparse, product_of_two
from lazyop.butterfly.pattern import Pattern
from lazyop.kernels.chain import WholeChain, compiled_chain
from lazyop.kernels.plan import joins, merges
from lazyop.namespaces import Array
from lazyop.tracing import lasting, lasts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


Factors = tuple[KroneckerSparse, ...]


class Groups:
    """The factors that array kernels apply: neighbours multiplied out, at the first product.

    Factors that don't last, as they are traced or need gradients, are applied one by one.

    Parameters
    ----------
    factors : tuple of KroneckerSparse
    make : callable, optional
        Makes the groups, in another way than by multiplying the factors themselves.
    """

    def __init__(self, factors: Factors, make: Callable[[], Factors | None] | None = None) -> None:
        self._make, self._factors = make or partial(_grouped, _join, factors), factors
        self._made: Factors | None = None

    def __call__(self) -> Factors:
        """Return the factors to apply."""
        return self.made() or self._factors

    def made(self) -> Factors | None:
        """Return what was made once; None where that could not last."""
        if self._made is None and all(lasts(factor._held) for factor in self._factors):
            with lasting(self._factors[0].namespace):
                made = self._make()
            if made is not None and all(lasts(factor._held) for factor in made):
                self._made = made
        return self._made

    def derived(self, change: Callable[[Factors], Factors]) -> Factors | None:
        """Return what the same change makes of these groups as of the factors."""
        made = self.made()
        return None if made is None else change(made)


def transposed(factors: Factors) -> Factors:
    """Return the factors of the transpose."""
    return tuple(factor._transpose() for factor in reversed(factors))


def conjugated(factors: Factors) -> Factors:
    """Return the factors of the conjugate."""
    return tuple(factor._conj() for factor in factors)


def compiled_factors(factors: Sequence[KroneckerSparse]) -> WholeChain | None:
    """Return the factors for the compiled kernels, which take all or no values conjugated."""
    flags = {factor._conjugated for factor in factors if factor.dtype.kind == "c"} or {False}
    if len(flags) > 1:
        return None
    held = [factor._held for factor in factors]

    def merged() -> list[Array]:
        plain = tuple(KroneckerSparse(values) for values in held)
        return [factor._held for factor in _grouped(_merges, plain) or plain]

    return compiled_chain(held, conjugated=flags.pop(), merged=merged)


def multiplied_out(
    factors: Sequence[KroneckerSparse], sizes: Sequence[int]
) -> list[KroneckerSparse]:
    """Return factors for groups of so many neighbours, multiplied out."""
    stops = accumulate(sizes)
    groups = (factors[stop - size : stop] for size, stop in zip(sizes, stops, strict=True))
    return [reduce(product_of_two, group) for group in groups]


def _merges(left: Pattern, right: Pattern) -> bool:
    """Whether the compiled kernels are to apply two neighbours multiplied out."""
    return _multiply(left, right) and merges(tuple(left), tuple(right), tuple(left @ right))


def _join(left: Pattern, right: Pattern) -> bool:
    """Whether the array kernels are to apply two neighbours multiplied out."""
    return _multiply(left, right) and joins(tuple(left), tuple(right), tuple(left @ right))


def _multiply(left: Pattern, right: Pattern) -> bool:
    return left.chainable_with(right) or right.H.chainable_with(left.H)


def _grouped(
    merge: Callable[[Pattern, Pattern], bool], factors: tuple[KroneckerSparse, ...]
) -> tuple[KroneckerSparse, ...] | None:
    """Multiply out neighbours whose patterns say so, the leftmost first, until there are none.

    Factors of which a product might leave the range of the dtype stay as they are. None where
    that can't be told, as the values are being traced.
    """
    moderate = [is_moderate(factor._held) for factor in factors]
    if None in moderate:
        return None
    if not all(moderate):
        return factors
    merged = list(factors)
    while True:
        pairs = enumerate(pairwise(merged))
        k = next((k for k, (p, q) in pairs if merge(p.pattern, q.pattern)), None)
        if k is None:
            return tuple(merged)
        merged[k : k + 2] = [product_of_two(merged[k], merged[k + 1])]
