"""Norms of arrays, in any namespace, as Python numbers: the last step of norms of operators."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lazyop.namespaces import Array, cast, dtype_of, namespace_of
from lazyop.tracing import value_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lazyop.traits import Order

#: Up to how many entries a matrix is made dense for its singular values.
MOST_ENTRIES = 1 << 20


def array_norm(X: Array, order: Order) -> float:
    """Return the norm of a dense matrix that is not empty."""
    if order == "fro":
        return entries_norm(X)
    if order == 2:
        xp = namespace_of(X)
        largest = float(xp.max(xp.abs(in_floats(X))))
        if not math.isfinite(largest):  # which LAPACK would refuse in words of its own
            return largest
        return float(xp.max(xp.linalg.svdvals(in_floats(X))))
    return extreme(absolute_sums(X, axis=sum_axis(order)), order)


def in_floats(X: Array) -> Array:
    """Return numbers in a precision that LAPACK has; the magnitudes of integers fit float64."""
    dtype = dtype_of(X)
    if dtype.kind in "iu":
        return cast(X, np.float64)
    narrower = {"e": np.float32, "g": np.float64, "G": np.complex128}.get(dtype.char)
    return X if narrower is None else cast(X, narrower)


def entries_norm(X: Array) -> float:
    """Return the root of the sum of squared entries, which overflows only where the root does."""
    xp = namespace_of(X)
    size = xp.abs(in_floats(X))
    largest = float(xp.max(size))
    if largest == 0 or not math.isfinite(largest):
        return largest
    return largest * math.sqrt(float(xp.sum((size / largest) ** 2)))


def product_of(sizes: Iterable[float]) -> float:
    """Return a product of sizes, which overflows or vanishes only where it is out of range."""
    total, exponent = 1.0, 0
    for size in sizes:
        total, shift = math.frexp(total * math.frexp(size)[0])
        exponent += shift + math.frexp(size)[1]
    try:
        return math.ldexp(total, exponent)
    except OverflowError:
        return math.inf


def is_moderate(X: Array) -> bool | None:
    """Whether a product of a few such arrays surely stays in range; None where it is traced."""
    if dtype_of(X).kind not in "fc":
        return False
    xp = namespace_of(X)
    limit = float(np.finfo(dtype_of(X)).max) ** 0.1
    size = value_of(xp.max(xp.abs(X)))
    return None if size is None else bool(size == 0 or 1 / limit < size < limit)


def absolute_sums(X: Array, axis: int | None) -> Array:
    """Return the sums of magnitudes along an axis, or of all."""
    xp = namespace_of(X)
    with np.errstate(over="ignore"):
        return xp.sum(xp.abs(in_floats(X)), axis=axis)


def sum_axis(order: Order) -> int:
    """Return the axis along which the norms 1, -1, inf and -inf add."""
    return 0 if abs(float(order)) == 1 else 1


def extreme(sums: Array, order: Order) -> float:
    """Return the largest sum for 1 and inf, the smallest for -1 and -inf."""
    xp = namespace_of(sums)
    return float(xp.max(sums) if float(order) > 0 else xp.min(sums))
