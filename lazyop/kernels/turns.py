"""Calls of kernels, and how threads take turns at one. Importing this imports Numba.

What a kernel is told stands in a block of numbers, which it knows by its address, like the argument
and the result: so a thread that helps needs neither Python nor its lock. What it does is counted in
units; threads take parts of them from one count. The thread whose product it is has seat 0. Once it
has let go of Python's lock it opens the block to the helpers, which look out for that, and rings a
bell; having found no part left it shuts the block, and waits until nobody is inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from lazyop.kernels import places
from lazyop.kernels.atomics import add, pause, read, write
from lazyop.kernels.jit import INNER

if TYPE_CHECKING:
    from collections.abc import Iterable


@njit(**INNER)
def _spot(block, place):
    """Return the address of one number of a block."""
    return block + places.BYTES * place


@njit(**INNER)
def word(block, place):
    """Return one number of a block."""
    return read(_spot(block, place))


@njit(**INNER)
def _next_turn(block):
    turn = add(_spot(block, places.NEXT), 1)
    parts, units, seats = (
        word(block, places.PARTS),
        word(block, places.UNITS),
        word(block, places.SEATS),
    )
    if turn >= parts:
        return 0, 0
    # Turns taken at the same time are of parts far apart: what a core fetches ahead is its own.
    rounds = parts // seats
    part = turn % seats * rounds + turn // seats if turn < rounds * seats else turn
    return units * part // parts, units * (part + 1) // parts


@njit(**INNER)
def _open(block, x, y):
    team = word(block, places.TEAM)
    write(_spot(block, places.X), x)
    write(_spot(block, places.Y), y)
    write(_spot(team, places.BLOCK), block)
    write(_spot(team, places.BELL), word(block, places.RING))


@njit(**INNER)
def _shut(block):
    team = word(block, places.TEAM)
    write(_spot(team, places.BLOCK), 0)
    while word(team, places.INSIDE) > 0:
        pause()


@njit(**INNER)
def _in_turns(body, transposed, block, seat, x, y, args):
    """Call ``body(transposed, first, stop, *args)``: for all units, or in turns with others."""
    is_shared = word(block, places.PARTS) > 0
    first, stop = 0, word(block, places.UNITS)
    if is_shared:
        if seat == 0:
            _open(block, x, y)
        first, stop = _next_turn(block)
    while first < stop:
        body(transposed, first, stop, *args)
        first = stop
        if is_shared:
            first, stop = _next_turn(block)
    if is_shared and seat == 0:
        _shut(block)


def kernels(body, arguments):
    """Return the kernel of a body, and that of its transpose.

    Parameters
    ----------
    body : callable
        ``body(transposed, first, stop, *args)`` does those units of the work.
    arguments : callable
        ``arguments(block, seat, x, y, dtype)`` returns the rest of what it takes.
    """

    def kernel_of(transposed):
        def kernel(block, seat, x, y, dtype):
            _in_turns(body, transposed, block, seat, x, y, arguments(block, seat, x, y, dtype))

        return kernel

    return kernel_of(False), kernel_of(True)


def _loaded(builder: Any, block: Any, each: Iterable[int]) -> list[Any]:
    """Load numbers of a block."""
    start = builder.inttoptr(block, block.type.as_pointer())
    return [builder.load(builder.gep(start, [ir.Constant(block.type, k)])) for k in each]


@intrinsic
def _call(typing: Any, block: Any, seat: Any) -> Any:
    """Call a block's function, as `lazyop.kernels.machine_code` has it."""
    arguments = (types.int64,) * 4

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        number, *ends = _loaded(builder, args[0], (places.FUNCTION, places.X, places.Y))
        convention = context.call_conv
        kind = convention.get_function_type(types.none, arguments)
        function = builder.inttoptr(number, kind.as_pointer())
        convention.call_function(builder, function, types.none, arguments, [*args, *ends])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


def serve(team, _seat, helper, looks, _dtype):
    """Help with one call after another, until the bell was silent for so many looks.

    Parameters
    ----------
    team : int
        The address of its numbers: the bell's, the open block, and how many are inside.
    helper : int
        The address of its own: its seat, and what it saw the bell show last.
    looks : int
    """
    seat, seen, left = word(helper, places.SEAT), word(helper, places.SEEN), looks
    while left > 0:
        left -= 1
        rung = word(team, places.BELL)
        if rung == seen:
            pause()
            continue
        seen, left = rung, looks
        add(_spot(team, places.INSIDE), 1)
        block = word(team, places.BLOCK)
        if block != 0 and seat < word(block, places.SEATS):
            _call(block, seat)
        add(_spot(team, places.INSIDE), -1)
    write(_spot(helper, places.SEEN), seen)


@intrinsic
def array_at(typing: Any, address: Any, dtype: Any) -> Any:
    """Return the vector that begins at an address; where it ends is the caller's to know."""
    vector = types.Array(_entry(dtype), 1, "C")

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _array(context, builder, vector, args[0], [context.get_constant(types.intp, 1)])

    return vector(types.int64, dtype), generate


@intrinsic
def array_from(typing: Any, array: Any, offset: Any) -> Any:
    """Return the vector that begins so many entries after another one does."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(array)(context, builder, args[0]).data
        address = builder.ptrtoint(builder.gep(data, [args[1]]), ir.IntType(64))
        return _array(context, builder, array, address, [context.get_constant(types.intp, 1)])

    return array(array, types.int64), generate


@intrinsic(prefer_literal=True)
def table_at(typing: Any, address: Any, rows: Any, columns: Any) -> Any:
    """Return the table of 64-bit integers that begins at an address."""
    table = types.Array(types.int64, 2, "C")

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        width = context.get_constant(types.intp, columns.literal_value)
        return _array(context, builder, table, args[0], [args[1], width])

    return table(types.int64, types.int64, columns), generate


@intrinsic(prefer_literal=True)
def own_numbers(typing: Any, block: Any, count: Any) -> Any:
    """Return as many of the numbers that are one kernel's own."""
    each = range(places.OWN, places.OWN + count.literal_value)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return cgutils.pack_array(builder, _loaded(builder, args[0], each))

    return types.UniTuple(types.int64, len(each))(types.int64, count), generate


def _entry(dtype: Any) -> Any:
    return dtype.dtype if isinstance(dtype, types.DType) else dtype.instance_type


def _array(context: Any, builder: Any, array: Any, address: Any, shape: list[Any]) -> Any:
    """Return an array that owns nothing."""
    made = context.make_array(array)(context, builder)
    itemsize = context.get_constant(types.intp, array.dtype.bitwidth // 8)
    strides = [itemsize]
    for size in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], size))
    pointer = context.get_data_type(array.dtype).as_pointer()
    populate_array(
        made,
        data=builder.inttoptr(address, pointer),
        shape=shape,
        strides=strides,
        itemsize=itemsize,
        meminfo=None,
    )
    return made._getvalue()
