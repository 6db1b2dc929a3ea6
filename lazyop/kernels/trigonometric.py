"""Cosine and sine transforms of arrays of any namespace.

NumPy's go to `scipy.fft`. For others, types II and III come from CuPy's counterpart of it, or from
a Fourier transform of the same length (Makhoul, "A fast cosine transform in one and two
dimensions", IEEE Trans. Acoust. Speech Signal Process. 28, 1980); types I and IV from one of about
twice the length, of the even or odd extension.
"""

from __future__ import annotations

import math

import numpy as np

from lazyop.kernels.fourier import NORMS, dft, inverse_real_dft, real_dft, signal_library
from lazyop.kernels.real_parts import by_parts
from lazyop.namespaces import Array, along, cast, dtype_of, is_complex, like, namespace_of, zeros

#: The type of the inverse of a transform, up to a factor.
INVERSE_TYPE = {1: 1, 2: 3, 3: 2, 4: 4}


def trigonometric(
    X: Array, kind: str, type: int, axes: tuple[int, ...], norm: str, orthogonalize: bool
) -> Array:
    """Return the cosine or sine transform along some axes; a new array.

    Parameters
    ----------
    X : array
        Real or complex floating-point numbers.
    kind : str
        "cos" or "sin".
    type : int
        1 to 4.
    axes : tuple of int
        Different ones, not negative.
    norm : str
        "backward", "ortho" or "forward", as in `scipy.fft`.
    orthogonalize : bool
        Whether to weight the ends so that the matrix is a multiple of an orthogonal one.
    """
    if is_complex(X):  # SciPy would forget orthogonalize

        def of_real(x: Array) -> Array:
            return trigonometric(x, kind, type, axes, norm, orthogonalize)

        return by_parts(of_real, X)
    if isinstance(X, np.ndarray):
        library = signal_library(X)
        if len(axes) == 1:
            one = library.dct if kind == "cos" else library.dst
            return one(X, type, axis=axes[0], norm=norm, orthogonalize=orthogonalize)
        several = library.dctn if kind == "cos" else library.dstn
        return several(X, type, axes=axes, norm=norm, orthogonalize=orthogonalize)
    for axis in axes:
        X = _along(X, kind, type, axis, norm, orthogonalize)
    return X


def logical_length(kind: str, type: int, n: int) -> int:
    """Return the period of the extension of n points, by which norms divide."""
    if type != 1:
        return 2 * n
    return 2 * (n - 1 if kind == "cos" else n + 1)


def with_ends(X: Array, axis: int, first: float, last: float) -> Array:
    """Return an array whose first and last entries along an axis are multiplied; one is both."""
    n = X.shape[axis]
    if n == 1:
        return (first * last) * X
    inner = X[along(axis, slice(1, n - 1))]
    start, end = first * X[along(axis, slice(1))], last * X[along(axis, slice(n - 1, n))]
    return namespace_of(X).concat([start, inner, end], axis=axis)


def _along(X: Array, kind: str, type: int, axis: int, norm: str, orthogonalize: bool) -> Array:
    """Return the transform of a real array along one axis, from the plain one."""
    root = math.sqrt(2)
    before = {("cos", 1): (root, root), ("cos", 3): (root, 1), ("sin", 3): (1, root)}
    after = {("cos", 1): (root, root), ("cos", 2): (root, 1), ("sin", 2): (1, root)}
    key = kind, type
    if orthogonalize and key in before:
        X = with_ends(X, axis, *before[key])
    Y = _plain(X, kind, type, axis)
    if orthogonalize and key in after:
        first, last = after[key]
        Y = with_ends(Y, axis, 1 / first, 1 / last)
    factor = logical_length(kind, type, X.shape[axis]) ** -NORMS[norm]
    return Y if factor == 1 else factor * Y


