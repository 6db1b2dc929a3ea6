"""Discrete cosine and sine transforms as butterflies: real parts of Fourier transforms.

With the argument in the order of its even places and then its odd ones backwards, all of them are
the real part of a Fourier transform of the same length between two diagonal matrices, whatever the
length [1]_.

.. [1] J. Makhoul, "A fast cosine transform in one and two dimensions", IEEE Trans. Acoustics,
   Speech, and Signal Processing 28(1), 1980, for the cosine transform of type II.
"""

from __future__ import annotations

import math
import operator as operators
from typing import TYPE_CHECKING, Any

import numpy as np

from lazyop.algebra.normal_form import multiply
from lazyop.butterfly.fourier import digit_reversal, fourier_factors
from lazyop.butterfly.operator import Butterfly
from lazyop.butterfly.real_part import real_part
from lazyop.butterfly.roots import POWERS, as_dtype, roots_of_unity
from lazyop.kernels.fourier import as_norm
from lazyop.scalars import positive_int
from lazyop.structured.permutation import Permutation

if TYPE_CHECKING:
    import numpy.typing as npt

    from lazyop.operator import LazyOperator


def dct(
    n: int, type: int = 2, norm: str | None = None, *, dtype: npt.DTypeLike = np.float64
) -> LazyOperator:
    r"""Return a discrete cosine transform as a real butterfly and permutations.

    .. math::

       y_k = 2 \sum_j x_j \cos \frac{\pi k (2 j + 1)}{2 n}, \qquad
       y_k = x_0 + 2 \sum_{j > 0} x_j \cos \frac{\pi j (2 k + 1)}{2 n}, \qquad
       y_k = 2 \sum_j x_j \cos \frac{\pi (2 j + 1) (2 k + 1)}{4 n}

    for the types 2, 3 and 4. With a permutation v of the argument, type 2 is
    :math:`\Re(2 e^{-i \pi k / 2 n} (F_n v)_k)`; the others are alike. The real part of the factors
    of the Fourier transform are real factors with twice its ranks; neighbours that are redundant
    are multiplied out. They hold at most :math:`4 n (p_1 + \dots + p_L)` numbers for
    :math:`n = p_1 \cdots p_L` in primes. A prime length is one dense factor.

    Parameters
    ----------
    n : int
        The length.
    type : {2, 3, 4}
        The type, as in `scipy.fft.dct`.
    norm : {"backward", "ortho", "forward"}, optional
        As in `scipy.fft.dct`; None means "backward". With "ortho" the operator is known to be
        orthogonal.
    dtype : dtype, optional
        float64 by default, or another precision, real or complex.

    Returns
    -------
    LazyOperator
        A product of a `Butterfly` and a `Permutation` to its right, with one to its left as well
        for type 3; the butterfly alone where it is a single dense factor.

    Raises
    ------
    ValueError
        If ``n`` is not positive, or the type or norm is unknown.
    TypeError
        If ``n`` or the type is not an integer, or the dtype is not one of those.

    Notes
    -----
    Type 1 has no such form, as it is made of Fourier transforms of length :math:`2 (n - 1)`. The
    inverse of type 2 with the norm "backward" is type 3 with "forward", and the other way round;
    type 4 is its own inverse in this sense.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.fft
    >>> import lazyop as lo
    >>> C = lo.butterfly.dct(480, norm="ortho")
    >>> C.args[0].chain.nnz, 480**2
    (25920, 230400)
    >>> np.allclose(C.tosparse().toarray(), scipy.fft.dct(np.eye(480), axis=0, norm="ortho"))
    True
    """
    return _transform(n, type, norm, dtype, is_sine=False)


def dst(
    n: int, type: int = 2, norm: str | None = None, *, dtype: npt.DTypeLike = np.float64
) -> LazyOperator:
    r"""Return a discrete sine transform as a real butterfly and permutations.

    .. math::

       y_k = 2 \sum_j x_j \sin \frac{\pi (k + 1) (2 j + 1)}{2 n}, \qquad
       y_k = (-1)^k x_{n-1} + 2 \sum_{j < n - 1} x_j \sin \frac{\pi (j + 1) (2 k + 1)}{2 n}, \qquad
       y_k = 2 \sum_j x_j \sin \frac{\pi (2 j + 1) (2 k + 1)}{4 n}

    for the types 2, 3 and 4. The factors are those of `dct` with other diagonal matrices.

    Parameters
    ----------
    n : int
        The length.
    type : {2, 3, 4}
        The type, as in `scipy.fft.dst`.
    norm : {"backward", "ortho", "forward"}, optional
        As in `scipy.fft.dst`; None means "backward". With "ortho" the operator is known to be
        orthogonal.
    dtype : dtype, optional
        float64 by default, or another precision, real or complex.

    Returns
    -------
    LazyOperator
        As that of `dct`.

    Raises
    ------
    ValueError
        If ``n`` is not positive, or the type or norm is unknown.
    TypeError
        If ``n`` or the type is not an integer, or the dtype is not one of those.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.fft
    >>> import lazyop as lo
    >>> S = lo.butterfly.dst(64, type=4)
    >>> np.allclose(S.tosparse().toarray(), scipy.fft.dst(np.eye(64), type=4, axis=0))
    True
    """
    return _transform(n, type, norm, dtype, is_sine=True)


