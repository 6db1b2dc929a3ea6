"""What is to be factorized: any matrix that a caller may pass, dense, permuted and in range."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lazyop.algebra.composite import Sum
from lazyop.aslazy import aslazy
from lazyop.butterfly.operator import Butterfly
from lazyop.factorization.residual import energy
from lazyop.namespaces import (
    Array,
    as_array,
    cast,
    describe,
    dtype_of,
    is_array,
    like,
    namespace_of,
    share_home,
)
from lazyop.operator import LazyOperator
from lazyop.structured.permutation import Permutation, bit_reversal
from lazyop.tracing import known

__all__ = [
    "Permutations",
    "Target",
    "dense_matrix",
    "described_permutations",
    "factored_dtype",
    "for_the_matrix",
    "prepared",
    "safe_exponent",
    "scaled",
    "spread_power",
    "times_power",
    "unit_scaled",
]

Permutations = tuple[Permutation | None, Permutation | None]


@dataclass(frozen=True)
class Target:
    """A matrix `P B Q`, of which the factors are to come close to `B` times a power of two.

    Attributes
    ----------
    entries : array, shape (m, n)
        `B / 2**exponent`, in range for squares of its entries. Nobody else writes to it.
    exponent : int
    rows, columns : Permutation or None
        `P` and `Q`.
    size : float
        Norm of the entries.
    """

    entries: Array
    exponent: int
    rows: Permutation | None
    columns: Permutation | None
    size: float

    @property
    def permutation(self) -> Permutations | None:
        """The two, or None where there is neither."""
        pair = self.rows, self.columns
        return None if pair == (None, None) else pair

    def operator(self, *terms: Sequence[Array]) -> LazyOperator:
        """The operator of factors of the entries, or of a sum of such products, for the matrix."""
        return for_the_matrix(terms, self.exponent, self.rows, self.columns)


def for_the_matrix(
    terms: Sequence[Sequence[Array]],
    exponent: int,
    rows: Permutation | None,
    columns: Permutation | None,
) -> LazyOperator:
    """`P B Q` times a power of two, for a sum `B` of products of factors."""
    butterflies = [Butterfly(spread_power(factors, exponent)) for factors in terms]
    operator: LazyOperator = butterflies[0] if len(butterflies) == 1 else Sum(*butterflies)
    if rows is not None:
        operator = rows @ operator
    return operator if columns is None else operator @ columns


def prepared(matrix: Array, permutation: Any) -> Target:
    """A dense matrix without its permutations, and in range.

    Raises
    ------
    ValueError
        If it is not finite, or a permutation does not fit.
    """
    rows, columns = described_permutations(permutation, tuple(matrix.shape), matrix)
    entries, exponent = scaled(_unpermuted(matrix, rows, columns))
    if entries is matrix:  # perhaps the caller's own, to be written to while bounds wait
        entries = namespace_of(matrix).asarray(matrix, copy=True)
    return Target(entries, exponent, rows, columns, math.sqrt(energy(entries)))


def dense_matrix(A: Any) -> Array:
    """The entries of whatever stands for a matrix, known and in floating point."""
    if not is_array(A) and (hasattr(A, "matvec") or hasattr(A, "tocsr")):
        A = aslazy(A).toarray()
    matrix = as_array(A, "A")
    if matrix.ndim != 2:
        raise ValueError(f"A must be a matrix, got an array of shape {tuple(matrix.shape)}")
    if 0 in matrix.shape:
        raise ValueError(f"A has no entries: its shape is {tuple(matrix.shape)}")
    return cast(known(matrix, "A"), factored_dtype(dtype_of(matrix)))


def factored_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The precision in which a matrix of some dtype is factorized: integers count as float64."""
    if dtype.kind in "biu":
        return np.dtype(np.float64)
    if dtype.char not in "fdFD":
        raise TypeError(f"A must be in single or double precision, got {dtype}; convert it first")
    return dtype.newbyteorder("=")


