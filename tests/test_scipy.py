"""SciPy takes lazyop operators as they are, and arithmetic gives lazyop operators back."""

import warnings

import numpy as np
import pytest
import scipy.linalg
import scipy.linalg.interpolative as interpolative
import scipy.optimize
import scipy.sparse
import scipy.sparse.linalg as sla
from chains import product, random_values
from market import random

import lazyop as lo

N = 16


def near_identity(dtype, n, seed):
    """A matrix with eigenvalues around 3, far from normal."""
    return (3 * np.eye(n) + random(dtype, n, n, seed=seed) / (2 * np.sqrt(n))).astype(dtype)


def butterfly(dtype):
    values = random_values(lo.Chain.square_dyadic(N), dtype=dtype)
    F = product(values)
    D = np.eye(N) + F / (4 * np.linalg.norm(F, 2))
    return lo.Identity(N, dtype) + lo.Butterfly(values) / (4 * np.linalg.norm(F, 2)), D


def kron(dtype):
    A, B = near_identity(dtype, 4, 1), near_identity(dtype, 4, 2)
    return lo.Kron(A, B), np.kron(A, B)


def kron_sum(dtype):
    A, B = near_identity(dtype, 2, 1), near_identity(dtype, 8, 2)
    return lo.KronSum(A, B), np.kron(A, np.eye(8)) + np.kron(np.eye(2), B)


def block_diagonal(dtype):
    A, B = near_identity(dtype, 6, 1), near_identity(dtype, 10, 2)
    return lo.BlockDiagonal([A, B]), scipy.linalg.block_diag(A, B)


def low_rank_and_diagonal(dtype):
    U, V = random(dtype, N, 2, seed=1) / 4, random(dtype, N, 2, seed=2) / 4
    d = np.linspace(2, 4, N).astype(dtype)
    return lo.LowRank(U, V) + lo.Diagonal(d), U @ V.conj().T + np.diag(d)


def permuted(dtype):
    A = near_identity(dtype, N, 1)
    P = lo.bit_reversal(N)
    p = np.asarray(P.p)
    return P @ lo.aslazy(A) @ P.T, A[p][:, p]


def sparse(dtype):
    A = near_identity(dtype, N, 1)
    A[abs(A) < 0.1] = 0
    return lo.aslazy(scipy.sparse.csr_array(A)), A


def complex_multiple(dtype):
    A = near_identity("float64", N, 1)
    return 1j * lo.aslazy(A), 1j * A


MAKERS = [butterfly, kron, kron_sum, block_diagonal, low_rank_and_diagonal, permuted, sparse]
GENERAL = [
    pytest.param(make, kind, id=f"{make.__name__}-{kind}")
    for make in MAKERS
    for kind in ("float64", "complex128")
]
GENERAL.append(pytest.param(complex_multiple, "complex128", id="complex_multiple"))
REAL = [pytest.param(make, "float64", id=make.__name__) for make in MAKERS]

general = pytest.mark.parametrize(("make", "dtype"), GENERAL)
real = pytest.mark.parametrize(("make", "dtype"), REAL)


def positive(make, dtype):
    """A positive definite operator made of a general one."""
    A, D = make(dtype)
    return A.N + lo.Identity(N), D.conj().T @ D + np.eye(N)


def right_side(D):
    return D @ random(D.dtype, N, seed=9)


# Linear systems and least squares ---------------------------------------------------------------


@general
def test_cg(make, dtype):
    A, D = positive(make, dtype)
    b = right_side(D)
    x, info = sla.cg(A, b, rtol=1e-12)
    assert info == 0
    np.testing.assert_allclose(x, np.linalg.solve(D, b), rtol=0, atol=1e-9)


@real
def test_minres(make, dtype):
    A, D = positive(make, dtype)
    A, D = A - 9.1 * lo.Identity(N), D - 9.1 * np.eye(N)  # indefinite
    b = right_side(D)
    x, info = sla.minres(A, b, rtol=1e-13, maxiter=1000)
    assert info == 0
    np.testing.assert_allclose(D @ x, b, rtol=0, atol=1e-6 * np.linalg.norm(b))


