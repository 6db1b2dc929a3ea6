"""A matrix that products of two supports come near to and never reach, and products that do."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from lazyop.fixed_support.certificates import Certificate
from lazyop.fixed_support.supports import Classes
from lazyop.scalars import as_real

__all__ = ["Witness", "witness_of"]

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Witness:
    r"""A matrix without best factors, and factors whose products approach it.

    Attributes
    ----------
    target : csr_array, shape (m, n)
        Of zeros and ones. The distance of products to it has the infimum zero, and is never zero.
    entry : tuple of int
        The place of a one that is zero in every product that agrees with the target elsewhere.
    reason : str
        Why that is so, in terms of rows, columns and latent indices.

    Examples
    --------
    >>> import numpy as np
    >>> import lazyop as lo
    >>> witness = lo.fixed_support.diagnose(np.tri(2), np.tri(2).T).witness
    >>> witness.target.toarray()
    array([[0., 1.],
           [1., 0.]])
    >>> X, Y = witness.factors(1e-3)
    >>> (X @ Y).toarray()
    array([[0.001, 1.   ],
           [1.   , 0.   ]])
    >>> float(Y.max())
    1000.0
    """

    target: csr_array
    entry: tuple[int, int]
    reason: str
    _left: csr_array = field(repr=False)
    _right: csr_array = field(repr=False)
    _moved: tuple[int, int, int] = field(repr=False)
    _swapped: bool = field(repr=False)
    _other: int = field(repr=False)

    def factors(self, distance: Any) -> tuple[csr_array, csr_array]:
        r"""Factors on the supports, whose product is at that distance from the target.

        Parameters
        ----------
        distance : float
            Positive. One entry of the product is off by it; the factors have an entry
            :math:`\pm` one over it. With powers of two all of this holds without rounding.

        Returns
        -------
        X, Y : csr_array, shapes (m, r) and (r, n)

        Raises
        ------
        ValueError
            If the distance is not positive and finite, or one over it is not.
        TypeError
            If it is no real number.
        """
        step = as_real(distance, "distance")
        if not (0 < step < math.inf and math.isfinite(1 / step)):
            raise ValueError(f"distance must be positive and finite, got {distance!r}")
        row, latent, column = self._moved
        X, Y = self._left.tolil(), self._right.tolil()
        X[row, latent] = step
        Y[latent, column] = 1 / step
        Y[self._other, column] = -1 / step
        left, right = csr_array(X), csr_array(Y)
        return (csr_array(right.T), csr_array(left.T)) if self._swapped else (left, right)


def witness_of(found: Certificate, classes: Classes, inner: int) -> Witness:
    """The matrix of a certificate, and the factors that approach it."""
    if found.swapped:
        classes = classes.swapped()
    m, n = classes.rows.shape[1], classes.columns.shape[1]
    rows = np.concatenate([pin.rows for pin in found.pins])
    columns = np.concatenate([pin.columns for pin in found.pins])
    latents = np.concatenate([classes.latents[pin.index] for pin in found.pins])
    target = _ones([*rows, found.row], [*columns, found.column], (m, n))
    first = found.pins[0]
    other, left = _other_latent(found, classes), (rows, latents)
    if all(pin.index != found.other for pin in found.pins):
        left = np.append(rows, first.rows[0]), np.append(latents, other)
    entry = (found.column, found.row) if found.swapped else (found.row, found.column)
    return Witness(
        target=csr_array(target.T) if found.swapped else target,
        entry=entry,
        reason=_told(found, classes),
        _left=_ones(*left, (m, inner)),
        _right=_ones(latents, columns, (inner, n)),
        _moved=(found.row, int(classes.latents[first.index][0]), found.column),
        _swapped=found.swapped,
        _other=other,
    )


def _other_latent(found: Certificate, classes: Classes) -> int:
    """The latent index that takes away what the moving one adds to row `h`.

    A pin's first row is `h`, and belongs to its first latent index.
    """
    return int(classes.latents[found.other][0])


def _ones(rows: Any, columns: Any, shape: tuple[int, int]) -> csr_array:
    return csr_array((np.ones(len(rows)), (np.asarray(rows), np.asarray(columns))), shape=shape)


def _told(found: Certificate, classes: Classes) -> str:
    """The proof in words."""
    line, across = ("column", "row") if found.swapped else ("row", "column")
    row, column, pins = found.row, found.column, []
    for pin in found.pins:
        latents = _listed(classes.latents[pin.index])
        lines, others = _listed([*pin.rows, row]), _listed(pin.columns)
        pins.append(f"latent {latents} alone covers {line}s {lines} in {across} {others}")
    held = _listed(np.concatenate([classes.latents[pin.index] for pin in found.pins]))
    place = (column, row) if found.swapped else (row, column)
    return (
        f"{', '.join(pins)}: an identity there with zeros in {line} {row} leaves nothing of latent "
        f"{held} in {line} {row}, and nothing else covers entry {place}, which is to be one"
    )


def _listed(numbers: Any) -> str:
    return ", ".join(str(int(x)) for x in numbers)
