"""Balancing: equal norms at every junction, the same function, and never a larger norm."""

import math
from itertools import pairwise

import array_api_strict
import numpy as np
import pytest
import scipy.sparse
from chains import random_values
from hypothesis import given, settings
from hypothesis import strategies as st

import lazyop as lo
from lazyop.rescale import balance

rng = np.random.default_rng(0)


def wildly_scaled(values, decades, seed=0):
    """The factors of the same product, with diagonal matrices and their inverses between them."""
    random = np.random.default_rng(seed)
    units = [np.ones(values[0].size // values[0].shape[2])]
    units += [10 ** random.uniform(-decades, decades, v.size // v.shape[1]) for v in values[:-1]]
    units.append(np.ones(values[-1].size // values[-1].shape[1]))
    made = []
    for v, rows, columns in zip(values, units, units[1:], strict=False):
        a, b, c, d = v.shape
        made.append(v / rows.reshape(a, b, 1, d) * columns.reshape(a, 1, c, d))
    return made


def norms(x, axis, p=2):
    return np.sum(np.abs(x) ** p, axis=axis) ** (1 / p)


def forward(layers, x):
    for k, layer in enumerate(layers):
        W, b = layer if isinstance(layer, tuple) else (layer, None)
        x = W @ x + (0 if b is None else b[:, None])
        x = np.maximum(x, 0) if k < len(layers) - 1 else x
    return x


def sum_of_powers(layers, p=2):
    parts = [x for layer in layers for x in (layer if isinstance(layer, tuple) else (layer,))]
    return sum(np.sum(np.abs(x) ** p) for x in parts if x is not None)


def network(sizes, seed=0, spread=3.0):
    random = np.random.default_rng(seed)
    scale = np.exp(random.uniform(-spread, spread, len(sizes) - 1))
    return [
        (s * random.standard_normal((m, n)), random.standard_normal(m))
        for s, n, m in zip(scale, sizes, sizes[1:], strict=False)
    ]


def imbalance(layers, p=2):
    """Largest relative difference of norms at the units of a network of pairs."""
    worst = 0.0
    for (W, b), (V, _) in pairwise(layers):
        coming = norms(np.column_stack([W, b]), 1, p)
        worst = max(worst, np.max(np.abs(coming / norms(V, 0, p) - 1)))
    return worst


@pytest.mark.parametrize("p", [1, 2, 3.5])
def test_layers_come_to_equal_norms(p):
    layers = network([5, 6, 7, 4])
    x = rng.standard_normal((5, 20))
    found = balance(layers, p)
    assert imbalance(found, p) < 1e-12
    assert sum_of_powers(found, p) < sum_of_powers(layers, p)
    y = forward(layers, x)
    assert np.linalg.norm(forward(found, x) - y) < 1e-13 * np.linalg.norm(y)


def test_no_rescaling_has_a_smaller_norm():
    found = balance(network([3, 4, 5, 2]))
    least = sum_of_powers(found)
    for seed in range(50):
        random = np.random.default_rng(seed)
        d = [np.ones(3), *(np.exp(0.1 * random.standard_normal(n)) for n in (4, 5)), np.ones(2)]
        other = [
            (W * rows[:, None] / columns, b * rows)
            for (W, b), rows, columns in zip(found, d[1:], d, strict=False)
        ]
        assert sum_of_powers(other) > least


def test_the_balance_of_all_rescalings_is_one():
    layers = network([4, 8, 3])
    d = np.exp(rng.uniform(-5, 5, 8))
    (W, b), (V, c) = layers
    scaled = [(d[:, None] * W, d * b), (V / d, c)]
    for one, other in zip(balance(layers), balance(scaled), strict=True):
        np.testing.assert_allclose(one[0], other[0], rtol=1e-11)
        np.testing.assert_allclose(one[1], other[1], rtol=1e-11)


@pytest.mark.parametrize("decades", [0, 3, 60])
@pytest.mark.parametrize("dtype", [float, complex])
def test_chains_come_to_equal_norms(decades, dtype):
    values = wildly_scaled(random_values(lo.Chain.square_dyadic(32), 0, dtype), decades)
    F = lo.Butterfly(values)
    G = balance(F)
    assert type(G) is lo.Butterfly
    for left, right in zip(G.factors, G.factors[1:], strict=False):
        coming, going = norms(right.values, 2).ravel(), norms(left.values, 1).ravel()
        np.testing.assert_allclose(coming, going, rtol=1e-12)
    A = F.toarray()
    assert np.linalg.norm(G.toarray() - A) < 1e-13 * np.linalg.norm(A)
    again = balance(G)
    for factor, same in zip(G.factors, again.factors, strict=True):
        np.testing.assert_allclose(same.values, factor.values, rtol=1e-12)


def test_a_long_chain_settles():
    """Sweeps gain a fixed factor, the less the longer the chain."""
    values = [10.0 ** rng.uniform(-2, 2) * rng.standard_normal((1, 3, 3, 1)) for _ in range(40)]
    G = balance(lo.Butterfly(values))
    sizes = [np.linalg.norm(factor.values) for factor in G.factors]
    np.testing.assert_allclose(sizes, sizes[0], rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 5), min_size=2, max_size=5), st.integers(0, 10**6), st.floats(0, 0.9)
)
def test_any_network_keeps_its_function_and_grows_no_norm(sizes, seed, zeros):
    """Also with zero rows and columns, of which whole units may be cut off."""
    random = np.random.default_rng(seed)
    layers = [
        (W * (random.random(W.shape) >= zeros), b * (random.random(b.shape) >= zeros))
        for W, b in network(sizes, seed)
    ]
    found = balance(layers)
    x = random.standard_normal((sizes[0], 5))
    y = forward(layers, x)
    assert np.linalg.norm(forward(found, x) - y) <= 1e-12 * np.linalg.norm(y)
    assert sum_of_powers(found) <= sum_of_powers(layers) * (1 + 1e-12)
    for (W, b), (V, _) in pairwise(found):
        coming, going = norms(np.column_stack([W, b]), 1), norms(V, 0)
        alive = (coming > 0) & (going > 0)
        np.testing.assert_allclose(coming[alive], going[alive], rtol=1e-11)


def test_zero_rows_and_columns_are_left_alone():
    W, V = np.array([[0.0, 0.0], [3.0, 4.0], [1.0, 0.0]]), np.array([[7.0, 1.0, 0.0]])
    first, second = balance([W, V])
    np.testing.assert_array_equal(first[[0, 2]], W[[0, 2]])
    np.testing.assert_array_equal(second[:, [0, 2]], V[:, [0, 2]])
    np.testing.assert_allclose([np.linalg.norm(first[1]), second[0, 1]], math.sqrt(5))


@pytest.mark.parametrize("p", [0.5, 2, 7, 40, 500])
@pytest.mark.parametrize("size", [1e100, 1e160, 1e300])
def test_units_of_which_scales_are_far_apart_come_to_equal_norms(size, p):
    b = np.array([size, 1 / size])
    apart, back = balance([np.diag([size, 1 / size]), np.diag([1 / size, size])], p)
    np.testing.assert_allclose([apart, back], [np.eye(2)] * 2, rtol=1e-12)
    (W, bias), V = balance([(np.diag(b), b), np.diag(1 / b)], p)
    np.testing.assert_allclose((W.diagonal() ** p + bias**p) ** (1 / p), V.diagonal(), rtol=1e-11)
    np.testing.assert_allclose(W.diagonal() * V.diagonal(), 1, rtol=1e-12)


def test_complex_entries_whose_magnitudes_are_no_floats_are_named():
    large, one = np.array([[1.7e308 + 1.7e308j]]), np.ones((1, 1))
    for layers in ([large, one], [(one, large[0]), one]):
        with pytest.raises(OverflowError, match="a magnitude is beyond the range"):
            balance(layers)


def test_powers_of_two_change_no_bit():
    values = wildly_scaled(random_values(lo.Chain.square_dyadic(32)), 4)
    F, G = lo.Butterfly(values), balance(lo.Butterfly(values), powers_of_two=True)
    exact = balance(F)
    for factor, before, close in zip(G.factors, F.factors, exact.factors, strict=True):
        significands = np.frexp(factor.values)[0], np.frexp(before.values)[0]
        np.testing.assert_array_equal(*significands)
        assert np.max(np.abs(np.log2(np.abs(factor.values / close.values)))) <= 1.01
    x = rng.standard_normal(32)
    np.testing.assert_array_equal(chained(G, x), chained(F, x))


def chained(F, x):
    """The product with a vector, entry by entry, so that sums have the same order."""
    for factor in reversed(F.factors):
        a, _, c, d = factor.pattern
        x = sum(
            factor.values[:, :, l, :] * x.reshape(a, 1, c, d)[:, :, l, :] for l in range(c)
        ).ravel()
    return x


def test_products_of_all_kinds_keep_form_and_function():
    P = lo.Permutation(rng.permutation(8))
    B = lo.Butterfly(random_values(lo.Chain.square_dyadic(8), 1, complex))
    sparse = scipy.sparse.coo_array(np.where(rng.random((8, 8)) < 0.5, 100 * rng.random((8, 8)), 0))
    blocks = lo.BlockDiagonal([rng.standard_normal((2, 3)), rng.standard_normal((6, 5))])
    low = lo.LowRank(rng.standard_normal((8, 2)), 1e5 * rng.standard_normal((8, 2)))
    F = 2j * lo.Product(P, B, lo.Diagonal(rng.uniform(1, 1e4, 8)), P, sparse, blocks, low, B.H, P)
    G = balance(F)
    assert [type(op) for op in G.operand.args] == [type(op) for op in F.operand.args]
    assert G.coefficient == 2j
    assert G.operand.args[0] is P
    A = F.toarray()
    assert np.linalg.norm(G.toarray() - A) < 1e-13 * np.linalg.norm(A)
    for kept in lo.rescale.conserved(G):
        assert np.max(np.abs(kept)) < 1e-11
    assert max(np.max(np.abs(kept)) for kept in lo.rescale.conserved(F)) > 1e3


def test_restrictions_are_passed_through():
    """Rows and columns of a butterfly, by slices and by indices, with units that nothing meets."""
    B = lo.Butterfly([1e2 * v for v in random_values(lo.Chain.square_dyadic(8))])
    layers = [
        (B[[5, 0, 3, 1]], rng.standard_normal(4)),
        (1e-3 * rng.standard_normal((6, 4)), rng.standard_normal(6)),
        B[::2, 1:7],
        lo.aslazy(rng.standard_normal((3, 8))) @ B[:, [4, 2, 7, 0]],
    ]
    found = balance(layers)
    x = rng.standard_normal((8, 5))
    y = forward(layers, x)
    assert np.linalg.norm(forward(found, x) - y) < 1e-13 * np.linalg.norm(y)
    kept = lo.rescale.conserved(found)
    assert [x.size for x in kept] == [8, 8, 4, 6, 8, 8, 4, 8, 8, 8]
    for junction in (2, 3, 6):  # between layers, where all units are met
        assert np.max(np.abs(kept[junction])) < 1e-12 * np.sum(found[1][0] ** 2)
    # Rows of the last factor that are not picked lead nowhere, and keep their multiple.
    rows = [2, 4, 6, 7]
    inner, outer = (op.args[1].factors[:2] for op in (found[0][0], layers[0][0]))
    one, other = (pair[0].tosparse().toarray()[rows] for pair in (inner, outer))
    scale = one[other != 0] / other[other != 0]
    columns = np.nonzero(other)[1]
    assert all(np.ptp(scale[columns == j]) < 1e-12 * scale.max() for j in set(columns))
    with pytest.raises(TypeError, match=r"Restriction.*can't be multiplied"):
        balance([B[[0, 0]], np.ones((1, 2))])


def test_inner_junctions_of_a_layer_are_balanced_too():
    B = lo.Butterfly([1e3 * v for v in random_values(lo.Chain.square_dyadic(8))])
    layers = [(B, rng.standard_normal(8)), (1e-2 * rng.standard_normal((3, 8)), None)]
    found = balance(layers)
    assert type(found[0][0]) is lo.Butterfly
    assert found[1][1] is None
    assert len(lo.rescale.conserved(found)) == 3
    for kept in lo.rescale.conserved(found):
        assert np.max(np.abs(kept)) < 1e-12 * np.sum(found[1][0] ** 2)
    x = rng.standard_normal((8, 4))
    np.testing.assert_allclose(forward(found, x), forward(layers, x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "complex64", "float64", "int64"])
def test_forms_and_precision_stay(dtype):
    W = np.array([[4, -1], [8, 3]], dtype)
    layers = [(W, np.ones(2, dtype)), scipy.sparse.csc_array(W), lo.aslazy(W), W]
    (first, bias), second, third, fourth = balance(layers)
    wanted = np.dtype("float64" if dtype == "int64" else dtype)
    assert [x.dtype for x in (first, bias, second, third, fourth)] == [wanted] * 5
    assert isinstance(first, np.ndarray)
    assert first.flags.writeable
    assert isinstance(second, scipy.sparse.csc_array)
    assert isinstance(third, lo.LazyOperator)
    np.testing.assert_array_equal(W, np.array([[4, -1], [8, 3]], dtype))


def test_on_other_namespaces():
    xp = array_api_strict
    values = wildly_scaled(random_values(lo.Chain.square_dyadic(8)), 2)
    F = lo.Butterfly(values)
    G = balance(F.to(xp))
    assert G.namespace is F.to(xp).namespace
    np.testing.assert_allclose(G.to("numpy").toarray(), F.toarray(), rtol=1e-12)
    W, b = (xp.asarray(x) for x in network([3, 4])[0])
    (first, bias), second = balance([(W, b), xp.ones((2, 4), dtype=xp.float64)])
    assert all(isinstance(x, type(W)) for x in (first, bias, second))


def test_sums_and_kronecker_products_are_refused():
    A = np.ones((2, 2))
    for op in (lo.Sum(A, A), lo.Kron(A, A), lo.aslazy(A) ** 2, lo.Identity(2) + lo.aslazy(A)):
        with pytest.raises(TypeError, match=r"layer 1 can't be multiplied one by one"):
            balance(op)
    with pytest.raises(ValueError, match=r"layer 2.*no entries"):
        balance([A, lo.Permutation([1, 0])])
    with pytest.raises(OverflowError, match="layer 1 is beyond the range of float32"):
        balance([np.float32([[1e-30]]), np.float64([[1e300]])])
    with pytest.raises(OverflowError, match="multiples are beyond the range"):
        balance([np.full((1, 1), 1e300)] * 4 + [np.full((1, 1), 1e-300)] * 4)


# Rounding --------------------------------------------------------------------------------------


def halved(x):
    return np.clip(x, -65504, 65504).astype(np.float16).astype(float)


def steps_of_one_size(x):
    """Integers of 8 bits, with one step for all of a factor."""
    step = np.max(np.abs(x)) / 127
    return np.rint(x / step) * step


def rounding_error(F, rounded):
    A, B = F.toarray(), lo.Butterfly([rounded(f.values) for f in F.factors]).toarray()
    return np.linalg.norm(A - B) / np.linalg.norm(A)


@pytest.mark.parametrize(
    ("rounded", "decades", "median"),
    [(halved, 1, 1.0001), (halved, 4, 0.01), (steps_of_one_size, 1, 0.03)],
)
def test_rounding_after_balancing_is_no_worse(rounded, decades, median):
    ratios = []
    for seed in range(12):
        values = random_values(lo.Chain.square_dyadic(32), seed)
        F = lo.Butterfly(wildly_scaled(values, decades, seed))
        ratios.append(
            rounding_error(balance(F, powers_of_two=True), rounded) / rounding_error(F, rounded)
        )
    assert max(ratios) <= 1.05
    assert np.median(ratios) <= median
