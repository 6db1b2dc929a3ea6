"""What fits together and what does not: libraries, devices, and CuPy by a stand-in."""

import sys
import types

import array_api_strict
import numpy as np
import pytest
from market import MARKET

import lazyop as lo

SECOND = array_api_strict.Device("device1")


def strict(*shape):
    return array_api_strict.ones(shape, dtype=array_api_strict.float32)


def test_moves_between_devices():
    A = lo.LowRank(strict(4, 1), strict(4, 1)) @ lo.Permutation([1, 0, 3, 2]).to("array_api_strict")
    A = A[[0, 2, 2]]
    B = A.to(SECOND)
    assert {x.device for x, _ in B._arrays()} == {SECOND}
    y = B.H @ array_api_strict.asarray(
        [1.0, 2.0, 3.0], dtype=array_api_strict.float32, device=SECOND
    )
    assert y.device == SECOND
    np.testing.assert_array_equal(B.to("numpy").toarray(), A.to("numpy").toarray())
    assert B.to(SECOND) is B


def test_data_moved_to_numpy_are_copies():
    x = strict(2, 3)
    A = lo.aslazy(x).to("numpy")
    x[...] = 0
    np.testing.assert_array_equal(A.toarray(), np.ones((2, 3)))


def test_devices_do_not_mix():
    A, x = lo.aslazy(strict(2, 2)), strict(2)
    B = A.to(SECOND)
    with pytest.raises(TypeError, match=r"CPU_DEVICE.*in array_api_strict on .*device1.*\.to\("):
        A + B
    with pytest.raises(TypeError, match=r"CPU_DEVICE.*in array_api_strict on .*device1.*\.to\("):
        lo.LowRank(x[:, None], array_api_strict.asarray(x[:, None], device=SECOND))
    with pytest.raises(TypeError, match=r"data in .*device1.*the argument is in .*CPU_DEVICE"):
        B @ x


@pytest.fixture
def cupy(monkeypatch):
    """A module of CuPy's name, whose arrays do what NumPy's do, but refuse to become them."""

    class ndarray:  # noqa: N801
        def __init__(self, x):
            self._x, self.dtype, self.shape, self.ndim = x, x.dtype, x.shape, x.ndim
            self.size, self.device = x.size, "cuda:0"

        def __array__(self, *args, **kwargs):
            raise TypeError("Implicit conversion to a NumPy array is not allowed")

        def __array_namespace__(self, api_version=None):
            return module

        def get(self):
            return self._x

    module = types.ModuleType("cupy")
    module.ndarray, module.asarray = ndarray, lambda x, **_: ndarray(np.asarray(x))
    monkeypatch.setitem(sys.modules, "cupy", module)
    monkeypatch.setattr("lazyop.namespaces.namespace_of", _namespace_of(module))
    monkeypatch.setattr("lazyop.door.namespace_of", _namespace_of(module))
    return module


def _namespace_of(cupy):
    from lazyop.namespaces import namespace_of

    return lambda x: cupy if isinstance(x, cupy.ndarray) else namespace_of(x)


def test_arrays_of_cupy_are_not_fetched_silently(cupy):
    A, x = lo.Diagonal([1.0, 2.0]), cupy.asarray([1.0, 2.0])
    message = r"in numpy, the argument is in cupy on cuda:0; move .* with \.to\('cupy'\)"
    for product in (lambda: A @ x, lambda: A.matvec(x), lambda: A.rdot(x)):
        with pytest.raises(TypeError, match=message):
            product()
    with pytest.raises(TypeError, match=r"Sum hold data in numpy and in cupy on cuda:0; .*\.to\("):
        A + lo.Diagonal(x)


@pytest.mark.parametrize("name", ["Dense", "Kron", "LowRank", "ButterflyRectangular", "Product"])
def test_every_door_keeps_arrays_where_they_are(name):
    """The methods that solvers of other libraries call, with vectors and single columns."""
    xp = pytest.importorskip("array_api_strict")
    A, D = MARKET[name]("complex128")
    B = A.to("array_api_strict")
    x, y = (np.arange(1.0, n + 1) + 1j for n in D.shape[::-1])
    for door, argument, expected in (
        (B.matvec, x, D @ x),
        (B.matvec, x[:, None], (D @ x)[:, None]),
        (B.rmatvec, y, D.conj().T @ y),
        (B.rmatvec, y[:, None], (D.conj().T @ y)[:, None]),
        (B.matmat, x[:, None], (D @ x)[:, None]),
        (B.rmatmat, y[:, None], (D.conj().T @ y)[:, None]),
        (B.dot, x, D @ x),
        (B.rdot, y, y @ D),
    ):
        found = door(xp.asarray(argument))
        assert isinstance(found, type(xp.asarray(1.0)))
        np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-12)
