"""From a function to an operator in its place: what is found, how far off it is, what is said."""

import copy
import pickle

import numpy as np
import pytest
import scipy.fft
import scipy.linalg

import lazyop as lo
from lazyop.kernels import chain as chain_module
from lazyop.transforms.substitution import search
from lazyop.transforms.substitution import substitute as room


@pytest.fixture(autouse=True)
def array_kernels(monkeypatch):
    """Nothing is compiled here: what the compiled kernels make is tested elsewhere."""
    monkeypatch.setattr(chain_module, "has_compiled", lambda: False)


def matrix_of(function, shape, dtype=float):
    n = int(np.prod(shape))
    units = np.eye(n, dtype=dtype).reshape(n, *np.atleast_1d(shape))
    return np.stack([np.ravel(function(unit)) for unit in units], axis=1)


def check(found, function, shape, dtype=float):
    """The error is that of the operator, and the record acts as the function did."""
    D = matrix_of(function, shape, dtype)
    error = np.linalg.norm(found.operator.toarray() - D) / np.linalg.norm(D)
    assert found.relative_error == pytest.approx(error, rel=1e-3, abs=1e-15)
    x = np.random.default_rng(1).standard_normal((2, *np.atleast_1d(shape))).astype(dtype)
    expected = np.stack([function(one) for one in x])
    size = np.linalg.norm(expected)
    assert np.linalg.norm(found(x) - expected) <= 10 * (found.relative_error + 1e-15) * size
    assert np.linalg.norm(found(x[1]) - expected[1]) <= 10 * (found.relative_error + 1e-15) * size
    assert found(x).shape == expected.shape
    assert found.operator.cost.parameters < D.size


@pytest.mark.parametrize(
    ("name", "kind", "n"),
    [
        ("dct", 1, 8),
        *((name, kind, 48) for name in ("dct", "dst") for kind in (2, 3)),
        ("dct", 4, 64),
    ],
)
def test_cosine_and_sine_transforms(name, kind, n):
    def function(x):
        return getattr(scipy.fft, name)(x, kind)

    found = lo.substitute(function, n)
    assert found.relative_error < 1e-14
    check(found, function, n)
    if n == 48:  # the type and its transpose are alike
        assert found.operator.cost.parameters == 1056


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("function", [scipy.fft.fft, scipy.fft.ifft, scipy.fft.dct])
def test_complex_arguments(function, dtype):
    found = lo.substitute(function, 30, dtype=dtype)
    assert (found.domain, found.operator.dtype.kind) == (
        "complex",
        "f" if function is scipy.fft.dct else "c",
    )
    check(found, function, 30, complex)


@pytest.mark.parametrize("function", [scipy.fft.rfft, scipy.fft.irfft, np.diff, np.cumsum])
def test_results_of_other_length(function):
    found = lo.substitute(function, 17 if function is scipy.fft.irfft else 32)
    assert found.relative_error < 1e-13
    check(found, function, found.shape)


def test_an_order_is_searched_for_where_no_likely_one_helps():
    rng = np.random.default_rng(0)
    H = scipy.linalg.hadamard(32)[rng.permutation(32)][:, rng.permutation(32)]
    found = lo.substitute(lambda x: H @ x, 32)
    assert found.factorization.chain.nnz < 400
    assert found.relative_error < 1e-14
    with pytest.raises(lo.NotCompressibleError):
        lo.substitute(lambda x: H @ x, 32, permutation="bit-reversal")


def test_a_tolerance_saves_numbers():
    points = np.linspace(0, 1, 32)
    K = 1 / (1 + 5 * np.subtract.outer(points, points**2) ** 2)
    rough, fine = (lo.substitute(lambda x: K @ x, 32, tol=tol) for tol in (1e-2, 1e-5))
    assert rough.relative_error <= 1e-2
    assert fine.relative_error <= 1e-5
    assert rough.operator.cost.parameters < fine.operator.cost.parameters < K.size


