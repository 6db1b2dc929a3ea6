"""The discrete Fourier transform as a butterfly, for any length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lazyop.algebra.normal_form import multiply
from lazyop.butterfly.operator import Butterfly
from lazyop.butterfly.roots import POWERS, as_dtype, prime_factors, roots_of_unity
from lazyop.kernels.fourier import as_norm
from lazyop.scalars import positive_int
from lazyop.structured.permutation import Permutation

if TYPE_CHECKING:
    import numpy.typing as npt

    from lazyop.operator import LazyOperator


def dft(n: int, norm: str | None = None, *, dtype: npt.DTypeLike = np.complex128) -> LazyOperator:
    r"""Return the discrete Fourier transform of length n as a butterfly and a permutation.

    .. math:: y_k = n^s \sum_{j=0}^{n-1} x_j\, e^{-2 \pi i j k / n},
              \qquad s = 0, \; -\tfrac12, \; -1

    for the norms "backward", "ortho" and "forward". With :math:`n = p_1 p_2 \cdots p_L` in primes,
    factor l has the pattern :math:`(p_1 \cdots p_{l-1},\, p_l,\, p_l,\, p_{l+1} \cdots p_L)`:
    the steps of the mixed-radix fast Fourier transform [1]_, whose digit reversal is the
    permutation. Together they hold :math:`n (p_1 + \dots + p_L)` numbers. A prime length is one
    dense factor, and a large prime factor makes large blocks.

    Parameters
    ----------
    n : int
        The length.
    norm : {"backward", "ortho", "forward"}, optional
        As in `scipy.fft.fft`; None means "backward". With "ortho" the operator is known to be
        unitary.
    dtype : dtype, optional
        complex128 by default, or complex64.

    Returns
    -------
    LazyOperator
        A product of a `Butterfly` and a `Permutation`; the butterfly alone where n is prime or 1.

    Raises
    ------
    ValueError
        If ``n`` is not positive, or the norm is unknown.
    TypeError
        If ``n`` is not an integer, or the dtype is not complex.

    References
    ----------
    .. [1] J. W. Cooley, J. W. Tukey, "An algorithm for the machine calculation of complex
       Fourier series", Mathematics of Computation 19, 1965.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.linalg
    >>> import lazyop as lo
    >>> F = lo.butterfly.dft(360)
    >>> F.args[0].chain.nnz, 360**2
    (6120, 129600)
    >>> np.allclose(F.tosparse().toarray(), scipy.linalg.dft(360))
    True
    """
    size, kind = positive_int(n, "n"), as_dtype(dtype, is_complex=True)
    return _transform(size, norm, POWERS[as_norm(norm)], kind, inverse=False)


def idft(n: int, norm: str | None = None, *, dtype: npt.DTypeLike = np.complex128) -> LazyOperator:
    r"""Return the inverse discrete Fourier transform as a butterfly and a permutation.

    .. math:: y_j = n^{-1-s} \sum_{k=0}^{n-1} x_k\, e^{2 \pi i j k / n}

    with s as in `dft`, whose factors it has, conjugated and scaled.

    Parameters
    ----------
    n : int
        The length.
    norm : {"backward", "ortho", "forward"}, optional
        As in `scipy.fft.ifft`; None means "backward". With "ortho" the operator is known to be
        unitary.
    dtype : dtype, optional
        complex128 by default, or complex64.

    Returns
    -------
    LazyOperator
        The inverse of ``dft(n, norm)``.

    Raises
    ------
    ValueError
        If ``n`` is not positive, or the norm is unknown.
    TypeError
        If ``n`` is not an integer, or the dtype is not complex.

    Examples
    --------
    >>> import numpy as np
    >>> import lazyop as lo
    >>> product = lo.butterfly.idft(6) @ lo.butterfly.dft(6)
    >>> np.allclose(product.tosparse().toarray(), np.eye(6))
    True
    """
    size, kind = positive_int(n, "n"), as_dtype(dtype, is_complex=True)
    return _transform(size, norm, -1 - POWERS[as_norm(norm)], kind, inverse=True)


def _transform(
    n: int, norm: str | None, power: float, dtype: np.dtype[Any], *, inverse: bool
) -> LazyOperator:
    held = []
    for values in fourier_factors(n, power):
        block = values[:1].astype(dtype, copy=False)  # the same a times over, and kept once
        held.append(np.broadcast_to(block.conj() if inverse else block, values.shape))
    chain = Butterfly(held, _unitary=norm == "ortho")
    return multiply(chain, Permutation(digit_reversal(n))) if len(held) > 1 else chain


def fourier_factors(n: int, power: float) -> list[npt.NDArray[np.complex128]]:
    r"""Return the factors of :math:`n^s F_n` before its digit reversal, leftmost first.

    With N = p m and the arguments sorted by their index modulo p, an index :math:`e m + s` of the
    result, and r of the argument's residue,

    .. math:: y_{e m + s} = \sum_{r < p} e^{-2 \pi i (e m + s) r / N} (F_m x_r)_s .

    Each factor is scaled by the same power of its radix, so that none is out of proportion.
    """
    factors, a = [], 1
    for p in prime_factors(n):
        order = n // a
        rows = np.arange(order).reshape(p, 1, order // p)
        roots = p**power * roots_of_unity(np.arange(order), order)
        values = roots[rows * np.arange(p)[:, None] % order]
        factors.append(np.broadcast_to(values, (a, *values.shape)))
        a *= p
    return factors


def digit_reversal(n: int) -> npt.NDArray[np.int64]:
    """Return which entry of the argument comes to each place before the factors of order n."""
    radices = prime_factors(n)
    return np.arange(n).reshape(radices[::-1]).transpose().ravel()
