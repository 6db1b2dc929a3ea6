"""Transforms as operators: beside the call that they make, and the peers' operators of the same.

Run ``python benchmarks/transforms.py``. In each row all contenders are timed in turn in one
process, in its processor time, which what else the machine does disturbs little; what counts is the
ratio of medians. The results are compared first. A peer that is not installed or has no such
transform is left out.

To add rows, write a function that returns the contenders as functions without arguments, under
the names "lazyop", "call" (what one would write without operators), "pylops" and "lazylinop", and
add it to `ROWS`.
"""

import importlib
import json
import platform
import sys
import warnings
from functools import partial
from importlib import metadata
from pathlib import Path
from statistics import geometric_mean, median
from time import process_time
from timeit import Timer

import numpy as np
import scipy
import scipy.fft
import scipy.linalg
import scipy.signal

import lazyop as lo

ROUNDS, SECONDS = 101, 2e-4
RESULTS = Path(__file__).parent / "results" / "transforms.json"
#: The goals: our time over that of the call from 4096 points on, and that of the peers over ours.
MOST_OVERHEAD, LEAST_GAIN = 1.2, 1.0
NAMES = "lazyop", "call", "pylops", "lazylinop"
T = lo.transforms


def peer(name):
    """A peer's module, or None where it is not installed."""
    with warnings.catch_warnings(record=True):
        try:
            return importlib.import_module(name)
        except ImportError:
            return None


def draw(*shape, dtype="float64"):
    rng = np.random.default_rng(sum(shape))
    x = rng.standard_normal(shape)
    return x if dtype == "float64" else x + 1j * rng.standard_normal(shape)


def product(A, x):
    return None if A is None else lambda: A @ x


def applied(A, X):
    """PyLops' operators take a vector at a time; their own loop does it for columns."""
    return None if A is None else (lambda: A @ X) if X.ndim == 1 else (lambda: A.matmat(X))


# Rows ---------------------------------------------------------------------------------------


def fourier(n, columns=(), adjoint=False):
    pylops, lazylinop = peer("pylops"), peer("lazylinop.signal")
    x = draw(n, *columns, dtype="complex128")
    call = scipy.fft.ifft if adjoint else scipy.fft.fft
    ours = T.dft(n, norm="ortho")
    theirs = {
        "pylops": pylops and pylops.signalprocessing.FFT(n, norm="ortho", dtype="complex128"),
        "lazylinop": lazylinop and lazylinop.dft(n),
    }
    if adjoint:
        ours, theirs = ours.H, {name: A and A.H for name, A in theirs.items()}
    return {
        "lazyop": product(ours, x),
        "call": lambda: call(x, axis=0, norm="ortho"),
        "pylops": applied(theirs["pylops"], x),
        "lazylinop": product(theirs["lazylinop"], x),
    }


def fourier_of_real(n):
    pylops, lazylinop = peer("pylops"), peer("lazylinop.signal")
    x = draw(n)
    found = {
        "lazyop": product(T.rdft(n, norm="ortho"), x),
        "call": lambda: scipy.fft.rfft(x, norm="ortho"),
        "lazylinop": lazylinop and product(lazylinop.rfft(n, fft_output=False), x),
    }
    if pylops:  # which weights all but the ends by the square root of two
        found["pylops"] = product(pylops.signalprocessing.FFT(n, norm="ortho", real=True), x)
    return found


def fourier_of_photograph(n):
    pylops, lazylinop = peer("pylops"), peer("lazylinop.signal2d")
    x = draw(n, n, dtype="complex128")
    v = x.ravel()
    FFT2D = pylops and pylops.signalprocessing.FFT2D
    return {
        "lazyop": product(T.dftn((n, n), norm="ortho"), v),
        "call": lambda: scipy.fft.fft2(x, norm="ortho").ravel(),
        "pylops": pylops and product(FFT2D((n, n), norm="ortho", dtype="complex128"), v),
        "lazylinop": lazylinop and product(lazylinop.dft2d((n, n)), v),
    }


def cosine(n, type=2, columns=(), kind="dct"):
    pylops, lazylinop = peer("pylops"), peer("lazylinop.signal")
    x, call = draw(n, *columns), getattr(scipy.fft, kind)
    PyLopsDCT = pylops and pylops.signalprocessing.DCT
    found = {
        "lazyop": product(getattr(T, kind)(n, type, norm="ortho"), x),
        "call": lambda: call(x, type, axis=0, norm="ortho"),
        "lazylinop": lazylinop and product(getattr(lazylinop, kind)(n, type), x),
    }
    if pylops and kind == "dct":
        found["pylops"] = applied(PyLopsDCT(n, type=type, dtype="float64"), x)
    return found


def hadamard(n, columns=()):
    lazylinop, x = peer("lazylinop.signal"), draw(n, *columns)
    H = scipy.linalg.hadamard(n) / np.sqrt(n) if n <= 2048 else None
    return {
        "lazyop": product(T.hadamard(n, norm="ortho"), x),
        "lazylinop": lazylinop and product(lazylinop.fwht(n), x),
        "dense": H is not None and (lambda: H @ x),
    }


