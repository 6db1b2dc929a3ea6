"""How a chain runs on a GPU: which factors share a pass over the argument, and in which tiles.

All that is decided is decided here, from sizes alone, and nothing here needs a GPU. A pass takes
the argument once from memory, applies consecutive factors to tiles that stay in shared memory, and
writes the result once (`cuda.cu`). Which factors share one is the cheapest partition of the chain
by a model of the traffic; its constants are those of data sheets, and have not been measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from itertools import pairwise
from math import gcd, inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Of a factor: a, b, c, d, where c counts inputs and b outputs.
Shape = tuple[int, int, int, int]

#: As in cuda.cu: the most factors of a pass, and threads of a block.
MOST_FACTORS, MOST_THREADS = 24, 512

#: Factors of 2 x 2 blocks that one thread applies at a time, to eight rows.
_MOST_PAIRS = 3

#: Bytes that memory moves at once. Narrower pieces cost as much.
_SECTOR = 32

#: Bytes of all of shared memory's banks side by side.
_BANKS = 128

#: How many times as fast as memory the second-level cache is, from which all tiles but one read
#: their weights, and how many flops take the time of a byte from memory, in single precision.
_CACHE_SPEED, _FLOPS_PER_BYTE = 2.5, 20.0

#: Bytes from memory in the time that a launch takes, and the part of the memory's speed that a
#: multiprocessor can have by itself, times their number.
_LAUNCH_BYTES, _SINGLE_SPEED = 6e6, 3.0

#: Time of a tile that leaves no room for a second one on its multiprocessor, beside one that does.
_ALONE = 1.25

#: Entries of a tile below which blocks of threads are hardly busy, and the most lanes of a tile.
_FEW_ENTRIES, _MOST_LANES = 1024, 256


class Kind(IntEnum):
    """What a stage is, as in cuda.cu."""

    GENERAL = 0  #: one factor
    RISING = 1  #: up to three factors of 2 x 2 blocks whose strides double
    FALLING = 2  #: the same, whose strides halve


@dataclass(frozen=True)
class Limits:
    """What a device offers.

    Attributes
    ----------
    shared_bytes : int
        Shared memory that one block of threads may have.
    multiprocessors : int
        How many of them there are.
    """

    shared_bytes: int = 99 * 1024
    multiprocessors: int = 108


@dataclass(frozen=True)
class Entries:
    """Bytes of a weight, of an entry of argument and result, and of one in shared memory."""

    weight: int
    outside: int
    inside: int

    @property
    def lanes(self) -> int:
        """Neighbouring columns of one thread: 16 bytes of shared memory."""
        return 16 // self.inside


@dataclass(frozen=True)
class Layout:
    """Whether the columns of the argument, and of the result, lie in one piece each."""

    columns_in: bool = False
    columns_out: bool = False


@dataclass(frozen=True)
class Stage:
    """What a pass does between two barriers: some of its factors, and rows of a thread.

    The first factor of a stage is the one with the smallest stride.
    """

    kind: Kind
    factors: tuple[int, ...]
    rows: int


@dataclass(frozen=True)
class Tile:
    """Neighbouring interleaved blocks and columns that a block of threads takes up, and lanes."""

    j: int
    columns: int
    lanes: int

    @property
    def across(self) -> int:
        """Entries of a row of the tile."""
        return self.j * self.columns


@dataclass(frozen=True)
class Pass:
    """Consecutive factors that are applied while a tile is in shared memory.

    Attributes
    ----------
    first : int
        The first of them, in the order of application.
    shapes : tuple
        Of the parts of the factors that meet one slice.
    a, d : int
        How many slices there are: the factors fall apart into as many independent ones.
    tile : Tile
    stages : tuple of Stage
        Their factors count from `first`.
    stages_in, stages_out : bool
        Whether the argument is copied to shared memory first, and the result from there at last.
    pitch, skew, buffer : int
        Of shared memory: entries of a row, the binary logarithm of how many rows come before one
        that is left out, and entries of a buffer.
    buffers : int
        How many buffers there are.
    threads : int
        Of a block.
    """

    first: int
    shapes: tuple[Shape, ...]
    a: int
    d: int
    tile: Tile
    stages: tuple[Stage, ...]
    stages_in: bool
    stages_out: bool
    pitch: int
    skew: int
    buffer: int
    buffers: int
    threads: int

    @property
    def rows_in(self) -> int:
        """Rows of a slice of the argument."""
        a, _, c, d = self.shapes[0]
        return a * c * d

    @property
    def rows_out(self) -> int:
        """Rows of a slice of the result."""
        a, b, _, d = self.shapes[-1]
        return a * b * d

    def tiles(self, columns: int) -> tuple[int, int, int]:
        """Return how many tiles there are: of block rows, interleaved blocks and columns."""
        return self.a, -(-self.d // self.tile.j), -(-columns // self.tile.columns)


def choose_passes(
    shapes: Sequence[Shape], columns: int, entries: Entries, layout: Layout, limits: Limits
) -> tuple[Pass, ...]:
    """Choose the passes of a product.

    Parameters
    ----------
    shapes : sequence of tuple
        Of the factors, in the order in which they are applied, transposed where they are so.
    columns : int
        Of the argument; see `similar`.
    entries : Entries
    layout : Layout
    limits : Limits

    Returns
    -------
    tuple of Pass
        In the order of application.

    Raises
    ------
    ValueError
        If a block is too large for the shared memory.
    """
    return _choose_passes(tuple(shapes), similar(columns), entries, layout, limits)


def similar(columns: int) -> int:
    """Return the count of columns whose passes this many columns take."""
    return columns if columns <= 8 else 1 << (columns - 1).bit_length()


@lru_cache(maxsize=512)
def _choose_passes(
    shapes: tuple[Shape, ...], columns: int, entries: Entries, layout: Layout, limits: Limits
) -> tuple[Pass, ...]:
    best: list[tuple[float, tuple[Pass, ...]]] = [(0.0, ())]
    count = len(shapes)
    for stop in range(1, count + 1):
        options: list[tuple[float, tuple[Pass, ...]]] = []
        for first in range(max(0, stop - MOST_FACTORS), stop):
            here = Layout(layout.columns_in and first == 0, layout.columns_out and stop == count)
            cost, found = _cheapest(first, shapes[first:stop], columns, entries, here, limits)
            before, passes = best[first]
            if found is not None:
                options.append((before + cost, (*passes, found)))
        best.append(min(options, key=lambda option: option[0], default=(inf, ())))
    cost, passes = best[-1]
    if cost == inf:
        raise ValueError(f"a block of the chain {shapes} does not fit into shared memory")
    return passes


def _cheapest(
    first: int, shapes: tuple[Shape, ...], columns: int, entries: Entries, layout: Layout,
    limits: Limits,
) -> tuple[float, Pass | None]:  # fmt: skip
    """Return the cheapest way to apply these factors in one pass, and what it costs."""
    a, d = gcd(*(shape[0] for shape in shapes)), gcd(*(shape[3] for shape in shapes))
    best: tuple[float, Pass | None] = (inf, None)
    several = entries.lanes if columns >= 2 * entries.lanes else 1
    for lanes in dict.fromkeys((several, 1)):  # long blocks leave room for narrow tiles alone
        for tile in _tiles(d, columns, lanes) if best[1] is None else ():
            found = _pass(first, shapes, a, d, tile, columns, entries, layout, limits)
            if found is not None:
                cost = _cost(found, columns, entries, layout, limits)
                if cost < best[0]:
                    best = cost, found
    return best


def _tiles(d: int, columns: int, lanes: int) -> Iterator[Tile]:
    """Yield the tiles to choose from whose columns are multiples of some lanes."""
    widths = [1 << k for k in range(lanes.bit_length() - 1, 9) if 1 << k < columns]
    for width in [*widths, columns] if columns <= _MOST_LANES else widths:
        for j in {min(d, 1 << k) for k in range(9)}:
            if j * width <= _MOST_LANES and width % lanes == 0:
                yield Tile(j, width, lanes)


def _pass(
    first: int, shapes: tuple[Shape, ...], a: int, d: int, tile: Tile, columns: int,
    entries: Entries, layout: Layout, limits: Limits,
) -> Pass | None:  # fmt: skip
    """Return a pass with that tile; None where it does not fit into shared memory."""
    a //= _slices_together(shapes, a, d, tile, columns, entries, limits)
    local = tuple((s[0] // a, s[1], s[2], s[3] // d) for s in shapes)
    stages = _stages(local, tile)
    stages_in = layout.columns_in or stages[0].kind is Kind.GENERAL
    stages_out = layout.columns_out
    inside = stages if stages_out else stages[:-1]
    buffers = 1 + any(stage.kind is Kind.GENERAL for stage in inside)
    if not (stages_in or inside):
        buffers = 0
    rows = max(max(_rows(s)) for s in local)
    across = tile.across
    narrow = across * entries.inside < _BANKS
    turned = layout.columns_in or layout.columns_out
    pitch = across + (tile.lanes if turned and across // tile.lanes % 2 == 0 else 0)
    skew = 3 if narrow and rows > 8 else 31
    buffer = ((rows - 1) + ((rows - 1) >> skew) + 1) * pitch
    buffer += -buffer % max(1, 16 // entries.inside)
    if buffers * buffer * entries.inside > limits.shared_bytes:
        return None
    items = max(_items(stage, local, tile) for stage in stages)
    alone = 2 * buffers * buffer * entries.inside > limits.shared_bytes
    most = MOST_THREADS if alone else MOST_THREADS // 2
    threads = max(32, min(most, items + -items % 32))
    return Pass(
        first, local, a, d, tile, stages, stages_in, stages_out,
        pitch, skew, buffer, buffers, threads,
    )  # fmt: skip


def _rows(shape: Shape) -> tuple[int, int]:
    """Return the rows of a factor's argument and of its result."""
    a, b, c, d = shape
    return a * c * d, a * b * d


