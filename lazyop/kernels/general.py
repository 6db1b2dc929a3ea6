"""General Kronecker-sparse factors, from one buffer to another.

Block (i, j) of a factor has b x c weights. Weight (k, l) of it lies at
``i wi + (j // u) wj + j % u + k wk + l wl``: blocks are interleaved `u` at a time, and what is the
same for all i or all j has the stride 0. The transpose swaps b and c, and wk and wl.

Every sum over l is kept in registers, of four rows and a few registers at a time over columns, and
of four rows at a time for a vector; where columns of weights lie closer than rows, eight of them
are added up at a time. The rows that one block reads lie d rows apart, which for powers of two are
few places in the cache: they are gathered into a panel first. Importing this imports Numba.
"""

from __future__ import annotations

from numba import njit

from lazyop.kernels.jit import INNER, MERGED, has_many_registers
from lazyop.kernels.lanes import (
    dot,
    lanes_of,
    load,
    load_row,
    plus_products,
    products,
    register,
    single,
    spread_row,
    store,
    store_block,
    sums,
    weight_column,
    weight_registers,
)
from lazyop.kernels.packing import PANEL_COLUMNS
from lazyop.kernels.rows import copy_rows

#: Rows of a block that are computed together.
_ROWS = 4

#: Registers of a row that are computed together, so many that sums and factors are all in
#: registers.
_REGISTERS = 4 if has_many_registers() else 3

#: Rows of a block that reach over more than this share too few places of the first-level cache.
_L1_BYTES = 1 << 15

#: Contiguous columns of a block that are added up together.
_COLUMNS = 8

#: What a part of a factor has some of.
BY_I, BY_J, BY_ROW = range(3)

# Over columns: a weight is the same for all entries of a register. ------------------------------


def _block_of_columns(rows, width):
    """Make the function that computes that many rows, of that many registers each."""

    @njit(**INNER)
    def block(D, o, o_step, S, s, s_step, W, w, wk, wl, c, conj, like):
        weights = weight_column(W, w, wk, conj, like, rows)
        y = products(weights, load_row(S, s, like, width))
        for l in range(1, c):
            weights = weight_column(W, w + l * wl, wk, conj, like, rows)
            y = plus_products(y, weights, load_row(S, s + l * s_step, like, width))
        store_block(D, o, o_step, y, rows)

    return block


def _strip_of_columns(rows, width):
    """Make the function that computes that many rows of a block, over all columns."""
    wide, triple, double, narrow = (_block_of_columns(rows, k) for k in (width, 3, 2, 1))

    @njit(**INNER)
    def strip(D, o, o_step, S, s, s_step, W, w, wk, wl, c, count, conj):
        like, one = register(S), single(S)
        step = lanes_of(like)
        registers = count // step
        rest = registers % width
        if rest == 1 and registers > width:  # single registers are slow
            rest += width
        wide_stop, stop = (registers - rest) * step, registers * step
        for t in range(0, wide_stop, width * step):
            wide(D, o + t, o_step, S, s + t, s_step, W, w, wk, wl, c, conj, like)
        t = wide_stop
        if rest in (3, 5):
            triple(D, o + t, o_step, S, s + t, s_step, W, w, wk, wl, c, conj, like)
            t += 3 * step
        while t + 2 * step <= stop:
            double(D, o + t, o_step, S, s + t, s_step, W, w, wk, wl, c, conj, like)
            t += 2 * step
        if t < stop:
            narrow(D, o + t, o_step, S, s + t, s_step, W, w, wk, wl, c, conj, like)
        for t in range(stop, count):
            narrow(D, o + t, o_step, S, s + t, s_step, W, w, wk, wl, c, conj, one)

    return strip


_rows_of_columns = _strip_of_columns(_ROWS, _REGISTERS)
_row_of_columns = _strip_of_columns(1, 4)


@njit(**INNER)
def _block_columns(
    D, o, o_step, S, s, s_step, W, w, wk, wl, first, stop, c, count, conj
):  # fmt: skip
    """Compute rows `first` to `stop` of a block."""
    whole = stop - (stop - first) % _ROWS
    for k in range(first, whole, _ROWS):
        _rows_of_columns(
            D, o + k * o_step, o_step, S, s, s_step, W, w + k * wk, wk, wl, c, count, conj
        )
    for k in range(whole, stop):
        _row_of_columns(
            D, o + k * o_step, o_step, S, s, s_step, W, w + k * wk, wk, wl, c, count, conj
        )


@njit(**INNER)
def _part(of, part, parts):
    return of * part // parts, of * (part + 1) // parts


