"""New arrays that begin where a line of the cache does. Importing this imports Numba.

A register that is stored across two lines takes twice the time, and where NumPy's arrays begin is
up to the C library: mostly not at a line's start. Products with several columns take up to twice
as long then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lazyop.kernels.turns import address

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

#: Of a line of the cache.
LINE_BYTES = 64


def empty(shape: tuple[int, ...], size: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return a new array of that shape, which has so many entries, without setting them."""
    room = np.empty(size * dtype.itemsize + LINE_BYTES, np.uint8)
    return np.ndarray(shape, dtype, room, -address(room) % LINE_BYTES)


def joined(vectors: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return a new vector of the entries of vectors of one dtype, one after another."""
    size = sum(vector.size for vector in vectors)
    return np.concatenate(vectors, out=empty((size,), size, vectors[0].dtype))