def test_a_given_chain():
    chain = lo.Chain.square_dyadic(32)
    found = lo.substitute(scipy.fft.fft, 32, chain=chain)
    assert found.factorization.chain == chain
    assert found.relative_error < 1e-14
    with pytest.raises(lo.NotCompressibleError, match=r"given chain, which holds 320 numbers"):
        lo.substitute(scipy.fft.dct, 32, chain=chain)
    with pytest.raises(ValueError, match="shape"):
        lo.substitute(scipy.fft.dct, 16, chain=chain, permutation=None)


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_single_precision_stays(dtype):
    found = lo.substitute(scipy.fft.fft, 64, dtype=dtype)
    assert found.operator.dtype == "complex64"
    assert found(np.ones(64, dtype)).dtype == "complex64"
    assert found.relative_error < 1e-6


# Arrays of several dimensions -------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(8, 16), (4, 6, 8)])
def test_separable_transforms_are_kronecker_products(shape):
    found = lo.substitute(scipy.fft.dctn, shape)
    assert isinstance(found.operator, lo.Kron)
    assert len(found.factorization) == len(shape)
    assert found.operator.cost.parameters <= sum(n * n for n in shape)
    check(found, scipy.fft.dctn, shape)


def test_parts_share_the_tolerance():
    points = np.linspace(0, 1, 32)
    K = 1 / (1 + 5 * np.subtract.outer(points, points**2) ** 2)
    found = lo.substitute(lambda X: K @ X @ K, (32, 32), tol=1e-2)
    assert 1e-4 < found.relative_error <= 1e-2
    assert found.operator.cost.parameters < K.size


def test_a_kronecker_product_too_large_to_be_held(monkeypatch):
    exact = lo.substitute(scipy.fft.dctn, (16, 8), tol=1e-3)
    monkeypatch.setattr(room, "is_dense", lambda box: False)
    found = lo.substitute(scipy.fft.dctn, (16, 8), tol=1e-3)
    assert found.relative_error == pytest.approx(exact.relative_error, abs=1e-14)
    assert found.linearity_error < 1e-14


def test_a_sum_of_kronecker_products():
    rng = np.random.default_rng(0)
    A, B, C, D = (rng.standard_normal((n, n)) for n in (5, 7, 5, 7))

    def function(x):
        return A @ x @ B + C @ x @ D

    found = lo.substitute(function, (5, 7))
    assert found.factorization is None
    assert found.operator.cost.parameters == 2 * (25 + 49)
    check(found, function, (5, 7))


def test_other_functions_of_images():
    def function(x):
        return scipy.fft.fft(x.T.ravel())

    found = lo.substitute(function, (4, 16))
    assert found.out_shape == (64,)
    check(found, function, (4, 16))


# Matrices that are never held --------------------------------------------------------------------


@pytest.fixture
def nothing_dense(monkeypatch):
    from lazyop.factorization import matrix_free

    monkeypatch.setattr(matrix_free, "DENSE_BYTES", 0)
    monkeypatch.setattr(search, "DENSE_BYTES", 0)


@pytest.mark.usefixtures("nothing_dense")
@pytest.mark.parametrize("function", [scipy.fft.rfft, lambda x: scipy.fft.dct(x, 3)])
def test_large_transforms(function):
    found = lo.substitute(function, 128, vectorized=True)
    assert found.factorization.estimate is not None
    assert found.relative_error < 1e-12
    check(found, function, 128)


@pytest.mark.usefixtures("nothing_dense")
def test_large_functions_that_cannot_be_compressed():
    M = np.random.default_rng(0).standard_normal((128, 128))
    with pytest.raises(lo.NotCompressibleError, match="sampled blocks at half of their rank"):
        lo.substitute(lambda x: M @ x, 128)


@pytest.mark.usefixtures("nothing_dense")
def test_a_large_function_with_a_given_order():
    found = lo.substitute(scipy.fft.fft, 128, permutation="bit-reversal")
    assert found.relative_error < 1e-12
    with pytest.raises(ValueError, match="permutation"):
        lo.substitute(scipy.fft.fft, 128, permutation=lo.Permutation([1, 0]))


# What is said -------------------------------------------------------------------------------------


