"""Dyadic chains whose weights are read as bits: products with a vector.

The columns of all factors but the last are directions, of one width a factor, and so are the rows
of the last one, each times a floating-point number (`lazyop.quantization.codings`). Codes have the
numbers of the rows that their columns meet, whatever the stride. Importing this imports Numba.
"""

from __future__ import annotations

from numba import int64, njit, uint8

from lazyop.kernels import places
from lazyop.kernels.codes import directions, floats, narrow, narrow_transposed
from lazyop.kernels.jit import INNER
from lazyop.kernels.octets import eight, load_eight, magnitude, store_eight
from lazyop.kernels.places import PACKED_STAGE_WIDTH
from lazyop.kernels.streams import codes, is_short
from lazyop.kernels.turns import array_at, kernels, own_numbers, table_at, word


@njit(**INNER)
def _codes(short, B, stream, octet, like):
    """Read the codes of an octet of rows from a stream: its first byte, and the width of a code."""
    at = stream[0] + octet * stream[1]
    return codes(B, at, stream[1], True, like) if short else codes(B, at, stream[1], False, like)


@njit(**INNER)
def _columns(short, B, stream, octet, like):
    return directions(_codes(short, B, stream, octet, like), stream[1], like)


@njit(**INNER)
def _pair(x, seconds, transposed):
    """Apply blocks whose columns have these second entries; the first ones are 1 less their sizes.

    A fused operation takes a row less such a part of it, with a single rounding.
    """
    v, w = seconds
    if transposed:
        return (
            (x[0] - magnitude(v) * x[0]) + v * x[1],
            (x[0] - magnitude(w) * x[0]) + w * x[1],
        )
    return (
        (x[0] - magnitude(v) * x[0]) + (x[1] - magnitude(w) * x[1]),
        v * x[0] + w * x[1],
    )


@njit(**INNER)
def _inner(short, transposed, x, B, stream, octet, d, like):
    """Apply a factor to four octets of rows; it pairs those that lie d octets apart."""
    v = _columns(short, B, stream, octet, like)
    w = _columns(short, B, stream, octet + d, like)
    a, b = _pair((x[0], x[1]), (v, w), transposed)
    v = _columns(short, B, stream, octet + 2 * d, like)
    w = _columns(short, B, stream, octet + 3 * d, like)
    return a, b, *_pair((x[2], x[3]), (v, w), transposed)


@njit(**INNER)
def _outer(short, transposed, x, B, stream, octet, d, like):
    """Apply the next factor, which pairs those that lie twice as far apart."""
    v = _columns(short, B, stream, octet, like)
    w = _columns(short, B, stream, octet + 2 * d, like)
    first, third = _pair((x[0], x[2]), (v, w), transposed)
    v = _columns(short, B, stream, octet + d, like)
    w = _columns(short, B, stream, octet + 3 * d, like)
    second, fourth = _pair((x[1], x[3]), (v, w), transposed)
    return first, second, third, fourth


@njit(**INNER)
def _narrow_stages(short, transposed, X, D, B, ends, first, stop, like):
    """Run the last three factors, of strides 1, 2 and 4, over eight rows at a time."""
    one, norm = (ends[0], ends[1]), (ends[2], ends[3])
    below, bias, two, four = ends[4], ends[5], (ends[6], ends[7]), (ends[8], ends[9])
    for octet in range(first >> 3, stop >> 3):
        row = 8 * octet
        rows = _columns(short, B, one, octet, like)
        norms = _codes(False, B, norm, octet, like)
        norms = floats(norms, norm[1], below, bias, like)
        p = _columns(short, B, two, octet, like)
        q = _columns(short, B, four, octet, like)
        x = load_eight(X, row, like)
        if transposed:
            x = narrow_transposed(q, x, 4)
            x = narrow_transposed(p, x, 2)
            x = narrow(rows, norms * x, 1)
        else:
            x = norms * narrow_transposed(rows, x, 1)
            x = narrow(p, x, 2)
            x = narrow(q, x, 4)
        store_eight(D, row, x)


@njit(**INNER)
def _pair_stage(short, transposed, X, D, at, B, stream, d, rows, unit, width, like):
    """Run one factor; every unit of rows, `width` neighbours of it."""
    for block in range(at, at + rows, 2 * d):
        for start in range(block, block + d, unit):
            for octet in range(start >> 3, start + width >> 3):
                row = 8 * octet
                v = _columns(short, B, stream, octet, like)
                w = _columns(short, B, stream, octet + (d >> 3), like)
                x = load_eight(X, row, like), load_eight(X, row + d, like)
                y = _pair(x, (v, w), transposed)
                store_eight(D, row, y[0])
                store_eight(D, row + d, y[1])


