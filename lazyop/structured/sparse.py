"""A sparse matrix, in compressed rows or columns, as an operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csc_array, csr_array, sparray, spmatrix

from lazyop.algebra.array_norm import entries_norm, extreme, in_floats, sum_axis
from lazyop.algebra.composite import Conjugate
from lazyop.algebra.normal_form import multiply
from lazyop.algebra.restriction import make_restriction, narrowest_beside
from lazyop.aslazy import aslazy
from lazyop.kernels.plan import Step
from lazyop.namespaces import Array, as_data, cast, dtype_of, name_of, namespace_of, to_numpy
from lazyop.operator import LazyOperator
from lazyop.structured.diagonal import Diagonal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lazyop.conversion import Conversion
    from lazyop.traits import Order


class Sparse(LazyOperator):
    """Sparse matrix in compressed sparse rows ("csr") or columns ("csc"), without a copy.

    It stays in this form on NumPy and CuPy, whose sparse libraries apply it; moved to another
    namespace it becomes a product of a gather, a diagonal and a scatter.
    """

    _fields = ("data", "indices", "indptr", "shape", "format")
    _index_fields = frozenset({"indices", "indptr"})

    def __init__(
        self, data: Any, indices: Any, indptr: Any, shape: tuple[int, int], format: str
    ) -> None:
        self.data = as_data(data, "the data of a sparse matrix", ndim=1)
        self.indices = as_data(indices, "the indices of a sparse matrix", ndim=1)
        self.indptr = as_data(indptr, "the index pointer of a sparse matrix", ndim=1)
        self.format = format
        parts = self.data, self.indices, self.indptr
        self._matrix = _container(self.data, format)(parts, shape=tuple(shape))
        super().__init__(dtype_of(self.data), (int(shape[0]), int(shape[1])))

    @classmethod
    def _rebuild(cls, **fields: Any) -> Self:
        """Make one of parts that a file may hold: SciPy reads wild memory by wrong indices."""
        made = cls(**fields)
        if isinstance(made.data, np.ndarray):
            made._matrix.check_format(full_check=True)
        return made

    def _apply(self, X: Array) -> Array:
        # SciPy multiplies half precision in single, and gives that back.
        return cast(self._matrix @ X, self._result_with(dtype_of(X)))

    def _adjoint(self) -> LazyOperator:
        transpose = self._transpose()
        return Conjugate(transpose) if self.dtype.kind == "c" else transpose

    def _transpose(self) -> LazyOperator:
        other = {"csr": "csc", "csc": "csr"}[self.format]
        return Sparse(self.data, self.indices, self.indptr, self.shape[::-1], other)

    def _diagonal(self, reference: Array) -> Array:
        return self._matrix.diagonal()

    def _tosparse(self) -> csr_array:
        return self._of(to_numpy(self.data))

    def _of(self, data: npt.NDArray[Any]) -> csr_array:
        """Return a matrix with these entries in the places of ours."""
        parts = data, to_numpy(self.indices), to_numpy(self.indptr)
        return csr_array({"csr": csr_array, "csc": csc_array}[self.format](parts, shape=self.shape))

    def _norm(self, order: Order, norm_of: Callable[[LazyOperator], float]) -> float | None:
        if order == 2:
            return None
        matrix = self._of(in_floats(to_numpy(self.data))).copy()
        matrix.sum_duplicates()  # what stands in one place more than once adds up
        if order == "fro":
            return entries_norm(matrix.data) if matrix.nnz else 0.0
        sizes = csr_array((abs(matrix.data), matrix.indices, matrix.indptr), self.shape)
        return extreme(sizes.sum(axis=sum_axis(order)), order)

    def _flops(self) -> int:
        return int(self.data.shape[0]) * self._flops_per_entry()

    def _steps(self, columns: int) -> Iterator[Step]:
        yield Step(repr(self), self.format, self._flops() * columns)

    def _converted(self, conversion: Conversion) -> LazyOperator:
        xp = namespace_of(self.data) if conversion.xp is None else conversion.xp
        if name_of(xp) in ("numpy", "cupy"):
            return super()._converted(conversion)
        coo = self._tosparse().tocoo()
        rows, columns = (index.astype(np.int64) for index in (coo.row, coo.col))
        (m, n), dtype = self.shape, narrowest_beside(self.dtype)
        gathered = multiply(
            make_restriction(rows, m, None, dtype).T,
            Diagonal(coo.data),
            make_restriction(columns, n, None, dtype),
        )
        return gathered._converted(conversion)

    def _details(self) -> str:
        return f"{self.data.shape[0]} stored, {self.format}"


def _container(data: Array, format: str) -> Any:
    """Return the sparse class of the data's namespace."""
    if format not in ("csr", "csc"):
        raise ValueError(f"a sparse matrix is held as 'csr' or 'csc', not as {format!r}")
    if isinstance(data, np.ndarray):
        return {"csr": csr_array, "csc": csc_array}[format]
    if name_of(namespace_of(data)) != "cupy":
        raise TypeError(f"{name_of(namespace_of(data))} has no sparse matrices; use .to(...)")
    from cupyx.scipy import sparse

    return {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix}[format]


def from_sparse(matrix: Any) -> LazyOperator:
    """Return an operator of a SciPy or CuPy sparse matrix or array."""
    if len(matrix.shape) != 2:
        raise ValueError(f"an operator has two dimensions, the sparse array {len(matrix.shape)}")
    held = matrix if matrix.format in ("csr", "csc") else matrix.tocsr()
    return Sparse(held.data, held.indices, held.indptr, held.shape, held.format)


aslazy.register(sparray, from_sparse)
aslazy.register(spmatrix, from_sparse)
