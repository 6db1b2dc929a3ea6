"""Chains of rank one from one junction: what the recursions say is so in the dense products."""

import numpy as np
import pytest
from chains import product, random_values

from lazyop.butterfly.chain import Chain
from lazyop.quantization.disjoint import (
    all_columns,
    columns_of,
    from_columns,
    from_rows,
    shares,
    transposed,
)

CHAINS = [
    Chain.square_dyadic(16),
    Chain.from_sizes((2, 3, 4), (3, 1, 2)),
    Chain([(2, 3, 4, 6), (8, 2, 2, 3)]),
]


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("chain", CHAINS)
def test_columns_of_first_factors(chain, dtype):
    exact = random_values(chain, dtype=dtype)
    rounded = [v + 0.1 * e for v, e in zip(exact, random_values(chain, 1, dtype), strict=True)]
    for k, columns in enumerate(all_columns(exact, rounded)[1:], start=1):
        u, v = product(exact[:k]), product(rounded[:k])
        np.testing.assert_allclose(columns.size, np.sum(np.abs(u) ** 2, axis=0))
        overlap = np.sum(np.conj(u) * v, axis=0) / columns.size
        np.testing.assert_allclose(columns.overlap, overlap, atol=1e-12)
        rest = np.sum(np.abs(v - overlap * u) ** 2, axis=0)
        np.testing.assert_allclose(columns.residual, rest, atol=1e-12)


@pytest.mark.parametrize("chain", CHAINS)
def test_sides_stand_for_the_whole_product(chain):
    """A column's weighted error is that of the product's column, up to a constant."""
    exact, rounded = random_values(chain, 0, complex), random_values(chain, 1, complex)
    columns = all_columns(exact, rounded)[-2]
    side = columns.side(exact[-1])
    constants = []
    for seed in (2, 3):
        tried = random_values(chain, seed, complex)[-1]
        off = product(exact) - product([*rounded[:-1], tried])
        weighted = side.weights * np.abs(side.vectors - columns_of(tried)) ** 2
        constants.append(np.sum(np.abs(off) ** 2, axis=0) - np.sum(weighted, axis=1))
    np.testing.assert_allclose(*constants, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("chain", CHAINS)
def test_shares_of_the_squared_norm(chain):
    factors = random_values(chain)
    dense = product(factors)
    total = np.sum(dense**2)
    for k, weights in enumerate(shares(factors)):
        assert np.sum(weights * factors[k] ** 2) == pytest.approx(1)
        place = tuple(s // 2 for s in weights.shape)
        without = [v.copy() for v in factors]
        without[k][place] = 0
        lost = np.sum((dense - product(without)) ** 2) / total
        assert weights[place] * factors[k][place] ** 2 == pytest.approx(lost)


def test_columns_and_rows_and_back():
    values = np.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    np.testing.assert_array_equal(from_columns(columns_of(values), values), values)
    [turned] = transposed([values])
    np.testing.assert_array_equal(from_rows(columns_of(turned), values), values)
    assert columns_of(values)[1 * 5 + 2].tolist() == values[0, :, 1, 2].tolist()
