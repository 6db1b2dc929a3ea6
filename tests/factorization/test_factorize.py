import dataclasses
import pickle

import array_api_strict
import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from chains import chains, product, proper_chains, random_values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from lazyop.butterfly.chain import Chain
from lazyop.butterfly.operator import Butterfly
from lazyop.factorization.factorize import factorize
from lazyop.factorization.given_chain import Factorization
from lazyop.factorization.hierarchical import distances, split_errors
from lazyop.operator import LazyOperator, aslazy
from lazyop.structured.permutation import Permutation, bit_reversal

NAMED = ["left-to-right", "right-to-left", "balanced"]
TALL = Chain.from_sizes((4, 4, 4), (2, 4, 4), ranks=(1, 2))


def gaussian(shape, seed=0, dtype="float64"):
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        matrix = matrix + 1j * rng.standard_normal(shape)
    return matrix.astype(dtype)


def measured_error(found, A):
    return np.linalg.norm(A - found.operator.toarray()) / np.linalg.norm(A)


# What comes back ----------------------------------------------------------------------------


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(
    chains() | proper_chains(),
    st.integers(0, 99),
    st.sampled_from(["float64", "complex128"]),
    st.booleans(),
    st.data(),
)
def test_what_is_reported_is_what_is_true(chain, seed, dtype, orthonormalize, data):
    A = gaussian(chain.shape, seed, dtype)
    permuted = st.permutations(range(A.shape[0])), st.permutations(range(A.shape[1]))
    pair = tuple(data.draw(st.none() | p.map(Permutation)) for p in permuted)
    order = data.draw(st.sampled_from(NAMED) | st.permutations(range(1, len(chain))))
    found = factorize(A, chain, order=order, orthonormalize=orthonormalize, permutation=pair)
    assert found.operator.shape == A.shape
    assert found.operator.dtype == A.dtype
    assert found.relative_error == pytest.approx(measured_error(found, A), abs=1e-13)
    assert found.lower_bound <= found.relative_error + 1e-12
    if found.error_bound is not None:
        assert found.relative_error <= found.error_bound + 1e-12
    else:
        assert not orthonormalize
    assert found.chain == chain.merge()
    assert len(found.split_errors) == len(found.chain) - 1
    if found.split_errors:
        assert found.lower_bound == max(found.split_errors)


def test_errors_are_relative_to_the_norm():
    A = gaussian(TALL.shape) * 3.7
    found = factorize(A, TALL)
    norm = np.linalg.norm(A)
    assert found.split_errors == pytest.approx([e / norm for e in split_errors(A, TALL)])
    assert found.lower_bound == pytest.approx(distances(A, TALL).lower_bound / norm)
    assert found.error_bound == pytest.approx(np.linalg.norm(found.split_errors))


def test_operator_is_a_butterfly_of_the_chain():
    found = factorize(gaussian(TALL.shape), TALL)
    assert isinstance(found.operator, Butterfly)
    assert found.operator.chain == found.chain == TALL
    assert found.permutation is None


def test_entries_off_the_support_of_the_product_count_as_error():
    chain = Chain([(2, 2, 2, 2), (4, 2, 2, 1)])
    A = np.zeros((8, 8))
    A[:4, :4], A[0, 7] = 1.0, 3.0
    found = factorize(A, chain)
    assert found.relative_error == pytest.approx(3 / 5)
    assert found.lower_bound == pytest.approx(3 / 5)
    assert found.error_bound == pytest.approx(3 / 5)


@pytest.mark.parametrize("orthonormalize", [True, False])
def test_bound_is_none_where_nothing_is_proved(orthonormalize):
    A = gaussian((16, 16))
    bounds = {
        order: factorize(
            A, Chain.square_dyadic(16), order=order, orthonormalize=orthonormalize
        ).error_bound
        for order in NAMED
    }
    assert bounds["left-to-right"] is not None
    assert (bounds["right-to-left"] is None) == (not orthonormalize)
    assert (bounds["balanced"] is None) == (not orthonormalize)


def test_a_matrix_is_one_factor_of_the_trivial_chain():
    A = gaussian((3, 5))
    found = factorize(A, [(1, 3, 5, 1)])
    assert found.relative_error == found.lower_bound == found.error_bound == 0.0
    assert found.split_errors == ()
    assert np.array_equal(found.operator.toarray(), A)
    before = A.copy()
    A[:] = 0
    assert np.array_equal(found.operator.toarray(), before)


