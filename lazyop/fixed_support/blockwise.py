"""The best factors on supports whose problem falls apart: one low-rank problem for each piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array

from lazyop.factorization.low_rank import leading_subspaces
from lazyop.fixed_support.iterative import leading_pair
from lazyop.fixed_support.pieces import Piece, Pieces
from lazyop.fixed_support.supports import Index
from lazyop.fixed_support.target import Matrix, Target

__all__ = ["Draft", "best_factors", "fitted_pieces"]

#: Entries of blocks that are decomposed at a time, and of a sparse block taken by itself.
_BATCH, _ALONE = 1 << 22, 1 << 18
#: A sparse block with more entries stays sparse, if its rank is below this part of its sides.
_LARGEST, _PART = 1 << 23, 4


class Draft:
    """Two sparse factors in the making, and whether all that they hold is certain to be best."""

    def __init__(self, shape: tuple[int, int], inner: int, dtype: np.dtype[Any]) -> None:
        (m, n), self.dtype, self.certain = shape, dtype, True
        self._shapes = (m, inner), (inner, n)
        self._parts: tuple[list[Any], list[Any]] = ([], [])

    def put(self, side: int, i: Index, j: Index, values: Matrix) -> None:
        """Set entries of the left (0) or right (1) factor, in arrays that broadcast."""
        i, j, values = np.broadcast_arrays(i, j, values)
        self._parts[side].append((values.ravel(), i.ravel(), j.ravel()))

    def factors(self) -> tuple[csr_array, csr_array]:
        """What has been set so far, as sparse factors without zeros."""
        left, right = self._parts
        return self._factor(left, self._shapes[0]), self._factor(right, self._shapes[1])

    def _factor(self, parts: list[Any], shape: tuple[int, int]) -> csr_array:
        if not parts:
            return csr_array(shape, dtype=self.dtype)
        values, i, j = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        factor = csr_array(coo_array((values, (i, j)), shape=shape), dtype=self.dtype)
        factor.eliminate_zeros()
        factor.sort_indices()
        return factor


def best_factors(target: Target, pieces: Pieces, inner: int, ridge: float) -> Draft:
    """Best factors where the pieces are solvable; with a ridge, where they are disjoint.

    The columns of the left factor that belong to one of the pieces left are orthonormal there, and
    the right one has the singular values; with a ridge they share them.
    """
    draft = fitted_pieces(target, pieces.left, inner, ridge)
    for level in reversed(pieces.levels):
        _fill(draft, target, level)
    return draft


def fitted_pieces(target: Target, pieces: Sequence[Piece], inner: int, ridge: float) -> Draft:
    """Best low-rank approximation of the target on each rectangle, whether they overlap or not."""
    draft = Draft(target.shape, inner, target.dtype)
    for batch in _batches(pieces, target.is_sparse):
        rows = np.stack([piece.rows for piece in batch])
        columns = np.stack([piece.columns for piece in batch])
        rank = min(len(batch[0].latents), rows.shape[1], columns.shape[1])
        latents = np.stack([piece.latents[:rank] for piece in batch])
        pair = _pair(target, rows, columns, rank, ridge)
        draft.put(0, rows[:, :, None], latents[:, None, :], pair.left)
        draft.put(1, latents[:, :, None], columns[:, None, :], pair.right)
        draft.certain = draft.certain and pair.certain
    return draft


class _Pair(NamedTuple):
    """Factors of a stack of blocks."""

    left: Matrix
    right: Matrix
    certain: bool = True


def _batches(pieces: Sequence[Piece], alone: bool) -> Iterator[list[Piece]]:
    """Pieces of one shape and rank together, as far as a batch has room."""

    def shape(piece: Piece) -> tuple[int, int, int]:
        sides = len(piece.rows), len(piece.columns)
        return (*sides, min(len(piece.latents), *sides))

    for (p, q, _), group in groupby(sorted(pieces, key=shape), shape):
        members = list(group)
        size = 1 if alone and p * q > _ALONE else max(1, _BATCH // (p * q))
        for start in range(0, len(members), size):
            yield members[start : start + size]


def _pair(target: Target, rows: Index, columns: Index, rank: int, ridge: float) -> _Pair:
    if target.is_sparse and rows.shape[1] * columns.shape[1] > _ALONE:
        return _stored_pair(target.stored(rows[0], columns[0]), rank, ridge)
    return _Pair(*_dense_pair(target.gather(rows, columns), rank, ridge))


def _dense_pair(blocks: Matrix, rank: int, ridge: float) -> tuple[Matrix, Matrix]:
    left: Matrix = leading_subspaces(blocks, rank).basis
    return _shrunk(left, np.matmul(left.conj().mT, blocks), ridge)


def _shrunk(left: Matrix, right: Matrix, ridge: float) -> tuple[Matrix, Matrix]:
    r"""Factors of a best approximation as those that are best with a ridge.

    For factors of a matrix :math:`M`, the least :math:`\|X\|^2 + \|Y\|^2` is twice the sum of the
    singular values of `M`. The best ones of :math:`B` are therefore the leading ones of `B` less
    the ridge, and no less than zero.
    """
    if not ridge:
        return left, right
    W, s, Vh = np.linalg.svd(right, full_matrices=False)
    share = np.sqrt(np.maximum(s - np.asarray(ridge, s.dtype), 0))
    return np.matmul(left, W) * share[..., None, :], share[..., :, None] * Vh


def _stored_pair(block: csr_array, rank: int, ridge: float) -> _Pair:
    """Factors of one sparse block, which becomes dense only as far as it has entries."""
    block = block.copy()
    block.eliminate_zeros()
    rows = np.flatnonzero(np.diff(block.indptr))
    columns = np.unique(block.indices)
    left = np.zeros((1, block.shape[0], rank), block.dtype)
    right = np.zeros((1, rank, block.shape[1]), block.dtype)
    kept = min(rank, len(rows), len(columns))
    if not kept:
        return _Pair(left, right)
    core, certain = csr_array(block[rows][:, columns]), True
    if len(rows) * len(columns) <= _LARGEST or _PART * kept >= min(core.shape):
        U, V = _dense_pair(core.toarray(), kept, ridge)
    else:
        U, V, certain = leading_pair(core, kept)
        U, V = _shrunk(U, V, ridge)
    left[0, rows, :kept] = U
    right[0, :kept, columns] = V.T
    return _Pair(left, right, certain)


def _fill(draft: Draft, target: Target, level: Sequence[Piece]) -> None:
    """Let pieces that can be any matrix make up for what is missing on their rectangles."""
    X, Y = draft.factors()
    made = target.with_entries(_sorted(X @ Y))
    firsts = _first_places(level, target.shape[1])
    for piece, first in zip(level, firsts, strict=True):
        rows, columns = piece.rows[None], piece.columns[None]
        missing = target.gather(rows, columns)[0] - made.gather(rows, columns)[0]
        # What rectangles share is made up for by the first of them.
        block = np.where(first, missing, target.dtype.type(0))
        count = min(block.shape)
        latents, one = piece.latents[:count], np.ones(count, target.dtype)
        if len(piece.rows) == count:
            draft.put(0, piece.rows, latents, one)
            draft.put(1, latents[:, None], columns, block)
        else:
            draft.put(0, piece.rows[:, None], latents[None], block)
            draft.put(1, latents, piece.columns, one)


def _first_places(level: Sequence[Piece], n: int) -> Iterator[npt.NDArray[np.bool_]]:
    """For each rectangle, which of its entries are on none of those before it."""
    places = [(piece.rows[:, None] * n + piece.columns[None]).ravel() for piece in level]
    firsts = np.zeros(sum(map(len, places)), dtype=bool)
    firsts[np.unique(np.concatenate(places), return_index=True)[1]] = True
    ends = np.cumsum([len(part) for part in places])
    for piece, part in zip(level, np.split(firsts, ends[:-1]), strict=True):
        yield part.reshape(len(piece.rows), len(piece.columns))


def _sorted(matrix: Any) -> csr_array:
    made = csr_array(matrix)
    made.sort_indices()
    return made
