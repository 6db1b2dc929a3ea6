"""The layers of a network: what the caller passes, checked, and the form to give back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from scipy import sparse

from lazyop.aslazy import aslazy, is_operator
from lazyop.namespaces import (
    Array,
    as_data,
    copied,
    describe,
    is_array,
    namespace_of,
    share_home,
)
from lazyop.operator import LazyOperator
from lazyop.rescale.entries import entry_arrays, settled

__all__ = ["Layer", "as_layers"]


@dataclass(frozen=True)
class Layer:
    """A matrix and a bias: ``x -> W x + b``.

    Attributes
    ----------
    operator : LazyOperator
        The matrix.
    bias : array or None
        As many entries as the matrix has rows.
    source : object
        The matrix as the caller passed it, whose form results take.
    paired : bool
        Whether the caller passed a pair.
    """

    operator: LazyOperator
    bias: Array | None
    source: Any
    paired: bool

    def with_parts(self, operator: LazyOperator, bias: Array | None) -> Layer:
        """Return a layer of the same form with another matrix and bias."""
        return replace(self, operator=operator, bias=bias)

    def restored(self) -> Any:
        """Return the layer in the form in which it came."""
        matrix = self._matrix()
        if not self.paired:
            return matrix
        return matrix, None if self.bias is None else copied(self.bias)

    def _matrix(self) -> Any:
        if isinstance(self.source, LazyOperator):
            return self.operator
        if sparse.issparse(self.source):
            return type(self.source)(self.operator.tosparse().asformat(self.source.format))
        return self.operator.toarray()

    def reference(self) -> Array:
        """Return an array where the layer's data live."""
        return self.operator._reference()


def as_layers(layers: Any) -> list[Layer]:
    """Read the layers of a network, in the order in which they act.

    Raises
    ------
    ValueError
        If there is none, one does not fit the one before, or an entry is NaN or infinite.
    TypeError
        If one is no matrix, its entries are not known, or data live in different places.
    """
    if is_operator(layers) or is_array(layers) or not isinstance(layers, Iterable):
        raise TypeError(
            "expected a sequence of layers, matrices W or pairs (W, b), got "
            f"{type(layers).__name__}; a single matrix is the sequence [W]"
        )
    found = [_layer(item, k) for k, item in enumerate(layers, start=1)]
    if not found:
        raise ValueError("a network has at least one layer, got none")
    for k, (left, right) in enumerate(pairwise(found), start=1):
        if right.operator.shape[1] != left.operator.shape[0]:
            raise ValueError(
                f"layers {k} and {k + 1} do not chain: {left.operator.shape[0]} rows meet "
                f"{right.operator.shape[1]} columns"
            )
    _check_home(found)
    return found


def _layer(item: Any, k: int) -> Layer:
    paired = isinstance(item, tuple)
    if paired and len(item) != 2:
        raise ValueError(f"layer {k} is a tuple of {len(item)}; expected a pair (W, b)")
    source, bias = item if paired else (item, None)
    operator = settled(aslazy(source))
    if bias is not None:
        bias = as_data(bias, f"the bias of layer {k}", ndim=1)
        if bias.shape[0] != operator.shape[0]:
            raise ValueError(
                f"layer {k} has {operator.shape[0]} rows, and a bias of length {bias.shape[0]}"
            )
    for x in (*entry_arrays(operator), *([] if bias is None else [bias])):
        xp = namespace_of(x)
        if not bool(xp.all(xp.isfinite(x))):
            raise ValueError(f"layer {k} holds NaN or infinity")
    return Layer(operator, bias, source, paired)


def _check_home(layers: Sequence[Layer]) -> None:
    anchors = [x.operator._anchor for x in layers] + [x.bias for x in layers]
    held = [x for x in anchors if x is not None]
    for x in held[1:]:
        if not share_home(held[0], x):
            raise TypeError(
                f"layers hold data in {describe(held[0])} and in {describe(x)}; bring them "
                "together with .to(...)"
            )
