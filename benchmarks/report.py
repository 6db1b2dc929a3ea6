"""What the scripts share: what a measurement depends on, and how it is printed, kept and drawn."""

import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from timeit import Timer
from types import ModuleType
from typing import Any

import numpy as np
from peers import DISTRIBUTIONS, installed

import lazyop as lo

#: Where the figures of full runs are kept.
RESULTS = Path(__file__).parent / "results"

THREAD_SETTINGS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMBA_THREADING_LAYER",
)


# Conditions


@dataclass(frozen=True)
class Conditions:
    """What the measurements depend on besides the versions."""

    rounds: int
    read_speed: float
    load: float | None

    @property
    def busy(self) -> bool:
        return self.load is not None and self.load > 0.5


def conditions(rounds: int) -> Conditions:
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return Conditions(rounds, read_speed(), load)


def read_speed() -> float:
    """Bytes a second at which this process reads a large array, on all threads of its BLAS."""
    x = np.ones(2**25)
    return x.nbytes / min(Timer(lambda: x @ x).repeat(7, 1))


def warn_if_busy(found: Conditions) -> None:
    if found.busy:
        print(
            f"the machine is busy (load {found.load:.1f}): do not trust what runs on more threads",
            file=sys.stderr,
        )


def circumstances(found: Conditions) -> dict[str, object]:
    """What every file of results begins with."""
    return {"versions": versions(), "machine": machine(found)}


def versions() -> dict[str, str | None]:
    found = {name: installed(name) for name in DISTRIBUTIONS}
    return {"python": platform.python_version(), "lazyop": lo.__version__, **found}


def machine(found: Conditions) -> dict[str, object]:
    numba = sys.modules.get("numba")
    return {
        "architecture": platform.machine(),
        "system": platform.system(),
        "cpus": os.cpu_count(),
        "cpus_of_this_process": cpus_of_this_process(),
        "thread_settings": {name: os.environ.get(name) for name in THREAD_SETTINGS},
        "numba_threads": numba.get_num_threads() if numba else None,
        "read_gigabytes_per_second": round(found.read_speed / 1e9, 1),
        "load_at_start": found.load,
        "rounds": found.rounds,
    }


def cpus_of_this_process() -> int | None:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else None


def versions_of(*modules: ModuleType) -> dict[str, str]:
    """Of Python, the machine and some modules, where no peers take part."""
    held = {module.__name__: module.__version__ for module in modules}
    return {"python": platform.python_version(), "machine": platform.machine(), **held}


# Tables


def figure_of_ratio(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines, the first column to the left and all others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [first.ljust(widths[0])]
        cells += [entry.rjust(width) for entry, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join(cells))
    return lines


def rounded(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 3)


# Files


def write_json(path: Path, results: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def draw_if_possible(draw: Callable[[Any, Path], None], results: Any, path: Path) -> None:
    """Call ``draw(results, path)``, unless Matplotlib is missing."""
    try:
        draw(results, path)
    except ModuleNotFoundError as error:
        print(f"no figure, as it needs {error.name}")


def pyplot() -> ModuleType:
    """Matplotlib's interface for figures in files, which come out the same for the same numbers."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "lazyop"
    from matplotlib import pyplot as plt

    return plt
