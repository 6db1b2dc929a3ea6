"""Factorization within a tolerance of what is known by products or by entries."""

import numpy as np
import pytest
from chains import random_values
from scipy.sparse.linalg import aslinearoperator

import lazyop as lo
from lazyop.factorization import matrix_free
from lazyop.factorization.cuts import Cut
from lazyop.factorization.middle_cut import TwoFactors, junction_at, middle_place
from lazyop.factorization.middle_split import two_factors

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


@pytest.mark.parametrize("tol", [0.1163, 0.2399, 0.2429, 0.2473])
def test_the_interval_that_is_reported_ends_within_the_tolerance(tol):
    A = np.exp(-9 * np.subtract.outer(np.arange(64) / 64, np.arange(48) / 48) ** 2)
    found = searched(A, "operator", tol=tol)
    assert found.estimate.interval[1] <= tol
    assert found.chain.nnz < A.size / 2


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


@pytest.mark.parametrize("source", SOURCES)
def test_the_error_falls_with_the_number_of_parameters(source):
    A, errors = smooth(128, 128), []
    for limit in (2000, 10000):
        found = searched(A, source, max_parameters=limit)
        assert limit / 2 < found.chain.nnz <= limit
        assert found.estimate.interval[0] < distance(found, A) < found.estimate.interval[1]
        assert f"at most {limit} parameters" in repr(found)
        errors.append(distance(found, A))
    assert errors[0] > 1e3 * errors[1]


@pytest.mark.parametrize("source", SOURCES)
def test_more_parameters_than_needed_lead_to_no_error(source):
    chain = lo.Chain.dyadic(128)
    A = lo.Butterfly(random_values(chain)).toarray()
    found = searched(A, source, max_parameters=A.size // 2)
    assert distance(found, A) < 1e-12


@pytest.mark.parametrize("source", SOURCES)
def test_too_few_parameters_are_refused(source):
    with pytest.raises(ValueError, match="no chain for a 64 x 64 matrix holds 70 parameters"):
        searched(np.ones((64, 64)), source, max_parameters=70)
    with pytest.raises(ValueError, match="no chain for a 1 x 64 matrix holds 63 parameters"):
        searched(np.ones((1, 64)), source, max_parameters=63)
    assert searched(np.ones((1, 64)), source, max_parameters=64).relative_error == 0
    with pytest.raises(TypeError, match="integer"):
        searched(np.ones((64, 64)), source, max_parameters=1000.5)


@pytest.mark.parametrize(
    ("shape", "place"),
    [((16384, 16384), (128, 128)), ((4099, 4099), (4099, 1)), ((4106, 4106), (4106, 1))],
)
def test_the_middle_is_where_two_factors_hold_the_least(shape, place):
    assert middle_place(*shape) == place


@pytest.mark.parametrize("place", [(16, 16), (8, 32)])
def test_spectra_on_either_side_are_those_of_the_matrix(place):
    B, C = place
    chain = lo.Chain.from_sizes((B, 256 // B), (C, 256 // C), 3)
    A = lo.Butterfly(random_values(chain)).toarray()
    source = matrix_free.opened(aslinearoperator(A))
    pair = two_factors(source, junction_at(A.shape, place, 3))
    two = TwoFactors(A.shape, place, *pair)
    assert two.rank == 3
    assert two.chain == chain
    cuts = [
        *two.cuts_before(accurate=True),
        Cut(B, C, two.tails(accurate=True)),
        *(Cut(B * k.rows, C * k.columns, k.tails) for k in two.cuts_after(accurate=True)),
    ]
    assert len(cuts) > 3
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