def _transform(n: Any, type: Any, norm: Any, dtype: Any, *, is_sine: bool) -> LazyOperator:
    size, number, kind = positive_int(n, "n"), _as_type(type), as_dtype(dtype, is_complex=False)
    name = as_norm(norm)
    left, right = _diagonals(size, is_half=number == 4, is_sine=is_sine)
    weights = _weights(size, number, name, size - 1 if is_sine else 0)
    evens_first = _evens_first(size)
    if number == 3:
        values = _between(right, size, POWERS[name], weights * left)
        found = multiply(Permutation(evens_first).T, *_reversed(values, size, kind, name))
    else:
        values = _between(weights * left, size, POWERS[name], right)
        found = multiply(*_reversed(values, size, kind, name), Permutation(evens_first))
    return _single(found, name) if len(values) == 1 else found


def _as_type(type: Any) -> int:
    try:
        number = 0 if isinstance(type, bool | np.bool_) else operators.index(type)
    except TypeError:
        raise TypeError(f"the type of a transform must be 2, 3 or 4, got {type!r}") from None
    if number not in (2, 3, 4):
        raise ValueError(f"the type of a transform must be 2, 3 or 4, got {type!r}")
    return number


def _evens_first(n: int) -> npt.NDArray[np.int64]:
    return np.concatenate([np.arange(0, n, 2), np.arange(1, n, 2)[::-1]])


def _diagonals(
    n: int, *, is_half: bool, is_sine: bool
) -> tuple[npt.NDArray[np.complex128], npt.NDArray[np.complex128]]:
    r"""Return l and r with :math:`\Re(l_k F_{kj} r_j)` the cosines or sines of types 2 and 4.

    The frequencies are :math:`f_k = k + \varphi`, with :math:`\varphi` = 0 or 1 for cosine and sine
    of type 2, and 1/2 for type 4. Place j holds what stands at :math:`2 j` of the argument, or
    from behind at an odd place, where the angle is :math:`2 \pi f_k - \theta` for

    .. math:: \theta = \pi f_k \frac{4 j + 1}{2 n}
              = 2 \pi \frac{k j}{n} + 2 \pi \frac{\varphi j}{n} + \pi \frac{f_k}{2 n} .

    There, the cosine is the same for whole frequencies and changes its sign for half ones; the
    sine does the opposite.
    """
    twice = 1 if is_half else 2 * is_sine
    place = np.arange(n)
    sign = np.where((place >= (n + 1) // 2) & (is_half != is_sine), -1, 1)
    left = (1j if is_sine else 1) * roots_of_unity(2 * place + twice, 8 * n)
    return left, sign * roots_of_unity(twice * place, 2 * n)


def _weights(n: int, type: int, norm: str, edge: int) -> npt.NDArray[np.float64]:
    """Return what multiplies each frequency beside the power of n that the norm names."""
    weights = np.full(n, {"backward": 2.0, "ortho": math.sqrt(2), "forward": 1.0}[norm])
    if type != 4 and norm == "ortho":
        weights[edge] = 1.0
    elif type == 3:
        weights[edge] /= 2
    return weights


def _between(
    left: npt.NDArray[Any], n: int, power: float, right: npt.NDArray[Any]
) -> list[npt.NDArray[Any]]:
    """Return the real factors of a scaled Fourier transform between two diagonal matrices."""
    factors = fourier_factors(n, power)
    _, p, _, m = factors[0].shape
    factors[0] = factors[0] * left.reshape(1, p, 1, m)
    a, _, p, _ = factors[-1].shape
    factors[-1] = factors[-1] * right[digit_reversal(n)].reshape(a, 1, p, 1)
    return [factor.values for factor in Butterfly(real_part(factors)).merge().factors]


def _reversed(
    values: list[npt.NDArray[Any]], n: int, dtype: np.dtype[Any], norm: str
) -> tuple[LazyOperator, LazyOperator]:
    held = [factor.astype(dtype) for factor in values]
    return Butterfly(held, _unitary=norm == "ortho"), Permutation(digit_reversal(n))


def _single(product: LazyOperator, norm: str) -> LazyOperator:
    """Return a dense factor with the permutations beside it worked in."""
    return Butterfly([product.toarray()[None, :, :, None]], _unitary=norm == "ortho")
