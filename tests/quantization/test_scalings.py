"""Scalings: all ways to round a real vector's multiples, and a fine sample for complex ones."""

import numpy as np
import pytest

from lazyop.quantization.scalings import (
    all_scalings,
    breakpoints,
    number_of_scalings,
    round_to,
    simple_scalings,
    usual_sample,
)


@pytest.mark.parametrize("bits", [1, 2, 3, 6])
def test_all_ways_to_round_are_there(bits):
    rng = np.random.default_rng(bits)
    x = rng.standard_normal((4, 3))
    scalings = all_scalings(x, bits, 0)
    fine = np.linspace(1, 2, 20_001)[:-1]
    for vector, few in zip(x, scalings, strict=True):
        # Before the first breakpoint, it is half of what it is after the last one.
        found = round_to(few[:, None] * vector, bits)
        ways = {tuple(v) for v in np.concatenate([found, found / 2])}
        assert {tuple(v) for v in round_to(fine[:, None] * vector, bits)} <= ways


def test_at_a_breakpoint_an_entry_is_halfway():
    x = np.array([[0.3, -5.0, 0.0]])
    points = breakpoints(x, 3)
    assert points.shape == (1, 3, 4)
    assert (points >= 1).all()
    assert (points < 2).all()
    np.testing.assert_array_equal(points[0, 2], 1)
    halves = points[0, :2] * np.abs(x[0, :2, None])
    below, above = (round_to(halves * (1 + sign * 1e-12), 3) for sign in (-1, 1))
    np.testing.assert_allclose((below + above) / 2, halves)
    assert (above > below).all()


@pytest.mark.parametrize("dtype", [np.dtype(float), np.dtype(complex)])
def test_number_of_scalings(dtype):
    x = np.ones((2, 3), dtype)
    scalings = all_scalings(x, 4, 50)
    assert scalings.shape == (2, number_of_scalings(3, 4, 50, dtype))
    np.testing.assert_array_equal(scalings[:, 0], 1)


@pytest.mark.parametrize("dtype", [float, complex])
def test_simple_scalings(dtype):
    turn = 1 if dtype is float else np.exp(0.3j)
    x = np.array([[1.25, -0.5, 0.0], [0.7, -2.8, 0.0], [0.0, 0.0, 0.0]]) * [[1], [turn], [1]]
    found = simple_scalings(x.astype(dtype), 3)
    assert found.dtype == dtype
    assert found[0, 0] == 1  # exact as it is
    assert (found[2] == 1).all()
    assert ((np.abs(found) >= 1) & (np.abs(found) < 2)).all()
    np.testing.assert_allclose(np.abs(found[1]) * 2.8, [4, 4, 4, 4])
    np.testing.assert_allclose((found[1, 1:3] * x[1, :2]).imag, 0, atol=1e-15)
    np.testing.assert_allclose(found[0, 1:3] * x[0, :2], [2, -0.5] if dtype is float else [2, 0.5])


def test_complex_scalings_are_spread_over_a_quarter_of_a_ring():
    spread = all_scalings(np.ones((1, 1), complex), 4, 4096)[0, 2:]
    radius, angle = np.log2(np.abs(spread)), np.angle(spread) / (np.pi / 2)
    counts, _, _ = np.histogram2d(radius, angle, bins=16, range=[(0, 1), (0, 1)])
    assert counts.sum() == 4096
    assert counts.min() >= 12
    assert counts.max() <= 20


def test_a_scaling_for_each_entry_makes_it_a_power_of_two():
    x = np.array([[0.3 - 0.4j, 7j, 0.0]])
    made = all_scalings(x, 4, 10)[0, 1:3] * x[0, :2]
    np.testing.assert_allclose(made.imag, 0, atol=1e-15)
    np.testing.assert_allclose(np.log2(made.real), np.rint(np.log2(made.real)), atol=1e-12)
    assert usual_sample(2) < usual_sample(6) == usual_sample(16)
