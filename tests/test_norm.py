"""Norms against those of the dense matrix: from structure, by columns, and by iteration."""

import math

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from market import MARKET, any_chain, random

import lazyop as lo
from lazyop.algebra import norm as rules
from lazyop.algebra.composite import Power, Product

ORDERS = ["fro", 2, 1, -1, np.inf, -np.inf]


@pytest.fixture(autouse=True, scope="module")
def array_kernels():
    """Norms are what is tested here, and not kernels for all the sizes of their blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lazyop.kernels.chain.has_compiled", lambda: False)
        yield


def agrees(A, D, order, rtol):
    if 0 in D.shape:
        assert lo.norm(A, order) == 0
        return
    expected = np.linalg.norm(D, order)
    found = lo.norm(A, order)
    assert type(found) is float
    scale = np.linalg.norm(D)  # a smallest sum may be one of rounding errors
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * scale)


@pytest.mark.parametrize("name", MARKET)
@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_every_operator(name, dtype):
    A, D = MARKET[name](dtype)
    for order in ORDERS:
        for view, E in ((A, D), (A.H, D.conj().T), (-2 * A, 2 * D)):
            agrees(view, E, order, 1e-5 if dtype == "float32" else 1e-13)


@pytest.mark.parametrize("name", sorted(MARKET.keys() - {"ScipyOperator", "Duck"}))
def test_other_namespaces(name):
    A, D = MARKET[name]("complex64")
    moved = A.to("array_api_strict")
    for order in ORDERS:
        agrees(moved, D, order, 1e-5)


def test_the_frobenius_norm_is_the_default():
    A = random("float64", 4, 3)
    assert lo.norm(A) == lo.norm(A, None) == lo.norm(A, "fro") == pytest.approx(np.linalg.norm(A))


@settings(max_examples=60)
@given(any_chain(), st.sampled_from(ORDERS))
def test_butterflies_of_any_patterns(chain, order):
    values = [random("complex128", *p, seed=i) for i, p in enumerate(chain)]
    A = lo.Butterfly(values)
    for view in (A, A.T):
        agrees(view, view.toarray(), order, 1e-12)


def sizes(n):
    return [n] if n < 2 else [d for d in range(1, n + 1) if n % d == 0]


@st.composite
def expression(draw, m, n, depth):
    if depth == 0 or m != n:
        seed = draw(st.integers(0, 99))
        D = random("float64", m, n, seed=seed)
        kinds = [lambda: lo.aslazy(D), lambda: lo.aslazy(scipy.sparse.csr_array(D * (D > 0)))]
        kinds.append(lambda: lo.LowRank(D[:, :1], random("float64", n, 1, seed=seed)))
        if m == n:
            p = np.random.default_rng(seed).permutation(n)
            kinds += [lambda: lo.Diagonal(D[0]), lambda: lo.Permutation(p)]
        return draw(st.sampled_from(kinds))()
    part = expression(n, n, depth - 1)
    kind = draw(st.sampled_from(["product", "sum", "kron", "blocks", "block", "multiple", "power"]))
    if kind == "product":
        return draw(part) @ draw(part) @ draw(part)
    if kind == "sum":
        return draw(part) + draw(part)
    if kind == "kron":
        a = draw(st.sampled_from(sizes(n)))
        return lo.kron(draw(expression(a, a, depth - 1)), draw(expression(n // a, n // a, 0)))
    if kind in ("blocks", "block") and n > 1:
        i, j = draw(st.integers(1, n - 1)), draw(st.integers(1, n - 1))
        first, last = draw(expression(i, j, depth - 1)), draw(expression(n - i, n - j, depth - 1))
        if kind == "blocks":
            return lo.block_diag(first, last)
        return lo.block([[first, draw(expression(i, n - j, 0))], [None, last]])
    if kind == "power":
        return Power(draw(part), 2)
    return draw(st.sampled_from([2, -0.5, 1j])) * draw(part).H


@settings(max_examples=80)
@given(st.integers(1, 8).flatmap(lambda n: expression(n, n, 3)), st.sampled_from(ORDERS))
def test_expressions(A, order):
    agrees(A, A.toarray(), order, 1e-12)


# From structure, without a product ----------------------------------------------------------------


class Opaque(lo.LazyOperator):
    """Something that must not be applied, with norms that it knows."""

    _fields = ("dtype",)

    def __init__(self, dtype=np.float64):
        super().__init__(dtype, (4, 4))

    def _apply(self, X):
        raise AssertionError("applied")

    def _adjoint(self):
        return self

    def _norm(self, order, norm_of):
        return {"fro": 3.0, 2: 2.0, 1: 5.0, -1: 1.0, np.inf: 7.0, -np.inf: 0.5}[order]


def test_what_structure_gives():
    A, p = Opaque(), lo.Permutation([2, 0, 3, 1])
    F = lo.butterfly.dft(4, "ortho")
    for order in ORDERS:
        own = A._norm(order, None)
        two = lo.norm(lo.Diagonal([1.0, 2.0]), order)
        assert lo.norm(A.conj(), order) == own
        assert lo.norm(-3j * A, order) == 3 * own
        assert lo.norm(lo.Kron(A, lo.Diagonal([1.0, 2.0])), order) == pytest.approx(two * own)
        assert lo.norm(Product(p, A, p), order) == own
        combine = {"fro": math.hypot, -1: min, -np.inf: min}.get(order, max)
        assert lo.norm(lo.BlockDiagonal([A, np.eye(1)]), order) == pytest.approx(combine(own, 1))
    for order in (2, "fro"):
        assert lo.norm(Product(F, A, F.H), order) == A._norm(order, None)
        assert lo.norm(F, order) == (1 if order == 2 else 2)


def test_large_structured_operators():
    n = 1 << 14
    H = lo.butterfly.hadamard(n)
    assert lo.norm(H) == pytest.approx(n)
    assert lo.norm(H, 1) == lo.norm(H, np.inf) == lo.norm(H, -1) == n
    C = lo.butterfly.dct(n)  # ranks of 2: the first row is longer than the others
    assert lo.norm(C.args[0]) == pytest.approx(math.sqrt(2 * n * n + 2 * n), rel=1e-12)
    F = lo.butterfly.dft(n, "ortho")
    assert (lo.norm(F, 2), lo.norm(F)) == (1, 128)
    many = lo.Kron(*[lo.Diagonal([1.0, 2.0])] * 60)  # whose diagonal has 2^60 entries
    assert lo.norm(many, 2) == 2.0**60
    assert lo.inverse(many).shape == many.shape
    A = lo.kron(*[random("float64", 50, 60, seed=i) for i in range(4)])
    parts = [op.values for op in A.operands]
    for order in ORDERS:
        assert lo.norm(A, order) == pytest.approx(
            math.prod(np.linalg.norm(p, order) for p in parts)
        )


def test_nothing_overflows_but_the_norm_itself():
    big = np.array([[3e200, 4e200], [0, 0]])
    assert lo.norm(big) == pytest.approx(5e200)
    assert lo.norm(lo.Sum(big, lo.Zero(2))) == pytest.approx(5e200)
    assert lo.norm(lo.Diagonal([3e200, 4e200])) == pytest.approx(5e200)
    assert lo.norm(lo.Diagonal([3e-200, 4e-200])) == pytest.approx(5e-200)
    chain = lo.Butterfly([np.full((1, 2, 2, 2), 1e120), np.full((2, 2, 2, 1), 1e-150)])
    assert lo.norm(chain) == pytest.approx(4e-30)
    assert lo.norm(chain, 1) == pytest.approx(4e-30)
    with pytest.raises(ValueError, match=r"not finite: .* out of range"):
        lo.norm(np.full((2, 2), 1.7e308))


def test_factors_may_be_out_of_the_range_of_their_product():
    H = np.array([[1.0, 1], [1, -1]])
    for scales in ([1e-200, 1e-200, 1e300], [1e200, 1e200, 1e-300], [1e300, 1e-200, 1e-200]):
        F = lo.Butterfly([s * np.ones((2**k, 2, 2, 2 ** (2 - k))) for k, s in enumerate(scales)])
        K = lo.kron(*(s * H for s in scales))
        whole = scales[0] * scales[2] * scales[1]
        for order in set(ORDERS) - {2}:
            assert lo.norm(F, order) == pytest.approx(8 * whole, rel=1e-12)
        for order in ORDERS:
            expected = whole * np.linalg.norm(H, order) ** 3
            assert lo.norm(K, order) == pytest.approx(expected, rel=1e-12)


def test_narrow_integers_do_not_wrap():
    A = lo.LowRank(*2 * [np.full((3, 1), 100, np.int8)])
    for order in ORDERS:
        assert lo.norm(A, order) == pytest.approx(30000)


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble, np.clongdouble])
def test_precisions_that_lapack_does_not_have(dtype):
    D = np.array([[2.0, 1, 0], [0, 3, 1], [1, 0, 2]])
    F = lo.butterfly.hadamard(4)
    operators = [
        (lo.aslazy(D.astype(dtype)), D),
        (lo.LowRank(*2 * [D.astype(dtype)]), D @ D.T),
        (F.astype(dtype), F.toarray()),
    ]
    if dtype == np.float16:
        operators.append((lo.aslazy(scipy.sparse.csr_array(D)).astype(dtype), D))
    for order in ORDERS:
        for A, E in operators:
            assert lo.norm(A, order) == pytest.approx(np.linalg.norm(E, order), rel=1e-3)


def test_wide_operators_without_an_adjoint():
    D = random("float64", 3, 5)
    A = lo.aslazy(scipy.sparse.linalg.LinearOperator(D.shape, matvec=lambda x: D @ x, dtype=float))
    for order in ORDERS:
        assert lo.norm(A, order) == pytest.approx(np.linalg.norm(D, order))


def test_integers():
    D = np.full((2, 2), -128, dtype=np.int8)
    for order in ORDERS:
        for A in (lo.aslazy(D), lo.aslazy(scipy.sparse.csr_array(D)), lo.KroneckerSparse([[D]])):
            E = A.toarray().astype(float)
            assert lo.norm(A, order) == pytest.approx(np.linalg.norm(E, order))


def test_sparse_duplicates_add_up():
    matrix = scipy.sparse.csr_array((np.array([3.0, -3.0, 1.0]), [0, 0, 1], [0, 3]), shape=(1, 2))
    A = lo.aslazy(matrix)
    assert (lo.norm(A), lo.norm(A, 1), lo.norm(A, -1)) == (1, 1, 0)
    assert matrix.nnz == 3


def test_rows_picked_more_than_once():
    for rows in ([0, 0, 0, 2], [3, 1], slice(None, None, 2)):
        A = lo.Identity(4)[rows]
        for order in ORDERS:
            agrees(A, A.toarray(), order, 1e-15)
            agrees(A.T, A.T.toarray(), order, 1e-15)


# By columns, and by iteration ---------------------------------------------------------------------


@pytest.mark.parametrize(("m", "n"), [(700, 300), (300, 700), (1, 600)])
def test_blocks_of_columns(m, n):
    D = random("float64", m, n)
    for order in ORDERS:
        agrees(lo.Sum(D, lo.Zero((m, n))), D, order, 1e-13)


def test_columns_are_made_some_at_a_time(monkeypatch):
    monkeypatch.setattr(rules, "_BLOCK_ENTRIES", 100)
    D = random("float64", 40, 30)
    seen = []

    class Counting(lo.LazyOperator):
        _fields = ()

        def __init__(self):
            super().__init__(np.float64, (40, 30))

        def _apply(self, X):
            seen.append(X.shape[1])
            return D @ X

        def _adjoint(self):
            raise AssertionError("not needed")

    for order in ("fro", 1, -1, np.inf, -np.inf):
        agrees(Counting(), D, order, 1e-13)
    assert set(seen) == {2}


def laplacian(n, dtype="float64"):
    T = scipy.sparse.diags_array([2, -1, -1], offsets=[0, 1, -1], shape=(n, n), dtype=dtype)
    return lo.aslazy(T.tocsr())


def test_iteration():
    n = 40
    A = lo.kronsum(laplacian(n), laplacian(n))
    exact = 4 + 4 * np.cos(np.pi / (n + 1))
    for tol in (None, 1e-4, 1e-12):
        found = lo.norm(A, 2, tol=tol)
        assert exact * (1 - (tol or 1.5e-8)) <= found <= exact * (1 + 1e-14)
    assert lo.norm(A, 2) == lo.norm(A, 2)
    assert lo.norm(1j * A @ lo.Diagonal(np.ones(n * n)), 2) == pytest.approx(exact)
    single = lo.kronsum(laplacian(n, "float32"), laplacian(n, "float32"))
    for moved in (single, single.to("array_api_strict")):
        assert lo.norm(moved, 2) == pytest.approx(exact, rel=1e-3)


@pytest.mark.parametrize(("m", "n"), [(3000, 400), (400, 3000)])
def test_iteration_on_rectangles(m, n):
    singular = np.linspace(0.1, 1, 5)
    U, _ = np.linalg.qr(random("complex128", m, 5))
    V, _ = np.linalg.qr(random("complex128", n, 5))
    thin = lo.LowRank(U * singular, V)
    A = lo.Sum(thin, lo.Zero((m, n)))
    for scale in (1, 1e250, 1e-250):
        assert lo.norm(scale * A, 2) == pytest.approx(scale, rel=1e-12)
    assert lo.norm(thin, 2) == pytest.approx(1)


@pytest.mark.parametrize("scale", [1e-200, 1e-165, 1e160, 1e300])
def test_iteration_at_any_size(scale, monkeypatch):
    monkeypatch.setattr(rules, "MOST_ENTRIES", 1)
    A = lo.aslazy(scipy.sparse.diags_array(scale * np.r_[2, np.ones(29)]).tocsr())
    assert lo.norm(A, 2) == pytest.approx(2 * scale)


@pytest.mark.parametrize("n", [2, 3])
def test_iteration_on_few_complex_columns(n, monkeypatch):
    monkeypatch.setattr(rules, "MOST_ENTRIES", 1)
    D = random("complex128", 30, n)
    assert lo.norm(lo.aslazy(scipy.sparse.csr_array(D)), 2) == pytest.approx(np.linalg.norm(D, 2))


def test_iteration_on_a_zero_matrix():
    zero = lo.Sum(lo.LowRank(np.zeros((2000, 1)), np.ones((2000, 1))), lo.Zero(2000))
    assert lo.norm(zero, 2) == 0


def test_a_column():
    x = random("float64", 2_000_000, 1)
    A = lo.Sum(x, lo.Zero(x.shape))
    assert lo.norm(A, 2) == lo.norm(A.T, 2) == pytest.approx(np.linalg.norm(x))


def test_no_convergence_is_an_error(monkeypatch):
    from lazyop.algebra import largest_singular_value as iteration

    def eigsh(*args, **options):
        return original(*args, **options, maxiter=1, ncv=2)

    original = iteration.eigsh
    monkeypatch.setattr(iteration, "eigsh", eigsh)
    A = lo.kronsum(laplacian(40), laplacian(40))
    with pytest.raises(RuntimeError, match=r"did not reach tol = 1\.0e-12"):
        lo.norm(A, 2, tol=1e-12)


# What is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("order", ORDERS)
def test_entries_that_are_not_finite(bad, order):
    D = np.ones((4, 4))
    D[1, 2] = bad
    values = np.ones((2, 2, 2, 1))
    values[0, 1, 1, 0] = bad
    chain = lo.Butterfly([np.ones((1, 2, 2, 2)), values])
    for A in (D, lo.Sum(D, lo.Zero(4)), lo.Diagonal([bad, 1.0]), lo.KroneckerSparse(values), chain):
        if order in (-1, -np.inf) and bad == np.inf:
            continue  # where sums are inf the smallest need not be
        with pytest.raises(ValueError, match="not finite"):
            lo.norm(A, order)
    if order not in (-1, -np.inf):
        for blocks in ((D, np.eye(2)), (np.eye(2), D)):
            with pytest.raises(ValueError, match="not finite"):
                lo.norm(lo.BlockDiagonal(blocks), order)
    if order == 2:
        large = lo.Sum(lo.Diagonal(np.full(2000, bad)), lo.LowRank(*np.ones((2, 2000, 1))))
        with pytest.raises(ValueError, match="not finite"):
            lo.norm(large, 2)


@pytest.mark.parametrize("order", [3, 0, -2, "nuc", True, "2", (1,)])
def test_unknown_orders(order):
    with pytest.raises(ValueError, match="ord must be 'fro', 2, 1, -1, inf, -inf or None"):
        lo.norm(np.eye(2), order)


@pytest.mark.parametrize("tol", [0, -1e-3, 1, np.nan, 1e-17, True])
def test_tolerances_out_of_range(tol):
    with pytest.raises(ValueError, match=r"between 2\.2e-15 and 1 for float64"):
        lo.norm(np.eye(2), 2, tol=tol)


def test_what_is_no_matrix():
    with pytest.raises(TypeError, match="expected a matrix"):
        lo.norm("abc")
