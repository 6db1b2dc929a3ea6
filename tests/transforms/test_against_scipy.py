"""Transforms of arrays of any shape along any axes, beside SciPy's functions."""

import array_api_strict
import numpy as np
import pytest
import scipy.fft
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from market import random

import lazyop as lo

T = lo.transforms
DTYPES = ("float32", "float64", "complex64", "complex128")
NORMS = (None, "backward", "ortho", "forward")


@st.composite
def arrays(draw, least=1, most=3):
    """A random array of a shape, and one of its axes."""
    shape = tuple(draw(st.lists(st.integers(least, 8), min_size=1, max_size=most)))
    if len(shape) == 1 and draw(st.booleans()):
        shape = (draw(st.integers(least, 200)),)
    x = random(draw(st.sampled_from(DTYPES)), *shape)
    return x, draw(st.integers(-x.ndim, x.ndim - 1))


def agree(A, x, expected):
    """Compare values and dtypes, of a vector and of columns, and check the adjoint."""
    single = x.dtype in (np.float32, np.complex64)
    A = A.astype("complex64" if A.dtype.kind == "c" else "float32") if single else A
    found = A @ x.ravel()
    assert found.dtype == expected.dtype
    assert A.shape == (expected.size, x.size)
    tolerance = (1e-5 if single else 1e-12) * max(1, float(np.linalg.norm(expected)))
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=0, atol=tolerance)
    columns = np.stack([x.ravel(), 2 * x.ravel()], axis=1)
    np.testing.assert_allclose(
        A @ columns, np.stack([expected.ravel(), 2 * expected.ravel()], axis=1), atol=2 * tolerance
    )
    lo.testing.dot_test(A)


@settings(max_examples=40)
@given(arrays(), st.sampled_from(NORMS), st.none() | st.integers(1, 12), st.data())
def test_fourier(array, norm, n, data):
    x, axis = array
    where = {"n": n, "axis": axis, "norm": norm}
    agree(T.dft(x.shape, **where), x, scipy.fft.fft(x, **where))
    agree(T.idft(x.shape, **where), x, scipy.fft.ifft(x, **where))
    half = scipy.fft.rfft(x.real, **where)
    agree(T.rdft(x.shape, **where), x.real, half)
    m = x.shape[axis] if n is None else n
    back = T.irdft(half.shape, m, axis, norm)
    np.testing.assert_allclose(
        (back @ half.ravel()).real.reshape(scipy.fft.irfft(half, m, axis, norm).shape),
        scipy.fft.irfft(half, m, axis, norm),
        atol=1e-5 if half.dtype == np.complex64 else 1e-12,
    )


@settings(max_examples=40)
@given(arrays(), st.sampled_from(NORMS), st.data())
def test_fourier_along_several_axes(array, norm, data):
    x, _ = array
    axes = data.draw(st.none() | st.permutations(range(x.ndim)).map(lambda p: tuple(p[:2])))
    count = x.ndim if axes is None else len(axes)
    s = data.draw(st.none() | st.tuples(*[st.integers(1, 9)] * count))
    where = {"s": s, "axes": axes, "norm": norm}
    agree(T.dftn(x.shape, **where), x, scipy.fft.fftn(x, **where))
    agree(T.idftn(x.shape, **where), x, scipy.fft.ifftn(x, **where))
    agree(T.rdftn(x.shape, **where), x.real, scipy.fft.rfftn(x.real, **where))


@pytest.mark.parametrize("name", ["dct", "idct", "dst", "idst"])
@settings(max_examples=40)
@given(data=st.data())
def test_cosines_and_sines(name, data):
    x, axis = data.draw(arrays(least=2))
    where = {
        "type": data.draw(st.integers(1, 4)),
        "n": data.draw(st.none() | st.integers(2, 12)),
        "axis": axis,
        "norm": data.draw(st.sampled_from(NORMS)),
    }
    A, function = getattr(T, name)(x.shape, **where), getattr(scipy.fft, name)
    agree(A, x, function(x, **where))
    choice = data.draw(st.booleans())  # which SciPy does not ask for complex numbers
    B = getattr(T, name)(x.shape, **where, orthogonalize=choice)
    agree(B, x.real.copy(), function(x.real, **where, orthogonalize=choice))


