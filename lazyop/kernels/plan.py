"""How a product with a chain runs: by which kernel, in which tiles, by how many threads.

All that is decided is decided here, from sizes alone, by a model of what a product costs. The
figures in it come from `benchmarks/compare.py`; they need only be right to a factor of two.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from importlib.util import find_spec
from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING

from lazyop.kernels import array_api

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lazyop.namespaces import Array

#: Of the values of a factor: a, b, c, d.
Shape = tuple[int, ...]

#: The kernels that apply one Kronecker-sparse factor: ``kernel(values, x)``.
KERNELS: Mapping[str, Callable[[Array, Array], Array]] = MappingProxyType(
    {
        "elementwise": array_api.kronecker_sparse_elementwise,
        "matmul": array_api.kronecker_sparse_matmul,
    }
)

#: The kernels that apply all factors of a chain at once. On NumPy, where Numba is installed: over
#: weights in reading order, or by the dense matrix, made once, where the chain is hardly smaller
#: than that. On CuPy: over tiles in shared memory.
WHOLE_CHAIN = ("compiled", "dense", "cuda")

#: How many times the entries of a chain the dense matrix may hold and be faster all the same. It is
#: none to speak of: BLAS has the higher rate by a little, and threads that are slow to wake.
_DENSE_IF_BELOW = 1

#: Entries that may be added to a factor for each entry of a vector between two that is spared its
#: way to memory and back.
_ENTRIES_PER_PASS = 4

#: Up to which order blocks of neighbours are multiplied out for the array kernels.
_JOINED = 16

#: What a tile of the argument should fit into: about half of a core's second-level cache.
_CACHE_BYTES = 1 << 19

#: A vector longer than this leaves that cache, so that a chain takes it up part by part.
_VECTOR_BYTES = 1 << 19

#: The most columns that a tile has, and the fewest for which tiles of columns pay.
_TILE, FEWEST_COLUMNS = 64, 4

#: The fewest columns that a tile of a general chain has if there are more.
_LEAST_TILE = 32

#: Flops over several columns, in double precision, and bytes of weights for a vector, that are
#: worth a thread.
_FLOPS_PER_THREAD, _BYTES_PER_THREAD = 350_000, 380_000

#: The fewest threads that a product is worth for which those that sleep are woken at once.
_WAKING_THREADS = 16

#: What a part of the rows of a tile is at most. Each part goes through the whole argument.
_PART_BYTES = 1 << 21

#: The fewest rows of a part of a block that are worth their own way through the argument.
_LEAST_ROWS = 8

#: The fewest rows of a block: what registers take of several blocks at a time.
_LEAST_SPAN = 32

#: Neighbouring rows that the large strides take along, over several columns.
_RUN = 16

#: Codes of packed weights that are worth a thread.
_CODES_PER_THREAD = 50_000


@cache
def has_compiled() -> bool:
    """Whether Numba is installed, and may compile. It is imported when it has to."""
    return find_spec("numba") is not None and os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")


def choose_kernel(shape: Shape, columns: int) -> str:
    """Choose the array kernel of a factor with values of that shape for that many columns.

    Whole-array multiply-adds win where a block row is short, or where one column meets many
    interleaved blocks, whose strided products are slow; batched products win elsewhere.
    """
    _, _, c, d = shape
    return "elementwise" if c <= 2 or (columns == 1 and d >= 64) else "matmul"


@dataclass(frozen=True)
class Tiling:
    """How the compiled kernels go through a product.

    Attributes
    ----------
    tile : int
        Columns taken at a time; 0 where columns go one by one.
    low_stages : int
        How many stages, those of the smallest strides, run over blocks of consecutive rows
        before the others begin.
    span : int
        Rows of such a block: the stride at which the other stages begin, 32 at least; or all.
    width : int
        Neighbouring rows that the other stages take along: for a vector, whole registers.
    threads : int
        Threads that share the work.
    parts : int
        Parts of the rows of a tile that threads take.
    wakes : bool
        Whether threads that sleep are woken at once, which takes a while.
    """

    tile: int
    low_stages: int
    span: int
    width: int
    threads: int
    parts: int = 1
    wakes: bool = True


@lru_cache(maxsize=512)
def choose_tiling(
    strides: tuple[int, ...], rows: int, entries: int, weights: int, blocks: int, divisor: int,
    columns: int, itemsize: int,
) -> Tiling:  # fmt: skip
    """Choose how to go through a chain.

    Parameters
    ----------
    strides : tuple of int
        Of the packed stages, in the order of application; empty for a chain that is not one run
        of 2 x 2 factors, which columns divide, or rows, or blocks.
    rows : int
        The longest vector between two stages.
    entries, weights : int
        Entries of all factors, and weights that are read for them.
    blocks : int
        Of neighbouring rows, which are all there is; 0 if there is more.
    divisor : int
        What the number of parts has to divide into which rows can be cut; 1 if they can't be.
    columns, itemsize : int
        Columns of the argument, and the bytes of an entry.
    """
    tile = min(columns, _TILE) if columns >= FEWEST_COLUMNS else 0
    if tile:
        worth = 2 * entries * columns * itemsize // (8 * _FLOPS_PER_THREAD)
    else:
        worth = weights * itemsize // _BYTES_PER_THREAD
    threads, tiling = _threads(worth), partial(Tiling, wakes=worth >= _WAKING_THREADS)
    # Where tiles are enough for all threads, each takes whole ones. What two threads write does not
    # lie side by side in rows: what a core fetches ahead is taken from the other.
    shares_rows = threads > 1 and columns < 2 * threads * tile
    if not strides:
        if shares_rows and blocks >= 2 * threads:
            return tiling(columns, 0, rows, 1, threads)
        parts = _parts(divisor, threads) if shares_rows else 1
        if parts > 1 and tile * rows * itemsize <= parts * _PART_BYTES:
            return tiling(tile, 0, rows, 1, threads, parts=parts)
        return tiling(_general_tile(tile, rows * itemsize, columns, threads), 0, rows, 1, threads)
    limit = _CACHE_BYTES // (tile * itemsize) if tile else _VECTOR_BYTES // itemsize
    sharing = threads if shares_rows or not tile else 1
    low, span = _first_stages(strides, rows, limit, sharing)
    if low == len(strides):
        return tiling(tile, low, span, 1, threads)
    if tile:
        width = min(span, _RUN)
    else:
        width = _vector_run(span, rows, limit)
    return tiling(tile, low, span, width, threads)


@lru_cache(maxsize=64)
def choose_packed_tiling(strides: tuple[int, ...], rows: int, levels: int, itemsize: int) -> Tiling:
    """Choose how to go through a dyadic chain whose weights are read as bits, for a vector.

    Parameters
    ----------
    strides : tuple of int
        Of the stages that follow the factors of strides 1, 2 and 4, in the order of application.
    rows, levels : int
        Of the chain.
    itemsize : int
        Bytes of an entry of the vector.
    """
    worth = rows * levels // _CODES_PER_THREAD
    threads = _threads(worth)
    limit = _VECTOR_BYTES // itemsize
    low, span = _first_stages(strides, rows, limit, threads)
    width = _vector_run(span, rows, limit) if low < len(strides) else 1
    return Tiling(0, low, span, width, threads, wakes=worth >= _WAKING_THREADS)


def _general_tile(tile: int, row_bytes: int, columns: int, threads: int) -> int:
    """Return how many columns a general chain takes up: two buffers, tiles for each thread."""
    if tile <= _LEAST_TILE:
        return tile
    fitting = _CACHE_BYTES // row_bytes
    fair = columns // threads if threads > 1 else tile
    return max(_LEAST_TILE, min(tile, 1 << fitting.bit_length() >> 1, fair))


def _parts(divisor: int, threads: int) -> int:
    """Return into how many parts rows are cut: what they divide, and no small ones."""
    most = max(1, min(threads, divisor // _LEAST_ROWS))
    return max(parts for parts in range(1, most + 1) if divisor % parts == 0)


def _first_stages(strides: tuple[int, ...], rows: int, limit: int, sharing: int) -> tuple[int, int]:
    """Return how many stages run over blocks of rows first, and how many rows a block has.

    The rows stay together where they are fewer than the limit and nobody shares them; threads that
    share them do not write close to each other.
    """
    if rows <= limit:
        limit = rows // sharing
    if rows == limit:
        return len(strides), rows
    low = sum(stride <= limit for stride in strides[1:])
    low = max(low, sum(stride < _LEAST_SPAN for stride in strides))
    return (low, strides[low]) if low < len(strides) else (low, rows)


def _vector_run(span: int, rows: int, limit: int) -> int:
    """Return how many neighbouring rows the large strides take along for a vector."""
    run = min(span, max(8, limit * span // rows // 4))
    return 1 << (run.bit_length() - 1)


def choose_whole_chain(entries: int, size: int) -> str:
    """Choose the kernel of a chain with so many entries, whose matrix has so many."""
    return "dense" if size <= _DENSE_IF_BELOW * entries else "compiled"


def merges(left: Shape, right: Shape, product: Shape) -> bool:
    """Whether the compiled kernels are to apply two neighbours multiplied out.

    Factors of 2 x 2 blocks stay as they are: two at a time, they have the fewest weights.
    """
    if left[1:3] == right[1:3] == (2, 2):
        return False
    a, b, _, d = right
    added = prod(product) - prod(left) - prod(right)
    return added <= _ENTRIES_PER_PASS * a * b * d


def joins(left: Shape, right: Shape, product: Shape) -> bool:
    """Whether the array kernels are to apply two neighbours multiplied out."""
    return max(product[1:3]) <= _JOINED and prod(product) <= 2 * (prod(left) + prod(right))


def _threads(parts: int) -> int:
    """Return how many threads share work worth so many, of those that Numba may use."""
    return min(parts, _allowed_threads()) if parts > 1 else 1


@cache
def _allowed_threads() -> int:
    numba = sys.modules.get("numba")
    if numba is not None:
        return int(numba.get_num_threads())
    number = os.environ.get("NUMBA_NUM_THREADS")
    if not number:
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity else os.cpu_count() or 1
    if not number.strip().isdecimal() or int(number) < 1:
        raise ValueError(f"NUMBA_NUM_THREADS must be a number from 1 on, got {number!r}")
    return int(number)


@dataclass(frozen=True)
class Step:
    """One call of a kernel.

    Attributes
    ----------
    operator : str
        What is applied, as its operator shows itself.
    kernel : str
        The kernel's name.
    flops : int
        Real floating-point operations of the call.
    """

    operator: str
    kernel: str
    flops: int


@dataclass(frozen=True)
class Plan:
    """The kernel calls of a product, in the order in which they run.

    Attributes
    ----------
    columns : int
        How many columns the argument has.
    steps : tuple of Step
        The calls, first one first.
    """

    columns: int
    steps: tuple[Step, ...]

    @property
    def flops(self) -> int:
        """Real floating-point operations of the whole product."""
        return sum(step.flops for step in self.steps)

    def with_kernel(self, kernel: str) -> Plan:
        """Return the plan with another kernel in every step.

        Examples
        --------
        >>> import numpy as np
        >>> import lazyop as lo
        >>> F = lo.Butterfly([np.ones((1, 2, 2, 2)), np.ones((2, 2, 2, 1))])
        >>> G = F.with_plan(F.plan(1).with_kernel("matmul"))
        >>> {step.kernel for step in G.plan(1).steps}
        {'matmul'}
        """
        return replace(self, steps=tuple(replace(step, kernel=kernel) for step in self.steps))

    def __str__(self) -> str:
        rows = [f"product with {self.columns} column(s), {self.flops:,} flops"]
        rows += [f"  {s.kernel:<12} {s.flops:>14,}  {s.operator}" for s in self.steps]
        return "\n".join(rows)
