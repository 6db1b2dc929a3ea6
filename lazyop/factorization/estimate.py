r"""How far a product of factors is from a matrix that nobody holds: an estimate, with an interval.

For a matrix :math:`M` and a vector :math:`g` of independent standard normal numbers (real ones for
real matrices, complex ones for complex), :math:`\|M g\|^2` has the expectation
:math:`\mu = \|M\|_F^2`. The mean :math:`T` of `N` such numbers is
:math:`\sum_i \sigma_i^2 \chi_i^2 / d`, with the singular values of :math:`M`, and independent
:math:`\chi_i^2` of `d` degrees of freedom each, `N` of them or twice as many. Hence

.. math:: \mathbb{E}\, e^{-t T} = \prod_i \bigl(1 + 2 t \sigma_i^2 / d\bigr)^{-d/2}
          \le \bigl(1 + 2 t \mu / d\bigr)^{-d/2}, \qquad t > -d / (2 \mu),

because a product of numbers :math:`1 + x_i` is at least :math:`1 + \sum_i x_i` where all
:math:`x_i` have one sign and are above -1. Markov's inequality with the best `t` makes of it

.. math:: P(T \le x \mu) \le \bigl(x\, e^{1 - x}\bigr)^{d/2} \ (x \le 1), \qquad
          P(T \ge x \mu) \le \bigl(x\, e^{1 - x}\bigr)^{d/2} \ (x \ge 1) .

No matrix is excepted. `T` is Girard's and Hutchinson's estimator of the trace of :math:`M^H M`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lazyop.factorization.residual import energy, norm
from lazyop.namespaces import Array, is_complex, namespace_of

__all__ = ["CONFIDENCE", "PROBES", "ErrorEstimate", "Probes", "estimated_error", "normal_vectors"]

#: Probability with which an interval contains what is estimated, at least.
CONFIDENCE = 0.99
#: Products that an estimate takes.
PROBES = 64


@dataclass(frozen=True)
class ErrorEstimate:
    r"""What products with random vectors say of the error of a factorization.

    With `N` vectors :math:`g_i` of standard normal numbers, which depend on nothing that went into
    the factors of `F`, the estimates of two squared norms are without bias:

    .. math:: \|A - F\|_F^2 \approx \frac{1}{N} \sum_i \|(A - F) g_i\|^2, \qquad
              \|A\|_F^2 \approx \|F\|_F^2 + \frac{1}{N} \sum_i (\|A g_i\|^2 - \|F g_i\|^2) .

    Where all entries were gone through, the norm of `A` is computed instead.

    Attributes
    ----------
    relative_error : float
        Root of the quotient of the two.
    interval : tuple of float
        What the relative error lies in, with at least this confidence, whatever the matrix is.
    confidence : float
        The probability of vectors whose interval contains the relative error.
    probes : int
        Number of vectors. They come from a fixed seed, so that the same call gives the same
        figures.

    References
    ----------
    .. [1] M. F. Hutchinson, "A stochastic estimator of the trace of the influence matrix for
       Laplacian smoothing splines", Communications in Statistics 19(2), 1990.
    .. [2] F. Roosta-Khorasani, U. Ascher, "Improved bounds on sample size for implicit matrix
       trace estimators", Foundations of Computational Mathematics 15, 2015. The bounds behind
       the interval are proved in lazyop's documentation.

    Examples
    --------
    >>> import lazyop as lo
    >>> def entries(rows, cols):
    ...     return 1 / (1.5 + abs(rows[:, None] - 0.9 * cols[None, :]))
    >>> chain = lo.Chain.monarch(4096, rank=4)
    >>> found = lo.factorize(entries, chain, shape=(4096, 4096))
    >>> found.estimate.confidence, found.estimate.probes
    (0.99, 64)
    >>> low, high = found.estimate.interval
    >>> low < found.relative_error == found.estimate.relative_error < high
    True
    """

    relative_error: float
    interval: tuple[float, float]
    confidence: float
    probes: int

    def __str__(self) -> str:
        low, high = self.interval
        return f"{low:.3g} to {high:.3g} with {self.confidence:.0%} confidence"


@dataclass
class Probes:
    """Random vectors, and what is known of the matrix: their images, and perhaps its norm."""

    vectors: Array
    images: Array | None = None
    size: float | None = None

    def see(self, columns: Array, index: Array) -> None:
        """Add what comes from some columns of the matrix, each of which is to be seen once."""
        xp = namespace_of(columns)
        part = xp.matmul(columns, xp.take(self.vectors, index, axis=0))
        self.images = part if self.images is None else self.images + part
        self.size = math.hypot(self.size or 0.0, norm(columns))


def normal_vectors(
    shape: tuple[int, ...], dtype: np.dtype[Any], seed: tuple[int, ...]
) -> npt.NDArray[Any]:
    """Independent standard normal numbers, or complex ones of variance one."""
    rng = np.random.default_rng(seed)
    if dtype.kind != "c":
        return rng.standard_normal(shape).astype(dtype, copy=False)
    parts = rng.standard_normal((*shape, 2)) * math.sqrt(0.5)
    numbers = parts.view(np.complex128)[..., 0]
    return numbers.astype(dtype, copy=False)


def estimated_error(
    images: Array, of_factors: Array, size_of_factors: float, size: float | None = None
) -> ErrorEstimate:
    """The error of a product of factors from images of standard normal vectors.

    Parameters
    ----------
    images, of_factors : array, shape (m, N)
        Of the matrix, and of the product of the factors.
    size_of_factors : float
        Frobenius norm of this product.
    size : float, optional
        Of the matrix, where it is known.
    """
    count, degrees = images.shape[1], images.shape[1] * (2 if is_complex(images) else 1)
    left_out, seen = (math.sqrt(energy(x) / count) for x in (images - of_factors, images))
    # Each of the quantities that are estimated has two sides.
    low, high = _reach(degrees, (1 - CONFIDENCE) / (4 if size is None else 2))
    if size is None:
        least = max(low * seen, size_of_factors - high * left_out)
        most = min(high * seen, size_of_factors + high * left_out)
        square = size_of_factors**2 + seen**2 - energy(of_factors) / count
        size = min(max(math.sqrt(max(square, 0.0)), least), most)
    else:
        least = most = size
    return ErrorEstimate(
        relative_error=_quotient(left_out, size),
        interval=(_quotient(low * left_out, most), _quotient(high * left_out, least)),
        confidence=CONFIDENCE,
        probes=count,
    )


def _reach(degrees: int, tail: float) -> tuple[float, float]:
    """By what the root of an estimate is to be multiplied for a bound from below, and from above.

    Each fails with probability `tail` at most: :math:`x e^{1 - x} = p^{2/d}` on either side of one.
    """
    from scipy.special import lambertw  # importing it takes longer than importing lazyop

    value = -math.exp(2 * math.log(tail) / degrees - 1)
    above, below = (-float(np.real(lambertw(value, branch))) for branch in (-1, 0))
    return 1 / math.sqrt(above), 1 / math.sqrt(below)


def _quotient(part: float, whole: float) -> float:
    if part == 0:
        return 0.0
    return part / whole if whole > 0 else math.inf
