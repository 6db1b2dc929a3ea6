"""Inverses and norms on PyTorch and on JAX, as on NumPy."""

from importlib.util import find_spec

import numpy as np
import pytest
from market import MARKET, random

import lazyop as lo

INSTALLED = [name for name in ("torch", "jax") if find_spec(name)]
if not INSTALLED:
    pytest.skip("neither PyTorch nor JAX is installed", allow_module_level=True)

#: JAX compiles every function anew, which takes its time.
FEW = {"KroneckerSparse", "Dense"}


def cases(names):
    """Pairs of a namespace and a name, few names for JAX."""
    return [(xp, name) for xp in INSTALLED for name in names if xp == "torch" or name in FEW]


def square(n):
    return random("complex64", n, n) / (4 * n) + np.eye(n, dtype="complex64")


OPERATORS = {
    "Diagonal": lo.Diagonal(square(4)[0] + 1),
    "Dense": lo.aslazy(square(4)),
    "triangular": lo.aslazy(np.tril(square(4))),
    "Woodbury": lo.Identity(4, "complex64") + lo.LowRank(square(4)[:, :1], square(4)[:, :1]),
    "Circulant": lo.Circulant(square(200)[0]),
    "KroneckerSparse": lo.KroneckerSparse(np.stack([square(3)] * 2)[..., None]),
}


@pytest.mark.parametrize(("namespace", "name"), cases(OPERATORS))
def test_inverses(namespace, name):
    A = OPERATORS[name]
    B = lo.inverse(A.to(namespace))
    assert B.namespace is A.to(namespace).namespace
    assert B.dtype == np.complex64
    unit = B.to("numpy").toarray() @ A.toarray()
    np.testing.assert_allclose(unit, np.eye(A.shape[0]), atol=1e-4)


@pytest.mark.parametrize(
    ("namespace", "name"), cases(["ButterflyMonarch", "LowRank", "Sum", "KroneckerSparse"])
)
def test_norms(namespace, name):
    A, D = MARKET[name]("complex64")
    for order in ("fro", 2, 1, -np.inf):
        assert lo.norm(A.to(namespace), order) == pytest.approx(np.linalg.norm(D, order), rel=1e-4)


@pytest.mark.parametrize("namespace", INSTALLED)
def test_singular_operators(namespace):
    ones = np.ones((2, 2), dtype="float32")
    for A in (lo.aslazy(ones), lo.Diagonal(0 * ones[0])):
        with pytest.raises(np.linalg.LinAlgError, match="singular"):
            lo.inverse(A.to(namespace))
