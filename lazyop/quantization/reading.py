"""Reading a part of a dyadic chain whose numbers have as many bits as their energy wants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lazyop.kernels.plan import has_compiled
from lazyop.quantization.bits import Bytes, Codes, read_each, windows
from lazyop.quantization.energies import (
    MAX_WIDTH,
    UNIT_ENERGY,
    directed,
    norm_widths,
    passed_on,
    squares,
    width_of,
)
from lazyop.quantization.parts import Part

__all__ = ["Reader"]

Values = npt.NDArray[Any]
Reals = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Reader:
    """What reads the codes of parts.

    Parameters
    ----------
    data : array of bytes
        All that is packed.
    dtype : dtype
        Of the entries.
    octave_bits, lowest : int
        Width of the field of an octave, and bits of norms in the lowest octave.
    step : float
        Unit of norms.
    """

    data: Bytes
    dtype: np.dtype[Any]
    octave_bits: int
    lowest: int
    step: float

    @property
    def is_compiled(self) -> bool:
        """Whether compiled code reads."""
        return self.dtype.kind != "c" and has_compiled()

    def read(self, at: int, part: Part, energies: Reals | None) -> tuple[Values, Reals]:
        """Read the factors of a part, the last one first.

        Parameters
        ----------
        at : int
            The bit at which the first code begins.
        part : Part
        energies : array or None
            Of the rows; None for a part of the last factors, from whose rows they are found.

        Returns
        -------
        entries : array (2, factors, rows)
            The two entries of each column, in the order in which the factors are read; of each row
            for the last factor of the chain.
        energies : array
            Before these factors.
        """
        if self.is_compiled:
            return self._compiled(at, part, energies)
        entries = np.empty((2, part.count, part.size), self.dtype)
        begin = 0
        if energies is None:
            entries[:, 0], energies, at = self._rows(at, part.size)
            begin = 1
        for k in range(begin, part.count):
            entries[:, k], shared, at = self._directions(at, energies)
            shape = part.shape(part.count - 1 - k)
            energies = passed_on(*(share.reshape(shape) for share in shared)).ravel()
        return entries, energies

    def _rows(self, at: int, count: int) -> tuple[Values, Reals, int]:
        """Read the rows of the last factor: their entries, energies, and where the next code is."""
        octaves, at = self._take(at, np.full(count, self.octave_bits))
        widths = norm_widths(octaves, self.lowest)
        below, at = self._take(at, widths)
        norms = (below + np.where(octaves > 0, np.left_shift(1, widths), 0)).astype(np.float64)
        energies = UNIT_ENERGY * (norms * norms)
        widths = width_of(energies)
        if self.dtype.kind == "c":
            turns, at = self._take(at, np.where(widths > 0, widths + 1, 0))
            scale: Values = norms * np.exp(2j * np.pi * turns / np.left_shift(2, widths))
        else:
            signs, at = self._take(at, np.minimum(widths, 1))
            scale = norms * (1.0 - 2.0 * signs)
        units, _, at = self._directions(at, energies)
        return scale * self.step * units, energies, at

    def _directions(self, at: int, energies: Reals) -> tuple[Values, tuple[Reals, Reals], int]:
        """Read directions: unit vectors, the energies shared out, and where the next code is."""
        widths = width_of(energies)
        along, at = self._take(at, widths)
        first, second = squares(along, widths)
        shared = first * energies, second * energies
        phases = None
        if self.dtype.kind == "c":
            phase_widths = width_of(shared[1])
            codes, at = self._take(at, phase_widths)
            phases = codes / np.left_shift(1, phase_widths)
        return np.stack(directed(along, widths, phases)), shared, at

    def _take(self, at: int, widths: Codes) -> tuple[Codes, int]:
        return read_each(self.data, at, widths)

    def _compiled(self, at: int, part: Part, energies: Reals | None) -> tuple[Values, Reals]:
        """Do the same by compiled code, where entries are real."""
        from lazyop.kernels.by_energy import read_part

        found = np.empty(part.size) if energies is None else energies.copy()
        entries = np.empty((2, part.count, part.size))
        read_part(
            windows(self.data), at, found, part.strides, energies is None,
            self.octave_bits, self.lowest, MAX_WIDTH, UNIT_ENERGY, self.step,
            entries[0], entries[1], np.empty((3, part.size)),
        )  # fmt: skip
        return entries.astype(self.dtype, copy=False), found
