"""A whole chain in one call: on NumPy packed once, shared by an operator and its adjoint.

What does the same on CuPy is in `lazyop.kernels.cuda_chain`; `compiled_chain` finds the right one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import array_api_compat
import numpy as np

from lazyop.kernels.packing import Packed, pack
from lazyop.kernels.plan import FEWEST_COLUMNS, choose_whole_chain, has_compiled
from lazyop.kernels.products import Columns, Vector

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    Values = npt.NDArray[Any]


class WholeChain(Protocol):
    """A chain as kernels take it, and which way round it is used."""

    @property
    def kernel(self) -> Any:
        """What holds the weights; its ``choice`` is the kernel that products take."""

    @property
    def names(self) -> tuple[str, ...]:
        """The kernels that there are."""

    @property
    def is_default(self) -> bool:
        """Whether products take one of them unless others are asked for."""

    def apply(self, X: Any, kernel: str | None = None) -> Any | None:
        """Multiply a matrix of columns; None where the argument wants the array kernels."""

    def vector(self, x: Values, kernel: str | None = None) -> Values | None:
        """Multiply a vector of the weights' dtype; None where it wants another way."""

    def transpose(self) -> Self:
        """Return the transpose, over the same weights."""

    def conj(self) -> Self:
        """Return the conjugate, over the same weights."""

    def passes(self, columns: int) -> int | None:
        """Return how often the argument goes to memory and back; None where that is not counted."""


#: For how many counts of columns an operator keeps what it decided.
_WAYS_KEPT = 64


class ChainKernel:
    """The values of a chain's factors, leftmost first, ready for compiled products.

    An operator and its adjoint share one, so that the weights are packed once for both.

    Parameters
    ----------
    values : sequence of arrays (a, b, c, d)
        Of one dtype, on NumPy.
    merged : callable, optional
        Returns the values of a shorter chain with the same product, for the compiled kernels.
    """

    def __init__(
        self, values: Sequence[Values], merged: Callable[[], Sequence[Values]] | None = None
    ) -> None:
        self.values = tuple(values)
        self._merged = merged
        self.dtype = self.values[0].dtype
        self._ways: dict[tuple[int, bool], Columns] = {}
        self._vectors: list[Vector | None] = [None, None]

    @cached_property
    def packed(self) -> Packed:
        """The weights in the order in which products read them; made at the first product."""
        return pack(self._merged() if self._merged else self.values)

    @cached_property
    def dense(self) -> Values:
        """The dense matrix; a single dense block is not copied."""
        a, b, c, d = self.values[0].shape
        if len(self.values) == 1 and a * d == 1:
            return self.values[0].reshape(b, c)
        unit = np.eye(self.packed.shape[1], dtype=self.dtype)
        return self._apply_packed(unit, transposed=False, conjugated=False)

    @cached_property
    def choice(self) -> str:
        """The kernel that products take, unless another is asked for."""
        (m, n), thin = self.packed.shape, self.packed.is_thin
        copies = len(self.values) == 1 and self.values[0].size < m * n
        return choose_whole_chain(0 if thin or copies else self.packed.entries, m * n)

    def admit(self, X: Values) -> Values | None:
        """Return an argument in the dtype of the weights; None where that would lose some of it."""
        if X.dtype == self.dtype:
            return X
        if np.can_cast(X.dtype, self.dtype):
            return X.astype(self.dtype)
        if X.dtype.kind == "c" and X.real.dtype == self.dtype:
            return np.ascontiguousarray(X).view(self.dtype)  # real weights act on both parts
        return None

    def apply(self, X: Values, kernel: str, *, transposed: bool, conjugated: bool) -> Values:
        """Multiply a matrix of columns by the chain, its transpose, conjugate or adjoint."""
        if kernel == "compiled":
            return self._apply_packed(X, transposed=transposed, conjugated=conjugated)
        matrix = self.dense.T if transposed else self.dense
        flips = conjugated and self.dtype.kind == "c"
        Y: Values = matrix @ (np.conj(X) if flips else X)
        return np.conj(Y) if flips else Y

    def _apply_packed(self, X: Values, *, transposed: bool, conjugated: bool) -> Values:
        columns = X.shape[1]
        if columns == 1:
            x = X.reshape(-1)
            return self.vector(x, transposed=transposed, conjugated=conjugated).reshape(-1, 1)
        if columns >= FEWEST_COLUMNS:
            return self._columns_for(columns, transposed).run(X, conjugated)
        each = [self.vector(x, transposed=transposed, conjugated=conjugated) for x in X.T]
        return np.stack(each, axis=1)

    def _columns_for(self, columns: int, transposed: bool) -> Columns:
        """Return the way to multiply so many columns at once."""
        way = self._ways.get((columns, transposed))
        if way is None:
            if len(self._ways) >= _WAYS_KEPT:
                self._ways.clear()
            way = self._ways[columns, transposed] = Columns(self.packed, transposed, columns)
        return way

    def vector(self, x: Values, *, transposed: bool, conjugated: bool) -> Values:
        """Multiply a vector of the weights' dtype, by the weights in reading order."""
        flags = x.flags
        if not (flags.c_contiguous and flags.aligned):
            x = np.require(x, requirements=("C", "A"))
        way = self._vectors[transposed]
        if way is None:
            way = self._vectors[transposed] = Vector(self.packed, transposed)
        return way.run(x, conjugated)


