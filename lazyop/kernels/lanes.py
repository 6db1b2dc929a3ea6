"""Vector registers in Numba: loads, products and sums of several entries at a time.

The kernels of `lazyop.kernels.cpu` keep sums in registers over their inner loops, which LLVM does
not find by itself. A `Lanes` value is a register of neighbouring entries; complex entries lie in
it as they do in memory, real and imaginary parts in turn. A weight for such a product is one
register for real entries, and for complex ones a pair: the real parts twice over, and the
imaginary parts with the signs that the product of the swapped parts needs.

Functions take a register ``like`` to know how wide those are that they return: one of a machine
register's width, or of a single entry where fewer are left. Tuples of registers are written out
one by one when compiled. Importing this module imports Numba.
"""

from __future__ import annotations

import operator as operators
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

from lazyop.kernels.packing import REGISTER_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

#: Contraction to fused multiply-adds rounds less; no other freedom is taken.
FLAGS = ("contract", "nsz")

_INT32 = ir.IntType(32)


class Lanes(types.Type):  # type: ignore[misc]
    """A register of neighbouring entries of one dtype."""

    def __init__(self, dtype: Any, entries: int) -> None:
        self.dtype, self.entries = dtype, entries
        super().__init__(name=f"Lanes({dtype}, {entries})")

    @property
    def is_complex(self) -> bool:
        """Whether an entry takes two lanes."""
        return isinstance(self.dtype, types.Complex)

    @property
    def component(self) -> Any:
        """The real dtype of the register's lanes."""
        return self.dtype.underlying_float if self.is_complex else self.dtype

    @property
    def width(self) -> int:
        """Real lanes of the register."""
        return self.entries * (2 if self.is_complex else 1)

    @property
    def weight(self) -> Any:
        """The type of a weight for such registers."""
        return types.UniTuple(self, 2) if self.is_complex else self


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, lanes: Lanes) -> None:
        component = manager.lookup(lanes.component).get_value_type()
        super().__init__(manager, lanes, ir.VectorType(component, lanes.width))


# What is generated for one register -------------------------------------------------------------


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, offset: Any, to: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [offset]), to.as_pointer())


def _alignment(lanes: Lanes) -> int:
    return int(lanes.component.bitwidth) // 8


def loaded(context: Any, builder: Any, array_type: Any, array: Any, at: Any, lanes: Lanes) -> Any:
    """Return code that loads a register from an offset."""
    pointer = _pointer(context, builder, array_type, array, at, context.get_value_type(lanes))
    return builder.load(pointer, align=_alignment(lanes))


def stored(context: Any, builder: Any, array_type: Any, array: Any, at: Any, value: Any) -> None:
    """Generate code that stores a register at an offset."""
    pointer = _pointer(context, builder, array_type, array, at, value.type)
    itemsize = array_type.dtype.bitwidth // (
        16 if isinstance(array_type.dtype, types.Complex) else 8
    )
    builder.store(value, pointer, align=itemsize)


def shuffled(builder: Any, value: Any, order: list[int]) -> Any:
    """Return code that takes lanes of a register in an order."""
    return picked(builder, value, ir.Constant(value.type, ir.Undefined), order)


def picked(builder: Any, x: Any, y: Any, order: list[int]) -> Any:
    """Return code that takes lanes of two registers in an order, those of the second counted on."""
    mask = ir.Constant(ir.VectorType(_INT32, len(order)), order)
    return builder.shuffle_vector(x, y, mask)


def _spread_entry(
    context: Any, builder: Any, array_type: Any, array: Any, at: Any, lanes: Lanes
) -> Any:
    """Load one entry into all places of a register."""
    single = Lanes(lanes.dtype, 1)
    entry = loaded(context, builder, array_type, array, at, single)
    return shuffled(builder, entry, list(range(single.width)) * lanes.entries)


def _as_weight(builder: Any, value: Any, conj: Any, lanes: Lanes) -> Any:
    """Return the entries of a register as weights."""
    if not lanes.is_complex:
        return value
    real = shuffled(builder, value, [i - i % 2 for i in range(lanes.width)])
    imaginary = shuffled(builder, value, [i - i % 2 + 1 for i in range(lanes.width)])
    plain = ir.Constant(value.type, [-1.0, 1.0] * lanes.entries)
    conjugate = ir.Constant(value.type, [1.0, -1.0] * lanes.entries)
    signs = builder.select(conj, conjugate, plain)
    return cgutils.pack_array(builder, [real, builder.fmul(imaginary, signs)])


