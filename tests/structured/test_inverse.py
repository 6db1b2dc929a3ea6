"""Inverses: from structure, of small dense matrices, and by solvers held to what they say."""

import functools
import pickle

import array_api_compat
import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from market import random
from scipy.sparse.linalg import cg, gmres, lsqr, minres, spsolve

import lazyop as lo
from lazyop.algebra.composite import Power, Product
from lazyop.structured.solver_inverse import SolverInverse


@pytest.fixture(autouse=True, scope="module")
def array_kernels():
    """Inverses are what is tested here, and not kernels for all the sizes of their blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lazyop.kernels.chain.has_compiled", lambda: False)
        yield


def well(n, dtype="float64", seed=0):
    """A dense matrix of a small condition number."""
    return random(dtype, n, n, seed=seed) / (4 * max(n, 1)) + np.eye(n, dtype=dtype)


def factor(*pattern, dtype="float64", seed=0):
    _, b, c, _ = pattern
    unit = np.eye(b, c)[None, :, :, None]
    return lo.KroneckerSparse((random(dtype, *pattern, seed=seed) / (4 * b) + unit).astype(dtype))


def is_inverse(B, A, tol=1e-12):
    np.testing.assert_allclose(B.toarray() @ A.toarray(), np.eye(A.shape[0]), atol=tol)


def without_structure(D):
    return lo.Sum(D, lo.Zero(D.shape, D.dtype))


# From structure -----------------------------------------------------------------------------------


def test_kinds_of_inverses():
    d, p = lo.Diagonal([2.0, -4.0, 1j]), lo.Permutation([2, 0, 1])
    cases = {
        "identity": (lo.Identity(3), lo.Identity),
        "permutation": (p, lo.Permutation),
        "diagonal": (d, lo.Diagonal),
        "integer diagonal": (lo.Diagonal([1, 2, 4]), lo.Diagonal),
        "sum of diagonals": (d + lo.Identity(3), lo.Diagonal),
        "Kronecker sum of diagonals": (lo.KronSum(d, lo.Diagonal([1.0, 2.0])), lo.Diagonal),
        "product": (Product(d, p), Product),
        "power": (Power(lo.aslazy(well(3)), 3), Power),
        "Kronecker product": (lo.Kron(d, well(2)), lo.Kron),
        "block-diagonal": (lo.BlockDiagonal([d, well(2)]), lo.BlockDiagonal),
        "dense blocks": (lo.BlockDiagonal([well(2), well(2, seed=1)]), lo.BlockDiagonal),
        "Kronecker-sparse": (factor(2, 3, 3, 2), lo.KroneckerSparse),
        "butterfly": (lo.Butterfly([factor(1, 2, 2, 4), factor(2, 4, 4, 1)]), lo.Butterfly),
        "Woodbury": (d + lo.LowRank(np.ones((3, 1)), np.ones((3, 1))), lo.Sum),
    }
    for name, (A, kind) in cases.items():
        B = lo.inverse(A)
        assert isinstance(B, kind), name
        assert B.dtype == (np.float64 if A.dtype == np.int64 else A.dtype)
        is_inverse(B, A)
        for view in (A.H, A.T, A.conj()):
            is_inverse(lo.inverse(view), view)


def test_multiples():
    A = 2j * lo.Permutation([1, 0])
    assert repr(lo.inverse(A)) == "Scaled(2x2, complex128, coefficient=-0.5j)"
    is_inverse(lo.inverse(A), A)
    assert lo.inverse(2.0 * lo.Identity(3, "float32")).dtype == np.float32
    assert lo.inverse(2 * lo.Identity(3, "int64")).dtype == np.float64
    assert lo.inverse(np.float64(2) * lo.Identity(3, "float32")).dtype == np.float64


@pytest.mark.parametrize("norm", ["ortho", None])
def test_orthonormal_transforms(norm):
    for n in (12, 16):
        is_inverse(lo.inverse(lo.butterfly.dft(n, norm)), lo.butterfly.dft(n, norm))
    C = lo.butterfly.dct(24, norm="ortho")
    assert lo.inverse(C) is C.H
    assert lo.inverse(lo.butterfly.haar(16)).H.args[1].chain == lo.Chain.square_dyadic(16)


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_triangular_matrices_stay_triangular(lower, dtype):
    part = np.tril if lower else np.triu
    T = part(random(dtype, 6, 6)) + 3 * np.eye(6, dtype=dtype)
    B = lo.inverse(T, solver=cg)  # which is not asked
    assert B.dtype == dtype
    assert np.array_equal(B.toarray(), part(B.toarray()))
    is_inverse(B, lo.aslazy(T), tol=1e-5 if dtype == "float32" else 1e-13)


def test_a_badly_conditioned_triangular_matrix_is_no_singular_one():
    T = np.triu(np.full((80, 80), -1.0), 1) + np.eye(80)
    assert lo.inverse(T).toarray()[0, -1] == 2.0**78


def test_shared_operands_are_inverted_once():
    A = lo.aslazy(well(3))
    B = lo.inverse(lo.BlockDiagonal([A, lo.Identity(1), A]))
    assert B.operands[0] is B.operands[2]


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_low_rank_corrections(dtype):
    n = 12
    U, V = random(dtype, n, 2), random(dtype, n, 2, seed=1)
    D = lo.Diagonal(4 + random(dtype, n))
    thin = lo.LowRank(U, V)
    for A in (
        D + thin,
        lo.Identity(n) - 3 * thin,
        D + thin.T,
        D + thin.H + 2 * lo.LowRank(U[:, :1], U[:, :1]),
        lo.Kron(well(3), lo.Permutation([1, 0, 3, 2])) + thin,
    ):
        B = lo.inverse(A)
        is_inverse(B, A)
        is_inverse(B.H, A.H)
        assert B.cost.parameters < n * n


def test_a_low_rank_correction_of_something_singular():
    A = lo.Diagonal([0.0, 1.0, 2.0, 3.0]) + lo.LowRank(np.ones((4, 1)), np.ones((4, 1)))
    is_inverse(lo.inverse(A), A)
    singular = lo.Identity(4) - lo.LowRank(np.eye(4, 1), np.eye(4, 1))
    with pytest.raises(np.linalg.LinAlgError, match=r"terms of low rank is singular"):
        lo.inverse(singular)
    thirds = lo.LowRank(np.full((3, 1), 1 / 3), np.ones((3, 1)))
    with pytest.raises(np.linalg.LinAlgError, match=r"I \+ V\^H B\^-1 U has a singular value of"):
        lo.inverse(lo.Identity(3) - thirds)


@pytest.mark.parametrize(("dtype", "found"), [("int8", "float64"), ("float16", "float32")])
def test_sums_with_low_rank_terms_of_narrow_numbers(dtype, found):
    u = np.ones((200, 1), dtype)  # whose inner products int8 does not hold
    B = lo.inverse(lo.Identity(200, dtype) + lo.LowRank(u, u))
    assert B.dtype == found
    np.testing.assert_allclose(B.toarray(), np.eye(200) - 1 / 201, atol=1e-7)


def test_a_sum_with_a_low_rank_term_of_more_than_double_precision_has_no_inverse():
    u = np.ones((4, 1), np.longdouble)
    with pytest.raises(TypeError, match=r"can't be inverted; make them double, with \.astype"):
        lo.inverse(lo.Identity(4) + lo.LowRank(u, u))


def test_a_complex_multiple_of_a_real_correction():
    u = random("float32", 6, 1) / 6
    A = lo.Identity(6, "float32") + 1j * lo.LowRank(u, u)
    for moved in (A, A.to("array_api_strict")):
        B = lo.inverse(moved)
        assert B.dtype == np.complex64
        is_inverse(B.to("numpy"), A, tol=1e-6)


def leaf(n):
    kinds = [
        st.just(lo.Identity(n)),
        st.permutations(range(n)).map(lo.Permutation),
        st.integers(0, 9).map(lambda s: lo.Diagonal(2 + abs(random("float64", n, seed=s)))),
        st.integers(0, 9).map(lambda s: lo.aslazy(well(n, "complex128", seed=s))),
        st.integers(0, 9).map(lambda s: lo.aslazy(np.tril(well(n, seed=s)))),
        st.integers(0, 9).map(lambda s: lo.aslazy(scipy.sparse.csr_array(well(n, seed=s)))),
        st.integers(0, 9).map(
            lambda s: lo.Identity(n) + lo.LowRank(*random("float64", 2, n, 1, seed=s) / (2 * n))
        ),
    ]
    for a in (2, 3):
        if n % a == 0:
            kinds.append(st.just(factor(a, n // a, n // a, 1)))
            kinds.append(st.just(factor(1, a, a, n // a, dtype="complex128")))
    return st.one_of(kinds)


@st.composite
def invertible(draw, n, depth):
    if depth == 0:
        return draw(leaf(n))
    part = functools.partial(invertible, depth=depth - 1)
    kind = draw(st.sampled_from(["product", "kron", "blocks", "multiple", "view", "power"]))
    if kind == "product":
        return draw(part(n)) @ draw(part(n))
    if kind == "kron" and n % 2 == 0:
        return lo.kron(draw(part(2)), draw(part(n // 2)))
    if kind == "blocks" and n > 1:
        cut = draw(st.integers(1, n - 1))
        return lo.block_diag(draw(part(cut)), draw(part(n - cut)))
    if kind == "multiple":
        return draw(st.sampled_from([2, -0.5, 1 + 1j])) * draw(part(n))
    A = draw(part(n))
    return A**2 if kind == "power" else draw(st.sampled_from([A.H, A.T, A.conj()]))


@settings(max_examples=60)
@given(st.integers(1, 8).flatmap(lambda n: invertible(n, 3)))
def test_inverses_of_expressions(A):
    B = lo.inverse(A)
    D = A.toarray()
    bound = 1e-13 * np.linalg.cond(D)
    np.testing.assert_allclose(B.toarray() @ D, np.eye(len(D)), atol=bound)
    np.testing.assert_allclose((A @ B).toarray(), np.eye(len(D)), atol=bound)
    lo.testing.dot_test(B, rtol=1e-11)
    C = lo.inverse(B)
    np.testing.assert_allclose(C.toarray(), D, atol=bound * np.linalg.norm(D))


def test_other_namespaces():
    chain = lo.Butterfly([factor(1, 2, 2, 4), factor(2, 4, 4, 1)])
    low_rank = lo.Identity(8) + lo.LowRank(random("float64", 8, 1), random("float64", 8, 1))
    triangular = lo.aslazy(np.tril(well(8)))
    for A in (chain, lo.Diagonal(np.arange(1.0, 9)), low_rank, triangular, lo.aslazy(well(8))):
        B = lo.inverse(A.to("array_api_strict"))
        assert B.namespace.__name__ == "array_api_strict"
        is_inverse(B.to("numpy"), A)


# Singular -----------------------------------------------------------------------------------------

SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])


def values_with_a_singular_block():
    values = factor(2, 2, 2, 3).values.copy()
    values[1, :, :, 2] = SINGULAR
    return values


@pytest.mark.parametrize(
    ("A", "message"),
    [
        (lo.Zero(3), "a zero matrix is singular"),
        (lo.Diagonal([1.0, 0.0]), "entry 1 is zero"),
        (lo.Identity(2) + lo.Diagonal([1.0, -1.0]), "entry 1 is zero"),
        (np.triu(np.ones((3, 3)), 1), r"triangular matrix is singular: entry \(0, 0\) is zero"),
        (SINGULAR, r"the matrix is singular .* condition number is [0-9.]+e-1[6-9]|.* is 0$"),
        (lo.Kron(np.eye(2), SINGULAR), "operand 1 of a Kronecker product: the matrix is singular"),
        (lo.Kron(np.ones((2, 3)), np.ones((3, 2))), "not all square"),
        (lo.BlockDiagonal([lo.Identity(2), SINGULAR]), "block 1: the matrix is singular"),
        (lo.BlockDiagonal([np.ones((1, 2)), np.ones((2, 1))]), r"block 0 is \(1, 2\)"),
        (Product(np.eye(2), SINGULAR), "factor 1 of a product: the matrix is singular"),
        (lo.LowRank(np.ones((3, 1)), np.ones((3, 1))), "rank 1 and order 3"),
        (lo.Identity(4)[[0, 1, 1, 2]], "picked more than once"),
        (lo.KroneckerSparse(values_with_a_singular_block()), r"block \(i, j\) = \(1, 2\) of 2 x 3"),
        (
            lo.Butterfly([factor(1, 2, 2, 6), values_with_a_singular_block()]),
            r"factor 2 of 2: block \(i, j\) = \(1, 2\) of 2 x 3 is singular to working precision: "
            "its reciprocal condition number is",
        ),
    ],
)
def test_singular_operators(A, message):
    with pytest.raises(np.linalg.LinAlgError, match=message):
        lo.inverse(A)


def test_nearly_singular():
    rng = np.random.default_rng(0)
    Q, _ = np.linalg.qr(rng.standard_normal((6, 6)))
    for smallest, is_singular in ((1e-18, True), (1e-12, False)):
        A = Q @ np.diag([1.0] * 5 + [smallest]) @ Q.T
        if is_singular:
            with pytest.raises(np.linalg.LinAlgError, match="reciprocal condition number"):
                lo.inverse(A)
        else:
            assert np.linalg.norm(lo.inverse(A).toarray(), 2) == pytest.approx(1e12, rel=1e-3)


def test_units_make_nothing_singular():
    A = np.diag([1e-150, 1.0, 1e150]) @ well(3) @ np.diag([1.0, 1e-100, 1e80])
    B = lo.inverse(A).toarray()
    assert np.all(abs(A @ B - np.eye(3)) <= 1e-14 * abs(A) @ abs(B))
    tiny = np.array([[0.0, 1e-300], [2e-300, 0.0]])
    assert np.array_equal(lo.inverse(tiny).toarray(), 1 / np.where(tiny.T, tiny.T, np.inf))


def test_entries_out_of_range():
    with pytest.raises(OverflowError, match="beyond the range"):
        lo.inverse(np.array([[0.0, 1e-310], [1.0, 0.0]]))
    with pytest.raises(ValueError, match="not finite"):
        lo.inverse(lo.Diagonal([1e-310, 1.0]))
    for bad in (np.nan, np.inf):
        for A in (lo.Diagonal([bad, 1.0]), np.full((2, 2), bad), np.array([[1.0, bad], [0, 1]])):
            with pytest.raises(ValueError, match="not finite"):
                lo.inverse(A)


def test_a_zero_pivot_is_none_of_a_zero_determinant():
    # lazylinop: butterfly.inv gives NaN on a zero pivot, even for an identity factor
    swap = np.array([[0.0, 1.0], [1.0, 0.0]])[None, :, :, None]
    values = [np.broadcast_to(swap, (1, 2, 2, 2)), np.broadcast_to(swap, (2, 2, 2, 1))]
    A = lo.Butterfly(values)
    assert np.array_equal(lo.inverse(A).toarray(), A.toarray().T)
    unit = lo.Butterfly([np.broadcast_to(np.eye(2)[None, :, :, None], v.shape) for v in values])
    assert np.array_equal(lo.inverse(unit).toarray(), np.eye(4))


# Solvers ------------------------------------------------------------------------------------------


def spd(n=30):
    return well(n) @ well(n).T


def direct(A, b):
    xp = array_api_compat.array_namespace(b)
    return xp.linalg.solve(xp.astype(A.toarray(), b.dtype), b[:, None])


class TestSolverInverse(lo.testing.OperatorContract):
    namespaces = ("numpy", "array_api_strict")

    def make(self, dtype):
        return lo.inverse(without_structure(well(5, dtype)), direct)

    def dense(self, dtype):
        return np.linalg.inv(well(5, dtype))


def accurate(solver):
    @functools.wraps(solver)
    def solve(A, b):
        return solver(A, b, rtol=1e-12)

    return solve


@pytest.mark.parametrize("solver", [cg, gmres, minres])
def test_scipy_solvers(solver):
    D = spd()
    B = lo.inverse(without_structure(D), accurate(solver))
    assert isinstance(B, SolverInverse)
    assert repr(B) == f"SolverInverse(30x30, float64, {solver.__name__})"
    for shape in ((30,), (30, 2), (2, 30, 1), (30, 0)):
        x = random("float64", *shape)
        np.testing.assert_allclose(D @ (B @ x), x, atol=1e-9)
    z = random("complex128", 30)
    np.testing.assert_allclose(D @ (B @ z), z, atol=1e-9)  # minres takes real columns alone
    np.testing.assert_allclose(D.T @ (B.H @ z), z, atol=1e-9)


def test_a_direct_solver_and_complex_systems():
    D = well(8, "complex128")
    A = without_structure(D)
    B = lo.inverse(A, lambda A, b: spsolve(scipy.sparse.csc_array(A.tosparse()), b))
    for view, E in ((B, D), (B.H, D.conj().T), (B.T, D.T), (B.conj(), D.conj())):
        np.testing.assert_allclose(view.toarray() @ E, np.eye(8), atol=1e-12)
    assert lo.inverse(B) is A


def test_structure_around_a_solver():
    D = spd(6)
    A = lo.kron(lo.Diagonal([1.0, 2.0]), without_structure(D)) @ lo.Permutation(np.arange(12)[::-1])
    B = lo.inverse(A, accurate(cg))
    kinds = {type(part) for part in B.args} | {type(p) for part in B.args for p in part.args}
    assert kinds == {lo.Permutation, lo.Kron, lo.Diagonal, SolverInverse}
    is_inverse(B, A, tol=1e-9)


def test_a_solver_in_place_of_lu():
    D = spd(6)
    assert isinstance(lo.inverse(D, accurate(cg)), SolverInverse)
    assert not isinstance(lo.inverse(D), SolverInverse)


def test_a_solver_that_fails_says_so():
    B = lo.inverse(without_structure(spd()), lambda A, b: cg(A, b, rtol=1e-12, maxiter=1))
    with pytest.raises(RuntimeError, match=r"did not converge for column 1.*info = 1.*residual of"):
        B @ np.stack([np.zeros(30), np.ones(30)], axis=1)


def test_a_solver_that_fails_for_zeros_says_so():
    B = lo.inverse(without_structure(spd(4)), lambda A, b: (b, 5))
    with pytest.raises(RuntimeError, match="info = 5, with a residual of 0 for zeros"):
        B @ np.zeros(4)


def test_precisions_that_lapack_does_not_have():
    D = np.array([[2.0, 1], [0, 4]])
    for A in (D, D + D.T):
        B = lo.inverse(lo.aslazy(A.astype(np.float16)))
        assert B.dtype == np.float32
        np.testing.assert_allclose(B.toarray(), np.linalg.inv(A), rtol=1e-6)
        if np.dtype(np.longdouble) != np.dtype(np.float64):
            with pytest.raises(TypeError, match=r"can't be inverted; make them double"):
                lo.inverse(lo.aslazy(A.astype(np.longdouble)))


@pytest.mark.parametrize(
    ("solver", "error", "message"),
    [
        (lsqr, TypeError, r"'lsqr' returned a tuple of 10"),
        (lambda A, b: b[:3], ValueError, r"vector of length 4, got shape \(3,\)"),
        (lambda A, b: b * np.nan, RuntimeError, "not finite"),
        (lambda A, b: 1j * b, TypeError, "complex numbers for a real system"),
        (lambda A, b: None, TypeError, "what the solver '<lambda>' returned"),
        (lambda A, b: (None, 3), RuntimeError, "info = 3$"),
    ],
)
def test_what_a_solver_must_not_return(solver, error, message):
    with pytest.raises(error, match=message):
        lo.inverse(without_structure(spd(4)), solver) @ np.ones(4)


def test_the_argument_is_safe_from_the_solver():
    def solve(A, b):
        b *= 2
        return b

    x = np.ones(4)
    lo.inverse(without_structure(spd(4)), solve) @ x
    assert np.array_equal(x, np.ones(4))


def test_single_precision_stays():
    A = without_structure(spd(6).astype("float32"))
    B = lo.inverse(A, lambda A, b: cg(A, b, rtol=1e-6))
    assert B.dtype == np.float32
    assert (B @ np.ones(6, "float32")).dtype == np.float32
    assert lo.inverse(A).dtype == np.float32


def test_pickling_and_saving(tmp_path):
    B = lo.inverse(without_structure(spd(4)), cg)
    copy = pickle.loads(pickle.dumps(B))
    np.testing.assert_allclose(copy @ np.ones(4), B @ np.ones(4))
    with pytest.raises(TypeError, match="can't be saved"):
        lo.save(tmp_path / "B", B)


# What is refused ----------------------------------------------------------------------------------


def test_bad_input():
    with pytest.raises(ValueError, match=r"only a square operator .* \(2, 3\)"):
        lo.inverse(np.ones((2, 3)))
    with pytest.raises(TypeError, match="must be callable"):
        lo.inverse(np.eye(2), solver="cg")
    with pytest.raises(TypeError, match="expected a matrix"):
        lo.inverse("abc")
    large = lo.KronSum(*[scipy.sparse.csr_array(np.diag([2.0] * 40) - np.eye(40, k=1))] * 2)
    with pytest.raises(ValueError, match=r"KronSum.* up to order 1024; give a solver"):
        lo.inverse(large)
    with pytest.raises(ValueError, match=r"can't be negative, got -1; see lo\.inverse"):
        lo.Identity(2) ** -1


def test_small_operators_are_made_dense():
    A = lo.KronSum(well(4), well(5))
    is_inverse(lo.inverse(A), A)
    assert lo.inverse(lo.aslazy(np.ones((0, 0)))).shape == (0, 0)
