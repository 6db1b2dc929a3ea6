"""Inverses and norms of transforms, as those of their dense matrices."""

import numpy as np
import pytest
from transform_market import COMPLEX_MARKET, DATA_MARKET, REAL_MARKET
from wavelet_market import SHORT_TIME_MARKET, WAVELET_MARKET

import lazyop as lo

MARKET = {**COMPLEX_MARKET, **DATA_MARKET, **REAL_MARKET, **WAVELET_MARKET, **SHORT_TIME_MARKET}


@pytest.mark.parametrize("name", MARKET)
def test_norms(name):
    A, D = MARKET[name]("complex128")
    for order in ("fro", 2, 1, -1, np.inf, -np.inf) if D.size else ():
        expected = np.linalg.norm(D, order)
        atol = 1e-12 * np.linalg.norm(D)
        assert lo.norm(A, order) == pytest.approx(expected, rel=1e-12, abs=atol)


@pytest.mark.parametrize("name", MARKET)
def test_inverses(name):
    A, D = MARKET[name]("complex128")
    if A.shape[0] != A.shape[1]:
        with pytest.raises(ValueError, match="only a square operator has an inverse"):
            lo.inverse(A)
    elif np.linalg.cond(D) > 1e12:
        with pytest.raises(np.linalg.LinAlgError, match="singular"):
            lo.inverse(A)
    else:
        B = lo.inverse(A)
        np.testing.assert_allclose(B.toarray() @ D, np.eye(len(D)), atol=1e-10)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_circular_deconvolution(dtype):
    rng = np.random.default_rng(0)
    h = rng.standard_normal((3, 4)) + (1j * rng.standard_normal((3, 4)) if dtype[0] == "c" else 0)
    h[0, 0] += 20
    A = lo.transforms.convolve((3, 2, 4), h, mode="circular", axes=(0, 2))
    B = lo.inverse(A)
    assert type(B) is type(A)
    assert B.dtype == A.dtype == dtype
    np.testing.assert_allclose((B @ A).toarray(), np.eye(24), atol=1e-14)


@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
def test_inverses_are_transforms(norm):
    T = lo.transforms
    operators = [T.dft((3, 4), norm=norm), T.idft(5, norm=norm)]
    operators += [T.hadamard((3, 24), norm=norm), T.hadamard(8, norm=norm, order="sequency")]
    operators += [T.dct(6, type=type, norm=norm) for type in (1, 2, 3, 4)]
    operators += [T.dst(6, type=type, norm=norm) for type in (1, 2, 3, 4)]
    for A in operators:
        for view in (A, A.H):
            B = lo.inverse(view)
            assert not any(hasattr(part, "values") for part in B.args), B.tree()  # none is dense
            dense = view.toarray()
            np.testing.assert_allclose(B.toarray() @ dense, np.eye(len(dense)), atol=1e-13)