@general
@pytest.mark.parametrize(
    "solver", ["gmres", "bicgstab", "bicg", "qmr", "cgs", "tfqmr", "lgmres", "gcrotmk"]
)
def test_unsymmetric_systems(solver, make, dtype):
    A, D = make(dtype)
    b = right_side(D)
    x, info = getattr(sla, solver)(A, b, rtol=1e-11, atol=0)
    assert info == 0
    np.testing.assert_allclose(x, np.linalg.solve(D, b), rtol=0, atol=1e-7)


@pytest.mark.parametrize("solver", ["cg", "gmres", "bicgstab", "minres"])
def test_preconditioners(solver):
    A, D = positive(kron, "float64")
    M = lo.Diagonal(1 / A.diagonal())
    b = right_side(D)
    x, info = getattr(sla, solver)(A, b, M=M, rtol=1e-12)
    assert info == 0
    np.testing.assert_allclose(x, np.linalg.solve(D, b), rtol=0, atol=1e-7)


@general
@pytest.mark.parametrize("solver", ["lsqr", "lsmr"])
def test_least_squares(solver, make, dtype):
    A, D = make(dtype)
    A, D = lo.vstack([A, A[::2]]), np.vstack([D, D[::2]])
    b = random(D.dtype, D.shape[0], seed=3)
    x = getattr(sla, solver)(A, b, atol=1e-13, btol=1e-13)[0]
    np.testing.assert_allclose(x, np.linalg.lstsq(D, b)[0], rtol=0, atol=1e-8)


# Eigenvalues and singular values ----------------------------------------------------------------


@general
@pytest.mark.parametrize("which", ["LM", "SA"])
def test_eigsh(which, make, dtype):
    A, D = positive(make, dtype)
    found, vectors = sla.eigsh(A, k=3, which=which, v0=np.ones(N, D.dtype))
    values = np.linalg.eigvalsh(D)
    expected = values[:3] if which == "SA" else values[-3:]
    np.testing.assert_allclose(np.sort(found), expected, rtol=1e-8)
    np.testing.assert_allclose(D @ vectors, vectors * found, rtol=0, atol=1e-7)


@real
def test_eigsh_around_a_shift(make, dtype):
    A, D = positive(make, dtype)
    values = np.linalg.eigvalsh(D)
    shift = values[5] + 0.3 * (values[6] - values[5])
    found = sla.eigsh(A, k=1, sigma=shift, v0=np.ones(N), return_eigenvectors=False)
    np.testing.assert_allclose(found, values[5:6], rtol=1e-6)


@general
def test_eigs(make, dtype):
    A, D = make(dtype)
    found, vectors = sla.eigs(A, k=3, v0=np.ones(N, D.dtype))
    largest = np.sort(abs(np.linalg.eigvals(D)))[::-1]
    np.testing.assert_allclose(np.sort(abs(found))[-2:], largest[1::-1], rtol=1e-7)
    np.testing.assert_allclose(D @ vectors, vectors * found, rtol=0, atol=1e-7)


@general
@pytest.mark.parametrize("solver", ["arpack", "lobpcg", "propack"])
def test_svds(solver, make, dtype):
    A, D = make(dtype)
    A, D = A[:12], D[:12]
    with warnings.catch_warnings():
        if solver == "lobpcg":  # it warns that it stops short of the accuracy that it aims at
            warnings.simplefilter("ignore")
        U, s, Vh = sla.svds(A, k=3, solver=solver, v0=np.ones(12, D.dtype), tol=1e-9)
    order = np.argsort(s)
    expected = np.linalg.svd(D, compute_uv=False)[2::-1]
    np.testing.assert_allclose(s[order], expected, rtol=1e-6)
    np.testing.assert_allclose(D @ Vh.conj().T, U * s, rtol=0, atol=1e-4)


@general
def test_lobpcg(make, dtype):
    A, D = positive(make, dtype)
    X = random(D.dtype, N, 3, seed=4)
    M = lo.Diagonal(1 / A.diagonal().real)
    found, _ = sla.lobpcg(A, X, M=M, tol=1e-9, maxiter=200, largest=False)
    np.testing.assert_allclose(np.sort(found), np.linalg.eigvalsh(D)[:3], rtol=1e-7)


