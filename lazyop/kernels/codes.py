"""Registers of weights from codes of a few bits: what compiled kernels of packed chains read.

A stream of codes of one width has eight lanes of 32-bit words (`lazyop.quantization.bits`), so that
the same two shifts take the next code of every lane. Importing this module imports Numba.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lazyop.kernels.lanes import Lanes
from lazyop.kernels.packing import RAISED

#: Lanes of a stream of codes, and of the registers here.
ENTRIES = 8

_FLAGS = ("contract", "nsz")
_INT32 = ir.IntType(32)
_WORDS = ir.VectorType(_INT32, ENTRIES)


def _all(builder: Any, value: Any, vector: Any) -> Any:
    """Return a register with one value in all places."""
    single = builder.insert_element(
        ir.Constant(vector, ir.Undefined), value, ir.Constant(_INT32, 0)
    )
    return builder.shuffle_vector(
        single, ir.Constant(vector, ir.Undefined), ir.Constant(_WORDS, [0] * ENTRIES)
    )


def _constant(vector: Any, value: float) -> Any:
    return ir.Constant(vector, [value] * ENTRIES)


def _codes(context: Any, builder: Any, array_type: Any, args: Any) -> Any:
    """Return the codes that begin at a bit of eight neighbouring words, and their width.

    Of the eight words after them, which may hold their rest, all others are masked out.
    """
    words, at, shift, width = args
    data = context.make_array(array_type)(context, builder, words).data

    def load(offset: Any) -> Any:
        pointer = builder.bitcast(builder.gep(data, [offset]), _WORDS.as_pointer())
        return builder.load(pointer, align=4)

    low, high = load(at), load(builder.add(at, ir.Constant(at.type, ENTRIES)))
    shift, width = (builder.trunc(x, _INT32) for x in (shift, width))
    low = builder.lshr(low, _all(builder, shift, _WORDS))
    # A shift by all 32 bits is not defined, one by 31 and another by 1 are.
    rest = _all(builder, builder.sub(ir.Constant(_INT32, 31), shift), _WORDS)
    high = builder.shl(builder.shl(high, _constant(_WORDS, 1)), rest)
    one = ir.Constant(_INT32, 1)
    mask = builder.sub(builder.shl(one, width), one)
    return builder.and_(builder.or_(low, high), _all(builder, mask, _WORDS)), width


def _smaller(builder: Any, x: Any, y: Any) -> Any:
    return builder.select(builder.icmp_signed("<", x, y), x, y)


def _larger(builder: Any, x: Any, y: Any) -> Any:
    return builder.select(builder.icmp_signed(">", x, y), x, y)


@intrinsic
def eight(typing: Any, array: Any) -> Any:
    """Return a register for eight entries of an array, to be used as ``like``."""
    lanes = Lanes(array.dtype, ENTRIES)
    return lanes(array), lambda context, *_: context.get_constant_null(lanes)


@intrinsic
def directions(typing: Any, words: Any, at: Any, shift: Any, width: Any, like: Any) -> Any:
    """Read eight directions: first and second entries, times a quarter of the number of codes.

    ``at`` is the word of the first lane, and ``shift`` the bit in it.
    """
    lanes = Lanes(like.dtype, ENTRIES)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        codes, width = _codes(context, builder, signature.args[0], args[:4])
        one = ir.Constant(_INT32, 1)
        quarter = builder.shl(one, builder.sub(width, ir.Constant(_INT32, 2)))
        half = _all(builder, builder.shl(quarter, one), _WORDS)
        quarter = _all(builder, quarter, _WORDS)
        along = builder.sub(codes, half)
        size = _larger(builder, along, builder.sub(_constant(_WORDS, 0), along))
        top = _smaller(builder, quarter, builder.sub(half, size))
        least = builder.sub(_constant(_WORDS, 0), quarter)
        bottom = _smaller(builder, quarter, _larger(builder, along, least))
        target = context.get_value_type(lanes)
        return cgutils.pack_array(builder, [builder.sitofp(x, target) for x in (top, bottom)])

    where = (types.intp,) * 3
    return types.UniTuple(lanes, 2)(words, *where, like), generate


@intrinsic
def floats(typing: Any, words: Any, at: Any, shift: Any, width: Any, below: Any, like: Any) -> Any:
    """Read eight floating-point numbers with so many bits below the leading one.

    They have single precision, and exponent fields raised by `RAISED`: no operand is subnormal.
    """
    lanes, single = Lanes(like.dtype, ENTRIES), ir.VectorType(ir.FloatType(), ENTRIES)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        codes, width = _codes(context, builder, signature.args[0], args[:4])
        one = ir.Constant(_INT32, 1)
        place = builder.sub(width, one)
        sign = builder.lshr(codes, _all(builder, place, _WORDS))
        low = builder.sub(builder.shl(one, place), one)
        size = builder.and_(codes, _all(builder, low, _WORDS))
        up = builder.sub(ir.Constant(_INT32, 23), builder.trunc(args[4], _INT32))
        least = _constant(_WORDS, RAISED << 23)
        size = builder.add(builder.shl(size, _all(builder, up, _WORDS)), least)
        # Without a leading one, and with field 0, the exponent is that of field 1.
        has_one = builder.icmp_signed(">=", size, _constant(_WORDS, RAISED + 1 << 23))
        number = builder.bitcast(size, single)
        without = builder.fsub(number, builder.bitcast(least, single))
        number = builder.select(has_one, number, builder.fadd(without, without))
        sign = builder.shl(sign, _constant(_WORDS, 31))
        number = builder.bitcast(builder.or_(builder.bitcast(number, _WORDS), sign), single)
        is_single = like.dtype == types.float32
        return number if is_single else builder.fpext(number, context.get_value_type(lanes))

    where = (types.intp,) * 4
    return lanes(words, *where, like), generate


@intrinsic
def scaled(typing: Any, x: Any, factor: Any) -> Any:
    """Return a register times one number."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = context.get_value_type(x)
        return builder.fmul(args[0], _all(builder, args[1], vector), flags=_FLAGS)

    return x(x, x.dtype), generate


