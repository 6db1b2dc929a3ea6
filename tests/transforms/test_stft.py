"""The short-time Fourier transform beside SciPy's: windows, hops, frequencies, axes, errors."""

import pickle
import re

import array_api_strict
import numpy as np
import pytest
import scipy.signal as sg
from hypothesis import given, settings
from hypothesis import strategies as st

import lazyop as lo

T = lo.transforms
MODES = ["onesided", "twosided", "centered"]


def error(found, expected):
    assert found.shape == expected.shape
    return np.max(abs(found - expected), initial=0) / np.max(abs(expected), initial=1e-300)


@st.composite
def windows(draw):
    """A window of some length, real or complex, which may be zero at its ends or inside."""
    kind = draw(st.sampled_from(["hann", "hamming", "boxcar", "complex", "gap"]))
    length = draw(st.integers(1, 12))
    if kind in ("complex", "gap"):
        rng = np.random.default_rng(length)
        window = 1 + rng.random(length) + (1j * rng.random(length) if kind == "complex" else 0)
        if kind == "gap":
            window[1 : length // 2] = 0
        return window
    return sg.get_window(kind, length)


@settings(max_examples=80)
@given(st.data(), windows(), st.integers(1, 9), st.integers(0, 5), st.booleans())
def test_same_as_scipy(data, window, hop, more, single):
    n = data.draw(st.integers(max(len(window), 2), 30))
    modes = ["twosided", "centered"] if window.dtype.kind == "c" else MODES
    mode = data.draw(st.sampled_from(modes))
    points = len(window) + more
    shift = data.draw(st.none() | st.integers(-points + 1, points - 1))
    arguments = {"fft_mode": mode, "mfft": len(window) + more, "phase_shift": shift}
    reference = sg.ShortTimeFFT(window, hop, fs=10.0, **arguments)
    S = T.stft(n, window, hop, **arguments, dtype="complex64" if single else "complex128")
    rng = np.random.default_rng(n)
    x = rng.standard_normal(n) + (0 if mode == "onesided" else 1j * rng.standard_normal(n))
    tolerance = 1e-5 if single else 1e-12
    x = x.astype("complex64" if x.dtype.kind == "c" else "float32") if single else x
    y = S @ x
    assert y.dtype == S.dtype == ("complex64" if single else "complex128")
    assert error(y.reshape(S.spectrum_shape), reference.stft(x)) <= tolerance
    np.testing.assert_allclose(S.frequencies(10.0), reference.f, atol=1e-14)
    np.testing.assert_allclose(S.times(10.0), reference.t(n), atol=1e-14)
    lo.testing.dot_test(S)


@settings(max_examples=60)
@given(st.data(), windows(), st.integers(1, 9), st.integers(0, 5), st.booleans())
def test_inverse_is_scipys(data, window, hop, more, has_dual):
    n = data.draw(st.integers(max(len(window), 2), 30))
    modes = ["twosided", "centered"] if window.dtype.kind == "c" else MODES
    mode = data.draw(st.sampled_from(modes))
    arguments = {"fft_mode": mode, "mfft": len(window) + more, "phase_shift": 0}
    dual = window + 1 if has_dual else None
    hop = min(hop, len(window)) if has_dual else hop  # beyond, SciPy refuses
    reference = sg.ShortTimeFFT(window, hop, fs=1.0, dual_win=dual, **arguments)
    try:
        assert reference.dual_win.shape == window.shape
    except ValueError:
        with pytest.raises(ValueError, match=f"no dual for hop {hop}"):
            T.istft(n, window, hop, **arguments)
        return
    S, R = (
        T.stft(n, window, hop, **arguments),
        T.istft(n, window, hop, dual_window=dual, **arguments),
    )
    rng = np.random.default_rng(n)
    spectrum = rng.standard_normal(S.spectrum_shape) + 1j * rng.standard_normal(S.spectrum_shape)
    found, expected = R @ spectrum.ravel(), reference.istft(spectrum, k1=n)
    assert error(found.real if mode == "onesided" else found, expected) <= 1e-12
    lo.testing.dot_test(R)
    if not has_dual:
        x = rng.standard_normal(n)
        assert error((R @ (S @ x)).real, x) <= 1e-12
        if mode != "onesided":
            np.testing.assert_allclose((R @ S).toarray(), np.eye(n), atol=1e-11)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_axes_and_columns(mode, axis):
    x = np.random.default_rng(0).standard_normal((9, 8, 10))
    arguments = {"fft_mode": mode, "phase_shift": 0}
    reference = sg.ShortTimeFFT(np.hamming(7), 3, fs=1.0, **arguments)
    S = T.stft(x.shape, np.hamming(7), 3, axis, fft_mode=mode)
    expected = reference.stft(x, axis=axis)
    assert S.spectrum_shape == expected.shape
    y = S @ np.stack([x.ravel(), 2j * x.ravel()], axis=1)
    assert error(y[:, 0], expected.ravel()) <= 1e-13
    assert error(y[:, 1], 2j * expected.ravel()) <= 1e-13
    R = T.istft(x.shape, np.hamming(7), 3, axis, fft_mode=mode)
    assert error((R @ y)[:, 0].real, x.ravel()) <= 1e-13
    for A in (S, R):
        lo.testing.dot_test(A)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("length", "hop", "mfft"), [(6, 2, 6), (5, 2, 8), (3, 4, 3), (1, 1, 2)])
