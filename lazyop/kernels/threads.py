"""Threads that share the work of one product, and the scratch memory of each of them."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

#: Scratch up to this size stays with its thread: fresh memory costs more than what is done in it.
_KEPT_BYTES = 1 << 22

#: How many views of it a thread keeps: making one costs a microsecond.
_VIEWS_KEPT = 32

#: Of a line of the cache, where scratch begins.
_LINE_BYTES = 64

#: Into how many parts work is cut for each thread.
PARTS_PER_THREAD = 4

_local = threading.local()


@lru_cache(maxsize=1)
def _pool(workers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, thread_name_prefix="lazyop")


if hasattr(os, "register_at_fork"):  # the threads of a parent are not there in its child
    os.register_at_fork(after_in_child=_pool.cache_clear)


def share(units: int, threads: int, work: Callable[[int, int], None]) -> None:
    """Call ``work(first, stop)`` over parts of ``range(units)``, here and in other threads.

    Parts are taken one after another by whoever is free, so that a thread that starts late, or
    not at all, costs no more than its help.
    """
    if threads <= 1 or units <= 1:
        work(0, units)
        return
    parts = min(units, PARTS_PER_THREAD * threads)
    turns = iter(range(parts))
    here = _cpu()

    def take_parts() -> None:
        for part in turns:  # taking the next one is atomic
            work(units * part // parts, units * (part + 1) // parts)

    def help_out() -> None:
        _leave(here)
        take_parts()

    pool = _pool(threads - 1)
    others = [pool.submit(help_out) for _ in range(min(threads, parts) - 1)]
    try:
        take_parts()
    finally:
        for other in others:
            if not other.cancel():
                other.result()


@cache
def _getcpu() -> Callable[[], int] | None:
    """Return the C library's function that tells on which CPU the caller runs, if it has one."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    import ctypes

    return getattr(ctypes.CDLL(None), "sched_getcpu", None)


def _cpu() -> int:
    """Return the CPU on which the calling thread runs, or -1 where that can't be told."""
    getcpu = _getcpu()
    return getcpu() if getcpu else -1


def _leave(cpu: int) -> None:
    """Have the calling thread run on another CPU than that one, and leave it free again.

    Linux often wakes a thread on the CPU of the thread that it is to help, and lets the two take
    turns there for many milliseconds while other CPUs are idle.
    """
    if cpu >= 0 and _cpu() == cpu:
        allowed = os.sched_getaffinity(0)
        if len(allowed) > 1:
            os.sched_setaffinity(0, allowed - {cpu})
            os.sched_setaffinity(0, allowed)


def scratch(count: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return memory for so many entries, which the thread's next call may return again."""
    view = _views().get((count, dtype))
    return _new_scratch(count, dtype) if view is None else view


def _views() -> dict[tuple[int, np.dtype[Any]], npt.NDArray[Any]]:
    """Return the thread's views of the memory that stays with it."""
    views: dict[tuple[int, np.dtype[Any]], npt.NDArray[Any]] | None
    views = getattr(_local, "views", None)
    if views is None:
        views = _local.views = {}
    return views


def _new_scratch(count: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    size, views = count * dtype.itemsize, _views()
    if size > _KEPT_BYTES:
        return np.empty(count, dtype=dtype)
    kept: npt.NDArray[np.uint8] | None = getattr(_local, "memory", None)
    if kept is None or kept.size < size:
        fresh = np.empty(max(size, _KEPT_BYTES // 8) + _LINE_BYTES, dtype=np.uint8)
        kept = _local.memory = fresh[-fresh.ctypes.data % _LINE_BYTES :]
        views.clear()
    elif len(views) >= _VIEWS_KEPT:
        views.clear()
    view = views[count, dtype] = kept[:size].view(dtype)
    return view
