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
    directions,
    floats,
    narrow,
    narrow_transposed,
    words_across,
    words_from,
    words_of,
)
from lazyop.kernels.jit import INNER
from lazyop.kernels.octets import eight, load_eight, magnitude, scaled, store_eight
from lazyop.kernels.places import PACKED_STAGE_WIDTH
from lazyop.kernels.turns import array_at, kernels, own_numbers, table_at, word

#: From this stride on, codes of rows that far apart begin at the same bit of a word.
_FAR = 256


@njit(**INNER)
def _place(stream, octet):
    """Return where the codes of an octet of rows begin: word and bit."""
    bit = octet * stream[1]
    return stream[0] + (bit >> 5) * 8, bit & 31


@njit(**INNER)
def _codes(W, at, shift, width):
    """Return the words from there on at which the codes of eight lanes begin."""
    if shift + width > 32:
        return words_across(W, at, shift)
    return words_from(W, at, shift)


@njit(**INNER)
def _columns(W, stream, octet, like):
    at, shift = _place(stream, octet)
    return directions(_codes(W, at, shift, stream[1]), 0, stream[1], like)


@njit(**INNER)
def _numbers(W, last, octet, like):
    at, shift = _place((last[0], last[1]), octet)
    return floats(_codes(W, at, shift, last[1]), last[1], last[2], like)


@njit(**INNER)
def _block(W, stream, octet, d, like):
    """Read the columns of eight neighbouring blocks, whose rows are octets that lie d apart."""
    return _columns(W, stream, octet, like), _columns(W, stream, octet + d, like)


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
def _four_codes(W, at, step, shift, width):
    """Return four octets of words that lie `step` apart, and where codes begin in them."""
    if shift + width > 32:
        return (
            words_across(W, at, shift),
            words_across(W, at + step, shift),
            words_across(W, at + 2 * step, shift),
            words_across(W, at + 3 * step, shift),
            0,
        )
    return (
        words_of(W, at),
        words_of(W, at + step),
        words_of(W, at + 2 * step),
        words_of(W, at + 3 * step),
        shift,
    )


@njit(**INNER)
def _four_columns(is_far, W, stream, octet, d, like):
    """Read the columns that four octets of rows meet, which lie d octets apart."""
    if is_far:  # they begin at the same bit
        at, shift = _place(stream, octet)
        width = stream[1]
        p, q, r, s, position = _four_codes(W, at, d * width >> 5 << 3, shift, width)
        return (
            directions(p, position, width, like),
            directions(q, position, width, like),
            directions(r, position, width, like),
            directions(s, position, width, like),
        )
    return (
        _columns(W, stream, octet, like),
        _columns(W, stream, octet + d, like),
        _columns(W, stream, octet + 2 * d, like),
        _columns(W, stream, octet + 3 * d, like),
    )


@njit(**INNER)
def _inner(is_far, transposed, x, W, stream, octet, d, like):
    """Apply a factor to four octets of rows; it pairs those that lie d octets apart."""
    p = _four_columns(is_far, W, stream, octet, d, like)
    a, b = _pair((x[0], x[1]), (p[0], p[1]), transposed)
    return a, b, *_pair((x[2], x[3]), (p[2], p[3]), transposed)


@njit(**INNER)
def _outer(is_far, transposed, x, W, stream, octet, d, like):
    """Apply the next factor, which pairs those that lie twice as far apart."""
    p = _four_columns(is_far, W, stream, octet, d, like)
    first, third = _pair((x[0], x[2]), (p[0], p[2]), transposed)
    second, fourth = _pair((x[1], x[3]), (p[1], p[3]), transposed)
    return first, second, third, fourth


@njit(**INNER)
def _narrow_stages(transposed, X, D, W, scale, last, two, four, first, stop, like):
    """Run the last three factors, of strides 1, 2 and 4, over eight rows at a time."""
    for octet in range(first >> 3, stop >> 3):
        row = 8 * octet
        low, high = _numbers(W, last, 2 * octet, like), _numbers(W, last, 2 * octet + 1, like)
        p, q = _columns(W, two, octet, like), _columns(W, four, octet, like)
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
            for octet in range(start >> 3, start + width >> 3):
                row = 8 * octet
                p = _block(W, stream, octet, d >> 3, like)
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
                    x = _outer(is_far, True, x, W, outer, octet, d >> 3, like)
                    x = _inner(is_far, True, x, W, inner, octet, d >> 3, like)
                else:
                    x = _inner(is_far, False, x, W, inner, octet, d >> 3, like)
                    x = _outer(is_far, False, x, W, outer, octet, d >> 3, like)
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
