"""Wavelet transforms beside PyWavelets: every wavelet and mode, shapes, axes, levels, errors."""

import pickle
import re
import sys
import warnings

import array_api_strict
import numpy as np
import pytest
import pywt
from hypothesis import given, settings
from hypothesis import strategies as st
from wavelet_market import wavedec, wavedecn, waverec, waverecn

import lazyop as lo

T = lo.transforms
WAVELETS = pywt.wavelist(kind="discrete")
MODES = pywt.Modes.modes
#: Orthonormal in PyWavelets' table, but not to 1e-12: the taps are rounded, or only nearly so.
ROUNDED = {"dmey", "sym3", "sym16", "sym17", "sym18", "sym19", "sym20"}

#: Biorthogonal wavelets that are Haar's.
HAAR = {"bior1.1", "rbio1.1"}


def error(found, expected):
    """The largest difference, relative to the largest entry."""
    found = np.asarray(found)
    assert found.shape == np.shape(expected)
    return np.max(abs(found - expected), initial=0) / max(np.max(abs(expected), initial=0), 1e-300)


def quiet(transform, *arguments, **keywords):
    """A transform whose levels may be many."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return transform(*arguments, **keywords)


@pytest.mark.parametrize("mode", MODES)
def test_every_wavelet_and_its_adjoint(mode):
    for i, name in enumerate(WAVELETS):
        taps = pywt.Wavelet(name).dec_len
        n = max(2, (taps // 2, taps - 1, taps + 1, 2 * taps, 4 * taps + 7)[i % 5])
        unit = np.eye(n)
        W = quiet(T.dwt, n, name, mode, 1)
        D = np.concatenate(pywt.dwt(unit, name, mode, axis=0))
        assert error(W @ unit, D) <= 1e-14, name
        assert error(W.H @ np.eye(len(D)), D.T) <= 1e-13, name
        V = quiet(T.idwt, n, name, mode, 1)
        B = pywt.idwt(*np.split(np.eye(len(D)), 2), name, mode, axis=0)[:n]
        assert error(V @ np.eye(len(D)), B) <= 1e-14, name
        assert error(V.H @ unit, B.T) <= 1e-13, name


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("name", "n"), [("haar", 5), ("db3", 40), ("bior3.3", 2), ("rbio2.4", 9)])
def test_other_namespaces_give_the_same(mode, name, n):
    W, V = (quiet(f, n, name, mode, 2) for f in (T.dwt, T.idwt))
    for A in (W, W.H, V, V.H):
        unit = np.eye(A.shape[1])
        product = A @ array_api_strict.asarray(unit)
        assert error(np.asarray(product), A @ unit) <= 1e-14


def signals(dims, dtype):
    """Random arrays with a few columns."""
    rng = np.random.default_rng(len(dims))
    x = rng.standard_normal((*dims, 2))
    return (x + 1j * rng.standard_normal(x.shape) if dtype[0] == "c" else x).astype(dtype)


shapes = st.lists(st.integers(2, 13), min_size=1, max_size=3).map(tuple)
dtypes = st.sampled_from(["float32", "float64", "complex64", "complex128"])
wavelets = st.sampled_from(["haar", "db2", "sym4", "coif1", "bior2.2", "rbio3.1", "dmey"])


@settings(max_examples=60)
@given(st.data(), shapes, wavelets, st.sampled_from(MODES), st.integers(0, 3), dtypes)
def test_one_axis(data, dims, name, mode, level, dtype):
    axis = data.draw(st.integers(-len(dims), len(dims) - 1))
    if "reflect" in mode:
        level = min(level, 1)  # later ones may have one sample
    W, V = (quiet(f, dims, name, mode, level, axis, dtype=dtype) for f in (T.dwt, T.idwt))
    tolerance = 1e-5 if dtype in ("float32", "complex64") else 1e-12
    x = signals(dims, dtype)
    y = W @ x.reshape(W.shape[1], 2)
    assert y.dtype == dtype
    for column in range(2):
        expected = wavedec(x[..., column], name, mode, level, axis=axis)
        assert error(y[:, column], expected.ravel()) <= tolerance
        assert error(W @ x[..., column].ravel(), expected.ravel()) <= tolerance
        back = waverec(y[:, column], V, axis=axis)
        assert error(V @ y[:, column], back.ravel()) <= tolerance
    lo.testing.dot_test(W)
    lo.testing.dot_test(V)


@settings(max_examples=40)
@given(st.data(), shapes, wavelets, st.sampled_from(MODES), st.integers(0, 2), dtypes)
def test_several_axes(data, dims, name, mode, level, dtype):
    axes = data.draw(st.permutations(range(len(dims))).map(tuple))
    axes = axes[: data.draw(st.integers(1, len(dims)))]
    if "reflect" in mode:
        level = min(level, 1)
    W, V = (quiet(f, dims, name, mode, level, axes, dtype=dtype) for f in (T.dwtn, T.idwtn))
    tolerance = 1e-5 if dtype in ("float32", "complex64") else 1e-12
    x = signals(dims, dtype)
    y = W @ x.reshape(W.shape[1], 2)
    assert y.dtype == dtype
    for column in range(2):
        expected = wavedecn(x[..., column], name, mode, level, axes=axes)
        assert error(y[:, column], expected) <= tolerance
        if level:  # PyWavelets can't reconstruct from no level
            assert error(V @ y[:, column], waverecn(y[:, column], V).ravel()) <= tolerance
    lo.testing.dot_test(W)
    lo.testing.dot_test(V)


def test_levels_by_default_are_those_of_pywavelets():
    for n in (1, 2, 30, 31, 1000):
        for name in ("haar", "db4", "db38"):
            levels = pywt.dwt_max_level(n, name)
            assert T.dwt(n, name).level == levels
            assert T.dwtn((n, 2 * n), name).level == levels


def test_too_many_levels_warn_and_are_right():
    with pytest.warns(UserWarning, match="level 5 is beyond 2"):
        W = T.dwt(12, "db2", "symmetric", 5)
    x = np.arange(12.0)
    assert error(W @ x, wavedec(x, "db2", "symmetric", 5)) <= 1e-14
    pickle.loads(pickle.dumps(W))  # does not warn again


def test_orthonormal_wavelets_are_known():
    unit = np.eye(32)
    for name in WAVELETS:
        W = quiet(T.dwt, 32, name, "periodization", 1)
        known = (pywt.Wavelet(name).orthogonal or name in HAAR) and name not in ROUNDED
        assert W._is_unitary == W.H._is_unitary == known, name
        assert isinstance(W.N, lo.Identity) == known, name
        assert (error(W.H @ (W @ unit), unit) <= 1.1e-12) == known, name


def test_unitary_only_where_nothing_is_doubled():
    assert T.dwt(16, "haar", "symmetric", 3)._is_unitary
    assert not T.dwt(18, "haar", "symmetric", 2)._is_unitary  # 18, 9
    assert not T.dwt(16, "db2", "zero", 1)._is_unitary
    assert isinstance(T.dwt(16, "db2", "zero", 1).N, lo.Identity)  # an isometry
    assert T.dwtn((8, 7), "db2", "periodization", 1, 0)._is_unitary
    assert not T.dwtn((8, 7), "db2", "periodization", 1)._is_unitary


@pytest.mark.parametrize("name", ["haar", "db3", "bior4.4", "dmey"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("n", [8, 24, 25])
def test_the_inverse_undoes_the_transform(name, mode, n):
    level = 1 if name == "dmey" else 2
    W, V = (quiet(f, n, name, mode, level) for f in (T.dwt, T.idwt))
    product = V @ W
    assert isinstance(product, lo.Identity) == (name != "dmey")
    dense = V.toarray() @ W.toarray()
    if name != "dmey":
        assert error(dense, np.eye(n)) <= 1e-11
    for A, B in ((W.H, W), (V, V.H), (W.H, V.H), (V @ W, lo.Identity(n))):
        assert error((A @ B).toarray(), A.toarray() @ B.toarray()) <= 1e-11


def test_products_of_different_transforms_stay_products():
    W = T.dwt(16, "db2", "periodization", 2)
    for other in (
        T.idwt(16, "db2", "symmetric", 2),
        T.idwt(16, "db2", "periodization", 1),
        T.idwt(16, "bior1.3", "periodization", 1),
        T.idwt((2, 8), "db2", "periodization", 1, axis=1),
    ):
        if other.shape[1] == W.shape[0]:
            product = other @ W
            assert error(product.toarray(), other.toarray() @ W.toarray()) <= 1e-13
            assert isinstance(product, lo.Product)


@pytest.mark.filterwarnings("ignore:level 1 is beyond")
def test_products_with_stationary_transforms_stay_products():
    """Also where wavelet, levels and lengths are the same."""
    for R, W in (
        (T.idwt(8, "haar", level=0), T.swt(8, "haar", 0)),
        (T.idwt((2, 4), "bior2.2", "zero", 1), T.swt((2, 4), "bior2.2", 1)),
    ):
        expected = R.toarray() @ W.toarray()
        np.testing.assert_allclose((R @ W).toarray(), expected, atol=1e-12)
        np.testing.assert_allclose((W.H @ R.H).toarray(), expected.T, atol=1e-12)


def test_lists_of_coefficients():
    x = np.random.default_rng(0).standard_normal((3, 20))
    W = T.dwt(x.shape, "db2", "reflect", axis=1)
    parts = pywt.wavedec(x, "db2", "reflect", axis=1)
    for found, expected in zip(W.split(W @ x.ravel()), parts, strict=True):
        assert error(found, expected) <= 1e-14
    assert error(W.join(parts), W @ x.ravel()) <= 1e-14
    y = W @ np.stack([x.ravel(), -x.ravel()], axis=1)
    assert W.split(y)[-1].shape == (*parts[-1].shape, 2)
    np.testing.assert_array_equal(W.join(W.split(y)), y)
    np.testing.assert_array_equal(W.H.join(W.H.split(y)), y)


def test_dicts_of_coefficients():
    x = np.random.default_rng(0).standard_normal((9, 3, 12))
    W = T.dwtn(x.shape, "db2", "smooth", axes=(2, 0))
    approximation, *levels = pywt.wavedecn(x, "db2", "smooth", axes=(2, 0))
    found, *found_levels = W.split(W @ x.ravel())
    assert error(found, approximation) <= 1e-14
    for ours, theirs in zip(found_levels, levels, strict=True):
        assert ours.keys() == theirs.keys()
        assert all(error(ours[key], theirs[key]) <= 1e-13 for key in theirs)
    assert error(W.join([approximation, *levels]), W @ x.ravel()) <= 1e-14
    y = W @ np.stack([x.ravel(), -x.ravel()], axis=1)
    np.testing.assert_array_equal(W.join(W.split(y)), y)


def test_filters_in_place_of_a_name():
    found = pywt.Wavelet("bior2.2")
    W = T.dwt(20, "bior2.2")
    x = np.arange(20.0)
    custom = pywt.Wavelet("mine", filter_bank=found.filter_bank)
    for same in (found, custom, found.filter_bank, np.array(found.filter_bank)):
        np.testing.assert_array_equal(T.dwt(20, same) @ x, W @ x)
    assert T.dwt(20, found).wavelet == "bior2.2"
    half = pywt.Wavelet("db2").filter_bank[:2]
    assert T.dwt(16, half, "periodization")._is_unitary
    np.testing.assert_array_equal(T.idwt(16, half) @ np.ones(21), T.idwt(16, "db2") @ np.ones(21))
    copy = pickle.loads(pickle.dumps(T.dwt(16, half)))
    np.testing.assert_array_equal(copy @ x[:16], T.dwt(16, "db2") @ x[:16])


def test_integers_are_widened():
    x = np.arange(8, dtype=np.int8)
    y = T.dwt(8, "haar", level=1) @ x
    assert y.dtype == np.float64
    assert error(y, np.concatenate(pywt.dwt(x, "haar"))) <= 1e-15


@pytest.mark.parametrize("transform", [T.dwt, T.idwt, T.dwtn, T.idwtn])
def test_bad_input(transform):
    for arguments, message in (
        ((8, "daub9"), "unknown wavelet 'daub9'"),
        ((8, "morl"), "unknown wavelet 'morl'"),
        ((8, ""), "unknown wavelet ''"),
        ((8, "haar", "mirror"), "mode must be one of zero, constant"),
        ((8, "haar", None), "mode must be one of"),
        ((0, "haar"), "at least 1 point"),
        ((-3, "haar"), "must be at least 0, got -3"),
        ((8, "haar", "zero", -1), "level must be at least 0, got -1"),
        (((4, 4), "haar", "zero", 1, 2), "axis 2 is out of range"),
        ((8, [[1.0, 2.0], [1.0]]), "same even number of taps, got 2, 1"),
        ((8, [[1.0] * 3] * 4), "same even number of taps"),
        ((8, [[1.0, 2.0]] * 3), "four filters, or two"),
        ((8, [[np.nan, 1.0]] * 2), "must be finite"),
        ((8, [[], []]), "same even number of taps"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            transform(*arguments)
    for arguments, message in (
        ((8.0, "haar"), "must be an integer"),
        ((8, 3), "a wavelet must be a name"),
        ((8, [["a", "b"]] * 2), "a wavelet must be a name"),
        ((8, pywt.ContinuousWavelet("morl")), "morl is a continuous one"),
        ((8, "haar", "zero", 1.5), "level must be an integer"),
        ((8, "haar", "zero", 1, 0.5), "an axis must be an integer"),
    ):
        with pytest.raises(TypeError, match=re.escape(message)):
            transform(*arguments)
    with pytest.raises(TypeError, match="float32, float64"):
        transform(8, dtype=int)


def test_one_sample():
    assert T.dwt(1, "haar") @ [3.0] == [3.0]
    x = np.array([3.0])
    for mode in MODES:
        if "reflect" in mode:
            with pytest.raises(ValueError, match="needs at least 2 samples at every level, got 1"):
                quiet(T.dwt, 1, "db2", mode, 1)
        else:
            expected = np.concatenate(pywt.dwt(x, "db2", mode))
            assert error(quiet(T.dwt, 1, "db2", mode, 1) @ x, expected) <= 1e-14


def test_no_signals_at_all():
    W = T.dwt((0, 8), "db2")
    assert W.shape == (0, 0)
    assert (W @ np.ones(0)).shape == (0,)
    assert (T.dwt(8, "db2") @ np.ones((8, 0))).shape == (10, 0)
    assert (lo.kron(T.dwt(8, "db2"), lo.Identity(2)) @ np.ones((16, 0))).shape == (20, 0)


def test_bad_lists():
    W, N = T.dwt(8, "haar"), T.dwtn((4, 4), "haar", level=1)
    for A in (W, N):
        with pytest.raises(ValueError, match=f"expected {A.shape[0]} coefficients"):
            A.split(np.ones(3))
    with pytest.raises(ValueError, match="expected coefficients of the shapes"):
        W.join([np.ones(2)])
    with pytest.raises(ValueError, match="expected coefficients of the shapes"):
        W.join([])
    with pytest.raises(ValueError, match="an approximation and 1 levels"):
        N.join([np.ones((2, 2))])
    with pytest.raises(ValueError, match=re.escape("expected 'ad' of the shape (2, 2), got (3,)")):
        N.join([np.ones((2, 2)), dict.fromkeys(("ad", "da", "dd"), np.ones(3))])


def test_what_to_install_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "pywt", None)
    with pytest.raises(ImportError, match=re.escape("pip install lazyop[wavelets]")):
        T.dwt(8, "db7")


@pytest.mark.parametrize("name", ["sym4", "bior2.2", "dmey"])
def test_square_ones_know_their_inverse(name):
    W = quiet(T.dwt, 32, name, "periodization", 2)
    N = quiet(T.dwtn, (16, 8), name, "periodization", 1)
    for A in (W, W.H, N, N.H, quiet(T.idwt, 32, name, "periodization", 2)):
        inverse = lo.inverse(A)
        np.testing.assert_allclose((inverse @ A).toarray(), np.eye(A.shape[1]), atol=1e-11)
        # Meyer's filters are cut, and reconstruct to three digits: its inverse is dense
        assert isinstance(inverse, type(A.H)) == (name != "dmey")


@pytest.mark.parametrize("mode", ["symmetric", "periodization"])
def test_read_only_and_strided_arguments(mode):
    for A in (
        T.dwt(17, "db2", mode),
        T.dwt(17, "db2", mode).H,
        T.idwt((3, 17), "db2", mode),
        T.dwtn(17, "db2", mode).H,
        T.dwtn((9, 12), "db2", mode),
        T.idwtn((9, 12), "db2", mode),
        T.swt(16, "db2"),
        T.swt(16, "db2").H,
    ):
        wide = np.random.default_rng(0).standard_normal((2 * A.shape[1], 4))
        for x in (wide[::2, 0], wide[::2, 0].copy(), wide[::2, ::2], wide[::-2, :].copy()):
            before = x.copy()
            expected = A @ before
            x.flags.writeable = False
            y = A @ x
            assert y.flags.writeable
            np.testing.assert_allclose(y, expected, atol=1e-14)
            np.testing.assert_array_equal(x, before)


def test_longer_floats_are_computed_as_such():
    x = np.linspace(0, 1, 16).astype(np.longdouble)
    W = T.dwt(16, "db2", dtype=np.longdouble)
    assert (W @ x).dtype == np.longdouble
    back = T.idwt(16, "db2", dtype=np.longdouble) @ W.H.H
    assert isinstance(back, lo.Identity)
    np.testing.assert_allclose(W @ x, T.dwt(16, "db2") @ x.astype(float), atol=1e-14)
    lo.testing.dot_test(W)
