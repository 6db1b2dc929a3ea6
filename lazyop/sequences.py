"""Sequences that callers give, and errors in the caller's terms."""

from __future__ import annotations

from typing import Any

__all__ = ["as_list"]


def as_list(items: Any, expected: str) -> list[Any]:
    """Return what an iterable holds; for anything else, raise a TypeError that says what it is."""
    try:
        iterator = iter(items)
    except TypeError:
        raise TypeError(f"expected {expected}, got {type(items).__name__}") from None
    return list(iterator)
