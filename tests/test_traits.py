"""What operators promise of themselves, held against the dense matrix."""

import numpy as np
import pytest
from market import MARKET, random

import lazyop as lo
from lazyop.algebra.composite import Power, Product

p = lo.Permutation([2, 0, 3, 1])
d = lo.Diagonal(random("complex128", 4))
PROMISING = {
    "Identity": lo.Identity(4),
    "Permutation": p,
    "minus": -p,
    "turned": 1j * p,
    "stretched": 2.0 * p,
    "Diagonal": d,
    "Kron of permutations": lo.Kron(p, lo.Permutation([1, 0])),
    "Kron of diagonals": lo.Kron(d, lo.Diagonal([1.0, 2.0])),
    "KronSum of diagonals": lo.KronSum(d, lo.Diagonal([1.0, 2.0])),
    "BlockDiagonal of both": lo.BlockDiagonal([p, lo.Identity(2)]),
    "Product": Product(d, p),
    "Product of diagonals": Product(d, d, lo.Identity(4)),
    "Power of a diagonal": Power(d, 3),
    "Power of a permutation": Power(p, 3),
    "Sum": d + lo.Identity(4),
    "rows in another order": lo.Sum(p, lo.Zero(4))[::-1],
    "picked rows": lo.Identity(4)[[3, 1, 0, 2]],
    "rows twice": lo.Identity(4)[[3, 1, 0, 3]],
    "fewer rows": lo.Identity(4)[1:],
}


@pytest.mark.parametrize("name", [*PROMISING, *MARKET])
def test_promises_hold(name):
    A = PROMISING[name] if name in PROMISING else MARKET[name]("complex128")[0]
    for op in (A, A.H, A.T, A.conj()):
        D = op.toarray()
        if op._is_unitary:
            np.testing.assert_allclose(D @ D.conj().T, np.eye(len(D)), atol=1e-14)
        if op._is_diagonal:
            assert D.shape[0] == D.shape[1]
            np.testing.assert_allclose(D, np.diag(op.diagonal()), atol=1e-14)
        B = random("complex128", *D.shape)
        for order in ("fro", 1, 2, -1, np.inf, -np.inf):
            if op._keeps_norm(order):
                for kept in (D @ B, B @ D):
                    np.testing.assert_allclose(
                        np.linalg.norm(kept, order), np.linalg.norm(B, order), rtol=1e-13
                    )


def test_what_is_known():
    def known(question):
        return {name for name, A in PROMISING.items() if getattr(A, question)}

    unitary = known("_is_unitary")
    assert unitary == {
        *("Identity", "Permutation", "minus", "turned", "Kron of permutations"),
        *("BlockDiagonal of both", "Power of a permutation", "picked rows"),
    }
    diagonal = known("_is_diagonal")
    assert diagonal == {
        *("Identity", "Diagonal", "Kron of diagonals", "KronSum of diagonals"),
        *("Product of diagonals", "Power of a diagonal", "Sum"),
    }
