"""A few threads that share the units of work of one product, made when first needed."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@lru_cache(maxsize=1)
def _pool(workers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, thread_name_prefix="lazyop")


if hasattr(os, "register_at_fork"):  # the threads of a parent are not there in its child
    os.register_at_fork(after_in_child=_pool.cache_clear)


def share(units: int, threads: int, work: Callable[[int, int], None]) -> None:
    """Call ``work(first, stop)`` over parts of ``range(units)``, one part here, others beside."""
    parts = max(1, min(units, threads))
    cuts = [units * part // parts for part in range(parts + 1)]
    if parts == 1:
        work(0, units)
        return
    pool = _pool(threads - 1)
    others = [pool.submit(work, cuts[i], cuts[i + 1]) for i in range(1, parts)]
    work(cuts[0], cuts[1])
    for other in others:
        other.result()
