"""Refinement of butterflies: what the caller passes in and gets back.

Takes operators apart into factors, and repeats the sweeps of `lazyop.factorization.sweeps`, or
where the chain does not chain of `lazyop.factorization.joint`, while they gain anything.
"""

from __future__ import annotations

import operator as operators
from collections.abc import Callable, Iterable
from functools import reduce
from operator import matmul
from typing import Any

import numpy as np

from lazyop.algebra.composite import Product, Sum
from lazyop.algebra.normal_form import split
from lazyop.butterfly.blocks import values_from_dense
from lazyop.butterfly.chain import Chain
from lazyop.butterfly.kronecker_sparse import KroneckerSparse
from lazyop.butterfly.operator import Butterfly
from lazyop.butterfly.pattern import Pattern
from lazyop.factorization.bounds import StatedBounds
from lazyop.factorization.given_chain import Factorization
from lazyop.factorization.hierarchical import Distances
from lazyop.factorization.joint import jointly_swept
from lazyop.factorization.matrix import (
    Permutations,
    dense_matrix,
    prepared,
    spread_power,
    unit_scaled,
)
from lazyop.factorization.progress import tracked
from lazyop.factorization.residual import norm
from lazyop.factorization.residual_sum import sum_distances
from lazyop.factorization.sweeps import swept
from lazyop.namespaces import (
    Array,
    adjoint,
    cast,
    conj,
    describe,
    device_of,
    dtype_of,
    is_complex,
    namespace_of,
    native_dtype,
    real_counterpart,
    share_home,
)
from lazyop.operator import LazyOperator
from lazyop.scalars import positive_int
from lazyop.structured.permutation import Permutation
from lazyop.tracing import known

__all__ = ["refine"]

#: A sweep that lowers the error by a smaller part than this is the last one.
_LEAST_GAIN = 1e-6

Sweep = Callable[[Array, list[Array]], list[Array]]


def refine(F: Any, A: Any, sweeps: int = 20, *, progress: bool = False) -> Factorization:
    r"""Bring a butterfly closer to a matrix by alternating least squares over its factors.

    A sweep takes one factor after the other, and replaces it by the one for which

    .. math:: \| A - K_1 \cdots K_{k-1} \, K_k \, K_{k+1} \cdots K_L \|

    is least while the others stand still. The error never grows. It need not tend to the least
    there is, since a product of factors can be stationary elsewhere; a start from `factorize` is
    within the bounds stated there, and stays so.

    Parameters
    ----------
    F : Factorization or LazyOperator, shape (m, n)
        Where to start: what `factorize` returned, or a `Butterfly`, a `KroneckerSparse`, or a
        product of these, or a sum of such products of one chain, with coefficients or not, and
        with a `Permutation` at either end or not. The permutations are kept.
    A : array, array_like, sparse array or operator, shape (m, n)
        The matrix. What has no dense array is made dense; integers count as float64. Tensors of
        PyTorch that require gradients, here and in `F`, count as constants.
    sweeps : int
        How many to make at most. They end once one lowers the error by less than a millionth of
        it, or the error is down to rounding.
    progress : bool
        Whether to show a progress bar, by tqdm.

    Returns
    -------
    Factorization
        In the wider precision of the two. Its `error_bound` is None, as sweeps prove none;
        `relative_error` is no larger than that of `F`, up to rounding.

    Raises
    ------
    ValueError
        If `A` or `F` is not finite, their shapes differ, the terms of a sum have different
        chains, or `sweeps` is below 1.
    TypeError
        If `F` is not made of Kronecker-sparse factors, lives in another namespace than `A`,
        or the entries of `A` are not real or complex numbers in single or double precision. If
        those of `A` or `F` are not known, because JAX or PyTorch traces them.
    ImportError
        If a progress bar is asked for, and tqdm is not installed.

    Notes
    -----
    Redundant neighbours are merged first, which costs no accuracy and saves numbers. If the chain
    of `F` or that of its adjoint chains, each problem then falls apart into blocks, and a sweep
    from the first factor to the last and back takes a few passes over the matrix.

    The terms of a sum are swept in turn, each towards what the others leave.

    Any other chain, such as that of a product of a butterfly and an adjoint [1]_, is refined by
    the normal equations of each factor, of the order of its number of values, in sweeps from the
    first factor to the last. It then has neither `split_errors` nor, but for the entries that no
    product of its factors can reach, a lower bound.

    Neither `F` nor `A` is written into, whenever a sweep is interrupted.

    References
    ----------
    .. [1] T. Dao, N. Sohoni, A. Gu, M. Eichhorn, A. Blonder, M. Leszczynski, A. Rudra, C. Ré,
       "Kaleidoscope: an efficient, learnable representation for all structured linear maps",
       ICLR 2020, arXiv:2012.14966.

    Examples
    --------
    >>> import numpy as np
    >>> import lazyop as lo
    >>> t = np.arange(16) / 16
    >>> A = np.cos(5 * np.add.outer(t, 1.7 * t) ** 2)
    >>> found = lo.factorize(A, lo.Chain.square_dyadic(16))
    >>> better = lo.refine(found, A)
    >>> found.lower_bound <= better.relative_error < found.relative_error
    True
    >>> better.chain == found.chain
    True
    """
    count = positive_int(sweeps, "sweeps")
    terms, permutations = _taken_apart(F.operator if isinstance(F, Factorization) else F)
    matrix = dense_matrix(A)
    _check_fit([values for factors in terms for values in factors], _chain(terms[0]), matrix)
    dtype = _common_dtype(terms, matrix)
    target = prepared(cast(matrix, dtype), permutations)
    start = [_started(factors, dtype, target.exponent) for factors in terms]
    rounds = tracked(range(count), progress, "sweeps")
    best, error = _repeated(target.entries, start, _sweep(_chain(start[0])), rounds)
    size = target.size or 1.0
    found = _distances(target.entries, _chain(start[0]), len(terms), progress)
    splits = tuple(distance / size for distance in found.total) if found.splits else ()
    return Factorization(
        operator=target.operator(*best),
        chain=_chain(best[0]),
        relative_error=error / size,
        permutation=target.permutation,
        _bounds=StatedBounds(None, found.lower_bound / size, splits),
    )


