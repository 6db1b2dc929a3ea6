"""Pruning: entries of least weight become zero."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from lazyop.namespaces import Array, like, namespace_of, to_numpy
from lazyop.operator import LazyOperator
from lazyop.rescale.entries import entry_arrays, magnitude, mapped
from lazyop.rescale.layers import Layer, as_layers
from lazyop.rescale.paths import scored

__all__ = ["prune"]


def prune(layers: Any, amount: float, criterion: str = "path") -> list[Any]:
    r"""Set the entries of all layers to zero that count least.

    By magnitude, that depends on how the network is scaled, as in `balance`, although its function
    does not: an entry before a unit can be made small at the expense of those after it. By path
    score, it does not [1]_.

    Parameters
    ----------
    layers : sequence of layers
        As for `path_norm`.
    amount : float or int
        How many entries of the matrices become zero: a part of all, from 0.0 to 1.0, rounded to
        the nearest number, or an int, their number. Those of all layers together are compared.
        Entries that are zero already count among them. Biases are not pruned.
    criterion : {"path", "magnitude"}
        What is compared: path scores, as `path_scores` has them, or absolute values.

    Returns
    -------
    list
        Layers of the same form. Sparse arrays no longer store the entries; operators keep their
        structure, with zeros in it.

    Raises
    ------
    ValueError
        If there is no such criterion, `amount` is out of range, or as for `path_norm`.
    TypeError
        If `amount` is no number, or as for `path_norm`.

    References
    ----------
    .. [1] A. Gonon, N. Brisebarre, E. Riccietti, R. Gribonval, "A rescaling-invariant Lipschitz
       bound based on path-metrics for modern ReLU network parameterizations", ICML 2025,
       arXiv:2405.15006.

    Examples
    --------
    >>> import numpy as np
    >>> import lazyop as lo
    >>> W, V = np.array([[10.0, 20.0], [3.0, 4.0]]), np.array([[0.1, 5.0]])
    >>> lo.rescale.prune([W, V], 2, criterion="path")
    [array([[0., 0.],
           [3., 4.]]), array([[0.1, 5. ]])]
    >>> lo.rescale.prune([W, V], 2, criterion="magnitude")
    [array([[10., 20.],
           [ 0.,  4.]]), array([[0., 5.]])]
    """
    if criterion not in ("path", "magnitude"):
        raise ValueError(f"unknown criterion {criterion!r}; known are 'path' and 'magnitude'")
    found = as_layers(layers)
    ranked = scored(found)[0] if criterion == "path" else found
    keys = [to_numpy(magnitude(x)).ravel() for op in _matrices(ranked) for x in entry_arrays(op)]
    total = sum(key.size for key in keys)
    kept = np.ones(total, dtype=bool)
    kept[np.argsort(np.concatenate(keys), kind="stable")[: _count(amount, total)]] = False
    return [_restored(layer) for layer in _masked(found, kept)]


def _matrices(layers: Sequence[Layer]) -> list[LazyOperator]:
    return [layer.operator for layer in layers]


def _count(amount: Any, total: int) -> int:
    if isinstance(amount, bool) or not isinstance(amount, numbers.Real):
        raise TypeError(f"amount must be a number, got {amount!r}")
    if isinstance(amount, numbers.Integral):
        count = int(amount)
        if not 0 <= count <= total:
            raise ValueError(f"there are {total} entries to prune, got amount={count}")
        return count
    part = float(amount)
    if not 0 <= part <= 1:
        raise ValueError(f"amount must be a part from 0.0 to 1.0, or an int, got {part}")
    return round(part * total)


def _masked(layers: Sequence[Layer], kept: npt.NDArray[np.bool_]) -> list[Layer]:
    """Return layers whose entries are zero but where they are kept."""
    made, start = [], 0
    for layer in layers:
        masks: dict[int, Array] = {}
        for x in entry_arrays(layer.operator):
            stop = start + int(np.prod(x.shape))
            masks[id(x)] = like(kept[start:stop].reshape(x.shape), x)
            start = stop
        made.append(layer.with_parts(_times(layer.operator, masks), layer.bias))
    return made


def _times(op: LazyOperator, masks: dict[int, Array]) -> LazyOperator:
    return mapped(
        op, lambda x: namespace_of(x).where(masks[id(x)], x, namespace_of(x).zeros_like(x))
    )


def _restored(layer: Layer) -> Any:
    given_back = layer.restored()
    matrix = given_back[0] if layer.paired else given_back
    if sparse.issparse(matrix) and hasattr(matrix, "eliminate_zeros"):
        matrix.eliminate_zeros()
    return given_back
