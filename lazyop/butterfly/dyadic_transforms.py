"""Hadamard and Haar transforms as butterflies: sums and differences of pairs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lazyop.algebra.normal_form import multiply
from lazyop.butterfly.operator import Butterfly
from lazyop.butterfly.roots import POWERS, as_dtype
from lazyop.kernels.fourier import as_norm
from lazyop.kernels.hadamard import matrix, matrix_order
from lazyop.scalars import positive_int
from lazyop.structured.permutation import Permutation

if TYPE_CHECKING:
    import numpy.typing as npt

    from lazyop.operator import LazyOperator


def hadamard(n: int, norm: str | None = None, *, dtype: npt.DTypeLike = np.float64) -> LazyOperator:
    r"""Return the Hadamard transform of length :math:`n = 2^L m`, m = 1, 12 or 20, as a butterfly.

    .. math:: H_{2^L m} = H_2 \otimes \dots \otimes H_2 \otimes H_m, \qquad
              H_2 = \begin{pmatrix} 1 & 1 \\ 1 & -1 \end{pmatrix}

    times 1, :math:`n^{-1/2}` or :math:`n^{-1}` for the norms "backward", "ortho" and "forward",
    with the matrices of Paley's first construction of orders 12 and 20 [1]_. For a power of two it
    is what `scipy.linalg.hadamard` fills, and its chain is the square dyadic one; else there is one
    more factor, of pattern :math:`(2^L, m, m, 1)`.

    Parameters
    ----------
    n : int
        The length, a power of two times 1, 12 or 20.
    norm : {"backward", "ortho", "forward"}, optional
        None means "backward". With "ortho" the operator is known to be orthogonal.
    dtype : dtype, optional
        float64 by default, or another precision, real or complex.

    Returns
    -------
    LazyOperator
        A `Butterfly`.

    Raises
    ------
    ValueError
        If ``n`` is not such a number, or the norm is unknown.
    TypeError
        If ``n`` is not an integer, or the dtype is not one of those.

    References
    ----------
    .. [1] R. E. A. C. Paley, "On orthogonal matrices", Journal of Mathematics and Physics 12, 1933.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.butterfly.hadamard(4).tosparse().toarray()
    array([[ 1.,  1.,  1.,  1.],
           [ 1., -1.,  1., -1.],
           [ 1.,  1., -1., -1.],
           [ 1., -1., -1.,  1.]])
    """
    size, kind = positive_int(n, "n"), as_dtype(dtype, is_complex=False)
    order = matrix_order(size)
    if order is None:
        raise ValueError(
            f"a Hadamard transform needs a power of two times 1, 12 or 20, got n = {size}"
        )
    power = POWERS[as_norm(norm)]
    levels = (size // order).bit_length() - 1
    radices = (*(2,) * levels, *((order,) if order > 1 or not levels else ()))
    factors, a = [], 1
    for m in radices:
        block = (float(m) ** power * matrix(m)).astype(kind)[:, :, None]
        factors.append(np.broadcast_to(block, (a, m, m, size // (a * m))))
        a *= m
    return Butterfly(factors, _unitary=norm == "ortho")


def haar(n: int, levels: int | None = None, *, dtype: npt.DTypeLike = np.float64) -> LazyOperator:
    r"""Return the orthonormal Haar wavelet transform as a permutation and a butterfly.

    A level turns neighbours a, b into :math:`(a + b) / \sqrt 2` and :math:`(a - b) / \sqrt 2`, and
    the next one takes the sums. The result has the sums of the last level first, then the
    differences from the last level to the first, as PyWavelets lists them. In place, level l is a
    factor of pattern :math:`(n / 2^l, 2, 2, 2^{l-1})`, with identities where there are
    differences already; these factors chain, and a permutation sorts what they give.

    Parameters
    ----------
    n : int
        The length, a multiple of :math:`2^{levels}`.
    levels : int, optional
        At least 1; by default as many as n can be halved.
    dtype : dtype, optional
        float64 by default, or another precision, real or complex.

    Returns
    -------
    LazyOperator
        A product of a `Permutation` and a `Butterfly`, known to be orthogonal. The butterfly is
        alone where the order is right as it is, as for n = 2.

    Raises
    ------
    ValueError
        If ``n`` can't be halved so often.
    TypeError
        If a number is not an integer, or the dtype is not one of those.

    References
    ----------
    .. [1] A. Haar, "Zur Theorie der orthogonalen Funktionensysteme", Mathematische Annalen 69,
       1910.

    Examples
    --------
    >>> import lazyop as lo
    >>> W = lo.butterfly.haar(4)
    >>> (W.tosparse() @ [4.0, 2.0, 5.0, 5.0]).round(3)
    array([ 8.   , -2.   ,  1.414,  0.   ])
    """
    size, kind = positive_int(n, "n"), as_dtype(dtype, is_complex=False)
    most = (size & -size).bit_length() - 1
    count = max(most, 1) if levels is None else positive_int(levels, "levels")
    if count > most:
        raise ValueError(f"{count} level(s) need a multiple of {2**count}, got n = {size}")
    factors = [_haar_level(size, level) for level in range(count, 0, -1)]
    held = [np.broadcast_to(v.astype(kind), (size >> level, *v.shape[1:])) for level, v in factors]
    return multiply(Permutation(_coarse_first(size, count)), Butterfly(held, _unitary=True))


def _haar_level(n: int, level: int) -> tuple[int, npt.NDArray[np.float64]]:
    d = 2 ** (level - 1)
    values = np.zeros((1, 2, 2, d))
    values[0, [0, 1], [0, 1], :] = 1.0
    values[0, :, :, 0] = matrix(2) / math.sqrt(2)
    return level, values


def _coarse_first(n: int, levels: int) -> npt.NDArray[np.int64]:
    """Return where what is made in place stands: sums first, then differences, coarse to fine."""
    steps = [np.arange(2**level // 2, n, 2**level) for level in range(levels, 0, -1)]
    return np.concatenate([np.arange(0, n, 2**levels), *steps])