def test_lobpcg_of_a_pencil():
    A, D = positive(butterfly, "float64")
    d = np.linspace(1, 2, N)
    found, _ = sla.lobpcg(A, random("float64", N, 3), B=lo.Diagonal(d), tol=1e-9, maxiter=200)
    expected = scipy.linalg.eigh(D, np.diag(d), eigvals_only=True)[-3:]
    np.testing.assert_allclose(np.sort(found), expected, rtol=1e-7)


# Norms and functions of matrices ----------------------------------------------------------------


@general
def test_onenormest(make, dtype):
    A, D = make(dtype)
    norm = np.linalg.norm(D, 1)
    np.testing.assert_allclose(sla.onenormest(A, t=N), norm, rtol=1e-12)  # exact for t >= N
    assert norm / 2 < sla.onenormest(A, t=3) < norm * (1 + 1e-12)


@general
def test_expm_multiply(make, dtype):
    A, D = make(dtype)
    B = random(D.dtype, N, 2)
    for x in (B, B[:, 0]):
        found = sla.expm_multiply(A, x, traceA=A.trace())
        expected = scipy.linalg.expm(D) @ x
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9 * abs(expected).max())


def test_expm_multiply_on_a_grid_of_times():
    A, D = kron_sum("float64")
    x = random("float64", N)
    found = sla.expm_multiply(-A, x, start=0, stop=1, num=3, traceA=-A.trace())
    for row, t in zip(found, (0, 0.5, 1), strict=True):
        np.testing.assert_allclose(row, scipy.linalg.expm(-t * D) @ x, rtol=0, atol=1e-12)


def test_expm_multiply_without_a_trace():
    A, D = butterfly("complex128")
    x = random("complex128", N)
    with pytest.warns(UserWarning, match="[Tt]race"):
        found = sla.expm_multiply(A, x)
    np.testing.assert_allclose(found, scipy.linalg.expm(D) @ x, rtol=0, atol=1e-9)


@pytest.mark.skipif(not hasattr(sla, "funm_multiply_krylov"), reason="needs SciPy 1.16")
@general
def test_funm_multiply_krylov(make, dtype):
    A, D = make(dtype)
    b = random(D.dtype, N)
    found = sla.funm_multiply_krylov(scipy.linalg.expm, A, b, t=0.5, rtol=1e-10)
    np.testing.assert_allclose(found, scipy.linalg.expm(0.5 * D) @ b, rtol=1e-7, atol=1e-9)


# scipy.linalg.interpolative ---------------------------------------------------------------------


def low_rank(dtype):
    U, V = random(dtype, N, 3, seed=1), random(dtype, N, 3, seed=2)
    return lo.bit_reversal(N) @ lo.LowRank(U, V), (U @ V.conj().T)[np.asarray(lo.bit_reversal(N).p)]


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_interpolative_rank_and_norms(dtype):
    A, D = low_rank(dtype)
    assert interpolative.estimate_rank(A, 1e-8) in (3, 4)  # it takes one more to be sure
    norm = np.linalg.norm(D, 2)
    np.testing.assert_allclose(interpolative.estimate_spectral_norm(A, its=60), norm, rtol=1e-4)
    difference = interpolative.estimate_spectral_norm_diff(A, -2 * A, its=60)
    np.testing.assert_allclose(difference, 3 * norm, rtol=1e-4)


# From SciPy 1.15 on, a tolerance fails for complex operators, its own ones among them.
BY_RANK_OR_TOLERANCE = pytest.mark.parametrize(
    ("dtype", "precision"), [("float64", 3), ("float64", 1e-8), ("complex128", 3)]
)


@BY_RANK_OR_TOLERANCE
def test_interpolative_svd(dtype, precision):
    A, D = low_rank(dtype)
    U, s, V = interpolative.svd(A, precision)
    np.testing.assert_allclose(U * s @ V.conj().T, D, rtol=0, atol=1e-9)


@BY_RANK_OR_TOLERANCE
def test_interpolative_decomposition(dtype, precision):
    A, D = low_rank(dtype)
    *rank, columns, weights = interpolative.interp_decomp(A, precision)
    assert rank in ([], [3])  # it says which where it chooses
    skeleton = A[:, columns[:3]].toarray()
    found = interpolative.reconstruct_matrix_from_id(skeleton, columns, weights)
    np.testing.assert_allclose(found, D, rtol=0, atol=1e-9)


# scipy.optimize -----------------------------------------------------------------------------------


