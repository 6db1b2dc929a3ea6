"""Factorizations of matrices in PyTorch and JAX are those of NumPy, and stay there."""

import numpy as np
import pytest
from market import random

import lazyop as lo


def check_factorize(namespace, n, **options):
    A = random("complex64", n, n)
    held = lo.aslazy(A).to(namespace)
    expected = lo.factorize(A, **options)
    for target in (held, held.values):
        found = lo.factorize(target, **options)
        assert found.operator.namespace is held.namespace
        assert found.operator.dtype == "complex64"
        assert found.relative_error == pytest.approx(expected.relative_error, rel=1e-4)
        np.testing.assert_allclose(
            np.asarray(found.operator.toarray()), expected.operator.toarray(), atol=2e-5
        )


@pytest.mark.parametrize(
    "options",
    [
        {"chain": lo.Chain.square_dyadic(8)},
        {"max_parameters": 40},
        {"chain": lo.Chain.square_dyadic(8), "permutation": "search"},
    ],
    ids=["chain", "budget", "search"],
)
def test_factorize_in_torch(options):
    pytest.importorskip("torch")
    check_factorize("torch", 8, **options)


def test_factorize_in_jax():
    pytest.importorskip("jax")
    check_factorize("jax", 4, chain=lo.Chain.square_dyadic(4))


def test_refine_and_nearest_kron_in_torch():
    torch = pytest.importorskip("torch")
    A, chain = random("float32", 8, 8), lo.Chain.square_dyadic(8)
    held = torch.asarray(A)
    refined = lo.refine(lo.factorize(held, chain).operator, held, sweeps=2)
    expected = lo.refine(lo.factorize(A, chain).operator, A, sweeps=2)
    assert refined.relative_error == pytest.approx(expected.relative_error, rel=1e-4)
    near = lo.nearest_kron(held, [(2, 4), (4, 2)])
    expected = lo.nearest_kron(A, [(2, 4), (4, 2)])
    np.testing.assert_allclose(near.toarray().numpy(), expected.toarray(), atol=1e-5)
