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
    turned,
    width_of,
)
from lazyop.quantization.parts import Part

__all__ = ["Reader"]

Values = npt.NDArray[Any]
Reals = npt.NDArray[np.float64]


class _Found:
    """What codes say of the factors of a part, in the order in which they are read.

    Attributes
    ----------
    units : array (2, factors, rows)
        Entries of unit vectors, without phases.
    phases : array (factors, rows)
        Of second entries, as parts of half a turn; none, where entries are real.
    norms, turns : array (rows,)
        Norms of rows in steps, with signs where entries are real; parts of a turn where they are
        not.
    """

    def __init__(self, part: Part, is_complex: bool) -> None:
        self.units = np.empty((2, part.count, part.size))
        self.phases = np.empty((part.count if is_complex else 0, part.size))
        self.norms, self.turns = np.empty((2, part.size))


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
    def _is_complex(self) -> bool:
        return self.dtype.kind == "c"

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
        found = _Found(part, self._is_complex)
        read = self._read_compiled if has_compiled() else self._read
        before = read(at, part, energies, found)
        return self._entries(found, energies is None), before

    def _entries(self, found: _Found, has_rows: bool) -> Values:
        """Return the entries of unit vectors, those of rows by their norms."""
        entries: Values = found.units
        if self._is_complex:
            entries = entries.astype(np.complex128)
            entries[1] = turned(found.units[1], np.pi * found.phases)
        if has_rows:
            scale: Values = found.norms * self.step
            entries[:, 0] *= turned(scale, 2 * np.pi * found.turns) if self._is_complex else scale
        return entries.astype(self.dtype, copy=False)

    def _read(self, at: int, part: Part, energies: Reals | None, found: _Found) -> Reals:
        """Read by NumPy; return the energies before the part."""
        has_rows = energies is None
        if energies is None:
            energies, at = self._rows(at, found)
        for k in range(part.count):
            widths = width_of(energies)
            along, at = read_each(self.data, at, widths)
            found.units[:, k] = directed(along, widths)
            shared = tuple(share * energies for share in squares(along, widths))
            if self._is_complex:
                found.phases[k], at = self._angles(at, width_of(shared[1]))
            if k > 0 or not has_rows:
                shape = part.shape(part.count - 1 - k)
                energies = passed_on(*(share.reshape(shape) for share in shared)).ravel()
        return energies

    def _rows(self, at: int, found: _Found) -> tuple[Reals, int]:
        """Read norms, signs and turns; return energies, and where the next code begins."""
        octaves, at = read_each(self.data, at, np.full(found.norms.size, self.octave_bits))
        widths = norm_widths(octaves, self.lowest)
        below, at = read_each(self.data, at, widths)
        norms = (below + np.where(octaves > 0, np.left_shift(1, widths), 0)).astype(np.float64)
        energies = UNIT_ENERGY * (norms * norms)
        widths = width_of(energies)
        if self._is_complex:
            found.turns[:], at = self._angles(at, np.where(widths > 0, widths + 1, 0))
        else:
            signs, at = read_each(self.data, at, np.minimum(widths, 1))
            norms *= 1.0 - 2.0 * signs
        found.norms[:] = norms
        return energies, at

    def _angles(self, at: int, widths: Codes) -> tuple[Reals, int]:
        """Read angles as parts of what the codes go round."""
        codes, at = read_each(self.data, at, widths)
        return codes / np.left_shift(1, widths), at

    def _read_compiled(self, at: int, part: Part, energies: Reals | None, found: _Found) -> Reals:
        """Do the same by compiled code."""
        from lazyop.kernels.by_energy import read_part

        before = np.empty(part.size) if energies is None else energies.copy()
        read_part(
            windows(self.data), at, before, part.strides, energies is None,
            self.octave_bits, self.lowest, MAX_WIDTH, UNIT_ENERGY,
            *found.units, found.norms, found.turns, found.phases, np.empty((2, part.size)),
        )  # fmt: skip
        return before
