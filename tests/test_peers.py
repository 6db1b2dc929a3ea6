"""What other libraries of lazy operators get wrong, held right here; comments say which one.

Measured with lazylinop 1.24, pyfaust 3.41 and PyLops 2.8. SciPy's functions are in `test_scipy`.
"""

import copy
import os
import pickle
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg as sla
from chains import product, random_values
from market import BOUND_TO_NUMPY, MARKET, random

import lazyop as lo

every_operator = pytest.mark.parametrize("name", MARKET)


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def butterfly(dtype="complex128", n=16):
    values = random_values(lo.Chain.square_dyadic(n), dtype=dtype)
    return lo.Butterfly(values), product(values)


# Complex numbers ----------------------------------------------------------------------------------


@every_operator
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_the_adjoint_of_a_complex_multiple(name, dtype):
    # lazylinop: (z * L).H, (L * z).T and (L / z).H forget to conjugate, or do it twice
    A, D = MARKET[name](dtype)
    z = 2 - 3j
    for multiple, Z in ((z * A, z * D), (A * z, z * D), (A / z, D / z), (z * A.H.H, z * D)):
        close(multiple.toarray(), Z)
        close(multiple.H.toarray(), Z.conj().T)
        close(multiple.T.toarray(), Z.T)
        close(multiple.conj().toarray(), Z.conj())
        lo.testing.dot_test(multiple)


def test_the_adjoint_of_a_complex_shift():
    # lazylinop: (L + z).H
    A, D = butterfly()
    z = 2 - 3j
    close((A + z * lo.Identity(16)).H.toarray(), (D + z * np.eye(16)).conj().T)


def test_least_squares_with_a_complex_multiple():
    # lazylinop: lsqr(1j * L, b) converges to something else
    D = random("float64", 12, 8)
    b = random("complex128", 12)
    x = sla.lsqr(1j * lo.aslazy(D), b, atol=1e-13, btol=1e-13)[0]
    close(x, np.linalg.lstsq(1j * D, b)[0])


def test_a_conjugate_conjugates():
    # pyfaust: F.conj() @ x is F @ x
    A, D = butterfly()
    x = random("complex128", 16)
    close(A.conj() @ x, D.conj() @ x)


@every_operator
def test_real_operators_are_not_conjugated(name):
    # lazylinop: .T conjugates argument and result, twice, of real operators
    A = MARKET[name]("float64")[0]
    assert A.T is A.H
    assert A.conj() is A
    assert "Conjugate" not in A.T.tree()


# Entries ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", [127, 128, 200, -129, 300, 70_000, 2**40])
def test_dense_forms_hold_any_entry(entry):
    # lazylinop: toarray applies an int8 identity, where 200 becomes 127 and 300 * eye(2) raises
    for A in (
        lo.aslazy(np.array([[entry, 0], [0, entry]])),
        lo.Diagonal([entry, entry]),
        entry * lo.Identity(2),
        entry * lo.Identity(2, dtype=np.int64),
        entry * lo.Identity(2, dtype=np.int8),
        entry * lo.Permutation([0, 1]),
        entry * (lo.Permutation([1, 0]) @ lo.Permutation([1, 0])),
        lo.KroneckerSparse(np.full((2, 1, 1, 1), entry)),
    ):
        expected = [[entry, 0], [0, entry]]
        np.testing.assert_array_equal(A.toarray(), expected)
        np.testing.assert_array_equal(A.tosparse().toarray(), expected)
        np.testing.assert_array_equal(A.diagonal(), [entry, entry])
        np.testing.assert_array_equal(A @ np.array([1.0, 2.0]), [entry, 2.0 * entry])
        assert A.trace() == 2 * entry
        assert A[1, 1] == entry


