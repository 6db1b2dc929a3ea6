r"""The normal form of a chain: what free scalings don't determine, and no more, in few bits.

Between two factors stands any invertible diagonal matrix and its inverse. So one entry of every
column can be made 1, and need not be kept: a dyadic chain of order `n` has
:math:`n (\log_2 n + 1)` degrees of freedom, and :math:`2 n \log_2 n` entries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lazyop.butterfly.chain import Chain
from lazyop.butterfly.pattern import Pattern
from lazyop.quantization.balance import balanced
from lazyop.quantization.bits import Bytes
from lazyop.quantization.by_energy import ByEnergy
from lazyop.quantization.codings import (
    Coding,
    Directions,
    Floats,
    Ratios,
    Rows,
    as_multiples,
)
from lazyop.quantization.disjoint import transposed
from lazyop.quantization.errors import relative_error
from lazyop.quantization.factorwise import Factorwise, pack_factorwise
from lazyop.quantization.formats import FloatFormat
from lazyop.quantization.packed import PackedButterfly, head
from lazyop.quantization.ranges import times_power
from lazyop.quantization.writing import pack_by_energy, with_unit_columns

__all__ = ["WIDTHS", "NormalForm", "normal_form"]

Values = npt.NDArray[Any]
Reals = npt.NDArray[np.float64]

#: What has a width of its own.
WIDTHS = ("number", "factor")

#: From this order on, products are to be as fast as they can be rather than the weights few.
_LARGE = 1 << 14

#: How close the fineness of numbers of own widths comes to the one that just meets an error.
_CLOSE = 0.005

#: The least and the largest fineness: what is beyond, double precision does not tell apart.
_COARSEST, _FINEST, _MOST_BITS = -2.0, 44.0, 46

#: By how much fewer exponents may add to the squared error of the last factor.
_HARDLY_MORE = 1.05

#: By how much the numbers that a row is kept as may exceed its entries, with what rounding adds.
_ROOM = 4.0

#: From a fineness to bytes.
Packing = Callable[[float], Bytes]


class NormalForm(NamedTuple):
    """What `normal_form` returns.

    Attributes
    ----------
    operator : PackedButterfly
        The product.
    relative_error : float
        Frobenius norm of its difference from the exact product, by the norm of that.
    unit : list of arrays
        Entries of its factors, in the direction in which they chain, and without the power of two
        that `balanced` takes out of the product.
    """

    operator: PackedButterfly
    relative_error: float
    unit: list[Values]


def normal_form(
    factors: Sequence[Values],
    dtype: npt.DTypeLike,
    *,
    tol: float | None = None,
    bits: float | None = None,
    widths: str | None = None,
) -> NormalForm:
    r"""Quantize a chain in normal form, to a relative error or to a size.

    With ``widths="factor"``, the largest entry of every column of all factors but the last is made
    1 and left out. Kept are its place, the ratios of the other entries to it, as fixed-point
    numbers of as many bits for all columns of a factor, and the entries of the last factor, as
    floating-point numbers. Of columns of two real entries, absolute values have the sum 1 instead,
    and one fixed-point number is kept; of the last factor's rows, where they have two, one such
    number and a floating-point one. Compiled products read such weights directly.

    With ``widths="number"``, for square dyadic chains, columns have unit norm instead. Then an
    error in the direction of a column counts by the norm of a row of the product of all factors
    after it. Each direction has as many bits as this norm wants, which a reader finds in the
    factors read so far; so do the norms, signs and directions of the last factor's rows. This takes
    1 to 1.5 bits less for each weight, and more time to read.

    Parameters
    ----------
    factors : sequence of arrays (a, b, c, d)
        Finite values in double precision, leftmost first, that chain from left to right or from
        right to left.
    dtype : dtype
        Of the result: float32, float64, complex64 or complex128.
    tol : float, optional
        Relative error, in the Frobenius norm, to stay below with as few bits as are found.
    bits : float, optional
        Bits for each entry of the factors to stay below with as small an error as is found; all
        that is held counts. One of the two is to be given.
    widths : {"number", "factor"}, optional
        By default "number" for square dyadic chains of order less than 2**14, else "factor".

    Returns
    -------
    NormalForm

    Raises
    ------
    ValueError
        If not one of `tol` and `bits` is given, it is not positive, or can't be met in double
        precision; or if the chain has no widths of that kind.
    """
    if (tol is None) == (bits is None):
        raise ValueError("the normal form takes a relative error or a number of bits, one of them")
    goal = tol if tol is not None else bits
    if goal is None or not 0 < goal < np.inf:
        raise ValueError(f"expected a positive number, got {goal}")
    turned = not Chain([values.shape for values in factors]).chainable
    ordered = transposed(factors) if turned else list(factors)
    exact, _, power = balanced(ordered)
    pack, close = _packing(exact, power, np.dtype(dtype), widths)

    def read(data: Bytes) -> list[Values]:
        *others, last = (v.astype(exact[0].dtype) for v in PackedButterfly(data).values())
        return [*others, times_power(last, -power)]

    def error(data: Bytes) -> float:
        return relative_error([exact], [read(data)])

    if tol is not None:
        found = _coarsest(pack, error, tol, close)
    else:
        weights = sum(values.size for values in factors)
        found = _finest(pack, goal, weights, close)
    return NormalForm(PackedButterfly(found, _transposed=turned), error(found), read(found))


def _packing(
    factors: Sequence[Values], power: int, dtype: np.dtype[Any], widths: str | None
) -> tuple[Packing, float]:
    """Return what packs the factors, times a power of two, for a fineness: one more halves errors.

    The second value is a difference of fineness that makes hardly any of bits.

    Raises
    ------
    ValueError
        If the chain has no such widths.
    """
    chain = Chain([values.shape for values in factors])
    size = chain.shape[0]
    dyadic = chain.shape == (1 << len(chain),) * 2 and chain == Chain.square_dyadic(size)
    if widths not in (None, *WIDTHS):
        raise ValueError(f"unknown widths {widths!r}; known are {', '.join(WIDTHS)}")
    if widths == "number" and not dyadic:
        raise ValueError(f"widths for each number are for square dyadic chains alone, not {chain}")
    if widths == "factor" or not dyadic or (widths is None and size >= _LARGE):
        # Widths change at multiples of this and a little less.
        return lambda f: _pack_by_factor(factors, power, dtype, f), 1 / (2 * len(factors))
    unit = with_unit_columns(factors)
    _check_range(times_power(unit[-1], power), dtype)
    norm = float(np.linalg.norm(unit[-1])) or 1.0
    start = head(ByEnergy, dtype)

    def pack(fineness: float) -> Bytes:
        step = norm / size**0.5 * 2.0**-fineness
        return pack_by_energy(unit, step, start, power=power)

    return pack, _CLOSE


def _check_range(last: Values, dtype: np.dtype[Any], room: float = 1.0) -> None:
    if not np.abs(last).max() <= np.finfo(dtype).max / room:
        raise ValueError(
            f"in normal form, entries of the last factor leave the range of {dtype}: scale the "
            "factors, or take a wider dtype"
        )


def _pack_by_factor(
    factors: Sequence[Values], power: int, dtype: np.dtype[Any], fineness: float
) -> Bytes:
    """Pack columns up to their scales: one width a factor, for equal errors of each bit.

    What rounding leaves of a column's scale, and sign, goes to the row of the next factor.
    """
    codings: list[Coding] = []
    quantized: list[Values] = []
    values, sizes = factors[0], np.ones(())
    for k in range(len(factors) - 1):
        b = values.shape[1]
        # Factors go to the next width one after the other.
        spread = fineness + (k + 1) / len(factors)
        coding: Coding
        if b == 2 and values.dtype.kind != "c":
            coding = Directions(_between(1, spread + 1))
        else:
            coding = Ratios(_between(2, spread - np.log2((b + 2) / 4) / 2))
        columns = coding.decode(
            coding.encode(_with_largest_one(values)), Pattern(*values.shape), values.dtype
        )
        weighted = np.conj(columns) * sizes
        sizes = np.sum(np.abs(columns) ** 2 * sizes, axis=1)
        scale = np.sum(weighted * values, axis=1) / sizes
        codings.append(coding)
        quantized.append(columns.astype(dtype))
        a, b, _, d = factors[k + 1].shape
        values = factors[k + 1] * scale.reshape(a, b, 1, d)
        sizes = sizes.reshape(a, b, 1, d)
    values = times_power(values, power)
    _check_range(values, dtype, _ROOM)
    values = values.astype(dtype)
    codings.append(_last_coding(values, sizes, fineness))
    return pack_factorwise([*quantized, values], codings, head(Factorwise, dtype))


def _last_coding(values: Values, weights: Reals, fineness: float) -> Coding:
    """Return the coding of the last factor; errors of its rows have weights."""
    if values.shape[2] != 2 or values.dtype.kind == "c":
        return Floats(_narrowest(values, weights, _between(1, fineness - 0.75)))
    along = _between(1, fineness + 2)
    _, numbers = as_multiples(values[:, :, 0], values[:, :, 1], along)
    return Rows(along, _narrowest(numbers[:, :, None], weights, _between(1, fineness + 0.25)))


def _with_largest_one(values: Values) -> Values:
    """Return columns whose largest entry is 1; one of zeros becomes the first unit vector."""
    place = np.abs(values).argmax(axis=1)[:, None]
    largest = np.take_along_axis(values, place, axis=1)
    scaled = values / np.where(largest == 0, 1, largest)
    np.put_along_axis(scaled, place, 1, axis=1)  # complex division may be off by one rounding
    return scaled


def _between(least: int, width: float) -> int:
    return int(min(max(np.floor(width), least), _MOST_BITS))


def _narrowest(values: Values, weights: Reals, significand: int) -> FloatFormat:
    """Return the format with the fewest exponents that costs hardly more than unbounded ones."""
    unbounded = FloatFormat(significand)
    parts = np.stack([values.real, values.imag]) if values.dtype.kind == "c" else values[None]
    rounded = unbounded.round(parts)
    top = int(np.frexp(np.abs(rounded).max())[1]) - 1

    def error(rounded: Values) -> float:
        return float(np.sum(np.ldexp(rounded - parts, -top) ** 2 * weights))

    least = error(rounded)
    most_bias = 1076 - significand  # its smallest number is that of double precision
    for width in range(1, 11):
        bias = min(2**width - 1 - top, most_bias)
        form = FloatFormat(significand, width, bias=bias, specials="none")
        if error(form.round(parts)) <= _HARDLY_MORE * least:
            break
    return form


def _coarsest(pack: Packing, error: Callable[[Bytes], float], tol: float, close: float) -> Bytes:
    """Return what packs the factors with the fewest bits for an error of at most `tol`."""
    fails, meets, best = _COARSEST, np.inf, None
    fineness, smallest = max(-float(np.log2(tol)), fails), np.inf
    while meets - fails > close and fails < _FINEST:
        data = pack(fineness)
        found = error(data)
        smallest = min(smallest, found)
        if found <= tol:
            meets, best = fineness, data
        else:
            fails = fineness
        step = np.log2(found / tol) if found > 0 else -1.0
        guess = fineness + step + close / 2
        if not fails < guess < meets or meets - fails < 8 * close:
            guess = (fails + meets) / 2 if meets < np.inf else fails + 1
        fineness = min(guess, _FINEST)
    if best is None:
        raise ValueError(
            f"the relative error {tol} can't be met: {smallest:.3g} is the least that was found"
        )
    return best


def _finest(pack: Packing, bits: float, weights: int, close: float) -> Bytes:
    """Return what packs so many weights with the least error in at most so many bits for each."""
    fits, exceeds = _COARSEST, _FINEST
    best = pack(fits)
    most = bits * weights / 8
    if best.size > most:
        raise ValueError(
            f"{bits} bits for each entry are too few for these factors: "
            f"{8 * best.size / weights:.3g} is the least"
        )
    while exceeds - fits > close:
        fineness = (fits + exceeds) / 2
        data = pack(fineness)
        if data.size <= most:
            fits, best = fineness, data
        else:
            exceeds = fineness
    return best
