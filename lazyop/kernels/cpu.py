"""Compiled kernels for a whole chain on NumPy arrays, by Numba. Importing this imports Numba.

Arrays come flat, with offsets counted in entries, so that one compiled function serves whatever
holds the entries: argument, result or scratch. A stage of a packed chain (`lazyop.kernels.packing`)
takes two or four rows at a time from its source to its destination, which may be one array. The
transpose of a chain runs the transposed stages backwards over the same weights.

There are two loops for every kind of stage. Over columns, the weights of a row stay in registers
while the row's entries pass; for a vector, weights and entries pass together.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import njit
from numba.extending import overload

from lazyop.kernels.packing import Kind
from lazyop.kernels.streams import fetch, fetch_back, put

#: Contraction to fused multiply-adds rounds less; no other freedom is taken.
#: Nothing is allocated, so that arrays need no reference counts.
_OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "fastmath": {"contract", "nsz"},
    "_nrt": False,
}

#: Functions that are compiled into others, and called from nowhere else.
_INNER: dict[str, Any] = {
    **_OPTIONS,
    "forceinline": True,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}

_GENERAL, _PAIR, _QUAD, _UNIT_QUAD = (int(kind) for kind in Kind)


def _conjugate_if(weight, conj):
    """Return the weight or its conjugate; compiled to nothing for real weights."""
    return np.conj(weight) if conj else weight


@overload(_conjugate_if, inline="always")
def _compiled_conjugate_if(weight, conj):
    if isinstance(weight, numba.types.Complex):
        return lambda weight, conj: complex(weight.real, -weight.imag if conj else weight.imag)
    return lambda weight, conj: weight


@njit(**_INNER)
def _weight(W, at, conj):
    return _conjugate_if(fetch(W, at), conj)


@njit(**_INNER)
def _weights4(W, at, step, conj):
    return (
        _weight(W, at, conj),
        _weight(W, at + step, conj),
        _weight(W, at + 2 * step, conj),
        _weight(W, at + 3 * step, conj),
    )


# Arithmetic of one block: rows of 2 x 2 blocks, in the order of `packing`. ---------------------


@njit(**_INNER)
def _pair(x, w, transposed):
    if transposed:
        return w[0] * x[0] + w[2] * x[1], w[1] * x[0] + w[3] * x[1]
    return w[0] * x[0] + w[1] * x[1], w[2] * x[0] + w[3] * x[1]


@njit(**_INNER)
def _quad(x, p, q, r, s, transposed):
    """Two factors: blocks p, q of the inner one, then r, s of the outer one."""
    if transposed:
        a, c = _pair((x[0], x[2]), r, True)
        b, d = _pair((x[1], x[3]), s, True)
        a, b = _pair((a, b), p, True)
        c, d = _pair((c, d), q, True)
        return a, b, c, d
    a, b = _pair((x[0], x[1]), p, False)
    c, d = _pair((x[2], x[3]), q, False)
    a, c = _pair((a, c), r, False)
    b, d = _pair((b, d), s, False)
    return a, b, c, d


@njit(**_INNER)
def _unit_pair(x, w0, w1, transposed):
    if transposed:
        return x[0] + w0 * x[1], x[0] + w1 * x[1]
    return x[0] + x[1], w0 * x[0] + w1 * x[1]


@njit(**_INNER)
def _unit_quad(x, p, q, transposed):
    """Two factors with unit columns: rows p of the inner one, then q of the outer one."""
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


# Inner loops. ----------------------------------------------------------------------------------


@njit(**_INNER)
def _two(S, s, step):
    return fetch(S, s), fetch(S, s + step)


@njit(**_INNER)
def _four(S, s, step):
    return fetch(S, s), fetch(S, s + step), fetch(S, s + 2 * step), fetch(S, s + 3 * step)


@njit(**_INNER)
def _put_two(D, d, step, y):
    put(D, d, y[0], 0)
    put(D, d + step, y[1], 1)


@njit(**_INNER)
def _put_four(D, d, step, y):
    put(D, d, y[0], 0)
    put(D, d + step, y[1], 1)
    put(D, d + 2 * step, y[2], 2)
    put(D, d + 3 * step, y[3], 3)


@njit(**_INNER)
def _block_columns(kind, S, s, s_step, D, d, d_step, W, w, w_step, count, transposed, conj):
    """Apply one block to `count` columns: its weights are the same for all."""
    if kind == _PAIR:
        p = _weights4(W, w, w_step, conj)
        for t in range(count):
            _put_two(D, d + t, d_step, _pair(_two(S, s + t, s_step), p, transposed))
    elif kind == _UNIT_QUAD:
        p = _weights4(W, w, w_step, conj)
        q = _weights4(W, w + 4 * w_step, w_step, conj)
        for t in range(count):
            _put_four(D, d + t, d_step, _unit_quad(_four(S, s + t, s_step), p, q, transposed))
    else:
        p = _weights4(W, w, w_step, conj)
        q = _weights4(W, w + 4 * w_step, w_step, conj)
        u = _weights4(W, w + 8 * w_step, w_step, conj)
        v = _weights4(W, w + 12 * w_step, w_step, conj)
        for t in range(count):
            y = _quad(_four(S, s + t, s_step), p, q, u, v, transposed)
            _put_four(D, d + t, d_step, y)


@njit(**_INNER)
def _blocks_vector(kind, S, s, D, d, step, W, w, w_step, count, transposed, conj):
    """Apply `count` neighbouring blocks to a vector: weights and entries pass together."""
    if kind == _PAIR:
        for t in range(count):
            p = _weights4(W, w + t, w_step, conj)
            _put_two(D, d + t, step, _pair(_two(S, s + t, step), p, transposed))
    elif kind == _UNIT_QUAD:
        for t in range(count):
            p = _weights4(W, w + t, w_step, conj)
            q = _weights4(W, w + t + 4 * w_step, w_step, conj)
            _put_four(D, d + t, step, _unit_quad(_four(S, s + t, step), p, q, transposed))
    else:
        for t in range(count):
            p = _weights4(W, w + t, w_step, conj)
            q = _weights4(W, w + t + 4 * w_step, w_step, conj)
            u = _weights4(W, w + t + 8 * w_step, w_step, conj)
            v = _weights4(W, w + t + 12 * w_step, w_step, conj)
            y = _quad(_four(S, s + t, step), p, q, u, v, transposed)
            _put_four(D, d + t, step, y)


# Stages of 2 x 2 factors. ----------------------------------------------------------------------
#
# A stage with stride d pairs rows that lie d apart. It runs either over a contiguous block of
# rows, or, when d is a multiple of `unit`, over the rows ``unit * r + j`` for `width` consecutive
# j alone: the first way is for small strides, the second for large ones, and together they let a
# long chain finish with a part of the rows before it takes up the next.


@njit(**_INNER)
def _blocks_of_stride(kind, rows, count, S, D, at, W, w, d, blocks, transposed, conj):
    """Run a stage over a vector block by block; fast where d is a constant to the compiler."""
    for i in range(blocks):
        o, v = at + rows * d * i, w + count * d * i
        _blocks_vector(kind, S, o, D, o, d, W, v, d, d, transposed, conj)


@njit(**_INNER)
def _stage_vector(kind, rows, count, S, D, at, W, w, d, blocks, unit, width, transposed, conj):
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


@njit(**_INNER)
def _stage_columns(
    kind, rows, count, S, s, s_unit, s_ld, D, t, t_unit, t_ld, W, w, d, blocks, unit, width,
    columns, transposed, conj,
):  # fmt: skip
    """Run a stage over columns, from rows that lie `s_unit` apart to rows `t_unit` apart."""
    m = d // unit
    for i in range(blocks):
        for q in range(m):
            for j in range(width):
                row = rows * m * i + q
                _block_columns(
                    kind,
                    S, s + (row * s_unit + j) * s_ld, m * s_unit * s_ld,
                    D, t + (row * t_unit + j) * t_ld, m * t_unit * t_ld,
                    W, w + count * d * i + q * unit + j, d,
                    columns, transposed, conj,
                )  # fmt: skip


@njit(**_INNER)
def _any_stage_vector(kind, S, D, at, W, w, d, span, unit, width, transposed, conj):
    if kind == _PAIR:
        _stage_vector(
            _PAIR, 2, 4, S, D, at, W, w, d, span // (2 * d), unit, width, transposed, conj
        )
    elif kind == _UNIT_QUAD:
        _stage_vector(
            _UNIT_QUAD, 4, 8, S, D, at, W, w, d, span // (4 * d), unit, width, transposed, conj
        )
    else:
        _stage_vector(
            _QUAD, 4, 16, S, D, at, W, w, d, span // (4 * d), unit, width, transposed, conj
        )


@njit(**_INNER)
def _any_stage_columns(
    kind, S, s, s_unit, s_ld, D, t, t_unit, t_ld, W, w, d, span, unit, width, columns,
    transposed, conj,
):  # fmt: skip
    if kind == _PAIR:
        _stage_columns(
            _PAIR, 2, 4, S, s, s_unit, s_ld, D, t, t_unit, t_ld, W, w, d, span // (2 * d),
            unit, width, columns, transposed, conj,
        )  # fmt: skip
    elif kind == _UNIT_QUAD:
        _stage_columns(
            _UNIT_QUAD, 4, 8, S, s, s_unit, s_ld, D, t, t_unit, t_ld, W, w, d, span // (4 * d),
            unit, width, columns, transposed, conj,
        )  # fmt: skip
    else:
        _stage_columns(
            _QUAD, 4, 16, S, s, s_unit, s_ld, D, t, t_unit, t_ld, W, w, d, span // (4 * d),
            unit, width, columns, transposed, conj,
        )  # fmt: skip


@njit(**_INNER)
def _weights_before(kind, rows):
    """How many weights a stage has for that many rows."""
    if kind == _UNIT_QUAD:
        return 2 * rows
    if kind == _PAIR:
        return 2 * rows
    return 4 * rows


@njit(**_INNER)
def _low_vector(transposed, X, Y, W, stages, count, span, first, stop, conj):
    """Run the first `count` stages over blocks `first` to `stop` of `span` rows of a vector."""
    for block in range(first, stop):
        at = block * span
        for n in range(count):
            k = count - 1 - n if transposed else n
            kind, d = stages[k, 0], stages[k, 5]
            w = stages[k, 1] + _weights_before(kind, at)
            S = X if n == 0 else Y
            _any_stage_vector(kind, S, Y, at, W, w, d, span, d, d, transposed, conj)


@njit(**_INNER)
def _high_vector(transposed, X, Y, W, stages, start, unit, width, first, stop, conj):
    """Run the stages from `start` on over rows `unit` apart, `width` neighbours at a time."""
    count = stages.shape[0] - start
    for chunk in range(first, stop):
        at = chunk * width
        for n in range(count):
            k = start + (count - 1 - n if transposed else n)
            kind, d = stages[k, 0], stages[k, 5]
            w = stages[k, 1] + at
            S = X if n == 0 else Y
            span = Y.size
            _any_stage_vector(kind, S, Y, at, W, w, d, span, unit, width, transposed, conj)


@njit(**_INNER)
def _low_columns(
    transposed, X, x_ld, Y, y_ld, scratch, W, stages, count, span, columns, tile, first, stop, conj
):  # fmt: skip
    """Run the first `count` stages over tiles of columns of blocks of `span` rows.

    Units of work are numbered tile after tile within a block of rows; this call does `first` to
    `stop`. Between the first and the last stage, a unit lives in the scratch.
    """
    tiles = (columns + tile - 1) // tile
    for unit in range(first, stop):
        block, t = unit // tiles, (unit % tiles) * tile
        width = min(tile, columns - t)
        for n in range(count):
            k = count - 1 - n if transposed else n
            kind, d = stages[k, 0], stages[k, 5]
            w = stages[k, 1] + _weights_before(kind, block * span)
            S, s, s_ld = scratch, 0, tile
            if n == 0:
                S, s, s_ld = X, block * span * x_ld + t, x_ld
            D, o, o_ld = scratch, 0, tile
            if n == count - 1:
                D, o, o_ld = Y, block * span * y_ld + t, y_ld
            _any_stage_columns(
                kind, S, s, 1, s_ld, D, o, 1, o_ld, W, w, d, span, 1, 1, width, transposed, conj
            )


@njit(**_INNER)
def _high_columns(
    transposed, X, x_ld, Y, y_ld, scratch, W, stages, start, rows, unit, run, columns, tile,
    first, stop, conj,
):  # fmt: skip
    """Run the stages from `start` on over rows `unit` apart, `run` neighbours at a time."""
    tiles = (columns + tile - 1) // tile
    count = stages.shape[0] - start
    for u in range(first, stop):
        chunk, t = (u // tiles) * run, (u % tiles) * tile
        width = min(tile, columns - t)
        for n in range(count):
            k = start + (count - 1 - n if transposed else n)
            kind, d = stages[k, 0], stages[k, 5]
            w = stages[k, 1] + chunk
            S, s, s_unit, s_ld = scratch, 0, run, tile
            if n == 0:
                S, s, s_unit, s_ld = X, chunk * x_ld + t, unit, x_ld
            D, o, o_unit, o_ld = scratch, 0, run, tile
            if n == count - 1:
                D, o, o_unit, o_ld = Y, chunk * y_ld + t, unit, y_ld
            _any_stage_columns(
                kind, S, s, s_unit, s_ld, D, o, o_unit, o_ld, W, w, d, rows, unit, run,
                width, transposed, conj,
            )  # fmt: skip


# General factors, from one buffer to another. ---------------------------------------------------
#
# A block of b x c weights, k its row and l its column, has weight (k, l) at ``k wk + l wl``: the
# transpose swaps the two strides. Four columns of the block are taken at a time.


@njit(**_INNER)
def _add_four(D, o, stream, S, s, s_step, W, w, wl, t, is_first, conj):
    """Add four products to entry t of a row, or begin the row with them."""
    x = _four(S, s + t, s_step)
    p = _weights4(W, w, wl, conj)
    y = p[0] * x[0] + p[1] * x[1] + p[2] * x[2] + p[3] * x[3]
    put(D, o + t, y if is_first else y + fetch_back(D, o + t, stream), stream)


@njit(**_INNER)
def _row_of_block(D, o, S, s, s_step, W, w, wl, c, count, conj):
    """Compute ``count`` neighbouring entries of one row of a block, with weights fixed."""
    head = c % 4
    for l in range(head):
        weight = _weight(W, w + l * wl, conj)
        for t in range(count):
            y = weight * fetch(S, s + l * s_step + t)
            put(D, o + t, y if l == 0 else y + fetch_back(D, o + t, 0), 0)
    for l in range(head, c, 4):
        p = _weights4(W, w + l * wl, wl, conj)
        at = s + l * s_step
        if l == 0:
            for t in range(count):
                x = _four(S, at + t, s_step)
                put(D, o + t, p[0] * x[0] + p[1] * x[1] + p[2] * x[2] + p[3] * x[3], 0)
        else:
            for t in range(count):
                x = _four(S, at + t, s_step)
                y = p[0] * x[0] + p[1] * x[1] + p[2] * x[2] + p[3] * x[3]
                put(D, o + t, y + fetch_back(D, o + t, 0), 0)


@njit(**_INNER)
def _two_rows_of_block(D, o, o_step, S, s, s_step, W, w, wk, wl, c, count, conj):
    """Compute two rows of a block together, so that an entry loaded serves both."""
    head = c % 4
    for l in range(head):
        u = _weight(W, w + l * wl, conj)
        v = _weight(W, w + wk + l * wl, conj)
        for t in range(count):
            x = fetch(S, s + l * s_step + t)
            put(D, o + t, u * x if l == 0 else u * x + fetch_back(D, o + t, 0), 0)
            below = o + o_step + t
            put(D, below, v * x if l == 0 else v * x + fetch_back(D, below, 1), 1)
    for l in range(head, c, 4):
        p = _weights4(W, w + l * wl, wl, conj)
        q = _weights4(W, w + wk + l * wl, wl, conj)
        at = s + l * s_step
        if l == 0:
            for t in range(count):
                x = _four(S, at + t, s_step)
                y = p[0] * x[0] + p[1] * x[1] + p[2] * x[2] + p[3] * x[3]
                z = q[0] * x[0] + q[1] * x[1] + q[2] * x[2] + q[3] * x[3]
                put(D, o + t, y, 0)
                put(D, o + o_step + t, z, 1)
        else:
            for t in range(count):
                x = _four(S, at + t, s_step)
                y = p[0] * x[0] + p[1] * x[1] + p[2] * x[2] + p[3] * x[3]
                z = q[0] * x[0] + q[1] * x[1] + q[2] * x[2] + q[3] * x[3]
                put(D, o + t, y + fetch_back(D, o + t, 0), 0)
                put(D, o + o_step + t, z + fetch_back(D, o + o_step + t, 1), 1)


@njit(**_INNER)
def _general_columns(S, s, s_ld, D, o, o_ld, W, w, a, b, c, d, wk, wl, count, conj):
    for i in range(a):
        for j in range(d):
            at, source = w + i * b * c * d + j, s + (i * c * d + j) * s_ld
            target = o + (i * b * d + j) * o_ld
            for k in range(0, b - 1, 2):
                _two_rows_of_block(
                    D, target + k * d * o_ld, d * o_ld, S, source, d * s_ld,
                    W, at + k * wk, wk, wl, c, count, conj,
                )  # fmt: skip
            if b % 2:
                _row_of_block(
                    D, target + (b - 1) * d * o_ld, S, source, d * s_ld,
                    W, at + (b - 1) * wk, wl, c, count, conj,
                )  # fmt: skip


@njit(**_INNER)
def _interleaved_row(D, o, S, s, W, w, wl, c, d, conj):
    """Compute the d entries of row k of d interleaved blocks: their weights lie side by side."""
    head = c % 4
    for l in range(head):
        for t in range(d):
            y = _weight(W, w + l * wl + t, conj) * fetch(S, s + l * d + t)
            put(D, o + t, y if l == 0 else y + fetch_back(D, o + t, 0), 0)
    for l in range(head, c, 4):
        at = w + l * wl
        if l == 0:
            for t in range(d):
                _add_four(D, o, 0, S, s + l * d, d, W, at + t, wl, t, True, conj)
        else:
            for t in range(d):
                _add_four(D, o, 0, S, s + l * d, d, W, at + t, wl, t, False, conj)


@njit(**{**_INNER, "fastmath": {"contract", "nsz", "reassoc"}})  # a sum out of order is faster
def _dot(S, s, W, w, c, conj):
    total = _weight(W, w, conj) * fetch(S, s)
    for l in range(1, c):
        total += _weight(W, w + l, conj) * fetch(S, s + l)
    return total


@njit(**_INNER)
def _combination_of_rows(D, o, S, s, W, w, wl, b, c, conj):
    """Add up the rows of a block, ``y[k] = sum_l W[l, k] x[l]``, for the transpose where d = 1."""
    for l in range(c):
        x = fetch(S, s + l)
        for k in range(b):
            y = _weight(W, w + l * wl + k, conj) * x
            put(D, o + k, y if l == 0 else y + fetch_back(D, o + k, 0), 0)


@njit(**_INNER)
def _general_vector(S, D, W, w, a, b, c, d, wk, wl, conj):
    for i in range(a):
        s, o, at = i * c * d, i * b * d, w + i * b * c * d
        if d > 1:
            for k in range(b):
                _interleaved_row(D, o + k * d, S, s, W, at + k * wk, wl, c, d, conj)
        elif wl == 1:
            for k in range(b):
                put(D, o + k, _dot(S, s, W, at + k * wk, c, conj), 0)
        else:
            _combination_of_rows(D, o, S, s, W, at, wl, b, c, conj)


@njit(**_INNER)
def _mixed_columns(
    transposed, X, x_ld, Y, y_ld, scratch, size, W, stages, columns, tile, first, stop, conj
):  # fmt: skip
    """Run a whole chain of any stages over tiles of columns; the scratch is two buffers."""
    count = stages.shape[0]
    for unit in range(first, stop):
        t = unit * tile
        width = min(tile, columns - t)
        S, s, s_ld = X, t, x_ld
        buffer = 0
        for n in range(count):
            kind, w, a, b, c, d = stages[count - 1 - n if transposed else n]
            if n > 0 and kind == _GENERAL:
                buffer = size - buffer
            D, o, o_ld = scratch, buffer, tile
            if n == count - 1:
                D, o, o_ld = Y, t, y_ld
            if kind == _GENERAL and transposed:
                _general_columns(S, s, s_ld, D, o, o_ld, W, w, a, c, b, d, d, c * d, width, conj)
            elif kind == _GENERAL:
                _general_columns(S, s, s_ld, D, o, o_ld, W, w, a, b, c, d, c * d, d, width, conj)
            else:
                _any_stage_columns(
                    kind, S, s, 1, s_ld, D, o, 1, o_ld, W, w, d, a * b * d, 1, 1, width,
                    transposed, conj,
                )  # fmt: skip
            S, s, s_ld = D, o, o_ld


@njit(**_INNER)
def _mixed_vector(transposed, X, Y, first, second, W, stages, conj):
    """Run a whole chain of any stages over a vector, by two scratch vectors."""
    count = stages.shape[0]
    S, D, other = X, first, second
    for n in range(count):
        kind, w, a, b, c, d = stages[count - 1 - n if transposed else n]
        if n > 0 and kind == _GENERAL:
            D, other = other, D
        if n == count - 1:
            D = Y
        if kind == _GENERAL and transposed:
            _general_vector(S, D, W, w, a, c, b, d, d, c * d, conj)
        elif kind == _GENERAL:
            _general_vector(S, D, W, w, a, b, c, d, c * d, d, conj)
        else:
            _any_stage_vector(kind, S, D, 0, W, w, d, a * b * d, d, d, transposed, conj)
        S = D


# What is called from Python: one compiled function for each body and direction. -----------------


def _compiled(function):
    """Compile with the code cached on disk, or without where there is no place for a cache."""
    try:
        return njit(**_OPTIONS, nogil=True, cache=True)(function)
    except RuntimeError:  # Numba found no folder that it can write to
        return njit(**_OPTIONS, nogil=True)(function)


@_compiled
def low_vector(*args):
    _low_vector(False, *args)


@_compiled
def low_vector_transposed(*args):
    _low_vector(True, *args)


@_compiled
def high_vector(*args):
    _high_vector(False, *args)


@_compiled
def high_vector_transposed(*args):
    _high_vector(True, *args)


@_compiled
def low_columns(*args):
    _low_columns(False, *args)


@_compiled
def low_columns_transposed(*args):
    _low_columns(True, *args)


@_compiled
def high_columns(*args):
    _high_columns(False, *args)


@_compiled
def high_columns_transposed(*args):
    _high_columns(True, *args)


@_compiled
def mixed_columns(*args):
    _mixed_columns(False, *args)


@_compiled
def mixed_columns_transposed(*args):
    _mixed_columns(True, *args)


@_compiled
def mixed_vector(*args):
    _mixed_vector(False, *args)


@_compiled
def mixed_vector_transposed(*args):
    _mixed_vector(True, *args)
