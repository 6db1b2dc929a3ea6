"""Packed weights on a GPU: how its kernels read the codes of a chain's factors."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lazyop.kernels.cuda_chain import DeviceChain, coded_chain
from lazyop.kernels.cuda_launch import NO_CODE, CodeKind, Codes, Weights
from lazyop.quantization.codings import Directions, Floats, Rows
from lazyop.quantization.factorwise import Factorwise, PackedFactor

if TYPE_CHECKING:
    from lazyop.butterfly.pattern import Pattern
    from lazyop.kernels.cuda_chain import Machine
    from lazyop.namespaces import Array
    from lazyop.quantization.formats import FloatFormat

__all__ = ["device_codes", "is_readable"]

#: Of single precision: bias, and bits of the significand below the leading one.
_BIAS, _BELOW = 127, 23

#: The widest directions that are exact in single precision, and in double precision.
_DIRECTIONS = {4: 24, 8: 30}

_INT32 = 2**31 - 1


def is_readable(store: object) -> bool:
    """Whether kernels on a device read the codes of a packed butterfly."""
    return isinstance(store, Factorwise) and all(
        _codes(store, factor) is not None for factor in store.factors
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
    if not isinstance(store, Factorwise):
        return None
    weights = []
    for factor in reversed(store.factors):
        codes = _codes(store, factor)
        if codes is None:
            return None
        address = machine.address(stream) + factor.streams[0][0]
        steps = _steps(factor.pattern, codes.kind, 1 + (store.dtype.kind == "c"))
        weights.append(Weights(address, (*factor.pattern,), steps, 1, codes))
    return coded_chain(stream, weights, store.dtype, machine)


def _steps(pattern: Pattern, kind: CodeKind, parts: int) -> tuple[int, int, int, int]:
    """Return the steps along a, b, c and d in codes; in entries where a code has two of them."""
    _, b, c, d = pattern
    if kind is CodeKind.DIRECTIONS:
        return 2 * c * d, 1, 2 * d, 2
    if kind is CodeKind.ROWS:
        return 2 * b * d, 2 * d, 1, 2
    return parts * b * c * d, parts * c * d, parts * d, 1


def _codes(store: Factorwise, factor: PackedFactor) -> Codes | None:
    """Return how to read the codes of a factor; None where kernels don't."""
    parts = 1 + (store.dtype.kind == "c")
    a, _, _, d = factor.pattern
    if any(2 * a * m * d * max(width, 1) > _INT32 for _, m, width in factor.streams):
        return None
    coding, width = factor.coding, factor.streams[0][2]
    if isinstance(coding, Floats):
        return _floats(coding.format, width, d)
    if parts != 1 or width > _DIRECTIONS[store.dtype.itemsize]:
        return None
    if isinstance(coding, Directions):
        return Codes(CodeKind.DIRECTIONS, width)
    if isinstance(coding, Rows):
        (first, _, _), (start, _, norm_width) = factor.streams
        norms = _floats(coding.format, norm_width, d)
        if norms is not None:
            to_norms = {"norms": start - first, "norm_width": norm_width}
            return replace(norms, kind=CodeKind.ROWS, width=width, **to_norms)
    return None


def _floats(form: FloatFormat, width: int, part: int) -> Codes | None:
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
    return Codes(CodeKind.FLOATS, width, below, part, infinite, undefined, 2.0**scale)
