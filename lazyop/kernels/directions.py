"""Reading directions whose widths follow from energies. Importing this imports Numba.

The same operations in the same order as in `lazyop.quantization.by_energy`, each rounded by itself:
nothing is contracted, since widths, and with them all that follows, hang on every bit of an energy.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from lazyop.kernels.jit import cached


def _exact(function: Any) -> Any:
    """Compile without any freedom in arithmetic."""
    return cached(function, error_model="numpy")


@_exact
def read_directions(windows, start, energies, strides, most, top, bottom, upper, lower):
    """Read the columns of factors, one after another, and leave the energies before them.

    ``windows`` has the eight bytes from each byte on; ``strides`` are those of the factors in the
    order in which they are read, a stride of zero passing no energies on; ``top`` and ``bottom``
    have a row for each of them, ``upper`` and ``lower`` are scratch. Returns where the next code
    begins.
    """
    last = windows.size - 1
    at = start
    codes = energies.view(np.int64)
    for k in range(strides.size):
        for c in range(energies.size):
            width = min(max(((codes[c] >> 52) - 1021) // 2, 0), most)
            first = min(at >> 3, last)
            count = 1 << width
            code = 0
            if width:
                code = np.int64(windows[first] >> np.uint64(at - 8 * first)) & (count - 1)
            at += width
            along = (code - count // 2) / (count / 4)
            x, y = min(1.0, 2.0 - abs(along)), min(max(along, -1.0), 1.0)
            xx, yy = x * x, y * y
            size = xx + yy
            norm = sqrt(size)
            top[k, c], bottom[k, c] = x / norm, y / norm
            upper[c], lower[c] = xx / size * energies[c], yy / size * energies[c]
        stride = strides[k]
        for block in range(0, energies.size if stride else 0, 2 * stride or 1):
            for first in range(block, block + stride):
                second = first + stride
                energies[first] = upper[first] + upper[second]
                energies[second] = lower[first] + lower[second]
    return at
