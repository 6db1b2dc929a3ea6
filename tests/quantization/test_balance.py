"""Powers of two between factors: taken out, the product stays, and sizes are ordinary."""

import numpy as np
import pytest
from chains import product, random_values

from lazyop.butterfly.chain import Chain
from lazyop.quantization.balance import balanced
from lazyop.quantization.ranges import times_power

CHAIN = Chain.square_dyadic(16)


def between(factors, most, seed=1):
    """Factors with diagonal matrices of powers of two and their inverses between them."""
    rng = np.random.default_rng(seed)
    powers = [np.zeros(16, int), *rng.integers(-most, most + 1, (3, 16)), np.zeros(16, int)]
    scaled = []
    for k, values in enumerate(factors):
        a, b, c, d = values.shape
        power = powers[k + 1].reshape(a, 1, c, d) - powers[k].reshape(a, b, 1, d)
        scaled.append(times_power(values, power))
    return scaled


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("most", [0, 30, 500])
def test_what_is_between_factors_comes_out(dtype, most):
    factors = random_values(CHAIN, 0, dtype)
    given = between([np.ldexp(1, 20) * factors[0], *factors[1:]], most)
    found = balanced(given)
    np.testing.assert_array_equal(
        times_power(product(found.factors), found.exponent), np.ldexp(1, 20) * product(factors)
    )
    for values, power, before in zip(found.factors, found.powers, given, strict=True):
        assert max(np.abs(values.real).max(), np.abs(values.imag).max()) <= 1
        np.testing.assert_array_equal(times_power(values, power), before)
    for values in found.factors[:-1]:
        assert (np.abs(values).max(axis=1) >= 0.5).all()


def test_what_comes_after_zeros_says_nothing_of_sizes():
    left = np.array([[0.0, 1.0], [0.0, 1.0]]).reshape(1, 2, 2, 1)
    right = np.array([[2.0**600], [2.0**-600]]).reshape(1, 2, 1, 1)
    found = balanced([left, right])
    np.testing.assert_array_equal(found.factors[1].ravel(), [0, 0.5])
    assert found.exponent == -598


def test_of_zero_nothing_comes_out():
    zero = [np.zeros((1, 2, 2, 2)), np.full((2, 2, 2, 1), 2.0**500)]
    found = balanced(zero)
    assert found.exponent == 0
    assert not any(values.any() for values in found.factors)
