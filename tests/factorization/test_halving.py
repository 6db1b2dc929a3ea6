import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazyop.factorization.halving import (
    balanced,
    halves_by_lines,
    halves_by_rows,
    halves_by_spectrum,
    two_line_scores,
)

DTYPES = st.sampled_from(["float64", "complex128"])


def normal(rng, dtype, *shape):
    x = rng.standard_normal(shape)
    return x + 1j * rng.standard_normal(shape) if dtype == "complex128" else x


def on_two_lines(groups, pairs, columns, dtype, orthogonal=False, seed=0):
    """Rows 2 t and 2 t + 1 on two lines; and the halves of the columns, in each group their own."""
    rng = np.random.default_rng([seed, groups, pairs, columns])
    halves = np.stack([rng.permutation(columns).reshape(2, -1) for _ in range(groups)])
    halves = np.sort(halves, axis=2)
    lines = normal(rng, dtype, groups, pairs, 2, 2)
    if orthogonal:
        lines = np.linalg.qr(lines)[0]
    X = np.empty((groups, pairs, 2, columns), dtype=dtype)
    for g in range(groups):
        for half in (0, 1):
            scales = normal(rng, dtype, pairs, 1, columns // 2)
            X[g, :, :, halves[g, half]] = np.moveaxis(lines[g, :, :, half, None] * scales, 2, 0)
    return X.reshape(groups, 2 * pairs, columns), halves


def assert_same(found, expected):
    """Halves agree, each group's in either order."""
    for mine, theirs in zip(found, expected, strict=True):
        assert {tuple(half) for half in mine} == {tuple(half) for half in theirs}


def gram_spectrum(x, y):
    forms = np.stack([x * x, x * y, y * y])
    return np.linalg.svd(forms, compute_uv=False) ** 2


@given(st.integers(1, 3), st.integers(1, 4), st.integers(2, 5), DTYPES, st.integers(0, 9))
def test_scores_are_those_of_the_definition(groups, pairs, half, dtype, seed):
    rng = np.random.default_rng(seed)
    X = normal(rng, dtype, groups, 2 * pairs, 2 * half)
    scores = two_line_scores(X)
    assert np.all(np.isinf(np.diagonal(scores)))
    spectra = [gram_spectrum(X[g, 0], X[g, 1]) for g in range(groups)]
    expected = sum(s[2] for s in spectra) / sum(s.sum() for s in spectra)
    assert scores[0, 1] == pytest.approx(expected, rel=1e-6, abs=1e-13)
    assert scores[1, 0] == pytest.approx(expected, rel=1e-6, abs=1e-13)


@given(st.integers(1, 3), st.integers(2, 4), DTYPES)
def test_scores_vanish_for_rows_on_two_lines_alone(groups, pairs, dtype):
    X, _ = on_two_lines(groups, pairs, 12, dtype)
    scores = two_line_scores(X)
    for row in range(2 * pairs):
        assert np.argmin(scores[row]) == row ^ 1
        assert abs(scores[row, row ^ 1]) < 1e-12


def test_zero_rows_have_a_score():
    assert two_line_scores(np.zeros((1, 2, 4)))[0, 1] == 0.0


@given(st.integers(1, 3), st.integers(1, 6), DTYPES, st.integers(0, 9))
def test_two_rows_tell_the_halves(groups, half, dtype, seed):
    X, halves = on_two_lines(groups, 1, 2 * half, dtype, seed=seed)
    assert_same(halves_by_rows(X, 0, 1), halves)


@given(st.integers(1, 3), st.integers(2, 6), st.integers(1, 6), DTYPES)
def test_many_pairs_tell_the_halves_by_one_singular_vector(groups, pairs, half, dtype):
    X, halves = on_two_lines(groups, pairs, 2 * half, dtype, orthogonal=True)
    found = halves_by_spectrum(X, np.arange(2 * pairs).reshape(-1, 2))
    assert_same(found, halves)


@given(st.integers(1, 2), st.integers(4, 6), DTYPES, st.integers(0, 9))
def test_columns_go_to_the_lines_they_are_on(groups, pairs, dtype, seed):
    X, halves = on_two_lines(groups, pairs, 16, dtype, orthogonal=True, seed=seed)
    start = halves.copy()
    start[:, 0, 0], start[:, 1, 0] = halves[:, 1, 0], halves[:, 0, 0]
    found = halves_by_lines(X, np.arange(2 * pairs).reshape(-1, 2), start)
    assert_same(found, halves)


def test_halves_are_equal_whatever_the_costs():
    costs = np.array([[[0.0, 1.0, 2.0, 3.0], [9.0, 9.0, 9.0, 9.0]]])
    assert balanced(costs).tolist() == [[[0, 1], [2, 3]]]
