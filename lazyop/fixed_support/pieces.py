r"""Rectangles that can be solved one by one: the products of two supports, taken apart.

The products are the sums, over the classes of rank-one supports, of all matrices on the class's
rectangle whose rank is no more than the number `p` of its members. *Where the rectangles are
disjoint*, every one is a problem of its own.

*Where they overlap*, one with `p` rows or columns or fewer can add any matrix at all. Whatever the
others do on its entries, it makes up for; these entries are out of the problem, and what is left of
another class is the part of its rectangle outside of them. Take that part as a graph between rows
and columns. Its connected components share neither rows nor columns, so what the class adds to one
says nothing about what it adds to another; between rows of one and columns of another there are
only entries that are out already. So each component, of the rows `R` and the columns `C`, is a
piece of its own with rank `p`. Pieces of equal rows and columns add their ranks. A piece with no
more rows or columns than its rank takes its rectangle out as well, and so on until nothing changes.

If the pieces left are whole rectangles (no entry of `R` times `C` is out), and these are disjoint,
the best rank-`p` approximation of each gives the best product, and the pieces that were taken out
are then filled, the last one first, to fit their entries exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from lazyop.fixed_support.supports import Classes, Index

__all__ = ["Piece", "Pieces", "incidence", "taken_apart"]

Mask = npt.NDArray[np.bool_]

#: How many entries of overlapping rectangles are looked at, at most.
_MOST_ENTRIES = 1 << 26


@dataclass(frozen=True, eq=False)
class Piece:
    """Rows and columns on which some latent indices add any matrix whose rank is their number.

    Attributes
    ----------
    rows, columns, latents : array of int
    open : array of bool, shape (len(rows), len(columns)), or None
        Which entries are still in the problem; None where all are.
    """

    rows: Index
    columns: Index
    latents: Index
    open: Mask | None = None

    @property
    def absorbs(self) -> bool:
        """Whether the piece can be any matrix."""
        return len(self.latents) >= min(len(self.rows), len(self.columns))

    @property
    def box(self) -> tuple[bytes, bytes]:
        """Its rectangle, for comparison."""
        return self.rows.tobytes(), self.columns.tobytes()


@dataclass(frozen=True, eq=False)
class Pieces:
    """What the products of two supports fall into.

    Attributes
    ----------
    left : list of Piece
        None of them absorbs, if any `levels` were taken out.
    levels : list of list of Piece
        Pieces that absorb, in the order in which they were taken out.
    solvable : bool
        Whether those that are left are disjoint whole rectangles.
    too_large : bool
        Whether overlapping rectangles were not looked into, for lack of room.
    """

    left: list[Piece]
    levels: list[list[Piece]]
    solvable: bool
    too_large: bool = False

    @property
    def disjoint(self) -> bool:
        """Whether the rectangles of the classes were disjoint to begin with."""
        return self.solvable and not self.levels


def taken_apart(classes: Classes) -> Pieces:
    """Take the problem of two supports apart, as far as it goes."""
    pieces = [
        Piece(classes.rows_of(k), classes.columns_of(k), classes.latents[k])
        for k in range(len(classes))
    ]
    if classes.disjoint():
        return Pieces(pieces, [], True)
    if not any(piece.absorbs for piece in pieces):
        return Pieces(pieces, [], False)
    if int(classes.areas.sum()) > _MOST_ENTRIES:
        return Pieces(pieces, [], False, too_large=True)
    shape = classes.rows.shape[1], classes.columns.shape[1]
    levels: list[list[Piece]] = []
    while absorbing := [piece for piece in pieces if piece.absorbs]:
        levels.append(absorbing)
        outside = _Outside(absorbing, shape)
        rest = [outside.components(piece) for piece in pieces if not piece.absorbs]
        pieces = _joined([piece for parts in rest for piece in parts])
    whole = all(piece.open is None or piece.open.all() for piece in pieces)
    solvable = whole and (not pieces or _as_classes(pieces, shape).disjoint())
    return Pieces(pieces, levels, solvable)


class _Outside:
    """The entries that absorbing pieces have taken out of the problem."""

    def __init__(self, taken: Sequence[Piece], shape: tuple[int, int]) -> None:
        self.rows = incidence([piece.rows for piece in taken], shape[0]).T.tocsr()
        self.columns = incidence([piece.columns for piece in taken], shape[1]).T.tocsr()

    def components(self, piece: Piece) -> Iterable[Piece]:
        """Return what is left of a piece, by connected components."""
        meet = self.rows[piece.rows] @ self.columns[piece.columns].T
        if not meet.nnz:
            return [piece]
        left = meet.toarray() == 0
        if piece.open is not None:
            left &= piece.open
        return _connected(piece, left)


def _connected(piece: Piece, left: Mask) -> Iterable[Piece]:
    from scipy.sparse.csgraph import connected_components

    p, q = left.shape
    i, j = np.nonzero(left)
    if not i.size:
        return
    edges = csr_array((np.ones(i.size, np.int8), (i, p + j)), shape=(p + q, p + q))
    count, label = connected_components(edges, directed=False)
    touched = np.concatenate([left.any(axis=1), left.any(axis=0)])
    for c in range(count):
        inside = (label == c) & touched
        rows, columns = np.flatnonzero(inside[:p]), np.flatnonzero(inside[p:])
        if rows.size:
            part = left[np.ix_(rows, columns)]
            yield Piece(
                piece.rows[rows],
                piece.columns[columns],
                piece.latents,
                None if part.all() else part,
            )


def _joined(pieces: Iterable[Piece]) -> list[Piece]:
    """Pieces of one rectangle as one."""
    groups: dict[tuple[bytes, bytes], list[Piece]] = {}
    for piece in pieces:
        groups.setdefault(piece.box, []).append(piece)
    return [
        Piece(
            group[0].rows,
            group[0].columns,
            np.concatenate([piece.latents for piece in group]),
            group[0].open,
        )
        for group in groups.values()
    ]


def _as_classes(pieces: Sequence[Piece], shape: tuple[int, int]) -> Classes:
    rows = incidence([piece.rows for piece in pieces], shape[0])
    columns = incidence([piece.columns for piece in pieces], shape[1])
    return Classes(rows, columns, [piece.latents for piece in pieces])


def incidence(lines: Sequence[Index], size: int) -> csr_array:
    """A row of ones and zeros for each set of indices."""
    indptr = np.concatenate([[0], np.cumsum([len(line) for line in lines])])
    indices = np.concatenate(lines)
    ones = np.ones(len(indices), dtype=np.int32)
    return csr_array((ones, indices, indptr), shape=(len(lines), size))
