"""Products of a dyadic chain with its packed weights: the host's side of the compiled kernel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from lazyop.kernels import aligned
from lazyop.kernels.addresses import address
from lazyop.kernels.calls import Call
from lazyop.kernels.machine_code import kernel
from lazyop.kernels.packing import RAISED
from lazyop.kernels.plan import choose_packed_tiling

__all__ = ["FEWEST_ROWS", "GUARD", "PackedChain"]

Values = npt.NDArray[Any]

#: The least order: streams of as many codes have eight lanes.
FEWEST_ROWS = 256

#: Words that are read beyond the last code, whatever is in them.
GUARD = 8

#: The widths of directions that a significand of the dtype holds as well as a lane's word does, and
#: those of floats that a word holds.
_DIRECTION_WIDTHS, _FLOAT_WIDTHS = {"f": range(1, 24), "d": range(1, 31)}, range(2, 33)

#: Of single precision, as which the last factor is read: bias, greatest field, and bits of the
#: significand, the leading one left out.
_BIAS, _LAST_FIELD, _BELOW = 127, 254, 23

#: Exponents of the scale that then remains, which with those of directions stay in the range.
_LARGEST_SCALE = {"f": 120, "d": 900}


@dataclass(frozen=True)
class PackedChain:
    """A square dyadic chain of order ``2**levels`` whose weights are read as bits.

    Attributes
    ----------
    words : uint32 array
        All streams, and at least `GUARD` words after them.
    directions : tuple of (int, int)
        First word and width of the codes of the columns of a factor, for all factors but the last,
        leftmost first.
    last : tuple of int
        First word and width of the codes of the last factor's entries, and bits of a significand
        below the leading one.
    bias : int
        Of their exponents.
    """

    words: npt.NDArray[np.uint32]
    directions: tuple[tuple[int, int], ...]
    last: tuple[int, int, int]
    bias: int

    @cached_property
    def _made(self) -> dict[tuple[np.dtype[Any], bool], tuple[Call, ...]]:
        return {}

    @property
    def levels(self) -> int:
        """How many factors there are."""
        return len(self.directions) + 1

    @property
    def _scale(self) -> int:
        """The power of two that is left out where the last factor is read."""
        return _BIAS - RAISED - self.bias

    def takes(self, dtype: np.dtype[Any]) -> bool:
        """Whether the compiled kernel reads these codes, for products in a dtype."""
        if self.levels < FEWEST_ROWS.bit_length() - 1 or dtype.char not in "fd":
            return False
        _, width, below = self.last
        return (
            all(w in _DIRECTION_WIDTHS[dtype.char] for _, w in self.directions)
            and width in _FLOAT_WIDTHS
            and below <= _BELOW
            and (1 << (width - 1 - below)) + RAISED <= _LAST_FIELD
            and -60 < self._scale < _LARGEST_SCALE[dtype.char]
        )

    def vector(self, x: Values, *, transposed: bool) -> Values:
        """Multiply a contiguous vector by the chain, or its transpose."""
        y = aligned.empty(x.shape, x.size, x.dtype)
        source, target = address(x), address(y)
        for call in self._calls(x.dtype, transposed):
            call.run(source, target, False)
            source = target
        return y

    def _calls(self, dtype: np.dtype[Any], transposed: bool) -> tuple[Call, ...]:
        """Return what runs at a product, in order; made at the first one."""
        made = self._made.get((dtype, transposed))
        if made is None:
            made = self._made[dtype, transposed] = self._make_calls(dtype, transposed)
        return made

    def _make_calls(self, dtype: np.dtype[Any], transposed: bool) -> tuple[Call, ...]:
        rows = 1 << self.levels
        ends, stages = self._table()
        scale = np.ldexp(1.0, [self._scale]).astype(dtype)
        strides = tuple(map(int, stages[:, 0]))
        tiling = choose_packed_tiling(strides, rows, self.levels, dtype.itemsize)
        span, width, count, threads = tiling.span, tiling.width, tiling.low_stages, tiling.threads

        def call(name: str, units: int, *own: int | Values) -> Call:
            code = kernel("packed_pairs", name + "_transposed" * transposed, dtype)
            return Call(code, dtype, units, threads, 0, self.words, stages, own, tiling.wakes)

        low = call("low", rows // span, scale, ends, count, span)
        if count == len(stages):
            return (low,)
        high = call("high", span // width, count, span, width, rows)
        return (high, low) if transposed else (low, high)

    def _table(self) -> tuple[Values, Values]:
        """Return where the last factors' codes are, and the stages of the others.

        Factors of strides from 8 on are applied two at a time, or one and then two at a time.
        """
        order = self.directions[::-1]  # strides 2, 4, ...
        ends = np.array([*self.last, *order[0], *order[1]], dtype=np.int64)
        rows, k = [], 2
        while k < len(order):
            single = (len(order) - k) % 2 == 1
            rows.append((2 << k, *order[k], *((0, 0) if single else order[k + 1])))
            k += 1 if single else 2
        return ends, np.array(rows, dtype=np.int64)
