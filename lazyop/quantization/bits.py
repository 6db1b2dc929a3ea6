"""Integers of a few bits each, one after another in memory.

A stream of codes of one width has code `k` from its bit ``k * width`` on, least bit first, in whole
32-bit words: eight neighbouring codes begin at a byte, and have as many bytes as one has bits.
Codes of different widths go one by one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "pack",
    "pack_each",
    "read",
    "read_each",
    "stream_bytes",
    "windows",
]

_WORD = 32

Codes = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


def stream_bytes(count: int, width: int) -> int:
    """Return the bytes of a stream of so many codes of one width, whole words."""
    return -(-count * width // _WORD) * (_WORD // 8)


def pack(codes: Codes, width: int) -> Bytes:
    """Return a stream of codes from 0 to ``2**width - 1``."""
    codes = codes.ravel()
    bits = np.zeros(8 * stream_bytes(codes.size, width), dtype=np.uint8)
    table = bits[: codes.size * width].reshape(codes.size, width)
    for k in range(width):
        table[:, k] = (codes >> k) & 1
    return np.packbits(bits, bitorder="little")


def read(stream: Bytes, count: int, width: int, index: Codes) -> Codes:
    """Return the codes at some places of a stream of ``count`` codes."""
    codes = np.zeros(index.shape, dtype=np.int64)
    if width == 0:
        return codes
    words = np.frombuffer(stream, dtype="<u4", count=stream_bytes(count, width) // 4)
    for k in range(0, width, _WORD):
        piece = min(_WORD, width - k)
        start = index * width + k
        low = words.take(start // _WORD).astype(np.uint64)
        high = words.take(start // _WORD + 1, mode="clip")  # past the end if not needed
        both = (low | high.astype(np.uint64) << np.uint64(_WORD)) >> (start % _WORD).astype(
            np.uint64
        )
        codes |= (both & np.uint64(2**piece - 1)).astype(np.int64) << k
    return codes


def pack_each(codes: Codes, widths: Codes) -> Bytes:
    """Return codes of the given widths one after another, in whole bytes."""
    starts = np.cumsum(widths) - widths
    bits = np.zeros(-(-int(widths.sum()) // 8) * 8, dtype=np.uint8)
    for k in range(int(widths.max(initial=0))):
        has = widths > k
        bits[starts[has] + k] = (codes[has] >> k) & 1
    return np.packbits(bits, bitorder="little")


def windows(stream: Bytes) -> npt.NDArray[np.uint64]:
    """View the eight bytes from each byte of a stream on, as one number."""
    overlapping: Any = np.ndarray((stream.size - 7,), "<u8", stream, strides=(1,))
    view: npt.NDArray[np.uint64] = overlapping
    return view


def read_each(stream: Bytes, start: int, widths: Codes) -> tuple[Codes, int]:
    """Return codes of the given widths from a bit on, and where the next one begins.

    Widths are at most 56, and the stream is at least of 8 bytes.
    """
    ends = start + np.cumsum(widths)
    starts = ends - widths
    first = np.minimum(starts >> 3, stream.size - 8)
    shifted = windows(stream)[first] >> (starts - 8 * first).astype(np.uint64)
    mask = (np.uint64(1) << widths.astype(np.uint64)) - np.uint64(1)
    return (shifted & mask).astype(np.int64), int(ends[-1]) if ends.size else start


def put_number(number: int) -> bytes:
    """Return an integer from 0 in groups of seven bits, least first, the last one unmarked."""
    groups = bytearray()
    while number >= 128:
        groups.append(number % 128 + 128)
        number //= 128
    return bytes([*groups, number])


def take_number(data: Bytes, at: int) -> tuple[int, int]:
    """Return a number that `put_number` wrote, and where the next byte is.

    Raises
    ------
    ValueError
        If the bytes end before it does.
    """
    number = 0
    for shift in range(0, 63, 7):
        if at >= data.size:
            break
        byte = int(data[at])
        number += byte % 128 << shift
        at += 1
        if byte < 128:
            return number, at
    raise ValueError("the packed weights end within their header, or it is damaged")
