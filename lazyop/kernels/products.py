"""Products of a packed chain: the host's side of the compiled kernels.

Over which tiles they run, and in how many threads, `lazyop.kernels.plan` decides; here it is
carried out.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from lazyop.kernels import aligned
from lazyop.kernels.addresses import address
from lazyop.kernels.calls import Call
from lazyop.kernels.machine_code import kernel
from lazyop.kernels.team import PARTS_PER_THREAD

if TYPE_CHECKING:
    import numpy.typing as npt

    from lazyop.kernels.packing import Packed

    Values = npt.NDArray[Any]

#: A vector of fewer bytes takes less time than where it begins might spare.
_ALIGNED_BYTES = 1 << 14

#: The most columns that are so few that tiles of them stay in place in the result. Rows of more
#: lie so far apart, often by powers of two, that they share few places of the cache. Tiles of
#: several threads do not stay side by side in the result: what a core fetches ahead for one is
#: taken from the other.
_IN_PLACE_COLUMNS = 64


class _Product:
    """What products of a packed chain, or of its transpose, have in common."""

    _calls: tuple[Call, ...]

    def __init__(self, packed: Packed, transposed: bool, columns: int) -> None:
        self.packed, self.columns = packed, columns
        self.rows, self.dtype = packed.shape[transposed], packed.weights.dtype
        self.tiling = packed.tiling(columns, transposed)
        self._suffix = "_transposed" * transposed

    def _call(self, name: str, units: int, room: int, *own: int) -> Call:
        """Return the call of a kernel, which takes so many entries of scratch in each thread."""
        code = kernel("cpu", name + self._suffix, self.dtype)
        weights, stages = self.packed.weights, self.packed.stages
        threads, wakes = self.tiling.threads, self.tiling.wakes
        return Call(code, self.dtype, units, threads, room, weights, stages, own, wakes)


class Vector(_Product):
    """Products of a packed chain, or of its transpose, with contiguous vectors."""

    def __init__(self, packed: Packed, transposed: bool) -> None:
        super().__init__(packed, transposed, 1)
        self._is_short = self.rows * self.dtype.itemsize < _ALIGNED_BYTES
        if packed.is_thin:
            self._calls = self._of_pairs(transposed)
        elif self.tiling.threads == 1:
            self._calls = (self._stages(0, len(packed.stages), packed.longest, 1),)
        else:  # stage after stage, each in several threads
            parts = PARTS_PER_THREAD * self.tiling.threads
            each = range(len(packed.stages))
            self._calls = tuple(self._stages(k, k + 1, 0, parts) for k in each)

    def _of_pairs(self, transposed: bool) -> tuple[Call, ...]:
        """Run at once, or the low strides block by block, the others by neighbouring rows."""
        rows, tiling, count = self.rows, self.tiling, len(self.packed.stages)
        span, width, low_stages = tiling.span, tiling.width, tiling.low_stages
        low = self._call("low_vector", rows // span, 0, low_stages, span)
        if low_stages == count:
            return (low,)
        high = self._call("high_vector", span // width, 0, low_stages, span, width, rows)
        return (high, low) if transposed else (low, high)

    def _stages(self, begin: int, end: int, size: int, parts: int) -> Call:
        """Run some stages, with two buffers of that size."""
        packed = self.packed
        name = "mixed_vector" if packed.has_pairs else "general_vector"
        return self._call(name, parts, 2 * size + packed.panel(1), size, begin, end, parts)

    def run(self, x: Values, conjugated: bool) -> Values:
        """Return the product."""
        rows, dtype = self.rows, self.dtype
        y = np.empty(rows, dtype) if self._is_short else aligned.empty((rows,), rows, dtype)
        source, target = address(x), address(y)
        if self.packed.is_thin or len(self._calls) == 1:
            for call in self._calls:
                call.run(source, target, conjugated)
                source = target
        else:
            self._run_stages(source, target, conjugated)
        return y

    def _run_stages(self, source: int, target: int, conjugated: bool) -> None:
        buffers = np.empty((2, self.packed.longest), self.dtype)
        *others, last = self._calls
        for call, buffer in zip(others, itertools.cycle(buffers), strict=False):
            between = address(buffer)
            call.run(source, between, conjugated)
            source = between
        last.run(source, target, conjugated)


class Columns(_Product):
    """Products of a packed chain, or of its transpose, with so many columns."""

    def __init__(self, packed: Packed, transposed: bool, columns: int) -> None:
        super().__init__(packed, transposed, columns)
        tile = self.tiling.tile
        self._tiles = -(-columns // tile)
        if packed.is_thin:
            self._calls = self._of_pairs(transposed)
        elif self._tiles == 1 and packed.blocks > 1:
            parts = min(packed.blocks, PARTS_PER_THREAD * self.tiling.threads)
            room = packed.panel(columns)
            self._calls = (self._call("blocks_columns", parts, room, columns, parts),)
        else:
            name = "mixed_columns" if packed.has_pairs else "general_columns"
            size, parts = packed.longest * tile, self.tiling.parts
            room, (unit, _) = 2 * size + packed.panel(tile), packed.cut(transposed)
            works = self._tiles * parts
            self._calls = (self._call(name, works, room, size, columns, tile, parts, unit),)

    def _of_pairs(self, transposed: bool) -> tuple[Call, ...]:
        """Run at once, or the low strides block by block, the others by neighbouring rows."""
        rows, tiling, columns, tiles = self.rows, self.tiling, self.columns, self._tiles
        tile, span, run, low_stages = tiling.tile, tiling.span, tiling.width, tiling.low_stages
        in_place = columns <= _IN_PLACE_COLUMNS and (tiling.threads == 1 or tiles == 1)
        low = self._call(
            "low_columns", rows // span * tiles, 0 if in_place else span * tile,
            low_stages, span, columns, tile, in_place,
        )  # fmt: skip
        if low_stages == len(self.packed.stages):
            return (low,)
        high = self._call(
            "high_columns", span // run * tiles, rows // span * run * tile,
            low_stages, rows, span, run, columns, tile,
        )  # fmt: skip
        return (high, low) if transposed else (low, high)

    def run(self, X: Values, conjugated: bool) -> Values:
        """Return the product."""
        rows, columns = self.rows, self.columns
        Y = aligned.empty((rows, columns), rows * columns, self.dtype)
        flags = X.flags
        flat, ld = (X, columns) if flags.c_contiguous and flags.aligned else rows_of(X)
        source, target = address(flat), address(Y)
        for call in self._calls:
            call.run(source, target, conjugated, ld, columns)
            source, ld = target, columns
        return Y


def rows_of(X: Values) -> tuple[Values, int]:
    """Return a matrix's entries as a flat view that starts at them, and how far rows lie apart."""
    if not X.flags.aligned:
        return rows_of(X.copy())
    if X.flags.c_contiguous:
        return X.reshape(-1), X.shape[1]
    if X.strides[1] != X.itemsize or X.strides[0] % X.itemsize:
        return rows_of(np.ascontiguousarray(X))
    return as_strided(X, (1,), (X.itemsize,), writeable=False), X.strides[0] // X.itemsize
