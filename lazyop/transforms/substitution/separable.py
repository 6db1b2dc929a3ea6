"""Functions of n-dimensional arrays that act along each axis by itself: Kronecker products.

On a product of vectors such a function is the product of matrices with them. So a matrix comes from
as many calls as its axis is long, and the whole is never needed.
"""

from __future__ import annotations

import math
from functools import reduce
from typing import Any

import numpy as np

from lazyop.transforms.substitution.black_box import BlackBox, Columns
from lazyop.transforms.substitution.linearity import departure

__all__ = ["kron_error", "separable_parts"]


def separable_parts(box: BlackBox, tol: float) -> tuple[list[Columns], float] | None:
    """Matrices whose Kronecker product is a linear function, and how far off it is.

    Parameters
    ----------
    box : BlackBox
        Linear.
    tol : float
        Relative departures up to this are put down to rounding.

    Returns
    -------
    parts, departure
        Or None where the function is no such product, or one of its matrices is all there is.
    """
    sizes, out_sizes = box.in_shape, box.out_shape
    if len(sizes) != len(out_sizes) or sum(n > 1 for n in sizes) < 2:
        return None
    rng = np.random.default_rng(1)
    vectors = [rng.standard_normal(n).astype(box.dtype) for n in sizes]
    image = box(_outer(vectors)[:, None]).reshape(out_sizes)
    lines = _lines_through_largest(image)
    if lines is None:
        return None
    parts = [_part(box, vectors, lines, axis) for axis in range(len(sizes))]
    # Each part is right but for its size, and so is their product.
    largest = np.unravel_index(np.argmax(np.abs(image)), image.shape)
    made = math.prod((A @ v)[i] for A, v, i in zip(parts, vectors, largest, strict=True))
    scale = complex(image[largest] / made)
    parts[0] = parts[0] * (scale if image.dtype.kind == "c" else scale.real)
    off = _distance(box, parts, rng)
    return (_evened(parts, box.out_dtype), off) if off <= tol else None


def _outer(vectors: list[Columns]) -> Columns:
    return reduce(np.multiply.outer, vectors).reshape(-1)


def _lines_through_largest(image: Columns) -> list[Columns] | None:
    """The lines of an array through its largest entry, as unit vectors."""
    place = np.unravel_index(np.argmax(np.abs(image)), image.shape)
    if image[place] == 0:
        return None
    lines = []
    for axis in range(image.ndim):
        index: list[Any] = list(place)
        index[axis] = slice(None)
        line = image[tuple(index)]
        lines.append(line / np.linalg.norm(line))
    return lines


def _part(box: BlackBox, vectors: list[Columns], lines: list[Columns], axis: int) -> Columns:
    """The matrix along one axis, by unit vectors there, and the others as they are."""
    columns = []
    for unit in np.eye(box.in_shape[axis], dtype=box.dtype):
        x = _outer([*vectors[:axis], unit, *vectors[axis + 1 :]])
        result = box(x[:, None]).reshape(box.out_shape)
        for other in reversed([k for k in range(len(lines)) if k != axis]):
            result = np.tensordot(result, lines[other].conj(), axes=(other, 0))
        columns.append(result)
    return np.stack(columns, axis=1)


def _distance(box: BlackBox, parts: list[Columns], rng: np.random.Generator) -> float:
    """How far the product is from the function, for random arrays."""
    worst = 0.0
    for _ in range(3):
        x = rng.standard_normal(box.in_shape).astype(box.dtype)
        y = x
        for axis, A in enumerate(parts):
            y = np.moveaxis(np.tensordot(A, y, axes=(1, axis)), 0, axis)
        worst = max(worst, departure(y.reshape(-1, 1), box(x.reshape(-1, 1))))
    return worst


def _evened(parts: list[Columns], dtype: np.dtype[np.generic]) -> list[Columns]:
    """The same product of matrices that have equal norms."""
    sizes = [float(np.linalg.norm(A)) for A in parts]
    mean = math.exp(sum(math.log(size) for size in sizes) / len(sizes))
    return [(A * (mean / size)).astype(dtype) for A, size in zip(parts, sizes, strict=True)]


def kron_error(exact: list[Columns], found: list[Columns]) -> float:
    r"""Relative error of a Kronecker product, from its operands and without cancellation.

    With :math:`E = \hat P - P` for products so far, of :math:`\|P\| = 1`, one more operand `A` of
    norm 1 with error `F` adds up :math:`\|P \otimes F + E \otimes A + E \otimes F\|^2`, by
    :math:`\langle X \otimes Y, Z \otimes W\rangle = \langle X, Z\rangle \langle Y, W\rangle`.
    """
    squared, inner = 0.0, 0j
    for A, B in zip(exact, found, strict=True):
        size = float(np.linalg.norm(A))
        A, F = A / size, (B - A) / size
        e, d = float(np.linalg.norm(F)) ** 2, complex(np.vdot(A, F))
        crossed = inner * d.conjugate() + inner * e + squared * d
        squared, inner = squared + e + squared * e + 2 * crossed.real, inner + d + inner * d
    return math.sqrt(max(squared, 0.0))
