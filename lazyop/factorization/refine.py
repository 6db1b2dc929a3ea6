"""Refinement of butterflies: what the caller passes in and gets back.

Takes operators apart into factors, and repeats the sweeps of `lazyop.factorization.sweeps`, or
where the chain does not chain of `lazyop.factorization.joint`, while they gain anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce
from operator import matmul
from typing import Any

import numpy as np

from lazyop.algebra.composite import Product
from lazyop.butterfly.blocks import values_from_dense
from lazyop.butterfly.chain import Chain
from lazyop.butterfly.operator import Butterfly, KroneckerSparse
from lazyop.butterfly.pattern import Pattern, positive_int
from lazyop.factorization.given_chain import (
    Factorization,
    _compose,
    _dense,
    _norm,
    _scaled,
    _spread_power,
    _unpermuted,
)
from lazyop.factorization.hierarchical import Distances, distances
from lazyop.factorization.joint import jointly_swept
from lazyop.factorization.progress import tracked
from lazyop.factorization.sweeps import swept
from lazyop.namespaces import (
    Array,
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
from lazyop.structured.permutation import Permutation

__all__ = ["refine"]

#: A sweep that lowers the error by a smaller part than this is the last one.
_LEAST_GAIN = 1e-6

Permutations = tuple[Permutation | None, Permutation | None]
Sweep = Callable[[list[Array]], list[Array]]


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
        product of these, with a `Permutation` at either end or not. The permutations are kept.
    A : array, array_like, sparse array or operator, shape (m, n)
        The matrix. What has no dense array is made dense; integers count as float64.
    sweeps : int
        How many to make at most. They end once one lowers the error by less than a millionth of
        it, or the error is down to rounding.
    progress : bool
        Whether to show a progress bar, by tqdm.

    Returns
    -------
    Factorization
        In the wider precision of the two. Its `error_bound` is None, as sweeps prove none;
        `relative_error` is no larger than that of `F`.

    Raises
    ------
    ValueError
        If `A` or `F` is not finite, their shapes differ, or `sweeps` is below 1.
    TypeError
        If `F` is no product of Kronecker-sparse factors, lives in another namespace than `A`,
        or the entries of `A` are not real or complex numbers in single or double precision.
    ImportError
        If a progress bar is asked for, and tqdm is not installed.

    Notes
    -----
    Redundant neighbours are merged first, which costs no accuracy and saves numbers. If the chain
    of `F` or that of its adjoint chains, each problem then falls apart into blocks, and a sweep
    from the first factor to the last and back takes a few passes over the matrix.

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
    factors, permutations = _taken_apart(F.operator if isinstance(F, Factorization) else F)
    matrix = _dense(A)
    _check_fit(factors, matrix)
    dtype = _common_dtype(factors, matrix)
    scaled, exponent = _scaled(_unpermuted(cast(matrix, dtype), *permutations))
    parts, exponents = zip(*(_scaled(cast(values, dtype)) for values in factors), strict=True)
    start, sweep, found = _setting(scaled, _spread_power(parts, sum(exponents) - exponent))
    best, error = _repeated(scaled, start, sweep, tracked(range(count), progress, "sweeps"))
    size = _norm(scaled) or 1.0
    return Factorization(
        operator=_compose(_spread_power(best, exponent), *permutations),
        chain=_chain(best),
        relative_error=error / size,
        error_bound=None,
        lower_bound=found.lower_bound / size,
        split_errors=tuple(distance / size for distance in found.total) if found.splits else (),
        permutation=None if permutations == (None, None) else permutations,
    )


def _taken_apart(F: Any) -> tuple[list[Array], Permutations]:
    """The values of the factors of a product, and the permutations at its ends."""
    parts = list(F.operands) if isinstance(F, Product) else [F]
    rows = parts.pop(0) if len(parts) > 1 and isinstance(parts[0], Permutation) else None
    columns = parts.pop() if len(parts) > 1 and isinstance(parts[-1], Permutation) else None
    factors: list[Array] = []
    for part in parts:
        if not isinstance(part, Butterfly | KroneckerSparse):
            name = type(part).__name__
            raise TypeError(
                "F must be a Factorization, a butterfly, or a product of butterflies, with "
                f"permutations at its ends alone; got {'' if part is F else 'a product with '}"
                f"{name}"
            )
        held = part.factors if isinstance(part, Butterfly) else (part,)
        factors += [factor.values for factor in held]
    return factors, (rows, columns)


def _check_fit(factors: list[Array], matrix: Array) -> None:
    shape = _chain(factors).shape
    if shape != tuple(matrix.shape):
        raise ValueError(f"F has shape {shape}, A has shape {tuple(matrix.shape)}")
    if not share_home(factors[0], matrix):
        raise TypeError(
            f"F is in {describe(factors[0])}, A in {describe(matrix)}; "
            "bring them together with .to(...)"
        )
    xp = namespace_of(matrix)
    if not all(bool(xp.all(xp.isfinite(values))) for values in factors):
        raise ValueError("F holds NaN or infinite entries")


def _common_dtype(factors: list[Array], matrix: Array) -> np.dtype[Any]:
    dtype = np.result_type(dtype_of(matrix), *map(dtype_of, factors))
    if dtype.char not in "fdFD":
        raise TypeError(f"F must be in single or double precision, got {dtype}; convert it first")
    return dtype


def _setting(A: Array, factors: list[Array]) -> tuple[list[Array], Sweep, Distances]:
    """Factors to start from, what one sweep makes of factors, and how close any can come."""
    factors = [factor.values for factor in Butterfly(factors).merge().factors]
    chain = _chain(factors)
    if chain.chainable:
        values = values_from_dense(A, reduce(matmul, chain))
        return factors, lambda held: swept(values, held, chain), distances(A, chain)
    if chain.H.chainable:
        start, sweep, found = _setting(_adjoint(A), _mirrored(factors))
        mirrored = Distances(found.outside, found.splits[::-1])
        return _mirrored(start), lambda held: _mirrored(sweep(_mirrored(held))), mirrored
    return factors, lambda held: jointly_swept(A, held), Distances(_outside(A, chain), ())


def _repeated(
    A: Array, start: list[Array], sweep: Sweep, rounds: Iterable[int]
) -> tuple[list[Array], float]:
    """The best factors met, and their error."""
    best, error = start, _norm(A - _product(start, A))
    floor = float(np.finfo(dtype_of(A)).eps) * _norm(A)
    for _ in rounds:
        if error <= floor:
            break
        found = sweep(best)
        reached, before = _norm(A - _product(found, A)), error
        if reached < error:
            best, error = found, reached
        if not reached < before * (1 - _LEAST_GAIN):
            break
    return best, error


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
    return _norm(xp.where(reached, xp.zeros_like(A), A))


def _mirrored(factors: list[Array]) -> list[Array]:
    """The factors of the adjoint."""
    return [
        conj(namespace_of(values).permute_dims(values, (0, 2, 1, 3)))
        for values in reversed(factors)
    ]


def _adjoint(matrix: Array) -> Array:
    return conj(namespace_of(matrix).matrix_transpose(matrix))
