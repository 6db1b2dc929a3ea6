r"""Proofs that the products of two supports are not closed, found in the supports alone.

An entry is *exclusive* to a class if no rank-one support outside of the class covers it. Take rows
:math:`R` and columns :math:`C` of a class of `p` members, as many of both, and another row `i`, so
that all entries of :math:`(R \cup \{i\}) \times C` are exclusive to it. If a product has there the
identity on :math:`R` and zeros in row `i`, its `p` columns of the left factor are independent on
:math:`R`, and all zero in row `i`: the class is *pinned* there, and adds nothing to row `i` of the
product, in any column.

Suppose now that an entry :math:`(i, j)` is covered by pinned classes only, each with its own
:math:`R` and :math:`C`, that a row `h` is in all these :math:`R`, and that entry :math:`(h, j)` is
covered by at least two classes. The matrix that has the identities, a one at :math:`(i, j)`, and
zeros elsewhere is no product. But it is a limit of some. Let one of the pinned classes have a
column of the left factor that is one at `h`, and make it :math:`\varepsilon` at `i` and the row of
the right factor :math:`1 / \varepsilon` at `j`. This gives the one at :math:`(i, j)`, an
:math:`\varepsilon` in row `i` that vanishes, and :math:`1 / \varepsilon` at :math:`(h, j)`, which
another class takes away again. Hence such a matrix has products as near as one likes, with factors
that grow without bound, and no best one.

The same holds with rows and columns swapped. For one pinned class with one member, this finds
:math:`\bigl(\begin{smallmatrix} 0 & 1 \\ 1 & 0 \end{smallmatrix}\bigr)` in triangular supports.

In two rows the converse is true as well: what has no such proof is closed. See
`lazyop.fixed_support.closed`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from lazyop.fixed_support.supports import Classes, Index

__all__ = ["Certificate", "Pin", "certificate"]

Mask = npt.NDArray[np.bool_]

#: Products of incidence matrices up to this size are taken by dense BLAS.
_DENSE = 1 << 25
#: Corners that are tried in a class of more than one member, and entries of a class looked at.
_TRIES, _LARGEST = 64, 1 << 24
#: Entries of sparse products above which no proof is looked for.
_MOST_ENTRIES = 1 << 28


@dataclass(frozen=True)
class Pin:
    """A class with the rows and columns where its factors are those of an identity.

    Attributes
    ----------
    index : int
        Of the class.
    rows, columns : array of int
        As many as the class has members; the first row is `h`.
    """

    index: int
    rows: Index
    columns: Index


@dataclass(frozen=True)
class Certificate:
    """What proves that the products of some classes are not closed.

    Attributes
    ----------
    pins : list of Pin
        All classes that cover `(row, column)`. The first is the one that moves.
    row, column : int
        The entry that is one, and zero in every product with the identities.
    other : int
        Another class that covers the first pin's first row and `column`.
    swapped : bool
        Whether rows and columns are those of the transposed product.
    """

    pins: list[Pin]
    row: int
    column: int
    other: int
    swapped: bool = False


def certificate(classes: Classes) -> Certificate | None:
    """Find a proof that the products are not closed, or None.

    None says nothing, except for products with two rows or two columns.
    """
    if int(classes.areas.sum()) > _MOST_ENTRIES and not _fits_dense(classes):
        return None
    cover = _Cover(classes)
    found = cover.single() or cover.several()
    if found is not None:
        return found
    turned = _Cover(classes.swapped())
    found = turned.several()
    return None if found is None else replace(found, swapped=True)


class _Cover:
    """How many classes cover each entry, and the entries that one covers alone."""

    def __init__(self, classes: Classes) -> None:
        self.classes = classes
        self.m, self.n = classes.rows.shape[1], classes.columns.shape[1]
        self.count = _met(classes.rows, classes.columns, self)
        owners = _met(_weighted(classes.rows), classes.columns, self)
        alone = self.count.data == 1
        places = self.count.tocoo()
        self.rows, self.columns = (x[alone].astype(np.int64) for x in (places.row, places.col))
        self.owners = owners.data[alone].astype(np.int64) - 1
        self._connect()

    def _connect(self) -> None:
        """Connected components of the rows and columns of each class, by exclusive entries."""
        from scipy.sparse.csgraph import connected_components

        at_row, row_node = np.unique(self.owners * self.m + self.rows, return_inverse=True)
        at_column, column_node = np.unique(self.owners * self.n + self.columns, return_inverse=True)
        size = len(at_row) + len(at_column)
        edges = np.ones(len(self.rows), np.int8), (row_node, len(at_row) + column_node)
        _, label = connected_components(csr_array(edges, shape=(size, size)), directed=False)
        self.node_owner, self.node_row = np.divmod(at_row, self.m)
        self.node_label, column_label = label[: len(at_row)], label[len(at_row) :]
        self.label = self.node_label[row_node]
        self.heights = np.bincount(self.node_label, minlength=size)
        self.widths = np.bincount(column_label, minlength=size)
        edge_count = np.bincount(self.label, minlength=size)
        self.whole = edge_count == self.heights * self.widths

    # One class that covers an entry alone -----------------------------------------------------

    def single(self) -> Certificate | None:
        """A proof with one pinned class: some component of it is not a whole rectangle."""
        torn = np.flatnonzero(~self.whole[self.label])
        if not torn.size:
            return None
        ranks = self.classes.ranks
        for label in self.label[torn[np.unique(self.label[torn], return_index=True)[1]]]:
            inside = np.flatnonzero(self.label == label)
            owner = int(self.owners[inside[0]])
            rows, i = np.unique(self.rows[inside], return_inverse=True)
            columns, j = np.unique(self.columns[inside], return_inverse=True)
            exclusive = np.zeros((len(rows), len(columns)), dtype=bool)
            exclusive[i, j] = True
            corner = _corner(exclusive, int(ranks[owner]))
            if corner is not None:
                pin = Pin(owner, rows[[corner.h, *corner.rows]], columns[corner.columns])
                column = int(columns[corner.column])
                return Certificate([pin], int(rows[corner.i]), column, self._other(pin, column))
        return None

    def _other(self, pin: Pin, column: int) -> int:
        """Another class that covers the first row of a pin and a column."""
        covering = self._covering(int(pin.rows[0]), column)
        return int(covering[covering != pin.index][0])

    def _covering(self, row: int, column: int) -> Index:
        here = self.classes.rows[:, [row]].multiply(self.classes.columns[:, [column]])
        return np.flatnonzero(here.toarray()[:, 0])

    # Several classes ---------------------------------------------------------------------------

    def several(self) -> Certificate | None:
        """A proof in which all classes that cover an entry are pinned by a common row."""
        ranks = self.classes.ranks[self.node_owner]
        fit = self.whole & (self.widths > 0)
        pinned = (
            fit[self.node_label]
            & (self.heights[self.node_label] > ranks)
            & (self.widths[self.node_label] >= ranks)
        )
        owners, rows = self.node_owner[pinned], self.node_row[pinned]
        labels = self.node_label[pinned]
        shape = self.classes.rows.shape
        ones = np.ones(len(owners), np.int32)
        held = _met(csr_array((ones, (owners, rows)), shape=shape), self.classes.columns, self)
        places, keys = held.tocoo(), _keys(held)
        counts = self.count.data[np.searchsorted(_keys(self.count), keys)]
        wanted = (held.data == counts) & (counts > 1)
        i, j, q = places.row[wanted], places.col[wanted], counts[wanted]
        for row in np.unique(i):
            here = i == row
            at = rows == row
            found = self._in_row(int(row), j[here], q[here], owners[at], labels[at])
            if found is not None:
                return found
        return None

    def _in_row(
        self, row: int, columns: Index, counts: Index, owners: Index, labels: Index
    ) -> Certificate | None:
        """The same for the entries of one row, by the rows that its pinned components share."""
        among = np.isin(self.node_label, labels)
        of = np.searchsorted(np.sort(labels), self.node_label[among])
        rows, at = np.unique(self.node_row[among], return_inverse=True)
        shared = np.zeros((len(owners), len(rows)), np.float32)
        shared[np.argsort(labels)[of], at] = 1
        covering = self.classes.columns[owners][:, columns].toarray().astype(np.float32)
        together = covering.T @ shared == np.asarray(counts)[:, None]
        together[:, rows == row] = False
        if not together.any():
            return None
        c, r = (int(x[0]) for x in np.nonzero(together))
        chosen = covering[:, c] > 0
        pins = [
            self._pin(int(k), int(label), int(rows[r]), row)
            for k, label in zip(owners[chosen], labels[chosen], strict=True)
        ]
        return Certificate(pins, row, int(columns[c]), pins[1].index)

    def _pin(self, owner: int, label: int, first: int, row: int) -> Pin:
        rank = len(self.classes.latents[owner])
        inside = self.label == label
        rows = np.setdiff1d(self.rows[inside], [first, row])[: rank - 1]
        return Pin(owner, np.array([first, *rows]), np.unique(self.columns[inside])[:rank])


def _met(left: csr_array, right: csr_array, cover: _Cover) -> csr_array:
    """The product of the transpose of incidence matrices, in sorted rows."""
    if _fits_dense(cover.classes):
        # Whole numbers up to 2**24 are exact in single precision.
        dense = left.toarray().astype(np.float32).T @ right.toarray().astype(np.float32)
        return csr_array(dense)
    made = csr_array(left.T @ right)
    made.sort_indices()
    return made


def _fits_dense(classes: Classes) -> bool:
    c: int
    m: int
    n: int
    (c, m), n = classes.rows.shape, classes.columns.shape[1]
    return max(c * m, c * n, m * n) <= _DENSE


def _weighted(rows: csr_array) -> csr_array:
    """Ones replaced by the number of the class, from one on."""
    numbers = np.repeat(np.arange(1, rows.shape[0] + 1), np.diff(rows.indptr))
    return csr_array((numbers, rows.indices, rows.indptr), shape=rows.shape)


def _keys(matrix: csr_array) -> Index:
    places = matrix.tocoo()
    keys: Index = places.row.astype(np.int64) * matrix.shape[1] + places.col
    return keys


class _Corner(NamedTuple):
    """A square of exclusive entries, but for the one at row `h` and `column`.

    Its other rows are `i` and `rows`, its other columns `columns`.
    """

    h: int
    i: int
    column: int
    rows: list[int]
    columns: list[int]


def _corner(exclusive: Mask, rank: int) -> _Corner | None:
    """All but one entry of a square of order `rank + 1`, the last one not being exclusive."""
    if rank == 1:
        return _path(exclusive)
    if exclusive.size > _LARGEST:
        return None
    # Equal rows and equal columns are tried once.
    kinds = np.unique(exclusive, axis=0, return_index=True)[1]
    columns = np.unique(exclusive, axis=1, return_index=True)[1]
    corners = np.argwhere(~exclusive[np.ix_(kinds, columns)])[:_TRIES]
    for row, column in corners:
        found = _square(exclusive, int(kinds[row]), int(columns[column]), rank)
        if found is not None:
            return found
    return None


def _path(exclusive: Mask) -> _Corner:
    """Rows `h`, `i` with a common column, and a column that only `i` has.

    They exist in a connected component that is not a whole rectangle.
    """
    counts = exclusive.astype(np.float32)
    shared = counts @ counts.T
    wanted = (shared > 0) & (shared < counts.sum(axis=1))
    h, i = (int(x[0]) for x in np.nonzero(wanted))
    column = int(np.flatnonzero(exclusive[i] & ~exclusive[h])[0])
    return _Corner(h, i, column, [], [int(np.flatnonzero(exclusive[i] & exclusive[h])[0])])


def _square(exclusive: Mask, h: int, column: int, rank: int) -> _Corner | None:
    """Rows and columns, taken one by one so that as many of the others stay possible."""
    rows, columns = np.flatnonzero(exclusive[:, column]), np.flatnonzero(exclusive[h])
    chosen: list[int] = []
    for _ in range(rank):
        if not len(rows) or len(columns) < rank:
            return None
        counts = exclusive[np.ix_(rows, columns)].sum(axis=1)
        best = int(np.argmax(counts))
        chosen.append(int(rows[best]))
        columns = columns[exclusive[rows[best], columns]]
        rows = np.delete(rows, best)
    if len(columns) < rank:
        return None
    return _Corner(h, chosen[0], column, chosen[1:], columns[:rank].tolist())
