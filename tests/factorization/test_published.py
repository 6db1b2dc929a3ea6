"""The experiment with Gaussian factors of "Fast learning of fast transforms, with guarantees".

There a butterfly of Gaussian factors, with noise, comes back with an error of about the norm of the
noise where the splits go from the middle, and about twice that where they go from left to right.
That is due to the scale: each side of a split got the root of the singular value. With orthonormal
factors the order does not matter, and some of the noise stays out.
"""

from functools import reduce
from operator import matmul

import numpy as np
import pytest
from chains import product, random_values

from lazyop.butterfly.blocks import Junction, values_from_dense
from lazyop.butterfly.chain import Chain
from lazyop.factorization.factorize import factorize
from lazyop.factorization.hierarchical import split_order

CHAIN = Chain.square_dyadic(256)


def by_square_roots(A, order):
    """The published algorithm: no factor is orthonormal, and each side takes its share."""
    spans, factors = [(0, len(CHAIN))], [values_from_dense(A, reduce(matmul, CHAIN))]
    for s in split_order(order, len(CHAIN)):
        t = next(k for k, (i, j) in enumerate(spans) if i < s < j)
        i, j = spans[t]
        J = Junction(reduce(matmul, CHAIN[i:s]), reduce(matmul, CHAIN[s:j]))
        U, sigma, Vh = np.linalg.svd(J.split(factors[t]), full_matrices=False)
        root = np.sqrt(sigma[..., :1])
        left, right = U[..., :1] * root[..., None, :], root[..., None] * Vh[..., :1, :]
        factors[t : t + 1] = [J.join_left(left), J.join_right(right)]
        spans[t : t + 1] = [(i, s), (s, j)]
    return product(factors)


def by_lazyop(A, order):
    return factorize(A, CHAIN, order=order).operator.toarray()


@pytest.mark.parametrize(
    ("approximate", "order", "least", "most"),
    [
        (by_lazyop, "left-to-right", 0.98, 1.0),
        (by_lazyop, "balanced", 0.98, 1.0),
        (by_square_roots, "balanced", 1.0, 1.05),
        (by_square_roots, "left-to-right", 1.3, 1.7),
    ],
)
def test_error_over_noise(approximate, order, least, most):
    ratios = []
    for seed in range(5):
        noise = 0.1 * np.random.default_rng(1000 + seed).standard_normal(CHAIN.shape)
        A = product(random_values(CHAIN, seed)) + noise
        ratios.append(np.linalg.norm(A - approximate(A, order)) / np.linalg.norm(noise))
    assert least < np.mean(ratios) < most
