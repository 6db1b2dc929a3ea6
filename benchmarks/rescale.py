"""Rounding errors of butterflies after `lazyop.rescale.balance`, by those before, and its time.

Run ``python benchmarks/rescale.py``, or with ``--quick`` for few chains of each kind. The chains
are square dyadic with normal entries, with random diagonal matrices and their inverses between
factors: powers of ten, uniform in the exponent up to so many decades either way. Entries are
rounded as they stand, those beyond the range of a format to its largest number. Writes quantiles to
``results/rescale.json``, and a drawing where Matplotlib is installed.
"""

import argparse
import json
import platform
import time
from pathlib import Path

import numpy as np

import lazyop as lo

RESULTS = Path(__file__).parent / "results" / "rescale.json"
DRAWING = RESULTS.with_suffix(".svg")
ORDER = 64
DECADES = (0, 0.5, 1, 2, 4)

FLOATS = {
    "float16": lo.FloatFormat(11, 5),
    "bfloat16": lo.FloatFormat(8, 8),
    "float8, 5 bits of exponent": lo.FloatFormat(3, 5),
    "float8, 4 bits of exponent": lo.FloatFormat(4, 4),
}


def gaussian(n, rng):
    """Values of the factors of a chain."""
    return [rng.standard_normal(tuple(p)) for p in lo.Chain.square_dyadic(n)]


def wildly_scaled(values, decades, rng):
    """Values of the factors of the same product."""
    n = values[0].shape[1] * values[0].shape[3]
    units = [np.ones(n), *(10 ** rng.uniform(-decades, decades, (len(values) - 1, n))), np.ones(n)]
    made = []
    for v, rows, columns in zip(values, units, units[1:], strict=False):
        a, b, c, d = v.shape
        made.append(v / rows.reshape(a, b, 1, d) * columns.reshape(a, 1, c, d))
    return made


def rounded(values, form):
    """Values of one factor, as a format holds them."""
    if form == "integer":  # of eight bits, with one step for a factor
        step = np.max(np.abs(values)) / 127
        return np.rint(values / step) * step
    return form.round(np.clip(values, -form.largest, form.largest))


def error(F, form):
    """Relative error of the product by rounding all entries."""
    A = F.toarray()
    B = lo.Butterfly([rounded(factor.values, form) for factor in F.factors]).toarray()
    return float(np.linalg.norm(A - B) / np.linalg.norm(A))


def ratios(decades, count):
    """For each format, errors after balancing by those before: exactly, and by powers of two."""
    formats = {**FLOATS, "integers of 8 bits": "integer"}
    found = {name: {"exact": [], "powers of two": []} for name in formats}
    for seed in range(count):
        rng = np.random.default_rng(seed)
        F = lo.Butterfly(wildly_scaled(gaussian(ORDER, rng), decades, rng))
        balanced = {
            "exact": lo.rescale.balance(F),
            "powers of two": lo.rescale.balance(F, powers_of_two=True),
        }
        for name, form in formats.items():
            before = error(F, form)
            for kind, G in balanced.items():
                found[name][kind].append(error(G, form) / before)
    return found


def quantiles(xs):
    """Least, quarter, median, three quarters, and largest, to four digits."""
    return [float(f"{x:.4g}") for x in np.quantile(xs, [0, 0.25, 0.5, 0.75, 1])]


def times(orders):
    """Seconds and accuracy of balancing, for chains of wild scales."""
    for n in orders:
        rng = np.random.default_rng(0)
        F = lo.Butterfly(wildly_scaled(gaussian(n, rng), 3, rng))
        lo.rescale.balance(F)  # compiles what it uses
        start = time.perf_counter()
        G = lo.rescale.balance(F)
        seconds = time.perf_counter() - start
        x = rng.standard_normal(n)
        y = F @ x
        yield {
            "n": n,
            "seconds": round(seconds, 4),
            "norms_differ_by": float(f"{imbalance(G):.2g}"),
            "function_changes_by": float(f"{np.linalg.norm(G @ x - y) / np.linalg.norm(y):.2g}"),
        }


def imbalance(F):
    """Largest relative difference of norms across a junction."""
    worst = 0.0
    for left, right in zip(F.factors, F.factors[1:], strict=False):
        columns = np.linalg.norm(left.values, axis=1).ravel()
        rows = np.linalg.norm(right.values, axis=2).ravel()
        worst = max(worst, float(np.max(np.abs(rows / columns - 1))))
    return worst


def draw(found, path):
    """Ratios by decades, for each format, by powers of two."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "lazyop"
    import matplotlib.pyplot as plt

    names = list(found["0"])
    figure, panels = plt.subplots(1, len(names), figsize=(12, 3.6), sharey=True)
    for panel, name in zip(panels, names, strict=True):
        panel.boxplot([x[name]["powers of two"] for x in found.values()], whis=(0, 100))
        panel.axhline(1, color="0.7", zorder=0)
        panel.set(title=name, xlabel="decades", yscale="log", xticklabels=list(found))
        panel.title.set_fontsize("medium")
    panels[0].set_ylabel("error after by error before")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def main():
    """Print tables, and write the figures with the versions that gave them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few chains, small ones")
    options = parser.parse_args()
    found = {str(decades): ratios(decades, 5 if options.quick else 100) for decades in DECADES}
    print("rounding error after balancing by that before: least, median, largest")
    for kind in ("powers of two", "exact"):
        print(f"\nmultiples: {kind}")
        for decades, by_format in found.items():
            for name, x in by_format.items():
                low, middle, high = np.quantile(x[kind], [0, 0.5, 1])
                print(f"{decades:>4} decades  {name:<27} {low:10.3g} {middle:10.3g} {high:10.3g}")
    speeds = list(times([256, 1024] if options.quick else [256, 1024, 4096, 16384, 65536]))
    print("\nbalancing chains that are scaled over 6 decades")
    for row in speeds:
        print(row)
    if options.quick:
        return
    versions = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "numpy": np.__version__,
        "lazyop": lo.__version__,
    }
    shortened = {
        decades: {
            name: {kind: quantiles(xs) for kind, xs in by.items()} for name, by in by_format.items()
        }
        for decades, by_format in found.items()
    }
    record = {"versions": versions, "ratios": shortened, "times": speeds}
    RESULTS.write_text(json.dumps(record, indent=1) + "\n")
    try:
        draw(found, DRAWING)
    except ModuleNotFoundError as missing:
        print(f"no drawing, as it needs {missing.name}")


if __name__ == "__main__":
    main()
