"""Checks for anyone who writes an operator: the dot-test, and a whole suite to inherit."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from lazyop.algebra.array_norm import entries_norm
from lazyop.namespaces import dtype_of, is_array, like, resolve, to_numpy
from lazyop.operator import LazyOperator

__all__ = ["OperatorContract", "dot_test"]

_DTYPES = ("float32", "float64", "complex64", "complex128")
_VIEWS = ("forward", "adjoint", "transpose", "conjugate")


def dot_test(A: LinearOperator, *, seed: int = 0, rtol: float | None = None) -> None:
    r"""Check that the adjoint is one: :math:`\langle A x, y \rangle = \langle x, A^H y \rangle`.

    Real operators are tested with complex vectors too, and complex ones with complex scalars on
    either side, since an adjoint that forgets a conjugate passes with real ones.

    Parameters
    ----------
    A : LinearOperator
        A lazyop or a SciPy operator, on any namespace.
    seed : int, optional
        Of the random vectors.
    rtol : float, optional
        Of the difference, relative to :math:`\|A x\| \|y\|`; by default 100 times the resolution
        of the operator's dtype.

    Raises
    ------
    AssertionError
        If the two sides differ, saying by how much.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.testing.dot_test(1j * lo.Diagonal([1.0, 2.0]))
    """
    dtype = np.result_type(A.dtype, np.complex64)
    wide = np.result_type(dtype, np.complex128)
    rtol = 100 * float(np.finfo(dtype).eps) if rtol is None else rtol
    rng = np.random.default_rng(seed)
    x, y = (_complex_vector(rng, size, dtype) for size in A.shape[::-1])
    forward = _applied(A, "matvec", x).astype(wide)
    backward = _applied(A, "rmatvec", y).astype(wide)
    size = _size(forward) * _size(y) + _size(backward) * _size(x)
    for scalar in (1, 1j, 2 - 3j):
        scaled = _applied(A, "matvec", scalar * x).astype(wide)
        left, right = np.vdot(y, scaled), np.vdot(backward, scalar * x)
        scale = abs(scalar) * size
        if not abs(left - right) <= rtol * scale:
            raise AssertionError(
                f"the adjoint of {A!r} is none: <y, A x> = {left:.8g} and <A^H y, x> = "
                f"{right:.8g} differ by {abs(left - right) / scale:.2g} of the norms"
            )


def _complex_vector(rng: np.random.Generator, size: int, dtype: np.dtype[Any]) -> Any:
    return (rng.standard_normal(size) + 1j * rng.standard_normal(size)).astype(dtype)


def _applied(A: LinearOperator, method: str, x: Any) -> Any:
    """Apply a method of an operator to a NumPy vector, by way of the operator's namespace."""
    argument = like(x, A._reference()) if isinstance(A, LazyOperator) else x
    return to_numpy(getattr(A, method)(argument))


def _size(X: Any) -> float:
    return entries_norm(X) if X.size else 0.0


