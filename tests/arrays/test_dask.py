"""Operators over arrays of Dask: right, and chunk by chunk where docs/arrays.rst says so."""

import numpy as np
import pytest
from market import BOUND_TO_NUMPY, MARKET, random

import lazyop as lo

da = pytest.importorskip("dask.array")

NAMES = sorted(set(MARKET) - BOUND_TO_NUMPY)


@pytest.mark.parametrize("name", NAMES)
def test_products(name):
    dtype = "complex64"
    A, D = MARKET[name](dtype)
    B = A.to("dask")
    X, Y = (random(dtype, n, 3) for n in D.shape[::-1])
    for chunks in ((4, 3), (-1, 2)):
        for found, expected in (
            (B @ da.from_array(X, chunks=chunks), D @ X),
            (B.H @ da.from_array(Y, chunks=chunks), D.conj().T @ Y),
        ):
            assert isinstance(found, da.Array)
            assert found.dtype == dtype
            np.testing.assert_allclose(found.compute(), expected, atol=1e-4)
    np.testing.assert_allclose((B @ da.from_array(X[:, 0])).compute(), D @ X[:, 0], atol=1e-4)
    np.testing.assert_allclose(np.asarray(B.toarray()), D, atol=1e-4)
    np.testing.assert_array_equal(B.to("numpy").toarray(), A.toarray())


KEEP_CHUNKS_OF_ROWS = {
    "Identity": lambda: lo.Identity(64),
    "Diagonal": lambda: lo.Diagonal(da.from_array(random("float64", 64), chunks=16)),
    "Dense": lambda: lo.aslazy(da.from_array(random("float64", 64, 64), chunks=16)),
    "LowRank": lambda: lo.LowRank(*(da.from_array(random("float64", 64, 2), chunks=16),) * 2),
    "BlockDiagonal": lambda: lo.block_diag(*[random("float64", 16, 16) for _ in range(4)]),
    "Permutation": lambda: lo.perfect_shuffle(8, 8),
    "Kron": lambda: lo.kron(lo.Identity(4), random("float64", 16, 16)),
    "KroneckerSparse": lambda: lo.KroneckerSparse(random("float64", 4, 16, 16, 1)),
    "Sum": lambda: lo.Diagonal(random("float64", 64)) + lo.perfect_shuffle(8, 8),
}
KEEP_CHUNKS_OF_COLUMNS = {
    **KEEP_CHUNKS_OF_ROWS,
    "KronOuter": lambda: lo.kron(random("float64", 4, 4), lo.Identity(16)),
    "KronTwo": lambda: lo.kron(random("float64", 4, 4), random("float64", 16, 16)),
    "Butterfly": lambda: lo.Butterfly(
        [random("float64", *p) / 2 for p in lo.Chain.square_dyadic(64)]
    ),
    "Restriction": lambda: lo.Identity(64)[::2],
    "RestrictionArray": lambda: lo.Identity(64)[np.arange(0, 64, 3)],
}


@pytest.mark.parametrize("name", KEEP_CHUNKS_OF_COLUMNS)
def test_chunks_of_columns_are_multiplied_one_by_one(name):
    A = KEEP_CHUNKS_OF_COLUMNS[name]().to("dask")
    for B in (A, A.H):
        X = random("float64", B.shape[1], 8)
        Y = B @ da.from_array(X, chunks=(-1, 2))
        assert Y.chunks[1] == (2, 2, 2, 2)
        np.testing.assert_allclose(Y.compute(), np.asarray(B.toarray()) @ X, atol=1e-12)


@pytest.mark.parametrize("name", KEEP_CHUNKS_OF_ROWS)
def test_chunks_of_rows_stay(name):
    A = KEEP_CHUNKS_OF_ROWS[name]().to("dask")
    for B in (A, A.H):
        X = random("float64", B.shape[1], 8)
        Y = B @ da.from_array(X, chunks=(16, 8))
        assert Y.chunks[0] == (16, 16, 16, 16)
        np.testing.assert_allclose(Y.compute(), np.asarray(B.toarray()) @ X, atol=1e-12)


def test_products_are_not_computed_before_they_are_asked_for():
    def never(*_):
        raise AssertionError("computed")

    X = da.map_blocks(never, da.zeros((64, 4), chunks=(16, 2)), dtype="float64")
    for make in KEEP_CHUNKS_OF_COLUMNS.values():
        A = make().to("dask")
        assert (A @ (X if A.shape[1] == 64 else X[: A.shape[1]])).shape == (A.shape[0], 4)
