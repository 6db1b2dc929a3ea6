"""What is wrong is refused where it enters, in words that help."""

import sys

import array_api_strict
import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import LinearOperator

import lazyop as lo

A = lo.aslazy(np.ones((2, 3)))
S = lo.aslazy(np.ones((3, 3)))
STRICT = A.to("array_api_strict")
FORWARD_ONLY = LinearOperator((2, 2), matvec=lambda x: x, dtype=np.float64)
CHAIN = lo.Chain.square_dyadic(4)
ONES = np.ones((4, 4))


def strict(*shape):
    return array_api_strict.ones(shape, dtype=array_api_strict.float64)


PRODUCTS = {
    "short vector": (lambda: A @ np.ones(2), ValueError, r"shape \(2, 3\) takes 3 rows.*\(2,\)"),
    "short list": (lambda: A @ [1.0, 2.0], ValueError, r"\(2, 3\) takes 3 rows"),
    "short matrix": (lambda: A @ np.ones((2, 3)), ValueError, r"\(2, 3\) takes 3 rows.*\(2, 3\)"),
    "short stack": (lambda: A @ np.ones((3, 2, 2)), ValueError, r"takes 3 rows.*\(3, 2, 2\)"),
    "short matvec": (lambda: A.matvec(np.ones(2)), ValueError, "mismatch"),
    "short batch": (lambda: A.matvec(np.ones((3, 2))), ValueError, r"vector of length 3.*\(3, 2\)"),
    "short rmatvec": (lambda: A.rmatvec(np.ones(3)), ValueError, r"\(3, 2\) takes 2 rows"),
    "short matmat": (lambda: A.matmat(np.ones((2, 2))), ValueError, "takes 3 rows"),
    "short rmatmat": (lambda: A.rmatmat(np.ones((3, 2))), ValueError, "takes 2 rows"),
    "vector for a matrix": (lambda: A.matmat(np.ones(3)), ValueError, "takes a matrix"),
    "long from the left": (lambda: np.ones(3) @ A, ValueError, "length 2 from the left"),
    "matrix from the left": (lambda: np.ones((2, 3)) @ A, ValueError, "length 2 from the left"),
    "strings": (lambda: A @ np.array(["1", "2", "3"]), TypeError, "array of numbers.*U1"),
    "a string": (lambda: A @ "123", TypeError, "array of numbers.*str"),
    "objects": (lambda: A @ np.array([1, 2, None]), TypeError, "numbers.*dtype object"),
    "numbers as objects": (lambda: A @ np.ones(3, object), TypeError, "numbers.*dtype object"),
    "dates": (lambda: A @ np.zeros(3, "M8[s]"), TypeError, "numbers.*datetime64"),
    "None": (lambda: A @ None, TypeError, "array of numbers.*None"),
    "ragged list": (lambda: A @ [1, [2, 3], 4], TypeError, "not an array"),
    "masked": (lambda: A @ np.ma.masked_array([1.0, 2, 3], [0, 1, 0]), TypeError, "fill it first"),
    "sparse to matvec": (
        lambda: A.matvec(scipy.sparse.csr_array(np.ones((3, 1)))),
        TypeError,
        r"csr_array.*\.toarray\(\)",
    ),
    "operator to matmat": (lambda: A.matmat(S), TypeError, r"Dense.*\.toarray\(\)"),
    "no rmatvec": (
        lambda: lo.aslazy(FORWARD_ONLY).H @ np.ones(2),
        NotImplementedError,
        "does not define rmatvec",
    ),
}

