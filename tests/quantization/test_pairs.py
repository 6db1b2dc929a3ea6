"""Pairs of vectors: no other numbers of as many bits do better."""

import numpy as np
import pytest
from rank_one_search import least_error, relative

from lazyop.quantization import pairs
from lazyop.quantization.formats import FloatFormat
from lazyop.quantization.matches import Side, errors_of, matched
from lazyop.quantization.pairs import quantized_pairs, quantized_vectors


def normal(rng, *shape, dtype=float):
    values = rng.standard_normal(shape)
    return values + 1j * rng.standard_normal(shape) if np.dtype(dtype).kind == "c" else values


def mean_errors(m, n, bits, count, dtype=float):
    rng = np.random.default_rng(bits)
    x, y = (Side.plain(normal(rng, count, k, dtype=dtype)) for k in (m, n))
    form = FloatFormat(bits)
    rounded = errors_of(*(matched(s, form.round(s.vectors)) for s in (x, y)))
    found = quantized_pairs(x, y, bits)
    best = errors_of(*(matched(s, v) for s, v in zip((x, y), found, strict=True)))
    return np.sqrt(rounded).mean(), np.sqrt(best).mean()


def scan(monkeypatch, short):
    """Have vectors of up to so many entries scanned together, others one by one."""
    monkeypatch.setattr(pairs, "_SHORT", short)
    monkeypatch.setattr(pairs, "_FEW", 0)


@pytest.mark.parametrize("short", [9, 0], ids=["together", "one by one"])
@pytest.mark.parametrize("seed", range(25))
def test_no_numbers_do_better(seed, short, monkeypatch):
    scan(monkeypatch, short)
    rng = np.random.default_rng(seed)
    for m, n, bits in ((2, 2, 4), (3, 2, 3), (2, 4, 4), (3, 3, 3), (4, 4, 2)):
        x, y = normal(rng, m), normal(rng, n)
        w, z = rng.random(m) + 0.1, rng.random(n) + 0.1
        [x_hat], [y_hat] = quantized_pairs(Side(x[None], w[None]), Side(y[None], z[None]), bits)
        best = least_error(x, y, bits, w, z)
        assert relative(x, y, x_hat, y_hat, w, z) == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("bits", [1, 2, 5, 11])
@pytest.mark.parametrize("m", [1, 2, 7])
def test_both_scans_find_the_same(m, bits, monkeypatch):
    rng = np.random.default_rng(m)
    x = Side(normal(rng, 5, m), rng.random((5, m)))
    y = Side(normal(rng, 5, m + 1), rng.random((5, m + 1)))
    errors = []
    for short in (9, 0):
        scan(monkeypatch, short)
        x_hat, y_hat = quantized_pairs(x, y, bits)
        alone = matched(x, quantized_vectors(x, bits)).angle
        errors.append([errors_of(matched(x, x_hat), matched(y, y_hat)), alone])
    np.testing.assert_allclose(errors[0], errors[1], rtol=1e-6, atol=1e-28)


# Ratios of mean errors over some hundred pairs each, by an independent implementation.
@pytest.mark.parametrize(
    ("m", "n", "bits", "ratio"),
    [
        (2, 2, 2, 1.62),
        (2, 2, 4, 2.8),
        (2, 2, 8, 7.4),
        (8, 8, 4, 1.60),
        (8, 8, 8, 2.27),
        (32, 32, 4, 1.28),
        (32, 32, 8, 1.47),
        (128, 128, 4, 1.13),
        (2, 32, 4, 1.65),
        (2, 32, 8, 2.07),
    ],
)
def test_gain_over_rounding(m, n, bits, ratio):
    rounded, best = mean_errors(m, n, bits, 8000 if m == 2 else 60)
    assert rounded / best == pytest.approx(ratio, rel=0.1)


# At least as good as the means that the authors of CROQuant store for t = 4, for normal entries:
# .0077, .0203 and .0278.
@pytest.mark.parametrize(("m", "n", "bound"), [(2, 2, 0.0070), (2, 32, 0.0203), (32, 32, 0.0282)])
def test_complex_pairs(m, n, bound):
    rounded, best = mean_errors(m, n, 4, 60, dtype=complex)
    assert best < bound
    assert rounded == pytest.approx(0.037, rel=0.1)


