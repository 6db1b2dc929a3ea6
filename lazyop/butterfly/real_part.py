"""The real part of a product of complex factors, as a product of real ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


def real_part(factors: Sequence[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    r"""Return factors whose product is the real part of the product of complex factors.

    Every number becomes the block :math:`\begin{pmatrix} \Re & -\Im \\ \Im & \Re \end{pmatrix}`,
    of which the first factor keeps the first row and the last one the first column. At each
    junction the index of real and imaginary part stands in the same place on either side: right
    after the rank where the factors chain, so that they still do, with ranks doubled [1]_.

    Parameters
    ----------
    factors : sequence of array, shape (a, b, c, d)
        Complex values, leftmost first. Of the two d at a junction one divides the other.

    Returns
    -------
    list of array
        Real values. Patterns :math:`(a, b, c, d)` become :math:`(a, 2 b, 2 c, d)`, but for the
        first rows and the last columns.

    References
    ----------
    .. [1] M. Chaumette, R. Gribonval, E. Riccietti, "On the real part of butterfly factorizations,
       with application to fast transforms", preprint.
    """
    if len(factors) == 1:
        return [factors[0].real]
    strides = [max(left.shape[3], right.shape[3]) for left, right in pairwise(factors)]
    ends = (factors[0].shape[3], *strides, factors[-1].shape[3])
    found = [
        _expanded(values, above // values.shape[3], after // values.shape[3])
        for values, (above, after) in zip(factors, pairwise(ends), strict=True)
    ]
    last = len(found) - 1
    return [
        _flat(blocks[:, :, : 1 if i == 0 else 2, :, :, : 1 if i == last else 2])
        for i, blocks in enumerate(found)
    ]


def _expanded(values: npt.NDArray[Any], row_stride: int, column_stride: int) -> npt.NDArray[Any]:
    """Return real blocks of shape (a, b / rs, 2, rs, c / cs, 2, cs, d)."""
    a, b, c, d = values.shape
    outer, inner = (a, b // row_stride, 1, row_stride), (c // column_stride, 1, column_stride, d)
    split = values.reshape(*outer, *inner)
    upper = np.concatenate([split.real, -split.imag], axis=5)
    lower = np.concatenate([split.imag, split.real], axis=5)
    return np.concatenate([upper, lower], axis=2)


def _flat(blocks: npt.NDArray[Any]) -> npt.NDArray[Any]:
    a, b1, s, b0, c1, t, c0, d = blocks.shape
    return blocks.reshape(a, b1 * s * b0, c1 * t * c0, d)