ALGEBRA = {
    "sum of shapes": (lambda: A + S, ValueError, r"add .*\(2, 3\) and \(3, 3\)"),
    "difference of shapes": (lambda: A - S, ValueError, r"\(2, 3\) and \(3, 3\)"),
    "product of shapes": (lambda: A @ A, ValueError, "3 columns meet 2 rows"),
    "product with a sparse matrix": (
        lambda: A @ scipy.sparse.eye_array(2),
        ValueError,
        "3 columns meet 2 rows",
    ),
    "plus a number": (lambda: A + 3, TypeError, r"scalar can't be added.*lo\.Identity"),
    "number minus": (lambda: 3 - A, TypeError, "scalar can't be added"),
    "minus a number": (lambda: A - np.float64(3), TypeError, "scalar can't be added"),
    "plus a vector": (lambda: A + np.ones(3), ValueError, r"2 dimension.*\(3,\)"),
    "plus a string": (lambda: A + "A", TypeError, "matrix.*or an operator, got str"),
    "plus None": (lambda: A + None, TypeError, "NoneType"),
    "at a number": (lambda: A @ 3, ValueError, r"[Ss]calar operands .*'\*'"),
    "number at": (lambda: 3 @ A, ValueError, r"[Ss]calar operands .*'\*'"),
    "at a 0-d array": (lambda: A @ np.array(3.0), ValueError, r"[Ss]calar operands .*'\*'"),
    "by zero": (lambda: A / 0, ZeroDivisionError, "by zero"),
    "by a zero of NumPy": (lambda: A / np.float32(0), ZeroDivisionError, "by zero"),
    "by infinity": (lambda: A / np.inf, ValueError, "finite, got inf"),
    "by an operator": (lambda: S / S, TypeError, "divided by a scalar only"),
    "number by an operator": (lambda: 3 / S, TypeError, "unsupported operand"),
    "times NaN": (lambda: np.nan * A, ValueError, "finite, got nan"),
    "times infinity": (lambda: A * np.float32(np.inf), ValueError, "finite.*inf"),
    "times a complex NaN": (lambda: A * complex(0, np.nan), ValueError, "finite.*nan"),
    "power of a rectangle": (lambda: A**2, ValueError, r"only a square .*\(2, 3\)"),
    "negative power": (lambda: S**-1, ValueError, "can't be negative, got -1"),
    "fractional power": (lambda: S**0.5, TypeError, "integer, got 0.5"),
    "trace of a rectangle": (lambda: A.trace(), ValueError, r"only a square .*\(2, 3\)"),
    "negative columns": (lambda: A.plan(-1), ValueError, "-1 columns"),
}

NAMESPACES = {
    "foreign argument": (lambda: A @ strict(3), r"in numpy,.*array_api_strict.*\.to\("),
    "foreign argument of matvec": (lambda: A.matvec(strict(3)), r"numpy.*strict.*\.to\("),
    "foreign argument of rmatmat": (lambda: A.rmatmat(strict(2, 2)), r"numpy.*strict.*\.to\("),
    "foreign argument of rdot": (lambda: A.rdot(strict(2)), r"numpy.*strict.*\.to\("),
    "NumPy argument": (lambda: STRICT @ np.ones(3), r"strict.*numpy.*\.to\('numpy'\)"),
    "NumPy argument from the left": (
        lambda: np.ones(2) @ STRICT,
        r"strict.*numpy.*\.to\('numpy'\)",
    ),
    "list": (lambda: STRICT @ [1.0, 2.0, 3.0], r"strict.*numpy.*\.to\('numpy'\)"),
    "mixed sum": (lambda: STRICT + A, r"Sum.*strict.*numpy.*\.to\("),
    "mixed sum with an array": (lambda: A + strict(2, 3), r"Sum.*numpy.*strict.*\.to\("),
    "mixed product": (lambda: S @ STRICT.H, r"Product.*numpy.*strict.*\.to\("),
    "mixed product with sparse": (
        lambda: scipy.sparse.eye_array(2) @ STRICT,
        r"Product.*numpy.*strict.*\.to\(",
    ),
    "mixed kron": (lambda: lo.kron(A, STRICT), r"Kron.*numpy.*strict.*\.to\("),
    "mixed blocks": (lambda: lo.vstack([A, STRICT]), r"Block.*numpy.*strict.*\.to\("),
    "mixed block_diag": (lambda: lo.block_diag(A, STRICT), r"numpy.*strict.*\.to\("),
    "mixed data": (lambda: lo.LowRank(np.ones((2, 1)), strict(2, 1)), r"numpy.*strict.*\.to\("),
    "mixed butterfly": (
        lambda: lo.Butterfly([np.ones((1, 2, 2, 1)), strict(1, 2, 2, 1)]),
        r"Butterfly.*numpy.*strict.*\.to\(",
    ),
    "SciPy's operator": (lambda: STRICT.H @ FORWARD_ONLY, r"strict.*numpy.*\.to\("),
    "moving SciPy's operator": (
        lambda: lo.aslazy(FORWARD_ONLY).to("array_api_strict"),
        "another library's operator",
    ),
    "no namespace": (lambda: A.to(3), "expected a namespace.*or a device, got 3"),
    "NumPy permutation of a foreign matrix": (
        lambda: lo.factorize(strict(4, 4), CHAIN, permutation=lo.bit_reversal(4)),
        r"numpy.*strict.*\.to\(",
    ),
}

