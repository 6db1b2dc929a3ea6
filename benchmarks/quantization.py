"""Errors of quantized butterflies and rank-one matrices, by bits, and the time they take.

Run ``python benchmarks/quantization.py``, or with ``--quick`` for few matrices of each kind. Errors
are means over Gaussian factors of square dyadic chains; those of others are what they published.
Seconds are of processor time, which one thread takes, compilation left out.
Writes the figures to ``results/quantization.json``, and a drawing where Matplotlib is installed.
"""

import argparse
import time
from statistics import fmean, median

import numpy as np
from report import RESULTS, draw_if_possible, pyplot, versions_of, write_json

import lazyop as lo

ORDER = 256

#: Mean errors of complex dyadic chains of order 256 that come with CROQuant (hal-05520926): its own
#: method from left to right, by pairs of factors, rounding; and the seconds of the first.
CROQUANT = {
    2: (0.0718, 0.116, 0.276, 34),
    3: (0.0250, 0.0438, 0.139, 80),
    4: (0.00947, 0.0165, 0.0702, 245),
    5: (0.00368, 0.00618, 0.0350, 841),
    6: (0.00147, 0.00230, 0.0176, 3170),
    7: (6.05e-4, 8.86e-4, 0.00867, 12680),
}

#: What is compared: rounding, and these options of `lazyop.quantize`.
METHODS = {
    "pairwise": {"method": "pairwise", "sweeps": 0},
    "left to right": {"mirror": False, "sweeps": 0},
    "default": {},
}

#: Lengths and bits of rank-one matrices.
PAIRS = [
    *((2, 2, t) for t in (2, 4, 8, 11)),
    *((8, 8, t) for t in (4, 8, 11)),
    *((32, 32, t) for t in (4, 8, 11)),
    *((128, 128, t) for t in (4, 8)),
    *((2, 32, t) for t in (4, 8)),
]


def gaussian(n, seed, dtype):
    """Butterfly with independent normal entries."""
    rng = np.random.default_rng(seed)
    factors = [rng.standard_normal(tuple(p)) for p in lo.Chain.square_dyadic(n)]
    if np.dtype(dtype).kind == "c":
        factors = [v + 1j * rng.standard_normal(v.shape) for v in factors]
    return lo.Butterfly(factors)


def fourier(n):
    """Factors of the fast Fourier transform, the bit reversal left out."""
    factors = []
    for a, _, _, d in lo.Chain.square_dyadic(n):
        twiddles = np.exp(-1j * np.pi * np.arange(d) / d)
        pair = np.array([[np.ones(d), twiddles], [np.ones(d), -twiddles]])
        factors.append(np.broadcast_to(pair, (a, 2, 2, d)))
    return lo.Butterfly(factors)


def compared(butterflies, form):
    """Mean relative errors of all methods, and the seconds that one matrix takes."""
    errors, seconds = {"rounding": []}, {}
    for name, options in METHODS.items():
        errors[name], times = [], []
        for F in butterflies:
            start = time.process_time()
            found = lo.quantize(F, form, **options)
            times.append(time.process_time() - start)
            errors[name].append(found.relative_error)
            if name == "default":
                errors["rounding"].append(found.rounding_error)
        seconds[name] = round(median(times), 3)
    return {name: float(f"{fmean(x):.4g}") for name, x in errors.items()}, seconds


def dyadic_chains(dtype, orders_and_bits, count):
    """Rows of a table: errors of Gaussian butterflies."""
    for n, bits in orders_and_bits:
        butterflies = [gaussian(n, seed, dtype) for seed in range(count)]
        errors, seconds = compared(butterflies, lo.FloatFormat(bits))
        yield {"n": n, "bits": bits, "errors": errors, "seconds": seconds}


def rank_one(count, dtype=float):
    """Rows of a table: mean errors of rounding and of the best pair."""
    for m, n, bits in PAIRS if dtype is float else [(2, 2, 4), (2, 32, 4), (32, 32, 4)]:
        rng, form = np.random.default_rng(0), lo.FloatFormat(bits)
        rounded, best = [], []
        for _ in range(count * (10 if m == 2 else 1)):
            x, y = (rng.standard_normal(k) for k in (m, n))
            if dtype is complex:
                x, y = (v + 1j * rng.standard_normal(v.shape) for v in (x, y))
            off = np.outer(x, y.conj()) - np.outer(form.round(x), form.round(y).conj())
            rounded.append(np.linalg.norm(off) / np.linalg.norm(x) / np.linalg.norm(y))
            best.append(lo.quantize_rank_one(x, y, form)[2])
        means = [float(f"{fmean(e):.4g}") for e in (rounded, best)]
        ratio = round(means[0] / means[1], 3)
        yield {"m": m, "n": n, "bits": bits, "rounding": means[0], "best": means[1], "ratio": ratio}


