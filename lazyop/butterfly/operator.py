"""Butterflies: products of Kronecker-sparse factors, as operators."""

from __future__ import annotations

import operator as operators
from functools import partial, reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from lazyop.butterfly.chain import Chain
from lazyop.butterfly.groups import (
    Factors,
    Groups,
    compiled_factors,
    conjugated,
    multiplied_out,
    transposed,
)
from lazyop.butterfly.kronecker_sparse import KroneckerSparse, apply_chain
from lazyop.butterfly.norms import chain_norm
from lazyop.kernels.plan import KERNELS, WHOLE_CHAIN, Plan, Step, choose_kernel
from lazyop.operator import LazyOperator
from lazyop.sequences import as_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt
    from scipy.sparse import csr_array

    from lazyop.kernels.chain import WholeChain
    from lazyop.namespaces import Array
    from lazyop.traits import Invert, Order


class Butterfly(LazyOperator):
    r"""Product of Kronecker-sparse factors, :math:`A = K_1 K_2 \cdots K_L`.

    A product with a vector costs the factors' entries, which for the square dyadic chain of size
    n are :math:`2 n \log_2 n`. The adjoint :math:`K_L^H \cdots K_1^H` is a butterfly again.

    Parameters
    ----------
    factors : sequence of KroneckerSparse or array_like
        The factors, leftmost first, or their values of shape (a, b, c, d). At least one;
        neighbours must fit, but need not be chainable (see `Chain`).
    kernels : tuple of str, optional
        Names of kernels, one for each factor, as `with_plan` sets them; chosen by default.

    Attributes
    ----------
    factors : tuple of KroneckerSparse
        The factors, leftmost first.
    chain : Chain
        Their patterns.

    Raises
    ------
    ValueError
        If there is no factor, or neighbours' sizes differ.

    Notes
    -----
    With Numba installed, the weights are packed once, at the first product, in the order in which
    products read them. Columns of 2 x 2 factors are scaled to begin with 1, so that half of the
    weights need no reading: the scales go into the next factor, which is exact up to one rounding
    for each factor. It is not done where a first entry is zero or out of range. The operator and
    its adjoint share that copy. Without Numba, and on other namespaces, neighbours are multiplied
    out to blocks of up to 16 x 16, which holds up to twice the entries beside the factors.

    Examples
    --------
    The Hadamard matrix of order 4:

    >>> import numpy as np
    >>> import lazyop as lo
    >>> H2 = np.array([[1.0, 1.0], [1.0, -1.0]])
    >>> F = lo.Butterfly([
    ...     np.broadcast_to(H2[None, :, :, None], (1, 2, 2, 2)),
    ...     np.broadcast_to(H2[None, :, :, None], (2, 2, 2, 1)),
    ... ])
    >>> F @ [1.0, 0.0, 0.0, 0.0]
    array([1., 1., 1., 1.])
    """

    _fields = ("factors", "kernels", "_unitary")
    _makes_new = True

    def __init__(
        self,
        factors: Sequence[Any],
        *,
        kernels: tuple[str, ...] | None = None,
        _unitary: bool = False,
        _compiled: WholeChain | None = None,
        _groups: Callable[[], Factors | None] | None = None,
    ) -> None:
        self.factors = tuple(
            f if isinstance(f, KroneckerSparse) else KroneckerSparse(f)
            for f in as_list(factors, "factors, leftmost first")
        )
        self.chain = Chain([f.pattern for f in self.factors])
        self.kernels = kernels
        self._unitary = bool(_unitary)  # what a closed form knows, and no one can tell from factors
        self._compiled = _compiled or compiled_factors(self.factors)
        self._whole = kernels[0] if kernels and kernels[0] in WHOLE_CHAIN else None
        self._is_whole = self._compiled is not None and (
            self._compiled.is_default if kernels is None else self._whole is not None
        )
        self._groups = Groups(self.factors, _groups)
        dtype = np.result_type(*(f.dtype for f in self.factors))
        super().__init__(dtype, self.chain.shape)

    def _apply(self, X: Array) -> Array:
        if self._compiled is not None and self._is_whole:
            Y = self._compiled.apply(X, self._whole)
            return apply_chain(self.factors, X) if Y is None else Y
        if self.kernels is None:
            return apply_chain(self._groups(), X)
        return apply_chain(self.factors, X, None if self._whole else self.kernels)

    def _apply_vector(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        y = self._compiled.vector(x, self._whole) if self._compiled and self._is_whole else None
        return super()._apply_vector(x) if y is None else y

    def _adjoint(self) -> LazyOperator:
        return self._transpose().conj()

    def _transpose(self) -> Butterfly:
        kernels = self.kernels and self.kernels[::-1]
        compiled = self._compiled and self._compiled.transpose()
        factors = transposed(self.factors)
        groups = partial(self._groups.derived, transposed)
        return self._with(factors, kernels=kernels, _compiled=compiled, _groups=groups)

    def _conj(self) -> LazyOperator:
        compiled = self._compiled and self._compiled.conj()
        factors = tuple(factor.conj() for factor in self.factors)
        groups = partial(self._groups.derived, conjugated)
        return self._with(factors, kernels=self.kernels, _compiled=compiled, _groups=groups)

    def _with(self, factors: Sequence[Any], **how: Any) -> Butterfly:
        return Butterfly(factors, _unitary=self._unitary, **how)

    @property
    def _is_unitary(self) -> bool:
        return self._unitary

    def _norm(self, order: Order, norm_of: Callable[[LazyOperator], float]) -> float | None:
        if len(self.factors) == 1:
            return norm_of(self.factors[0])
        return chain_norm(self, order)

    def _inverse(self, invert: Invert) -> LazyOperator | None:
        """Invert factor by factor, where all are square."""
        if any(factor.shape[0] != factor.shape[1] for factor in self.factors):
            return None
        count = len(self.factors)
        found = [invert(f, f"factor {l} of {count}") for l, f in enumerate(self.factors, start=1)]
        return Butterfly(found[::-1])

    def merge(self, partition: Sequence[int] | None = None) -> Butterfly:
        """Return the same operator with neighbouring factors multiplied out.

        Parameters
        ----------
        partition : sequence of int, optional
            How many neighbours each new factor takes, left to right; they must be chainable, or
            their adjoints.
            By default, redundant neighbours merge (see `Chain.merge`), which never adds entries.

        Returns
        -------
        Butterfly

        Examples
        --------
        >>> import numpy as np
        >>> import lazyop as lo
        >>> F = lo.Butterfly([np.ones((1, 2, 2, 4)), np.ones((2, 2, 2, 2)), np.ones((4, 2, 2, 1))])
        >>> F.merge((1, 2)).chain
        Chain([(1, 2, 2, 4), (2, 4, 4, 1)])
        """
        sizes = self.chain._partition() if partition is None else tuple(partition)
        self.chain.merge(sizes)  # raises where the partition does not fit
        return self._with(multiplied_out(self.factors, sizes))

    def with_plan(self, plan: Plan) -> Butterfly:
        """Return the same operator, whose products run by the kernels of a plan.

        Parameters
        ----------
        plan : Plan
            As `plan` returns, kernels replaced at will: one step for the whole chain, or one for
            each factor, or for each of the groups of neighbours, multiplied out, that array kernels
            apply by default; these become the factors of the result. The kernels of a factor are
            "elementwise" and "matmul"; those of a whole chain, "compiled" and "dense" on NumPy with
            Numba installed, and "cuda" on CuPy.

        Returns
        -------
        Butterfly

        Raises
        ------
        ValueError
            If the plan has another number of steps, or names a kernel that is not there.

        Examples
        --------
        >>> import numpy as np
        >>> import lazyop as lo
        >>> F = lo.Butterfly([np.ones((1, 2, 2, 2)), np.ones((2, 2, 2, 1))])
        >>> G = F.with_plan(F.plan().with_kernel("elementwise"))
        >>> [step.kernel for step in G.plan().steps]
        ['elementwise', 'elementwise']
        """
        names = tuple(step.kernel for step in reversed(plan.steps))
        if 1 < len(names) < len(self.factors) and len(names) == len(self._groups()):
            return self._with(self._groups()).with_plan(plan)
        kernels = names * len(self.factors) if len(names) == 1 else names
        if len(kernels) != len(self.factors):
            raise ValueError(
                f"the plan has {len(plan.steps)} steps, the butterfly {len(self.factors)} factors"
            )
        known = (*self._compiled.names, *KERNELS) if self._compiled else tuple(KERNELS)
        for kernel in kernels:
            if kernel not in known:
                raise ValueError(f"no kernel {kernel!r} for this butterfly, only {known}")
        if set(kernels) & set(WHOLE_CHAIN) and len(set(kernels)) > 1:
            raise ValueError(f"the kernels {WHOLE_CHAIN} apply all factors at once, or none")
        return self._with(self.factors, kernels=kernels, _compiled=self._compiled)

    def _tosparse(self) -> csr_array:
        parts = (factor.tosparse().astype(self.dtype, copy=False) for factor in self.factors)
        return reduce(operators.matmul, parts)

    def _flops(self) -> int:
        return sum(factor._flops() for factor in self.factors)

    def _steps(self, columns: int) -> Iterator[Step]:
        if self._compiled is not None and self._is_whole:
            kernel = self._whole or self._compiled.kernel.choice
            entries = self.shape[0] * self.shape[1] * self._flops_per_entry()
            flops = entries if kernel == "dense" else self._flops()
            passes = self._compiled.passes(columns)
            passes_said = "" if passes is None else f" in {passes} pass{'es' * (passes > 1)}"
            yield Step(repr(self) + passes_said, kernel, flops * columns)
            return
        factors = self._groups() if self.kernels is None else self.factors
        for i in reversed(range(len(factors))):
            factor = factors[i]
            chosen = self.kernels[i] if self.kernels and not self._whole else None
            yield factor._step(chosen or choose_kernel(factor._held.shape, columns), columns)

    def _details(self) -> str:
        return f"{len(self.factors)} factors, {self.chain.nnz} entries"
