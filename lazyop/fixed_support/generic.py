r"""Supports whose products are all matrices on the union of their rectangles.

Take a left factor with generic entries on its support. Of its rows :math:`R` and columns `K`, the
rank is then the largest number of entries of the support there that are in different rows and
columns. Let `K` be the latent indices that column `j` of the product comes from, and :math:`R` the
rows that they reach. If that rank is :math:`|R|`, the column can be any vector on :math:`R`; and if
so for all columns, the product can be any matrix on its support. The same holds with rows and
columns exchanged.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

__all__ = ["all_matrices"]

#: Entries of each row among which matchings are looked for first.
_ENOUGH = 32


def all_matrices(I: csr_array, J: csr_array) -> bool:
    """Whether products of two supports are known to be all matrices on theirs."""
    return _by_columns(I, J) or _by_columns(csr_array(J.T), csr_array(I.T))


def _by_columns(I: csr_array, J: csr_array) -> bool:
    columns = csr_array(J.T)
    columns.sort_indices()
    heights = np.diff(csr_array(columns @ I.T).indptr)
    # Counting is quick, and mostly enough to see that it is not so.
    if (np.diff(columns.indptr) < heights).any():
        return False
    kinds = {}
    for j in np.flatnonzero(heights):
        latents = columns.indices[columns.indptr[j] : columns.indptr[j + 1]]
        kinds[latents.tobytes()] = latents, heights[j]
    whole, few = csr_array(I.T), csr_array(_thinned(I).T)
    return all(
        _matched(few[latents]) == height or _matched(whole[latents]) == height
        for latents, height in kinds.values()
    )


def _matched(problem: csr_array) -> int:
    """How many columns can be matched to rows of their own."""
    # Older releases of SciPy match by indices of 32 bits alone.
    indices = problem.indices.astype(np.int32), problem.indptr.astype(np.int32)
    graph = csr_array((problem.data, *indices), shape=problem.shape)
    return int(np.count_nonzero(maximum_bipartite_matching(graph, perm_type="row") >= 0))


def _thinned(I: csr_array) -> csr_array:
    """A support with some of the entries of every row, in which most matchings still exist."""
    keys = np.random.default_rng(0).random(I.nnz)
    rows = np.repeat(np.arange(I.shape[0]), np.diff(I.indptr))
    order = np.lexsort((keys, rows))
    kept = order[np.arange(I.nnz) - np.repeat(I.indptr[:-1], np.diff(I.indptr)) < _ENOUGH]
    ones = np.ones(len(kept), np.int8)
    return csr_array((ones, (rows[kept], I.indices[kept])), shape=I.shape)
