"""The contract suite over every transform, on NumPy and on array_api_strict; and files."""

import array_api_strict
import numpy as np
import pytest
from market import random
from transform_market import COMPLEX_MARKET, DATA_MARKET, REAL_MARKET
from wavelet_market import SHORT_TIME_MARKET, WAVELET_MARKET

import lazyop as lo

COMPLEX_MARKET = {**COMPLEX_MARKET, **SHORT_TIME_MARKET}
REAL_MARKET = {**REAL_MARKET, **WAVELET_MARKET}

#: One for each way in which products run: these pass the whole suite.
SUITE = (
    *("Dft", "DftLonger", "DftnAxes", "IdftShorter", "RdftOdd", "Rdftn", "IrdftOdd"),
    *("ConvolveSameDirect", "ConvolveFullFft", "ConvolveBlocks", "ConvolveTwoAxes"),
    *("ConvolveCircular", "CorrelateFull", "ToeplitzAxis", "Hankel", "ResamplePolyOfTaps"),
    *("Dct1backward", "Dct2backward", "Dct3ortho", "Dst2ortho", "Dst4backward", "DctnAxes"),
    *("PadConstant", "PadEdge", "PadWrap", "PadOdd", "DifferenceOneSided", "Downsample"),
    *("HadamardAxis", "HadamardSequency", "ResampleFewer", "ResampleMore"),
    *("Dwt", "DwtAxis", "Idwt", "DwtnAxes", "Mdct", "Imdct", "StftAxis", "Istft", "Nudft"),
)
MARKET = {**COMPLEX_MARKET, **DATA_MARKET, **REAL_MARKET}


def _contract(name):
    class Contract(lo.testing.OperatorContract):
        namespaces = ("numpy", "array_api_strict")
        # Arguments are of both kinds; the precisions have a test of their own.
        dtypes = ("float64",) if name in REAL_MARKET else ("complex128",)
        views = lo.testing.OperatorContract.views[: 2 if name in REAL_MARKET else 4]

        def make(self, dtype):
            return MARKET[name](dtype)[0]

        def dense(self, dtype):
            return MARKET[name](dtype)[1]

    return Contract


for _name in SUITE:
    globals()[f"Test{_name}"] = type(f"Test{_name}", (_contract(_name),), {})


@pytest.mark.parametrize("name", MARKET)
def test_files(name, tmp_path):
    A = MARKET[name]("complex64")[0]
    lo.save(tmp_path / "A", A)
    found = lo.load(tmp_path / "A")
    assert found.tree() == A.tree()
    x = np.arange(1.0, A.shape[1] + 1).astype("complex64")
    np.testing.assert_array_equal(found @ x, A @ x)
    assert A.astype("complex64") is A
    assert A.astype("complex128").dtype == "complex128"


@pytest.mark.parametrize("name", sorted(MARKET.keys() - set(SUITE)))
def test_products(name):
    """What runs in a way that the suite covers: on both namespaces, all views."""
    for dtype in ("complex128",) if name in COMPLEX_MARKET else ("float64", "complex128"):
        A, D = MARKET[name](dtype)
        lo.testing.dot_test(A)
        x = random(dtype, D.shape[1], 2)
        for op, expected in ((A, D @ x), (A.conj(), D.conj() @ x)):
            np.testing.assert_allclose(op @ x, expected, atol=1e-12 * np.linalg.norm(D))
            moved = op.to("array_api_strict")
            found = np.asarray(moved @ array_api_strict.asarray(x))
            np.testing.assert_allclose(found, expected, atol=1e-12 * np.linalg.norm(D))
            y = np.asarray(moved.T @ array_api_strict.asarray(expected))
            np.testing.assert_allclose(y, op.T @ expected, atol=1e-11 * np.linalg.norm(D) ** 2)
        np.testing.assert_allclose(A.diagonal(), np.diagonal(D), atol=1e-12 * np.linalg.norm(D))


@pytest.mark.parametrize("name", MARKET)
def test_precisions(name):
    """Single precision stays so, and complex operators with real matrices are such."""
    for dtype in ("complex64", "complex128", *(() if name in COMPLEX_MARKET else ("float32",))):
        A, D = MARKET[name](dtype)
        coarsest = 1e-5 if dtype in ("float32", "complex64") else 1e-13
        for view, expected in ((A, D), (A.T, D.T), (A.conj(), D.conj()), (A.H, D.conj().T)):
            found = view.toarray()
            assert found.dtype == dtype
            np.testing.assert_allclose(found, expected, atol=coarsest * np.linalg.norm(D))


@pytest.mark.parametrize("name", MARKET)
def test_what_says_that_it_is_unitary_is(name):
    A, D = MARKET[name]("complex128")
    if A._is_unitary:
        np.testing.assert_allclose(D.conj().T @ D, np.eye(A.shape[1]), atol=1e-14)
        assert isinstance(A.N, lo.Identity)
