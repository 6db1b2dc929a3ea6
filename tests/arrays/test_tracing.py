"""Operators inside of functions that JAX and PyTorch trace or vectorise."""

import numpy as np
import pytest
from market import BOUND_TO_NUMPY, MARKET, random
from weights import weights_of, with_weights

import lazyop as lo

NAMES = sorted(name for name in set(MARKET) - BOUND_TO_NUMPY if all(MARKET[name]("f4")[0].shape))


def agrees(found, expected):
    scale = 1e-5 * max(1.0, float(np.linalg.norm(expected)))
    np.testing.assert_allclose(np.asarray(found), expected, rtol=0, atol=scale)


# JAX ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_jit_first_and_then_without(name):
    """Nothing that is made inside of a trace stays behind in the operator."""
    jax = pytest.importorskip("jax")
    A, D = MARKET[name]("complex64")
    A = A.to("jax")
    x, y = (jax.numpy.asarray(random("complex64", n)) for n in A.shape[::-1])
    with jax.checking_leaks():
        forward, backward = jax.jit(lambda x, y: (A @ x, A.H @ y))(x, y)
    for product in (forward, A @ x):
        agrees(product, D @ np.asarray(x))
    for product in (backward, A.H @ y, A.T.conj() @ y):
        agrees(product, D.conj().T @ np.asarray(y))


@pytest.mark.parametrize("name", NAMES)
def test_vmap_over_columns_of_jax(name):
    jax = pytest.importorskip("jax")
    A, D = MARKET[name]("float32")
    A, X = A.to("jax"), random("float32", D.shape[1], 3)
    by_columns = jax.jit(jax.vmap(lambda x: A @ x, in_axes=1, out_axes=1))
    agrees(by_columns(X), D @ X)


@pytest.mark.parametrize(
    "name", ["BlockDiagonalEqual", "ButterflyDyadic", "Kron", "LowRank", "SparseRows"]
)
def test_weights_are_traced_and_vectorised_by_jax(name):
    jax = pytest.importorskip("jax")
    A, D = MARKET[name]("float32")
    A = A.to("jax")
    x = random("float32", D.shape[1])
    twice = [jax.numpy.stack([w, -2 * w]) for w in weights_of(A)]
    each = jax.jit(jax.vmap(lambda weights, x: with_weights(A, weights) @ x, in_axes=(0, None)))
    found = each(twice, x)
    agrees(found[0], D @ x)
    agrees(found[1], np.asarray(with_weights(A, [w[1] for w in twice]) @ jax.numpy.asarray(x)))


def test_operators_are_made_moved_and_combined_inside_of_jit():
    jax = pytest.importorskip("jax")
    D, p = random("float32", 4, 4), np.array([2, 0, 3, 1])

    def f(d, x):
        A = (lo.Diagonal(d) @ lo.Permutation(p).to("jax") + lo.aslazy(D).to("jax"))[::-1, [0, -1]]
        return A @ x, A.H @ (A @ x), A.toarray(), A.diagonal()

    d, x = random("float32", 4, seed=1), random("float32", 2)
    A = (np.diag(d) @ np.eye(4, dtype="float32")[p] + D)[::-1][:, [0, -1]]
    for found, expected in zip(
        jax.jit(f)(d, x), (A @ x, A.T @ (A @ x), A, np.diagonal(A)), strict=True
    ):
        agrees(found, expected)


def test_indices_can_not_be_traced():
    jax = pytest.importorskip("jax")
    p = np.array([1, 0])
    for make in (lo.Permutation, lambda p: lo.Identity(2)[p]):
        with pytest.raises(TypeError, match="index data, which must be known"):
            jax.jit(lambda p, make=make: make(p) @ jax.numpy.ones(2))(p)


def test_traced_arrays_stay_in_their_namespace():
    jax = pytest.importorskip("jax")
    with pytest.raises(TypeError, match=r"can't be moved to numpy"):
        jax.jit(lambda d: lo.Diagonal(d).to("numpy").diagonal())(np.ones(2, "float32"))
    with pytest.raises(TypeError, match=r"data in numpy, the argument is in jax; .*\.to\('jax'\)"):
        jax.jit(lambda x: lo.Diagonal(np.ones(2, "float32")) @ x)(np.ones(2, "float32"))


# PyTorch ------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")  # its own
@pytest.mark.parametrize("name", NAMES)
def test_a_graph_of_torch(name):
    """A graph holds the operator's data as constants, and the operator works on as before."""
    torch = pytest.importorskip("torch")
    from torch.fx.experimental.proxy_tensor import make_fx

    A, D = MARKET[name]("float32")
    A = A.to("torch")
    x, y = (torch.asarray(random("float32", n, 2)) for n in A.shape[::-1])
    graph = make_fx(lambda x, y: (A @ x, A.H @ y))(x, y)
    for u, v in ((x, y), (x + 1, 2 * y)):
        for found in (graph(u, v), (A @ u, A.H @ v)):
            agrees(found[0], D @ u.numpy())
            agrees(found[1], D.T @ v.numpy())


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_export_of_torch():
    torch = pytest.importorskip("torch")
    A, D = MARKET["ButterflyDyadic"]("float32")
    A = A.to("torch")

    class Layer(torch.nn.Module):
        def forward(self, x):
            return A.H @ (A @ x)

    x = torch.asarray(random("float32", 8))
    program = torch.export.export(Layer(), (x,), strict=False)
    for product in (program.module()(x), A.H @ (A @ x)):
        agrees(product, D.T @ (D @ x.numpy()))


@pytest.mark.parametrize("name", NAMES)
def test_vmap_over_columns_of_torch(name):
    torch = pytest.importorskip("torch")
    A, D = MARKET[name]("float32")
    A, X = A.to("torch"), random("float32", D.shape[1], 3)
    by_columns = torch.func.vmap(lambda x: A @ x, in_dims=1, out_dims=1)
    agrees(by_columns(torch.asarray(X)), D @ X)


@pytest.mark.parametrize(
    "name", ["BlockDiagonalEqual", "ButterflyDyadic", "Kron", "LowRank", "SparseRows"]
)
def test_weights_are_vectorised_by_torch(name):
    torch = pytest.importorskip("torch")
    A, D = MARKET[name]("float32")
    A = A.to("torch")
    x = torch.asarray(random("float32", D.shape[1]))
    twice = [torch.stack([w, -2 * w]) for w in weights_of(A)]
    f = lambda weights, x: with_weights(A, weights) @ x  # noqa: E731
    found = torch.func.vmap(f, in_dims=(0, None))(twice, x)
    agrees(found[0], D @ x.numpy())
    agrees(found[1], (with_weights(A, [w[1] for w in twice]) @ x).numpy())
    jacobian = torch.func.jacrev(f, argnums=1)(weights_of(A), x)
    agrees(jacobian, D)


def test_a_tensor_without_values_has_a_shape():
    torch = pytest.importorskip("torch")
    A = MARKET["ButterflyDyadic"]("float32")[0].to(torch.device("meta"))
    y = A @ torch.empty(8, 3, device="meta")
    assert (y.shape, y.dtype, y.device.type) == ((8, 3), torch.float32, "meta")
