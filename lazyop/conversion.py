"""Moving an expression to another namespace, device or precision, shared parts once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lazyop.namespaces import (
    Array,
    Namespace,
    dtype_of,
    index_dtype,
    is_array,
    move,
    namespace_of,
    real_counterpart,
)
from lazyop.namespaces import device_of as _device_of

if TYPE_CHECKING:
    from lazyop.operator import LazyOperator


class Conversion:
    """One walk over an expression that rebuilds every operator from converted fields.

    Parameters
    ----------
    xp, device
        Where arrays go; None leaves them where they are.
    dtype
        The dtype of the converted expression; None keeps each array's own.
    root
        The expression, whose dtype decides whether its real parts stay real: a complex
        expression of real and complex factors keeps its real factors in another precision.
    """

    def __init__(
        self, root: LazyOperator, xp: Namespace | None, device: Any, dtype: npt.DTypeLike | None
    ) -> None:
        self.xp, self.device = xp, device
        # `in` would compare by ==, and NumPy takes None for float64
        self.dtype = None if dtype is None or dtype == root.dtype else np.dtype(dtype)
        if self.dtype is not None:
            _check_lossless(root.dtype, self.dtype)
        self.keeps_real = root.dtype.kind == "c"
        self._operators: dict[int, tuple[LazyOperator, LazyOperator]] = {}
        self._begun: set[int] = set()
        self._arrays: dict[tuple[int, bool], tuple[Array, Array]] = {}

    def target(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """Return what a part of that dtype becomes."""
        if self.dtype is None:
            return dtype
        if self.keeps_real and dtype.kind != "c":
            return real_counterpart(self.dtype)
        return self.dtype

    def array(self, x: Array, *, index: bool = False) -> Array:
        """Convert one array; index data keep their dtype where their new home has it."""
        key = id(x), index
        if key not in self._arrays:
            xp = namespace_of(x) if self.xp is None else self.xp
            held = dtype_of(x)
            dtype = index_dtype(xp, held) if index else self.target(held)
            device = _device_of(x) if self.xp is None else self.device
            self._arrays[key] = x, move(x, xp, device, dtype)
        return self._arrays[key][1]

    def operator(self, op: LazyOperator) -> LazyOperator:
        """Convert one operator, or recall what it became; an adjoint follows its source."""
        if id(op) not in self._operators:
            self._begun.add(id(op))
            source = op._source()
            # A is the adjoint of conj(A.T), whose operand is the transpose of A.
            if source is None or id(source[0]) in self._begun - self._operators.keys():
                made = op._converted(self)
            else:
                made = getattr(self.operator(source[0]), source[1])()
            self._operators[id(op)] = op, made
        return self._operators[id(op)][1]

    def value(self, x: Any, *, index: bool = False) -> Any:
        """Convert one field of an operator, whatever it holds."""
        from lazyop.operator import LazyOperator

        if isinstance(x, LazyOperator):
            return self.operator(x)
        if is_array(x):
            return self.array(x, index=index)
        if isinstance(x, np.dtype):
            return self.target(x)
        if isinstance(x, tuple):
            items = tuple(self.value(item, index=index) for item in x)
            return x if all(new is old for new, old in zip(items, x, strict=True)) else items
        return x


def _check_lossless(source: np.dtype[Any], target: np.dtype[Any]) -> None:
    if target.kind not in "iufc":
        raise TypeError(f"an operator's dtype must be one of numbers, got {target}")
    order = "iufc"
    kinds = order.index(source.kind), order.index(target.kind)
    if kinds[1] < max(kinds[0], 2 if kinds[0] >= 2 else 0):
        lost = "the imaginary part" if source.kind == "c" else "fractions"
        raise TypeError(f"converting an operator from {source} to {target} would lose {lost}")
