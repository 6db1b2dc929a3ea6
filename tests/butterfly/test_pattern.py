import copy
import pickle
from fractions import Fraction
from itertools import product as combinations

import numpy as np
import pytest
from chains import support
from hypothesis import given
from hypothesis import strategies as st

from lazyop.butterfly.pattern import Pattern, as_pattern

small = st.integers(1, 4)
patterns = st.builds(Pattern, small, small, small, small)


@st.composite
def chainable_pairs(draw):
    a, alpha, delta, d, b, c, r = (draw(st.integers(1, 3)) for _ in range(7))
    return Pattern(a, b, alpha * r, delta * d), Pattern(a * alpha, r * delta, c, d)


@given(patterns)
def test_shape_nnz_density_and_adjoint_are_those_of_the_support(p):
    S = support(p)
    assert p.shape == S.shape
    assert p.nnz == S.sum()
    assert p.density == pytest.approx(S.sum() / S.size)
    assert np.array_equal(support(p.H), S.T)


@given(chainable_pairs())
def test_product_of_supports_is_rank_times_support_of_product(pair):
    p, q = pair
    assert p.chainable_with(q)
    assert np.array_equal(support(p) @ support(q), p.rank_with(q) * support(p @ q))
    assert np.array_equal(support(q.H) @ support(p.H), p.rank_with(q) * support((p @ q).H))


@given(chainable_pairs(), small, small)
def test_product_is_associative(pair, alpha, c):
    p, q = pair
    r = Pattern(q.a * alpha, q.d, c, 1) if q.c % alpha == 0 else Pattern(q.a, q.d, c, 1)
    if q.chainable_with(r):
        assert (p @ q) @ r == p @ (q @ r)
        assert (p @ q).rank_with(r) == q.rank_with(r)
        assert p.rank_with(q @ r) == p.rank_with(q)


def test_chains_exactly_when_the_three_conditions_hold():
    fields = list(combinations((1, 2, 3, 4), (1, 2, 4), (1, 2, 4), (1, 2, 4)))[::5]
    found = set()
    for first, second in combinations(fields, fields):
        p, q = Pattern(*first), Pattern(*second)
        left, right = Fraction(p.a * p.c, q.a), Fraction(q.b * q.d, p.d)
        expected = q.a % p.a == 0 and p.d % q.d == 0 and left == right and left.denominator == 1
        assert p.chainable_with(q) == expected
        found.add(expected)
    assert found == {True, False}


@pytest.mark.parametrize(
    ("p", "q", "reason"),
    [
        ((1, 2, 3, 1), (1, 2, 2, 1), "the left has 3 columns, the right 2 rows"),
        ((2, 2, 3, 1), (3, 2, 2, 1), r"a of the left \(2\) does not divide a of the right \(3\)"),
        ((1, 2, 3, 2), (1, 2, 2, 3), r"d of the right \(3\) does not divide d of the left \(2\)"),
        ((1, 2, 2, 2), (4, 1, 2, 1), r"the rank a1 c1 / a2 = 1 \* 2 / 4 is not an integer"),
    ],
)
def test_product_names_the_condition_that_fails(p, q, reason):
    with pytest.raises(ValueError, match=reason):
        Pattern(*p) @ Pattern(*q)
    with pytest.raises(ValueError, match="do not chain"):
        Pattern(*p).rank_with(Pattern(*q))
    assert not Pattern(*p).chainable_with(Pattern(*q))


def test_product_with_anything_else_is_a_type_error():
    with pytest.raises(TypeError):
        Pattern(1, 2, 2, 2) @ (2, 2, 2, 1)


@pytest.mark.parametrize("bad", [0, -1, np.int64(0)])
def test_fields_below_one_are_refused(bad):
    with pytest.raises(ValueError, match="c of a pattern must be a positive integer"):
        Pattern(1, 2, bad, 1)


@pytest.mark.parametrize("bad", [True, np.True_, 2.0, np.float64(2), "2", None, 2j])
def test_fields_that_are_not_integers_are_refused(bad):
    with pytest.raises(TypeError, match="b of a pattern must be a positive integer"):
        Pattern(1, bad, 2, 1)


def test_numpy_integers_become_ints():
    p = Pattern(*np.array([1, 2, 3, 4], dtype=np.int32))
    assert p == Pattern(1, 2, 3, 4)
    assert all(type(n) is int for n in p)


def test_is_an_immutable_value():
    p = Pattern(1, 2, 3, 4)
    a, b, c, d = p
    assert (a, b, c, d) == (1, 2, 3, 4)
    assert hash(p) == hash(Pattern(1, 2, 3, 4))
    assert len({p, Pattern(1, 2, 3, 4), Pattern(1, 2, 3, 5)}) == 2
    assert pickle.loads(pickle.dumps(p)) == copy.deepcopy(p) == p
    assert eval(repr(p)) == p
    with pytest.raises(AttributeError):
        p.a = 2
    assert sorted([Pattern(2, 1, 1, 1), p])[0] is p


def test_as_pattern_takes_patterns_and_four_integers_only():
    p = Pattern(1, 2, 3, 4)
    assert as_pattern(p) is p
    assert as_pattern((1, 2, 3, 4)) == p
    for bad in [(1, 2, 3), 5, (1, 2, 3, 4, 5)]:
        with pytest.raises(TypeError, match="four integers"):
            as_pattern(bad)
