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
from lazyop.kernels.plan import choose_packed_tiling

__all__ = ["FEWEST_ROWS", "GUARD", "PackedChain"]

Values = npt.NDArray[Any]

#: The least order.
FEWEST_ROWS = 256

#: Bytes that may be read beyond the last code, whatever is in them.
GUARD = 32

#: The widths of directions that a significand of the dtype holds as well as the kernel does, and
#: those of norms that it reads.
_DIRECTION_WIDTHS = {"f": range(1, 24), "d": range(1, 30)}
_NORM_WIDTHS = {"f": range(2, 26), "d": range(2, 30)}

#: Of the dtype, as which norms are read: bias, and bits of the significand below the leading one.
_FORMATS = {"f": (127, 23), "d": (1023, 52)}


@dataclass(frozen=True)
class PackedChain:
    """A square dyadic chain of order ``2**levels`` whose weights are read as bits.

    Attributes
    ----------
    data : array of uint8
        All streams, and at least `GUARD` bytes after them.
    directions : tuple of (int, int)
        First byte and width of the codes of the columns of a factor, leftmost first; for the last
        one, of its rows.
    norms : tuple of (int, int)
        The same for what the last factor's rows are multiplied by.
    below : int
        Bits of a norm's significand below the leading one.
    bias : int
        Of their exponents.
    """

    data: npt.NDArray[np.uint8]
    directions: tuple[tuple[int, int], ...]
    norms: tuple[int, int]
    below: int
    bias: int

    @cached_property
    def _made(self) -> dict[tuple[np.dtype[Any], bool], tuple[Call, ...]]:
        return {}

    @property
    def levels(self) -> int:
        """How many factors there are."""
        return len(self.directions)

    def takes(self, dtype: np.dtype[Any]) -> bool:
        """Whether the compiled kernel reads these codes, for products in a dtype."""
        if self.levels < FEWEST_ROWS.bit_length() - 1 or dtype.char not in _FORMATS:
            return False
        bias, most_below = _FORMATS[dtype.char]
        width = self.norms[1]
        last = (1 << (width - 1 - self.below)) - 1  # the greatest field
        return (
            all(w in _DIRECTION_WIDTHS[dtype.char] for _, w in self.directions)
            and width in _NORM_WIDTHS[dtype.char]
            and self.below <= most_below
            # All norms are in the range, and none is subnormal.
            and last - self.bias <= bias
            and self.bias + self.below < bias
        )

    def vector(self, x: Values, *, transposed: bool) -> Values | None:
        """Multiply a contiguous vector by the chain, or its transpose; None for other dtypes."""
        calls = self._calls(x.dtype, transposed)
        if not calls:
            return None
        y = aligned.empty(x.shape, x.size, x.dtype)
        source, target = address(x), address(y)
        for call in calls:
            call.run(source, target, False)
            source = target
        return y

    def _calls(self, dtype: np.dtype[Any], transposed: bool) -> tuple[Call, ...]:
        """Return what runs at a product, in order, made at the first one; none for other dtypes."""
        made = self._made.get((dtype, transposed))
        if made is None:
            made = self._make_calls(dtype, transposed) if self.takes(dtype) else ()
            self._made[dtype, transposed] = made
        return made

    def _make_calls(self, dtype: np.dtype[Any], transposed: bool) -> tuple[Call, ...]:
        rows = 1 << self.levels
        ends, stages = self._table()
        strides = tuple(map(int, stages[:, 0]))
        tiling = choose_packed_tiling(strides, rows, self.levels, dtype.itemsize)
        span, width, count, threads = tiling.span, tiling.width, tiling.low_stages, tiling.threads

        def call(name: str, units: int, *own: int | Values) -> Call:
            code = kernel("packed_pairs", name + "_transposed" * transposed, dtype)
            return Call(code, dtype, units, threads, 0, self.data, stages, own, tiling.wakes)

        low = call("low", rows // span, ends, count, span)
        if count == len(stages):
            return (low,)
        high = call("high", span // width, count, span, width, rows)
        return (high, low) if transposed else (low, high)

    def _table(self) -> tuple[Values, Values]:
        """Return where the last factors' codes are, and the stages of the others.

        Factors of strides from 8 on are applied two at a time, or one and then two at a time.
        """
        one, two, four, *order = self.directions[::-1]  # strides 1, 2, 4, ...
        ends = np.array([*one, *self.norms, self.below, self.bias, *two, *four], dtype=np.int64)
        rows, k = [], 0
        while k < len(order):
            single = (len(order) - k) % 2 == 1
            rows.append((8 << k, *order[k], *((0, 0) if single else order[k + 1])))
            k += 1 if single else 2
        return ends, np.array(rows, dtype=np.int64)
