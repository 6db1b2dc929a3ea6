"""How the compiled kernels are compiled. Importing this imports Numba."""

from __future__ import annotations

from typing import Any

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
    try:
        return njit(**_OPTIONS, nogil=True, cache=True)(function)
    except RuntimeError:  # Numba found no folder that it can write to
        return njit(**_OPTIONS, nogil=True)(function)
