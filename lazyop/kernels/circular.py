"""Circular convolution along axes of arrays, by the Fourier transform of the filter."""

from __future__ import annotations

import numpy as np

from lazyop.kernels.fourier import dft, inverse_real_dft, real_dft
from lazyop.kernels.real_parts import by_parts
from lazyop.namespaces import Array, dtype_of, is_complex, namespace_of, real_counterpart
from lazyop.tracing import value_of


def spectrum(h: Array, lengths: tuple[int, ...]) -> Array:
    """Return the transform of a filter, padded to periods; half of it where the filter is real."""
    axes = tuple(range(h.ndim))
    transform = dft if is_complex(h) else real_dft
    return transform(h, axes, "backward", lengths=lengths)


def convolved(
    X: Array, transformed: Array, lengths: tuple[int, ...], axes: tuple[int, ...], real: bool
) -> Array:
    """Return the circular convolution of an array with a filter along some axes.

    Parameters
    ----------
    X : array
        Shorter along the axes than the periods, or as long.
    transformed : array
        The `spectrum` of the filter, an axis for each of the axes.
    lengths : tuple of int
        The periods along the axes.
    axes : tuple of int
        In ascending order.
    real : bool
        Whether the filter is real.
    """
    if real and is_complex(X):
        return by_parts(lambda x: convolved(x, transformed, lengths, axes, real), X)
    if len(axes) < X.ndim:
        places = iter(transformed.shape)
        shape = [next(places) if axis in axes else 1 for axis in range(X.ndim)]
        transformed = namespace_of(X).reshape(transformed, tuple(shape))
    if not real:
        Y = _times(dft(X, axes, "backward", lengths=lengths), transformed)
        return dft(Y, axes, "backward", inverse=True)
    Y = _times(real_dft(X, axes, "backward", lengths=lengths), transformed)
    return inverse_real_dft(Y, axes, "backward", lengths=lengths)


def _times(own: Array, factor: Array) -> Array:
    """Return the product with an array that nobody else holds, in its place where it can be."""
    if isinstance(own, np.ndarray) and np.can_cast(factor.dtype, own.dtype):
        return np.multiply(own, factor, out=own)
    return own * factor


def inverse_filter(h: Array) -> Array:
    """Return the filter whose circular convolution undoes that with a filter over whole periods.

    Raises
    ------
    LinAlgError
        If a Fourier coefficient of the filter is zero, or next to zero beside the largest.
    """
    xp, axes = namespace_of(h), tuple(range(h.ndim))
    values = dft(h, axes, "backward")
    sizes = xp.abs(values)
    largest = value_of(xp.max(sizes))
    ratio = 0.0 if largest == 0 else value_of(xp.min(sizes) / xp.max(sizes))
    if ratio is not None and not ratio >= np.finfo(real_counterpart(dtype_of(h))).eps:
        raise np.linalg.LinAlgError(
            "a circular convolution is singular to working precision: of the Fourier coefficients "
            f"of its filter, the smallest is {ratio:.2g} times the largest"
        )
    found = dft(1 / values, axes, "backward", inverse=True)
    return found if is_complex(h) else xp.real(found)
