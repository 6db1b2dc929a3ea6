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


def all_matrices(I: csr_array, J: csr_array) -> bool:
    """Whether products of two supports are known to be all matrices on theirs."""
    return _by_columns(I, J) or _by_columns(csr_array(J.T), csr_array(I.T))


def _by_columns(I: csr_array, J: csr_array) -> bool:
    reach, columns = csr_array(I.T), csr_array(J.T)
    kinds = {}
    for j in range(columns.shape[0]):
        latents = columns.indices[columns.indptr[j] : columns.indptr[j + 1]]
        kinds[latents.tobytes()] = latents
    # Counting is quick, and mostly enough to see that it is not so.
    problems = [reach[latents] for latents in kinds.values()]
    counts = [len(np.unique(problem.indices)) for problem in problems]
    if any(problem.shape[0] < count for problem, count in zip(problems, counts, strict=True)):
        return False
    return all(
        np.count_nonzero(maximum_bipartite_matching(problem, perm_type="column") >= 0) == count
        for problem, count in zip(problems, counts, strict=True)
    )
