"""The stationary wavelet transform beside PyWavelets'."""

import re
import warnings

import array_api_strict
import numpy as np
import pytest
import pywt
from hypothesis import given, settings
from hypothesis import strategies as st

import lazyop as lo

T = lo.transforms


def dense(n, name, level, norm):
    if not level:
        return np.eye(n)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that biorthogonal wavelets do not keep norms
        parts = pywt.swt(np.eye(n), name, level, axis=0, trim_approx=True, norm=norm)
    return np.concatenate(parts)


@settings(max_examples=60)
@given(
    st.sampled_from(["haar", "db3", "sym5", "bior2.2", "rbio3.1", "dmey"]),
    st.integers(0, 3),
    st.integers(1, 5),
    st.booleans(),
    st.sampled_from(["float32", "float64", "complex64", "complex128"]),
)
def test_same_as_pywavelets(name, level, odd, norm, dtype):
    n = odd * 2**level
    W, V = (f(n, name, level, norm=norm, dtype=dtype) for f in (T.swt, T.iswt))
    D = dense(n, name, level, norm)
    tolerance = 1e-5 if dtype in ("float32", "complex64") else 1e-12
    scale = tolerance * np.max(abs(D))
    for found, expected in ((W, D), (W.H, D.T)):
        assert found.dtype == dtype
        np.testing.assert_allclose(found.toarray(), expected, atol=scale)
    if level:
        y = np.random.default_rng(n).standard_normal(W.shape[0]).astype(dtype)
        expected = pywt.iswt(W.split(y), name, norm=norm)
        np.testing.assert_allclose(V @ y, expected, atol=10 * tolerance * np.max(abs(expected)))
    lo.testing.dot_test(W)
    lo.testing.dot_test(V)
    if name != "dmey":
        assert isinstance(V @ W, lo.Identity)
    is_tight = norm and pywt.Wavelet(name).orthogonal and name != "dmey"
    assert isinstance(W.N, lo.Identity) == (is_tight or level == 0)
    np.testing.assert_allclose(
        (V.toarray() @ W.toarray()), np.eye(n), atol=1e-2 if name == "dmey" else 100 * tolerance
    )


@pytest.mark.parametrize("name", ["haar", "bior3.3"])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_axes_and_other_namespaces(name, axis):
    W = T.swt((4, 8, 4), name, 2, axis)
    x = np.random.default_rng(0).standard_normal((4, 8, 4))
    parts = pywt.swt(x, name, 2, axis=axis, trim_approx=True)
    np.testing.assert_allclose(W @ x.ravel(), np.concatenate(parts, axis).ravel(), atol=1e-13)
    np.testing.assert_allclose(W.join(parts), W @ x.ravel(), atol=1e-13)
    for A in (W, W.H, T.iswt((4, 8, 4), name, 2, axis)):
        y = np.random.default_rng(1).standard_normal((A.shape[1], 2))
        found = A @ array_api_strict.asarray(y)
        np.testing.assert_allclose(np.asarray(found), A @ y, atol=1e-12)


def test_levels():
    assert T.swt(40).level == 3
    assert T.swt(7).level == 0
    for transform in (T.swt, T.iswt):
        with pytest.raises(ValueError, match=re.escape("3 levels need a length that 2**3 divides")):
            transform(12, "haar", 3)
        with pytest.raises(ValueError, match="level must be at least 0"):
            transform(12, "haar", -1)
        with pytest.raises(ValueError, match="at least 1 point"):
            transform(0)
        with pytest.raises(ValueError, match="unknown wavelet"):
            transform(8, "hair")
        with pytest.raises(TypeError, match="must be an integer"):
            transform(8.0)
        with pytest.raises(TypeError, match="norm must be True or False, got 'backward'"):
            transform(8, norm="backward")
        assert transform(8, norm=np.True_).norm is True
    different = T.iswt(8, "haar", 1) @ T.swt(8, "db2", 1)
    assert isinstance(different, lo.Product)
