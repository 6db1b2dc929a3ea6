"""Whether a function is linear, by random vectors: what it is instead, if it is not."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from lazyop.transforms.substitution.black_box import BlackBox, Columns

__all__ = ["NotLinearError", "checked_linearity", "departure"]

#: By what arguments are scaled: thresholds, limits and rounding show at one end or the other.
_SCALES = (-1.0, 2.0**-20, 2.0**20)


class NotLinearError(ValueError):
    """A function is not linear, so that no operator can take its place."""


def departure(found: Columns, expected: Columns, size: float | None = None) -> float:
    """How far results are from what they should be, relative to these or to a size."""
    size = float(np.linalg.norm(expected)) if size is None else size
    distance = float(np.linalg.norm(found - expected))
    return distance / size if size else (0.0 if distance == 0 else np.inf)


def checked_linearity(box: BlackBox, tol: float) -> tuple[float, str]:
    """How far a function departs from linear, and the domain on which it does not.

    With random vectors `x` and `y` and random numbers `a` and `b`, `f(a x + b y)` is compared with
    `a f(x) + b f(y)`, and `f(s x)` with `s f(x)` for numbers of different size.

    Parameters
    ----------
    box : BlackBox
    tol : float
        Relative departures from linear up to this are put down to rounding.

    Returns
    -------
    departure : float
        The largest one found.
    domain : {"complex", "real"}
        "complex" where `f(x + i y) = f(x) + i f(y)` as well.

    Raises
    ------
    NotLinearError
        If the function is not linear, or it is only over the real numbers while its argument is
        complex. The message names affine and antilinear functions.
    ValueError
        If it is not deterministic.
    """
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, box.shape[1], 1)).astype(box.dtype)
    fx, fy = box(x), box(y)
    if departure(box(x), fx) > tol:
        raise ValueError(
            "the function is not deterministic: for the same argument it returned results that "
            f"differ by {departure(box(x), fx):.1e} of their size"
        )
    a, b = rng.uniform(0.5, 2.0, 2).astype(box.dtype)
    combined = box(a * x + b * y)
    found = _combination(combined, (a, fx), (b, fy))
    offset = _at_zero(box, found <= tol)
    if np.linalg.norm(offset) > tol * min(_SCALES, key=abs) * np.linalg.norm(fx):
        _refuse_offset(tol, offset, _combination(combined, (a, fx), (b, fy), offset))
    if found > tol:
        raise NotLinearError(
            f"the function is not linear: f(a x + b y) is not a f(x) + b f(y), off by {found:.1e} "
            f"of the size for random x and y, where {tol:.1e} is put down to rounding"
        )
    for scale in _SCALES:
        off = departure(box(x.dtype.type(scale) * x), x.dtype.type(scale) * fx)
        found = max(found, off)
        if off > tol:
            raise NotLinearError(
                f"the function is not linear: f(s x) is not s f(x), off by {off:.1e} of the size "
                f"for a random x and s = {scale:.3g}"
            )
    return _over_complex(box, tol, found, x, y)


def _combination(result: Columns, *terms: Any) -> float:
    """How far a result is from a combination of others, relative to the size of its terms."""
    weighted = [term for term in terms if isinstance(term, tuple)]
    offset = sum(term for term in terms if not isinstance(term, tuple))
    expected = offset + sum(w * (f - offset) for w, f in weighted)
    size = sum(float(np.linalg.norm(w * f)) for w, f in weighted)
    return departure(result, expected, size)


def _at_zero(box: BlackBox, needed: bool) -> Columns:
    """The result for zero; zero itself where there is none and the function is no good anyway."""
    try:
        return box(np.zeros((box.shape[1], 1), box.dtype))
    except Exception:
        if needed:
            raise
        return np.zeros((box.shape[0], 1))


def _refuse_offset(tol: float, offset: Columns, left: float) -> None:
    size = float(np.linalg.norm(offset))
    if left <= tol:
        raise NotLinearError(
            f"the function is affine: f(0) is not zero but of norm {size:.3g}, and f(x) - f(0) is "
            "linear; substitute that, as in lambda x: function(x) - function(0 * x)"
        )
    raise NotLinearError(
        f"the function is not linear: f(0) is not zero but of norm {size:.3g}, and f(x) - f(0) is "
        f"not linear either, off by {left:.1e} of the size for random x and y"
    )


def _over_complex(
    box: BlackBox, tol: float, found: float, x: Columns, y: Columns
) -> tuple[float, str]:
    """The domain; a complex argument needs all of it."""
    dtype = np.result_type(box.dtype, np.complex64)
    real = [v.real.astype(dtype) for v in (x, y)]
    wanted = box.dtype.kind == "c"
    try:
        with warnings.catch_warnings():
            # A function that drops the imaginary part mostly says so, and is found out below.
            warnings.simplefilter("ignore")
            fx, fy, fiy, fz = (box(v) for v in (*real, 1j * real[1], real[0] + 1j * real[1]))
    except Exception as error:
        if wanted:
            raise
        del error  # it takes no complex numbers, and nobody has asked for them
        return found, "real"
    off = _combination(fz, (1, fx), (1j, fy))
    if not wanted:
        off = max(off, departure(fx, box(real[0].real.astype(box.dtype))))
    if off <= tol:
        return max(found, off), "complex"
    if not wanted:
        return found, "real"
    if _combination(fz, (1, fx), (-1j, fy)) <= tol:
        raise NotLinearError(
            "the function is antilinear: f(1j x) is -1j f(x); its conjugate is linear, "
            "lambda x: function(x).conj()"
        )
    if _combination(fz, (1, fx), (1, fiy)) <= tol:
        raise NotLinearError(
            "the function is linear over the real numbers alone: f(1j x) is not 1j f(x), off by "
            f"{departure(fiy, 1j * fy):.1e} of the size; substitute it with a real dtype"
        )
    raise NotLinearError(
        f"the function is not linear: f(x + 1j y) is not f(x) + 1j f(y), off by {off:.1e}"
    )
