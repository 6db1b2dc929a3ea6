"""Permutations of rows, and the two that fast transforms use."""

from __future__ import annotations

import operator as operators
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array

from lazyop.algebra.neutral import Identity
from lazyop.algebra.restriction import Restriction, make_restriction
from lazyop.namespaces import Array, as_array, as_index, cast, like, share_home, take_rows, to_numpy
from lazyop.operator import LazyOperator

if TYPE_CHECKING:
    import numpy.typing as npt

    from lazyop.traits import Order


class Permutation(LazyOperator):
    """Permutation, ``(A x)[i] = x[p[i]]`` and ``(A^H y)[p[i]] = y[i]``.

    Parameters
    ----------
    p : array_like of int, shape (n,)
        A permutation of ``0, ..., n - 1``.
    dtype : dtype, optional
        int8 by default, the narrowest of signed integers, so that a permutation widens nothing it
        is applied to but unsigned integers, which take an unsigned dtype.

    Raises
    ------
    ValueError
        If ``p`` is not a permutation: an entry is missing, repeated or out of range, or there is
        not one dimension.
    TypeError
        If the entries of ``p`` are not integers, or the dtype is not one of numbers.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.Permutation([2, 0, 1]) @ [10.0, 20.0, 30.0]
    array([30., 10., 20.])
    """

    _fields = ("p", "dtype")
    _index_fields = frozenset({"p"})
    _makes_new = True

    def __init__(self, p: Any, dtype: npt.DTypeLike = np.int8) -> None:
        p = as_array(p, "a permutation")
        size = p.shape[0] if p.ndim else 0
        try:
            self.p = as_index(p, "a permutation", size)
        except IndexError as error:
            raise ValueError(f"not a permutation: {error}") from None
        counts = np.bincount(to_numpy(self.p), minlength=size)
        if np.any(counts != 1):
            missing, repeated = np.argmin(counts), np.argmax(counts)
            raise ValueError(f"not a permutation: {missing} is missing, {repeated} is repeated")
        super().__init__(dtype, (size, size))

    def _apply(self, X: Array) -> Array:
        return take_rows(X, self.p)

    def _apply_vector(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        y: npt.NDArray[Any] = cast(x.take(self.p), self._result_with(x.dtype))
        return y

    def _adjoint(self) -> LazyOperator:
        return Permutation(like(np.argsort(to_numpy(self.p)), self.p), self.dtype)

    def _conj(self) -> LazyOperator:
        return self

    def _transpose(self) -> LazyOperator:
        return self.adjoint()

    @property
    def _is_unitary(self) -> bool:
        return True

    def _keeps_norm(self, order: Order) -> bool:
        return True

    def _times(self, other: LazyOperator) -> LazyOperator | None:
        if not isinstance(other, Permutation) or not share_home(self.p, other.p):
            return None
        dtype = np.result_type(self.dtype, other.dtype)
        p = to_numpy(other.p)[to_numpy(self.p)]
        if np.array_equal(p, np.arange(p.size)):
            return Identity(p.size, dtype)
        return Permutation(like(p, self.p), dtype)

    def _times_left(self, other: LazyOperator) -> LazyOperator | None:
        if not isinstance(other, Restriction):
            return None
        dtype = np.result_type(self.dtype, other.dtype)
        return make_restriction(to_numpy(self.p)[other.rows()], other.size, self.p, dtype)

    def _diagonal(self, reference: Array) -> Array:
        fixed = to_numpy(self.p) == np.arange(self.shape[0])
        return like(fixed.astype(self.dtype), reference)

    def _tosparse(self) -> csr_array:
        n = self.shape[0]
        ones = np.ones(n, dtype=self.dtype)
        return csr_array((ones, to_numpy(self.p), np.arange(n + 1)), shape=self.shape)

    def _flops(self) -> int:
        return 0


def bit_reversal(n: int) -> Permutation:
    """Return the permutation that reverses the binary digits of every index.

    Parameters
    ----------
    n : int
        A power of two.

    Returns
    -------
    Permutation
        Of size n; its own inverse.

    Raises
    ------
    ValueError
        If ``n`` is not a power of two.
    TypeError
        If it is not an integer.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.bit_reversal(8) @ [0, 1, 2, 3, 4, 5, 6, 7]
    array([0, 4, 2, 6, 1, 5, 3, 7])
    """
    size = operators.index(n)
    if size < 1 or size & (size - 1):
        raise ValueError(f"bit reversal needs a power of two, got {n}")
    bits = size.bit_length() - 1
    return Permutation(np.arange(size).reshape((2,) * bits).transpose().ravel())


def perfect_shuffle(a: int, b: int) -> Permutation:
    """Return the permutation S that deals b piles of a cards: it transposes an a by b array.

    ``(S x)[j a + i] = x[i b + j]`` for ``i < a``, ``j < b``, so that
    ``S (A (x) B) S^T = B (x) A`` for A of size a and B of size b.

    Parameters
    ----------
    a, b : int
        Rows and columns of the array.

    Returns
    -------
    Permutation
        Of size ``a b``; its inverse is ``perfect_shuffle(b, a)``.

    Raises
    ------
    ValueError
        If a size is negative.
    TypeError
        If one is not an integer.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.perfect_shuffle(2, 3) @ [0, 1, 2, 3, 4, 5]
    array([0, 3, 1, 4, 2, 5])
    """
    if operators.index(a) < 0 or operators.index(b) < 0:
        raise ValueError(f"sizes can't be negative, got {a} and {b}")
    return Permutation(np.arange(a * b).reshape(a, b).transpose().ravel())
