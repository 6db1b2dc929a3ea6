"""Overlapping frames of a signal, and their sum with overlap, which is the adjoint.

A signal ``(before, n, after, columns)`` gives frames ``(before, length, after, frames, columns)``:
frames follow each other by hops along an axis of their own, behind those that the signal has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lazyop.namespaces import Array, dtype_of, namespace_of, zeros


@dataclass(frozen=True)
class Frames:
    """Where the frames of a signal of length n are.

    Parameters
    ----------
    n : int
        The length of the signal.
    length, hop, count : int
        How long frames are, how far from each other, and how many.
    start : int
        Where the first begins; before the signal if negative. The signal is zero beyond its ends.
    """

    n: int
    length: int
    hop: int
    count: int
    start: int

    @property
    def _blocks(self) -> int:
        """How many hops a frame spans."""
        return -(-self.length // self.hop)

    @property
    def _span(self) -> int:
        """The length of whole hops that all frames are in."""
        return (self.count - 1 + self._blocks) * self.hop

    def cut(self, X: Array) -> Array:
        """Return the frames of a signal; on NumPy as a view of the signal between zeros."""
        X = moved(X, -self.start, self._span)
        if isinstance(X, np.ndarray):
            windows = np.lib.stride_tricks.sliding_window_view(X, self.length, axis=1)
            return windows[:, : self.count * self.hop : self.hop].transpose(0, 4, 2, 1, 3)
        xp = namespace_of(X)
        before, _, after, columns = X.shape
        hops = self.count - 1 + self._blocks
        X = xp.reshape(X, (before, hops, self.hop, after, columns))
        parts = [
            xp.permute_dims(X[:, i : i + self.count, :, :, :], (0, 2, 3, 1, 4))
            for i in range(self._blocks)
        ]
        return xp.concat(parts, axis=1)[:, : self.length, :, :, :]

    def add(self, F: Array) -> Array:
        """Return the sum of frames where they overlap: the adjoint of `cut`."""
        xp = namespace_of(F)
        before, _, after, count, columns = F.shape
        shape = before, self._span // self.hop, self.hop, after, columns
        parts = []
        for i in range(self._blocks):
            part = F[:, i * self.hop : min((i + 1) * self.hop, self.length), :, :, :]
            parts.append(xp.permute_dims(part, (0, 3, 1, 2, 4)))
        if isinstance(F, np.ndarray):
            X: Any = np.zeros(shape, F.dtype)
            for i, part in enumerate(parts):
                X[:, i : i + count, : part.shape[2]] += part
        else:
            whole = [
                moved(moved(part, 0, self.hop, axis=2), i, shape[1]) for i, part in enumerate(parts)
            ]
            X = sum(whole[1:], whole[0])
        flat = xp.reshape(X, (before, self._span, after, columns))
        return moved(flat, self.start, self.n)


def moved(X: Array, by: int, size: int, axis: int = 1) -> Array:
    """Return an array of a size along an axis, moved there; zeros come in where it has nothing."""
    n = X.shape[axis]
    first, last = max(-by, 0), min(size - by, n)
    keep = (slice(None),) * axis
    inside = X[(*keep, slice(first, last), ...)]
    before, after = max(by, 0), max(size - by - n, 0)
    if not before and not after:
        return inside
    ends = [
        zeros((*X.shape[:axis], count, *X.shape[axis + 1 :]), dtype_of(X), X)
        for count in (before, after)
    ]
    return namespace_of(X).concat([ends[0], inside, ends[1]], axis=axis)
