"""What `compare.py` makes of its measurements: a table, a JSON file and a figure."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

from cases import ADJOINT_GOAL, WORKS, Cell, Goal, Work
from report import (
    Conditions,
    aligned,
    circumstances,
    draw_if_possible,
    figure_of_ratio,
    pyplot,
    rounded,
    write_json,
)

#: From this order on, one vector is compared with the time that reading the weights takes.
FLOOR_ORDER = 2**16


@dataclass(frozen=True)
class Measurement:
    """The times of a cell's contenders, in each round, and who did not take part.

    Before and after them, two threads reached each other in so many nanoseconds.
    """

    cell: Cell
    times: dict[str, list[float]]
    kinds: dict[str, str]
    left_out: dict[str, str]
    weight_bytes: int
    handoffs: tuple[float | None, float | None]

    @cached_property
    def microseconds(self) -> dict[str, float]:
        return {name: median(times) for name, times in self.times.items()}

    @property
    def ours(self) -> float:
        return self.microseconds["lazyop"]

    def fastest(self, kinds: Sequence[str]) -> str | None:
        names = [name for name, kind in self.kinds.items() if kind in kinds]
        return min(names, key=self.microseconds.get, default=None)

    def ratio(self, goal: Goal) -> float | None:
        """How many times as long as lazyop the fastest of those in the goal takes."""
        name = self.fastest(goal.against)
        return None if name is None else self.microseconds[name] / self.ours

    @property
    def adjoint_ratio(self) -> float | None:
        adjoint = self.microseconds.get("lazyop adjoint")
        return None if adjoint is None else adjoint / self.ours

    @property
    def distance(self) -> float | None:
        """How many times as long as SciPy's the same transform takes, bit reversal included."""
        if "scipy.fft" not in self.microseconds:
            return None
        return self.microseconds["lazyop DFT"] / self.microseconds["scipy.fft"]

    def read_fraction(self, speed: float) -> float | None:
        """The fraction of the memory's speed at which the weights are read."""
        if self.cell.columns > 1 or self.cell.n < FLOOR_ORDER or not self.weight_bytes:
            return None
        return self.weight_bytes / (1e-6 * self.ours) / speed


@dataclass(frozen=True)
class Verdict:
    """A goal of a work, and how far it is reached."""

    work: Work
    goal: Goal
    mean: float
    lowest: float

    @property
    def met(self) -> bool:
        return self.lowest >= (self.goal.floor or 0) and self.mean >= (self.goal.mean or 0)


# The table


def table(measurements: Sequence[Measurement], found: Conditions) -> str:
    sections = [section(WORKS[key], group) for key, group in by_work(measurements)]
    return "\n\n".join([*sections, summary(measurements, found), absences(measurements)])


def by_work(measurements: Sequence[Measurement]) -> Iterator[tuple[str, list[Measurement]]]:
    for key in WORKS:
        group = [m for m in measurements if m.cell.work == key]
        if group:
            yield key, group


def section(work: Work, group: Sequence[Measurement]) -> str:
    """One work: microseconds of each contender, and the ratios that its goals speak of."""
    names = dict.fromkeys(name for m in group for name in m.microseconds)
    against = [" or ".join(goal.against) for goal in work.goals]
    header = ["structure", "n", "columns", "dtype", *names, "fastest peer"]
    header += [f"{kinds} / lazyop" for kinds in against]
    rows = [row(m, names, work.goals) for m in group]
    goals = [f"  {k} / lazyop: {goal}" for k, goal in zip(against, work.goals, strict=True)]
    return "\n".join([f"{work.title} (microseconds)", *aligned([header, *rows]), "goals", *goals])


def row(m: Measurement, names: Sequence[str], goals: Sequence[Goal]) -> list[str]:
    cell = m.cell
    times = [figure_of_time(m.microseconds.get(name)) for name in names]
    ratios = [figure_of_ratio(m.ratio(goal)) for goal in goals]
    head = [cell.structure, str(cell.n), str(cell.columns), cell.dtype]
    return [*head, *times, m.fastest(goals[0].against) or "-", *ratios]


def figure_of_time(microseconds: float | None) -> str:
    if microseconds is None:
        return "-"
    return f"{microseconds:,.1f}" if microseconds < 100 else f"{microseconds:,.0f}"


def summary(measurements: Sequence[Measurement], found: Conditions) -> str:
    rows = [["goals", "against", "goal", "mean", "lowest", "met"]]
    for v in verdicts(measurements):
        figures = [f"{v.mean:.2f}", f"{v.lowest:.2f}", "yes" if v.met else "NO"]
        rows.append([v.work.title, " or ".join(v.goal.against), str(v.goal), *figures])
    remarks = [*adjoint_remarks(measurements), *distance_remarks(measurements, found.read_speed)]
    remarks += handoff_remarks(measurements)
    if found.busy:
        remarks.append(f"the machine was busy when this began (load {found.load:.1f})")
    return "\n".join([*aligned(rows), *remarks])


def adjoint_remarks(measurements: Sequence[Measurement]) -> Iterator[str]:
    apart = [m for m in measurements if m.adjoint_ratio is not None]
    if not apart:
        return
    furthest = max(apart, key=lambda m: abs(math.log(m.adjoint_ratio)))
    met = sum(map(adjoint_met, apart))
    yield (
        f"adjoint / forward: furthest apart {furthest.adjoint_ratio:.2f} "
        f"({furthest.cell.name}); goal within {ADJOINT_GOAL}x: met by {met} of {len(apart)}"
    )


