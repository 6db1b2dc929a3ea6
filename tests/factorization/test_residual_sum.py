import array_api_strict
import numpy as np
import pytest
import scipy.linalg
from chains import proper_chains
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lazyop.algebra.composite import Sum
from lazyop.butterfly.chain import Chain
from lazyop.butterfly.operator import Butterfly
from lazyop.factorization.factorize import factorize
from lazyop.factorization.hierarchical import distances
from lazyop.factorization.residual_sum import sum_distances
from lazyop.structured.permutation import bit_reversal

DYADIC = Chain.square_dyadic(16)


def gaussian(shape, seed=0, dtype="float64"):
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        matrix = matrix + 1j * rng.standard_normal(shape)
    return matrix.astype(dtype)


def error(found, A):
    return np.linalg.norm(A - found.operator.toarray()) / np.linalg.norm(A)


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(
    proper_chains(),
    st.integers(2, 4),
    st.integers(0, 99),
    st.sampled_from(["float64", "complex128"]),
    st.sampled_from(["left-to-right", "right-to-left", "balanced"]),
    st.booleans(),
)
def test_what_is_reported_is_what_is_true(chain, terms, seed, dtype, order, orthonormalize):
    A = gaussian(chain.shape, seed, dtype)
    options = {"order": order, "orthonormalize": orthonormalize}
    found, single = factorize(A, chain, terms=terms, **options), factorize(A, chain, **options)
    assert found.operator.dtype == dtype
    assert found.operator.shape == A.shape
    assert found.relative_error == pytest.approx(error(found, A), abs=1e-13)
    assert found.relative_error <= single.relative_error + 1e-13
    assert found.lower_bound <= found.relative_error + 1e-12
    assert found.lower_bound <= single.lower_bound + 1e-12
    assert found.chain == single.chain
    if found.error_bound is not None:
        assert found.relative_error <= found.error_bound + 1e-12


@given(proper_chains(), st.integers(1, 3), st.integers(0, 99))
def test_no_sum_of_so_many_products_is_nearer_than_the_lower_bound(chain, terms, seed):
    rng = np.random.default_rng(seed)
    butterflies = [
        Butterfly([rng.standard_normal(tuple(p)) for p in chain]).toarray() for _ in range(terms)
    ]
    S, A = sum(butterflies), gaussian(chain.shape, seed)
    assert sum_distances(S, chain, terms).lower_bound < 1e-12 * np.linalg.norm(S)
    assert sum_distances(A, chain, terms).lower_bound <= np.linalg.norm(A - S) + 1e-12
    if terms == 1:
        assert sum_distances(A, chain, 1) == distances(A, chain)


def test_every_term_takes_what_the_others_leave():
    A = gaussian((16, 16))
    found = factorize(A, DYADIC, terms=3)
    assert isinstance(found.operator, Sum)
    for term in found.operator.operands:
        part = factorize(A, DYADIC)
        assert np.allclose(term.toarray(), part.operator.toarray())
        A = A - part.operator.toarray()
    assert "sum of 3 products of 4 factors" in str(found)
    assert f"{3 * DYADIC.nnz} " in str(found)


def test_the_real_part_of_a_butterfly_of_order_16_is_a_sum_of_two():
    A = scipy.linalg.dft(16)[:, bit_reversal(16).p].real
    assert factorize(A, DYADIC).relative_error > 0.3
    assert factorize(A, DYADIC, terms=2).relative_error < 1e-14


def test_no_term_is_added_that_gains_nothing():
    H = scipy.linalg.hadamard(16).astype(float)
    found = factorize(H, DYADIC, terms=5)
    assert isinstance(found.operator, Butterfly)
    assert found.operator.chain == DYADIC
    assert found.relative_error < 1e-14
    zero = factorize(np.zeros((16, 16)), DYADIC, terms=2)
    assert zero.relative_error == 0.0
    assert isinstance(zero.operator, Butterfly)


def test_permutations_are_around_the_sum():
    A = scipy.linalg.dft(16).real
    found = factorize(A, DYADIC, terms=2, permutation="bit-reversal")
    assert error(found, A) < 1e-14
    assert np.array_equal(found.permutation[1].p, bit_reversal(16).p)


def test_redundant_chains_and_orders_are_merged():
    chain = Chain([(1, 2, 4, 8), (2, 4, 4, 4), (4, 4, 4, 2), (8, 4, 2, 1)])
    A = gaussian((16, 16))
    found = factorize(A, chain, terms=2, order=(2, 1, 3))
    assert found.chain == chain.merge()
    assert found.relative_error == pytest.approx(error(found, A))


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_single_precision_stays(dtype):
    A = gaussian((16, 16), 0, dtype)
    found = factorize(A, DYADIC, terms=2)
    assert found.operator.dtype == dtype
    assert found.relative_error == pytest.approx(error(found, A), rel=1e-4)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_scale_does_not_matter(scale):
    A = gaussian((16, 16))
    plain, found = factorize(A, DYADIC, terms=2), factorize(A * scale, DYADIC, terms=2)
    assert found.relative_error == pytest.approx(plain.relative_error)
    assert found.error_bound == pytest.approx(plain.error_bound)
    assert np.allclose(found.operator.toarray() / scale, plain.operator.toarray())


def test_stays_in_its_namespace():
    A = gaussian((16, 16))
    found = factorize(array_api_strict.asarray(A), DYADIC, terms=2)
    assert found.relative_error == pytest.approx(factorize(A, DYADIC, terms=2).relative_error)
    x = array_api_strict.ones(16, dtype=array_api_strict.float64)
    assert type(found.operator @ x) is type(x)


@pytest.mark.parametrize(
    ("terms", "exception"), [(0, ValueError), (-1, ValueError), (1.0, TypeError), (True, TypeError)]
)
def test_other_numbers_of_terms_are_refused(terms, exception):
    with pytest.raises(exception, match="terms must be a positive integer"):
        factorize(np.eye(16), DYADIC, terms=terms)
