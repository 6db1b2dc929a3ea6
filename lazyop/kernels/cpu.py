"""Compiled kernels for a whole chain on NumPy arrays, by Numba. Importing this imports Numba.

Arrays are flat, with offsets counted in entries, so that one compiled function serves whatever
holds the entries: argument, result or scratch. A stage of a packed chain (`lazyop.kernels.packing`)
takes rows from its source to its destination, which may be one array where the factors are of
2 x 2 blocks. The transpose of a chain runs the transposed stages backwards over the same weights.
"""

from __future__ import annotations

from numba import njit

from lazyop.kernels import places
from lazyop.kernels.general import BY_I, BY_J, BY_ROW
from lazyop.kernels.general import general_columns as _general_columns
from lazyop.kernels.general import general_vector as _general_vector
from lazyop.kernels.jit import INNER, MERGED
from lazyop.kernels.packing import STAGE_WIDTH, Kind
from lazyop.kernels.thin_columns import high_columns as _high_columns
from lazyop.kernels.thin_columns import low_columns as _low_columns
from lazyop.kernels.thin_columns import stage_columns
from lazyop.kernels.thin_vector import high_vector as _high_vector
from lazyop.kernels.thin_vector import low_vector as _low_vector
from lazyop.kernels.thin_vector import stage_vector
from lazyop.kernels.turns import array_at, array_from, kernels, own_numbers, table_at, word

_GENERAL = int(Kind.GENERAL)


@njit(**INNER)
def _rows_of(stages, k):
    """Return how many rows a stage of 2 x 2 factors has."""
    return stages[k, 2] * stages[k, 3] * stages[k, 5]


@njit(**MERGED)
def _pairs_columns(S, s, s_ld, D, o, o_ld, W, stages, k, width, transposed, conj):
    kind, w, d, together = stages[k, 0], stages[k, 1], stages[k, 5], stages[k, 8]
    stage_columns(
        kind, S, s, 1, s_ld, D, o, 1, o_ld, W, w, d, together, _rows_of(stages, k), 1, 1, width,
        transposed, conj,
    )  # fmt: skip


@njit(**MERGED)
def _pairs_vector(S, D, W, stages, k, transposed, conj):
    kind, w, d, together = stages[k, 0], stages[k, 1], stages[k, 5], stages[k, 8]
    stage_vector(kind, S, D, 0, W, w, d, together, _rows_of(stages, k), transposed, conj)


@njit(**INNER)
def _nothing(*args):
    """Stand for the stages of 2 x 2 factors in a chain without any: they take long to compile."""


def _columns_by(pairs):
    """Make the function that runs a whole chain of any stages over tiles of columns."""

    @njit(**INNER)
    def run(
        transposed, first, stop, X, x_ld, Y, y_ld, scratch, W, stages, conj, size, columns, tile,
        parts, unit,
    ):  # fmt: skip
        # The scratch is two buffers of that size, and a panel for general factors. Each part of a
        # tile has some of the rows after every stage, so that no part waits for another.
        count = stages.shape[0]
        tiles = (columns + tile - 1) // tile
        for work in range(first, stop):
            t, part = work % tiles * tile, work // tiles
            width = min(tile, columns - t)
            S, s, s_ld = X, t, x_ld
            buffer = 0
            for n in range(count):
                k = count - 1 - n if transposed else n
                is_general = stages[k, 0] == _GENERAL
                if n > 0 and is_general:
                    buffer = size - buffer
                D, o, o_ld = scratch, buffer, tile
                if n == count - 1:
                    D, o, o_ld = Y, t, y_ld
                if is_general:
                    by = BY_ROW if n == 0 else BY_I if transposed else BY_J
                    _general_columns(
                        S, s, s_ld, D, o, o_ld, scratch, 2 * size, W, stages, k, width,
                        by if parts > 1 else BY_I, unit, part, parts, transposed, conj,
                    )  # fmt: skip
                else:
                    pairs(S, s, s_ld, D, o, o_ld, W, stages, k, width, transposed, conj)
                S, s, s_ld = D, o, o_ld

    return run


def _vector_by(pairs):
    """Make the function that runs stages of any kind over a vector, or some parts of one stage."""

    @njit(**INNER)
    def run(
        transposed, first, stop, X, _x, Y, _y, scratch, W, stages, conj, size, begin, end, parts
    ):  # fmt: skip
        # The scratch is two buffers of that size, and a panel for general factors. Stages are
        # counted as they are applied. One of 2 x 2 factors is not divided.
        count = stages.shape[0]
        buffer, other, panel = scratch, array_from(scratch, size), array_from(scratch, 2 * size)
        for part in range(first, stop):
            S, D, spare = X, buffer, other
            for n in range(begin, end):
                k = count - 1 - n if transposed else n
                is_general = stages[k, 0] == _GENERAL
                if n > begin and is_general:
                    D, spare = spare, D
                if n == end - 1:
                    D = Y
                if is_general:
                    _general_vector(S, D, panel, W, stages, k, part, parts, transposed, conj)
                elif part == 0:
                    pairs(S, D, W, stages, k, transposed, conj)
                S = D

    return run


@njit(**INNER)
def _blocks_columns(
    transposed, first, stop, X, x_ld, Y, y_ld, scratch, W, stages, conj, columns, parts
):  # fmt: skip
    """Run the only stage, of blocks of neighbouring rows, over all columns, or some parts of it."""
    for part in range(first, stop):
        _general_columns(
            X, 0, x_ld, Y, 0, y_ld, scratch, 0, W, stages, 0, columns, BY_I, 1, part, parts,
            transposed, conj,
        )  # fmt: skip


_mixed_columns, _only_general_columns = _columns_by(_pairs_columns), _columns_by(_nothing)
_mixed_vector, _only_general_vector = _vector_by(_pairs_vector), _vector_by(_nothing)

# What is called is one kernel for each body and direction. --------------------------------------


def _kernels(body, own):
    """Return the kernels of a body that takes so many numbers of its own."""

    @njit(**INNER)
    def arguments(block, seat, x, y, dtype):
        scratch = word(block, places.SCRATCH) + seat * word(block, places.SCRATCH_STEP)
        return (
            array_at(x, dtype),
            word(block, places.X_LD),
            array_at(y, dtype),
            word(block, places.Y_LD),
            array_at(scratch, dtype),
            array_at(word(block, places.WEIGHTS), dtype),
            table_at(word(block, places.STAGES), word(block, places.STAGE_COUNT), STAGE_WIDTH),
            word(block, places.CONJUGATED) != 0,
            *own_numbers(block, own),
        )

    return kernels(body, arguments)


low_vector, low_vector_transposed = _kernels(_low_vector, 2)
high_vector, high_vector_transposed = _kernels(_high_vector, 4)
low_columns, low_columns_transposed = _kernels(_low_columns, 5)
high_columns, high_columns_transposed = _kernels(_high_columns, 6)
mixed_columns, mixed_columns_transposed = _kernels(_mixed_columns, 5)
mixed_vector, mixed_vector_transposed = _kernels(_mixed_vector, 4)
general_columns, general_columns_transposed = _kernels(_only_general_columns, 5)
general_vector, general_vector_transposed = _kernels(_only_general_vector, 4)
blocks_columns, blocks_columns_transposed = _kernels(_blocks_columns, 2)