# Factors whose strides are below a register's width: all that they mix is in one register --------


def _picked(builder: Any, x: Any, y: Any, places: list[int]) -> Any:
    return builder.shuffle_vector(x, y, ir.Constant(_WORDS, places))


@intrinsic(prefer_literal=True)
def narrow(typing: Any, weights: Any, x: Any, stride: Any) -> Any:
    """Apply a factor of that stride to a register of rows, by the two entries of its columns."""
    d = stride.literal_value

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        top, bottom = cgutils.unpack_tuple(builder, args[0], 2)
        upper = builder.fmul(top, args[1], flags=_FLAGS)
        lower = builder.fmul(bottom, args[1], flags=_FLAGS)
        own = [i + ENTRIES * bool(i & d) for i in range(ENTRIES)]
        others = [(i ^ d) + ENTRIES * bool(i & d) for i in range(ENTRIES)]
        return builder.fadd(
            _picked(builder, upper, lower, own),
            _picked(builder, upper, lower, others),
            flags=_FLAGS,
        )

    return x(weights, x, stride), generate


@intrinsic(prefer_literal=True)
def narrow_transposed(typing: Any, weights: Any, x: Any, stride: Any) -> Any:
    """Apply the transpose of what `narrow` applies."""
    d = stride.literal_value

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        top, bottom = cgutils.unpack_tuple(builder, args[0], 2)
        first = _picked(builder, args[1], args[1], [i & ~d for i in range(ENTRIES)])
        second = _picked(builder, args[1], args[1], [i | d for i in range(ENTRIES)])
        return builder.fadd(
            builder.fmul(top, first, flags=_FLAGS),
            builder.fmul(bottom, second, flags=_FLAGS),
            flags=_FLAGS,
        )

    return x(weights, x, stride), generate


@intrinsic
def blocks(typing: Any, low: Any, high: Any, x: Any) -> Any:
    """Apply four 2 x 2 blocks to a register of rows; two registers hold their entries by rows."""
    return _blocks(x, [0, 1, 0, 1, 2, 3, 2, 3], [2 * i for i in range(ENTRIES)], 1)


@intrinsic
def blocks_transposed(typing: Any, low: Any, high: Any, x: Any) -> Any:
    """Apply the transposes of what `blocks` applies."""
    return _blocks(x, [0, 0, 1, 1, 2, 2, 3, 3], [0, 1, 4, 5, 8, 9, 12, 13], 2)


def _blocks(x: Any, spread: list[int], first: list[int], apart: int) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        halves = [
            builder.fmul(
                entries, _picked(builder, args[2], args[2], [i + at for i in spread]), flags=_FLAGS
            )
            for entries, at in ((args[0], 0), (args[1], 4))
        ]
        sums = [_picked(builder, *halves, [i + at for i in first]) for at in (0, apart)]
        return builder.fadd(*sums, flags=_FLAGS)

    return x(x, x, x), generate
