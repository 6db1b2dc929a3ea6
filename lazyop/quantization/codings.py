"""How the entries of one Kronecker-sparse factor become integers of few bits, and come back.

A coding keeps a factor ``(a, b, c, d)`` as streams of integers of shape ``(a, m, d)``, so that
blocks can be read in any order. What to round, and by which coding, is no matter of this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt

from lazyop.butterfly.pattern import Pattern
from lazyop.quantization.bits import Bytes, Codes, put_number, take_number
from lazyop.quantization.formats import FloatFormat

__all__ = [
    "CODINGS",
    "Coding",
    "Directions",
    "Floats",
    "Ratios",
    "Rows",
    "as_multiples",
    "directions",
]

Values = npt.NDArray[Any]

_SPECIALS = ("infinity", "nan", "none")


class Coding(Protocol):
    """What `lazyop.quantization.packed` asks of a coding."""

    #: Stands for the coding in a header.
    tag: ClassVar[int]

    def streams(self, pattern: Pattern, parts: int) -> list[tuple[int, int]]:
        """Return `m` and the width of every stream; ``parts`` is 2 for complex entries."""

    def encode(self, values: Values) -> list[Codes]:
        """Return the streams of the entries, which are rounded to what the coding holds."""

    def decode(self, codes: Sequence[Codes], pattern: Pattern, dtype: np.dtype[Any]) -> Values:
        """Return the entries of the blocks that the codes ``(a', m, d')`` are of."""

    def header(self) -> bytes:
        """Return the bytes that `from_header` reads."""

    @classmethod
    def from_header(cls, data: Bytes, at: int) -> tuple[Self, int]:
        """Return the coding that a header describes, and where the next byte is."""


def _parts(values: Values) -> Values:
    """Return entries ``(a, k, d)`` with real and imaginary parts as ``(a, k * parts, d)``."""
    if values.dtype.kind != "c":
        return values
    a, k, d = values.shape
    return np.stack([values.real, values.imag], axis=2).reshape(a, 2 * k, d)


def _joined(parts: Values, dtype: np.dtype[Any]) -> Values:
    """Return entries from what `_parts` made of them."""
    if dtype.kind != "c":
        return parts.astype(dtype)
    a, k, d = parts.shape
    pairs = parts.reshape(a, k // 2, 2, d)
    return (pairs[:, :, 0] + 1j * pairs[:, :, 1]).astype(dtype)


@dataclass(frozen=True)
class Floats:
    """Every entry a floating-point number of one format, complex ones as two."""

    format: FloatFormat
    tag: ClassVar[int] = 0

    def streams(self, pattern: Pattern, parts: int) -> list[tuple[int, int]]:
        """Return one stream of all entries."""
        return [(pattern.b * pattern.c * parts, self.format.bits)]

    def encode(self, values: Values) -> list[Codes]:
        """Return the codes of the nearest numbers of the format."""
        a, b, c, d = values.shape
        rounded = self.format.round(_parts(values.reshape(a, b * c, d)))
        return [self.format.encode(rounded).astype(np.int64)]

    def decode(self, codes: Sequence[Codes], pattern: Pattern, dtype: np.dtype[Any]) -> Values:
        """Return the numbers."""
        entries = _joined(self.format.decode(codes[0]), dtype)
        return entries.reshape(len(entries), pattern.b, pattern.c, -1)

    def header(self) -> bytes:
        """Return the widths, the bias and the special codes."""
        kept, bias = self.format, self.format.bias or 0
        numbers = (kept.significand_bits, kept.bits - kept.significand_bits)
        signed = 2 * bias if bias >= 0 else -2 * bias - 1
        return b"".join(map(put_number, (*numbers, signed, _SPECIALS.index(kept.specials))))

    @classmethod
    def from_header(cls, data: Bytes, at: int) -> tuple[Self, int]:
        """Read what `header` wrote."""
        t, at = take_number(data, at)
        w, at = take_number(data, at)
        signed, at = take_number(data, at)
        specials, at = take_number(data, at)
        if specials >= len(_SPECIALS):
            raise ValueError(f"the packed weights have codes of unknown kind {specials}")
        bias = signed // 2 if signed % 2 == 0 else -(signed + 1) // 2
        return cls(FloatFormat(t, w, bias=bias, specials=_SPECIALS[specials])), at


@dataclass(frozen=True)
class Ratios:
    """Columns of every block with one entry 1, of which the place is kept, and fixed-point ratios.

    A ratio, or each of its two parts, is one of the ``2**bits - 1`` multiples of
    ``1 / (2**(bits - 1) - 1)`` from -1 to 1. Zero and the two ends are among them.
    """

    bits: int
    tag: ClassVar[int] = 1

    @property
    def _largest(self) -> int:
        return (1 << self.bits - 1) - 1

    def streams(self, pattern: Pattern, parts: int) -> list[tuple[int, int]]:
        """Return a stream of the places of the ones, and one of the ratios."""
        _, b, c, _ = pattern
        return [(c, (b - 1).bit_length()), ((b - 1) * c * parts, self.bits)]

    def encode(self, values: Values) -> list[Codes]:
        """Return the places of the ones, and the nearest ratios of the other entries."""
        a, b, c, d = values.shape
        place = np.argmax(values == 1, axis=1)
        others = np.arange(b - 1)[None, :, None, None]
        others = others + (others >= place[:, None])
        ratios = np.take_along_axis(values, others, axis=1).reshape(a, (b - 1) * c, d)
        rounded = np.rint(_parts(ratios) * self._largest).astype(np.int64)
        return [place, rounded + self._largest]

    def decode(self, codes: Sequence[Codes], pattern: Pattern, dtype: np.dtype[Any]) -> Values:
        """Return the columns, each with its 1."""
        place, rounded = codes
        a, c, d = place.shape
        real = np.empty(0, dtype).real.dtype
        parts = (rounded - self._largest).astype(real) / real.type(self._largest)
        ratios = _joined(parts, dtype).reshape(a, pattern.b - 1, c, d)
        values = np.ones((a, pattern.b, c, d), dtype)
        others = np.arange(pattern.b - 1)[None, :, None, None]
        np.put_along_axis(values, others + (others >= place[:, None]), ratios, axis=1)
        return values

    def header(self) -> bytes:
        """Return the width of a ratio."""
        return put_number(self.bits)

    @classmethod
    def from_header(cls, data: Bytes, at: int) -> tuple[Self, int]:
        """Read what `header` wrote."""
        bits, at = take_number(data, at)
        if not 2 <= bits <= 52:
            raise ValueError(f"the packed weights have ratios of {bits} bits, or are damaged")
        return cls(bits), at


@dataclass(frozen=True)
class Directions:
    """Columns of two real entries up to their scale: their absolute values have the sum 1.

    From ``(0, -1)`` to ``(1, 0)`` and on to ``(0, 1)``, along two sides of a square, equal steps
    lead to ``2**bits`` directions; the last one is the first one again, and left out. The code
    counts steps, and is the second entry as a fixed-point number; the first one follows from it.
    """

    bits: int
    tag: ClassVar[int] = 2

    def streams(self, pattern: Pattern, parts: int) -> list[tuple[int, int]]:
        """Return one stream of all columns."""
        return [(pattern.c, self.bits)]

    def encode(self, values: Values) -> list[Codes]:
        """Return the nearest directions of columns of any scale."""
        top, bottom = values[:, 0], values[:, 1]
        return [direction_codes(top, bottom, self.bits)]

    def decode(self, codes: Sequence[Codes], pattern: Pattern, dtype: np.dtype[Any]) -> Values:
        """Return the columns."""
        return np.stack(directions(codes[0], self.bits), axis=1).astype(dtype)

    def header(self) -> bytes:
        """Return the width of a code."""
        return put_number(self.bits)

    @classmethod
    def from_header(cls, data: Bytes, at: int) -> tuple[Self, int]:
        """Read what `header` wrote."""
        bits, at = take_number(data, at)
        if not 1 <= bits <= 52:
            raise ValueError(f"the packed weights have directions of {bits} bits, or are damaged")
        return cls(bits), at


@dataclass(frozen=True)
class Rows:
    """Rows of two real entries: a direction as of columns, times a floating-point number.

    Parameters
    ----------
    bits : int
        Width of the code of a direction.
    format : FloatFormat
        Of the numbers.
    """

    bits: int
    format: FloatFormat
    tag: ClassVar[int] = 3

    def streams(self, pattern: Pattern, parts: int) -> list[tuple[int, int]]:
        """Return a stream of the directions, and one of the numbers."""
        return [(pattern.b, self.bits), (pattern.b, self.format.bits)]

    def encode(self, values: Values) -> list[Codes]:
        """Return the nearest directions, and of their multiples the nearest ones to the rows."""
        codes, numbers = as_multiples(values[:, :, 0], values[:, :, 1], self.bits)
        return [codes, self.format.encode(self.format.round(numbers)).astype(np.int64)]

    def decode(self, codes: Sequence[Codes], pattern: Pattern, dtype: np.dtype[Any]) -> Values:
        """Return the rows."""
        numbers = self.format.decode(codes[1])
        return np.stack([numbers * x for x in directions(codes[0], self.bits)], axis=2).astype(
            dtype
        )

    def header(self) -> bytes:
        """Return the width of a direction, and what `Floats` has of the numbers."""
        return put_number(self.bits) + Floats(self.format).header()

    @classmethod
    def from_header(cls, data: Bytes, at: int) -> tuple[Self, int]:
        """Read what `header` wrote."""
        along, at = Directions.from_header(data, at)
        numbers, at = Floats.from_header(data, at)
        return cls(along.bits, numbers.format), at


def direction_codes(top: Values, bottom: Values, bits: int | Codes) -> Codes:
    """Return the codes of the directions nearest to ``(top, bottom)``; of any one where both are 0.

    Parameters
    ----------
    top, bottom : arrays of floats
        Of one shape, of any scale.
    bits : int or array of int
        Width of the codes.
    """
    size = np.abs(top) + np.abs(bottom)
    along = np.where(top < 0, -bottom, bottom) / np.where(size == 0, 1, size)
    count = np.left_shift(np.int64(1), np.asarray(bits, dtype=np.int64))
    codes: Codes = (np.rint(along * (count / 2)).astype(np.int64) + count // 2) % count
    return codes


def directions(codes: Codes, bits: int | Codes) -> tuple[Values, Values]:
    """Return the first and the second entries of directions; absolute values have the sum 1."""
    count = np.left_shift(np.int64(1), np.asarray(bits, dtype=np.int64))
    along = (codes - count // 2) / (count / 2)
    return 1.0 - np.abs(along), along


def as_multiples(first: Values, second: Values, bits: int) -> tuple[Codes, Values]:
    """Return the codes of the directions nearest to pairs, and their multiples nearest to those.

    Sums of two magnitudes are to be in the range of double precision.
    """
    first, second = (np.asarray(x, dtype=np.float64) for x in (first, second))
    codes = direction_codes(first, second, bits)
    x, y = directions(codes, bits)
    return codes, (x * first + y * second) / (x * x + y * y)


CODINGS: dict[int, type[Coding]] = {cls.tag: cls for cls in (Floats, Ratios, Directions, Rows)}
