"""Norms of operators: from structure, from columns, or by iteration."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import numpy as np

from lazyop.algebra.array_norm import (
    MOST_ENTRIES,
    absolute_sums,
    array_norm,
    entries_norm,
    extreme,
    sum_axis,
)
from lazyop.algebra.largest_singular_value import largest_singular_value
from lazyop.aslazy import aslazy
from lazyop.namespaces import Array, like, real_counterpart
from lazyop.operator import LazyOperator
from lazyop.traits import Order

_ORDERS: tuple[Order, ...] = ("fro", 2, 1, -1, math.inf, -math.inf)

#: How many columns are made at a time, and how many entries at most.
_BLOCK_COLUMNS, _BLOCK_ENTRIES = 256, 1 << 20


def norm(A: Any, ord: Order | None = "fro", *, tol: float | None = None) -> float:
    r"""Return a norm of an operator.

    ==================  =======================================================================
    ``ord``             norm
    ==================  =======================================================================
    ``"fro"``, None     Frobenius: :math:`(\sum_{ij} |a_{ij}|^2)^{1/2}`
    ``2``               spectral: the largest singular value
    ``1``, ``-1``       largest or smallest column sum :math:`\sum_i |a_{ij}|`
    ``inf``, ``-inf``   largest or smallest row sum :math:`\sum_j |a_{ij}|`
    ==================  =======================================================================

    It is exact, to rounding, and costs little where structure gives it: for diagonal operators,
    permutations and what is known to be unitary, alone or at either end of a product that they
    don't change; for multiples, Kronecker products (the product of the norms) and block-diagonal
    operators; for matrices that are dense or sparse, of low rank, or Kronecker-sparse; for
    circulant ones and circular convolutions, and Fourier and Hadamard transforms; and, but for the
    spectral norm, for butterflies whose patterns chain: the Frobenius norm for all ranks, the sums
    where all ranks are 1.

    The other norms are exact for all operators: the columns of the matrix are made some at a time,
    n products in all, or the rows where these are fewer. Only the spectral norm may be iterated. A
    matrix of at most :math:`2^{20}` entries is made dense for its singular values. Beyond, the
    Lanczos iteration of SciPy's ``eigsh`` for :math:`A^H A` stops where its residual bounds the
    distance from a singular value by ``tol``, relative to it. The result is then not above the
    norm, and mostly much closer to it than that.

    Parameters
    ----------
    A : operator or what `aslazy` takes
    ord : {"fro", 2, 1, -1, inf, -inf}, optional
        As in `scipy.sparse.linalg.norm`; None means "fro".
    tol : float, optional
        Of the iteration, at least 10 times the resolution of the dtype; the root of that resolution
        by default. Where operands are iterated it holds for each.

    Returns
    -------
    float
        0 for an empty operator.

    Raises
    ------
    ValueError
        If the order is unknown or the tolerance out of range; if the norm is not finite, as there
        are entries that are not, or it is out of range.
    RuntimeError
        If the iteration does not converge.
    TypeError
        If ``A`` is nothing that `aslazy` takes.

    Examples
    --------
    >>> import numpy as np
    >>> import lazyop as lo
    >>> A = lo.kron(lo.Diagonal([3.0, 4.0]), lo.Permutation([1, 2, 0]))
    >>> lo.norm(A, 2), lo.norm(A, 1), round(lo.norm(A) ** 2)
    (4.0, 4.0, 75)
    >>> S = lo.kronsum(*2 * [np.diag([2.0] * 40) - np.eye(40, k=1) - np.eye(40, k=-1)])
    >>> exact = 4 + 4 * np.cos(np.pi / 41)
    >>> bool(abs(lo.norm(S, 2, tol=1e-10) - exact) < 1e-10 * exact)
    True
    """
    op = aslazy(A)
    order = _as_order(ord)
    with np.errstate(over="ignore", invalid="ignore"):  # the result tells
        value = _Norm(order, _as_tolerance(tol, op))(op)
    if not math.isfinite(value):
        raise ValueError(
            f"the norm of {op!r} is not finite: it has entries that are nan or inf, or is out of "
            "range"
        )
    return value


def _as_order(order: Any) -> Order:
    if order is None:
        return "fro"
    for known in () if isinstance(order, bool) else _ORDERS:
        if isinstance(order, str) == isinstance(known, str) and order == known:
            return known
    raise ValueError(f"ord must be 'fro', 2, 1, -1, inf, -inf or None, got {order!r}")


def _as_tolerance(tol: Any, op: LazyOperator) -> float:
    kind = op.dtype if op.dtype.kind in "fc" else np.dtype(np.float64)
    eps = float(np.finfo(real_counterpart(kind)).eps)
    if tol is None:
        return math.sqrt(eps)
    if isinstance(tol, bool) or not 10 * eps <= float(tol) < 1:
        raise ValueError(f"tol must be between {10 * eps:.1e} and 1 for {op.dtype}, got {tol!r}")
    return float(tol)


class _Norm:
    """One walk over an expression for one norm."""

    def __init__(self, order: Order, tol: float) -> None:
        self._order, self._tol = order, tol

    def __call__(self, op: LazyOperator) -> float:
        order = self._order
        if 0 in op.shape:
            return 0.0
        if op._keeps_norm(order):  # that of the identity, then
            return math.sqrt(op.shape[0]) if order == "fro" else 1.0
        found = op._norm(order, self)
        if found is not None:
            return found
        if op._is_diagonal:
            return _of_diagonal(op.diagonal(), order)
        return _spectral(op, self._tol) if order == 2 else _by_columns(op, order)


def _of_diagonal(d: Array, order: Order) -> float:
    if order == "fro":
        return entries_norm(d)
    return extreme(absolute_sums(d[None, :], axis=0), 1 if order == 2 else order)


def _spectral(op: LazyOperator, tol: float) -> float:
    m, n = op.shape
    if m * n <= MOST_ENTRIES or min(m, n) == 1:
        return array_norm(op.toarray(), 2)
    return largest_singular_value(op if m >= n else op.adjoint(), tol)


def _by_columns(op: LazyOperator, order: Order) -> float:
    """Return a norm of the entries from some columns at a time, or rows where these are fewer."""
    if op.shape[0] < op.shape[1]:
        with suppress(NotImplementedError):  # there may be no adjoint
            return _by_columns(op.adjoint(), order if order == "fro" else _swapped(order))
    blocks = _columns(op)
    if order == "fro":
        return math.hypot(*(entries_norm(block) for block in blocks))
    if sum_axis(order) == 0:
        return extreme(np.array([array_norm(block, order) for block in blocks]), order)
    return extreme(sum(absolute_sums(block, axis=1) for block in blocks), order)


def _columns(op: LazyOperator) -> Any:
    m, n = op.shape
    width = max(1, min(_BLOCK_COLUMNS, _BLOCK_ENTRIES // m))
    dtype = np.dtype(np.float64) if op.dtype.kind in "iu" else op.dtype
    for start in range(0, n, width):
        unit = np.eye(n, min(width, n - start), k=-start, dtype=dtype)
        yield op._run(like(unit, op._reference()))


def _swapped(order: Order) -> Order:
    return math.copysign(math.inf if abs(float(order)) == 1 else 1, float(order))
