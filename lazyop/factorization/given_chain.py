"""Factorization with a given chain, and the record of a factorization.

Runs `lazyop.factorization.hierarchical`, and measures the result. What the caller may pass is in
`lazyop.factorization.factorize`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import reduce
from operator import matmul

from lazyop.algebra.composite import Product, Sum
from lazyop.butterfly.chain import Chain
from lazyop.factorization.bounds import Bounds, StatedBounds
from lazyop.factorization.estimate import ErrorEstimate
from lazyop.factorization.hierarchical import Steps, hierarchical_factors, steps_are_orthogonal
from lazyop.factorization.matrix import Target
from lazyop.factorization.residual import energy_outside, residual_norm
from lazyop.namespaces import Array, namespace_of
from lazyop.operator import LazyOperator
from lazyop.structured.permutation import Permutation

__all__ = ["Factorization", "factorize_on"]


@dataclass(frozen=True, repr=False)
class Factorization:
    """A matrix as a product of Kronecker-sparse factors, or a sum of some, and how far it is off.

    All errors are Frobenius norms divided by that of the matrix, and true up to rounding, unless
    there is an `estimate`: then the matrix was never held, the relative error is that of the
    estimate, with an interval around it, and nothing is known of the bounds.

    `error_bound`, `lower_bound` and `split_errors` are computed when one of them, or the printed
    form, is first read: for a large matrix they take longer than the factors. Until then a copy of
    the matrix is kept for them.

    Attributes
    ----------
    operator : LazyOperator
        Acts as the matrix; permutations are part of it.
    chain : Chain
        Patterns of the factors; of each term where the operator is a sum.
    relative_error : float
        Of the operator. Where the steps leave residuals that are orthogonal to each other and
        far above rounding, it is the root of the sum of their squares; elsewhere it is computed
        entry by entry. With an `estimate`, it is that.
    estimate : ErrorEstimate or None
        None where the relative error is that of all entries. Otherwise what products with random
        vectors say of it, and with which confidence.
    error_bound : float or None
        What the algorithm guarantees from `split_errors` alone; None where nothing is proved
        for the options chosen.
    lower_bound : float or None
        No product of factors with these patterns (and this permutation), or no sum of as many
        products as were asked for, comes closer. None with an `estimate`.
    split_errors : tuple of float
        For each split of the chain in two, how close any product of two factors with the
        patterns on either side multiplied out can come. Empty where the chain does not chain, and
        with an `estimate`.
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
    permutation: tuple[Permutation | None, Permutation | None] | None
    _bounds: Bounds | StatedBounds = field(compare=False)
    _choice: str | None = None
    estimate: ErrorEstimate | None = None

    @property
    def error_bound(self) -> float | None:
        """What the algorithm guarantees, or None."""
        return self._bounds.error_bound

    @property
    def lower_bound(self) -> float | None:
        """What no product of factors with these patterns falls below, or None."""
        return self._bounds.lower_bound

    @property
    def split_errors(self) -> tuple[float, ...]:
        """Distances to the products of two factors, for each split."""
        return self._bounds.split_errors

    def __repr__(self) -> str:
        (m, n), count, terms = self.operator.shape, len(self.chain), self._terms()
        factors = "1 factor" if count == 1 else f"{count} factors"
        if terms > 1:
            factors = f"a sum of {terms} products of {factors}"
        held = terms * self.chain.nnz
        upper, lower = self.error_bound, self.lower_bound
        return "\n".join(
            [
                f"Factorization of a {m} x {n} matrix into {factors}",
                f"  numbers held    {held} ({held / (m * n):.3g} of dense)",
                f"  relative error  {self.relative_error:.3g}",
                *([] if self.estimate is None else [f"    estimated as  {self.estimate}"]),
                f"  at most         {_proved(upper)}",
                f"  at least        {_proved(lower, ' for any factors of this chain')}",
                f"  permutation     {self._permuted()}",
                *([] if self._choice is None else [f"  chain           {self._choice}"]),
            ]
        )

    def _terms(self) -> int:
        parts = self.operator.operands if isinstance(self.operator, Product) else (self.operator,)
        return max(len(part.operands) if isinstance(part, Sum) else 1 for part in parts)

    def _permuted(self) -> str:
        sides = zip(("rows", "columns"), self.permutation or (None, None), strict=True)
        return " and ".join(name for name, p in sides if p is not None) or "none"


def _proved(bound: float | None, of_what: str = "") -> str:
    return "none proved" if bound is None else f"{bound:.3g}{of_what}"


def factorize_on(
    chain: Chain,
    target: Target,
    splits: tuple[int, ...],
    orthonormalize: bool = True,
    choice: str | None = None,
    progress: bool = False,
) -> Factorization:
    """Factorize with a chain without redundant neighbours, of the shape of the target."""
    steps = hierarchical_factors(target.entries, chain, splits, orthonormalize, progress)
    orthogonal = steps_are_orthogonal(splits, orthonormalize)
    size = target.size or 1.0
    return Factorization(
        operator=target.operator(steps.factors),
        chain=chain,
        relative_error=_residual(target, steps, chain, orthogonal) / size,
        permutation=target.permutation,
        _bounds=Bounds(target.entries, chain, splits, orthonormalize, size, progress),
        _choice=choice,
    )


def _residual(target: Target, steps: Steps, chain: Chain, orthogonal: bool) -> float:
    """Norm of the matrix minus the product: from the steps where that is accurate, or measured."""
    if orthogonal and len(chain) > 1:
        outside = math.sqrt(energy_outside(target.entries, reduce(matmul, chain)))
        norm = math.hypot(outside, *steps.residuals)
        # A squared residual is off by some units of rounding of the squared size.
        if norm >= target.size * _epsilon(target.entries) ** 0.1875:
            return norm
    return residual_norm(target.entries, steps.factors, chain)


def _epsilon(x: Array) -> float:
    return float(namespace_of(x).finfo(x.dtype).eps)
