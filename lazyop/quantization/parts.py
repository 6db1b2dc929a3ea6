"""Parts of a dyadic chain: neighbouring factors, restricted to rows that no others mix with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Layout", "Part"]

Values = npt.NDArray[Any]

#: Rows of a tile: a part of this many rows is unpacked at a time.
_TILE_ROWS, _FEWEST_ROWS = 1 << 13, 1 << 8


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

    @property
    def size(self) -> int:
        """How many rows there are."""
        return 2 * (self.a << self.count - 1) * self.d

    @property
    def strides(self) -> npt.NDArray[np.int64]:
        """How far apart the rows are that factors mix, the last factor first."""
        return np.left_shift(np.int64(self.d), np.arange(self.count))

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

    def is_low(self, part: Part) -> bool:
        """Whether a part has the last factor."""
        return part.first + part.count == self.levels

    def by_span(self, x: Values) -> Values:
        """View rows as ``(blocks, span, ...)``."""
        return x.reshape(-1, self.span, *x.shape[1:])
