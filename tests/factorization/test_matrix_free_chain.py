"""Factorization with given chains from products and from entries, beside that of dense matrices."""

import numpy as np
import pytest
from chains import proper_chains, random_values, widened
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator

import lazyop as lo
from lazyop.butterfly.blocks import Junction, chain_values
from lazyop.factorization import matrix_free, middle_split
from lazyop.factorization.hierarchical import (
    continued_factors,
    hierarchical_factors,
    product_norm,
    weighted_left,
)
from lazyop.factorization.matrix_free import opened
from lazyop.factorization.middle_split import products_needed, two_factors

#: Products or entries, and whether all columns are gone through, or all rows.
WAYS = {"columns": (True, True), "rows": (False, True), "sketches": (False, False)}
SOURCES = ["operator", "entries"]


@pytest.fixture(autouse=True)
def nothing_dense():
    """Treats small matrices as if they were too large, and takes few columns at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matrix_free, "DENSE_BYTES", 0)
        patch.setattr(matrix_free, "PANEL_BYTES", 1 << 10)
        patch.setattr(middle_split, "PANEL_BYTES", 1 << 10)
        yield


def factorized(A, chain, source, way=None, **options):
    """A matrix factorized from products or entries, in one way or in that which is chosen."""
    with pytest.MonkeyPatch.context() as patch:
        if way is not None:
            patch.setattr(middle_split, "_whole_ways", lambda *_: WAYS[way])
        if source == "operator":
            return lo.factorize(aslinearoperator(A), chain, **options)
        return lo.factorize(entries_of(A), chain, shape=A.shape, **options)


def entries_of(A):
    return lambda rows, cols: A[np.ix_(rows, cols)]


def distance(found, A):
    return np.linalg.norm(found.operator.toarray() - A) / np.linalg.norm(A)


def butterfly(chain, dtype=float, seed=0):
    return lo.Butterfly(random_values(chain, seed, dtype)).toarray()


@given(
    proper_chains(),
    st.sampled_from(SOURCES),
    st.sampled_from(list(WAYS)),
    st.sampled_from([float, complex]),
    st.booleans(),
)
@settings(max_examples=60)
def test_products_of_a_chain_are_recovered(chain, source, way, dtype, orthonormalize):
    A = butterfly(chain, dtype)
    found = factorized(A, chain, source, way, orthonormalize=orthonormalize)
    assert found.chain == chain.merge()
    assert found.relative_error < 1e-11
    assert distance(found, A) < 1e-11


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("way", ["columns", "rows"])
@pytest.mark.parametrize("outer", [(1, 1), (2, 3)])
@pytest.mark.parametrize("order", ["left-to-right", "right-to-left", "balanced", (3, 1, 2)])
def test_from_whole_blocks_it_is_what_a_dense_matrix_gives(source, way, outer, order):
    chain = widened(lo.Chain.from_sizes((2, 3, 2, 2), (2, 2, 3, 2), (1, 2, 1)), *outer)
    rng = np.random.default_rng(0)
    A = rng.standard_normal(chain.shape) + 1j * rng.standard_normal(chain.shape)
    found = factorized(A, chain, source, way, order=order)
    splits = {"left-to-right": (1, 2, 3), "right-to-left": (3, 2, 1), "balanced": (2, 1, 3)}
    given_order = splits.get(order, order)
    first = middle_split_of(chain)
    dense_order = [first] + [s for s in given_order if s > first]
    dense_order += [s for s in given_order if s < first]
    expected = lo.factorize(A, chain, order=dense_order)
    assert distance(found, A) == pytest.approx(expected.relative_error)
    assert np.allclose(found.operator.toarray(), expected.operator.toarray())


def middle_split_of(chain):
    """The split whose two factors hold the fewest numbers; with a tie, whose sketches do."""
    costs = {}
    for s in range(1, len(chain)):
        left, right = chain[:s].merge((s,))[0], chain[s:].merge((len(chain) - s,))[0]
        costs[s] = left.nnz + right.nnz, products_needed(Junction(left, right))
    return min(costs, key=costs.get)


@pytest.mark.parametrize("source", SOURCES)
def test_sketches_of_noisy_products_lose_little(source):
    chain = lo.Chain.dyadic(256, rank=2)
    A = butterfly(chain)
    N = np.random.default_rng(1).standard_normal(A.shape)
    A = A + 0.05 * np.linalg.norm(A) / np.linalg.norm(N) * N
    best = lo.factorize(A, chain, order="balanced").relative_error
    found = factorized(A, chain, source, "sketches")
    assert distance(found, A) < 1.1 * best
    low, high = found.estimate.interval
    assert low < distance(found, A) < high


@pytest.mark.parametrize("off", [0.0, 0.1])
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("way", list(WAYS))
def test_entries_off_the_support_count_as_errors_and_disturb_nothing(source, way, off):
    chain = widened(lo.Chain.monarch(16), 2, 2)
    A = butterfly(chain)
    outside = np.where(A == 0, off, 0.0)
    found = factorized(A + outside, chain, source, way)
    assert np.allclose(found.operator.toarray(), A)
    truth = np.linalg.norm(outside) / np.linalg.norm(A + outside)
    low, high = found.estimate.interval
    assert low <= truth + 1e-13
    assert truth - 1e-13 <= high


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("shape", [(60, 90), (90, 60), (26, 34)])
def test_monarch_chains_of_rectangles(source, shape):
    chain = lo.Chain.monarch(shape, rank=2)
    A = np.random.default_rng(0).standard_normal(shape)
    best = lo.factorize(A, chain).relative_error
    assert distance(factorized(A, chain, source), A) == pytest.approx(best)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("way", list(WAYS))
def test_one_block_of_low_rank(source, way):
    rng = np.random.default_rng(0)
    A = rng.standard_normal((53, 3)) @ rng.standard_normal((3, 47))
    found = factorized(A, [(1, 53, 3, 1), (1, 3, 47, 1)], source, way)
    assert distance(found, A) < 1e-13


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("way", list(WAYS))
def test_permutations(source, way):
    rng = np.random.default_rng(0)
    chain = lo.Chain.dyadic(64)
    B = butterfly(chain)
    p, q = lo.Permutation(rng.permutation(64)), lo.Permutation(rng.permutation(64))
    for permutation, A in (
        (q, B @ q.toarray()),
        ((p, None), p @ B),
        ((p, q), p @ B @ q.toarray()),
        ("bit-reversal", B @ lo.bit_reversal(64).toarray()),
        (("bit-reversal", q), lo.bit_reversal(64) @ B @ q.toarray()),
    ):
        found = factorized(A, chain, source, way, permutation=permutation)
        assert distance(found, A) < 1e-13
        assert found.permutation is not None
        assert factorized(A, chain, source, way).relative_error > 0.1
    assert factorized(B, chain, source, way).permutation is None


@pytest.mark.parametrize("source", SOURCES)
def test_permutations_that_do_not_fit_are_refused(source):
    with pytest.raises(ValueError, match="does not fit 64 rows"):
        factorized(np.eye(64), lo.Chain.dyadic(64), source, permutation=(lo.bit_reversal(32), None))
    with pytest.raises(ValueError, match="permutation must be None"):
        factorized(np.eye(64), lo.Chain.dyadic(64), source, permutation="bits")


@pytest.mark.parametrize("source", SOURCES)
def test_matrices_without_structure_are_reported_as_they_are(source):
    A = np.random.default_rng(0).standard_normal((128, 128))
    found = factorized(A, lo.Chain.square_dyadic(128), source)
    assert 0.9 < found.relative_error < 1.05
    low, high = found.estimate.interval
    assert low < distance(found, A) < high


def test_large_blocks_lose_next_to_nothing_from_random_starts():
    rng = np.random.default_rng(0)
    U, V = (np.linalg.qr(rng.standard_normal((4, 96, 96)))[0] for _ in range(2))
    blocks = U * 2.0 ** -np.arange(96.0) @ V
    basis = middle_split._near_leading(blocks, 3)
    left_out = np.linalg.norm(blocks - basis @ (basis.swapaxes(1, 2) @ blocks))
    best = np.linalg.norm(2.0 ** -np.arange(96.0)[3:]) * 2
    assert best <= left_out < (1 + 1e-6) * best
    assert np.allclose(basis.swapaxes(1, 2) @ basis, np.eye(3))


# Two factors ----------------------------------------------------------------------------------


@pytest.mark.parametrize("way", list(WAYS))
def test_the_left_one_of_two_factors_is_orthonormal(way, monkeypatch):
    monkeypatch.setattr(middle_split, "_whole_ways", lambda *_: WAYS[way])
    chain = widened(lo.Chain.monarch((24, 36), rank=2), 2, 3)
    A = np.random.default_rng(0).standard_normal(chain.shape)
    junction = Junction(*chain)
    left, right = two_factors(opened(aslinearoperator(A)), junction)
    X = junction.split_left(left)
    assert np.allclose(X.swapaxes(-1, -2) @ X, np.eye(2))
    assert right.shape == tuple(chain[1])


@given(proper_chains(lengths=st.integers(2, 5)), st.integers(0, 99))
@settings(max_examples=30)
def test_two_factors_are_split_as_their_product_would_be(chain, seed):
    values = random_values(chain, seed, complex)
    split = 1 + seed % (len(chain) - 1)
    order = tuple(range(1, len(chain)))
    two = [chain_values(values[:split], chain[:split]), chain_values(values[split:], chain[split:])]
    pair = lo.Chain(
        [chain[:split].merge((split,))[0], chain[split:].merge((len(chain) - split,))[0]]
    )
    first = hierarchical_factors(lo.Butterfly(values).toarray(), pair, (1,)).factors
    found = continued_factors(list(first), split, chain, order)
    assert [v.shape for v in found] == [tuple(p) for p in chain]
    A = lo.Butterfly(values).toarray()
    assert np.allclose(lo.Butterfly(found).toarray(), A, atol=1e-10 * np.linalg.norm(A))
    assert product_norm(values, chain) == pytest.approx(np.linalg.norm(A))
    junction = Junction(*pair)
    weighted = weighted_left(list(first), pair)
    assert np.linalg.norm(weighted) == pytest.approx(np.linalg.norm(A))
    singular = [np.linalg.svdvals(junction.split(chain_values(two, pair))), None]
    found_ones = np.linalg.svdvals(junction.split_left(weighted))
    assert np.allclose(found_ones, singular[0][..., : junction.rank], atol=1e-9 * np.linalg.norm(A))


def test_the_norm_of_a_single_factor():
    values = random_values(lo.Chain([(2, 3, 4, 5)]))
    assert product_norm(values, lo.Chain([(2, 3, 4, 5)])) == pytest.approx(
        np.linalg.norm(values[0])
    )
