"""Factors with given supports: what the caller passes in and gets back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from lazyop.algebra.composite import Product
from lazyop.aslazy import aslazy
from lazyop.factorization.matrix import times_power
from lazyop.fixed_support.alternating import Found, alternated
from lazyop.fixed_support.blockwise import best_factors
from lazyop.fixed_support.certificates import certificate
from lazyop.fixed_support.generic import all_matrices
from lazyop.fixed_support.pieces import Pieces, taken_apart
from lazyop.fixed_support.residual import distance
from lazyop.fixed_support.supports import Classes, as_supports, rank_one_classes
from lazyop.fixed_support.target import Target, opened
from lazyop.operator import LazyOperator
from lazyop.scalars import as_real, positive_int

__all__ = ["SupportedFactorization", "factorize"]


@dataclass(frozen=True, repr=False)
class SupportedFactorization:
    """A matrix as a product of sparse factors with given supports, and what is known of it.

    Attributes
    ----------
    operator : LazyOperator
        The product of the factors.
    factors : tuple of LazyOperator
        Sparse, leftmost first; each stores no entry off its support. Two factors share their scale:
        a column of the left one and the row of the right one that it meets have norms within a
        factor of two.
    relative_error : float
        Frobenius norm of the matrix minus the operator, over that of the matrix.
    optimal : True or None
        True where no factors with these supports do better, up to rounding; where there is a
        `regularization`, no factors reach less of the objective with it. None where that is not
        known.
    reason : str
        Why.

    Examples
    --------
    >>> import numpy as np
    >>> import lazyop as lo
    >>> found = lo.fixed_support.factorize(np.ones((2, 2)), np.eye(2), np.ones((2, 2)))
    >>> found.optimal, found.relative_error
    (True, 0.0)
    """

    operator: LazyOperator
    factors: tuple[LazyOperator, ...]
    relative_error: float
    optimal: bool | None
    reason: str

    def __repr__(self) -> str:
        m, n = self.operator.shape
        held = sum(factor.cost.parameters for factor in self.factors)
        known = "yes" if self.optimal else "not known"
        return "\n".join(
            [
                f"Factorization of a {m} x {n} matrix into {len(self.factors)} factors "
                "of given supports",
                f"  numbers held    {held} ({held / (m * n):.3g} of dense)",
                f"  relative error  {self.relative_error:.3g}",
                f"  optimal         {known}: {self.reason}",
            ]
        )


def factorize(
    A: Any,
    I: Any,
    J: Any,
    *more: Any,
    regularization: float = 0.0,
    starts: int = 4,
    sweeps: int = 200,
    progress: bool = False,
) -> SupportedFactorization:
    r"""Approximate a matrix by a product of factors whose nonzero entries have given places.

    Looks for the factors with

    .. math::

       \min_{X, Y} \; \|A - XY\|^2 + \lambda \bigl(\|X\|^2 + \|Y\|^2\bigr), \qquad
       \operatorname{supp} X \subseteq I, \quad \operatorname{supp} Y \subseteq J,

    in Frobenius norms, where :math:`\lambda` is the `regularization`. That is NP-hard for supports
    in general [1]_, and solved exactly for some. Column `k` of `I` and row `k` of `J` allow the
    product the entries of a rectangle, and indices with one rectangle add matrices of a rank up to
    their number. Where different rectangles have no entry in common, the answer is a truncated
    singular value decomposition for each of them [1]_ (with the singular values less
    :math:`\lambda`). With :math:`\lambda = 0` they may overlap where one of them can be any matrix;
    those are filled last. Butterfly factors have such supports at every split, and so have
    low-rank, block-diagonal and Monarch matrices.

    For all other supports alternating least squares run from several starts: from an elimination of
    one rectangle after the other, which finds an LU factorization that needs no pivots; from the
    singular vectors of every rectangle; and from random factors that are the same in every call.
    The result is the best they find, and its `optimal` is None, unless the products can be any
    matrix on their support, and this one is equal to `A` there. Without regularisation there may be
    no best factors at all, but factors that grow without bound; see `diagnose`. (The sweeps then
    have a ridge that falls to nothing, which keeps them from growing early.) With regularisation,
    best factors exist for every matrix and all supports.

    Parameters
    ----------
    A : array, array_like, sparse array or operator, shape (m, n)
        Real or complex, in single or double precision; integers count as float64. Sparse arrays
        are not made dense where the rectangles don't overlap. Neither are operators that take more
        than 64 MiB as a dense matrix and know a sparse form.
    I, J : array_like of bool or sparse array, shapes (m, r) and (r, n)
        Where the factors may have entries; what is not zero counts as true.
    *more
        Supports of further factors to the right. The factors are then split off from the left, one
        by one, each time from what remains, whose support is that of the product of all further
        supports. Every step must be one that is solved exactly. For the patterns of a butterfly
        that is the hierarchical algorithm.
    regularization : float
        The weight :math:`\lambda`, not negative, in units of `A`. It takes two factors.
    starts : int
        How many starts of alternating least squares there are.
    sweeps : int
        How many times each start updates both factors, at most; fewer where it gains nothing more.
    progress : bool
        Whether to show progress bars of the sweeps, by tqdm.

    Returns
    -------
    SupportedFactorization

    Raises
    ------
    ValueError
        If `A` is empty or not finite, the supports are empty, hold NaN, or do not fit each other
        or `A`, or allow no entry of the product; if the regularisation is negative, or not zero
        with more than two factors; if there are more than two and a step is not solvable.
    TypeError
        If `A` or a support is no matrix of numbers, or lives in another namespace than NumPy.
    ImportError
        If progress bars are asked for, and tqdm is not installed.

    See Also
    --------
    diagnose : Whether a best approximation exists for every matrix.
    lazyop.factorize : Butterfly factorization, of chains or to a tolerance.

    References
    ----------
    .. [1] Q.-T. Le, E. Riccietti, R. Gribonval, "Spurious valleys, NP-hardness, and tractability of
       sparse matrix factorization with fixed support", *SIAM J. Matrix Anal. Appl.* 44(2), 2023,
       `arXiv:2112.00386 <https://arxiv.org/abs/2112.00386>`__.

    Examples
    --------
    The best block-diagonal matrix with blocks of rank one:

    >>> import numpy as np
    >>> import lazyop as lo
    >>> I = np.kron(np.eye(2), np.ones((3, 1)))
    >>> A = np.arange(36.0).reshape(6, 6)
    >>> found = lo.fixed_support.factorize(A, I, I.T)
    >>> print(found)
    Factorization of a 6 x 6 matrix into 2 factors of given supports
      numbers held    12 (0.333 of dense)
      relative error  0.684
      optimal         yes: the rank-one supports are pairwise disjoint or identical

    Lower times upper triangular factors overlap, and are not solved for certain:

    >>> L = np.tri(3)
    >>> lo.fixed_support.factorize([[2, 1, 0], [1, 2, 1], [0, 1, 2]], L, L.T).optimal is None
    True
    """
    target, supports = opened(A), as_supports((I, J, *more))
    shape = supports[0].shape[0], supports[-1].shape[1]
    if shape != target.shape:
        raise ValueError(f"the supports make matrices of shape {shape}, A has shape {target.shape}")
    ridge = _checked_regularization(regularization, target.exponent)
    starts, sweeps = positive_int(starts, "starts"), positive_int(sweeps, "sweeps")
    if len(supports) == 2:
        factors, optimal, reason = _two_factors(target, supports, ridge, starts, sweeps, progress)
    elif regularization:
        raise ValueError(f"regularization takes two factors, got {len(supports)} supports")
    else:
        factors, lowest = _split_off(target, supports)
    size = target.norm or 1.0
    error = distance(target, factors) / size
    if len(supports) > 2:
        optimal, reason = _compared(error, lowest / size, target.dtype)
    operators = tuple(_operator(X) for X in _spread(factors, target.exponent))
    return SupportedFactorization(Product(*operators), operators, error, optimal, reason)


def _checked_regularization(regularization: Any, exponent: int) -> float:
    """The weight for a matrix from which a power of two was taken out."""
    ridge = as_real(regularization, "regularization")
    if not 0 <= ridge < math.inf:
        raise ValueError(f"regularization must be finite and not negative, got {regularization!r}")
    return math.ldexp(ridge, -exponent)


def _two_factors(
    target: Target,
    supports: list[csr_array],
    ridge: float,
    starts: int,
    sweeps: int,
    progress: bool,
) -> tuple[list[csr_array], bool | None, str]:
    I, J = supports
    classes = rank_one_classes(I, J)
    pieces = taken_apart(classes)
    if pieces.disjoint if ridge else pieces.solvable:
        draft = best_factors(target, pieces, I.shape[1], ridge)
        reason = (
            _why_optimal(pieces)
            if draft.certain
            else "iterations for singular vectors did not converge"
        )
        return _balanced(*draft.factors()), draft.certain or None, reason
    found = alternated(target, I, J, classes, ridge, starts, sweeps, progress)
    if not ridge and all_matrices(I, J) and _fits(target, found, classes):
        return _balanced(found.X, found.Y), True, "it is equal on the support of the product"
    reason = f"{_why_hard(pieces)}; the best of {starts} starts of alternating least squares"
    if not ridge and certificate(classes) is not None:
        reason += ", and these supports leave some matrices without best factors (see diagnose)"
    return (_balanced(found.X, found.Y) if not ridge else [found.X, found.Y]), None, reason


def _fits(target: Target, found: Found, classes: Classes) -> bool:
    """Whether the product of two factors is the matrix wherever it can be other than zero."""
    inside = csr_array(classes.rows.T @ classes.columns) != 0
    rest = target.entries - found.X @ found.Y
    missed = rest.multiply(inside) if target.is_sparse else rest[inside.toarray()]
    size = np.linalg.norm(missed.data if target.is_sparse else missed)
    return bool(size <= 64 * np.finfo(target.dtype).eps * target.norm)


def _why_optimal(pieces: Pieces) -> str:
    if pieces.disjoint:
        return "the rank-one supports are pairwise disjoint or identical"
    return "where rank-one supports overlap, some of them can be any matrix"


def _why_hard(pieces: Pieces) -> str:
    if pieces.solvable:
        return "with regularization, overlapping rank-one supports are not solved exactly"
    if pieces.too_large:
        return "rank-one supports overlap, and are too large to be taken apart"
    return "rank-one supports overlap"


def _split_off(target: Target, supports: list[csr_array]) -> tuple[list[csr_array], float]:
    """Factors from left to right, each the left one of a problem of two factors.

    And the error of the first such problem, which no factors fall below.
    """
    factors: list[csr_array] = []
    lowest = 0.0
    for k, left in enumerate(supports[:-1]):
        right = supports[-1]
        for support in reversed(supports[k + 1 : -1]):
            right = csr_array((support @ right) != 0).astype(np.int32)
        right.sort_indices()
        pieces = taken_apart(rank_one_classes(left, right))
        if not pieces.solvable:
            raise ValueError(
                f"the step that splits off factor {k + 1} is not solved exactly: "
                f"{_why_hard(pieces)}; factorize two factors at a time instead"
            )
        X, Y = best_factors(target, pieces, left.shape[1], 0.0).factors()
        lowest = distance(target, (X, Y)) if k == 0 else lowest
        factors.append(X)
        target = target.with_entries(Y)
    return [*factors, Y], lowest


def _compared(error: float, lowest: float, dtype: np.dtype[Any]) -> tuple[bool | None, str]:
    """Whether an error is that of the first step, up to rounding."""
    if error <= lowest + 64 * float(np.finfo(dtype).eps):
        return True, "the error is that of the first step alone, which none falls below"
    return None, "every step is solved exactly, but of all together nothing is proved"


def _balanced(X: csr_array, Y: csr_array) -> list[csr_array]:
    """The same product, up to no rounding, by columns and rows of about equal norms."""
    columns, rows = _norms(csr_array(X.T)), _norms(Y)
    both = (columns > 0) & (rows > 0)
    ratio = np.where(both, rows, 1) / np.where(both, columns, 1)
    powers = np.rint(np.log2(ratio) / 2).astype(int)
    X, Y = X.copy(), Y.copy()
    X.data = np.ldexp(1.0, powers).astype(X.data.real.dtype)[X.indices] * X.data
    Y.data = np.repeat(np.ldexp(1.0, -powers).astype(Y.data.real.dtype), np.diff(Y.indptr)) * Y.data
    return [X, Y]


def _norms(S: csr_array) -> Any:
    energies = np.zeros(S.shape[0])
    rows = np.repeat(np.arange(S.shape[0]), np.diff(S.indptr))
    np.add.at(energies, rows, np.abs(S.data.astype(np.result_type(S.dtype, np.float64))) ** 2)
    return np.sqrt(energies)


def _spread(factors: list[csr_array], exponent: int) -> list[csr_array]:
    share, rest = divmod(exponent, len(factors))
    spread = []
    for k, factor in enumerate(factors):
        data = times_power(factor.data, share + (k < rest))
        spread.append(csr_array((data, factor.indices, factor.indptr), shape=factor.shape))
    return spread


def _operator(factor: csr_array) -> LazyOperator:
    return aslazy(factor)
