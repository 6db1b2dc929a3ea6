"""Kronecker products and sums."""

from __future__ import annotations

import math
import operator as operators
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from lazyop.algebra.array_norm import is_moderate, product_of
from lazyop.algebra.composite import Composite, Conjugate
from lazyop.algebra.neutral import Identity, Zero
from lazyop.algebra.normal_form import coefficients_product, multiple, multiply, split
from lazyop.kernels.array_api import regroup
from lazyop.kernels.chain import WholeChain, compiled_chain
from lazyop.namespaces import Array, is_dask, namespace_of
from lazyop.operator import LazyOperator
from lazyop.structured.dense import Dense

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt
    from scipy.sparse import csr_array

    from lazyop.kernels.plan import Step
    from lazyop.traits import Invert, Order


#: The largest operand that the compiled kernels take: a matrix product is faster beyond.
_LARGEST_COMPILED = 128

#: Up to which order neighbouring operands are multiplied out for the compiled kernels.
_GROUPED = 16


class Kron(Composite):
    """Kronecker product of operators, applied one operand at a time.

    The matrix is ``A_1 (x) A_2 (x) ... (x) A_p``. With ``x`` seen as an array of shape
    ``(n_1, ..., n_p)`` in C order, operand i multiplies along axis i; the adjoint is the
    Kronecker product of the adjoints. The operands run in the order that costs the fewest
    operations.

    Parameters
    ----------
    *ops : operators or what `aslazy` takes
        At least one. Kronecker products among them are flattened.

    Raises
    ------
    ValueError
        If there is none, or one is not two-dimensional.
    TypeError
        If one is nothing that `aslazy` takes.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.Kron([[1.0, 2.0]], lo.Identity(2)) @ [1.0, 2.0, 3.0, 4.0]
    array([ 7., 10.])
    """

    def __init__(self, *ops: Any) -> None:
        operands = self._take(ops)
        m, n = (math.prod(sizes) for sizes in zip(*(op.shape for op in operands), strict=True))
        self._order = _cheapest_order(operands)
        self._compiled = _compiled_factors(operands)
        super().__init__(operands, (m, n))

    def _apply_vector(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        y = self._compiled.vector(x) if self._compiled else None
        return super()._apply_vector(x) if y is None else y

    def _apply(self, X: Array) -> Array:
        Y = self._compiled.apply(X) if self._compiled else None
        if Y is not None:
            return Y
        columns = X.shape[1]
        sizes = [op.shape[1] for op in self.operands]
        for i in self._order:
            X = _apply_along(self.operands[i], X, sizes, i, columns)
            sizes[i] = self.operands[i].shape[0]
        return X

    @property
    def _is_unitary(self) -> bool:
        return all(op._is_unitary for op in self.operands)

    @property
    def _is_diagonal(self) -> bool:
        return all(op._is_diagonal for op in self.operands)

    def _keeps_norm(self, order: Order) -> bool:
        return all(op._keeps_norm(order) for op in self.operands)

    def _norm(self, order: Order, norm_of: Callable[[LazyOperator], float]) -> float | None:
        return product_of(map(norm_of, self.operands))

    def _inverse(self, invert: Invert) -> LazyOperator | None:
        shapes = [op.shape for op in self.operands]
        if any(m != n for m, n in shapes):
            raise np.linalg.LinAlgError(
                f"a Kronecker product of operators that are not all square has no inverse: {shapes}"
            )
        names = (f"operand {i} of a Kronecker product" for i in range(len(self.operands)))
        return kron(*map(invert, self.operands, names))

    def _times(self, other: LazyOperator) -> LazyOperator | None:
        """Use ``(A (x) B)(C (x) D) = AC (x) BD`` where sizes match and it is not dearer."""
        if not isinstance(other, Kron) or [op.shape[1] for op in self.operands] != [
            op.shape[0] for op in other.operands
        ]:
            return None
        mixed = kron(*(multiply(a, b) for a, b in zip(self.operands, other.operands, strict=True)))
        return mixed if mixed._flops() <= self._flops() + other._flops() else None

    def _diagonal(self, reference: Array) -> Array:
        if any(op.shape[0] != op.shape[1] for op in self.operands):
            return super()._diagonal(reference)
        xp = namespace_of(reference)
        return reduce(
            lambda x, y: xp.reshape(x[:, None] * y[None, :], (x.shape[0] * y.shape[0],)),
            self._diagonals(reference),
        )

    def _tosparse(self) -> csr_array:
        return reduce(sparse.kron, self._sparse_parts())

    def _flops(self) -> int:
        return sum(op._flops() * times for op, times in self._runs())

    def _runs(self) -> Iterator[tuple[LazyOperator, int]]:
        """Yield the operands as they run, each with the columns it meets for one of ours."""
        sizes = [op.shape[1] for op in self.operands]
        for i in self._order:
            op = self.operands[i]
            others = math.prod(sizes[:i]) * math.prod(sizes[i + 1 :])
            yield op, others
            sizes[i] = op.shape[0]

    def _steps(self, columns: int) -> Iterator[Step]:
        for op, times in self._runs():
            yield from op._steps(times * columns)


def _apply_along(op: LazyOperator, X: Array, sizes: list[int], axis: int, columns: int) -> Array:
    """Apply an operator along one axis of columns seen as arrays of the given sizes."""
    if isinstance(op, Identity):
        return X
    m, n = op.shape
    before, after = math.prod(sizes[:axis]), math.prod(sizes[axis + 1 :])
    if is_dask(X) and X.numblocks[1] > 1:  # columns of several chunks stay so in front
        S = regroup(X.T, (columns, before, n, after), (columns * before, n, after))
        Y = op._apply_stack(S)
        return regroup(Y, (columns, before, m, after), (columns, before * m * after)).T
    S = regroup(X, (before, n, after, columns), (before, n, after * columns))
    Y = op._apply_stack(S)
    return regroup(Y, (before, m, after, columns), (before * m * after, columns))


def _cheapest_order(ops: tuple[LazyOperator, ...]) -> tuple[int, ...]:
    """Return the order of application with the fewest flops.

    For every entry of the other axes, operand i before j costs ``c_i n_j + m_i c_j``, and after
    it ``c_j n_i + m_j c_i``: those that shrink their axis most for their cost go first. On equal
    terms the last axis, which is contiguous, goes first.
    """

    def gain(i: int) -> float:
        m, n = ops[i].shape
        return (n - m) / max(ops[i]._flops(), 1)

    return tuple(sorted(range(len(ops)), key=lambda i: (-gain(i), -i)))


def _compiled_factors(ops: tuple[LazyOperator, ...]) -> WholeChain | None:
    """Return a product of small dense matrices as a chain for the compiled kernels.

    Operand i between identities is a Kronecker-sparse factor, whose weights repeat.
    """
    values = [_small_matrix(op) for op in ops]
    if any(A is None for A in values):
        return None
    matrices = _grouped([A for A in values if A is not None])
    if len(matrices) == 1 or any(A.shape == (2, 2) for A in matrices):
        return None
    sizes = [A.shape[1] for A in matrices]
    factors = []
    for i in _cheapest_order(tuple(Dense(A) for A in matrices)):
        A = matrices[i]
        before, after = math.prod(sizes[:i]), math.prod(sizes[i + 1 :])
        factors.append(np.broadcast_to(A[None, :, :, None], (before, *A.shape, after)))
        sizes[i] = A.shape[0]
    return compiled_chain(factors[::-1])


def _small_matrix(op: LazyOperator) -> npt.NDArray[Any] | None:
    """Return a small dense matrix, or the conjugate of one; None for any other operator."""
    inner = op.operand if isinstance(op, Conjugate) else op
    if not isinstance(inner, Dense) or not isinstance(inner.values, np.ndarray):
        return None
    if not inner.values.size or max(inner.shape) > _LARGEST_COMPILED:
        return None
    return inner.values if inner is op else np.conj(inner.values)


def _grouped(matrices: list[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    """Multiply out neighbours as long as they stay small, so that fewer passes are needed.

    Matrices of which a product might leave the range of the dtype stay as they are.
    """
    if not all(map(is_moderate, matrices)):
        return matrices
    groups = matrices[:1]
    for A in matrices[1:]:
        if max(groups[-1].shape[0] * A.shape[0], groups[-1].shape[1] * A.shape[1]) <= _GROUPED:
            groups[-1] = np.kron(groups[-1], A)
        else:
            groups.append(A)
    return groups


def kron(*ops: Any) -> LazyOperator:
    """Return a Kronecker product in normal form: coefficients hoisted, identities joined.

    Parameters
    ----------
    *ops : operators or what `aslazy` takes
        At least one.

    Returns
    -------
    LazyOperator

    Raises
    ------
    ValueError
        If there is none, or one is not two-dimensional.
    TypeError
        If one is nothing that `aslazy` takes.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.kron(lo.Identity(2), 3 * lo.Identity(2))
    Scaled(4x4, float64, coefficient=3)
    """
    product = Kron(*ops)
    joined: list[LazyOperator] = []
    coefficients = []
    for operand in product.operands:
        factor, op = split(operand)
        coefficients.append(factor)
        if joined and isinstance(op, Identity) and isinstance(joined[-1], Identity):
            dtype = np.result_type(joined[-1].dtype, op.dtype)
            joined[-1] = Identity(joined[-1].shape[0] * op.shape[0], dtype)
        else:
            joined.append(op)
    if any(isinstance(op, Zero) for op in joined):
        return Zero(product.shape, product.dtype)
    coefficient = coefficients_product(coefficients, product.dtype)
    if coefficient is None:
        return product
    whole = joined[0] if len(joined) == 1 else Kron(*joined)
    return multiple(coefficient, whole, product.dtype)


class KronSum(Composite):
    """Kronecker sum of square operators, each applied along its own axis.

    The matrix is the sum over i of ``I (x) A_i (x) I``, with identities of the sizes of the other
    operands on either side: what a separable differential operator on a grid is. With ``x`` seen
    as an array of shape ``(n_1, ..., n_p)``, the products of each operand along its axis add up.

    Parameters
    ----------
    *ops : operators or what `aslazy` takes
        At least one, all square.

    Raises
    ------
    ValueError
        If there is no operand, or one is not square.
    TypeError
        If one is nothing that `aslazy` takes.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.KronSum([[1.0]], lo.Diagonal([1.0, 2.0])).toarray()
    array([[2., 0.],
           [0., 3.]])
    """

    def __init__(self, *ops: Any) -> None:
        operands = self._take(ops)
        for op in operands:
            if op.shape[0] != op.shape[1]:
                raise ValueError(f"a Kronecker sum takes square operators, got shape {op.shape}")
        n = math.prod(op.shape[0] for op in operands)
        super().__init__(operands, (n, n))

    def _apply(self, X: Array) -> Array:
        sizes = [op.shape[0] for op in self.operands]
        terms = (_apply_along(op, X, sizes, i, X.shape[1]) for i, op in enumerate(self.operands))
        return reduce(operators.add, terms)

    @property
    def _is_diagonal(self) -> bool:
        return all(op._is_diagonal for op in self.operands)

    def _diagonal(self, reference: Array) -> Array:
        xp = namespace_of(reference)
        return reduce(
            lambda x, y: xp.reshape(x[:, None] + y[None, :], (x.shape[0] * y.shape[0],)),
            self._diagonals(reference),
        )

    def _expanded(self) -> Iterator[Kron]:
        sizes = [op.shape[0] for op in self.operands]
        for i, op in enumerate(self.operands):
            before, after = math.prod(sizes[:i]), math.prod(sizes[i + 1 :])
            yield Kron(Identity(before, self.dtype), op, Identity(after, op.dtype))

    def _tosparse(self) -> csr_array:
        return reduce(operators.add, (term.tosparse() for term in self._expanded()))

    def _flops(self) -> int:
        adding = (len(self.operands) - 1) * self.shape[0]
        return adding + sum(term._flops() for term in self._expanded())

    def _steps(self, columns: int) -> Iterator[Step]:
        for term in self._expanded():
            yield from term._steps(columns)


def kronsum(*ops: Any) -> LazyOperator:
    """Return a Kronecker sum in normal form.

    Parameters
    ----------
    *ops : operators or what `aslazy` takes
        At least one, all square.

    Returns
    -------
    LazyOperator
        The operand itself where there is one, a `KronSum` otherwise.

    Raises
    ------
    ValueError
        If there is none, or one is not square.
    TypeError
        If one is nothing that `aslazy` takes.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.kronsum(lo.Diagonal([1.0, 2.0]), lo.Diagonal([10.0, 20.0])).diagonal()
    array([11., 21., 12., 22.])
    """
    whole = KronSum(*ops)
    return whole.operands[0] if len(whole.operands) == 1 else whole
