"""Operators and functions of entries: what comes in, what is refused, and how much is asked for."""

import tracemalloc

import array_api_strict
import numpy as np
import pytest
import scipy.fft
import scipy.sparse
from chains import random_values
from scipy.sparse.linalg import LinearOperator, aslinearoperator

import lazyop as lo
from lazyop.factorization import matrix_free, middle_split
from lazyop.factorization.matrix_free import EntrySource, ProductSource, opened
from lazyop.namespaces import dtype_of


@pytest.fixture(autouse=True)
def nothing_dense(monkeypatch):
    """Treats small matrices as if they were too large to be made dense."""
    monkeypatch.setattr(matrix_free, "DENSE_BYTES", 0)


class Counted:
    """A matrix known by its products alone, which counts them."""

    def __init__(self, A, dtype=None):
        self.A, self.shape, self.dtype = A, A.shape, np.dtype(dtype or A.dtype)
        self.products = self.adjoint_products = 0

    def matvec(self, x):
        return self.matmat(x[:, None])[:, 0]

    def rmatvec(self, x):
        return self.rmatmat(x[:, None])[:, 0]

    def matmat(self, X):
        self.products += X.shape[1]
        return self.A @ X

    def rmatmat(self, X):
        self.adjoint_products += X.shape[1]
        return self.A.conj().T @ X


def entries_of(A, seen=None):
    def entries(rows, cols):
        if seen is not None:
            seen[np.ix_(rows, cols)] += 1
        return A[np.ix_(rows, cols)]

    return entries


def distance(found, A):
    A = np.asarray(A)
    return np.linalg.norm(np.asarray(found.operator.toarray()) - A) / np.linalg.norm(A)


def butterfly(chain, dtype=float, seed=0):
    return lo.Butterfly(random_values(chain, seed, dtype)).toarray()


def fourier(n):
    def forward(X):
        return scipy.fft.fft(X, axis=0)

    def adjoint(X):
        return scipy.fft.ifft(X, axis=0, norm="forward")

    return LinearOperator(
        (n, n), forward, rmatvec=adjoint, matmat=forward, rmatmat=adjoint, dtype=complex
    )


# What is dense and what is not ----------------------------------------------------------------


def test_small_operators_and_functions_are_made_dense(monkeypatch):
    A, chain = butterfly(lo.Chain.dyadic(16)), lo.Chain.dyadic(16)
    monkeypatch.setattr(matrix_free, "DENSE_BYTES", A.nbytes)
    for given, shape in ((aslinearoperator(A), None), (entries_of(A), A.shape)):
        found = lo.factorize(given, chain, shape=shape)
        assert found.estimate is None
        assert found.relative_error < 1e-14
        assert found.lower_bound <= found.error_bound
    monkeypatch.setattr(matrix_free, "DENSE_BYTES", A.nbytes - 1)
    assert lo.factorize(aslinearoperator(A), chain).estimate is not None
    assert lo.factorize(entries_of(A), chain, shape=A.shape).estimate is not None


def test_what_holds_its_dense_matrix_stays_dense():
    A, chain = butterfly(lo.Chain.dyadic(16)), lo.Chain.dyadic(16)
    for given in (A, A.tolist(), lo.aslazy(A)):
        assert lo.factorize(given, chain).estimate is None


def test_the_record_says_that_its_error_is_an_estimate():
    A = np.random.default_rng(0).standard_normal((64, 64))
    found = lo.factorize(aslinearoperator(A), lo.Chain.dyadic(64))
    assert found.relative_error == found.estimate.relative_error
    assert found.error_bound is None
    assert found.lower_bound is None
    assert found.split_errors == ()
    low, high = found.estimate.interval
    assert f"estimated as  {low:.3g} to {high:.3g} with 99% confidence" in repr(found)
    assert repr(found).count("none proved") == 2
    dense = repr(lo.factorize(A, lo.Chain.dyadic(64)))
    assert "estimated" not in dense


def test_memory_grows_with_the_factors_and_not_with_the_matrix(monkeypatch):
    monkeypatch.setattr(matrix_free, "PANEL_BYTES", 1 << 20)
    monkeypatch.setattr(middle_split, "PANEL_BYTES", 1 << 20)
    chain = lo.Chain.square_dyadic(512)
    lo.factorize(fourier(512), chain, permutation="bit-reversal")  # imports and compiles
    peaks = {}
    for n in (512, 2048):
        tracemalloc.start()
        found = lo.factorize(fourier(n), lo.Chain.square_dyadic(n), permutation="bit-reversal")
        peaks[n] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found.relative_error < 1e-13
    assert peaks[2048] < 16 * 2048**2 / 2
    assert peaks[2048] < 11 * peaks[512]


