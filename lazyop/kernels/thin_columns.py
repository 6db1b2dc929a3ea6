"""Runs of 2 x 2 factors over several columns: weights stay in registers while columns pass.

Stages run over blocks of rows, or over rows `unit` apart, as in `lazyop.kernels.thin_vector`.
Importing this imports Numba.
"""

from __future__ import annotations

from numba import njit

from lazyop.kernels.jit import INNER, MERGED
from lazyop.kernels.lanes import (
    fetch_to_load,
    fetch_to_store,
    lanes_of,
    load,
    register,
    single,
    store,
    weight_column,
)
from lazyop.kernels.packing import Kind
from lazyop.kernels.pairs import half_unit_quad, pair, quad, unit_quad
from lazyop.kernels.thin_vector import load_four, store_four, weights_before

_PAIR, _QUAD = int(Kind.PAIR), int(Kind.QUAD)
_UNIT_QUAD, _HALF_UNIT_QUAD = int(Kind.UNIT_QUAD), int(Kind.HALF_UNIT_QUAD)

#: How many rows ahead of those that are read the next ones are fetched into the cache.
_AHEAD = 8


@njit(**INNER)
def _two(S, s, step, like):
    return load(S, s, like), load(S, s + step, like)


@njit(**INNER)
def _coming(at, step, rows, count):
    """Return where the coming rows begin, and how much of them to fetch for an entry of a row.

    Rows that do not lie side by side are not fetched: lines that are named then are here already.
    """
    return (at + _AHEAD * step, rows) if step == count else (at, 1)


