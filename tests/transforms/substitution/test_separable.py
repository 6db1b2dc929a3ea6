"""Kronecker products, from few calls."""

from functools import reduce

import numpy as np
import pytest
import scipy.fft
from black_boxes import box

from lazyop.transforms.substitution.separable import kron_error, separable_parts


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4), (4, 1, 3)])
def test_parts_multiply_to_the_function(shape, dtype):
    rng = np.random.default_rng(0)
    given = [rng.standard_normal((n + 1, n)).astype(dtype) for n in shape]
    if dtype is complex:
        given = [A + 1j * rng.standard_normal(A.shape) for A in given]

    def function(x):
        for axis, A in enumerate(given):
            x = np.moveaxis(np.tensordot(A, x, axes=(1, axis)), 0, axis)
        return x

    parts, off = separable_parts(box(function, shape, dtype), 1e-8)
    assert off < 1e-13
    np.testing.assert_allclose(reduce(np.kron, parts), reduce(np.kron, given), atol=1e-12)
    sizes = [np.linalg.norm(A) for A in parts]
    np.testing.assert_allclose(sizes, sizes[0])


def test_few_calls_are_made():
    calls = []

    def function(x):
        calls.append(x)
        return scipy.fft.dctn(x)

    separable_parts(box(function, (20, 30)), 1e-8)
    assert len(calls) < 20 + 30 + 10


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (scipy.fft.dct, (8,)),
        (lambda x: x + x[::-1, ::-1], (4, 5)),  # a sum of two
        (lambda x: x + x.T, (4, 4)),
        (np.ravel, (4, 5)),
        (np.zeros_like, (4, 5)),
        (lambda x: x @ np.ones((1, 3)), (4, 1)),  # one axis alone
    ],
)
def test_what_is_no_product(function, shape):
    assert separable_parts(box(function, shape), 1e-8) is None


@pytest.mark.parametrize("size", [1e-1, 1e-12])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_error_of_a_product(size, count):
    rng = np.random.default_rng(0)
    A = [rng.standard_normal((2, 3)) + 1j * rng.standard_normal((2, 3)) for _ in range(count)]
    B = [a + size * rng.standard_normal(a.shape) for a in A]
    whole = reduce(np.kron, A)
    expected = np.linalg.norm(reduce(np.kron, B) - whole) / np.linalg.norm(whole)
    assert kron_error(A, B) == pytest.approx(expected, rel=1e-2)
    assert kron_error(A, A) == 0
    # errors that are in the direction of the matrix, and so add up
    assert kron_error(A, [(1 + 1j * size) * a for a in A]) == pytest.approx(
        abs((1 + 1j * size) ** count - 1), rel=1e-3
    )
