"""Factorization of matrices that are never dense, in this process alone.

Run ``python benchmarks/matrix_free.py``, or with ``--quick`` for small orders. Each case runs in a
process of its own, on as many cores as the environment allows, and gives its time with the memory
of the whole process at its peak, the products or entries that it asked for, the estimated error
with its interval, and the error of the operator on vectors that no part of lazyop has seen.
"""

import argparse
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.fft
from report import RESULTS, aligned, circumstances, conditions, warn_if_busy, write_json
from scipy.sparse.linalg import LinearOperator

import lazyop as lo

#: Vectors on which the operator that is found is compared with the matrix.
CHECKS = 8
#: Columns that are multiplied at a time in that comparison.
COLUMNS = 256


@dataclass
class Asked:
    """How often a matrix was asked for something."""

    products: int = 0
    adjoint_products: int = 0
    entries: int = 0


@dataclass
class Problem:
    """A matrix, how it is factorized, and its products for the comparison at the end."""

    n: int
    matrix: Any
    options: dict[str, Any]
    multiply: Callable[[np.ndarray], np.ndarray]
    asked: Asked = field(default_factory=Asked)


# The matrices


def fourier(n: int, **options: Any) -> Problem:
    """The discrete Fourier transform, known by its products alone."""
    asked = Asked()

    def forward(X: np.ndarray) -> np.ndarray:
        asked.products += X.shape[1] if X.ndim > 1 else 1
        return scipy.fft.fft(X, axis=0)

    def adjoint(X: np.ndarray) -> np.ndarray:
        asked.adjoint_products += X.shape[1] if X.ndim > 1 else 1
        return scipy.fft.ifft(X, axis=0, norm="forward")

    matrix = LinearOperator(
        (n, n), forward, rmatvec=adjoint, matmat=forward, rmatmat=adjoint, dtype=complex
    )
    options = {"permutation": "bit-reversal", **options}
    return Problem(n, matrix, options, lambda X: scipy.fft.fft(X, axis=0), asked)


def fourier_chain(n: int) -> Problem:
    return fourier(n, chain=lo.Chain.square_dyadic(n))


def fourier_tolerance(n: int) -> Problem:
    return fourier(n, tol=1e-10)


def fourier_integral(n: int, **options: Any) -> Problem:
    r"""The Fourier integral operator with phase :math:`x \xi + c(x) |\xi|`, known by its entries.

    :math:`c(x) = (2 + \sin 2 \pi x) / 8`, at `x = i / n` and integers :math:`\xi`, is the example
    of E. Candès, L. Demanet, L. Ying, Multiscale Modeling & Simulation 7(4), 2009.
    """
    asked = Asked()

    def kernel(rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        x, xi = rows / n, cols - n // 2
        phase = np.multiply.outer(x, xi)
        phase += np.multiply.outer((2 + np.sin(2 * np.pi * x)) / 8, np.abs(xi))
        phase *= 2 * np.pi
        return np.cos(phase) + 1j * np.sin(phase)

    def entries(rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        asked.entries += rows.size * cols.size
        return kernel(rows, cols)

    def multiply(X: np.ndarray) -> np.ndarray:
        starts = range(0, n, COLUMNS)
        parts = (np.arange(s, min(s + COLUMNS, n)) for s in starts)
        return sum(kernel(np.arange(n), part) @ X[part] for part in parts)

    options = {"permutation": ("bit-reversal", None), "shape": (n, n), **options}
    return Problem(n, entries, options, multiply, asked)


def fourier_integral_chain(n: int) -> Problem:
    return fourier_integral(n, chain=lo.Chain.dyadic(n, rank=8))


def fourier_integral_tolerance(n: int) -> Problem:
    return fourier_integral(n, tol=1e-3)


CASES = {
    "DFT by products, square dyadic chain": (fourier_chain, 16384),
    "DFT by products, tol=1e-10": (fourier_tolerance, 16384),
    "Fourier integral operator by entries, rank 8": (fourier_integral_chain, 16384),
    "Fourier integral operator by entries, tol=1e-3": (fourier_integral_tolerance, 8192),
}


# Measuring


def measured(title: str, n: int) -> dict[str, Any]:
    """One case, in this process."""
    warm_up()
    before = peak_megabytes()
    problem = CASES[title][0](n)
    start = time.perf_counter()
    found = lo.factorize(problem.matrix, **problem.options)
    seconds = time.perf_counter() - start
    peak = peak_megabytes()
    low, high = found.estimate.interval
    return {
        "case": title,
        "n": n,
        "seconds": round(seconds, 1),
        "peak_megabytes": round(peak),
        "peak_megabytes_before": round(before),
        "dense_megabytes": round(16 * n**2 / 1e6),
        "products": problem.asked.products,
        "adjoint_products": problem.asked.adjoint_products,
        "entries_over_all": round(problem.asked.entries / n**2, 4),
        "factors": len(found.chain),
        "numbers": found.chain.nnz,
        "numbers_over_dense": round(found.chain.nnz / n**2, 5),
        "estimated_error": found.relative_error,
        "interval": [low, high],
        "confidence": found.estimate.confidence,
        "error_on_other_vectors": error_on_vectors(found.operator, problem),
    }


def warm_up() -> None:
    """Load or compile what a factorization needs, so that it isn't timed."""
    for make in (fourier_chain, fourier_tolerance):
        problem = make(4096)
        lo.factorize(problem.matrix, **problem.options)


def error_on_vectors(operator: lo.LazyOperator, problem: Problem) -> float:
    X = np.random.default_rng(2**31).standard_normal((problem.n, CHECKS))
    expected = problem.multiply(X)
    return float(np.linalg.norm(operator @ X - expected) / np.linalg.norm(expected))


def peak_megabytes() -> float:
    """Of this process, up to now; Linux counts in kilobytes, macOS in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def table(cells: list[dict[str, Any]]) -> str:
    header = ["case", "n", "seconds", "peak MB", "dense MB", "products", "with the adjoint"]
    header += ["entries / n^2", "numbers / n^2", "estimated error", "interval", "on other vectors"]
    rows = [header]
    for cell in cells:
        low, high = cell["interval"]
        figures = [cell["n"], f"{cell['seconds']:.1f}", cell["peak_megabytes"]]
        figures += [cell["dense_megabytes"], cell["products"], cell["adjoint_products"]]
        figures += [f"{cell['entries_over_all']:.3f}", f"{cell['numbers_over_dense']:.4f}"]
        figures += [f"{cell['estimated_error']:.3g}", f"{low:.3g} to {high:.3g}"]
        figures += [f"{cell['error_on_other_vectors']:.3g}"]
        rows.append([cell["case"], *map(str, figures)])
    return "\n".join(aligned(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="order 4096")
    options = parser.parse_args()
    found = conditions(1)
    warn_if_busy(found)
    context, cells = multiprocessing.get_context("spawn"), []
    for title, (_, n) in CASES.items():
        print(title, flush=True)
        with context.Pool(1) as pool:
            cells.append(pool.apply(measured, (title, 4096 if options.quick else n)))
    print("\n" + table(cells))
    if not options.quick:
        results = {**circumstances(found), "cells": cells}
        write_json(RESULTS / "matrix_free.json", results)


if __name__ == "__main__":
    main()
