import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from permuted import FAMILIES, permuted

from lazyop.butterfly.chain import Chain
from lazyop.factorization.hierarchical import split_errors
from lazyop.factorization.unknown_permutation import butterfly_orders


def distance(A, rows, columns):
    """What no square dyadic butterfly in these orders can do better than, relatively."""
    errors = split_errors(A[rows][:, columns], Chain.square_dyadic(len(A)))
    return max(errors, default=0.0) / np.linalg.norm(A)


@settings(max_examples=60)
@given(st.sampled_from(sorted(FAMILIES)), st.integers(1, 6), st.integers(0, 99))
def test_a_butterfly_out_of_order_is_put_in_order(family, bits, seed):
    A = permuted(family, 2**bits, seed)
    rows, columns = butterfly_orders(A)
    assert sorted(rows) == sorted(columns) == list(range(2**bits))
    assert distance(A, rows, columns) < 1e-12


@pytest.mark.parametrize("family", ["hadamard", "fourier", "orthogonal"])
def test_without_noise_to_256(family):
    A = permuted(family, 256)
    assert distance(A, *butterfly_orders(A)) < 1e-12


@pytest.mark.parametrize("family", ["hadamard", "fourier", "orthogonal", "complex"])
@pytest.mark.parametrize("noise", [1e-4, 1e-2])
def test_with_noise(family, noise):
    # Orders that are right leave less than the noise.
    found = []
    for seed in range(3):
        A = permuted(family, 32, seed, noise)
        found.append(distance(A, *butterfly_orders(A)))
    assert max(found) < noise


def test_one_number_and_nothing():
    assert [p.tolist() for p in butterfly_orders(np.ones((1, 1)))] == [[0], [0]]
    rows, columns = butterfly_orders(np.zeros((8, 8)))
    assert sorted(rows) == sorted(columns) == list(range(8))


def test_a_matrix_without_structure_has_orders_all_the_same():
    A = np.random.default_rng(0).standard_normal((16, 16))
    rows, columns = butterfly_orders(A)
    assert sorted(rows) == sorted(columns) == list(range(16))


def test_does_not_write_into_its_argument():
    A = permuted("orthogonal", 16)
    A.flags.writeable = False
    butterfly_orders(A)
