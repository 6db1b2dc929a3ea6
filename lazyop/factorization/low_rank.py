"""Best approximation of given rank, of every matrix in a stack at once."""

from __future__ import annotations

from typing import NamedTuple

from lazyop.namespaces import Array, namespace_of

__all__ = ["LowRank", "best_rank", "tail_norm"]


class LowRank(NamedTuple):
    """Stacks `U` `(..., m, r)`, `s` `(..., r)`, `Vh` `(..., r, n)`, and the norm left out."""

    U: Array
    s: Array
    Vh: Array
    residual: Array

    def left(self) -> tuple[Array, Array]:
        """Two factors, the left one with orthonormal columns."""
        return self.U, self.s[..., :, None] * self.Vh

    def right(self) -> tuple[Array, Array]:
        """Two factors, the right one with orthonormal rows."""
        return self.U * self.s[..., None, :], self.Vh


def best_rank(blocks: Array, rank: int) -> LowRank:
    r"""Truncated singular value decomposition :math:`U \operatorname{diag}(s) V^H` of a stack.

    Parameters
    ----------
    blocks : array, shape (..., m, n)
    rank : int
        Less than or equal to `m` and `n`.

    Returns
    -------
    LowRank
        `residual` is the Frobenius norm, over the whole stack, of what the truncation leaves:
        :math:`\bigl(\sum_{\text{blocks}} \sum_{i > r} s_i^2\bigr)^{1/2}`.
    """
    xp = namespace_of(blocks)
    U, s, Vh = _svd(blocks)
    residual = xp.linalg.vector_norm(s[..., rank:])
    return LowRank(U[..., :, :rank], s[..., :rank], Vh[..., :rank, :], residual)


def tail_norm(blocks: Array, rank: int) -> Array:
    """The `residual` of `best_rank`, by singular values alone."""
    xp = namespace_of(blocks)
    return xp.linalg.vector_norm(xp.linalg.svdvals(_tall(blocks))[..., rank:])


def _svd(blocks: Array) -> tuple[Array, Array, Array]:
    xp = namespace_of(blocks)
    if not _is_wide(blocks):
        U, s, Vh = xp.linalg.svd(blocks, full_matrices=False)
        return U, s, Vh
    V, s, Uh = _svd(xp.matrix_transpose(blocks))
    return xp.matrix_transpose(Uh), s, xp.matrix_transpose(V)


def _tall(blocks: Array) -> Array:
    # LAPACK is up to twice as fast on a stack of tall matrices as on their transposes.
    return namespace_of(blocks).matrix_transpose(blocks) if _is_wide(blocks) else blocks


def _is_wide(blocks: Array) -> bool:
    rows, columns = blocks.shape[-2:]
    return bool(rows < columns)
