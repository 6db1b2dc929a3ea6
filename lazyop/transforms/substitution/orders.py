"""Orders of rows and columns in which transforms are butterflies, to be tried one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from lazyop.structured.permutation import Permutation

__all__ = ["digit_reversal", "folded", "likely_permutations"]

Index = npt.NDArray[np.int64]


def _primes(n: int) -> list[int]:
    """Prime factors, ascending."""
    found, p = [], 2
    while n > 1:
        while n % p == 0:
            found.append(p)
            n //= p
        p = p + 1 if p * p <= n else max(n, p + 1)
    return found


def digit_reversal(n: int, descending: bool = False) -> Index:
    """Indices with their digits reversed, to the prime factors of `n` as bases.

    For a power of two it is the bit reversal.
    """
    bases = _primes(n)[::-1] if descending else _primes(n)
    return np.arange(n).reshape(bases or [1]).transpose().ravel()


def folded(n: int) -> Index:
    """The even indices, and then the odd ones backwards.

    In this order a cosine transform of type II is the real part of a Fourier transform.
    """
    return np.concatenate([np.arange(0, n, 2), np.arange(1, n, 2)[::-1]])


def likely_permutations(m: int, n: int) -> Iterator[Any]:
    """Permutations as `lazyop.factorize` takes them, for transforms of any length.

    As it is, for Hadamard transforms, kernels and filters; columns by reversed digits, for Fourier
    and Hartley transforms; folded besides, for cosine and sine transforms of types I, II and IV;
    and rows folded, for the transpose of these.
    """
    yield None, None
    yield None, _permutation(digit_reversal(n))
    yield None, _permutation(folded(n)[digit_reversal(n)])
    # P B Q with (P x)[i] = x[p[i]] takes the inverse of the order of the rows.
    rows = _permutation(np.argsort(folded(m)))
    yield rows, _permutation(digit_reversal(n, descending=True))


def _permutation(p: Index) -> Permutation:
    return Permutation(p)
