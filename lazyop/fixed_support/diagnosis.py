"""Whether a best approximation with given supports exists for every matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lazyop.fixed_support.certificates import certificate
from lazyop.fixed_support.closed import all_in_two_lines
from lazyop.fixed_support.generic import all_matrices
from lazyop.fixed_support.pieces import Pieces, taken_apart
from lazyop.fixed_support.supports import as_supports, rank_one_classes
from lazyop.fixed_support.witness import Witness, witness_of

__all__ = ["Diagnosis", "diagnose"]


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """Whether the products of two supports are closed.

    Attributes
    ----------
    status : {"closed", "not closed", "unknown"}
        Whether every matrix has a best approximation; some have none; or no proof of either was
        found.
    reason : str
        The proof in a few words.
    witness : Witness or None
        A matrix without a best approximation, where the status is "not closed".
    """

    status: str
    reason: str
    witness: Witness | None = None

    def __repr__(self) -> str:
        return f"{self.status}: {self.reason}"


def diagnose(I: Any, J: Any) -> Diagnosis:
    r"""Tell whether each matrix has a best approximation by factors with given supports.

    Some factors :math:`X` and :math:`Y` attain the infimum of :math:`\|A - XY\|` for every
    :math:`A` if and only if the set of all products is closed [1]_. Where it is not, some matrices
    are limits of products and no product themselves; an algorithm that comes close to one of them
    makes factors that grow without bound. Triangular supports are an example: the matrix
    :math:`\bigl(\begin{smallmatrix} 0 & 1 \\ 1 & 0 \end{smallmatrix}\bigr)` has no LU
    factorization, but matrices that have one are near.

    Deciding this in general takes quantifier elimination. Here two kinds of proof are looked for,
    which hold for real and for complex factors: that the products are a direct sum of matrices of
    bounded rank on disjoint rectangles, or all matrices on their support, as where `factorize`
    finds the best; and that some rows and columns are pinned to zeros by a few entries of a matrix
    which, in the limit, has something else there. With two rows or two columns there is always an
    answer.

    Parameters
    ----------
    I, J : array_like of bool or sparse array, shapes (m, r) and (r, n)
        The supports; what is not zero counts as true.

    Returns
    -------
    Diagnosis
        Its status is never wrong, but can be "unknown".

    Raises
    ------
    ValueError
        If the supports are empty, hold NaN, do not fit each other, or allow no entry of a product.
    TypeError
        If a support is no matrix of numbers on NumPy.

    See Also
    --------
    factorize : Factors with given supports.

    References
    ----------
    .. [1] Q.-T. Le, E. Riccietti, R. Gribonval, "Does a sparse ReLU network training problem always
       admit an optimum?", *NeurIPS* 2023, `arXiv:2306.02666 <https://arxiv.org/abs/2306.02666>`__.
       The proofs used here were derived for this library.

    Examples
    --------
    >>> import numpy as np
    >>> import lazyop as lo
    >>> L = np.tri(3)
    >>> lo.fixed_support.diagnose(L, L.T).status
    'not closed'
    >>> lo.fixed_support.diagnose(np.ones((3, 2)), np.ones((2, 3)))
    closed: the rank-one supports are pairwise disjoint or identical
    """
    left, right = as_supports((I, J))
    classes = rank_one_classes(left, right)
    if classes.disjoint():
        return Diagnosis("closed", "the rank-one supports are pairwise disjoint or identical")
    found = certificate(classes)
    if found is not None:
        witness = witness_of(found, classes, left.shape[1])
        return Diagnosis("not closed", witness.reason, witness)
    pieces = taken_apart(classes)
    if pieces.solvable:
        return Diagnosis("closed", "where rank-one supports overlap, some can be any matrix")
    if all_in_two_lines(pieces, (left.shape[0], right.shape[1])):
        return Diagnosis("closed", "rank-one supports overlap within two rows or columns only")
    if all_matrices(left, right):
        return Diagnosis("closed", "the products are all matrices on their support")
    return Diagnosis("unknown", _why_unknown(pieces))


def _why_unknown(pieces: Pieces) -> str:
    if pieces.too_large:
        return "rank-one supports overlap, and are too large to be taken apart"
    return "rank-one supports overlap, and no proof was found"
