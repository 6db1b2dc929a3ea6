"""Sums, products, multiples and powers in normal form: an expression as small as what it means.

Products and sums flatten, coefficients hoist to one, identities and zeros vanish, equal terms
collect, and neighbours that know a cheaper form of their product or sum (``_times``, ``_plus``)
take it. Nothing changes the dtype that NumPy's promotion gives the whole expression, and nothing
lazy becomes dense.
"""

from __future__ import annotations

import math
import operator as operators
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from lazyop.algebra.composite import Power, Product, Scaled, Sum, check_product, check_sum
from lazyop.algebra.neutral import Identity, Zero
from lazyop.namespaces import as_scalar, dtype_of, is_finite, real_counterpart, result_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lazyop.operator import LazyOperator


def multiply(*ops: LazyOperator) -> LazyOperator:
    """Return the product of at least one operator in normal form."""
    check_product(ops)
    coefficients, factors = [], []
    for op in ops:
        coefficient, parts = _factors(op)
        coefficients.append(coefficient)
        factors += parts
    kept: list[LazyOperator] = []
    for factor in factors:
        kept.append(factor)
        while len(kept) > 1 and (fused := _fuse(kept[-2], kept[-1])) is not None:
            coefficient, operand = split(fused)
            coefficients.append(coefficient)
            kept[-2:] = [operand]
    dtype = _common_dtype(ops)
    total = coefficients_product(coefficients, dtype)
    return Product(*ops) if total is None else multiple(total, _one(Product, kept), dtype)


def _factors(op: LazyOperator) -> tuple[complex, list[LazyOperator]]:
    """Return an operator as one coefficient and a list of factors without coefficients."""
    coefficient, operand = split(op)
    if not isinstance(operand, Product):
        return coefficient, [operand]
    coefficients, factors = [coefficient], []
    for part in operand.operands:
        inner, inner_factors = _factors(part)
        coefficients.append(inner)
        factors += inner_factors
    total = coefficients_product(coefficients, op.dtype)
    return (1, [op]) if total is None else (total, factors)


def _fuse(left: LazyOperator, right: LazyOperator) -> LazyOperator | None:
    fused = left._times(right)
    return right._times_left(left) if fused is None else fused


def add(*ops: LazyOperator) -> LazyOperator:
    """Return the sum of at least one operator in normal form."""
    check_sum(ops)
    dtype = _common_dtype(ops)
    terms: list[tuple[complex, LazyOperator]] = []
    first, *others = (op.operands if isinstance(op, Sum) else (op,) for op in ops)
    terms += map(split, first)  # which do not collect, in a sum that is in normal form
    for part in chain.from_iterable(others):
        _collect(terms, *split(part), dtype)
    terms = _without_zeros(terms, dtype) or terms[:1]
    coefficients = {coefficient for coefficient, _ in terms}
    common = coefficients.pop() if len(coefficients) == 1 else 1
    parts = [
        term if coefficient == common else scale(coefficient, term) for coefficient, term in terms
    ]
    return multiple(common, _one(Sum, parts), dtype)


def _collect(
    terms: list[tuple[complex, LazyOperator]],
    coefficient: complex,
    op: LazyOperator,
    dtype: np.dtype[Any],
) -> None:
    """Add a multiple to the terms of a sum, into a term that can take it where there is one."""
    for i, (other, term) in enumerate(terms):
        total = other + coefficient
        if term is op and (total == 0 or is_in_range(total, dtype)):
            terms[i] = total, term
            return
        if other == coefficient:
            fused = term._plus(op)
            if fused is not None:
                terms[i] = coefficient, fused
                return
    terms.append((coefficient, op))


def _without_zeros(
    terms: list[tuple[complex, LazyOperator]], dtype: np.dtype[Any]
) -> list[tuple[complex, LazyOperator]]:
    """Drop the terms that are zero, unless the sum's dtype is theirs alone."""
    kept = [(c, term) for c, term in terms if c != 0 and not isinstance(term, Zero)]
    kept_dtype = result_type(*(part for term in kept for part in (term[0], term[1].dtype)), np.int8)
    return kept if kept_dtype == dtype else terms


def scale(scalar: Any, op: LazyOperator) -> LazyOperator:
    """Return a multiple of an operator in normal form."""
    coefficient, promotion = as_scalar(scalar)
    return _times_coefficient(coefficient, op, result_type(op.dtype, promotion))


def _times_coefficient(coefficient: complex, op: LazyOperator, dtype: Any) -> LazyOperator:
    inner, operand = split(op)
    total = coefficients_product((coefficient, inner), dtype)
    return Scaled(coefficient, op, dtype) if total is None else multiple(total, operand, dtype)


