"""Packed weights on a GPU: how its kernels read the codes of a chain's factors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lazyop.kernels.cuda_chain import DeviceChain, coded_chain
from lazyop.kernels.cuda_launch import NO_CODE, CodeKind, Codes, Weights
from lazyop.quantization.bits import lanes_for
from lazyop.quantization.codings import Coding, Directions, Floats
from lazyop.quantization.factorwise import Factorwise

if TYPE_CHECKING:
    from lazyop.butterfly.pattern import Pattern
    from lazyop.kernels.cuda_chain import Machine
    from lazyop.namespaces import Array

__all__ = ["device_codes", "is_readable"]

#: Of single precision: bias, and bits of the significand below the leading one.
_BIAS, _BELOW = 127, 23

#: The widest directions that are exact in single precision, and in double precision.
_DIRECTIONS = {4: 24, 8: 30}

_INT32 = 2**31 - 1


def is_readable(store: object) -> bool:
    """Whether kernels on a device read the codes of a packed butterfly."""
    return isinstance(store, Factorwise) and all(
        _codes(store, factor.pattern, factor.coding) is not None for factor in store.factors
    )


def device_codes(store: object, stream: Array, machine: Machine) -> DeviceChain | None:
    """Return the chain of a packed butterfly whose bytes are on a machine.

    Parameters
    ----------
    store : object
        What reads the bytes.
    stream : array of uint8
        The bytes, where the machine has them.
    machine : Machine

    Returns
    -------
    DeviceChain or None
        None where no kernel takes such codes.
    """
    if not isinstance(store, Factorwise) or not is_readable(store):
        return None
    weights = []
    for factor in reversed(store.factors):
        a, b, c, d = factor.pattern
        codes = _codes(store, factor.pattern, factor.coding)
        start, _, _ = factor.streams[0]
        parts = 1 + (store.dtype.kind == "c")
        steps = (parts * b * c * d, parts * c * d, parts * d, 1)
        if codes is not None and codes.kind is CodeKind.DIRECTIONS:
            steps = (2 * c * d, 1, 2 * d, 2)
        address = machine.address(stream) + start
        weights.append(Weights(address, (a, b, c, d), steps, 1, codes))
    return coded_chain(stream, weights, store.dtype, machine)


def _codes(store: Factorwise, pattern: Pattern, coding: Coding) -> Codes | None:
    """Return how to read the codes of a factor; None where kernels don't."""
    parts = 1 + (store.dtype.kind == "c")
    ((m, width), *more) = coding.streams(pattern, parts)
    count = pattern.a * m * pattern.d
    if more or 2 * count * max(width, 1) > _INT32:
        return None
    if isinstance(coding, Directions):
        widest = _DIRECTIONS[store.dtype.itemsize // parts]
        fits = width <= widest and parts == 1
        step = 2 / 2**width
        codes = Codes(CodeKind.DIRECTIONS, width, lanes_for(count), scale=step)
        return codes if fits else None
    return _floats(coding, width, count, pattern.d) if isinstance(coding, Floats) else None


def _floats(coding: Floats, width: int, count: int, part: int) -> Codes | None:
    form: Any = coding.format
    below = form.significand_bits - 1
    fields = width - 1 - below
    scale = _BIAS - 1 + form.min_exponent
    # Numbers of single precision with these fields, and the scale itself, must not leave its range.
    last = (1 << fields) - 1 - (form.specials == "infinity")
    fits = 2 <= width <= 32 and below <= _BELOW and last <= 2 * _BIAS
    if not fits or not -_BIAS < scale < _BIAS or last + scale > 2 * _BIAS:
        return None
    ones = (1 << (width - 1)) - 1
    special = {
        "infinity": (ones >> below << below, (ones >> below << below) + 1),
        "nan": (NO_CODE, ones),
        "none": (NO_CODE, NO_CODE),
    }
    infinite, undefined = special[form.specials]
    return Codes(
        CodeKind.FLOATS, width, lanes_for(count), below, part, infinite, undefined, 2.0**scale
    )