@dataclass(frozen=True)
class OrientedChain:
    """A chain's kernel, and which way round it is used: the four share one set of weights."""

    kernel: ChainKernel
    transposed: bool = False
    conjugated: bool = False

    names: ClassVar[tuple[str, ...]] = ("compiled", "dense")
    is_default: ClassVar[bool] = True

    def apply(self, X: Any, kernel: str | None = None) -> Any | None:
        """Multiply a matrix of columns; None where the argument wants the array kernels."""
        if not isinstance(X, np.ndarray):
            return None
        admitted = self.kernel.admit(X)
        if admitted is None:
            return None
        Y = self.kernel.apply(
            admitted,
            kernel or self.kernel.choice,
            transposed=self.transposed,
            conjugated=self.conjugated,
        )
        return Y if admitted.dtype == Y.dtype and X.shape[1] == Y.shape[1] else Y.view(X.dtype)

    def vector(self, x: Values, kernel: str | None = None) -> Values | None:
        """Multiply a vector of the weights' dtype; None where it wants another way."""
        chain = self.kernel
        if x.dtype != chain.dtype or (kernel or chain.choice) != "compiled":
            return None
        return chain.vector(x, transposed=self.transposed, conjugated=self.conjugated)

    def transpose(self) -> OrientedChain:
        """Return the transpose, over the same weights."""
        return replace(self, transposed=not self.transposed)

    def conj(self) -> OrientedChain:
        """Return the conjugate, over the same weights."""
        return replace(self, conjugated=not self.conjugated)

    def passes(self, columns: int) -> None:
        """Return None: what goes to memory and back depends on caches."""


def compiled_chain(
    values: Sequence[Any],
    *,
    conjugated: bool = False,
    merged: Callable[[], Sequence[Any]] | None = None,
) -> WholeChain | None:
    """Return a chain for the kernels that take a whole one; None where they don't apply.

    Parameters
    ----------
    values : sequence of arrays (a, b, c, d)
        Of the factors, leftmost first.
    conjugated : bool
        Whether the conjugates of the values are meant.
    merged : callable, optional
        As for `ChainKernel`; on a device the factors are taken as they are.
    """
    if all(array_api_compat.is_cupy_array(v) for v in values):
        from lazyop.kernels.cuda import MACHINE
        from lazyop.kernels.cuda_chain import device_chain

        return device_chain(values, MACHINE, conjugated=conjugated)
    if not all(isinstance(v, np.ndarray) for v in values) or not has_compiled():
        return None
    dtype = values[0].dtype
    if any(v.dtype != dtype for v in values) or dtype.char not in "fdFD" or not dtype.isnative:
        return None
    return OrientedChain(ChainKernel(values, merged), False, conjugated)
