"""Numbers that callers give: what they have to be, and errors in the caller's terms."""

from __future__ import annotations

import math
import numbers
import operator as operators
from typing import Any

import numpy as np

__all__ = ["as_integer", "as_real", "positive_int", "positive_real"]


def as_integer(value: Any, name: str) -> int:
    """Return an integer of any sign as a Python int; any integer type passes, bool does not."""
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be an integer, got a bool")
    try:
        return operators.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None


def positive_int(value: Any, name: str) -> int:
    """Return an integer from 1 on as a Python int; bool and float do not pass."""
    try:
        number = None if isinstance(value, bool | np.bool_) else operators.index(value)
    except TypeError:
        number = None
    if number is None:
        raise TypeError(f"{name} must be a positive integer, got {value!r}")
    if number < 1:
        raise ValueError(f"{name} must be a positive integer, got {number}")
    return number


def as_real(value: Any, name: str) -> float:
    """Return a real number as a Python float; any real type passes, bool does not."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a real number, got {value!r}")
    return float(value)


def positive_real(value: Any, name: str) -> float:
    """Return a real number that is positive and finite as a Python float."""
    number = as_real(value, name)
    if not 0 < number < math.inf:
        raise ValueError(f"{name} must be positive and finite, got {value!r}")
    return number
