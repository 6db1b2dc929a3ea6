"""Search for permutations of rows and columns: the candidates, and the choice among them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from lazyop.butterfly.chain import Chain
from lazyop.factorization.eight_permutations import eight_permutations
from lazyop.factorization.hierarchical import hierarchical_factors
from lazyop.factorization.progress import tracked
from lazyop.factorization.residual import norm, residual_norm
from lazyop.factorization.unknown_permutation import butterfly_orders
from lazyop.namespaces import Array, dtype_of, like, namespace_of, to_numpy
from lazyop.structured.permutation import Permutation, bit_reversal

__all__ = ["searched_permutations"]

Index = npt.NDArray[np.int64]
Orders = tuple[Index, Index]


def searched_permutations(
    A: Array, chain: Chain | None, progress: bool = False
) -> tuple[Permutation | None, Permutation | None]:
    """Permutations `P` and `Q` with which `P B Q`, for a product `B` of a chain, is near to `A`.

    Every candidate is factorized from left to right, and the nearest is taken: the eight
    permutations of the columns by `eight_permutations`, and the orders found by
    `butterfly_orders` in the matrix and in its transpose.

    Parameters
    ----------
    A : array, shape (n, n)
        Entries of about 1 at most. The search in the entries takes a copy to NumPy.
    chain : Chain or None
        Chainable, not redundant, of this shape; None stands for the square dyadic one.
    progress : bool
        Whether to show a progress bar, by tqdm.

    Returns
    -------
    rows, columns : Permutation or None
        None is the identity.

    Raises
    ------
    ValueError
        If the matrix is not square of order a power of two.
    """
    m, n = A.shape
    if m != n or n & (n - 1):
        raise ValueError(
            "permutation='search' takes square matrices whose order is a power of two, "
            f"A has shape {(m, n)}"
        )
    chain = Chain.square_dyadic(n) if chain is None else chain
    size = norm(A)
    best, least = (np.arange(n), np.arange(n)), np.inf
    for rows, columns in tracked(_candidates(A), progress, "permutations"):
        error = _norm_left(A, chain, rows, columns)
        if error < least:
            best, least = (rows, columns), error
        if error <= n * float(np.finfo(dtype_of(A)).eps) * size:
            break
    # A = P B Q with (P x)[i] = x[p[i]] means B = A[p^-1][:, q].
    return _permutation(np.argsort(best[0]), A), _permutation(best[1], A)


def _candidates(A: Array) -> Iterator[Orders]:
    n = A.shape[0]
    for columns in eight_permutations(n):
        yield np.arange(n), columns
    matrix = to_numpy(A)
    matrix = matrix.astype(np.result_type(matrix.dtype, np.float64))
    yield butterfly_orders(matrix)
    # With R the bit reversal, R B^T R is a product of the chain if B is.
    reverse = bit_reversal(n).p
    columns, rows = butterfly_orders(matrix.T)
    yield rows[reverse], columns[reverse]


def _norm_left(A: Array, chain: Chain, rows: Index, columns: Index) -> float:
    xp = namespace_of(A)
    ordered = xp.take(xp.take(A, like(rows, A), axis=0), like(columns, A), axis=1)
    factors = hierarchical_factors(ordered, chain, range(1, len(chain))).factors
    return residual_norm(ordered, factors, chain)


def _permutation(p: Index, reference: Array) -> Permutation | None:
    return None if np.array_equal(p, np.arange(p.size)) else Permutation(like(p, reference))
