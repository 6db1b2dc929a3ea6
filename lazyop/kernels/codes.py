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
from lazyop.kernels.packing import RAISED, REGISTER_BYTES

_INT32 = ir.IntType(32)
_WORDS = ir.VectorType(_INT32, ENTRIES)

#: Bits of a word, which also has the widest code.
_WORD = 32

#: The lanes of neighbouring codes, as in `lazyop.quantization.bits`.
_PLACES = [0, 2, 4, 6, 1, 3, 5, 7]


def _constant(vector: Any, value: float) -> Any:
    return ir.Constant(vector, [value] * ENTRIES)


def _codes(words: Any, both: bool) -> Any:
    """Return the type and the code of eight codes, from one word of each lane or from two."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array, at, shift, width = args
        data = context.make_array(words)(context, builder, array).data

        def load(offset: Any) -> Any:
            pointer = builder.bitcast(builder.gep(data, [offset]), _WORDS.as_pointer())
            return builder.load(pointer, align=4)

        shift, width = (builder.trunc(x, _INT32) for x in (shift, width))
        codes = builder.lshr(load(at), everywhere(builder, shift))
        if both:
            rest = builder.sub(ir.Constant(_INT32, _WORD), shift)
            high = load(builder.add(at, ir.Constant(at.type, ENTRIES)))
            codes = builder.or_(codes, builder.shl(high, everywhere(builder, rest)))
        mask = builder.lshr(ir.Constant(_INT32, -1), builder.sub(ir.Constant(_INT32, _WORD), width))
        return of_parts(builder, [builder.and_(codes, everywhere(builder, mask))])

    return Octet(types.int32)(words, *(types.intp,) * 3), generate


@intrinsic
def codes_within(typing: Any, words: Any, at: Any, shift: Any, width: Any) -> Any:
    """Read the codes that begin at a bit of eight neighbouring words, and end in them."""
    return _codes(words, both=False)


@intrinsic
def codes_across(typing: Any, words: Any, at: Any, shift: Any, width: Any) -> Any:
    """Read the codes that begin at a bit of eight neighbouring words, and end in the next eight."""
    return _codes(words, both=True)


def _in_order(builder: Any, codes: Any) -> Any:
    return shuffled(builder, codes, _PLACES)


class _Fractions:
    """Integers below ``2**width`` as multiples of ``2**(1 - width)``, by the bits of floats.

    Among floats of one exponent, the bits of the significand count. What they are counted from has
    to be taken off again.
    """

    def __init__(self, builder: Any, width: Any, dtype: Any) -> None:
        self._builder, self._count = builder, 8 * REGISTER_BYTES // int(dtype.bitwidth)
        is_double = dtype == types.float64
        below, bias = (52, 1023) if is_double else (23, 127)
        self._word = ir.IntType(64 if is_double else 32)
        self._entry = ir.DoubleType() if is_double else ir.FloatType()
        field = builder.sub(ir.Constant(_INT32, bias + below + 1), width)
        field = builder.zext(field, self._word)
        self._exponent = builder.shl(field, ir.Constant(self._word, below))

    def after(self, count: Any) -> Any:
        """Return what a count becomes, in all places of a register; it has 32 bits."""
        builder = self._builder
        bits = builder.or_(self._exponent, builder.zext(count, self._word))
        return everywhere(builder, builder.bitcast(bits, self._entry), self._count)

    def of(self, counts: Any) -> list[Any]:
        """Return what the counts of eight lanes become, in as many registers as it takes."""
        builder = self._builder
        vector = ir.VectorType(self._entry, self._count)
        exponents = everywhere(builder, self._exponent, self._count)
        if self._count == ENTRIES:
            bits = builder.or_(_in_order(builder, counts), exponents)
            return [builder.bitcast(bits, vector)]
        # Pairs of lanes are longer integers: the even lanes their lower halves, the odd ones the
        # upper ones.
        lanes = builder.bitcast(exponents, _WORDS)
        lower = picked(builder, counts, lanes, [k + ENTRIES * (k % 2) for k in range(ENTRIES)])
        size = ir.Constant(exponents.type, [_WORD] * self._count)
        upper = builder.lshr(builder.bitcast(counts, exponents.type), size)
        return [builder.bitcast(bits, vector) for bits in (lower, builder.or_(upper, exponents))]


@intrinsic
def directions(typing: Any, codes: Any, width: Any, like: Any) -> Any:
    """Return the second entries of eight directions; the first ones are 1 less their magnitudes."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        codes, width = whole(builder, args[0]), builder.trunc(args[1], _INT32)
        one = ir.Constant(_INT32, 1)
        units = _Fractions(builder, width, like.dtype)
        middle = units.after(builder.shl(one, builder.sub(width, one)))
        return of_parts(builder, [builder.fsub(part, middle) for part in units.of(codes)])

    return like(codes, types.intp, like), generate


