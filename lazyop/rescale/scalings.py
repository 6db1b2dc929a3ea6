"""Balancing: of all chains and networks with one function, that of the smallest norm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from lazyop.namespaces import Array, like, namespace_of, to_numpy
from lazyop.operator import LazyOperator
from lazyop.rescale.entries import entry_arrays, largest, magnitude, mapped
from lazyop.rescale.factors import Stage, restored, stages_of
from lazyop.rescale.layers import Layer, as_layers
from lazyop.scalars import positive_real

__all__ = ["balance"]

#: Logarithms of ratios of norms that are rounding errors.
_SETTLED = 1e-14

#: What such ratios may be where rounding keeps them from getting smaller, and for how many sweeps.
_NEARLY, _PATIENCE = 1e-12, 8

#: Smaller entries than this, and powers of them, by the largest, are not safe from underflow.
_FAINT = 1e-250

#: Sweeps for each factor after which something is wrong. There are some six, if there are many.
_MOST_SWEEPS = 500


def balance(F: Any, p: float = 2, *, powers_of_two: bool = False) -> Any:
    r"""Rescale a chain of factors, or the layers of a ReLU network, to the smallest norm.

    At a junction between factors, a positive diagonal matrix and its inverse do not change the
    product: :math:`K_l K_{l+1} = (K_l D^{-1})(D K_{l+1})`. Nor do they change what a network of
    layers :math:`x \mapsto \max(0, W_k x + b_k)` computes, as
    :math:`\max(0, d t) = d \max(0, t)` for positive `d`. Of all these, there is one for which

    .. math:: \sum_l \sum_{ij} |K_l[i, j]|^p

    is least, and then the norms on both sides of every junction are equal:
    :math:`\|K_l[:, i]\|_p = \|K_{l+1}[i, :]\|_p` for a chain, and
    :math:`\|(W_k[i, :], b_k[i])\|_p = \|W_{k+1}[:, i]\|_p` for a network [1]_.

    Parameters
    ----------
    F : LazyOperator, or sequence of layers
        A chain: a `Butterfly`, or a product of butterflies, Kronecker-sparse, dense, sparse,
        diagonal, block-diagonal or low-rank matrices, permutations and restrictions, or a multiple
        of one. Or the layers of a network, in the order in which they act: each a matrix (array,
        sparse array or such a product), or a pair (matrix, bias). Inner junctions of a product are
        junctions like those between layers.
    p : float
        Of which norm. Positive.
    powers_of_two : bool
        Whether multiples are rounded to powers of two. Then the function is the same to the last
        bit, barring underflow, and norms across a junction differ by a factor of at most four.

    Returns
    -------
    LazyOperator, or list of layers
        Of the same form, in the same precision (integers become float64). Permutations and
        coefficients stay. A unit of which nothing comes in, or nothing goes out, is left alone.

    Raises
    ------
    ValueError
        If an entry is NaN or infinite, layers do not chain, there is none, or `p` is not positive
        and finite.
    TypeError
        If the rows of a factor can't be multiplied one by one, as those of a sum or a Kronecker
        product, or entries are not known.
    OverflowError
        If a balanced entry is beyond the range of its dtype, or a multiple or the magnitude of a
        complex entry that of double precision.

    Notes
    -----
    In logarithms of the multiples, the sum is convex, and a multiple for which it is least while
    the others stand still is a quotient of norms. A sweep goes over all junctions, by successive
    over-relaxation: steps are longer than to the least value by a factor below 2. As the sum is a
    hyperbolic cosine along each multiple, no step makes it larger. Near the end, sweeps gain a
    factor of :math:`(1 - s)/(1 + s)` or better, :math:`s = \sin(\pi / L)` for `L` factors. A
    sweep takes two products by the matrices of powers for each factor, so that a sweep over a
    butterfly of size `n` takes :math:`O(n \log n)` operations.

    References
    ----------
    .. [1] P. Stock, B. Graham, R. Gribonval, H. Jégou, "Equi-normalization of neural networks",
       ICLR 2019, arXiv:1902.10416.

    Examples
    --------
    A chain whose factors are of very different size:

    >>> import numpy as np
    >>> import lazyop as lo
    >>> rng = np.random.default_rng(0)
    >>> values = [rng.standard_normal(tuple(p)) for p in lo.Chain.square_dyadic(8)]
    >>> F = lo.Butterfly([1e6 * values[0], values[1], 1e-6 * values[2]])
    >>> G = lo.rescale.balance(F)
    >>> [round(float(np.linalg.norm(factor.values)), 3) for factor in G.factors]
    [2.895, 2.895, 2.895]
    >>> np.allclose(F.toarray(), G.toarray(), rtol=1e-13)
    True

    Two layers with a bias:

    >>> layers = [(np.array([[8.0]]), np.array([6.0])), np.array([[0.1]])]
    >>> (W, b), V = lo.rescale.balance(layers)
    >>> bool(np.isclose(np.hypot(W, b), V)[0, 0]), bool(np.isclose(W * V, 0.8)[0, 0])
    (True, True)
    """
    p = positive_real(p, "p")
    is_chain = isinstance(F, LazyOperator)
    layers = as_layers([F] if is_chain else F)
    stages = stages_of(layers)
    multiples = _balanced(stages, p)
    if powers_of_two:
        multiples = [_nearest_power(d) for d in multiples]
    made = restored(layers, _rescaled(stages, multiples))
    _check_range(made)
    given_back = [layer.restored() for layer in made]
    return given_back[0] if is_chain else given_back


def _balanced(stages: Sequence[Stage], p: float) -> list[Array]:
    """Return the multiples of the junctions' units for which all norms are equal."""
    absolute = [_absolute(stage) for stage in stages]
    if any(math.isinf(largest(x)) for x in _entries(absolute)):
        raise OverflowError("a magnitude is beyond the range of floating-point numbers")
    multiples = _uniform(absolute)
    start = _rescaled(absolute, multiples)
    for lower in sorted({min(p / 16, 0.5), p / 16}):
        if _faintest(start) ** max(p, 1) < _FAINT:
            # Of square roots, since quotients by the largest entry may underflow.
            roots = _swept([_rooted(stage) for stage in start], 2 * lower)
            multiples = _times(multiples, [d * d for d in roots])
            start = _rescaled(absolute, multiples)
    return _times(multiples, _swept(start, p))