def seconds_of_a_pair(length=128, rounds=15):
    """Median time of a pair of real vectors at half precision."""
    x, y = np.random.default_rng(0).standard_normal((2, length))
    times = []
    for _ in range(rounds):
        start = time.process_time()
        lo.quantize_rank_one(x, y, "float16")
        times.append(time.process_time() - start)
    return round(median(times), 4)


def large(n=4096):
    """Times at bfloat16, real and complex, without sweeps and with all."""
    for dtype in (float, complex):
        F = gaussian(n, 0, dtype)
        for options in ({"mirror": False, "sweeps": 0}, {}):
            start = time.process_time()
            found = lo.quantize(F, "bfloat16", **options)
            yield {
                "n": n,
                "dtype": np.dtype(dtype).name,
                "options": options,
                "seconds": round(time.process_time() - start, 2),
                "relative_error": float(f"{found.relative_error:.4g}"),
                "rounding_error": float(f"{found.rounding_error:.4g}"),
                "bits_per_weight": round(found.bits_per_weight, 3),
            }


def slope(rows, name):
    """Exponent of the fitted error, in powers of two for each significand bit."""
    chosen = [row for row in rows if row["n"] == ORDER]
    errors = [np.log2(row["errors"][name]) for row in chosen]
    return round(float(-np.polyfit([row["bits"] for row in chosen], errors, 1)[0]), 3)


def table(rows):
    """Lines of a table of chains."""
    names = ["rounding", *METHODS]
    yield "{:>5}{:>6}".format("n", "bits") + "".join(f"{x:>15}" for x in (*names, "seconds"))
    for row in rows:
        errors = "".join(f"{row['errors'][x]:15.3g}" for x in names)
        yield f"{row['n']:5}{row['bits']:6}{errors}{row['seconds']['default']:15.2f}"


def draw(found, path):
    """Errors by significand bits, real and complex."""
    plt = pyplot()
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
    for panel, kind in zip(panels, ("real", "complex"), strict=True):
        rows = [row for row in found[kind] if row["n"] == ORDER]
        bits = [row["bits"] for row in rows]
        for name, style in zip(("rounding", *METHODS), ("s:", "^--", "o--", "o-"), strict=True):
            panel.semilogy(bits, [row["errors"][name] for row in rows], style, label=name, ms=4)
        if kind == "complex":
            published = [row[0] for row in CROQUANT.values()]
            panel.semilogy(list(CROQUANT), published, "kx", label="CROQuant, published", ms=6)
        panel.set(title=f"{kind}, order {ORDER}", xlabel="significand bits", xticks=bits)
        panel.grid(alpha=0.3)
        panel.legend()
    panels[0].set_ylabel("relative error")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def main():
    """Print tables, and write the figures with the versions that gave them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="two matrices of each kind, small ones"
    )
    options = parser.parse_args()
    count = 2 if options.quick else 5
    lo.quantize(gaussian(ORDER, 0, complex), lo.FloatFormat(6), sweeps=1)  # compiles what it uses
    found = {}
    for kind, dtype, bits in (("real", float, range(2, 12)), ("complex", complex, range(2, 9))):
        cases = [(ORDER, t) for t in bits]
        if kind == "real":
            cases += [(n, t) for t in (4, 8) for n in (16, 64, 1024)]
        found[kind] = list(dyadic_chains(dtype, cases, count))
        print(f"{kind} dyadic chains", *table(found[kind]), sep="\n", end="\n\n")
        found[f"{kind}_slopes"] = {x: slope(found[kind], x) for x in ("rounding", *METHODS)}
        print("powers of two a bit:", found[f"{kind}_slopes"], end="\n\n")
    fast = [(t, compared([fourier(ORDER)], lo.FloatFormat(t))) for t in (4, 7)]
    found["fourier"] = [{"n": ORDER, "bits": t, "errors": e, "seconds": s} for t, (e, s) in fast]
    print("fast Fourier transform", *table(found["fourier"]), sep="\n", end="\n\n")
    found["rank_one"] = list(rank_one(5 if options.quick else 50))
    found["complex_rank_one"] = list(rank_one(5 if options.quick else 50, complex))
    for row in found["rank_one"] + found["complex_rank_one"]:
        print("{m:4} x{n:4}{bits:4} bits  {rounding:.3g} / {best:.3g} = {ratio:.2f}".format(**row))
    found["seconds_of_a_pair_of_length_128_at_float16"] = seconds_of_a_pair()
    seconds = found["seconds_of_a_pair_of_length_128_at_float16"]
    print("a pair of length 128 at float16 takes", seconds, "s", end="\n\n")
    found["large"] = list(large(1024 if options.quick else 4096))
    for row in found["large"]:
        print(row)
    if options.quick:
        return
    found["published"] = {"croquant": CROQUANT}
    write_json(RESULTS / "quantization.json", {"versions": versions_of(np, lo), **found})
    draw_if_possible(draw, found, RESULTS / "quantization.svg")


if __name__ == "__main__":
    main()
