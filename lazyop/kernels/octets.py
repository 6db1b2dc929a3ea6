"""Eight neighbouring real entries, in as many machine registers as they fill.

Codes of packed weights come eight at a time (`lazyop.kernels.streams`): an octet of double
precision takes one register of 64 bytes, where there are such, or two of 32; one of single
precision, one of 32. Importing this module imports Numba.
"""

from __future__ import annotations

import operator as operators
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

from lazyop.kernels.jit import has_many_registers
from lazyop.kernels.lanes import FLAGS, shuffled
from lazyop.kernels.packing import REGISTER_BYTES

#: Entries of an octet.
ENTRIES = 8

#: Of a register.
_BYTES = 2 * REGISTER_BYTES if has_many_registers() else REGISTER_BYTES

_INT32 = ir.IntType(32)


class Octet(types.Type):  # type: ignore[misc]
    """Eight entries of a real dtype."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"Octet({dtype})")

    @property
    def parts(self) -> int:
        """How many registers there are."""
        return max(1, ENTRIES * int(self.dtype.bitwidth) // (8 * _BYTES))


@register_model(Octet)
class _OctetModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, octet: Octet) -> None:
        entry = manager.lookup(octet.dtype).get_value_type()
        part = ir.VectorType(entry, ENTRIES // octet.parts)
        super().__init__(manager, octet, ir.LiteralStructType([part] * octet.parts))


def parts_of(builder: Any, octet: Any) -> list[Any]:
    """Return code that has the registers of an octet."""
    return [builder.extract_value(octet, k) for k in range(len(octet.type.elements))]


def of_parts(builder: Any, parts: list[Any]) -> Any:
    """Return code that makes an octet of registers."""
    return cgutils.pack_struct(builder, parts)


def absolute(builder: Any, x: Any) -> Any:
    """Return code for the absolute values in a register."""
    bits = 64 if x.type.element == ir.DoubleType() else 32
    vector = ir.VectorType(ir.IntType(bits), x.type.count)
    all_but_sign = ir.Constant(vector, [(1 << bits - 1) - 1] * x.type.count)
    return builder.bitcast(builder.and_(builder.bitcast(x, vector), all_but_sign), x.type)


def everywhere(builder: Any, value: Any, entries: int = ENTRIES) -> Any:
    """Return code that has one value in all places of a register."""
    vector = ir.VectorType(value.type, entries)
    nothing = ir.Constant(vector, ir.Undefined)
    single = builder.insert_element(nothing, value, ir.Constant(_INT32, 0))
    return shuffled(builder, single, [0] * entries)


@intrinsic
def eight(typing: Any, array: Any) -> Any:
    """Return an octet for entries of an array, to be used as ``like``."""
    octet = Octet(array.dtype)
    return octet(array), lambda context, *_: context.get_constant_null(octet)


def _pointers(context: Any, builder: Any, array_type: Any, args: Any, octet: Octet) -> list[Any]:
    array, at = args[:2]
    data = context.make_array(array_type)(context, builder, array).data
    size = ENTRIES // octet.parts
    vector = context.get_value_type(octet).elements[0]
    places = [builder.add(at, ir.Constant(at.type, k * size)) for k in range(octet.parts)]
    return [builder.bitcast(builder.gep(data, [p]), vector.as_pointer()) for p in places]


@intrinsic
def load_eight(typing: Any, array: Any, at: Any, like: Any) -> Any:
    """Load eight neighbouring entries from an offset, counted in entries."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointers = _pointers(context, builder, signature.args[0], args, like)
        align = int(like.dtype.bitwidth) // 8
        return of_parts(builder, [builder.load(pointer, align=align) for pointer in pointers])

    return like(array, types.intp, like), generate


@intrinsic
def store_eight(typing: Any, array: Any, at: Any, octet: Any) -> Any:
    """Store an octet at an offset."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointers = _pointers(context, builder, signature.args[0], args, octet)
        for pointer, part in zip(pointers, parts_of(builder, args[2]), strict=True):
            builder.store(part, pointer, align=int(octet.dtype.bitwidth) // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, octet), generate


def _by_parts(operation: str) -> Any:
    """Return the code of an operation on the registers of two octets."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        each = zip(*(parts_of(builder, octet) for octet in args), strict=True)
        compute = getattr(builder, operation)
        return of_parts(builder, [compute(x, y, flags=FLAGS) for x, y in each])

    return generate


@intrinsic
def _plus(typing: Any, x: Any, y: Any) -> Any:
    return x(x, x), _by_parts("fadd")


@intrinsic
def _times(typing: Any, x: Any, y: Any) -> Any:
    return x(x, x), _by_parts("fmul")


@intrinsic
def _minus(typing: Any, x: Any, y: Any) -> Any:
    return x(x, x), _by_parts("fsub")


@intrinsic
def magnitude(typing: Any, x: Any) -> Any:
    """Return absolute values."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return of_parts(builder, [absolute(builder, part) for part in parts_of(builder, args[0])])

    return x(x), generate


_INLINED = {"forceinline": True, "_nrt": False}


@overload(operators.add, jit_options=_INLINED)
def _add(x, y):
    return (lambda x, y: _plus(x, y)) if isinstance(x, Octet) and x == y else None


@overload(operators.sub, jit_options=_INLINED)
def _subtract(x, y):
    return (lambda x, y: _minus(x, y)) if isinstance(x, Octet) and x == y else None


@overload(operators.mul, jit_options=_INLINED)
def _multiply(x, y):
    return (lambda x, y: _times(x, y)) if isinstance(x, Octet) and x == y else None
