"""Directions and norms whose widths follow from energies, and products with them.

Importing this imports Numba.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
from numba import njit

from lazyop.kernels.jit import INNER, cached, compiled

# Reading: the same operations in the same order as in `lazyop.quantization.reading`, each rounded
# by itself. Nothing is contracted: widths, and with them all that follows, hang on every bit of an
# energy. ----------------------------------------------------------------------------------------

_EXACT_INNER: dict[str, Any] = {**INNER, "fastmath": False}


def _exact(function: Any) -> Any:
    """Compile without any freedom in arithmetic."""
    return cached(function, error_model="numpy")


@njit(**_EXACT_INNER)
def _code(windows, at, width):
    """Return the code at a bit; ``windows`` has the eight bytes from each byte on."""
    if width == 0:
        return 0
    start = min(at >> 3, windows.size - 1)
    return np.int64(windows[start] >> np.uint64(at - 8 * start)) & ((1 << width) - 1)


@njit(**_EXACT_INNER)
def _width(energies_as_bits, k, most):
    return min(max(((energies_as_bits[k] >> 52) - 1021) // 2, 0), most)


@njit(**_EXACT_INNER)
def _norms(windows, at, energies, octave_bits, lowest, most, unit, norms, octaves):
    """Read norms, and return where the next code begins."""
    for r in range(norms.size):
        octaves[r] = _code(windows, at, octave_bits)
        at += octave_bits
    for r in range(norms.size):
        octave = int(octaves[r])
        width = lowest + max(octave - 1, 0)
        steps = _code(windows, at, width) + ((1 << width) if octave > 0 else 0)
        at += width
        norms[r] = steps
        energies[r] = unit * (norms[r] * norms[r])
    return at


@njit(**_EXACT_INNER)
def _signs(windows, at, energies, most, norms):
    """Give norms their signs, and return where the next code begins."""
    bits = energies.view(np.int64)
    for r in range(norms.size):
        width = min(_width(bits, r, most), 1)
        if _code(windows, at, width):
            norms[r] = -norms[r]
        at += width
    return at


@njit(**_EXACT_INNER)
def _angles(windows, at, energies, most, more, angles):
    """Read angles as parts of a turn, in codes so much longer than those of directions.

    Returns where the next code begins.
    """
    bits = energies.view(np.int64)
    for c in range(angles.size):
        width = _width(bits, c, most)
        width += more if width else 0
        angles[c] = _code(windows, at, width) / (1 << width)
        at += width
    return at


@njit(**_EXACT_INNER)
def _directions(windows, at, energies, most, first, second, upper, lower):
    """Read unit vectors, share the energies out, and return where the next code begins."""
    bits = energies.view(np.int64)
    for c in range(energies.size):
        width = _width(bits, c, most)
        count = 1 << width
        second[c] = (_code(windows, at, width) - count // 2) / (count / 2)
        at += width
    for c in range(energies.size):
        y = second[c]
        x = 1.0 - abs(y)
        xx, yy = x * x, y * y
        size = xx + yy
        norm = sqrt(size)
        first[c], second[c] = x / norm, y / norm
        upper[c], lower[c] = xx / size * energies[c], yy / size * energies[c]
    return at


@njit(**_EXACT_INNER)
def _pass_on(energies, stride, upper, lower):
    for block in range(0, energies.size, 2 * stride):
        for j in range(block, block + stride):
            energies[j] = upper[j] + upper[j + stride]
            energies[j + stride] = lower[j] + lower[j + stride]


@_exact
def read_part(
    windows, at, energies, strides, has_rows, octave_bits, lowest, most, unit, first, second,
    norms, turns, phases, scratch,
):  # fmt: skip
    """Read the factors of a part, the last one first, and leave the energies before them.

    Parameters
    ----------
    windows : uint64 array
        The eight bytes from each byte on.
    at : int
        The bit at which the first code begins.
    energies : array
        Of the rows; to be found, where the part has rows.
    strides : int64 array
        Of the factors, in the order in which they are read.
    has_rows : bool
        Whether the first factor read is the last one of the chain, which is kept by rows.
    octave_bits, lowest, most : int
        Widths of octaves, of the norms in the lowest one, and the largest one of directions.
    unit : float
        Of energies.
    first, second : arrays (factors, rows)
        The two entries of unit columns, or rows, as they are read.
    norms, turns : arrays (rows,)
        Norms of rows in steps, with signs where entries are real; else the parts of a turn by
        which rows are turned.
    phases : array (factors, rows)
        Parts of half a turn by which second entries are turned; none, where entries are real.
    scratch : array (2, rows)
    """
    upper, lower = scratch[0], scratch[1]
    is_complex = phases.size > 0
    if has_rows:
        at = _norms(windows, at, energies, octave_bits, lowest, most, unit, norms, upper)
        if is_complex:
            at = _angles(windows, at, energies, most, 1, turns)
        else:
            at = _signs(windows, at, energies, most, norms)
    for k in range(strides.size):
        at = _directions(windows, at, energies, most, first[k], second[k], upper, lower)
        if is_complex:
            at = _angles(windows, at, lower, most, 0, phases[k])
        if k > 0 or not has_rows:
            _pass_on(energies, strides[k], upper, lower)


# Products ---------------------------------------------------------------------------------------


@njit(**INNER)
def _block_of_vector(X, at, d, top, bottom, right, left):
    """Apply d interleaved 2 x 2 blocks; each of their entries is an array, by rows."""
    for j in range(d):
        x, y = X[at + j], X[at + d + j]
        X[at + j] = top[j] * x + right[j] * y
        X[at + d + j] = left[j] * x + bottom[j] * y


@njit(**INNER)
def _block_of_columns(X, at, d, columns, top, bottom, right, left):
    for j in range(d):
        upper, lower = (at + j) * columns, (at + d + j) * columns
        for t in range(columns):
            x, y = X[upper + t], X[lower + t]
            X[upper + t] = top[j] * x + right[j] * y
            X[lower + t] = left[j] * x + bottom[j] * y


@compiled
def multiply_part(first, second, strides, has_rows, transposed, X, columns):
    """Apply what `read_part` has read to rows of so many columns, in place."""
    count, rows = first.shape
    for n in range(count):
        k = count - 1 - n if transposed else n
        d = strides[k]
        by_rows = (has_rows and k == 0) != transposed
        for at in range(0, rows, 2 * d):
            top, right = first[k, at : at + d], first[k, at + d : at + 2 * d]
            left, bottom = second[k, at : at + d], second[k, at + d : at + 2 * d]
            if by_rows:
                right, left = left, right
            if columns == 1:
                _block_of_vector(X, at, d, top, bottom, right, left)
            else:
                _block_of_columns(X, at, d, columns, top, bottom, right, left)
