"""Call overhead: products with small operators, beside SciPy's operator of the same dense matrix.

Run ``python benchmarks/overhead.py``. The operators are so small that a product costs little more
than the way to it. Ours and SciPy's are timed in turn in one process, so that whatever else the
machine does meets both; what counts is their ratio.
"""

from statistics import median
from timeit import Timer

import numpy as np
import scipy
from report import RESULTS, versions_of, write_json
from scipy.sparse.linalg import aslinearoperator

import lazyop as lo

ROUNDS = 200
CALLS = 100


def operators():
    """Yield small operators by name."""
    rng = np.random.default_rng(0)
    yield "dense 4x4", lo.aslazy(rng.standard_normal((4, 4)))
    yield "dense 16x16", lo.aslazy(rng.standard_normal((16, 16)))
    yield "Identity 16", lo.Identity(16)
    yield "Diagonal 16", lo.Diagonal(rng.standard_normal(16))
    yield "Permutation 16", lo.Permutation(rng.permutation(16))
    yield "Kron 4x4 (x) 4x4", lo.kron(*rng.standard_normal((2, 4, 4)))
    chain = lo.Chain.square_dyadic(16)
    yield "Butterfly 16", lo.Butterfly([rng.standard_normal(tuple(p)) for p in chain])


def microseconds(products):
    """Return the median time of each call, all timed in turn."""
    timers = [Timer(product) for product in products]
    rounds = [[timer.timeit(CALLS) for timer in timers] for _ in range(ROUNDS)]
    return [1e6 * median(times) / CALLS for times in zip(*rounds, strict=True)]


def measure(name, A):
    """Time ``@`` and ``matvec`` of an operator and of SciPy's operator of the same matrix."""
    S = aslinearoperator(A.toarray().astype(np.float64))
    x = np.random.default_rng(1).standard_normal(A.shape[1])
    np.testing.assert_allclose(A @ x, S @ x, atol=1e-12)
    ours, theirs, our_matvec, their_matvec = microseconds(
        [lambda: A @ x, lambda: S @ x, lambda: A.matvec(x), lambda: S.matvec(x)]
    )
    return {
        "operator": name,
        "A @ x": {"lazyop": ours, "scipy": theirs, "ratio": ours / theirs},
        "matvec": {"lazyop": our_matvec, "scipy": their_matvec, "ratio": our_matvec / their_matvec},
    }


def main():
    """Print a table, and write the figures with the versions that gave them."""
    titles = "microseconds", "A @ x", "SciPy", "ratio", "matvec", "SciPy", "ratio"
    print("{:<18}{:>8}{:>8}{:>7}{:>9}{:>8}{:>7}".format(*titles))
    rows = []
    for name, A in operators():
        row = measure(name, A)
        rows.append(row)
        product, matvec = row["A @ x"].values(), row["matvec"].values()
        print("{:<18}{:8.2f}{:8.2f}{:7.2f}{:9.2f}{:8.2f}{:7.2f}".format(name, *product, *matvec))
    write_json(RESULTS / "overhead.json", {"versions": versions_of(np, scipy, lo), "results": rows})


if __name__ == "__main__":
    main()
