"""Runs of 2 x 2 factors over a vector: weights and entries pass together.

A stage with stride d pairs rows that lie d apart. It runs either over a contiguous block of rows,
or, when d is a multiple of `unit`, over the rows ``unit * r + j`` for `width` consecutive j alone:
the first way is for small strides, the second for large ones, and together they let a long chain
finish with a part of the rows before it takes up the next. Importing this imports Numba.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import njit
from numba.extending import overload

from lazyop.kernels.jit import INNER, MERGED
from lazyop.kernels.packing import Kind
from lazyop.kernels.pairs import half_unit_quad, pair, quad, unit_quad
from lazyop.kernels.streams import fetch, put

_PAIR, _QUAD = int(Kind.PAIR), int(Kind.QUAD)
_UNIT_QUAD, _HALF_UNIT_QUAD = int(Kind.UNIT_QUAD), int(Kind.HALF_UNIT_QUAD)


def _conjugate_if(weight, conj):
    """Return the weight or its conjugate; compiled to nothing for real weights."""
    return np.conj(weight) if conj else weight


@overload(_conjugate_if, inline="always")
def _compiled_conjugate_if(weight, conj):
    if isinstance(weight, numba.types.Complex):
        return lambda weight, conj: complex(weight.real, -weight.imag if conj else weight.imag)
    return lambda weight, conj: weight


@njit(**INNER)
def _weight(W, at, conj):
    return _conjugate_if(fetch(W, at), conj)


@njit(**INNER)
def _weights4(W, at, step, conj):
    return (
        _weight(W, at, conj),
        _weight(W, at + step, conj),
        _weight(W, at + 2 * step, conj),
        _weight(W, at + 3 * step, conj),
    )


@njit(**INNER)
def _two(S, s, step):
    return fetch(S, s), fetch(S, s + step)


@njit(**INNER)
def _four(S, s, step):
    return fetch(S, s), fetch(S, s + step), fetch(S, s + 2 * step), fetch(S, s + 3 * step)


@njit(**INNER)
def _put_two(D, d, step, y):
    put(D, d, y[0], 0)
    put(D, d + step, y[1], 1)


@njit(**INNER)
def _put_four(D, d, step, y):
    put(D, d, y[0], 0)
    put(D, d + step, y[1], 1)
    put(D, d + 2 * step, y[2], 2)
    put(D, d + 3 * step, y[3], 3)


@njit(**INNER)
def _blocks_vector(kind, S, s, D, d, step, W, w, w_step, count, transposed, conj):
    """Apply `count` neighbouring blocks to a vector: weights and entries pass together."""
    if kind == _PAIR:
        for t in range(count):
            p = _weights4(W, w + t, w_step, conj)
            _put_two(D, d + t, step, pair(_two(S, s + t, step), p, transposed))
    elif kind == _UNIT_QUAD:
        for t in range(count):
            p = _weights4(W, w + t, w_step, conj)
            q = _weights4(W, w + t + 4 * w_step, w_step, conj)
            _put_four(D, d + t, step, unit_quad(_four(S, s + t, step), p, q, transposed))
    elif kind == _HALF_UNIT_QUAD:
        for t in range(count):
            p = _weights4(W, w + t, w_step, conj)
            q = _weights4(W, w + t + 4 * w_step, w_step, conj)
            r = _weights4(W, w + t + 8 * w_step, w_step, conj)
            y = half_unit_quad(_four(S, s + t, step), p, q, r, transposed)
            _put_four(D, d + t, step, y)
    else:
        for t in range(count):
            p = _weights4(W, w + t, w_step, conj)
            q = _weights4(W, w + t + 4 * w_step, w_step, conj)
            u = _weights4(W, w + t + 8 * w_step, w_step, conj)
            v = _weights4(W, w + t + 12 * w_step, w_step, conj)
            y = quad(_four(S, s + t, step), p, q, u, v, transposed)
            _put_four(D, d + t, step, y)


@njit(**INNER)
def _blocks_of_stride(kind, rows, count, S, D, at, W, w, d, blocks, transposed, conj):
    """Run a stage over a vector block by block; fast where d is a constant to the compiler."""
    for i in range(blocks):
        o, v = at + rows * d * i, w + count * d * i
        _blocks_vector(kind, S, o, D, o, d, W, v, d, d, transposed, conj)


@njit(**INNER)
def _stage_of_kind(kind, rows, count, S, D, at, W, w, d, blocks, unit, width, transposed, conj):
    """Run a stage over a vector; `at` is where both the entries and the results begin.

    Stages with a stride below a vector register's width get loops of their own: a chain begins
    with stride 1, and goes on with unit columns.
    """
    if width == d and d == 1 and kind != _UNIT_QUAD:
        _blocks_of_stride(kind, rows, count, S, D, at, W, w, 1, blocks, transposed, conj)
    elif width == d and d == 2 and kind == _UNIT_QUAD:
        _blocks_of_stride(kind, rows, count, S, D, at, W, w, 2, blocks, transposed, conj)
    elif width == d and d == 4 and kind == _UNIT_QUAD:
        _blocks_of_stride(kind, rows, count, S, D, at, W, w, 4, blocks, transposed, conj)
    else:
        for i in range(blocks):
            for q in range(0, d, unit):
                o, v = at + rows * d * i + q, w + count * d * i + q
                _blocks_vector(kind, S, o, D, o, d, W, v, d, width, transposed, conj)


@njit(**MERGED)
def stage_vector(kind, S, D, at, W, w, d, span, unit, width, transposed, conj):
    """Run a stage over a vector; `at` is where both the entries and the results begin."""
    if kind == _PAIR:
        _stage_of_kind(
            _PAIR, 2, 4, S, D, at, W, w, d, span // (2 * d), unit, width, transposed, conj
        )
    elif kind == _UNIT_QUAD:
        _stage_of_kind(
            _UNIT_QUAD, 4, 8, S, D, at, W, w, d, span // (4 * d), unit, width, transposed, conj
        )
    elif kind == _HALF_UNIT_QUAD:
        _stage_of_kind(
            _HALF_UNIT_QUAD,
            4,
            12,
            S,
            D,
            at,
            W,
            w,
            d,
            span // (4 * d),
            unit,
            width,
            transposed,
            conj,
        )
    else:
        _stage_of_kind(
            _QUAD, 4, 16, S, D, at, W, w, d, span // (4 * d), unit, width, transposed, conj
        )


@njit(**INNER)
def weights_before(kind, rows):
    """How many weights a stage has for that many rows."""
    if kind == _HALF_UNIT_QUAD:
        return 3 * rows
    return 4 * rows if kind == _QUAD else 2 * rows


@njit(**INNER)
def low_vector(transposed, first, stop, X, _x, Y, _y, _scratch, W, stages, conj, count, span):
    """Run the first `count` stages over blocks `first` to `stop` of `span` rows of a vector."""
    for block in range(first, stop):
        at = block * span
        for n in range(count):
            k = count - 1 - n if transposed else n
            kind, d = stages[k, 0], stages[k, 5]
            w = stages[k, 1] + weights_before(kind, at)
            S = X if n == 0 else Y
            stage_vector(kind, S, Y, at, W, w, d, span, d, d, transposed, conj)


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
            stage_vector(kind, S, Y, at, W, w, d, rows, unit, width, transposed, conj)
