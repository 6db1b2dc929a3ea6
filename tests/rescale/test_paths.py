"""Path norms and scores: sums over all paths, as enumerated one by one."""

import math
from itertools import pairwise

import array_api_strict
import numpy as np
import pytest
import scipy.sparse
from chains import random_values
from hypothesis import given, settings
from hypothesis import strategies as st
from market import BOUND_TO_NUMPY, MARKET

import lazyop as lo
from lazyop.rescale import path_norm, path_scores
from lazyop.rescale.entries import entry_arrays

rng = np.random.default_rng(0)

#: Operators in which each entry of the matrix comes from one path.
ONE_PATH = sorted(
    set(MARKET) - BOUND_TO_NUMPY
    - {"KronSum", "Sum", "Product", "Power", "LowRank", "ButterflyMonarch"}
)  # fmt: skip


def enumerated(layers, q):
    """Sum over paths, followed from each input and each bias to the outputs."""

    def onwards(k, unit):
        if k == len(layers):
            return 1.0
        W = layers[k][0]
        return sum(abs(W[i, unit]) ** q * onwards(k + 1, i) for i in range(W.shape[0]))

    total = sum(onwards(0, unit) for unit in range(layers[0][0].shape[1]))
    for k, (_, b) in enumerate(layers):
        if b is not None:
            total += sum(abs(b[i]) ** q * onwards(k + 1, i) for i in range(b.size))
    return total ** (1 / q)


def network(sizes, seed, biases):
    random = np.random.default_rng(seed)
    return [
        (random.standard_normal((m, n)), random.standard_normal(m) if biases else None)
        for n, m in pairwise(sizes)
    ]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 3), min_size=2, max_size=5),
    st.integers(0, 10**6),
    st.booleans(),
    st.sampled_from([1, 2, 4, 0.5]),
)
def test_norms_are_those_of_all_paths(sizes, seed, biases, q):
    layers = network(sizes, seed, biases)
    wanted = enumerated(layers, q)
    assert path_norm(layers, q) == pytest.approx(wanted, rel=1e-12)
    assert path_norm(layers, q, log=True) == pytest.approx(math.log(wanted), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 3), min_size=2, max_size=4), st.integers(0, 10**6), st.booleans())
def test_scores_are_what_the_norm_loses(sizes, seed, biases):
    layers = network(sizes, seed, biases)
    norm, scores = path_norm(layers), path_scores(layers)
    begun_later = 0.0
    for k in reversed(range(len(layers))):
        W, b = layers[k]
        for place in np.ndindex(W.shape):
            cut = [*layers[:k], (W.copy(), b), *layers[k + 1 :]]
            cut[k][0][place] = 0
            assert norm - path_norm(cut) == pytest.approx(scores[k][0][place], abs=1e-12 * norm)
        begun_later += 0.0 if b is None else scores[k][1].sum()
        assert scores[k][0].sum() + begun_later == pytest.approx(norm, rel=1e-12)


@pytest.mark.parametrize("name", ONE_PATH)
@pytest.mark.parametrize("q", [1, 3])
def test_operators_of_one_path_an_entry_count_as_their_matrices(name, q):
    op, D = MARKET[name](complex)
    norm = np.sum(np.abs(D) ** q) ** (1 / q)
    assert path_norm([op], q) == pytest.approx(norm, rel=1e-12, abs=1e-300)
    if q == 1:
        W = rng.standard_normal((3, D.shape[0]))
        assert path_norm([op, W]) == pytest.approx(path_norm([D, W]), rel=1e-12, abs=1e-300)


def product_of_magnitudes(op):
    """Magnitudes of what a product, a sum or a power is made of, put together again."""
    if isinstance(op, lo.Sum):
        return sum(np.abs(part.toarray()) for part in op.args)
    parts = op.args * getattr(op, "exponent", 1)
    return np.linalg.multi_dot([np.abs(part.toarray()) for part in parts])


@pytest.mark.parametrize("name", ["Sum", "Product", "Power", "ButterflyMonarch"])
def test_paths_through_factors_and_terms_add_up(name):
    op, D = MARKET[name](complex)
    assert path_norm([op]) == pytest.approx(product_of_magnitudes(op).sum(), rel=1e-12)
    assert path_norm([op]) > path_norm([D]) * (1 + 1e-6)