def _slices_together(
    shapes: tuple[Shape, ...], a: int, d: int, tile: Tile, columns: int, entries: Entries,
    limits: Limits,
) -> int:  # fmt: skip
    """Return how many neighbouring slices go together, so that a block of threads has enough to do.

    As many as make some thousand entries, unless multiprocessors would be idle or memory scarce.
    """
    rows = max(max(_rows(shape)) for shape in shapes) // (a * d)
    tiles = a * -(-d // tile.j) * -(-columns // tile.columns)
    together = 1
    for factor in (f for f in range(2, a + 1) if a % f == 0):
        room = 4 * factor * rows * tile.across * entries.inside  # two buffers, half of them used
        if together * rows * tile.across >= _FEW_ENTRIES or room > limits.shared_bytes:
            break
        if tiles // factor < limits.multiprocessors:
            break
        together = factor
    return together


def _stages(shapes: tuple[Shape, ...], tile: Tile) -> tuple[Stage, ...]:
    """Cut factors into stages: runs of 2 x 2 blocks evenly, others one by one."""
    stages: list[Stage] = []
    at = 0
    while at < len(shapes):
        kind, stop = _run(shapes, at)
        if kind is Kind.GENERAL:
            stages.append(Stage(kind, (at,), _rows_of_thread(shapes[at], tile)))
        else:
            parts = -(-(stop - at) // _MOST_PAIRS)
            cuts = [at + (stop - at) * part // parts for part in range(parts + 1)]
            for start, end in pairwise(cuts):
                factors = tuple(range(start, end))
                in_order = factors if kind is Kind.RISING else factors[::-1]
                stages.append(Stage(kind, in_order, 1 << len(factors)))
        at = stop
    return tuple(stages)


def _run(shapes: tuple[Shape, ...], first: int) -> tuple[Kind, int]:
    """Return the kind of the stages that begin with a factor, and which factor is behind them."""
    if shapes[first][1:3] != (2, 2):
        return Kind.GENERAL, first + 1
    stop, kind = first + 1, None
    while stop < len(shapes) and shapes[stop][1:3] == (2, 2):
        (a, _, _, d), (e, _, _, f) = shapes[stop - 1], shapes[stop]
        here = (
            Kind.RISING
            if (a, 2 * d) == (2 * e, f)
            else Kind.FALLING
            if (2 * a, d) == (e, 2 * f)
            else None
        )
        if here is None or kind not in (None, here):
            break
        kind, stop = here, stop + 1
    return kind or Kind.RISING, stop


def _rows_of_thread(shape: Shape, tile: Tile) -> int:
    """Return how many rows of a block's result one thread has: few where there are few threads."""
    _, b, _, _ = shape
    if tile.lanes == 1 and tile.across < 32:
        return 1
    return 8 if b > 4 else 4 if b > 1 else 1


def _items(stage: Stage, shapes: tuple[Shape, ...], tile: Tile) -> int:
    """Return how many threads a stage can use."""
    a, b, _, d = shapes[stage.factors[-1]]
    if stage.kind is not Kind.GENERAL:
        d = shapes[stage.factors[0]][3]
        return a * d * tile.across // tile.lanes
    return a * -(-b // stage.rows) * d * tile.across // tile.lanes


def _cost(found: Pass, columns: int, entries: Entries, layout: Layout, limits: Limits) -> float:
    """Return what a pass costs, as the bytes that memory moves in its time."""
    slices, tile = found.a * found.d, found.tile
    data = 0.0
    for rows, in_one_piece in (
        (found.rows_in, layout.columns_in), (found.rows_out, layout.columns_out),
    ):  # fmt: skip
        if in_one_piece:
            piece = tile.j * (rows if tile.j == found.d else 1)
        else:
            piece = tile.columns * (tile.j if tile.columns >= columns else 1)
        data += slices * rows * columns * entries.outside * _waste(piece * entries.outside)
    held = sum(a * b * c * d for a, b, c, d in found.shapes) * slices * entries.weight
    # Where slices interleave, weights of a block are no neighbours, but those of its tile are.
    spread = _waste(tile.j * entries.weight) if tile.j < found.d else 1.0
    weights = held * (1 + (-(-columns // tile.columns) * spread - 1) / _CACHE_SPEED)
    flops = 2 * held / entries.weight * columns * max(1, entries.inside // 4)
    time = max(data + weights, flops / _FLOPS_PER_BYTE)
    if 2 * found.buffers * found.buffer * entries.inside > limits.shared_bytes:
        time *= _ALONE
    a, j, c = found.tiles(columns)
    idle = limits.multiprocessors / (_SINGLE_SPEED * a * j * c)
    return _LAUNCH_BYTES + time * max(1.0, idle)


def _waste(piece: int) -> float:
    """Return how many times its bytes a piece of memory takes."""
    return max(1.0, _SECTOR / piece)
