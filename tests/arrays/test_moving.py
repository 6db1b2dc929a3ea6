"""Expressions on their way between array libraries: copies, precision, devices and errors."""

import builtins
import tracemalloc

import numpy as np
import pytest
from market import BOUND_TO_NUMPY, MARKET, random
from weights import weights_of

import lazyop as lo

NAMES = sorted(set(MARKET) - BOUND_TO_NUMPY)


@pytest.fixture(params=["torch", "jax"])
def other(request):
    pytest.importorskip(request.param)
    return request.param


def test_slices_that_step_backwards(other):
    D = random("float32", 4, 5)
    A = lo.aslazy(D).to(other)
    for rows, columns in ((slice(None, None, -1), slice(None)), (slice(3, 0, -2), slice(4, 1, -1))):
        np.testing.assert_array_equal(np.asarray(A[rows, columns].toarray()), D[rows, columns])


@pytest.mark.parametrize("wide", ["float32", "complex64"])
def test_half_precision_meets_wider_arguments(wide, other):
    A, x = lo.aslazy(np.ones((2, 3), np.float16)), np.ones(3, wide)
    found = A.to(other) @ lo.aslazy(x[:, None]).to(other).values[:, 0]
    np.testing.assert_array_equal(np.asarray(found), A @ x)


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
@pytest.mark.parametrize("name", NAMES)
def test_round_trips_are_exact(name, dtype, other):
    A = MARKET[name](dtype)[0]
    B = A.to(other)
    assert (B.shape, B.dtype) == (A.shape, A.dtype)
    assert B.to(other) is B
    back = B.to("numpy")
    for (found, _), (held, _) in zip(
        back._arrays(), A.to("array_api_strict").to("numpy")._arrays(), strict=True
    ):
        assert isinstance(found, np.ndarray)
        assert found.dtype == held.dtype
        np.testing.assert_array_equal(found, held)
    np.testing.assert_array_equal(back.toarray(), A.toarray())


def expression(values):
    K, d, p = lo.KroneckerSparse(values), lo.Diagonal(values[0, 0, 0, :]), lo.Permutation([1, 0])
    A = lo.Butterfly([K, K.H]) @ lo.kron(d, lo.Identity(2, values.dtype)) + lo.kron(p, p)
    return A + 2 * A.H


def test_shared_data_move_once(other):
    values = random("float32", 1, 2, 2, 2)
    A = expression(values)
    B = A.to(other)
    assert len(weights_of(B)) == len(weights_of(A))
    assert len({id(x) for x, _ in B._arrays()}) == len({id(x) for x, _ in A._arrays()})
    values[...] = 0
    assert np.any(np.asarray(B.toarray()))


def test_each_array_is_copied_once_on_its_way_back(other):
    values = np.ones((1, 512, 512, 2), "float32")
    A = lo.KroneckerSparse(values).to(other)
    A.to("numpy")
    tracemalloc.start()
    B = A.to("numpy")
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= 1.1 * values.nbytes
    if other == "torch":  # what JAX holds can't change, so that it need not be copied
        assert kept >= values.nbytes
        A.values.zero_()
    np.testing.assert_array_equal(B.values, values)


def test_a_copy_takes_any_order_of_entries(other):
    x = random("float32", 6, 4)
    for view in (x[::-1], x[:, ::-2], x.T, x.astype(">f4"), np.broadcast_to(x[:1], (3, 4))):
        np.testing.assert_array_equal(np.asarray(lo.aslazy(view).to(other).values), view)


def test_precision_changes_on_the_way(other):
    A = expression(random("float64", 1, 2, 2, 2)).to(other, dtype="float32")
    assert A.dtype == "float32"
    assert {str(x.dtype).removeprefix("torch.") for x in weights_of(A)} == {"float32"}


def test_products_may_be_written_to():
    torch = pytest.importorskip("torch")
    x, d = torch.ones(4), torch.arange(4.0)
    A = lo.Diagonal(d)
    for product in (lo.Identity(4, "float32") @ x, lo.Identity(4, "float32")[1:] @ x, A.diagonal()):
        product[...] = 7
    lo.aslazy(d[:, None]).toarray()[...] = 7
    assert torch.equal(x, torch.ones(4))
    assert torch.equal(d, torch.arange(4.0))
    assert not (lo.Diagonal(1j * d).H @ x).is_conj()


# JAX's 64-bit numbers -----------------------------------------------------------------------------


