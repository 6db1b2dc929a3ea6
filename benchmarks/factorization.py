"""Factorization of dense matrices with given chains, lazyop beside its peers, in one process.

Run ``python benchmarks/factorization.py``, or with ``--quick`` for the small orders only. In each
cell the contenders take turns, and what counts is the ratio of the fastest peer's median to
lazyop's, above 1 where lazyop is faster. The error of each is that of its dense product, computed
here. lazyop is also timed with its bounds, which no peer has, and its peak memory is traced in
units of the matrix, which itself counts as 1. Leave the machine alone while this runs.
"""

import argparse
import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from statistics import geometric_mean, median
from typing import Any

import numpy as np
from peers import NotOfferedError, module
from report import (
    RESULTS,
    aligned,
    circumstances,
    conditions,
    figure_of_ratio,
    warn_if_busy,
    write_json,
)
from scipy.linalg import hadamard

import lazyop as lo

#: A peer that took this many seconds does not take part in larger cells of the same work, and
#: whatever takes as long is timed once in a cell.
PATIENCE = 4.0
#: Seconds that lazyop's threads get to fall asleep before the next contender begins.
PAUSE = 0.04
OURS, BOUNDED = "lazyop", "with bounds"


@dataclass(frozen=True)
class Work:
    """Matrices of one kind, and how many times faster than the fastest peer is wanted."""

    title: str
    make: Callable[[int], tuple[np.ndarray, lo.Chain]]
    orders: tuple[int, ...]
    floor: float
    mean: float | None = None
    dyadic: bool = False


@dataclass
class Cell:
    """Times and errors of the contenders for one matrix."""

    work: Work
    n: int
    seconds: dict[str, list[float]] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    reported: float = 0.0
    peak: float = 0.0

    @cached_property
    def milliseconds(self) -> dict[str, float]:
        return {name: 1e3 * median(times) for name, times in self.seconds.items()}

    @property
    def fastest_peer(self) -> str | None:
        peers = self.milliseconds.keys() - {OURS, BOUNDED}
        return min(peers, key=self.milliseconds.get, default=None)

    @property
    def ratio(self) -> float | None:
        peer = self.fastest_peer
        return None if peer is None else self.milliseconds[peer] / self.milliseconds[OURS]


# The matrices


def noisy_hadamard(n: int) -> tuple[np.ndarray, lo.Chain]:
    noise = np.random.default_rng(n).standard_normal((n, n))
    return hadamard(n) + 0.01 * noise, lo.Chain.square_dyadic(n)


def permuted_fourier(n: int) -> tuple[np.ndarray, lo.Chain]:
    """The columns in bit-reversed order: all contenders get a matrix that they can recover."""
    F = np.fft.fft(np.eye(n))
    return np.ascontiguousarray(F[:, lo.bit_reversal(n).p]), lo.Chain.square_dyadic(n)


def noisy_rank_four(n: int) -> tuple[np.ndarray, lo.Chain]:
    rng, chain = np.random.default_rng(n), lo.Chain.dyadic(n, rank=4)
    A = lo.Butterfly([rng.standard_normal(tuple(p)) for p in chain]).toarray()
    noise = rng.standard_normal((n, n))
    return A + 0.01 * np.linalg.norm(A) / np.linalg.norm(noise) * noise, chain


WORKS = (
    Work(
        "Hadamard with 1% noise, log2(n) factors",
        noisy_hadamard,
        (512, 1024, 2048, 4096, 8192),
        floor=10,
        mean=20,
        dyadic=True,
    ),
    Work(
        "DFT in bit-reversed order, complex128, log2(n) factors",
        permuted_fourier,
        (512, 1024, 2048, 4096),
        floor=5,
        dyadic=True,
    ),
    Work("rank-4 dyadic chain with 1% noise", noisy_rank_four, (512, 1024, 2048, 4096), floor=5),
)


# The contenders: each takes matrix and work, and returns a factorization to be timed


def lazyop_left_to_right(A: np.ndarray, chain: lo.Chain, work: Work) -> Callable[[], Any]:
    return lambda: lo.factorize(A, chain)


def lazyop_with_bounds(A: np.ndarray, chain: lo.Chain, work: Work) -> Callable[[], Any]:
    def factorize() -> lo.Factorization:
        found = lo.factorize(A, chain)
        _ = found.lower_bound
        return found

    return factorize


def lazylinop(order: str) -> Callable[..., Callable[[], Any]]:
    def prepare(A: np.ndarray, chain: lo.Chain, work: Work) -> Callable[[], Any]:
        butterfly = module("lazylinop.butterfly")
        theirs = butterfly.Chain([tuple(p) for p in chain])
        return lambda: butterfly.ksd(A, theirs, order=order)

    return prepare


def pyfaust_butterfly(A: np.ndarray, chain: lo.Chain, work: Work) -> Callable[[], Any]:
    factorizations = module("pyfaust.fact")
    if not work.dyadic:
        raise NotOfferedError("for chains of 2 x 2 blocks only")
    A = np.asfortranarray(A)
    return lambda: factorizations.butterfly(A, type="bbtree")


def pyfaust_deformable(A: np.ndarray, chain: lo.Chain, work: Work) -> Callable[[], Any]:
    factorizations = module("pyfaust.fact")
    if not work.dyadic:
        raise NotOfferedError("chooses another chain")
    return lambda: factorizations.fdb(A, n_factors=len(chain), rank=1)


