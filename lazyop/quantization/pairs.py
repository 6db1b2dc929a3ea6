r"""Many rank-one matrices at once: the scalings under which rounded vectors multiply best.

For vectors `x` and `y`, the best pair of vectors of `t`-bit numbers is
:math:`\hat x = \mathrm{round}(\lambda x)`, :math:`\hat y = \mathrm{round}(\mu y)` with
:math:`\mu = \langle \hat x, x\rangle / \|\hat x\|^2`, for some :math:`\lambda`: for a fixed
:math:`\hat x` the error is, up to a constant, :math:`\|\hat x\|^2 \|\mu y - \hat y\|^2`, and the
same holds with the vectors swapped. As numbers stay `t`-bit numbers when multiplied by powers of
two, :math:`1 \le \lambda < 2` is enough; in the complex case, by powers of :math:`i` too,
:math:`1 \le |\lambda| < 2` and a quarter turn. All of this holds with positive weights in the inner
products.

Exponents are unbounded here, and products are :math:`x y^T`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np

from lazyop.kernels.plan import has_compiled
from lazyop.quantization.long_pairs import best_scaling
from lazyop.quantization.matches import (
    Match,
    Reals,
    Side,
    Values,
    errors_of,
    first_of_least,
    matched,
    quotient,
    square,
)
from lazyop.quantization.scalings import (
    all_scalings,
    number_of_scalings,
    round_to,
    usual_sample,
)

__all__ = ["quantized_pairs", "quantized_vectors"]

#: Numbers per array of candidates: a dozen such arrays stay in a core's second-level cache.
_CHUNK = 1 << 13

#: The same for compiled code, which goes on in small blocks, and the fewest numbers that are worth
#: the time that it takes to load.
_LARGE_CHUNK, _WORTH_COMPILED = 1 << 17, 1 << 20

#: Squared errors of all pairs under all scalings, for so many bits.
Comparison: TypeAlias = Callable[[Side, "Side | None", Values, int], Reals]

#: Longer real vectors are scanned one by one, in a time that grows with m log m and not with m^2,
#: unless rounding all entries for all scalings takes so few operations that calls cost more.
_SHORT, _FEW = 12, 1 << 15


def quantized_pairs(
    left: Side, right: Side, bits: int, sample: int | None = None
) -> tuple[Values, Values]:
    """Best pairs of vectors of numbers with so many significand bits.

    Parameters
    ----------
    left, right : Side
        Shapes `(count, m)` and `(count, n)`. Real vectors get the optimum, complex ones the best
        of many scalings.
    bits : int
    sample : int, optional
        How many scalings of a complex vector are tried.

    Returns
    -------
    x_hat, y_hat : arrays, shapes (count, m) and (count, n)
        Both zero where one of the vectors is.
    """
    if right.length < left.length:
        y_hat, x_hat = quantized_pairs(right, left, bits, sample)
        return x_hat, y_hat
    x_hat = round_to(_best_scalings(left, right, bits, sample)[:, None] * left.vectors, bits)
    scale = matched(left, x_hat).partner_scale
    y_hat = round_to(scale[:, None] * right.vectors, bits)
    zero = (left.sizes() == 0) | (right.sizes() == 0)
    x_hat[zero], y_hat[zero] = 0, 0
    return x_hat, y_hat


def quantized_vectors(side: Side, bits: int) -> Values:
    """Vectors of numbers with so many significand bits, as parallel to those given as can be.

    Parameters
    ----------
    side : Side
    bits : int

    Returns
    -------
    array, shape (count, m)
    """
    return round_to(_best_scalings(side, None, bits, None)[:, None] * side.vectors, bits)


def _best_scalings(left: Side, right: Side | None, bits: int, sample: int | None) -> Values:
    dtype, sample = left.vectors.dtype, sample or usual_sample(bits)
    best = np.ones(left.count, dtype=dtype)
    if dtype.kind != "c" and _is_long(left, right, bits):
        for i in range(left.count):
            best[i] = best_scaling(left[i : i + 1], right and right[i : i + 1], bits)
        return best
    candidates = number_of_scalings(left.length, bits, sample, dtype)
    compare, most = _errors, _CHUNK
    if dtype.kind == "c" and left.count * candidates >= _WORTH_COMPILED and has_compiled():
        compare, most = _errors_compiled, _LARGE_CHUNK
    for part in _parts(left.count, candidates, most):
        best[part] = _best_of(left[part], right and right[part], bits, sample, compare)
    return best


def _is_long(left: Side, right: Side | None, bits: int) -> bool:
    entries = left.length + (0 if right is None else right.length)
    return left.length > _SHORT and left.length * entries << (bits - 1) > _FEW


def _parts(count: int, candidates: int, most: int) -> Iterator[slice]:
    depth = max(1, most // candidates)
    for start in range(0, count, depth):
        yield slice(start, start + depth)


def _best_of(left: Side, right: Side | None, bits: int, sample: int, compare: Comparison) -> Values:
    """For each pair, the scaling with the least error among all candidates."""
    scalings = all_scalings(left.vectors, bits, sample)
    errors = compare(left, right, scalings, bits)
    return np.asarray(np.take_along_axis(scalings, first_of_least(errors)[:, None], axis=1)[:, 0])


def _errors(left: Side, right: Side | None, scalings: Values, bits: int) -> Reals:
    """Squared errors, up to a factor for each pair, shape `(count, candidates)`."""
    match = _matched(left, scalings, bits)
    if right is None:
        return match.angle
    return errors_of(match, _matched(right, match.partner_scale, bits))


def _errors_compiled(left: Side, right: Side | None, scalings: Values, bits: int) -> Reals:
    """The same by code that Numba compiles, for complex vectors."""
    from lazyop.quantization.compiled import errors

    none = Side(np.zeros((left.count, 0), complex), np.zeros((left.count, 0)))
    found = np.empty(scalings.shape)
    errors(
        _two_parts(scalings),
        *_parts_and_weights(left),
        *_parts_and_weights(right or none),
        2.0 ** (53 - bits) + 1,
        found,
    )
    return found


def _parts_and_weights(side: Side) -> tuple[Reals, Reals]:
    weights = quotient(side.weights, side.sizes()[:, None])
    return _two_parts(side.vectors), np.ascontiguousarray(weights)


def _two_parts(x: Values) -> Reals:
    return np.stack([x.real, x.imag])


def _matched(side: Side, scalings: Values, bits: int) -> Match:
    """How rounded multiples of each vector lie to it, entry by entry: vectors are short."""
    x, w = side.vectors, quotient(side.weights, side.sizes()[:, None])
    weighted = w * np.conj(x)
    entries = [round_to(scalings * x[:, k, None], bits) for k in range(side.length)]
    a = np.zeros_like(scalings)
    for k, entry in enumerate(entries):
        a += weighted[:, k, None] * entry
    residual = np.zeros(scalings.shape)
    for k, entry in enumerate(entries):
        residual += w[:, k, None] * square(entry - a * x[:, k, None])
    return Match(a, residual)
