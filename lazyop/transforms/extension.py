"""How a finite signal goes on beyond its ends, in the modes of PyWavelets, and the adjoint of that.

Every mode is linear: the samples beyond the ends are a small matrix times those near the ends.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lazyop.namespaces import Array, dtype_of, like, namespace_of, zeros

#: PyWavelets' names of the modes.
MODES = (
    *("zero", "constant", "symmetric", "periodic", "smooth", "periodization", "reflect"),
    *("antisymmetric", "antireflect"),
)

#: Places in a signal, and what each counts there.
_Term = tuple[Any, Any]


class Extension:
    """Signals of length n along axis 1 of ``(before, n, after)``, and more samples at their ends.

    Parameters
    ----------
    n : int
        The length of the signals, at least 1; at least 2 for the modes that reflect about a sample.
    left, right : int
        How many samples come before the signal and after it.
    mode : str
        One of `MODES`.

    Attributes
    ----------
    reach : int
        How many samples at either end determine those beyond.
    is_short : bool
        Whether that is all samples.
    matrix : array or None
        From those samples, or all if the signals are short, to those before and after; None if
        these are zero.
    """

    def __init__(self, n: int, left: int, right: int, mode: str) -> None:
        self.n, self.left, self.right = n, left, right
        # No mode looks further back than by the samples that it adds, and two.
        self.reach = max(left, right) + 2
        self.is_short = n <= 2 * self.reach
        self.matrix = None if mode == "zero" else self._from_ends(mode)

    def outside(self) -> npt.NDArray[np.int64]:
        """Return the places before and after the signals, which are at 0 to n - 1."""
        return np.concatenate([np.arange(-self.left, 0), self.n + np.arange(self.right)])

    def _from_ends(self, mode: str) -> npt.NDArray[np.float64]:
        outside = self.outside()
        size = self.n if self.is_short else 2 * self.reach
        matrix = np.zeros((outside.size, size))
        for place, weight in _terms(outside, self.n, mode):
            column = (
                place
                if self.is_short
                else np.where(place < self.reach, place, place - self.n + size)
            )
            np.add.at(matrix, (np.arange(outside.size), column), weight)
        return matrix

    def extend(self, X: Array) -> Array:
        """Return the signals with what comes before and after."""
        xp = namespace_of(X)
        if self.matrix is None:
            before, _, after = X.shape
            ends = [zeros((before, k, after), dtype_of(X), X) for k in (self.left, self.right)]
        else:
            near = X
            if not self.is_short:
                near = xp.concat([X[:, : self.reach, :], X[:, self.n - self.reach :, :]], axis=1)
            outside = xp.matmul(like(self.matrix.astype(dtype_of(X)), X), near)
            ends = [outside[:, : self.left, :], outside[:, self.left :, :]]
        return xp.concat([ends[0], X, ends[1]], axis=1)

    def fold(self, X: Array) -> Array:
        """Apply the adjoint: add what is beyond the ends to where it came from."""
        xp, n, left, reach = namespace_of(X), self.n, self.left, self.reach
        inside = X[:, left : left + n, :]
        if self.matrix is None:
            return inside
        outside = xp.concat([X[:, :left, :], X[:, left + n :, :]], axis=1)
        folded = xp.matmul(like(self.matrix.T.astype(dtype_of(X)), X), outside)
        if self.is_short:
            return inside + folded
        first = inside[:, :reach, :] + folded[:, :reach, :]
        last = inside[:, n - reach :, :] + folded[:, reach:, :]
        return xp.concat([first, inside[:, reach : n - reach, :], last], axis=1)


def _terms(i: npt.NDArray[Any], n: int, mode: str) -> list[_Term]:
    """Return what sample i of an endless signal is, as a sum of samples 0 to n - 1.

    Where a signal is reflected, it goes back and forth: through its samples, and through those
    without the first and the last, are periods of 2 n and of 2 n - 2.
    """
    if mode == "constant":
        return [(np.clip(i, 0, n - 1), 1)]
    if mode == "periodic":
        return [(i % n, 1)]
    if mode == "periodization":  # of an even length: the last sample counts twice in an odd one
        return [(np.minimum(i % (n + n % 2), n - 1), 1)]
    if mode == "smooth":
        return _straight_lines(i, n)
    if mode in ("symmetric", "antisymmetric"):
        turn, place = np.divmod(i, n)
        back = turn % 2
        return [(np.where(back, n - 1 - place, place), 1 - 2 * back * (mode == "antisymmetric"))]
    turn, place = np.divmod(i, n - 1)
    back = turn % 2
    reflected = np.where(back, n - 1 - place, place)
    if mode == "reflect":
        return [(reflected, 1)]
    # a half turn about each end: every turn goes up by the difference of the ends
    first, last = np.zeros_like(i), np.full_like(i, n - 1)
    return [(reflected, 1 - 2 * back), (first, back - turn), (last, back + turn)]


def _straight_lines(i: npt.NDArray[Any], n: int) -> list[_Term]:
    """Go on by the first and the last difference; a constant has none."""
    ends = np.clip(i, 0, n - 1)
    if n == 1:
        return [(ends, 1)]
    beyond = i - ends
    second = np.where(i < 0, 1, n - 2)
    return [(ends, 1 + abs(beyond)), (second, -abs(beyond))]