@real
def test_lsq_linear(make, dtype):
    A, D = make(dtype)
    b = random(dtype, N)
    found = scipy.optimize.lsq_linear(A, b, bounds=(-0.1, 0.1), tol=1e-12, lsmr_tol=1e-12)
    expected = scipy.optimize.lsq_linear(D, b, bounds=(-0.1, 0.1), tol=1e-12)
    assert found.success
    np.testing.assert_allclose(found.x, expected.x, rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", ["trf", "dogbox"])
def test_nonlinear_least_squares(method):
    A, D = butterfly("float64")
    x = np.linspace(-0.5, 0.5, N)
    b = np.sin(D @ x)
    found = scipy.optimize.least_squares(
        lambda x: np.sin(A @ x) - b,
        np.zeros(N),
        jac=lambda x: lo.Diagonal(np.cos(A @ x)) @ A,
        method=method,
        tr_solver="lsmr",
        xtol=1e-12,
        gtol=1e-12,
    )
    np.testing.assert_allclose(found.x, x, rtol=0, atol=1e-6)


def test_hessians_of_a_constrained_minimum():
    A, D = positive(kron, "float64")
    b = 200 * np.ones(N)
    sphere = scipy.optimize.NonlinearConstraint(
        lambda x: x @ x,
        1,
        1,
        jac=lambda x: 2 * x[None, :],
        hess=lambda x, v: 2 * v[0] * lo.Identity(N),
    )
    found = scipy.optimize.minimize(
        lambda x: x @ (A @ x) / 2 - b @ x,
        np.full(N, 0.25),
        jac=lambda x: A @ x - b,
        hess=lambda x: A,
        method="trust-constr",
        constraints=[sphere],
    )
    assert found.success
    # at the minimum on the sphere, (D + mu) x = b with D + mu positive
    solve = lambda mu: np.linalg.solve(D + mu * np.eye(N), b)  # noqa: E731
    mu = scipy.optimize.brentq(lambda mu: np.linalg.norm(solve(mu)) - 1, 0, 1e4)
    np.testing.assert_allclose(found.x, solve(mu), rtol=0, atol=1e-6)


# Arithmetic ---------------------------------------------------------------------------------------

P = np.array([[1.0, 2.0], [3.0, 5.0]])
Q = np.array([[2.0, -1.0], [0.5, 4.0]])
A, B = lo.KroneckerSparse(P[None, :, :, None]), lo.aslazy(Q)
SCIPY = sla.aslinearoperator(Q)
ROWS, COLUMNS = scipy.sparse.csr_array(Q), scipy.sparse.csc_matrix(Q)

EXPRESSIONS = {
    "2 * A": (lambda: 2 * A, 2 * P),
    "A * 2": (lambda: A * 2, 2 * P),
    "np.float64(2) * A": (lambda: np.float64(2) * A, 2 * P),
    "A * np.float32(2)": (lambda: A * np.float32(2), 2 * P),
    "np.array(2.0) * A": (lambda: np.array(2.0) * A, 2 * P),
    "2j * A": (lambda: 2j * A, 2j * P),
    "A / 2": (lambda: A / 2, P / 2),
    "-A": (lambda: -A, -P),
    "A + B": (lambda: A + B, P + Q),
    "A - B": (lambda: A - B, P - Q),
    "A @ B": (lambda: A @ B, P @ Q),
    "A * B": (lambda: A * B, P @ Q),
    "A.dot(B)": (lambda: A.dot(B), P @ Q),
    "A(B)": (lambda: A(B), P @ Q),
    "A ** 2": (lambda: A**2, P @ P),
    "A.H": (lambda: A.H, P.T),
    "A.T": (lambda: A.T, P.T),
    "A.adjoint()": (lambda: A.adjoint(), P.T),
    "A.transpose()": (lambda: A.transpose(), P.T),
    "A.conj()": (lambda: A.conj(), P),
    "A.N": (lambda: A.N, P.T @ P),
    "sum([A, B])": (lambda: sum([A, B]), P + Q),
    "A + 0": (lambda: A + 0, P),
    "0 - A": (lambda: 0 - A, -P),
    "A @ scipy": (lambda: A @ SCIPY, P @ Q),
    "A * scipy": (lambda: A * SCIPY, P @ Q),
    "A + scipy": (lambda: A + SCIPY, P + Q),
    "A - scipy": (lambda: A - SCIPY, P - Q),
    "A @ sparse": (lambda: A @ ROWS, P @ Q),
    "sparse @ A": (lambda: ROWS @ A, Q @ P),
    "A + sparse": (lambda: A + ROWS, P + Q),
    "sparse + A": (lambda: ROWS + A, P + Q),
    "A - sparse": (lambda: A - ROWS, P - Q),
    "sparse - A": (lambda: ROWS - A, Q - P),
    "A @ spmatrix": (lambda: A @ COLUMNS, P @ Q),
    "spmatrix @ A": (lambda: COLUMNS @ A, Q @ P),
    "A - spmatrix": (lambda: A - COLUMNS, P - Q),
    "spmatrix + A": (lambda: COLUMNS + A, P + Q),
    "A + array": (lambda: A + Q, P + Q),
    "array + A": (lambda: Q + A, P + Q),
    "A - array": (lambda: A - Q, P - Q),
    "array - A": (lambda: Q - A, Q - P),
    "A + list": (lambda: A + Q.tolist(), P + Q),
    "list + A": (lambda: Q.tolist() + A, P + Q),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_arithmetic_gives_lazy_operators(name):
    make, expected = EXPRESSIONS[name]
    found = make()
    assert isinstance(found, lo.LazyOperator)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-14)
    np.testing.assert_allclose(found.H.toarray(), expected.conj().T, rtol=1e-14)


AROUND = {
    "scipy @ A": (lambda: SCIPY @ A, Q @ P),
    "scipy + A": (lambda: SCIPY + A, Q + P),
    "scipy - A": (lambda: SCIPY - A, Q - P),
    "2 * scipy @ A.H": (lambda: 2 * SCIPY @ A.H, 2 * Q @ P.T),
    "(scipy @ 1j * A).H": (lambda: (SCIPY @ (1j * A)).H, (Q @ (1j * P)).conj().T),
    "(scipy + 1j * A).T": (lambda: (SCIPY + 1j * A).T, (Q + 1j * P).T),
    "scipy ** 2 + A": (lambda: SCIPY**2 + A, Q @ Q + P),
}


@pytest.mark.parametrize("name", AROUND)
def test_nodes_of_scipy_around_ours(name):
    # Python asks the left operand first, which is SciPy's and makes a node of its own.
    make, expected = AROUND[name]
    found = make()
    x = np.array([1.0, -2.0])
    X = np.arange(6.0).reshape(2, 3)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found.matvec(x), expected @ x, rtol=1e-14)
    np.testing.assert_allclose(found.rmatvec(x), expected.conj().T @ x, rtol=1e-14)
    np.testing.assert_allclose(found @ X, expected @ X, rtol=1e-14)
    np.testing.assert_allclose(found.rmatmat(X), expected.conj().T @ X, rtol=1e-14)
    np.testing.assert_allclose((A @ found).toarray(), P @ expected, rtol=1e-14)


