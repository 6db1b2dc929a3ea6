r"""Alternating least squares over the factors of a chain that need not chain.

The entries of one factor then meet each other in one least-squares problem,

.. math:: \min_{\operatorname{supp} D \subseteq S_\pi} \|E - H D T\|,

with `H` the product of the factors before it, `T` of those after it, and `E` what the whole
product leaves of the matrix. It is solved by its normal equations, of the order of the number of
entries.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lazyop.butterfly.blocks import values_from_dense
from lazyop.butterfly.kronecker_sparse import KroneckerSparse
from lazyop.butterfly.pattern import Pattern
from lazyop.factorization.residual import norm
from lazyop.namespaces import Array, adjoint, device_of, dtype_of, namespace_of

__all__ = ["jointly_swept"]


def jointly_swept(A: Array, factors: Sequence[Array]) -> list[Array]:
    """Factors after each of them, in turn, minimised the error while the others stood still.

    Parameters
    ----------
    A : array, shape (m, n)
    factors : sequence of array
        Values of shape `(a, b, c, d)`, leftmost first, of the dtype of `A`.

    Returns
    -------
    list of array
        The factors after updates from the first to the last. Their product is no further from
        the matrix than that of those given.
    """
    tails = _tails(factors, A)
    head = _identity(A.shape[0], A)
    found: list[Array] = []
    for values, tail in zip(factors, tails, strict=True):
        error = A - _product(head, values, tail)
        better = values + _step(error, head, tail, Pattern(*values.shape))
        left = A - _product(head, better, tail)
        found.append(better if norm(left) < norm(error) else values)
        head = KroneckerSparse(found[-1]).rdot(head)
    return found


def _step(error: Array, head: Array, tail: Array, pattern: Pattern) -> Array:
    """What to add to the values of a factor, so that the error is orthogonal to all changes."""
    xp = namespace_of(error)
    a, b, c, d = pattern
    left = xp.matmul(adjoint(head), head)
    right = xp.matmul(tail, adjoint(tail))
    gradient = xp.matmul(xp.matmul(adjoint(head), error), adjoint(tail))
    # (H^H H D T T^H)[ikj, ilj] holds D[i'k'l'j'] times left[ikj, i'k'j'] right[i'l'j', ilj].
    rows = xp.reshape(left, (a, b, 1, d, a, b, 1, d))
    columns = xp.reshape(xp.matrix_transpose(right), (a, 1, c, d, a, 1, c, d))
    gram = xp.reshape(rows * columns, (pattern.nnz, pattern.nnz))
    right_side = xp.reshape(values_from_dense(gradient, pattern), (pattern.nnz, 1))
    solution = xp.linalg.solve(_regular(gram), right_side)
    return xp.reshape(solution, tuple(pattern))


def _regular(gram: Array) -> Array:
    """A Gram matrix with as much added to its diagonal as its rounding errors may take away.

    The step then still lowers the error, and what it falls short of, the next sweep makes up for.
    """
    xp = namespace_of(gram)
    order = gram.shape[0]
    largest = float(xp.max(xp.abs(xp.linalg.diagonal(gram)))) or 1.0
    ridge = order * float(np.finfo(dtype_of(gram)).eps) * largest
    return gram + ridge * _identity(order, gram)


def _tails(factors: Sequence[Array], A: Array) -> list[Array]:
    """For each factor, the product of those after it, dense."""
    tails = [_identity(A.shape[1], A)]
    for values in reversed(factors[1:]):
        tails.append(KroneckerSparse(values) @ tails[-1])
    return tails[::-1]


def _product(head: Array, values: Array, tail: Array) -> Array:
    return namespace_of(head).matmul(head, KroneckerSparse(values) @ tail)


def _identity(order: int, reference: Array) -> Array:
    xp = namespace_of(reference)
    return xp.eye(order, dtype=reference.dtype, device=device_of(reference))
