"""Butterfly operators, their patterns and chains, and fast transforms in closed form."""

from lazyop.butterfly.convolution import circulant
from lazyop.butterfly.dyadic_transforms import haar, hadamard
from lazyop.butterfly.fourier import dft, idft
from lazyop.butterfly.trigonometric import dct, dst

__all__ = ["circulant", "dct", "dft", "dst", "haar", "hadamard", "idft"]
