"""Random expressions against the same ones of dense matrices, and indexing against NumPy's."""

import math
import operator as operators
import pickle
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate, pairwise

import array_api_strict
import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from chains import dense
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from market import random

import lazyop as lo

#: Expressions have many shapes: look at more of them than the profile asks for.
thorough = settings(max_examples=2 * settings.default.max_examples)

DTYPES = st.sampled_from(["float32", "float64", "complex64", "complex128"])
SEEDS = st.integers(0, 10)
SIZES = st.sampled_from([1, 2, 3, 4, 6, 2, 3, 4, 6, 0])
SCALARS = st.sampled_from(
    [
        -1,
        0,
        1,
        0.5,
        -1.5,
        2j,
        1 - 1j,
        np.float32(3),
        np.float64(0.1),
        np.complex64(1j),
        np.array(2.0),
    ]
)


@dataclass
class Case:
    """An operator, the matrix it stands for in double precision, and what is due to rounding.

    `bound` is the same expression of absolute values; `eps` is that of the narrowest dtype in it.
    """

    op: lo.LazyOperator
    dense: np.ndarray
    bound: np.ndarray
    dtype: np.dtype
    eps: float

    def agrees(self, found, X=None):
        """Compare with the matrix, or with its product with X."""
        found = np.asarray(found)
        expected, bound = self.dense, self.bound
        if X is not None:
            expected, bound = expected @ X, bound @ abs(X)
        assert found.shape == expected.shape
        assert found.dtype == np.result_type(self.dtype, *([] if X is None else [X.dtype]))
        assert np.all(abs(found - expected) <= 200 * self.eps * bound)

    def changed(self, op, change, dtype=None):
        """Return the case of an operator made of this one."""
        dtype = self.dtype if dtype is None else dtype
        return Case(op, change(self.dense), change(self.bound), dtype, self.eps)


def leaf(op, matrix):
    dtype = matrix.dtype
    eps = np.finfo(dtype).eps if dtype.kind in "fc" else 0.0
    return Case(op, matrix.astype(complex), abs(matrix.astype(complex)), dtype, eps)


def joined(cases, op, change):
    """Return the case of an operator made of several."""
    dtype = np.result_type(*(case.dtype for case in cases))
    eps = max(case.eps for case in cases)
    matrix, bound = change([c.dense for c in cases]), change([c.bound for c in cases])
    return Case(op, matrix, bound, dtype, eps)


# Leaves -------------------------------------------------------------------------------------------


