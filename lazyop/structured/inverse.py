"""Inverses: from structure, by a solver, or of small dense matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from lazyop.algebra.composite import Conjugate, Sum
from lazyop.algebra.normal_form import add, split
from lazyop.aslazy import aslazy
from lazyop.namespaces import (
    Array,
    adjoint,
    cast,
    conj,
    device_of,
    dtype_of,
    namespace_of,
    unify_kinds,
)
from lazyop.operator import LazyOperator
from lazyop.structured.dense import Dense
from lazyop.structured.diagonal import Diagonal, reciprocals
from lazyop.structured.low_rank import LowRank
from lazyop.structured.lu import for_lapack, inverted
from lazyop.structured.solver_inverse import Solver, SolverInverse

#: Up to which order an operator without structure is made dense.
LARGEST_DENSE = 1024


def inverse(A: Any, solver: Solver | None = None) -> LazyOperator:
    r"""Return the inverse of a square operator.

    It is made from structure where there is some:

    - the adjoint of what is known to be unitary: identities, permutations, orthonormal transforms,
      and products, Kronecker products and block-diagonal operators of these;
    - of a product, a Kronecker product, a block-diagonal operator, a power, a multiple, an adjoint:
      the same of the operands' inverses, reversed in a product;
    - diagonal and triangular matrices, circulant ones and circular convolutions; transforms that
      lose nothing, orthonormal or not; Kronecker-sparse factors block by block, and butterflies of
      square factors factor by factor, each block by LU with partial pivoting;
    - a sum of something that has an inverse from structure, and of operators of low rank r,
      by the identity of Woodbury [1]_ with a matrix of order r,

      .. math:: (B + U V^H)^{-1} = B^{-1} - B^{-1} U (I + V^H B^{-1} U)^{-1} V^H B^{-1} ,

      which loses digits where B is much worse conditioned than the sum.

    Whatever else comes up, the operator itself or an operand, is left to the solver. Without one,
    dense matrices are inverted by LU, and operators of order 1024 or less are made dense first.

    Parameters
    ----------
    A : operator or what `aslazy` takes
        Square.
    solver : callable, optional
        Called as ``solver(A, b)`` for each column b that the inverse meets; returns ``x``, or
        ``(x, info)`` as `scipy.sparse.linalg.cg` and `gmres` do, where an info other than 0 means
        that it failed. It gets ``A.H`` for products with the adjoint of the inverse. Real systems
        get real columns. The result is as accurate as the solver.

    Returns
    -------
    LazyOperator

    Raises
    ------
    LinAlgError
        If ``A`` is singular: which part of it, and for blocks the worst one and its reciprocal
        condition number, as soon as that is below the resolution of the dtype.
    ValueError
        If ``A`` is not square, or has no structure that gives an inverse, is too large to be made
        dense, and there is no solver.
    TypeError
        If the solver is not callable.
    RuntimeError
        From products with the inverse, if the solver did not converge.

    References
    ----------
    .. [1] W. W. Hager, "Updating the inverse of a matrix", SIAM Review 31(2), 1989.

    Examples
    --------
    >>> import numpy as np
    >>> import lazyop as lo
    >>> A = lo.kron(lo.Diagonal([1.0, 2.0]), [[2.0, 1.0], [0.0, 1.0]])
    >>> print(lo.inverse(A).tree())
    Kron(4x4, float64)
    ├── Diagonal(2x2, float64)
    └── Dense(2x2, float64)
    >>> lo.inverse(A) @ (A @ [1.0, 2.0, 3.0, 4.0])
    array([1., 2., 3., 4.])

    With a solver, where there is no structure:

    >>> from scipy.sparse.linalg import cg
    >>> A = lo.kronsum(*2 * [np.diag([2.0] * 50) - np.eye(50, k=1) - np.eye(50, k=-1)])
    >>> B = lo.inverse(A, lambda A, b: cg(A, b, rtol=1e-10))
    >>> b = np.ones(2500)
    >>> np.allclose(A @ (B @ b), b)
    True
    """
    op = aslazy(A)
    if op.shape[0] != op.shape[1]:
        raise ValueError(f"only a square operator has an inverse, this one is {op.shape}")
    if solver is not None and not callable(solver):
        raise TypeError(f"a solver must be callable, as solver(A, b), got {solver!r}")
    return _Inversion(solver)(op)


class _Inversion:
    """One walk over an expression that inverts each part once.

    With `dense_below`, it takes structure alone, and LU of matrices of a lower order than that;
    where these don't do, it raises `_NoStructureError`.
    """

    def __init__(self, solver: Solver | None, *, dense_below: int | None = None) -> None:
        self._solver, self._dense_below = solver, dense_below
        self._made: dict[int, tuple[LazyOperator, LazyOperator]] = {}

    def __call__(self, op: LazyOperator, where: str = "") -> LazyOperator:
        if id(op) not in self._made:
            try:
                self._made[id(op)] = op, self._invert(op)
            except np.linalg.LinAlgError as error:
                raise np.linalg.LinAlgError(f"{where}: {error}" if where else error) from None
        return self._made[id(op)][1]

    def _invert(self, op: LazyOperator) -> LazyOperator:
        if op._is_unitary:
            return op.adjoint()
        if not op.shape[0]:
            return op
        found = op._inverse(self)
        if found is None and isinstance(op, Sum):
            found = self._of_sum(op)
        if found is not None:
            return found
        if op._is_diagonal:
            return Diagonal(reciprocals(op.diagonal()))
        if self._dense_below is not None:
            if isinstance(op, Dense) and op.shape[0] < self._dense_below:
                return _by_lu(op)
            raise _NoStructureError
        if self._solver is not None:
            return SolverInverse(op, self._solver)
        return _by_lu(op)

    def _of_sum(self, op: Sum) -> LazyOperator | None:
        """Return the inverse of a sum with terms of low rank."""
        thin = [_thin_factors(term) for term in op.operands]
        rest = [term for term, factors in zip(op.operands, thin, strict=True) if factors is None]
        ranks = sum(factors[1].shape[1] for factors in thin if factors is not None)
        if not rest or not 0 < 2 * ranks <= op.shape[0]:
            return None
        try:
            base = _Inversion(None, dense_below=op.shape[0])(add(*rest))
        except (_NoStructureError, np.linalg.LinAlgError):  # the sum may have an inverse without it
            return None
        return _corrected(base, [factors for factors in thin if factors is not None])


class _NoStructureError(Exception):
    """There is no inverse from structure alone."""


def _thin_factors(op: LazyOperator) -> tuple[Array, Array] | None:
    """Return U and V of a term U V^H of low rank."""
    coefficient, inner = split(op)
    if isinstance(inner, Conjugate) and isinstance(inner.operand, LowRank):
        inner = LowRank(conj(inner.operand.U), conj(inner.operand.V))
    if not isinstance(inner, LowRank):
        return None
    return coefficient * cast(inner.U, op.dtype), inner.V


def _corrected(base: LazyOperator, terms: list[tuple[Array, Array]]) -> LazyOperator:
    """Return the inverse of B + U V^H from that of B, by the identity of Woodbury."""
    U, V = (for_lapack(_side_by_side(list(parts))) for parts in zip(*terms, strict=True))
    xp = namespace_of(U)
    left, right = base @ U, base.adjoint() @ V
    rows, columns = unify_kinds(adjoint(V), left)
    product = xp.matmul(rows, columns)
    core = xp.eye(product.shape[0], dtype=product.dtype, device=device_of(product)) + product
    _check_core(core, product)
    core = inverted(core[None, :, :], lambda _: "the matrix I + V^H B^-1 U of a sum")
    return base - LowRank(xp.matmul(left, core[0, :, :]), right)


def _check_core(core: Array, product: Array) -> None:
    """Raise LinAlgError where what is left of I + V^H B^-1 U is its rounding errors."""
    xp = namespace_of(core)
    smallest = float(xp.min(xp.linalg.svdvals(core)))
    scale = 1 + float(xp.linalg.matrix_norm(product))
    if smallest <= 10 * float(np.finfo(dtype_of(core)).eps) * scale:
        raise np.linalg.LinAlgError(
            "a sum with terms of low rank is singular to working precision: the matrix "
            f"I + V^H B^-1 U has a singular value of {smallest:.2g}, beside terms of {scale:.2g}"
        )


def _side_by_side(parts: list[Array]) -> Array:
    return parts[0] if len(parts) == 1 else namespace_of(parts[0]).concat(parts, axis=1)


def _by_lu(op: LazyOperator) -> LazyOperator:
    n = op.shape[0]
    if not isinstance(op, Dense) and n > LARGEST_DENSE:
        raise ValueError(
            f"{op!r} has no structure that gives an inverse, and is only made dense up to order "
            f"{LARGEST_DENSE}; give a solver, as in lo.inverse(A, solver=scipy.sparse.linalg.cg)"
        )
    values = op.values if isinstance(op, Dense) else op.toarray()
    return Dense(inverted(values[None, :, :], lambda _: "the matrix")[0, :, :])
