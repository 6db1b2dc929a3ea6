"""Inverses of dense matrices, one or a stack of them, by LU with partial pivoting.

LAPACK factorizes (or what a namespace has in its place), after rows and columns were scaled by
powers of two, so that a matrix counts as singular for what it is and not for its units.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.linalg

from lazyop.algebra.array_norm import in_floats
from lazyop.namespaces import Array, dtype_of, namespace_of, real_counterpart, to_numpy
from lazyop.tracing import is_traced, value_of

if TYPE_CHECKING:
    from collections.abc import Callable


def inverted(stack: Array, name: Callable[[int], str]) -> Array:
    r"""Return the inverses of a stack of square matrices.

    Parameters
    ----------
    stack : array, shape (count, n, n)
        Integers count as float64, and half precision as single.
    name : callable
        What to call matrix number i in an error.

    Returns
    -------
    array, shape (count, n, n)

    Raises
    ------
    LinAlgError
        If one is singular to working precision: its reciprocal condition number
        :math:`1 / (\|A\|_1 \|A^{-1}\|_1)`, scaled, is below the resolution. The worst is named.
    ValueError
        If there are entries that are not finite.
    TypeError
        If the precision is beyond that of LAPACK.
    """
    stack = for_lapack(stack)
    if not stack.size:
        return stack
    xp = namespace_of(stack)
    if not _is_finite(stack):
        raise ValueError("a matrix to be inverted has entries that are not finite")
    rows = _powers_of_two(stack, axis=2)
    columns = _powers_of_two(stack * rows, axis=1)
    scaled = stack * rows * columns
    try:
        found = xp.linalg.inv(scaled)
    except (np.linalg.LinAlgError, RuntimeError):  # PyTorch's is a RuntimeError
        _refuse(1 / _condition_by_values(scaled), name)
    _check_condition(scaled, found, name)
    with np.errstate(over="ignore", invalid="ignore"):
        inverse = xp.matrix_transpose(columns) * found * xp.matrix_transpose(rows)
    if not _is_finite(inverse):
        raise OverflowError("the inverse has entries beyond the range of its dtype")
    return inverse


def for_lapack(x: Array) -> Array:
    """Return numbers in a precision that LAPACK has; TypeError where they have more."""
    dtype = dtype_of(x)
    if dtype.char in "gG":
        raise TypeError(
            f"matrices of dtype {dtype} can't be inverted; make them double, with .astype"
        )
    return in_floats(x)


def _is_finite(stack: Array) -> bool:
    xp = namespace_of(stack)
    largest = value_of(xp.max(xp.abs(stack)))
    return largest is None or bool(np.isfinite(largest))


def _powers_of_two(stack: Array, axis: int) -> Array:
    """Return what scales the largest entry of each row or column to between 1 and 2."""
    xp = namespace_of(stack)
    largest = xp.max(xp.abs(stack), axis=axis, keepdims=True)
    most = np.finfo(dtype_of(largest)).maxexp - 2
    least = xp.ones_like(largest) * 0.5**most
    exponents = xp.floor(xp.log2(xp.where(largest < least, least, largest)))
    return xp.pow(2 * xp.ones_like(largest), -exponents)


def _check_condition(scaled: Array, found: Array, name: Callable[[int], str]) -> None:
    xp = namespace_of(scaled)
    norms = [xp.max(xp.sum(xp.abs(x), axis=1), axis=1) for x in (scaled, found)]
    conditions = norms[0] * norms[1]
    worst = value_of(xp.max(conditions))
    eps = np.finfo(real_counterpart(dtype_of(scaled))).eps
    if worst is not None and not worst * eps <= 1:  # a NaN is none that passes
        _refuse(1 / to_numpy(conditions), name)


def _condition_by_values(scaled: Array) -> Any:
    """Return ratios of largest and smallest singular value, where no inverse is to be had."""
    values = to_numpy(namespace_of(scaled).linalg.svdvals(scaled))
    with np.errstate(divide="ignore", invalid="ignore"):
        return values.max(axis=1) / values.min(axis=1)


def _refuse(rconds: Any, name: Callable[[int], str]) -> None:
    rconds = np.nan_to_num(rconds, nan=0.0)
    worst = int(np.argmin(rconds))
    raise np.linalg.LinAlgError(
        f"{name(worst)} is singular to working precision: its reciprocal condition number is "
        f"{rconds[worst]:.2g}"
    )


def triangular_inverse(matrix: Array) -> Array | None:
    """Return the inverse of a triangular matrix, which is as triangular; None for any other.

    Raises
    ------
    LinAlgError
        If there is a zero on the diagonal.
    OverflowError
        If the inverse has entries beyond the range of its dtype.
    """
    xp = namespace_of(matrix)
    if not matrix.size or is_traced(matrix):
        return None
    matrix = for_lapack(matrix)
    if not _is_finite(matrix):
        raise ValueError("a matrix to be inverted has entries that are not finite")
    is_lower = not bool(xp.any(xp.triu(matrix, k=1) != 0))
    if not is_lower and bool(xp.any(xp.tril(matrix, k=-1) != 0)):
        return None
    diagonal = to_numpy(xp.linalg.diagonal(matrix))
    if not np.all(diagonal):
        i = int(np.argmin(diagonal != 0))
        raise np.linalg.LinAlgError(f"a triangular matrix is singular: entry {i, i} is zero")
    if isinstance(matrix, np.ndarray):
        unit = np.eye(matrix.shape[0], dtype=matrix.dtype)
        inverse = scipy.linalg.solve_triangular(matrix, unit, lower=is_lower)
    else:
        inverse = (xp.tril if is_lower else xp.triu)(xp.linalg.inv(matrix))
    if not _is_finite(inverse):
        raise OverflowError("the inverse has entries beyond the range of its dtype")
    return inverse