def convolution(n, k, mode="same"):
    pylops, lazylinop = peer("pylops"), peer("lazylinop.signal")
    x, h = draw(n), draw(k)
    found = {
        "lazyop": product(T.convolve(n, h, mode), x),
        "call": lambda: scipy.signal.convolve(x, h, mode),
        "lazylinop": lazylinop and product(lazylinop.convolve(n, h, mode), x),
    }
    if pylops and mode == "same":
        A = pylops.signalprocessing.Convolve1D(n, h, offset=(k - 1) - (k - 1) // 2)
        found["pylops"] = product(A, x)
    return found


def circular_convolution(n, k):
    lazylinop, x, h = peer("lazylinop.signal"), draw(n), draw(k)
    return {
        "lazyop": product(T.convolve(n, h, "circular"), x),
        "call": lambda: scipy.fft.irfft(scipy.fft.rfft(x) * scipy.fft.rfft(h, n), n),
        "lazylinop": lazylinop and product(lazylinop.convolve(n, h, "circ"), x),
    }


def convolution_of_photograph(n, k):
    pylops, lazylinop = peer("pylops"), peer("lazylinop.signal2d")
    x, h = draw(n, n), draw(k, k)
    v = x.ravel()
    found = {
        "lazyop": product(T.convolve((n, n), h, "same"), v),
        "call": lambda: scipy.signal.convolve(x, h, "same").ravel(),
        "lazylinop": lazylinop and product(lazylinop.convolve2d((n, n), h.T, "same"), v),
    }
    if pylops:
        offset = ((k - 1) - (k - 1) // 2,) * 2
        A = pylops.signalprocessing.ConvolveND((n, n), h, offset=offset, axes=(0, 1))
        found["pylops"] = product(A, v)
    return found


def toeplitz(n):
    c, r, x = draw(n), draw(n), draw(n)
    return {
        "lazyop": product(lo.Toeplitz(c, r), x),
        "call": lambda: scipy.linalg.matmul_toeplitz((c, r), x),
    }


def derivative(n, kind):
    pylops, lazylinop, x = peer("pylops"), peer("lazylinop"), draw(n)
    call = {
        "forward": lambda: np.append(np.diff(x), 0.0),
        "centered": lambda: np.gradient(x),
    }[kind]
    edge = "one-sided" if kind == "centered" else "zero"
    found = {"lazyop": product(T.difference(n, kind=kind, edge=edge), x), "call": call}
    if pylops:
        A = pylops.FirstDerivative(n, kind=kind, edge=kind == "centered", order=3)
        found["pylops"] = product(A, x)
    if lazylinop and kind == "forward":
        found["lazylinop of fewer points"] = product(lazylinop.diff(n), x)
    return found


def padding(n, width):
    pylops, lazylinop, x = peer("pylops"), peer("lazylinop"), draw(n)
    return {
        "lazyop": product(T.pad(n, width), x),
        "call": lambda: np.pad(x, width),
        "pylops": pylops and product(pylops.Pad(n, (width, width)), x),
        "lazylinop": lazylinop and product(lazylinop.padder(n, (width, width)), x),
    }


def continuation(n, width, mode):
    lazylinop, x = peer("lazylinop"), draw(n)
    names = {"wrap": "periodic"}
    return {
        "lazyop": product(T.pad(n, width, mode), x),
        "call": lambda: np.pad(x, width, mode),
        "lazylinop": lazylinop
        and product(lazylinop.padder(n, (width, width), mode=names.get(mode, mode)), x),
    }


def resampling(n, m):
    x = draw(n)
    return {
        "lazyop": product(T.resample(n, m), x),
        "call": lambda: scipy.signal.resample(x, m),
    }


def decimation(n, q):
    x = draw(n)
    return {
        "lazyop": product(T.decimate(n, q), x),
        "call": lambda: scipy.signal.decimate(x, q, ftype="fir"),
    }


#: Titles, sizes (points along an axis), and functions that make the contenders.
ROWS = [
    *[(f"dft, {n} points", n, partial(fourier, n)) for n in (1000, 4096, 65536)],
    ("dft, adjoint, 4096 points", 4096, partial(fourier, 4096, adjoint=True)),
    ("dft, 4096 points, 16 columns", 4096, partial(fourier, 4096, (16,))),
    *[(f"rdft, {n} points", n, partial(fourier_of_real, n)) for n in (4096, 65536)],
    ("dftn, 256 x 256", 65536, partial(fourier_of_photograph, 256)),
    *[(f"dct {t}, 4096 points", 4096, partial(cosine, 4096, t)) for t in (1, 2, 3, 4)],
    *[(f"dst {t}, 4096 points", 4096, partial(cosine, 4096, t, kind="dst")) for t in (1, 2, 3, 4)],
    ("dct 2, 4096 points, 16 columns", 4096, partial(cosine, 4096, 2, (16,))),
    ("dct 2, 65536 points", 65536, partial(cosine, 65536)),
    *[(f"hadamard, {n} points", n, partial(hadamard, n)) for n in (1024, 4096, 65536)],
    ("hadamard, 4096 points, 16 columns", 4096, partial(hadamard, 4096, (16,))),
    *[
        (f"convolve, {mode}, {n} points by {k}", n, partial(convolution, n, k, mode))
        for n, k in ((4096, 7), (4096, 65), (65536, 65), (65536, 4097))
        for mode in ("full", "same", "valid")
    ],
    ("convolve, circular, 4096 points by 65", 4096, partial(circular_convolution, 4096, 65)),
    ("convolve, 256 x 256 by 5 x 5", 65536, partial(convolution_of_photograph, 256, 5)),
    ("convolve, 256 x 256 by 31 x 31", 65536, partial(convolution_of_photograph, 256, 31)),
    ("Toeplitz, 4096 points", 4096, partial(toeplitz, 4096)),
    *[
        (f"difference, {k}, 65536 points", 65536, partial(derivative, 65536, k))
        for k in ("forward", "centered")
    ],
    ("pad by zeros, 4096 points by 64", 4096, partial(padding, 4096, 64)),
    *[
        (f"pad, {mode}, 4096 points by 64", 4096, partial(continuation, 4096, 64, mode))
        for mode in ("reflect", "symmetric", "wrap")
    ],
    ("resample, 4096 points to 3000", 4096, partial(resampling, 4096, 3000)),
    ("decimate, 65536 points by 4", 65536, partial(decimation, 65536, 4)),
]


# Measuring ----------------------------------------------------------------------------------


def check(title, contenders):
    """Stop where a contender computes something else; weights of another norm apart."""
    expected = np.asarray(contenders["lazyop"]())
    for name, function in contenders.items():
        is_other = " of fewer " in name or " in another " in name
        if is_other or ("rdft" in title and name == "pylops"):
            continue
        found = np.asarray(function()).reshape(expected.shape)
        scale = 1e-9 * np.linalg.norm(expected)
        np.testing.assert_allclose(found, expected, rtol=0, atol=scale, err_msg=f"{title}: {name}")


def microseconds(contenders):
    """The median time of each contender, all timed in turn, after a call that nobody times."""
    timers = {name: Timer(f, setup=f, timer=process_time) for name, f in contenders.items()}
    fastest = {name: max(1e-7, min(timer.repeat(5, 1))) for name, timer in timers.items()}
    calls = {name: max(1, int(SECONDS / time)) for name, time in fastest.items()}
    rounds = ROUNDS if sum(fastest.values()) < 0.05 else 7
    times = [{name: t.timeit(calls[name]) for name, t in timers.items()} for _ in range(rounds)]
    return {name: 1e6 * median(t[name] for t in times) / calls[name] for name in timers}


def measure(title, n, make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        contenders = {name: function for name, function in make().items() if function}
        check(title, contenders)
        times = microseconds(contenders)
    ours = times["lazyop"]
    peers = [time for name, time in times.items() if name not in ("lazyop", "call", "dense")]
    return {
        "row": title,
        "points": n,
        "microseconds": times,
        "overhead": ours / times["call"] if "call" in times else None,
        "gain": min(peers) / ours if peers else None,
    }


def version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def cell(value, width, digits):
    return f"{'-':>{width}}" if value is None else f"{value:{width}.{digits}f}"


def line(row):
    """A row of the table."""
    times = row["microseconds"]
    cells = [row["row"].ljust(40)]
    for name in NAMES:
        key = next((key for key in times if key.startswith(name)), None)
        cells.append(cell(times.get(key), 11, 1))
    return "".join([*cells, cell(row["overhead"], 10, 2), cell(row["gain"], 8, 2)])


def summary(rows):
    """What became of the goals."""
    overheads = [row["overhead"] for row in rows if row["overhead"] and row["points"] >= 4096]
    gains = [row["gain"] for row in rows if row["gain"]]
    return (
        f"overhead from 4096 points on: at most {max(overheads, default=0):.2f}, "
        f"goal {MOST_OVERHEAD}\n"
        f"gain over the fastest peer: at least {min(gains, default=0):.2f}, goal {LEAST_GAIN}, "
        f"geometric mean {geometric_mean(gains or [1]):.2f}"
    )


PACKAGES = "numpy", "scipy", "numba", "pylops", "lazylinop"


def main(words, table=ROWS, path=RESULTS, packages=PACKAGES):
    """Print a table, and write the figures with the versions that gave them."""
    heads = "".join(f"{name:>11}" for name in NAMES)
    print(f"{'microseconds':<40}{heads}{'overhead':>10}{'gain':>8}")
    rows = []
    for title, n, make in table:
        if not words or any(word in title for word in words):
            rows.append(measure(title, n, make))
            print(line(rows[-1]), flush=True)
    print(summary(rows))
    if words:
        return
    versions = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "lazyop": lo.__version__,
        **{name: version(name) for name in packages},
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"versions": versions, "results": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