def test_a_redundant_chain_is_merged_and_an_order_with_it():
    chain = Chain(
        [(1, 2, 4, 32), (2, 4, 4, 16), (4, 4, 4, 8), (8, 4, 4, 4), (16, 4, 4, 2), (32, 4, 2, 1)]
    )
    merged = Chain.dyadic(64, rank=2)
    assert chain.redundant
    assert chain.merge() == merged
    A = gaussian((64, 64))
    found = factorize(A, chain, order=(3, 1, 5, 2, 4))
    assert found.chain == merged
    # Splits 2, 3 and 4 survive, as 1, 2 and 3.
    expected = factorize(A, merged, order=(2, 1, 3))
    assert np.array_equal(found.operator.toarray(), expected.operator.toarray())
    assert found.error_bound == expected.error_bound
    assert factorize(A, chain, order="balanced").relative_error == expected.relative_error


def test_is_a_readable_frozen_record():
    F = scipy.linalg.dft(16)
    found = factorize(F, Chain.square_dyadic(16), permutation=("bit-reversal", "bit-reversal"))
    assert isinstance(found, Factorization)
    text = str(found).splitlines()
    assert text == repr(found).splitlines()
    assert 4 <= len(text) <= 8
    assert "16 x 16" in text[0]
    assert "4 factors" in text[0]
    assert f"{found.relative_error:.3g}" in str(found)
    assert f"{found.lower_bound:.3g}" in str(found)
    assert "rows and columns" in text[-1]
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.relative_error = 0.0
    plain = factorize(F.real, Chain([(1, 16, 16, 1)]), orthonormalize=False)
    assert "1 factor" in str(plain)
    assert "none" in str(plain).splitlines()[-1]
    balanced = factorize(F, Chain.square_dyadic(16), order="balanced", orthonormalize=False)
    assert "none proved" in str(balanced)


def test_pickles():
    A = gaussian(TALL.shape)
    found = factorize(A, TALL, permutation="bit-reversal")
    again = pickle.loads(pickle.dumps(found))
    assert again.relative_error == found.relative_error
    assert again.chain == found.chain
    assert np.array_equal(again.operator.toarray(), found.operator.toarray())


# Permutations -------------------------------------------------------------------------------


@pytest.mark.parametrize("order", NAMED)
def test_fourier_is_found_exactly_with_its_bit_reversal(order):
    F = scipy.linalg.dft(1024)
    found = factorize(F, Chain.square_dyadic(1024), order=order, permutation="bit-reversal")
    assert found.relative_error < 1e-13
    assert found.error_bound < 1e-12
    x = gaussian((1024,))
    assert np.allclose(found.operator @ x, np.fft.fft(x), atol=1e-11)
    rows, columns = found.permutation
    assert rows is None
    assert np.array_equal(columns.p, bit_reversal(1024).p)


def test_fourier_without_it_is_reported_as_out_of_reach():
    found = factorize(scipy.linalg.dft(1024), Chain.square_dyadic(1024))
    assert 0.98 < found.lower_bound <= found.relative_error < 1
    assert found.permutation is None


@pytest.mark.parametrize("sides", [(True, False), (False, True), (True, True)])
def test_a_permuted_butterfly_is_recovered(sides):
    rng = np.random.default_rng(0)
    permutations = [
        Permutation(rng.permutation(n)) if side else None
        for n, side in zip(TALL.shape, sides, strict=True)
    ]
    A = product(random_values(TALL))
    if permutations[0] is not None:
        A = permutations[0].toarray() @ A
    if permutations[1] is not None:
        A = A @ permutations[1].toarray()
    found = factorize(A, TALL, permutation=tuple(permutations))
    assert found.relative_error < 1e-13
    assert measured_error(found, A) < 1e-13
    assert found.permutation == tuple(permutations)
    if sides == (False, True):
        assert factorize(A, TALL, permutation=permutations[1]).relative_error < 1e-13
    assert factorize(A, TALL).relative_error > 0.1


def test_a_pair_of_nothing_is_no_permutation():
    A = gaussian(TALL.shape)
    assert factorize(A, TALL, permutation=(None, None)).permutation is None


# Precision and scale ------------------------------------------------------------------------


@pytest.mark.parametrize("order", NAMED)
@pytest.mark.parametrize(("dtype", "limit"), [("float32", 1e-6), ("complex64", 1e-5)])
def test_single_precision_stays_and_suffices(dtype, limit, order):
    A = product(random_values(Chain.square_dyadic(64), 0, dtype))
    found = factorize(A.astype(dtype), Chain.square_dyadic(64), order=order)
    assert found.operator.dtype == dtype
    assert found.relative_error < limit
    assert isinstance(found.relative_error, float)


