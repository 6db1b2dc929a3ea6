import pickle
import sys

import array_api_strict
import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from chains import chains, dense, product, proper_chains, random_values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lazyop.factorization.refine as refinement
from lazyop.aslazy import aslazy
from lazyop.butterfly.chain import Chain
from lazyop.butterfly.kronecker_sparse import KroneckerSparse
from lazyop.butterfly.operator import Butterfly
from lazyop.factorization.factorize import factorize
from lazyop.factorization.refine import refine
from lazyop.structured.diagonal import Diagonal
from lazyop.structured.permutation import Permutation, bit_reversal

DYADIC = Chain.square_dyadic(16)
TALL = Chain.from_sizes((4, 4, 4), (2, 4, 4), ranks=(1, 2))
KINDS = st.sampled_from(["float64", "complex128"])


def gaussian(shape, seed=0, dtype="float64"):
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        matrix = matrix + 1j * rng.standard_normal(shape)
    return matrix.astype(dtype)


def butterfly(chain, seed=0, dtype="float64"):
    return Butterfly(random_values(chain, seed, dtype))


def palindrome(n, seed=0, dtype="float64"):
    """A butterfly times the adjoint of another."""
    chain = Chain.square_dyadic(n)
    return butterfly(chain, seed, dtype) @ butterfly(chain, seed + 1, dtype).H


def error(operator, A):
    return np.linalg.norm(A - operator.toarray()) / np.linalg.norm(A)


def least(A, factors, k):
    """The least error over factor `k`, by one dense least-squares problem in its entries."""
    head = product(factors[:k]) if k else np.eye(A.shape[0])
    tail = product(factors[k + 1 :]) if factors[k + 1 :] else np.eye(A.shape[1])
    columns = []
    for index in np.ndindex(factors[k].shape):
        unit = np.zeros(factors[k].shape)
        unit[index] = 1
        columns.append((head @ dense(unit) @ tail).ravel())
    M = np.stack(columns, axis=1)
    x = np.linalg.lstsq(M, A.ravel(), rcond=None)[0]
    return np.linalg.norm(A.ravel() - M @ x) / np.linalg.norm(A)


# What comes back ----------------------------------------------------------------------------


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(chains() | proper_chains(), st.integers(0, 99), KINDS, st.booleans())
def test_what_is_reported_is_what_is_true_and_no_worse(chain, seed, dtype, mirrored):
    A, F = gaussian(chain.shape, seed, dtype), butterfly(chain, seed, dtype)
    A, F = (A.conj().T, F.H) if mirrored else (A, F)
    found = refine(F, A, sweeps=2)
    assert found.operator.dtype == dtype
    assert found.relative_error == pytest.approx(error(found.operator, A), abs=1e-13)
    assert found.relative_error <= error(F, A) + 1e-12
    assert found.lower_bound <= found.relative_error + 1e-12
    assert found.operator.chain == found.chain
    assert found.chain.nnz <= chain.nnz
    merged = chain.merge()
    expected = factorize(A.conj().T if mirrored else A, merged).split_errors
    assert found.split_errors[:: -1 if mirrored else 1] == pytest.approx(expected)
    assert found.error_bound is None


@given(proper_chains(st.integers(1, 4)), st.integers(0, 99), KINDS, st.booleans())
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_the_factor_updated_last_is_best_among_the_others(chain, seed, dtype, mirrored):
    A, F = gaussian(chain.shape, seed, dtype), butterfly(chain, seed, dtype)
    A, F = (A.conj().T, F.H) if mirrored else (A, F)
    found = refine(F, A, sweeps=1)
    factors = [factor.values for factor in found.operator.factors]
    last = len(factors) - 1 if mirrored else 0
    assert found.relative_error == pytest.approx(least(A, factors, last), abs=1e-10)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_factors_that_do_not_chain_are_updated_to_the_best_as_well(dtype):
    A, F = gaussian((8, 8), 0, dtype), palindrome(8, 0, dtype)
    found = refine(F, A, sweeps=1)
    factors = [factor.values for factor in found.operator.factors]
    # The two in the middle are redundant neighbours.
    assert len(factors) == 5
    assert not found.chain.chainable
    assert found.split_errors == ()
    assert found.lower_bound == 0.0
    assert found.relative_error == pytest.approx(least(A, factors, 4), abs=1e-9)
    assert found.relative_error == pytest.approx(error(found.operator, A), abs=1e-13)
    assert found.relative_error < error(F, A)


