"""Factors with given supports: the best ones where that is claimed, and honest words elsewhere."""

import pickle
from functools import reduce
from operator import matmul

import numpy as np
import pytest
import scipy.sparse
from numpy.linalg import norm
from scipy.optimize import minimize

import lazyop as lo
from lazyop.fixed_support import factorize
from lazyop.fixed_support.pieces import taken_apart
from lazyop.fixed_support.supports import as_supports, rank_one_classes

DTYPES = "float32", "float64", "complex64", "complex128"


def gaussian(rng, *shape, dtype="float64"):
    x = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def supports_of(chain):
    return [lo.KroneckerSparse(np.ones(tuple(p))).tosparse() for p in chain]


def random_supports(rng):
    """Supports of a few rows, columns and latent indices, solvable or not."""
    while True:
        m, n, r = rng.integers(1, 6), rng.integers(1, 6), rng.integers(1, 5)
        density = rng.choice([0.3, 0.5, 0.7])
        I, J = rng.random((m, r)) < density, rng.random((r, n)) < density
        if (I.astype(int) @ J).any():
            return I, J


def pieces_of(I, J):
    return taken_apart(rank_one_classes(*as_supports((I, J))))


def solvable_supports(rng, overlapping):
    """Supports whose problem falls apart, with overlapping rectangles or without."""
    while True:
        I, J = random_supports(rng)
        pieces = pieces_of(I, J)
        if pieces.solvable and pieces.disjoint != overlapping:
            return I, J


def objective(A, X, Y, ridge):
    return norm(A - X @ Y) ** 2 + ridge * (norm(X) ** 2 + norm(Y) ** 2)


def descended(A, I, J, ridge, rng):
    """What a quasi-Newton method reaches from two random starts."""
    left, right = np.nonzero(I), np.nonzero(J)
    k = len(left[0])

    def value(v):
        X, Y = np.zeros(I.shape), np.zeros(J.shape)
        X[left], Y[right] = v[:k], v[k:]
        D = X @ Y - A
        gradient = np.concatenate([(D @ Y.T)[left], (X.T @ D)[right]]) + ridge * v
        return (D**2).sum() + ridge * (v @ v), 2 * gradient

    starts = [rng.standard_normal(k + len(right[0])) for _ in range(2)]
    options = {"ftol": 1e-13, "gtol": 1e-8}
    found = (minimize(value, v, jac=True, method="L-BFGS-B", options=options) for v in starts)
    return min(result.fun for result in found)


