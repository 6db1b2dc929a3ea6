"""What a caller says about a wavelet: its name or filters, the mode of extension, the levels."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from lazyop.transforms.along_axes import as_length
from lazyop.transforms.extension import MODES
from lazyop.transforms.filter_bank import PERIODIC_WITH_ZERO, Taps, pywavelets

#: A wavelet as an operator keeps it: PyWavelets' name, or the taps of four filters.
Wavelet = str | tuple[Taps, Taps, Taps, Taps]

#: How far taps may be from orthonormal, or from perfect reconstruction, and count as such. Those
#: of the published tables are rounded: most by 1e-12 or less, "dmey" by 2e-3.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Filters:
    """The taps of a wavelet: of the decomposition, low and high pass, and of the reconstruction."""

    dec_lo: Taps
    dec_hi: Taps
    rec_lo: Taps
    rec_hi: Taps

    @property
    def analysis(self) -> tuple[Taps, Taps]:
        """The filters of the analysis."""
        return self.dec_lo, self.dec_hi

    @property
    def dual(self) -> tuple[Taps, Taps]:
        """The filters of the analysis whose adjoint is the reconstruction."""
        return self.rec_lo[::-1], self.rec_hi[::-1]

    @property
    def is_orthonormal(self) -> bool:
        """Whether the analysis is orthonormal, away from the ends."""
        return _are_biorthogonal(self.analysis, self.analysis)

    @property
    def reconstructs(self) -> bool:
        """Whether the reconstruction undoes the analysis, away from the ends."""
        return _are_biorthogonal(self.analysis, self.dual)


def _are_biorthogonal(first: tuple[Taps, Taps], second: tuple[Taps, Taps]) -> bool:
    """Whether shifts by two of the filters have the products 1 with their partner, else 0."""
    defect = 0.0
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            products = np.correlate(a, b, "full")[(len(a) - 1) % 2 :: 2].copy()
            if i == j:
                products[(len(a) - 1) // 2] -= 1
            defect = max(defect, float(np.max(abs(products))))
    return defect <= _ROUNDING


def as_wavelet(wavelet: Any) -> Wavelet:
    """Return what to keep of a wavelet: a name, a `pywt.Wavelet`, or four or two filters."""
    if isinstance(wavelet, str):
        filters_of(wavelet)
        return wavelet
    if hasattr(wavelet, "filter_bank"):
        bank = tuple(_as_taps(taps) for taps in wavelet.filter_bank)
        name = getattr(wavelet, "name", "")
        if name in pywavelets().wavelist(kind="discrete") and _taps_of(name) == bank:
            return str(name)
        wavelet = bank
    elif hasattr(wavelet, "wavefun"):
        raise TypeError(f"expected a discrete wavelet, {wavelet.name} is a continuous one")
    try:
        bank = tuple(_as_taps(taps) for taps in wavelet)
    except TypeError:
        raise TypeError(
            "a wavelet must be a name, a pywt.Wavelet, or filters: low- and high-pass of the "
            f"decomposition, and of the reconstruction unless orthonormal; got {wavelet!r}"
        ) from None
    if len(bank) == 2:
        bank += (bank[0][::-1], bank[1][::-1])
    if len(bank) != 4:
        raise ValueError(f"a wavelet has four filters, or two if orthonormal, got {len(bank)}")
    lengths = {len(taps) for taps in bank}
    if len(lengths) != 1 or min(lengths) % 2 or not min(lengths):
        raise ValueError(
            "the filters of a wavelet must have the same even number of taps, got "
            f"{', '.join(str(len(taps)) for taps in bank)}"
        )
    return bank


def _as_taps(taps: Any) -> Taps:
    values = np.asarray(taps)
    if values.ndim != 1 or values.dtype.kind not in "iuf":
        raise TypeError("a filter must be a sequence of real numbers")
    if not np.all(np.isfinite(values)):
        raise ValueError("the taps of a filter must be finite")
    return tuple(float(tap) for tap in values)


@lru_cache(maxsize=256)
def filters_of(wavelet: Wavelet) -> Filters:
    """Return the taps of a wavelet."""
    return Filters(*(_taps_of(wavelet) if isinstance(wavelet, str) else wavelet))


def _taps_of(name: str) -> tuple[Taps, Taps, Taps, Taps]:
    pywt = pywavelets()
    try:
        found = pywt.Wavelet(name)
    except (ValueError, TypeError) as error:  # TypeError for an empty name
        raise ValueError(
            f"unknown wavelet {name!r}: pywt.wavelist(kind='discrete') names those there are "
            f"({error})"
        ) from None
    lists: tuple[Any, ...] = found.filter_bank
    bank = tuple(tuple(float(tap) for tap in taps) for taps in lists)
    return bank[0], bank[1], bank[2], bank[3]


def as_mode(mode: Any) -> str:
    """Return a mode of extension by PyWavelets' name."""
    if not isinstance(mode, str) or mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
    return mode


def most_levels(lengths: tuple[int, ...], wavelet: Wavelet) -> int:
    """Return after how many levels every coefficient is reached by an end of the signal."""
    taps = len(filters_of(wavelet).dec_lo)
    return int(pywavelets().dwt_max_level(min(lengths), taps))


def as_levels(level: Any, lengths: tuple[int, ...], wavelet: Wavelet) -> int:
    """Return the number of levels, by default `most_levels`; warn of more, as PyWavelets does."""
    most = most_levels(lengths, wavelet)
    if level is None:
        return most
    levels = as_length(level, "level")
    if levels > most:
        warnings.warn(
            f"level {levels} is beyond {most}, after which the ends of a signal of length "
            f"{min(lengths)} reach every coefficient",
            stacklevel=4,
        )
    return levels


def extension_of(mode: str, dual: bool) -> str:
    """Return the extension of an analysis, or of the one whose adjoint is the reconstruction."""
    if not dual:
        return mode
    return PERIODIC_WITH_ZERO if mode == "periodization" else "zero"