def test_double_precision_needs_to_be_switched_on():
    jax = pytest.importorskip("jax")
    A = lo.Diagonal([1.0, 2.0])
    for move in (
        lambda: A.to("jax"),
        lambda: (1j * A).to("jax"),
        lambda: A.to("jax", dtype="float32").astype("float64"),
        lambda: lo.Identity(2) @ jax.numpy.ones(2),
        lambda: A.to("jax", dtype="float32") @ jax.numpy.arange(2),
    ):
        with pytest.raises(TypeError, match=r"JAX holds no (float64|complex128).*jax_enable_x64"):
            move()
    B = A.to("jax", dtype="float32")
    np.testing.assert_array_equal(B @ jax.numpy.ones(2), [1, 2])


def test_double_precision_switched_on(x64):
    A = expression(random("float64", 1, 2, 2, 2))
    B = A.to("jax")
    assert {str(x.dtype) for x in weights_of(B)} == {"float64"}
    np.testing.assert_allclose(B.toarray(), A.toarray(), rtol=1e-14)


# Devices, and what does not fit together ----------------------------------------------------------


def test_devices_of_torch():
    torch = pytest.importorskip("torch")
    A = lo.aslazy(torch.ones(2, 2))
    B = A.to(torch.device("meta"))
    assert B.values.device.type == "meta"
    assert A.to(torch.device("cpu")) is A
    with pytest.raises(TypeError, match=r"Sum hold data in torch and in torch on meta.*\.to\("):
        A + B
    with pytest.raises(TypeError, match=r"data in torch on meta, the argument is in torch;.*\.to"):
        B @ torch.ones(2)


def test_gradients_pass_from_device_to_device():
    torch = pytest.importorskip("torch")
    d = torch.ones(2, requires_grad=True)
    A = lo.Diagonal(d).to(torch.device("cpu"), dtype="float64")
    (A @ torch.ones(2, dtype=torch.float64)).sum().backward()
    assert torch.equal(d.grad, torch.ones(2))


def test_libraries_do_not_mix():
    torch, jnp = pytest.importorskip("torch"), pytest.importorskip("jax.numpy")
    A, B = lo.aslazy(torch.ones(2, 2)), lo.aslazy(jnp.ones((2, 2)))
    C = lo.aslazy(np.ones((2, 2), "float32"))
    for mixed, names in (
        (lambda: A + B, "in torch and in jax on .*; bring them together with .to"),
        (lambda: A @ C, "in torch and in numpy; bring them together with .to"),
        (lambda: lo.kron(C, B), "in numpy and in jax on .*; bring them together with .to"),
        (lambda: A @ jnp.ones(2), r"in torch, the argument is in jax.*; move .* \.to\('jax'\)"),
        (lambda: B @ np.ones(2), r"in jax .*, the argument is in numpy; .* \.to\('numpy'\)"),
        (lambda: np.ones(2) @ A, r"in torch, the argument is in numpy; .* \.to\('numpy'\)"),
        (lambda: torch.ones(2) @ C, r"in numpy, the argument is in torch; .* \.to\('torch'\)"),
        (lambda: jnp.ones(2) @ A, r"in torch, the argument is in jax.*; .* \.to\('jax'\)"),
    ):
        with pytest.raises(TypeError, match=names):
            mixed()


def test_arrays_on_the_left(other):
    xp = pytest.importorskip({"jax": "jax.numpy"}.get(other, other))
    A = MARKET["Dense"]("float32")[0].to(other)
    x = xp.asarray(random("float32", 2, 5))
    np.testing.assert_allclose(np.asarray(x @ A), np.asarray(x @ A.values), rtol=1e-5)
    np.testing.assert_array_equal(np.asarray((A.values + A).toarray()), 2 * np.asarray(A.values))


@pytest.mark.parametrize("name", ["torch", "jax"])
def test_a_library_that_is_missing_names_what_to_install(name, monkeypatch):
    real = builtins.__import__

    def without(module, *args, **kwargs):
        if module.partition(".")[0] == name:
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(module, *args, **kwargs)

    monkeypatch.setattr("lazyop.namespaces.importlib.import_module", lambda module: without(module))
    with pytest.raises(
        ImportError, match=rf"{name} is not installed.*pip install lazyop\[{name}\]"
    ):
        lo.Identity(2).to(name)


def test_what_is_no_number_is_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="bfloat16"):
        lo.aslazy(torch.ones(2, 2, dtype=torch.bfloat16))
    with pytest.raises(ValueError, match=r"unknown namespace 'cuda'.*torch.device\('cuda'\)"):
        lo.Identity(2).to("cuda")
