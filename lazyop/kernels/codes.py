"""Octets of weights from codes of a few bits: what compiled kernels of packed chains read.

A stream of codes of one width has eight lanes of 32-bit words (`lazyop.quantization.bits`), so that
the same two shifts take the next code of every lane. Importing this module imports Numba.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lazyop.kernels.lanes import FLAGS, picked, shuffled
from lazyop.kernels.octets import (
    ENTRIES,
    Octet,
    absolute,
    cut,
    everywhere,
    of_parts,
    parts_of,
    whole,
)
from lazyop.kernels.packing import RAISED

_INT32, _INT64 = ir.IntType(32), ir.IntType(64)
_WORDS = ir.VectorType(_INT32, ENTRIES)

#: Bits of a word, which also has the widest code.
_WORD = 32

#: The lanes of neighbouring codes, as in `lazyop.quantization.bits`.
_PLACES = [0, 2, 4, 6, 1, 3, 5, 7]


def _constant(vector: Any, value: float) -> Any:
    return ir.Constant(vector, [value] * ENTRIES)


def _words(context: Any, builder: Any, words: Any, array: Any, at: Any) -> Any:
    """Return eight neighbouring words."""
    data = context.make_array(words)(context, builder, array).data
    pointer = builder.bitcast(builder.gep(data, [at]), _WORDS.as_pointer())
    return builder.load(pointer, align=4)


def _from_bit(builder: Any, words: Any, shift: Any) -> Any:
    return builder.lshr(words, everywhere(builder, builder.trunc(shift, _INT32)))


@intrinsic
def words_of(typing: Any, words: Any, at: Any) -> Any:
    """Read eight neighbouring words, one of each lane."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return of_parts(builder, [_words(context, builder, words, *args)])

    return Octet(types.int32)(words, types.intp), generate


@intrinsic
def words_from(typing: Any, words: Any, at: Any, shift: Any) -> Any:
    """Read what eight neighbouring words have from a bit on."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array, at, shift = args
        low = _words(context, builder, words, array, at)
        return of_parts(builder, [_from_bit(builder, low, shift)])

    return Octet(types.int32)(words, types.intp, types.intp), generate


@intrinsic
def words_across(typing: Any, words: Any, at: Any, shift: Any) -> Any:
    """Read what eight words have from a bit on, not the first one, and the next eight before it."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array, at, shift = args
        low = _words(context, builder, words, array, at)
        high = _words(context, builder, words, array, builder.add(at, at.type(ENTRIES)))
        rest = builder.sub(_INT32(_WORD), builder.trunc(shift, _INT32))
        high = builder.shl(high, everywhere(builder, rest))
        return of_parts(builder, [builder.or_(_from_bit(builder, low, shift), high)])

    return Octet(types.int32)(words, types.intp, types.intp), generate


def _ones(builder: Any, width: Any) -> Any:
    """Return the number whose so many lowest bits are ones."""
    one = width.type(1)
    return builder.sub(builder.shl(one, width), one)


# The codes of directions are multiples of ``2**(1 - width)``, which become numbers by the bits of
# floats: among those of one exponent, the bits of the significand count. What they are counted from
# has to be taken off again, and as much as makes the middle one zero. ----------------------------


