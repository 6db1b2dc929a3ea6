"""Operators made of operators: sums, products, multiples, powers and conjugates.

The classes hold what they are given; `lazyop.algebra.normal_form` decides what to build.
"""

from __future__ import annotations

import operator as operators
from functools import reduce
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from lazyop.aslazy import aslazy
from lazyop.namespaces import Array, as_scalar, cast, conj, result_type
from lazyop.operator import LazyOperator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from scipy.sparse import csr_array

    from lazyop.kernels.plan import Step
    from lazyop.traits import Invert, Order


def check_sum(ops: Sequence[LazyOperator]) -> None:
    """Raise ValueError unless all shapes are equal."""
    for op in ops[1:]:
        if op.shape != ops[0].shape:
            raise ValueError(f"can't add operators of shapes {ops[0].shape} and {op.shape}")


def check_product(ops: Sequence[LazyOperator]) -> None:
    """Raise ValueError unless neighbours fit."""
    for left, right in pairwise(ops):
        if left.shape[1] != right.shape[0]:
            raise ValueError(
                f"can't multiply operators of shapes {left.shape} and {right.shape}: "
                f"{left.shape[1]} columns meet {right.shape[0]} rows"
            )


class Composite(LazyOperator):
    """An operator that is made of any number of operands, and holds nothing else."""

    _fields = ("operands",)
    operands: tuple[LazyOperator, ...]

    def __init__(self, operands: tuple[LazyOperator, ...], shape: tuple[int, int]) -> None:
        self.operands = operands
        super().__init__(np.result_type(*(op.dtype for op in operands)), shape)

    @classmethod
    def _of(cls, operands: Iterable[LazyOperator]) -> Self:
        """Make a composite of this class from its operands."""
        return cls(*operands)

    @classmethod
    def _rebuild(cls, **fields: Any) -> Self:
        return cls._of(fields["operands"])

    @classmethod
    def _take(cls, ops: tuple[Any, ...]) -> tuple[LazyOperator, ...]:
        """Return the operands as operators, those of this class replaced by their own."""
        if not ops:
            raise ValueError(f"{cls.__name__} needs at least one operand")
        operands: list[LazyOperator] = []
        for op in map(aslazy, ops):
            operands += op.operands if type(op) is cls else (op,)
        return tuple(operands)

    def _map(self, change: Callable[[LazyOperator], LazyOperator]) -> LazyOperator:
        return self._of(map(change, self.operands))

    def _conj(self) -> LazyOperator:
        return self._map(LazyOperator.conj)

    def _adjoint(self) -> LazyOperator:
        return self._map(LazyOperator.adjoint)

    def _transpose(self) -> LazyOperator:
        return self._map(LazyOperator.transpose)

    def _diagonals(self, reference: Array) -> Iterator[Array]:
        """Yield the operands' diagonals in the dtype of the whole."""
        for op in self.operands:
            yield cast(op._diagonal(reference), self.dtype)

    def _sparse_parts(self) -> Iterator[csr_array]:
        """Yield the operands as sparse arrays in the dtype of the whole."""
        for op in self.operands:
            yield op.tosparse().astype(self.dtype, copy=False)

    def _flops(self) -> int:
        return sum(op._flops() for op in self.operands)

    def _steps(self, columns: int) -> Iterator[Step]:
        for op in self.operands:
            yield from op._steps(columns)


class Sum(Composite):
    """Sum of operators, ``A x = sum_i A_i x`` and ``A^H y = sum_i A_i^H y``.

    Parameters
    ----------
    *ops : operators or what `aslazy` takes
        At least one; all of one shape. Sums among them are flattened.

    Raises
    ------
    ValueError
        If there is no operand, or the shapes differ.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.Sum(lo.Identity(2), [[0.0, 1.0], [1.0, 0.0]]) @ [1.0, 2.0]
    array([3., 3.])
    """

    def __init__(self, *ops: Any) -> None:
        operands = self._take(ops)
        check_sum(operands)
        super().__init__(operands, operands[0].shape)

    def _apply(self, X: Array) -> Array:
        return reduce(operators.add, (op._apply(X) for op in self.operands))

    @property
    def _is_diagonal(self) -> bool:
        return all(op._is_diagonal for op in self.operands)

    def _diagonal(self, reference: Array) -> Array:
        return reduce(operators.add, self._diagonals(reference))

    def _tosparse(self) -> csr_array:
        return reduce(operators.add, self._sparse_parts())

    def _flops(self) -> int:
        return super()._flops() + (len(self.operands) - 1) * self.shape[0]


