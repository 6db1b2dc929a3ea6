"""How the compiled kernels are compiled. Importing this imports Numba."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from numba import njit

#: Contraction to fused multiply-adds rounds less; no other freedom is taken.
#: Nothing is allocated, so that arrays need no reference counts.
_OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "fastmath": {"contract", "nsz"},
    "_nrt": False,
}

#: For functions that are compiled into others, and called from nowhere else.
INNER: dict[str, Any] = {
    **_OPTIONS,
    "forceinline": True,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}


#: For those of them that hold much and are called from one place: Numba compiles what it compiles
#: into others by itself as well, with all that is compiled into that in turn.
MERGED: dict[str, Any] = {**INNER, "forceinline": False, "inline": "always"}


def compiled(function: Any) -> Any:
    """Compile with the code cached on disk, or without where there is no place for a cache."""
    return cached(function, **_OPTIONS)


def cached(function: Any, **options: Any) -> Any:
    """Compile to run without Python's lock, and with the code cached on disk where that can be."""
    try:
        dispatcher = njit(**options, nogil=True, cache=True)(function)
    except RuntimeError:  # Numba found no folder that it can write to
        return njit(**options, nogil=True)(function)
    _name_apart(dispatcher)
    return dispatcher


def _name_apart(dispatcher: Any) -> None:
    """Have no two files of cached code take one name.

    Numba numbers them, and enters a number before it writes the file: of two processes that compile
    at the same time, one may load code of another dtype, or of an older version.
    """
    files: Any = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if hasattr(files, "_data_name"):
        name = dispatcher.py_func.__name__
        files._data_name = lambda _number: f"{name}.{uuid4().hex}.nbc"
