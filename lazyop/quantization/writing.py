"""Writing a dyadic chain with as many bits for each number as its energy wants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lazyop.quantization.bits import Bytes, Codes, pack_each, put_number
from lazyop.quantization.codings import direction_codes
from lazyop.quantization.energies import (
    UNIT_ENERGY,
    directed,
    norm_widths,
    passed_on,
    squares,
    turned,
    width_of,
)
from lazyop.quantization.parts import Layout, Part

__all__ = ["pack_by_energy", "with_unit_columns"]

Values = npt.NDArray[Any]
Reals = npt.NDArray[np.float64]

#: Codes, and their widths.
Field = tuple[Codes, Codes]

#: The largest norm in steps; its square and its neighbours are exact in double precision.
_MOST_STEPS = 2**48


def with_unit_columns(factors: Sequence[Values]) -> list[Values]:
    """Return factors with the same product, all but the last one with columns of norm 1 or 0.

    The first entries of columns that are not zero are real and positive.
    """
    scaled = [np.asarray(values, dtype=np.result_type(values, np.float64)) for values in factors]
    for k in range(len(scaled) - 1):
        values = scaled[k]
        norms = np.sqrt(np.sum(np.abs(values) ** 2, axis=1))
        leading = np.where(values[:, 0] != 0, values[:, 0], values[:, 1])
        size = np.abs(leading)
        turn = np.where(size > 0, leading / np.where(size > 0, size, 1), 1)
        scale = np.where(norms > 0, norms * turn, 1)
        scaled[k] = values / scale[:, None]
        following = scaled[k + 1]
        a, b, _, d = following.shape
        rows = np.where(norms > 0, scale, 0).reshape(a, b, 1, d)
        scaled[k + 1] = following * rows
    return scaled


def pack_by_energy(factors: Sequence[Values], step: float, head: bytes, *, power: int = 0) -> Bytes:
    """Return bytes that begin with some, and go on as `ByEnergy` reads them.

    Parameters
    ----------
    factors : sequence of arrays (a, 2, 2, d)
        Of a square dyadic chain, as `with_unit_columns` gives them.
    step : float
        The unit of the norms of the last factor's rows, which all errors follow; the largest one
        below it that divides the largest norm is taken.
    head : bytes
        What comes first.
    power : int
        Of two, by which the last factor is multiplied when it is read.
    """
    layout = Layout(len(factors))
    *others, last = factors
    rows = last.reshape(-1, 2)
    norms = np.sqrt(np.sum(np.abs(rows) ** 2, axis=1))
    # The largest norm is a whole number of steps, so that equal norms are exact.
    count = min(np.ceil(norms.max() / step), _MOST_STEPS)
    step = norms.max() / count if count else step
    steps = np.rint(norms / step)
    energies = UNIT_ENERGY * steps**2
    directions_of_rows = _written(rows[:, 0], rows[:, 1], energies)
    columns: list[_Written] = []
    for values in reversed(others):
        a, _, _, d = values.shape
        energies = energies.reshape(a, 2, d)
        columns.insert(0, _written(values[:, 0], values[:, 1], energies))
        energies = passed_on(*(share * energies for share in columns[0].shares))
    flips = _flip_columns(others, columns, len(rows))
    octave_bits, lowest = _octaves(steps.astype(np.int64))
    ends = _row_fields(rows, flips, steps.astype(np.int64), directions_of_rows, octave_bits, lowest)
    bodies = _bodies(layout, [*(column.fields() for column in columns), ends])
    numbers = (len(factors), octave_bits, lowest)
    header = (
        head + b"".join(map(put_number, numbers)) + np.ldexp(step, power).astype("<f8").tobytes()
    )
    header += b"".join(put_number(body.size) for body in bodies[:-1])
    data = np.concatenate([np.frombuffer(header, dtype=np.uint8), *bodies])
    return data if data.size >= 8 else np.append(data, np.zeros(8 - data.size, np.uint8))


@dataclass
class _Written:
    """Codes of directions, their widths, and the shares of the two entries that they give."""

    along: Codes
    widths: Codes
    shares: tuple[Reals, Reals]
    phases: Codes | None = None
    phase_widths: Codes | None = None

    def fields(self) -> list[Field]:
        """Return what is written, in its order."""
        fields = [(self.along, self.widths)]
        if self.phases is not None and self.phase_widths is not None:
            fields.append((self.phases, self.phase_widths))
        return fields

    def vectors(self) -> tuple[Values, Values]:
        """Return the unit vectors that are read from the codes."""
        top, bottom = directed(self.along, self.widths)
        if self.phases is None or self.phase_widths is None:
            return top, bottom
        phases = self.phases / np.left_shift(1, self.phase_widths)
        return top, turned(bottom, np.pi * phases)


def _written(top: Values, bottom: Values, energies: Reals) -> _Written:
    """Return the codes of the directions of vectors with such energies, up to their sign."""
    widths = width_of(energies)
    if top.dtype.kind != "c":
        along = direction_codes(top, bottom, widths)
        return _Written(along, widths, squares(along, widths))
    relative = bottom * np.conj(top)
    angle = np.angle(relative) / np.pi
    negative = angle < 0
    angle = np.where(negative, angle + 1, angle)  # in half turns, from 0 to 1
    size = np.abs(bottom)
    along = direction_codes(np.abs(top), np.where(negative, -size, size), widths)
    shares = squares(along, widths)
    phase_widths = width_of(energies * shares[1])
    count = np.left_shift(1, phase_widths)
    phases = np.rint(angle * count).astype(np.int64)
    along = _mirrored(along, widths, phases == count)  # half a turn is none, and another sign
    return _Written(along, widths, shares, phases % count, phase_widths)


def _mirrored(along: Codes, widths: Codes, where: Any) -> Codes:
    """Return codes, where asked for those of the direction with one entry's sign changed."""
    count = np.left_shift(1, widths)
    return np.where(where, (count - along) % count, along)