@pytest.mark.parametrize("ridge", [0.0, 0.4])
@pytest.mark.parametrize("overlapping", [False, True])
def test_a_claimed_optimum_is_what_an_independent_method_reaches(overlapping, ridge):
    rng = np.random.default_rng(3 + overlapping)
    for _ in range(50):
        I, J = solvable_supports(rng, overlapping)
        A = rng.standard_normal((len(I), J.shape[1]))
        found = factorize(A, I, J, regularization=ridge, starts=1, sweeps=1)
        assert found.optimal is (None if overlapping and ridge else True)
        X, Y = (factor.toarray() for factor in found.factors)
        assert not X[~I].any()
        assert not Y[~J].any()
        reached = descended(A, I, J, ridge, rng)
        if found.optimal:
            assert objective(A, X, Y, ridge) == pytest.approx(reached, rel=1e-5, abs=1e-6)
        else:
            assert objective(A, X, Y, ridge) >= reached * (1 - 1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_full_supports_give_the_truncated_decomposition(dtype):
    A = gaussian(np.random.default_rng(0), 7, 9, dtype=dtype)
    found = factorize(A, np.ones((7, 3)), np.ones((3, 9)))
    s = np.linalg.svd(A, compute_uv=False)
    tol = 1e-5 if np.finfo(dtype).bits == 32 else 1e-12
    assert found.relative_error == pytest.approx(norm(s[3:]) / norm(s), rel=tol)
    assert found.optimal is True
    assert found.operator.dtype == A.dtype
    X, Y = found.factors
    assert X.dtype == Y.dtype == A.dtype
    assert norm(A - found.operator.toarray()) / norm(A) == pytest.approx(found.relative_error)


def test_a_ridge_shrinks_singular_values():
    A = gaussian(np.random.default_rng(1), 6, 5)
    found = factorize(A, np.ones((6, 3)), np.ones((3, 5)), regularization=0.5)
    U, s, Vh = np.linalg.svd(A, full_matrices=False)
    expected = U[:, :3] * np.maximum(s[:3] - 0.5, 0) @ Vh[:3]
    np.testing.assert_allclose(found.operator.toarray(), expected, atol=1e-12)
    X, Y = (factor.toarray() for factor in found.factors)
    np.testing.assert_allclose(norm(X, axis=0), norm(Y, axis=1))


@pytest.mark.parametrize("exponent", [-300, -3, 500])
def test_the_ridge_scales_with_the_matrix(exponent):
    A, scale = gaussian(np.random.default_rng(1), 4, 4), 2.0**exponent
    I = np.ones((4, 2))
    plain = factorize(A, I, I.T, regularization=0.5)
    scaled = factorize(scale * A, I, I.T, regularization=scale * 0.5)
    assert scaled.relative_error == pytest.approx(plain.relative_error)
    assert norm(scaled.operator.toarray() / scale - plain.operator.toarray()) < 1e-12


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "chain", [lo.Chain.square_dyadic(16), lo.Chain.dyadic((16, 32), rank=2), lo.Chain.monarch(16)]
)
def test_butterfly_supports_give_the_hierarchical_algorithm(chain, dtype):
    A = gaussian(np.random.default_rng(2), *chain.shape, dtype=dtype)
    found, expected = factorize(A, *supports_of(chain)), lo.factorize(A, chain)
    tol = 1e-4 if np.finfo(dtype).bits == 32 else 1e-11
    # Not by toarray, which compiles kernels.
    product = reduce(matmul, [factor.tosparse() for factor in expected.operator.factors])
    assert norm(found.operator.toarray() - product.toarray()) <= tol * norm(A)
    assert found.relative_error == pytest.approx(expected.relative_error, rel=tol)
    assert len(found.factors) == len(chain)
    for factor, support in zip(found.factors, supports_of(chain), strict=True):
        assert not factor.toarray()[support.toarray() == 0].any()


def test_an_exact_butterfly_is_known_to_be_optimal():
    H = scipy.linalg.hadamard(32)
    found = factorize(H, *supports_of(lo.Chain.square_dyadic(32)))
    assert found.optimal is True
    assert found.relative_error < 1e-14
    noisy = H + gaussian(np.random.default_rng(0), 32, 32)
    assert factorize(noisy, *supports_of(lo.Chain.square_dyadic(32))).optimal is None


def test_overlap_is_never_called_optimal_by_itself():
    rng = np.random.default_rng(4)
    hard = 0
    while hard < 15:
        I, J = random_supports(rng)
        if pieces_of(I, J).solvable:
            continue
        hard += 1
        A = rng.standard_normal((len(I), J.shape[1]))
        found = factorize(A, I, J, starts=1, sweeps=2)
        assert found.optimal is None
        assert "overlap" in found.reason


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1, 3])
def test_a_matrix_that_needs_no_pivots_is_eliminated(size, dtype):
    L = np.kron(np.tri(4), np.ones((size, size)))
    A = gaussian(np.random.default_rng(5), *L.shape, dtype=dtype) + 8 * np.eye(len(L), dtype=dtype)
    found = factorize(A, L, L.T)
    tol = 1e-5 if np.finfo(dtype).bits == 32 else 1e-13
    assert found.relative_error < tol
    assert found.optimal is None
    assert "diagnose" in found.reason
    assert found.operator.dtype == A.dtype
    X, Y = (factor.toarray() for factor in found.factors)
    assert norm(A - X @ Y) < tol * norm(A)
    assert not X[L == 0].any()
    assert not Y[L.T == 0].any()


@pytest.mark.parametrize("dtype", ["float64", "complex64"])
def test_alternating_least_squares_recover_an_exact_product(dtype):
    rng = np.random.default_rng(6)
    I, J = rng.random((12, 8)) < 0.4, rng.random((8, 12)) < 0.4
    A = (gaussian(rng, 12, 8, dtype=dtype) * I) @ (gaussian(rng, 8, 12, dtype=dtype) * J)
    found = factorize(A, I, J)
    assert found.relative_error < (1e-4 if dtype == "complex64" else 1e-6)
    assert found.optimal is None


