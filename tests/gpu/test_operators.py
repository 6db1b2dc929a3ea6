"""Operators whose products run by the CUDA kernels: NumPy's arrays taken for CuPy's, no GPU."""

import numpy as np
import pytest
from machines import Emulated
from market import MARKET, random

import lazyop as lo
from lazyop.kernels import chain as chain_module
from lazyop.kernels import cuda

DYADIC = [random("float32", *p, seed=k) / 2 for k, p in enumerate(lo.Chain.square_dyadic(32))]


@pytest.fixture
def device(monkeypatch):
    """The machine on which all arrays are."""
    machine = Emulated()
    monkeypatch.setattr(cuda, "MACHINE", machine)
    monkeypatch.setattr(
        chain_module.array_api_compat, "is_cupy_array", lambda x: isinstance(x, np.ndarray)
    )
    return machine


def _contract(name):
    factory = MARKET[name]

    class Contract(lo.testing.OperatorContract):
        dtypes = ("float32", "complex128")

        @pytest.fixture(autouse=True)
        def _on_a_device(self, device, request):
            yield
            assert device.launches or "wrong_length" in request.node.name

        def make(self, dtype):
            return factory(dtype)[0]

        def dense(self, dtype):
            return factory(dtype)[1]

    return Contract


for _name in ("KroneckerSparse", "ButterflyRectangular", "BlockDiagonalEqual"):
    globals()[f"Test{_name}"] = type(f"Test{_name}", (_contract(_name),), {})


def test_one_pass_for_all_factors(device):
    F = lo.Butterfly(DYADIC)
    X = random("float32", 32, 16)
    Y = F @ X
    assert len(device.launches) == 1
    np.testing.assert_allclose(Y, F.tosparse() @ X, rtol=1e-4, atol=1e-5)


def test_all_directions_read_the_same_weights(device):
    F = lo.Butterfly([1j * v for v in DYADIC])
    for A in (F, F.H, F.T, F.conj(), F.H.H, F.T.conj()):
        assert A._compiled.kernel is F._compiled.kernel
        X = random("complex64", 32, 2)
        _ = A @ X
    addresses = {
        int(factor["weights"])
        for work in device.launches
        for factor in work.record["factor"][0]
        if factor["a"]
    }
    assert addresses == {f._held.__array_interface__["data"][0] for f in F.factors}


def test_plans_say_so_and_can_be_overridden(device):
    F = lo.Butterfly(DYADIC)
    plan = F.plan(4096)
    (step,) = plan.steps
    assert (step.kernel, step.operator) == ("cuda", f"{F!r} in 1 pass")
    assert step.flops == 2 * 4096 * F.chain.nnz
    x = random("float32", 32)
    expected = F @ x
    device.launches.clear()
    for kernel in ("elementwise", "matmul"):
        G = F.with_plan(plan.with_kernel(kernel))
        assert {s.kernel for s in G.plan(1).steps} == {kernel}
        np.testing.assert_allclose(G @ x, expected, rtol=1e-4, atol=1e-5)
    assert not device.launches
    with pytest.raises(ValueError, match="no kernel 'compiled'"):
        F.with_plan(plan.with_kernel("compiled"))


def test_passes_of_a_long_chain_are_counted(device):
    F = lo.Butterfly([np.ones(tuple(p), "float32") for p in lo.Chain.square_dyadic(2**14)])
    passes = F._compiled.passes(4096)
    assert passes > 1
    assert F.plan(4096).steps[0].operator.endswith(f"in {passes} passes")
    assert passes <= 3


def test_large_blocks_are_left_to_matrix_products(device):
    K = lo.KroneckerSparse(random("float32", 2, 200, 200, 1))
    assert K.plan(8).steps[0].kernel == "matmul"
    F = lo.Butterfly([K])
    assert F.plan(8).steps[0].kernel == "matmul"
    x = random("float32", 400, 2)
    np.testing.assert_allclose(K @ x, K.tosparse() @ x, rtol=1e-4, atol=1e-3)
    assert not device.launches
    forced = F.with_plan(F.plan(8).with_kernel("cuda"))
    np.testing.assert_allclose(forced @ x, F @ x, rtol=1e-4, atol=1e-3)
    assert forced.plan(8).steps[0].kernel == "cuda"
    assert device.launches


@pytest.mark.parametrize("values", [np.ones((1, 2, 2, 1), int), np.ones((1, 1, 20000, 1))])
def test_what_the_kernels_do_not_take_runs_otherwise(values, device):
    K = lo.KroneckerSparse(values)
    assert K.plan(1).steps[0].kernel in ("elementwise", "matmul")
    x = np.ones(K.shape[1])
    np.testing.assert_array_equal(K @ x, np.full(K.shape[0], K.shape[1]))
    assert not device.launches


def test_half_precision_weights_meet_single_precision(device):
    F = lo.Butterfly([v.astype("float16") for v in DYADIC])
    X = random("float32", 32, 8)
    assert (F @ X).dtype == "float32"
    assert device.launches[-1].kernel == "chain_pass<half_number, float, 4>"
    np.testing.assert_allclose(F @ X, F.astype("float32").tosparse() @ X, rtol=1e-5, atol=1e-6)


def test_factors_of_several_dtypes_or_directions_run_one_by_one(device):
    mixed = lo.Butterfly([DYADIC[0].astype("float64"), *DYADIC[1:]])
    half_conjugated = lo.Butterfly([lo.KroneckerSparse(1j * v) for v in DYADIC])
    half_conjugated = lo.Butterfly(
        [half_conjugated.factors[0].conj(), *half_conjugated.factors[1:]]
    )
    x = random("float32", 32)
    for F in (mixed, half_conjugated):
        assert F._compiled is None
        np.testing.assert_allclose(F @ x, F.tosparse() @ x, rtol=1e-4, atol=1e-5)
