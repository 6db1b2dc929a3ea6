"""New arrays that begin where a line of the cache does.

A register that is stored across two lines takes twice the time, and where NumPy's arrays begin is
up to the C library: mostly not at a line's start. Products with several columns take up to twice
as long then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lazyop.kernels.addresses import address

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

#: Of a line of the cache.
LINE_BYTES = 64

#: Memory of a result of so many bytes, once nothing refers to it, is lent to the next one. Fresh
#: memory of that size comes from the system, which clears it: that takes as long as a product.
_FEWEST_LENT, _MOST_LENT = 1 << 24, 1 << 26

#: That memory: at most one block of it.
_spare: list[npt.NDArray[np.uint8]] = []


class _Loan:
    """Memory that comes back when the last array that refers to it is gone."""

    def __init__(self, memory: npt.NDArray[np.uint8]) -> None:
        self._memory = memory
        self.__array_interface__ = memory.__array_interface__

    def __del__(self, spare: list[npt.NDArray[np.uint8]] = _spare) -> None:
        spare[:] = [self._memory]


def _lent(size: int) -> npt.NDArray[np.uint8]:
    """Return room for so many bytes, and for where they begin, lent out."""
    try:
        memory = _spare.pop()
    except IndexError:
        memory = np.empty(0, np.uint8)
    if memory.size != size + LINE_BYTES:
        memory = np.empty(size + LINE_BYTES, np.uint8)
    return np.asarray(_Loan(memory))


def empty(shape: tuple[int, ...], size: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return a new array of that shape, which has so many entries, without setting them."""
    size *= dtype.itemsize
    is_lent = _FEWEST_LENT <= size <= _MOST_LENT
    room = _lent(size) if is_lent else np.empty(size + LINE_BYTES, np.uint8)
    return np.ndarray(shape, dtype, room, -address(room) % LINE_BYTES)


def joined(vectors: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return a new vector of the entries of vectors of one dtype, one after another."""
    size = sum(vector.size for vector in vectors)
    return np.concatenate(vectors, out=empty((size,), size, vectors[0].dtype))
