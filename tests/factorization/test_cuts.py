import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazyop.butterfly.chain import Chain
from lazyop.factorization.cuts import Cut, cut_places, tails_at, whole_cut
from lazyop.factorization.hierarchical import distances

SIDES = st.integers(1, 60)


@given(SIDES, SIDES)
def test_cuts_divide_the_sides_and_leave_blocks_that_could_have_low_rank(m, n):
    places = cut_places(m, n)
    assert len(set(places)) == len(places)
    for B, C in places:
        assert m % B == 0
        assert n % C == 0
        assert min(B, n // C) > 1
    assert (m, 1) not in places


@given(SIDES, SIDES)
def test_cuts_are_listed_from_left_to_right(m, n):
    cuts = [Cut(B, C, np.zeros(1)) for B, C in cut_places(m, n)]
    for k, cut in enumerate(cuts):
        assert not any(later.before(cut) for later in cuts[k:])


def test_cuts_of_a_power_of_two_are_those_of_the_dyadic_chain():
    assert set(cut_places(16, 16)) == {(2, 2), (4, 4), (8, 8)}
    assert cut_places(7, 1) == []


@pytest.mark.parametrize("accurate", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_tails_are_the_split_errors_of_every_chain_with_the_cut(dtype, accurate):
    rng = np.random.default_rng(0)
    A = rng.standard_normal((24, 36)).astype(dtype)
    tolerance = 1e-4 if dtype == "float32" else 1e-12
    for B, C in cut_places(24, 36):
        tails = tails_at(A, B, C, accurate)
        assert len(tails) == min(B, 36 // C)
        assert tails[-1] == 0
        for rank in range(1, len(tails)):
            chain = Chain.from_sizes((B, 24 // B), (C, 36 // C), rank)
            (expected,) = distances(A, chain).splits
            assert tails[rank - 1] ** 0.5 == pytest.approx(expected, rel=tolerance)


def test_only_accurate_tails_see_below_the_root_of_rounding():
    A = np.diag([1.0, 1e-6, 1e-12, 1e-13])
    tails = tails_at(A, 4, 1, accurate=True) ** 0.5
    assert tails == pytest.approx([1e-6, 1e-12, 1e-13, 0], rel=1e-2)
    assert tails_at(A, 4, 1, accurate=False)[1] < 1e-14


@given(SIDES, SIDES, st.sampled_from([1, 2, 4]), st.booleans(), st.integers(0, 9))
def test_part_of_a_matrix_leaves_out_no_more_than_the_whole(m, n, step, accurate, rank):
    rng = np.random.default_rng(m + n)
    A = rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n))
    A += 1e-3 * rng.standard_normal((m, n))
    cuts = whole_cut(A, accurate, step)
    assert len(cuts) == (min(m, n) > 1)
    for cut in cuts:
        expected = tails_at(A, m, 1, accurate)
        assert (cut.rows, cut.columns, cut.exact) == (m, 1, step == 1)
        assert cut.tails.shape == expected.shape
        assert np.all(cut.tails <= expected + 1e-12 * np.linalg.norm(A) ** 2)
        if cut.exact:
            assert np.array_equal(cut.tails, expected)


def test_too_large_a_whole_is_no_cut():
    large = np.broadcast_to(np.float64(1), (2049, 2049))
    assert whole_cut(large, False, 1) == []
