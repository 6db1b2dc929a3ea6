"""Copies of rows, a register at a time. Importing this imports Numba."""

from __future__ import annotations

from numba import njit

from lazyop.kernels.jit import INNER
from lazyop.kernels.lanes import lanes_of, load, register, single, store


@njit(**INNER)
def copy_rows(S, s, s_step, D, d, d_step, rows, count):
    """Copy rows of `count` entries, from where they lie `s_step` apart to rows `d_step` apart."""
    like, one = register(S), single(S)
    whole = count - count % lanes_of(like)
    for r in range(rows):
        for t in range(0, whole, lanes_of(like)):
            store(D, d + r * d_step + t, load(S, s + r * s_step + t, like))
        for t in range(whole, count):
            store(D, d + r * d_step + t, load(S, s + r * s_step + t, one))
