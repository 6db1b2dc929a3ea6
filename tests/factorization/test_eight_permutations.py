import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazyop.factorization.eight_permutations import eight_permutations
from lazyop.structured.permutation import bit_reversal


@given(st.integers(0, 7).map(lambda bits: 2**bits))
def test_they_are_different_permutations_with_the_identity_first(n):
    found = [p.tolist() for p in eight_permutations(n)]
    assert found[0] == list(range(n))
    assert all(sorted(p) == list(range(n)) for p in found)
    assert len({tuple(p) for p in found}) == len(found) == {1: 1, 2: 1}.get(n, 8)


@pytest.mark.parametrize("n", [4, 8, 64])
def test_bit_reversal_is_one_of_them(n):
    assert any(np.array_equal(p, bit_reversal(n).p) for p in eight_permutations(n))


def test_those_of_eight_indices():
    # Worked out by hand: halves of eight, then of four, after even and odd entries where separated.
    assert [p.tolist() for p in eight_permutations(8)] == [
        [0, 1, 2, 3, 4, 5, 6, 7],
        [0, 1, 3, 2, 7, 6, 4, 5],
        [2, 3, 1, 0, 5, 4, 6, 7],
        [2, 3, 0, 1, 6, 7, 4, 5],
        [0, 4, 2, 6, 1, 5, 3, 7],
        [0, 4, 6, 2, 7, 3, 1, 5],
        [2, 6, 4, 0, 5, 1, 3, 7],
        [2, 6, 0, 4, 3, 7, 1, 5],
    ]
