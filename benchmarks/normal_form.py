"""Bits for each weight that a relative error takes: rounding, left to right, and normal form.

Run ``python benchmarks/normal_form.py``, or with ``--quick`` for one matrix of each order and no
products. Matrices are products of Gaussian factors of square dyadic chains.

Of rounding and "left-to-right", held with the fewest exponent bits that hold the numbers of a
factor, and of the normal form, all bits held count. Errors between two significands are
interpolated. As a stricter measure, the first two may also have fewer exponent bits, with which
small entries lose bits or vanish: then a significand without its leading bit, a sign and an
exponent count, and no headers, and the lower hull of all pairs of the two is interpolated.

Writes the figures to ``results/normal_form.json``, and a drawing where Matplotlib is installed.
"""

import argparse
import time
from itertools import pairwise
from statistics import fmean, median

import numpy as np
from report import RESULTS, draw_if_possible, pyplot, versions_of, write_json

import lazyop as lo
from lazyop.quantization.errors import relative_error
from lazyop.quantization.normal_form import normal_form

TARGETS = (5e-2, 5e-3, 5e-4)
ORDERS = (256, 512, 1024, 2048, 4096)
SIGNIFICANDS = {"round": range(2, 14), "left-to-right": range(2, 10)}
EXPONENTS = range(1, 6)

#: How many doubles take more memory than the caches of most processors: 64 MiB.
OTHERS = 1 << 23

#: Parts of the bits of rounding and of "left-to-right" that the normal form is to take at most.
GOALS = {"round": 0.45, "left-to-right": 0.60}


def gaussian(n, seed):
    """Butterfly with independent normal entries."""
    rng = np.random.default_rng([n, seed])
    return lo.Butterfly([rng.standard_normal(tuple(p)) for p in lo.Chain.square_dyadic(n)])


def with_exponents(values, significand, width):
    """Numbers of that significand, with so many exponents up to that of the largest of a factor."""
    top = int(np.frexp(np.abs(values).max())[1]) - 1
    bias = 2**width - 1 - top
    return lo.FloatFormat(significand, width, bias=bias, specials="none").round(values)


def hull(points):
    """The lower hull of pairs of bits and errors, errors as logarithms."""
    best = []
    for bits, error in sorted(points):
        point = bits, np.log2(error)
        if best and point[1] >= best[-1][1]:
            continue
        while len(best) > 1:
            (x0, y0), (x1, y1) = best[-2:]
            if (y1 - y0) * (point[0] - x0) < (point[1] - y0) * (x1 - x0):
                break
            best.pop()
        best.append(point)
    return best


def bits_at(points, target):
    """Bits that an error takes, on the lower hull; None where no point is below it."""
    for (x0, y0), (x1, y1) in pairwise(hull(points)):
        if y1 <= np.log2(target) <= y0:
            return x0 + (np.log2(target) - y0) / (y1 - y0) * (x1 - x0)
    return None


def floating_point(F, method):
    """Bits and errors of a method as it is held, and with all widths of exponents."""
    exact = [factor.values for factor in F.factors]
    options = {} if method == "round" else {"mirror": False, "sweeps": 0}
    held, narrowed = [], []
    for t in SIGNIFICANDS[method]:
        found = lo.quantize(F, lo.FloatFormat(t), method=method, **options)
        held.append((found.bits_per_weight, found.relative_error))
        values = [factor.values for factor in found.operator.astype(float).factors]
        for width in EXPONENTS:
            narrow = [with_exponents(v, t, width) for v in values]
            narrowed.append((t + width, relative_error([exact], [narrow])))
    return held, narrowed


def named(method):
    """Names of what `floating_point` gives."""
    return method, f"{method}, narrow exponents"


def compared(n, seeds):
    """Bits of all methods at all targets, means over matrices, and curves of the first."""
    rows = {target: {} for target in TARGETS}
    curves = {}
    for seed in seeds:
        F = gaussian(n, seed)
        for method in SIGNIFICANDS:
            for points, name in zip(floating_point(F, method), named(method), strict=True):
                curves.setdefault(name, [(b, float(2.0**y)) for b, y in hull(points)])
                for target in TARGETS:
                    rows[target].setdefault(name, []).append(bits_at(points, target))
        for widths in ("number", "factor"):
            name = f"normal form, widths by {widths}"
            options = {"method": "normal-form", "widths": widths}
            for target in TARGETS:
                found = lo.quantize(F, tol=target, **options)
                rows[target].setdefault(name, []).append(found.bits_per_weight)
            if name not in curves:
                tols = np.geomspace(0.2, 2e-4, 10)
                each = [lo.quantize(F, tol=tol, **options) for tol in tols]
                curves[name] = [(q.bits_per_weight, q.relative_error) for q in each]
    for target, bits in rows.items():
        means = {name: fmean(values) for name, values in bits.items()}
        ours = means["normal form, widths by number"]
        ratios = {name: round(ours / means[name], 3) for method in GOALS for name in named(method)}
        yield {
            "n": n,
            "error": target,
            "bits": {name: round(mean, 3) for name, mean in means.items()},
            "ratios": ratios,
            "met": all(ratios[method] <= goal for method, goal in GOALS.items()),
            "met with narrow exponents": all(
                ratios[named(method)[1]] <= goal for method, goal in GOALS.items()
            ),
        }
    yield {"n": n, "curves": curves}


