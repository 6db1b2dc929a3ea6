"""What an operator knows of itself: whether it is unitary or diagonal, its inverse, its norms.

Every answer is a promise that follows from structure and costs next to nothing. "Not known" is
always a right answer, and the one that an operator gives that says nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazyop.operator import LazyOperator

#: The norms by their order, as `scipy.sparse.linalg.norm` names them.
Order = str | float


class Invert(Protocol):
    """What inverts an operator's parts for it, and says in errors which part it was."""

    def __call__(self, op: LazyOperator, where: str = "") -> LazyOperator:
        """Return the inverse of a square operator."""


class Traits:
    """The questions that `lazyop.inverse` and `lazyop.norm` ask an operator, none answered."""

    @property
    def _is_unitary(self) -> bool:
        """Whether the adjoint is known to be the inverse, up to rounding."""
        return False

    @property
    def _is_diagonal(self) -> bool:
        """Whether the matrix is square and known to be zero off its diagonal."""
        return False

    def _keeps_norm(self, order: Order) -> bool:
        """Whether a product with it, from either side, is known to keep that norm of a matrix."""
        return order in (2, "fro") and self._is_unitary

    def _inverse(self, invert: Invert) -> LazyOperator | None:
        """Return the inverse from structure, operands' by ``invert``; None where there is no way.

        Asked of a square operator, not empty, that is not known to be unitary. Where structure
        shows that there is no inverse, it raises LinAlgError.
        """
        return None

    def _norm(self, order: Order, norm_of: Callable[[LazyOperator], float]) -> float | None:
        """Return a norm exactly, operands' by ``norm_of``; None where structure does not give it.

        The orders are "fro", 2, 1, -1, inf and -inf. Asked of an operator with rows and columns
        that is not known to keep that norm, and before its diagonal if it is one.
        """
        return None
