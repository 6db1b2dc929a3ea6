import copy
import pickle

import numpy as np
import pytest

from lazyop.butterfly.chain import Chain
from lazyop.factorization import bounds
from lazyop.factorization.bounds import Bounds
from lazyop.factorization.factorize import factorize
from lazyop.factorization.hierarchical import distances, error_bound

CHAIN = Chain.square_dyadic(16)


def gaussian(shape):
    return np.random.default_rng(0).standard_normal(shape)


@pytest.mark.parametrize("order", [(1, 2, 3), (2, 1, 3)])
@pytest.mark.parametrize("orthonormalize", [True, False])
def test_bounds_are_distances_relative_to_the_size(order, orthonormalize):
    A = gaussian((16, 16))
    found, expected = Bounds(A, CHAIN, order, orthonormalize, 4.0), distances(A, CHAIN)
    assert found.split_errors == pytest.approx([e / 4 for e in expected.total])
    assert found.lower_bound == pytest.approx(expected.lower_bound / 4)
    bound = error_bound(expected, order, orthonormalize)
    assert (found.error_bound is None) == (bound is None)
    if bound is not None:
        assert found.error_bound == pytest.approx(bound / 4)


def test_distances_are_computed_once_and_only_when_read(monkeypatch):
    calls = []
    monkeypatch.setattr(bounds, "distances", lambda *args: calls.append(1) or distances(*args))
    found = factorize(gaussian((16, 16)), CHAIN)
    assert calls == []
    assert found.lower_bound <= found.error_bound
    assert len(found.split_errors) == 3
    assert len(str(found).splitlines()) == 6
    assert calls == [1]


def test_the_matrix_is_kept_until_then_and_no_longer():
    found = Bounds(gaussian((16, 16)), CHAIN, (1, 2, 3), True, 1.0)
    assert found._matrix is not None
    assert found.lower_bound > 0
    assert found._matrix is None


def test_what_the_caller_writes_to_the_matrix_later_does_not_matter():
    A = gaussian((16, 16))
    expected = factorize(A, CHAIN).split_errors
    found = factorize(A, CHAIN)
    A[:] = 0
    assert found.split_errors == expected


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda b: pickle.loads(pickle.dumps(b))]
)
def test_copies_hold_the_figures_and_not_the_matrix(again):
    found = Bounds(gaussian((16, 16)), CHAIN, (1, 2, 3), True, 1.0)
    copied = again(found)
    assert copied._matrix is None
    assert copied.split_errors == found.split_errors
    assert copied.error_bound == found.error_bound
