"""Factorization of a matrix with a given chain: what the caller passes in and gets back.

Makes the input dense, checks, permutes and scales it, runs `lazyop.factorization.hierarchical`,
and measures the result.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from lazyop.algebra.composite import Product, Sum
from lazyop.aslazy import aslazy
from lazyop.butterfly.blocks import chain_values, dense_from_values
from lazyop.butterfly.chain import Chain, as_chain, restrict_order
from lazyop.butterfly.operator import Butterfly
from lazyop.butterfly.pattern import positive_int
from lazyop.factorization.hierarchical import (
    distances,
    error_bound,
    hierarchical_factors,
    split_order,
)
from lazyop.factorization.permutation import searched_permutations
from lazyop.factorization.residual_sum import residual_sum
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

__all__ = ["Factorization", "factorize"]

Permutations = tuple[Permutation | None, Permutation | None]


@dataclass(frozen=True, repr=False)
class Factorization:
    """A matrix as a product of Kronecker-sparse factors, or a sum of some, and how far it is off.

    All errors are Frobenius norms divided by that of the matrix, and true up to rounding.

    Attributes
    ----------
    operator : LazyOperator
        Acts as the matrix; permutations are part of it.
    chain : Chain
        Patterns of the factors; of each term where the operator is a sum.
    relative_error : float
        Of the operator, computed entry by entry.
    error_bound : float or None
        What the algorithm guarantees from `split_errors` alone; None where nothing is proved
        for the options chosen.
    lower_bound : float
        No product of factors with these patterns (and this permutation), or no sum of as many
        products as were asked for, comes closer.
    split_errors : tuple of float
        For each split of the chain in two, how close any product of two factors with the
        patterns on either side multiplied out can come. Empty where the chain does not chain.
    permutation : tuple or None
        Permutations of rows and columns, each an operator or None; None if there is neither.

    Examples
    --------
    >>> import scipy.linalg
    >>> from lazyop import Chain, factorize
    >>> found = factorize(scipy.linalg.hilbert(16), Chain.square_dyadic(16))
    >>> found.lower_bound <= found.relative_error <= found.error_bound
    True
    >>> found.operator.shape, found.chain.nnz, len(found.split_errors)
    ((16, 16), 128, 3)
    """

    operator: LazyOperator
    chain: Chain
    relative_error: float
    error_bound: float | None
    lower_bound: float
    split_errors: tuple[float, ...]
    permutation: Permutations | None = None

    def __repr__(self) -> str:
        (m, n), count, terms = self.operator.shape, len(self.chain), self._terms()
        factors = "1 factor" if count == 1 else f"{count} factors"
        if terms > 1:
            factors = f"a sum of {terms} products of {factors}"
        held = terms * self.chain.nnz
        bound = "none proved" if self.error_bound is None else f"{self.error_bound:.3g}"
        return "\n".join(
            [
                f"Factorization of a {m} x {n} matrix into {factors}",
                f"  numbers held    {held} ({held / (m * n):.3g} of dense)",
                f"  relative error  {self.relative_error:.3g}",
                f"  at most         {bound}",
                f"  at least        {self.lower_bound:.3g} for any factors of this chain",
                f"  permutation     {self._permuted()}",
            ]
        )

    def _terms(self) -> int:
        parts = self.operator.operands if isinstance(self.operator, Product) else (self.operator,)
        return max(len(part.operands) if isinstance(part, Sum) else 1 for part in parts)

    def _permuted(self) -> str:
        sides = zip(("rows", "columns"), self.permutation or (None, None), strict=True)
        return " and ".join(name for name, p in sides if p is not None) or "none"


def factorize(
    A: Any,
    chain: Chain | Iterable[Any],
    *,
    terms: int = 1,
    order: str | Iterable[int] = "left-to-right",
    orthonormalize: bool = True,
    permutation: Any = None,
    progress: bool = False,
) -> Factorization:
    r"""Approximate a matrix by a product of Kronecker-sparse factors with given patterns.

    Finds :math:`A \approx K_1 K_2 \cdots K_L`, with the support of :math:`K_l` the `l`-th
    pattern of the chain, by :math:`L - 1` steps. A step takes one split `s` of the chain and
    replaces a factor by two, the best two for it: across the split, the product of patterns
    before and after cuts the matrix into disjoint blocks, and each is truncated to the rank
    :math:`r_s` of the split by its singular value decomposition. With

    .. math:: E_s = \Bigl(\sum_{\text{blocks of } A} \sum_{i > r_s} \sigma_i^2\Bigr)^{1/2},

    no factors of this chain come closer to `A` than :math:`\max_s E_s`. What the steps find is
    no further away than :math:`\sum_s E_s`, and than :math:`(\sum_s E_s^2)^{1/2}` if every step
    splits off an end of what remains, as in the orders from left to right and back. A matrix
    that is such a product is recovered, up to rounding, in any order with orthonormalisation;
    without it, if no block of the product falls short of its rank.

    Parameters
    ----------
    A : array, array_like, sparse array or operator, shape (m, n)
        What has no dense array is made dense. Integers count as float64; other precisions
        and the array's namespace are kept.
    chain : Chain or sequence of patterns
        Chainable, of shape `(m, n)`. Redundant neighbours are merged first, which costs no
        accuracy and saves numbers.
    terms : int
        With more than one, the operator is a sum of such products, at most so many: each is
        fitted to what those before it leave. `refine` improves them together.
    order : {"left-to-right", "right-to-left", "balanced"} or sequence of int
        Order of the splits, numbered from 1 to `len(chain) - 1` from the left.
        The first two are the fastest, and have the better bound.
    orthonormalize : bool
        Whether to bring the other factors to orthonormal form before each step, so that the
        step minimises the error of the whole product. It costs little, and nothing at all from
        left to right or from right to left.
    permutation : None, "bit-reversal", "search", Permutation or pair
        A permutation `Q` of the columns: the operator is the product of the factors times `Q`.
        A pair `(P, Q)`, in which either may be None, "bit-reversal" or a permutation, makes it
        `P` times the product times `Q`. With "search", both are looked for, in square matrices
        whose order is a power of two: first among the eight permutations of [2]_, then by pairs
        of rows that are multiples of each other on both halves of a common partition of the
        columns, level by level. That finds the permutations of a Fourier or Hadamard matrix, or
        of a generic product of square dyadic factors, also under some noise. It promises nothing
        for others, and searches in NumPy, where a copy of `A` goes.
    progress : bool
        Whether to show a progress bar of the search, by tqdm.

    Returns
    -------
    Factorization

    Raises
    ------
    ValueError
        If `A` is not finite, the chain does not have its shape or does not chain, the order is
        no permutation of the splits, a permutation does not fit, or `terms` is below 1.
    TypeError
        If the entries of `A` are not real or complex numbers in single or double precision.
    ImportError
        If a progress bar is asked for, and tqdm is not installed.

    References
    ----------
    .. [1] The algorithm is that of Q.-T. Le, L. Zheng, E. Riccietti, R. Gribonval, "Butterfly
       factorization with error guarantees", SIAM J. Matrix Anal. Appl. 46(4), 2025,
       arXiv:2411.04506. The bounds above are proved in lazyop's documentation.
    .. [2] Q.-T. Le, L. Zheng, E. Riccietti, R. Gribonval, "Fast learning of fast transforms, with
       guarantees", ICASSP 2022, hal-03438881.

    Examples
    --------
    The discrete Fourier transform is a product of ten sparse factors and the bit reversal:

    >>> import scipy.linalg
    >>> from lazyop import Chain, factorize
    >>> F = scipy.linalg.dft(1024)
    >>> found = factorize(F, Chain.square_dyadic(1024), permutation="bit-reversal")
    >>> found.relative_error < 1e-13
    True
    >>> found.chain.nnz, F.size
    (20480, 1048576)

    Without the permutation no product of such factors is near it:

    >>> found = factorize(F, Chain.square_dyadic(1024))
    >>> found.relative_error >= found.lower_bound > 0.98
    True

    An unknown order of rows and columns can be found from the entries:

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> A = scipy.linalg.dft(64)[rng.permutation(64)][:, rng.permutation(64)]
    >>> found = factorize(A, Chain.square_dyadic(64), permutation="search")
    >>> found.relative_error < 1e-13
    True
    """
    matrix = _dense(A)
    chain = as_chain(chain)
    _check_fit(chain, tuple(matrix.shape))
    count = positive_int(terms, "terms")
    if isinstance(permutation, str) and permutation == "search":
        permutation = searched_permutations(_scaled(matrix)[0], chain.merge(), progress)
    permutations = _permutations(permutation, matrix)
    partition = chain._partition()
    splits = _merged_order(order, partition)
    merged = chain.merge(partition)
    scaled, exponent = _scaled(_unpermuted(matrix, *permutations))
    if count > 1:
        fit = partial(factorize, chain=merged, order=splits, orthonormalize=orthonormalize)
        return _restored(residual_sum(scaled, merged, count, fit), exponent, permutations)
    factors = hierarchical_factors(scaled, merged, splits, orthonormalize)
    residual = _norm(scaled - dense_from_values(chain_values(factors, merged)))
    found = distances(scaled, merged)
    bound = error_bound(found, splits, orthonormalize)
    size = _norm(scaled) or 1.0
    return Factorization(
        operator=_compose(Butterfly(_spread_power(factors, exponent)), *permutations),
        chain=merged,
        relative_error=residual / size,
        error_bound=None if bound is None else bound / size,
        lower_bound=found.lower_bound / size,
        split_errors=tuple(error / size for error in found.total),
        permutation=None if permutations == (None, None) else permutations,
    )


def _dense(A: Any) -> Array:
    """The entries of whatever stands for a matrix, in floating point and finite."""
    if not is_array(A) and (hasattr(A, "matvec") or hasattr(A, "tocsr")):
        A = aslazy(A).toarray()
    matrix = as_array(A, "A")
    if matrix.ndim != 2:
        raise ValueError(f"A must be a matrix, got an array of shape {tuple(matrix.shape)}")
    if dtype_of(matrix).kind in "biu":
        matrix = cast(matrix, np.float64)
    if dtype_of(matrix).char not in "fdFD":
        raise TypeError(
            f"A must be in single or double precision, got {dtype_of(matrix)}; convert it first"
        )
    xp = namespace_of(matrix)
    if not bool(xp.all(xp.isfinite(matrix))):
        raise ValueError("A holds NaN or infinite entries")
    return matrix


def _check_fit(chain: Chain, shape: tuple[int, ...]) -> None:
    if chain.shape != shape:
        raise ValueError(f"the chain makes matrices of shape {chain.shape}, A has shape {shape}")
    try:
        chain.ranks  # noqa: B018 (names the first pair that does not chain)
    except ValueError as error:
        advice = "; the adjoint chain does: factorize A.H with chain.H" if chain.H.chainable else ""
        raise ValueError(f"{error}{advice}") from None


def _merged_order(order: str | Iterable[int], partition: tuple[int, ...]) -> tuple[int, ...]:
    if isinstance(order, str):
        return split_order(order, len(partition))
    return restrict_order(split_order(order, sum(partition)), partition)


def _permutations(permutation: Any, matrix: Array) -> Permutations:
    pair = permutation if isinstance(permutation, tuple | list) else (None, permutation)
    if len(pair) != 2:
        raise ValueError(f"permutation must be one or a pair (rows, columns), got {len(pair)}")
    return _permutation(pair[0], matrix, axis=0), _permutation(pair[1], matrix, axis=1)


def _permutation(permutation: Any, matrix: Array, axis: int) -> Permutation | None:
    """The permutation of one axis of a matrix, its indices where the matrix lives."""
    n = matrix.shape[axis]
    if permutation is None:
        return None
    if isinstance(permutation, str) and permutation == "bit-reversal":
        return Permutation(like(bit_reversal(n).p, matrix))
    if not isinstance(permutation, Permutation):
        raise ValueError(
            "permutation must be None, 'bit-reversal', 'search', a Permutation, or a pair of these "
            f"but 'search', got {permutation!r}"
        )
    if permutation.shape != (n, n):
        side = ("rows", "columns")[axis]
        raise ValueError(f"a permutation of {permutation.shape[0]} does not fit {n} {side}")
    if not share_home(permutation.p, matrix):
        raise TypeError(
            f"the permutation is in {describe(permutation.p)}, A in {describe(matrix)}; "
            "bring them together with .to(...)"
        )
    return permutation


def _unpermuted(matrix: Array, rows: Permutation | None, columns: Permutation | None) -> Array:
    # A = P B Q with (P x)[i] = x[p[i]] means B = A[p^-1][:, q].
    xp = namespace_of(matrix)
    if rows is not None:
        matrix = xp.take(matrix, xp.argsort(rows.p), axis=0)
    return matrix if columns is None else xp.take(matrix, columns.p, axis=1)


def _restored(found: Factorization, exponent: int, permutations: Permutations) -> Factorization:
    """The factorization of a sum, with the power of two and the permutations it was freed of."""
    held: Any = found.operator
    butterflies = [
        Butterfly(_spread_power([factor.values for factor in term.factors], exponent))
        for term in held.operands
    ]
    operator = butterflies[0] if len(butterflies) == 1 else Sum(*butterflies)
    return replace(
        found,
        operator=_compose(operator, *permutations),
        permutation=None if permutations == (None, None) else permutations,
    )


def _compose(
    operator: LazyOperator, rows: Permutation | None, columns: Permutation | None
) -> LazyOperator:
    if rows is not None:
        operator = rows @ operator
    return operator if columns is None else operator @ columns


def _scaled(matrix: Array) -> tuple[Array, int]:
    """A copy times a power of two, its largest entry about 1; and the exponent taken out."""
    xp = namespace_of(matrix)
    is_complex = dtype_of(matrix).kind == "c"
    parts = (xp.real(matrix), xp.imag(matrix)) if is_complex else (matrix,)
    largest = max(float(xp.max(xp.abs(part))) for part in parts)
    exponent = math.frexp(largest)[1] - 1 if largest else 0
    return _times_power(matrix, -exponent), exponent


def _spread_power(factors: Sequence[Array], exponent: int) -> list[Array]:
    """The factors with their product times a power of two, of which each takes its share."""
    share, rest = divmod(exponent, len(factors))
    return [_times_power(factor, share + (k < rest)) for k, factor in enumerate(factors)]


def _times_power(x: Array, exponent: int) -> Array:
    # In two halves, since the power itself may be out of range where the product is not.
    half = exponent // 2
    return x * 2.0**half * 2.0 ** (exponent - half)


def _norm(x: Array) -> float:
    return float(namespace_of(x).linalg.vector_norm(x))
