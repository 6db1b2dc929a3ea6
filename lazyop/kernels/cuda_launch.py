"""The arguments of a launch of `cuda.cu`: one record a pass, made of integers alone.

Addresses are integers here, so that the same record serves a GPU and tests that run without one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from struct import Struct
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lazyop.kernels.cuda_plan import MOST_FACTORS, Entries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lazyop.kernels.cuda_plan import Pass, Shape

#: What weights and entries are called in cuda.cu.
NUMBERS = {
    "float16": "half_number",
    "bfloat16": "bfloat_number",
    "float32": "float",
    "float64": "double",
    "complex64": "complex_number<float>",
    "complex128": "complex_number<double>",
}

#: What weights that are held as codes are read as.
CODES = {
    f"codes of {name}": f"coded<{NUMBERS[name]}>"
    for name in ("float32", "float64", "complex64", "complex128")
}

#: As in cuda.cu.
APART, ALONG_ROWS, ALONG_COLUMNS = range(3)
STAGE_IN, STAGE_OUT, ROWS_FIRST_IN, ROWS_FIRST_OUT, PACKS_IN, PACKS_OUT = (1 << k for k in range(6))

_FACTOR = np.dtype(
    [
        ("weights", "u8"),
        *((name, "i4") for name in ("outer", "inner", "row", "column")),
        *((name, "i4") for name in ("a", "b", "c", "d", "conjugated", "packs")),
        *(("norms", "u8"), ("scale", "f8")),
        *((name, "i4") for name in ("kind", "width", "norm_width", "below", "part")),
        *((name, "u4") for name in ("infinite", "undefined", "unused")),
    ]
)
_STAGE = np.dtype([(name, "i4") for name in ("kind", "first", "count", "rows")])

#: `Pass` in cuda.cu. No member needs padding.
RECORD = np.dtype(
    [
        *((name, "u8") for name in ("x", "y")),
        *((name, "i8") for name in ("x_row", "x_column", "y_row", "y_column")),
        *((name, "i4") for name in ("a", "d", "rows_in", "rows_out", "columns")),
        *((name, "i4") for name in ("tile_j", "tile_c", "tiles_j", "tiles_c")),
        *((name, "i4") for name in ("pitch", "skew", "buffer", "stages", "flags")),
        ("stage", _STAGE, MOST_FACTORS),
        ("factor", _FACTOR, MOST_FACTORS),
    ]
)

#: How many weights of so many bytes are read at a time, as in cuda.cu: more would spill registers.
_PACKED = {2: 4, 4: 2, 8: 2, 16: 1}

Record = npt.NDArray[np.void]

_ENDS, _INT = Struct("=QQqqqq"), Struct("=i")
_FIELDS: Any = RECORD.fields
_OFFSETS: dict[str, int] = {name: where for name, (_, where) in _FIELDS.items()}

_INT32 = np.iinfo(np.int32).max


class CodeKind(IntEnum):
    """What codes of weights stand for, as in cuda.cu."""

    FLOATS = 0  #: floating-point numbers
    DIRECTIONS = 1  #: columns of two entries whose absolute values have the sum 1
    ROWS = 2  #: rows of such entries, and a floating-point number times each


#: A code that no code of up to 31 bits is.
NO_CODE = 2**32 - 1


@dataclass(frozen=True)
class Codes:
    """How weights are read from a stream of codes (`lazyop.quantization.bits`).

    Attributes
    ----------
    kind : CodeKind
    width : int
        Bits of a code.
    below : int
        Bits of a significand below the leading one.
    part : int
        From the code of a real part to that of the imaginary one.
    infinite, undefined : int
        The code of infinity, and the least one of those that are no number, signs left out.
    scale : float
        What numbers of single precision with these fields are to be multiplied by.
    norms, norm_width : int
        Of rows: bytes from the stream of directions to that of the numbers, and bits of one.
    """

    kind: CodeKind
    width: int
    below: int = 0
    part: int = 0
    infinite: int = NO_CODE
    undefined: int = NO_CODE
    scale: float = 1.0
    norms: int = 0
    norm_width: int = 0


@dataclass(frozen=True)
class Weights:
    """Where the values (a, b, c, d) of a factor are, their strides in entries, and bytes of one.

    Where they are codes, the address is that of the stream, and strides count codes.
    """

    address: int
    shape: Shape
    strides: tuple[int, int, int, int]
    itemsize: int
    codes: Codes | None = None

    def transposed(self) -> Weights:
        """Return the same values as those of the transpose."""
        (a, b, c, d), (i, k, l, j) = self.shape, self.strides
        return Weights(self.address, (a, c, b, d), (i, l, k, j), self.itemsize, self.codes)

    @property
    def is_addressable(self) -> bool:
        """Whether 32 bits suffice for where they are, and for the rows that there are."""
        a, b, c, d = self.shape
        extent = sum(n * abs(step) for n, step in zip(self.shape, self.strides, strict=True))
        return max(a * b * d, a * c * d, extent) <= _INT32

    @property
    def packs(self) -> int:
        """Which weights of a block several at a time can be read: none, of a row, of a column."""
        count = 1 if self.codes else _PACKED[self.itemsize]
        # How far a step takes is no matter on an axis that has none.
        outer, row, column, inner = (
            step if n > 1 else 0 for n, step in zip(self.shape, self.strides, strict=True)
        )
        aligned = self.address % (count * self.itemsize) == 0
        if count == 1 or not aligned or outer % count or inner % count:
            return APART
        if column == 1 and row % count == self.shape[2] % count == 0:
            return ALONG_ROWS
        return ALONG_COLUMNS if row == 1 and column % count == 0 else APART


#: What the fields of codes hold for weights that are none.
_PLAIN = Codes(CodeKind.FLOATS, 0)


@dataclass(frozen=True)
class Matrix:
    """Where the entries of a matrix are: address, strides in entries, and bytes of an entry."""

    address: int
    row: int
    column: int
    itemsize: int

    def packs(self, lanes: int) -> bool:
        """Whether so many neighbouring columns, from one that they divide on, can move at once."""
        aligned = self.address % (lanes * self.itemsize) == 0
        return aligned and self.column == 1 and self.row % lanes == 0


@cache
def name_of_dtype(dtype: np.dtype[Any]) -> str | None:
    """Return the name of a dtype that the kernels know; None for another one."""
    return dtype.name if dtype.name in NUMBERS else None


def entries_of(weight: str, number: str) -> Entries:
    """Return the bytes of weights and of entries with these names of dtypes."""
    sizes = {"bfloat16": 2} | {name: np.dtype(name).itemsize for name in NUMBERS if name[0] != "b"}
    sizes |= dict.fromkeys(CODES, 1)
    return Entries(sizes[weight], sizes[number], max(4, sizes[number]))


def record_of(found: Pass, weights: Sequence[Weights], *, conjugated: bool) -> Record:
    """Return the record of a pass but for argument and result.

    Parameters
    ----------
    found : Pass
    weights : sequence of Weights
        Of all factors of the chain, in the order of application.
    conjugated : bool
        Whether the conjugates of the weights are meant.
    """
    record: Record = np.zeros(1, RECORD)
    tile = found.tile
    values = {
        "a": found.a,
        "d": found.d,
        "rows_in": found.rows_in,
        "rows_out": found.rows_out,
        "tile_j": tile.j,
        "tile_c": tile.columns,
        "tiles_j": -(-found.d // tile.j),
        "pitch": found.pitch,
        "skew": found.skew,
        "buffer": found.buffer,
        "stages": len(found.stages),
    }
    for name, value in values.items():
        record[name] = value
    at = 0
    for number, stage in enumerate(found.stages):
        record["stage"][0, number] = (stage.kind, at, len(stage.factors), stage.rows)
        for place in stage.factors:
            held = weights[found.first + place]
            i, k, l, j = held.strides
            shape = found.shapes[place]
            codes = held.codes or _PLAIN
            record["factor"][0, at] = (
                *(held.address, i, j, k, l, *shape, conjugated, held.packs),
                *(held.address + codes.norms, codes.scale),
                *(codes.kind, codes.width, codes.norm_width, codes.below, codes.part),
                *(codes.infinite, codes.undefined, 0),
            )
            at += 1
    return record


def filled(record: Record, found: Pass, columns: int, x: Matrix, y: Matrix) -> Record:
    """Return a copy of a record with argument and result."""
    # By bytes: to copy and to assign fields takes NumPy longer than all the rest of a launch.
    room = bytearray(record.data)
    _ENDS.pack_into(room, 0, x.address, y.address, x.row, x.column, y.row, y.column)
    lanes = found.tile.lanes
    flags = STAGE_IN * found.stages_in | STAGE_OUT * found.stages_out
    flags |= PACKS_IN * x.packs(lanes) | PACKS_OUT * y.packs(lanes)
    flags |= ROWS_FIRST_IN * (found.stages_in and abs(x.row) < abs(x.column))
    flags |= ROWS_FIRST_OUT * (found.stages_out and abs(y.row) < abs(y.column))
    tiles = -(-columns // found.tile.columns)
    for name, value in (("columns", columns), ("tiles_c", tiles), ("flags", flags)):
        _INT.pack_into(room, _OFFSETS[name], value)
    return np.frombuffer(room, RECORD)


def instance(weight: str, number: str, lanes: int) -> str:
    """Return the name of the kernel for these dtypes, and columns of a thread."""
    held = NUMBERS.get(weight) or CODES[weight]
    return f"chain_pass<{held}, {NUMBERS[number]}, {lanes}>"
