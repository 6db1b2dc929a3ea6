"""Arithmetic of one or two factors of 2 x 2 blocks, in the order of `lazyop.kernels.packing`.

Rows ``x`` and weights are numbers, or registers of `lazyop.kernels.lanes`: the kernels for a
vector and those for columns share this. Importing this imports Numba.
"""

from __future__ import annotations

from numba import njit

from lazyop.kernels.jit import INNER


@njit(**INNER)
def pair(x, w, transposed):
    """Apply one block with weights w."""
    if transposed:
        return w[0] * x[0] + w[2] * x[1], w[1] * x[0] + w[3] * x[1]
    return w[0] * x[0] + w[1] * x[1], w[2] * x[0] + w[3] * x[1]


@njit(**INNER)
def quad(x, p, q, r, s, transposed):
    """Apply two factors: blocks p, q of the inner one, then r, s of the outer one."""
    if transposed:
        a, c = pair((x[0], x[2]), r, True)
        b, d = pair((x[1], x[3]), s, True)
        a, b = pair((a, b), p, True)
        c, d = pair((c, d), q, True)
        return a, b, c, d
    a, b = pair((x[0], x[1]), p, False)
    c, d = pair((x[2], x[3]), q, False)
    a, c = pair((a, c), r, False)
    b, d = pair((b, d), s, False)
    return a, b, c, d


@njit(**INNER)
def _unit_pair(x, w0, w1, transposed):
    if transposed:
        return x[0] + w1 * x[1], w0 * x[0] + x[1]
    return x[0] + w0 * x[1], w1 * x[0] + x[1]


@njit(**INNER)
def unit_quad(x, p, q, transposed):
    """Apply two factors with unit diagonals: what p of the inner one, then q of the outer one."""
    if transposed:
        a, c = _unit_pair((x[0], x[2]), q[0], q[1], True)
        b, d = _unit_pair((x[1], x[3]), q[2], q[3], True)
        a, b = _unit_pair((a, b), p[0], p[1], True)
        c, d = _unit_pair((c, d), p[2], p[3], True)
        return a, b, c, d
    a, b = _unit_pair((x[0], x[1]), p[0], p[1], False)
    c, d = _unit_pair((x[2], x[3]), p[2], p[3], False)
    a, c = _unit_pair((a, c), q[0], q[1], False)
    b, d = _unit_pair((b, d), q[2], q[3], False)
    return a, b, c, d


@njit(**INNER)
def half_unit_quad(x, p, q, r, transposed):
    """Apply two factors: blocks p, q of the inner one, then the outer one, of unit diagonals, r."""
    if transposed:
        a, c = _unit_pair((x[0], x[2]), r[0], r[1], True)
        b, d = _unit_pair((x[1], x[3]), r[2], r[3], True)
        a, b = pair((a, b), p, True)
        c, d = pair((c, d), q, True)
        return a, b, c, d
    a, b = pair((x[0], x[1]), p, False)
    c, d = pair((x[2], x[3]), q, False)
    a, c = _unit_pair((a, c), r[0], r[1], False)
    b, d = _unit_pair((b, d), r[2], r[3], False)
    return a, b, c, d