class OperatorContract:
    """The tests that every operator passes, for pytest: inherit, and say how to make one.

    A subclass whose name starts with ``Test`` defines `make` and `dense`. The tests compare
    every product with the dense matrix: forward, adjoint, transpose and conjugate; vectors,
    columns, matrices, stacks and empty ones; in single and double, real and complex; on every
    namespace named; and check dtypes, shapes, copies, pickling and errors.

    Attributes
    ----------
    dtypes : tuple of str
        The dtypes to make the operator in.
    namespaces : tuple of str
        The namespaces to move it to, for lazyop operators; SciPy's own stay on NumPy.
    views : tuple of str
        Of "forward", "adjoint", "transpose" and "conjugate", those whose products are tested; all
        by default. Fewer spare the time of a namespace that compiles every product.

    Examples
    --------
    >>> import numpy as np
    >>> import lazyop as lo
    >>> class TestDiagonal(lo.testing.OperatorContract):
    ...     def make(self, dtype):
    ...         return lo.Diagonal(np.arange(3).astype(dtype))
    ...
    ...     def dense(self, dtype):
    ...         return np.diag(np.arange(3)).astype(dtype)
    """

    dtypes: tuple[str, ...] = _DTYPES
    namespaces: tuple[str, ...] = ("numpy",)
    views: tuple[str, ...] = _VIEWS

    def make(self, dtype: str) -> LinearOperator:
        """Return the operator in a dtype, on NumPy."""
        raise NotImplementedError

    def dense(self, dtype: str) -> Any:
        """Return the matrix that the operator stands for, as a NumPy array of that dtype."""
        raise NotImplementedError

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Cross the tests with dtypes and namespaces (called by pytest)."""
        if "dtype" in metafunc.fixturenames:
            metafunc.parametrize("dtype", self.dtypes)
        if "namespace" in metafunc.fixturenames:
            metafunc.parametrize("namespace", self.namespaces)
        if "view" in metafunc.fixturenames:
            metafunc.parametrize("view", self.views)

    # What is tested ---------------------------------------------------------------------------

    def test_products(self, dtype: str, namespace: str, view: str) -> None:
        """Vectors, columns, matrices, stacks and empty arguments agree with the dense matrix."""
        A, D = self._pair(dtype, namespace, view)
        for shape in ((), (1,), (3,), (0,)):
            for kind in (dtype, np.result_type(dtype, np.complex64)):
                x = self._argument((D.shape[1], *shape), kind)
                self._agree(A @ self._move(x, A, namespace), D @ x, D, x)

    def test_stacks(self, dtype: str, namespace: str, view: str) -> None:
        """Stacks of matrices multiply one by one."""
        A, D = self._pair(dtype, namespace, view)
        if isinstance(A, LazyOperator):
            for stack in ((2,), (2, 3), (0,)):
                x = self._argument((*stack, D.shape[1], 2), dtype)
                self._agree(A @ self._move(x, A, namespace), D @ x, D, x)

    def test_products_from_the_left(self, dtype: str, namespace: str) -> None:
        """``x @ A`` agrees with the dense matrix; ``rdot`` where the namespace can't ask us."""
        A, D = self._pair(dtype, namespace, "forward")
        for shape in ((), (1,), (3,), (0,)):
            x = self._argument((*shape, D.shape[0]), dtype)
            moved = self._move(x, A, namespace)
            product = A.rdot(moved) if isinstance(A, LazyOperator) else moved @ A
            self._agree(product, x @ D, D, x)
            if namespace == "numpy":
                self._agree(x @ A, x @ D, D, x)

    def test_scipy_methods(self, dtype: str) -> None:
        """``matvec`` and its kin agree with the dense matrix."""
        A, D = self._pair(dtype, "numpy", "forward")
        x, y = self._argument((D.shape[1],), dtype), self._argument((D.shape[0],), dtype)
        self._agree(A.matvec(x), D @ x, D, x)
        self._agree(A.rmatvec(y), D.conj().T @ y, D, y)
        self._agree(A.matmat(x[:, None]), D @ x[:, None], D, x)
        self._agree(A.rmatmat(y[:, None]), D.conj().T @ y[:, None], D, y)

    def test_adjoint(self, dtype: str) -> None:
        """The dot-test holds, with complex scalars."""
        dot_test(self.make(dtype))
        dot_test((1 + 2j) * self.make(dtype))

    def test_dtype(self, dtype: str, namespace: str) -> None:
        """The dtype is never None, and results are as wide as operator and argument."""
        A, D = self._pair(dtype, namespace, "forward")
        assert A.dtype == D.dtype
        assert A.shape == D.shape
        for kind in _DTYPES:
            x = self._move(self._argument((D.shape[1],), kind), A, namespace)
            assert dtype_of(A @ x) == np.result_type(D.dtype, dtype_of(x))

    def test_argument_is_left_alone(self, dtype: str) -> None:
        """Read-only and strided arguments work, and a result never shares their memory."""
        A, D = self._pair(dtype, "numpy", "forward")
        wide = self._argument((2 * D.shape[1], 3), dtype)
        vector = wide[::2, 0]
        matrices = wide[::2, :], np.asfortranarray(wide[::2, :]), wide[::-2, :]
        for x in (*matrices, vector, vector.copy()):
            frozen = x.copy()
            x.flags.writeable = False
            y = A @ x
            assert not np.may_share_memory(y, x) or not y.size
            assert y.flags.writeable
            self._agree(y, D @ frozen, D, x)

    def test_dense_forms(self, dtype: str, namespace: str) -> None:
        """``toarray``, ``tosparse``, ``diagonal`` and ``trace`` agree with the dense matrix."""
        A, D = self._pair(dtype, namespace, "forward")
        if not isinstance(A, LazyOperator):
            return
        unit = np.eye(D.shape[1], dtype=D.dtype)
        self._agree(A.toarray(), D, D, unit)
        self._agree(A.tosparse().toarray(), D, D, unit)
        self._agree(A.diagonal(), np.diagonal(D), D, unit)
        if D.shape[0] == D.shape[1]:
            self._agree(A.trace(), np.trace(D), D, unit)

    def test_round_trips(self, dtype: str, namespace: str) -> None:
        """Pickling, moving to a namespace and back, and precision there and back."""
        A, D = self._pair(dtype, namespace, "forward")
        x = self._argument((D.shape[1], 2), dtype)
        copy = pickle.loads(pickle.dumps(A))
        assert copy.shape == A.shape
        assert copy.dtype == A.dtype
        self._agree(copy @ self._move(x, A, namespace), D @ x, D, x)
        if isinstance(A, LazyOperator):
            self._agree(A.to("numpy") @ x, D @ x, D, x)
            same = A.astype(dtype)
            assert same.dtype == A.dtype
            self._agree(same @ self._move(x, A, namespace), D @ x, D, x)

    def test_wrong_length(self, dtype: str) -> None:
        """An argument of the wrong length raises ValueError."""
        A, D = self._pair(dtype, "numpy", "forward")
        for shape in ((D.shape[1] + 1,), (D.shape[1] + 1, 2)):
            try:
                A @ np.ones(shape, dtype=D.dtype)
            except ValueError:
                continue
            raise AssertionError(f"{A!r} took an argument of shape {shape}")

    # How --------------------------------------------------------------------------------------

    def _pair(self, dtype: str, namespace: str, view: str) -> tuple[Any, Any]:
        """Return an operator and its dense matrix, both adjoint, transposed or conjugated."""
        A, D = self.make(dtype), np.asarray(self.dense(dtype))
        if isinstance(A, LazyOperator) and namespace != "numpy":
            A = A.to(namespace)
        if view == "adjoint":
            return A.H, D.conj().T
        if view == "transpose":
            return A.T, D.T
        if view == "conjugate":
            return (A.conj() if isinstance(A, LazyOperator) else A.H.T), D.conj()
        return A, D

    @staticmethod
    def _argument(shape: tuple[int, ...], dtype: Any) -> Any:
        rng = np.random.default_rng(len(shape))
        x = rng.standard_normal(shape)
        if np.dtype(dtype).kind == "c":
            x = x + 1j * rng.standard_normal(shape)
        return x.astype(dtype)

    @staticmethod
    def _move(x: Any, A: Any, namespace: str) -> Any:
        return x if namespace == "numpy" else resolve(namespace)[0].asarray(x)

    @staticmethod
    def _agree(product: Any, expected: Any, D: Any, x: Any) -> None:
        """Compare within rounding: an error of some 100 ulp of the norms is none."""
        found = to_numpy(product) if is_array(product) else np.asarray(product)
        assert found.shape == np.shape(expected), f"shape {found.shape} for {np.shape(expected)}"
        coarsest = max((np.finfo(D.dtype), np.finfo(x.dtype)), key=lambda info: info.eps)
        scale = _size(D) * max(_size(x), 1.0)
        np.testing.assert_allclose(found, expected, rtol=0, atol=100 * coarsest.eps * scale)