def _doubles(builder: Any, words: Any, position: Any, width: Any) -> Any:
    """Return the registers of eight directions in double precision."""
    longs = ir.VectorType(_INT64, ENTRIES // 2)
    end = builder.add(position, width)
    # Codes stay where they are: those that end further up belong to a lower exponent.
    exponent = builder.shl(builder.sub(_INT64(1023 + 53), end), _INT64(52))
    middle = builder.or_(exponent, builder.shl(_INT64(1), builder.sub(end, _INT64(1))))
    mask = builder.shl(_ones(builder, width), position)
    exponent, middle, mask = (everywhere(builder, x, 4) for x in (exponent, middle, mask))
    # Pairs of lanes are longer integers: the even lanes their lower halves, the odd ones the
    # upper ones.
    pairs = builder.bitcast(words, longs)
    upper = builder.lshr(pairs, ir.Constant(longs, [_WORD] * longs.count))
    bits = [builder.or_(builder.and_(x, mask), exponent) for x in (pairs, upper)]
    doubles = ir.VectorType(ir.DoubleType(), longs.count)
    counts = [builder.bitcast(x, doubles) for x in bits]
    return [builder.fsub(x, builder.bitcast(middle, doubles)) for x in counts]


def _singles(builder: Any, words: Any, position: Any, width: Any) -> Any:
    """Return the register of eight directions in single precision."""
    width = builder.trunc(width, _INT32)
    exponent = builder.shl(builder.sub(_INT32(127 + 24), width), _INT32(23))
    middle = builder.or_(exponent, builder.shl(_INT32(1), builder.sub(width, _INT32(1))))
    mask = _ones(builder, width)
    exponent, middle, mask = (everywhere(builder, x) for x in (exponent, middle, mask))
    codes = builder.and_(_from_bit(builder, words, position), mask)
    bits = builder.or_(shuffled(builder, codes, _PLACES), exponent)
    floats = ir.VectorType(ir.FloatType(), ENTRIES)
    return [builder.fsub(builder.bitcast(bits, floats), builder.bitcast(middle, floats))]


@intrinsic
def directions(typing: Any, words: Any, position: Any, width: Any, like: Any) -> Any:
    """Return the second entries of eight directions; the first ones are 1 less their magnitudes.

    Codes begin at bit `position` of words, in which there may be others.
    """
    read = _doubles if like.dtype == types.float64 else _singles

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return of_parts(builder, read(builder, whole(builder, args[0]), *args[1:3]))

    return like(words, types.intp, types.intp, like), generate


@intrinsic
def floats(typing: Any, words: Any, width: Any, below: Any, like: Any) -> Any:
    """Return eight floating-point numbers with so many bits below the leading one, lane by lane.

    They have single precision, and exponent fields raised by `RAISED`: no operand is subnormal.
    Codes begin at bit 0 of words, in which there may be others.
    """
    single = ir.VectorType(ir.FloatType(), ENTRIES)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        width, below = (builder.trunc(x, _INT32) for x in args[1:3])
        above = builder.sub(_INT32(_WORD), width)
        codes = builder.shl(whole(builder, args[0]), everywhere(builder, above))
        sign = builder.and_(codes, _constant(_WORDS, 1 << _WORD - 1))
        size = builder.and_(codes, _constant(_WORDS, (1 << _WORD - 1) - 1))
        # What is below the leading one belongs into the 23 lowest bits.
        down = builder.sub(builder.add(above, below), _INT32(23))
        least = _constant(_WORDS, RAISED << 23)
        size = builder.add(builder.lshr(size, everywhere(builder, down)), least)
        # With field 0, there is no leading one, and the exponent is that of field 1. Of other
        # numbers, what this makes of them is larger.
        number = builder.bitcast(size, single)
        twice = builder.fmul(number, _constant(single, 2.0))
        other = builder.fsub(twice, _constant(single, 2.0 ** (RAISED + 1 - 127)), flags=FLAGS)
        number = builder.select(builder.fcmp_ordered("<", other, number), other, number)
        number = builder.bitcast(builder.or_(builder.bitcast(number, _WORDS), sign), single)
        parts = parts_of(builder, cut(builder, number, like.parts))
        if like.dtype == types.float64:
            parts = [builder.fpext(x, ir.VectorType(ir.DoubleType(), x.type.count)) for x in parts]
        return of_parts(builder, parts)

    return like(words, types.intp, types.intp, like), generate


# Factors whose strides are below eight: all that they mix is in one octet -------------------------


@intrinsic(prefer_literal=True)
def narrow(typing: Any, seconds: Any, x: Any, stride: Any) -> Any:
    """Apply a factor of that stride to an octet of rows, by the second entries of its columns."""
    d, size = stride.literal_value, ENTRIES // x.parts
    own = [i + size * bool(i & d) for i in range(size)]
    others = [i ^ d if i < size else (i - size ^ d) + size for i in own]

    def combined(builder: Any, upper: list[Any], lower: list[Any]) -> list[Any]:
        if d < size:  # rows that are mixed are in one register
            sums = []
            for first, second in zip(upper, lower, strict=True):
                terms = (picked(builder, first, second, places) for places in (own, others))
                sums.append(builder.fadd(*terms, flags=FLAGS))
            return sums
        return [builder.fadd(*terms, flags=FLAGS) for terms in (upper, lower)]

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        seconds, rows = (parts_of(builder, octet) for octet in args[:2])
        upper = [_by_first(builder, *pair) for pair in zip(seconds, rows, strict=True)]
        lower = [builder.fmul(*pair, flags=FLAGS) for pair in zip(seconds, rows, strict=True)]
        return of_parts(builder, combined(builder, upper, lower))

    return x(x, x, stride), generate


@intrinsic(prefer_literal=True)
def narrow_transposed(typing: Any, seconds: Any, x: Any, stride: Any) -> Any:
    """Apply the transpose of what `narrow` applies."""
    d, size = stride.literal_value, ENTRIES // x.parts

    def spread(builder: Any, rows: list[Any], last: int) -> list[Any]:
        if d < size:
            order = [i & ~d | last for i in range(size)]
            return [shuffled(builder, row, order) for row in rows]
        return [rows[bool(last)]] * len(rows)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        seconds, rows = (parts_of(builder, octet) for octet in args[:2])
        sums = []
        each = zip(seconds, spread(builder, rows, 0), spread(builder, rows, d), strict=True)
        for second, upper, lower in each:
            product = builder.fmul(second, lower, flags=FLAGS)
            sums.append(builder.fadd(_by_first(builder, second, upper), product, flags=FLAGS))
        return of_parts(builder, sums)

    return x(x, x, stride), generate


def _by_first(builder: Any, seconds: Any, rows: Any) -> Any:
    """Return the products of rows with the first entries of directions, by the second ones."""
    product = builder.fmul(absolute(builder, seconds), rows, flags=FLAGS)
    return builder.fsub(rows, product, flags=FLAGS)


@intrinsic
def blocks(typing: Any, low: Any, high: Any, x: Any) -> Any:
    """Apply four 2 x 2 blocks to an octet of rows; two octets hold their entries, lane by lane."""
    return _blocks(x, [0, 2, 1, 3, 0, 2, 1, 3], [0, 1, 4, 5])


@intrinsic
def blocks_transposed(typing: Any, low: Any, high: Any, x: Any) -> Any:
    """Apply the transposes of what `blocks` applies."""
    return _blocks(x, [0, 2, 0, 2, 1, 3, 1, 3], [0, 1, 2, 3])


def _blocks(x: Any, meets: list[int], first: list[int]) -> Any:
    """Return the type and the code of products with blocks.

    Lanes have the entries of two blocks in turn. They meet those of their four rows, and the
    products of the lanes `first` are added to those of the others, for a row of each block in turn.
    """
    size = ENTRIES // x.parts
    in_turn = [i - i % 4 + (0, 2, 1, 3)[i % 4] for i in range(size)]
    lanes = range(2 * size)
    terms = [[i for i in lanes if (i % ENTRIES in first) == wanted] for wanted in (True, False)]

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        low, high, rows = (parts_of(builder, octet) for octet in args)
        entries, sums = low + high, []
        for k, row in enumerate(rows):
            met = [i // ENTRIES * 4 + meets[i % ENTRIES] for i in lanes]
            spread = [shuffled(builder, row, met[i : i + size]) for i in (0, size)]
            pairs = zip(entries[2 * k : 2 * k + 2], spread, strict=True)
            products = [builder.fmul(*pair, flags=FLAGS) for pair in pairs]
            total = builder.fadd(*(picked(builder, *products, term) for term in terms), flags=FLAGS)
            sums.append(shuffled(builder, total, in_turn))
        return of_parts(builder, sums)

    return x(x, x, x), generate
