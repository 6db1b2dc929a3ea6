"""Gradients of products by argument and weights, against finite differences."""

import numpy as np
import pytest
from market import BOUND_TO_NUMPY, MARKET, random
from weights import weights_of, with_weights

import lazyop as lo

#: Operators with entries: those without rows or columns have no derivatives to speak of.
NAMES = sorted(name for name in set(MARKET) - BOUND_TO_NUMPY if all(MARKET[name]("f8")[0].shape))


def functions(A):
    """The products with an operator and with its adjoint, as functions of its weights."""
    return (
        lambda x, *weights: with_weights(A, weights) @ x,
        lambda y, *weights: with_weights(A, weights).H @ y,
    )


@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")  # its own
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("name", NAMES)
def test_torch(name, dtype):
    torch = pytest.importorskip("torch")
    A = MARKET[name](dtype)[0].to("torch")
    weights = [w.clone().requires_grad_() for w in weights_of(A)]
    for f, n in zip(functions(A), A.shape[::-1], strict=True):
        x = torch.asarray(random(dtype, n, 2)).requires_grad_()
        assert torch.autograd.gradcheck(f, (x, *weights), check_forward_ad=True)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize(
    "name",
    [
        "BlockDiagonalEqual", "ButterflyDyadic", "Diagonal", "Kron", "LowRank", "Product",
        "RestrictionArrays", "SparseRows",
    ],
)  # fmt: skip
def test_jax(name, dtype, x64):
    jax = pytest.importorskip("jax")
    from jax.test_util import check_grads

    A = MARKET[name](dtype)[0].to("jax")
    for f, n in zip(functions(A), A.shape[::-1], strict=True):
        x = jax.numpy.asarray(random(dtype, n, 2))
        check_grads(jax.jit(f), (x, *weights_of(A)), order=1, modes=("fwd", "rev"), rtol=1e-6)


def test_weights_of_torch_learn_by_one_operator():
    """Nothing that products keep belongs to a graph that a backward pass has freed."""
    torch = pytest.importorskip("torch")
    chain = lo.Chain.square_dyadic(8)
    values = [torch.asarray(random("float64", *p)).requires_grad_() for p in chain]
    A, x = lo.Butterfly(values), torch.ones(8, dtype=torch.float64)
    with torch.no_grad():
        before = A.H @ (A @ x)
    for _ in range(2):
        loss = (A.H @ (A @ x)).sum()
        loss.backward()
    first = values[0].grad.clone()
    with torch.no_grad():
        for v in values:
            v.mul_(2.0)  # an optimizer's step writes into the weights
    assert torch.allclose(A.H @ (A @ x), 4.0 ** len(values) * before)
    values[0].grad = None
    (A.H @ (A @ x)).sum().backward()
    assert torch.allclose(values[0].grad, 2.0 ** (2 * len(values) - 1) * first / 2)


def test_inference_mode_of_torch_keeps_nothing_of_its_own():
    torch = pytest.importorskip("torch")
    A = MARKET["ButterflyDyadic"]("float64")[0].to("torch") @ lo.Permutation(
        torch.asarray([1, 0, 2, 3, 4, 5, 6, 7])
    )
    x = torch.ones(8, dtype=torch.float64)
    with torch.inference_mode():
        expected = A.H @ (A @ x)
    x.requires_grad_()
    y = A.H @ (A @ x)
    np.testing.assert_allclose(y.detach(), expected.clone())
    y.sum().backward()
    D = A.toarray()
    assert torch.allclose(x.grad, D.mT @ (D @ torch.ones(8, dtype=torch.float64)))


@pytest.mark.parametrize("op", [lo.Identity(3), lo.Zero(3), lo.Identity(3)[::-1]], ids=repr)
def test_operators_without_data_pass_gradients_on(op):
    torch = pytest.importorskip("torch")
    x = torch.ones(3, dtype=torch.float64, requires_grad=True)
    (op @ x + x).sum().backward()
    assert torch.allclose(x.grad, torch.asarray(1 + op.toarray().sum(axis=0)))


def test_numbers_that_need_gradients_are_refused():
    torch, jax = pytest.importorskip("torch"), pytest.importorskip("jax")
    A = lo.aslazy(torch.ones(2, 2))
    with pytest.raises(TypeError, match="a coefficient is traced or needs a gradient"):
        A * torch.tensor(2.0, requires_grad=True)
    with pytest.raises(TypeError, match="a coefficient is traced or needs a gradient"):
        jax.grad(lambda c: ((c * lo.Identity(2, "float32")) @ jax.numpy.ones(2)).sum())(2.0)
