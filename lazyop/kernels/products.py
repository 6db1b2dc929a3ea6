"""Products of a packed chain: the host's side of the compiled kernels.

Over which tiles they run, and in how many threads, `lazyop.kernels.plan` decides; here it is
carried out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from lazyop.kernels.threads import PARTS_PER_THREAD, scratch, share

if TYPE_CHECKING:
    import numpy.typing as npt

    from lazyop.kernels.packing import Packed

    Values = npt.NDArray[Any]


class Vector:
    """Products of a packed chain, or of its transpose, with contiguous vectors."""

    def __init__(self, packed: Packed, transposed: bool) -> None:
        from lazyop.kernels import cpu

        self.packed, self.transposed = packed, transposed
        self.rows, self.dtype = packed.shape[transposed], packed.weights.dtype
        self.weights, self.stages = packed.weights, packed.stages
        self.tiling = packed.tiling(1)
        suffix = "_transposed" * transposed
        mixed = "mixed_vector" if packed.has_pairs else "general_vector"
        self.low, self.high, self.mixed = (
            getattr(cpu, name + suffix) for name in ("low_vector", "high_vector", mixed)
        )
        self.is_short = packed.is_thin and self.tiling.low_stages == len(packed.stages)
        self.count = len(packed.stages)
        self.size, self.panel = packed.longest, packed.panel(1)

    def run(self, x: Values, conjugated: bool) -> Values:
        """Return the product."""
        y = np.empty(self.rows, self.dtype)
        source = read_only(x)
        if self.is_short:
            weights, stages, rows = self.weights, self.stages, self.rows
            self.low(source, y, weights, stages, self.count, rows, 0, 1, conjugated)
        elif self.packed.is_thin:
            self._run_long(source, y, conjugated)
        elif self.tiling.threads == 1:
            size = self.size
            buffer = scratch(2 * size + self.panel, self.dtype)
            first, second, panel = buffer[:size], buffer[size : 2 * size], buffer[2 * size :]
            self.mixed(
                source, y, first, second, panel, self.weights, self.stages,
                0, self.count, 0, 1, conjugated,
            )  # fmt: skip
        else:
            self._run_stages(source, y, conjugated)
        return y

    def _run_stages(self, source: Values, y: Values, conjugated: bool) -> None:
        """Run stage after stage, each in several threads."""
        size, threads = self.size, self.tiling.threads
        parts = PARTS_PER_THREAD * threads
        buffers = np.empty((2, size), self.dtype)
        for stage in range(self.count):
            target = y if stage == self.count - 1 else buffers[stage % 2]

            def work(
                first: int, stop: int, source: Values = source, target: Values = target,
                stage: int = stage,
            ) -> None:  # fmt: skip
                panel = scratch(self.panel, self.dtype)
                for part in range(first, stop):
                    self.mixed(
                        source, target, target, target, panel, self.weights, self.stages,
                        stage, stage + 1, part, parts, conjugated,
                    )  # fmt: skip

            share(parts, threads, work)
            source = read_only(target)

    def _run_long(self, source: Values, y: Values, conjugated: bool) -> None:
        """Run in two parts: the low strides block by block, the others by neighbouring rows."""
        n, tiling = len(y), self.tiling
        span, low, width, weights, stages = (
            tiling.span, tiling.low_stages, tiling.width, self.weights, self.stages,
        )  # fmt: skip

        def run_low(x: Values) -> None:
            def work(first: int, stop: int) -> None:
                self.low(x, y, weights, stages, low, span, first, stop, conjugated)

            share(n // span, tiling.threads, work)

        def run_high(x: Values) -> None:
            def work(first: int, stop: int) -> None:
                self.high(x, y, weights, stages, low, span, width, first, stop, conjugated)

            share(span // width, tiling.threads, work)

        first, second = (run_high, run_low) if self.transposed else (run_low, run_high)
        first(source)
        second(read_only(y))


class Columns:
    """Products of a packed chain, or of its transpose, with so many columns."""

    def __init__(self, packed: Packed, transposed: bool, columns: int) -> None:
        from lazyop.kernels import cpu

        self.packed, self.transposed, self.columns = packed, transposed, columns
        self.rows, self.dtype = packed.shape[transposed], packed.weights.dtype
        self.tiling = packed.tiling(columns)
        self.is_short = packed.is_thin and self.tiling.low_stages == len(packed.stages)
        self.tiles = -(-columns // self.tiling.tile)
        self.size = packed.longest * self.tiling.tile
        self.room = 2 * self.size + packed.panel(self.tiling.tile)
        suffix = "_transposed" * transposed
        mixed = "mixed_columns" if packed.has_pairs else "general_columns"
        self.low, self.high, self.mixed = (
            getattr(cpu, name + suffix) for name in ("low_columns", "high_columns", mixed)
        )

    def run(self, X: Values, conjugated: bool) -> Values:
        """Return the product."""
        Y = np.empty((self.rows, self.columns), self.dtype)
        source, ld = rows_of(X)
        target = Y.reshape(-1)
        if not self.packed.is_thin:
            self._run_mixed(source, ld, target, conjugated)
        elif self.is_short:
            self._run_low(source, ld, target, conjugated)
        else:
            first, second = self._run_low, self._run_high
            if self.transposed:
                first, second = second, first
            first(source, ld, target, conjugated)
            second(read_only(target), self.columns, target, conjugated)
        return Y

    def _run_mixed(self, source: Values, ld: int, target: Values, conjugated: bool) -> None:
        packed, columns, tile = self.packed, self.columns, self.tiling.tile
        size, room = self.size, self.room

        def work(first: int, stop: int) -> None:
            self.mixed(
                source, ld, target, columns, scratch(room, self.dtype), size, packed.weights,
                packed.stages, columns, tile, first, stop, conjugated,
            )  # fmt: skip

        share(self.tiles, self.tiling.threads, work)

    def _run_low(self, source: Values, ld: int, target: Values, conjugated: bool) -> None:
        tile, span, stages = self.tiling.tile, self.tiling.span, self.tiling.low_stages
        packed, columns = self.packed, self.columns
        in_place = tile >= columns

        def work(first: int, stop: int) -> None:
            self.low(
                source, ld, target, columns,
                target if in_place else scratch(span * tile, self.dtype), in_place,
                packed.weights, packed.stages, stages, span, columns, tile, first, stop, conjugated,
            )  # fmt: skip

        share(self.rows // span * self.tiles, self.tiling.threads, work)

    def _run_high(self, source: Values, ld: int, target: Values, conjugated: bool) -> None:
        tile, span, run = self.tiling.tile, self.tiling.span, self.tiling.width
        packed, columns, start = self.packed, self.columns, self.tiling.low_stages
        size = self.rows // span * run * tile

        def work(first: int, stop: int) -> None:
            self.high(
                source, ld, target, columns, scratch(size, self.dtype), packed.weights,
                packed.stages, start, self.rows, span, run, columns, tile, first, stop, conjugated,
            )  # fmt: skip

        share(span // run * self.tiles, self.tiling.threads, work)


def read_only(x: Values) -> Values:
    """Return a view that can't be written to: the one type of source that is compiled for."""
    view = x.view()
    view.setflags(write=False)
    return view


def rows_of(X: Values) -> tuple[Values, int]:
    """Return a matrix's entries as a flat view that starts at them, and how far rows lie apart."""
    if not X.flags.aligned:
        return rows_of(X.copy())
    if X.flags.c_contiguous:
        return read_only(X.reshape(-1)), X.shape[1]
    if X.strides[1] != X.itemsize or X.strides[0] % X.itemsize:
        return rows_of(np.ascontiguousarray(X))
    return as_strided(X, (1,), (X.itemsize,), writeable=False), X.strides[0] // X.itemsize
