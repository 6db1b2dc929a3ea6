"""Coefficients of operators at the ends of what numbers hold."""

import numpy as np
import pytest

import lazyop as lo


def single(entry, dtype=float):
    return lo.aslazy(np.full((1, 1), entry, dtype))


@pytest.mark.parametrize(("coefficient", "entry"), [(1e-200, 1e200), (1e200, 1e-200)])
def test_coefficients_of_kronecker_products_that_do_not_fit_into_one_stay_apart(coefficient, entry):
    A = coefficient * single(entry)
    K = lo.kron(A, A)
    for product in (K.toarray(), K @ np.eye(1), (2 * K).toarray() / 2):
        np.testing.assert_allclose(product, [[1]], rtol=1e-15)


@pytest.mark.parametrize("scales", [(1e200, 1e200, 1e-300), (1e-200, 1e-200, 1e300)])
def test_operands_of_kronecker_products_may_be_out_of_the_range_of_the_product(scales):
    H = np.array([[1.0, 2], [3, 4]])
    x = np.arange(8.0)
    K = lo.kron(*(scale * H for scale in scales))
    np.testing.assert_allclose(
        K @ x, scales[0] * scales[2] * scales[1] * (np.kron(np.kron(H, H), H) @ x), rtol=1e-13
    )


@pytest.mark.parametrize(
    ("coefficient", "entry", "dtype"),
    [
        (1e-25, 1e12, "float32"),
        (1e-21, 1e10, "complex64"),
        (1e25, 1e-12, "float32"),
        (1e-160, 1e70, "float64"),
        (4e-3, 64, "float16"),
    ],
)
def test_products_of_coefficients_that_the_dtype_does_not_hold_stay_apart(
    coefficient, entry, dtype
):
    A = coefficient * single(entry, dtype)
    expected, rtol = (float(coefficient) * entry) ** 2, 4 * np.finfo(dtype).eps
    scaled = coefficient * (coefficient * single(entry**2, dtype))
    for square in (A @ A, A**2, lo.kron(A, A), scaled):
        assert square.dtype == dtype
        np.testing.assert_allclose(square.toarray(), [[expected]], rtol=rtol)


def test_sums_of_coefficients_that_the_dtype_does_not_hold_stay_apart():
    A = single(1e-5, "float32")
    np.testing.assert_allclose((3e38 * A + 3e38 * A).toarray(), [[6e33]], rtol=1e-6)


def test_coefficients_of_kronecker_products_may_be_integers_beyond_floats_on_the_way():
    A = single(1.0)
    K = lo.kron(10**300 * A, 10**300 * A, 1e-300 * A)
    np.testing.assert_allclose(K.toarray(), [[1e300]], rtol=1e-15)


@pytest.mark.parametrize(
    ("entry", "divisor", "dtype"),
    [
        (1e-300, 1e-309, "float64"),
        (1e300, 1.7e308, "float64"),
        (1e-39, 1e-39, "float32"),
        (1e38, 1e39, "float32"),
        (1e-300, 3e-309 + 4e-309j, "complex128"),
        (6e-300, 3e-300, "float64"),
    ],
)
def test_quotients_need_no_reciprocal_in_range(entry, divisor, dtype):
    A = single(entry, dtype)
    quotient = A / divisor
    assert quotient.dtype == dtype
    expected = complex(np.clongdouble(A.toarray().item()) / np.clongdouble(divisor))
    rtol = 1e-6 if dtype == "float32" else 1e-14
    for view in (quotient, (quotient * 2) / 2, quotient.T):
        np.testing.assert_allclose(view.toarray(), [[expected]], rtol=rtol)
        np.testing.assert_allclose(view @ np.ones(1, dtype), [expected], rtol=rtol)


def test_quotients_have_the_dtype_that_numpy_gives_them():
    for dtype in ("int8", "float32", "complex64"):
        D = np.full((2, 2), 3, dtype)
        for divisor in (2, 2.5, 1 + 1j, np.float64(2), np.int8(2), np.complex64(2)):
            quotient = lo.aslazy(D) / divisor
            assert quotient.dtype == (D / divisor).dtype
            np.testing.assert_allclose(quotient.toarray(), D / divisor, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
def test_negative_multiples_of_unsigned_integers_are_signed(dtype):
    D = np.array([[1, 2], [3, 4]], dtype)
    A, wide = lo.aslazy(D), D.astype(np.int64)
    for found, expected in (
        (-A, -wide),
        (A - A.T, wide - wide.T),
        (-3 * A, -3 * wide),
        (lo.Diagonal(D[0]) - lo.Diagonal(D[1]), np.diag(wide[0] - wide[1])),
    ):
        assert found.dtype.kind == "i"
        np.testing.assert_array_equal(found.toarray(), expected)
        np.testing.assert_array_equal(found.tosparse().toarray(), expected)
        np.testing.assert_array_equal(found.diagonal(), np.diagonal(expected))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64"])
def test_unsigned_integers_stay_so_with_coefficients_they_hold(dtype):
    D = np.array([[1, 0], [0, 1]], dtype)
    most = int(np.iinfo(dtype).max)
    for coefficient in (127, 200, most):
        A = coefficient * lo.aslazy(D)
        assert A.dtype == dtype
        np.testing.assert_array_equal(A.toarray(), coefficient * D)
    assert (300 * lo.aslazy(D.astype("uint8"))).dtype == np.uint16


def test_integers_that_no_dtype_of_integers_holds_are_floats():
    D = np.array([[1, 2], [3, 4]])
    A = 10**10 * lo.aslazy(D)
    for found in (A @ A, A**2):
        assert found.dtype == np.float64
        np.testing.assert_allclose(found.toarray(), 1e20 * (D @ D), rtol=1e-15)
    with pytest.raises(ValueError, match="must be finite"):
        10**400 * A


def test_a_sum_that_grows_meets_each_new_term_once_with_the_others():
    class Counting(lo.LazyOperator):
        _fields = ()
        met = 0

        def __init__(self):
            super().__init__(float, (2, 2))

        def _apply(self, X):
            return X

        def _plus(self, other):
            Counting.met += 1

    total = Counting()
    for _ in range(59):
        total = total + Counting()
    assert len(total.operands) == 60
    assert Counting.met <= 60 * 59 // 2


def test_diagonals_of_narrow_integers_do_not_wrap():
    D = lo.Diagonal(np.array([100, -100], np.int8))
    np.testing.assert_array_equal((D @ D) @ np.ones(2), [10000, 10000])
    np.testing.assert_array_equal((D + D) @ np.ones(2), [200, -200])


def test_integers_beyond_64_bits_multiply_in_pytorch():
    torch = pytest.importorskip("torch")
    for dtype in (torch.float32, torch.complex128):
        y = (10**20 * lo.aslazy(torch.ones((2, 2), dtype=dtype))) @ torch.ones(2, dtype=dtype)
        np.testing.assert_allclose(y.numpy(), [2e20, 2e20], rtol=1e-6)
