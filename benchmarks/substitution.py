"""What is found in the place of functions of SciPy: numbers, errors, and the times of both.

Run ``python benchmarks/substitution.py``, or with ``--quick`` for short arguments. Seconds are of
processor time, for the search after the compiled kernels are there; times are medians for one
argument, of the operator and the function, taken in turn in one process.
Writes the figures to ``results/substitution.json``.
"""

import argparse
import json
import platform
import time
from pathlib import Path
from statistics import median

import numpy as np
import scipy
import scipy.fft
import scipy.ndimage

import lazyop as lo

RESULTS = Path(__file__).parent / "results" / "substitution.json"
RUNS = 101


def dct_iii(x):
    return scipy.fft.dct(x, 3)


def dct_iv(x):
    return scipy.fft.dct(x, 4)


def blur(x):
    return scipy.ndimage.gaussian_filter(x, 3.0, mode="reflect")


#: Functions, the shapes of their arguments, and the tolerance.
CASES = [
    (scipy.fft.fft, (256, 1024, 4096), None),
    (scipy.fft.rfft, (256, 1024, 4096), None),
    (scipy.fft.fft, (360, 1000), None),
    (scipy.fft.dct, (256, 1024, 4096), None),
    (dct_iii, (1024,), None),
    (dct_iv, (1024,), None),
    (scipy.fft.dst, (1024,), None),
    (np.cumsum, (1024,), None),
    (blur, (1024,), 1e-6),
    (scipy.fft.dctn, ((8, 8), (256, 256)), None),
    (scipy.fft.fft2, ((256, 256),), None),
]


def measured(function, shape, tol):
    start = time.process_time()
    found = lo.substitute(function, shape, tol=tol)
    seconds = time.process_time() - start
    operator = found.operator
    x = np.random.default_rng(0).standard_normal(found.shape)
    vector = x.ravel()
    times = {"operator": [], "function": []}
    for _ in range(RUNS):
        for name, call in (
            ("operator", lambda: operator @ vector),
            ("function", lambda: function(x)),
        ):
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    m, n = operator.shape
    return {
        "function": function.__name__,
        "shape": found.shape,
        "share": operator.cost.parameters / (m * n),
        "numbers": operator.cost.parameters,
        "relative_error": found.relative_error,
        "seconds": seconds,
        **{f"{name}_microseconds": 1e6 * median(values) for name, values in times.items()},
    }


#: Calls through the backend of `scipy.fft`.
CALLS = [
    ("fft", (64,)),
    ("fft", (4096,)),
    ("rfft", (4096,)),
    ("irfft", (2049,)),
    ("dct", (4096,)),
    ("dctn", (64, 8, 8)),
    ("fft2", (256, 256)),
]


def called(name, shape):
    """Medians of a call without the backend and with it, in turn."""
    function, x = getattr(scipy.fft, name), np.random.default_rng(0).standard_normal(shape)
    if name in ("fft", "irfft", "fft2"):
        x = x + 1j
    times = {"scipy": [], "backend": []}
    for _ in range(RUNS):
        for way in times:
            with scipy.fft.set_backend(
                "scipy" if way == "scipy" else lo.transforms.scipy_fft_backend
            ):
                start = time.perf_counter()
                function(x)
                times[way].append(time.perf_counter() - start)
    found = {f"{way}_microseconds": 1e6 * median(values) for way, values in times.items()}
    return {"function": name, "shape": shape, **found}


def main():
    """Print a table, and write the figures with the versions that gave them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="short arguments, and no file")
    quick = parser.parse_args().quick
    print("function    shape         numbers   of dense     error   search  operator  function")
    rows = []
    for function, shapes, tol in CASES:
        for shape in shapes:
            if quick and np.prod(shape) > 1024:
                continue
            lo.substitute(function, shape, tol=tol).operator @ np.ones(int(np.prod(shape)))
            row = measured(function, shape, tol)
            rows.append(row)
            print(
                f"{row['function']:10}  {'x'.join(map(str, row['shape'])):>9}  {row['numbers']:10}"
                f"  {100 * row['share']:8.3g} %  {row['relative_error']:8.1e}"
                f"  {row['seconds']:5.1f} s  {row['operator_microseconds']:5.0f} us"
                f"  {row['function_microseconds']:5.0f} us",
                flush=True,
            )
    print("\nthrough the backend of scipy.fft, and without it")
    calls = [called(*call) for call in CALLS]
    for row in calls:
        print(
            f"{row['function']:10}  {'x'.join(map(str, row['shape'])):>9}"
            f"  {row['backend_microseconds']:7.1f} us  {row['scipy_microseconds']:7.1f} us"
        )
    if not quick:
        versions = {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "lazyop": lo.__version__,
        }
        RESULTS.write_text(
            json.dumps({"versions": versions, "cases": rows, "backend": calls}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
