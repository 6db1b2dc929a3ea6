"""Circulant matrices as butterflies: a Fourier transform there and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.linalg

from lazyop.butterfly.fourier import digit_reversal, fourier_factors
from lazyop.butterfly.operator import Butterfly
from lazyop.butterfly.real_part import real_part
from lazyop.butterfly.roots import as_dtype
from lazyop.namespaces import as_array

if TYPE_CHECKING:
    import numpy.typing as npt


def circulant(c: npt.ArrayLike, *, dtype: npt.DTypeLike | None = None) -> Butterfly:
    r"""Return the circulant matrix of a first column as one butterfly.

    .. math:: y_k = \sum_{j=0}^{n-1} c_{(k - j) \bmod n}\, x_j

    The orthonormal Fourier matrix is :math:`F = K Q = Q^T K^T` with a butterfly K and the digit
    reversal Q. With :math:`\lambda` the Fourier transform of c, the circulant matrix is
    :math:`F^H \operatorname{diag}(\lambda) F = \overline{K}\, Q \operatorname{diag}(\lambda) Q^T
    K^T`, so that the permutations work in the diagonal alone. That, and the two factors beside it,
    make one. For a real c, the factors are those of the real part.

    Parameters
    ----------
    c : array_like, shape (n,)
        The first column, real or complex, of any positive length; finite. A prime length is one
        dense factor.
    dtype : dtype, optional
        By default that of ``c``, float64 for integers; complex where ``c`` is.

    Returns
    -------
    Butterfly
        Of 2 L - 1 factors for a length of L primes. Its chain goes to finer blocks and back: it is
        not chainable as a whole, its two halves are.

    Raises
    ------
    ValueError
        If ``c`` is not one-dimensional, is empty or not finite.
    TypeError
        If it is no array of numbers on NumPy, or the dtype can't hold it.

    See Also
    --------
    scipy.linalg.circulant : the dense matrix.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.butterfly.circulant([1.0, 2.0, 3.0]).toarray()
    array([[1., 3., 2.],
           [2., 1., 3.],
           [3., 2., 1.]])
    """
    column = _as_column(c)
    own = column.dtype if column.dtype.kind in "fc" else np.dtype(np.float64)
    kind = as_dtype(own if dtype is None else dtype, is_complex=False)
    if column.dtype.kind == "c" and kind.kind != "c":
        raise TypeError(f"the dtype of a complex circulant matrix must be complex, got {kind}")
    return Butterfly([v.astype(kind) for v in _factors(column)])


def _as_column(c: Any) -> npt.NDArray[Any]:
    column = as_array(c, "the first column")
    if not isinstance(column, np.ndarray):
        raise TypeError("the first column must be a NumPy array; the operator moves by .to(...)")
    if column.ndim != 1 or not column.size:
        raise ValueError(
            f"the first column must be a vector of at least one entry, got shape {column.shape}"
        )
    if not np.all(np.isfinite(column)):
        raise ValueError("the first column has entries that are not finite")
    return column


def _factors(column: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    n = column.shape[0]
    there = fourier_factors(n, -0.5)
    if len(there) == 1:
        return [scipy.linalg.circulant(column)[None, :, :, None]]
    spectrum = np.fft.fft(column.astype(np.result_type(column, np.float64)))
    a, p = there[-1].shape[:2]
    weights = spectrum[digit_reversal(n)].reshape(a, 1, p)
    last = there[-1][:, :, :, 0]
    middle = (last.conj() * weights @ last.transpose(0, 2, 1))[..., None]
    back = [v.transpose(0, 2, 1, 3) for v in there[-2::-1]]
    whole = [*(v.conj() for v in there[:-1]), middle, *back]
    if column.dtype.kind == "c":
        return whole
    merged = Butterfly(real_part(whole)).merge()  # in the left half, which chains
    return [factor.values for factor in merged._transpose().merge()._transpose().factors]
