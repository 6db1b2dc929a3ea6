"""The Radon transform beside sums, chords of a disc, and its definition."""

import re

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

import lazyop as lo

radon = lo.transforms.radon


@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (2, 6), (1, 1)])
def test_right_angles_are_sums(shape):
    image = np.random.default_rng(0).standard_normal(shape)
    count = max(shape)
    R = radon(shape, [0, 90, 180, 270])
    sinogram = (R @ image.ravel()).reshape(count, 4)
    columns, rows = image.sum(axis=0), image.sum(axis=1)
    for i, sums, sign in ((0, columns, 1), (1, rows, -1), (2, columns, -1), (3, rows, 1)):
        expected = np.zeros(count)
        for s in range(count):
            place = len(sums) // 2 + sign * (s - count // 2)
            if 0 <= place < len(sums):
                expected[s] = sums[place]
        np.testing.assert_allclose(sinogram[:, i], expected, atol=1e-12)


@pytest.mark.parametrize("angle", [0.0, 17.0, 45.0, 63.5, 120.0, -200.0])
def test_same_as_the_definition(angle):
    image = np.random.default_rng(1).standard_normal((7, 9))
    a, count = np.deg2rad(angle), 11
    expected = []
    for sigma in np.arange(count) - count // 2:
        if abs(np.cos(a)) >= abs(np.sin(a)):
            row = np.arange(7.0)
            t = (row - 3 + sigma * np.sin(a)) / np.cos(a)
            column = 4 + sigma * np.cos(a) + t * np.sin(a)
        else:
            column = np.arange(9.0)
            t = (column - 4 - sigma * np.cos(a)) / np.sin(a)
            row = 3 - sigma * np.sin(a) + t * np.cos(a)
        padded = np.pad(image, 1)
        values = map_coordinates(padded, [row + 1, column + 1], order=1, mode="constant")
        expected.append(values.sum() / max(abs(np.cos(a)), abs(np.sin(a))))
    R = radon((7, 9), [angle], count)
    np.testing.assert_allclose(R @ image.ravel(), expected, rtol=0, atol=1e-12)
    lo.testing.dot_test(R)


def test_lines_through_pixels_meet_no_others():
    R = radon(65, [45.0, 135.0]).tosparse()
    assert R[[64, 65]].nnz == 65 + 65  # of the middle detector, along the two diagonals
    np.testing.assert_allclose(R[[64, 65]].data, np.sqrt(2), rtol=1e-14)


def test_a_disc_has_its_chords():
    n, radius = 101, 35.0
    y, x = np.mgrid[:n, :n] - n // 2
    disc = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)
    angles = np.arange(0, 180, 15.0)
    sinogram = (radon(n, angles) @ disc.ravel()).reshape(n, len(angles))
    chords = 2 * np.sqrt(np.maximum(radius**2 - (np.arange(n) - n // 2) ** 2, 0))
    assert np.linalg.norm(sinogram - chords[:, None]) <= 0.03 * np.linalg.norm(sinogram)


def test_dtypes_and_no_angles():
    R = radon(4, [30.0], dtype="float32")
    assert (R @ np.ones(16, "float32")).dtype == R.dtype == "float32"
    assert radon(4, []).shape == (0, 16)


def test_bad_input():
    for arguments, message in (
        (((4, 4, 4), [0.0]), "an image has rows and columns, got the shape (4, 4, 4)"),
        (((0, 4), [0.0]), "an image has rows and columns"),
        ((4, [np.nan]), "angles must be finite"),
        ((4, [[0.0]]), "angles must be finite, and of one dimension; got shape (1, 1)"),
        ((4, [0.0], 0), "detectors must be at least 1, got 0"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            radon(*arguments)
    for arguments, message in (
        ((4.5, [0.0]), "must be an integer"),
        ((4, [1j]), "angles must be real"),
    ):
        with pytest.raises(TypeError, match=message):
            radon(*arguments)
