r"""One pair of long real vectors: the best scaling, in a time that grows with m log m.

While :math:`\lambda` grows from 1 to 2, the entries of :math:`\mathrm{round}(\lambda x)` change one
at a time, at the breakpoints. So the inner products that the error is made of are cumulative sums
over the sorted breakpoints, and those of the other vector are looked up in its own sums, at the
scaling that fits best.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lazyop.quantization.matches import Reals, Side, errors_of, first_of_least, matched
from lazyop.quantization.scalings import breakpoints, simple_scalings
from lazyop.quantization.significands import round_significand

__all__ = ["best_scaling"]

#: Candidates that are compared again, free of the rounding errors of long sums.
_FINALISTS = 64


def best_scaling(left: Side, right: Side | None, bits: int) -> float:
    """Scaling of a vector that leads to the best pair, or, without a partner, the least angle.

    Parameters
    ----------
    left, right : Side
        One real vector each; `right` may be None.
    bits : int
        Significand bits.

    Returns
    -------
    float
        From 1 to 2.
    """
    steps = _Steps.of(left, bits)
    if steps.points.size == 0:
        return 1.0
    product, square = steps.products, steps.squares
    if right is None:
        costs = -(product**2) / square
    else:
        partner = _Steps.of(right, bits)
        product_y, square_y = partner.at(product / square)
        costs = square * square_y - 2 * product * product_y
    count = min(_FINALISTS, costs.size)
    finalists = np.sort(np.argpartition(costs, count - 1)[:count])
    simple = simple_scalings(left.vectors, bits)
    scalings = np.concatenate([simple[0], steps.between(finalists)])
    return float(scalings[first_of_least(_errors(scalings, left, right, bits)[None])[0]])


def _errors(scalings: Reals, left: Side, right: Side | None, bits: int) -> Reals:
    match = matched(left, round_significand(scalings[:, None] * left.vectors, bits))
    if right is None:
        return match.angle
    y_hat = round_significand(match.partner_scale[:, None] * right.vectors, bits)
    return errors_of(match, matched(right, y_hat))


@dataclass(frozen=True)
class _Steps:
    r"""Inner products of all :math:`\mathrm{round}(\lambda x)`, :math:`1 \le \lambda < 2`.

    Before the first of the sorted breakpoints, after each of them, and so on, `products` holds
    the inner product with `x`, and `squares` the squared norm.
    """

    points: Reals
    products: Reals
    squares: Reals

    @classmethod
    def of(cls, side: Side, bits: int) -> _Steps:
        used = (side.vectors[0] != 0) & (side.weights[0] > 0)
        x, w = np.abs(side.vectors[0, used])[:, None], side.weights[0, used][:, None]
        points = breakpoints(x[:, 0], bits)
        # With one bit more, the number halfway is the nearest of all.
        middle = round_significand(points * x, bits + 1)
        half = np.ldexp(0.5, np.frexp(middle)[1] - bits)
        first = middle - half
        start = np.min(first, axis=1, keepdims=True) if x.size else x
        order = np.argsort(points, axis=None)
        products, squares = (w * x * 2 * half).ravel(), (w * 4 * middle * half).ravel()
        return cls(
            points.ravel()[order],
            np.cumsum(np.concatenate([[np.sum(w * x * start)], products[order]])),
            np.cumsum(np.concatenate([[np.sum(w * start**2)], squares[order]])),
        )

    def at(self, scalings: Reals) -> tuple[Reals, Reals]:
        """Product and square for positive scalings of any size."""
        significand, exponent = np.frexp(scalings)
        place = np.searchsorted(self.points, 2 * significand)
        shift = np.ldexp(1.0, exponent - 1)
        return self.products[place] * shift, self.squares[place] * shift**2

    def between(self, places: npt.NDArray[np.intp]) -> Reals:
        """Scalings in the middle between breakpoints."""
        ends = np.concatenate([[1.0], self.points, [2.0]])
        return np.asarray((ends[places] + ends[places + 1]) / 2)