def test_products_grow_with_the_root_of_the_order():
    used = []
    for n in (1024, 4096):
        A = Counted(lo.Butterfly(random_values(lo.Chain.square_dyadic(n))))
        assert lo.factorize(A, lo.Chain.square_dyadic(n)).relative_error < 1e-12
        # Without those that the error is estimated from, and that the adjoint is checked by.
        used.append((A.products - 64, A.adjoint_products - 4))
    assert used == [(32 * 9, 32 * 18), (64 * 9, 64 * 18)]


def test_each_entry_is_asked_for_once_but_for_a_sample():
    rng = np.random.default_rng(0)
    A, chain = rng.standard_normal((96, 160)), lo.Chain.monarch((96, 160))
    seen = np.zeros(A.shape, int)
    lo.factorize(entries_of(A, seen), chain, shape=A.shape)
    assert seen.min() == 1
    assert np.sum(seen == 2) == 64**2


@pytest.mark.parametrize("given", ["operator", "entries"])
def test_the_same_call_gives_the_same_figures(given):
    A, chain = np.random.default_rng(1).standard_normal((64, 64)), lo.Chain.dyadic(64)
    A, shape = (aslinearoperator(A), None) if given == "operator" else (entries_of(A), (64, 64))
    first, second = (lo.factorize(A, chain, shape=shape) for _ in range(2))
    assert first.estimate == second.estimate
    for left, right in zip(first.operator.factors, second.operator.factors, strict=True):
        assert np.array_equal(left.values, right.values)


# What may come in -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize("given", ["operator", "entries"])
def test_precision_is_kept(given, dtype):
    chain = lo.Chain.dyadic(64, rank=2)
    A = butterfly(chain, dtype)
    shape = None if given == "operator" else A.shape
    found = lo.factorize(
        aslinearoperator(A) if given == "operator" else entries_of(A), chain, shape=shape
    )
    assert found.operator.dtype == dtype
    assert found.relative_error < 200 * np.finfo(dtype).eps
    assert distance(found, A) < 200 * np.finfo(dtype).eps


@pytest.mark.parametrize("kind", ["scipy", "sparse", "lazyop", "duck", "vectors"])
def test_kinds_of_operators(kind):
    chain = lo.Chain.dyadic(64)
    values = random_values(chain)
    A = lo.Butterfly(values).toarray()
    given = {
        "scipy": aslinearoperator(A),
        "sparse": scipy.sparse.csr_array(A),
        "lazyop": lo.Butterfly(values),
        "duck": Counted(A),
        "vectors": LinearOperator(A.shape, lambda x: A @ x, rmatvec=lambda x: A.T @ x, dtype=float),
    }[kind]
    found = lo.factorize(given, chain)
    assert found.estimate is not None
    assert distance(found, A) < 1e-13


def test_integers_count_as_float64():
    A, chain = np.add.outer(np.arange(32), np.arange(32)), lo.Chain.monarch(32, rank=2)
    for given, shape in ((Counted(A), None), (entries_of(A), A.shape)):
        found = lo.factorize(given, chain, shape=shape)
        assert found.operator.dtype == np.float64
        assert distance(found, A) < 1e-13


@pytest.mark.parametrize("given", ["operator", "entries"])
def test_other_namespaces_are_kept(given):
    chain = lo.Chain.dyadic(64, rank=2)
    values = random_values(chain)
    A = lo.Butterfly(values).toarray()
    if given == "operator":
        source = lo.Butterfly([array_api_strict.asarray(v) for v in values])
        found = lo.factorize(source, chain)
    else:
        strict = entries_of(A)
        found = lo.factorize(
            lambda i, j: array_api_strict.asarray(strict(i, j)), chain, shape=A.shape
        )
    assert type(found.operator.factors[0].values) is type(array_api_strict.asarray(0.0))
    assert distance(found, A) < 1e-13


