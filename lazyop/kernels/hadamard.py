"""The Hadamard matrices that transforms are Kronecker products of."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


def matrix_order(n: int) -> int | None:
    """Return which of 1, 12 and 20 an order is a power of two times of; None where of neither."""
    for m in (1, 12, 20):
        count, rest = divmod(n, m)
        if count and not rest and not count & (count - 1):
            return m
    return None


@cache
def matrix(order: int) -> npt.NDArray[np.int8]:
    """Return a small Hadamard matrix: of Sylvester's kind, or of Paley's first kind."""
    if order not in (12, 20):
        H = np.ones((1, 1), np.int8)
        while H.shape[0] < order:
            H = np.block([[H, H], [H, -H]]).astype(np.int8)
        return H
    q = order - 1  # a prime that is 3 modulo 4
    squares = {(i * i) % q for i in range(1, q)}
    characters = np.array([0] + [1 if i in squares else -1 for i in range(1, q)])
    Q = characters[(np.arange(q)[:, None] - np.arange(q)) % q]
    S = np.block([[np.zeros((1, 1), int), np.ones((1, q), int)], [-np.ones((q, 1), int), Q]])
    return (S + np.eye(order, dtype=int)).astype(np.int8)