def test_other_namespaces_give_the_same(mode, length, hop, mfft):
    window = np.hamming(length) + 0.1
    S = T.stft((2, 13), window, hop, fft_mode=mode, mfft=mfft, phase_shift=length // 3)
    other = S.to("array_api_strict")
    for A, B in ((S, other), (S.H, other.H)):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((A.shape[1], 3)) + 1j * rng.standard_normal((A.shape[1], 3))
        for x in (X, X.real):
            assert error(np.asarray(B @ array_api_strict.asarray(x)), A @ x) <= 1e-13


def test_named_windows():
    x = np.arange(32.0)
    for name in ("hann", ("kaiser", 8.0)):
        np.testing.assert_array_equal(
            T.stft(32, (name, 8)) @ x, T.stft(32, sg.get_window(name, 8), 4) @ x
        )


def test_windows_are_data():
    S = T.stft(16, np.hamming(4))
    assert S.namespace is not None
    assert S.astype("complex64").window.dtype == "float32"
    with pytest.raises(TypeError, match="array_api_strict"):
        S @ array_api_strict.ones(16)
    copy = pickle.loads(pickle.dumps(S.H))
    np.testing.assert_array_equal(copy @ np.ones(S.shape[0]), S.H @ np.ones(S.shape[0]))


@pytest.mark.parametrize("transform", [T.stft, T.istft])
def test_bad_input(transform):
    w = np.hamming(8)
    for arguments, keywords, message in (
        ((16, w, 0), {}, "hop must be at least 1, got 0"),
        ((3, w, 2), {}, "at least half as long as the window of 8, got 3"),
        ((0, w, 2), {}, "at least half as long"),
        ((16, w, 2, 1), {}, "axis 1 is out of range"),
        ((16, w, 2), {"fft_mode": "onesided2X"}, "onesided, twosided, centered, got 'onesided2X'"),
        ((16, w, 2), {"mfft": 7}, "mfft must be at least 8, got 7"),
        ((16, w, 2), {"phase_shift": 8}, "between -8 and 8, the points of a transform, got 8"),
        ((16, 1j * w, 2), {}, "a complex window needs fft_mode"),
        ((16, np.zeros(8), 2), {}, "not zero throughout"),
        ((16, [1.0, np.nan], 2), {}, "must be finite"),
        ((16, np.ones((2, 2)), 2), {}, "got shape (2, 2)"),
        ((16, [], 2), {}, "and samples"),
        ((16, ("mann", 8), 2), {}, "unknown window 'mann'"),
        ((16, (("kaiser", "a"), 8), 2), {}, "unknown window ('kaiser', 'a')"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            transform(*arguments, **keywords)
    for arguments, message in (
        ((16, "hann", 2), "a named window needs its length"),
        ((16, w, 1.5), "hop must be an integer"),
        ((16.0, w, 2), "must be an integer"),
    ):
        with pytest.raises(TypeError, match=re.escape(message)):
            transform(*arguments)
    with pytest.raises(TypeError, match="complex64 or complex128"):
        transform(16, w, dtype=float)


def test_bad_dual_window():
    with pytest.raises(ValueError, match="dual window has 3 samples, the window 4"):
        T.istft(16, np.hamming(4), 2, dual_window=np.ones(3))
    # of the one-sided spectrum it would make a signal of whose real part nothing is to be said
    with pytest.raises(ValueError, match="a complex dual window needs fft_mode 'twosided'"):
        T.istft(16, np.hamming(4), 2, dual_window=1j * np.ones(4))
    assert T.istft(16, np.ones(4), 2, dual_window=1j * np.ones(4), fft_mode="twosided").shape
    with pytest.raises(ValueError, match="no dual for hop 5"):
        T.istft(16, np.hamming(4), 5)
