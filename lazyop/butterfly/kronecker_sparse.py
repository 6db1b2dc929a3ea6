"""Kronecker-sparse factors as operators, one by one and one after another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy.sparse import csr_array

from lazyop.algebra.array_norm import (
    MOST_ENTRIES,
    absolute_sums,
    array_norm,
    extreme,
    sum_axis,
)
from lazyop.butterfly.blocks import Junction
from lazyop.butterfly.pattern import Pattern
from lazyop.kernels.chain import WholeChain, compiled_chain
from lazyop.kernels.plan import KERNELS, Step, choose_kernel
from lazyop.namespaces import Array, as_data, conj, dtype_of, namespace_of, to_numpy, unify_kinds
from lazyop.operator import LazyOperator
from lazyop.structured.lu import inverted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

    from lazyop.traits import Invert, Order


class KroneckerSparse(LazyOperator):
    r"""Kronecker-sparse factor, with support :math:`I_a \otimes 1_{b \times c} \otimes I_d`.

    With ``x`` seen as an array of shape ``(a, c, d)`` and the result as ``(a, b, d)``,

    .. math:: y_{ikj} = \sum_l K_{iklj} x_{ilj}.

    The adjoint is the factor with values :math:`\overline{K_{ilkj}}`, of pattern (a, c, b, d).

    Parameters
    ----------
    values : array_like, shape (a, b, c, d)
        The entries on the support. Held as they are, without a copy.

    Raises
    ------
    ValueError
        If ``values`` has not four dimensions, or one of them is empty.

    References
    ----------
    .. [1] A. Gonon, L. Zheng, P. Carrivain, Q.-T. Le, "Fast inference with Kronecker-sparse
       matrices", ICML 2025, arXiv:2405.15013.

    Examples
    --------
    >>> import numpy as np
    >>> import lazyop as lo
    >>> K = lo.KroneckerSparse(np.ones((1, 2, 2, 2)))
    >>> K.toarray()
    array([[1., 0., 1., 0.],
           [0., 1., 0., 1.],
           [1., 0., 1., 0.],
           [0., 1., 0., 1.]])
    """

    _fields = ("_held", "_conjugated")
    _makes_new = True

    def __init__(
        self, values: Any, *, _conjugated: bool = False, _compiled: WholeChain | None = None
    ) -> None:
        self._held = as_data(values, "the values of a Kronecker-sparse factor", ndim=4)
        self._conjugated = bool(_conjugated)
        self._compiled = _compiled or compiled_chain([self._held], conjugated=self._conjugated)
        self.pattern = Pattern(*self._held.shape)
        super().__init__(dtype_of(self._held), self.pattern.shape)

    @classmethod
    def _rebuild(cls, **fields: Any) -> Self:
        return cls(fields["_held"], _conjugated=fields["_conjugated"])

    @property
    def values(self) -> Array:
        """The entries on the support, an array of shape ``(a, b, c, d)``.

        Examples
        --------
        >>> import lazyop as lo
        >>> K = lo.KroneckerSparse([[[[1j], [2.0]]]])
        >>> K.values.shape
        (1, 1, 2, 1)
        >>> K.H.values.ravel()
        array([0.-1.j, 2.-0.j])
        """
        return conj(self._held) if self._conjugated else self._held

    def _apply(self, X: Array) -> Array:
        Y = None if self._compiled is None else self._compiled.apply(X)
        return apply_chain([self], X) if Y is None else Y

    def _apply_vector(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        y = self._compiled.vector(x) if self._compiled else None
        return super()._apply_vector(x) if y is None else y

    def _adjoint(self) -> LazyOperator:
        return self._transpose().conj()

    def _transpose(self) -> KroneckerSparse:
        swapped = namespace_of(self._held).permute_dims(self._held, (0, 2, 1, 3))
        compiled = self._compiled and self._compiled.transpose()
        return KroneckerSparse(swapped, _conjugated=self._conjugated, _compiled=compiled)

    def _conj(self) -> KroneckerSparse:
        compiled = self._compiled and self._compiled.conj()
        return KroneckerSparse(self._held, _conjugated=not self._conjugated, _compiled=compiled)

    def _norm(self, order: Order, norm_of: Callable[[LazyOperator], float]) -> float | None:
        if order == 2 and self.pattern.b * self.pattern.c > MOST_ENTRIES:
            return None
        xp = namespace_of(self._held)
        blocks = xp.permute_dims(self._held, (0, 3, 1, 2))
        if order in (2, "fro"):
            return array_norm(blocks, order)
        return extreme(absolute_sums(blocks, axis=2 + sum_axis(order)), order)

    def _inverse(self, invert: Invert) -> LazyOperator | None:
        """Invert the blocks that rows and columns of equal indices i and j make."""
        a, b, _, d = self.pattern
        xp = namespace_of(self._held)
        blocks = xp.reshape(xp.permute_dims(self._held, (0, 3, 1, 2)), (a * d, b, b))
        found = inverted(blocks, lambda k: f"block (i, j) = {divmod(k, d)} of {a} x {d}")
        swapped = xp.permute_dims(xp.reshape(found, (a, d, b, b)), (0, 2, 3, 1))
        return KroneckerSparse(swapped, _conjugated=self._conjugated)

    def _tosparse(self) -> csr_array:
        a, b, c, d = self.pattern
        i, _, j, l = np.meshgrid(*map(np.arange, (a, b, d, c)), indexing="ij")
        entries = to_numpy(self.values).transpose(0, 1, 3, 2)
        columns = (i * c + l) * d + j
        return csr_array(
            (entries.ravel(), columns.ravel(), np.arange(0, entries.size + 1, c)), shape=self.shape
        )

    def _flops(self) -> int:
        return self.pattern.nnz * self._flops_per_entry()

    def _steps(self, columns: int) -> Iterator[Step]:
        compiled = self._compiled
        kernel = compiled.kernel.choice if compiled else None
        yield self._step(kernel or choose_kernel(self._held.shape, columns), columns)

    def _step(self, kernel: str, columns: int) -> Step:
        return Step(repr(self), kernel, self._flops() * columns)

    def _details(self) -> str:
        return f"pattern {tuple(self.pattern)}"


def apply_chain(
    factors: Sequence[KroneckerSparse], X: Array, kernels: Sequence[str] | None = None
) -> Array:
    """Apply factors, the last one first, by the kernels given or those that the plan chooses.

    A factor that is held as the conjugate of its values meets a conjugated argument, so that the
    values are never copied; neighbours of the same kind pass it on.
    """
    conjugated = False
    for i in reversed(range(len(factors))):
        factor = factors[i]
        if factor._conjugated != conjugated:
            X, conjugated = conj(X), not conjugated
        name = kernels[i] if kernels else choose_kernel(factor._held.shape, X.shape[1])
        X = KERNELS[name](factor._held, X)
    return conj(X) if conjugated else X


def product_of_two(left: KroneckerSparse, right: KroneckerSparse) -> KroneckerSparse:
    """Multiply two factors that chain, or whose adjoints do."""
    p, q = left.pattern, right.pattern
    if not p.chainable_with(q) and q.H.chainable_with(p.H):
        return product_of_two(right._transpose(), left._transpose())._transpose()
    return KroneckerSparse(Junction(p, q).product(*unify_kinds(left.values, right.values)))
