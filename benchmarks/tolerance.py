"""Factorization within a tolerance: the numbers held, beside dense and fixed ranks, as n grows.

Run ``python benchmarks/tolerance.py``, or with ``--orders 256 512`` for some orders only. For each
matrix, order and tolerance, lazyop chooses chain and ranks; its error is measured here, from the
dense product. What is held is compared with the matrix itself, and with the best dyadic chain of
one rank at all splits, found by raising the rank until the tolerance is met.
"""

import argparse
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from report import (
    RESULTS,
    aligned,
    circumstances,
    conditions,
    draw_if_possible,
    pyplot,
    write_json,
)
from scipy.special import j0

import lazyop as lo

TOLERANCES = (1e-2, 1e-4, 1e-8)
ORDERS = (256, 512, 1024, 2048)
#: What is held may be this many times what the best chain of one rank holds.
GOAL = 1.1


@dataclass(frozen=True)
class Kind:
    """Matrices of one kind for every order, and the permutation that suits them."""

    title: str
    make: Callable[[int], np.ndarray]
    permutation: Any = ("bit-reversal", None)


@dataclass(frozen=True)
class Cell:
    """What was found for one matrix and one tolerance."""

    matrix: str
    n: int
    tol: float
    relative_error: float
    parameters: int
    factors: int
    seconds: float
    fixed_rank: int | None
    fixed_rank_parameters: int | None

    @property
    def of_dense(self) -> float:
        return self.parameters / self.n**2

    @property
    def of_fixed_rank(self) -> float:
        """The numbers held over those of the smallest chain of one rank, or of the matrix."""
        return self.parameters / min(self.fixed_rank_parameters or self.n**2, self.n**2)

    @property
    def per_row(self) -> float:
        """A straight line over log n, where the numbers held grow as n log n."""
        return self.parameters / self.n

    @property
    def met(self) -> bool:
        return self.relative_error <= self.tol * (1 + 1e-6) and self.of_fixed_rank <= GOAL


# The matrices


def fourier_integral(n: int) -> np.ndarray:
    """An oscillatory kernel with a phase that bends with the point and breaks at frequency 0."""
    x, k = np.arange(n) / n, np.arange(n) - n / 2
    bend = (2 + np.sin(2 * np.pi * x)) / 8
    return np.exp(2j * np.pi * (np.outer(x, k) + np.outer(bend, np.abs(k))))


def bessel(n: int) -> np.ndarray:
    return j0(np.outer(np.arange(1, n + 1) * np.pi, (np.arange(n) + 0.5) / n))


def nonuniform_fourier(n: int) -> np.ndarray:
    return np.exp(-2j * np.pi * np.outer(sorted_points(n), np.arange(n)))


def chirp(n: int) -> np.ndarray:
    k = np.arange(n)
    return np.exp(1j * np.pi * np.subtract.outer(k, k) ** 2 / n)


def gaussian(n: int) -> np.ndarray:
    """A Gaussian whose width is a thirtieth of the interval, whatever the number of points."""
    points = sorted_points(n)
    return np.exp(-450 * np.subtract.outer(points, points) ** 2)


def narrowing_gaussian(n: int) -> np.ndarray:
    """A Gaussian whose width falls as the root of the number of points, as does what it spans."""
    points = sorted_points(n)
    return np.exp(-n / 4 * np.subtract.outer(points, points) ** 2)


def sorted_points(n: int) -> np.ndarray:
    return np.sort(np.random.default_rng(0).random(n))


KINDS = (
    Kind("Fourier integral operator", fourier_integral),
    Kind("Bessel kernel", bessel),
    Kind("non-uniform DFT", nonuniform_fourier),
    Kind("chirp", chirp),
    Kind("Gaussian kernel, sorted points", gaussian, None),
    Kind("narrowing Gaussian kernel", narrowing_gaussian, None),
)


# Measuring


def measured_cells(orders: Iterable[int]) -> Iterator[Cell]:
    for kind in KINDS:
        for n in orders:
            print(f"{kind.title}, n={n}", flush=True)
            A = kind.make(n)
            fixed = fixed_ranks(A, kind.permutation)
            for tol in TOLERANCES:
                yield measure(kind, A, tol, fixed.get(tol))


def measure(kind: Kind, A: np.ndarray, tol: float, fixed: tuple[int, int] | None) -> Cell:
    start = time.perf_counter()
    found = lo.factorize(A, tol=tol, permutation=kind.permutation)
    seconds = time.perf_counter() - start
    rank, parameters = fixed or (None, None)
    return Cell(
        matrix=kind.title,
        n=len(A),
        tol=tol,
        relative_error=float(np.linalg.norm(A - found.operator.toarray()) / np.linalg.norm(A)),
        parameters=found.chain.nnz,
        factors=len(found.chain),
        seconds=round(seconds, 2),
        fixed_rank=rank,
        fixed_rank_parameters=parameters,
    )


