"""The Fourier transform at irregular frequencies beside its definition, directly and by FINUFFT."""

import pickle
import re
import sys

import array_api_strict
import numpy as np
import pytest
import scipy.fft
from hypothesis import given, settings
from hypothesis import strategies as st

import lazyop as lo

T = lo.transforms
METHODS = ["direct", "finufft"]


def needs(method):
    if method == "finufft":
        pytest.importorskip("finufft", reason="needs FINUFFT, from lazyop[nufft]")


def definition(dims, frequencies):
    grid = np.stack(np.meshgrid(*map(np.arange, dims), indexing="ij"), axis=-1)
    return np.exp(-2j * np.pi * frequencies @ grid.reshape(-1, len(dims)).T)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=25)
@given(st.lists(st.integers(1, 8), min_size=1, max_size=3), st.integers(1, 9), st.booleans())
def test_same_as_the_definition(method, dims, m, single):
    needs(method)
    f = np.random.default_rng(m).uniform(-3, 3, (m, len(dims)))
    dtype = "complex64" if single else "complex128"
    tolerance = 1e-5 if single else 1e-11
    A = T.nudft(tuple(dims), f, method=method, dtype=dtype)
    D = definition(dims, f)
    assert A.dtype == dtype
    for found, expected in ((A, D), (A.H, D.conj().T), (A.T, D.T), (A.conj(), D.conj())):
        np.testing.assert_allclose(found.toarray(), expected, atol=tolerance * len(D))
    x = np.random.default_rng(0).standard_normal((A.shape[1], 3)).astype(A.dtype)
    y = A @ x
    assert y.dtype == dtype
    assert np.linalg.norm(y - D @ x) <= tolerance * np.linalg.norm(D @ x)
    lo.testing.dot_test(A, rtol=tolerance)


@pytest.mark.parametrize("method", METHODS)
def test_it_is_the_transform_at_its_frequencies(method):
    needs(method)
    x = np.random.default_rng(0).standard_normal(60)
    for norm in (None, "ortho", "forward"):
        A = T.nudft(60, np.arange(60) / 60, norm=norm, method=method)
        np.testing.assert_allclose(A @ x, scipy.fft.fft(x, norm=norm), atol=1e-10)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dims", [(4,), (0,), (2, 3), (3, 0), (0, 2)])
@pytest.mark.parametrize("m", [0, 2])
def test_no_frequencies_or_no_samples(method, dims, m):
    needs(method)
    A = T.nudft(dims, np.full((m, len(dims)), 0.3), method=method)
    D = definition(dims, np.full((m, len(dims)), 0.3))
    assert A.shape == D.shape
    for found, expected in (
        (A, D),
        (A.H, D.conj().T),
        (A.N, D.conj().T @ D),
        (A @ A.H, D @ D.conj().T),
    ):
        np.testing.assert_allclose(found.toarray(), expected, atol=1e-12)
        x = np.ones((found.shape[1], 2))
        np.testing.assert_allclose(found @ x, expected @ x, atol=1e-12)


def test_many_rows_are_taken_in_batches(monkeypatch):
    f = np.random.default_rng(0).uniform(0, 1, (50, 2))
    A = T.nudft((6, 7), f, method="direct")
    D, x, y = definition((6, 7), f), np.ones((42, 2)), np.ones(50)
    monkeypatch.setattr("lazyop.transforms.row_kron._BUDGET", 100)
    np.testing.assert_allclose(A @ x, D @ x, atol=1e-12)
    np.testing.assert_allclose(A.H @ y, D.conj().T @ y, atol=1e-12)


def test_long_signals_keep_their_digits():
    f, n = np.array([0.123456789, 1e-9]), 10**6
    A = T.nudft(n, f, method="direct")
    assert A.cost.parameters < 5000
    unit = np.zeros(n)
    unit[-1] = 1
    np.testing.assert_allclose(A @ unit, np.exp(-2j * np.pi * (f * (n - 1) % 1)), atol=1e-9)


def test_irregular_times():
    rng = np.random.default_rng(0)
    f, times = rng.uniform(-1, 1, 5), rng.uniform(0, 20, 7)
    A = T.nudft(7, f, times, norm="ortho")
    D = np.exp(-2j * np.pi * np.outer(f, times)) / np.sqrt(7)
    np.testing.assert_allclose(A.toarray(), D, atol=1e-13)
    regular = T.nudft(7, f, np.arange(7)).toarray()
    np.testing.assert_allclose(regular, T.nudft(7, f).toarray(), atol=1e-13)
    from_times = T.nudft(5, times).T  # type 1: integer frequencies
    np.testing.assert_allclose(
        from_times.toarray(), np.exp(-2j * np.pi * np.outer(range(5), times)), atol=1e-13
    )


@pytest.mark.parametrize("method", METHODS)
def test_files_and_pickles(method, tmp_path):
    needs(method)
    A = T.nudft((3, 4), [[0.1, 0.2], [0.3, 0.4]], method=method)
    lo.save(tmp_path / "A", A)
    for copy in (lo.load(tmp_path / "A"), pickle.loads(pickle.dumps(A))):
        np.testing.assert_array_equal(copy.toarray(), A.toarray())
        np.testing.assert_array_equal(copy.H.toarray(), A.H.toarray())


def test_finufft_stays_on_numpy():
    needs("finufft")
    A = T.nudft(8, [0.1, 0.2], method="finufft")
    with pytest.raises(TypeError, match="method='direct'"):
        A.to("array_api_strict")
    with pytest.raises(TypeError, match="array_api_strict"):
        A @ array_api_strict.ones(8)
    assert "FINUFFT" in repr(T.nudft(1024, np.linspace(0, 1, 1024)))


def test_finufft_is_asked_for_by_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "finufft", None)
    with pytest.raises(ImportError, match=re.escape("pip install lazyop[nufft]")):
        T.nudft(8, [0.1], method="finufft")
    assert "FINUFFT" not in T.nudft(1024, np.linspace(0, 1, 1024)).tree()


def test_bad_input():
    for arguments, keywords, message in (
        ((4, [[0.1, 0.2]]), {}, "frequencies of the shape (m, 1) go with the shape (4,)"),
        (((4, 4), [0.1, 0.2]), {}, "frequencies of the shape (m, 2)"),
        ((4, [np.inf]), {}, "frequencies must be finite"),
        ((4, [0.1], [0.0, 1.0]), {}, "times of the shape (n,)"),
        ((4, [0.1], [0.0] * 4), {"method": "finufft"}, "takes regular times only"),
        ((4, [0.1]), {"method": "fast"}, "auto, direct or finufft, got 'fast'"),
        ((4, [0.1]), {"norm": "two"}, "norm must be"),
        ((4, [0.1]), {"tol": 0.0, "method": "direct"}, "tol must be between 0 and 1, got 0.0"),
        (((2, 2, 2, 2), np.zeros((3, 4))), {"method": "finufft"}, "up to three axes"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            T.nudft(*arguments, **keywords)
    with pytest.raises(TypeError, match="tol must be a real number, got '1e-6'"):
        T.nudft(4, [0.1], tol="1e-6")
    with pytest.raises(TypeError, match="frequencies must be real"):
        T.nudft(4, [1j])
    with pytest.raises(TypeError, match="complex64 or complex128"):
        T.nudft(4, [0.1], dtype=float)
    assert (T.nudft(0, [0.1]) @ np.ones(0)).tolist() == [0]
    assert (T.nudft(4, []) @ np.ones(4)).shape == (0,)
