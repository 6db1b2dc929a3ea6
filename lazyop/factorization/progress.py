"""A progress bar for loops that can take long, where the caller asks for one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

__all__ = ["tracked"]

T = TypeVar("T")


def tracked(steps: Iterable[T], progress: bool, what: str) -> Iterable[T]:
    """The steps of a loop, with a bar on the standard error stream if `progress` is set."""
    if not progress:
        return steps
    try:
        from tqdm import tqdm
    except ImportError as error:
        raise ImportError(
            "progress=True shows a bar by tqdm, which comes with: pip install lazyop[progress]"
        ) from error
    bar: Iterable[T] = tqdm(steps, desc=what)
    return bar