@pytest.mark.parametrize(
    "change",
    [
        lambda A: 2 * A,
        lambda A: A * 2.5,
        lambda A: A / 3,
        lambda A: -A,
        lambda A: 1.5 * A.H + 2 * A.T,
        lambda A: (2 * A) ** 2,
        lambda A: sum([A, 0.1 * A]),
        lambda A: lo.kron(2.5 * A, A),
        lambda A: A - 2 * lo.Identity(2, np.float32),
        lambda A: lo.bit_reversal(2) @ A,
        lambda A: (1e-3 * A)[::-1, [0, 1]],
    ],
)
def test_python_scalars_keep_single_precision(change):
    C = change(lo.aslazy(P.astype(np.float32)))
    x = np.ones(C.shape[1], np.float32)
    assert C.dtype == np.float32
    assert (C @ x).dtype == np.float32
    assert (1j * C).dtype == np.complex64
    assert ((1j * C) @ x).dtype == np.complex64


def test_typed_scalars_promote_as_in_numpy():
    single = lo.aslazy(P.astype(np.float32))
    for scalar in (np.float64(2), np.float32(2), np.complex64(2), np.array(2.0), np.int64(2)):
        assert (scalar * single).dtype == (scalar * P.astype(np.float32)).dtype
        assert (single / scalar).dtype == (P.astype(np.float32) / scalar).dtype


