"""Energies of rows, and what follows from them: widths, and how directions share them out.

Energies are squared norms (`lazyop.quantization.by_energy`). All that widths depend on is exact in
double precision, or is rounded the same way everywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lazyop.quantization.bits import Codes
from lazyop.quantization.codings import directions

__all__ = [
    "MAX_WIDTH",
    "UNIT_ENERGY",
    "directed",
    "norm_widths",
    "passed_on",
    "squares",
    "turned",
    "width_of",
]

Values = npt.NDArray[Any]
Reals = npt.NDArray[np.float64]

#: Energy of a row whose norm is one step, in the unit in which widths count energies.
UNIT_ENERGY = 8.0

#: The most bits of a direction: beyond, double precision has no more to tell.
MAX_WIDTH = 50


def width_of(energies: Reals) -> Codes:
    """Return the bits of directions with such energies: one more for each factor of four."""
    exponent = np.frexp(energies)[1]
    widths = np.where(energies > 0, (exponent + 1) // 2, 0)
    return np.clip(widths, 0, MAX_WIDTH).astype(np.int64)


def norm_widths(octaves: Codes, lowest: int) -> Codes:
    """Return the bits of norms below their leading one; the lowest octave has no leading one."""
    return np.where(octaves == 0, lowest, lowest + octaves - 1)


def squares(along: Codes, widths: Codes) -> tuple[Reals, Reals]:
    """Return the shares of the two entries of directions in the square of their norms."""
    top, bottom = directions(along, widths)
    top, bottom = top * top, bottom * bottom
    size = top + bottom
    return top / size, bottom / size


def directed(along: Codes, widths: Codes) -> tuple[Reals, Reals]:
    """Return unit vectors of two entries."""
    top, bottom = directions(along, widths)
    size = np.sqrt(top * top + bottom * bottom)
    return top / size, bottom / size


def turned(sizes: Reals, angles: Reals) -> Values:
    """Return complex numbers; real functions of angles are faster than the complex exponential."""
    numbers = np.empty(sizes.shape, np.complex128)
    numbers.real, numbers.imag = sizes * np.cos(angles), sizes * np.sin(angles)
    return numbers


def passed_on(upper: Reals, lower: Reals) -> Reals:
    """Return the energies of rows from the shares ``(a, 2, d)`` of the entries of columns."""
    return np.stack([upper[:, 0] + upper[:, 1], lower[:, 0] + lower[:, 1]], axis=1)
