"""Calls of compiled kernels: all that one is told, in a block of numbers. Importing imports Numba.

What stays the same from product to product is put together once; `Call.run` adds the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import from_dtype, types

from lazyop.kernels import places
from lazyop.kernels.aligned import LINE_BYTES
from lazyop.kernels.places import CONJUGATED, SCRATCH, X_LD, Y_LD, X, Y
from lazyop.kernels.scratch import scratch
from lazyop.kernels.team import share
from lazyop.kernels.turns import address

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    Values = npt.NDArray[Any]


class Call:
    """One kernel, and all that it is told but the arrays of one product.

    Parameters
    ----------
    kernel : callable
        A compiled function of a block, a seat, and an array of the dtype that it is for.
    dtype : dtype
    units, threads : int
        Units of work, and how many threads at most share it.
    room : int
        Entries of scratch memory for each thread.
    weights : array
    stages : int64 array, two-dimensional
    own : sequence of int and arrays
        The numbers that are the kernel's own; for an array, where it begins.
    """

    def __init__(
        self, kernel: Callable[..., None], dtype: np.dtype[Any], units: int, threads: int,
        room: int, weights: Values, stages: npt.NDArray[np.int64], own: Sequence[int | Values],
    ) -> None:  # fmt: skip
        self._kernel, self._like = kernel, np.empty(0, dtype)
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
        if self._threads > 1:
            block[places.FUNCTION] = _pointer(kernel, self._like)
        # Blocks that no product uses now, each with its address.
        self._spare: list[tuple[npt.NDArray[np.int64], int]] = []

    def run(self, x: int, y: int, conjugated: bool, x_ld: int = 0, y_ld: int = 0) -> None:
        """Run the kernel from an argument to a result that begin at those addresses."""
        try:
            block, at = self._spare.pop()
        except IndexError:
            block = self._pattern.copy()
            at = block.ctypes.data
        block[X], block[Y] = x, y
        if x_ld:
            block[X_LD], block[Y_LD] = x_ld, y_ld
        if self._is_complex:
            block[CONJUGATED] = conjugated
        if self._bytes:
            room = scratch(self._bytes)
            block[SCRATCH] = address(room)
        if self._threads > 1:
            share(block, at, self._threads, self._kernel, self._like)
        else:
            self._kernel(at, 0, self._like)
        self._spare.append((block, at))


def _pointer(kernel: Any, like: Values) -> int:
    """Return the address of a kernel's machine code."""
    arguments = (types.int64, types.int64, types.Array(from_dtype(like.dtype), 1, "C"))
    kernel.compile(arguments)
    compiled = kernel.overloads[arguments]
    pointer: int = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
    return pointer