def distance_remarks(measurements: Sequence[Measurement], speed: float) -> Iterator[str]:
    for m in measurements:
        if m.distance is not None:
            yield f"DFT / scipy.fft: {m.distance:.1f} ({m.cell.name})"
        fraction = m.read_fraction(speed)
        if fraction is not None:
            yield (
                f"reading the weights at {speed / 1e9:.0f} GB/s is {fraction:.2f} of the time "
                f"({m.cell.name})"
            )


def handoff_remarks(measurements: Sequence[Measurement]) -> Iterator[str]:
    found = sorted(t for m in measurements for t in m.handoffs if t is not None)
    if found:
        yield (
            f"two threads reached each other in {found[0]:.0f} to {found[-1]:.0f} ns, "
            f"median {median(found):.0f}"
        )


def verdicts(measurements: Sequence[Measurement]) -> Iterator[Verdict]:
    for key, group in by_work(measurements):
        for goal in WORKS[key].goals:
            ratios = [ratio for m in group if (ratio := m.ratio(goal)) is not None]
            if ratios:
                yield Verdict(WORKS[key], goal, geometric_mean(ratios), min(ratios))


def adjoint_met(m: Measurement) -> bool:
    return 1 / ADJOINT_GOAL <= m.adjoint_ratio <= ADJOINT_GOAL


def absences(measurements: Sequence[Measurement]) -> str:
    """Who was left out of some cell, with the reasons."""
    reasons = dict.fromkeys((n, reason) for m in measurements for n, reason in m.left_out.items())
    lines = [f"  {name}: {reason}" for name, reason in reasons if reason != "not a DFT"]
    return "\n".join(["left out of some cells", *(lines or ["  no one"])])


# Files


def write(folder: Path, measurements: Sequence[Measurement], found: Conditions) -> None:
    results = {
        **circumstances(found),
        "cells": [as_json(m, found.read_speed) for m in measurements],
        "goals": [verdict_as_json(v) for v in verdicts(measurements)],
    }
    write_json(folder / "compare.json", results)
    (folder / "compare.txt").write_text(table(measurements, found) + "\n", encoding="utf-8")
    draw_if_possible(draw, measurements, folder / "compare.png")


def as_json(m: Measurement, speed: float) -> dict[str, object]:
    work = WORKS[m.cell.work]
    return {
        "work": m.cell.work,
        "structure": m.cell.structure,
        "n": m.cell.n,
        "columns": m.cell.columns,
        "dtype": m.cell.dtype,
        "microseconds": {name: round(t, 2) for name, t in m.microseconds.items()},
        "least_microseconds": {name: round(min(t), 2) for name, t in m.times.items()},
        "fastest_peer": m.fastest(work.goals[0].against),
        "ratios": [
            {"against": goal.against, "ratio": rounded(m.ratio(goal)), "goal": goal.floor}
            for goal in work.goals
        ],
        "adjoint_over_forward": rounded(m.adjoint_ratio),
        "dft_over_scipy_fft": rounded(m.distance),
        "fraction_of_read_speed": rounded(m.read_fraction(speed)),
        "handoff_nanoseconds": [None if t is None else round(t) for t in m.handoffs],
        "left_out": m.left_out,
    }


def verdict_as_json(v: Verdict) -> dict[str, object]:
    return {
        "work": v.work.title,
        "against": v.goal.against,
        "floor": v.goal.floor,
        "mean": v.goal.mean,
        "reached_lowest": rounded(v.lowest),
        "reached_mean": rounded(v.mean),
        "met": v.met,
    }


# The figure


def draw(measurements: Sequence[Measurement], path: Path) -> None:
    """A panel for each work: a dot for each cell's ratio, lines for its goals."""
    plt = pyplot()
    groups = list(by_work(measurements))
    heights = [len(group) for _, group in groups]
    figure, panels = plt.subplots(
        len(groups),
        sharex=True,
        squeeze=False,
        figsize=(9, 1 + 0.2 * sum(heights) + 0.45 * len(groups)),
        height_ratios=heights,
        layout="constrained",
    )
    for (key, group), panel in zip(groups, panels[:, 0], strict=True):
        draw_work(panel, WORKS[key], group)
    panels[-1, 0].set_xlabel(
        "median of the fastest peer / median of lazyop (right of 1: lazyop is faster)\n"
        "dotted: goal of every cell; dashed: goal of the geometric mean"
    )
    figure.savefig(path, dpi=150)
    plt.close(figure)


def draw_work(panel: Any, work: Work, group: Sequence[Measurement]) -> None:
    goal = work.goals[0]
    shown = [(m, ratio) for m in group if (ratio := m.ratio(goal)) is not None]
    positions = range(len(shown))
    ratios = [ratio for _, ratio in shown]
    colours = ["tab:blue" if ratio >= goal.floor else "tab:red" for ratio in ratios]
    panel.scatter(ratios, positions, c=colours, s=20, zorder=3)
    panel.axvline(1, color="black", linewidth=1)
    panel.axvline(goal.floor, color="tab:green", linestyle=":")
    if goal.mean is not None:
        panel.axvline(goal.mean, color="tab:green", linestyle="--")
    panel.set_xscale("log", base=2)
    panel.xaxis.set_major_formatter("{x:.3g}")
    panel.set_yticks(positions, [label(m) for m, _ in shown], fontsize="x-small")
    panel.set_ylim(len(shown) - 0.4, -0.6)
    panel.grid(axis="x", alpha=0.3)
    panel.set_title(f"{work.title}: {goal}", loc="left", fontsize="small")


def label(m: Measurement) -> str:
    cell, columns = m.cell, "1 vector" if m.cell.columns == 1 else f"{m.cell.columns} columns"
    peer = m.fastest(WORKS[cell.work].goals[0].against)
    return f"{cell.structure}, n={cell.n}, {columns}, {cell.dtype} | {peer}"
