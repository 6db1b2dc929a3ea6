"""Transforms that are others in another order: Zak's by Fourier's, and noiselets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lazyop.namespaces import Array, cast, dtype_of, namespace_of
from lazyop.operator import LazyOperator
from lazyop.structured.kron import Kron
from lazyop.structured.permutation import bit_reversal
from lazyop.transforms.along_axes import as_complex_dtype, as_length
from lazyop.transforms.fourier import dft

if TYPE_CHECKING:
    import numpy.typing as npt


def zak(
    n: int,
    period: int,
    *,
    norm: str | None = "ortho",
    dtype: npt.DTypeLike = np.complex128,
) -> LazyOperator:
    r"""Return the discrete Zak transform: the Fourier transform over samples a period apart.

    .. math:: Z_{k l} = \frac{1}{c^s} \sum_{j=0}^{c-1} x_{l + j p}\, e^{-2 \pi i j k / c}

    for a period p and ``c = n / p`` of them, and s = 1/2 for the norm "ortho". The result is an
    array of c by p, row by row: `dft` along the first axis of the signal seen as such an array.

    Parameters
    ----------
    n : int
        The length of the signal.
    period : int
        A divisor of n.
    norm : {"backward", "ortho", "forward"}, optional
        "ortho" by default, for which the transform is unitary; None means "backward".
    dtype : dtype, optional
        complex128 by default, or complex64.

    Returns
    -------
    LazyOperator

    Raises
    ------
    ValueError
        If the period does not divide the length, a length is not positive, or the norm is unknown.
    TypeError
        If a length is not an integer, or the dtype is not complex.

    References
    ----------
    H. Boelcskei, F. Hlawatsch, Discrete Zak transforms, polyphase transforms, and applications,
    IEEE Trans. Signal Process. 45(4):851-866, 1997, doi 10.1109/78.564174.

    Examples
    --------
    >>> import lazyop as lo
    >>> Z = lo.transforms.zak(6, 3, norm=None)
    >>> (Z @ [1.0, 2.0, 3.0, 1.0, 2.0, 4.0]).reshape(2, 3).real
    array([[ 2.,  4.,  7.],
           [ 0.,  0., -1.]])
    """
    length, step = as_length(n, "the length", least=1), as_length(period, "the period", least=1)
    if length % step:
        raise ValueError(f"the period must divide the length {length}, got {step}")
    return dft((length // step, step), axis=0, norm=norm, dtype=dtype)


class Noiselet(LazyOperator):
    """Noiselet transform, bit reversal times a Kronecker product; or its inverse, the conjugate."""

    _fields = ("n", "inverse", "dtype")

    def __init__(self, n: int, inverse: bool, dtype: npt.DTypeLike) -> None:
        self.n, self.inverse = n, inverse
        low = self._low = (1 + 1j if inverse else 1 - 1j) / 2
        two = np.array([[low, low.conjugate()], [low.conjugate(), low]], dtype)
        self._waves = Kron(*[two] * max(n.bit_length() - 1, 1))
        self._reversal = bit_reversal(n)
        super().__init__(dtype, (n, n))

    def _apply(self, X: Array) -> Array:
        if self.n == 1:
            return X
        if isinstance(X, np.ndarray):
            return self._reversal._apply(self._waves._apply(X))
        return self._apply_digit_by_digit(X)

    def _apply_digit_by_digit(self, X: Array) -> Array:
        """Do the same by the array API alone, without arrays of the operator's own."""
        xp, columns = namespace_of(X), X.shape[1]
        low = self._low
        bits = self.n.bit_length() - 1
        X = cast(X, np.result_type(dtype_of(X), np.complex64))
        for bit in range(bits):
            X = xp.reshape(X, (2**bit, 2, -1))
            first, second = X[:, :1, :], X[:, 1:, :]
            up, down = low * first, low.conjugate() * first
            high = low.conjugate() * second
            X = xp.concat([up + high, down + low * second], axis=1)
        X = xp.reshape(X, (*(2,) * bits, columns))
        return xp.reshape(xp.permute_dims(X, (*reversed(range(bits)), bits)), (self.n, columns))

    def _adjoint(self) -> LazyOperator:
        return Noiselet(self.n, not self.inverse, self.dtype)

    def _transpose(self) -> LazyOperator:
        return self

    def _conj(self) -> LazyOperator:
        return self.adjoint()

    @property
    def _is_unitary(self) -> bool:
        return True

    def _flops(self) -> int:
        return self._waves._flops() if self.n > 1 else 0


def noiselet(n: int, *, dtype: npt.DTypeLike = np.complex128) -> LazyOperator:
    r"""Return the noiselet transform, whose rows look like noise to wavelets.

    Row r of the matrix of order n is built from those of order n/2,

    .. math:: N_{2r}(t) = \tfrac{1 - i}{2} N_r(2 t) + \tfrac{1 + i}{2} N_r(2 t - 1), \qquad
              N_{2r+1}(t) = \tfrac{1 + i}{2} N_r(2 t) + \tfrac{1 - i}{2} N_r(2 t - 1),

    where t from 0 to 1 is the place, so that the matrix is the Kronecker power of that of order
    two, with its rows in bit-reversed order. All entries are of the absolute value ``n ** -0.5``,
    and the matrix is symmetric and unitary.

    Parameters
    ----------
    n : int
        A power of two.
    dtype : dtype, optional
        complex128 by default, or complex64.

    Returns
    -------
    LazyOperator
        Unitary.

    Raises
    ------
    ValueError
        If n is not a power of two.
    TypeError
        If n is not an integer, or the dtype is not complex.

    References
    ----------
    R. Coifman, F. Geshwind, Y. Meyer, Noiselets, Appl. Comput. Harmon. Anal. 10(1):27-44, 2001,
    doi 10.1006/acha.2000.0313.

    Examples
    --------
    >>> import lazyop as lo
    >>> 2 * lo.transforms.noiselet(4).toarray()[0]
    array([0.-1.j, 1.+0.j, 1.+0.j, 0.+1.j])
    """
    kind, size = as_complex_dtype(dtype), as_length(n, "the length", least=1)
    if size & (size - 1):
        raise ValueError(f"noiselets need a power of two, got {size}")
    return Noiselet(size, False, kind)
