"""The dot-test, for operators of any size of entries and in any place."""

import numpy as np
import pytest

import lazyop as lo


class Wrong(lo.LazyOperator):
    """An operator that takes itself for its adjoint."""

    _fields = ("values",)

    def __init__(self, values):
        self.values = values
        super().__init__(values.dtype, values.shape)

    def _apply(self, X):
        return self.values @ X

    def _adjoint(self):
        return self


CORNER = np.arange(1.0, 17.0).reshape(4, 4)


@pytest.mark.parametrize(
    ("scale", "dtype"),
    [(1, "f4"), (1e19, "f4"), (1e-30, "f4"), (1e160, "f8"), (1e-200, "f8"), (1e19, "c8")],
)
def test_the_size_of_entries_does_not_matter(scale, dtype):
    values = (scale * CORNER).astype(dtype)
    lo.testing.dot_test(lo.aslazy(values))
    with pytest.raises(AssertionError, match="is none"):
        lo.testing.dot_test(Wrong(values))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_empty_operators(shape):
    lo.testing.dot_test(lo.aslazy(np.ones(shape)))


def test_data_on_another_device():
    xp = pytest.importorskip("array_api_strict")
    lo.testing.dot_test(lo.aslazy(xp.ones((2, 3), device=xp.Device("device1"))))