DTYPES = {
    "complex to real": (lambda: (1j * A).astype("float64"), "complex128 to float64.*imaginary"),
    "complex to real on the way": (lambda: (1j * A).to("numpy", "float32"), "imaginary"),
    "real to integer": (lambda: A.astype(int), "float64 to int64.*fractions"),
    "negative to unsigned": (lambda: (-lo.aslazy([[1]])).astype("uint8"), "uint8 can't hold.* -1"),
    "narrower than a coefficient": (
        lambda: (1000 * lo.aslazy([[1]])).astype("int8"),
        "int8 can't hold the coefficient 1000",
    ),
    "to strings": (lambda: A.astype("U3"), "one of numbers, got <U3"),
    "to objects": (lambda: A.astype(object), "one of numbers, got object"),
    "to booleans": (lambda: A.astype(bool), "one of numbers, got bool"),
    "of strings": (lambda: lo.aslazy(np.array([["a"]])), "array of numbers.*U1"),
    "of objects": (lambda: lo.aslazy(np.array([[None]])), "array of numbers.*object"),
    "of nothing": (lambda: lo.Identity(2, dtype=None), "one of numbers, got None"),
    "of SciPy's in another precision": (
        lambda: lo.aslazy(FORWARD_ONLY).astype("float32"),
        "another library's operator",
    ),
}

INDICES = {
    "row too high": (lambda: A[2], "row index 2 is out of range for size 2"),
    "row too low": (lambda: A[-3], "row index -3 is out of range"),
    "column too high": (lambda: A[0, 3], "column index 3 is out of range for size 3"),
    "one of several": (lambda: A[[0, 2]], "index 2 in the row index is out of range"),
    "one of several columns": (lambda: A[:, [-4]], "index -4 in the column index is out of range"),
    "long mask": (lambda: A[[True, False, True]], r"mask must have shape \(2,\), got \(3,\)"),
    "short mask": (lambda: A[:, [True]], r"column mask must have shape \(3,\), got \(1,\)"),
    "matrix mask": (lambda: A[np.ones((2, 3), bool)], r"mask must have shape \(2,\)"),
    "three indices": (lambda: A[0, 0, 0], "row and a column index, got 3"),
    "two ellipses": (lambda: A[..., ...], "row and a column index"),
    "new axis": (lambda: A[None], "None"),
    "fraction": (lambda: A[1.0], "must be an integer, a slice.*got 1.0"),
    "fractions": (lambda: A[:, [0.5]], "column index must be an integer, a slice"),
    "name": (lambda: A["a"], "must be an integer, a slice.*'a'"),
    "boolean": (lambda: A[True], "single boolean"),
    "matrix of indices": (lambda: A[[[0]]], "one-dimensional"),
}

EMPTY = {
    "Sum": lambda: lo.Sum(),
    "Product": lambda: lo.Product(),
    "Kron": lambda: lo.Kron(),
    "KronSum": lambda: lo.KronSum(),
    "BlockDiagonal": lambda: lo.BlockDiagonal([]),
    "kron": lambda: lo.kron(),
    "kronsum": lambda: lo.kronsum(),
    "block_diag": lambda: lo.block_diag(),
    "block": lambda: lo.block([]),
    "block of empty rows": lambda: lo.block([[], []]),
    "hstack": lambda: lo.hstack([]),
    "vstack": lambda: lo.vstack([]),
    "Butterfly": lambda: lo.Butterfly([]),
    "Chain": lambda: lo.Chain([]),
}

