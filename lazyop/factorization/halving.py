r"""First guesses at two halves of the columns that permuted rows of a butterfly agree on.

Two rows that a butterfly's first factor mixes are, on each half of the columns, multiples of each
other: as points of the plane, their columns lie on two lines through zero. Here are the rows of
which that is true, and the halves, from two rows alone or from many pairs at once.

An array of shape `(g, p, q)` holds `g` matrices with common rows and columns of their own; halves
of the columns are an integer array `(g, 2, q / 2)`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["halves_by_lines", "halves_by_rows", "halves_by_spectrum", "two_line_scores"]

Values = npt.NDArray[Any]
Index = npt.NDArray[np.int64]


def two_line_scores(X: Values) -> npt.NDArray[np.float64]:
    r"""For every two rows, how far their columns are from lying on two lines, from 0 on.

    Points :math:`(x, y)` lie on two lines through zero if and only if some quadratic form vanishes
    on all of them, which is if the vectors :math:`(x^2, xy, y^2)` span no more than a plane [1]_.
    The score is the least eigenvalue of their Gram matrix over its trace.

    References
    ----------
    .. [1] R. Vidal, Y. Ma, S. Sastry, "Generalized principal component analysis", IEEE Trans.
       Pattern Anal. Mach. Intell. 27(12), 2005.
    """
    groups, rows, _ = X.shape
    squares, sizes = X**2, np.abs(X) ** 2
    fourth = np.sum(sizes**2, axis=2)
    mixed = np.matmul(np.conj(squares) * X, X.swapaxes(1, 2))
    gram = np.empty((groups, rows, rows, 3, 3), dtype=X.dtype)
    gram[..., 0, 0], gram[..., 2, 2] = fourth[:, :, None], fourth[:, None, :]
    gram[..., 1, 1] = np.matmul(sizes, sizes.swapaxes(1, 2))
    gram[..., 2, 0] = np.matmul(squares, np.conj(squares).swapaxes(1, 2))
    gram[..., 1, 0] = np.conj(mixed)
    gram[..., 2, 1] = mixed.swapaxes(1, 2)
    spectrum = np.linalg.eigvalsh(gram).sum(axis=0)
    trace = spectrum.sum(axis=2)
    scores: npt.NDArray[np.float64] = spectrum[..., 0] / np.where(trace > 0, trace, 1)
    np.fill_diagonal(scores, np.inf)
    return scores


def halves_by_rows(X: Values, first: int, second: int) -> Index:
    """Halves of the columns by the two lines that two rows come nearest to."""
    x, y = X[:, first], X[:, second]
    forms = np.stack([x * x, x * y, y * y], axis=1)
    gram = np.matmul(np.conj(forms), forms.swapaxes(1, 2))
    u, v, w = np.moveaxis(np.linalg.eigh(gram)[1][:, :, 0], 1, 0)
    # The lines are the roots of u x^2 + v x y + w y^2, of which the larger sum never cancels.
    root = np.sqrt(v**2 - 4 * u * w + 0j)
    root = np.where(np.abs(v + root) < np.abs(v - root), v - root, v + root)
    lines = np.stack([np.stack([-root, 2 * u], 1), np.stack([2 * w, -root], 1)], axis=1)
    if not np.iscomplexobj(X):
        lines = _nearest_real(lines)
    norms = np.linalg.norm(lines, axis=2, keepdims=True)
    lines = lines / np.where(norms > 0, norms, 1)
    off = lines[:, :, :1] * y[:, None] - lines[:, :, 1:] * x[:, None]
    return balanced(np.abs(off) ** 2)


def _nearest_real(lines: Values) -> Values:
    """Real directions of complex lines, their larger coordinate turned real."""
    larger = np.argmax(np.abs(lines), axis=2, keepdims=True)
    turned = lines * np.conj(np.take_along_axis(lines, larger, axis=2))
    return np.real(turned)


def halves_by_spectrum(X: Values, pairs: Index) -> Index:
    r"""Halves of the columns by the sign of a singular vector, over many pairs of rows.

    The line through :math:`(x, y)` is a point of the sphere, :math:`(|x|^2 - |y|^2,\, 2 \Re
    \bar{x} y,\, 2 \Im \bar{x} y)` up to its length, and lines at right angles are opposite
    points. So where a butterfly's first factor is orthogonal, columns of different halves have
    opposite points for all pairs of rows.
    """
    x, y = X[:, pairs[:, 0]], X[:, pairs[:, 1]]
    cross = 2 * np.conj(x) * y
    points = np.concatenate(
        [np.abs(x) ** 2 - np.abs(y) ** 2, np.real(cross), np.imag(cross)], axis=1
    )
    norms = np.linalg.norm(points, axis=1, keepdims=True)
    leading = np.linalg.svd(points / np.where(norms > 0, norms, 1), full_matrices=False)[2][:, 0]
    return balanced(np.stack([leading, -leading], axis=1))


def halves_by_lines(X: Values, pairs: Index, halves: Index) -> Index:
    """Halves of the columns, each with the lines that fit it best for all pairs of rows.

    Columns go to the lines that they are nearer to, and lines to the columns they have, until
    none moves; the sum of squared distances falls all the while.
    """
    V = X[:, pairs]
    for _ in range(20):
        columns = np.take_along_axis(V[:, None], halves[:, :, None, None, :], axis=4)
        gram = np.matmul(columns, np.conj(columns).swapaxes(3, 4))
        normals = np.linalg.eigh(gram)[1][..., 0]
        off = np.einsum("gcti,gtiq->gctq", np.conj(normals), V)
        moved = balanced(np.sum(np.abs(off) ** 2, axis=2))
        if np.array_equal(moved, halves):
            break
        halves = moved
    return halves


def balanced(costs: Values) -> Index:
    """Two equal halves of the columns from what each costs in either, `(g, 2, q)`."""
    order = np.argsort(costs[:, 0] - costs[:, 1], axis=1, kind="stable")
    middle = order.shape[1] // 2
    return np.stack([np.sort(order[:, :middle], 1), np.sort(order[:, middle:], 1)], axis=1)