def _plain(X: Array, kind: str, type: int, axis: int) -> Array:
    """Return the transform of a real array along one axis without a norm."""
    library = signal_library(X)
    if library is not None and type in (2, 3):
        return (library.dct if kind == "cos" else library.dst)(X, type=type, axis=axis)
    if kind == "cos":
        return (_dct1, _dct2, _dct3, _dct4)[type - 1](X, axis)
    if type == 1:
        return _dst1(X, axis)
    # Sines are cosines with the order turned on one side and the signs alternating on the other.
    xp = namespace_of(X)
    if type == 2:
        return xp.flip(_dct2(_alternating(X, axis), axis), axis=axis)
    return _alternating((_dct3 if type == 3 else _dct4)(xp.flip(X, axis=axis), axis), axis)


def _dct1(X: Array, axis: int) -> Array:
    xp, n = namespace_of(X), X.shape[axis]
    inner = X[along(axis, slice(1, n - 1))]
    even = xp.concat([X, xp.flip(inner, axis=axis)], axis=axis)
    return xp.real(real_dft(even, (axis,), "backward"))


def _dst1(X: Array, axis: int) -> Array:
    xp, n = namespace_of(X), X.shape[axis]
    zero = zeros((*X.shape[:axis], 1, *X.shape[axis + 1 :]), dtype_of(X), X)
    odd = xp.concat([zero, X, zero, -xp.flip(X, axis=axis)], axis=axis)
    Y = real_dft(odd, (axis,), "backward")
    return -xp.imag(Y)[along(axis, slice(1, n + 1))]


def _dct2(X: Array, axis: int) -> Array:
    xp, n = namespace_of(X), X.shape[axis]
    odd = xp.flip(X[along(axis, slice(1, None, 2))], axis=axis)
    V = dft(xp.concat([X[along(axis, slice(0, None, 2))], odd], axis=axis), (axis,), "backward")
    return 2 * xp.real(V * _phases(np.arange(n) / (4 * n), V, axis))


def _dct3(X: Array, axis: int) -> Array:
    xp, n = namespace_of(X), X.shape[axis]
    zero = zeros((*X.shape[:axis], 1, *X.shape[axis + 1 :]), dtype_of(X), X)
    turned = xp.flip(X[along(axis, slice(1, n))], axis=axis)
    V = cast(X, np.result_type(dtype_of(X), np.complex64))
    V = V - 1j * cast(xp.concat([zero, turned], axis=axis), dtype_of(V))
    V = V * _phases(-np.arange(n) / (4 * n), V, axis)
    v = inverse_real_dft(V[along(axis, slice(n // 2 + 1))], (axis,), "forward", lengths=(n,))
    half = (n + 1) // 2
    odd = xp.flip(v[along(axis, slice(half, n))], axis=axis)
    if n % 2:
        odd = xp.concat([odd, zero], axis=axis)
    pairs = xp.stack([v[along(axis, slice(half))], odd], axis=axis + 1)
    joined = xp.reshape(pairs, (*X.shape[:axis], 2 * half, *X.shape[axis + 1 :]))
    return joined[along(axis, slice(n))]


def _dct4(X: Array, axis: int) -> Array:
    xp, n = namespace_of(X), X.shape[axis]
    V = cast(X, np.result_type(dtype_of(X), np.complex64))
    V = V * _phases(np.arange(n) / (4 * n), V, axis)
    V = dft(xp.concat([V, 0 * V], axis=axis), (axis,), "backward")[along(axis, slice(n))]
    return 2 * xp.real(V * _phases((2 * np.arange(n) + 1) / (8 * n), V, axis))


def _phases(turns: np.ndarray, reference: Array, axis: int) -> Array:
    """Return ``exp(-2 pi i turns)`` along an axis, in the precision of a complex array."""
    values = np.exp(-2j * np.pi * turns).astype(dtype_of(reference))
    return like(values.reshape((-1,) + (1,) * (reference.ndim - axis - 1)), reference)


def _alternating(X: Array, axis: int) -> Array:
    """Return an array with the signs of every second entry along an axis turned."""
    signs = (1 - 2 * (np.arange(X.shape[axis]) % 2)).astype(dtype_of(X))
    return X * like(signs.reshape((-1,) + (1,) * (X.ndim - axis - 1)), X)
