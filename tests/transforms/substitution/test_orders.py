"""Orders in which transforms are butterflies."""

import numpy as np
import pytest

import lazyop as lo
from lazyop.transforms.substitution.orders import digit_reversal, folded, likely_permutations


@pytest.mark.parametrize("n", [1, 2, 7, 8, 12, 30, 97, 360])
def test_they_are_permutations(n):
    for p in (digit_reversal(n), digit_reversal(n, descending=True), folded(n)):
        np.testing.assert_array_equal(np.sort(p), np.arange(n))


def test_powers_of_two_are_bit_reversed():
    np.testing.assert_array_equal(digit_reversal(16), lo.bit_reversal(16).p)
    np.testing.assert_array_equal(folded(6), [0, 2, 4, 5, 3, 1])


def test_digits_of_several_bases():
    # 12 = 2 * 2 * 3: index 6 a + 3 b + c goes to a + 2 b + 4 c
    found = digit_reversal(12)
    for a, b, c in np.ndindex(2, 2, 3):
        assert found[a + 2 * b + 4 * c] == 6 * a + 3 * b + c


def test_sides_fit_the_matrix():
    for rows, columns in likely_permutations(6, 10):
        assert rows is None or rows.shape == (6, 6)
        assert columns is None or columns.shape == (10, 10)
