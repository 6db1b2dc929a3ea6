"""The comparison of many scalings of complex pairs, compiled. Importing this imports Numba.

The same as in `lazyop.quantization.pairs`, block by block of scalings, which stay in the cache next
to the processor together with all that is made of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from lazyop.kernels.jit import cached

__all__ = ["errors"]

#: Scalings that are compared at a time.
_BLOCK = 256

#: A split of products in two by differences, which contraction or reordering would undo.
_OPTIONS: dict[str, Any] = {"error_model": "numpy"}


@njit(inline="always", **_OPTIONS)
def _match(scale, x, w, split, hat, overlap, residual):
    """Round multiples of a vector, and say how they lie to it."""
    count = scale.shape[1]
    overlap[:] = 0
    residual[:] = 0
    for k in range(x.shape[1]):
        real, imag, weight = x[0, k], x[1, k], w[k]
        for b in range(count):
            v = scale[0, b] * real - scale[1, b] * imag
            u = scale[0, b] * imag + scale[1, b] * real
            # The first bits of a product, rounded to nearest (Veltkamp's split).
            large_v, large_u = split * v, split * u
            v = large_v - (large_v - v)
            u = large_u - (large_u - u)
            hat[0, k, b], hat[1, k, b] = v, u
            overlap[0, b] += weight * (real * v + imag * u)
            overlap[1, b] += weight * (real * u - imag * v)
    for k in range(x.shape[1]):
        real, imag, weight = x[0, k], x[1, k], w[k]
        for b in range(count):
            v = hat[0, k, b] - (overlap[0, b] * real - overlap[1, b] * imag)
            u = hat[1, k, b] - (overlap[0, b] * imag + overlap[1, b] * real)
            residual[b] += weight * (v * v + u * u)


def _errors(scalings, x, w, y, z, split, out):
    """Squared errors of all pairs under all scalings; without `y`, of the angles.

    Parameters
    ----------
    scalings : array, shape (2, count, candidates)
        Real and imaginary parts.
    x, y : arrays, shapes (2, count, m) and (2, count, n)
    w, z : arrays, shapes (count, m) and (count, n)
        Weights, by the squared norms.
    split : float
        :math:`2^{53 - t} + 1` for `t` bits.
    out : array, shape (count, candidates)
    """
    hat = np.empty((2, max(x.shape[2], y.shape[2]), _BLOCK))
    a, b, scale = np.empty((2, _BLOCK)), np.empty((2, _BLOCK)), np.empty((2, _BLOCK))
    rest_x, rest_y = np.empty(_BLOCK), np.empty(_BLOCK)
    for i in range(out.shape[0]):
        for start in range(0, out.shape[1], _BLOCK):
            count = min(_BLOCK, out.shape[1] - start)
            tried = scalings[:, i, start : start + count]
            _match(tried, x[:, i], w[i], split, hat, a[:, :count], rest_x[:count])
            for k in range(count):
                size = a[0, k] ** 2 + a[1, k] ** 2 + rest_x[k]
                size = size if size > 0 else 1.0
                out[i, start + k] = rest_x[k] / size
                scale[0, k], scale[1, k] = a[0, k] / size, -a[1, k] / size
            if y.shape[2] == 0:
                continue
            _match(scale[:, :count], y[:, i], z[i], split, hat, b[:, :count], rest_y[:count])
            for k in range(count):
                off = (a[0, k] * b[0, k] - a[1, k] * b[1, k] - 1) ** 2
                off += (a[0, k] * b[1, k] + a[1, k] * b[0, k]) ** 2
                off += (a[0, k] ** 2 + a[1, k] ** 2) * rest_y[k]
                off += (b[0, k] ** 2 + b[1, k] ** 2) * rest_x[k]
                out[i, start + k] = off + rest_x[k] * rest_y[k]


errors = cached(_errors, **_OPTIONS)
