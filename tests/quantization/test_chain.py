"""Methods for chains: disjoint pairs, one factor after the other, and sweeps."""

import numpy as np
import pytest
from chains import random_values

from lazyop.butterfly.chain import Chain
from lazyop.quantization.chain import Sweeps, left_to_right, pairwise, rounded
from lazyop.quantization.disjoint import columns_of, transposed
from lazyop.quantization.errors import relative_error
from lazyop.quantization.formats import FloatFormat
from lazyop.quantization.matches import Side
from lazyop.quantization.pairs import quantized_pairs, quantized_vectors

DYADIC = Chain.square_dyadic(16)
UNEQUAL = Chain.from_sizes((2, 3, 4), (3, 1, 2))


def error(factors, quantized):
    return relative_error([factors], [quantized])


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("chain", [DYADIC, UNEQUAL, Chain([(1, 4, 3, 1)])])
@pytest.mark.parametrize("method", [rounded, pairwise, left_to_right])
def test_numbers_of_so_many_bits_of_the_same_patterns(method, chain, dtype):
    factors = random_values(chain, dtype=dtype)
    found = method(factors, 5)
    assert [v.shape for v in found] == [tuple(p) for p in chain]
    for values in found:
        assert values.dtype == dtype
        np.testing.assert_array_equal(FloatFormat(5).round(values), values)
    if len(chain) == 1 or method is rounded:
        for values, exact in zip(found, factors, strict=True):
            np.testing.assert_array_equal(values, FloatFormat(5).round(exact))


def test_first_factor_is_as_parallel_as_can_be():
    factors = random_values(DYADIC)
    first = left_to_right(factors, 4)[0]
    best = quantized_vectors(Side.plain(columns_of(factors[0])), 4)
    np.testing.assert_array_equal(columns_of(first), best)


def test_two_factors_are_quantized_together():
    factors = random_values(Chain.monarch(16))
    x, y = columns_of(factors[0]), columns_of(factors[1].transpose(0, 2, 1, 3))
    x_hat, y_hat = quantized_pairs(Side.plain(x), Side.plain(y), 4)
    for method in (pairwise, left_to_right):
        left, right = method(factors, 4)
        np.testing.assert_array_equal(columns_of(left), x_hat)
        np.testing.assert_array_equal(columns_of(right.transpose(0, 2, 1, 3)), y_hat)
    # No two neighbours are better than the best ones.
    assert Sweeps(factors, [left, right], 4).sweep() == 0


def test_pairs_are_chosen_one_by_one_and_the_odd_one_is_rounded():
    factors = random_values(Chain.square_dyadic(32))
    found = pairwise(factors, 4)
    np.testing.assert_array_equal(found[4], FloatFormat(4).round(factors[4]))
    for k in (0, 2):
        alone = pairwise(factors[k : k + 2], 4)
        for a, b in zip(found[k : k + 2], alone, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("start", [rounded, pairwise, left_to_right])
def test_sweeps_never_make_it_worse_and_come_to_an_end(start, dtype):
    factors = random_values(UNEQUAL if dtype is float else DYADIC, 3, dtype)
    quantized = start(factors, 4)
    sweeps, before = Sweeps(factors, quantized, 4), error(factors, quantized)
    assert sweeps.sweep()
    while changed := sweeps.sweep():
        after = error(factors, sweeps.quantized)
        assert after < before
        assert changed > 0
        before = after
    assert error(factors, sweeps.quantized) == before
    assert sweeps.sweep() == 0
    for values in sweeps.quantized:
        np.testing.assert_array_equal(FloatFormat(4).round(values), values)
    # What is passed over as unchanged is not what could be better.
    assert Sweeps(factors, sweeps.quantized, 4).sweep() == 0


def test_methods_order_as_they_should():
    """Means over a few matrices; each of the steps pays."""
    errors = []
    for seed in range(3):
        factors = random_values(Chain.square_dyadic(128), seed)
        found = [method(factors, 6) for method in (rounded, pairwise, left_to_right)]
        sweeps = Sweeps(factors, found[-1], 6)
        while sweeps.sweep():
            pass
        mirrored = transposed(left_to_right(transposed(factors), 6))
        errors.append([error(factors, f) for f in (*found, sweeps.quantized, mirrored)])
    by_rounding, by_pairs, by_order, swept, mirrored = np.mean(errors, axis=0)
    assert by_rounding > 3 * by_pairs
    assert by_pairs > 1.5 * by_order
    assert by_order > 1.15 * swept
    assert mirrored == pytest.approx(by_order, rel=0.3)
