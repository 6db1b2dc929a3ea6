"""Left factors to start alternating least squares from, where supports overlap."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from lazyop.factorization.low_rank import leading_subspaces
from lazyop.fixed_support.blockwise import Draft, fitted_pieces
from lazyop.fixed_support.pieces import Piece
from lazyop.fixed_support.supports import Classes, Index
from lazyop.fixed_support.target import Matrix, Target

__all__ = ["start"]

#: Random numbers that are added to a start that may be a saddle point, in units of its entries.
_SHAKEN = 0.01


def start(target: Target, I: csr_array, classes: Classes, number: int) -> csr_array:
    """The left factor of a start, the same in every call.

    The first eliminates one rectangle after the other, the second decomposes all of them, and
    further ones are random. Where the matrix is not dense, the first is the second.
    """
    if number == 0 and not target.is_sparse:
        return _eliminated(target, I, classes)
    if number <= 1:
        X = _decomposed(target, I, classes)
        return csr_array(X + _SHAKEN * _drawn(target, I, number))
    return _drawn(target, I, number)


def _drawn(target: Target, I: csr_array, seed: int) -> csr_array:
    """Normal numbers on a support, of about the size that factors of the matrix have."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(I.nnz)
    if target.dtype.kind == "c":
        values = values + 1j * rng.standard_normal(I.nnz)
    size = np.sqrt(target.norm / I.nnz) or 1.0
    return csr_array(((size * values).astype(target.dtype), I.indices, I.indptr), shape=I.shape)


def _decomposed(target: Target, I: csr_array, classes: Classes) -> csr_array:
    """Left factors of all rectangles' best approximations, of entries in equal shares."""
    pieces = [
        Piece(classes.rows_of(k), classes.columns_of(k), classes.latents[k])
        for k in range(len(classes))
    ]
    shares = target.with_entries(_shared(target, classes))
    return fitted_pieces(shares, pieces, I.shape[1], 0.0).factors()[0]


def _shared(target: Target, classes: Classes) -> Any:
    """Entries divided by the number of rectangles that they are on."""
    shares = csr_array(classes.rows.T @ classes.columns, dtype=target.entries.real.dtype)
    shares.data = 1 / shares.data
    if not target.is_sparse:
        return target.entries * shares.toarray()
    inside = csr_array(target.entries.multiply(shares))
    inside.sort_indices()
    return inside


def _eliminated(target: Target, I: csr_array, classes: Classes) -> csr_array:
    """Left factors of one rectangle after the other, each fitted to what those before have left.

    The next is the one with the most entries that no other of those to come covers. Crosses of
    these determine it, if what is left can be fitted at all. For triangular supports this is
    Gaussian elimination, which finds an exact factorization if that needs no pivots.
    """
    left, cover = target.entries.copy(), _Cover(classes)
    draft = Draft(target.shape, I.shape[1], target.dtype)
    for _ in range(len(classes)):
        k = int(np.argmax(cover.exclusive))
        rows, columns = classes.rows_of(k), classes.columns_of(k)
        at = np.ix_(rows, columns)
        rank = min(len(classes.latents[k]), len(rows), len(columns))
        X, Y = _fitted(left[at], cover.count[at], rank)
        left[at] -= X @ Y
        draft.put(0, rows[:, None], classes.latents[k][None, :rank], X)
        cover.remove(k, at)
    return draft.factors()[0]


class _Cover:
    """Which rectangles still to come cover each entry, and how many entries each covers alone."""

    def __init__(self, classes: Classes) -> None:
        numbers = classes.rows.multiply(np.arange(len(classes))[:, None])
        self.count = (classes.rows.T @ classes.columns).toarray()
        self._owner = (csr_array(numbers).T @ classes.columns).toarray().astype(np.int64)
        alone = self._owner[self.count == 1]
        self.exclusive = np.bincount(alone, minlength=len(classes))

    def remove(self, k: int, at: tuple[Index, ...]) -> None:
        """Take a rectangle out."""
        self.count[at] -= 1
        self._owner[at] -= k
        alone = self._owner[at][self.count[at] == 1]
        self.exclusive += np.bincount(alone, minlength=len(self.exclusive))
        self.exclusive[k] = -1


def _fitted(block: Matrix, count: npt.NDArray[Any], rank: int) -> tuple[Matrix, Matrix]:
    """Factors of a rectangle, from crosses of exclusive entries; by shares where there are none."""
    exclusive = count == 1
    X = np.zeros((block.shape[0], rank), block.dtype)
    Y = np.zeros((rank, block.shape[1]), block.dtype)
    if not exclusive.any():
        shares = (block / count.astype(block.real.dtype)).astype(block.dtype)
        X = leading_subspaces(shares, rank).basis
        return X, X.conj().T @ shares
    if exclusive.all():
        X = leading_subspaces(block, rank).basis
        return X, X.conj().T @ block
    arms = np.outer(exclusive.sum(axis=1), exclusive.sum(axis=0))
    for k in range(rank):
        rest = block - X @ Y
        weight = np.where(exclusive, np.abs(rest), 0) * arms
        i, j = np.unravel_index(np.argmax(weight), weight.shape)
        if weight[i, j] == 0:
            break
        X[:, k] = np.where(exclusive[:, j], rest[:, j], 0)
        Y[k] = np.where(exclusive[i], rest[i], 0) / rest[i, j]
    return X, Y
