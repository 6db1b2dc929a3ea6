"""How quantized vectors lie to those they stand for, and the error of products of two of them.

An error of a product may be far below the rounding errors of the product's norm, so it is never a
difference of norms: a quantized vector is taken apart into a multiple of its target and what is
orthogonal to it, and the error is a sum of squares made of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = [
    "Match",
    "are_smaller",
    "Reals",
    "Side",
    "Values",
    "errors_of",
    "first_of_least",
    "matched",
    "quotient",
    "square",
]

#: Real or complex numbers in double precision, and real ones.
Values: TypeAlias = npt.NDArray[Any]
Reals: TypeAlias = npt.NDArray[np.float64]

#: Squared relative errors below this one are rounding errors in double precision.
_EXACT = 2.0**-100


@dataclass(frozen=True)
class Side:
    """Vectors to be quantized, and the weights of their entries, both of shape `(count, m)`."""

    vectors: Values
    weights: Reals

    @classmethod
    def plain(cls, vectors: Values) -> Side:
        """Vectors with unit weights."""
        return cls(vectors, np.ones(vectors.shape))

    def __getitem__(self, index: Any) -> Side:
        return Side(self.vectors[index], self.weights[index])

    @property
    def count(self) -> int:
        """Number of vectors."""
        return int(self.vectors.shape[0])

    @property
    def length(self) -> int:
        """Entries of a vector."""
        return int(self.vectors.shape[1])

    def sizes(self) -> Reals:
        """Squared weighted norms."""
        return np.asarray(np.sum(self.weights * square(self.vectors), axis=1))


@dataclass(frozen=True)
class Match:
    r"""How quantized vectors lie to their targets, :math:`\hat x = a x + \delta`.

    `overlap` is :math:`a`, and `residual` is :math:`\|\delta\|^2 / \|x\|^2` with :math:`\delta`
    orthogonal to `x`.
    """

    overlap: Values
    residual: Reals

    @property
    def size(self) -> Reals:
        r""":math:`\|\hat x\|^2 / \|x\|^2`."""
        return np.asarray(square(self.overlap) + self.residual)

    @property
    def partner_scale(self) -> Values:
        r"""The best scaling of the other vector, :math:`\bar a \|x\|^2 / \|\hat x\|^2`."""
        return quotient(np.conj(self.overlap), self.size)

    @property
    def angle(self) -> Reals:
        """Squared sine of the angle between the vectors."""
        return quotient(self.residual, self.size)


def errors_of(left: Match, right: Match) -> Reals:
    r"""Squared relative errors of products of two vectors.

    With :math:`\hat y = b y + \varepsilon`, the difference of the products is

    .. math:: (a b - 1)\, x y^T + a\, x \varepsilon^T + b\, \delta y^T + \delta \varepsilon^T,

    four parts that are orthogonal to each other.
    """
    a, b = square(left.overlap), square(right.overlap)
    mixed = a * right.residual + b * left.residual + left.residual * right.residual
    return np.asarray(square(left.overlap * right.overlap - 1) + mixed)


def first_of_least(errors: Reals) -> npt.NDArray[np.intp]:
    """Places of the first of equally small squared errors, along the last of two axes.

    Rounding errors, which depend on the way that errors are computed, decide nothing.
    """
    least = np.maximum(np.min(errors, axis=1, keepdims=True), _EXACT)
    return np.asarray(np.argmax(errors <= least * (1 + 1e-9), axis=1))


def are_smaller(errors: Reals, others: Reals) -> npt.NDArray[np.bool_]:
    """Whether squared relative errors are smaller than others by more than rounding errors.

    Steps to ever smaller errors go in no circle then.
    """
    return np.asarray(errors < others * (1 - 1e-9) - 2.0**-48 * np.sqrt(others))


def matched(side: Side, quantized: Values) -> Match:
    """How each quantized vector lies to its target."""
    size = side.sizes()
    a = quotient(np.sum(side.weights * np.conj(side.vectors) * quantized, axis=1), size)
    rest = square(quantized - a[:, None] * side.vectors)
    return Match(a, quotient(np.sum(side.weights * rest, axis=1), size))


def square(x: Values) -> Reals:
    """Squared absolute values."""
    return np.asarray(x.real**2 + x.imag**2 if x.dtype.kind == "c" else x * x)


def quotient(x: Values, y: Reals) -> Values:
    """Quotient, with zero for zero over zero; no other number is divided by zero here."""
    if x.dtype.kind == "c":
        # Complex division takes the reciprocal first, which overflows for subnormal numbers.
        return np.asarray(quotient(x.real, y) + 1j * quotient(x.imag, y))
    return np.asarray(x / np.where(y == 0, 1.0, y))