CONTENDERS = {
    OURS: lazyop_left_to_right,
    BOUNDED: lazyop_with_bounds,
    "lazylinop l2r": lazylinop("l2r"),
    "lazylinop balanced": lazylinop("balanced"),
    "pyfaust butterfly": pyfaust_butterfly,
    "pyfaust fdb": pyfaust_deformable,
}


# Measuring


def measured_cells(quick: bool, rounds: int) -> Iterator[Cell]:
    for work in WORKS:
        slow: dict[str, str] = {}
        for n in work.orders[: 2 if quick else None]:
            print(f"{work.title}, n={n}", flush=True)
            cell = measure(work, n, rounds, slow)
            slow |= {
                name: f"took over {PATIENCE:.0f} s at order {n}"
                for name, times in cell.seconds.items()
                if min(times) > PATIENCE and name not in (OURS, BOUNDED)
            }
            yield cell


def measure(work: Work, n: int, rounds: int, slow: dict[str, str]) -> Cell:
    A, chain = work.make(n)
    cell, calls = Cell(work, n), {}
    for name, prepare in CONTENDERS.items():
        try:
            if name in slow:
                raise NotOfferedError(slow[name])
            calls[name] = prepare(A, chain, work)
            if name != BOUNDED:
                cell.errors[name] = error(calls[name](), A)
        except NotOfferedError as reason:
            cell.left_out[name] = str(reason)
    take_turns(cell, calls, rounds)
    cell.reported, cell.peak = reported_and_peak(A, chain)
    return cell


def take_turns(cell: Cell, calls: dict[str, Callable[[], Any]], rounds: int) -> None:
    """Time the contenders in turn; lazyop, which takes less time, three times in each of its."""
    for _ in range(rounds):
        for name, call in calls.items():
            if cell.seconds.get(name, [0.0])[0] > PATIENCE:
                continue
            for _ in range(3 if name == OURS else 1):
                time.sleep(PAUSE)
                start = time.perf_counter()
                call()
                cell.seconds.setdefault(name, []).append(time.perf_counter() - start)


def error(found: Any, A: np.ndarray) -> float:
    operator = found.operator if isinstance(found, lo.Factorization) else found
    return float(np.linalg.norm(A - operator.toarray()) / np.linalg.norm(A))


def reported_and_peak(A: np.ndarray, chain: lo.Chain) -> tuple[float, float]:
    tracemalloc.start()
    found = lo.factorize(A, chain)
    peak = 1 + tracemalloc.get_traced_memory()[1] / A.nbytes
    tracemalloc.stop()
    return found.relative_error, peak


# Reporting


def table(cells: list[Cell]) -> str:
    return "\n\n".join(section(work, [c for c in cells if c.work is work]) for work in WORKS)


def section(work: Work, cells: list[Cell]) -> str:
    rows = [["n", *CONTENDERS, "ratio", "peak memory", "error", "largest difference"]]
    rows += [row(cell) for cell in cells]
    ratios = [cell.ratio for cell in cells if cell.ratio is not None]
    lines = [f"{work.title} (milliseconds)", *aligned(rows)]
    if ratios:
        mean = geometric_mean(ratios)
        wanted = f"every cell >= {work.floor}x" + (f", mean >= {work.mean}x" if work.mean else "")
        met = min(ratios) >= work.floor and mean >= (work.mean or 0)
        lines.append(
            f"goal {wanted}: lowest {min(ratios):.1f}, mean {mean:.1f}, "
            + ("met" if met else "NOT met")
        )
    return "\n".join(lines)


def row(cell: Cell) -> list[str]:
    times = [cell.milliseconds.get(name) for name in CONTENDERS]
    ours = cell.errors[OURS]
    apart = max(abs(e - ours) for e in [*cell.errors.values(), cell.reported])
    return [
        str(cell.n),
        *("-" if t is None else f"{t:,.1f}" for t in times),
        figure_of_ratio(cell.ratio),
        f"{cell.peak:.2f}",
        f"{ours:.10g}",
        f"{apart:.1e}",
    ]


def as_json(cell: Cell) -> dict[str, object]:
    return {
        "work": cell.work.title,
        "n": cell.n,
        "milliseconds": {name: round(t, 3) for name, t in cell.milliseconds.items()},
        "fastest_peer": cell.fastest_peer,
        "ratio": None if cell.ratio is None else round(cell.ratio, 2),
        "goal": cell.work.floor,
        "relative_errors": cell.errors,
        "reported_relative_error": cell.reported,
        "peak_memory_over_matrix": round(cell.peak, 3),
        "left_out": cell.left_out,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the two smallest orders of each work")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender in a cell")
    options = parser.parse_args()
    found = conditions(options.rounds)
    warn_if_busy(found)
    cells = list(measured_cells(options.quick, options.rounds))
    print("\n" + table(cells))
    if not options.quick:
        results = {
            **circumstances(found),
            "cells": [as_json(cell) for cell in cells],
        }
        write_json(RESULTS / "factorization.json", results)


if __name__ == "__main__":
    # Some peers warn of their own deprecated calls in every factorization.
    warnings.simplefilter("ignore")
    main()