def test_what_cannot_be_compressed():
    M = np.random.default_rng(0).standard_normal((16, 16))
    with pytest.raises(lo.NotCompressibleError, match=r"relative error of 0\.\d+, in the best of"):
        lo.substitute(lambda x: M @ x, 16)
    for function, n in ((np.sum, 16), (lambda x: 3.0 * x, 1)):
        with pytest.raises(lo.NotCompressibleError, match="no chain"):
            lo.substitute(function, n)


def test_unit_vectors_are_not_overlooked():
    def function(x):
        return x * (1 + (np.count_nonzero(x) == 1))

    with pytest.raises(lo.NotLinearError, match="unit arguments"):
        lo.substitute(function, 16)


def test_departures_are_reported():
    def imprecise(x):
        return scipy.fft.fft(x) * (1 + 1e-6 * np.sin(1e3 * np.linalg.norm(x)))

    found = lo.substitute(imprecise, 16, linearity_tol=1e-4, tol=1e-4)
    assert 1e-8 < found.linearity_error < 1e-5
    assert lo.substitute(scipy.fft.fft, 16).linearity_error < 1e-15


def test_times_are_taken_if_asked_for():
    found = lo.substitute(scipy.fft.fft, 16, timing=True)
    assert found.speed == found.original_seconds / found.seconds > 0
    assert "times as fast as the function" in repr(found)
    assert lo.substitute(scipy.fft.fft, 16).speed is None


def test_the_record():
    found = lo.substitute(scipy.fft.rfft, 32)
    text = repr(found)
    assert "from (32,) to (17,)" in text
    assert "over real numbers" in text
    for other in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):
        np.testing.assert_array_equal(other(np.arange(32.0)), found(np.arange(32.0)))
    assert found(np.zeros((2, 0, 32))).shape == (2, 0, 17)
    for wrong in (np.ones(31), 1.0, np.ones((32, 2))):
        with pytest.raises(ValueError, match=r"expected an array of shape \(32,\)"):
            found(wrong)


def test_progress_is_shown_if_asked_for(capsys):
    pytest.importorskip("tqdm")
    lo.substitute(scipy.fft.fft, 8)
    assert capsys.readouterr().err == ""
    lo.substitute(scipy.fft.fft, 8, progress=True)
    assert "orders" in capsys.readouterr().err


def test_it_can_be_quantized():
    found = lo.substitute(lambda x: scipy.fft.dct(x, norm="ortho"), 16)
    short = lo.quantize(found.operator, lo.FloatFormat(significand_bits=8))
    assert 1e-5 < short.relative_error < 1e-2


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"function": 3}, TypeError, "expected a function"),
        ({"shape": 0}, ValueError, "length of the argument"),
        ({"shape": 2.5}, TypeError, "length of the argument"),
        ({"shape": ()}, ValueError, "shape of the argument is empty"),
        ({"dtype": int}, TypeError, "single or double precision, got int64"),
        ({"tol": 0}, ValueError, "tol must be positive"),
        ({"tol": "small"}, TypeError, "tol must be a real number"),
        ({"linearity_tol": np.inf}, ValueError, "linearity_tol must be positive"),
        ({"permutation": "some"}, ValueError, "permutation"),
        ({"chain": [(1, 3, 3, 1)]}, ValueError, "shape"),
        ({"namespace": "nowhere"}, ValueError, "unknown namespace"),
    ],
)
def test_bad_input(arguments, error, match):
    with pytest.raises(error, match=match):
        lo.substitute(**({"function": scipy.fft.fft, "shape": 8} | arguments))


def test_other_namespaces():
    xp = pytest.importorskip("array_api_strict")
    H = xp.asarray(scipy.linalg.hadamard(16, dtype=float))
    found = lo.substitute(lambda x: H @ x, 16, namespace="array_api_strict")
    assert found.operator.namespace.__name__ == "array_api_strict"
    x = xp.asarray(np.arange(32.0).reshape(2, 16))
    np.testing.assert_allclose(np.asarray(found(x)), np.asarray(x) @ np.asarray(H), atol=1e-12)