@pytest.mark.parametrize("name", ["dctn", "idctn", "dstn", "idstn"])
@settings(max_examples=20)
@given(data=st.data())
def test_cosines_and_sines_along_several_axes(name, data):
    x, _ = data.draw(arrays(least=2))
    axes = data.draw(st.none() | st.permutations(range(x.ndim)).map(lambda p: tuple(p[:2])))
    where = {
        "type": data.draw(st.integers(1, 4)),
        "axes": axes,
        "norm": data.draw(st.sampled_from(NORMS)),
    }
    agree(getattr(T, name)(x.shape, **where), x, getattr(scipy.fft, name)(x, **where))


@settings(max_examples=60)
@given(data=st.data())
def test_convolutions(data):
    axes = data.draw(st.integers(1, 2))
    x = random(
        data.draw(st.sampled_from(DTYPES)), *data.draw(st.tuples(*[st.integers(1, 30)] * axes))
    )
    shape = data.draw(st.tuples(*[st.integers(1, 9)] * axes))
    h = random(data.draw(st.sampled_from((x.dtype.name, "float64", "complex64"))), *shape)
    mode = data.draw(st.sampled_from(("full", "same", "valid")))
    methods = ("auto", "direct", "fft", "overlap-add")[: 4 if axes == 1 else 3]
    method = data.draw(st.sampled_from(methods))
    if mode == "valid" and not all(a >= b for a, b in zip(x.shape, h.shape, strict=True)):
        h = h[tuple(slice(n) for n in x.shape)]
    for name in ("convolve", "correlate"):
        A = getattr(T, name)(x.shape, h, mode, method=method)
        with np.errstate(invalid="ignore"):  # SciPy casts memory that it has not set
            expected = getattr(scipy.signal, name)(x, h, mode, method="direct")
        found = (A @ x.ravel()).reshape(expected.shape)
        assert found.dtype == np.result_type(x, h)
        single = np.finfo(np.result_type(x, h)).bits == 32 or np.finfo(h.dtype).bits == 32
        scale = float(np.linalg.norm(x)) * float(np.linalg.norm(h))
        np.testing.assert_allclose(found, expected, atol=(1e-5 if single else 1e-12) * scale)
        lo.testing.dot_test(A)


@settings(max_examples=40)
@given(arrays(), st.data())
def test_padding(array, data):
    x, _ = array
    mode = data.draw(st.sampled_from(("constant", "edge", "reflect", "symmetric", "wrap")))
    widths = data.draw(st.tuples(*[st.tuples(st.integers(0, 9), st.integers(0, 9))] * x.ndim))
    agree(T.pad(x.shape, widths, mode), x, np.pad(x, widths, mode))


@settings(max_examples=20)
@given(arrays(), st.integers(1, 20), st.integers(1, 5), st.integers(1, 5))
def test_resampling(array, num, up, down):
    x, axis = array
    agree(T.resample(x.shape, num, axis), x, scipy.signal.resample(x, num, axis=axis))
    expected = scipy.signal.resample_poly(x, up, down, axis=axis).astype(x.dtype)
    agree(T.resample_poly(x.shape, up, down, axis), x, expected)


@pytest.mark.parametrize("edge", ["valid", "zero", "one-sided", "constant", "edge", "wrap"])
@settings(max_examples=10)
@given(array=arrays(least=3), h=st.sampled_from((1.0, 0.5, 3.0)))
def test_differences(edge, array, h):
    x, axis = array
    around = {"edge": "edge", "constant": "constant", "wrap": "wrap"}.get(edge)
    for kind, order in (("forward", 1), ("backward", 1), ("centered", 1), ("centered", 2)):
        A = T.difference(x.shape, axis, kind=kind, order=order, edge=edge, spacing=h)
        v = np.moveaxis(x, axis, -1)
        before, after = (kind != "forward"), (kind != "backward")
        if around:
            v = np.pad(v, [*[(0, 0)] * (x.ndim - 1), (int(before), int(after))], around)
        elif edge == "one-sided":
            v = np.concatenate(
                [
                    *[2 * v[..., :1] - v[..., 1:2]] * before,
                    v,
                    *[2 * v[..., -1:] - v[..., -2:-1]] * after,
                ],
                axis=-1,
            )
        if order == 2:
            d = np.diff(v, 2) / h**2
        else:
            d = (v[..., 2:] - v[..., :-2]) / (2 * h) if kind == "centered" else np.diff(v) / h
        if edge == "zero":
            d = np.pad(d, [*[(0, 0)] * (x.ndim - 1), (int(before), int(after))])
        agree(A, x, np.moveaxis(d, -1, axis).astype(x.dtype))