@pytest.mark.parametrize("size", [1e-200, 1e200, 0.0])
@pytest.mark.parametrize("given", ["operator", "entries"])
def test_entries_far_from_one(given, size):
    A, chain = size * butterfly(lo.Chain.dyadic(32)), lo.Chain.dyadic(32)
    shape = None if given == "operator" else A.shape
    found = lo.factorize(
        aslinearoperator(A) if given == "operator" else entries_of(A), chain, shape=shape
    )
    assert found.relative_error < 1e-13
    assert np.max(np.abs(found.operator.toarray() - A)) <= 1e-12 * size


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (7, 11)])
@pytest.mark.parametrize("given", ["operator", "entries"])
def test_chains_of_one_dense_factor(given, shape):
    A, chain = np.random.default_rng(0).standard_normal(shape), lo.Chain([(1, *shape, 1)])
    found = lo.factorize(
        aslinearoperator(A) if given == "operator" else entries_of(A),
        chain,
        shape=None if given == "operator" else shape,
    )
    assert np.array_equal(found.operator.toarray(), A)
    assert found.relative_error == 0


@pytest.mark.parametrize("pattern", [(1, 1, 1, 24), (2, 3, 1, 4), (4, 1, 3, 2)])
@pytest.mark.parametrize("given", ["operator", "entries"])
def test_chains_of_one_sparse_factor(given, pattern, monkeypatch):
    monkeypatch.setattr(middle_split, "PANEL_BYTES", 1 << 10)
    A = np.random.default_rng(0).standard_normal(lo.Pattern(*pattern).shape)
    found = lo.factorize(
        aslinearoperator(A) if given == "operator" else entries_of(A),
        [pattern],
        shape=None if given == "operator" else A.shape,
    )
    expected = lo.factorize(A, [pattern])
    assert np.array_equal(found.operator.toarray(), expected.operator.toarray())
    low, high = found.estimate.interval
    assert low < expected.relative_error < high


# What is refused ------------------------------------------------------------------------------


def identity(dtype=float, forward=lambda x: x, adjoint=lambda x: x):
    return LinearOperator((64, 64), forward, rmatvec=adjoint, dtype=dtype)


@pytest.mark.parametrize(
    ("operator", "error", "message"),
    [
        (LinearOperator((64, 64), lambda x: x, dtype=float), TypeError, "not define rmatvec"),
        (identity(forward=lambda x: x * np.nan), ValueError, "NaN or infinite"),
        (identity(adjoint=lambda x: x / np.zeros(1)), ValueError, "NaN or infinite"),
        (identity(forward=lambda x: 1j * x), TypeError, "complex"),
        (identity(adjoint=lambda x: x[::-1]), ValueError, "contradict each other"),
        (identity(np.longdouble), TypeError, "single or double precision"),
    ],
    ids=["no adjoint", "NaN", "infinite", "complex", "wrong adjoint", "long double"],
)
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_operators_that_are_refused(operator, error, message):
    with pytest.raises(error, match=message):
        lo.factorize(operator, lo.Chain.dyadic(64))


@pytest.mark.parametrize(
    ("entries", "error", "message"),
    [
        (lambda i, j: np.ones((i.size, j.size + 1)), ValueError, r"\(64, 64\), got \(64, 65\)"),
        (lambda i, j: np.ones(i.size), ValueError, r"got \(64,\)"),
        (lambda i, j: np.full((i.size, j.size), np.inf), ValueError, "NaN or infinite"),
        (lambda i, j: "text", TypeError, "numbers"),
        (lambda i, j: np.ones((i.size, j.size), np.float16), TypeError, "precision"),
        (lambda i, j: np.ones((i.size, j.size)) * (1 if j[0] == 0 else 1j), TypeError, "complex"),
    ],
    ids=["shape", "vector", "infinite", "text", "half", "complex later"],
)
def test_functions_that_are_refused(entries, error, message, monkeypatch):
    monkeypatch.setattr(middle_split, "PANEL_BYTES", 1 << 10)
    with pytest.raises(error, match=message):
        lo.factorize(entries, lo.Chain.dyadic(64), shape=(64, 64))


@pytest.mark.parametrize(
    ("shape", "error", "message"),
    [
        (None, ValueError, r"shape=\(m, n\)"),
        (64, ValueError, "pair"),
        ((64,), ValueError, "pair"),
        ((64, 0), ValueError, "positive integer"),
        ((64, 6.5), TypeError, "integer"),
        ((64, 32), ValueError, r"A has shape \(64, 32\)"),
    ],
)
def test_shapes_that_are_refused(shape, error, message):
    with pytest.raises(error, match=message):
        lo.factorize(entries_of(np.eye(64)), lo.Chain.dyadic(64), shape=shape)


