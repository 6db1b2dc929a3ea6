"""What is found in a function's place, and the error where nothing is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from lazyop.factorization.given_chain import Factorization
from lazyop.namespaces import Array, as_array, namespace_of
from lazyop.operator import LazyOperator

__all__ = ["NotCompressibleError", "Substitution"]


class NotCompressibleError(ValueError):
    """No factors that hold fewer numbers than the matrix of a function come close enough to it."""


@dataclass(frozen=True, repr=False)
class Substitution:
    """An operator in the place of a linear function, and how far it is from the function.

    Called as the function was, it applies the operator: to an array of the function's shape, or to
    a stack of such arrays along any number of axes in front.

    Attributes
    ----------
    operator : LazyOperator
        Acts on vectors that hold an argument in row-major order: ``function(x).ravel()`` is
        ``operator @ x.ravel()``, within the error.
    relative_error : float
        Frobenius norm of the difference from the function's matrix, relative to that of the
        matrix, computed from all columns. Where a function of an n-dimensional array is a Kronecker
        product too large for that, it is the error of the product of its matrices.
    linearity_error : float
        The largest relative departure of the function from the matrix, or from linear, that random
        vectors showed: what its own rounding does.
    domain : {"complex", "real"}
        Where the operator stands for the function: for complex arguments as well, or for real ones
        alone, as the function refuses the others or does something else with them.
    shape, out_shape : tuple of int
        Of the function's argument and result.
    factorization : Factorization or tuple
        How the operator was found. Of a Kronecker product, a tuple with an item for each axis,
        None for those that are kept dense.
    seconds, original_seconds : float or None
        Medians of the times that the operator and the function take for one argument, where they
        were asked for.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.fft
    >>> import lazyop as lo
    >>> dct = lo.substitute(scipy.fft.dct, 64)
    >>> x = np.arange(64.0)
    >>> np.allclose(dct(x), scipy.fft.dct(x), rtol=0, atol=1e-9)
    True
    >>> dct.operator.cost.parameters < 64 * 64 / 2
    True
    """

    operator: LazyOperator
    relative_error: float
    linearity_error: float
    domain: str
    shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    factorization: Factorization | tuple[Factorization | None, ...] | None
    seconds: float | None = None
    original_seconds: float | None = None

    @property
    def speed(self) -> float | None:
        """How many times faster than the function the operator is, where times were taken."""
        if self.seconds is None or self.original_seconds is None:
            return None
        return self.original_seconds / self.seconds

    def __call__(self, x: Any) -> Array:
        """Apply the operator to an array of the function's shape, or to each of a stack."""
        x = as_array(x, "the argument")
        core, stack = len(self.shape), tuple(x.shape)[: x.ndim - len(self.shape)]
        if x.ndim < core or tuple(x.shape)[len(stack) :] != self.shape:
            raise ValueError(
                f"expected an array of shape {self.shape}, or a stack (..., "
                f"{', '.join(map(str, self.shape))}) of such, got shape {tuple(x.shape)}"
            )
        xp, n = namespace_of(x), self.operator.shape[1]
        if not stack:
            return xp.reshape(self.operator @ xp.reshape(x, (n,)), self.out_shape)
        columns = xp.matrix_transpose(xp.reshape(x, (math.prod(stack), n)))
        Y = xp.matrix_transpose(self.operator @ columns)
        return xp.reshape(Y, (*stack, *self.out_shape))

    def __repr__(self) -> str:
        (m, n), held = self.operator.shape, self.operator.cost.parameters
        lines = [
            f"Substitution of a linear function from {self.shape} to {self.out_shape}",
            f"  operator        {self.operator!r}",
            f"  numbers held    {held} ({held / (m * n):.3g} of dense)",
            f"  relative error  {self.relative_error:.3g}",
            f"  linear          over {self.domain} numbers, up to {self.linearity_error:.3g}",
        ]
        if self.speed is not None:
            lines.append(
                f"  time            {self.seconds:.3g} s, {self.speed:.3g} times as fast as the "
                f"function, which takes {self.original_seconds:.3g} s"
            )
        return "\n".join(lines)