def described_permutations(
    permutation: Any, shape: tuple[int, int], reference: Array
) -> Permutations:
    """Permutations of rows and columns from the caller's words, made where an array lives."""
    pair = permutation if isinstance(permutation, tuple | list) else (None, permutation)
    if len(pair) != 2:
        raise ValueError(f"permutation must be one or a pair (rows, columns), got {len(pair)}")
    rows = _permutation(pair[0], shape[0], "rows", reference)
    return rows, _permutation(pair[1], shape[1], "columns", reference)


def _permutation(permutation: Any, n: int, side: str, reference: Array) -> Permutation | None:
    """The permutation of one axis of a matrix."""
    if permutation is None:
        return None
    if isinstance(permutation, str) and permutation == "bit-reversal":
        return Permutation(like(bit_reversal(n).p, reference))
    if not isinstance(permutation, Permutation):
        raise ValueError(
            "permutation must be None, 'bit-reversal', 'search', a Permutation, or a pair of these "
            f"but 'search', got {permutation!r}"
        )
    if permutation.shape != (n, n):
        raise ValueError(f"a permutation of {permutation.shape[0]} does not fit {n} {side}")
    if not share_home(permutation.p, reference):
        raise TypeError(
            f"the permutation is in {describe(permutation.p)}, A in {describe(reference)}; "
            "bring them together with .to(...)"
        )
    return permutation


def _unpermuted(matrix: Array, rows: Permutation | None, columns: Permutation | None) -> Array:
    # A = P B Q with (P x)[i] = x[p[i]] means B = A[p^-1][:, q].
    xp = namespace_of(matrix)
    if rows is not None:
        matrix = xp.take(matrix, xp.argsort(rows.p), axis=0)
    return matrix if columns is None else xp.take(matrix, columns.p, axis=1)


def scaled(matrix: Array) -> tuple[Array, int]:
    """In range for squares of its entries; and the exponent of the power of two taken out.

    Raises ValueError if an entry is not finite.
    """
    xp = namespace_of(matrix)
    with np.errstate(all="ignore"):
        size = math.sqrt(abs(energy(matrix)))
    reach = float(xp.finfo(matrix.dtype).smallest_normal) ** 0.25
    if reach < size < 1 / reach:
        return matrix, 0
    if not bool(xp.all(xp.isfinite(matrix))):
        raise ValueError("A holds NaN or infinite entries")
    return unit_scaled(matrix)


def unit_scaled(matrix: Array) -> tuple[Array, int]:
    """With a largest entry of about 1; and the exponent of the power of two taken out."""
    exponent = _exponent(matrix)
    return times_power(matrix, -exponent), exponent


def safe_exponent(sample: Array) -> int:
    """A power of two to be taken out, of a matrix from which these entries or products come."""
    xp = namespace_of(sample)
    reach = float(xp.finfo(sample.dtype).smallest_normal) ** 0.25
    exponent = _exponent(sample)
    return 0 if reach < 2.0**exponent < 1 / reach else exponent


def _exponent(x: Array) -> int:
    xp = namespace_of(x)
    is_complex = dtype_of(x).kind == "c"
    parts = (xp.real(x), xp.imag(x)) if is_complex else (x,)
    largest = max(float(xp.max(xp.abs(part))) for part in parts)
    return math.frexp(largest)[1] - 1 if largest else 0


def spread_power(factors: Sequence[Array], exponent: int) -> list[Array]:
    """The factors with their product times a power of two, of which each takes its share."""
    share, rest = divmod(exponent, len(factors))
    return [times_power(factor, share + (k < rest)) for k, factor in enumerate(factors)]


def times_power(x: Array, exponent: int) -> Array:
    """An array times a power of two."""
    # In two halves, since the power itself may be out of range where the product is not.
    half = exponent // 2
    return x * 2.0**half * 2.0 ** (exponent - half)
