"""Products with structured operators."""

import numpy as np
from scipy.sparse import random_array

import lazyop as lo


def operators(rng):
    """Operators of order 4096 by name, made when called."""
    square = rng.standard_normal
    return {
        "Kron 64 (x) 64": lambda: lo.kron(*square((2, 64, 64))),
        "Kron 16 (x) 16 (x) 16": lambda: lo.kron(*square((3, 16, 16))),
        "KronSum 64, 64": lambda: lo.kronsum(*square((2, 64, 64))),
        "BlockDiagonal 128 of 32": lambda: lo.block_diag(*square((128, 32, 32))),
        "Diagonal": lambda: lo.Diagonal(square(4096)),
        "Permutation": lambda: lo.Permutation(rng.permutation(4096)),
        "bit reversal": lambda: lo.bit_reversal(4096),
        "perfect shuffle": lambda: lo.perfect_shuffle(64, 64),
        "LowRank 8": lambda: lo.LowRank(square((4096, 8)), square((4096, 8))),
        "Product of a diagonal and a permutation": lambda: (
            lo.Diagonal(square(4096)) @ lo.Permutation(rng.permutation(4096))
        ),
        "Sum of a diagonal and low rank": lambda: (
            lo.Diagonal(square(4096)) + lo.LowRank(square((4096, 8)), square((4096, 8)))
        ),
        "CSR": lambda: lo.aslazy(random_array((4096, 4096), density=1e-3, format="csr", rng=rng)),
    }


class Products:
    params = (tuple(operators(np.random.default_rng(0))), (1, 64))
    param_names = ("operator", "columns")

    def setup(self, operator, columns):
        rng = np.random.default_rng(0)
        self.A = operators(rng)[operator]()
        self.AH = self.A.H
        self.X = rng.standard_normal((4096, columns)[: 1 + (columns > 1)])
        self.A @ self.X, self.AH @ self.X

    def time_forward(self, operator, columns):
        self.A @ self.X

    def time_adjoint(self, operator, columns):
        self.AH @ self.X