class Product(Composite):
    """Product of operators, ``A x = A_1 (A_2 x)`` and ``A^H y = A_2^H (A_1^H y)`` for two.

    Parameters
    ----------
    *ops : operators or what `aslazy` takes
        At least one, leftmost first. Products among them are flattened.

    Raises
    ------
    ValueError
        If there is no operand, or neighbours' sizes differ.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.Product([[1.0, 1.0]], lo.Diagonal([2.0, 3.0])) @ [1.0, 1.0]
    array([5.])
    """

    def __init__(self, *ops: Any) -> None:
        operands = self._take(ops)
        check_product(operands)
        super().__init__(operands, (operands[0].shape[0], operands[-1].shape[1]))

    def _apply(self, X: Array) -> Array:
        is_own = False
        for op in reversed(self.operands):
            X = op._apply_to_own(X) if is_own else op._apply(X)
            is_own = op._makes_new and isinstance(X, np.ndarray)
        return X

    def _adjoint(self) -> LazyOperator:
        return Product(*(op.adjoint() for op in reversed(self.operands)))

    def _transpose(self) -> LazyOperator:
        return Product(*(op.transpose() for op in reversed(self.operands)))

    @property
    def _is_unitary(self) -> bool:
        return all(op._is_unitary for op in self.operands)

    @property
    def _is_diagonal(self) -> bool:
        return all(op._is_diagonal for op in self.operands)

    def _keeps_norm(self, order: Order) -> bool:
        return all(op._keeps_norm(order) for op in self.operands)

    def _norm(self, order: Order, norm_of: Callable[[LazyOperator], float]) -> float | None:
        """Leave out what keeps the norm at either end."""
        rest = list(self.operands)
        while len(rest) > 1 and rest[0]._keeps_norm(order):
            del rest[0]
        while len(rest) > 1 and rest[-1]._keeps_norm(order):
            del rest[-1]
        if len(rest) == len(self.operands):
            return None
        return norm_of(rest[0] if len(rest) == 1 else Product(*rest))

    def _inverse(self, invert: Invert) -> LazyOperator | None:
        from lazyop.algebra.normal_form import multiply

        if any(op.shape[0] != op.shape[1] for op in self.operands):
            return None
        inverses = [invert(op, f"factor {i} of a product") for i, op in enumerate(self.operands)]
        return multiply(*reversed(inverses))

    def _diagonal(self, reference: Array) -> Array:
        if not self._is_diagonal:
            return super()._diagonal(reference)
        return reduce(operators.mul, self._diagonals(reference))

    def _tosparse(self) -> csr_array:
        return reduce(operators.matmul, self._sparse_parts())

    def _steps(self, columns: int) -> Iterator[Step]:
        for op in reversed(self.operands):
            yield from op._steps(columns)


class Scaled(LazyOperator):
    """Multiple of an operator by one coefficient, ``A x = c (B x)``."""

    _fields = ("coefficient", "operand", "dtype")
    _makes_new = True

    def __init__(self, coefficient: Any, operand: LazyOperator, dtype: Any = None) -> None:
        self.coefficient, promotion = as_scalar(coefficient)
        self.operand = operand
        dtype = result_type(operand.dtype, promotion) if dtype is None else np.dtype(dtype)
        if result_type(dtype, self.coefficient) != dtype:
            raise TypeError(f"{dtype} can't hold the coefficient {self.coefficient!r}")
        if isinstance(self.coefficient, int) and abs(self.coefficient) >> 63 and dtype.kind in "fc":
            self.coefficient = float(self.coefficient)  # PyTorch takes no larger integers
        super().__init__(dtype, operand.shape)

    def _apply(self, X: Array) -> Array:
        return self.coefficient * self.operand._apply(X)

    def _adjoint(self) -> LazyOperator:
        return Scaled(self.coefficient.conjugate(), self.operand.adjoint(), self.dtype)

    def _transpose(self) -> LazyOperator:
        return Scaled(self.coefficient, self.operand.transpose(), self.dtype)

    def _conj(self) -> LazyOperator:
        return Scaled(self.coefficient.conjugate(), self.operand.conj(), self.dtype)

    @property
    def _is_unitary(self) -> bool:
        return abs(self.coefficient) == 1 and self.operand._is_unitary

    @property
    def _is_diagonal(self) -> bool:
        return self.operand._is_diagonal

    def _keeps_norm(self, order: Order) -> bool:
        return abs(self.coefficient) == 1 and self.operand._keeps_norm(order)

    def _norm(self, order: Order, norm_of: Callable[[LazyOperator], float]) -> float | None:
        return abs(self.coefficient) * norm_of(self.operand)

    def _inverse(self, invert: Invert) -> LazyOperator | None:
        from lazyop.algebra.normal_form import divide, multiple, split

        found = divide(invert(self.operand), self.coefficient)
        coefficient, operand = split(found)
        return multiple(coefficient, operand, np.result_type(found.dtype, self.dtype))

    def _diagonal(self, reference: Array) -> Array:
        return self.coefficient * cast(self.operand._diagonal(reference), self.dtype)

    def _tosparse(self) -> csr_array:
        return self.coefficient * self.operand.tosparse().astype(self.dtype)

    def _flops(self) -> int:
        return self.operand._flops() + self.shape[0] * self._flops_per_entry()

    def _steps(self, columns: int) -> Iterator[Step]:
        return self.operand._steps(columns)

    def _details(self) -> str:
        return f"coefficient={self.coefficient!r}"