@njit(**INNER)
def _quad_stage(
    short, transposed, X, D, at, B, inner, outer, d, rows, unit, width, like
):  # fmt: skip
    """Run two factors, the inner one of stride d, in the same way."""
    for block in range(at, at + rows, 4 * d):
        for start in range(block, block + d, unit):
            for octet in range(start >> 3, start + width >> 3):
                row = 8 * octet
                x = (
                    load_eight(X, row, like),
                    load_eight(X, row + d, like),
                    load_eight(X, row + 2 * d, like),
                    load_eight(X, row + 3 * d, like),
                )
                # Weights are read just before they act: there is no room for all in registers.
                if transposed:
                    x = _outer(short, True, x, B, outer, octet, d >> 3, like)
                    x = _inner(short, True, x, B, inner, octet, d >> 3, like)
                else:
                    x = _inner(short, False, x, B, inner, octet, d >> 3, like)
                    x = _outer(short, False, x, B, outer, octet, d >> 3, like)
                store_eight(D, row, x[0])
                store_eight(D, row + d, x[1])
                store_eight(D, row + 2 * d, x[2])
                store_eight(D, row + 3 * d, x[3])


@njit(**INNER)
def _stage_of(short, transposed, X, D, at, B, inner, outer, d, rows, unit, width, like):
    if outer[1] == 0:
        _pair_stage(short, transposed, X, D, at, B, inner, d, rows, unit, width, like)
    else:
        _quad_stage(short, transposed, X, D, at, B, inner, outer, d, rows, unit, width, like)


@njit(**INNER)
def _stage(transposed, X, D, at, B, stages, k, rows, unit, width, like):
    d = stages[k, 0]
    inner, outer = (stages[k, 1], stages[k, 2]), (stages[k, 3], stages[k, 4])
    if is_short(max(inner[1], outer[1]), like):
        _stage_of(True, transposed, X, D, at, B, inner, outer, d, rows, unit, width, like)
    else:
        _stage_of(False, transposed, X, D, at, B, inner, outer, d, rows, unit, width, like)


@njit(**INNER)
def _ends(transposed, X, D, B, ends, first, stop, like):
    if is_short(max(ends[1], ends[7], ends[9]), like):
        _narrow_stages(True, transposed, X, D, B, ends, first, stop, like)
    else:
        _narrow_stages(False, transposed, X, D, B, ends, first, stop, like)


@njit(**INNER)
def _low(transposed, first, stop, X, Y, B, stages, ends, count, span):
    """Run the last three factors and `count` stages over blocks of `span` rows."""
    like = eight(Y)
    for block in range(first, stop):
        at = block * span
        if not transposed:
            _ends(False, X, Y, B, ends, at, at + span, like)
        for n in range(count):
            k = count - 1 - n if transposed else n
            d = stages[k, 0]
            S = X if transposed and n == 0 else Y
            _stage(transposed, S, Y, at, B, stages, k, span, d, d, like)
        if transposed:
            S = X if count == 0 else Y
            _ends(True, S, Y, B, ends, at, at + span, like)


@njit(**INNER)
def _high(transposed, first, stop, X, Y, B, stages, start, unit, width, rows):
    """Run the stages from `start` on over rows `unit` apart, `width` neighbours at a time."""
    like = eight(Y)
    count = stages.shape[0] - start
    for chunk in range(first, stop):
        for n in range(count):
            k = start + (count - 1 - n if transposed else n)
            S = X if n == 0 else Y
            _stage(transposed, S, Y, chunk * width, B, stages, k, rows, unit, width, like)


@njit(**INNER)
def _shared(block, x, y, dtype):
    """Return what both kernels take."""
    return (
        array_at(x, dtype),
        array_at(y, dtype),
        array_at(word(block, places.WEIGHTS), uint8),
        table_at(word(block, places.STAGES), word(block, places.STAGE_COUNT), PACKED_STAGE_WIDTH),
    )


@njit(**INNER)
def _low_arguments(block, _seat, x, y, dtype):
    ends, count, span = own_numbers(block, 3)
    return (*_shared(block, x, y, dtype), array_at(ends, int64), count, span)


@njit(**INNER)
def _high_arguments(block, _seat, x, y, dtype):
    return (*_shared(block, x, y, dtype), *own_numbers(block, 4))


low, low_transposed = kernels(_low, _low_arguments)
high, high_transposed = kernels(_high, _high_arguments)
