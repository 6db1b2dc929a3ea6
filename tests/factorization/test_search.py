import array_api_strict
import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
import scipy.special
from chains import product, random_values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lazyop.aslazy import aslazy
from lazyop.butterfly.chain import Chain
from lazyop.factorization.factorize import factorize
from lazyop.factorization.matrix import prepared
from lazyop.factorization.search import predicted_numbers

TOLERANCES = [1e-2, 1e-4, 1e-8]
NAMED = ["left-to-right", "right-to-left", "balanced"]


def gaussian(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def measured_error(found, A):
    return np.linalg.norm(A - found.operator.toarray()) / np.linalg.norm(A)


def fourier_integral(n):
    x, k = np.arange(n) / n, np.arange(n) - n / 2
    bend = (2 + np.sin(2 * np.pi * x)) / 8
    return np.exp(2j * np.pi * (np.outer(x, k) + np.outer(bend, np.abs(k))))


def bessel(n):
    return scipy.special.j0(np.outer(np.arange(1, n + 1) * np.pi, (np.arange(n) + 0.5) / n))


def nonuniform_fourier(n):
    points = np.sort(np.random.default_rng(0).random(n))
    return np.exp(-2j * np.pi * np.outer(points, np.arange(n)))


def chirp(n):
    k = np.arange(n)
    return np.exp(1j * np.pi * np.subtract.outer(k, k) ** 2 / n)


def kernel_on_sorted_points(n):
    points = np.sort(np.random.default_rng(0).random(n))
    return np.exp(-n / 4 * np.subtract.outer(points, points) ** 2)


REVERSED_ROWS = ("bit-reversal", None)
MATRICES = {
    "Fourier integral operator": (fourier_integral, REVERSED_ROWS),
    "Bessel": (bessel, REVERSED_ROWS),
    "non-uniform DFT": (nonuniform_fourier, REVERSED_ROWS),
    "chirp": (chirp, REVERSED_ROWS),
    "kernel": (kernel_on_sorted_points, None),
}


@pytest.mark.parametrize("tol", TOLERANCES)
@pytest.mark.parametrize("name", MATRICES)
def test_within_tolerance_and_no_larger_than_the_best_dyadic_chain_of_fixed_rank(name, tol):
    make, permutation = MATRICES[name]
    A = make(256)
    found = factorize(A, tol=tol, permutation=permutation)
    assert found.relative_error <= tol
    assert measured_error(found, A) <= tol * (1 + 1e-6)
    assert found.chain.nnz <= A.size
    for rank in range(1, 128):
        chain = Chain.dyadic(256, rank)
        if chain.nnz * 1.1 >= found.chain.nnz:
            break
        assert factorize(A, chain, permutation=permutation).relative_error > tol


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.floats(0, 1.5),
    st.sampled_from(["float64", "complex128"]),
    st.sampled_from(NAMED),
    st.booleans(),
)
def test_any_shape_any_order_any_tolerance(m, n, tol, dtype, order, orthonormalize):
    A = gaussian((m, n), m + n).astype(dtype)
    found = factorize(A, tol=tol, order=order, orthonormalize=orthonormalize)
    assert found.operator.shape == (m, n)
    assert found.operator.dtype == dtype
    assert measured_error(found, A) <= tol + 1e-12
    assert found.chain.nnz <= m * n


def test_ranks_follow_the_spectra():
    chain = Chain.from_sizes((8, 8, 8), (8, 8, 8), (3, 1))
    A = product(random_values(chain))
    found = factorize(A, tol=1e-10)
    assert found.chain == chain


def test_a_butterfly_of_any_radix_is_found():
    for sizes in ((3, 5, 7), (6, 6, 6)):
        chain = Chain.from_sizes(sizes, sizes)
        found = factorize(product(random_values(chain)), tol=1e-10)
        assert found.chain.nnz <= chain.nnz
        assert found.relative_error < 1e-13


def test_low_rank_is_found_where_no_side_divides():
    A = gaussian((97, 3)) @ gaussian((3, 101))
    found = factorize(A, tol=1e-12)
    assert found.chain == Chain([(1, 97, 3, 1), (1, 3, 101, 1)])
    assert found.relative_error < 1e-13


def test_no_structure_is_an_honest_report():
    A = gaussian((64, 64))
    found = factorize(A, tol=1e-3)
    assert found.relative_error == 0
    assert found.chain == Chain([(1, 64, 64, 1)])
    assert "one dense factor" in str(found)
    loose = factorize(A, tol=0.9)
    assert loose.lower_bound - 1e-12 <= loose.relative_error <= 0.9
    assert "chosen for tol=0.9" in str(loose)
    assert loose.chain.nnz < A.size / 2


