"""The classes of operators that transforms are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazyop.transforms.convolution import CircularConvolution, Convolution
from lazyop.transforms.difference import Difference
from lazyop.transforms.discrete_wavelet import WaveletAnalysis, WaveletSynthesis
from lazyop.transforms.discrete_wavelet_n import WaveletAnalysisN, WaveletSynthesisN
from lazyop.transforms.end_weights import EndWeights
from lazyop.transforms.fourier import Fourier
from lazyop.transforms.hadamard import Hadamard
from lazyop.transforms.lapped import LappedAnalysis, LappedSynthesis
from lazyop.transforms.nonuniform import FastNonuniform
from lazyop.transforms.padding import Pad
from lazyop.transforms.real_fourier import RealFourier
from lazyop.transforms.reordered import Noiselet
from lazyop.transforms.resample import FourierResample, Polyphase
from lazyop.transforms.resize import Resize
from lazyop.transforms.row_kron import RowKron, RowKronAdjoint
from lazyop.transforms.short_time import ShortTimeAnalysis, ShortTimeSynthesis
from lazyop.transforms.stationary_wavelet import StationaryAnalysis, StationarySynthesis
from lazyop.transforms.subsample import Subsample
from lazyop.transforms.trigonometric import Trigonometric

if TYPE_CHECKING:
    from lazyop.operator import LazyOperator

__all__ = ["OPERATORS"]

OPERATORS: tuple[type[LazyOperator], ...] = (
    CircularConvolution,
    Convolution,
    Difference,
    EndWeights,
    FastNonuniform,
    Fourier,
    FourierResample,
    Hadamard,
    LappedAnalysis,
    LappedSynthesis,
    Noiselet,
    Pad,
    Polyphase,
    RealFourier,
    Resize,
    RowKron,
    RowKronAdjoint,
    ShortTimeAnalysis,
    ShortTimeSynthesis,
    StationaryAnalysis,
    StationarySynthesis,
    Subsample,
    Trigonometric,
    WaveletAnalysis,
    WaveletAnalysisN,
    WaveletSynthesis,
    WaveletSynthesisN,
)
