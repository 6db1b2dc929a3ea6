"""Block-diagonal matrices."""

from __future__ import annotations

import math
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy import sparse

from lazyop.algebra.array_norm import extreme, sum_axis
from lazyop.algebra.composite import Composite, Conjugate
from lazyop.algebra.neutral import Identity
from lazyop.algebra.normal_form import multiply
from lazyop.kernels.chain import WholeChain, compiled_chain
from lazyop.namespaces import Array, namespace_of, share_home, unify_kinds
from lazyop.operator import LazyOperator
from lazyop.sequences import as_list
from lazyop.structured.dense import Dense

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy.typing as npt
    from scipy.sparse import csr_array

    from lazyop.traits import Invert, Order


#: Larger blocks cost more than the calls that multiply them one by one.
_LARGEST_STACKED = 128


class BlockDiagonal(Composite):
    """Block-diagonal matrix: block i takes its own rows of x, and gives its own rows of the result.

    Parameters
    ----------
    ops : iterable of operators or what `aslazy` takes
        The blocks, of any shapes, at least one. Block-diagonal ones among them are flattened.
        Small dense blocks of one shape are gathered into one array.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.BlockDiagonal([[[1.0, 1.0]], lo.Identity(1)]) @ [1.0, 2.0, 3.0]
    array([3., 3.])
    """

    def __init__(self, ops: Iterable[Any]) -> None:
        operands = self._take(tuple(as_list(ops, "operators, as in [A, B]")))
        self._stack = stack = _stack_of(operands)
        self._compiled = None
        if stack is not None:
            operands = tuple(Dense(stack[i, :, :]) for i in range(len(operands)))
            self._compiled = _compiled_blocks(stack)
        shape = tuple(sum(sizes) for sizes in zip(*(op.shape for op in operands), strict=True))
        super().__init__(operands, shape)

    @classmethod
    def _of(cls, operands: Iterable[LazyOperator]) -> Self:
        return cls(operands)

    def _apply(self, X: Array) -> Array:
        Y = self._compiled.apply(X) if self._compiled else None
        if Y is not None:
            return Y
        if self._stack is not None:
            return self._apply_blocks(self._stack, X)
        cuts = accumulate((op.shape[1] for op in self.operands), initial=0)
        parts = [
            op._apply(X[start : start + op.shape[1], ...])
            for op, start in zip(self.operands, cuts, strict=False)
        ]
        return namespace_of(X).concat(parts, axis=0)

    def _apply_vector(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        y = self._compiled.vector(x) if self._compiled else None
        return super()._apply_vector(x) if y is None else y

    @staticmethod
    def _apply_blocks(stack: Array, X: Array) -> Array:
        """Apply all blocks, which are equally large and dense, by one product."""
        xp = namespace_of(X)
        count, m, n = stack.shape
        stack, X = unify_kinds(stack, xp.reshape(X, (count, n, X.shape[1])))
        return xp.reshape(xp.matmul(stack, X), (count * m, X.shape[2]))

    def _adjoint(self) -> LazyOperator:
        if self._stack is None or self.dtype.kind != "c":
            return super()._adjoint()
        return Conjugate(self._transpose())  # so that the blocks stay one stack

    def _conj(self) -> LazyOperator:
        return super()._conj() if self._stack is None else Conjugate(self)

    @property
    def _is_unitary(self) -> bool:
        return all(op._is_unitary for op in self.operands)

    @property
    def _is_diagonal(self) -> bool:
        return all(op._is_diagonal for op in self.operands)

    def _keeps_norm(self, order: Order) -> bool:
        return all(op._keeps_norm(order) for op in self.operands)

    def _norm(self, order: Order, norm_of: Callable[[LazyOperator], float]) -> float | None:
        if order == "fro":
            return math.hypot(*map(norm_of, self.operands))
        if order == 2:
            return float(np.max([norm_of(op) for op in self.operands]))
        axis = 1 - sum_axis(order)  # a block without columns has no column sums
        return extreme(np.array([norm_of(op) for op in self.operands if op.shape[axis]]), order)

    def _inverse(self, invert: Invert) -> LazyOperator | None:
        shapes = [op.shape for op in self.operands]
        for i, (m, n) in enumerate(shapes):
            if m != n:
                raise np.linalg.LinAlgError(
                    f"a block-diagonal operator with blocks that are not square has no inverse: "
                    f"block {i} is {(m, n)}"
                )
        return block_diag(*(invert(op, f"block {i}") for i, op in enumerate(self.operands)))

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


def _stack_of(ops: tuple[LazyOperator, ...]) -> Array | None:
    """Return small dense blocks of one shape and dtype as one array ``(count, m, n)``.

    Blocks that lie in such an array already, as those of an adjoint do, are not copied.
    """
    first = ops[0]
    if len(ops) == 1 or not isinstance(first, Dense) or max(first.shape) > _LARGEST_STACKED:
        return None
    values = []
    for op in ops:
        if not isinstance(op, Dense) or (op.shape, op.dtype) != (first.shape, first.dtype):
            return None
        values.append(op.values)
    if any(not share_home(values[0], v) for v in values):
        return None
    return _common_stack(values) if isinstance(values[0], np.ndarray) else _new_stack(values)


def _compiled_blocks(stack: Array) -> WholeChain | None:
    """Return a stack of blocks for the compiled kernels, as it is or as its transpose lies."""
    if 0 in stack.shape:
        return None
    if isinstance(stack, np.ndarray) and stack.strides[1] < stack.strides[2]:
        chain = compiled_chain([stack.transpose(0, 2, 1)[..., None]])
        return chain and chain.transpose()
    return compiled_chain([stack[..., None]])


def _new_stack(values: list[Array]) -> Array:
    return namespace_of(values[0]).stack(values)


def _common_stack(values: list[Array]) -> Array:
    """Return the array that the blocks are consecutive parts of, or a new one."""
    start, step = values[0].ctypes.data, values[0].nbytes
    apart = all(v.ctypes.data == start + i * step for i, v in enumerate(values))
    same = all(v.base is not None and v.base is values[0].base for v in values)
    if not (apart and same and len({v.strides for v in values}) == 1):
        return _new_stack(values)
    shape, strides = (len(values), *values[0].shape), (step, *values[0].strides)
    return np.lib.stride_tricks.as_strided(values[0], shape, strides, writeable=False)


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
