"""Alternating least squares over two factors with given supports, from several starts.

For supports whose problem does not fall apart. Nothing is proved of what is found; it is the best
that all sweeps have come by.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import cho_solve
from scipy.sparse import csr_array

from lazyop.factorization.progress import tracked
from lazyop.fixed_support.starts import start
from lazyop.fixed_support.supports import Classes, Index
from lazyop.fixed_support.target import Matrix, Target

__all__ = ["Found", "alternated"]

#: A sweep that lowers the objective by a smaller part than this is the last one.
_LEAST_GAIN = 1e-9
#: Entries that are held dense: of a factor, or of all blocks of the matrix.
_HELD = 1 << 23


class Found(NamedTuple):
    """Two factors, and the objective that they reach, less what no factors reach."""

    X: csr_array
    Y: csr_array
    objective: float


def alternated(
    target: Target,
    I: csr_array,
    J: csr_array,
    classes: Classes,
    ridge: float,
    starts: int,
    sweeps: int,
    progress: bool = False,
) -> Found:
    """The best pair of factors that alternating least squares find from all starts."""
    target = target.densified()
    sides = _Side(target, I, J), _Side(target.adjoint(), csr_array(J.T), csr_array(I.T))
    best = Found(csr_array(I.shape), csr_array(J.shape), np.inf)
    extra = _extra_ridges(target, ridge, sweeps)
    floor = (8 * float(np.finfo(target.dtype).eps) * target.norm) ** 2
    for number in range(starts):
        rounds = tracked(extra, progress, f"start {number + 1} of {starts}")
        found = _from(start(target, I, classes, number), sides, ridge, rounds, floor)
        if found.objective < best.objective:
            best = found
        if best.objective <= floor:
            break
    return best


def _from(
    X: csr_array, sides: tuple[_Side, _Side], ridge: float, rounds: Iterable[float], floor: float
) -> Found:
    """The best that sweeps from one start come by, until they gain next to nothing.

    A sweep starts where the last one would have led, had it gone on, as in Nesterov's method; what
    does not pay is taken back.
    """
    Y, left = sides[0].solved(X, ridge)
    best = Found(X, Y, left + ridge * (_energy(X) + _energy(Y)))
    ahead, pace, last = Y, 0, best.objective
    if best.objective <= floor:
        return best
    for extra in rounds:
        XH, _ = sides[1].solved(_adjoint(ahead), ridge + extra)
        X = _adjoint(XH)
        before, (Y, left) = Y, sides[0].solved(X, ridge + extra)
        reached = left + ridge * (_energy(X) + _energy(Y))
        gain, last = last - reached, reached
        if reached < best.objective:
            best = Found(X, Y, reached)
        if best.objective <= floor:
            break
        if gain > _LEAST_GAIN * reached or extra:
            pace = pace + 1 if gain > 0 else 0
            ahead = _moved(Y, before, pace / (pace + 3))
        elif pace:
            pace, Y, last = 0, best.Y, best.objective
            ahead = Y
        else:
            break
    return best


def _moved(Y: csr_array, before: csr_array, part: float) -> csr_array:
    """A factor, moved on by a part of its last step."""
    if not part:
        return Y
    data = Y.data + Y.data.dtype.type(part) * (Y.data - before.data)
    return csr_array((data, Y.indices, Y.indptr), shape=Y.shape)


def _extra_ridges(target: Target, ridge: float, sweeps: int) -> list[float]:
    """What is added to the ridge in each sweep: it falls to nothing, in three quarters of them.

    Without a ridge, factors of nearly dependent columns grow early, and stay where they are.
    """
    if ridge:
        return [0.0] * sweeps
    falling = 3 * sweeps // 4
    size = 0.1 * target.norm / math.sqrt(min(target.shape))
    return [size * 10 ** (-8 * k / falling) for k in range(falling)] + [0.0] * (sweeps - falling)


class _Group(NamedTuple):
    """Columns of the right factor with one support, and the rows that they can reach."""

    latents: Index
    rows: Index
    columns: Index


class _Side:
    """The least-squares problems for the right factor, one for each support of a column."""

    def __init__(self, target: Target, I: csr_array, J: csr_array) -> None:
        self.target, self.shape = target, J.shape
        self.groups = list(_groups(I, J))
        self._places = self._order()
        reached = sum(len(group.rows) * len(group.columns) for group in self.groups)
        self._blocks = [self._block(g) for g in self.groups] if reached <= _HELD else None

    def _order(self) -> tuple[Index, csr_array]:
        """Where the entries of all groups go in the rows of a factor, and one that has them."""
        i = np.concatenate([np.repeat(g.latents, len(g.columns)) for g in self.groups])
        j = np.concatenate([np.tile(g.columns, len(g.latents)) for g in self.groups])
        order = np.lexsort((j, i))
        return order, csr_array((np.ones(len(i)), (i, j)), shape=self.shape)

    def _block(self, group: _Group) -> Matrix:
        block: Matrix = self.target.gather(group.rows[None], group.columns[None])[0]
        return block

    def solved(self, X: csr_array, ridge: float) -> tuple[csr_array, float]:
        """The best right factor, and the energy that it leaves in the rows that it can reach."""
        held: Any = X.toarray() if X.shape[0] * X.shape[1] <= _HELD else X
        values, left = [], 0.0
        for k, group in enumerate(self.groups):
            M = held[group.rows][:, group.latents]
            M = M if isinstance(M, np.ndarray) else M.toarray()
            B = self._block(group) if self._blocks is None else self._blocks[k]
            part = _least_squares(M, B, ridge)
            left += _energy(B - M @ part)
            values.append(part.ravel())
        order, whole = self._places
        data = np.concatenate(values)[order]
        return csr_array((data, whole.indices, whole.indptr), shape=self.shape), left


def _groups(I: csr_array, J: csr_array) -> Iterator[_Group]:
    columns, reach = csr_array(J.T), csr_array(I.T)
    columns.sort_indices()
    groups: dict[bytes, list[int]] = {}
    for j in range(columns.shape[0]):
        latents = columns.indices[columns.indptr[j] : columns.indptr[j + 1]]
        if latents.size:
            groups.setdefault(latents.astype(np.int64).tobytes(), []).append(j)
    for key, members in groups.items():
        latents = np.frombuffer(key, np.int64)
        rows = np.unique(reach[latents].indices).astype(np.int64)
        if rows.size:
            yield _Group(latents, rows, np.array(members, dtype=np.int64))


def _least_squares(M: Matrix, B: Matrix, ridge: float) -> Matrix:
    """The solution with a ridge, or one of least norm where there is none and it matters."""
    gram = M.conj().T @ M
    gram.flat[:: len(gram) + 1] += gram.dtype.type(ridge)
    try:
        L = np.linalg.cholesky(gram)
    except np.linalg.LinAlgError:
        return _least_norm(M, B, ridge)
    pivots = np.abs(np.diagonal(L))
    # Normal equations lose all digits of directions that are smaller by the root of rounding.
    if pivots.min() < 64 * np.finfo(pivots.dtype).eps ** 0.5 * pivots.max():
        return _least_norm(M, B, ridge)
    found: Matrix = cho_solve((L, True), M.conj().T @ B, check_finite=False)
    return found


def _least_norm(M: Matrix, B: Matrix, ridge: float) -> Matrix:
    """The same by singular values."""
    U, s, Vh = np.linalg.svd(M, full_matrices=False)
    limits = np.finfo(s.dtype)
    small = s <= np.maximum(max(M.shape) * limits.eps * s[:1], limits.tiny)
    # Not s / (s^2 + ridge), in which squares of small numbers would be zero.
    divisor = np.where(small, 1, s)
    with np.errstate(over="ignore"):
        inverse = np.where(small, 0, 1 / (divisor + np.asarray(ridge, s.dtype) / divisor))
    found: Matrix = Vh.conj().T @ (inverse[:, None] * (U.conj().T @ B))
    return found


def _energy(x: Any) -> float:
    data = x.data if isinstance(x, csr_array) else x.ravel()
    return float(np.vdot(data, data).real)


def _adjoint(X: csr_array) -> csr_array:
    return csr_array(X.conj().T)
