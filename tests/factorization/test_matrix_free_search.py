"""Factorization within a tolerance of what is known by products or by entries."""

import numpy as np
import pytest
from chains import random_values
from scipy.sparse.linalg import aslinearoperator

import lazyop as lo
from lazyop.factorization import matrix_free, sketched_search

SOURCES = ["operator", "entries"]


@pytest.fixture(autouse=True)
def nothing_dense(monkeypatch):
    """Treats small matrices as if they were too large to be made dense."""
    monkeypatch.setattr(matrix_free, "DENSE_BYTES", 0)


def searched(A, source, **options):
    if source == "operator":
        return lo.factorize(aslinearoperator(A), **options)
    return lo.factorize(lambda rows, cols: A[np.ix_(rows, cols)], shape=A.shape, **options)


def distance(found, A):
    return np.linalg.norm(found.operator.toarray() - A) / np.linalg.norm(A)


def smooth(m, n):
    """A kernel of a wave on two unordered sets of points, in an order that suits butterflies."""
    x, y = np.sort(np.random.default_rng(0).random((2, max(m, n))), axis=1)
    order = lo.bit_reversal(m).p if m & (m - 1) == 0 else np.arange(m)
    return np.exp(1j * 60 * np.multiply.outer(x[:m][order], y[:n]))


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("tol", [1e-2, 1e-6, 1e-10])
def test_the_tolerance_is_met_with_fewer_numbers(source, tol):
    A = smooth(256, 256)
    found = searched(A, source, tol=tol)
    assert found.estimate is not None
    assert found.relative_error <= tol
    assert distance(found, A) <= tol
    assert found.chain.nnz < A.size / 2
    assert not found.chain.redundant
    assert f"chosen for tol={tol:g}" in repr(found)


def test_it_is_not_far_from_what_is_found_with_all_entries_at_hand(monkeypatch):
    A = smooth(256, 256)
    found = searched(A, "operator", tol=1e-4)
    monkeypatch.setattr(matrix_free, "DENSE_BYTES", A.nbytes)
    dense = searched(A, "operator", tol=1e-4)
    assert dense.estimate is None
    assert found.chain.nnz <= 2 * dense.chain.nnz


def test_each_rank_that_is_tried_takes_one_pass_over_the_entries():
    chain = lo.Chain.monarch(256, rank=2)
    A, asked = lo.Butterfly(random_values(chain)).toarray(), []

    def entries(rows, cols):
        asked.append(rows.size * cols.size)
        return A[np.ix_(rows, cols)]

    found = lo.factorize(entries, shape=A.shape, tol=1e-8)
    assert found.chain == chain
    assert sum(asked) == A.size + 64**2


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("shape", [(128, 256), (256, 96), (200, 180)])
def test_rectangles(source, shape):
    A = smooth(*shape)
    found = searched(A, source, tol=1e-3)
    assert found.chain.shape == shape
    assert distance(found, A) <= 1e-3


@pytest.mark.parametrize("source", SOURCES)
def test_a_butterfly_is_found_with_its_permutation(source):
    chain = lo.Chain.dyadic(256)
    A = lo.Butterfly(random_values(chain)).toarray() @ lo.bit_reversal(256).toarray()
    found = searched(A, source, tol=1e-9, permutation="bit-reversal")
    assert found.chain.nnz <= chain.nnz
    assert distance(found, A) < 1e-12
    assert found.permutation[0] is None


@pytest.mark.parametrize("source", SOURCES)
def test_prime_sizes_are_one_block(source):
    rng = np.random.default_rng(0)
    A = rng.standard_normal((211, 3)) @ rng.standard_normal((3, 223))
    found = searched(A, source, tol=1e-8)
    assert found.chain == lo.Chain([(1, 211, 3, 1), (1, 3, 223, 1)])
    assert distance(found, A) < 1e-13


