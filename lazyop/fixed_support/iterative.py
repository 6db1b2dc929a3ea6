"""Leading singular subspaces of a sparse matrix that is too large to be made dense."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator, svds

from lazyop.fixed_support.target import Matrix

__all__ = ["leading_pair"]

#: How often a direction that the iteration has missed is taken in.
_REPAIRS = 8


def leading_pair(block: csr_array, rank: int) -> tuple[Matrix, Matrix, bool]:
    """Orthonormal columns and rows whose product is a best approximation of a rank.

    Lanczos iterations may miss one of several equal singular values. So what the approximation
    leaves out is asked for its own largest one; if that is above the smallest of those found, its
    direction is taken in, and the approximation made anew.

    Returns
    -------
    U, V : ndarray, shapes (m, rank) and (rank, n)
    certain : bool
        Whether at last nothing larger was left out.
    """
    start = np.random.default_rng(0)
    U = svds(block, k=rank, v0=_start(block, start), return_singular_vectors="u")[0]
    U, V, s = _projected(block, U, rank)
    for _ in range(_REPAIRS):
        direction, size = _left_out(block, U, _start(block, start))
        if size <= s[-1] + 64 * np.finfo(s.dtype).eps * s[0]:
            return U, V, True
        U, V, s = _projected(block, np.column_stack([U, direction]), rank)
    return U, V, False


def _start(block: csr_array, rng: np.random.Generator) -> Matrix:
    v: Matrix = rng.standard_normal(min(block.shape)).astype(block.dtype)
    return v


def _projected(block: csr_array, columns: Matrix, rank: int) -> tuple[Matrix, Matrix, Matrix]:
    """The best approximation of a rank within the space of some columns."""
    Q = np.linalg.qr(columns)[0]
    W, s, _ = np.linalg.svd((block.conj().T @ Q).conj().T, full_matrices=False)
    U = Q @ W[:, :rank]
    return U, (block.conj().T @ U).conj().T, s[:rank]


def _left_out(block: csr_array, U: Matrix, start: Matrix) -> tuple[Matrix, float]:
    """The leading left singular vector of what the columns leave out, and its singular value."""
    adjoint = csr_array(block.conj().T)

    def outside(x: Any) -> Any:
        return x - U @ (U.conj().T @ x)

    rest = LinearOperator(
        block.shape,
        matvec=lambda x: outside(block @ x),
        rmatvec=lambda y: adjoint @ outside(y),
        dtype=block.dtype,
    )
    u, s, _ = svds(rest, k=1, v0=start)
    return u, float(s[0])