@intrinsic
def floats(typing: Any, codes: Any, width: Any, below: Any, like: Any) -> Any:
    """Return eight floating-point numbers with so many bits below the leading one.

    They have single precision, and exponent fields raised by `RAISED`: no operand is subnormal.
    """
    single = ir.VectorType(ir.FloatType(), ENTRIES)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        codes, width = _in_order(builder, whole(builder, args[0])), builder.trunc(args[1], _INT32)
        one = ir.Constant(_INT32, 1)
        above = builder.sub(ir.Constant(_INT32, _WORD), width)
        sign = builder.shl(codes, everywhere(builder, above))
        sign = builder.and_(sign, _constant(_WORDS, 1 << _WORD - 1))
        low = builder.sub(builder.shl(one, builder.sub(width, one)), one)
        size = builder.and_(codes, everywhere(builder, low))
        up = builder.sub(ir.Constant(_INT32, 23), builder.trunc(args[2], _INT32))
        least = _constant(_WORDS, RAISED << 23)
        size = builder.add(builder.shl(size, everywhere(builder, up)), least)
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

    return like(codes, types.intp, types.intp, like), generate


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
    """Apply four 2 x 2 blocks to an octet of rows; two octets hold their entries by rows."""
    return _blocks(x, [0, 1, 0, 1], 2, 1)


@intrinsic
def blocks_transposed(typing: Any, low: Any, high: Any, x: Any) -> Any:
    """Apply the transposes of what `blocks` applies."""
    return _blocks(x, [0, 0, 1, 1], 1, 2)


def _blocks(x: Any, meets: list[int], step: int, apart: int) -> Any:
    """Return the type and the code of products with blocks.

    The entries of a block meet the rows `meets`. Row i of the result is the sum of two products:
    with entry ``step * i``, and with the entry `apart` from that.
    """
    size = ENTRIES // x.parts
    # First in an order in which a half of the sums comes from the lower halves of two registers, as
    # processors take them, then in that of rows.
    first = [4 * b + step * i for b in range(size // 2) for i in range(2)]
    by_halves = sorted(first, key=lambda entry: (entry % size // (size // 2), entry))
    rows_of_sums = [by_halves.index(entry) for entry in first]

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        low, high, rows = (parts_of(builder, octet) for octet in args)
        products = []
        for k, entries in enumerate(low + high):
            row, start = rows[k // 2], k % 2 * (size // 2)
            order = [start + i // 4 * 2 + meets[i % 4] for i in range(size)]
            spread = shuffled(builder, row, order)
            products.append(builder.fmul(entries, spread, flags=FLAGS))
        sums = []
        for pair in zip(products[::2], products[1::2], strict=True):
            terms = (picked(builder, *pair, [i + k for i in by_halves]) for k in (0, apart))
            total = builder.fadd(*terms, flags=FLAGS)
            sums.append(shuffled(builder, total, rows_of_sums))
        return of_parts(builder, sums)

    return x(x, x, x), generate
