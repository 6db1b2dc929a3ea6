"""Loads and stores that tell the compiler which memory can't overlap.

The kernels of `lazyop.kernels.cpu` read and write several rows of the same arrays in one loop.
LLVM does not vectorise such a loop unless it knows that a store to one row never changes what a
later load of another row sees. `fetch` and `put` carry that knowledge as scoped alias metadata:
stores to different streams are apart from each other, and what `fetch` loads is apart from what
other iterations store. Importing this module imports Numba.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

#: How many rows one loop may write to.
STREAMS = 4


def _scopes(module: ir.Module) -> list[Any]:
    domain = module.add_metadata([ir.MetaDataString(module, "lazyop")])
    names = (ir.MetaDataString(module, f"lazyop stream {k}") for k in range(STREAMS))
    return [module.add_metadata([name, domain]) for name in names]


def _tag(instruction: Any, module: ir.Module, kind: str, scopes: list[Any]) -> None:
    instruction.set_metadata(kind, module.add_metadata(scopes))


def _parts(context: Any, builder: Any, array_type: Any, array: Any, offset: Any) -> list[Any]:
    """Return pointers to the real components of an entry, at an offset from the array's start."""
    data = context.make_array(array_type)(context, builder, array).data
    if not isinstance(array_type.dtype, types.Complex):
        return [builder.gep(data, [offset])]
    component = context.get_data_type(array_type.dtype.underlying_float)
    start = builder.bitcast(data, component.as_pointer())
    first = builder.shl(offset, offset.type(1))
    return [builder.gep(start, [first]), builder.gep(start, [builder.add(first, offset.type(1))])]


def _load(context: Any, builder: Any, array_type: Any, args: Any, stream: int | None) -> Any:
    scopes = _scopes(builder.module)
    own = [] if stream is None else [scopes.pop(stream)]
    loaded = [builder.load(p) for p in _parts(context, builder, array_type, *args)]
    for value in loaded:
        _tag(value, builder.module, "noalias", scopes)
        if own:
            _tag(value, builder.module, "alias.scope", own)
    if len(loaded) == 1:
        return loaded[0]
    entry = context.make_complex(builder, array_type.dtype)
    entry.real, entry.imag = loaded
    return entry._getvalue()


@intrinsic
def fetch(typing: Any, array: Any, offset: Any) -> Any:
    """Load the entry at an offset from the start of an array, counted in entries."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _load(context, builder, signature.args[0], args, None)

    return array.dtype(array, types.intp), generate


@intrinsic(prefer_literal=True)
def fetch_back(typing: Any, array: Any, offset: Any, stream: Any) -> Any:
    """Load an entry of one of the loop's streams, which the loop itself stores to."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _load(context, builder, signature.args[0], args[:2], stream.literal_value)

    return array.dtype(array, types.intp, stream), generate


@intrinsic(prefer_literal=True)
def put(typing: Any, array: Any, offset: Any, value: Any, stream: Any) -> Any:
    """Store an entry at an offset from the start of an array, as one of the loop's streams."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array_type = signature.args[0]
        scopes = _scopes(builder.module)
        own, others = scopes[stream.literal_value], list(scopes)
        others.remove(own)
        values = [args[2]]
        if isinstance(array_type.dtype, types.Complex):
            entry = context.make_complex(builder, array_type.dtype, value=args[2])
            values = [entry.real, entry.imag]
        pointers = _parts(context, builder, array_type, args[0], args[1])
        for part, pointer in zip(values, pointers, strict=True):
            stored = builder.store(part, pointer)
            _tag(stored, builder.module, "alias.scope", [own])
            _tag(stored, builder.module, "noalias", others)
        return context.get_dummy_value()

    return types.void(array, types.intp, array.dtype, stream), generate