def fixed_ranks(A: np.ndarray, permutation: Any) -> dict[float, tuple[int, int]]:
    """For each tolerance, the least rank of a dyadic chain that meets it, and what that holds.

    Ranks whose chain holds as much as the matrix are not tried.
    """
    found: dict[float, tuple[int, int]] = {}
    for rank in range(1, len(A)):
        chain = lo.Chain.dyadic(len(A), rank=rank)
        if chain.nnz >= A.size or len(found) == len(TOLERANCES):
            break
        error = lo.factorize(A, chain, permutation=permutation).relative_error
        for tol in TOLERANCES:
            if error <= tol:
                found.setdefault(tol, (rank, chain.nnz))
    return found


# Reporting


def table(cells: list[Cell]) -> str:
    return "\n\n".join(
        section(kind, [c for c in cells if c.matrix == kind.title]) for kind in KINDS
    )


def section(kind: Kind, cells: list[Cell]) -> str:
    head = ["tol", "n", "numbers", "of dense", "of one rank", "per row", "more per doubling"]
    rows = [[*head, "rank", "error", "seconds"]]
    for tol in TOLERANCES:
        chosen = [c for c in cells if c.tol == tol]
        rows += [row(c, before) for before, c in zip([None, *chosen], chosen, strict=False)]
    return "\n".join([kind.title, *aligned(rows)])


def row(cell: Cell, before: Cell | None) -> list[str]:
    return [
        f"{cell.tol:.0e}",
        str(cell.n),
        f"{cell.parameters:,}",
        f"{cell.of_dense:.3f}",
        f"{cell.of_fixed_rank:.2f}",
        f"{cell.per_row:.1f}",
        "-" if before is None else f"{more_per_doubling(before, cell):.1f}",
        "-" if cell.fixed_rank is None else str(cell.fixed_rank),
        f"{cell.relative_error:.1e}",
        f"{cell.seconds:.1f}",
    ]


def more_per_doubling(before: Cell, cell: Cell) -> float:
    """By how much the numbers per row grow; the same at all orders if they grow as n log n."""
    return (cell.per_row - before.per_row) / math.log2(cell.n / before.n)


def as_json(cell: Cell) -> dict[str, object]:
    return {
        **asdict(cell),
        "of_dense": round(cell.of_dense, 4),
        "of_fixed_rank": round(cell.of_fixed_rank, 3),
        "per_row": round(cell.per_row, 3),
        "met": cell.met,
    }


def draw(cells: list[Cell], path: Path) -> None:
    """A panel for each kind of matrix: the numbers held per row over log n, for each tolerance."""
    plt = pyplot()
    figure, panels = plt.subplots(2, 3, figsize=(12, 7.5), sharex=True, layout="constrained")
    for kind, panel in zip(KINDS, panels.flat, strict=True):
        draw_kind(panel, kind.title, [c for c in cells if c.matrix == kind.title])
    for panel in panels[-1]:
        panel.set_xlabel("order n")
    for panel in panels[:, 0]:
        panel.set_ylabel("numbers held / n")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_kind(panel: Any, title: str, cells: list[Cell]) -> None:
    orders = sorted({c.n for c in cells})
    for tol, colour in zip(TOLERANCES, ("#56B4E9", "#0072B2", "#D55E00"), strict=True):
        chosen = [c for c in cells if c.tol == tol]
        panel.plot(orders, [c.per_row for c in chosen], "o-", color=colour, label=f"tol={tol:.0e}")
        # The last two orders set a multiple of n log n, less one of n, which is straight here.
        step = more_per_doubling(*chosen[-2:]) if len(chosen) > 1 else 0.0
        line = [chosen[-1].per_row - step * math.log2(orders[-1] / n) for n in orders]
        panel.plot(orders, line, "--", color=colour, linewidth=0.8)
        fixed = [c.fixed_rank_parameters or math.nan for c in chosen]
        panel.plot(orders, [f / n for f, n in zip(fixed, orders, strict=True)], "x", color=colour)
    highest = max(c.per_row for c in cells)
    panel.plot([], [], "--", color="black", linewidth=0.8, label="a n log n - b n")
    panel.plot([], [], "x", color="black", label="best dyadic chain of one rank")
    panel.plot(orders, orders, ":", color="black", label="dense")
    panel.set_ylim(0, 1.3 * highest)
    panel.set_xscale("log", base=2)
    panel.set_xticks(orders, orders)
    panel.set_title(title, loc="left", fontsize="medium")
    panel.grid(alpha=0.3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--orders", type=int, nargs="+", default=ORDERS, help="orders to measure")
    parser.add_argument("--folder", type=Path, default=RESULTS, help="where the results go")
    options = parser.parse_args()
    found = conditions(rounds=1)
    cells = list(measured_cells(options.orders))
    print("\n" + table(cells))
    missed = [c for c in cells if not c.met]
    print(f"\n{len(cells) - len(missed)} of {len(cells)} within tolerance and {GOAL} of one rank")
    results = {
        **circumstances(found),
        "goal_of_fixed_rank": GOAL,
        "cells": [as_json(cell) for cell in cells],
    }
    write_json(options.folder / "tolerance.json", results)
    draw_if_possible(draw, cells, options.folder / "tolerance.png")


if __name__ == "__main__":
    main()
