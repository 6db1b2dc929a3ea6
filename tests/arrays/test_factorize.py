"""Factorizations of matrices in PyTorch and JAX are those of NumPy, and stay there."""

from contextlib import nullcontext

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


#: What looks at the values of a matrix.
CALLS = {
    "chain": lambda A: lo.factorize(A, lo.Chain.square_dyadic(8)).operator,
    "tolerance": lambda A: lo.factorize(lo.aslazy(A), tol=0.5).operator,
    "entries": lambda A: (
        lo.factorize(
            lambda rows, cols: A[rows][:, cols], lo.Chain.square_dyadic(8), shape=(8, 8)
        ).operator
    ),
    "refine": lambda A: lo.refine(lo.Butterfly([A[None, :, :, None]]), A).operator,
    "nearest_kron": lambda A: lo.nearest_kron(A, [(2, 4), (4, 2)]),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_weight_of_torch_counts_as_a_constant(call):
    """Without a warning, and without a gradient or memory in common."""
    torch = pytest.importorskip("torch")
    layer = torch.nn.Linear(8, 8)
    before, expected = layer.weight.detach().clone(), call(layer.weight.detach())
    found = call(layer.weight)
    product = found.toarray()
    assert torch.equal(product, expected.toarray())
    assert not product.requires_grad
    assert layer.weight.requires_grad
    assert torch.equal(layer.weight, before)


def test_products_of_weights_of_torch_count_as_constants(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr("lazyop.factorization.matrix_free.DENSE_BYTES", 0)
    chain = lo.Chain.square_dyadic(64)
    weights = [torch.full(tuple(p), 0.7, requires_grad=True) for p in chain]
    found = lo.factorize(lo.Butterfly(weights), chain)
    assert found.estimate.interval[1] < 1e-5
    assert not any(factor.values.requires_grad for factor in found.operator.factors)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("transform", ["jit", "grad", "vmap"])
def test_values_that_jax_traces_are_refused(call, transform):
    jax = pytest.importorskip("jax")
    A = jax.numpy.asarray(random("float32", 8, 8))

    def loss(A):
        return call(A).toarray().sum()

    argument = A[None] if transform == "vmap" else A
    with pytest.raises(TypeError, match=r"known values, but JAX is tracing.*; call this outside"):
        getattr(jax, transform)(loss)(argument)


def test_a_known_matrix_inside_of_jit():
    """JAX would trace what is made of it, unless it is told not to."""
    jax = pytest.importorskip("jax")
    A = random("float32", 4, 4)
    held = jax.numpy.asarray(A)

    def product(x, context):
        with context():
            found = lo.nearest_kron(held, [(2, 2), (2, 2)])
        return found @ x

    with pytest.raises(TypeError, match="A with known values, but JAX is tracing"):
        jax.jit(lambda x: product(x, nullcontext))(held)
    found = jax.jit(lambda x: product(x, jax.ensure_compile_time_eval))(held)
    expected = lo.nearest_kron(A, [(2, 2), (2, 2)]) @ A
    np.testing.assert_allclose(np.asarray(found), expected, rtol=0, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")  # PyTorch's own
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_values_that_torch_transforms_are_refused(call):
    torch = pytest.importorskip("torch")
    from torch.fx.experimental.proxy_tensor import make_fx

    A = torch.asarray(random("float32", 8, 8))

    def loss(A):
        return call(A).toarray().sum()

    for transformed, argument in (
        (torch.func.grad(loss), A),
        (torch.func.vmap(loss), A[None]),
        (make_fx(loss), A),
        (loss, A.to("meta")),
    ):
        with pytest.raises(TypeError, match=r"known values, but PyTorch is tracing.*outside"):
            transformed(argument)
