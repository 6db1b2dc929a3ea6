"""The CUDA kernels without a GPU: their source on a CPU, and their indices in NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machines import PAIRS, Compiled, Emulated, compiler, walled
from market import any_chain, random

import lazyop as lo
from lazyop.kernels.cuda_chain import device_chain
from lazyop.kernels.cuda_launch import NUMBERS
from lazyop.kernels.cuda_plan import Limits

#: Room for whole chains, for a factor or two, and many more multiprocessors than blocks of threads.
LIMITS = [Limits(), Limits(4096, 4), Limits(3072, 1000)]

#: In which ways the argument may lie: by rows, by columns, and as a part of a larger one.
LAYOUTS = {
    "rows": np.ascontiguousarray,
    "columns": np.asfortranarray,
    "rows apart": lambda X: np.repeat(X, 2, axis=0)[::2],
    "columns apart": lambda X: np.repeat(X, 3, axis=1)[:, ::3],
    "upside down": lambda X: np.ascontiguousarray(X[::-1])[::-1],
    "wide": lambda X: np.concatenate([X, X, X], axis=1)[:, X.shape[1] : 2 * X.shape[1]],
}

CHAINS = {
    "dyadic": lo.Chain.square_dyadic(64),
    "monarch": lo.Chain.monarch((12, 18), rank=2),
    "wide blocks": lo.Chain([(2, 17, 9, 3), (3, 6, 20, 3)]),
    "mixed": lo.Chain([(1, 2, 2, 20), (2, 2, 2, 10), (4, 2, 2, 5), (8, 5, 7, 1)]),
}


def values_of(chain, dtype, seed=0):
    draws = [random(dtype, *p, seed=seed + k) for k, p in enumerate(chain)]
    return [(values / np.sqrt(values.shape[2])).astype(dtype) for values in draws]


def directions(chain, D):
    yield chain, D
    yield chain.transpose(), D.T
    yield chain.conj(), D.conj()
    yield chain.transpose().conj(), D.conj().T


def agree(found, expected, dtype):
    """Compare within rounding, of which a pass has some: entries are random, so little cancels."""
    eps = 2.0**-7 if dtype == "bfloat16" else float(np.finfo(dtype).eps)
    difference = np.asarray(found, expected.dtype) - expected
    assert np.linalg.norm(difference) <= 4 * eps * np.linalg.norm(expected)


def dense_of(values):
    wide = [np.asarray(v, np.complex128 if v.dtype.kind == "c" else float) for v in values]
    return lo.Butterfly(wide).tosparse().toarray()


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("name", CHAINS)
def test_directions_and_columns(name, dtype, machine):
    values = values_of(CHAINS[name], dtype)
    D = dense_of(values)
    for limits, columns in zip(LIMITS, (21, 1, 6), strict=True):
        chain = device_chain(values, machine(limits))
        for A, matrix in directions(chain, D):
            X = random(dtype, matrix.shape[1], columns)
            Y = A.apply(X, "cuda")
            assert Y.dtype == dtype
            agree(Y, matrix @ X, dtype)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", CHAINS)
def test_layouts(name, layout, machine):
    values = values_of(CHAINS[name], "float32")
    D = dense_of(values)
    for limits, columns in zip(LIMITS, (9, 64, 2), strict=True):
        chain = device_chain(values, machine(limits))
        for A, matrix in ((chain, D), (chain.transpose(), D.T)):
            X = LAYOUTS[layout](random("float32", matrix.shape[1], columns))
            before = X.copy()
            Y = A.apply(X, "cuda")
            agree(Y, matrix @ X, "float32")
            np.testing.assert_array_equal(X, before)
            assert Y.flags.f_contiguous == (layout == "columns")


@pytest.mark.parametrize(("weight", "number"), [p for p in PAIRS if p[0] in NUMBERS])
def test_pairs_of_dtypes(weight, number, machine):
    if "bfloat16" in (weight, number):
        pytest.importorskip("ml_dtypes")
    for name in ("dyadic", "wide blocks"):
        values = values_of(CHAINS[name], "complex64" if weight[0] == "c" else "float32")
        values = [v.astype(weight) for v in values]
        D = dense_of(values)
        for columns in (1, 16):
            chain = device_chain(values, machine())
            for A, matrix in directions(chain, D):
                kind = "complex64" if number[0] == "c" else "float32"
                X = random(kind, matrix.shape[1], columns).astype(number)
                Y = A.apply(X, "cuda")
                assert Y.dtype == number
                agree(Y, matrix @ X.astype(complex if number[0] == "c" else float), number)


@given(any_chain(), st.sampled_from([1, 2, 5, 8, 40]), st.integers(2048, 8192), st.booleans())
@settings(deadline=None, max_examples=30)
def test_any_chain(folder, chain, columns, shared_bytes, by_columns):
    for make in (Emulated, lambda limits: Compiled(folder, limits)):
        if make is not Emulated and compiler() is None:
            continue
        values = values_of(chain, "complex64")
        D = dense_of(values)
        held = device_chain(values, make(Limits(shared_bytes, 2)))
        for A, matrix in ((held, D), (held.transpose().conj(), D.conj().T)):
            X = random("complex64", matrix.shape[1], columns)
            X = np.asfortranarray(X) if by_columns else X
            agree(A.apply(X, "cuda"), matrix @ X, "complex64")


@pytest.mark.parametrize("end", [False, True])
@pytest.mark.parametrize("columns", [1, 11, 16])
def test_nothing_is_read_beyond_its_end(end, columns, folder):
    """Blocks whose rows are no multiple of what a thread has, and tiles that are not full."""
    if compiler() is None:
        pytest.skip("no C++ compiler on this machine")
    for shape in ((3, 9, 6, 1), (1, 12, 5, 7), (2, 5, 8, 3), (3, 2, 2, 5)):
        values = walled(random("float32", *shape), end=end)
        D = dense_of([values])
        chain = device_chain([values], Compiled(folder))
        for A, matrix in ((chain, D), (chain.transpose(), D.T)):
            X = walled(random("float32", matrix.shape[1], columns), end=end)
            agree(A.apply(X, "cuda"), matrix @ X, "float32")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_rounds_to_nearest(dtype, machine):
    """Products of two numbers are exact in single precision, and rounded once."""
    if dtype == "bfloat16":
        dtype = pytest.importorskip("ml_dtypes").bfloat16
    scales = np.array([1e-6, 1.0, 1e3, 1e4, 1e36], "float32")[:, None]
    with np.errstate(over="ignore", invalid="ignore"):
        w, x = ((random("float32", 5, 60, seed=k) * scales).astype(dtype).ravel() for k in (1, 2))
        w[:2], x[:3] = (np.nan, np.inf), (1, 2, -np.inf)
        expected = (w.astype("float32") * x.astype("float32")).astype(dtype)
    chain = device_chain([w.reshape(-1, 1, 1, 1)], machine())
    found = chain.apply(x.reshape(-1, 1), "cuda")[:, 0]
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    there = ~np.isnan(expected)
    np.testing.assert_array_equal(found[there], expected[there])