def test_coefficients_that_grow_hold_in_a_dense_form():
    P = lo.Permutation([1, 0])
    for A, entry in (
        (100 * P + 100 * P, 200),
        ((20 * P) @ (20 * P), 400),
        (lo.kron(100 * P, 100 * P), 10_000),
        ((20 * P) ** 3, 8_000),
        (sum([P] * 200), 200),
        (-128 * P - P - P, -130),
        ((100 * P) * 100, 10_000),
    ):
        assert abs(A.toarray()).max() == abs(entry)
        assert A.toarray().sum() / A.shape[0] == entry
        assert (A @ np.ones(A.shape[1])).tolist() == [entry] * A.shape[0]
        assert A.tosparse().toarray().tolist() == A.toarray().tolist()


# Indexing -----------------------------------------------------------------------------------------


@every_operator
def test_indexing_is_the_same_for_every_operator(name):
    # lazylinop: eye(4)[-1] has no row, rows out of range are dropped without a word, and what an
    # index means depends on the kind of operator. pyfaust: an index out of range ends the process.
    A, D = MARKET[name]("complex128")
    m, n = D.shape
    for i in range(-m, m):
        close(A[i], D[i])
    for j in range(-n, n):
        close(A[:, j], D[:, j])
    if m and n:
        close(A[-1, -n], D[-1, -n])
        close(A[[-1, 0]].toarray(), D[[-1, 0]])
        close(A[::-2, -1:].toarray(), D[::-2, -1:])
    for key in (m, -m - 1, (0, n), [0, m], (slice(None), [-n - 1])):
        with pytest.raises(IndexError):
            A[key]


@every_operator
def test_boolean_masks_are_masks(name):
    # pyfaust: True and False are read as the indices 1 and 0
    A, D = MARKET[name]("float64")
    rows, cols = np.arange(D.shape[0]) % 2 == 0, [j % 3 == 0 for j in range(D.shape[1])]
    close(A[rows].toarray(), D[rows])
    close(A[rows, cols].toarray(), D[rows][:, cols])
    close(A[np.zeros(D.shape[0], bool)].toarray(), D[:0])


# What an operator is ------------------------------------------------------------------------------


@every_operator
@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_every_composite_has_a_dtype_and_is_an_operator_of_scipy(name, dtype):
    # lazylinop: the dtype of every composite is None. PyLops: a float32 Kronecker product says
    # float64. Neither is a scipy.sparse.linalg.LinearOperator.
    A = MARKET[name](dtype)[0]
    for B in (
        (
            *(
                A,
                A.H,
                A.T,
                A.N,
                A.N**2,
                A + A,
                A - 2 * A,
                3 * A,
                A / 3,
                -A,
                A.H @ A,
                A[:1],
                A[:, [0]],
            ),
            *(lo.kron(A, A), lo.block_diag(A, A), lo.hstack([A, A]), lo.vstack([A, A])),
            *(lo.block([[A, None], [None, A]]), lo.kronsum(A.N, A.N)),
        )
        if A.shape[1]
        else (A, A.H)
    ):
        assert isinstance(B, sla.LinearOperator)
        assert B.dtype == dtype
        assert (B @ np.ones(B.shape[1], dtype)).dtype == dtype


def test_operands_of_all_kinds():
    # lazylinop: L @ LinearOperator, L + ndarray, L @ list and fft @ csr fail; a list and a sparse
    # matrix are errors of lazylinop's own code. PyLops: ndarray @ P and scipy + P fail.
    A, D = butterfly()
    Q = random("complex128", 16, 16)
    S, C = sla.aslinearoperator(Q), scipy.sparse.csr_array(Q)
    for found, expected in (
        *((A @ S, D @ Q), (S @ A, Q @ D), (A + S, D + Q), (S + A, Q + D), (S - A, Q - D)),
        *((A @ C, D @ Q), (C @ A, Q @ D), (A + C, D + Q), (C - A, Q - D)),
        *((A + Q, D + Q), (Q + A, Q + D), (Q - A, Q - D), (A + Q.tolist(), D + Q)),
    ):
        close(found @ np.eye(16), expected)
    close(Q @ A, Q @ D)
    close(A @ Q[0].tolist(), D @ Q[0])
    close(Q.tolist() @ A, Q @ D)


