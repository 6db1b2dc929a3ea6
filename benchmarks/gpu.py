"""Products with butterflies on a GPU, beside what else multiplies by them there.

Run ``python benchmarks/gpu.py``, or with ``--quick`` for orders up to 4096; it needs a CUDA device
and CuPy, and PyTorch and lazylinop take part where they are installed. Cells are square dyadic and
Monarch chains of orders 2^10 to 2^16 with 1, 64 and 4096 columns, in single precision, real and
complex.

Contenders take turns. The time of a call is that between two events on the stream around several
calls, divided by their number, which is chosen so that a turn takes milliseconds: what the host
takes to start kernels counts where the device waits for it, as it would in a solver. Each result is
checked before it is timed. Copy bandwidth, from a copy of a large array in the same run, is twice
its bytes over its time; that of a product counts the argument and the result once, whatever is read
between.

Goals: at least 3 times as fast as the fastest of the others for chains of two factors or more; at
least 60 % of the copy bandwidth at order 4096 with 4096 columns and dyadic chains; and as fast as
the dense product with one Kronecker-sparse factor of density 1/2, in single precision. Writes table
and JSON to ``results/gpu.txt`` and ``results/gpu.json``.
"""

import argparse
import json
import math
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import lazyop as lo
from lazyop.kernels.array_api import kronecker_sparse_matmul

RESULTS = Path(__file__).parent / "results"

COLUMNS, DTYPES = (1, 64, 4096), ("float32", "complex64")
ORDERS = [2**k for k in range(10, 17)]
#: The largest dense matrix that takes part: 2 GiB in single precision.
DENSE_ENTRIES = 2**29
#: Milliseconds of a turn, and turns.
TURN, TURNS = 5.0, 9
#: Bytes of the array that is copied.
COPIED = 2**30

SPEEDUP_GOAL, BANDWIDTH_GOAL = 3.0, 0.6

Product = Callable[[], Any]


class NotOfferedError(Exception):
    """A contender does not take part, and why."""


@dataclass(frozen=True)
class Cell:
    """One chain, its columns and dtype."""

    structure: str
    n: int
    columns: int
    dtype: str
    patterns: tuple[tuple[int, ...], ...] = field(repr=False)

    @property
    def name(self) -> str:
        return f"{self.structure}, n={self.n}, {self.columns} columns, {self.dtype}"

    def data(self) -> tuple[list[np.ndarray], np.ndarray]:
        """Values of the factors, leftmost first, and the argument."""
        rng = np.random.default_rng([self.n, self.columns])
        values = [draw(rng, p, self.dtype) / np.float32(math.sqrt(p[2])) for p in self.patterns]
        return values, draw(rng, (self.n, self.columns), self.dtype)


