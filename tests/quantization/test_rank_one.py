"""One rank-one matrix: the optimum, in the range of the format."""

import numpy as np
import pytest
from rank_one_search import least_error, relative

import lazyop as lo
from lazyop.quantization.formats import FORMATS, as_format
from lazyop.quantization.ranges import times_power, unit_exponent


def test_it_is_the_optimum_in_every_one_of_500_cases():
    rng = np.random.default_rng(0)
    for _ in range(500):
        bits = int(rng.integers(2, 5))
        most = {2: 5, 3: 4, 4: 3}[bits]  # the shorter one is what the search tries everything for
        m, n = rng.integers(2, most), rng.integers(2, 5)
        x, y = rng.standard_normal(m), rng.standard_normal(n)
        x_hat, y_hat, error = lo.quantize_rank_one(x, y, lo.FloatFormat(bits))
        best = min(least_error(x, y, bits), least_error(y, x, bits) if n < most else np.inf)
        assert error == pytest.approx(best, rel=1e-9)
        assert relative(x, y, x_hat, y_hat) == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("name", [*FORMATS, lo.FloatFormat(3), lo.FloatFormat(4, 4)])
@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "c16"])
@pytest.mark.parametrize("exponent", [0, 12, -300])
def test_entries_are_numbers_of_the_format_and_the_error_is_true(name, dtype, exponent):
    rng, form = np.random.default_rng(3), as_format(name)
    x, y = (rng.standard_normal(2 * k).view(complex) for k in (5, 7))
    if dtype[0] == "f":
        x, y = x.real, y.real
    if dtype in ("f4", "c8"):
        exponent //= 10
    # One factor of the product is as far above the range as the other is below it.
    x, y = (x * 2.0**exponent).astype(dtype), (y * 2.0**-exponent).astype(dtype)
    x_hat, y_hat, error = lo.quantize_rank_one(x, y, name)
    assert x_hat.dtype == y_hat.dtype == dtype
    for found in (x_hat, y_hat):
        np.testing.assert_array_equal(form.round(found), found)
    assert isinstance(error, float)
    wide = [v.astype(np.result_type(v, float)) for v in (x, y, x_hat, y_hat)]
    assert error == pytest.approx(
        relative(*(np.conj(v) if k % 2 else v for k, v in enumerate(wide)))
    )
    assert error < relative(
        x, np.conj(y), *(lo.FloatFormat(form.significand_bits).round(v) for v in (x, np.conj(y)))
    )


def test_y_is_conjugated():
    x, y = np.array([1.0, 2j]), np.array([1 + 1j, 3.0])
    x_hat, y_hat, error = lo.quantize_rank_one(x, y, "float16")
    np.testing.assert_array_equal(np.outer(x_hat, y_hat.conj()), np.outer(x, y.conj()))
    assert error == 0


def test_zero_vectors_are_exact():
    x_hat, y_hat, error = lo.quantize_rank_one(np.zeros(3), [1.0, 2.0], "bfloat16")
    assert not np.outer(x_hat, y_hat).any()
    assert error == 0


def test_small_entries_lose_bits_where_the_range_is_too_narrow():
    form = as_format("float8_e4m3fn")
    x_hat, y_hat, error = lo.quantize_rank_one([1.0, 2.0**-14, 1e-9], [1.0], form)
    np.testing.assert_array_equal(np.outer(x_hat, y_hat).ravel(), [1.0, 2.0**-14, 0.0])
    assert error == pytest.approx(1e-9)


@pytest.mark.parametrize("form", ["bfloat16", lo.FloatFormat(4), lo.FloatFormat(8, 11)])
@pytest.mark.parametrize("power", [0, 1020])
def test_vectors_as_far_apart_as_double_precision_is_wide(form, power):
    x, y = np.array([1.1, 3.3]), np.array([1.3, 3.7])
    far = lo.quantize_rank_one(np.ldexp(x, power), np.ldexp(y, -power), form)
    assert far[2] == pytest.approx(lo.quantize_rank_one(x, y, form)[2], rel=1e-9)
    assert relative(x, y, *far[:2]) == pytest.approx(far[2], rel=1e-9)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.float32([3e38, 1e38]), np.float32([1, 2.1])),
        (np.complex64([1e38 + 3e38j, 2e38]), np.complex64([1, 2.1j])),
        (np.array([1.7e308, 1.3e308]), np.array([1.6, 1.2])),
        (np.array([1.1e-310, 1.3e-310]), np.array([1.6, 1.2])),
    ],
)
def test_numbers_stay_in_the_range_of_the_precision(x, y):
    """The nearest ones of the format may be outside of it: the other vector takes a power."""
    x_hat, y_hat, error = lo.quantize_rank_one(x, y, lo.FloatFormat(2))
    assert x_hat.dtype == y_hat.dtype == x.dtype
    p, q = unit_exponent(x), unit_exponent(x_hat)
    u, u_hat, v_hat = (
        times_power(z.astype(np.result_type(z, float)), e)
        for z, e in ((x, -p), (x_hat, -q), (y_hat, q - p))
    )
    assert 0 < error < 0.2
    assert relative(u, np.conj(y), u_hat, np.conj(v_hat)) == pytest.approx(error, rel=1e-6)


def test_integers_and_lists_count_as_doubles():
    x_hat, _, error = lo.quantize_rank_one([1, 2], [3], "float16")
    assert x_hat.dtype == float
    assert error == 0


def strict(x):
    import array_api_strict

    return array_api_strict.asarray(x)


@pytest.mark.parametrize(
    ("x", "form", "error", "match"),
    [
        ([1.0, np.nan], "float16", ValueError, "x must be finite"),
        ([np.inf], "float16", ValueError, "x must be finite"),
        ([[1.0]], "float16", ValueError, r"x must be a vector.*\(1, 1\)"),
        ([], "float16", ValueError, "empty"),
        (["1"], "float16", TypeError, "array of numbers"),
        (strict([1.0]), "float16", TypeError, "x must be on NumPy, got .*strict"),
        ([1.0], "float8", ValueError, "unknown format 'float8'"),
        ([1.0], lo.FloatFormat(17), ValueError, "up to 16 significand bits, got 17"),
        ([1e6], "float8_e4m3fn", ValueError, "factor 1 of 2 .* size .*below 448"),
    ],
)
def test_bad_input(x, form, error, match):
    with pytest.raises(error, match=match):
        lo.quantize_rank_one(x, [1.0], form)


@pytest.mark.skipif(np.finfo(np.longdouble).maxexp == 1024, reason="long double is double")
@pytest.mark.parametrize("size", ["1e1000", "1e-1000"])
def test_numbers_beyond_double_precision(size):
    with pytest.raises(ValueError, match=r"y holds .* range of double precision"):
        lo.quantize_rank_one([1.0], np.array([1, np.longdouble(size)]), "float16")
