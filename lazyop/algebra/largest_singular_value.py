"""The largest singular value of an operator, by the Lanczos iteration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from lazyop.algebra.array_norm import array_norm, entries_norm
from lazyop.namespaces import Array, like, to_numpy

if TYPE_CHECKING:
    import numpy.typing as npt

    from lazyop.operator import LazyOperator

#: The iteration for complex numbers needs more columns than these.
_FEW_COLUMNS = 2


def largest_singular_value(A: LazyOperator, tol: float) -> float:
    r"""Return the largest singular value of an operator with at least as many rows as columns.

    The Lanczos iteration for :math:`A^H A` stops at a vector v and a number :math:`\lambda` with
    :math:`\|A^H A v - \lambda v\| \le 2 t \lambda` for the tolerance t, so that there is a singular
    value :math:`\sigma` with :math:`|\sqrt\lambda - \sigma| \le t \sqrt\lambda`, up to second
    order; beginning with a vector that is random, though the same each time, it is the largest.
    :math:`\lambda` is never above it. The vectors of the iteration are NumPy's; the products run
    where the data live.

    Raises
    ------
    RuntimeError
        If the iteration does not converge.
    ValueError
        If a product is not finite.
    """
    n = A.shape[1]
    kind = np.complex128 if A.dtype.kind == "c" else np.float64
    product = _Products(A, kind)
    start = np.random.default_rng(0).standard_normal(n).astype(kind)
    start /= np.linalg.norm(start)
    size = entries_norm(product.forward(start))
    if size == 0:
        return 0.0
    if n <= _FEW_COLUMNS:
        columns = [product.forward(unit) / size for unit in np.eye(n, dtype=kind)]
        return size * array_norm(np.stack(columns, axis=1), 2)
    gram = LinearOperator(
        (n, n),
        matvec=lambda v: product.backward(product.forward(v.reshape(-1)) / size) / size,
        dtype=kind,
    )
    try:
        [value] = eigsh(gram, k=1, which="LA", v0=start, tol=2 * tol, return_eigenvectors=False)
    except ArpackNoConvergence as error:
        raise RuntimeError(
            f"the iteration for the largest singular value did not reach tol = {tol:.1e}: {error}"
        ) from None
    return size * float(np.sqrt(max(float(value), 0.0)))


class _Products:
    """Products with an operator and its adjoint for vectors on NumPy."""

    def __init__(self, A: LazyOperator, dtype: Any) -> None:
        self._A, self._dtype, self._adjoint = A, dtype, A.adjoint()

    def forward(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return self._run(self._A, x)

    def backward(self, y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return self._run(self._adjoint, y)

    def _run(self, op: LazyOperator, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        argument: Array = x
        if not op._on_numpy:  # not every namespace has double precision
            argument = like(x.astype(np.result_type(op.dtype, np.float32)), op._reference())
        y = to_numpy(op @ argument).astype(self._dtype)
        if not np.all(np.isfinite(y)):
            raise ValueError(f"a product with {op!r} has entries that are not finite")
        return y
