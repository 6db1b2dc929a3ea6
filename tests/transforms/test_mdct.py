"""The modified cosine transform beside its definition: windows, ends, axes, errors."""

import re

import array_api_strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal.windows import kaiser_bessel_derived

import lazyop as lo

T = lo.transforms
BOUNDARIES = ("zero", "orthogonal", "none")


def sine(length):
    return np.sin(np.pi * (np.arange(length) + 0.5) / length)


def frame_matrix(window):
    """The coefficients of one frame, by the definition."""
    m = len(window) // 2
    angles = np.outer(np.arange(m) + 0.5, np.arange(2 * m) + 0.5 + m / 2)
    return np.sqrt(2 / m) * np.cos(np.pi / m * angles) * window


def definition(n, window, boundary):
    """The matrix, frame by frame; orthogonal ends cut the window of the first and last frame."""
    m = len(window) // 2
    count = {"zero": -(-n // m) + 1, "orthogonal": n // m, "none": n // m - 1}[boundary]
    start = {"zero": -m, "orthogonal": -(m // 2), "none": 0}[boundary]
    D = np.zeros((count * m, n))
    for t in range(count):
        own = window.copy()
        if boundary == "orthogonal" and t == 0:
            own[:m] = np.repeat([0, 1], m // 2)
        if boundary == "orthogonal" and t == count - 1:
            own[m:] = np.repeat([1, 0], m // 2)
        places = start + t * m + np.arange(2 * m)
        inside = (places >= 0) & (places < n)
        D[t * m : (t + 1) * m, places[inside]] += frame_matrix(own)[:, inside]
    return D


@settings(max_examples=60)
@given(
    st.integers(1, 4).map(lambda k: 4 * k),
    st.integers(1, 40),
    st.sampled_from(BOUNDARIES),
    st.sampled_from(["float32", "float64", "complex64", "complex128"]),
)
def test_same_as_the_definition(length, n, boundary, dtype):
    half = length // 2
    n = {"zero": n, "orthogonal": -(-n // half) * half, "none": n + length}[boundary]
    A = T.mdct(n, ("sine", length), boundary=boundary, dtype=dtype)
    D = definition(n, sine(length), boundary)
    tolerance = 1e-5 if dtype in ("float32", "complex64") else 1e-13
    assert A.dtype == dtype
    np.testing.assert_allclose(A.toarray(), D, atol=tolerance)
    np.testing.assert_allclose(A.H.toarray(), D.T, atol=tolerance)
    lo.testing.dot_test(A)
    if boundary != "none":
        np.testing.assert_allclose(D.T @ D, np.eye(n), atol=1e-13)
        assert isinstance(A.H @ A, lo.Identity)
    if boundary != "zero":
        np.testing.assert_allclose(D @ D.T, np.eye(len(D)), atol=1e-13)
        assert isinstance(A @ A.H, lo.Identity)
    assert A._is_unitary == A.H._is_unitary == (boundary == "orthogonal")


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_axes(boundary, axis):
    shape = (8, 8, 8)
    A = T.mdct(shape, ("vorbis", 8), axis, boundary=boundary)
    one = T.mdct(8, ("vorbis", 8), boundary=boundary).toarray()
    x = np.random.default_rng(0).standard_normal(shape)
    expected = np.moveaxis(np.tensordot(one, x, (1, axis)), 0, axis)
    np.testing.assert_allclose(A @ x.ravel(), expected.ravel(), atol=1e-13)
    with pytest.raises(TypeError, match="array_api_strict"):  # the window is data
        A @ array_api_strict.asarray(x.ravel())
    moved = A.to("array_api_strict")
    for B, C in ((A, moved), (A.H, moved.H)):
        y = np.random.default_rng(1).standard_normal((B.shape[1], 2))
        np.testing.assert_allclose(np.asarray(C @ array_api_strict.asarray(y)), B @ y, atol=1e-13)


def test_windows():
    for named, window in (
        (("sine", 8), sine(8)),
        (("vorbis", 8), np.sin(np.pi / 2 * sine(8) ** 2)),
        ((("kaiser_bessel_derived", 4.0), 8), kaiser_bessel_derived(8, beta=4.0)),
        (("sine", 8), sine(8).astype("float32")),
    ):
        found, expected = (T.mdct(16, w).toarray() for w in (named, window))
        np.testing.assert_allclose(found, expected, atol=1e-6 if window.itemsize == 4 else 1e-15)


def test_the_inverse_is_the_adjoint():
    A, B = T.mdct(11, ("sine", 8)), T.imdct(11, ("sine", 8))
    np.testing.assert_array_equal(A.H.toarray(), B.toarray())
    assert isinstance(B @ A, lo.Identity)
    for other in (T.mdct(11, ("vorbis", 8)), T.mdct(11, ("sine", 4)), T.mdct((11, 1), sine(8), 0)):
        if other.shape == A.shape:
            assert isinstance(B @ other, lo.Product)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.filterwarnings("error")
def test_a_real_operator_made_complex(boundary):
    A = T.mdct(16, ("sine", 8), boundary=boundary)
    for dtype in ("complex64", "complex128"):
        C = A.astype(dtype)
        assert C.dtype == dtype
        np.testing.assert_allclose(C @ np.arange(16.0), A @ np.arange(16.0), atol=1e-5)
        np.testing.assert_allclose(C.H.toarray(), A.H.toarray(), atol=1e-6)


def test_bad_input():
    for transform in (T.mdct, T.imdct):
        for arguments, boundary, message in (
            ((16, ("sine", 6)), "zero", "must be a multiple of 4, got (6,)"),
            ((16, ("cosine", 8)), "zero", "a window must be 'sine', 'vorbis' or"),
            ((16, np.ones(8)), "zero", "(Princen and Bradley); this one is 1 off"),
            ((16, np.full(8, np.nan)), "zero", "this one is nan off"),
            ((16, []), "zero", "must be a multiple of 4, got (0,)"),
            ((16, ("sine", 8)), "mirror", "boundary must be one of zero, orthogonal, none"),
            ((0, ("sine", 8)), "zero", "length 0 is too short for windows of 8"),
            ((7, ("sine", 8)), "none", "length 7 is too short for windows of 8"),
            ((10, ("sine", 8)), "orthogonal", "multiple of half the window, 4, got 10"),
            (((4, 16), ("sine", 8), 2), "zero", "axis 2 is out of range"),
        ):
            with pytest.raises(ValueError, match=re.escape(message)):
                transform(*arguments, boundary=boundary)
        for arguments, message in (
            ((16, "sine"), "a named window needs its length"),
            ((16, 1j * sine(8)), "must be real"),
            ((16, (("kaiser_bessel_derived", None), 8)), "beta of a window must be a real number"),
            ((1.5, sine(8)), "must be an integer"),
        ):
            with pytest.raises(TypeError, match=re.escape(message)):
                transform(*arguments)
