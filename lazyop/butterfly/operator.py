"""Kronecker-sparse factors and their products, butterflies, as operators."""

from __future__ import annotations

import operator as operators
from functools import partial, reduce
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy.sparse import csr_array

from lazyop.butterfly.blocks import Junction
from lazyop.butterfly.chain import Chain
from lazyop.butterfly.groups import Groups, conjugated_factors, transposed_factors
from lazyop.butterfly.pattern import Pattern
from lazyop.kernels.chain import OrientedChain, compiled_chain
from lazyop.kernels.plan import KERNELS, WHOLE_CHAIN, Plan, Step, choose_kernel, joins, merges
from lazyop.namespaces import (
    Array,
    as_data,
    conj,
    dtype_of,
    namespace_of,
    to_numpy,
    unify_kinds,
)
from lazyop.operator import LazyOperator
from lazyop.tracing import value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

    from lazyop.butterfly.groups import Factors


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
        self, values: Any, *, _conjugated: bool = False, _compiled: OrientedChain | None = None
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

    _fields = ("factors", "kernels")
    _makes_new = True

    def __init__(
        self,
        factors: Sequence[Any],
        *,
        kernels: tuple[str, ...] | None = None,
        _compiled: OrientedChain | None = None,
        _groups: Callable[[], Factors | None] | None = None,
    ) -> None:
        self.factors = tuple(
            f if isinstance(f, KroneckerSparse) else KroneckerSparse(f) for f in factors
        )
        self.chain = Chain([f.pattern for f in self.factors])
        self.kernels = kernels
        self._compiled = _compiled or _compiled_factors(self.factors)
        self._whole = kernels[0] if kernels and kernels[0] in WHOLE_CHAIN else None
        self._is_whole = self._compiled is not None and (kernels is None or self._whole is not None)
        self._groups = Groups(_groups or partial(_grouped, _join, self.factors), self.factors)
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

    def _transpose(self) -> LazyOperator:
        kernels = self.kernels and self.kernels[::-1]
        compiled = self._compiled and self._compiled.transpose()
        factors = transposed_factors(self.factors)
        groups = partial(self._groups.derived, transposed_factors)
        return Butterfly(factors, kernels=kernels, _compiled=compiled, _groups=groups)

    def _conj(self) -> LazyOperator:
        compiled = self._compiled and self._compiled.conj()
        factors = tuple(factor.conj() for factor in self.factors)
        groups = partial(self._groups.derived, conjugated_factors)
        return Butterfly(factors, kernels=self.kernels, _compiled=compiled, _groups=groups)

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
        return Butterfly(_multiplied_out(self.factors, sizes))

    def with_plan(self, plan: Plan) -> Butterfly:
        """Return the same operator, whose products run by the kernels of a plan.

        Parameters
        ----------
        plan : Plan
            As `plan` returns, kernels replaced at will: one step for the whole chain, or one for
            each factor, or for each of the groups of neighbours, multiplied out, that array kernels
            apply by default; these become the factors of the result. The kernels of a factor are
            "elementwise" and "matmul"; those of a whole chain, on NumPy and with Numba installed,
            "compiled" and "dense".

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
            return Butterfly(self._groups()).with_plan(plan)
        kernels = names * len(self.factors) if len(names) == 1 else names
        if len(kernels) != len(self.factors):
            raise ValueError(
                f"the plan has {len(plan.steps)} steps, the butterfly {len(self.factors)} factors"
            )
        known = (*WHOLE_CHAIN, *KERNELS) if self._compiled else tuple(KERNELS)
        for kernel in kernels:
            if kernel not in known:
                raise ValueError(f"no kernel {kernel!r} for this butterfly, only {known}")
        if set(kernels) & set(WHOLE_CHAIN) and len(set(kernels)) > 1:
            raise ValueError(f"the kernels {WHOLE_CHAIN} apply all factors at once, or none")
        return Butterfly(self.factors, kernels=kernels, _compiled=self._compiled)

    def _tosparse(self) -> csr_array:
        return reduce(operators.matmul, (factor.tosparse() for factor in self.factors))

    def _flops(self) -> int:
        return sum(factor._flops() for factor in self.factors)

    def _steps(self, columns: int) -> Iterator[Step]:
        if self._compiled is not None and self._is_whole:
            kernel = self._whole or self._compiled.kernel.choice
            entries = self.shape[0] * self.shape[1] * self._flops_per_entry()
            flops = entries if kernel == "dense" else self._flops()
            yield Step(repr(self), kernel, flops * columns)
            return
        factors = self._groups() if self.kernels is None else self.factors
        for i in reversed(range(len(factors))):
            factor = factors[i]
            chosen = self.kernels[i] if self.kernels and not self._whole else None
            yield factor._step(chosen or choose_kernel(factor._held.shape, columns), columns)

    def _details(self) -> str:
        return f"{len(self.factors)} factors, {self.chain.nnz} entries"


def _compiled_factors(factors: Sequence[KroneckerSparse]) -> OrientedChain | None:
    """Return the factors for the compiled kernels, which take all or no values conjugated."""
    flags = {factor._conjugated for factor in factors if factor.dtype.kind == "c"} or {False}
    if len(flags) > 1:
        return None
    held = [factor._held for factor in factors]

    def merged() -> list[Array]:
        plain = tuple(KroneckerSparse(values) for values in held)
        return [factor._held for factor in _grouped(_merges, plain) or plain]

    return compiled_chain(held, conjugated=flags.pop(), merged=merged)


def _merges(left: Pattern, right: Pattern) -> bool:
    """Whether the compiled kernels are to apply two neighbours multiplied out."""
    return _multiply(left, right) and merges(tuple(left), tuple(right), tuple(left @ right))


def _join(left: Pattern, right: Pattern) -> bool:
    """Whether the array kernels are to apply two neighbours multiplied out."""
    return _multiply(left, right) and joins(tuple(left), tuple(right), tuple(left @ right))


def _multiply(left: Pattern, right: Pattern) -> bool:
    return left.chainable_with(right) or right.H.chainable_with(left.H)


def _grouped(
    merge: Callable[[Pattern, Pattern], bool], factors: tuple[KroneckerSparse, ...]
) -> tuple[KroneckerSparse, ...] | None:
    """Multiply out neighbours whose patterns say so, the leftmost first, until there are none.

    Factors of which a product might leave the range of the dtype stay as they are. None where
    that can't be told, as the values are being traced.
    """
    moderate = [_is_moderate(factor) for factor in factors]
    if None in moderate:
        return None
    if not all(moderate):
        return factors
    merged = list(factors)
    while True:
        pairs = enumerate(pairwise(merged))
        k = next((k for k, (p, q) in pairs if merge(p.pattern, q.pattern)), None)
        if k is None:
            return tuple(merged)
        merged[k : k + 2] = [_product_of_two(merged[k], merged[k + 1])]


def _is_moderate(factor: KroneckerSparse) -> bool | None:
    """Whether a product of a few such factors surely stays in the range of the dtype."""
    if factor.dtype.kind not in "fc":
        return False
    xp = namespace_of(factor._held)
    limit = float(np.finfo(factor.dtype).max) ** 0.1
    size = value_of(xp.max(xp.abs(factor._held)))
    return None if size is None else size == 0 or 1 / limit < size < limit


def _multiplied_out(
    factors: Sequence[KroneckerSparse], sizes: Sequence[int]
) -> list[KroneckerSparse]:
    """Return factors for groups of so many neighbours, multiplied out."""
    stops = accumulate(sizes)
    groups = (factors[stop - size : stop] for size, stop in zip(sizes, stops, strict=True))
    return [reduce(_product_of_two, group) for group in groups]


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


def _product_of_two(left: KroneckerSparse, right: KroneckerSparse) -> KroneckerSparse:
    """Multiply two factors that chain, or whose adjoints do."""
    p, q = left.pattern, right.pattern
    if not p.chainable_with(q) and q.H.chainable_with(p.H):
        return _product_of_two(right._transpose(), left._transpose())._transpose()
    return KroneckerSparse(Junction(p, q).product(*unify_kinds(left.values, right.values)))