def _flip_columns(factors: Sequence[Values], columns: Sequence[_Written], size: int) -> Reals:
    """Give columns the sign of what is read from their codes, at the cost of the next rows.

    The changed rows change codes by a mirror, and so neither widths nor energies.
    Returns the signs of the rows of the last factor.
    """
    flips = np.ones(size)
    for values, written in zip(factors, columns, strict=True):
        a, b, _, d = values.shape
        rows = flips.reshape(a, b, 1, d)
        written.along = _mirrored(written.along, written.widths, rows[:, 0] != rows[:, 1])
        top, bottom = written.vectors()
        exact = values * rows
        along = np.real(np.conj(top) * exact[:, 0] + np.conj(bottom) * exact[:, 1])
        flips = np.where(along < 0, -1.0, 1.0)
    return flips.ravel()


def _octaves(steps: Codes) -> tuple[int, int]:
    """Return the width of an octave's field, and the bits of the lowest octave, for least bits."""
    length = np.frexp(steps.astype(np.float64))[1].astype(np.int64)
    best = (0, 1, 0)
    for bits in range(1, 7):
        lowest = max(0, int(length.max(initial=0)) - (1 << bits) + 1)
        total = bits * steps.size + norm_widths(np.maximum(length - lowest, 0), lowest).sum()
        if bits == 1 or total < best[0]:
            best = (int(total), bits, lowest)
    return best[1:]


def _row_fields(
    rows: Values, flips: Reals, steps: Codes, written: _Written, octave_bits: int, lowest: int
) -> list[Field]:
    """Return what is written of the last factor's rows: octave, norm, sign or turn, direction."""
    length = np.frexp(steps.astype(np.float64))[1].astype(np.int64)
    octaves = np.maximum(length - lowest, 0)
    widths = norm_widths(octaves, lowest)
    norms = steps - np.where(octaves > 0, np.left_shift(1, widths), 0)
    top, bottom = written.vectors()
    along = flips * (np.conj(top) * rows[:, 0] + np.conj(bottom) * rows[:, 1])
    if rows.dtype.kind == "c":
        turn_widths = np.where(written.widths > 0, written.widths + 1, 0)
        count = np.left_shift(1, turn_widths)
        turns = np.rint(np.angle(along) / (2 * np.pi) * count).astype(np.int64) % count
    else:
        turn_widths = np.minimum(written.widths, 1)
        turns = ((along < 0) & (turn_widths > 0)).astype(np.int64)
    return [
        (octaves, np.full(len(rows), octave_bits)),
        (norms, widths),
        (turns, turn_widths),
        *written.fields(),
    ]


def _bodies(layout: Layout, fields: list[list[Field]]) -> list[Bytes]:
    """Return the bytes of every part, in the order in which they are read."""
    bodies = []
    for part in (*layout.low_parts(), *layout.high_parts()):
        cut = [
            (_cut(part, layout, k, codes), _cut(part, layout, k, widths))
            for k in reversed(range(part.count))
            for codes, widths in fields[part.first + k]
        ]
        codes, widths = (np.concatenate([pair[i] for pair in cut]) for i in range(2))
        bodies.append(pack_each(codes, widths))
    return bodies


def _cut(part: Part, layout: Layout, k: int, codes: Codes) -> Codes:
    """Return the codes of factor ``first + k`` that belong to a part."""
    if layout.is_low(part):
        parts = codes.reshape(layout.size // layout.tile, -1)
        cut: Codes = parts[part.rows[0].start // part.a]
    else:
        cut = codes.reshape(part.shape(k)[0], 2, -1, layout.span)[..., part.rows[1]].ravel()
    return cut