@every_operator
def test_copies_are_the_same_operator(name):
    # lazylinop and pyfaust: no pickle, no deepcopy
    A, D = MARKET[name]("complex128")
    for B in (pickle.loads(pickle.dumps(A)), copy.deepcopy(A)):
        close(B.toarray(), D)
        close(B.H.toarray(), D.conj().T)


@every_operator
def test_operators_move_and_change_precision(name):
    # lazylinop: neither; with array_api_strict, 6 of 46 operators work
    A, D = MARKET[name]("complex128")
    if name in BOUND_TO_NUMPY:
        pytest.skip("bound to NumPy")
    single = A.astype("complex64")
    assert single.dtype == "complex64"
    np.testing.assert_allclose(single.toarray(), D, rtol=1e-5, atol=1e-5)
    assert A.to("numpy", dtype="complex64").dtype == "complex64"
    moved = A.to("array_api_strict", dtype="complex64")
    assert moved.dtype == "complex64"
    np.testing.assert_allclose(np.asarray(moved.toarray()), D, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("first", "second"), [("float32", "float64"), ("float64", "complex64")])
def test_precisions_mix(first, second):
    # pyfaust: float32 with float64 raises
    A, D = butterfly(first)
    B, Q = butterfly(second)
    both = np.result_type(first, second)
    for found, expected in ((A @ B, D @ Q), (B + A, Q + D), (lo.kron(A, B), np.kron(D, Q))):
        assert found.dtype == both
        np.testing.assert_allclose(found.toarray(), expected, rtol=1e-4, atol=1e-4)
    assert (A @ Q).dtype == (Q @ A).dtype == both
    np.testing.assert_allclose(A @ Q, D @ Q, rtol=1e-4, atol=1e-4)


def test_a_batch_of_nothing():
    # lazylinop: an empty batch raises IndexError
    A, _ = butterfly()
    assert (A @ np.empty((16, 0))).shape == (16, 0)
    assert (np.empty((0, 16)) @ A).shape == (0, 16)
    assert (A @ np.empty((3, 16, 0))).shape == (3, 16, 0)


# Work ---------------------------------------------------------------------------------------------


class Counting(lo.LazyOperator):
    """A matrix that counts how often it is applied, and to how many columns."""

    _fields = ("values", "calls")

    def __init__(self, values, calls):
        self.values, self.calls = values, calls
        super().__init__(values.dtype, values.shape)

    def _apply(self, X):
        self.calls.append(X.shape[1])
        return self.values @ X

    def _adjoint(self):
        return Counting(self.values.conj().T, self.calls)


@pytest.mark.parametrize(
    "make",
    [
        lambda A: lo.kron(A, A),
        lambda A: lo.kronsum(A, A),
        lambda A: lo.block_diag(A, A),
        lambda A: A @ A + A,
        lambda A: lo.block([[A, None], [A, A]]).H,
        lambda A: A.T.conj()[1:, ::-1],
    ],
    ids=["kron", "kronsum", "block_diag", "algebra", "block", "restriction"],
)
def test_many_columns_are_one_product(make):
    # lazylinop: kron loops over columns. PyLops: every matmat does.
    calls = []
    B = make(Counting(random("complex128", 4, 4), calls))
    counts = []
    for columns in (1, 50):
        for product_of in (
            lambda X: B @ X,
            lambda X: B.matmat(X),
            lambda X: X.T @ B.T,
            lambda X: sla.aslinearoperator(np.eye(B.shape[0])) @ B @ X,
        ):
            calls.clear()
            product_of(np.ones((B.shape[1], columns)))
            counts.append(len(calls))
    assert len(set(counts)) == 1
    assert 1 <= counts[0] <= 3


def traced(action):
    """Bytes that stay after a call while its result is there, and the most that there were."""
    action()  # what is made once for all, as compiled code
    tracemalloc.start()
    try:
        result = action()
        return tracemalloc.get_traced_memory(), result
    finally:
        tracemalloc.stop()


def peak(action):
    return traced(action)[0][1]


