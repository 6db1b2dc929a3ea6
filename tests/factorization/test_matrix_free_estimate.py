"""Estimates of errors: without bias, and inside their interval as often as they say."""

import math

import numpy as np
import pytest

from lazyop.factorization.estimate import (
    CONFIDENCE,
    Probes,
    _reach,
    estimated_error,
    normal_vectors,
)

REAL, COMPLEX = np.dtype(float), np.dtype(complex)


def spectrum_one(rng):
    """A matrix of rank one, the worst there is for an estimate."""
    return np.outer(rng.standard_normal(20), rng.standard_normal(12))


def spectrum_flat(rng):
    return rng.standard_normal((20, 12))


def spectrum_decaying(rng):
    return rng.standard_normal((20, 12)) * 2.0 ** -np.arange(12)


MATRICES = [spectrum_one, spectrum_flat, spectrum_decaying]


def estimates(A, F, dtype, count, probes=16, size=None):
    for seed in range(count):
        G = normal_vectors((A.shape[1], probes), dtype, (99, seed))
        yield estimated_error(A @ G, F @ G, np.linalg.norm(F), size)


@pytest.mark.parametrize("make", MATRICES)
@pytest.mark.parametrize("dtype", [REAL, COMPLEX])
@pytest.mark.parametrize("size_is_known", [False, True])
@pytest.mark.parametrize("error", [1e-3, 1.0])
def test_intervals_contain_the_error_as_often_as_they_say(make, dtype, size_is_known, error):
    rng = np.random.default_rng(0)
    A, E = (make(rng) + (1j * make(rng) if dtype.kind == "c" else 0) for _ in range(2))
    F = A + error * np.linalg.norm(A) / np.linalg.norm(E) * E
    truth = np.linalg.norm(A - F) / np.linalg.norm(A)
    size = np.linalg.norm(A) if size_is_known else None
    found = list(estimates(A, F, dtype, 400, size=size))
    inside = sum(e.interval[0] <= truth <= e.interval[1] for e in found)
    # With a chance of 0.01 for each to be outside, more than 12 are with one below 0.0003.
    assert inside >= 388
    assert all(e.interval[0] <= e.relative_error <= e.interval[1] for e in found)
    assert {(e.confidence, e.probes) for e in found} == {(CONFIDENCE, 16)}


@pytest.mark.parametrize("make", MATRICES)
@pytest.mark.parametrize("dtype", [REAL, COMPLEX])
def test_squared_errors_have_no_bias(make, dtype):
    A = make(np.random.default_rng(0))
    # With the norm of A known, the squares are those of the error alone.
    found = [e.relative_error**2 for e in estimates(A, 0.5 * A, dtype, 2000, probes=4, size=1.0)]
    truth = np.linalg.norm(0.5 * A) ** 2
    assert abs(np.mean(found) - truth) < 4 * np.std(found) / math.sqrt(len(found))
    assert np.std(found) < truth


@pytest.mark.parametrize("degrees", [1, 16, 64, 128])
@pytest.mark.parametrize("tail", [0.0025, 0.02])
def test_the_ends_of_the_interval_are_where_the_bounds_say(degrees, tail):
    low, high = _reach(degrees, tail)
    assert low < 1 < high
    for root in (low, high):
        x = 1 / root**2
        assert (x * math.exp(1 - x)) ** (degrees / 2) == pytest.approx(tail)


def test_small_errors_need_no_estimate_of_the_norm():
    rng = np.random.default_rng(0)
    A = spectrum_one(rng)
    F = A * (1 + 1e-9)
    (found,) = estimates(A, F, REAL, 1)
    low, high = _reach(16, (1 - CONFIDENCE) / 4)
    seen = found.relative_error
    assert found.interval == pytest.approx((low * seen, high * seen), rel=1e-6)


def test_zero_and_infinite_ratios():
    zero, one = np.zeros((4, 3)), np.ones((4, 3))
    assert estimated_error(zero, zero, 0.0).interval == (0.0, 0.0)
    found = estimated_error(zero, one, 2.0, 0.0)
    assert found.relative_error == math.inf
    assert estimated_error(one, one, 5.0).relative_error == 0.0


def test_normal_vectors_are_normal_and_repeatable():
    for dtype in (np.float32, np.float64, np.complex64, np.complex128):
        G = normal_vectors((3000, 4), np.dtype(dtype), (1, 2))
        assert G.dtype == dtype
        assert np.array_equal(G, normal_vectors((3000, 4), np.dtype(dtype), (1, 2)))
        assert not np.array_equal(G, normal_vectors((3000, 4), np.dtype(dtype), (1, 3)))
        assert np.mean(np.abs(G) ** 2) == pytest.approx(1, abs=0.06)
        assert abs(np.mean(G)) < 0.04
        if np.dtype(dtype).kind == "c":
            assert abs(np.mean(G**2)) < 0.06


def test_probes_add_up_columns():
    rng = np.random.default_rng(0)
    A, probes = rng.standard_normal((6, 9)), Probes(rng.standard_normal((9, 4)))
    for index in (np.array([2, 0, 8]), np.array([1, 3]), np.array([4, 5, 6, 7])):
        probes.see(A[:, index], index)
    assert np.allclose(probes.images, A @ probes.vectors)
    assert probes.size == pytest.approx(np.linalg.norm(A))