def test_no_tolerance_is_exact():
    H = scipy.linalg.hadamard(16)
    found = factorize(H, tol=0)
    assert np.array_equal(found.operator.toarray(), H)
    zero = factorize(np.zeros((12, 8)), tol=0)
    assert zero.relative_error == 0
    assert zero.chain.nnz < 96


@pytest.mark.parametrize("limit", [200, 400, 1000, 4096])
def test_within_parameters(limit):
    A = kernel_on_sorted_points(64)
    found = factorize(A, max_parameters=limit)
    assert found.chain.nnz <= limit
    assert f"at most {limit} parameters" in str(found)
    assert found.relative_error == pytest.approx(measured_error(found, A), abs=1e-12)
    assert measured_error(found, A) <= factorize(A, max_parameters=limit // 2 + 50).relative_error


def test_all_parameters_are_enough_for_the_matrix_itself():
    A = gaussian((12, 18))
    assert factorize(A, max_parameters=12 * 18).relative_error < 1e-14
    assert factorize(A, max_parameters=10**6).relative_error < 1e-14


@pytest.mark.parametrize(("dtype", "tol"), [("float32", 1e-3), ("complex64", 1e-3)])
def test_single_precision_stays(dtype, tol):
    A = kernel_on_sorted_points(64).astype(dtype)
    found = factorize(A, tol=tol)
    assert found.operator.dtype == dtype
    assert found.chain.nnz < A.size / 2
    assert measured_error(found, A) <= tol * (1 + 1e-3)
    # What single precision cannot show is met by the matrix itself alone.
    assert factorize(A, tol=1e-12).relative_error == 0


def test_stays_in_its_namespace():
    A = kernel_on_sorted_points(32)
    found = factorize(array_api_strict.asarray(A), tol=1e-4)
    expected = factorize(A, tol=1e-4)
    assert found.chain == expected.chain
    assert found.operator.namespace.__name__ == "array_api_strict"
    assert found.relative_error == pytest.approx(expected.relative_error)


@pytest.mark.parametrize(
    "make", [lambda A: A.tolist(), aslazy, scipy.sparse.csr_array, lambda A: A > 0.5]
)
def test_takes_whatever_stands_for_a_matrix(make):
    A = kernel_on_sorted_points(32)
    found = factorize(make(A), tol=1e-3)
    assert found.relative_error <= 1e-3


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ValueError, "one of a chain, tol and max_parameters"),
        ({"tol": 0.1, "max_parameters": 9}, ValueError, "one of a chain, tol and max_parameters"),
        ({"tol": 0.1, "chain": Chain.square_dyadic(8)}, ValueError, "one of a chain"),
        ({"tol": -0.1}, ValueError, "not negative, got -0.1"),
        ({"tol": np.nan}, ValueError, "must be finite"),
        ({"tol": np.inf}, ValueError, "must be finite"),
        ({"tol": "small"}, TypeError, "real number, got 'small'"),
        ({"tol": True}, TypeError, "real number, got True"),
        ({"max_parameters": 0}, ValueError, "max_parameters must be a positive integer"),
        ({"max_parameters": 9.0}, TypeError, "max_parameters must be a positive integer"),
        ({"max_parameters": 9}, ValueError, "no chain .* 9 parameters or fewer; the smallest"),
        ({"tol": 0.1, "order": (1, 2)}, ValueError, "an order of splits needs a chain"),
        ({"tol": 0.1, "order": "middle"}, ValueError, "order must be"),
    ],
)
def test_refuses_options_that_make_no_sense(options, error, message):
    with pytest.raises(error, match=message):
        factorize(np.eye(8), **options)


@pytest.mark.parametrize(
    ("A", "message"),
    [
        (np.zeros((0, 3)), r"no entries: its shape is \(0, 3\)"),
        (np.full((4, 4), np.inf), "NaN or infinite"),
        (np.array([[1.0, np.nan]]), "NaN or infinite"),
        (np.ones(4), "must be a matrix"),
    ],
)
def test_refuses_what_is_no_matrix(A, message):
    with pytest.raises(ValueError, match=message):
        factorize(A, tol=0.1)


def test_one_entry_is_one_factor():
    found = factorize([[3]], tol=1e-3)
    assert found.operator.toarray() == [[3.0]]
    assert found.chain.nnz == 1


@pytest.mark.parametrize("tol", [1e-3, 1e-10])
def test_numbers_are_predicted_without_factorizing(tol):
    for A, permutation in ((scipy.linalg.dft(32), "bit-reversal"), (bessel(32), REVERSED_ROWS)):
        predicted = predicted_numbers(prepared(A, permutation), tol)
        found = factorize(A, tol=tol, permutation=permutation)
        assert found.chain.nnz <= predicted <= A.size
    assert predicted_numbers(prepared(scipy.linalg.hadamard(32) * 1.0, None), tol) == 32 * 10
    assert predicted_numbers(prepared(gaussian((8, 12)), None), tol) == 96