def _absolute(stage: Stage) -> Stage:
    bias = None if stage.bias is None else magnitude(stage.bias)
    return Stage(stage.before, mapped(stage.factor, magnitude), stage.after, bias)


def _rooted(stage: Stage) -> Stage:
    """Return a stage with the square roots of its nonnegative entries."""
    bias = None if stage.bias is None else stage.bias**0.5
    return Stage(stage.before, mapped(stage.factor, lambda x: x**0.5), stage.after, bias)


def _uniform(stages: Sequence[Stage]) -> list[Array]:
    """Return one multiple for each junction, for which the largest entries of factors are equal.

    Units of which nothing comes in or nothing goes out keep the multiple 1, here and ever after.
    """
    sizes = [max(map(largest, entry_arrays(stage.factor))) or 1.0 for stage in stages]
    logs = np.log2(sizes)
    steps = np.rint(np.cumsum(np.mean(logs) - logs)[:-1])
    if np.max(np.abs(steps), initial=0) > 1000:
        raise OverflowError(
            "the sizes of the factors differ by so much that multiples are beyond the range of "
            "floating-point numbers"
        )
    return [
        namespace_of(ones).where(_alive(left, right), 2.0 ** float(step) * ones, ones)
        for (left, right), step in zip(pairwise(stages), steps, strict=True)
        for ones in [_ones(left)]
    ]


def _alive(left: Stage, right: Stage) -> Array:
    """Whether something comes into each unit of a junction, and something goes out."""
    coming = left.magnitudes(1.0) @ _ones(left, axis=1)
    if left.bias is not None:
        coming = coming + left.bias
    going = right.magnitudes(1.0).T @ _ones(right)
    return namespace_of(coming).logical_and(coming > 0, going > 0)


def _ones(stage: Stage, axis: int = 0) -> Array:
    """Return ones, as many as a stage has rows (or columns), where its data live."""
    return like(np.ones(stage.shape[axis]), stage.factor._reference())