def divide(op: LazyOperator, scalar: Any) -> LazyOperator:
    """Return an operator divided by a scalar."""
    divisor, _ = as_scalar(scalar)
    if divisor == 0:
        raise ZeroDivisionError("division of an operator by zero")
    one = np.ones((), dtype_of(scalar)) if hasattr(scalar, "dtype") else type(divisor)(1)
    dtype = (np.empty(0, op.dtype) / one).dtype
    mantissa, exponent = _without_power(divisor)
    limits = np.finfo(real_counterpart(dtype))
    if limits.minexp <= -exponent < limits.maxexp - 1:
        return _times_coefficient(2.0**-exponent / mantissa, op, dtype)
    # The reciprocal alone is out of range, or close to its ends.
    half = -exponent // 2
    inner = _times_coefficient(2.0**half / mantissa, op, dtype)
    return Scaled(2.0 ** (-exponent - half), inner, dtype)


def _without_power(number: complex) -> tuple[complex, int]:
    """Return a number of a size between 1/2 and 1.5, and the exponent of the power of two left."""
    _, exponent = math.frexp(max(abs(number.real), abs(number.imag)))
    # The power of two by itself may be out of range.
    first, second = exponent // 2, exponent - exponent // 2
    return number / 2.0**first / 2.0**second, exponent


def power(op: LazyOperator, exponent: Any) -> LazyOperator:
    """Return a non-negative integer power of a square operator in normal form."""
    try:
        p = operators.index(exponent)
    except TypeError:
        raise TypeError(f"an operator's power must be an integer, got {exponent!r}") from None
    if p < 0:
        raise ValueError(
            f"an operator's power can't be negative, got {p}; see lo.inverse, which may cost more"
        )
    if op.shape[0] != op.shape[1]:
        raise ValueError(f"only a square operator has powers, this one is {op.shape}")
    if p == 0:
        return Identity(op.shape[0], dtype=op.dtype)
    if p == 1:
        return op
    coefficient, operand = split(op)
    if coefficient != 1:
        scaled = _power_of_number(coefficient, p, op.dtype)
        return Power(op, p) if scaled is None else multiple(scaled, power(operand, p), op.dtype)
    if isinstance(op, Power):
        return Power(op.operand, p * op.exponent)
    if _fuse(op, op) is None:
        return Power(op, p)
    half = power(op, p // 2)
    return multiply(half, half, op) if p % 2 else multiply(half, half)


def _power_of_number(number: complex, p: int, dtype: np.dtype[Any]) -> complex | None:
    try:
        result = number**p
    except OverflowError:
        return None
    return result if is_in_range(result, dtype) else None


def split(op: LazyOperator) -> tuple[complex, LazyOperator]:
    """Return coefficient and operand of a multiple; 1 and the operator itself otherwise."""
    return (op.coefficient, op.operand) if isinstance(op, Scaled) else (1, op)


def multiple(coefficient: complex, op: LazyOperator, dtype: np.dtype[Any]) -> LazyOperator:
    """Return ``coefficient * op`` with a given dtype, and no node where none is needed."""
    if coefficient == 0 or isinstance(op, Zero):
        return Zero(op.shape, dtype)
    dtype = result_type(dtype, coefficient)  # narrow integers can't hold every coefficient
    return op if coefficient == 1 and op.dtype == dtype else Scaled(coefficient, op, dtype)


def _one(kind: type[Sum] | type[Product], ops: Sequence[LazyOperator]) -> LazyOperator:
    return ops[0] if len(ops) == 1 else kind(*ops)


def _common_dtype(ops: Sequence[LazyOperator]) -> np.dtype[Any]:
    return np.result_type(*(op.dtype for op in ops))


def coefficients_product(coefficients: Sequence[complex], dtype: np.dtype[Any]) -> complex | None:
    """Return the product of coefficients; None where it leaves the range of a dtype."""
    if 0 in coefficients:
        return 0
    try:
        product = math.prod(coefficients)
    except OverflowError:  # of an integer beyond all floats with a float
        return None
    alone = sum(c not in (1, -1) for c in coefficients) <= 1
    return product if alone or is_in_range(product, dtype) else None


def is_in_range(coefficient: complex, dtype: np.dtype[Any]) -> bool:
    """Whether a coefficient neither overflows nor loses digits by underflow in a dtype."""
    if not is_finite(coefficient) or dtype.kind in "iu":
        return is_finite(coefficient)
    # Coefficients are Python's numbers, and long doubles reach no further with them.
    limits = np.finfo(np.float64 if dtype.char in "gG" else dtype)
    size = float(max(abs(coefficient.real), abs(coefficient.imag)))
    return float(limits.smallest_normal) <= size <= float(limits.max)
