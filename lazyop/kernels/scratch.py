"""Scratch memory, of which every thread keeps its own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from lazyop.kernels.aligned import empty

if TYPE_CHECKING:
    import numpy.typing as npt

#: Scratch up to this size stays with its thread: fresh memory costs more than what is done in it.
_KEPT_BYTES = 1 << 22

_local = threading.local()


def scratch(size: int) -> npt.NDArray[np.uint8]:
    """Return memory of so many bytes at least, which the thread's next call may return again."""
    kept: npt.NDArray[np.uint8] | None = getattr(_local, "memory", None)
    if kept is not None and kept.size >= size:
        return kept
    length = max(size, _KEPT_BYTES // 8)
    fresh = empty((length,), length, np.dtype(np.uint8))
    if size <= _KEPT_BYTES:
        _local.memory = fresh
    return fresh
