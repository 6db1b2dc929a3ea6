"""Runs of 2 x 2 factors over a vector: weights and entries pass together.

A stage with stride d pairs rows that lie d apart. It runs either over a contiguous block of rows,
or, when d is a multiple of `unit`, over the rows ``unit * r + j`` for `width` consecutive j alone:
the first way is for small strides, the second for large ones, and together they let a long chain
finish with a part of the rows before it takes up the next. Large strides are those of stages other
than the first: of two factors at a time. Importing this imports Numba.
"""

from __future__ import annotations

from numba import njit

from lazyop.kernels.interleaved import load_blocks, store_blocks
from lazyop.kernels.jit import INNER, MERGED
from lazyop.kernels.lanes import lanes_of, load, register, single, store, weight_registers
from lazyop.kernels.packing import Kind
from lazyop.kernels.pairs import half_unit_quad, pair, quad, unit_quad

_PAIR, _QUAD = int(Kind.PAIR), int(Kind.QUAD)
_UNIT_QUAD, _HALF_UNIT_QUAD = int(Kind.UNIT_QUAD), int(Kind.HALF_UNIT_QUAD)


@njit(**INNER)
def _sizes(kind):
    """Return how many rows a block has, and how many weights."""
    if kind == _PAIR:
        return 2, 4
    if kind == _UNIT_QUAD:
        return 4, 8
    return 4, 12 if kind == _HALF_UNIT_QUAD else 16


@njit(**INNER)
def load_four(S, s, step, like):
    """Load a register from each of four rows."""
    return (
        load(S, s, like),
        load(S, s + step, like),
        load(S, s + 2 * step, like),
        load(S, s + 3 * step, like),
    )


@njit(**INNER)
def store_four(D, d, step, y):
    """Store a register to each of four rows."""
    store(D, d, y[0])
    store(D, d + step, y[1])
    store(D, d + 2 * step, y[2])
    store(D, d + 3 * step, y[3])


@njit(**INNER)
def _pair(x, W, w, step, transposed, conj, like):
    return pair(x, weight_registers(W, w, step, conj, like, 4), transposed)


@njit(**INNER)
def _quads(kind, x, W, w, step, transposed, conj, like):
    """Apply two factors to a register of each of four rows; every entry has its own weights."""
    p = weight_registers(W, w, step, conj, like, 4)
    q = weight_registers(W, w + 4 * step, step, conj, like, 4)
    if kind == _UNIT_QUAD:
        return unit_quad(x, p, q, transposed)
    r = weight_registers(W, w + 8 * step, step, conj, like, 4)
    if kind == _HALF_UNIT_QUAD:
        return half_unit_quad(x, p, q, r, transposed)
    s = weight_registers(W, w + 12 * step, step, conj, like, 4)
    return quad(x, p, q, r, s, transposed)


@njit(**INNER)
def _block(kind, S, D, at, step, W, w, width, transposed, conj, like):
    """Apply neighbouring blocks to `width` rows of each part, a register at a time."""
    for t in range(0, width, lanes_of(like)):
        if kind == _PAIR:
            x = load(S, at + t, like), load(S, at + t + step, like)
            y = _pair(x, W, w + t, step, transposed, conj, like)
            store(D, at + t, y[0])
            store(D, at + t + step, y[1])
        else:
            x = load_four(S, at + t, step, like)
            y = _quads(kind, x, W, w + t, step, transposed, conj, like)
            store_four(D, at + t, step, y)


@njit(**INNER)
def _blocks(kind, S, D, at, W, w, d, span, unit, width, transposed, conj, like):
    """Run a stage a register at a time, or an entry at a time."""
    rows, weights = _sizes(kind)
    for block in range(0, span, rows * d):
        for q in range(0, d, unit):
            o, v = at + block + q, w + block // rows * weights + q
            _block(kind, S, D, o, d, W, v, width, transposed, conj, like)


def _narrow_by(kind, stride):
    """Make the function that runs a stage of such a small stride over a vector."""
    rows, weights = _sizes.py_func(kind)

    @njit(**INNER)
    def run(S, D, at, W, w, span, transposed, conj):
        # A register for each row has its entries from several blocks.
        like = register(D)
        for t in range(0, span, rows * lanes_of(like)):
            x, v = load_blocks(S, at + t, like, rows, stride), w + t // rows * weights
            if kind == _PAIR:
                y = _pair(x, W, v, lanes_of(like), transposed, conj, like)
            else:
                y = _quads(kind, x, W, v, lanes_of(like), transposed, conj, like)
            store_blocks(D, at + t, y, stride)

    return run


_pair_1, _quad_1, _half_unit_1 = (_narrow_by(k, 1) for k in (_PAIR, _QUAD, _HALF_UNIT_QUAD))
_unit_2, _unit_4 = (_narrow_by(_UNIT_QUAD, d) for d in (2, 4))


@njit(**MERGED)
def _narrow_stage(kind, S, D, at, W, w, d, span, transposed, conj):
    if kind == _PAIR:
        _pair_1(S, D, at, W, w, span, transposed, conj)
    elif kind == _HALF_UNIT_QUAD:
        _half_unit_1(S, D, at, W, w, span, transposed, conj)
    elif kind == _QUAD:
        _quad_1(S, D, at, W, w, span, transposed, conj)
    elif d == 2:
        _unit_2(S, D, at, W, w, span, transposed, conj)
    else:
        _unit_4(S, D, at, W, w, span, transposed, conj)


@njit(**MERGED)
def stage_vector(kind, S, D, at, W, w, d, together, span, transposed, conj):
    """Run a stage over a vector; `at` is where both the entries and the results begin."""
    if together > 1:
        _narrow_stage(kind, S, D, at, W, w, d, span, transposed, conj)
    elif d % lanes_of(register(D)) == 0:
        _blocks(kind, S, D, at, W, w, d, span, d, d, transposed, conj, register(D))
    else:
        _blocks(kind, S, D, at, W, w, d, span, d, d, transposed, conj, single(D))


@njit(**INNER)
def weights_before(kind, rows):
    """How many weights a stage has for that many rows."""
    size, weights = _sizes(kind)
    return rows // size * weights


@njit(**INNER)
def low_vector(transposed, first, stop, X, _x, Y, _y, _scratch, W, stages, conj, count, span):
    """Run the first `count` stages over blocks `first` to `stop` of `span` rows of a vector."""
    for block in range(first, stop):
        at = block * span
        for n in range(count):
            k = count - 1 - n if transposed else n
            kind, d, together = stages[k, 0], stages[k, 5], stages[k, 8]
            w = stages[k, 1] + weights_before(kind, at)
            S = X if n == 0 else Y
            stage_vector(kind, S, Y, at, W, w, d, together, span, transposed, conj)


@njit(**INNER)
def high_vector(
    transposed, first, stop, X, _x, Y, _y, _scratch, W, stages, conj, start, unit, width, rows
):  # fmt: skip
    """Run the stages from `start` on over rows `unit` apart, `width` neighbours at a time."""
    count = stages.shape[0] - start
    for chunk in range(first, stop):
        at = chunk * width
        for n in range(count):
            k = start + (count - 1 - n if transposed else n)
            kind, d = stages[k, 0], stages[k, 5]
            w = stages[k, 1] + at
            S = X if n == 0 else Y
            _blocks(kind, S, Y, at, W, w, d, rows, unit, width, transposed, conj, register(Y))
