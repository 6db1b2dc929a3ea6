"""Compressive sensing with operators in the solvers of other libraries, on seeded problems.

A quarter or half of the rows of a fast transform see a vector with few entries.
"""

import numpy as np
import pytest
import scipy.linalg
from scipy.sparse.linalg import lsqr

import lazyop as lo

N, SEEN, SPARSITY = 128, 64, 6


def hadamard(n):
    block = np.array([[1.0, 1.0], [1.0, -1.0]])[None, :, :, None] / np.sqrt(2)
    return lo.Butterfly([np.broadcast_to(block, tuple(p)) for p in lo.Chain.square_dyadic(n)])


def fourier(n):
    factors = []
    for a, _, _, d in lo.Chain.square_dyadic(n):
        twiddles = np.exp(-1j * np.pi * np.arange(d) / d)
        pair = np.array([[np.ones(d), twiddles], [np.ones(d), -twiddles]]) / np.sqrt(2)
        factors.append(np.broadcast_to(pair, (a, 2, 2, d)))
    return lo.Butterfly(factors) @ lo.bit_reversal(n)


def problem(dtype):
    """An operator, its dense matrix, a sparse vector, and what the operator sees of it."""
    rng = np.random.default_rng(0)
    whole = (fourier if np.dtype(dtype).kind == "c" else hadamard)(N)
    rows = np.sort(rng.permutation(N)[:SEEN])
    x = np.zeros(N, dtype)
    x[rng.permutation(N)[:SPARSITY]] = rng.choice([-1, 1], SPARSITY) * rng.uniform(1, 2, SPARSITY)
    A, dense = whole[rows], whole.toarray()[rows].astype(dtype)
    return A, dense, x, dense @ x


def distance(x, y):
    return np.linalg.norm(x - y) / np.linalg.norm(y)


SOLVERS = {
    "ista": lambda s, A, y: s.ista(A, y, niter=300, eps=0.01, tol=0, alpha=1.0),
    "ista, hard": lambda s, A, y: s.ista(A, y, niter=100, eps=0.1, alpha=1.0, threshkind="hard"),
    "fista": lambda s, A, y: s.fista(A, y, niter=150, eps=2e-3, tol=0, alpha=1.0),
    "omp": lambda s, A, y: s.omp(A, y, niter_outer=SPARSITY, niter_inner=50, sigma=1e-9),
    "spgl1": lambda s, A, y: s.spgl1(A, y, sigma=1e-4, iter_lim=300),
    "irls": lambda s, A, y: s.irls(A, y, nouter=20, kind="model", epsI=1e-8),
}


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("name", SOLVERS)
def test_pylops_recovers_a_sparse_vector(name, dtype):
    pylops = pytest.importorskip("pylops", reason="needs PyLops, of the extra lazyop[test]")
    if name == "spgl1":
        pytest.importorskip("spgl1", reason="needs spgl1, of the extra lazyop[test]")
        if not hasattr(np.isreal(object()), "all"):
            pytest.skip("spgl1 takes no operators with this NumPy, whose isreal gives them a bool")
    from pylops.optimization import sparsity

    A, dense, x, y = problem(dtype)
    found = SOLVERS[name](sparsity, pylops.aslinearoperator(A), y)[0]
    assert found.dtype == dtype
    assert distance(found, x) < 7e-3
    assert set(np.flatnonzero(np.abs(found) > 0.1)) == set(np.flatnonzero(x))
    by_dense = SOLVERS[name](sparsity, pylops.MatrixMult(dense, dtype=dtype), y)[0]
    assert distance(found, by_dense) < 1e-6


def test_fista_finds_the_lasso():
    """By its conditions: the residual correlates with what is there as it may, and no more."""
    pylops = pytest.importorskip("pylops", reason="needs PyLops, of the extra lazyop[test]")
    A, _, _, y = problem(float)
    y = y + 0.01 * np.random.default_rng(1).standard_normal(SEEN)
    weight = 0.05
    fista = pylops.optimization.sparsity.fista
    found = fista(pylops.aslinearoperator(A), y, niter=400, eps=2 * weight, tol=0, alpha=1.0)[0]
    correlation = A.H @ (y - A @ found)
    there = np.abs(found) > 1e-9
    np.testing.assert_allclose(correlation[there], weight * np.sign(found[there]), atol=1e-6)
    assert np.max(np.abs(correlation)) <= weight * (1 + 1e-4)


def test_single_precision_stays_in_pylops():
    pylops = pytest.importorskip("pylops", reason="needs PyLops, of the extra lazyop[test]")
    _, dense, x, y = problem("float32")
    wrapped = pylops.aslinearoperator(lo.aslazy(dense))
    assert wrapped.dtype == (wrapped @ x).dtype == (wrapped.H @ y).dtype == np.float32
    found = pylops.optimization.sparsity.fista(wrapped, y, niter=150, eps=2e-3, tol=0, alpha=1.0)[0]
    assert found.dtype == np.float32
    assert distance(found, x) < 3e-3


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_ridge_by_damped_least_squares(dtype):
    A, dense, _, y = problem(dtype)
    damp = 0.3
    found = lsqr(A, y, damp=damp, atol=1e-14, btol=1e-14)[0]
    normal = dense.conj().T @ dense + damp**2 * np.eye(N)
    np.testing.assert_allclose(found, scipy.linalg.solve(normal, dense.conj().T @ y), atol=1e-10)


def test_scikit_learn_by_gram_matrices():
    """Its pursuit and its lasso path need of an operator the Gram matrix, and one product."""
    linear_model = pytest.importorskip(
        "sklearn.linear_model", reason="needs scikit-learn, of the extra lazyop[test]"
    )
    A, dense, x, y = problem(float)
    gram, seen = A.N.toarray(), A.H @ y
    greedy = linear_model.orthogonal_mp_gram(gram, seen, n_nonzero_coefs=SPARSITY)
    assert distance(greedy, x) < 1e-10
    _, _, path = linear_model.lars_path_gram(seen, gram, n_samples=1, alpha_min=1e-3)
    _, _, by_dense = linear_model.lars_path(dense, y, Gram=gram, alpha_min=1e-3 / SEEN)
    assert distance(path[:, -1], x) < 3e-3
    np.testing.assert_allclose(path, by_dense, atol=1e-9)


def test_scikit_learn_in_a_pipeline():
    """Features that an operator makes of samples."""
    preprocessing = pytest.importorskip(
        "sklearn.preprocessing", reason="needs scikit-learn, of the extra lazyop[test]"
    )
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline

    A, dense, _, _ = problem(float)
    samples = np.random.default_rng(2).standard_normal((200, N))
    target = samples @ dense[3]
    features = preprocessing.FunctionTransformer(A.T.__rmatmul__)
    model = make_pipeline(features, Ridge(alpha=1e-8)).fit(samples, target)
    np.testing.assert_allclose(model.predict(samples), target, atol=1e-5)
    assert model[-1].coef_[3] == pytest.approx(1.0, abs=1e-5)
