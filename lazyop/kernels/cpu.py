"""Compiled kernels for a whole chain on NumPy arrays, by Numba. Importing this imports Numba.

Arrays come flat, with offsets counted in entries, so that one compiled function serves whatever
holds the entries: argument, result or scratch. A stage of a packed chain (`lazyop.kernels.packing`)
takes rows from its source to its destination, which may be one array where the factors are of
2 x 2 blocks. The transpose of a chain runs the transposed stages backwards over the same weights.
"""

from __future__ import annotations

from numba import njit

from lazyop.kernels.general import general_columns as _general_columns
from lazyop.kernels.general import general_vector as _general_vector
from lazyop.kernels.jit import INNER, MERGED, compiled
from lazyop.kernels.packing import Kind
from lazyop.kernels.thin_columns import high_columns as _high_columns
from lazyop.kernels.thin_columns import low_columns as _low_columns
from lazyop.kernels.thin_columns import stage_columns
from lazyop.kernels.thin_vector import high_vector as _high_vector
from lazyop.kernels.thin_vector import low_vector as _low_vector
from lazyop.kernels.thin_vector import stage_vector

_GENERAL = int(Kind.GENERAL)


@njit(**INNER)
def _rows_of(stages, k):
    """Return how many rows a stage of 2 x 2 factors has."""
    return stages[k, 2] * stages[k, 3] * stages[k, 5]


@njit(**MERGED)
def _pairs_columns(S, s, s_ld, D, o, o_ld, W, stages, k, width, transposed, conj):
    kind, w, d, rows = stages[k, 0], stages[k, 1], stages[k, 5], _rows_of(stages, k)
    stage_columns(kind, S, s, 1, s_ld, D, o, 1, o_ld, W, w, d, rows, 1, 1, width, transposed, conj)


@njit(**MERGED)
def _pairs_vector(S, D, W, stages, k, transposed, conj):
    kind, w, d, rows = stages[k, 0], stages[k, 1], stages[k, 5], _rows_of(stages, k)
    stage_vector(kind, S, D, 0, W, w, d, rows, d, d, transposed, conj)


@njit(**INNER)
def _nothing(*args):
    """Stand for the stages of 2 x 2 factors in a chain without any: they take long to compile."""


def _columns_by(pairs):
    """Make the function that runs a whole chain of any stages over tiles of columns."""

    @njit(**INNER)
    def run(
        transposed, X, x_ld, Y, y_ld, scratch, size, W, stages, columns, tile, first, stop, conj
    ):  # fmt: skip
        # The scratch is two buffers of that size, and a panel for general factors.
        count = stages.shape[0]
        for unit in range(first, stop):
            t = unit * tile
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
                    _general_columns(
                        S, s, s_ld, D, o, o_ld, scratch, 2 * size, W, stages, k, width,
                        transposed, conj,
                    )  # fmt: skip
                else:
                    pairs(S, s, s_ld, D, o, o_ld, W, stages, k, width, transposed, conj)
                S, s, s_ld = D, o, o_ld

    return run


def _vector_by(pairs):
    """Make the function that runs stages of any kind over a vector, or one part of one stage."""

    @njit(**INNER)
    def run(transposed, X, Y, first, second, panel, W, stages, begin, end, part, parts, conj):
        # Stages are counted as they are applied. One of 2 x 2 factors is not divided.
        count = stages.shape[0]
        S, D, other = X, first, second
        for n in range(begin, end):
            k = count - 1 - n if transposed else n
            is_general = stages[k, 0] == _GENERAL
            if n > begin and is_general:
                D, other = other, D
            if n == end - 1:
                D = Y
            if is_general:
                _general_vector(S, D, panel, W, stages, k, part, parts, transposed, conj)
            elif part == 0:
                pairs(S, D, W, stages, k, transposed, conj)
            S = D

    return run


_mixed_columns, _only_general_columns = _columns_by(_pairs_columns), _columns_by(_nothing)
_mixed_vector, _only_general_vector = _vector_by(_pairs_vector), _vector_by(_nothing)

# What is called from Python is one compiled function for each body and direction. ---------------


@compiled
def low_vector(*args):
    _low_vector(False, *args)


@compiled
def low_vector_transposed(*args):
    _low_vector(True, *args)


@compiled
def high_vector(*args):
    _high_vector(False, *args)


@compiled
def high_vector_transposed(*args):
    _high_vector(True, *args)


@compiled
def low_columns(*args):
    _low_columns(False, *args)


@compiled
def low_columns_transposed(*args):
    _low_columns(True, *args)


@compiled
def high_columns(*args):
    _high_columns(False, *args)


@compiled
def high_columns_transposed(*args):
    _high_columns(True, *args)


@compiled
def mixed_columns(*args):
    _mixed_columns(False, *args)


@compiled
def mixed_columns_transposed(*args):
    _mixed_columns(True, *args)


@compiled
def mixed_vector(*args):
    _mixed_vector(False, *args)


@compiled
def mixed_vector_transposed(*args):
    _mixed_vector(True, *args)


@compiled
def general_columns(*args):
    _only_general_columns(False, *args)


@compiled
def general_columns_transposed(*args):
    _only_general_columns(True, *args)


@compiled
def general_vector(*args):
    _only_general_vector(False, *args)


@compiled
def general_vector_transposed(*args):
    _only_general_vector(True, *args)
