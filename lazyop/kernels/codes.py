"""Octets of weights from codes, and the factors that act within one: for packed chains.

Importing this module imports Numba.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lazyop.kernels.lanes import FLAGS, picked, shuffled
from lazyop.kernels.octets import ENTRIES, absolute, everywhere, of_parts, parts_of

#: Of floating-point numbers: type, bias, and bits below the leading one.
_FORMATS = {64: (ir.DoubleType(), 1023, 52), 32: (ir.FloatType(), 127, 23)}


def _ones(builder: Any, width: Any) -> Any:
    """Return the number whose so many lowest bits are ones."""
    one = width.type(1)
    return builder.sub(builder.shl(one, width), one)


@intrinsic
def directions(typing: Any, codes: Any, width: Any, like: Any) -> Any:
    """Return the second entries of eight directions; the first ones are 1 less their magnitudes.

    They are multiples of ``2**(1 - width)``, which become numbers by the bits of floats: among
    those of one exponent, the bits of the significand count. What they are counted from has to be
    taken off again, and as much as makes the middle one zero.
    """
    bits = like.dtype.bitwidth
    number, bias, below = _FORMATS[bits]

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        integer = ir.IntType(bits)
        width = args[1] if bits == 64 else builder.trunc(args[1], integer)
        exponent = builder.sub(integer(bias + below + 1), width)
        exponent = builder.shl(exponent, integer(below))
        middle = builder.or_(exponent, builder.shl(integer(1), builder.sub(width, integer(1))))
        each = ENTRIES // like.parts
        mask, exponent, middle = (
            everywhere(builder, x, each) for x in (_ones(builder, width), exponent, middle)
        )
        numbers = ir.VectorType(number, each)
        found = []
        for part in parts_of(builder, args[0]):
            counted = builder.or_(builder.and_(part, mask), exponent)
            counted, zero = (builder.bitcast(x, numbers) for x in (counted, middle))
            found.append(builder.fsub(counted, zero))
        return of_parts(builder, found)

    return like(codes, types.intp, like), generate


@intrinsic
def floats(typing: Any, codes: Any, width: Any, below: Any, bias: Any, like: Any) -> Any:
    """Return eight floating-point numbers: sign, exponent, and so many bits below the leading one.

    None of them is subnormal in the dtype of the entries, whatever it is in its own format.
    """
    bits = like.dtype.bitwidth
    number, own_bias, own_below = _FORMATS[bits]
    integer, each = ir.IntType(bits), ENTRIES // like.parts
    integers, numbers = ir.VectorType(integer, each), ir.VectorType(number, each)

    def constant(vector: Any, value: Any) -> Any:
        return ir.Constant(vector, [value] * each)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        width, below, bias = (x if bits == 64 else builder.trunc(x, integer) for x in args[1:4])
        # The sign goes to the top, and what is below the leading one to the lowest bits there are.
        up = builder.sub(integer(bits), width)
        down = builder.sub(builder.add(up, below), integer(own_below))
        # With field 0, there is no leading one, and the exponent is that of field 1.
        first = builder.sub(integer(own_bias), bias)
        second = builder.add(first, integer(1))
        first, second = (builder.shl(field, integer(own_below)) for field in (first, second))
        up, down, first, second = (everywhere(builder, x, each) for x in (up, down, first, second))
        found = []
        for part in parts_of(builder, args[0]):
            code = builder.shl(part, up)
            sign = builder.and_(code, constant(integers, 1 << bits - 1))
            size = builder.and_(code, constant(integers, (1 << bits - 1) - 1))
            size = builder.add(builder.lshr(size, down), first)
            large = builder.bitcast(size, numbers)
            twice = builder.fmul(large, constant(numbers, 2.0))
            small = builder.fsub(twice, builder.bitcast(second, numbers), flags=FLAGS)
            # Of numbers with other fields, what this makes of them is larger.
            least = builder.select(builder.fcmp_ordered("<", small, large), small, large)
            signed = builder.or_(builder.bitcast(least, integers), sign)
            found.append(builder.bitcast(signed, numbers))
        return of_parts(builder, found)

    return like(codes, *(types.intp,) * 3, like), generate


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