@pytest.mark.parametrize(
    ("scale", "dtype"),
    [
        (1e200, "float64"),
        (1e-200, "float64"),
        (1e-200, "complex128"),
        (5e307, "float64"),
        (5e307, "complex128"),
        (1e30, "float32"),
        (1e-30, "complex64"),
        (2e37, "complex64"),
        (1.0, "float64"),
    ],
)
@pytest.mark.parametrize("order", NAMED)
def test_scale_does_not_matter(scale, dtype, order):
    A = gaussian(TALL.shape, 0, dtype)
    A /= np.abs(A).max()
    plain = factorize(A, TALL, order=order)
    found = factorize(A * np.asarray(scale, dtype=A.real.dtype), TALL, order=order)
    tolerance = 1e-12 if A.real.dtype == "float64" else 1e-5
    for name in ("relative_error", "error_bound", "lower_bound", "split_errors"):
        assert getattr(found, name) == pytest.approx(getattr(plain, name), rel=tolerance)
    values = found.operator.toarray() / scale
    assert np.allclose(values, plain.operator.toarray(), rtol=tolerance, atol=tolerance)
    assert found.operator.dtype == dtype


@pytest.mark.parametrize(("dtype", "scale"), [("float64", 1e-310), ("float32", 1e-40)])
def test_subnormal_entries(dtype, scale):
    H = scipy.linalg.hadamard(16).astype(dtype) * np.asarray(scale, dtype=dtype)
    found = factorize(H, Chain.square_dyadic(16))
    assert found.relative_error < 1e-6
    assert found.operator.dtype == dtype
    assert all(np.all(f.values != 0) for f in found.operator.factors)
    assert np.abs(found.operator.toarray() / H - 1).max() < 1e-3


def test_smallest_number_there_is():
    tiny = np.finfo(float).smallest_subnormal
    found = factorize(np.full((4, 4), tiny), Chain.square_dyadic(4))
    assert found.relative_error < 1e-15
    assert np.array_equal(found.operator.toarray(), np.full((4, 4), tiny))


@pytest.mark.parametrize("orthonormalize", [True, False])
@pytest.mark.parametrize("order", NAMED)
def test_zero_is_found_exactly(order, orthonormalize):
    A = np.zeros((16, 16))
    found = factorize(A, Chain.square_dyadic(16), order=order, orthonormalize=orthonormalize)
    assert found.relative_error == found.lower_bound == 0.0
    assert found.split_errors == (0.0, 0.0, 0.0)
    assert found.error_bound in (0.0, None)
    assert np.array_equal(found.operator.toarray(), A)


# What is taken ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda A: A.tolist(),
        np.asfortranarray,
        aslazy,
        aslinearoperator,
        lambda A: aslazy(A) @ aslazy(np.eye(A.shape[1])),
        scipy.sparse.csr_array,
        scipy.sparse.coo_matrix,
        lambda A: LinearOperator(
            A.shape, matvec=lambda x: A @ x, rmatvec=lambda x: A.T @ x, dtype=float
        ),
    ],
)
def test_takes_whatever_stands_for_a_matrix(make):
    A = gaussian(TALL.shape)
    found, expected = factorize(make(A), TALL), factorize(A, TALL)
    assert found.relative_error == pytest.approx(expected.relative_error)
    assert np.allclose(found.operator.toarray(), expected.operator.toarray())


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64"])
def test_integers_count_as_double_precision(dtype):
    A = scipy.linalg.hadamard(8).clip(0).astype(dtype)
    found = factorize(A, Chain.square_dyadic(8))
    assert found.operator.dtype == "float64"
    assert found.relative_error == pytest.approx(measured_error(found, A.astype(float)))


@pytest.mark.parametrize("permutation", [None, "bit-reversal", ("bit-reversal", None)])
def test_stays_in_its_namespace(permutation):
    A = gaussian(TALL.shape, 0, "complex64")
    found = factorize(array_api_strict.asarray(A), TALL, permutation=permutation)
    expected = factorize(A, TALL, permutation=permutation)
    assert found.relative_error == expected.relative_error
    assert found.split_errors == expected.split_errors
    x = array_api_strict.ones(TALL.shape[1], dtype=array_api_strict.complex64)
    y = found.operator @ x
    assert type(y) is type(x)
    assert np.allclose(np.asarray(y), expected.operator @ np.asarray(x))