def _taken_apart(F: Any) -> tuple[list[list[Array]], Permutations]:
    """The values of the factors of every term of a sum, and the permutations at its ends."""
    coefficient, F = split(F) if isinstance(F, LazyOperator) else (1, F)
    parts = list(F.operands) if isinstance(F, Product) else [F]
    rows = parts.pop(0) if len(parts) > 1 and isinstance(parts[0], Permutation) else None
    columns = parts.pop() if len(parts) > 1 and isinstance(parts[-1], Permutation) else None
    whole = parts[0] if len(parts) == 1 else Product(*parts)
    summands = whole.operands if isinstance(whole, Sum) else (whole,)
    terms = [_factors(term, coefficient) for term in summands]
    for term in terms[1:]:
        if _chain(term) != _chain(terms[0]):
            raise ValueError(
                f"the terms of F must have one chain, got {_chain(terms[0])} and {_chain(term)}"
            )
    return terms, (rows, columns)


def _factors(operator: Any, multiple: complex) -> list[Array]:
    """The values of the factors of a multiple of a product of butterflies."""
    coefficient, operator = split(operator) if isinstance(operator, LazyOperator) else (1, operator)
    parts = operator.operands if isinstance(operator, Product) else (operator,)
    factors: list[Array] = []
    for part in parts:
        if not isinstance(part, Butterfly | KroneckerSparse):
            within = "" if part is operator else "a product with "
            raise TypeError(
                "F must be a Factorization, a butterfly, a product of butterflies, or a sum of "
                f"these, with permutations at its ends alone; got {within}{type(part).__name__}"
            )
        held = part.factors if isinstance(part, Butterfly) else (part,)
        factors += [known(factor.values, "F") for factor in held]
    if multiple * coefficient != 1:
        dtype = np.result_type(dtype_of(factors[0]), multiple * coefficient)
        factors[0] = cast(factors[0], dtype) * (multiple * coefficient)
    return factors


def _check_fit(factors: list[Array], chain: Chain, matrix: Array) -> None:
    if chain.shape != tuple(matrix.shape):
        raise ValueError(f"F has shape {chain.shape}, A has shape {tuple(matrix.shape)}")
    if not share_home(factors[0], matrix):
        raise TypeError(
            f"F is in {describe(factors[0])}, A in {describe(matrix)}; "
            "bring them together with .to(...)"
        )
    xp = namespace_of(matrix)
    if not all(bool(xp.all(xp.isfinite(values))) for values in factors):
        raise ValueError("F holds NaN or infinite entries")


