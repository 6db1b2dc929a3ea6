"""Codes of a few bits, eight at a time from a stream: what compiled kernels of packed chains read.

Eight neighbouring codes begin at a byte (`lazyop.quantization.bits`). What is loaded from there
goes to the lanes of registers, each of which shifts it down to a code of its own; processors differ
in how that is fast. Importing this module imports Numba.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lazyop.kernels.jit import has, has_many_registers
from lazyop.kernels.lanes import picked, shuffled
from lazyop.kernels.octets import ENTRIES, Octet, everywhere, of_parts

_INT8, _INT64 = ir.IntType(8), ir.IntType(64)

#: Bytes that the eight longest codes may take, rounded up.
WINDOW = 32


@intrinsic
def is_short(typing: Any, width: Any, like: Any) -> Any:
    """Return whether eight neighbouring codes are among 64 bits, where that is worth a loop."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if like.dtype.bitwidth == 32:
            return context.get_constant(types.boolean, False)
        return builder.icmp_signed("<=", args[0], args[0].type(8))

    return types.boolean(types.intp, like), generate


# Of a register's lanes, `together` neighbours, counted from the first one of all, have what is
# loaded from the byte on with which the first bit of the first of them is. -----------------------


def _byte(builder: Any, width: Any, lane: int) -> Any:
    return builder.lshr(builder.mul(width, _INT64(lane)), _INT64(3))


def _loaded(builder: Any, first: Any, byte: Any, kind: Any) -> Any:
    pointer = builder.bitcast(builder.gep(first, [byte]), kind.as_pointer())
    return builder.load(pointer, align=1)


def _offsets(builder: Any, width: Any, integer: Any, lanes: list[int], together: int) -> Any:
    """Return how many bits what is loaded for a lane has before the lane's code."""
    vector = ir.VectorType(integer, len(lanes))
    width = width if integer.width == 64 else builder.trunc(width, integer)
    widths = everywhere(builder, width, len(lanes))
    firsts = ir.Constant(vector, [lane // together * together for lane in lanes])
    others = ir.Constant(vector, [lane % together for lane in lanes])
    before = builder.and_(builder.mul(widths, firsts), ir.Constant(vector, [7] * len(lanes)))
    return builder.add(before, builder.mul(widths, others))


def _copied(builder: Any, first: Any, width: Any, lanes: range, bits: int) -> Any:
    """Return a register of codes; all lanes have what is loaded for eight short ones."""
    words = everywhere(builder, _loaded(builder, first, _INT64(0), _INT64), len(lanes))
    return builder.lshr(words, _offsets(builder, width, _INT64, list(lanes), ENTRIES))


def _loaded_in_pairs(builder: Any, first: Any, width: Any, lanes: range, bits: int) -> Any:
    """Return a register of codes; two neighbouring lanes have 64 bits loaded for them."""
    words = []
    for lane in lanes[::2]:
        word = _loaded(builder, first, _byte(builder, width, lane), _INT64)
        words.append(everywhere(builder, word, 2))
    offsets = _offsets(builder, width, _INT64, list(lanes), 2)
    found = builder.lshr(_side_by_side(builder, words), offsets)
    return builder.trunc(found, ir.VectorType(ir.IntType(bits), len(lanes)))


def _permuted(builder: Any, first: Any, width: Any, lanes: range, bits: int) -> Any:
    """Return a register of codes; each lane takes its bytes from one window."""
    count = len(lanes) * bits // 8
    window = _loaded(builder, first, _INT64(0), ir.VectorType(_INT8, WINDOW))
    window = shuffled(builder, window, [k % WINDOW for k in range(count)])
    return _taken(builder, window, width, lanes, ENTRIES, f"avx512.permvar.qi.{8 * count}")


def _permuted_by_halves(builder: Any, first: Any, width: Any, lanes: range, bits: int) -> Any:
    """Return a register of 32 bytes of codes; four lanes take theirs from one half of a window."""
    half = ir.VectorType(_INT8, WINDOW // 2)
    halves = [_loaded(builder, first, _byte(builder, width, k), half) for k in lanes[::4]]
    window = picked(builder, halves[0], halves[-1], list(range(WINDOW)))
    return _taken(builder, window, width, lanes, 4, "avx2.pshuf.b")


def _taken(
    builder: Any, window: Any, width: Any, lanes: range, together: int, instruction: str
) -> Any:
    """Return a register whose lanes have the bytes of a window that begin with their codes."""
    of_bytes = window.type
    each = of_bytes.count // len(lanes)
    place = [(lane, byte) for lane in lanes for byte in range(each)]
    short = ir.IntType(16)
    offsets = _offsets(builder, width, short, [lane for lane, _ in place], together)
    starts = builder.lshr(offsets, ir.Constant(offsets.type, [3] * len(place)))
    places = builder.add(starts, ir.Constant(starts.type, [byte for _, byte in place]))
    permute = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(of_bytes, [of_bytes, of_bytes]), "llvm.x86." + instruction
    )
    taken = builder.call(permute, [window, builder.trunc(places, of_bytes)])
    integer = ir.IntType(8 * each)
    words = builder.bitcast(taken, ir.VectorType(integer, len(lanes)))
    offsets = _offsets(builder, width, integer, list(lanes), together)
    rest = builder.and_(offsets, ir.Constant(offsets.type, [7] * len(lanes)))
    return builder.lshr(words, rest)


def _side_by_side(builder: Any, parts: list[Any]) -> Any:
    """Return a register of shorter ones of one length, a power of two of them."""
    while len(parts) > 1:
        pairs = zip(parts[::2], parts[1::2], strict=True)
        order = list(range(2 * parts[0].type.count))
        parts = [picked(builder, *pair, order) for pair in pairs]
    return parts[0]


def codes_read(way: Any) -> Any:
    """Return a function of compiled code that reads eight neighbouring codes in some way.

    It takes an array of bytes, the byte from which on to read, the width of a code, whether codes
    are short, as `is_short` has it but known when compiled, and an octet for the dtype. It returns
    integers as long as entries, with codes of up to 29 bits, or 25 where entries have 32; above a
    code, there is whatever follows it. Up to `WINDOW` bytes are read.
    """

    @intrinsic(prefer_literal=True)
    def codes(typing: Any, data: Any, at: Any, width: Any, short: Any, like: Any) -> Any:
        bits = int(like.dtype.bitwidth)
        octet = Octet(types.int64 if bits == 64 else types.int32)
        size = ENTRIES // octet.parts
        read = _copied if short.literal_value and bits == 64 else way

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            array, at, width = args[:3]
            first = builder.gep(context.make_array(data)(context, builder, array).data, [at])
            lanes = [range(k, k + size) for k in range(0, ENTRIES, size)]
            return of_parts(builder, [read(builder, first, width, some, bits) for some in lanes])

        return octet(data, types.intp, types.intp, short, like), generate

    return codes


def _best_way() -> Any:
    """Return the fastest way to read codes of any width."""
    if has_many_registers():
        return _permuted if has("avx512vbmi") else _loaded_in_pairs
    return _permuted_by_halves if has("avx2") else _loaded_in_pairs


#: Reads eight neighbouring codes.
codes = codes_read(_best_way())