def _entries(stages: Sequence[Stage]) -> list[Array]:
    arrays = [x for stage in stages for x in entry_arrays(stage.factor)]
    biases = [stage.bias for stage in stages if stage.bias is not None]
    return [x for x in (*arrays, *biases) if math.prod(x.shape)]


def _faintest(stages: Sequence[Stage]) -> float:
    """Return the smallest positive entry, by the largest."""
    arrays = _entries(stages)
    unit, least = max(map(largest, arrays), default=0.0) or 1.0, math.inf
    for x in arrays:
        xp = namespace_of(x)
        least = min(least, float(to_numpy(xp.min(xp.where(x > 0, x, unit * xp.ones_like(x))))))
    return min(1.0, least / unit)


def _rescaled(stages: Sequence[Stage], multiples: Sequence[Array]) -> list[Stage]:
    """Return stages whose junctions' units are multiplied, and divided again after it."""
    rows = [*multiples, _ones(stages[-1])]
    columns = [_ones(stages[0], axis=1), *(1 / d for d in multiples)]
    return [stage.scaled(*both) for stage, *both in zip(stages, rows, columns, strict=True)]


def _swept(stages: Sequence[Stage], p: float) -> list[Array]:
    """Return multiples of real, nonnegative stages that balance them, by over-relaxation."""
    unit = max(map(largest, _entries(stages)), default=0.0) or 1.0
    matrices, biases = zip(*(_powers(stage, unit, p) for stage in stages), strict=True)
    junctions = range(1, len(stages))
    longer = 2 / (1 + math.sin(math.pi / len(stages)))
    powers = [_ones(stages[0], axis=1), *map(_ones, stages)]
    best, waited = math.inf, 0
    for _ in range(_MOST_SWEEPS * len(stages)):
        off = 0.0
        for k in junctions:
            coming = matrices[k - 1] @ (1 / powers[k - 1]) + biases[k - 1]
            going = matrices[k].T @ powers[k + 1]
            powers[k], distance = _stepped(powers[k], coming, going, longer)
            off = max(off, distance)
        best, waited = min(best, off), 0 if off < best else waited + 1
        if off <= _SETTLED or (best <= _NEARLY and waited > _PATIENCE):
            return [x ** (1 / p) for x in powers[1:-1]]
    raise RuntimeError(f"balancing has not settled: norms still differ by {best:.1e}")


def _powers(stage: Stage, unit: float, p: float) -> tuple[LazyOperator, Any]:
    """Return the p-th powers of the entries and of the bias, in a unit of their own."""
    in_unit = Stage(stage.before, mapped(stage.factor, lambda x: x / unit), stage.after, None)
    return in_unit.magnitudes(p), 0.0 if stage.bias is None else (stage.bias / unit) ** p


def _stepped(x: Array, coming: Array, going: Array, longer: float) -> tuple[Array, float]:
    """Return the p-th powers of a junction's multiples after a step, and how far off they were.

    With x, what comes in is ``x * coming``, and what goes out is ``going / x``.
    """
    xp = namespace_of(x)
    alive = xp.logical_and(coming > 0, going > 0)
    one = xp.ones_like(x)
    ratio = xp.where(alive, going, one) / xp.where(alive, coming, x * x)
    step = xp.log(xp.where(alive, xp.sqrt(ratio) / x, one))
    return x * xp.exp(longer * step), largest(xp.abs(step))


def _times(left: Sequence[Array], right: Sequence[Array]) -> list[Array]:
    return [x * y for x, y in zip(left, right, strict=True)]


def _nearest_power(d: Array) -> Array:
    return like(np.exp2(np.rint(np.log2(to_numpy(d)))), d)


def _check_range(layers: Sequence[Layer]) -> None:
    for k, layer in enumerate(layers, start=1):
        arrays = [*entry_arrays(layer.operator), *([] if layer.bias is None else [layer.bias])]
        if not all(bool(namespace_of(x).all(namespace_of(x).isfinite(x))) for x in arrays):
            raise OverflowError(
                f"a balanced entry of layer {k} is beyond the range of {layer.operator.dtype}"
            )