@pytest.mark.parametrize(
    "F", [butterfly(DYADIC), butterfly(DYADIC).H, palindrome(16)], ids=["chain", "mirror", "both"]
)
def test_every_sweep_comes_closer(F):
    A = gaussian((16, 16), 5)
    errors = [error(F, A)] + [refine(F, A, sweeps).relative_error for sweeps in range(1, 7)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[1]


def test_refines_what_factorize_found():
    A = gaussian((64, 64))
    found = factorize(A, Chain.square_dyadic(64))
    better = refine(found, A)
    assert better.relative_error < 0.98 * found.relative_error
    assert better.lower_bound == pytest.approx(found.lower_bound)
    assert better.split_errors == pytest.approx(found.split_errors)


def test_a_sweep_can_be_repeated_until_nothing_is_gained():
    A = gaussian((16, 16))
    found = refine(butterfly(DYADIC), A, sweeps=2000)
    again = refine(found, A, sweeps=1)
    assert again.relative_error == pytest.approx(found.relative_error, rel=1e-5)
    factors = [factor.values for factor in found.operator.factors]
    for k in range(len(factors)):
        assert found.relative_error == pytest.approx(least(A, factors, k), rel=1e-4)


def test_stops_when_nothing_is_gained(monkeypatch):
    calls = []
    monkeypatch.setattr(refinement, "swept", lambda values, held, chain: calls.append(1) or held)
    refine(butterfly(DYADIC), gaussian((16, 16)), sweeps=9)
    assert len(calls) == 1


def test_stops_at_once_at_a_matrix_that_is_met(monkeypatch):
    monkeypatch.delattr(refinement, "swept")
    F = Butterfly([np.ones((1, 2, 2, 2)), np.ones((2, 2, 2, 1))])
    assert refine(F, F.toarray()).relative_error == 0.0


@pytest.mark.parametrize("chain", [Chain.square_dyadic(32), Chain.dyadic(32, rank=2), TALL])
def test_a_product_of_the_chain_is_found_from_a_random_start(chain):
    A = product(random_values(chain, 1, complex))
    assert refine(butterfly(chain, 2, complex), A).relative_error < 1e-13
    assert refine(butterfly(chain, 2, complex).H, A.conj().T).relative_error < 1e-13


def test_a_perturbed_palindrome_is_brought_back():
    F = palindrome(16)
    noise = [0.02 * gaussian(f.values.shape, i) for i, f in enumerate(F.operands[0].factors)]
    left = Butterfly([f.values + e for f, e in zip(F.operands[0].factors, noise, strict=True)])
    start = left @ F.operands[1]
    A = F.toarray()
    assert refine(start, A, sweeps=100).relative_error < 0.02 * error(start, A)


def test_entries_out_of_reach_bound_the_error():
    # The product is block-diagonal, and its chain does not chain either way.
    F = Butterfly([*random_values([(2, 2, 2, 2), (4, 2, 2, 1), (2, 2, 2, 2)])])
    A = F.toarray()
    A[0, 7] = 5.0
    found = refine(F, A)
    assert found.lower_bound == pytest.approx(5.0 / np.linalg.norm(A))
    assert found.relative_error == pytest.approx(found.lower_bound)


def test_pickles():
    A = gaussian((16, 16))
    found = refine(butterfly(DYADIC), A)
    again = pickle.loads(pickle.dumps(found))
    assert np.array_equal(again.operator.toarray(), found.operator.toarray())


# Sums ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("terms", [2, 3])
def test_a_sum_comes_closer_together(terms, mirrored):
    A = gaussian((16, 16), 1)
    start = factorize(A, DYADIC, terms=terms)
    F, M = (start.operator.H, A.T) if mirrored else (start, A)
    errors = [refine(F, M, sweeps).relative_error for sweeps in range(1, 5)]
    assert errors == sorted(errors, reverse=True)
    found = refine(F, M, 50)
    assert found.relative_error < 0.8 * start.relative_error
    assert found.relative_error == pytest.approx(error(found.operator, M), abs=1e-13)
    assert found.lower_bound == pytest.approx(start.lower_bound)
    assert found.split_errors[:: -1 if mirrored else 1] == pytest.approx(start.split_errors)
    assert len(found.operator.operands) == terms
    assert f"sum of {terms} products" in str(found)


def test_a_sum_of_palindromes():
    A = gaussian((8, 8))
    F = palindrome(8, 0) + palindrome(8, 5)
    found = refine(F, A, 5)
    assert found.relative_error < error(F, A)
    assert found.relative_error < refine(palindrome(8, 0), A, 5).relative_error
    assert found.split_errors == ()


def test_a_sum_with_permutations_around_it():
    A = gaussian((16, 16), 1)
    start = factorize(A, DYADIC, terms=2, permutation=("bit-reversal", "bit-reversal"))
    found = refine(start, A)
    assert found.relative_error < start.relative_error
    assert found.relative_error == pytest.approx(error(found.operator, A))
    assert np.array_equal(found.permutation[0].p, bit_reversal(16).p)


# What is taken ------------------------------------------------------------------------------


@pytest.mark.parametrize("sides", [(True, False), (False, True), (True, True)])
def test_permutations_at_the_ends_are_kept(sides):
    rng = np.random.default_rng(0)
    P, Q = (Permutation(rng.permutation(n)) for n in TALL.shape)
    F, A = butterfly(TALL, 1), butterfly(TALL, 2)
    if sides[0]:
        F, A = P @ F, P @ A
    if sides[1]:
        F, A = F @ Q, A @ Q
    found = refine(F, A)
    assert found.relative_error < 1e-13
    assert found.permutation == (P if sides[0] else None, Q if sides[1] else None)
    assert error(found.operator, A.toarray()) < 1e-13


def test_a_factorization_with_a_permutation():
    A = scipy.linalg.dft(16) + 0.1 * gaussian((16, 16))
    found = factorize(A, DYADIC, permutation="bit-reversal")
    better = refine(found, A)
    assert better.relative_error <= found.relative_error
    assert np.array_equal(better.permutation[1].p, bit_reversal(16).p)


def test_one_factor_is_the_matrix_on_its_support():
    A = gaussian((4, 4))
    F = KroneckerSparse(np.zeros((1, 4, 4, 1)))
    assert refine(F, A).relative_error == 0.0
    kept = refine(KroneckerSparse(np.zeros((2, 2, 2, 1))), A)
    assert np.allclose(kept.operator.toarray()[:2, :2], A[:2, :2])
    assert kept.relative_error == pytest.approx(kept.lower_bound)


@pytest.mark.parametrize("make", [lambda A: A.tolist(), aslazy, scipy.sparse.csr_array])
def test_takes_whatever_stands_for_a_matrix(make):
    A = gaussian((16, 16))
    found, expected = refine(butterfly(DYADIC), make(A)), refine(butterfly(DYADIC), A)
    assert found.relative_error == pytest.approx(expected.relative_error)


@pytest.mark.parametrize("F", [butterfly(DYADIC, 0, "float32"), palindrome(16, 0, "float32")])
@pytest.mark.parametrize(
    ("dtype", "wanted"), [("float32", "float32"), ("complex64", "complex64"), ("int8", "float64")]
)
def test_the_wider_dtype_of_the_two(F, dtype, wanted):
    A = (4 * gaussian((16, 16), 0, "complex64" if dtype == "complex64" else "float64")).astype(
        dtype
    )
    found = refine(F, A, sweeps=3)
    assert found.operator.dtype == wanted
    assert found.relative_error == pytest.approx(error(found.operator, A), rel=1e-4)
    assert found.relative_error < error(F, A)


@pytest.mark.parametrize("F", [butterfly(DYADIC), palindrome(16)])
@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_scale_does_not_matter(F, scale):
    A = gaussian((16, 16))
    first, *others = [f for part in getattr(F, "operands", (F,)) for f in part.factors]
    scaled = Butterfly([first.values * scale, *others])
    found, plain = refine(scaled, A * scale, sweeps=3), refine(F, A, sweeps=3)
    assert found.relative_error == pytest.approx(plain.relative_error, rel=1e-6)


@pytest.mark.parametrize("scale", [1e-100, 1e100])
def test_starts_out_of_all_proportion(scale):
    A, F = gaussian((16, 16)), butterfly(DYADIC)
    wild = Butterfly([factor.values * scale for factor in F.factors[:3]] + [F.factors[3]])
    plain = refine(F, A, sweeps=3)
    assert refine(wild, A, sweeps=3).relative_error == pytest.approx(plain.relative_error)
    tiny = refine(F, np.full((16, 16), np.finfo(float).smallest_subnormal))
    assert tiny.relative_error < 1e-12


@pytest.mark.parametrize("coefficient", [2, -0.5, 1 + 2j])
def test_coefficients_count(coefficient):
    F, G = butterfly(DYADIC), butterfly(DYADIC, 1)
    P = bit_reversal(16)
    for operator in (
        coefficient * F,
        coefficient * (P @ F @ P),
        coefficient * palindrome(16),
        coefficient * (F + 3 * G),
    ):
        found = refine(operator, operator.toarray(), sweeps=1)
        assert found.relative_error < 1e-14
        assert found.operator.dtype == operator.dtype


@pytest.mark.parametrize("F", [butterfly(DYADIC), butterfly(DYADIC).H, palindrome(16)])
def test_zero_is_found(F):
    found = refine(F, np.zeros((16, 16)))
    assert found.relative_error <= 1e-12
    assert np.abs(found.operator.toarray()).max() < 1e-12


@pytest.mark.parametrize("F", [butterfly(DYADIC), butterfly(DYADIC).H, palindrome(16)])
def test_stays_in_its_namespace(F):
    A = gaussian((16, 16))
    found = refine(F.to("array_api_strict"), array_api_strict.asarray(A), sweeps=2)
    assert found.relative_error == pytest.approx(refine(F, A, sweeps=2).relative_error)
    x = array_api_strict.ones(16, dtype=array_api_strict.float64)
    assert type(found.operator @ x) is type(x)


# Interruption and progress ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("F", "name"), [(butterfly(DYADIC), "swept"), (palindrome(16), "jointly_swept")]
)
def test_an_interruption_leaves_the_arguments_as_they_were(F, name, monkeypatch):
    A = gaussian((16, 16))
    before, matrix = F.toarray(), A.copy()
    original, calls = getattr(refinement, name), []

    def interrupted(*arguments):
        calls.append(1)
        found = original(*arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(refinement, name, interrupted)
    with pytest.raises(KeyboardInterrupt):
        refine(F, A)
    assert np.array_equal(F.toarray(), before)
    assert np.array_equal(A, matrix)


def test_progress_is_shown_on_request_alone(capsys):
    pytest.importorskip("tqdm")
    A = gaussian((16, 16))
    refine(butterfly(DYADIC), A, sweeps=3)
    assert capsys.readouterr().err == ""
    refine(butterfly(DYADIC), A, sweeps=3, progress=True)
    assert "sweeps" in capsys.readouterr().err


def test_progress_without_tqdm_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(ImportError, match=r"lazyop\[progress\]"):
        refine(butterfly(DYADIC), gaussian((16, 16)), progress=True)


# What is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("F", "A", "options", "exception", "message"),
    [
        (butterfly(DYADIC), np.eye(8), {}, ValueError, r"\(16, 16\), A has shape \(8, 8\)"),
        (butterfly(DYADIC), np.full((16, 16), np.inf), {}, ValueError, "NaN or infinite"),
        (KroneckerSparse([[[[np.nan]]]]), [[1.0]], {}, ValueError, "F holds NaN or infinite"),
        (butterfly(DYADIC), np.eye(16), {"sweeps": 0}, ValueError, "sweeps must be a positive"),
        (butterfly(DYADIC), np.eye(16), {"sweeps": 2.0}, TypeError, "sweeps must be a positive"),
        (butterfly(DYADIC), np.eye(16, dtype="float16"), {}, TypeError, "got float16"),
        (Diagonal(np.ones(16)), np.eye(16), {}, TypeError, "got Diagonal"),
        (bit_reversal(16), np.eye(16), {}, TypeError, "got Permutation"),
        (np.eye(16), np.eye(16), {}, TypeError, "got ndarray"),
        (
            butterfly(DYADIC) @ bit_reversal(16) @ butterfly(DYADIC),
            np.eye(16),
            {},
            TypeError,
            "a product with Permutation",
        ),
        (
            butterfly(DYADIC) + butterfly(Chain.monarch(16)),
            np.eye(16),
            {},
            ValueError,
            "terms of F must have one chain",
        ),
        (butterfly(DYADIC) + bit_reversal(16), np.eye(16), {}, TypeError, "got Permutation"),
        (butterfly(DYADIC), array_api_strict.eye(16), {}, TypeError, "array_api_strict"),
        (Butterfly(random_values(DYADIC, 0, "longdouble")), np.eye(16), {}, TypeError, "precision"),
    ],
)
def test_bad_input_is_named(F, A, options, exception, message):
    with pytest.raises(exception, match=message):
        refine(F, A, **options)
