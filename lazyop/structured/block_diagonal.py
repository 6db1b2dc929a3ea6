"""Block-diagonal matrices."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any, Self

from scipy import sparse

from lazyop.algebra.composite import Composite
from lazyop.algebra.neutral import Identity
from lazyop.algebra.normal_form import multiply
from lazyop.namespaces import Array, namespace_of
from lazyop.operator import LazyOperator

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scipy.sparse import csr_array


class BlockDiagonal(Composite):
    """Block-diagonal matrix: block i takes its own rows of x, and gives its own rows of the result.

    Parameters
    ----------
    ops : iterable of operators or what `aslazy` takes
        The blocks, of any shapes, at least one. Block-diagonal ones among them are flattened.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.BlockDiagonal([[[1.0, 1.0]], lo.Identity(1)]) @ [1.0, 2.0, 3.0]
    array([3., 3.])
    """

    def __init__(self, ops: Iterable[Any]) -> None:
        operands = self._take(tuple(ops))
        shape = tuple(sum(sizes) for sizes in zip(*(op.shape for op in operands), strict=True))
        super().__init__(operands, shape)

    @classmethod
    def _of(cls, operands: Iterable[LazyOperator]) -> Self:
        return cls(operands)

    def _apply(self, X: Array) -> Array:
        cuts = accumulate((op.shape[1] for op in self.operands), initial=0)
        parts = [
            op._apply(X[start : start + op.shape[1], ...])
            for op, start in zip(self.operands, cuts, strict=False)
        ]
        return namespace_of(X).concat(parts, axis=0)

    def _times(self, other: LazyOperator) -> LazyOperator | None:
        if not isinstance(other, BlockDiagonal) or not self._fits(other):
            return None
        blocks = [multiply(a, b) for a, b in zip(self.operands, other.operands, strict=True)]
        return block_diag(*blocks)

    def _fits(self, other: BlockDiagonal) -> bool:
        left = [op.shape[1] for op in self.operands]
        return left == [op.shape[0] for op in other.operands]

    def _diagonal(self, reference: Array) -> Array:
        if any(op.shape[0] != op.shape[1] for op in self.operands):
            return super()._diagonal(reference)
        return namespace_of(reference).concat(list(self._diagonals(reference)))

    def _tosparse(self) -> csr_array:
        return sparse.block_diag([op.tosparse() for op in self.operands], format="csr")


def block_diag(*ops: Any) -> LazyOperator:
    """Return a block-diagonal operator in normal form.

    Parameters
    ----------
    *ops : operators or what `aslazy` takes
        The blocks, at least one.

    Returns
    -------
    LazyOperator
        The block itself where there is one, an `Identity` where all blocks are, and a
        `BlockDiagonal` otherwise.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.block_diag([[2.0]], [[3.0]]).toarray()
    array([[2., 0.],
           [0., 3.]])
    """
    whole = BlockDiagonal(ops)
    if len(whole.operands) == 1:
        return whole.operands[0]
    if all(isinstance(op, Identity) for op in whole.operands):
        return Identity(whole.shape[0], whole.dtype)
    return whole
