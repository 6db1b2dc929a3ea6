"""Numbers in memory that several threads read and write at once. Importing this imports Numba.

A number has 64 bits and is known by its address. What a thread wrote before it wrote or added to
such a number is seen by whoever read that.
"""

from __future__ import annotations

import platform
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_INT64 = ir.IntType(64)
_BYTES = 8

#: LLVM's name of the instruction that tells a processor that a loop only waits, by machine.
_PAUSES = {"x86_64": "llvm.x86.sse2.pause", "AMD64": "llvm.x86.sse2.pause"}


def _pointer(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, _INT64.as_pointer())


@intrinsic
def read(typing: Any, address: Any) -> Any:
    """Return the number at an address."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_pointer(builder, args[0]), "seq_cst", _BYTES)

    return types.int64(types.int64), generate


@intrinsic
def write(typing: Any, address: Any, number: Any) -> Any:
    """Put a number at an address."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[1], _pointer(builder, args[0]), "seq_cst", _BYTES)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def add(typing: Any, address: Any, number: Any) -> Any:
    """Add to the number at an address, and return what it was before."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", _pointer(builder, args[0]), args[1], "seq_cst")

    return types.int64(types.int64, types.int64), generate


@intrinsic
def pause(typing: Any) -> Any:
    """Tell the processor that a loop only waits, where there is an instruction for that."""
    name = _PAUSES.get(platform.machine())

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if name is not None:
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(builder.module.declare_intrinsic(name, (), kind), [])
        return context.get_dummy_value()

    return types.void(), generate
