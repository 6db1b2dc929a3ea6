"""Errors of products from how the vectors lie to their targets, without cancellation."""

import numpy as np
import pytest

from lazyop.quantization.matches import Side, are_smaller, errors_of, first_of_least, matched


@pytest.mark.parametrize("size", [1.0, 1e-3, 1e-9])
def test_error_of_a_product(size):
    rng = np.random.default_rng(0)
    x, y, dx, dy = (rng.standard_normal((3, 8)).view(complex) for _ in range(4))
    w, z = rng.random((2, 3, 4))
    x_hat, y_hat = (1 + 2j) * (x + size * dx), (y + size * dy) / (1 + 2j)
    left, right = Side(x, w), Side(y, z)
    found = errors_of(matched(left, x_hat), matched(right, y_hat))
    # The difference of the products, with its small part in front.
    off = size * (dx[:, :, None] * y[:, None] + x[:, :, None] * dy[:, None])
    off = off + size**2 * dx[:, :, None] * dy[:, None]
    weights = w[:, :, None] * z[:, None]
    exact = np.sum(weights * np.abs(off) ** 2, axis=(1, 2)) / (left.sizes() * right.sizes())
    np.testing.assert_allclose(found, exact, rtol=1e-5)


def test_the_partner_scale_is_the_best():
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((2, 1, 6)).view(complex)
    x_hat = x + 0.3 * rng.standard_normal((1, 6)).view(complex)
    match = matched(Side.plain(x), x_hat)

    def error(scale):
        return errors_of(match, matched(Side.plain(y), scale * y))[0]

    best = match.partner_scale[0]
    assert error(best) == pytest.approx(match.angle[0])
    for step in (1e-3, -1e-3, 1e-3j, -1e-3j):
        assert error(best + step) > error(best)


def test_rounding_errors_make_no_error_smaller():
    for error in (1.0, 1e-4, 1e-16, 1e-28, 1e-31, 0.0):
        near = error * (1 + 1e-14) + 1e-15 * np.sqrt(error)
        assert not are_smaller(np.array(error), np.array(near))
    assert are_smaller(np.array(1e-16), np.array(1.001e-16))
    errors = np.array([[3.0, 1.0, 1 - 1e-12], [1e-32, 1.0, 0.0], [5.0, 4.0, 3.0]])
    assert first_of_least(errors).tolist() == [1, 0, 2]


def test_zero_vectors_match_zero():
    zero = Side.plain(np.zeros((2, 3)))
    match = matched(zero, np.zeros((2, 3)))
    np.testing.assert_array_equal(errors_of(match, match), 1)  # nothing of a product is there
    np.testing.assert_array_equal(match.angle, 0)
    np.testing.assert_array_equal(match.partner_scale, 0)
