"""The best approximation of one rank-one matrix by vectors of numbers of few bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from lazyop.namespaces import as_array, describe
from lazyop.quantization.doubles import in_double
from lazyop.quantization.formats import FloatFormat, as_format
from lazyop.quantization.matches import Side, Values, errors_of, matched
from lazyop.quantization.pairs import quantized_pairs
from lazyop.quantization.ranges import in_range, times_power, unit_exponent, within

__all__ = ["quantize_rank_one", "searchable"]

#: Scalings that are tried for a complex pair: more gain little, also for long vectors.
_SAMPLE = 1 << 14

#: A search of scalings takes a time, and an array, that doubles with each bit.
_MOST_BITS = 16


def quantize_rank_one(x: Any, y: Any, format: Any) -> tuple[Values, Values, float]:
    r"""Approximate a rank-one matrix :math:`x y^H` by vectors of numbers of few bits.

    Rounding each vector is not the best that can be done, since only the product matters: for
    fixed :math:`\hat x`, the best :math:`\hat y` is the rounded multiple :math:`\mu y` with
    :math:`\mu = \langle x, \hat x \rangle / \|\hat x\|^2`, and the other way round. So the best
    :math:`\hat x` is :math:`\lambda x`, rounded, for some :math:`\lambda`, which powers of two
    bring to between 1 and 2. As it grows from 1 to 2, each of `m` entries goes over
    :math:`2^{t-1}` points halfway between two numbers; all :math:`m 2^{t-1} + 1` intervals between
    these are compared, for the shorter vector.

    Parameters
    ----------
    x, y : array_like, shapes (m,) and (n,)
        Real or complex, on NumPy.
    format : str, dtype or FloatFormat
        "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", or a `FloatFormat` with up to 16
        significand bits.

    Returns
    -------
    x_hat, y_hat : arrays, shapes (m,) and (n,)
        Numbers of the format, in single precision where NumPy promotes both vectors and it to
        that, as half precision and short integers, else in double.
        For real vectors, no other numbers with so many significand bits make a smaller error. For
        complex ones, real and imaginary parts are rounded and the best of 16384 scalings is
        taken. Powers of two bring the entries into the range of the format and of the precision;
        where they can't bring all there, small ones lose bits.
    relative_error : float
        :math:`\|x y^H - \hat x \hat y^H\|_F / \|x y^H\|_F`; zero where the matrix is zero.

    Raises
    ------
    ValueError
        If a vector has not one dimension, holds NaN, infinity or a number outside the range of
        double precision, or an entry that no scaling brings below the largest number of the format
        or of the precision; or if there is no such format, or it has more than 16 significand bits.
    TypeError
        If a vector is not of numbers, or not on NumPy.

    References
    ----------
    .. [1] R. Gribonval, T. Mary, E. Riccietti, "Optimal quantization of rank-one matrices in
       floating-point arithmetic, with applications to butterfly factorizations", 2023,
       hal-04125381.
    .. [2] M. Chaumette, R. Gribonval, E. Riccietti, "CROQuant: complex rank-one quantization
       algorithm, with application to butterfly factorizations", 2026, hal-05520926.

    Examples
    --------
    >>> import numpy as np
    >>> import lazyop as lo
    >>> form = lo.FloatFormat(significand_bits=4)
    >>> x, y = np.array([0.7, 1.1]), np.array([0.3, 0.4])
    >>> x_hat, y_hat, error = lo.quantize_rank_one(x, y, form)
    >>> x_hat, y_hat
    (array([1.125, 1.75 ]), array([0.1875, 0.25  ]))
    >>> round(error, 4)
    0.0054
    >>> exact, rounded = np.outer(x, y), np.outer(form.round(x), form.round(y))
    >>> round(float(np.linalg.norm(exact - rounded) / np.linalg.norm(exact)), 4)
    0.0428
    """
    form = searchable(as_format(format))
    x, y = _vector(x, "x"), _vector(y, "y")
    kept = np.result_type(x, y, np.float32)
    wide = np.complex128 if kept.kind == "c" else np.float64
    exact = [in_double(x, wide, "x"), np.conj(in_double(y, wide, "y"))]
    exponents = [unit_exponent(v) for v in exact]
    left, right = (
        Side.plain(times_power(v, -e)[None]) for v, e in zip(exact, exponents, strict=True)
    )
    found = quantized_pairs(left, right, form.significand_bits, _SAMPLE)
    factors = [found[0].reshape(1, -1, 1, 1), found[1].reshape(1, 1, -1, 1)]
    entries = x.size + y.size
    weights = [np.full(v.shape, entries**0.5 / (np.linalg.norm(v) or 1.0)) for v in factors]
    held = within(form, kept)
    powers = in_range(factors, exponents, held, weights)
    numbers = [held.round(times_power(v, p)) for v, p in zip(factors, powers, strict=True)]
    lies = [
        matched(side, times_power(v, -p).reshape(1, -1))
        for side, v, p in zip((left, right), numbers, powers, strict=True)
    ]
    error = 0.0 if not (x.any() and y.any()) else float(errors_of(*lies)[0]) ** 0.5
    x_hat, y_hat = (v.ravel().astype(kept) for v in numbers)
    return x_hat, np.conj(y_hat), error


def searchable(form: FloatFormat) -> FloatFormat:
    """Return the format, if it has few enough numbers for a search of scalings."""
    if form.significand_bits > _MOST_BITS:
        raise ValueError(
            f"a search of scalings takes up to {_MOST_BITS} significand bits, "
            f"got {form.significand_bits}"
        )
    return form


def _vector(x: Any, name: str) -> Values:
    array = as_array(x, name)
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{name} must be on NumPy, got an array of {describe(array)}")
    if array.ndim != 1:
        raise ValueError(f"{name} must be a vector, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, but holds NaN or infinity")
    if array.size == 0:
        raise ValueError(f"{name} must not be empty")
    return array