def test_does_not_write_into_its_argument():
    A = gaussian(TALL.shape)
    before = A.copy()
    A.flags.writeable = False
    factorize(A, TALL, order="balanced", permutation=("bit-reversal", "bit-reversal"))
    assert np.array_equal(A, before)


def test_a_chain_may_be_given_as_tuples():
    A = gaussian((4, 4))
    found = factorize(A, [(1, 2, 2, 2), (2, 2, 2, 1)])
    assert found.chain == Chain.square_dyadic(4)
    assert isinstance(found.operator, LazyOperator)


# What is refused ----------------------------------------------------------------------------

EIGHT = Chain.square_dyadic(8)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((np.eye(6), EIGHT), {}, ValueError, r"shape \(8, 8\), A has shape \(6, 6\)"),
        ((np.ones(8), EIGHT), {}, ValueError, r"must be a matrix, .* shape \(8,\)"),
        ((np.ones((2, 8, 8)), EIGHT), {}, ValueError, "must be a matrix"),
        ((np.full((8, 8), np.nan), EIGHT), {}, ValueError, "NaN or infinite"),
        ((np.eye(8) * 1j + np.inf, EIGHT), {}, ValueError, "NaN or infinite"),
        ((np.eye(8, dtype="float16"), EIGHT), {}, TypeError, "got float16"),
        ((np.eye(8, dtype=object), EIGHT), {}, TypeError, "array of numbers"),
        (("eight", EIGHT), {}, TypeError, "array of numbers"),
        ((np.eye(8), []), {}, ValueError, "at least one pattern"),
        ((np.eye(8), [(1, 2, 2)]), {}, TypeError, "four integers"),
        ((np.eye(8), None), {}, ValueError, "one of a chain, tol and max_parameters"),
        ((np.eye(8), EIGHT), {"order": "middle"}, ValueError, "order must be .* 'middle'"),
        ((np.eye(8), EIGHT), {"order": (1, 1)}, ValueError, r"splits 1 to 2, got \(1, 1\)"),
        ((np.eye(8), EIGHT), {"order": (0, 1)}, ValueError, "order must be"),
        ((np.eye(8), EIGHT), {"order": [1.0, 2]}, TypeError, r"sequence of integers, .*\[1.0, 2\]"),
        ((np.eye(8), EIGHT), {"order": 2}, TypeError, "order must be a name or a sequence .* 2"),
        ((np.eye(8), EIGHT), {"permutation": "reverse"}, ValueError, "permutation must be"),
        ((np.eye(8), EIGHT), {"permutation": np.arange(8)}, ValueError, "permutation must be"),
        ((np.eye(8), EIGHT), {"permutation": Permutation([1, 0])}, ValueError, "of 2 .* 8 columns"),
        ((np.eye(8), EIGHT), {"permutation": (Permutation([0]), None)}, ValueError, "8 rows"),
        ((np.eye(8), EIGHT), {"permutation": (None,) * 3}, ValueError, r"pair .*, got 3"),
        (
            (np.eye(6), Chain.monarch(6)),
            {"permutation": "bit-reversal"},
            ValueError,
            "power of two",
        ),
        (
            (array_api_strict.eye(2), Chain.square_dyadic(2)),
            {"permutation": Permutation([1, 0])},
            TypeError,
            "array_api_strict",
        ),
    ],
)
def test_bad_input_is_named(arguments, options, error, message):
    with pytest.raises(error, match=message):
        factorize(*arguments, **options)


def test_a_chain_that_does_not_chain_names_its_first_bad_pair():
    chain = Chain([(1, 2, 2, 4), (2, 2, 2, 2), (1, 2, 2, 4)])
    with pytest.raises(ValueError, match=r"patterns 2 and 3 of the chain.*does not divide"):
        factorize(np.eye(8), chain)
    with pytest.raises(ValueError, match=r"patterns 1 and 2.*factorize A\.H with chain\.H"):
        factorize(np.eye(8), EIGHT.H)


@pytest.mark.parametrize(("dtype", "small"), [(np.complex64, 1e-20), (np.complex128, 1e-158)])
def test_complex_blocks_with_subnormal_squares(dtype, small):
    A = np.ones((8, 8), dtype) + 1j * np.eye(8)
    A[0::2] *= small
    A[1::2, :4] *= small
    found = factorize(A.astype(dtype), Chain.square_dyadic(8))
    dense = found.operator.toarray()
    error = np.linalg.norm(dense - A) / np.linalg.norm(A)
    assert error == pytest.approx(found.relative_error, rel=1e-5)
