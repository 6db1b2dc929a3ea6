"""How far a product of sparse factors is from a matrix, without the product in memory."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

from lazyop.factorization.residual import energy
from lazyop.fixed_support.target import Target

__all__ = ["distance"]

#: Entries of a product that are compared at a time, and how many multiplications that may take.
_PANEL, _MOST_WORK = 1 << 22, 1 << 32


def distance(target: Target, factors: Sequence[csr_array]) -> float:
    """Frobenius norm of a matrix minus a product of factors.

    It is computed entry by entry, in panels of rows. Where a sparse matrix meets two factors whose
    product takes billions of multiplications, it is computed from inner products of the three; the
    result is then off by rounding in proportion to the root of the unit of rounding.
    """
    if len(factors) == 2 and target.is_sparse:
        X, Y = factors
        work = np.diff(csr_array(X.T).indptr).astype(float) @ np.diff(Y.indptr)
        if work > _MOST_WORK:
            return _by_inner_products(target.entries, X, Y)
    m, n = target.shape
    depth, total = max(1, _PANEL // max(n, 1)), 0.0
    for start in range(0, m, depth):
        product = factors[0][start : start + depth]
        for factor in factors[1:]:
            product = product @ factor
        panel = target.entries[start : start + depth]
        if target.is_sparse:
            total += energy(csr_array(panel - product).data)
        else:
            total += energy(panel - product.toarray())
    return math.sqrt(total)


def _by_inner_products(A: csr_array, X: csr_array, Y: csr_array) -> float:
    r"""The root of :math:`\|A\|^2 - 2 \Re\langle X, A Y^H\rangle + \langle X^H X, Y Y^H\rangle`."""
    crossed = float(X.conj().multiply(A @ Y.conj().T).sum().real)
    made = float((X.conj().T @ X).conj().multiply(Y @ Y.conj().T).sum().real)
    return math.sqrt(max(energy(A.data) - 2 * crossed + made, 0.0))