@pytest.mark.parametrize("dtype", [float, complex])
def test_numbers_of_the_format_stay(dtype):
    rng = np.random.default_rng(0)
    x, y = (FloatFormat(3).round(normal(rng, 20, k, dtype=dtype)) for k in (2, 4))
    x_hat, y_hat = quantized_pairs(Side.plain(x), Side.plain(y), 3)
    np.testing.assert_array_equal(x_hat, x)
    np.testing.assert_array_equal(y_hat, y)
    np.testing.assert_array_equal(quantized_vectors(Side.plain(x), 3), x)


def test_multiples_of_numbers_of_the_format_are_exact():
    turns = np.exp(1j * np.arange(20))[:, None]
    x, y = turns * np.array([1, -1]), np.array([[1, 1j, -1]]) / turns
    x_hat, y_hat = quantized_pairs(Side.plain(x), Side.plain(y), 4)
    np.testing.assert_array_equal(np.abs(x_hat[:, 0]), np.abs(x_hat[:, 1]))
    np.testing.assert_allclose(x_hat[:, :, None] * y_hat[:, None], x[:, :, None] * y[:, None])
    real = np.array([[0.3, -0.6, 1.2]])
    x_hat = quantized_vectors(Side.plain(real), 1)
    np.testing.assert_allclose(matched(Side.plain(real), x_hat).angle, 0, atol=1e-30)


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize(("length", "short"), [(2, 12), (12, 0)])
def test_zeros_stay(length, short, dtype, monkeypatch):
    scan(monkeypatch, short)
    rng = np.random.default_rng(1)
    x, y = normal(rng, 3, length, dtype=dtype), normal(rng, 3, length, dtype=dtype)
    x[0], y[1], x[2, 1] = 0, 0, 0
    x_hat, y_hat = quantized_pairs(Side.plain(x), Side.plain(y), 4)
    assert not x_hat[:2].any()
    assert not y_hat[:2].any()
    assert x_hat[2, 1] == 0
    assert y_hat[2].all()
    assert not quantized_vectors(Side.plain(x), 4)[0].any()


@pytest.mark.parametrize("short", [12, 0])
def test_equal_entries_stay_equal(short, monkeypatch):
    scan(monkeypatch, short)
    x = np.full((1, 12), 0.7)
    x_hat, y_hat = quantized_pairs(Side.plain(x), Side.plain(x[:, :9]), 4)
    assert np.unique(x_hat).size == np.unique(y_hat).size == 1
    assert relative(x[0], x[0, :9], x_hat[0], y_hat[0]) == pytest.approx(
        least_error(x[0, :1], x[0, :1], 4)
    )


@pytest.mark.parametrize("short", [12, 0])
def test_entries_without_weight_do_not_count(short, monkeypatch):
    scan(monkeypatch, short)
    rng = np.random.default_rng(2)
    x, y = normal(rng, 1, 12), normal(rng, 1, 12)
    w = np.ones((1, 12))
    w[:, 2:] = 0
    found = quantized_pairs(Side(x, w), Side(y, w), 3)
    best = least_error(x[0, :2], y[0, :2], 3)
    errors = errors_of(*(matched(Side(v, w), q) for v, q in zip((x, y), found, strict=True)))
    assert np.sqrt(errors[0]) == pytest.approx(best)


@pytest.mark.parametrize("bits", [2, 7, 12])
def test_compiled_code_finds_the_same(bits, monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(pairs, "_WORTH_COMPILED", 0)
    rng = np.random.default_rng(bits)
    x = Side(normal(rng, 9, 2, dtype=complex), rng.random((9, 2)))
    y = Side(normal(rng, 9, 3, dtype=complex), rng.random((9, 3)))
    x.vectors[3], x.vectors[4, 1], y.vectors[5] = 0, 0, 0
    found = []
    for compiled in (True, False):
        monkeypatch.setattr(pairs, "has_compiled", lambda compiled=compiled: compiled)
        found.append([*quantized_pairs(x, y, bits), quantized_vectors(y, bits)])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
