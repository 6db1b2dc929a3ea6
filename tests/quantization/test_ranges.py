"""Powers of two for the range: the product stays, and entries get in wherever they can."""

import itertools

import numpy as np
import pytest
from chains import product, random_values

from lazyop.butterfly.chain import Chain
from lazyop.quantization.formats import FORMATS, FloatFormat
from lazyop.quantization.ranges import (
    exponents_of,
    in_range,
    times_power,
    unit_exponent,
    within,
)

E4M3 = FORMATS["float8_e4m3fn"]
CHAIN = Chain.square_dyadic(16)


def ones(factors):
    return [np.ones(v.shape) for v in factors]


def brought(factors, form, weights):
    """Factors times the powers that are found for them."""
    powers = in_range(factors, [0] * len(factors), form, weights)
    return [times_power(values, power) for values, power in zip(factors, powers, strict=True)]


def is_normal(values, form):
    parts = np.abs(np.concatenate([values.real.ravel(), values.imag.ravel()]))
    parts = parts[parts > 0]
    return bool((parts >= 2.0**form.min_exponent).all() and (parts <= form.largest).all())


@pytest.mark.parametrize("dtype", [float, complex])
def test_scaled_factors_come_back_into_range(dtype):
    factors = [np.abs(v) + 0.5 for v in random_values(CHAIN, 0, dtype)]
    rng, scaled = np.random.default_rng(1), []
    powers = [np.zeros(16, int), *rng.integers(-40, 40, (3, 16)), np.zeros(16, int)]
    for k, values in enumerate(factors):
        a, b, c, d = values.shape
        power = powers[k + 1].reshape(a, 1, c, d) - powers[k].reshape(a, b, 1, d)
        scaled.append(times_power(values, power))
    assert not all(is_normal(v, E4M3) for v in scaled)
    found = brought(scaled, E4M3, ones(scaled))
    assert all(is_normal(v, E4M3) for v in found)
    np.testing.assert_array_equal(product(found), product(scaled))


@pytest.mark.parametrize("exponents", list(itertools.permutations([9, -9, 3, -3])))
def test_what_one_factor_has_too_much_others_take(exponents):
    factors = [np.sign(v) for v in random_values(CHAIN)]
    scaled = [np.ldexp(v, e) for v, e in zip(factors, exponents, strict=True)]
    found = brought(scaled, E4M3, ones(scaled))
    assert all(is_normal(v, E4M3) for v in found)
    np.testing.assert_array_equal(product(found), product(scaled))


def test_what_is_in_range_stays():
    factors = random_values(CHAIN)
    powers = [np.full(v.shape, k) for k, v in enumerate(factors)]
    for form in (FORMATS["float16"], FloatFormat(3, 8)):
        for before, after in zip(
            powers, in_range(factors, powers, form, ones(factors)), strict=True
        ):
            assert after is before


@pytest.mark.parametrize("form", [FloatFormat(8, 11), FloatFormat(53, 11), FORMATS["bfloat16"]])
def test_entries_and_ranges_may_be_as_far_apart_as_double_precision_is_wide(form):
    factors = [np.full((1, 2, 2, 2), 1.5), np.full((2, 2, 2, 1), 1.25)]
    if form.exponent_bits == 11:
        powers = in_range(factors, [0, 0], form, ones(factors))
        assert powers == [0, 0]
    powers = in_range(factors, [1900, -1900], form, ones(factors))
    found = [times_power(v, p) for v, p in zip(factors, powers, strict=True)]
    assert all(is_normal(v, form) for v in found)
    np.testing.assert_array_equal(product(found), product(factors))


@pytest.mark.parametrize("size", [448.0, 449.0, 447.0])
def test_the_largest_number_is_the_last_in_range(size):
    factors = [np.full((1, 1, 1, 1), size)]
    if size > E4M3.largest:
        with pytest.raises(ValueError, match="448"):
            in_range(factors, [0], E4M3, ones(factors))
    else:
        assert in_range(factors, [0], E4M3, ones(factors)) == [0]


def test_a_precision_bounds_formats_that_are_wider():
    single, double = np.dtype("complex64"), np.dtype("float64")
    assert within(FloatFormat(4), single) == FloatFormat(4, 8)
    assert within(FloatFormat(53, 11), single) == FloatFormat(24, 8)
    assert within(FloatFormat(4), double) == FloatFormat(4, 11)
    for dtype in (single, double):
        assert within(E4M3, dtype) is E4M3


def test_large_entries_come_first():
    """Where not all fit, the large ones do, and the small ones as nearly as can be."""
    factors = [np.array([3e4, 1e-3]).reshape(1, 2, 1, 1), np.ones((1, 1, 2, 1))]
    left, right = brought(factors, E4M3, ones(factors))
    np.testing.assert_array_equal(product([left, right]), product(factors))
    assert left.max() <= E4M3.largest < 2 * left.max() * right.max()
    assert right.max() <= E4M3.largest
    assert E4M3.round(right).all()


def test_what_matters_little_loses_bits():
    """The small entries of one of two factors, of which nearly nothing or all depends."""
    factors = [np.array([256, 2.0**-5]).reshape(1, 2, 1, 1), np.full((1, 1, 2, 1), 2.0**-9)]
    for important in (0, 1):
        weights = [np.full(v.shape, 1.0 if k == important else 1e-9) for k, v in enumerate(factors)]
        left, right = brought(factors, E4M3, weights)
        np.testing.assert_array_equal(product([left, right]), product(factors))
        assert left.max() <= E4M3.largest
        assert (left.min() >= 2.0**-6) == (important == 0)
        assert (right.min() >= 2.0**-6) == (important == 1)


def test_no_powers_are_found_where_there_are_none():
    factors = [np.sign(v) for v in random_values(CHAIN)]
    factors[1] = factors[1] * 2.0**20
    factors[2] = factors[2] * 2.0**17  # times 2^37, and four factors hold 2^35 at most
    with pytest.raises(ValueError, match=r"factor 2 of 4 .* size 1\.05e\+06.* 448"):
        brought(factors, E4M3, ones(factors))
    factors[2] = factors[2] / 2.0**5
    assert all(is_normal(v, E4M3) for v in brought(factors, E4M3, ones(factors)))


@pytest.mark.parametrize("dtype", [float, complex])
def test_powers_of_two(dtype):
    x = np.array([0.75, -2.0], dtype) * (1 if dtype is float else 1j)
    np.testing.assert_array_equal(times_power(x, [3, -1]), x * [8, 0.5])
    assert times_power(x, 3).dtype == x.dtype
    assert unit_exponent(x) == 2
    assert unit_exponent(0 * x) == 0
    np.testing.assert_array_equal(exponents_of(np.append(x, 0)), [0, 2, 0])


def test_exponents_of_complex_numbers_whose_absolute_values_overflow():
    assert unit_exponent(np.array([1.7e308 * (1 + 1j)])) == 1024
