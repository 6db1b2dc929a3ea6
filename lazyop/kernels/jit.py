"""How the compiled kernels are compiled. Importing this imports Numba."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import llvmlite.binding as llvm
import numba
from numba import njit, types

from lazyop.kernels.code_files import Code

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

#: Contraction to fused multiply-adds rounds less; no other freedom is taken.
#: Nothing is allocated, so that arrays need no reference counts.
_OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "fastmath": {"contract", "nsz"},
    "_nrt": False,
}

#: Arguments of a kernel's machine code: where the result and an exception go, and four numbers.
_TAKEN = 6

#: For functions that Python does not call as they are.
_BARE: dict[str, Any] = {**_OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

#: For those of them that are compiled into others, and called from nowhere else.
INNER: dict[str, Any] = {**_BARE, "forceinline": True}

#: For those of them that hold much and are called from one place: Numba compiles what it compiles
#: into others by itself as well, with all that is compiled into that in turn.
MERGED: dict[str, Any] = {**INNER, "forceinline": False, "inline": "always"}


def machine_code(kernel: Callable[..., None], dtype: np.dtype[Any]) -> Code:
    """Compile a kernel, a function of four numbers and a dtype, for that dtype."""
    of_dtype: Any = types.Omitted  # a constant, which takes no place among the arguments
    arguments = *(types.int64,) * 4, of_dtype(dtype.type)
    dispatcher: Any = njit(**_BARE)(kernel)
    dispatcher.compile(arguments)
    compiled = dispatcher.overloads[arguments]
    taken = dispatcher.targetctx.call_conv.get_function_type(types.none, arguments).args
    if len(taken) != _TAKEN:
        raise NotImplementedError(
            f"Numba {numba.__version__} compiles functions that take {len(taken)} arguments, where "
            f"lazyop knows how to call those of {_TAKEN}; install another version, or none"
        )
    _, _, (object_code, _) = compiled.library.serialize_using_object_code()
    return Code(compiled.fndesc.llvm_func_name, object_code)


def has(extension: str) -> bool:
    """Return whether code is compiled for an extension of the processor's instructions."""
    config: Any = numba.config
    features = config.CPU_FEATURES or llvm.get_host_cpu_features().flatten()
    return f"+{extension}" in features.split(",")


def has_many_registers() -> bool:
    """Return whether there are 32 vector registers of 32 bytes, rather than 16 or shorter ones."""
    return has("avx512vl")


def compiled(function: Any) -> Any:
    """Compile as kernels are, for arrays, with the code cached by Numba."""
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
