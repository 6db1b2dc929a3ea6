"""How often random supports have no best factors, and what it takes to tell.

Run ``python benchmarks/fixed_support.py``, or with ``--draws 50`` for fewer. Supports are square,
as are the products, and every entry is in them with one probability, independently. Beside what
`diagnose` finds stands what follows from one rank-one support alone, by its definition: rows and
columns of it that cover three corners of a rectangle once, and the fourth at least twice.

Writes the figures to ``results/fixed_support.json``.
"""

import argparse
import json
import platform
import time
from collections import Counter
from pathlib import Path
from statistics import median

import numpy as np
import scipy

import lazyop as lo

RESULTS = Path(__file__).parent / "results" / "fixed_support.json"
DENSITIES = {
    10: (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7),
    30: (0.05, 0.1, 0.2, 0.3, 0.4, 0.5),
    100: (0.01, 0.02, 0.1, 0.2, 0.3),
}
LARGE = 1000
LARGE_DENSITIES = (0.001, 0.002, 0.01, 0.05, 0.1, 0.3, 0.5, 0.9)


def by_one_support(I: np.ndarray, J: np.ndarray) -> bool:
    count = I.astype(float) @ J
    for k in range(len(J)):
        alone = ((count == 1) & np.outer(I[:, k], J[k])).astype(float)
        shared = alone @ alone.T
        if ((shared > 0) & (shared < alone.sum(axis=1))).any():
            return True
    return False


def drawn(n: int, density: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.random((n, n)) < density, rng.random((n, n)) < density


def status(I: np.ndarray, J: np.ndarray) -> str:
    if not (I.any(axis=0) & J.any(axis=1)).any():
        return "closed"  # no product but zero, which is refused as an error
    return lo.fixed_support.diagnose(I, J).status


def frequencies(n: int, density: float, draws: int) -> dict[str, object]:
    rng = np.random.default_rng([n, int(1000 * density)])
    counts, alone = Counter(), 0
    for _ in range(draws):
        I, J = drawn(n, density, rng)
        found, plain = status(I, J), by_one_support(I, J)
        assert found == "not closed" or not plain
        counts[found] += 1
        alone += plain
    percent = {name: 100 * counts[name] / draws for name in ("closed", "not closed", "unknown")}
    return {"n": n, "density": density, "one support": 100 * alone / draws, **percent}


def seconds(density: float) -> dict[str, object]:
    """Median time of three diagnoses of large supports."""
    rng, times = np.random.default_rng(int(1000 * density)), []
    for _ in range(3):
        I, J = drawn(LARGE, density, rng)
        start = time.perf_counter()
        found = status(I, J)
        times.append(time.perf_counter() - start)
    return {"n": LARGE, "density": density, "status": found, "seconds": round(median(times), 3)}


def triangular() -> dict[str, object]:
    L = np.tri(LARGE)
    start = time.perf_counter()
    found = status(L, L.T)
    taken = time.perf_counter() - start
    return {"n": LARGE, "density": "triangular", "status": found, "seconds": round(taken, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=1000)
    draws = parser.parse_args().draws
    print(f"percent of {draws} random supports")
    print("   n  density  one support  not closed  closed  unknown")
    rows = []
    for n, densities in DENSITIES.items():
        for density in densities:
            row = frequencies(n, density, draws)
            rows.append(row)
            print(
                f"{n:4}  {density:7}  {row['one support']:11.1f}  {row['not closed']:10.1f}"
                f"  {row['closed']:6.1f}  {row['unknown']:7.1f}",
                flush=True,
            )
    times = [*map(seconds, LARGE_DENSITIES), triangular()]
    for row in times:
        print(f"n = {row['n']}, {row['density']}: {row['status']} in {row['seconds']} s")
    versions = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "lazyop": lo.__version__,
    }
    figures = {"versions": versions, "draws": draws, "frequencies": rows, "times": times}
    RESULTS.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