CONSTRUCTORS = {
    "an operator for rows of blocks": (lambda: lo.block(A), TypeError, "rows of blocks.*got Dense"),
    "an operator for operators": (lambda: lo.hstack(A), TypeError, "operators.*got Dense"),
    "a number for operators": (lambda: lo.vstack(3), TypeError, "operators.*got int"),
    "one block": (lambda: lo.BlockDiagonal(A), TypeError, "operators.*got Dense"),
    "a number for factors": (lambda: lo.Butterfly(3), TypeError, "factors.*got int"),
    "a number for patterns": (lambda: lo.Chain(5), TypeError, "patterns.*got int"),
    "a number for groups": (lambda: CHAIN.merge(2), TypeError, "lengths of groups, got int"),
    "Sum of shapes": (lambda: lo.Sum(A, S), ValueError, r"\(2, 3\) and \(3, 3\)"),
    "Product of shapes": (lambda: lo.Product(A, A), ValueError, "3 columns meet 2 rows"),
    "Product with None": (lambda: lo.Product(A, None), TypeError, "got NoneType"),
    "Kron of a number": (lambda: lo.Kron(3, A), TypeError, "got int"),
    "KronSum of a rectangle": (lambda: lo.KronSum(A), ValueError, r"square.*\(2, 3\)"),
    "ragged blocks": (lambda: lo.block([[A, A], [A]]), ValueError, r"differ in length: \[2, 1\]"),
    "blocks of no size": (
        lambda: lo.block([[A, None], [None, None]]),
        ValueError,
        r"row 1 has only zero blocks.*lo\.Zero",
    ),
    "blocks of two heights": (lambda: lo.hstack([A, S]), ValueError, r"row 0 .*\[2, 3\]"),
    "blocks of two widths": (
        lambda: lo.vstack([A, np.ones((2, 2))]),
        ValueError,
        r"column 0 .*\[2, 3\]",
    ),
    "blocks not in rows": (lambda: lo.block([A, A]), TypeError, r"rows of blocks, as in \[\["),
    "matrix for a diagonal": (lambda: lo.Diagonal(np.eye(2)), ValueError, r"1 dimension.*\(2, 2\)"),
    "number for a diagonal": (lambda: lo.Diagonal(3.0), ValueError, "1 dimension"),
    "string for a diagonal": (lambda: lo.Diagonal("abc"), TypeError, "array of numbers.*str"),
    "masked diagonal": (
        lambda: lo.Diagonal(np.ma.masked_array([1.0, 2], [0, 1])),
        TypeError,
        "masked array; fill it first",
    ),
    "sparse diagonal": (
        lambda: lo.Diagonal(scipy.sparse.eye_array(2)),
        TypeError,
        r"make it dense first, with \.toarray\(\)",
    ),
    "repeated": (lambda: lo.Permutation([0, 0, 1]), ValueError, "2 is missing, 0 is repeated"),
    "too high": (lambda: lo.Permutation([1, 2, 3]), ValueError, "not a permutation: index 3"),
    "too low": (lambda: lo.Permutation([-4, 0, 1]), ValueError, "not a permutation: index -4"),
    "fractions": (lambda: lo.Permutation([0.0, 1.0]), TypeError, "integers, got dtype float64"),
    "booleans": (lambda: lo.Permutation([True, False]), TypeError, "integers, got dtype bool"),
    "permutation matrix": (lambda: lo.Permutation([[0, 1]]), ValueError, "one-dimensional"),
    "permutation of a number": (lambda: lo.Permutation(3), ValueError, "one-dimensional"),
    "bits of 6": (lambda: lo.bit_reversal(6), ValueError, "power of two, got 6"),
    "bits of 0": (lambda: lo.bit_reversal(0), ValueError, "power of two, got 0"),
    "negative shuffle": (lambda: lo.perfect_shuffle(-1, 2), ValueError, "negative"),
    "ranks": (
        lambda: lo.LowRank(np.ones((3, 2)), np.ones((3, 1))),
        ValueError,
        "equally many columns, got 2 and 1",
    ),
    "vectors": (lambda: lo.LowRank(np.ones(3), np.ones(3)), ValueError, r"U must have 2 dim.*\(3,"),
    "negative size": (lambda: lo.Identity(-1), ValueError, "negative, got -1"),
    "fractional size": (lambda: lo.Identity(2.0), TypeError, "integer"),
    "boolean size": (lambda: lo.Identity(True), TypeError, "integer, got a bool"),
    "one size": (lambda: lo.Zero((2,)), ValueError, r"two sizes, got \(2,\)"),
    "three sizes": (lambda: lo.Zero((2, 3, 4)), ValueError, "two sizes"),
    "factor of a matrix": (lambda: lo.KroneckerSparse(ONES), ValueError, r"4 dimension.*\(4, 4\)"),
    "empty factor": (
        lambda: lo.KroneckerSparse(np.ones((0, 2, 2, 1))),
        ValueError,
        "a of a pattern",
    ),
    "factors that do not fit": (
        lambda: lo.Butterfly([np.ones((1, 2, 2, 2)), np.ones((3, 2, 2, 1))]),
        ValueError,
        r"1 and 2 of the chain do not fit.*\(4, 4\).*\(6, 6\)",
    ),
    "number": (lambda: lo.aslazy(3), TypeError, "got int"),
    "None": (lambda: lo.aslazy(None), TypeError, "got NoneType"),
    "string": (lambda: lo.aslazy("abc"), TypeError, "got str"),
    "vector": (lambda: lo.aslazy([1, 2]), ValueError, r"2 dimension.*\(2,\)"),
    "stack": (lambda: lo.aslazy(np.ones((2, 2, 2))), ValueError, r"2 dimension.*\(2, 2, 2\)"),
    "ragged": (lambda: lo.aslazy([[1, 2], [3]]), TypeError, "not an array"),
    "sparse vector": (
        lambda: lo.aslazy(scipy.sparse.coo_array(np.ones(3))),
        ValueError,
        "two dimensions",
    ),
}