def _plus_product(builder: Any, total: Any, weight: Any, x: Any, lanes: Lanes) -> Any:
    """Return ``total + weight x``, or the product alone where the total is None."""
    terms = [(weight, x)]
    if lanes.is_complex:
        swapped = shuffled(builder, x, [i ^ 1 for i in range(lanes.width)])
        real, imaginary = cgutils.unpack_tuple(builder, weight, 2)
        terms = [(real, x), (imaginary, swapped)]
    for factor, operand in terms:
        product = builder.fmul(factor, operand, flags=FLAGS)
        total = product if total is None else builder.fadd(product, total, flags=FLAGS)
    return total


# What kernels call ------------------------------------------------------------------------------


@intrinsic
def register(typing: Any, array: Any) -> Any:
    """Return a machine register for entries of an array, to be used as ``like``."""
    dtype = array.dtype
    lanes = Lanes(dtype, max(1, REGISTER_BYTES * 8 // dtype.bitwidth))
    return lanes(array), lambda context, *_: context.get_constant_null(lanes)


@intrinsic
def single(typing: Any, array: Any) -> Any:
    """Return a register of a single entry, to be used as ``like``."""
    lanes = Lanes(array.dtype, 1)
    return lanes(array), lambda context, *_: context.get_constant_null(lanes)


@intrinsic
def lanes_of(typing: Any, like: Any) -> Any:
    """Return how many entries a register has."""
    return types.intp(like), lambda context, *_: context.get_constant(types.intp, like.entries)


@intrinsic
def load(typing: Any, array: Any, at: Any, like: Any) -> Any:
    """Load neighbouring entries from an offset, counted in entries from the array's start."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return loaded(context, builder, signature.args[0], args[0], args[1], like)

    return like(array, types.intp, like), generate


@intrinsic
def store(typing: Any, array: Any, at: Any, value: Any) -> Any:
    """Store a register at an offset."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        stored(context, builder, signature.args[0], *args)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


def _fetching(writes: int) -> Any:
    """Make a function that has a line fetched into the cache, to be written to or not."""

    @intrinsic
    def fetch(typing: Any, array: Any, at: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            entry = _pointer(context, builder, array, args[0], args[1], ir.IntType(8))
            kind = ir.FunctionType(ir.VoidType(), [entry.type, _INT32, _INT32, _INT32])
            function = builder.module.declare_intrinsic("llvm.prefetch", (entry.type,), kind)
            often, of_data = 3, 1
            builder.call(function, [entry, *map(_INT32, (writes, often, of_data))])
            return context.get_dummy_value()

        return types.void(array, types.intp), generate

    return fetch


#: Have the line fetched that holds an entry of an array, if there is one, for loads or for stores.
fetch_to_load, fetch_to_store = _fetching(0), _fetching(1)


@intrinsic
def plus(typing: Any, x: Any, y: Any) -> Any:
    """Return ``x + y``."""
    return x(x, x), lambda _, builder, __, args: builder.fadd(*args, flags=FLAGS)


@intrinsic
def times(typing: Any, factor: Any, x: Any) -> Any:
    """Return a weight times a register."""
    return x(factor, x), lambda _, builder, __, args: _plus_product(builder, None, *args, x)


# Tuples of registers, and of weights: blocks of a product that stay in registers ----------------


@intrinsic(prefer_literal=True)
def load_row(typing: Any, array: Any, at: Any, like: Any, count: Any) -> Any:
    """Load `count` neighbouring registers."""
    return _row(array, like, count, loaded, like.entries)


@intrinsic(prefer_literal=True)
def spread_row(typing: Any, array: Any, at: Any, like: Any, count: Any) -> Any:
    """Load `count` neighbouring entries, each into all places of a register."""
    return _row(array, like, count, _spread_entry, 1)


@intrinsic(prefer_literal=True)
def weight_column(
    typing: Any, array: Any, at: Any, step: Any, conj: Any, like: Any, count: Any
) -> Any:
    """Load `count` entries that lie `step` apart, each as the weight of a whole register."""
    return _weights(array, like, count, _spread_entry)


@intrinsic(prefer_literal=True)
def weight_registers(
    typing: Any, array: Any, at: Any, step: Any, conj: Any, like: Any, count: Any
) -> Any:
    """Load `count` registers that lie `step` apart, entry by entry the weights of a register."""
    return _weights(array, like, count, loaded)


def _row(array: Any, like: Any, count: Any, load: Callable[..., Any], step: int) -> Any:
    """Return the type and the code of so many registers loaded from places `step` apart."""
    total = count.literal_value

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        places = _offsets(builder, args[1], ir.Constant(args[1].type, step), total)
        array_type = signature.args[0]
        row = [load(context, builder, array_type, args[0], place, like) for place in places]
        return cgutils.pack_array(builder, row)

    return types.UniTuple(like, total)(array, types.intp, like, count), generate


def _weights(array: Any, like: Any, count: Any, load: Callable[..., Any]) -> Any:
    """Return the type and the code of so many weights loaded from places that lie apart."""
    total = count.literal_value

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array_type, weights = signature.args[0], []
        for place in _offsets(builder, args[1], args[2], total):
            value = load(context, builder, array_type, args[0], place, like)
            weights.append(_as_weight(builder, value, args[3], like))
        return cgutils.pack_array(builder, weights)

    arguments = (array, types.intp, types.intp, types.boolean, like, count)
    return types.UniTuple(like.weight, total)(*arguments), generate


@intrinsic
def dot(typing: Any, weights: Any, row: Any) -> Any:
    """Return the sum of as many weights times as many registers, each with its own."""
    lanes = row.dtype

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        total = None
        factors = cgutils.unpack_tuple(builder, args[0], row.count)
        for factor, x in zip(
            factors, cgutils.unpack_tuple(builder, args[1], row.count), strict=True
        ):
            total = _plus_product(builder, total, factor, x, lanes)
        return total

    return lanes(weights, row), generate


@intrinsic
def products(typing: Any, weights: Any, row: Any) -> Any:
    """Return every weight times every register of a row, weight after weight."""
    total = types.UniTuple(row.dtype, weights.count * row.count)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        nothing = [None] * total.count
        return _block_products(builder, nothing, args[0], args[1], weights.count, row)

    return total(weights, row), generate


@intrinsic
def plus_products(typing: Any, total: Any, weights: Any, row: Any) -> Any:
    """Return a block plus every weight times every register of a row."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        before = cgutils.unpack_tuple(builder, args[0], total.count)
        return _block_products(builder, before, args[1], args[2], weights.count, row)

    return total(total, weights, row), generate


@intrinsic(prefer_literal=True)
def store_block(typing: Any, array: Any, at: Any, step: Any, block: Any, rows: Any) -> Any:
    """Store a block of `rows` equal rows that lie `step` apart."""
    height = rows.literal_value

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        values = cgutils.unpack_tuple(builder, args[3], block.count)
        width = block.count // height
        between = ir.Constant(args[1].type, block.dtype.entries)
        starts = _offsets(builder, args[1], args[2], height)
        places = [at for start in starts for at in _offsets(builder, start, between, width)]
        for place, value in zip(places, values, strict=True):
            stored(context, builder, signature.args[0], args[0], place, value)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, block, rows), generate


@intrinsic
def sums(typing: Any, block: Any) -> Any:
    """Add up the entries of each register of a block; the sums are registers of one entry."""
    lanes = block.dtype

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        values = cgutils.unpack_tuple(builder, args[0], block.count)
        return cgutils.pack_array(builder, [_sum(builder, value, lanes) for value in values])

    return types.UniTuple(Lanes(lanes.dtype, 1), block.count)(block), generate


def _offsets(builder: Any, start: Any, step: Any, count: int) -> list[Any]:
    offsets = [start]
    for _ in range(1, count):
        offsets.append(builder.add(offsets[-1], step))
    return offsets


def _block_products(
    builder: Any, before: list[Any], weights: Any, row: Any, height: int, row_type: Any
) -> Any:
    registers = cgutils.unpack_tuple(builder, row, row_type.count)
    factors = cgutils.unpack_tuple(builder, weights, height)
    pairs = [(factor, x) for factor in factors for x in registers]
    return cgutils.pack_array(
        builder,
        [
            _plus_product(builder, total, factor, x, row_type.dtype)
            for total, (factor, x) in zip(before, pairs, strict=True)
        ],
    )


def _sum(builder: Any, value: Any, lanes: Lanes) -> Any:
    """Return the sum of the entries of a register as a register of one entry."""
    width, entry = lanes.width, lanes.width // lanes.entries
    while width > entry:
        width //= 2
        low, high = list(range(width)), list(range(width, 2 * width))
        upper = shuffled(builder, value, high)
        value = builder.fadd(shuffled(builder, value, low), upper, flags=FLAGS)
    return value


# The operators of Python, so that code may be written for numbers and registers at once ---------

_INLINED = {"forceinline": True, "_nrt": False}


@overload(operators.add, jit_options=_INLINED)
def _add(x, y):
    if isinstance(x, Lanes) and x == y:
        return lambda x, y: plus(x, y)
    return None


@overload(operators.mul, jit_options=_INLINED)
def _multiply(x, y):
    if isinstance(y, Lanes) and x == y.weight:
        return lambda x, y: times(x, y)
    return None