def test_a_matrix_without_best_factors_needs_regularization():
    A, L = np.eye(2)[::-1], np.tri(2)
    free = factorize(A, L, L.T)
    ridged = factorize(A, L, L.T, regularization=0.01, sweeps=300)
    assert free.relative_error < 0.1
    assert max(abs(X.toarray()).max() for X in free.factors) > 3
    X, Y = (factor.toarray() for factor in ridged.factors)
    reached = descended(A, L > 0, L.T > 0, 0.01, np.random.default_rng(0))
    assert objective(A, X, Y, 0.01) == pytest.approx(reached, rel=1e-4)


def test_more_starts_are_no_worse_and_more_sweeps_better():
    rng = np.random.default_rng(6)
    I, J = rng.random((9, 6)) < 0.5, rng.random((6, 9)) < 0.5
    A = gaussian(rng, 9, 9)
    errors = [
        factorize(A, I, J, starts=starts, sweeps=sweeps).relative_error
        for starts, sweeps in [(1, 1), (1, 30), (2, 30), (4, 30)]
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[1] < 0.99 * errors[0]
    assert errors[3] < errors[1]


@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
@pytest.mark.parametrize("overlapping", [False, True])
def test_sparse_and_dense_storage_agree(form, overlapping):
    rng = np.random.default_rng(7)
    for _ in range(10):
        I, J = solvable_supports(rng, overlapping)
        A = gaussian(rng, len(I), J.shape[1]) * (rng.random((len(I), J.shape[1])) < 0.6)
        dense = factorize(A, I, J)
        held = scipy.sparse.coo_array(A).asformat(form)
        sparse = factorize(held, scipy.sparse.csc_array(I), scipy.sparse.coo_array(J))
        np.testing.assert_allclose(sparse.operator.toarray(), dense.operator.toarray(), atol=1e-12)
        assert sparse.relative_error == pytest.approx(dense.relative_error, abs=1e-14)
        by_operator = factorize(lo.aslazy(held), I, J)
        assert norm(by_operator.operator.toarray() - dense.operator.toarray()) < 1e-12


def test_a_large_sparse_matrix_stays_sparse():
    count, size = 4000, 5
    n = count * size
    rng = np.random.default_rng(8)
    blocks = rng.standard_normal((count, size, size))
    A = scipy.sparse.block_diag(
        [scipy.sparse.coo_array(block) for block in blocks], format="csr"
    ) + scipy.sparse.eye_array(n, k=n // 2)
    I = scipy.sparse.kron(scipy.sparse.eye_array(count), np.ones((size, 2)))
    found = factorize(A, I, I.T)
    tails = np.linalg.svd(blocks, compute_uv=False)[:, 2:]
    expected = np.sqrt((tails**2).sum() + n // 2) / scipy.sparse.linalg.norm(A)
    assert found.relative_error == pytest.approx(expected, rel=1e-12)
    assert found.optimal is True
    assert found.factors[0].tosparse().nnz == I.nnz


def test_a_large_block_is_decomposed_from_its_entries(monkeypatch):
    rng = np.random.default_rng(9)
    A = scipy.sparse.csr_array(gaussian(rng, 90, 70) * (rng.random((90, 70)) < 0.2))
    U = np.ones((90, 4)), np.ones((4, 70))
    expected = factorize(A.toarray(), *U)
    monkeypatch.setattr("lazyop.fixed_support.blockwise._ALONE", 1)
    compressed = factorize(A, *U)
    monkeypatch.setattr("lazyop.fixed_support.blockwise._LARGEST", 1)
    monkeypatch.setattr("lazyop.fixed_support.residual._MOST_WORK", 1)
    for found in (compressed, factorize(A, *U), factorize(A.astype(complex), *U)):
        assert found.optimal is True
        assert found.relative_error == pytest.approx(expected.relative_error, rel=1e-12)
        difference = found.operator.toarray() - expected.operator.toarray()
        assert norm(difference) < 1e-10
    shrunk = factorize(A, *U, regularization=0.3).operator.toarray()
    expected = factorize(A.toarray(), *U, regularization=0.3).operator.toarray()
    np.testing.assert_allclose(shrunk, expected, atol=1e-10)


def test_equal_singular_values_are_all_found(monkeypatch):
    monkeypatch.setattr("lazyop.fixed_support.blockwise._ALONE", 1)
    monkeypatch.setattr("lazyop.fixed_support.blockwise._LARGEST", 1)
    d = np.repeat([3.0, 2.0, 1.0], [3, 4, 33])
    found = factorize(scipy.sparse.diags_array(d), np.ones((40, 6)), np.ones((6, 40)))
    assert found.optimal is True
    assert found.relative_error == pytest.approx(norm([2.0, *np.ones(33)]) / norm(d), rel=1e-12)


def test_iterations_that_do_not_converge_prove_nothing(monkeypatch):
    def failing(*args, **options):
        raise scipy.sparse.linalg.ArpackError(-9999)

    monkeypatch.setattr("lazyop.fixed_support.blockwise._ALONE", 1)
    monkeypatch.setattr("lazyop.fixed_support.blockwise._LARGEST", 1)
    monkeypatch.setattr("lazyop.fixed_support.iterative.svds", failing)
    d = np.repeat([3.0, 1.0], [3, 37])
    found = factorize(scipy.sparse.diags_array(d), np.ones((40, 3)), np.ones((3, 40)))
    assert found.optimal is None
    assert "did not converge" in found.reason
    assert found.relative_error == pytest.approx(norm(np.ones(37)) / norm(d), rel=1e-6)


def test_zero_matrices_and_rows_without_entries():
    I, J = np.ones((3, 2)), np.array([[1, 0], [1, 0]])
    for A in (np.zeros((3, 2)), scipy.sparse.csr_array((3, 2))):
        found = factorize(A, I, J)
        assert (found.relative_error, found.optimal) == (0.0, True)
        assert found.operator.toarray().shape == (3, 2)
    found = factorize(np.ones((3, 2)), I, J)
    assert found.relative_error == pytest.approx(np.sqrt(0.5))


def test_integers_and_lists_count_as_double_precision():
    found = factorize([[1, 2], [3, 4]], [[1, 0], [0, 1]], [[True, True], [True, True]])
    assert found.operator.dtype == np.float64
    np.testing.assert_allclose(found.operator.toarray(), [[1, 2], [3, 4]])


@pytest.mark.parametrize("dtype", [">f4", ">c16"])
def test_other_byte_orders_count_as_the_native_one(dtype):
    A = gaussian(np.random.default_rng(8), 4, 4, dtype=dtype)
    supports = np.kron(np.eye(2), np.ones((2, 1))), np.ones((2, 4))
    found = factorize(A, *supports)
    native = factorize(A.astype(A.dtype.newbyteorder("=")), *supports)
    assert found.operator.dtype == native.operator.dtype
    assert found.relative_error == native.relative_error


@pytest.mark.parametrize(("dtype", "small"), [("float32", 1e-25), ("float64", 1e-170)])
def test_least_squares_in_rows_whose_squares_are_zero(dtype, small):
    I = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1], [1, 0, 1]])
    A = gaussian(np.random.default_rng(0), 4, 4, dtype=dtype)
    A[0] *= small
    A[:, 0] *= small
    found = factorize(A, I, I.T)
    error = np.linalg.norm(A - found.operator.toarray()) / np.linalg.norm(A)
    assert error == pytest.approx(found.relative_error, rel=1e-3, abs=float(np.finfo(dtype).eps))