VIEWS = {"A": lambda A: A, "A.H": lambda A: A.H, "A.T": lambda A: A.T, "conj": lambda A: A.conj()}
views = pytest.mark.parametrize("view", VIEWS)


@views
@pytest.mark.parametrize("dtype", ["float32", "complex128"])
@pytest.mark.parametrize("pattern", [(64, 64, 64, 1), (1, 64, 64, 64), (8, 64, 64, 8)])
def test_a_factor_holds_its_values_once(pattern, dtype, view):
    # lazylinop: a Kronecker-sparse operator holds 3 times the bytes of its values
    values = random(dtype, *pattern)
    x = random(dtype, values.size // 64)

    def made_and_used():
        A = VIEWS[view](lo.KroneckerSparse(values))
        return A, A @ x, A.H @ x, A.N @ x

    (stays, most), (A, *_) = traced(made_and_used)
    assert stays < values.nbytes / 10
    assert most < values.nbytes / 3
    assert A.cost.nbytes == A.N.cost.nbytes == values.nbytes
    assert np.shares_memory(A._held, values)


LARGE = {
    "Dense": lambda: lo.aslazy(random("complex128", 400, 400)),
    "Sparse": lambda: lo.aslazy(scipy.sparse.csr_array(random("complex128", 300, 300))),
    "LowRank": lambda: lo.LowRank(random("complex128", 900, 90), random("complex128", 900, 90)),
    "Butterfly": lambda: lo.Butterfly(
        random_values(lo.Chain.monarch(1024, rank=2), dtype="complex128")
    ),
    "Kron": lambda: lo.kron(random("complex128", 100, 100), random("complex128", 3, 3)),
    "multiple of a sum": lambda: (
        2j * (lo.aslazy(random("complex128", 300, 300)) + lo.Identity(300, "complex128"))
    ),
}


@views
@pytest.mark.parametrize("name", LARGE)
def test_a_product_copies_no_data(name, view):
    A = VIEWS[view](LARGE[name]())
    x = random("complex128", A.shape[1])
    assert peak(lambda: A @ x) < A.cost.nbytes / 5
    assert peak(lambda: A.rmatvec(x)) < A.cost.nbytes / 5


# Import -------------------------------------------------------------------------------------------

IMPORT = """
import os, sys, threading, warnings
from importlib.machinery import PathFinder
import numpy as np, scipy.sparse, scipy.sparse.linalg

def state():
    return {
        "environment": dict(os.environ),
        "recursion limit": sys.getrecursionlimit(),
        "threads": threading.active_count(),
        "warnings": list(warnings.filters),
        "errors": np.geterr(),
        "printing": str(np.get_printoptions()),
        "random numbers": np.random.get_state()[1].tolist(),
        "scipy.sparse": dict(vars(scipy.sparse)),
        "csr_array": dict(vars(scipy.sparse.csr_array)),
        "LinearOperator": dict(vars(scipy.sparse.linalg.LinearOperator)),
        "path": list(sys.path),
        "hooks": (sys.excepthook, sys.displayhook, len(sys.meta_path)),
        "files": os.listdir(),
    }

class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        absent = name.partition(".")[0] in ABSENT
        return None if absent else super().find_spec(name, path, target)

sys.meta_path[:] = [Finder if finder is PathFinder else finder for finder in sys.meta_path]
warnings.simplefilter("error")
before = state()
import lazyop as lo
changed = [name for name, value in state().items() if value != before[name]]
assert not changed, changed
F = lo.factorize(np.eye(8), lo.Chain.square_dyadic(8))
assert F.relative_error < 1e-14
changed = [name for name, value in state().items() if value != before[name]]
assert not changed, changed
"""

OPTIONAL = (
    "numba cupy torch jax dask pywt matplotlib psutil pandas pytest hypothesis array_api_strict"
)


def test_importing_changes_nothing_and_needs_no_more_than_scipy(tmp_path):
    # lazylinop: after a plain install an import fails for want of psutil and pandas; imports set
    # recursion limits and thread variables, and patch scipy.sparse; `optimize` writes two files
    script = IMPORT.replace("ABSENT", repr(OPTIONAL.split()))
    path = {"PYTHONPATH": str(Path(lo.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=os.environ | path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert os.listdir(tmp_path) == []


# Factorization ------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", [np.nan, np.inf, complex(0, np.nan)])
@pytest.mark.parametrize("form", [lambda D: D, lo.aslazy, scipy.sparse.csr_array])
def test_a_matrix_with_a_nan_is_refused(form, entry):
    # pyfaust: NaN turns into finite factors, or ends the process
    D = np.ones((4, 4), np.result_type(entry, float))
    D[2, 3] = entry
    with pytest.raises(ValueError, match="NaN or infinite"):
        lo.factorize(form(D), lo.Chain.square_dyadic(4))


def test_a_chain_of_one_pattern_has_the_size_of_its_matrix():
    # lazylinop: a chain of one pattern takes a larger matrix
    for n in (4, 16):
        with pytest.raises(ValueError, match=r"of shape \(8, 8\)"):
            lo.factorize(np.ones((n, n)), [(2, 4, 4, 1)])
    D = scipy.linalg.block_diag(np.ones((4, 4)), np.ones((4, 4)))
    close(lo.factorize(D, [(2, 4, 4, 1)]).operator.toarray(), D)


@pytest.mark.parametrize("pattern", [(1, 2, 2, -2), (0, 2, 2, 1), (-1, -2, 2, 2)])
def test_a_pattern_is_of_positive_integers(pattern):
    # lazylinop: zeros and negative numbers pass
    with pytest.raises(ValueError, match="positive integer"):
        lo.factorize(np.ones((4, 4)), [pattern, (2, 2, 2, 1)])


def test_a_redundant_chain_is_merged():
    # lazylinop: crashes
    chain = lo.Chain([(1, 4, 4, 2), (1, 8, 8, 1)])
    assert chain.redundant
    D = random("float64", 8, 8)
    found = lo.factorize(D, chain)
    assert found.relative_error < 1e-13
    close(found.operator.toarray(), D)


def test_a_factorization_says_how_far_it_is():
    # lazylinop: no error is returned; the DFT without its bit reversal is 0.98 away, unsaid
    F = scipy.linalg.dft(64)
    chain = lo.Chain.square_dyadic(64)
    without = lo.factorize(F, chain)
    error = np.linalg.norm(without.operator.toarray() - F) / np.linalg.norm(F)
    np.testing.assert_allclose(without.relative_error, error, rtol=1e-12)
    assert 0.8 < without.lower_bound <= without.relative_error
    assert lo.factorize(F, chain, permutation="bit-reversal").relative_error < 1e-14


def test_any_permutation():
    # lazylinop: no general permutation operator
    p = np.random.default_rng(0).permutation(16)
    A, D = butterfly()
    found = lo.factorize(D[:, p], lo.Chain.square_dyadic(16), permutation=lo.Permutation(p).T)
    assert found.relative_error < 1e-13
    close((A @ lo.Permutation(p).T).toarray(), D[:, p])


@pytest.mark.parametrize(
    "chain",
    [
        lo.Chain.monarch((12, 18), rank=2),
        lo.Chain.from_sizes((3, 5, 2), (2, 7, 3)),
        lo.Chain.from_sizes((3, 2, 3), (3, 2, 3), ranks=2),
    ],
    ids=str,
)
def test_sizes_that_are_no_powers_of_two(chain):
    # pyfaust: powers of two only
    values = random_values(chain)
    found = lo.factorize(product(values), chain)
    assert found.relative_error < 1e-13
    close(found.operator.toarray(), product(values))


@pytest.mark.parametrize("length", [0, 15, 17, 32])
def test_a_vector_of_another_length_is_refused(length):
    # pyfaust: ends the process
    A, _ = butterfly()
    for call in (lambda: A @ np.ones(length), lambda: np.ones(length) @ A):
        with pytest.raises(ValueError, match="dimension mismatch"):
            call()
