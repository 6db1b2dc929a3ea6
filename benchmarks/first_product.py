"""What a program waits for: the import, and the first products of a process.

Run ``python benchmarks/first_product.py``. Every figure is a median over new processes, which take
turns. The machine code of products is on disk already, as the first process of each kind puts it
there. Beside it stands the first call of a function that adds one, kept on disk by Numba, with
Numba's import.
"""

import json
import subprocess
import sys
from statistics import median

from report import RESULTS, versions_of, write_json

ROUNDS = 15

TIMED = """
import json, time
import numpy as np, scipy.sparse.linalg
def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
"""

PRODUCTS = """
def load():
    import lazyop
found = {"import lazyop, after NumPy and SciPy": seconds(load)}
import lazyop as lo
rng = np.random.default_rng(0)
F = lo.Butterfly([rng.standard_normal(tuple(p)) for p in lo.Chain.square_dyadic(1024)])
x, X = np.ones(1024), np.ones((1024, 64))
found["first product, a vector"] = seconds(lambda: F @ x)
found["then with 64 columns"] = seconds(lambda: F @ X)
K = lo.kron(*rng.standard_normal((2, 32, 32)))
found["then a Kronecker product"] = seconds(lambda: K @ x)
found["the first of these again"] = seconds(lambda: F @ x)
print(json.dumps(found))
"""

NUMBA = """
def first():
    import numba
    numba.njit(cache=True)(add_one)(1)
print(json.dumps({"Numba and a cached function": seconds(first)}))
"""

#: Numba keeps the code of functions that it finds in files.
ADD_ONE = "def add_one(x):\n    return x + 1\n"


def run(program):
    """Run a program in a new process, and return what it prints."""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    return json.loads(done.stdout)


def main():
    """Print a table, and write the figures with the versions that gave them."""
    import llvmlite
    import numba
    import numpy
    import scipy

    import lazyop

    folder = RESULTS.parent / "__pycache__"
    folder.mkdir(exist_ok=True)
    (folder / "add_one.py").write_text(ADD_ONE, encoding="utf-8")
    path = f"import sys; sys.path.insert(0, {str(folder)!r})\nfrom add_one import add_one\n"
    programs = TIMED + PRODUCTS, path + TIMED + NUMBA
    for program in programs:
        run(program)
    times = {}
    for _ in range(ROUNDS):
        for program in programs:
            for name, seconds in run(program).items():
                times.setdefault(name, []).append(1e3 * seconds)
    milliseconds = {name: round(median(each), 3) for name, each in times.items()}
    print("milliseconds")
    for name, value in milliseconds.items():
        print(f"{name:<40}{value:>10.3f}")
    results = {
        "versions": versions_of(numpy, scipy, numba, llvmlite, lazyop),
        "rounds": ROUNDS,
        "milliseconds": milliseconds,
    }
    write_json(RESULTS / "first_product.json", results)


if __name__ == "__main__":
    main()
