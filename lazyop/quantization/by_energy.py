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

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from lazyop.butterfly.chain import Chain
from lazyop.kernels.plan import has_compiled
from lazyop.quantization.bits import Bytes, take_number
from lazyop.quantization.parts import Layout, Part
from lazyop.quantization.reading import Reader

__all__ = ["ByEnergy"]

Values = npt.NDArray[Any]
Reals = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ByEnergy:
    """A packed dyadic chain whose reader finds the widths of its codes from energies.

    Parameters
    ----------
    reader : Reader
        Of the codes of a part.
    layout : Layout
        How the chain is cut into parts.
    starts : tuple of int
        First byte of every part, and of what would follow the last one.
    """

    reader: Reader
    layout: Layout
    starts: tuple[int, ...]

    @property
    def data(self) -> Bytes:
        """All that is packed."""
        return self.reader.data

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the entries."""
        return self.reader.dtype

    @cached_property
    def chain(self) -> Chain:
        """The square dyadic chain."""
        return Chain.square_dyadic(self.layout.size)

    @property
    def is_compiled(self) -> bool:
        """Whether a kernel multiplies a vector by the bits themselves: there is none."""
        return False

    def vector(self, x: Values, *, transposed: bool) -> Values | None:
        """Return None: the codes are read one after another."""
        return None

    def values(self) -> list[Values]:
        """Return the entries of all factors, leftmost first."""
        factors = [np.empty(tuple(pattern), self.dtype) for pattern in self.chain]
        energies = np.empty(self.layout.size)
        for number, part in enumerate(self._parts):
            is_low = self.layout.is_low(part)
            for n, vectors in enumerate(self._read(number, energies).swapaxes(0, 1)):
                k = part.count - 1 - n
                a, _, d = part.shape(k)
                by_rows = is_low and n == 0
                order = (1, 2, 0, 3) if by_rows else (1, 0, 2, 3)
                values = vectors.reshape(2, a, 2, d).transpose(order)
                whole = factors[part.first + k]
                if is_low:
                    whole.reshape(-1, a, 2, 2, d)[part.rows[0].start // part.a] = values
                else:
                    places = whole.reshape(a, 2, 2, -1, self.layout.span)[..., part.rows[1]]
                    places[...] = values.reshape(places.shape)
        return factors

    def apply(self, X: Values, *, transposed: bool, conjugated: bool) -> Values:
        """Multiply a matrix of columns, one part being unpacked at a time."""
        Y = X.astype(np.result_type(self.dtype, X.dtype), order="C")
        energies = np.empty(self.layout.size)
        low, high = self._numbers
        if transposed and high:  # high factors come first; their widths want the energies of others
            for number in low:
                self._read(number, energies)
        for number in (*high, *low) if transposed else (*low, *high):
            part, entries = self._parts[number], self._read(number, energies)
            is_low = self.layout.is_low(part)
            rows = self.layout.by_span(Y)[part.rows]
            inner = rows.reshape(part.size, -1)  # a copy, if they lie apart
            _multiply(entries.conj() if conjugated else entries, part, is_low, inner, transposed)
            if not is_low:
                rows[...] = inner.reshape(rows.shape)
        return Y

    @cached_property
    def _parts(self) -> tuple[Part, ...]:
        return *self.layout.low_parts(), *self.layout.high_parts()

    @property
    def _numbers(self) -> tuple[range, range]:
        """Which parts are low, and which are not."""
        low = self.layout.size // self.layout.tile
        return range(low), range(low, len(self._parts))

    def _read(self, number: int, energies: Reals) -> Values:
        """Read the entries of a part; a low one leaves its energies, the others take them."""
        part = self._parts[number]
        place = self.layout.by_span(energies)[part.rows]
        is_low = self.layout.is_low(part)
        at = 8 * self.starts[number]
        entries, before = self.reader.read(at, part, None if is_low else place.ravel())
        if is_low:
            place[...] = before.reshape(place.shape)
        return entries

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
        reader = Reader(data, dtype, octave_bits, lowest, step)
        return cls(reader, layout, tuple(map(int, starts)))


def _multiply(entries: Values, part: Part, has_rows: bool, X: Values, transposed: bool) -> None:
    """Multiply rows, in place, by the factors of a part as they were read, or their transpose."""
    if X.dtype.char in "fdFD" and has_compiled():
        from lazyop.kernels.by_energy import multiply_part

        multiply_part(*entries, part.strides, has_rows, transposed, X.reshape(-1), X.shape[1])
        return
    for n in reversed(range(part.count)) if transposed else range(part.count):
        a, _, d = part.shape(part.count - 1 - n)
        first, second = entries[:, n].reshape(2, a, 2, d, 1)
        top, right, left, bottom = first[:, 0], first[:, 1], second[:, 0], second[:, 1]
        if (has_rows and n == 0) != transposed:
            right, left = left, right
        pairs = X.reshape(a, 2, d, -1)
        x, y = pairs[:, 0], pairs[:, 1]
        pairs[:, 0], pairs[:, 1] = top * x + right * y, left * x + bottom * y
