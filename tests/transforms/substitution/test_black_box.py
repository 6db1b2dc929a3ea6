"""Every call of a function: shapes, dtypes, and what it may not do."""

import numpy as np
import pytest
import scipy.fft
from black_boxes import box


def test_columns_make_up_the_matrix():
    B = box(scipy.fft.rfft, (6,))
    assert (B.in_shape, B.out_shape, B.shape, B.out_dtype) == ((6,), (4,), (4, 6), complex)
    expected = scipy.fft.rfft(np.eye(6), axis=0)
    found = np.concatenate([columns for _, columns in B.blocks()], axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-15)
    np.testing.assert_allclose(B.columns(np.array([4, 1])), expected[:, [4, 1]], atol=1e-15)
    assert B(np.zeros((6, 0))).shape == (4, 0)


@pytest.mark.parametrize("function", [scipy.fft.dctn, lambda X: X.sum(axis=-1), np.diff])
def test_stacks_and_single_arguments_agree(function):
    X = np.random.default_rng(0).standard_normal((12, 5))

    def of_stack(S):
        return np.stack([function(x) for x in S])

    one, many = box(function, (3, 4)), box(of_stack, (3, 4), vectorized=True)
    assert one.out_shape == many.out_shape
    np.testing.assert_allclose(many(X), one(X), atol=1e-13)


def test_a_number_is_an_array_of_one():
    assert box(np.sum).shape == (1, 16)


def test_integers_become_floats():
    B = box(lambda x: np.zeros(3, np.int8))
    assert B.out_dtype == B(np.ones((16, 2))).dtype == "float64"


@pytest.mark.parametrize(
    ("function", "error", "match"),
    [
        (lambda x: x * np.nan, ValueError, "NaN"),
        (lambda x: x / 0.0, ValueError, "infinite"),
        (lambda x: x[:0], ValueError, "empty"),
        (lambda x: "text", TypeError, "array of numbers"),
        (lambda x: (x, x[:2]), TypeError, "not an array"),
        (lambda x: None, TypeError, "array of numbers"),
        (lambda x: x.astype(np.float16), TypeError, "single or double"),
        (lambda x: x.astype(np.longdouble), TypeError, "single or double"),
    ],
)
def test_what_is_no_result(function, error, match):
    with np.errstate(divide="ignore"), pytest.raises(error, match=match):
        box(function)


def test_a_function_that_writes_into_its_argument():
    def doubled(x):
        x *= 2
        return x

    with pytest.raises(ValueError, match="writes into its argument"):
        box(doubled)
    box(lambda x: doubled(x.copy()))


def test_results_keep_shape_and_dtype():
    B = box(lambda x: x[x > 0])
    with pytest.raises(ValueError, match=r"changes the shape .* expected \(16,\), .* got \(15,\)"):
        B(np.arange(16.0)[:, None])
    B = box(lambda x: x if x[0] else x.astype("f"))
    with pytest.raises(ValueError, match=r"changes the dtype .* float64 before, now float32"):
        B(np.arange(16.0)[:, None])


def test_a_vectorized_function_returns_a_stack():
    with pytest.raises(ValueError, match=r"along the first axis.*\(1, 16\) it made \(16, 1\)"):
        box(np.transpose, vectorized=True)
