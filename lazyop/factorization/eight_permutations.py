"""The eight permutations by which fast transforms are tried, bit reversal among them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import numpy.typing as npt

__all__ = ["eight_permutations"]

Index = npt.NDArray[np.int64]


def eight_permutations(n: int) -> Iterator[Index]:
    """The permutations that treat blocks of every size alike, the identity first.

    The indices are one block of size `n`. A block may have its even entries moved before its odd
    ones, then its first half reversed, then its second half; and so on in both halves, down to
    blocks of size 4. The three switches are the same for all sizes. The first switch alone makes
    the bit reversal.

    Parameters
    ----------
    n : int
        A power of two.

    Yields
    ------
    array of int, shape (n,)
        Each permutation once, where two agree at small sizes.

    References
    ----------
    Q.-T. Le, L. Zheng, E. Riccietti, R. Gribonval, "Fast learning of fast transforms, with
    guarantees", ICASSP 2022, hal-03438881. The switches are those of T. Dao, A. Gu,
    M. Eichhorn, A. Rudra, C. Ré, "Learning fast algorithms for linear transforms using butterfly
    factorizations", ICML 2019, arXiv:1903.05895.
    """
    met = set()
    for separated, first_reversed, second_reversed in product((False, True), repeat=3):
        p = np.arange(n)
        size = n
        while size >= 4:
            blocks = p.reshape(-1, size)
            if separated:
                blocks = np.concatenate([blocks[:, ::2], blocks[:, 1::2]], axis=1)
            first, second = blocks[:, : size // 2], blocks[:, size // 2 :]
            halves = [
                first[:, ::-1] if first_reversed else first,
                second[:, ::-1] if second_reversed else second,
            ]
            p = np.concatenate(halves, axis=1).ravel()
            size //= 2
        if p.tobytes() not in met:
            met.add(p.tobytes())
            yield p
