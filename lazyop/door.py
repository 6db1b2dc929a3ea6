"""The door: what every argument passes once, on its way from ``A @ x`` to ``A._apply``.

Shape, namespace and dtype are checked here, the argument becomes a matrix of columns, and the
result comes back in the argument's form. Behind the door nothing is checked again.
"""

from __future__ import annotations

import math
import operator as operators
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse.linalg import LinearOperator

from lazyop.namespaces import (
    Array,
    as_array,
    cast,
    describe,
    dtype_of,
    fresh,
    is_array,
    name_of,
    namespace_of,
    real_counterpart,
    share_home,
    zeros,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lazyop.operator import LazyOperator


class Door(LinearOperator):  # type: ignore[misc]
    """What an operator is before it does anything: fields, a home for its data, and a way in."""

    shape: tuple[int, int]
    dtype: np.dtype[Any]

    #: The constructor's arguments, kept as attributes under the same names; None where a class
    #: does not say, and then its operators can be neither pickled nor moved.
    _fields: ClassVar[tuple[str, ...] | None] = None
    #: Those of the fields that are index data, which keep their dtype under `astype`.
    _index_fields: ClassVar[frozenset[str]] = frozenset()

    _sealed: bool = False

    def __init__(self, dtype: npt.DTypeLike, shape: tuple[int, int]) -> None:
        if dtype is None or np.dtype(dtype).kind not in "iufc":
            raise TypeError(f"an operator's dtype must be one of numbers, got {dtype!r}")
        super().__init__(np.dtype(dtype), shape)
        self.shape = (operators.index(self.shape[0]), operators.index(self.shape[1]))
        self._anchor = self._find_anchor()
        self._on_numpy = self._anchor is None or isinstance(self._anchor, np.ndarray)
        # What NumPy arguments of a dtype give; those that are not listed yet take the long way in.
        self._results = {self.dtype: self.dtype}
        self._sealed = True

    def __setattr__(self, name: str, value: object) -> None:
        if self._sealed:
            raise AttributeError(f"operators are immutable: can't set {name!r}")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"operators are immutable: can't delete {name!r}")

    def __getattr__(self, name: str) -> Any:
        """Say why an operator is not whole; other attributes are missing as ever."""
        if name in ("shape", "dtype", "_anchor", "_on_numpy", "_results"):
            raise AttributeError(
                f"{type(self).__name__}.__init__ must call super().__init__(dtype, shape)"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _field_values(self) -> dict[str, Any]:
        """Return the values of the fields by name."""
        if self._fields is None:
            raise TypeError(
                f"{type(self).__name__} can't be rebuilt from its parts: list the arguments of "
                "its constructor in _fields, and keep them under these names"
            )
        return {name: getattr(self, name) for name in self._fields}

    def _parts(self) -> Iterator[tuple[Any, bool]]:
        """Yield the arrays and operators held, each with whether it is index data."""
        for name in self._fields or ():
            for part in leaves(getattr(self, name)):
                yield part, name in self._index_fields

    def __reduce__(self) -> Any:
        return _rebuild, (type(self), self._field_values())

    @classmethod
    def _rebuild(cls, **fields: Any) -> Self:
        """Make an operator of this class from the values of its fields."""
        return cls(**fields)

    def _apply(self, X: Array) -> Array:
        """Return the product with a matrix of columns; neither writes into it nor checks it."""
        raise NotImplementedError(f"{type(self).__name__} does not define _apply")

    def _apply_vector(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the product with a vector on NumPy that has passed the door, as a fresh array.

        Where there is a shorter way than by a matrix of one column, a class says so here.
        """
        product: npt.NDArray[Any] = self._run(x.reshape(-1, 1)).reshape(self.shape[0])
        return product

    def adjoint(self) -> LazyOperator:
        """Return the adjoint."""
        raise NotImplementedError

    def transpose(self) -> LazyOperator:
        """Return the transpose."""
        raise NotImplementedError

    def _find_anchor(self) -> Array | None:
        """Return one of the arrays held, after checking that all live in one place."""
        anchor = None
        for part, _ in self._parts():
            home = part._anchor if isinstance(part, Door) else part
            if home is None:
                continue
            if anchor is None:
                anchor = home
            elif not share_home(anchor, home):
                raise TypeError(
                    f"the operands of {type(self).__name__} hold data in {describe(anchor)} and "
                    f"in {describe(home)}; bring them together with .to(...)"
                )
        return anchor

    # The door -------------------------------------------------------------------------------

    def _product(self, x: Array) -> Array:
        """Multiply an array ``(n,)``, ``(n, k)`` or ``(..., n, k)`` after checking it."""
        if not (type(x) is np.ndarray and self._on_numpy and x.dtype in self._results):
            x = self._admit(x)
        elif x.ndim == 1 and x.shape[0] == self.shape[1]:
            return self._apply_vector(x)
        return self._multiply(x)

    def _multiply(self, x: Array) -> Array:
        m, n = self.shape
        if x.ndim == 1 and x.shape[0] == n:
            if isinstance(x, np.ndarray):
                return self._apply_vector(x)
            xp = namespace_of(x)
            return xp.reshape(self._run(xp.reshape(x, (n, 1))), (m,))
        if x.ndim < 2 or x.shape[-2] != n:
            raise ValueError(
                f"dimension mismatch: an operator of shape {self.shape} takes {n} rows, "
                f"the argument has shape {tuple(x.shape)}"
            )
        return self._run(x) if x.ndim == 2 else self._run_stack(x)

    def _admit(self, x: Any) -> Array:
        """Check the namespace of an argument, and bring it to the dtype that the product has."""
        x = as_array(x, "the argument")
        if self._anchor is not None and not share_home(self._anchor, x):
            name = name_of(namespace_of(x))
            raise TypeError(
                f"the operator holds its data in {describe(self._anchor)}, the argument is in "
                f"{describe(x)}; move the operator with .to({name!r}), or the argument"
            )
        dtype = dtype_of(x)
        wanted = np.result_type(self.dtype, dtype)
        admitted = cast(x, wanted if dtype.kind == "c" else real_counterpart(wanted))
        if admitted is x and isinstance(x, np.ndarray):
            self._results[dtype] = wanted
        return admitted

    def _result_with(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """Return the dtype of the product with an argument of that dtype."""
        return self._results.get(dtype) or np.result_type(self.dtype, dtype)

    def _run(self, X: Array) -> Array:
        """Apply to a checked matrix; the result is fresh, and of the dtype it should have."""
        m, n = self.shape
        dtype = self._result_with(dtype_of(X))
        if not (m and n and X.shape[1]):
            return zeros((m, X.shape[1]), dtype, X)
        Y = self._apply(X)
        if dtype_of(Y) != dtype and np.can_cast(dtype_of(Y), dtype):
            return cast(Y, dtype)
        return fresh(Y, X)

    def _run_stack(self, S: Array) -> Array:
        xp = namespace_of(S)
        *stack, n, k = S.shape
        if not all(S.shape) or not self.shape[0]:
            dtype = self._result_with(dtype_of(S))
            return zeros((*stack, self.shape[0], k), dtype, S)
        columns = xp.reshape(S, (math.prod(stack), n, k))
        flat = xp.reshape(xp.permute_dims(columns, (1, 0, 2)), (n, math.prod(stack) * k))
        Y = xp.reshape(self._run(flat), (self.shape[0], math.prod(stack), k))
        return xp.reshape(xp.permute_dims(Y, (1, 0, 2)), (*stack, self.shape[0], k))

    def _product_left(self, x: Array) -> Array:
        """Return ``x @ self`` for an array ``(m,)``, ``(k, m)`` or ``(..., k, m)``."""
        x = self._admit(x)
        if x.ndim == 0 or x.shape[-1] != self.shape[0]:
            raise ValueError(
                f"dimension mismatch: an operator of shape {self.shape} takes rows of length "
                f"{self.shape[0]} from the left, the argument has shape {tuple(x.shape)}"
            )
        if x.ndim == 1:
            return self.transpose()._product(x)
        xp = namespace_of(x)
        return xp.matrix_transpose(self.transpose()._product(xp.matrix_transpose(x)))

    # SciPy's methods ------------------------------------------------------------------------

    def matvec(self, x: Any) -> Array:
        """Multiply a vector, a column, or a batch of vectors.

        Parameters
        ----------
        x : array_like, shape (n,), (n, 1) or (..., n)
            A vector, a column, or a batch of vectors along the last axis. What has the shape
            ``(n, 1)`` counts as a column.

        Returns
        -------
        array, shape (m,), (m, 1) or (..., m)
            The product, in the form of the argument.

        Raises
        ------
        ValueError
            If the vectors are not of length n.
        TypeError
            If ``x`` is no array of numbers, or lives in another namespace than the operator.

        Examples
        --------
        >>> import lazyop as lo
        >>> A = lo.aslazy([[1.0, 2.0], [3.0, 4.0]])
        >>> A.matvec([1.0, 0.0])
        array([1., 3.])
        >>> A.matvec([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        array([[1., 3.],
               [2., 4.],
               [3., 7.]])
        """
        if type(x) is np.ndarray and x.ndim == 1:
            return self._product(x)
        x = self._admit(x)
        if x.ndim <= 1 or tuple(x.shape) == (self.shape[1], 1):
            return self._multiply(x)
        if x.shape[-1] != self.shape[1]:
            raise ValueError(
                f"dimension mismatch: matvec of an operator of shape {self.shape} takes a vector "
                f"of length {self.shape[1]}, got shape {tuple(x.shape)}"
            )
        xp = namespace_of(x)
        return self._multiply(xp.expand_dims(x, axis=-1))[..., 0]

    def matmat(self, X: Any) -> Array:
        """Multiply a matrix or a stack of matrices.

        Parameters
        ----------
        X : array_like, shape (n, k) or (..., n, k)
            A matrix, or a stack of matrices over its last two axes.

        Returns
        -------
        array, shape (m, k) or (..., m, k)
            The product, in the form of the argument.

        Raises
        ------
        ValueError
            If ``X`` has fewer than two dimensions, or other than n rows.
        TypeError
            If ``X`` is no array of numbers, or lives in another namespace than the operator.

        Examples
        --------
        >>> import lazyop as lo
        >>> lo.aslazy([[1.0, 2.0], [3.0, 4.0]]).matmat([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
        array([[1., 2., 3.],
               [3., 4., 7.]])
        """
        X = self._admit(X)
        if X.ndim < 2:
            raise ValueError(f"matmat takes a matrix or a stack of matrices, got {X.ndim}-d")
        return self._multiply(X)

    def rmatvec(self, x: Any) -> Array:
        """Multiply a vector, a column, or a batch of vectors by the adjoint.

        Parameters
        ----------
        x : array_like, shape (m,), (m, 1) or (..., m)
            A vector, a column, or a batch of vectors along the last axis, as in `matvec`.

        Returns
        -------
        array, shape (n,), (n, 1) or (..., n)
            The product, in the form of the argument.

        Raises
        ------
        ValueError
            If the vectors are not of length m.
        TypeError
            If ``x`` is no array of numbers, or lives in another namespace than the operator.

        Examples
        --------
        >>> import lazyop as lo
        >>> lo.aslazy([[1.0, 2.0], [3.0, 4.0]]).rmatvec([1.0, 0.0])
        array([1., 2.])
        """
        return self.adjoint().matvec(x)

    def rmatmat(self, X: Any) -> Array:
        """Multiply a matrix or a stack of matrices by the adjoint.

        Parameters
        ----------
        X : array_like, shape (m, k) or (..., m, k)
            A matrix, or a stack of matrices over its last two axes.

        Returns
        -------
        array, shape (n, k) or (..., n, k)
            The product, in the form of the argument.

        Raises
        ------
        ValueError
            If ``X`` has fewer than two dimensions, or other than m rows.
        TypeError
            If ``X`` is no array of numbers, or lives in another namespace than the operator.

        Examples
        --------
        >>> import lazyop as lo
        >>> lo.aslazy([[1.0, 2.0], [3.0, 4.0]]).rmatmat([[1.0, 0.0], [0.0, 1.0]])
        array([[1., 3.],
               [2., 4.]])
        """
        return self.adjoint().matmat(X)

    # SciPy's own nodes call these on their operands.
    _matvec = matvec
    _matmat = matmat
    _rmatvec = rmatvec
    _rmatmat = rmatmat


def _rebuild(cls: type[Door], fields: dict[str, Any]) -> Door:
    return cls._rebuild(**fields)


def leaves(value: Any) -> Iterator[Any]:
    """Yield the arrays and operators in a field's value, a nested tuple of them included."""
    if isinstance(value, tuple):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, Door) or is_array(value):
        yield value