@pytest.mark.parametrize("A", [np.eye(64), scipy.sparse.eye_array(64), identity()])
def test_a_shape_goes_with_a_function(A):
    with pytest.raises(ValueError, match="shape goes with a function"):
        lo.factorize(A, lo.Chain.dyadic(64), shape=(64, 64))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"terms": 2}, "terms above 1"),
        ({"permutation": "search"}, "'search'"),
    ],
)
def test_options_that_take_all_entries_are_refused(options, message):
    options = {"chain": lo.Chain.dyadic(64), **options}
    for A, shape in ((identity(), None), (entries_of(np.eye(64)), (64, 64))):
        with pytest.raises(ValueError, match=message):
            lo.factorize(A, shape=shape, **options)


def test_an_empty_operator_is_refused():
    with pytest.raises(ValueError, match="no entries"):
        lo.factorize(LinearOperator((0, 4), lambda x: x, dtype=float), tol=0.1)


# Sources --------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("given", ["operator", "entries"])
def test_sources_answer_as_the_matrix(given, is_complex, monkeypatch):
    monkeypatch.setattr(matrix_free, "PANEL_BYTES", 1 << 8)
    rng = np.random.default_rng(0)
    A = rng.standard_normal((12, 20)) + (1j * rng.standard_normal((12, 20)) if is_complex else 0)
    if given == "operator":
        source = opened(aslinearoperator(A))
        assert isinstance(source, ProductSource)
    else:
        source = opened(entries_of(A), A.shape)
        assert isinstance(source, EntrySource)
    p, q = lo.Permutation(rng.permutation(12)), lo.Permutation(rng.permutation(20))
    inner, rows, columns = source.without((p, q))
    assert rows is p
    assert columns is q
    for found, expected in (
        (source, A),
        (source.H, A.conj().T),
        (source.H.H, A),
        (inner, p.T @ A @ q.T.toarray()),
        (inner.H, (p.T @ A @ q.T.toarray()).conj().T),
    ):
        assert found.shape == expected.shape
        X = rng.standard_normal((expected.shape[1], 3))
        X[2:5] = 0
        assert np.allclose(found.product(found.array(X)), expected @ X)
        index = np.array([3, 0, 7])
        assert np.allclose(found.columns(index), expected[:, index])


def test_a_source_of_entries_skips_columns_that_are_not_needed():
    A, seen = np.ones((8, 9)), np.zeros((8, 9), int)
    source = opened(entries_of(A, seen), A.shape)
    seen[:] = 0
    X = np.zeros((9, 2))
    X[[2, 5]] = 1
    assert np.array_equal(source.product(X), A @ X)
    assert np.array_equal(np.flatnonzero(seen.any(axis=0)), [2, 5])


def test_the_dtype_of_a_source_is_one_of_floats():
    assert opened(Counted(np.eye(4, dtype=int))).dtype == np.float64
    assert opened(entries_of(np.eye(4, dtype=bool)), (4, 4)).dtype == np.float64
    block = opened(entries_of(np.eye(4, dtype=np.float32)), (4, 4)).columns(np.arange(2))
    assert dtype_of(block) == np.float32


# Interruption and progress --------------------------------------------------------------------


def test_an_interruption_passes_through():
    calls = []

    def entries(rows, cols):
        calls.append(1)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return np.ones((rows.size, cols.size))

    with pytest.raises(KeyboardInterrupt):
        lo.factorize(entries, lo.Chain.dyadic(64), shape=(64, 64))


@pytest.mark.parametrize("given", ["operator", "entries"])
def test_progress_is_shown_on_request_alone(given, capsys):
    pytest.importorskip("tqdm")
    A, chain = butterfly(lo.Chain.dyadic(64)), lo.Chain.dyadic(64)
    A, shape = (aslinearoperator(A), None) if given == "operator" else (entries_of(A), (64, 64))
    lo.factorize(A, chain, shape=shape)
    assert capsys.readouterr().err == ""
    lo.factorize(A, chain, shape=shape, progress=True)
    assert "columns: 100%" in capsys.readouterr().err