def products(levels, bits, rounds=41):
    """Times of a product with one vector: the chain in double precision, and packed, by turns.

    As they come, and with caches that hold other things: before each product, memory is written
    that is larger than they are.
    """
    n = 1 << levels
    F = gaussian(n, 0)
    packed = normal_form(
        [factor.values for factor in F.factors], float, bits=bits, widths="factor"
    ).operator
    x = np.random.default_rng(1).standard_normal(n)
    runs = {
        "float64": lambda: F @ x,
        "packed": lambda: packed @ x,
        "float64 adjoint": lambda: F.H @ x,
        "packed adjoint": lambda: packed.H @ x,
    }
    others = np.zeros(OTHERS)
    return {
        "n": n,
        "bits_per_weight": round(8 * packed.cost.nbytes / F.chain.nnz, 3),
        "as they come": timed(runs, rounds),
        "from memory": timed(runs, rounds, lambda: np.add(others, 1, out=others)),
    }


def timed(runs, rounds, before=lambda: None):
    """Times of runs by turns, and how much faster the packed ones are."""
    times = {name: [] for name in runs}
    for run in runs.values():
        run()
    for turn in range(rounds):
        for name in sorted(runs, reverse=turn % 2):
            before()
            start = time.perf_counter()
            runs[name]()
            times[name].append(time.perf_counter() - start)
    medians = {name: median(values) for name, values in times.items()}
    return {
        "milliseconds": {name: round(1e3 * value, 4) for name, value in medians.items()},
        "least milliseconds": {name: round(1e3 * min(v), 4) for name, v in times.items()},
        "speedup": round(medians["float64"] / medians["packed"], 3),
        "speedup of the adjoint": round(medians["float64 adjoint"] / medians["packed adjoint"], 3),
    }


def draw(curves, path):
    """Bits against errors."""
    plt = pyplot()
    orders = sorted(curves)
    shown = [orders[0], orders[len(orders) // 2], orders[-1]]
    figure, panels = plt.subplots(1, 3, figsize=(10, 3.6), sharey=True, layout="constrained")
    for panel, n in zip(panels, shown, strict=True):
        for name, style in zip(NAMES, ("s:", "s-", "^:", "^-", "o-", "v-."), strict=True):
            bits, errors = zip(*curves[n][name], strict=True)
            color = {"s": "C0", "^": "C1", "o": "C2", "v": "C3"}[style[0]]
            panel.semilogy(bits, errors, style, label=name, ms=4, color=color)
        panel.set(title=f"order {n}", xlabel="bits for each weight", ylim=(1e-4, 0.5), xlim=(1, 17))
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("relative error")
    panels[0].legend(fontsize="small")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


NAMES = [
    *named("round"),
    *named("left-to-right"),
    "normal form, widths by number",
    "normal form, widths by factor",
]


def main():
    """Print tables, and write the figures with the versions that gave them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="one matrix of each order, no products"
    )
    options = parser.parse_args()
    rows, curves = [], {}
    heads = ("round", "narrow", "left-to-right", "narrow", "by number", "by factor")
    heads += ("/ round", "narrow", "/ left-to-right", "narrow")
    print(f"{'n':>5}{'error':>8}" + "".join(f"{head:>16}" for head in heads))
    for n in ORDERS:
        count = 1 if options.quick else 3
        *found, drawn = compared(n, range(count))
        rows += found
        curves[n] = drawn["curves"]
        for row in found:
            numbers = [row["bits"][name] for name in NAMES] + list(row["ratios"].values())
            print(f"{n:5}{row['error']:8.0e}" + "".join(f"{x:16.3f}" for x in numbers), flush=True)
    for key in ("met", "met with narrow exponents"):
        print(key, f"{sum(row[key] for row in rows)} of {len(rows)}")
    if options.quick:
        return
    times = [products(levels, bits) for levels in (16, 17, 18) for bits in (4.0, 7.5)]
    for row in times:
        print(row)
    results = {"goals": GOALS, "rows": rows, "curves": curves, "products": times}
    write_json(RESULTS / "normal_form.json", {"versions": versions_of(np, lo), **results})
    draw_if_possible(draw, curves, RESULTS / "normal_form.svg")


if __name__ == "__main__":
    main()