@st.composite
def leaves(draw, m, n):
    dtype, seed = draw(DTYPES), draw(SEEDS)
    D = random(dtype, m, n, seed=seed)
    kinds = ["dense", "raw", "csr", "csc", "zero", "low rank"]
    if m == n:
        kinds += ["identity", "diagonal", "permutation", "narrow permutation"]
    if m and n:
        kinds += ["Kronecker-sparse", "Butterfly"]
    kind = draw(st.sampled_from(kinds))
    if kind == "dense":
        return leaf(lo.aslazy(D), D)
    if kind == "raw":
        return leaf(D, D)
    if kind in ("csr", "csc"):
        D[abs(D) < 0.5] = 0
        return leaf(lo.aslazy(scipy.sparse.csr_array(D).asformat(kind)), D)
    if kind == "zero":
        return leaf(lo.Zero((m, n), dtype), np.zeros((m, n), dtype))
    if kind == "low rank":
        U, V = random(dtype, m, 2, seed=seed), random(dtype, n, 2, seed=seed + 1)
        case = leaf(lo.LowRank(U, V), U @ V.conj().T)
        case.bound = abs(U) @ abs(V).T
        return case
    if kind == "identity":
        return leaf(lo.Identity(n, dtype), np.eye(n, dtype=dtype))
    if kind == "diagonal":
        d = random(dtype, n, seed=seed)
        return leaf(lo.Diagonal(d), np.diag(d))
    if kind.endswith("permutation"):
        p = np.random.default_rng(seed).permutation(n)
        dtype = np.int8 if kind.startswith("narrow") else dtype
        return leaf(lo.Permutation(p, dtype), np.eye(n, dtype=dtype)[p])
    a = math.gcd(m, n)
    if kind == "Kronecker-sparse":
        pattern = draw(st.sampled_from([(a, m // a, n // a, 1), (1, m // a, n // a, a)]))
        values = random(dtype, *pattern, seed=seed)
        return leaf(lo.KroneckerSparse(values), dense(values))
    values = random(dtype, 1, m, 1, 1, seed=seed), random(dtype, 1, 1, n, 1, seed=seed)
    return leaf(lo.Butterfly(values), dense(values[0]) @ dense(values[1]))


# Expressions --------------------------------------------------------------------------------------


@st.composite
def splits(draw, total):
    """Draw two or three sizes with a given sum."""
    cuts = sorted(draw(st.lists(st.integers(0, total), min_size=1, max_size=2)))
    return [b - a for a, b in zip([0, *cuts], [*cuts, total], strict=True)]


@st.composite
def divisions(draw, total):
    """Draw two or three sizes with a given product."""
    sizes = []
    for _ in range(draw(st.integers(1, 2))):
        divisors = [d for d in range(1, total + 1) if total % d == 0] or [0, 1, 2]
        sizes.append(draw(st.sampled_from(divisors)))
        total = total // sizes[-1] if sizes[-1] else draw(SIZES)
    return [*sizes, total]


@st.composite
def index_sets(draw, count):
    """Draw an index that picks that many of an axis, in NumPy's terms, and the axis' length."""
    kind = draw(st.sampled_from(["slice", "reversed slice", "array", "list", "mask"]))
    if "slice" in kind:
        start, step, rest = (draw(st.integers(0, 2)) for _ in range(3))
        stop = start + max(count - 1, 0) * (step + 1) + min(count, 1)
        where = slice(start, stop, step + 1)
        if kind == "reversed slice" and count:
            where = slice(stop - 1, start - 1 if start else None, -step - 1)
        return where, stop + rest
    if kind == "mask":
        mask = draw(st.permutations([True] * count + [False] * draw(st.integers(0, 2))))
        return np.array(mask, bool), len(mask)
    size = draw(st.integers(1, 4)) if count else draw(SIZES)
    picked = [draw(st.integers(-size, size - 1)) for _ in range(count)]
    return (np.array(picked, int) if kind == "array" else picked), size


@st.composite
def expressions(draw, m, n, depth):
    """Draw an expression of a given shape."""
    part = lambda m, n: draw(expressions(m, n, depth - 1))  # noqa: E731
    if depth == 0:
        return draw(leaves(m, n))
    kinds = ["leaf", "sum", "difference", "product", "multiple", "quotient", "adjoint"]
    kinds += ["transpose", "conjugate", "kron", "block_diag", "block", "stacks", "restriction"]
    kinds += ["product of combined"]
    if m == n:
        kinds += ["power", "power", "kronsum", "kronsum", "normal"]
    kind = draw(st.sampled_from(kinds))
    if kind == "sum":
        cases = [part(m, n) for _ in range(draw(st.integers(2, 3)))]
        return joined(cases, sum((case.op for case in cases[1:]), lo.aslazy(cases[0].op)), sum)
    if kind == "difference":
        cases = [part(m, n), part(m, n)]
        case = joined(cases, cases[0].op - lo.aslazy(cases[1].op), sum)
        case.dense = cases[0].dense - cases[1].dense
        return case
    if kind == "product":
        sizes = [m, *draw(st.lists(SIZES, min_size=1, max_size=2)), n]
        cases = [part(k, l) for k, l in pairwise(sizes)]
        ops = [lo.aslazy(cases[0].op), *(case.op for case in cases[1:])]
        return joined(cases, reduce(operators.matmul, ops), lambda x: reduce(np.matmul, x))
    if kind in ("multiple", "quotient"):
        case, scalar = part(m, n), draw(SCALARS)
        op = lo.aslazy(case.op)
        empty = np.empty(0, case.dtype)
        if kind == "quotient":
            assume(scalar != 0)
            new = case.changed(op / scalar, lambda x: x / scalar, (empty / scalar).dtype)
        else:
            op = scalar * op if draw(st.booleans()) else op * scalar
            new = case.changed(op, lambda x: scalar * x, (scalar * empty).dtype)
        new.bound = abs(new.bound)
        new.eps = max(new.eps, np.finfo(new.dtype).eps if new.dtype.kind in "fc" else 0)
        return new
    if kind == "adjoint":
        case = part(n, m)
        return case.changed(lo.aslazy(case.op).H, lambda x: x.conj().T)
    if kind == "transpose":
        case = part(n, m)
        return case.changed(lo.aslazy(case.op).T, lambda x: x.T)
    if kind == "conjugate":
        case = part(m, n)
        return case.changed(lo.aslazy(case.op).conj(), np.conj)
    if kind in ("kron", "block_diag"):
        sizes = divisions if kind == "kron" else splits
        return _combined(kind, draw(sizes(m)), draw(sizes(n)), part)
    if kind == "product of combined":
        kind = draw(st.sampled_from(["kron", "block_diag"]))
        sizes = divisions if kind == "kron" else splits
        inner = draw(sizes(draw(SIZES)))
        pair = [
            _combined(kind, draw(sizes(m)), inner, part),
            _combined(kind, draw(st.permutations(inner)), draw(sizes(n)), part),
        ]
        return joined(pair, pair[0].op @ pair[1].op, lambda x: reduce(np.matmul, x))
    if kind == "kronsum":
        cases = [part(k, k) for k in draw(divisions(n))]
        return joined(cases, lo.kronsum(*(c.op for c in cases)), lambda x: reduce(_kron_sum, x))
    if kind == "block":
        rows, cols = draw(splits(m)), draw(splits(n))
        grid = [[part(k, l) for l in cols] for k in rows]
        holes = {(i, j) for i in range(1, len(rows)) for j in range(1, len(cols))}
        holes = {hole for hole in holes if draw(st.booleans())}
        kept = [c for i, row in enumerate(grid) for j, c in enumerate(row) if (i, j) not in holes]
        ops = [
            [None if (i, j) in holes else case.op for j, case in enumerate(row)]
            for i, row in enumerate(grid)
        ]
        for i, j in holes:
            grid[i][j] = leaf(None, np.zeros((rows[i], cols[j])))
        case = joined(kept, lo.block(ops), lambda x: x[0])
        case.dense = np.block([[c.dense for c in row] for row in grid])
        case.bound = np.block([[c.bound for c in row] for row in grid])
        return case
    if kind == "stacks":
        if draw(st.booleans()):
            cases = [part(k, n) for k in draw(splits(m))]
            return joined(cases, lo.vstack([c.op for c in cases]), np.vstack)
        cases = [part(m, k) for k in draw(splits(n))]
        return joined(cases, lo.hstack([c.op for c in cases]), np.hstack)
    if kind == "restriction":
        (rows, height), (cols, width) = draw(index_sets(m)), draw(index_sets(n))
        case = part(height, width)
        return case.changed(lo.aslazy(case.op)[rows, cols], lambda x: x[rows][:, cols])
    if kind == "power":
        case, p = part(n, n), draw(st.integers(0, 3))
        power = lambda x: np.linalg.matrix_power(x, p)  # noqa: E731
        return case.changed(lo.aslazy(case.op) ** p, power)
    if kind == "normal":
        case = part(draw(SIZES), n)
        return case.changed(lo.aslazy(case.op).N, lambda x: x.conj().T @ x)
    return draw(leaves(m, n))


def _combined(kind, rows, cols, part):
    """Make a Kronecker product or a block-diagonal of parts with sizes as given, or merged."""
    merge = math.prod if kind == "kron" else sum
    count = min(len(rows), len(cols)) - 1
    rows, cols = ([*sizes[:count], merge(sizes[count:])] for sizes in (rows, cols))
    cases = [part(k, l) for k, l in zip(rows, cols, strict=True)]
    ops = [case.op for case in cases]
    if kind == "kron":
        return joined(cases, lo.kron(*ops), lambda x: reduce(np.kron, x))
    return joined(cases, lo.block_diag(*ops), _block_diagonal)


def _kron_sum(A, B):
    return np.kron(A, np.eye(len(B))) + np.kron(np.eye(len(A)), B)


def _block_diagonal(blocks):
    heights = list(accumulate((len(block) for block in blocks), initial=0))
    widths = list(accumulate((block.shape[1] for block in blocks), initial=0))
    whole = np.zeros((heights[-1], widths[-1]), complex)
    for block, i, j in zip(blocks, heights, widths, strict=False):
        whole[i : i + block.shape[0], j : j + block.shape[1]] = block
    return whole


@st.composite
def cases(draw):
    m = draw(SIZES)
    case = draw(expressions(m, m if draw(st.booleans()) else draw(SIZES), draw(st.integers(1, 4))))
    case.op = lo.aslazy(case.op)
    # NumPy's narrow integers wrap around, and a test of rounding has nothing to say of that
    assume(case.dtype.kind in "fc" or case.bound.max(initial=0) < 100)
    assume(case.bound.max(initial=0) < 1e30)
    return case


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


@given(case=cases(), kind=DTYPES)
@thorough
def test_products(case, kind):
    A = case.op
    assert A.shape == case.dense.shape
    assert A.dtype == case.dtype
    adjoint = case.changed(A.H, lambda x: x.conj().T)
    transpose = case.changed(A.T, lambda x: x.T)
    case.eps = adjoint.eps = transpose.eps = max(case.eps, np.finfo(kind).eps)
    for side in (case, adjoint, transpose):
        for shape in ((), (3,), (2, 2)):
            x = random(kind, *shape[:-1], side.dense.shape[1], *shape[-1:])
            side.agrees(side.op @ x, x)
        assert side.op.shape == side.dense.shape
    x, y = random(kind, A.shape[0]), random(kind, A.shape[0], 2)
    transpose.agrees(x @ A, x)
    transpose.agrees((y.T @ A).T, y)
    adjoint.agrees(A.rmatvec(x), x)
    adjoint.agrees(A.rmatmat(y), y)


@given(case=cases())
@thorough
def test_matrices(case):
    A = case.op
    case.agrees(A.toarray())
    case.changed(A, lambda x: x.conj().T).agrees(A.H.toarray())
    case.changed(A, np.conj).agrees(A.conj().toarray())
    case.agrees(A.tosparse().toarray())
    case.changed(A, np.diagonal).agrees(A.diagonal())
    if A.shape[0] == A.shape[1]:
        dtype = np.trace(np.empty((0, 0), case.dtype)).dtype  # that of a sum
        case.changed(A, np.trace, dtype).agrees(A.trace())


def test_sparse_arrays_are_computed_in_the_dtype_of_the_whole():
    narrow, wide = np.full((1, 1), 100, np.int8), np.ones((1, 1), np.int64)
    for make in (lo.Sum, lo.Product, lo.Kron, lo.KronSum):
        A = make(narrow, narrow, wide)
        np.testing.assert_array_equal(A.tosparse().toarray(), A.toarray())
    A = lo.Butterfly([values[..., None, None] for values in (narrow, narrow, wide)])
    np.testing.assert_array_equal(A.tosparse().toarray(), A.toarray())


@pytest.mark.parametrize(
    ("dtype", "held"), [("float16", "float32"), (">f8", "<f8"), (">c8", "<c8")]
)
def test_sparse_arrays_of_dtypes_that_scipy_lacks(dtype, held):
    D = np.array([[1, 2], [0, 3]], dtype)
    A = lo.aslazy(D)
    ops = [A, lo.Diagonal(D[0]), lo.Identity(2, dtype), 2 * A, A @ A, A.T, lo.kron(A, A), A[[0]]]
    for op in ops:
        assert op.tosparse().dtype == held
        np.testing.assert_array_equal(op.tosparse().toarray(), op.toarray())
    wide = lo.block_diag(A, [[1j]])
    np.testing.assert_array_equal(wide.tosparse().toarray(), wide.toarray())


def test_products_of_sparse_matrices_with_half_precision_keep_it():
    D = np.array([[1, 2], [0, 3]], np.int8)
    for A in (lo.aslazy(scipy.sparse.csr_array(D)), lo.Sum(scipy.sparse.csr_array(D), D)):
        assert (A @ np.ones(2, np.float16)).dtype == np.float16
    A = lo.block_diag(scipy.sparse.csr_array(D), np.ones((1, 1), np.float16))
    assert A.dtype == A.toarray().dtype == np.float16


@given(case=cases())
@thorough
def test_copies_and_files(case, folder):
    A = case.op
    lo.save(folder / "A", A)
    for B in (pickle.loads(pickle.dumps(A)), lo.load(folder / "A")):
        assert B.tree() == A.tree()
        assert B.dtype == A.dtype
        np.testing.assert_array_equal(B.toarray(), A.toarray())
        np.testing.assert_array_equal(B.H.toarray(), A.H.toarray())


@given(case=cases())
@thorough
def test_another_namespace_and_back(case):
    A = case.op
    B = A.to("array_api_strict")
    assert B.dtype == A.dtype
    X = random("float64", A.shape[1], 2)
    case.agrees(B @ array_api_strict.asarray(X), X)
    case.agrees(np.asarray(B.toarray()))
    case.changed(A, lambda x: x.conj().T).agrees(np.asarray(B.H.toarray()))
    case.changed(A, np.diagonal).agrees(np.asarray(B.diagonal()))
    back = B.to("numpy")
    assert back.namespace in (None, A.namespace)
    case.agrees(back.toarray())


@given(case=cases(), double=st.booleans())
@thorough
def test_another_precision(case, double):
    kinds = {"f": ("float32", "float64"), "c": ("complex64", "complex128")}
    dtype = np.dtype(kinds.get(case.dtype.kind, kinds["f"])[double])
    B = case.op.astype(dtype)
    assert B.dtype == dtype
    case.dtype, case.eps = dtype, max(case.eps, np.finfo(dtype).eps)
    case.agrees(B.toarray())
    case.agrees(B @ random(dtype, B.shape[1]), random(dtype, B.shape[1]))


def test_an_operator_that_is_the_adjoint_of_its_transpose_conjugated_moves():
    A = lo.aslazy(random("complex128", 3, 3))
    B = A.T.conj()
    assert B.H is A  # so that each is made of the other
    np.testing.assert_array_equal(np.asarray(A.to("array_api_strict").toarray()), A.toarray())
    np.testing.assert_array_equal(np.asarray(B.to("array_api_strict").toarray()), B.toarray())


# Indexing -----------------------------------------------------------------------------------------


OF_EVERY_KIND = {
    "dense": lo.aslazy,
    "sparse": lambda D: lo.aslazy(scipy.sparse.csc_array(D)),
    "sum": lambda D: lo.aslazy(D) + lo.aslazy(scipy.sparse.csr_array(D.shape, dtype=D.dtype)),
    "block": lambda D: lo.hstack([D[:, :2], D[:, 2:]]),
}


@st.composite
def keys(draw, size):
    """Draw an index of an axis of that length, out of range or of a wrong kind at times."""
    integers = st.integers(-size - 2, size + 1)
    bounds = st.none() | st.integers(-size - 3, size + 3)
    masks = st.lists(st.booleans(), min_size=max(size - 1, 1), max_size=size + 1)
    several = (
        st.lists(st.integers(-size, size - 1), max_size=4) if size else st.just([])
    ) | st.lists(integers, max_size=4)
    return draw(
        st.one_of(
            integers,
            integers.map(np.int8),
            integers.map(np.array),
            st.builds(slice, bounds, bounds, st.sampled_from([None, 1, 2, -1, -2, -3])),
            several,
            several.map(lambda picked: np.array(picked, int)),
            masks,
            masks.map(np.array),
            st.sampled_from([1.0, "a", [0.5], ["a"], np.array([1.0]), slice(None), 10**30]),
        )
    )


@st.composite
def indexed(draw):
    m, n = draw(st.integers(0, 4)), draw(st.integers(0, 4))
    parts = [*draw(st.lists(st.just(...), max_size=1)), draw(keys(m)), draw(keys(n))]
    parts = draw(st.permutations(parts)) if parts[0] is ... else parts
    at = [part for part in parts if part is not ...]
    parts = parts[: draw(st.integers(0, len(parts)))] if draw(st.booleans()) else parts
    if not draw(st.integers(0, 9)):
        parts = [*at, draw(keys(n))]  # one too many
    key = parts[0] if len(parts) == 1 and draw(st.booleans()) else tuple(parts)
    return draw(st.sampled_from(sorted(OF_EVERY_KIND))), draw(DTYPES), (m, n), key


def numpy_meaning(D, key):
    """Index rows and columns one after the other, as NumPy does where arrays do not meet."""
    parts = list(key) if isinstance(key, tuple) else [key]
    if len([part for part in parts if part is not ...]) > 2:
        raise IndexError
    if any(part is ... for part in parts):
        at = next(i for i, part in enumerate(parts) if part is ...)
        parts[at : at + 1] = [slice(None)] * (3 - len(parts))
    row, column = (*parts, slice(None), slice(None))[:2]
    rows, columns = np.arange(D.shape[0])[row], np.arange(D.shape[1])[column]
    return D[rows][..., columns]


@given(indexed())
@thorough
def test_indexing(drawn):
    kind, dtype, (m, n), key = drawn
    D = random(dtype, m, n)
    A = OF_EVERY_KIND[kind](D)
    try:
        expected = numpy_meaning(D, key)
    except IndexError:
        with pytest.raises(IndexError):
            A[key]
        return
    found = A[key]
    if isinstance(found, lo.LazyOperator):
        assert expected.ndim == 2
        found = found.toarray()
    assert np.shape(found) == np.shape(expected)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_what_numpy_means_by_other_keys_has_no_place_here():
    A = lo.aslazy(np.ones((2, 2)))
    for key in (None, (0, None), True, (True, 0), np.ones((2, 2), bool), [[0, 1], [1, 0]]):
        with pytest.raises(IndexError):
            A[key]
    with pytest.raises(ValueError, match="step cannot be zero"):
        A[::0]


def test_indices_of_narrow_integers_count_from_the_end():
    x = np.arange(200.0)
    for dtype in (np.int8, np.int16, np.int64):
        np.testing.assert_array_equal(lo.Identity(200)[np.array([-1, 5], dtype)] @ x, [199, 5])
    assert lo.Identity(3)[[]].shape == (0, 3)
    with pytest.raises(IndexError, match="must be an integer"):
        lo.Identity(3)[np.array([], float)]


@pytest.mark.parametrize("dtype", ["uint8", "uint64"])
def test_picking_from_unsigned_integers_does_not_widen_them(dtype):
    D = np.array([[1, 0, 2], [0, np.iinfo(dtype).max, 3]], dtype)
    for A in (lo.aslazy(D), lo.aslazy(scipy.sparse.csr_array(D))):
        for key in ((slice(1, None), slice(1, None)), ([1], [1, 2]), (slice(None), [0, 1])):
            found = A[key].toarray()
            assert found.dtype == dtype
            np.testing.assert_array_equal(found, D[key[0]][:, key[1]])
    assert lo.aslazy(scipy.sparse.csr_array(D)).to("array_api_strict").dtype == dtype


def test_slices_of_slices_hold_no_data():
    A, bounds = lo.LowRank(np.arange(12.0).reshape(6, 2), np.ones((3, 2))), (None, 0, 1, 3, -2, 9)
    slices = [slice(a, b, c) for a in bounds for b in bounds for c in (None, 2, -1, -2)]
    for first in slices[::3]:
        for second in slices[::5]:
            assert A[first][second].shape == A.toarray()[first][second].shape
            np.testing.assert_array_equal(A[first][second].toarray(), A.toarray()[first][second])
    B = A.to("array_api_strict")[1:][::-1]
    np.testing.assert_array_equal(np.asarray(B.toarray()), A.toarray()[:0:-1])


def test_entries_that_are_not_finite_stay_in_their_rows_and_columns():
    D = np.array([[1, 2, 3], [np.nan, 5, np.inf]])
    A = lo.aslazy(D)
    for key in (0, 1, (0, 0), (slice(None), 1), (0, [1, 2])):
        np.testing.assert_array_equal(A[key], D[key])


def test_an_operator_is_no_sequence_of_its_rows():
    with pytest.raises(TypeError, match="not iterable"):
        iter(lo.Identity(2))


def test_a_product_writes_into_its_own_temporaries_alone():
    d, p, x = np.arange(1.0, 5.0), [1, 0, 3, 2], np.arange(8.0).reshape(4, 2)
    before = x.copy()
    for first in (lo.Permutation(p), lo.Identity(4), lo.Diagonal(d), lo.aslazy(np.ones((4, 4)))):
        A = lo.Product(lo.Diagonal(d), first)
        B = lo.Product(lo.Diagonal(1j * d), lo.Diagonal(d), first)
        assert np.array_equal(A @ x, d[:, None] * (first.toarray() @ x))
        assert np.array_equal(B @ x, 1j * d[:, None] ** 2 * (first.toarray() @ x))
    assert np.array_equal(x, before)
    assert np.array_equal(d, np.arange(1.0, 5.0))
