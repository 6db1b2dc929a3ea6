"""Every way to factorize meets every kind of matrix: it converts, reports, or says why not."""

import numpy as np
import pytest
import scipy.sparse

from lazyop.butterfly.chain import Chain
from lazyop.factorization.factorize import factorize
from lazyop.factorization.nearest_kron import nearest_kron
from lazyop.factorization.refine import refine

CHAIN = Chain.square_dyadic(8)
#: Ways to factorize a matrix of order 8 that report an error.
REPORTING = {
    "chain": lambda A: factorize(A, CHAIN),
    "balanced": lambda A: factorize(A, CHAIN, order="balanced"),
    "plain": lambda A: factorize(A, CHAIN, order="balanced", orthonormalize=False),
    "terms": lambda A: factorize(A, CHAIN, terms=2),
    "reversed": lambda A: factorize(A, CHAIN, permutation="bit-reversal"),
    "search": lambda A: factorize(A, CHAIN, permutation="search"),
    "tol": lambda A: factorize(A, tol=0.3),
    "limit": lambda A: factorize(A, max_parameters=50),
    "refine": lambda A: refine(factorize(np.eye(8, dtype="float32"), CHAIN), A, sweeps=3),
}
WAYS = REPORTING | {
    "kron": lambda A: nearest_kron(A, [(2, 2), (4, 4)]),
    "three": lambda A: nearest_kron(A, [(2, 2), (2, 2), (2, 2)], terms=2),
}
#: The same for matrices of one row and one column.
SINGLE = {
    "chain": lambda A: factorize(A, [(1, 1, 1, 1)]),
    "terms": lambda A: factorize(A, [(1, 1, 1, 1)], terms=2),
    "search": lambda A: factorize(A, [(1, 1, 1, 1)], permutation="search"),
    "tol": lambda A: factorize(A, tol=0.3),
    "limit": lambda A: factorize(A, max_parameters=1),
    "refine": lambda A: refine(factorize([[1.0]], [(1, 1, 1, 1)]), A),
    "kron": lambda A: nearest_kron(A, [(1, 1), (1, 1)]),
}


def gaussian(dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    real, imaginary = rng.standard_normal((2, 8, 8))
    return (real + 1j * imaginary if np.dtype(dtype).kind == "c" else real).astype(dtype)


def operator(found):
    return getattr(found, "operator", found)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("name", REPORTING)
def test_no_structure_is_an_honest_report(name, dtype):
    for seed in range(3):
        A = gaussian(dtype, seed)
        found = REPORTING[name](A)
        error = np.linalg.norm(A - found.operator.toarray()) / np.linalg.norm(A)
        assert found.relative_error == pytest.approx(error, abs=1e-12)
        assert found.lower_bound <= error + 1e-12
        if found.error_bound is not None:
            assert error <= found.error_bound + 1e-12
        assert (error < 1e-12) == (found.chain.nnz == 64)  # nothing but the matrix itself is exact


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
@pytest.mark.parametrize("name", WAYS)
def test_single_precision_stays(name, dtype):
    A = gaussian(dtype)
    single, double = operator(WAYS[name](A)), operator(WAYS[name](A.astype("complex128")))
    assert single.dtype == dtype
    errors = [np.linalg.norm(A - found.toarray()) for found in (single, double)]
    assert errors[0] == pytest.approx(errors[1], rel=1e-4, abs=1e-4)


@pytest.mark.parametrize(
    "make",
    [
        lambda A: A.tolist(),
        scipy.sparse.coo_array,
        scipy.sparse.csc_matrix,
        lambda A: A.astype("int8"),
        lambda A: A.astype("uint64"),
        lambda A: A.astype(bool),
    ],
)
@pytest.mark.parametrize("name", WAYS)
def test_other_input_is_converted(name, make):
    A = (gaussian() > 0).astype(float)
    found, expected = operator(WAYS[name](make(A))), operator(WAYS[name](A))
    assert found.dtype == "float64"
    assert np.allclose(found.toarray(), expected.toarray(), atol=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", WAYS)
def test_what_is_not_finite_is_refused(name, bad):
    for dtype in ("float32", "complex128"):
        A = gaussian(dtype)
        A[5, 2] = bad
        with pytest.raises(ValueError, match="NaN or infinite"):
            WAYS[name](A)


@pytest.mark.parametrize("shape", [(0, 8), (8, 0), (0, 0)])
@pytest.mark.parametrize("name", WAYS)
def test_what_is_empty_is_refused(name, shape):
    with pytest.raises(ValueError, match=r"has no entries: its shape is \(\d, \d\)"):
        WAYS[name](np.zeros(shape))


@pytest.mark.parametrize("A", [[[3]], [[0.0]], [[2 - 1j]], np.float32([[5]]), [[True]]])
@pytest.mark.parametrize("name", SINGLE)
def test_one_number(name, A):
    found = SINGLE[name](A)
    assert operator(found).shape == (1, 1)
    assert operator(found).toarray() == pytest.approx(np.asarray(A) + 0.0)
    if hasattr(found, "relative_error"):
        assert found.relative_error < 1e-6
        assert found.lower_bound == 0
