"""Kernels as machine code, from the disk, or compiled by Numba where it is not there yet.

A kernel is a function of a block of numbers (`lazyop.kernels.turns`), a seat, an argument and a
result, all known by their addresses, and of a dtype, for which it is compiled. Once it is on disk
llvmlite alone loads it: Numba itself is slow to import, and to load what it has kept.
"""

from __future__ import annotations

import ctypes
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from lazyop.kernels import code_files

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

#: What a caller calls, without Python's lock: of a block, an argument and a result.
_FUNCTION = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3)

#: It sits on seat 0. Numba's functions take first where to put a result, which is null, and where
#: an exception would go.
_CALLER = """
declare i32 @"{entry}"(i64, i64, i64, i64, i64, i64)

define void @call(i64 %block, i64 %x, i64 %y) {{
  call i32 @"{entry}"(i64 {nowhere}, i64 {nowhere}, i64 %block, i64 0, i64 %x, i64 %y)
  ret void
}}
"""
_nowhere = ctypes.c_void_p()

#: What owns the code that is loaded.
_engines: list[Any] = []


class Kernel(NamedTuple):
    """A kernel for one dtype.

    Attributes
    ----------
    run : callable
        Takes the addresses of a block, an argument and a result, which are the caller's to keep.
    address : int
        Of its code, which takes what Numba's functions take.
    """

    run: Callable[[int, int, int], None]
    address: int


@cache
def kernel(module: str, name: str, dtype: np.dtype[Any]) -> Kernel:
    """Return a kernel of a module of this folder, for a dtype."""
    file = f"{module}.{name}.{dtype.name}"
    code = code_files.read(file)
    if code is None:
        from lazyop.kernels import jit

        function = getattr(import_module(f"lazyop.kernels.{module}"), name)
        code = jit.machine_code(function, dtype)
        code_files.write(file, code)
    return _loaded(code)


def _loaded(code: code_files.Code) -> Kernel:
    """Put code into memory."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    caller = _CALLER.format(entry=code.entry, nowhere=ctypes.addressof(_nowhere))
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(caller), target.create_target_machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code.object_code))
    engine.finalize_object()
    _engines.append(engine)
    run = _FUNCTION(engine.get_function_address("call"))
    return Kernel(run, engine.get_function_address(code.entry))