def test_the_result_prints_pickles_and_saves(tmp_path):
    A = gaussian(np.random.default_rng(0), 4, 4)
    I = np.kron(np.eye(2), np.ones((2, 1)))
    found = factorize(A, I, I.T)
    assert "4 x 4 matrix into 2 factors" in repr(found)
    assert "optimal         yes" in repr(found)
    again = pickle.loads(pickle.dumps(found))
    lo.save(tmp_path / "F", found.operator)
    for operator in (again.operator, lo.load(tmp_path / "F")):
        np.testing.assert_array_equal(operator.toarray(), found.operator.toarray())


def test_nothing_passed_in_is_changed():
    A, I = gaussian(np.random.default_rng(0), 4, 4), np.kron(np.eye(2), np.ones((2, 1)))
    J = scipy.sparse.csr_array(I.T)
    before = A.copy(), I.copy(), J.copy()
    factorize(A, I, J)
    factorize(scipy.sparse.csr_array(A), I, J)
    np.testing.assert_array_equal(A, before[0])
    np.testing.assert_array_equal(I, before[1])
    assert (before[2] != J).nnz == 0


ONES = np.ones((3, 2)), np.ones((2, 4))
A = np.ones((3, 4))
NAN = np.where(np.eye(3, 4) > 0, np.nan, 1.0)
BAD = {
    "shape of A": (lambda: factorize(np.ones((3, 5)), *ONES), ValueError, r"\(3, 4\).*\(3, 5\)"),
    "inner sizes": (
        lambda: factorize(A, np.ones((3, 3)), ONES[1]),
        ValueError,
        "I has 3 columns.*J has 2 rows",
    ),
    "third support": (
        lambda: factorize(A, *ONES, np.ones((3, 4))),
        ValueError,
        "support 2 has 4 columns, support 3 has 3 rows",
    ),
    "vector": (lambda: factorize(A, np.ones(3), ONES[1]), ValueError, r"I must be a matrix.*\(3,"),
    "empty support": (lambda: factorize(A, 0 * ONES[0], ONES[1]), ValueError, "I is empty"),
    "no latents": (
        lambda: factorize(A, np.ones((3, 0)), np.ones((0, 4))),
        ValueError,
        r"I is empty: of shape \(3, 0\)",
    ),
    "empty product": (
        lambda: factorize(np.ones((1, 1)), [[1, 0]], [[0], [1]]),
        ValueError,
        "allow no entry of the product",
    ),
    "NaN in a support": (
        lambda: factorize(np.ones((3, 4)), NAN, np.ones((4, 4))),
        ValueError,
        "I holds NaN",
    ),
    "NaN": (lambda: factorize(NAN, *ONES), ValueError, "A holds NaN"),
    "sparse NaN": (
        lambda: factorize(scipy.sparse.csr_array(NAN), *ONES),
        ValueError,
        "A holds NaN",
    ),
    "infinite": (lambda: factorize(A * np.inf, *ONES), ValueError, "infinite"),
    "no entries": (lambda: factorize(np.ones((0, 4)), *ONES), ValueError, "no entries"),
    "no entries, sparse": (
        lambda: factorize(scipy.sparse.csr_array((0, 4)), *ONES),
        ValueError,
        "no entries",
    ),
    "strings": (lambda: factorize(A, [["a"]], ONES[1]), TypeError, "array of numbers"),
    "half": (lambda: factorize(A.astype("float16"), *ONES), TypeError, "precision"),
    "negative": (lambda: factorize(A, *ONES, regularization=-1), ValueError, "not negative"),
    "not a number": (lambda: factorize(A, *ONES, regularization="1"), TypeError, "real number"),
    "infinite weight": (
        lambda: factorize(A, *ONES, regularization=np.inf),
        ValueError,
        "finite",
    ),
    "three with a ridge": (
        lambda: factorize(A, *ONES, np.ones((4, 4)), regularization=1),
        ValueError,
        "takes two factors, got 3",
    ),
    "starts": (lambda: factorize(A, *ONES, starts=0), ValueError, "starts"),
    "sweeps": (lambda: factorize(A, *ONES, sweeps=1.5), TypeError, "sweeps"),
    "hard step": (
        lambda: factorize(np.ones((3, 3)), np.tri(3), np.tri(3).T, np.eye(3)),
        ValueError,
        "splits off factor 1 is not solved exactly",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_at_the_door(name):
    call, error, words = BAD[name]
    with pytest.raises(error, match=words):
        call()


def test_other_namespaces_are_named():
    xp = pytest.importorskip("array_api_strict")
    with pytest.raises(TypeError, match="A is in array_api_strict"):
        factorize(xp.ones((3, 4)), *ONES)
    with pytest.raises(TypeError, match="A is in array_api_strict"):
        factorize(lo.aslazy(xp.ones((3, 4))), *ONES)
    with pytest.raises(TypeError, match="the support J is in array_api_strict"):
        factorize(A, ONES[0], xp.ones((2, 4)))


def test_operators_become_dense_as_they_can():
    D = gaussian(np.random.default_rng(0), 3, 4)
    forward = scipy.sparse.linalg.LinearOperator(D.shape, matvec=lambda x: D @ x, dtype=D.dtype)
    expected = factorize(D, *ONES).operator.toarray()
    for A in (forward, scipy.sparse.linalg.aslinearoperator(D)):
        np.testing.assert_allclose(factorize(A, *ONES).operator.toarray(), expected, atol=1e-14)


def test_progress_bars(capfd):
    pytest.importorskip("tqdm")
    L = np.tri(3)
    factorize(np.eye(3)[::-1], L, L.T, starts=2, sweeps=3, progress=True)
    shown = capfd.readouterr().err
    assert "start 1 of 2" in shown
    assert "start 2 of 2" in shown