# Arguments ----------------------------------------------------------------------------------------

D = random("complex128", 3, 4)
R = lo.aslazy(D)
x4, X4, S4 = random("complex128", 4), random("complex128", 4, 2), random("complex128", 2, 5, 4, 3)
x3, X3, S3 = random("complex128", 3), random("complex128", 2, 3), random("complex128", 2, 5, 7, 3)


ARGUMENTS = {
    "A @ x": (lambda: R @ x4, D @ x4),
    "A * x": (lambda: R * x4, D @ x4),
    "A(x)": (lambda: R(x4), D @ x4),
    "dot": (lambda: R.dot(x4), D @ x4),
    "A @ list": (lambda: R @ x4.tolist(), D @ x4),
    "A @ X": (lambda: R @ X4, D @ X4),
    "A @ nested list": (lambda: R @ X4.tolist(), D @ X4),
    "A @ column": (lambda: R @ x4[:, None], (D @ x4)[:, None]),
    "A @ no columns": (lambda: R @ X4[:, :0], np.empty((3, 0))),
    "A @ stack": (lambda: R @ S4, D @ S4),
    "x @ A": (lambda: x3 @ R, x3 @ D),
    "x * A": (lambda: x3 * R, x3 @ D),
    "rdot": (lambda: R.rdot(x3), x3 @ D),
    "list @ A": (lambda: x3.tolist() @ R, x3 @ D),
    "X @ A": (lambda: X3 @ R, X3 @ D),
    "stack @ A": (lambda: S3 @ R, S3 @ D),
    "matvec": (lambda: R.matvec(x4), D @ x4),
    "matvec of a column": (lambda: R.matvec(x4[:, None]), (D @ x4)[:, None]),
    "matvec of a batch": (lambda: R.matvec(X4.T), (D @ X4).T),
    "rmatvec": (lambda: R.rmatvec(x3), D.conj().T @ x3),
    "rmatvec of a column": (lambda: R.rmatvec(x3[:, None]), (D.conj().T @ x3)[:, None]),
    "rmatvec of a batch": (lambda: R.rmatvec(X3), (D.conj().T @ X3.T).T),
    "matmat": (lambda: R.matmat(X4), D @ X4),
    "matmat of a stack": (lambda: R.matmat(S4), D @ S4),
    "rmatmat": (lambda: R.rmatmat(X3.T), D.conj().T @ X3.T),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments(name):
    make, expected = ARGUMENTS[name]
    found = make()
    assert type(found) is np.ndarray
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-13)


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_numpy_matrices():
    X = np.matrix(X4)
    for found, expected in [
        (R @ X, D @ X4),
        (R.matvec(X[:, 0]), D @ X4[:, :1]),
        (np.matrix(X3) @ R, X3 @ D),
        ((R + np.matrix(D)).toarray(), 2 * D),
        (lo.aslazy(np.matrix(D)) @ x4, D @ x4),
    ]:
        np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_errors_of_a_foreign_product_come_through():
    class Faulty(sla.LinearOperator):
        def __init__(self):
            super().__init__(float, (2, 2))

        def _matvec(self, x):
            return self.missing @ x

    with pytest.raises(AttributeError, match="missing"):
        lo.aslazy(Faulty()) @ np.ones(2)


def test_a_foreign_operator_without_an_adjoint_is_made_dense_all_the_same():
    A = lo.aslazy(sla.LinearOperator(D.shape[::-1], matvec=lambda x: D.T @ x, dtype=D.dtype))
    assert A.shape[0] != A.shape[1]
    for view in (A, lo.aslazy(sla.LinearOperator(D.shape, matvec=lambda x: D @ x, dtype=D.dtype))):
        expected = D if view.shape == D.shape else D.T
        np.testing.assert_allclose(view.toarray(), expected, rtol=1e-13)
        np.testing.assert_allclose(view.tosparse().toarray(), expected, rtol=1e-13)
        with pytest.raises(NotImplementedError, match="does not define rmatvec"):
            view.H @ np.ones(view.shape[0])


def test_aslinearoperator_returns_the_operator_itself():
    assert sla.aslinearoperator(R) is R
    assert isinstance(R, sla.LinearOperator)