@njit(**INNER)
def _fetch(fetch, array, coming, rows, t, like):
    """Have lines of the coming rows fetched, in order: as much as registers of `rows` rows hold."""
    start, factor = coming
    for line in range(rows // 2):  # of two registers
        fetch(array, start + factor * t + 2 * line * lanes_of(like))


@njit(**INNER)
def _registers_of_block(
    kind, S, s, s_step, D, d, d_step, W, w, w_step, first, stop, transposed, conj, like
):  # fmt: skip
    """Apply one block to columns `first` to `stop`, a register at a time."""
    step = lanes_of(like)
    p = weight_column(W, w, w_step, conj, like, 4)
    if kind == _PAIR:
        s_coming, d_coming = _coming(s, s_step, 2, stop), _coming(d, d_step, 2, stop)
        for t in range(first, stop, step):
            if not transposed:
                _fetch(fetch_to_load, S, s_coming, 2, t, like)
                _fetch(fetch_to_store, D, d_coming, 2, t, like)
            y = pair(_two(S, s + t, s_step, like), p, transposed)
            store(D, d + t, y[0])
            store(D, d + d_step + t, y[1])
    elif kind == _UNIT_QUAD:
        q = weight_column(W, w + 4 * w_step, w_step, conj, like, 4)
        for t in range(first, stop, step):
            x = load_four(S, s + t, s_step, like)
            store_four(D, d + t, d_step, unit_quad(x, p, q, transposed))
    elif kind == _HALF_UNIT_QUAD:
        q = weight_column(W, w + 4 * w_step, w_step, conj, like, 4)
        r = weight_column(W, w + 8 * w_step, w_step, conj, like, 4)
        s_coming, d_coming = _coming(s, s_step, 4, stop), _coming(d, d_step, 4, stop)
        for t in range(first, stop, step):
            if not transposed:
                _fetch(fetch_to_load, S, s_coming, 4, t, like)
                _fetch(fetch_to_store, D, d_coming, 4, t, like)
            x = load_four(S, s + t, s_step, like)
            store_four(D, d + t, d_step, half_unit_quad(x, p, q, r, transposed))
    else:
        q = weight_column(W, w + 4 * w_step, w_step, conj, like, 4)
        u = weight_column(W, w + 8 * w_step, w_step, conj, like, 4)
        v = weight_column(W, w + 12 * w_step, w_step, conj, like, 4)
        for t in range(first, stop, step):
            x = load_four(S, s + t, s_step, like)
            store_four(D, d + t, d_step, quad(x, p, q, u, v, transposed))


@njit(**INNER)
def _block_columns(kind, S, s, s_step, D, d, d_step, W, w, w_step, count, transposed, conj):
    """Apply one block to `count` columns: its weights are the same for all."""
    whole = count - count % lanes_of(register(S))
    _registers_of_block(
        kind, S, s, s_step, D, d, d_step, W, w, w_step, 0, whole, transposed, conj, register(S)
    )
    if whole < count:
        _registers_of_block(
            kind, S, s, s_step, D, d, d_step, W, w, w_step, whole, count, transposed, conj,
            single(S),
        )  # fmt: skip


@njit(**INNER)
def _stage_of_kind(
    kind, rows, count, S, s, s_unit, s_ld, D, t, t_unit, t_ld, W, w, d, together, blocks, unit,
    width, columns, transposed, conj,
):  # fmt: skip
    """Run a stage over columns, from rows that lie `s_unit` apart to rows `t_unit` apart."""
    m = d // unit
    for first in range(0, blocks, together):
        for i in range(together):
            for q in range(m):
                for j in range(width):
                    row = rows * m * (first + i) + q
                    _block_columns(
                        kind,
                        S, s + (row * s_unit + j) * s_ld, m * s_unit * s_ld,
                        D, t + (row * t_unit + j) * t_ld, m * t_unit * t_ld,
                        W, w + (count * first + i) * d + q * unit + j, together * d,
                        columns, transposed, conj,
                    )  # fmt: skip


@njit(**MERGED)
def stage_columns(
    kind, S, s, s_unit, s_ld, D, t, t_unit, t_ld, W, w, d, together, span, unit, width,
    columns, transposed, conj,
):  # fmt: skip
    """Run a stage over columns, from rows `s_unit` apart to rows `t_unit` apart."""
    if kind == _PAIR:
        _stage_of_kind(
            _PAIR, 2, 4, S, s, s_unit, s_ld, D, t, t_unit, t_ld, W, w, d, together,
            span // (2 * d), unit, width, columns, transposed, conj,
        )  # fmt: skip
    elif kind == _UNIT_QUAD:
        _stage_of_kind(
            _UNIT_QUAD, 4, 8, S, s, s_unit, s_ld, D, t, t_unit, t_ld, W, w, d, together,
            span // (4 * d), unit, width, columns, transposed, conj,
        )  # fmt: skip
    elif kind == _HALF_UNIT_QUAD:
        _stage_of_kind(
            _HALF_UNIT_QUAD, 4, 12, S, s, s_unit, s_ld, D, t, t_unit, t_ld, W, w, d, together,
            span // (4 * d), unit, width, columns, transposed, conj,
        )  # fmt: skip
    else:
        _stage_of_kind(
            _QUAD, 4, 16, S, s, s_unit, s_ld, D, t, t_unit, t_ld, W, w, d, together,
            span // (4 * d), unit, width, columns, transposed, conj,
        )  # fmt: skip


@njit(**INNER)
def low_columns(
    transposed, first, stop, X, x_ld, Y, y_ld, scratch, W, stages, conj,
    count, span, columns, tile, in_place,
):  # fmt: skip
    """Run the first `count` stages over tiles of columns of blocks of `span` rows.

    Units of work are numbered tile after tile within a block of rows. Between the first and the
    last stage, a unit lives in the scratch, or in place in Y.
    """
    buffer = Y if in_place else scratch
    tiles = (columns + tile - 1) // tile
    for unit in range(first, stop):
        block, t = unit // tiles, (unit % tiles) * tile
        width = min(tile, columns - t)
        source, target = block * span * x_ld + t, block * span * y_ld + t
        at, ld = (target, y_ld) if in_place else (0, tile)
        for n in range(count):
            k = count - 1 - n if transposed else n
            kind, d, together = stages[k, 0], stages[k, 5], stages[k, 8]
            w = stages[k, 1] + weights_before(kind, block * span)
            S, s, s_ld = buffer, at, ld
            if n == 0:
                S, s, s_ld = X, source, x_ld
            D, o, o_ld = buffer, at, ld
            if n == count - 1:
                D, o, o_ld = Y, target, y_ld
            stage_columns(
                kind, S, s, 1, s_ld, D, o, 1, o_ld, W, w, d, together, span, 1, 1, width,
                transposed, conj,
            )  # fmt: skip


@njit(**INNER)
def high_columns(
    transposed, first, stop, X, x_ld, Y, y_ld, scratch, W, stages, conj,
    start, rows, unit, run, columns, tile,
):  # fmt: skip
    """Run the stages from `start` on over rows `unit` apart, `run` neighbours at a time."""
    tiles = (columns + tile - 1) // tile
    count = stages.shape[0] - start
    for u in range(first, stop):
        chunk, t = (u // tiles) * run, (u % tiles) * tile
        width = min(tile, columns - t)
        for n in range(count):
            k = start + (count - 1 - n if transposed else n)
            kind, d, together = stages[k, 0], stages[k, 5], stages[k, 8]
            w = stages[k, 1] + chunk
            S, s, s_unit, s_ld = scratch, 0, run, tile
            if n == 0:
                S, s, s_unit, s_ld = X, chunk * x_ld + t, unit, x_ld
            D, o, o_unit, o_ld = scratch, 0, run, tile
            if n == count - 1:
                D, o, o_unit, o_ld = Y, chunk * y_ld + t, unit, y_ld
            stage_columns(
                kind, S, s, s_unit, s_ld, D, o, o_unit, o_ld, W, w, d, together, rows,
                unit, run, width, transposed, conj,
            )  # fmt: skip
