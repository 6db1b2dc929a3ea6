"""Registers of entries that do not lie side by side, of several rows at once.

A factor of a small stride mixes rows that are nearer than a register is wide. Then a register takes
its rows from several blocks: of `rows` rows in each block, which lie `d` apart, register k has the
rows ``k * d .. k * d + d - 1`` of one block after the other. Importing this imports Numba.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lazyop.kernels.lanes import Lanes, loaded, picked, shuffled, stored


def _order(lanes: Lanes, rows: int, d: int) -> list[list[int]]:
    """Return which lanes of the blocks, as they lie in memory, make up each register."""
    d = min(d, lanes.entries)  # kernels are compiled for wide strides as well, and never called
    blocks, entry = lanes.entries // d, lanes.width // lanes.entries
    return [
        [
            ((i * rows + k) * d + j) * entry + lane
            for i in range(blocks)
            for j in range(d)
            for lane in range(entry)
        ]
        for k in range(rows)
    ]


@intrinsic(prefer_literal=True)
def load_blocks(typing: Any, array: Any, at: Any, like: Any, rows: Any, d: Any) -> Any:
    """Load as many blocks as fill a register for each of their rows."""
    count = rows.literal_value
    wide = Lanes(like.dtype, count * like.entries)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        entries = loaded(context, builder, signature.args[0], args[0], args[1], wide)
        order = _order(like, count, d.literal_value)
        return cgutils.pack_array(builder, [shuffled(builder, entries, own) for own in order])

    return types.UniTuple(like, count)(array, types.intp, like, rows, d), generate


@intrinsic(prefer_literal=True)
def store_blocks(typing: Any, array: Any, at: Any, values: Any, d: Any) -> Any:
    """Store what `load_blocks` loads."""
    lanes, count = values.dtype, values.count

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        parts = cgutils.unpack_tuple(builder, args[2], count)
        while len(parts) > 1:
            order = list(range(2 * parts[0].type.count))
            pairs = zip(parts[::2], parts[1::2], strict=True)
            parts = [picked(builder, *pair, order) for pair in pairs]
        taken = [lane for own in _order(lanes, count, d.literal_value) for lane in own]
        places = sorted(range(len(taken)), key=taken.__getitem__)
        entries = shuffled(builder, parts[0], places)
        stored(context, builder, signature.args[0], args[0], args[1], entries)
        return context.get_dummy_value()

    return types.void(array, types.intp, values, d), generate