@njit(**MERGED)
def general_columns(
    S, s, s_ld, D, o, o_ld, P, p, W, stages, n, count, by, unit, part, parts, transposed, conj
):  # fmt: skip
    """Apply the factor of stage n to `count` columns, or one of several parts of it.

    A part has some of the blocks (i, j): some of the i, or of the j of each `unit` neighbours; or
    it has some of each `unit` neighbouring rows of all blocks. Rows are `s_ld` apart, those of the
    result `o_ld`. The panel P has room from p on for the rows of one block, of `PANEL_COLUMNS` at
    least.
    """
    w, a, b, c, d = stages[n, 1], stages[n, 2], stages[n, 3], stages[n, 4], stages[n, 5]
    wi, wj, u, wk, wl = stages[n, 6], stages[n, 7], stages[n, 8], stages[n, 9], stages[n, 10]
    if transposed:
        b, c, wk, wl = c, b, wl, wk
    i_first, i_stop = _part(a, part, parts) if by == BY_I else (0, a)
    j_unit, (j_first, j_stop) = (unit, _part(unit, part, parts)) if by == BY_J else (d, (0, d))
    k_unit, (k_first, k_stop) = (unit, _part(unit, part, parts)) if by == BY_ROW else (b, (0, b))
    gathers = d > 1 and c * d * s_ld * S.itemsize > _L1_BYTES
    together = 1
    if u == 1 and wj == 0 and s_ld == count and o_ld == count:  # the same block for every j
        together = max(1, PANEL_COLUMNS // count) if gathers else j_stop - j_first
    for i in range(i_first, i_stop):
        for j_start in range(0, d, j_unit):
            for j in range(j_start + j_first, j_start + j_stop, together):
                source, at, step = S, s + (i * c * d + j) * s_ld, d * s_ld
                width = count * min(together, j_start + j_stop - j)
                if gathers:
                    copy_rows(S, at, step, P, p, width, c, width)
                    source, at, step = P, p, width
                for k in range(0, b, k_unit):
                    _block_columns(
                        D, o + (i * b * d + j) * o_ld, d * o_ld, source, at, step,
                        W, w + i * wi + j // u * wj + j % u, wk, wl, k + k_first, k + k_stop, c,
                        width, conj,
                    )  # fmt: skip


# For a vector: weights are read register by register. -------------------------------------------


def _block_of_registers(rows):
    """Make the function that computes that many rows of a register of interleaved blocks."""

    @njit(**INNER)
    def block(D, o, o_step, S, s, s_step, W, w, wk, wl, c, conj, like):
        y = products(weight_registers(W, w, wk, conj, like, rows), load_row(S, s, like, 1))
        for l in range(1, c):
            weights = weight_registers(W, w + l * wl, wk, conj, like, rows)
            y = plus_products(y, weights, load_row(S, s + l * s_step, like, 1))
        store_block(D, o, o_step, y, rows)

    return block


_interleaved_rows, _interleaved_row = _block_of_registers(_ROWS), _block_of_registers(1)


@njit(**INNER)
def _interleaved_blocks(D, o, d, S, s, s_step, W, w, wk, wl, b, c, first, stop, conj, like):
    """Apply blocks `first` to `stop` of d interleaved ones, a register of them at a time."""
    whole = b - b % _ROWS
    for k in range(0, whole, _ROWS):
        for j in range(first, stop, lanes_of(like)):
            at, row = w + k * wk + j, o + k * d + j
            _interleaved_rows(D, row, d, S, s + j, s_step, W, at, wk, wl, c, conj, like)
    for k in range(whole, b):
        for j in range(first, stop, lanes_of(like)):
            at, row = w + k * wk + j, o + k * d + j
            _interleaved_row(D, row, d, S, s + j, s_step, W, at, wk, wl, c, conj, like)


def _registers_added(count):
    """Make the function that adds multiples of that many columns of interleaved blocks.

    The entries of the argument lie side by side, a register for each column.
    """

    @njit(**INNER)
    def add(D, o, o_step, S, s, W, w, wk, wl, b, is_first, conj, like):
        x = load_row(S, s, like, count)
        for k in range(b):
            y = dot(weight_registers(W, w + k * wk, wl, conj, like, count), x)
            at = o + k * o_step
            store(D, at, y if is_first else y + load(D, at, like))

    return add


_some_registers_added, _register_added = _registers_added(_COLUMNS), _registers_added(1)


@njit(**INNER)
def _combination_of_registers(D, o, o_step, S, s, W, w, wk, wl, b, c, conj, like):
    """Apply a register of interleaved blocks whose columns lie closer than their rows."""
    head = c % _COLUMNS
    step = lanes_of(like)
    for l in range(head):
        _register_added(D, o, o_step, S, s + l * step, W, w + l * wl, wk, wl, b, l == 0, conj, like)
    for l in range(head, c, _COLUMNS):
        _some_registers_added(
            D, o, o_step, S, s + l * step, W, w + l * wl, wk, wl, b, l == 0, conj, like
        )


def _columns_added(count):
    """Make the function that adds multiples of that many columns to results, or begins them."""

    @njit(**INNER)
    def add(D, o, S, s, W, w, wl, first, stop, is_first, conj, like):
        x = spread_row(S, s, like, count)
        for k in range(first, stop, lanes_of(like)):
            y = dot(weight_registers(W, w + k, wl, conj, like, count), x)
            store(D, o + k, y if is_first else y + load(D, o + k, like))

    return add


_some_columns_added, _column_added = _columns_added(_COLUMNS), _columns_added(1)


@njit(**INNER)
def _combination_of_columns(D, o, S, s, W, w, wl, b, c, conj):
    """Apply one block whose columns are contiguous: add up multiples of them."""
    like, one = register(S), single(S)
    whole, head = b - b % lanes_of(like), c % _COLUMNS
    for l in range(head):
        v = w + l * wl
        _column_added(D, o, S, s + l, W, v, wl, 0, whole, l == 0, conj, like)
        _column_added(D, o, S, s + l, W, v, wl, whole, b, l == 0, conj, one)
    for l in range(head, c, _COLUMNS):
        v = w + l * wl
        _some_columns_added(D, o, S, s + l, W, v, wl, 0, whole, l == 0, conj, like)
        _some_columns_added(D, o, S, s + l, W, v, wl, whole, b, l == 0, conj, one)


def _dots_of(rows):
    """Make the function that computes that many inner products of contiguous rows."""
    few = _block_of_registers(rows)

    @njit(**INNER)
    def dots(D, o, S, s, W, w, wk, c, conj):
        like, one = register(S), single(S)
        step = lanes_of(like)
        whole = c - c % step
        if whole == 0:
            few(D, o, 1, S, s, 1, W, w, wk, 1, c, conj, one)
            return
        y = products(weight_registers(W, w, wk, conj, like, rows), load_row(S, s, like, 1))
        for l in range(step, whole, step):
            weights = weight_registers(W, w + l, wk, conj, like, rows)
            y = plus_products(y, weights, load_row(S, s + l, like, 1))
        z = sums(y)
        for l in range(whole, c):
            weights = weight_registers(W, w + l, wk, conj, one, rows)
            z = plus_products(z, weights, load_row(S, s + l, one, 1))
        store_block(D, o, 1, z, rows)

    return dots


_dots, _dot = _dots_of(_ROWS), _dots_of(1)


@njit(**INNER)
def _block_of_rows(D, o, S, s, W, w, wk, b, c, conj):
    """Apply one block whose rows are contiguous."""
    whole = b - b % _ROWS
    for k in range(0, whole, _ROWS):
        _dots(D, o + k, S, s, W, w + k * wk, wk, c, conj)
    for k in range(whole, b):
        _dot(D, o + k, S, s, W, w + k * wk, wk, c, conj)


@njit(**INNER)
def _matrix_products(S, D, W, w, a, b, c, d, wi, wk, wl, part, parts, conj):
    """Apply blocks that are the same for all i, or for all j: the argument is seen as a matrix."""
    if d == 1:  # one block, with contiguous columns, from the right
        first, stop = _part(a, part, parts)
        runs, o, o_step, rows, count = 1, first * b, b, stop - first, b
        M, m, m_step, V, v, vk, vl = W, w, wl, S, first * c, c, 1
    else:
        runs, o, o_step, rows, count = a if part == 0 else 0, 0, d, b, d
        M, m, m_step, V, v, vk, vl = S, 0, d, W, w, wk, wl
    for i in range(runs):
        _block_columns(
            D, o + i * b * d, o_step, M, m + i * c * d, m_step, V, v + i * wi, vk, vl,
            0, rows, c, count, conj,
        )  # fmt: skip


@njit(**MERGED)
def general_vector(S, D, P, W, stages, n, part, parts, transposed, conj):
    """Apply one of several parts of the factor of stage n to a vector.

    The panel P has room for the rows of one run of interleaved blocks.
    """
    w, a, b, c, d = stages[n, 1], stages[n, 2], stages[n, 3], stages[n, 4], stages[n, 5]
    wi, wj, u, wk, wl = stages[n, 6], stages[n, 7], stages[n, 8], stages[n, 9], stages[n, 10]
    if transposed:
        b, c, wk, wl = c, b, wl, wk
    if u == 1 and (d > 1 or (wi == 0 and wk == 1 and not conj)):
        _matrix_products(S, D, W, w, a, b, c, d, wi, wk, wl, part, parts, conj)
        return
    like, one = register(S), single(S)
    whole = u - u % lanes_of(like)
    runs = d // u
    first_unit, stop_unit = _part(a * runs, part, parts)
    for unit in range(first_unit, stop_unit):
        i, j = unit // runs, unit % runs * u
        o, s, v = i * b * d + j, i * c * d + j, w + i * wi + unit % runs * wj
        if d == 1 and wl == 1:
            _block_of_rows(D, o, S, s, W, v, wk, b, c, conj)
        elif d == 1:
            _combination_of_columns(D, o, S, s, W, v, wl, b, c, conj)
        else:
            source, step = S, d
            if u < d:
                copy_rows(S, s, d, P, 0, u, c, u)
                source, s, step = P, 0, u
            if step == lanes_of(like) and wk < wl:
                _combination_of_registers(D, o, d, source, s, W, v, wk, wl, b, c, conj, like)
                continue
            _interleaved_blocks(D, o, d, source, s, step, W, v, wk, wl, b, c, 0, whole, conj, like)
            _interleaved_blocks(D, o, d, source, s, step, W, v, wk, wl, b, c, whole, u, conj, one)
