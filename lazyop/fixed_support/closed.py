r"""Proofs that the products of two supports are closed, so that every matrix has a best one.

What falls apart into disjoint rectangles of bounded rank is closed, since the matrices of rank `p`
or less are (`lazyop.fixed_support.pieces` says when that happens). Where pieces overlap, those that
do, directly or through others, are looked at together: their products are a direct sum over such
clusters.

A cluster with two rows is closed unless there is a proof to the contrary of the kind of
`lazyop.fixed_support.certificates`. All of its pieces have both rows and rank one, as others
absorb; a piece adds multiples of one vector of two entries. Call it pinned if it alone covers both
entries of some column. Give every piece that is not pinned a direction of its own, different from
all others and from the two axes. Each column that it covers is then arbitrary: either another piece
covers it as well, and two directions span the plane, or one of its entries is out of the problem
already. A column that is left has pinned pieces only. If it is not one of those that pin, at least
one of its entries is still in the problem, which is the `i` of a proof to the contrary; the other
is the `h`, as two pieces cover it, or an absorbing one. So what is left are the columns that pin,
of rank one for each piece, and these are closed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

from lazyop.fixed_support.pieces import Piece, Pieces, incidence

__all__ = ["all_in_two_lines"]


def all_in_two_lines(pieces: Pieces, shape: tuple[int, int]) -> bool:
    """Whether pieces that are not whole rectangles by themselves are in clusters of two lines."""
    if pieces.too_large or (not pieces.levels and not _narrow(pieces.left)):
        return False
    return all(_is_whole(cluster) or _narrow(cluster) for cluster in _clusters(pieces.left, shape))


def _is_whole(cluster: Sequence[Piece]) -> bool:
    return len(cluster) == 1 and (cluster[0].open is None or bool(cluster[0].open.all()))


def _narrow(cluster: Sequence[Piece]) -> bool:
    """Whether there are two rows, or two columns."""
    sides = [piece.rows for piece in cluster], [piece.columns for piece in cluster]
    return any(len(np.unique(np.concatenate(lines))) <= 2 for lines in sides)


def _clusters(pieces: Sequence[Piece], shape: tuple[int, int]) -> list[list[Piece]]:
    """Pieces that overlap, directly or through others, together."""
    from scipy.sparse.csgraph import connected_components

    rows = incidence([piece.rows for piece in pieces], shape[0])
    columns = incidence([piece.columns for piece in pieces], shape[1])
    overlap = (rows @ rows.T).multiply(columns @ columns.T)
    count, label = connected_components(csr_array(overlap), directed=False)
    return [[piece for piece, k in zip(pieces, label, strict=True) if k == c] for c in range(count)]
