"""The operators of Python on operators: ``@``, ``*``, ``+``, ``-``, ``/``, ``**`` and indexing.

With an array they apply the operator, by the way through the door; with anything that stands for a
matrix they build an expression, in the normal form of `lazyop.algebra`, which needs operators
itself and is imported where it is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from lazyop.aslazy import aslazy, is_operator
from lazyop.door import Door
from lazyop.namespaces import as_array, is_array, is_scalar

if TYPE_CHECKING:
    from lazyop.operator import LazyOperator


class Arithmetic(Door):
    """What an operator does with other operators, and with arrays on either side."""

    def dot(self, x: Any) -> Any:
        """Multiply from the left: operators compose, scalars scale, arrays are applied to.

        Parameters
        ----------
        x : scalar, operator or array_like
            A number; what `aslazy` takes for an operator, with n rows; or an array of shape
            ``(n,)``, ``(n, k)`` or ``(..., n, k)``.

        Returns
        -------
        LazyOperator or array
            The multiple or the product as an operator; for an array the product, of shape
            ``(m,)``, ``(m, k)`` or ``(..., m, k)``.

        Raises
        ------
        ValueError
            If the sizes don't fit, or a scalar is not finite.
        TypeError
            If ``x`` is nothing of the kind, or lives in another namespace than the operator.

        Examples
        --------
        >>> import lazyop as lo
        >>> A = lo.Diagonal([1.0, 2.0])
        >>> A.dot([3.0, 4.0])
        array([3., 8.])
        >>> A.dot(2).dot(A).diagonal()
        array([2., 8.])
        """
        if is_scalar(x):
            return self._scaled(x)
        if is_operator(x):
            from lazyop.algebra.normal_form import multiply

            return multiply(_whole(self), aslazy(x))
        return self._product(x if is_array(x) else as_array(x, "the argument"))

    def rdot(self, x: Any) -> Any:
        """Multiply from the right: ``x @ self``.

        Parameters
        ----------
        x : scalar, operator or array_like
            A number; what `aslazy` takes for an operator, with m columns; or an array of shape
            ``(m,)``, ``(k, m)`` or ``(..., k, m)``.

        Returns
        -------
        LazyOperator or array
            The multiple or the product as an operator; for an array the product, of shape
            ``(n,)``, ``(k, n)`` or ``(..., k, n)``.

        Raises
        ------
        ValueError
            If the sizes don't fit, or a scalar is not finite.
        TypeError
            If ``x`` is nothing of the kind, or lives in another namespace than the operator.

        Examples
        --------
        >>> import lazyop as lo
        >>> lo.aslazy([[1.0, 2.0], [3.0, 4.0]]).rdot([1.0, 1.0])
        array([4., 6.])
        """
        if is_scalar(x):
            return self._scaled(x)
        if is_operator(x):
            from lazyop.algebra.normal_form import multiply

            return multiply(aslazy(x), _whole(self))
        return self._product_left(x if is_array(x) else as_array(x, "the argument"))

    _rdot = rdot

    def __call__(self, x: Any) -> Any:
        """Multiply, as ``self @ x``."""
        return self @ x

    def __matmul__(self, other: Any) -> Any:
        if type(other) is np.ndarray and other.ndim:
            return self._product(other)
        if is_scalar(other):
            raise ValueError("Scalar operands are not allowed, use '*' instead")
        return self.dot(other)

    def __rmatmul__(self, other: Any) -> Any:
        if is_scalar(other):
            raise ValueError("Scalar operands are not allowed, use '*' instead")
        return self.rdot(other)

    def __mul__(self, other: Any) -> Any:
        return self.dot(other)

    def __rmul__(self, other: Any) -> Any:
        return self.rdot(other)

    def _scaled(self, scalar: Any) -> LazyOperator:
        from lazyop.algebra.normal_form import scale

        return scale(scalar, _whole(self))

    def __truediv__(self, other: Any) -> LazyOperator:
        if not is_scalar(other):
            raise TypeError(f"an operator can be divided by a scalar only, not by {other!r}")
        from lazyop.algebra.normal_form import divide

        return divide(_whole(self), other)

    def __neg__(self) -> LazyOperator:
        return self._scaled(-1)

    def __add__(self, other: Any) -> LazyOperator:
        if is_scalar(other):
            return self._add_scalar(other)
        from lazyop.algebra.normal_form import add

        return add(_whole(self), aslazy(other))

    def __radd__(self, other: Any) -> LazyOperator:
        if is_scalar(other):
            return self._add_scalar(other)
        from lazyop.algebra.normal_form import add

        return add(aslazy(other), _whole(self))

    def _add_scalar(self, other: Any) -> LazyOperator:
        if other == 0:  # what `sum` starts from
            return _whole(self)
        raise TypeError(
            f"a scalar can't be added to an operator; add {other} * lo.Identity(n), "
            "or an operator whose entries are all equal"
        )

    def __sub__(self, other: Any) -> LazyOperator:
        return self + (-other if is_scalar(other) else -aslazy(other))

    def __rsub__(self, other: Any) -> LazyOperator:
        return (-self).__add__(other)

    def __pow__(self, exponent: Any) -> LazyOperator:
        from lazyop.algebra.normal_form import power

        return power(_whole(self), exponent)

    def __getitem__(self, key: Any) -> Any:
        """Restrict by slices, integer arrays or boolean masks; integers give arrays.

        Parameters
        ----------
        key : index or pair of indices
            For the rows, and for the columns (all of them by default): each an integer, a
            slice, a one-dimensional array of integers, or a boolean mask. The indices of a pair
            are taken independently, rows by columns.

        Returns
        -------
        LazyOperator, array or scalar
            An operator; the row or column where one index is an integer; the entry where both
            are.

        Raises
        ------
        IndexError
            If there are more than two indices, or one is out of range or nothing of the kind.

        Examples
        --------
        >>> import lazyop as lo
        >>> A = lo.Diagonal([1.0, 2.0, 3.0])
        >>> A[1:, [0, 2]].toarray()
        array([[0., 0.],
               [0., 3.]])
        >>> A[1]
        array([0., 2., 0.])
        >>> float(A[1, 1])
        2.0
        """
        from lazyop.algebra.restriction import restrict

        return restrict(_whole(self), key)

    __iter__ = None  # an operator is no sequence of its rows


def _whole(op: Arithmetic) -> LazyOperator:
    """Tell the type checker that whatever does arithmetic is an operator."""
    return cast("LazyOperator", op)
