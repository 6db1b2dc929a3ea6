"""Packed factors, each with a coding of its own: every code of a stream has the same width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from lazyop.butterfly.chain import Chain
from lazyop.butterfly.pattern import Pattern
from lazyop.kernels.array_api import kronecker_sparse_elementwise, kronecker_sparse_matmul
from lazyop.kernels.packed_chain import FEWEST_ROWS, GUARD, PackedChain
from lazyop.kernels.plan import has_compiled
from lazyop.quantization.bits import Bytes, pack, put_number, read, stream_bytes, take_number
from lazyop.quantization.codings import CODINGS, Coding, Directions, Rows

__all__ = ["Factorwise", "PackedFactor", "Tile", "pack_factorwise"]

Values = npt.NDArray[Any]

#: Entries that are floats at a time: a quarter of a megabyte in double precision.
_TILE_ENTRIES = 1 << 15


@dataclass(frozen=True)
class Tile:
    """Some blocks of a factor: those of rows `i` and columns `j` of the ``a x d`` of them."""

    i: slice
    j: slice


@dataclass(frozen=True)
class PackedFactor:
    """One packed factor: its pattern, its coding, and where its streams begin."""

    pattern: Pattern
    coding: Coding
    streams: tuple[tuple[int, int, int], ...]  #: first byte, codes for each block, width

    def tiles(self) -> Iterator[Tile]:
        """Yield all blocks, some at a time."""
        a, b, c, d = self.pattern
        blocks = max(1, _TILE_ENTRIES // (b * c))
        across = min(d, blocks)
        down = max(1, blocks // d)
        for i in range(0, a, down):
            for j in range(0, d, across):
                yield Tile(slice(i, min(i + down, a)), slice(j, min(j + across, d)))

    def decode(self, data: Bytes, tile: Tile, dtype: np.dtype[Any]) -> Values:
        """Return the entries of some blocks."""
        a, _, _, d = self.pattern
        i, j = (np.arange(s.start, s.stop) for s in (tile.i, tile.j))
        codes = []
        for start, m, width in self.streams:
            index = (i[:, None, None] * m + np.arange(m)[:, None]) * d + j
            codes.append(read(data[start:], a * m * d, width, index))
        return self.coding.decode(codes, self.pattern, dtype)


@dataclass(frozen=True)
class Factorwise:
    """A chain whose factors are packed one by one.

    Parameters
    ----------
    data : array of bytes
        Header and streams.
    dtype : dtype
        Of the entries.
    factors : tuple
        As the header describes them, leftmost first.
    """

    data: Bytes
    dtype: np.dtype[Any]
    factors: tuple[PackedFactor, ...]

    @cached_property
    def chain(self) -> Chain:
        """The patterns of the factors."""
        return Chain([factor.pattern for factor in self.factors])

    def values(self) -> list[Values]:
        """Return the entries of all factors, leftmost first."""
        whole = [Tile(slice(0, f.pattern.a), slice(0, f.pattern.d)) for f in self.factors]
        return [
            factor.decode(self.data, tile, self.dtype)
            for factor, tile in zip(self.factors, whole, strict=True)
        ]

    def apply(self, X: Values, *, transposed: bool, conjugated: bool) -> Values:
        """Multiply a matrix of columns, one tile of one factor being unpacked at a time."""
        for factor in self.factors if transposed else reversed(self.factors):
            a, b, c, d = factor.pattern
            c, b = (b, c) if transposed else (c, b)
            source = X.reshape(a, c, d, -1)
            result = np.empty((a, b, d, X.shape[1]), dtype=np.result_type(self.dtype, X.dtype))
            for tile in factor.tiles():
                values = factor.decode(self.data, tile, self.dtype)
                result[tile.i, :, tile.j] = _apply_block(
                    values, source[tile.i, :, tile.j], transposed=transposed, conjugated=conjugated
                )
            X = result.reshape(a * b * d, -1)
        return X

    @cached_property
    def compiled(self) -> PackedChain | None:
        """What reads the bits in compiled code; None where it does not take such a chain."""
        *others, last = self.factors
        if not has_compiled() or not isinstance(last.coding, Rows):
            return None
        if not all(isinstance(factor.coding, Directions) for factor in others):
            return None
        size = self.chain.shape[0]
        if size != 1 << len(self.chain) or size < FEWEST_ROWS:
            return None
        if self.chain != Chain.square_dyadic(size):
            return None
        form = last.coding.format
        (start, _, width), norms = last.streams[0], last.streams[1]
        chain = PackedChain(
            self.data,
            (*((f.streams[0][0], f.streams[0][2]) for f in others), (start, width)),
            (norms[0], norms[2]),
            form.significand_bits - 1,
            form.bias or 0,
        )
        return chain if form.specials == "none" and chain.takes(self.dtype) else None

    @property
    def is_compiled(self) -> bool:
        """Whether a kernel multiplies a vector by the bits themselves."""
        return self.compiled is not None

    def vector(self, x: Values, *, transposed: bool) -> Values | None:
        """Multiply a real vector by compiled code; None where that does not take it."""
        if self.compiled is None:
            return None
        return self.compiled.vector(np.ascontiguousarray(x), transposed=transposed)

    @classmethod
    def from_header(cls, data: Bytes, at: int, dtype: np.dtype[Any]) -> Factorwise:
        """Read the header that `pack_factorwise` wrote.

        Raises
        ------
        ValueError
            If the bytes are not such a header, or end too early.
        """
        length, at = take_number(data, at)
        if length == 0:
            raise ValueError("the packed weights have no factors, or are damaged")
        described = []
        for _ in range(length):
            sizes = []
            for _ in range(4):
                size, at = take_number(data, at)
                sizes.append(size)
            tag, at = take_number(data, at)
            if tag not in CODINGS:
                raise ValueError(f"the packed weights have a coding of unknown kind {tag}")
            coding, at = CODINGS[tag].from_header(data, at)
            described.append((Pattern(*sizes), coding))
        start, factors = -(-at // 4) * 4, []
        for pattern, coding in described:
            streams = []
            for m, width in coding.streams(pattern, _parts(dtype)):
                streams.append((start, m, width))
                start += stream_bytes(pattern.a * m * pattern.d, width)
            factors.append(PackedFactor(pattern, coding, tuple(streams)))
        start += _guard(described[0][0].shape[0], [coding for _, coding in described])
        if start != data.size:
            raise ValueError(f"the packed weights are {data.size} bytes, not {start}")
        return cls(data, dtype, tuple(factors))


def pack_factorwise(values: Sequence[Values], codings: Sequence[Coding], head: bytes) -> Bytes:
    """Return bytes that begin with some, and go on with a header and the streams of factors."""
    header, streams = [head, put_number(len(values))], []
    for entries, coding in zip(values, codings, strict=True):
        header += [*map(put_number, (*entries.shape, coding.tag)), coding.header()]
        widths = coding.streams(Pattern(*entries.shape), _parts(entries.dtype))
        for codes, (_, width) in zip(coding.encode(entries), widths, strict=True):
            streams.append(pack(codes, width))
    joined = b"".join(header)
    padding = bytes(-len(joined) % 4)
    a, b, _, d = values[0].shape
    guard = np.zeros(_guard(a * b * d, codings), dtype=np.uint8)
    return np.concatenate([np.frombuffer(joined + padding, dtype=np.uint8), *streams, guard])


def _apply_block(values: Values, X: Values, *, transposed: bool, conjugated: bool) -> Values:
    """Multiply entries ``(a, c, d, columns)`` by the blocks of some values, or their transposes."""
    if transposed:
        values = values.transpose(0, 2, 1, 3)
    if conjugated:
        values = values.conj()
    a, b, c, d = values.shape
    kernel = kronecker_sparse_elementwise if c <= 2 else kronecker_sparse_matmul
    Y: Values = kernel(values, X.reshape(a * c * d, -1)).reshape(a, b, d, -1)
    return Y


def _guard(rows: int, codings: Sequence[Coding]) -> int:
    """Return the bytes after the streams that compiled products may read, whatever is in them."""
    may_compile = rows >= FEWEST_ROWS and any(isinstance(c, Directions) for c in codings)
    return GUARD if may_compile else 0


def _parts(dtype: np.dtype[Any]) -> int:
    return 2 if dtype.kind == "c" else 1
