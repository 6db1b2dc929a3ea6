"""Toeplitz and circulant operators, direct and by transforms, against SciPy's dense matrices."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st
from market import random

import lazyop as lo
from lazyop.structured import toeplitz

DTYPES = ("float32", "float64", "complex64", "complex128")
TOLERANCE = {"float32": 1e-5, "complex64": 1e-5, "float64": 1e-12, "complex128": 1e-12}


@pytest.fixture(params=["direct", "by transforms"], autouse=True, scope="module")
def kernel(request):
    """Every size by both ways; the operators choose by cost."""
    kept = toeplitz._DIRECT_ENTRIES
    toeplitz._DIRECT_ENTRIES = {"direct": 10**9, "by transforms": 0}[request.param]
    yield
    toeplitz._DIRECT_ENTRIES = kept


def agree(A, D, dtype):
    assert A.shape == D.shape
    assert A.dtype == D.dtype == dtype
    tolerance = TOLERANCE[dtype] * np.linalg.norm(D)
    x = random(dtype, A.shape[1], 2)
    np.testing.assert_allclose(A.toarray(), D, atol=0, rtol=1e-6)
    np.testing.assert_allclose(A @ x, D @ x, atol=tolerance * max(1, np.linalg.norm(x)))
    np.testing.assert_allclose(A @ x[:, 0], D @ x[:, 0], atol=tolerance * np.linalg.norm(x))
    np.testing.assert_allclose(A.T.toarray(), D.T, rtol=1e-6)
    np.testing.assert_allclose(A.H.toarray(), D.conj().T, rtol=1e-6)


@given(m=st.integers(1, 40), n=st.integers(1, 40), dtype=st.sampled_from(DTYPES))
def test_toeplitz(m, n, dtype):
    c, r = random(dtype, m), random(dtype, n, seed=1)
    agree(lo.Toeplitz(c, r), scipy.linalg.toeplitz(c, r), dtype)
    agree(lo.Toeplitz(c), scipy.linalg.toeplitz(c), dtype)


@given(n=st.integers(1, 40), dtype=st.sampled_from(DTYPES))
def test_circulant(n, dtype):
    c = random(dtype, n)
    agree(lo.Circulant(c), scipy.linalg.circulant(c), dtype)


def test_products_and_sums_of_circulants_are_circulant():
    c, d = random("float64", 7), random("complex64", 7)
    A, B = lo.Circulant(c), lo.Circulant(d)
    for found, expected in (
        (A @ B, scipy.linalg.circulant(c) @ scipy.linalg.circulant(d)),
        (B @ A.H @ A, scipy.linalg.circulant(d) @ scipy.linalg.circulant(c).T @ A.toarray()),
        (A + B, scipy.linalg.circulant(c) + scipy.linalg.circulant(d)),
    ):
        assert isinstance(found, lo.Circulant)
        assert found.dtype == "complex128"
        np.testing.assert_allclose(found.toarray(), expected, atol=1e-5)


def test_sums_of_toeplitz_are_toeplitz():
    A = lo.Toeplitz([1.0, 2.0], [0.0, 3.0, 4.0]) + lo.Toeplitz([1, 1j], [9, 0, 0])
    assert isinstance(A, lo.Toeplitz)
    np.testing.assert_array_equal(A.toarray(), [[2, 3, 4], [2 + 1j, 2, 3]])


def test_single_precision_and_mixed_arguments():
    A = lo.Toeplitz(random("float32", 9))
    assert (A @ random("float32", 9)).dtype == "float32"
    assert (A @ random("complex64", 9)).dtype == "complex64"
    assert (A @ random("float64", 9)).dtype == "float64"
    assert (A @ random("complex128", 9, 2)).dtype == "complex128"


def test_integers_are_widened():
    assert lo.Toeplitz([1, 2, 3]).dtype == "float64"
    np.testing.assert_allclose(lo.Circulant([0, 200, 0]) @ [1, 2, 3], [600, 200, 400])


@pytest.mark.parametrize(("m", "n"), [(0, 0), (0, 3), (3, 0), (1, 1)])
def test_few_rows_or_columns(m, n):
    A = lo.Toeplitz(np.ones(m), np.ones(n))
    assert A.shape == (m, n)
    np.testing.assert_allclose(A.toarray(), np.ones((m, n)))
    np.testing.assert_allclose(A.H @ np.ones(m), np.full(n, m))
    assert A.H.shape == (n, m)
    np.testing.assert_array_equal(A.diagonal(), np.ones(min(m, n)))
    assert lo.Circulant(np.ones(m)).shape == (m, m)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: lo.Toeplitz(np.ones((2, 2))), ValueError, r"first column.*1 dimension.*\(2, 2\)"),
        (lambda: lo.Toeplitz([1.0], 2.0), ValueError, r"first row.*1 dimension.*\(\)"),
        (lambda: lo.Circulant("abc"), TypeError, "first column.*numbers"),
        (lambda: lo.Circulant(np.ones((3, 1))), ValueError, r"1 dimension.*\(3, 1\)"),
    ],
)
def test_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
