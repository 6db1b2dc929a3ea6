r"""Sums over the paths through a network: their norm, and each entry's part in it.

A path begins at an input or a bias, goes through one entry of each layer after it, and ends at an
output; its value is the product of what it goes through. Sums over all paths are products of
matrices of magnitudes, and take one pass forward, and one back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from lazyop.namespaces import Array, like, namespace_of
from lazyop.operator import LazyOperator
from lazyop.rescale.entries import magnitude, magnitudes, mapped, scored_form
from lazyop.rescale.layers import Layer, as_layers
from lazyop.rescale.powers import powers_times
from lazyop.rescale.ranged import STEP, Ranged, exponents_of
from lazyop.rescale.sensitivity import sensitivities
from lazyop.scalars import positive_real

__all__ = ["path_norm", "path_scores", "scored"]

#: Of smaller powers, roots are taken by logarithms: those of significands would underflow.
_SMALL_POWER = 1 / 512
#: Between these are the binary logarithms of all positive floating-point numbers.
_LEAST_EXPONENT, _MOST_EXPONENT = -1076, 1025


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
        If the entries of an operator are not known, or `q` is no real number.
    OverflowError
        If the norm is above or below the range of floating-point numbers; use ``log=True``. If
        the magnitude of a complex entry is, or powers of entries are too far apart to be added
        up, as for `q` in the thousands.

    Notes
    -----
    It is :math:`1^T |W_L|^q \cdots |W_1|^q 1` for layers without biases, powers taken of each
    entry, in one pass and double precision. The exponents of that pass are kept apart, a unit's
    from those of others, so that paths count whatever the size of those beside them.

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
    q = positive_real(q, "q")
    mantissa, exponent = _forward(as_layers(layers), q)[-1].total()
    significand, shift = math.frexp(mantissa)
    logarithm = (_log2(significand) + exponent + shift) / q
    if log:
        return logarithm * math.log(2)
    norm = _root(significand, exponent + shift, q)
    if norm is None:
        raise OverflowError(
            "the path norm is beyond the range of floating-point numbers, about 2 to the power of "
            f"{logarithm:.0f}; its logarithm is not: use log=True"
        )
    return norm


def _log2(x: float) -> float:
    return math.log2(x) if x else -math.inf


def _root(significand: float, exponent: float, q: float) -> float | None:
    """Return the q-th root of a number below one times a power of two; None out of range."""
    if not significand:
        return 0.0
    logarithm = (math.log2(significand) + exponent) / q
    if not _LEAST_EXPONENT < logarithm < _MOST_EXPONENT:
        return None
    if q < _SMALL_POWER:
        whole = math.floor(logarithm)
        root = 2.0 ** (logarithm - whole)
    else:
        whole = math.floor(exponent / q)
        root = significand ** (1 / q) * 2.0 ** (exponent / q - whole)
    try:
        return math.ldexp(root, whole) or None
    except OverflowError:
        return None


def _forward(layers: Sequence[Layer], q: float) -> list[Ranged]:
    """Return sums over the paths up to each layer, of the q-th powers of their values."""
    n = layers[0].operator.shape[1]
    found = [_ones(n, layers)]
    for layer in layers:
        reached = powers_times(layer.operator, found[-1], q)
        if layer.bias is not None:
            reached = reached.plus(Ranged.of(magnitude(layer.bias)[:, None]).power(q))
        found.append(reached)
    return found


def _ones(n: int, layers: Sequence[Layer]) -> Ranged:
    """Return a column of ones where the layers' data live."""
    held = [x for layer in layers for x in (layer.operator._anchor, layer.bias) if x is not None]
    return Ranged.of(like(np.ones((n, 1)), held[0] if held else np.empty(0)))


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
    exponent = round(forward[-1].common()[1])
    back, found = _ones(layers[-1].operator.shape[0], layers), []
    for layer, before in zip(reversed(layers), forward[-2::-1], strict=True):
        found.append(_scored(layer, before, back, exponent))
        back = powers_times(layer.operator.T, back, 1.0)
    return found[::-1], exponent


def _scored(layer: Layer, before: Ranged, back: Ranged, exponent: int) -> Layer:
    """Return a layer of scores, from the sums over the paths on either side."""
    operator = magnitudes(layer.operator, 1.0)
    derivatives = _derivatives(operator, back, before)

    def score(w: Array) -> Array:
        known = derivatives.get(id(w))
        if known is None:  # no path goes through the layer
            return namespace_of(w).zeros_like(w)
        return Ranged.of(w).times(known).in_units(exponent)

    scores = scored_form(operator, score)
    if layer.bias is None:
        return layer.with_parts(scores, None)
    begun = Ranged.of(magnitude(layer.bias)[:, None]).times(back).in_units(exponent)
    return layer.with_parts(scores, begun[:, 0])


def _derivatives(op: LazyOperator, u: Ranged, v: Ranged) -> dict[int, Ranged]:
    """Return the derivatives of ``u^T A v`` by the arrays of entries, whose identities are keys.

    The numbers of each exponent go through the operator by themselves, so that none is lost beside
    larger ones, made smaller by half a step each, so that they don't overflow in it.
    """
    found: dict[int, Ranged] = {}
    for shift, other in product(exponents_of([u]), exponents_of([v])):
        ends = (x.at(e)[:, 0] * 2.0 ** -(STEP // 2) for x, e in ((u, shift), (v, other)))
        for key, (_, derivative) in sensitivities(op, *ends).items():
            part = Ranged.of(derivative, shift + other + STEP)
            found[key] = found[key].plus(part) if key in found else part
    return found