FACTORIZATION = {
    "NaN": (lambda: lo.factorize(np.full((4, 4), np.nan), CHAIN), ValueError, "NaN or infinite"),
    "one NaN": (lambda: lo.factorize(ONES / np.arange(4), CHAIN), ValueError, "NaN or infinite"),
    "vector": (lambda: lo.factorize(np.ones(4), CHAIN), ValueError, r"matrix.*\(4,\)"),
    "strings": (lambda: lo.factorize(ONES.astype("U3"), CHAIN), TypeError, "array of numbers"),
    "half precision": (
        lambda: lo.factorize(ONES.astype(np.float16), CHAIN),
        TypeError,
        "single or double precision, got float16",
    ),
    "chain that does not fit": (
        lambda: lo.factorize(ONES, lo.Chain.square_dyadic(8)),
        ValueError,
        r"of shape \(8, 8\), A has shape \(4, 4\)",
    ),
    "chain that does not chain": (
        lambda: lo.factorize(ONES, [(2, 2, 2, 1), (1, 2, 2, 2)]),
        ValueError,
        "patterns 1 and 2 of the chain.*do not chain",
    ),
    "chain of three integers": (
        lambda: lo.factorize(ONES, [(1, 2, 2)]),
        TypeError,
        r"four integers \(a, b, c, d\), got \(1, 2, 2\)",
    ),
    "chain of no size": (lambda: lo.Chain([(1, 2, 0, 2)]), ValueError, "c of a pattern.*got 0"),
    "order": (
        lambda: lo.factorize(ONES, CHAIN, order="sideways"),
        ValueError,
        "order must be 'left-to-right'.*got 'sideways'",
    ),
    "order that repeats": (
        lambda: lo.factorize(np.ones((8, 8)), lo.Chain.square_dyadic(8), order=(1, 1)),
        ValueError,
        r"permutation of the splits 1 to 2, got \(1, 1\)",
    ),
    "permutation": (
        lambda: lo.factorize(ONES, CHAIN, permutation="random"),
        ValueError,
        "permutation must be None, 'bit-reversal'.*'random'",
    ),
    "permutation that does not fit": (
        lambda: lo.factorize(ONES, CHAIN, permutation=lo.bit_reversal(8)),
        ValueError,
        "permutation of 8 does not fit 4 columns",
    ),
}


TABLES = {
    "products": PRODUCTS,
    "algebra": ALGEBRA,
    "namespaces": {name: (call, TypeError, words) for name, (call, words) in NAMESPACES.items()},
    "dtypes": {name: (call, TypeError, words) for name, (call, words) in DTYPES.items()},
    "indices": {name: (call, IndexError, words) for name, (call, words) in INDICES.items()},
    "empty": {name: (call, ValueError, "at least one") for name, call in EMPTY.items()},
    "constructors": CONSTRUCTORS,
    "factorization": FACTORIZATION,
}


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        pytest.param(*case, id=f"{table}: {name}")
        for table, cases in TABLES.items()
        for name, case in cases.items()
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words) as caught:
        call()
    assert caught.type is error


def test_a_namespace_that_is_not_installed():
    with pytest.raises(ValueError, match="unknown namespace 'nothing'; known are numpy, cupy"):
        A.to("nothing")


def test_a_package_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(ImportError, match=r"cupy is not installed.*pip install lazyop\[cuda13\]"):
        A.to("cupy")


def test_an_operator_without_a_product():
    class Nothing(lo.LazyOperator):
        def __init__(self):
            super().__init__(np.float64, (2, 2))

    with pytest.raises(NotImplementedError, match="Nothing does not define _apply"):
        Nothing() @ np.ones(2)
    with pytest.raises(NotImplementedError, match="Nothing does not define _adjoint"):
        Nothing().H  # noqa: B018
