"""How a product with a chain runs: by which kernel, in which tiles, by how many threads.

All that is decided is decided here, from sizes alone, by a model of what a product costs. The
figures in it come from `benchmarks/compare.py`; they need only be right to a factor of two.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING

from lazyop.kernels import array_api

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lazyop.namespaces import Array

#: The kernels that apply one Kronecker-sparse factor: ``kernel(values, x)``.
KERNELS: Mapping[str, Callable[[Array, Array], Array]] = MappingProxyType(
    {
        "elementwise": array_api.kronecker_sparse_elementwise,
        "matmul": array_api.kronecker_sparse_matmul,
    }
)

#: The kernels that apply all factors of a chain at once, where Numba is installed: over weights in
#: reading order, or by the dense matrix, made once, where the chain is hardly smaller than that.
WHOLE_CHAIN = ("compiled", "dense")

#: How many times the weights of a chain the dense matrix may hold and be faster all the same, as
#: BLAS computes at its peak and in the order in which the memory lies.
_DENSE_IF_BELOW, _DENSE_IF_BELOW_FOR_COLUMNS = 2, 3

#: What a tile of the argument should fit into: about half of a core's second-level cache.
_CACHE_BYTES = 1 << 19

#: A vector longer than this leaves that cache, so that a chain takes it up part by part.
_VECTOR_BYTES = 1 << 18

#: The most columns that a tile has, and the fewest for which tiles of columns pay.
_TILE, _FEWEST_COLUMNS = 64, 4

#: Work below so many flops is over before a second thread has started.
_FLOPS_PER_THREAD = 4_000_000


@cache
def has_compiled() -> bool:
    """Whether Numba is installed. It is imported at the first product, not before."""
    return find_spec("numba") is not None


def choose_kernel(shape: tuple[int, int, int, int], columns: int) -> str:
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
        Rows of such a block: the stride at which the other stages begin.
    width : int
        Neighbouring rows that the other stages take along.
    threads : int
        Threads that share the work.
    """

    tile: int
    low_stages: int
    span: int
    width: int
    threads: int


@lru_cache(maxsize=512)
def choose_tiling(
    strides: tuple[int, ...], rows: int, entries: int, columns: int, itemsize: int
) -> Tiling:
    """Choose how to go through a chain.

    Parameters
    ----------
    strides : tuple of int
        Of the packed stages, in the order of application; empty for a chain that is not one run
        of 2 x 2 factors, which only columns divide.
    rows, entries : int
        The longest vector between two stages, and the weights of the chain.
    columns, itemsize : int
        Columns of the argument, and the bytes of an entry.
    """
    tile = min(columns, _TILE) if columns >= _FEWEST_COLUMNS else 0
    flops = 2 * entries * columns
    threads = _threads(flops)
    limit = _CACHE_BYTES // (tile * itemsize) if tile else _VECTOR_BYTES // itemsize
    if not strides:
        if threads > 1 and tile:
            tile = max(_FEWEST_COLUMNS, min(tile, -(-columns // threads)))
        return Tiling(tile, 0, rows, 1, threads)
    if rows <= limit:
        return Tiling(tile, len(strides), rows, 1, threads)
    low = max(1, sum(stride <= limit for stride in strides[1:]))
    if low == len(strides):
        return Tiling(tile, low, rows, 1, threads)
    span = strides[low]
    width = min(span, 4 if tile else max(8, _VECTOR_BYTES // itemsize * span // rows // 4))
    return Tiling(tile, low, span, 1 << (width.bit_length() - 1), threads)


def choose_whole_chain(entries: int, size: int, columns: int) -> str:
    """Choose the kernel of a whole chain with that many weights, and entries in its product."""
    factor = _DENSE_IF_BELOW_FOR_COLUMNS if columns >= _FEWEST_COLUMNS else _DENSE_IF_BELOW
    return "dense" if size <= factor * entries else "compiled"


def _threads(flops: int) -> int:
    """Return how many threads work of that size is worth, of those that Numba may use."""
    if flops < 2 * _FLOPS_PER_THREAD:
        return 1
    return max(1, min(flops // _FLOPS_PER_THREAD, _allowed_threads()))


@cache
def _allowed_threads() -> int:
    from numba import get_num_threads

    return int(get_num_threads())


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