def _common_dtype(terms: list[list[Array]], matrix: Array) -> np.dtype[Any]:
    held = [dtype_of(values) for factors in terms for values in factors]
    dtype = np.result_type(dtype_of(matrix), *held)
    if dtype.char not in "fdFD":
        raise TypeError(f"F must be in single or double precision, got {dtype}; convert it first")
    return dtype


def _started(factors: list[Array], dtype: np.dtype[Any], exponent: int) -> list[Array]:
    """Factors whose product is divided by a power of two, of about equal size, and merged.

    The matrix being in range after that, products out of all proportion to it are brought nearer,
    so that squares of them are numbers.
    """
    parts, exponents = zip(*(unit_scaled(cast(values, dtype)) for values in factors), strict=True)
    limit = np.finfo(dtype).maxexp // 3
    power = min(max(sum(exponents) - exponent, -limit), limit)
    return _merged(spread_power(parts, power))


def _merged(factors: list[Array]) -> list[Array]:
    """Factors without redundant neighbours."""
    chain = _chain(factors)
    if chain.H.chainable and not chain.chainable:
        return _mirrored(_merged(_mirrored(factors)))
    return [factor.values for factor in Butterfly(factors).merge().factors]


def _sweep(chain: Chain) -> Sweep:
    """What one sweep over factors of a chain, towards a matrix, makes of them."""
    if chain.chainable:
        whole = reduce(matmul, chain)
        return lambda A, held: swept(values_from_dense(A, whole), held, chain)
    if chain.H.chainable:
        mirrored = _sweep(chain.H)
        return lambda A, held: _mirrored(mirrored(adjoint(A), _mirrored(held)))
    return lambda A, held: jointly_swept(A, held)


def _distances(A: Array, chain: Chain, terms: int, progress: bool) -> Distances:
    """How close a sum of products of a chain can come to a matrix."""
    if chain.chainable:
        return sum_distances(A, chain, terms, progress)
    if chain.H.chainable:
        found = sum_distances(adjoint(A), chain.H, terms, progress)
        return Distances(found.outside, found.splits[::-1])
    return Distances(_outside(A, chain), ())


def _repeated(
    A: Array, terms: list[list[Array]], sweep: Sweep, rounds: Iterable[int]
) -> tuple[list[list[Array]], float]:
    """Terms after sweeps over one after the other, while these gain anything, and their error."""
    terms = list(terms)
    products = [_product(factors, A) for factors in terms]
    left = reduce(operators.sub, products, A)
    floor = float(np.finfo(dtype_of(A)).eps) * norm(A)
    for _ in rounds:
        before = norm(left)
        if before <= floor:
            break
        for k in range(len(terms)):
            # Not left + products[k], which a large product would leave no digits of.
            target = reduce(operators.sub, products[:k] + products[k + 1 :], A)
            factors = sweep(target, terms[k])
            product = _product(factors, A)
            if norm(target - product) < norm(left):
                terms[k], products[k], left = factors, product, target - product
        if not norm(left) < before * (1 - _LEAST_GAIN):
            break
    return terms, norm(reduce(operators.sub, products, A))


def _chain(factors: list[Array]) -> Chain:
    return Chain(Pattern(*values.shape) for values in factors)


def _product(factors: list[Array], reference: Array) -> Array:
    xp = namespace_of(reference)
    unit = xp.eye(reference.shape[1], dtype=reference.dtype, device=device_of(reference))
    return reduce(lambda X, values: KroneckerSparse(values) @ X, reversed(factors), unit)


def _outside(A: Array, chain: Chain) -> float:
    """Norm of the entries that are zero in every product of factors with these patterns."""
    xp = namespace_of(A)
    real = native_dtype(xp, real_counterpart(dtype_of(A)))
    ones = [xp.ones(tuple(p), dtype=real, device=device_of(A)) for p in chain]
    reached = _product(ones, xp.real(A) if is_complex(A) else A) > 0
    return norm(xp.where(reached, xp.zeros_like(A), A))


def _mirrored(factors: list[Array]) -> list[Array]:
    """The factors of the adjoint."""
    return [
        conj(namespace_of(values).permute_dims(values, (0, 2, 1, 3)))
        for values in reversed(factors)
    ]
