"""Norms and inverses of Toeplitz and circulant operators, from their columns and their spectra."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from market import random

import lazyop as lo

ORDERS = ["fro", 2, 1, -1, np.inf, -np.inf]


@given(st.integers(1, 7), st.integers(1, 7), st.sampled_from(ORDERS))
def test_toeplitz_norms(m, n, order):
    A = lo.Toeplitz(random("complex128", m), random("complex128", n, seed=1))
    for view in (A, A.H, A.to("array_api_strict")):
        dense = np.asarray(view.toarray())
        assert lo.norm(view, order) == pytest.approx(np.linalg.norm(dense, order), rel=1e-13)


@pytest.mark.parametrize("c", [[1.0], [1e-3, 1.0], [1e300, 1e-300, 1.0]])
def test_small_sums_beside_large_ones(c):
    for row in ([1e20, 1.0], [1e17, 3.0, 1e-3], [1e150, 1e-150, 1.0, 1e5, 1.0]):
        A = lo.Toeplitz(c, [c[0], *row])
        for order in (1, -1, np.inf, -np.inf):
            for view in (A, A.T):
                expected = np.linalg.norm(view.toarray(), order)
                assert lo.norm(view, order) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("n", [1, 2, 5, 300])
@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_circulant_operators(n, dtype):
    c = random(dtype, n)
    c[0] += 3 * np.abs(c).sum()
    A = lo.Circulant(c)
    rel = 1e-5 if dtype == "float32" else 1e-13
    for order in ORDERS:
        expected = np.linalg.norm(A.toarray(), order)
        assert lo.norm(A, order) == pytest.approx(expected, rel=rel)
        assert lo.norm(A.to("array_api_strict"), order) == pytest.approx(expected, rel=rel)
    B = lo.inverse(A)
    assert isinstance(B, lo.Circulant)
    assert B.dtype == dtype
    np.testing.assert_allclose(B.toarray() @ A.toarray(), np.eye(n), atol=10 * rel)
    np.testing.assert_allclose((B @ A).toarray(), np.eye(n), atol=10 * rel)
    moved = lo.inverse(A.to("array_api_strict")).to("numpy")
    np.testing.assert_allclose(moved.toarray(), B.toarray(), atol=rel)


@pytest.mark.parametrize("c", [[1.0, -1.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
def test_singular_circulant_operators(c):
    with pytest.raises(np.linalg.LinAlgError, match="circular convolution is singular to working"):
        lo.inverse(lo.Circulant(c))


def test_large_ones_take_no_products():
    n = 1 << 18
    A = lo.Toeplitz(np.ones(n))
    assert lo.norm(A) == pytest.approx(n)
    assert lo.norm(A, 1) == lo.norm(A, -np.inf) == n
    c = np.zeros(n)
    c[[0, 1]] = 2.0, -1.0
    assert lo.norm(lo.Circulant(c), 2) == pytest.approx(3)
    assert lo.norm(lo.inverse(lo.Circulant(c)), 2) == pytest.approx(1)
