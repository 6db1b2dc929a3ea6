"""Dyadic chains whose weights are read as bits: products with a vector.

The columns of all factors but the last are directions, of one width a factor; the entries of the
last one are floating-point numbers (`lazyop.quantization.codings`). The codes of a factor's columns
have the numbers of the rows that they meet, whatever its stride. Importing this imports Numba.
"""

from __future__ import annotations

from numba import int64, njit, uint32

from lazyop.kernels import places
from lazyop.kernels.codes import (
    blocks,
    blocks_transposed,
    codes_across,
    codes_within,
    directions,
    floats,
    narrow,
    narrow_transposed,
)
from lazyop.kernels.jit import INNER
from lazyop.kernels.octets import eight, load_eight, magnitude, scaled, store_eight
from lazyop.kernels.places import PACKED_STAGE_WIDTH
from lazyop.kernels.turns import array_at, kernels, own_numbers, table_at, word

#: From this stride on, codes of rows that far apart begin at the same bit of a word.
_FAR = 256


@njit(**INNER)
def _place(stream, row):
    """Return where the codes of eight rows from a row on begin: word and bit."""
    bit = (row >> 3) * stream[1]
    return stream[0] + (bit >> 5) * 8, bit & 31


@njit(**INNER)
def _codes(W, at, shift, width):
    if shift + width > 32:
        return codes_across(W, at, shift, width)
    return codes_within(W, at, shift, width)


@njit(**INNER)
def _columns(W, stream, row, like):
    at, shift = _place(stream, row)
    return directions(_codes(W, at, shift, stream[1]), stream[1], like)


@njit(**INNER)
def _numbers(W, last, row, like):
    at, shift = _place((last[0], last[1]), row)
    return floats(_codes(W, at, shift, last[1]), last[1], last[2], like)


@njit(**INNER)
def _block(W, stream, row, d, like):
    """Read the columns of eight neighbouring 2 x 2 blocks, from their first row and the stride."""
    return _columns(W, stream, row, like), _columns(W, stream, row + d, like)


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
def _two_blocks(is_far, W, stream, row, d, apart, x, transposed, like):
    """Apply a factor of stride d to two times two octets of rows, the second ones `apart`."""
    width = stream[1]
    if is_far:  # rows `d` apart have codes at the same bit
        at, shift = _place(stream, row)
        step, further = d * width >> 5, apart * width >> 5
        p = _far_block(W, at, step, shift, width, like)
        a, b = _pair((x[0], x[1]), p, transposed)
        q = _far_block(W, at + further, step, shift, width, like)
        return a, b, *_pair((x[2], x[3]), q, transposed)
    a, b = _pair((x[0], x[1]), _block(W, stream, row, d, like), transposed)
    q = _block(W, stream, row + apart, d, like)
    return a, b, *_pair((x[2], x[3]), q, transposed)


@njit(**INNER)
def _far_block(W, at, step, shift, width, like):
    first = directions(_codes(W, at, shift, width), width, like)
    return first, directions(_codes(W, at + step, shift, width), width, like)


@njit(**INNER)
def _inner(is_far, transposed, x, W, stream, row, d, like):
    """Apply a factor of stride d to four octets of rows that lie d apart."""
    return _two_blocks(is_far, W, stream, row, d, 2 * d, x, transposed, like)


@njit(**INNER)
def _outer(is_far, transposed, x, W, stream, row, d, like):
    """Apply the next factor, of stride 2 d."""
    x = x[0], x[2], x[1], x[3]
    x = _two_blocks(is_far, W, stream, row, 2 * d, d, x, transposed, like)
    return x[0], x[2], x[1], x[3]


@njit(**INNER)
def _narrow_stages(transposed, X, D, W, scale, last, two, four, first, stop, like):
    """Run the last three factors, of strides 1, 2 and 4, over eight rows at a time."""
    for row in range(first, stop, 8):
        low, high = _numbers(W, last, 2 * row, like), _numbers(W, last, 2 * row + 8, like)
        p, q = _columns(W, two, row, like), _columns(W, four, row, like)
        x = scaled(load_eight(X, row, like), scale[0])
        if transposed:
            x = narrow_transposed(q, x, 4)
            x = narrow_transposed(p, x, 2)
            x = blocks_transposed(low, high, x)
        else:
            x = blocks(low, high, x)
            x = narrow(p, x, 2)
            x = narrow(q, x, 4)
        store_eight(D, row, x)


