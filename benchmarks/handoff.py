"""How long two threads take to reach each other.

On virtual processors that changes by itself, from minute to minute: cores that share a cache answer
in some 60 ns, others in several hundred, and products on several threads take longer then.
"""

import os
import threading
import time

import numpy as np
from numba import njit
from report import cpus_of_this_process

from lazyop.kernels.atomics import pause, read, write

#: Calls and answers of one trial, and trials, of which the fastest counts.
CALLS, TRIALS = 200, 5


@njit(nogil=True)
def ask(at, first, calls):
    for k in range(first, first + calls):
        write(at, 2 * k + 1)
        while read(at) != 2 * k + 2:
            pause()


@njit(nogil=True)
def answer(at, calls):
    for k in range(calls):
        while read(at) != 2 * k + 1:
            pause()
        write(at, 2 * k + 2)


def handoff() -> float | None:
    """Nanoseconds from a thread's call to another one's answer; None on a single processor."""
    if (cpus_of_this_process() or os.cpu_count()) == 1:
        return None
    return min(trial() for _ in range(TRIALS))


def trial() -> float:
    number = np.zeros(1, np.int64)
    at = number.ctypes.data
    helper = threading.Thread(target=answer, args=(at, 1 + CALLS))
    helper.start()
    ask(at, 0, 1)
    start = time.perf_counter()
    ask(at, 1, CALLS)
    taken = time.perf_counter() - start
    helper.join()
    return 1e9 * taken / CALLS
