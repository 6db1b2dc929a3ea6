"""The weights of a chain in the order in which a product reads them.

Neighbouring factors of 2 x 2 blocks whose strides double are packed two at a time, so that a
product reads its argument once for both. The columns of such a factor can be rescaled for free,
``K_l D D^-1 K_{l+1}``: with the first entry of every column made 1, which then needs no reading,
the weights are half as many. Every path through the chain keeps its product, so that the result
is the same up to one rounding for each factor, whatever the size of the ratios.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from lazyop.kernels.plan import Tiling, choose_tiling

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Values = npt.NDArray[Any]


class Kind(IntEnum):
    """What a stage is."""

    GENERAL = 0  #: one factor as it is, weights (a, b, c, d)
    PAIR = 1  #: one factor of 2 x 2 blocks, weights (a, 4, d)
    QUAD = 2  #: two such factors, weights (a, 16, d)
    UNIT_QUAD = 3  #: two such factors whose columns begin with 1, weights (a, 8, d)


@dataclass(frozen=True)
class Packed:
    """A chain ready for the compiled kernels.

    Attributes
    ----------
    stages : int64 array, shape (stages, 6)
        Kind, start of the weights, and a, b, c, d of each stage, in the order of application.
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
    def longest(self) -> int:
        """Length of the longest vector between two stages."""
        _, _, a, b, c, d = self.stages.T
        return int(max((a * b * d).max(), (a * c * d).max()))

    def tiling(self, columns: int) -> Tiling:
        """How a product with that many columns goes through the stages."""
        strides = tuple(map(int, self.stages[:, 5])) if self.is_thin else ()
        weights = self.weights
        return choose_tiling(strides, self.longest, weights.size, columns, weights.itemsize)


def pack(factors: Sequence[Values]) -> Packed:
    """Pack the values of factors, leftmost first."""
    stages: list[tuple[Kind, Values, tuple[int, ...]]] = []
    runs = _runs(factors)
    for run in runs:
        stages += _stages_of_run(run) if len(run) > 1 or _is_thin(run[0]) else _general(run[0])
    sizes = [weights.size for _, weights, _ in stages]
    starts = np.cumsum([0, *sizes[:-1]])
    table = [(kind, start, *shape) for (kind, _, shape), start in zip(stages, starts, strict=True)]
    flat = [weights.ravel() for _, weights, _ in stages]
    weights = np.concatenate(flat) if len(flat) > 1 else flat[0].view()  # one factor: no copy
    stage_table = np.array(table, dtype=np.int64)
    for array in (weights, stage_table):
        array.flags.writeable = False
    kind, _, (*_, stride) = stages[0]
    is_thin = len(runs) == 1 and kind != Kind.GENERAL and stride == 1
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


def _general(values: Values) -> list[tuple[Kind, Values, tuple[int, ...]]]:
    return [(Kind.GENERAL, values, values.shape)]


def _stages_of_run(run: list[Values]) -> list[tuple[Kind, Values, tuple[int, ...]]]:
    """Pack a run of 2 x 2 factors, in the order of application (the last factor first)."""
    unit = _with_unit_columns(run)
    is_unit = unit is not None
    factors = list(reversed(unit if unit is not None else run))
    stages: list[tuple[Kind, Values, tuple[int, ...]]] = []
    if len(factors) % 2:
        first = factors.pop(0)
        a, _, _, d = first.shape
        stages.append((Kind.PAIR, first.reshape(a, 4, d), first.shape))
    for i in range(0, len(factors), 2):
        inner, outer = factors[i], factors[i + 1]
        both_unit = is_unit and bool(stages)
        kind = Kind.UNIT_QUAD if both_unit else Kind.QUAD
        weights = _quad_weights(inner, outer, unit=both_unit)
        stages.append((kind, weights, (outer.shape[0], 4, 4, inner.shape[3])))
    return stages


def _quad_weights(inner: Values, outer: Values, *, unit: bool) -> Values:
    """Interleave the weights of two factors: ``inner`` (2a, 2, 2, d), ``outer`` (a, 2, 2, 2d)."""
    a, d = outer.shape[0], inner.shape[3]
    rows = slice(1, None) if unit else slice(None)
    # inner: pair, row, column; outer: position in the pair, row, column
    first = inner.reshape(a, 2, 2, 2, d)[:, :, rows].reshape(a, -1, d)
    second = outer.reshape(a, 2, 2, 2, d).transpose(0, 3, 1, 2, 4)[:, :, rows].reshape(a, -1, d)
    return np.concatenate([first, second], axis=1)


def _with_unit_columns(run: list[Values]) -> list[Values] | None:
    """Rescale all but the last factor to columns that begin with 1; None where that is unsafe.

    The first entries go into the rows of the next factor. It is unsafe where one of them is zero,
    or where a ratio or what piles up comes near the ends of the dtype's range.
    """
    limit = float(np.sqrt(np.finfo(run[0].dtype).max))
    scaled, result = run[0], []
    with np.errstate(all="ignore"):
        for following in run[1:]:
            pivots = scaled[:, :1]
            result.append(scaled / pivots)
            a, _, _, d = following.shape
            rows = pivots.reshape(a, 2, d)[:, :, None, :]
            scaled = following * rows
        result.append(scaled)
        for values, original in zip(result, run, strict=True):
            size = np.abs(values)
            if not bool(np.all((size < limit) & ((size > 1 / limit) | (original == 0)))):
                return None
    return result
