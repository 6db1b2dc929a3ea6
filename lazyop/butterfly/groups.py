"""Neighbouring factors of a butterfly, multiplied out for the kernels that take one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazyop.tracing import lasting, lasts

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazyop.butterfly.operator import KroneckerSparse

    Factors = tuple[KroneckerSparse, ...]


class Groups:
    """The factors that array kernels apply: neighbours multiplied out, at the first product.

    Factors that don't last, as they are traced or need gradients, are applied one by one.
    """

    def __init__(self, make: Callable[[], Factors | None], factors: Factors) -> None:
        self._make, self._factors = make, factors
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


def transposed_factors(factors: Factors) -> Factors:
    """Return the factors of the transpose."""
    return tuple(factor._transpose() for factor in reversed(factors))


def conjugated_factors(factors: Factors) -> Factors:
    """Return the factors of the conjugate."""
    return tuple(factor._conj() for factor in factors)
