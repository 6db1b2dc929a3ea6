"""Supports of two factors, and the rank-one supports that their product is made of.

A column `k` of the left support and row `k` of the right one allow the product the entries of a
rectangle, the `k`-th rank-one support. Those with one rectangle form a class. Here supports are
taken in, and classes are found and tested for overlap; what the tests mean is told elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array, issparse

from lazyop.namespaces import as_array, describe

__all__ = ["Classes", "Index", "as_support", "as_supports", "rank_one_classes"]

Index = npt.NDArray[np.int64]

#: Entries of a product of supports that are counted at a time.
_PANEL = 1 << 24


def as_support(S: Any, what: str) -> csr_array:
    """Return where a factor may have entries, in sorted rows of ones.

    Parameters
    ----------
    S : array_like or sparse array
        Whatever is not zero belongs to the support.
    what : str
        How to call it in an error.

    Raises
    ------
    TypeError
        If it is no matrix of numbers on NumPy.
    ValueError
        If it has not two dimensions, holds NaN, or nothing but zeros.
    """
    if issparse(S):
        if S.ndim != 2:
            raise ValueError(f"{what} must be a matrix, got a sparse array of shape {S.shape}")
        held = csr_array(S, copy=True)
        held.sum_duplicates()
    else:
        array = as_array(S, what)
        if not isinstance(array, np.ndarray):
            raise TypeError(f"{what} is in {describe(array)}; supports are taken from NumPy")
        if array.ndim != 2:
            raise ValueError(f"{what} must be a matrix, got an array of shape {array.shape}")
        held = csr_array(array)
    if held.dtype.kind in "fc" and np.isnan(held.data).any():
        raise ValueError(f"{what} holds NaN; it must be true where entries are allowed")
    support = csr_array((held.data != 0, held.indices, held.indptr), shape=held.shape)
    support.eliminate_zeros()
    if support.nnz == 0:
        raise ValueError(f"{what} is empty: of shape {support.shape}, it allows no entry at all")
    support.sort_indices()
    return support.astype(np.int32)


def as_supports(supports: Any) -> list[csr_array]:
    """Return the supports of neighbouring factors, leftmost first, after checking that they fit."""
    names = [_name(k, len(supports)) for k in range(len(supports))]
    taken = [as_support(S, name) for S, name in zip(supports, names, strict=True)]
    for k in range(1, len(taken)):
        left, right = taken[k - 1], taken[k]
        if left.shape[1] != right.shape[0]:
            raise ValueError(
                f"supports that don't fit: {names[k - 1]} has {left.shape[1]} columns, "
                f"{names[k]} has {right.shape[0]} rows"
            )
    return taken


def _name(k: int, count: int) -> str:
    return f"the support {'IJ'[k]}" if count == 2 else f"support {k + 1}"


@dataclass(frozen=True, eq=False)
class Classes:
    """Rectangles of entries, each with the latent indices whose rank-one support it is.

    Attributes
    ----------
    rows : csr_array of 0 and 1, shape (c, m)
    columns : csr_array of 0 and 1, shape (c, n)
        Rows and columns of the `c` rectangles.
    latents : list of array
        Of each class, the indices between the factors that belong to it.
    """

    rows: csr_array
    columns: csr_array
    latents: list[Index]

    def __len__(self) -> int:
        return len(self.latents)

    @property
    def ranks(self) -> Index:
        """Of each class, how many rank-one supports it has: the rank of what it can add."""
        return np.array([len(members) for members in self.latents], dtype=np.int64)

    @property
    def areas(self) -> Index:
        """Number of entries of each rectangle."""
        return _counts(self.rows) * _counts(self.columns)

    def rows_of(self, k: int) -> Index:
        """Rows of one rectangle, sorted."""
        return _line(self.rows, k)

    def columns_of(self, k: int) -> Index:
        """Columns of one rectangle, sorted."""
        return _line(self.columns, k)

    def swapped(self) -> Classes:
        """The classes of the transposed product."""
        return Classes(self.columns, self.rows, self.latents)

    def disjoint(self) -> bool:
        """Whether no two rectangles share an entry."""
        m, n = self.rows.shape[1], self.columns.shape[1]
        area = int(self.areas.sum())
        if area > m * n:
            return False
        pairs = [int((_counts(side.T.tocsr()) ** 2).sum()) for side in (self.rows, self.columns)]
        if area <= 4 * min(pairs):
            return not self._covers_twice()
        if pairs[0] <= pairs[1]:
            return not _sharing(self.rows, self.columns)
        return not _sharing(self.columns, self.rows)

    def _covers_twice(self) -> bool:
        at_row = self.rows.T.tocsr()
        for panel in _panels(at_row @ _counts(self.columns)):
            count = at_row[panel] @ self.columns
            if count.nnz and count.data.max() > 1:
                return True
        return False


def rank_one_classes(I: csr_array, J: csr_array) -> Classes:
    """Group the rank-one supports of a product by their rectangles; empty ones are left out.

    Raises
    ------
    ValueError
        If all are empty, and so is every product.
    """
    left = csr_array(I.T)
    left.sort_indices()
    groups: dict[tuple[bytes, bytes], list[int]] = {}
    for k in range(left.shape[0]):
        rows, columns = _line(left, k), _line(J, k)
        if rows.size and columns.size:
            groups.setdefault((rows.tobytes(), columns.tobytes()), []).append(k)
    if not groups:
        raise ValueError(
            "the supports allow no entry of the product: wherever a column of the left one has "
            "entries, that row of the right one has none"
        )
    latents = [np.array(members, dtype=np.int64) for members in groups.values()]
    first = np.array([members[0] for members in latents])
    return Classes(left[first], J[first], latents)


def _line(S: csr_array, k: int) -> Index:
    line: Index = S.indices[S.indptr[k] : S.indptr[k + 1]].astype(np.int64)
    return line


def _counts(S: csr_array) -> Index:
    counts: Index = np.diff(S.indptr).astype(np.int64)
    return counts


def _panels(costs: Index) -> list[slice]:
    """Slices of a range over which costs add up to about a panel's."""
    steps = np.cumsum(costs) // _PANEL
    cuts = np.flatnonzero(np.diff(steps)) + 1
    edges = [0, *cuts.tolist(), len(costs)]
    return [slice(a, b) for a, b in pairwise(edges) if a < b]


def _sharing(side: csr_array, other: csr_array) -> bool:
    """Whether two rectangles share an entry, from the pairs that share a line on one side."""
    across = side.T.tocsr()
    for panel in _panels(side @ _counts(across)):
        met = (side[panel] @ across).tocoo()
        first, second = met.row + panel.start, met.col
        kept = first < second
        first, second = first[kept], second[kept]
        for part in _panels(_counts(other)[first]):
            if other[first[part]].multiply(other[second[part]]).nnz:
                return True
    return False
