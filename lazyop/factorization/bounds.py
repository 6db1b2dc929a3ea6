"""What is proved of a factorization: how far the best one and this one can be from the matrix.

The distances behind it take the singular values of the whole matrix at every split, which costs
more than the factorization. They are therefore computed when someone first reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lazyop.butterfly.chain import Chain
from lazyop.factorization.hierarchical import Distances, distances, error_bound
from lazyop.namespaces import Array

__all__ = ["NO_BOUNDS", "Bounds", "StatedBounds"]


@dataclass(frozen=True)
class StatedBounds:
    """Bounds that are known already, in the terms of `Bounds`."""

    error_bound: float | None
    lower_bound: float | None
    split_errors: tuple[float, ...]


#: Of a factorization whose matrix nobody has seen whole.
NO_BOUNDS = StatedBounds(None, None, ())


class Bounds:
    """Bounds for the error of a hierarchical factorization, relative to the norm of its matrix.

    Keeps the matrix until the first bound is read, or the object is pickled.

    Parameters
    ----------
    matrix : array, shape (m, n)
        Nobody may write to it from now on.
    chain : Chain
        Chainable, of this shape.
    order : sequence of int
        The order in which the splits were made.
    orthonormalize : bool
        Whether the other factors were orthonormal at each step.
    size : float
        The norm of the matrix, or 1 if that is zero.
    progress : bool
        Whether to show a progress bar while they are computed, by tqdm.
    """

    __slots__ = ("_chain", "_found", "_matrix", "_order", "_orthonormalize", "_progress", "_size")

    def __init__(
        self,
        matrix: Array,
        chain: Chain,
        order: Sequence[int],
        orthonormalize: bool,
        size: float,
        progress: bool = False,
    ) -> None:
        self._matrix, self._chain, self._size = matrix, chain, size
        self._order, self._orthonormalize = tuple(order), orthonormalize
        self._progress = progress
        self._found: Distances | None = None

    @property
    def split_errors(self) -> tuple[float, ...]:
        """Distance from the matrix to the products of two factors, for each split."""
        return tuple(error / self._size for error in self._distances().total)

    @property
    def lower_bound(self) -> float:
        """What any product of the chain is away from the matrix, at least."""
        return self._distances().lower_bound / self._size

    @property
    def error_bound(self) -> float | None:
        """What this product is away from the matrix, at most; None where nothing is proved."""
        bound = error_bound(self._distances(), self._order, self._orthonormalize)
        return None if bound is None else bound / self._size

    def _distances(self) -> Distances:
        if self._found is None:
            self._found = distances(self._matrix, self._chain, self._progress)
            self._matrix = None
        return self._found

    def __getstate__(self) -> dict[str, Any]:
        self._distances()
        return {name: getattr(self, name) for name in self.__slots__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