@njit(**INNER)
def _pair_stage(transposed, X, D, at, W, stream, d, rows, unit, width, like):
    """Run one factor; every unit of rows, `width` neighbours of it."""
    for block in range(at, at + rows, 2 * d):
        for start in range(block, block + d, unit):
            for row in range(start, start + width, 8):
                p = _block(W, stream, row, d, like)
                x = load_eight(X, row, like), load_eight(X, row + d, like)
                y = _pair(x, p, transposed)
                store_eight(D, row, y[0])
                store_eight(D, row + d, y[1])


@njit(**INNER)
def _quad_stage(
    is_far, transposed, X, D, at, W, inner, outer, d, rows, unit, width, like
):  # fmt: skip
    """Run two factors, the inner one of stride d, in the same way."""
    for block in range(at, at + rows, 4 * d):
        for start in range(block, block + d, unit):
            for row in range(start, start + width, 8):
                x = (
                    load_eight(X, row, like),
                    load_eight(X, row + d, like),
                    load_eight(X, row + 2 * d, like),
                    load_eight(X, row + 3 * d, like),
                )
                # Weights are read just before they act: there is no room for all in registers.
                if transposed:
                    x = _outer(is_far, True, x, W, outer, row, d, like)
                    x = _inner(is_far, True, x, W, inner, row, d, like)
                else:
                    x = _inner(is_far, False, x, W, inner, row, d, like)
                    x = _outer(is_far, False, x, W, outer, row, d, like)
                store_eight(D, row, x[0])
                store_eight(D, row + d, x[1])
                store_eight(D, row + 2 * d, x[2])
                store_eight(D, row + 3 * d, x[3])


@njit(**INNER)
def _stage(transposed, X, D, at, W, stages, k, rows, unit, width, like):
    d = stages[k, 0]
    inner, outer = (stages[k, 1], stages[k, 2]), (stages[k, 3], stages[k, 4])
    if outer[1] == 0:
        _pair_stage(transposed, X, D, at, W, inner, d, rows, unit, width, like)
    elif d >= _FAR:
        _quad_stage(True, transposed, X, D, at, W, inner, outer, d, rows, unit, width, like)
    else:
        _quad_stage(False, transposed, X, D, at, W, inner, outer, d, rows, unit, width, like)


@njit(**INNER)
def _low(transposed, first, stop, X, Y, W, stages, scale, ends, count, span):
    """Run the last three factors and `count` stages over blocks of `span` rows."""
    like = eight(Y)
    last, two, four = (ends[0], ends[1], ends[2]), (ends[3], ends[4]), (ends[5], ends[6])
    for block in range(first, stop):
        at = block * span
        if not transposed:
            _narrow_stages(False, X, Y, W, scale, last, two, four, at, at + span, like)
        for n in range(count):
            k = count - 1 - n if transposed else n
            d = stages[k, 0]
            S = X if transposed and n == 0 else Y
            _stage(transposed, S, Y, at, W, stages, k, span, d, d, like)
        if transposed:
            S = X if count == 0 else Y
            _narrow_stages(True, S, Y, W, scale, last, two, four, at, at + span, like)


@njit(**INNER)
def _high(transposed, first, stop, X, Y, W, stages, start, unit, width, rows):
    """Run the stages from `start` on over rows `unit` apart, `width` neighbours at a time."""
    like = eight(Y)
    count = stages.shape[0] - start
    for chunk in range(first, stop):
        for n in range(count):
            k = start + (count - 1 - n if transposed else n)
            S = X if n == 0 else Y
            _stage(transposed, S, Y, chunk * width, W, stages, k, rows, unit, width, like)


@njit(**INNER)
def _shared(block, x, y, dtype):
    """Return what both kernels take."""
    return (
        array_at(x, dtype),
        array_at(y, dtype),
        array_at(word(block, places.WEIGHTS), uint32),
        table_at(word(block, places.STAGES), word(block, places.STAGE_COUNT), PACKED_STAGE_WIDTH),
    )


@njit(**INNER)
def _low_arguments(block, _seat, x, y, dtype):
    scale, ends, count, span = own_numbers(block, 4)
    return (
        *_shared(block, x, y, dtype), array_at(scale, dtype), array_at(ends, int64), count, span,
    )  # fmt: skip


@njit(**INNER)
def _high_arguments(block, _seat, x, y, dtype):
    return (*_shared(block, x, y, dtype), *own_numbers(block, 4))


low, low_transposed = kernels(_low, _low_arguments)
high, high_transposed = kernels(_high, _high_arguments)