@settings(max_examples=20)
@given(st.sampled_from((1, 2, 4, 12, 16, 20, 24, 64, 80, 128, 192)), st.sampled_from(NORMS))
def test_hadamard_matrices(n, norm):
    H = T.hadamard((2, n), norm=norm)
    D = T.hadamard(n).toarray()
    assert set(np.unique(D)) <= {-1.0, 1.0}
    np.testing.assert_array_equal(D @ D.T, n * np.eye(n))
    x = random("float64", 2, n)
    scale = {"ortho": n**-0.5, "forward": 1 / n}.get(norm, 1)
    agree(H, x, scale * x @ D.T)
    if n & (n - 1) == 0:
        np.testing.assert_array_equal(D, scipy.linalg.hadamard(n))


def test_large_transforms_run_by_blocks_and_in_one():
    x = random("float64", 70_000)
    for k in (3, 50, 3000):
        h = random("float64", k)
        for mode in ("full", "same", "valid"):
            A = T.convolve(x.size, h, mode)
            expected = scipy.signal.fftconvolve(x, h, mode)
            np.testing.assert_allclose(A @ x, expected, atol=1e-9)
    assert "overlap-add" in repr(T.convolve(x.size, random("float64", 50)))
    assert "direct" in repr(T.convolve(x.size, h[:3]))
    assert "fft" in repr(T.convolve(2000, h[:1500]))
    H, D = T.hadamard(512), scipy.linalg.hadamard(512)
    np.testing.assert_allclose(H @ x[:512], D @ x[:512], atol=1e-11)


@pytest.mark.parametrize("rates", [(1, 2), (3, 2), (2, 2)])
def test_filters_of_resampling_in_other_dtypes_and_namespaces(rates):
    taps = np.array([1.0, 2.0, 1.0], np.float32)
    expected = scipy.signal.resample_poly(np.arange(6.0), *rates, window=taps.astype(float))
    for window, dtype, found in (
        (taps, None, "float32"),
        (taps, "float64", "float64"),
        (taps + 0j, None, "complex64"),
        (taps, "complex128", "complex128"),
    ):
        A = T.resample_poly(6, *rates, window=window, dtype=dtype)
        assert A.dtype == found
        np.testing.assert_allclose(A @ np.arange(6.0), expected, rtol=1e-6)
    strict = array_api_strict.asarray(taps)
    A = T.resample_poly(6, *rates, window=strict, dtype="float64")
    found = A @ array_api_strict.arange(6.0, dtype=array_api_strict.float64)
    np.testing.assert_allclose(np.asarray(found), expected, atol=1e-12)


def test_longer_floats_are_resampled_as_such():
    x = random("float64", 9)
    for A, longer in (
        (T.resample_poly(9, 3, 2), T.resample_poly(9, 3, 2, dtype=np.longdouble)),
        (T.decimate(9, 2), T.decimate(9, 2, dtype=np.longdouble)),
    ):
        for B, y in ((A, x.astype(np.longdouble)), (longer, x)):
            found = B @ y
            assert found.dtype == np.longdouble
            np.testing.assert_allclose(found, A @ x, atol=1e-13)
            np.testing.assert_allclose(B.H @ found, A.H @ (A @ x), atol=1e-12)


def test_windows():
    for name in ("hann", ("kaiser", 4.0), 5.0):
        expected = scipy.signal.get_window(name, 7)
        np.testing.assert_array_equal(T.window((7, 2), name, 0).diagonal()[::2], expected)
    symmetric = scipy.signal.get_window("hann", 6, fftbins=False)
    assert T.window(6, "hann", fftbins=False, dtype="float32").dtype == "float32"
    np.testing.assert_allclose(T.window(6, "hann", fftbins=False).diagonal(), symmetric)
    np.testing.assert_array_equal(T.window(2, [1, 3]).diagonal(), [1.0, 3.0])
