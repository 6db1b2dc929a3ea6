r"""Sums over the paths through a network: their norm, and each entry's part in it.

A path begins at an input or a bias, goes through one entry of each layer after it, and ends at an
output; its value is the product of what it goes through. Sums over all paths are products of
matrices of magnitudes, and take one pass forward, and one back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lazyop.algebra.composite import Product, Scaled
from lazyop.butterfly.operator import Butterfly
from lazyop.namespaces import Array, like, namespace_of, to_numpy
from lazyop.operator import LazyOperator
from lazyop.rescale.entries import (
    entry_arrays,
    is_leaf,
    largest,
    magnitude,
    magnitudes,
    mapped,
    scored_form,
)
from lazyop.rescale.layers import Layer, as_layers
from lazyop.rescale.sensitivity import sensitivities

__all__ = ["path_norm", "path_scores", "scored"]


@dataclass(frozen=True)
class _Ranged:
    """A nonnegative array times a power of two, whose exponent need not be whole."""

    mantissa: Array
    exponent: float

    def settled(self) -> _Ranged:
        """Return the same with a largest mantissa near 1."""
        shift = _exponent(self.mantissa)
        return _Ranged(self.mantissa * 2.0**-shift, self.exponent + shift)

    def plus(self, other: _Ranged) -> _Ranged:
        """Add another of the same shape."""
        low, high = sorted((self, other), key=lambda x: x.exponent)
        if not largest(high.mantissa):  # whose exponent says nothing
            return low
        mantissa = high.mantissa + low.mantissa * 2.0 ** (low.exponent - high.exponent)
        return _Ranged(mantissa, high.exponent).settled()


def _exponent(x: Array) -> int:
    """Return the exponent of the largest of nonnegative numbers, 0 where there is none."""
    return min(max(math.frexp(largest(x))[1], -1000), 1000)


def path_norm(layers: Any, q: float = 1, *, log: bool = False) -> float:
    r"""Return the norm of all paths through a network of linear layers and ReLUs.

    .. math:: \Bigl(\sum_{\text{paths}} \; \prod_{w \text{ on the path}} |w|^q\Bigr)^{1/q}

    Rescaling, as in `balance`, does not change it. For `q = 1` it bounds how much outputs change:
    :math:`\|f(x) - f(y)\|_1 \le \|\Phi\|_1 \, \|x - y\|_\infty` [1]_.

    Parameters
    ----------
    layers : sequence of layers
        In the order in which they act: each a matrix (array, sparse array, or an operator whose
        entries are known), or a pair (matrix, bias). ReLU is between layers, or nothing is.
    q : float
        Positive.
    log : bool
        Whether to return the natural logarithm, which is finite where the norm of a deep network
        is beyond the range of floating-point numbers.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If an entry is NaN or infinite, layers do not chain, there is none, or `q` is not positive
        and finite.
    TypeError
        If the entries of an operator are not known.
    OverflowError
        If the norm is out of the range of floating-point numbers; use ``log=True``.

    Notes
    -----
    It is :math:`1^T |W_L|^q \cdots |W_1|^q 1` for layers without biases, powers taken of each
    entry, in one pass and double precision. The exponents of that pass are kept apart.

    A layer that is a product of factors counts as so many layers: its paths go through an entry of
    each factor, and the pass takes the operations of one product. In a butterfly of rank one, just
    one path leads from a column to a row, so that the norm is that of the dense matrix. Where
    several do, as in a chain of higher rank or through the terms of a sum, it is that of the paths
    (for `q = 1` larger than that of the matrix, or equal); for the matrix, pass
    ``layer.toarray()``.

    References
    ----------
    .. [1] A. Gonon, N. Brisebarre, E. Riccietti, R. Gribonval, "A path-norm toolkit for modern
       networks: consequences, promises and challenges", ICLR 2024, arXiv:2310.01225.

    Examples
    --------
    >>> import lazyop as lo
    >>> W, b = [[1.0, -2.0], [0.0, 3.0]], [0.5, 0.0]
    >>> lo.rescale.path_norm([(W, b), [[4.0, -1.0]]])
    17.0
    """
    if not (isinstance(q, int | float | np.number) and 0 < q < math.inf):
        raise ValueError(f"q must be a positive number, got {q!r}")
    total = _total(_forward(as_layers(layers), float(q))[-1])
    logarithm = (math.log(total.mantissa) if total.mantissa else -math.inf) / q
    if log:
        return logarithm + total.exponent * math.log(2) / q
    whole = math.floor(total.exponent / q)
    try:
        return math.ldexp(total.mantissa ** (1 / q) * 2.0 ** (total.exponent / q - whole), whole)
    except OverflowError:
        raise OverflowError(
            "the path norm is beyond the range of floating-point numbers, about 2 to the power of "
            f"{whole}; its logarithm is not: use log=True"
        ) from None


def _total(outputs: _Ranged) -> _Ranged:
    """Return the sum of all outputs."""
    summed = float(to_numpy(namespace_of(outputs.mantissa).sum(outputs.mantissa)))
    return _Ranged(summed, outputs.exponent)


def _forward(layers: Sequence[Layer], q: float) -> list[_Ranged]:
    """Return sums over the paths up to each layer, of the q-th powers of their values."""
    n = layers[0].operator.shape[1]
    found = [_Ranged(like(np.ones(n), _home(layers)), 0.0)]
    for layer in layers:
        reached = _through(layer.operator, found[-1], q)
        if layer.bias is not None:
            scale = _exponent(magnitude(layer.bias))
            begun = (magnitude(layer.bias) * 2.0**-scale) ** q
            reached = reached.plus(_Ranged(begun, scale * q))
        found.append(reached)
    return found


def _home(layers: Sequence[Layer]) -> Array:
    held = [x for layer in layers for x in (layer.operator._anchor, layer.bias) if x is not None]
    return held[0] if held else np.empty(0)


def _through(op: LazyOperator, x: _Ranged, q: float) -> _Ranged:
    """Apply the q-th powers of magnitudes, factor by factor."""
    if isinstance(op, Product | Butterfly):
        for factor in reversed(op.args):
            x = _through(factor, x, q)
        return x
    if isinstance(op, Scaled):
        x = _through(op.operand, x, q)
        mantissa, exponent = math.frexp(abs(op.coefficient))
        return _Ranged(x.mantissa * mantissa**q, x.exponent + exponent * q).settled()
    # Of a single array, powers are taken of numbers near 1.
    arrays = entry_arrays(op) if is_leaf(op) else []
    scale = _exponent(magnitude(arrays[0])) if len(arrays) == 1 else 0
    unit = mapped(op, lambda w: magnitude(w) * 2.0**-scale)
    powers = magnitudes(unit, q) @ x.mantissa
    return _Ranged(powers, x.exponent + scale * q).settled()


def path_scores(layers: Any) -> list[Any]:
    r"""Return how much of the path norm goes through each entry.

    The score of an entry is :math:`|w| \, \partial \|\Phi\|_1 / \partial |w|`: by so much the norm
    of `path_norm` falls when the entry becomes zero. Rescaling, as in `balance`, does not change
    it.

    Parameters
    ----------
    layers : sequence of layers
        As for `path_norm`.

    Returns
    -------
    list
        The layers in the same form, with scores in the places of entries, in double precision. Of
        an operator, scores are in the places of the numbers that it holds: of a butterfly in the
        values of its factors, so that the operator as a matrix has no meaning.

    Raises
    ------
    ValueError, TypeError, OverflowError
        As for `path_norm`.

    Notes
    -----
    With `forward` and `backward` the sums over the paths up to a unit and from it on, the score of
    :math:`W_k[i, j]` is :math:`|W_k[i, j]| \, \mathrm{backward}_i \, \mathrm{forward}_j`. Every
    path goes through one entry of each layer after the one where it begins: the scores of a matrix,
    of its bias and of all biases after it add up to the path norm; those of a factor of a layer
    likewise.

    Examples
    --------
    >>> import numpy as np
    >>> import lazyop as lo
    >>> layers = [np.array([[1.0, -2.0], [0.0, 3.0]]), np.array([[4.0, -1.0]])]
    >>> first, second = lo.rescale.path_scores(layers)
    >>> first
    array([[4., 8.],
           [0., 3.]])
    >>> second, lo.rescale.path_norm(layers)
    (array([[12.,  3.]]), 15.0)
    """
    found, exponent = scored(as_layers(layers))
    if exponent >= 1000:
        raise OverflowError(
            "path scores are beyond the range of floating-point numbers, as the path norm is, "
            f"2 to the power of {exponent}; balance does not change that, smaller entries do"
        )
    scale = 2.0**exponent
    return [
        layer.with_parts(
            mapped(layer.operator, lambda x: x * scale),
            None if layer.bias is None else layer.bias * scale,
        ).restored()
        for layer in found
    ]


def scored(layers: Sequence[Layer]) -> tuple[list[Layer], int]:
    """Return layers of scores, to be multiplied by 2 to a power that is returned as well."""
    forward = _forward(layers, 1.0)
    exponent = round(forward[-1].exponent)
    back = _Ranged(like(np.ones(layers[-1].operator.shape[0]), _home(layers)), 0.0)
    found = []
    for layer, before in zip(reversed(layers), forward[-2::-1], strict=True):
        found.append(_scored(layer, before, back, exponent))
        back = _through(layer.operator.T, back, 1.0)
    return found[::-1], exponent


def _scored(layer: Layer, before: _Ranged, back: _Ranged, exponent: int) -> Layer:
    """Return a layer of scores, from the sums over the paths on either side."""
    operator = magnitudes(layer.operator, 1.0)
    derivatives = sensitivities(operator, back.mantissa, before.mantissa)
    scale = 2.0 ** min(before.exponent + back.exponent - exponent, 1000)
    scores = scored_form(operator, lambda w: w * derivatives[id(w)][1] * scale)
    if layer.bias is None:
        return layer.with_parts(scores, None)
    begun = magnitude(layer.bias) * back.mantissa * 2.0 ** min(back.exponent - exponent, 1000)
    return layer.with_parts(scores, begun)
