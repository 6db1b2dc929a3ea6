"""Calls of compiled kernels: all that one is told, in a block of numbers.

What stays the same from product to product is put together once; `Call.run` adds the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lazyop.kernels import places
from lazyop.kernels.addresses import address
from lazyop.kernels.aligned import LINE_BYTES
from lazyop.kernels.places import CONJUGATED, SCRATCH, X_LD, Y_LD
from lazyop.kernels.scratch import scratch
from lazyop.kernels.team import share

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from lazyop.kernels.machine_code import Kernel

    Values = npt.NDArray[Any]


class Call:
    """One kernel, and all that it is told but the arrays of one product.

    Parameters
    ----------
    kernel : Kernel
        A function of such a block.
    dtype : dtype
    units, threads : int
        Units of work, and how many threads at most share it.
    room : int
        Entries of scratch memory for each thread.
    weights : array
    stages : int64 array, two-dimensional
    own : sequence of int and arrays
        The numbers that are the kernel's own; for an array, where it begins.
    wakes : bool
        Whether threads that sleep are woken at once.
    """

    def __init__(
        self, kernel: Kernel, dtype: np.dtype[Any], units: int, threads: int,
        room: int, weights: Values, stages: npt.NDArray[np.int64], own: Sequence[int | Values],
        wakes: bool,
    ) -> None:  # fmt: skip
        self._run, self._wakes = kernel.run, wakes
        self._threads = min(units, threads)
        self._kept = weights, stages, own  # the block has but their addresses
        step = -(-room * dtype.itemsize // LINE_BYTES) * LINE_BYTES
        self._bytes = self._threads * step
        self._is_complex = dtype.kind == "c"
        block = self._pattern = np.zeros(places.SIZE, np.int64)
        block[places.UNITS], block[places.SEATS] = units, self._threads
        block[places.WEIGHTS], block[places.STAGES] = weights.ctypes.data, stages.ctypes.data
        block[places.STAGE_COUNT], block[places.SCRATCH_STEP] = len(stages), step
        for place, value in enumerate(own, places.OWN):
            block[place] = value.ctypes.data if isinstance(value, np.ndarray) else value
        block[places.FUNCTION] = kernel.address
        # Blocks that no product uses now, each with its address.
        self._spare: list[tuple[npt.NDArray[np.int64], int]] = []

    def run(self, x: int, y: int, conjugated: bool, x_ld: int = 0, y_ld: int = 0) -> None:
        """Run the kernel from an argument to a result that begin at those addresses."""
        try:
            block, at = self._spare.pop()
        except IndexError:
            block = self._pattern.copy()
            at = block.ctypes.data
        if x_ld:
            block[X_LD], block[Y_LD] = x_ld, y_ld
        if self._is_complex:
            block[CONJUGATED] = conjugated
        if self._bytes:
            room = scratch(self._bytes)
            block[SCRATCH] = address(room)
        if self._threads > 1:
            share(block, at, self._threads, self._run, x, y, self._wakes)
        else:
            self._run(at, x, y)
        self._spare.append((block, at))
