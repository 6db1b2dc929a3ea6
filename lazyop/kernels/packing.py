"""The weights of a chain in the order in which a product reads them.

Neighbouring factors of 2 x 2 blocks whose strides double are packed two at a time, so that a
product reads its argument once for both. The columns of such a factor can be rescaled for free,
``K_l D D^-1 K_{l+1}``: with the diagonal of every block made 1, the weights are half as many, and a
block takes two multiply-adds. Every path through the chain keeps its product, so that the result
is the same up to one rounding for each factor, whatever the size of the ratios. Where they would
leave the dtype's range, a chain is rescaled in parts, each of which ends with a factor as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lazyop.kernels.aligned import joined
from lazyop.kernels.plan import Tiling, choose_tiling

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Values = npt.NDArray[Any]


#: Numbers that say what a stage is.
STAGE_WIDTH = 11

#: Of a vector register on the machines that matter; LLVM splits or pairs registers on others.
REGISTER_BYTES = 32

#: The fewest columns of a panel of rows, over several columns: blocks that are the same for
#: neighbouring interleaved rows take some of those together.
PANEL_COLUMNS = 64


class Kind(IntEnum):
    """What a stage is."""

    GENERAL = 0  #: one factor as it is, weights (a, b, c, d)
    PAIR = 1  #: one factor of 2 x 2 blocks, weights (a, 4, d)
    QUAD = 2  #: two such factors, weights (a, 16, d)
    UNIT_QUAD = 3  #: two such factors whose blocks have unit diagonals, weights (a, 8, d)
    HALF_UNIT_QUAD = 4  #: two such factors, the outer one with unit diagonals, weights (a, 12, d)


#: The stages of 2 x 2 factors, with few strides below a register's width, for which products with a
#: vector have kernels: those with which runs from stride 1 up begin.
_NARROW = {
    (Kind.PAIR, 1),
    (Kind.QUAD, 1),
    (Kind.HALF_UNIT_QUAD, 1),
    (Kind.UNIT_QUAD, 2),
    (Kind.UNIT_QUAD, 4),
}


@dataclass(frozen=True)
class Packed:
    """A chain ready for the compiled kernels.

    Attributes
    ----------
    stages : int64 array, shape (stages, STAGE_WIDTH)
        Kind, start of the weights, a, b, c, d, and the `Layout` of the weights of each stage, in
        the order of application.
    weights : array
        All weights, stage after stage.
    is_thin : bool
        Whether the chain is one run of 2 x 2 factors, from stride 1 up.
    shape : tuple of int
        Rows and columns of the whole chain.
    """

    stages: npt.NDArray[np.int64]
    weights: Values
    is_thin: bool
    shape: tuple[int, int]

    @cached_property
    def has_pairs(self) -> bool:
        """Whether there are factors of 2 x 2 blocks, which have kernels of their own."""
        return bool((self.stages[:, 0] != Kind.GENERAL).any())

    @cached_property
    def longest(self) -> int:
        """Length of the longest vector between two stages."""
        a, b, c, d = self.stages[:, 2:6].T
        return int(max((a * b * d).max(), (a * c * d).max()))

    @cached_property
    def blocks(self) -> int:
        """How many blocks of neighbouring rows the whole chain is, or 0 if it is more than that."""
        (kind, _, a, _, _, d, *_), *more = self.stages
        return int(a) if kind == Kind.GENERAL and d == 1 and not more else 0

    def panel(self, columns: int) -> int:
        """Entries of the largest panel of rows that a general factor gathers."""
        least = PANEL_COLUMNS if columns > 1 else REGISTER_BYTES // self.weights.itemsize
        return int(self.stages[:, 3:5].max()) * max(columns, least)

    @cached_property
    def entries(self) -> int:
        """Entries of all factors; some are left out of the weights, or kept once."""
        return int(self.stages[:, 2:6].prod(axis=1).sum())

    def cut(self, transposed: bool) -> tuple[int, int]:
        """Tell how parts of the rows can go through all stages, each by itself.

        Of every `unit` neighbouring rows after the first stage a part takes some, neighbours too,
        and further stages have to keep them apart: as the j of their blocks, or transposed as
        the i.

        Returns
        -------
        unit, divisor : int
            The number of parts divides the divisor, which is 1 where there are no parts.
        """
        table = self.stages[::-1] if transposed else self.stages
        (_, _, a, b, c, d, *_), later = table[0].tolist(), table[1:]
        if self.has_pairs:
            return 1, 1
        if transposed:
            return c, math.gcd(c, *later[:, 2].tolist()) if a == 1 or not len(later) else 1
        unit = min(later[:, 5].tolist(), default=b)
        is_apart = b % unit == 0 and not (later[:, 5] % unit).any() and (d == 1 or not len(later))
        return unit, unit if is_apart else 1

    def tiling(self, columns: int, transposed: bool = False) -> Tiling:
        """How a product with that many columns goes through the stages."""
        strides = tuple(map(int, self.stages[:, 5])) if self.is_thin else ()
        weights = self.weights
        return choose_tiling(
            strides, self.longest, self.entries, weights.size, self.blocks,
            self.cut(transposed)[1], columns, weights.itemsize,
        )  # fmt: skip


#: Rows of weights that are multiples of this apart would share a few places of the cache, where the
#: transpose reads one after another. They are kept so much further apart.
_ALIASED_BYTES, _GAP_BYTES = 2048, 64


class Layout(NamedTuple):
    """Where the weights of a factor lie, in entries.

    Weight (k, l) of block (i, j) of a general factor is at
    ``i * outer + j // run * inner + j % run + k * row + l * column``. Those of 2 x 2 factors lie
    one after another, where the blocks of `run` neighbouring i stand for one with `run` times d.
    """

    outer: int = 0
    inner: int = 0
    run: int = 1
    row: int = 0
    column: int = 0


_NO_LAYOUT = Layout()


@dataclass(frozen=True)
class _Stage:
    """A stage before its weights have their place among those of the others."""

    kind: Kind
    weights: Values
    shape: tuple[int, ...]
    layout: Layout = _NO_LAYOUT


def pack(factors: Sequence[Values]) -> Packed:
    """Pack the values of factors, leftmost first."""
    stages: list[_Stage] = []
    runs = _runs(factors)
    for run in runs:
        is_run = len(run) > 1 or _is_thin(run[0])
        stages += _stages_of_run(run) if is_run else [_general(run[0], copy=len(factors) > 1)]
    starts = np.cumsum([0, *(stage.weights.size for stage in stages[:-1])])
    table = [(s.kind, at, *s.shape, *s.layout) for s, at in zip(stages, starts, strict=True)]
    flat = [stage.weights.ravel() for stage in stages]
    weights = joined(flat) if len(flat) > 1 else flat[0].view()  # one factor: no copy
    stage_table = np.array(table, dtype=np.int64)
    for array in (weights, stage_table):
        array.flags.writeable = False
    is_thin = len(runs) == 1 and stages[0].kind != Kind.GENERAL and stages[0].shape[3] == 1
    (a, b, _, d), (e, _, c, f) = factors[0].shape, factors[-1].shape
    return Packed(stage_table, weights, is_thin, (a * b * d, e * c * f))


def _is_thin(values: Values) -> bool:
    return bool(values.shape[1:3] == (2, 2))


def _runs(factors: Sequence[Values]) -> list[list[Values]]:
    """Cut a chain, from the right, into single factors and runs of 2 x 2 ones that double."""
    runs: list[list[Values]] = []
    for values in reversed(factors):
        if runs and _is_thin(values) and _is_thin(runs[-1][0]) and _doubles(values, runs[-1][0]):
            runs[-1].insert(0, values)
        else:
            runs.append([values])
    return runs


def _doubles(left: Values, right: Values) -> bool:
    return bool(right.shape[0] == 2 * left.shape[0] and left.shape[3] == 2 * right.shape[3])


def _general(values: Values, *, copy: bool) -> _Stage:
    """Lay out a factor: what repeats is kept once, and blocks lie interleaved by registers.

    A register holds the same weight of neighbouring blocks, which a vector meets side by side.
    """
    a, b, c, d = shape = values.shape
    if a > 1 and values.strides[0] == 0:
        values, a = values[:1], 0
        if d == 1:  # its columns are what a matrix product takes for rows
            return _Stage(
                Kind.GENERAL, values.transpose(0, 2, 1, 3), shape, Layout(row=1, column=b)
            )
    if d > 1 and values.strides[3] == 0:
        values, d = values[..., :1], 1
    register = REGISTER_BYTES // values.itemsize
    run = register if copy and d > register and d % register == 0 else d
    if run < d:
        values = values.reshape(*values.shape[:3], d // run, run).transpose(0, 3, 1, 2, 4)
    row = c * run
    if copy and row * values.itemsize % _ALIASED_BYTES == 0:
        values, row = _with_gaps(values, run), row + _GAP_BYTES // values.itemsize
    inner = b * row if run < d else 0
    return _Stage(
        Kind.GENERAL, values, shape, Layout(b * row * (d // run) if a else 0, inner, run, row, run)
    )


def _with_gaps(values: Values, run: int) -> Values:
    """Leave room after each row of blocks."""
    *outer, c, last = values.shape
    wide = np.zeros((*outer, c * last + _GAP_BYTES // values.itemsize), values.dtype)
    wide[..., : c * last] = values.reshape(*outer, c * last)
    return wide


def _stages_of_run(run: list[Values]) -> list[_Stage]:
    """Pack a run of 2 x 2 factors, in the order of application (the last factor first)."""
    parts = _rescaled([run[i : i + 2] for i in range(0, len(run), 2)])
    return [_of_pairs(kind, factors) for kind, factors in reversed(parts)]


def _rescaled(parts: list[list[Values]]) -> list[tuple[Kind, list[Values]]]:
    """Give factors unit diagonals where that is safe: all but the last one of as many as can be.

    Parts of a run are of two factors each, the last one may be of one; each becomes a stage.
    """
    unit = _with_unit_diagonals([values for part in parts for values in part])
    if unit is not None:
        *others, last = [unit[i : i + 2] for i in range(0, len(unit), 2)]
        kind = Kind.HALF_UNIT_QUAD if len(last) > 1 else Kind.PAIR
        return [*((Kind.UNIT_QUAD, part) for part in others), (kind, last)]
    if len(parts) == 1:
        return [(Kind.QUAD, parts[0])]
    half = len(parts) // 2
    return _rescaled(parts[:half]) + _rescaled(parts[half:])


def _of_pairs(kind: Kind, factors: list[Values]) -> _Stage:
    """Make a stage of one or two factors: a register may take its rows from several blocks."""
    weights = _pair_weights(*factors) if len(factors) == 1 else _quad_weights(kind, *factors)
    a, count, d = weights.shape
    rows = 2 * len(factors)
    run = max(1, REGISTER_BYTES // weights.itemsize // d)
    if (kind, d) not in _NARROW or a % run:
        run = 1
    interleaved = weights.reshape(a // run, run, count, d).transpose(0, 2, 1, 3)
    return _Stage(kind, interleaved, (a, rows, rows, d), Layout(run=run))


#: The entries of a 2 x 2 block that are weights where its diagonal is 1.
_OFF_DIAGONAL = slice(1, 3)


def _pair_weights(values: Values) -> Values:
    a, _, _, d = values.shape
    return values.reshape(a, 4, d)


def _quad_weights(kind: Kind, outer: Values, inner: Values) -> Values:
    """Interleave the weights of two factors: ``outer`` (a, 2, 2, 2d), ``inner`` (2a, 2, 2, d)."""
    a, d = outer.shape[0], inner.shape[3]
    first = inner.reshape(a, 2, 4, d)  # pair, entry
    second = outer.reshape(a, 4, 2, d).transpose(0, 2, 1, 3)  # position in the pair, entry
    if kind is Kind.UNIT_QUAD:
        first = first[:, :, _OFF_DIAGONAL]
    if kind is not Kind.QUAD:
        second = second[:, :, _OFF_DIAGONAL]
    return np.concatenate([first.reshape(a, -1, d), second.reshape(a, -1, d)], axis=1)


def _with_unit_diagonals(run: list[Values]) -> list[Values] | None:
    """Rescale all but the last factor to blocks of unit diagonals; None where that is unsafe.

    The diagonals go into the rows of the next factor. It is unsafe where one of them is zero,
    or where a ratio or what piles up comes near the ends of the dtype's range.
    """
    if len(run) == 1:
        return run
    scaled, result = run[0], []
    with np.errstate(all="ignore"):
        for values, following in pairwise(run):
            pivots = scaled[:, [0, 1], [0, 1]]
            result.append(scaled / pivots[:, None])
            if not _is_in_range(result[-1], values):
                return None
            a, _, _, d = following.shape
            scaled = following * pivots.reshape(a, 2, 1, d)
    return [*result, scaled] if _is_in_range(scaled, run[-1]) else None


def _is_in_range(scaled: Values, original: Values) -> bool:
    """Whether all entries but the zeros of before keep away from the ends of their range."""
    limit = float(np.sqrt(np.finfo(scaled.dtype).max))
    size = np.abs(scaled)
    return bool(np.all((size < limit) & ((size > 1 / limit) | (original == 0))))
