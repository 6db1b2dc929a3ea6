r"""Dyadic chains in normal form, each number with as many bits as its share of the product wants.

With unit columns in all factors but the last, the columns of their product are unit vectors too,
and an error :math:`\varepsilon` in the direction of column `i` of a factor costs
:math:`\varepsilon^2 e_i`. The energy :math:`e_i` is the squared norm of row `i` of the product of
all factors after it. Energies differ by orders of magnitude, and errors should cost the same: a
direction has :math:`\tfrac12 \log_2 e_i` bits and a constant. The reader knows the energies from
the factors that it has read, from the last one to the first, so that no width is written down.

A row of the last factor is kept as its norm, a whole number of steps whose octave has a field of a
few bits, a sign or a phase, and a direction. Complex directions have a relative phase besides.
All that widths depend on is exact in double precision, or is rounded the same way everywhere.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from lazyop.butterfly.chain import Chain
from lazyop.kernels.plan import has_compiled
from lazyop.quantization.bits import Bytes, Codes, read_each, take_number, windows
from lazyop.quantization.codings import directions
from lazyop.quantization.factorwise import apply_block

__all__ = ["ByEnergy", "Layout", "Part", "directed", "norm_widths", "passed_on", "width_of"]

Values = npt.NDArray[Any]
Reals = npt.NDArray[np.float64]

#: Energy of a row whose norm is one step, in the unit in which widths count energies.
UNIT_ENERGY = 8.0

#: The most bits of a direction: beyond, double precision has no more to tell.
MAX_WIDTH = 50

#: Rows of a tile: a part of this many rows is unpacked at a time.
_TILE_ROWS, _FEWEST_ROWS = 1 << 13, 1 << 8


def width_of(energies: Reals) -> Codes:
    """Return the bits of directions with such energies: one more for each factor of four."""
    exponent = np.frexp(energies)[1]
    widths = np.where(energies > 0, (exponent + 1) // 2, 0)
    return np.clip(widths, 0, MAX_WIDTH).astype(np.int64)


def norm_widths(octaves: Codes, lowest: int) -> Codes:
    """Return the bits of norms below their leading one; the lowest octave has no leading one."""
    return np.where(octaves == 0, lowest, lowest + octaves - 1)


def squares(along: Codes, widths: Codes) -> tuple[Reals, Reals]:
    """Return the shares of the two entries of directions in the square of their norms."""
    top, bottom = directions(along, widths)
    top, bottom = top * top, bottom * bottom
    size = top + bottom
    return top / size, bottom / size


def directed(along: Codes, widths: Codes, phases: Reals | None) -> tuple[Values, Values]:
    """Return unit vectors of two entries; the phase, in half turns, is that of the second."""
    top, bottom = directions(along, widths)
    size = np.sqrt(top * top + bottom * bottom)
    if phases is None:
        return top / size, bottom / size
    return top / size + 0j, bottom / size * np.exp(1j * np.pi * phases)


def passed_on(upper: Reals, lower: Reals) -> Reals:
    """Return the energies of rows from the shares ``(a, 2, d)`` of the entries of columns."""
    return np.stack([upper[:, 0] + upper[:, 1], lower[:, 0] + lower[:, 1]], axis=1)


@dataclass(frozen=True)
class Part:
    """A run of neighbouring factors, restricted to rows that no others mix with.

    Attributes
    ----------
    first, count : int
        The leftmost factor, and how many.
    a, d : int
        Blocks beside each other, and interleaved ones, of the product of these factors.
    rows : slice
        Of the rows, seen as ``(blocks, span)``: blocks for low factors, places in the span for high
        ones.
    """

    first: int
    count: int
    a: int
    d: int
    rows: tuple[slice, slice]

    def shape(self, k: int) -> tuple[int, int, int]:
        """Return ``(a, 2, d)`` of the columns of factor ``first + k``, within this part."""
        return self.a << k, 2, self.d << self.count - 1 - k


@dataclass(frozen=True)
class Layout:
    """How a dyadic chain is cut into parts: the last factors block by block, then the others."""

    levels: int

    @property
    def size(self) -> int:
        """Order of the matrix."""
        return 1 << self.levels

    @property
    def tile(self) -> int:
        """Rows of a part."""
        half = 1 << ceil(self.levels / 2)
        return min(self.size, max(_FEWEST_ROWS, half, min(_TILE_ROWS, self.size // 4)))

    @property
    def low(self) -> int:
        """How many factors are low: all, where there is one part."""
        return self.levels if self.tile == self.size else ceil(self.levels / 2)

    @property
    def span(self) -> int:
        """Rows of a block of the low factors."""
        return 1 << self.low

    def low_parts(self) -> Iterator[Part]:
        """Yield the parts of the last factors."""
        blocks = self.tile // self.span
        for at in range(0, self.size // self.span, blocks):
            rows = slice(at, at + blocks), slice(None)
            yield Part(self.levels - self.low, self.low, blocks, 1, rows)

    def high_parts(self) -> Iterator[Part]:
        """Yield the parts of the first factors."""
        if self.low == self.levels:
            return
        width = self.tile * self.span // self.size
        for at in range(0, self.span, width):
            rows = slice(None), slice(at, at + width)
            yield Part(0, self.levels - self.low, 1, width, rows)

    def by_span(self, x: Values) -> Values:
        """View rows as ``(blocks, span, ...)``."""
        return x.reshape(-1, self.span, *x.shape[1:])


#: Parts of a chain, each with the factors that are read from it: their place in it, and values.
Parts = Iterator[tuple[Part, Iterator[tuple[int, Values]]]]


@dataclass(frozen=True)
class ByEnergy:
    """A packed dyadic chain whose reader finds the widths of its codes from energies.

    Parameters
    ----------
    data : array of bytes
        All of them.
    dtype : dtype
        Of the entries.
    layout : Layout
        How the chain is cut into parts.
    octave_bits, lowest : int
        Width of the field of an octave, and bits of norms in the lowest octave.
    step : float
        Unit of norms.
    starts : tuple of int
        First byte of every part, and of what would follow the last one.
    """

    data: Bytes
    dtype: np.dtype[Any]
    layout: Layout
    octave_bits: int
    lowest: int
    step: float
    starts: tuple[int, ...]

    @cached_property
    def chain(self) -> Chain:
        """The square dyadic chain."""
        return Chain.square_dyadic(self.layout.size)

    @property
    def _reads_compiled(self) -> bool:
        """Whether compiled code reads directions."""
        return self.dtype.kind != "c" and has_compiled()

    @property
    def is_compiled(self) -> bool:
        """Whether a kernel multiplies a vector by the bits themselves: there is none."""
        return False

    def vector(self, x: Values, *, transposed: bool) -> Values | None:
        """Return None: the codes are read one after another."""
        return None

    def values(self) -> list[Values]:
        """Return the entries of all factors, leftmost first."""
        energies = np.empty(self.layout.size)
        factors = [np.empty(tuple(pattern), self.dtype) for pattern in self.chain]
        for part, read in self._low(energies):
            for k, values in read:
                whole = factors[part.first + k].reshape(-1, *values.shape)
                whole[part.rows[0].start // part.a] = values
        for part, read in self._high(energies):
            for k, values in read:
                a, b, c, _ = values.shape
                whole = factors[k].reshape(a, b, c, -1, self.layout.span)
                whole[..., part.rows[1]] = values.reshape(a, b, c, -1, part.d)
        return factors

    def apply(self, X: Values, *, transposed: bool, conjugated: bool) -> Values:
        """Multiply a matrix of columns, one part being unpacked at a time."""
        Y = np.empty(X.shape, dtype=np.result_type(self.dtype, X.dtype))
        source, target = self.layout.by_span(X), self.layout.by_span(Y)
        energies = np.empty(self.layout.size)

        def run(parts: Parts, source: Values) -> None:
            for part, read in parts:
                rows = source[part.rows]
                factors = list(read)[::-1] if transposed else read
                product = _applied(part, factors, rows, transposed, conjugated)
                target[part.rows] = product.reshape(rows.shape)

        if not transposed:
            run(self._low(energies), source)
            run(self._high(energies), target)
        elif self.layout.low == self.layout.levels:
            run(self._low(energies), source)
        else:  # the first factors come first, and their widths want the energies of all others
            for _, read in self._low(energies):
                deque(read, maxlen=0)
            run(self._high(energies), source)
            run(self._low(energies), target)
        return Y

    def _low(self, energies: Reals) -> Parts:
        """Yield the parts of the last factors, each with these as they are read, the last first.

        The energies of the rows of a part are there when all its factors have been read.
        """
        for number, part in enumerate(self.layout.low_parts()):
            yield part, self._read_low(part, number, energies)

    def _high(self, energies: Reals) -> Parts:
        """Yield the parts of the other factors, in the same way."""
        lows = self.layout.size // self.layout.tile
        for number, part in enumerate(self.layout.high_parts()):
            inner = self.layout.by_span(energies)[part.rows]
            start = 8 * self.starts[lows + number]
            yield part, self._read_columns(part, part.count, start, inner)

    def _read_low(self, part: Part, number: int, energies: Reals) -> Iterator[tuple[int, Values]]:
        """Read the rows of the last factor, then the columns of the low ones before it."""
        at, k = 8 * self.starts[number], part.count - 1
        rows = 2 * part.a << k
        octaves, at = self._take(at, np.full(rows, self.octave_bits))
        widths = norm_widths(octaves, self.lowest)
        below, at = self._take(at, widths)
        norms = (below + np.where(octaves > 0, np.left_shift(1, widths), 0)).astype(np.float64)
        inner = UNIT_ENERGY * norms**2
        widths = width_of(inner)
        if self.dtype.kind == "c":
            turns, at = self._take(at, np.where(widths > 0, widths + 1, 0))
            scale: Values = norms * np.exp(2j * np.pi * turns / np.left_shift(2, widths))
        else:
            signs, at = self._take(at, np.minimum(widths, 1))
            scale = norms * (1.0 - 2.0 * signs)
        if self._reads_compiled:
            (top,), (bottom,), _, at = self._compiled_directions(at, inner, [0])
        else:
            top, bottom, _, at = self._directions(at, inner)
        scale = scale * self.step
        values = np.stack([scale * top, scale * bottom], axis=-1)
        yield k, values.reshape(-1, 2, 2, 1).astype(self.dtype)
        inner = yield from self._read_columns(part, k, at, inner)
        self.layout.by_span(energies)[part.rows] = inner.reshape(part.a, -1)

    def _read_columns(
        self, part: Part, count: int, at: int, inner: Reals
    ) -> Generator[tuple[int, Values], None, Reals]:
        """Read the unit columns of the first factors of a part; return the energies before them."""
        if self._reads_compiled:
            strides = [part.shape(k)[2] for k in reversed(range(count))]
            tops, bottoms, inner, at = self._compiled_directions(at, inner, strides)
            for k, top, bottom in zip(reversed(range(count)), tops, bottoms, strict=True):
                columns = np.stack([top.reshape(part.shape(k)), bottom.reshape(part.shape(k))], 1)
                yield k, columns.astype(self.dtype, copy=False)
            return inner
        for k in reversed(range(count)):
            inner = inner.reshape(part.shape(k))
            top, bottom, shared, at = self._directions(at, inner)
            yield k, np.stack([top, bottom], axis=1).astype(self.dtype)
            inner = passed_on(*shared)
        return inner

    def _directions(
        self, at: int, energies: Reals
    ) -> tuple[Values, Values, tuple[Reals, Reals], int]:
        """Read directions: unit vectors, the energies shared out, and where the next code is."""
        widths = width_of(energies)
        along, at = self._take(at, widths)
        first, second = squares(along, widths)
        shared = first * energies, second * energies
        phases = None
        if self.dtype.kind == "c":
            phase_widths = width_of(shared[1])
            codes, at = self._take(at, phase_widths)
            phases = codes / np.left_shift(1, phase_widths)
        return *directed(along, widths, phases), shared, at

    def _compiled_directions(
        self, at: int, energies: Reals, strides: Sequence[int]
    ) -> tuple[Reals, Reals, Reals, int]:
        """Read the columns of factors by compiled code, where entries are real.

        Returns their first and second entries, a row for each factor, the energies before them, and
        where the next code is.
        """
        from lazyop.kernels.directions import read_directions

        energies = energies.ravel().copy()
        top, bottom = np.empty((2, len(strides), energies.size))
        scratch = np.empty((2, energies.size))
        at = read_directions(
            windows(self.data),
            at,
            energies,
            np.array(strides, dtype=np.int64),
            MAX_WIDTH,
            top,
            bottom,
            *scratch,
        )
        return top, bottom, energies, at

    def _take(self, at: int, widths: Codes) -> tuple[Codes, int]:
        codes, at = read_each(self.data, at, widths.ravel())
        return codes.reshape(widths.shape), at

    @classmethod
    def from_header(cls, data: Bytes, at: int, dtype: np.dtype[Any]) -> ByEnergy:
        """Read the header that `lazyop.quantization.normal_form` wrote.

        Raises
        ------
        ValueError
            If the bytes are not such a header, or end too early.
        """
        numbers = []
        for _ in range(3):
            number, at = take_number(data, at)
            numbers.append(number)
        levels, octave_bits, lowest = numbers
        if not 1 <= levels <= 40 or not 1 <= octave_bits <= 6 or lowest > 48:
            raise ValueError("the packed weights have a header that can't be, or are damaged")
        step = float(np.frombuffer(data[at : at + 8].tobytes().ljust(8, b"\0"), "<f8")[0])
        at += 8
        layout, sizes = Layout(levels), []
        parts = layout.size // layout.tile * (1 if layout.low == levels else 2)
        for _ in range(parts - 1):
            size, at = take_number(data, at)
            sizes.append(size)
        starts = np.cumsum([at, *sizes, 0])
        starts[-1] = data.size
        if starts[-2] > data.size or data.size < 8:
            raise ValueError(f"the packed weights end after {data.size} bytes, too early")
        return cls(data, dtype, layout, octave_bits, lowest, step, tuple(map(int, starts)))


def _applied(
    part: Part,
    factors: Iterable[tuple[int, Values]],
    rows: Values,
    transposed: bool,
    conjugated: bool,
) -> Values:
    """Multiply the rows of a part by its factors, in the order given."""
    X = rows.reshape(-1, rows.shape[-1])
    for k, values in factors:
        a, _, d = part.shape(k)
        X = apply_block(
            values, X.reshape(a, 2, d, -1), transposed=transposed, conjugated=conjugated
        ).reshape(X.shape)
    return X
