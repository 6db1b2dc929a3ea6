"""Factorization of dense matrices."""

import numpy as np
from scipy.linalg import hadamard

import lazyop as lo


class NoisyHadamard:
    """A Hadamard matrix with 1% noise, into the factors of the fast transform."""

    params = ((2**6, 2**8, 2**10), ("left-to-right", "balanced"), (True, False))
    param_names = ("n", "order", "orthonormalize")

    def setup(self, n, order, orthonormalize):
        noise = np.random.default_rng(0).standard_normal((n, n))
        self.A = hadamard(n) + 0.01 * noise
        self.chain = lo.Chain.square_dyadic(n)

    def time_factorize(self, n, order, orthonormalize):
        lo.factorize(self.A, self.chain, order=order, orthonormalize=orthonormalize)


class Chains:
    """Other chains, of a random matrix of order 512."""

    params = (("Monarch", "rank-8 dyadic"), ("float32", "float64", "complex128"))
    param_names = ("structure", "dtype")

    def setup(self, structure, dtype):
        self.A = np.random.default_rng(0).standard_normal((512, 512)).astype(dtype)
        monarch = structure == "Monarch"
        self.chain = (
            lo.Chain.monarch((512, 512)) if monarch else lo.Chain.dyadic((512, 512), rank=8)
        )

    def time_factorize(self, structure, dtype):
        lo.factorize(self.A, self.chain)
