"""Factors that the array kernels apply: groups of neighbours, multiplied out."""

import numpy as np
import pytest
from hypothesis import given
from market import any_chain, random

import lazyop as lo
from lazyop.kernels import chain as chain_module

pytestmark = pytest.mark.usefixtures("no_compiled_kernels")


@pytest.fixture(scope="module")
def no_compiled_kernels():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chain_module, "has_compiled", lambda: False)
        yield


def dyadic(n, dtype="float64"):
    return [random(dtype, *p, seed=k) for k, p in enumerate(lo.Chain.square_dyadic(n))]


def patterns(F):
    return [tuple(factor.pattern) for factor in F._groups()]


def test_blocks_grow_to_sixteen():
    F = lo.Butterfly(dyadic(512))
    assert patterns(F) == [(1, 16, 16, 32), (16, 16, 16, 2), (256, 2, 2, 1)]
    assert sum(np.prod(p) for p in patterns(F)) <= 2 * F.chain.nnz


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_all_directions_share_one_set_of_groups(dtype):
    F = lo.Butterfly(dyadic(64, dtype))
    D, x = F.tosparse().toarray(), random(dtype, 64, 3)
    for A, B in ((F, D), (F.T, D.T), (F.conj(), D.conj()), (F.H, D.conj().T)):
        error = np.linalg.norm(A @ x - B @ x) / np.linalg.norm(B @ x)
        assert error < 20 * np.finfo(dtype).eps
    if dtype == "float64":
        pairs = zip(F._groups(), reversed(F.T._groups()), strict=True)
        assert all(np.shares_memory(a._held, b._held) for a, b in pairs)


@pytest.mark.parametrize("size", [1e200, 1e-200])
def test_factors_out_of_proportion_stay_apart(size):
    """Multiplied out, the first ones would leave the range that the whole product keeps."""
    values = dyadic(16)
    scales = [size, size, 1 / size, 1 / size]
    F = lo.Butterfly([s * v for s, v in zip(scales, values, strict=True)])
    assert len(F._groups()) == len(F.factors)
    x = random("float64", 16)
    expected = size * (lo.Butterfly(values) @ x)
    np.testing.assert_allclose(F @ (size * x), expected, rtol=1e-10)


def test_integers_stay_apart():
    F = lo.Butterfly([np.full((1, 2, 2, 2), 100, np.int8), np.full((2, 2, 2, 1), 2, np.int8)])
    assert len(F._groups()) == 2
    np.testing.assert_array_equal(F @ np.ones(4), np.full(4, 800.0))


def test_a_zero_factor():
    F = lo.Butterfly([np.zeros((1, 2, 2, 2)), np.ones((2, 2, 2, 1))])
    np.testing.assert_array_equal(F @ np.ones(4), np.zeros(4))


def test_a_plan_of_groups_can_be_changed():
    F = lo.Butterfly(dyadic(512))
    plan = F.plan(3)
    assert len(plan.steps) == 3
    G = F.with_plan(plan.with_kernel("elementwise"))
    assert [step.kernel for step in G.plan(3).steps] == ["elementwise"] * 3
    np.testing.assert_allclose(G.toarray(), F.toarray(), rtol=1e-12, atol=1e-9)


def test_what_does_not_chain_stays_apart():
    F = lo.Butterfly([np.ones((2, 2, 2, 1)), np.ones((1, 2, 2, 2))])
    G = lo.Butterfly([np.ones((3, 2, 2, 2)), np.ones((4, 3, 3, 1))])
    for A in (F, G):
        np.testing.assert_allclose(A.toarray(), A.tosparse().toarray())


@given(any_chain())
def test_groups_of_any_neighbours(chain):
    """Patterns that chain one way, the other way, or not at all, in any succession."""
    F = lo.Butterfly([random("float64", *p, seed=k) for k, p in enumerate(chain)])
    X = random("float64", F.shape[1], 2)
    size = np.prod([np.linalg.norm(K.values) for K in F.factors])
    assert np.linalg.norm(F @ X - F.tosparse() @ X) <= 1e-12 * size