def draw(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    x = rng.standard_normal(shape, dtype="float32")
    if dtype == "complex64":
        x = x + 1j * rng.standard_normal(shape, dtype="float32")
    return x.astype(dtype)


def cells() -> Iterator[Cell]:
    for n in ORDERS:
        chains = {"dyadic": lo.Chain.square_dyadic(n), "Monarch": lo.Chain.monarch((n, n))}
        for structure, chain in chains.items():
            for columns in COLUMNS:
                for dtype in DTYPES:
                    yield Cell(structure, n, columns, dtype, tuple(map(tuple, chain)))
    for n in (1024, 4096):
        half = ((2, n // 2, n // 2, 1),)
        yield Cell("density 1/2", n, 4096, "float32", half)


# Contenders ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    """The data of a cell on the device."""

    cell: Cell
    values: list[Any]
    X: Any


def lazyop_chain(problem: Problem) -> Product:
    A, X = lo.Butterfly(problem.values), problem.X
    return lambda: A @ X


def lazyop_adjoint(problem: Problem) -> Product:
    A, X = lo.Butterfly(problem.values).H, problem.X
    return lambda: A @ X


def cupy_matmul(problem: Problem) -> Product:
    """Factor by factor: gather the blocks' rows, one batched product, and back."""
    values, X = problem.values, problem.X

    def product() -> Any:
        Y = X
        for v in reversed(values):
            Y = kronecker_sparse_matmul(v, Y)
        return Y

    return product


def cusparse(problem: Problem) -> Product:
    from cupyx.scipy.sparse import csr_matrix

    factors = [csr_matrix(lo.KroneckerSparse(v).to("numpy").tosparse()) for v in problem.values]
    X = problem.X

    def product() -> Any:
        Y = X
        for K in reversed(factors):
            Y = K @ Y
        return Y

    return product


def cublas(problem: Problem) -> Product:
    n, X = problem.cell.n, problem.X
    if n * n > DENSE_ENTRIES:
        raise NotOfferedError("the dense matrix is too large")
    matrix = lo.Butterfly(problem.values).toarray()
    return lambda: matrix @ X


def pytorch(problem: Problem) -> Product:
    torch = module("torch")
    if not torch.cuda.is_available():
        raise NotOfferedError("PyTorch has no CUDA device")
    torch.backends.cuda.matmul.allow_tf32 = False
    values = [torch.from_dlpack(v) for v in problem.values]
    X = torch.from_dlpack(problem.X)
    stream = torch.cuda.ExternalStream(cupy().cuda.get_current_stream().ptr)

    def product() -> Any:
        with torch.cuda.stream(stream):
            Y = X
            for v in reversed(values):
                Y = kronecker_sparse_matmul(v, Y)
            return Y

    return product


def lazylinop(problem: Problem) -> Product:
    """The CUDA kernel of lazylinop, one factor after another."""
    ksm = module("lazylinop.butterfly").ksm
    L = ksm(problem.values, ksm_args={"backend": "ksmm", "params": None})
    X = problem.X
    return lambda: L @ X


#: What each is called, and whether it counts as another way to multiply by a chain.
CONTENDERS: dict[str, tuple[Callable[[Problem], Product], bool]] = {
    "lazyop": (lazyop_chain, False),
    "lazyop adjoint": (lazyop_adjoint, False),
    "CuPy matmul": (cupy_matmul, True),
    "cuSPARSE": (cusparse, True),
    "PyTorch": (pytorch, True),
    "lazylinop": (lazylinop, True),
    "cuBLAS dense": (cublas, True),
}


def module(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise NotOfferedError(f"not installed ({error})") from None


def cupy() -> Any:
    """CuPy, on a machine with a device; anywhere else the run ends here."""
    try:
        import cupy as xp
    except ImportError as error:
        sys.exit(
            f"this benchmark needs CuPy (pip install lazyop[cuda13] or lazyop[cuda12]): {error}"
        )
    try:
        count = xp.cuda.runtime.getDeviceCount()
    except xp.cuda.runtime.CUDARuntimeError as error:
        sys.exit(f"this benchmark needs a CUDA device: {error}")
    if count == 0:
        sys.exit("this benchmark needs a CUDA device, and there is none")
    return xp


# Measurements -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measurement:
    """Milliseconds of each contender, in every turn, and who did not take part."""

    cell: Cell
    times: dict[str, list[float]]
    left_out: dict[str, str]
    plan: str

    @property
    def milliseconds(self) -> dict[str, float]:
        return {name: median(times) for name, times in self.times.items()}

    @property
    def fastest_peer(self) -> str | None:
        peers = [name for name in self.times if CONTENDERS[name][1]]
        return min(peers, key=self.milliseconds.get, default=None)

    @property
    def speedup(self) -> float | None:
        peer = self.fastest_peer
        return None if peer is None else self.milliseconds[peer] / self.milliseconds["lazyop"]

    @property
    def over_dense(self) -> float | None:
        dense = self.milliseconds.get("cuBLAS dense")
        return None if dense is None else dense / self.milliseconds["lazyop"]

    @property
    def bytes_per_second(self) -> float:
        """Argument and result once, over the time."""
        cell = self.cell
        moved = 2 * cell.n * cell.columns * np.dtype(cell.dtype).itemsize
        return moved / (1e-3 * self.milliseconds["lazyop"])


def measured(cell: Cell) -> Measurement:
    xp = cupy()
    print(cell.name, end=" ", flush=True)
    host, argument = cell.data()
    problem = Problem(cell, [xp.asarray(v) for v in host], xp.asarray(argument))
    expected = {
        False: exact(problem, adjoint=False),
        True: exact(problem, adjoint=True),
    }
    products, left_out = {}, {}
    for name, (prepare, _) in CONTENDERS.items():
        try:
            product = prepare(problem)
            check(name, product(), expected["adjoint" in name])
            products[name] = product
        except NotOfferedError as reason:
            left_out[name] = str(reason)
        except Exception as error:  # what others raise is theirs; lazyop's own ends the run
            if name.startswith("lazyop"):
                raise
            left_out[name] = f"failed: {type(error).__name__}: {str(error)[:80]}"
    times = in_turn(products)
    (step, *more) = lo.Butterfly(problem.values).plan(cell.columns).steps
    plan = f"{step.kernel}: {step.operator}" if not more else f"{len(more) + 1} steps"
    found = Measurement(cell, times, left_out, plan)
    print(f"{found.milliseconds['lazyop']:.3f} ms", flush=True)
    return found


def exact(problem: Problem, *, adjoint: bool) -> Any:
    """The product by the array kernels, in double precision where that is affordable."""
    wide = "complex128" if problem.cell.dtype == "complex64" else "float64"
    Y = problem.X.astype(wide)
    values = problem.values if adjoint else problem.values[::-1]
    for v in values:
        v = v.astype(wide)
        Y = kronecker_sparse_matmul(v.transpose(0, 2, 1, 3).conj() if adjoint else v, Y)
    return Y


def check(name: str, result: Any, expected: Any) -> None:
    xp = cupy()
    result = xp.from_dlpack(result) if not isinstance(result, xp.ndarray) else result
    error = float(xp.linalg.norm(result - expected) / xp.linalg.norm(expected))
    # Written so that NaN is wrong too.
    if not error <= 1e-4:
        if name.startswith("lazyop"):
            raise AssertionError(f"{name} is wrong by {error:.1e}")
        raise NotOfferedError(f"wrong by {error:.1e}")


def in_turn(products: dict[str, Product]) -> dict[str, list[float]]:
    calls = {}
    for name, product in products.items():
        timed(product, 3)
        calls[name] = max(1, math.ceil(TURN / timed(product, 3)))
    times: dict[str, list[float]] = {name: [] for name in products}
    names = list(products)
    for turn in range(TURNS):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            times[name].append(timed(products[name], calls[name]))
    return times


def timed(product: Product, calls: int) -> float:
    """Milliseconds of a call, between events on the stream."""
    xp = cupy()
    start, stop = xp.cuda.Event(), xp.cuda.Event()
    start.record()
    for _ in range(calls):
        product()
    stop.record()
    stop.synchronize()
    return xp.cuda.get_elapsed_time(start, stop) / calls


def copy_bandwidth() -> float:
    """Bytes read and written a second by a copy on the device."""
    xp = cupy()
    source = xp.ones(COPIED // 4, dtype="float32")
    target = xp.empty_like(source)
    times = [timed(lambda: xp.copyto(target, source), 10) for _ in range(TURNS)]
    return 2 * source.nbytes / (1e-3 * median(times))


# What comes of it ---------------------------------------------------------------------------------


def machine() -> dict[str, Any]:
    xp = cupy()
    properties = xp.cuda.runtime.getDeviceProperties(xp.cuda.Device().id)
    versions = {"python": platform.python_version(), "lazyop": lo.__version__}
    for name in ("numpy", "cupy", "torch", "lazylinop"):
        try:
            versions[name] = str(module(name).__version__)
        except (NotOfferedError, AttributeError):
            versions[name] = "not installed"
    return {
        "device": properties["name"].decode(),
        "compute_capability": xp.cuda.Device().compute_capability,
        "driver": xp.cuda.runtime.driverGetVersion(),
        "runtime": xp.cuda.runtime.runtimeGetVersion(),
        "versions": versions,
    }


def verdicts(found: list[Measurement], bandwidth: float) -> list[str]:
    chains = [m for m in found if len(m.cell.patterns) > 1 and m.speedup is not None]
    lines = []
    if chains:
        worst = min(chains, key=lambda m: m.speedup)
        lines.append(
            f"chains, least speedup over the others: {worst.speedup:.2f} ({worst.cell.name}); "
            f"goal {SPEEDUP_GOAL}: {met(worst.speedup >= SPEEDUP_GOAL)}"
        )
    for m in found:
        if (m.cell.structure, m.cell.n, m.cell.columns) == ("dyadic", 4096, 4096):
            part = m.bytes_per_second / bandwidth
            lines.append(
                f"{m.cell.name}: {part:.2f} of the copy bandwidth; goal {BANDWIDTH_GOAL}: "
                f"{met(part >= BANDWIDTH_GOAL)}"
            )
        if m.cell.structure == "density 1/2" and m.over_dense is not None:
            lines.append(
                f"{m.cell.name}: {m.over_dense:.2f} times as fast as dense; goal 1: "
                f"{met(m.over_dense >= 1)}"
            )
    return lines


def met(reached: bool) -> str:
    return "met" if reached else "NOT met"


def table(found: list[Measurement], bandwidth: float, about: dict[str, Any]) -> str:
    head = ["structure", "n", "columns", "dtype", *CONTENDERS, "speedup", "bandwidth"]
    rows = [head]
    for m in found:
        times = [f"{m.milliseconds[n]:.4f}" if n in m.times else "-" for n in CONTENDERS]
        speedup = "-" if m.speedup is None else f"{m.speedup:.2f}"
        cell = m.cell
        part = f"{m.bytes_per_second / bandwidth:.2f}"
        rows.append(
            [cell.structure, str(cell.n), str(cell.columns), cell.dtype, *times, speedup, part]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(e.rjust(w) for e, w in zip(row, widths, strict=True)) for row in rows]
    absent = dict.fromkeys(f"{n}: {why}" for m in found for n, why in m.left_out.items())
    return "\n".join(
        [
            f"{about['device']}, milliseconds; copy bandwidth {bandwidth / 1e9:.0f} GB/s",
            *lines,
            *verdicts(found, bandwidth),
            *(f"left out of some cells, {line}" for line in absent),
        ]
    )


def as_json(m: Measurement, bandwidth: float) -> dict[str, Any]:
    cell = m.cell
    return {
        "structure": cell.structure,
        "n": cell.n,
        "columns": cell.columns,
        "dtype": cell.dtype,
        "plan": m.plan,
        "milliseconds": {name: round(t, 5) for name, t in m.milliseconds.items()},
        "least_milliseconds": {name: round(min(t), 5) for name, t in m.times.items()},
        "fastest_other": m.fastest_peer,
        "speedup": m.speedup and round(m.speedup, 3),
        "over_dense": m.over_dense and round(m.over_dense, 3),
        "part_of_copy_bandwidth": round(m.bytes_per_second / bandwidth, 3),
        "left_out": m.left_out,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="orders up to 4096, results not kept")
    options = parser.parse_args()
    cupy()
    about, bandwidth = machine(), copy_bandwidth()
    chosen = [cell for cell in cells() if cell.n <= 4096 or not options.quick]
    found = [measured(cell) for cell in chosen]
    text = table(found, bandwidth, about)
    print("\n" + text)
    if options.quick:
        return
    results = {
        **about,
        "copy_gigabytes_per_second": round(bandwidth / 1e9, 1),
        "cells": [as_json(m, bandwidth) for m in found],
        "goals": verdicts(found, bandwidth),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "gpu.txt").write_text(text + "\n", encoding="utf-8")
    (RESULTS / "gpu.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
