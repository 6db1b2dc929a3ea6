import sys

import array_api_strict
import numpy as np
import pytest
import scipy.linalg
from permuted import permuted

from lazyop.butterfly.chain import Chain
from lazyop.factorization.eight_permutations import eight_permutations
from lazyop.factorization.factorize import factorize
from lazyop.structured.permutation import bit_reversal


def searched(A, chain=None, **options):
    chain = Chain.square_dyadic(A.shape[0]) if chain is None else chain
    return factorize(A, chain, permutation="search", **options)


def error(found, A):
    return np.linalg.norm(A - found.operator.toarray()) / np.linalg.norm(A)


@pytest.mark.parametrize("family", ["hadamard", "fourier", "orthogonal", "generic", "complex"])
@pytest.mark.parametrize("n", [2, 8, 128])
def test_is_exact_without_noise(family, n):
    A = permuted(family, n)
    found = searched(A)
    assert found.relative_error < 1e-12
    assert error(found, A) < 1e-12


@pytest.mark.parametrize("family", ["hadamard", "fourier", "orthogonal"])
def test_is_as_good_as_the_true_order_with_noise(family):
    # In the true order, the chain fits a tenth of the energy of the noise, and leaves the rest.
    errors = [searched(permuted(family, 64, seed, noise=0.01)).relative_error for seed in range(10)]
    assert sum(e < 0.01 for e in errors) >= 9


@pytest.mark.parametrize("p", list(eight_permutations(32)))
def test_the_eight_are_found_as_they_are(p):
    rng = np.random.default_rng(0)
    B = scipy.linalg.dft(32)[:, bit_reversal(32).p] * rng.uniform(1, 2, 32)
    A = np.empty_like(B)
    A[:, p] = B
    found = searched(A)
    assert found.relative_error < 1e-13
    assert found.permutation is None or found.permutation[0] is None


def test_bit_reversal_and_no_permutation_are_told_by_name():
    F = scipy.linalg.dft(64)
    rows, columns = searched(F).permutation
    assert rows is None
    assert np.array_equal(columns.p, bit_reversal(64).p)
    assert searched(F[:, bit_reversal(64).p]).permutation is None


def test_what_is_found_can_be_given():
    A = permuted("orthogonal", 32)
    found = searched(A)
    again = factorize(A, Chain.square_dyadic(32), permutation=found.permutation)
    assert np.array_equal(again.operator.toarray(), found.operator.toarray())


@pytest.mark.parametrize("chain", [Chain.monarch((64, 64)), Chain.dyadic(64, rank=2)])
def test_other_chains_profit_from_the_order(chain):
    A = permuted("fourier", 64)
    assert searched(A, chain).relative_error < 1e-12
    assert factorize(A, chain).relative_error > 0.5


def test_a_random_matrix_is_reported_as_it_is():
    A = np.random.default_rng(0).standard_normal((16, 16))
    found = searched(A)
    assert found.relative_error == pytest.approx(error(found, A))
    assert 0.3 < found.lower_bound <= found.relative_error
    assert found.relative_error <= factorize(A, Chain.square_dyadic(16)).relative_error


@pytest.mark.parametrize(("dtype", "limit"), [("float32", 1e-5), ("complex64", 1e-5)])
def test_single_precision(dtype, limit):
    family = "orthogonal" if dtype == "float32" else "fourier"
    found = searched(permuted(family, 32).astype(dtype))
    assert found.operator.dtype == dtype
    assert found.relative_error < limit


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_scale_does_not_matter(scale):
    assert searched(permuted("orthogonal", 16) * scale).relative_error < 1e-12


def test_lists_zeros_and_one_number():
    assert searched(np.zeros((8, 8))).relative_error == 0.0
    assert factorize([[3]], [(1, 1, 1, 1)], permutation="search").relative_error == 0.0
    H = scipy.linalg.hadamard(8).tolist()
    assert factorize(H, Chain.square_dyadic(8), permutation="search").permutation is None


def test_stays_in_its_namespace():
    A = permuted("orthogonal", 16)
    found = searched(array_api_strict.asarray(A))
    assert found.relative_error < 1e-12
    x = array_api_strict.ones(16, dtype=array_api_strict.float64)
    assert type(found.operator @ x) is type(x)


def test_progress_is_shown_on_request_alone(capsys, monkeypatch):
    A = permuted("orthogonal", 16)
    searched(A)
    assert capsys.readouterr().err == ""
    searched(A, progress=True)
    assert "permutations" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(ImportError, match=r"lazyop\[progress\]"):
        searched(A, progress=True)


@pytest.mark.parametrize("shape", [(6, 6), (8, 4)])
def test_other_shapes_are_refused(shape):
    chain = Chain.monarch(shape) if shape == (6, 6) else Chain.dyadic(shape)
    with pytest.raises(ValueError, match=r"square .* power of two, A has shape"):
        searched(np.ones(shape), chain)


def test_search_of_one_side_alone_is_refused():
    with pytest.raises(ValueError, match="permutation must be None"):
        factorize(np.eye(8), Chain.square_dyadic(8), permutation=("search", None))
