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
    kind = ir.FunctionType(_WORDS, [_WORDS] * 3)
    shifted = builder.module.declare_intrinsic("llvm.fshr.v8i32", (), kind)
    one = ir.Constant(_INT32, 1)
    mask = builder.sub(builder.shl(one, width), one)
    codes = builder.call(shifted, [high, low, _all(builder, shift, _WORDS)])
    return builder.and_(codes, _all(builder, mask, _WORDS)), width


def _smaller(builder: Any, x: Any, y: Any) -> Any:
    return builder.select(builder.icmp_signed("<", x, y), x, y)


def _larger(builder: Any, x: Any, y: Any) -> Any:
    return builder.select(builder.icmp_signed(">", x, y), x, y)


class _Fractions:
    """Integers below ``2**width`` as multiples of ``2**(2 - width)``, by the bits of floats.

    Among floats of one exponent, the bits of the significand count. What they are counted from has
    to be taken off again.
    """

    def __init__(self, builder: Any, width: Any, dtype: Any) -> None:
        self.builder = builder
        self.is_double = dtype == types.float64
        below, bias = (52, 1023) if self.is_double else (23, 127)
        self._word = ir.IntType(64 if self.is_double else 32)
        self._entry = ir.DoubleType() if self.is_double else ir.FloatType()
        field = builder.sub(ir.Constant(_INT32, bias + below + 2), width)
        self._exponent = builder.shl(field, ir.Constant(_INT32, below % 32))

    def after(self, count: Any) -> Any:
        """Return what a count becomes, in all places; it has 32 bits."""
        builder = self.builder
        exponent, count = (builder.zext(x, self._word) for x in (self._exponent, count))
        if self.is_double:
            exponent = builder.shl(exponent, ir.Constant(self._word, 32))
        value = builder.bitcast(builder.or_(exponent, count), self._entry)
        return _all(builder, value, ir.VectorType(self._entry, ENTRIES))

    def of(self, counts: Any) -> Any:
        """Return what the counts of a register become."""
        builder = self.builder
        exponents, vector = _all(builder, self._exponent, _WORDS), self._entry
        bits = builder.or_(counts, exponents)
        if self.is_double:  # the exponent is in the upper word of each entry
            order = [k for i in range(ENTRIES) for k in (i, ENTRIES)]
            mask = ir.Constant(ir.VectorType(_INT32, 2 * ENTRIES), order)
            bits = builder.shuffle_vector(counts, exponents, mask)
        return builder.bitcast(bits, ir.VectorType(vector, ENTRIES))


@intrinsic
def eight(typing: Any, array: Any) -> Any:
    """Return a register for eight entries of an array, to be used as ``like``."""
    lanes = Lanes(array.dtype, ENTRIES)
    return lanes(array), lambda context, *_: context.get_constant_null(lanes)


@intrinsic
def directions(typing: Any, words: Any, at: Any, shift: Any, width: Any, like: Any) -> Any:
    """Read eight directions: first and second entries.

    ``at`` is the word of the first lane, and ``shift`` the bit in it.
    """
    lanes = Lanes(like.dtype, ENTRIES)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        codes, width = _codes(context, builder, signature.args[0], args[:4])
        one, two = (ir.Constant(_INT32, k) for k in (1, 2))
        quarter = builder.shl(one, builder.sub(width, two))
        half = builder.shl(quarter, one)
        least, most = (_all(builder, x, _WORDS) for x in (quarter, builder.add(half, quarter)))
        # From -1 to 1 the second entry grows; before and after, the first one is below 1.
        bottom = _smaller(builder, _larger(builder, codes, least), most)
        beyond = builder.sub(codes, bottom)
        beyond = _larger(builder, beyond, builder.sub(_constant(_WORDS, 0), beyond))
        units = _Fractions(builder, width, like.dtype)
        return cgutils.pack_array(
            builder,
            [
                builder.fsub(units.after(quarter), units.of(beyond)),
                builder.fsub(units.of(bottom), units.after(half)),
            ],
        )

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