@pytest.mark.parametrize("name", sorted(set(MARKET) - BOUND_TO_NUMPY - {"Power"}))
def test_scores_of_the_numbers_that_an_operator_holds(name):
    """The drop of the norm when one of them becomes zero, between two other layers."""
    op, D = MARKET[name](float)
    left, right = rng.standard_normal((2, D.shape[0])), rng.standard_normal((D.shape[1], 3))
    layers = [right, (op, rng.standard_normal(D.shape[0])), left]
    norm, (scores, _) = path_norm(layers), path_scores(layers)[1]
    assert type(scores) is type(op)
    arrays, found = entry_arrays(op), entry_arrays(scores)
    assert [x.shape for x in arrays] == [x.shape for x in found]
    for x, score in zip(arrays, found, strict=True):
        if x.size == 0:
            continue
        for place in {np.unravel_index(i, x.shape) for i in (0, x.size // 2, x.size - 1)}:
            cut = [right, (without(op, x, place), layers[1][1]), left]
            assert norm - path_norm(cut) == pytest.approx(score[place], abs=1e-12 * norm)


def without(op, array, place):
    from lazyop.rescale.entries import mapped

    def change(x):
        if x is not array:
            return x
        changed = x.copy()
        changed[place] = 0
        return changed

    return mapped(op, change)


def test_a_butterfly_counts_as_its_matrix_and_never_becomes_one():
    n = 2**14
    F = lo.Butterfly(random_values(lo.Chain.square_dyadic(n)))
    before = path_norm([F, F.H])
    scores = path_scores([F, F.H])
    for operator in scores:
        for factor in operator.factors:
            assert factor.values.sum() == pytest.approx(before, rel=1e-10)
    small = lo.Butterfly(random_values(lo.Chain.square_dyadic(16)))
    dense = [np.abs(small.toarray()).sum(), path_norm([small.toarray()])]
    assert path_norm([small]) == pytest.approx(dense[0]) == dense[1]


def test_rescaling_changes_nothing():
    layers = network([4, 6, 5, 3], 1, biases=True)
    balanced = lo.rescale.balance(layers)
    assert path_norm(balanced, 2) == pytest.approx(path_norm(layers, 2), rel=1e-13)
    for one, other in zip(path_scores(balanced), path_scores(layers), strict=True):
        np.testing.assert_allclose(one[0], other[0], rtol=1e-12)
        np.testing.assert_allclose(one[1], other[1], rtol=1e-12)


def test_outputs_change_by_no_more_than_the_norm():
    layers = network([4, 6, 5, 3], 1, biases=True)
    x, y = rng.standard_normal((2, 4, 100))

    def value(z):
        for k, (W, b) in enumerate(layers):
            z = W @ z + b[:, None]
            z = np.maximum(z, 0) if k < 2 else z
        return z

    inputs = [(W, None) for W, _ in layers]
    bound = path_norm(inputs) * np.max(np.abs(x - y), axis=0)
    assert np.all(np.sum(np.abs(value(x) - value(y)), axis=0) <= bound)


def test_deep_networks_beyond_the_range_of_floats():
    """Where single precision overflows to NaN, and double would."""
    layers = [np.full((100, 100), 1e3, np.float32)] * 80
    logarithm = path_norm(layers, log=True)
    assert logarithm == pytest.approx(math.log(100) + 80 * math.log(1e5), rel=1e-13)
    with pytest.raises(OverflowError, match="log=True"):
        path_norm(layers)
    with pytest.raises(OverflowError, match="path scores"):
        path_scores(layers)
    tiny = [np.full((2, 2), 1e-200)] * 3
    wanted = math.log(16) / 4 - 600 * math.log(10)
    assert path_norm(tiny, 4, log=True) == pytest.approx(wanted, rel=1e-13)
    assert path_norm([np.float32([[1e30]]), np.float32([[1e30]])]) == pytest.approx(1e60, rel=1e-6)


def test_norms_at_the_ends_of_the_range():
    assert path_norm([[[1.7e308]]]) == 1.7e308
    assert path_norm([[[1e-150]], [[1e-150]]]) == pytest.approx(1e-300)
    begun = [([[0.0]], [1e-300]), [[1e-300]], ([[1.0]], [0.0])]
    assert path_norm([[[1e300]], [[1e300]], *begun], log=True) == pytest.approx(-600 * math.log(10))
    (_, biases), last, _ = path_scores([[[1e300]], *begun])[1:]
    assert biases.tolist() == last[0].tolist() == [0.0]  # 1e-600


@pytest.mark.parametrize("q", [0.002, 0.01, 0.3, 2, 5, 40])
@pytest.mark.parametrize("entry", [1e-300, 1e-20, 3.0, 1e280])
def test_roots_of_small_and_large_powers(entry, q):
    layers = [np.full((8, 1), entry)]
    logarithm = math.log(8) / q + math.log(entry)
    assert path_norm(layers, q, log=True) == pytest.approx(logarithm, rel=1e-13)
    if logarithm < 709:
        assert path_norm(layers, q) == pytest.approx(math.exp(logarithm), rel=1e-10)


def test_norms_below_the_range_are_not_zero():
    layers = [[[1e-200]], [[1e-200]]]
    with pytest.raises(OverflowError, match="log=True"):
        path_norm(layers)
    assert path_norm(layers, log=True) == pytest.approx(-400 * math.log(10))


@pytest.mark.parametrize("q", [1, 4, 0.5])
def test_paths_that_are_faint_halfway_are_not_lost(q):
    big, small = np.diag([1e160, 1.0]), np.diag([1e-300, 1.0])
    assert path_norm([big, small], q) == pytest.approx((1 + 1e-140**q) ** (1 / q))


@pytest.mark.parametrize("size", [1e100, 1e300])
def test_scores_of_units_whose_scales_are_far_apart(size):
    apart, back, b = np.diag([size, 1 / size]), np.diag([1 / size, size]), np.array([2.0, 3.0])
    first, second = lo.rescale.path_scores([apart, back])
    np.testing.assert_allclose([first, second], [np.eye(2)] * 2, rtol=1e-12)
    (first, begun), second = lo.rescale.path_scores([(apart, apart @ b), back])
    np.testing.assert_allclose(first, np.eye(2), rtol=1e-12)
    np.testing.assert_allclose(begun, b, rtol=1e-12)
    np.testing.assert_allclose(second, np.diag(1 + b), rtol=1e-12)


def test_norms_without_paths():
    assert path_norm([np.zeros((2, 3))]) == 0.0
    assert path_norm([np.zeros((2, 3))], log=True) == -math.inf
    assert path_norm([np.ones((0, 3)), np.ones((2, 0))]) == 0.0
    assert path_norm([lo.Identity(3), lo.Permutation([2, 0, 1])]) == 3.0


def test_repeated_entries_of_a_sparse_array_are_one():
    S = scipy.sparse.coo_array(([3.0, -2.0, 1.0], ([0, 0, 1], [1, 1, 0])), shape=(2, 2))
    assert path_norm([S.tocsr()]) == path_norm([S.toarray()]) == 2.0
    held = scipy.sparse.csr_array((np.array([3.0, -2.0]), [1, 1], [0, 2, 2]), shape=(2, 2))
    assert path_norm([held]) == 1.0
    assert held.nnz == 2


def test_on_other_namespaces():
    xp = array_api_strict
    layers = network([3, 4, 2], 0, biases=True)
    moved = [(xp.asarray(W), xp.asarray(b)) for W, b in layers]
    assert path_norm(moved) == path_norm(layers)
    for (W, b), (V, c) in zip(path_scores(moved), path_scores(layers), strict=True):
        assert isinstance(W, type(xp.ones(1)))
        np.testing.assert_allclose(np.asarray(W), V)
        np.testing.assert_allclose(np.asarray(b), c)
    B = lo.Butterfly(random_values(lo.Chain.square_dyadic(8)))
    assert path_norm([B.to(xp)]) == pytest.approx(path_norm([B]))
    found = path_scores([B.to(xp)])[0]
    np.testing.assert_allclose(
        np.asarray(found.factors[1].values), path_scores([B])[0].factors[1].values
    )
