"""Products with matrices of powers, beside those of dense matrices, and far out of range."""

import math

import array_api_strict
import numpy as np
import pytest
from market import BOUND_TO_NUMPY, MARKET

import lazyop as lo
from lazyop.rescale import path_norm
from lazyop.rescale.entries import magnitudes, settled
from lazyop.rescale.powers import powers_times
from lazyop.rescale.ranged import Ranged

BIG, SMALL = np.full((2, 2), 1e160), np.full((2, 2), 1e-160)


@pytest.mark.parametrize("name", sorted(set(MARKET) - BOUND_TO_NUMPY))
@pytest.mark.parametrize("q", [1, 2.5, 9])
def test_same_as_the_matrix_of_powers(name, q):
    op = settled(MARKET[name](complex)[0])
    X = np.random.default_rng(0).random((op.shape[1], 3))
    array, exponent = powers_times(op, Ranged.of(X), q).common()
    expected = magnitudes(op, q).toarray() @ X
    np.testing.assert_allclose(array * 2.0**exponent, expected, rtol=1e-11, atol=1e-300)


@pytest.mark.parametrize(
    ("op", "q", "logarithm"),
    [
        (lo.LowRank(BIG[:, :1], SMALL[:, :1]), 4, math.log(4) / 4),
        (lo.LowRank(1j * BIG[:, :1], SMALL[:, :1]), 2, math.log(2)),
        (lo.kron(BIG, SMALL), 6, math.log(16) / 6),
        (lo.kron(SMALL, SMALL), 2, math.log(4) - 320 * math.log(10)),
        (lo.block_diag(BIG, np.ones((2, 2))), 2, math.log(2e160)),
        (lo.block_diag(SMALL, SMALL), 3, math.log(8) / 3 - 160 * math.log(10)),
        (lo.aslazy(BIG) + lo.Diagonal([1e150, 1.0]), 4, math.log(4) / 4 + 160 * math.log(10)),
        (lo.block([[BIG, None], [SMALL, SMALL]]), 4, math.log(4) / 4 + 160 * math.log(10)),
        (lo.KronSum(BIG, SMALL), 3, math.log(8) / 3 + 160 * math.log(10)),
        (lo.Toeplitz([1.0, 1e160], [1.0, 1e-160]), 3, 160 * math.log(10)),
        (lo.aslazy(BIG) ** 2, 3, math.log(8) / 3 + 320 * math.log(10)),
        (1e160 * lo.Diagonal([1e-160, 1e-300]), 4, 0.0),
    ],
    ids=lambda x: type(x).__name__ if isinstance(x, lo.LazyOperator) else None,
)
def test_powers_out_of_range(op, q, logarithm):
    assert path_norm([op], q, log=True) == pytest.approx(logarithm, rel=1e-13, abs=1e-13)
    if abs(logarithm) < 700:
        assert path_norm([op], q) == pytest.approx(math.exp(logarithm), rel=1e-11)


def test_on_other_namespaces():
    op = lo.block_diag(lo.kron(BIG, SMALL), lo.LowRank(BIG, SMALL) + lo.Identity(2))
    assert path_norm([op.to(array_api_strict)], 3) == pytest.approx(path_norm([op], 3), rel=1e-14)