@pytest.mark.parametrize("source", SOURCES)
def test_a_tolerance_that_the_two_factors_at_the_middle_use_up(source):
    chain = lo.Chain.monarch(64, rank=3)
    rng = np.random.default_rng(0)
    N = rng.standard_normal((64, 64)) + 1j * rng.standard_normal((64, 64))
    A = lo.Butterfly(random_values(chain, dtype=complex)).toarray() + 0.1 * N
    error = lo.factorize(A, chain).relative_error
    found = searched(A, source, tol=1.34 * error)
    assert found.chain == chain
    assert distance(found, A) == pytest.approx(error)


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1)])
@pytest.mark.parametrize("source", SOURCES)
def test_single_rows_and_columns_stay_as_they_are(source, shape):
    A = np.random.default_rng(0).standard_normal(shape)
    found = searched(A, source, tol=1e-3)
    assert found.chain == lo.Chain([(1, *shape, 1)])
    assert np.array_equal(found.operator.toarray(), A)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("shape", [(64, 64), (13, 17), (34, 34)])
def test_a_tolerance_that_only_a_dense_matrix_meets_is_refused(source, shape):
    A = np.random.default_rng(0).standard_normal(shape)
    with pytest.raises(ValueError, match=f"{shape[0]} x {shape[1]} matrix were found within tol"):
        searched(A, source, tol=1e-3)


@pytest.mark.parametrize("order", ["left-to-right", "right-to-left", "balanced"])
@pytest.mark.parametrize("orthonormalize", [True, False])
def test_orders_and_gauges(order, orthonormalize):
    A = smooth(128, 128)
    found = searched(A, "entries", tol=1e-3, order=order, orthonormalize=orthonormalize)
    assert distance(found, A) <= 1e-3


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"tol": -1.0}, ValueError),
        ({"tol": np.nan}, ValueError),
        ({"tol": "small"}, TypeError),
        ({"tol": 0.1, "order": (1, 2)}, ValueError),
        ({"tol": 0.1, "order": "middle"}, ValueError),
        ({"tol": 0.1, "terms": 2}, ValueError),
        ({"tol": 0.1, "chain": lo.Chain.dyadic(64)}, ValueError),
        ({}, ValueError),
    ],
)
def test_options_that_are_refused(options, error):
    with pytest.raises(error):
        searched(np.eye(64), "operator", **options)


def test_a_zero_matrix_has_no_error():
    found = searched(np.zeros((64, 64)), "operator", tol=0.0)
    assert found.relative_error == 0
    assert np.array_equal(found.operator.toarray(), np.zeros((64, 64)))


@pytest.mark.parametrize("place", [(16, 16), (8, 32)])
def test_spectra_on_either_side_are_those_of_the_matrix(place):
    B, C = place
    chain = lo.Chain.from_sizes((B, 256 // B), (C, 256 // C), 3)
    A = lo.Butterfly(random_values(chain)).toarray()
    source = matrix_free.opened(aslinearoperator(A))
    junction = sketched_search._junction(source, place, 3)
    two = sketched_search.two_factors(source, junction)
    left = sketched_search.weighted_left(list(two), chain)
    cuts = [
        *sketched_search._cuts_before(left, A.shape, place, 3, accurate=True),
        *(
            sketched_search.Cut(B * cut.rows, C * cut.columns, cut.tails)
            for cut in sketched_search._cuts_after(two[1], A.shape, place, 3, accurate=True)
        ),
    ]
    assert len(cuts) > 2
    for cut in cuts:
        expected = tails(A, cut.rows, cut.columns)
        count = min(len(expected), len(cut.tails))
        assert np.allclose(cut.tails[:count], expected[:count], atol=1e-9 * expected[0])


def tails(A, rows, columns):
    """Energies that ranks leave out of all blocks of a cut, from the definition."""
    total = 0
    for start in range(256 // rows):
        for k in range(columns):
            width = 256 // columns
            block = A[start :: 256 // rows, k * width : (k + 1) * width]
            squares = np.linalg.svdvals(block) ** 2
            total = total + np.append(np.cumsum(squares[::-1])[::-1][1:], 0.0)
    return total
