"""Layout of the blocks that two chained Kronecker-sparse factors multiply one by one.

Moves values between their shape `(a, b, c, d)` and stacks of small matrices, and between that
shape and the dense matrix. No arithmetic on values but the product of the blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lazyop.butterfly.pattern import Pattern
from lazyop.namespaces import Array, device_of, namespace_of

__all__ = ["Junction", "chain_values", "dense_from_values", "values_from_dense"]


@dataclass(frozen=True)
class Junction:
    r"""Two patterns that chain, and the blocks of a product across them.

    With :math:`\alpha = a_2 / a_1`, :math:`\delta = d_1 / d_2` and rank `r`, the stacks have
    leading axes :math:`(a_1, \alpha, \delta, d_2)`; their matrices are `(b_1, c_2)` for the
    product, `(b_1, r)` for the left factor and `(r, c_2)` for the right one.
    """

    left: Pattern
    right: Pattern

    @property
    def rank(self) -> int:
        """Columns of a left block, rows of a right one."""
        return self.left.rank_with(self.right)

    @property
    def alpha(self) -> int:
        """Blocks next to each other in a diagonal block of the left pattern."""
        return self.right.a // self.left.a

    @property
    def delta(self) -> int:
        """Blocks above each other in a diagonal block of the left pattern."""
        return self.left.d // self.right.d

    def split(self, values: Array) -> Array:
        """Blocks of values on the product pattern."""
        (a, b, _, _), (_, _, c, d) = self.left, self.right
        shape = (a, b, self.delta, self.alpha, c, d)
        return _permuted(values, shape, (0, 3, 2, 5, 1, 4))

    def split_left(self, values: Array) -> Array:
        """Blocks of the left factor's values."""
        shape = (self.left.a, self.left.b, self.alpha, self.rank, self.delta, self.right.d)
        return _permuted(values, shape, (0, 2, 4, 5, 1, 3))

    def split_right(self, values: Array) -> Array:
        """Blocks of the right factor's values."""
        shape = (self.left.a, self.alpha, self.rank, self.delta, self.right.c, self.right.d)
        return _permuted(values, shape, (0, 1, 3, 5, 2, 4))

    def join(self, blocks: Array) -> Array:
        """Values on the product pattern from their blocks."""
        return _joined(blocks, (0, 4, 2, 1, 5, 3), self.left @ self.right)

    def join_left(self, blocks: Array) -> Array:
        """Values of the left factor from its blocks."""
        return _joined(blocks, (0, 4, 1, 5, 2, 3), self.left)

    def join_right(self, blocks: Array) -> Array:
        """Values of the right factor from its blocks."""
        return _joined(blocks, (0, 1, 4, 2, 5, 3), self.right)

    def product(self, left: Array, right: Array) -> Array:
        """Values of the product of two factors."""
        X, Y = self.split_left(left), self.split_right(right)
        if _in_place(left, self.right):
            values = np.empty(tuple(self.left @ self.right), dtype=np.result_type(left, right))
            np.matmul(X, Y, out=self.split(values))
            return values
        return self.join(namespace_of(left).matmul(X, Y))

    def join_right_product(self, X: Array, Y: Array) -> Array:
        """Values of the right factor whose blocks are the products of two stacks."""
        if _in_place(X, self.right):
            values = np.empty(tuple(self.right), dtype=np.result_type(X, Y))
            np.matmul(X, Y, out=self.split_right(values))
            return values
        return self.join_right(namespace_of(X).matmul(X, Y))


def _in_place(x: Array, right: Pattern) -> bool:
    # BLAS writes rows anywhere in memory, but the entries of a row side by side.
    return isinstance(x, np.ndarray) and right.d == 1


def _permuted(values: Array, shape: tuple[int, ...], axes: tuple[int, ...]) -> Array:
    xp = namespace_of(values)
    return xp.permute_dims(xp.reshape(values, shape), axes)


def _joined(blocks: Array, axes: tuple[int, ...], pattern: Pattern) -> Array:
    xp = namespace_of(blocks)
    return xp.reshape(xp.permute_dims(blocks, axes), tuple(pattern))


def chain_values(factors: Sequence[Array], patterns: Iterable[Pattern]) -> Array:
    """Values of the product of all factors, leftmost first."""
    # From the right, the rows of the blocks are as long as can be, and are written in place.
    *others, product = patterns
    values = factors[-1]
    for pattern, factor in zip(others[::-1], factors[-2::-1], strict=True):
        values = Junction(pattern, product).product(factor, values)
        product = pattern @ product
    return values


def values_from_dense(matrix: Array, pattern: Pattern) -> Array:
    """Entries of a dense matrix on the support of a pattern, as values `(a, b, c, d)`."""
    xp = namespace_of(matrix)
    a, b, c, d = pattern
    across = xp.reshape(matrix, (a, b, d, a, c, d))
    outer = xp.linalg.diagonal(xp.permute_dims(across, (1, 2, 4, 5, 0, 3)))
    inner = xp.linalg.diagonal(xp.permute_dims(outer, (4, 0, 2, 1, 3)))
    return inner


def dense_from_values(values: Array) -> Array:
    """Dense matrix with the given values `(a, b, c, d)` on its support, zero elsewhere."""
    xp = namespace_of(values)
    a, b, c, d = values.shape
    spread = xp.reshape(xp.permute_dims(values, (0, 1, 3, 2)), (a, b, d, 1, c, 1))
    for order, shape in ((a, (a, 1, 1, a, 1, 1)), (d, (1, 1, d, 1, 1, d))):
        if order == 1:
            continue
        unit = xp.eye(order, dtype=values.dtype, device=device_of(values))
        spread = spread * xp.reshape(unit, shape)
    return xp.reshape(spread, (a * b * d, a * c * d))
