"""The threads that share the work of one product.

A sleeping thread wakes too late to help with a product of a tenth of a millisecond. Helpers
therefore look out for the next product for a while before they fall asleep, as the threads of a
BLAS do; in compiled code, without Python's lock.
"""

from __future__ import annotations

import atexit
import math
import os
import threading
import time
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from lazyop.kernels import places
from lazyop.kernels.machine_code import kernel

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

#: Into how many parts work is cut for each thread.
PARTS_PER_THREAD = 4

#: Seconds for which a helper looks out before it sleeps.
_LOOK_OUT = 5e-4

#: Short calls, each soon after the one before, that do not wake a helper yet: waking one takes
#: longer than they do.
_FEW_CALLS = 4

#: Trials, and looks of each, by which their speed is told.
_TRIALS, _TRIAL_LOOKS = 5, 1000


class Team:
    """Helpers of whichever thread asks first; there are as many as were ever asked for."""

    def __init__(self) -> None:
        self._serve = kernel("turns", "serve", np.dtype(np.int64)).run
        self._numbers = np.zeros(3, np.int64)
        self._at = self._numbers.ctypes.data
        self._busy = threading.Lock()
        self._condition = threading.Condition()
        self._helpers: list[threading.Thread] = []
        self._rings = self._asleep = self._in_a_row = 0
        self._last_alone = -math.inf
        self._caller = -1
        self._is_closed = False
        self._looks = int(_LOOK_OUT / self._seconds_of_a_look()) + 1

    def _seconds_of_a_look(self) -> float:
        """Return the least of some trials: others that want the processor make one look slow."""
        helper = np.zeros(2, np.int64)
        trials = []
        for _ in range(_TRIALS):
            start = time.perf_counter()
            self._serve(self._at, helper.ctypes.data, _TRIAL_LOOKS)
            trials.append(time.perf_counter() - start)
        return min(trials) / _TRIAL_LOOKS

    def share(
        self,
        block: npt.NDArray[np.int64],
        at: int,
        threads: int,
        run: Callable[[int, int, int], None],
        x: int,
        y: int,
        wakes: bool,
    ) -> None:
        """Run a kernel together with helpers, or alone where they are busy, or are to sleep on."""
        block[places.NEXT] = block[places.PARTS] = 0
        if not self._busy.acquire(blocking=False):
            run(at, x, y)
            return
        try:
            is_ready = len(self._helpers) >= threads - 1 and not self._asleep
            if not (is_ready or wakes or self._is_one_of_many()):
                run(at, x, y)
                return
            self._rings += 1
            block[places.PARTS] = min(int(block[places.UNITS]), PARTS_PER_THREAD * threads)
            block[places.TEAM], block[places.RING] = self._at, self._rings
            while len(self._helpers) < threads - 1:
                self._hire()
            if self._asleep:
                self._wake()
            run(at, x, y)
        finally:
            self._busy.release()

    def _is_one_of_many(self) -> bool:
        """Whether calls found helpers asleep so shortly before that more may follow."""
        now = time.perf_counter()
        self._in_a_row = self._in_a_row + 1 if now - self._last_alone < _LOOK_OUT else 1
        self._last_alone = now
        return self._in_a_row > _FEW_CALLS

    def _hire(self) -> None:
        seat = len(self._helpers) + 1
        helper = threading.Thread(
            target=self._help, args=(seat, self._rings - 1), name=f"lazyop-{seat}", daemon=True
        )
        self._helpers.append(helper)
        helper.start()

    def _wake(self) -> None:
        with self._condition:
            self._caller = _cpu()
            self._condition.notify_all()

    def _help(self, seat: int, seen: int) -> None:
        """Do what a helper does for all its life."""
        helper = np.array([seat, seen], np.int64)
        at = helper.ctypes.data
        while not self._is_closed:
            self._serve(self._at, at, self._looks)
            with self._condition:
                self._asleep += 1
                while self._rings == helper[places.SEEN] and not self._is_closed:
                    self._condition.wait()
                self._asleep -= 1
            _leave(self._caller)

    def close(self) -> None:
        """Let all helpers go, and wait until they are gone."""
        with self._condition:
            self._is_closed = True
            self._condition.notify_all()
        for helper in self._helpers:
            helper.join()


@cache
def _team() -> Team:
    team = Team()
    atexit.register(team.close)
    return team


if hasattr(os, "register_at_fork"):  # the threads of a parent are not there in its child
    os.register_at_fork(after_in_child=_team.cache_clear)


def share(
    block: npt.NDArray[np.int64], at: int, threads: int, run: Callable[[int, int, int], None],
    x: int, y: int, wakes: bool,
) -> None:  # fmt: skip
    """Run a kernel in so many threads at most.

    Parts are taken one after another by whoever is free, so that a thread that starts late, or
    not at all, costs no more than its help.

    Parameters
    ----------
    block : int64 array
        As `lazyop.kernels.places` has it; what concerns the sharing is filled in.
    at : int
        Its address.
    threads : int
    run : callable
        The kernel, whose address the block holds, too.
    x, y : int
        Addresses of the argument and the result.
    wakes : bool
        Whether helpers that sleep are woken even for a call among few.
    """
    _team().share(block, at, threads, run, x, y, wakes)


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