class Power(LazyOperator):
    """Power of a square operator by repeated application, ``A x = B (B x)`` for exponent 2."""

    _fields = ("operand", "exponent")

    def __init__(self, operand: LazyOperator, exponent: int) -> None:
        self.operand = operand
        self.exponent = exponent
        super().__init__(operand.dtype, operand.shape)

    def _apply(self, X: Array) -> Array:
        for _ in range(self.exponent):
            X = self.operand._apply(X)
        return X

    def _adjoint(self) -> LazyOperator:
        return Power(self.operand.adjoint(), self.exponent)

    def _transpose(self) -> LazyOperator:
        return Power(self.operand.transpose(), self.exponent)

    def _conj(self) -> LazyOperator:
        return Power(self.operand.conj(), self.exponent)

    @property
    def _is_unitary(self) -> bool:
        return self.operand._is_unitary

    @property
    def _is_diagonal(self) -> bool:
        return self.operand._is_diagonal

    def _keeps_norm(self, order: Order) -> bool:
        return self.operand._keeps_norm(order)

    def _inverse(self, invert: Invert) -> LazyOperator | None:
        from lazyop.algebra.normal_form import power

        return power(invert(self.operand), self.exponent)

    def _diagonal(self, reference: Array) -> Array:
        if not self._is_diagonal:
            return super()._diagonal(reference)
        return self.operand._diagonal(reference) ** self.exponent

    def _tosparse(self) -> csr_array:
        return reduce(operators.matmul, [self.operand.tosparse()] * self.exponent)

    def _flops(self) -> int:
        return self.exponent * self.operand._flops()

    def _steps(self, columns: int) -> Iterator[Step]:
        for _ in range(self.exponent):
            yield from self.operand._steps(columns)

    def _details(self) -> str:
        return f"exponent={self.exponent}"


class Conjugate(LazyOperator):
    """Complex conjugate of an operator without touching its data, ``A x = conj(B conj(x))``."""

    _fields = ("operand",)

    def __init__(self, operand: LazyOperator) -> None:
        self.operand = operand
        super().__init__(operand.dtype, operand.shape)

    def _apply(self, X: Array) -> Array:
        return conj(self.operand._apply(conj(X)))

    def _adjoint(self) -> LazyOperator:
        return self.operand.transpose()

    def _transpose(self) -> LazyOperator:
        return self.operand.adjoint()

    def _conj(self) -> LazyOperator:
        return self.operand

    @property
    def _is_unitary(self) -> bool:
        return self.operand._is_unitary

    @property
    def _is_diagonal(self) -> bool:
        return self.operand._is_diagonal

    def _keeps_norm(self, order: Order) -> bool:
        return self.operand._keeps_norm(order)

    def _norm(self, order: Order, norm_of: Callable[[LazyOperator], float]) -> float | None:
        return norm_of(self.operand)

    def _inverse(self, invert: Invert) -> LazyOperator | None:
        return invert(self.operand).conj()

    def _diagonal(self, reference: Array) -> Array:
        return conj(self.operand._diagonal(reference))

    def _tosparse(self) -> csr_array:
        return self.operand.tosparse().conj()

    def _flops(self) -> int:
        return self.operand._flops()

    def _steps(self, columns: int) -> Iterator[Step]:
        return self.operand._steps(columns)
