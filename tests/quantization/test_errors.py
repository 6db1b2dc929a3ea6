"""Errors of whole butterflies, without the matrix: those of the dense computation."""

import numpy as np
import pytest
from chains import chains, product, random_values
from hypothesis import given
from hypothesis import strategies as st

from lazyop.butterfly.chain import Chain
from lazyop.quantization.errors import relative_error


def perturbed(factors, size, seed=1):
    rng = np.random.default_rng(seed)
    return [v * (1 + size * rng.standard_normal(v.shape)) for v in factors]


def dense_error(terms, quantized):
    exact = sum(map(product, terms))
    return np.linalg.norm(sum(map(product, quantized)) - exact) / np.linalg.norm(exact)


@given(chains(), st.sampled_from([float, complex]), st.integers(1, 3), st.sampled_from([1.0, 1e-5]))
def test_it_is_the_dense_one(chain, dtype, count, size):
    terms = [random_values(chain, k, dtype) for k in range(count)]
    quantized = [perturbed(term, size) for term in terms]
    found, expected = relative_error(terms, quantized), dense_error(terms, quantized)
    assert found == pytest.approx(expected, rel=1e-6)


def test_small_errors_keep_their_digits():
    """Also where columns are scaled, so that no factor is near its quantized one."""
    chain = Chain.square_dyadic(64)
    factors = random_values(chain)
    # One entry in the middle is off by 2^-40 of itself.
    off = [v.copy() for v in factors]
    off[3][2, 0, 1, 3] *= 1 + 2.0**-40
    part = [v.copy() for v in factors]
    part[3][:] = 0
    part[3][2, 0, 1, 3] = factors[3][2, 0, 1, 3] * 2.0**-40
    expected = np.linalg.norm(product(part)) / np.linalg.norm(product(factors))
    assert relative_error([factors], [off]) == pytest.approx(expected, rel=1e-9)
    off[2], off[3] = off[2] * 1.7, off[3] / 1.7
    assert relative_error([factors], [off]) == pytest.approx(expected, abs=1e-15)
    assert relative_error([factors], [factors]) == 0


def test_zero_products():
    zero = [np.zeros((1, 2, 2, 2)), np.ones((2, 2, 2, 1))]
    assert relative_error([zero], [zero]) == 0
    assert relative_error([zero], [[np.ones((1, 2, 2, 2)), zero[1]]]) == np.inf
