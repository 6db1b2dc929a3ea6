"""Butterflies with their rows and columns out of order, and noise on them."""

import numpy as np
import scipy.linalg
from chains import product, random_values

from lazyop.butterfly.chain import Chain


def orthogonal(n, rng):
    """A product of square dyadic factors whose 2 x 2 blocks are rotations or reflections."""
    factors = []
    for a, _, _, d in Chain.square_dyadic(n) if n > 1 else ():
        c, s = np.cos(angle := rng.uniform(0, 2 * np.pi, (a, d))), np.sin(angle)
        sign = rng.choice([-1, 1], (a, d))
        factors.append(np.stack([np.stack([c, -sign * s], 1), np.stack([s, sign * c], 1)], 1))
    return product(factors) if factors else np.ones((1, 1))


def generic(n, rng, dtype=float):
    """A product of square dyadic factors with normally distributed entries."""
    return product(random_values(Chain.square_dyadic(n), rng.integers(2**32), dtype))


FAMILIES = {
    "hadamard": lambda n, rng: scipy.linalg.hadamard(n).astype(float),
    "fourier": lambda n, rng: scipy.linalg.dft(n),
    "orthogonal": orthogonal,
    "generic": generic,
    "complex": lambda n, rng: generic(n, rng, complex),
}


def permuted(family, n, seed=0, noise=0.0):
    """A matrix of the family in random order, with Gaussian noise of that relative norm."""
    rng = np.random.default_rng([seed, n])
    A = FAMILIES[family](n, rng)[rng.permutation(n)][:, rng.permutation(n)]
    N = rng.standard_normal(A.shape)
    if np.iscomplexobj(A):
        N = N + 1j * rng.standard_normal(A.shape)
    return A + noise * np.linalg.norm(A) / np.linalg.norm(N) * N
