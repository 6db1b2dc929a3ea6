"""LazyOperator: the contract with SciPy, the checks at the door, and the one way to the kernels.

``A @ x`` checks shape, namespace and dtype once, makes a matrix of columns of the argument, and
calls ``A._apply``; composites call their operands' ``_apply`` directly. What operators do with
each other (sums, products, the normal form) lives in `lazyop.algebra`.
"""

from __future__ import annotations

import math
import operator as operators
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from lazyop import display
from lazyop.arithmetic import Arithmetic
from lazyop.aslazy import aslazy
from lazyop.conversion import Conversion
from lazyop.cost import Cost
from lazyop.kernels.plan import Plan, Step
from lazyop.namespaces import (
    Array,
    Namespace,
    cast,
    conj,
    copied,
    dtype_of,
    like,
    namespace_of,
    resolve,
    to_numpy,
    zeros,
)
from lazyop.tracing import lasting, lasts
from lazyop.traits import Traits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: How many columns of the identity a dense computation applies an operator to at a time.
_BLOCK_COLUMNS = 256


class LazyOperator(Traits, Arithmetic):
    """A matrix that is known by its products, and held as what it is made of.

    A subclass of `scipy.sparse.linalg.LinearOperator` that is immutable, has a dtype, takes and
    returns arrays of any namespace of the array API standard, and whose algebra yields operators
    of this library. To write one, keep the constructor's arguments as attributes of the same
    names, list them in ``_fields``, call ``super().__init__(dtype, shape)`` last, and define

    - ``_apply(X)``: the product with a matrix of columns ``(n, k)`` (within an expression also an
      empty one);
    - ``_adjoint()``: the adjoint, as an operator;
    - ``_transpose()`` or ``_conj()``, only where complex data have a cheaper way than the
      adjoint of a conjugate.

    Parameters
    ----------
    dtype : dtype
        The dtype of the matrix; one of numbers, and never None.
    shape : tuple of int
        ``(m, n)``.

    Attributes
    ----------
    shape : tuple of int
        ``(m, n)``.
    dtype : numpy.dtype
        The dtype of the matrix.

    Examples
    --------
    The reflection ``I - 2 v v^T`` by a real unit vector v is its own adjoint:

    >>> import numpy as np
    >>> import lazyop as lo
    >>> class Reflection(lo.LazyOperator):
    ...     _fields = ("v",)
    ...     def __init__(self, v):
    ...         self.v = v
    ...         super().__init__(v.dtype, (v.shape[0], v.shape[0]))
    ...     def _apply(self, X):
    ...         return X - 2 * self.v[:, None] * (self.v @ X)
    ...     def _adjoint(self):
    ...         return self
    >>> A = Reflection(np.full(4, 0.5))
    >>> A @ [1.0, 0.0, 0.0, 0.0]
    array([ 0.5, -0.5, -0.5, -0.5])
    >>> (A.H @ A + lo.Identity(4)) @ [1.0, 0.0, 0.0, 0.0]
    array([2., 0., 0., 0.])
    """

    # What subclasses define -----------------------------------------------------------------

    #: Whether `_apply` makes a new array of every NumPy argument, which nothing else holds.
    _makes_new: ClassVar[bool] = False

    def _apply_to_own(self, X: Array) -> Array:
        """Return the product with a matrix that nobody needs any more, perhaps in its place."""
        return self._apply(X)

    def _adjoint(self) -> LazyOperator:
        raise NotImplementedError(f"{type(self).__name__} does not define _adjoint")

    def _transpose(self) -> LazyOperator:
        return self.adjoint().conj()

    def _conj(self) -> LazyOperator:
        from lazyop.algebra.composite import Conjugate

        return Conjugate(self)

    def _apply_stack(self, S: Array) -> Array:
        """Return the products with a stack of matrices ``(l, n, k)``."""
        xp = namespace_of(S)
        depth, n, k = S.shape
        columns = xp.reshape(xp.permute_dims(S, (1, 0, 2)), (n, depth * k))
        Y = xp.reshape(self._apply(columns), (self.shape[0], depth, k))
        return xp.permute_dims(Y, (1, 0, 2))

    def _times(self, other: LazyOperator) -> LazyOperator | None:
        """Return ``self @ other`` as one cheaper operator, or None where there is no such."""
        return None

    def _times_left(self, other: LazyOperator) -> LazyOperator | None:
        """Return ``other @ self`` as one cheaper operator; asked after ``other._times``."""
        return None

    def _plus(self, other: LazyOperator) -> LazyOperator | None:
        """Return ``self + other`` as one cheaper operator, or None where there is no such."""
        return None

    def _flops(self) -> int:
        """Count the real flops of a product with one column."""
        return self._flops_per_entry() * self.shape[0] * self.shape[1]

    def _flops_per_entry(self) -> int:
        return 8 if self.dtype.kind == "c" else 2

    def _steps(self, columns: int) -> Iterator[Step]:
        yield Step(repr(self), "apply", self._flops() * columns)

    def _diagonal(self, reference: Array) -> Array:
        """Return the diagonal, made where ``reference`` lives."""
        m, n = self.shape
        xp = namespace_of(reference)
        parts = [zeros((0,), self.dtype, reference)]
        for start in range(0, min(m, n), _BLOCK_COLUMNS):
            stop = min(start + _BLOCK_COLUMNS, m, n)
            block = self._run(_unit_columns(n, start, stop, self.dtype, reference))
            parts.append(xp.linalg.diagonal(block[start:stop, :]))
        return xp.concat(parts)

    def _toarray(self, reference: Array) -> Array:
        """Return the dense matrix, made where ``reference`` lives."""
        m, n = self.shape
        if m < n:
            with suppress(NotImplementedError):  # there may be no adjoint
                columns = self.adjoint()._run(_unit_columns(m, 0, m, self.dtype, reference))
                return conj(namespace_of(reference).matrix_transpose(columns))
        return self._run(_unit_columns(n, 0, n, self.dtype, reference))

    def _tosparse(self) -> csr_array:
        return csr_array(to_numpy(self.toarray()))

    def _converted(self, conversion: Conversion) -> LazyOperator:
        """Return this operator with its fields converted."""
        old = self._field_values()
        new = {
            name: conversion.value(value, index=name in self._index_fields)
            for name, value in old.items()
        }
        return self if all(new[name] is old[name] for name in old) else self._rebuild(**new)

    # Where the data live --------------------------------------------------------------------

    def _reference(self) -> Array:
        return np.empty(0) if self._anchor is None else self._anchor

    @property
    def namespace(self) -> Namespace | None:
        """The array namespace of the data held; None where there are none."""
        return None if self._anchor is None else namespace_of(self._anchor)

    def to(self, target: Any, dtype: npt.DTypeLike | None = None) -> LazyOperator:
        """Return the same operator with its data in another namespace or device.

        Parameters
        ----------
        target : str, namespace or device
            ``"numpy"``, ``"cupy"``, ``"torch"``, ``"jax"``, ``"array_api_strict"``, ``"dask"``, an
            array namespace, or a device object of one of these.
        dtype : dtype, optional
            The precision on arrival, as in `astype`.

        Returns
        -------
        LazyOperator
            This operator itself where nothing changes. Parts that occur more than once in the
            expression move once.

        Raises
        ------
        ImportError
            If the namespace is not installed; the message says what to install.
        TypeError
            If an operand can't leave NumPy, or the dtype would lose something.
        """
        xp, device = resolve(target)
        return self._convert(xp, device, dtype)

    def astype(self, dtype: npt.DTypeLike) -> LazyOperator:
        """Return the same operator in another precision.

        Real factors of a complex operator stay real.

        Parameters
        ----------
        dtype : dtype
            The dtype of the result; one of numbers.

        Returns
        -------
        LazyOperator
            This operator itself where nothing changes.

        Raises
        ------
        TypeError
            If the conversion would lose the imaginary part, or the fractions, if the dtype can't
            hold a coefficient, or is not one of numbers.

        Examples
        --------
        >>> import lazyop as lo
        >>> lo.Identity(3).astype("float32").dtype
        dtype('float32')
        """
        return self._convert(None, None, np.dtype(dtype))

    def _convert(self, xp: Any, device: Any, dtype: npt.DTypeLike | None) -> LazyOperator:
        return Conversion(self, xp, device, dtype).operator(self)

    # Adjoint, transpose, conjugate ----------------------------------------------------------

    def adjoint(self) -> LazyOperator:
        """Return the adjoint (the conjugate transpose), as an operator made from the parts.

        Returns
        -------
        LazyOperator
            Of shape ``(n, m)``. Its adjoint is this operator again.

        Examples
        --------
        >>> import lazyop as lo
        >>> lo.Diagonal([1.0, 2j]).adjoint().diagonal()
        array([1.-0.j, 0.-2.j])
        """
        return self._linked("adjoint", self._adjoint)

    def transpose(self) -> LazyOperator:
        """Return the transpose, as an operator made from the parts.

        Returns
        -------
        LazyOperator
            Of shape ``(n, m)``; the adjoint where the operator is real.

        Examples
        --------
        >>> import lazyop as lo
        >>> lo.aslazy([[1.0, 2.0]]).transpose() @ [3.0]
        array([3., 6.])
        """
        if self.dtype.kind != "c":
            return self.adjoint()
        return self._linked("transpose", self._transpose)

    def _linked(self, kind: str, make: Callable[[], LazyOperator]) -> LazyOperator:
        """Return the adjoint or transpose, made once; its own one is this operator again.

        The way back is a weak reference, and what keeps this operator alive, as a conjugate of
        its adjoint does, is made anew each time, so that there is no cycle.
        """
        links = self.__dict__
        back: weakref.ref[LazyOperator] | None = links.get("_source_of_" + kind)
        if back is not None and (source := back()) is not None:
            return source
        made: LazyOperator | None = links.get("_made_" + kind)
        if made is None:
            made = make() if self._on_numpy else self._make_to_last(make)
            if not _keeps(made, self):
                if self._on_numpy or (self._lasts() and made._lasts()):
                    links["_made_" + kind] = made
                made.__dict__.setdefault("_source_of_" + kind, weakref.ref(self))
        return made

    def _make_to_last(self, make: Callable[[], LazyOperator]) -> LazyOperator:
        with lasting(self.namespace):
            return make()

    def _lasts(self) -> bool:
        """Whether all arrays held may be kept: none is traced, or needs a gradient."""
        return all(lasts(x) for x, _ in self._arrays())

    def _source(self) -> tuple[LazyOperator, str] | None:
        """Return the operator that this one is the adjoint or transpose of, while it lives."""
        for kind in ("adjoint", "transpose"):
            back = self.__dict__.get("_source_of_" + kind)
            if back is not None and (source := back()) is not None:
                return source, kind
        return None

    def conj(self) -> LazyOperator:
        """Return the complex conjugate; a real operator is its own.

        Returns
        -------
        LazyOperator
            Of the same shape.

        Examples
        --------
        >>> import lazyop as lo
        >>> lo.Diagonal([1j, 2j]).conj().diagonal()
        array([0.-1.j, 0.-2.j])
        """
        return self if self.dtype.kind != "c" else self._conj()

    @property
    def H(self) -> LazyOperator:
        """The adjoint."""
        return self.adjoint()

    @property
    def T(self) -> LazyOperator:
        """The transpose."""
        return self.transpose()

    @property
    def N(self) -> LazyOperator:
        """The normal operator ``A.H @ A``; the identity where the operator is known to be unitary.

        Examples
        --------
        >>> import lazyop as lo
        >>> lo.aslazy([[1.0, 2.0]]).N.toarray()
        array([[1., 2.],
               [2., 4.]])
        """
        from lazyop.algebra.neutral import Identity
        from lazyop.algebra.normal_form import multiply

        if self._is_unitary:
            return Identity(self.shape[1], self.dtype)
        return multiply(self.adjoint(), self)

    # Dense and sparse -----------------------------------------------------------------------

    def toarray(self) -> Array:
        """Return the dense matrix, in the operator's namespace (NumPy where it holds no data).

        Returns
        -------
        array, shape (m, n)
            A new array of the operator's dtype.

        Examples
        --------
        >>> import lazyop as lo
        >>> (lo.Identity(2) + lo.LowRank([[1.0], [2.0]], [[1.0], [1.0]])).toarray()
        array([[2., 1.],
               [2., 3.]])
        """
        return self._toarray(self._reference())

    def tosparse(self) -> csr_array:
        """Return the matrix as a SciPy CSR array.

        Returns
        -------
        scipy.sparse.csr_array, shape (m, n)
            On the host, of the operator's dtype, made from structure where there is one. Where
            SciPy lacks that dtype, of half precision or a foreign byte order, of the next it has.

        Examples
        --------
        >>> import lazyop as lo
        >>> matrix = lo.kron(lo.Identity(2), [[1.0, 2.0]]).tosparse()
        >>> matrix.format, matrix.nnz
        ('csr', 4)
        """
        native = np.dtype(np.float32) if self.dtype.char == "e" else self.dtype.newbyteorder("=")
        if native != self.dtype:
            return self.astype(native).tosparse()
        matrix = csr_array(self._tosparse(), dtype=self.dtype)
        held = matrix.data, matrix.indices, matrix.indptr
        return matrix if all(x.flags.writeable for x in held) else matrix.copy()

    def diagonal(self) -> Array:
        """Return the main diagonal, ``min(m, n)`` entries, from structure where there is one.

        Returns
        -------
        array, shape (min(m, n),)
            In the operator's namespace and dtype; read-only where it is data that the operator
            holds.

        Examples
        --------
        >>> import lazyop as lo
        >>> lo.LowRank([[1.0], [2.0]], [[3.0], [4.0]]).diagonal()
        array([3., 8.])
        """
        diagonal = cast(self._diagonal(self._reference()), self.dtype)
        return diagonal if isinstance(diagonal, np.ndarray) else copied(diagonal)

    def trace(self) -> Any:
        """Return the sum of the diagonal.

        Returns
        -------
        scalar
            A number of the operator's namespace.

        Raises
        ------
        ValueError
            If the operator is not square.

        Examples
        --------
        >>> import lazyop as lo
        >>> float(lo.LowRank([[1.0], [2.0]], [[3.0], [4.0]]).trace())
        11.0
        """
        if self.shape[0] != self.shape[1]:
            raise ValueError(f"only a square operator has a trace, this one is {self.shape}")
        diagonal = self.diagonal()
        return namespace_of(diagonal).sum(diagonal)

    # What it is -----------------------------------------------------------------------------

    @property
    def args(self) -> tuple[LazyOperator, ...]:
        """The operands of a composite; empty for a leaf."""
        return tuple(part for part, _ in self._parts() if isinstance(part, LazyOperator))

    def _arrays(self) -> Iterator[tuple[Array, int]]:
        """Yield the arrays held, operands' included, each with how many parameters are in it."""
        for part, is_index in self._parts():
            if isinstance(part, LazyOperator):
                yield from part._arrays()
            else:
                yield part, 0 if is_index else math.prod(part.shape)

    @property
    def cost(self) -> Cost:
        """Numbers held, real flops per column, and bytes held, as a `lazyop.Cost`.

        Examples
        --------
        >>> import lazyop as lo
        >>> lo.aslazy([[1.0, 2.0], [3.0, 4.0]]).cost
        Cost(parameters=4, flops=8, nbytes=32)
        """
        held = {_identity(x): (x, parameters) for x, parameters in self._arrays()}
        parameters = sum(parameters for _, parameters in held.values())
        nbytes = sum(math.prod(x.shape) * dtype_of(x).itemsize for x, _ in held.values())
        return Cost(parameters, self._flops(), nbytes)

    def plan(self, columns: int = 1) -> Plan:
        """Return how a product with that many columns runs: the kernel calls in their order.

        Parameters
        ----------
        columns : int
            How many columns the argument has.

        Returns
        -------
        Plan
            Its ``steps`` name operators, kernels and flops; it prints as a table.

        Raises
        ------
        ValueError
            If ``columns`` is negative.
        TypeError
            If it is not an integer.

        Examples
        --------
        >>> import lazyop as lo
        >>> print((2 * lo.aslazy([[1.0, 2.0]]) @ lo.Permutation([1, 0])).plan(1))
        product with 1 column(s), 4 flops
          apply                     0  Permutation(2x2, int8)
          matmul                    4  Dense(1x2, float64)
        """
        count = operators.index(columns)
        if count < 0:
            raise ValueError(f"a product can't have {count} columns")
        return Plan(count, tuple(self._steps(count)))

    def __repr__(self) -> str:
        return display.line(self)

    def tree(self) -> str:
        """Return the expression as an indented tree, cut where it is long.

        Returns
        -------
        str
            One operator a line, operands indented below it.

        Examples
        --------
        >>> import lazyop as lo
        >>> print((lo.Identity(2) + lo.aslazy([[0.0, 1.0], [1.0, 0.0]])).tree())
        Sum(2x2, float64)
        ├── Identity(2x2, float64)
        └── Dense(2x2, float64)
        """
        return display.tree(self)

    def _details(self) -> str:
        """What the one-line repr says beyond class, shape and dtype."""
        return ""


def _keeps(holder: LazyOperator, op: LazyOperator) -> bool:
    """Whether one operator is another one, or keeps it alive as operand, adjoint or transpose."""
    seen: set[int] = set()
    waiting = [holder]
    while waiting:
        held = waiting.pop()
        if held is op:
            return True
        if id(held) not in seen:
            seen.add(id(held))
            links = held.__dict__
            made = (links.get("_made_adjoint"), links.get("_made_transpose"))
            waiting += [*held.args, *(other for other in made if other is not None)]
    return False


def _identity(x: Array) -> object:
    """Return a key that is equal for arrays over the same memory."""
    if isinstance(x, np.ndarray):
        return np.lib.array_utils.byte_bounds(x), x.dtype
    return id(x)


def _unit_columns(n: int, start: int, stop: int, dtype: Any, reference: Array) -> Array:
    """Return columns ``start`` to ``stop`` of the identity, where ``reference`` lives."""
    return like(np.eye(n, stop - start, k=-start, dtype=dtype), reference)


@aslazy.register
def _(obj: LazyOperator) -> LazyOperator:
    return obj
