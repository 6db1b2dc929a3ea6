"""Supports whose products are all matrices on theirs."""

import numpy as np
import pytest

from lazyop.fixed_support import diagnose, factorize
from lazyop.fixed_support.generic import all_matrices
from lazyop.fixed_support.supports import as_supports


def by_ranks(I, J, rng):
    """Whether a random left factor spans every column of the product."""
    X = I * rng.standard_normal(I.shape)
    for column in J.T:
        rows = I[:, column].any(axis=1)
        if rows.any() and np.linalg.matrix_rank(X[rows][:, column]) < rows.sum():
            return False
    return True


def test_it_is_what_random_factors_say(monkeypatch):
    rng, yes = np.random.default_rng(0), 0
    for _ in range(120):
        m, n, r = rng.integers(1, 5), rng.integers(1, 5), rng.integers(1, 9)
        density = rng.choice([0.3, 0.6, 0.9])
        I, J = rng.random((m, r)) < density, rng.random((r, n)) < density
        if not I.any() or not J.any():
            continue
        expected = by_ranks(I, J, rng) or by_ranks(J.T, I.T, rng)
        assert all_matrices(*as_supports((I, J))) == expected
        with monkeypatch.context() as patch:
            patch.setattr("lazyop.fixed_support.generic._ENOUGH", 1)
            assert all_matrices(*as_supports((I, J))) == expected
        yes += expected
    assert 30 < yes < 110


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
@pytest.mark.parametrize("turned", [False, True])
def test_a_wide_hidden_layer_is_closed_and_solved(turned, dtype):
    rng = np.random.default_rng(1)
    I, J = rng.random((5, 14)) < 0.7, rng.random((14, 6)) < 0.7
    I, J = (J.T, I.T) if turned else (I, J)
    A = rng.standard_normal((len(I), J.shape[1])).astype(dtype)
    assert diagnose(I, J).reason == "the products are all matrices on their support"
    found = factorize(A, I, J)
    assert found.optimal is True
    assert found.relative_error < 20 * np.finfo(dtype).eps
    assert factorize(A, I, J, regularization=0.1, starts=1, sweeps=5).optimal is None


def test_what_is_off_the_support_stays_lost():
    I = np.array([[1, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 1]])
    J = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 1, 0], [0, 0, 1, 1]])
    A = np.random.default_rng(2).standard_normal((3, 4))
    found = factorize(A, I, J)
    outside = np.where(I @ J > 0, 0, A)
    assert found.optimal is True
    assert found.relative_error == pytest.approx(np.linalg.norm(outside) / np.linalg.norm(A))
