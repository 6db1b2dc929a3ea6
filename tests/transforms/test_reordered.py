"""Zak's transform and noiselets beside their definitions."""

import numpy as np
import pytest

import lazyop as lo

T = lo.transforms


@pytest.mark.parametrize(("n", "period"), [(1, 1), (12, 1), (12, 3), (12, 12), (15, 5)])
@pytest.mark.parametrize("norm", [None, "ortho", "forward"])
def test_zak(n, period, norm):
    count = n // period
    scale = count ** -{None: 0.0, "ortho": 0.5, "forward": 1.0}[norm]
    x = np.random.default_rng(0).standard_normal(n)
    waves = np.exp(-2j * np.pi * np.outer(range(count), range(count)) / count)
    expected = scale * waves @ x.reshape(count, period)
    Z = T.zak(n, period, norm=norm)
    np.testing.assert_allclose(Z @ x, expected.ravel(), atol=1e-13)
    assert Z._is_unitary == (norm == "ortho")
    lo.testing.dot_test(Z)


def noiselets(n):
    """The matrix by the recursion over its rows."""
    if n == 1:
        return np.ones((1, 1))
    half = noiselets(n // 2)
    rows = []
    for row in half:
        rows.append(np.concatenate([(1 - 1j) * row, (1 + 1j) * row]) / 2)
        rows.append(np.concatenate([(1 + 1j) * row, (1 - 1j) * row]) / 2)
    return np.array(rows)


@pytest.mark.parametrize("n", [1, 2, 4, 32])
def test_noiselets(n):
    A, D = T.noiselet(n), noiselets(n)
    for found, expected in ((A, D), (A.H, D.conj().T), (A.T, D.T), (A.conj(), D.conj())):
        np.testing.assert_allclose(found.toarray(), expected, atol=1e-14)
    np.testing.assert_allclose(abs(D), n**-0.5)
    assert isinstance(A.N, lo.Identity)
    lo.testing.dot_test(A)


def test_bad_input():
    for call, message in (
        (lambda: T.zak(12, 5), "period must divide the length 12, got 5"),
        (lambda: T.zak(0, 1), "length must be at least 1, got 0"),
        (lambda: T.noiselet(12), "need a power of two, got 12"),
        (lambda: T.noiselet(0), "length must be at least 1, got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    for call in (lambda: T.zak(12, 1.5), lambda: T.noiselet(4.0), lambda: T.noiselet(4, dtype=int)):
        with pytest.raises(TypeError, match=r"must be an integer|complex64 or complex128"):
            call()
