"""Formats: their numbers are those of NumPy and ml_dtypes, code for code."""

import itertools
import math
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lazyop.quantization.formats import FORMATS, FloatFormat, as_format

NAMES = sorted(FORMATS)
OTHERS = ["float8_e3m4", "float8_e4m3", "float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn"]


def dtype_named(name):
    if name == "float16":
        return np.dtype(np.float16)
    ml_dtypes = pytest.importorskip("ml_dtypes")
    return np.dtype(getattr(ml_dtypes, name))


def format_named(name):
    if name in FORMATS:
        return FORMATS[name]
    w, p = (int(name[name.index(letter) + 1]) for letter in "em")
    return FloatFormat(p + 1, w, specials="none" if name.endswith("fn") else "infinity")


@pytest.mark.parametrize("name", NAMES + OTHERS)
def test_every_code_stands_for_the_number_of_the_dtype(name):
    form, dtype = format_named(name), dtype_named(name)
    if name in FORMATS:
        assert form.dtype == dtype
    codes = np.arange(2**form.bits, dtype=f"u{dtype.itemsize}")
    with np.errstate(invalid="ignore"):  # casts of NaNs
        expected = codes.view(dtype).astype(np.float64)
    found = form.decode(codes)
    np.testing.assert_array_equal(found, expected)
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(np.signbit(found[finite]), np.signbit(expected[finite]))
    assert form.largest == expected[finite].max()
    np.testing.assert_array_equal(form.encode(expected[finite]), codes[finite])
    assert form.encode(0.0).dtype == codes.dtype


@pytest.mark.parametrize("name", NAMES + OTHERS)
def test_rounding_is_that_of_the_dtype(name):
    form, dtype = format_named(name), dtype_named(name)
    numbers = form.decode(np.arange(2**form.bits, dtype=np.uint64))
    numbers = np.unique(numbers[np.isfinite(numbers)])
    middles = (numbers[1:] + numbers[:-1]) / 2
    beyond = form.largest * np.array([1.01, 1.04, 1.07, 1.12, 1.2, 1.25, 1.3, 1.5, 2.0, 1e6])
    near = [numbers, middles, np.nextafter(middles, -np.inf), np.nextafter(middles, np.inf)]
    x = np.concatenate([*near, beyond, -beyond, [np.inf, -np.inf, np.nan]])
    if name.endswith("fn") and not name.startswith("float8"):
        # These dtypes of ml_dtypes saturate; numbers beyond the range have no place here.
        x = x[np.abs(x) <= form.largest]
    with np.errstate(over="ignore", invalid="ignore"):
        # ml_dtypes may round doubles twice, by way of single precision.
        single = x.astype(np.float32)
        x = single[np.isnan(x) | (single == x)].astype(np.float64)
        expected = x.astype(np.float32).astype(dtype).astype(np.float64)
    np.testing.assert_array_equal(form.round(x), expected)
    np.testing.assert_array_equal(form.round(x.astype(np.float32)), expected)
    zeros = expected == 0
    np.testing.assert_array_equal(np.signbit(form.round(x)[zeros]), np.signbit(expected[zeros]))


@given(st.floats(-1e6, 1e6), st.integers(1, 12))
@example(3.0, 1)
@example(-6.0, 1)
@example(5.0, 2)
def test_rounding_without_bounds_is_to_the_nearest_and_ties_to_even(x, t):
    found = FloatFormat(t).round(x)[()]
    if abs(x) < 2.0**-1000:
        assert abs(found - x) <= 2.0**-1000
        return
    exponent = math.frexp(x)[1] - t
    # Python's own rounding of fractions is to nearest, ties to even.
    assert Fraction(found) == round(Fraction(x) / Fraction(2) ** exponent) * Fraction(2) ** exponent


def test_single_precision_stays_and_parts_of_complex_numbers_round_one_by_one():
    form = FloatFormat(3)
    z = np.array([[1.1 + 2.2j, 0.9j], [-7.9, 1e-3]], dtype=np.complex64)
    found = form.round(z)
    assert found.dtype == np.complex64
    wider = form.round(z.astype(np.clongdouble))
    assert wider.dtype == np.complex128
    np.testing.assert_array_equal(wider, found)
    np.testing.assert_array_equal(found.real, form.round(z.real))
    np.testing.assert_array_equal(found.imag, form.round(z.imag))
    assert found.real.dtype == np.float32
    np.testing.assert_array_equal(form.round(z.T), found.T)
    assert form.round([1, 2, 9]).tolist() == [1.0, 2.0, 8.0]
    assert form.round(1.2).shape == ()


@pytest.mark.parametrize("t", [1, 2, 5, 11, 53])
def test_unbounded_exponents_are_held_with_the_fewest_bits(t):
    form = FloatFormat(t)
    values = form.round(np.ldexp(np.array([0.0, 1.0, -1.3, 1.7, -0.0]), [0, -4, -2, 2, 0]))
    fitted = form.fitted(values)
    assert fitted.significand_bits == t
    codes = fitted.encode(values)
    np.testing.assert_array_equal(fitted.decode(codes), values)
    assert codes.max() < 2**fitted.bits
    exponents = np.frexp(values[values != 0])[1]
    binades = exponents.max() - exponents.min() + 1
    assert 2**fitted.exponent_bits - 1 >= binades > 2 ** (fitted.exponent_bits - 1) - 1
    assert form.fitted(np.zeros(3)).decode([0]) == 0


def test_unbounded_exponents_are_those_of_double_precision():
    form, values = FloatFormat(53), np.array([1.7e308, 3e-308, 5e-324, -1.0])
    np.testing.assert_array_equal(form.round(values), values)
    fitted = form.fitted(values)
    np.testing.assert_array_equal(fitted.decode(fitted.encode(values)), values)


def test_bounded_formats_fit_as_they_are():
    assert FORMATS["float16"].fitted([1.0, 1e6]) is FORMATS["float16"]
    assert FORMATS["float8_e5m2"].fitted([1j]).bits == 8


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ((0,), ValueError, "significand_bits"),
        ((54,), ValueError, "at most 53"),
        ((2.5,), TypeError, "significand_bits"),
        ((4, 1), ValueError, "from 2 to 11"),
        ((4, 12), ValueError, "from 2 to 11"),
        ((4, "5"), TypeError, "exponent_bits"),
    ],
)
def test_widths_out_of_range(arguments, error, match):
    with pytest.raises(error, match=match):
        FloatFormat(*arguments)


def test_formats_beyond_double_precision():
    with pytest.raises(ValueError, match="double precision"):
        FloatFormat(4, 5, bias=-2000)
    with pytest.raises(ValueError, match="no bias"):
        FloatFormat(4, bias=3)
    with pytest.raises(ValueError, match="no codes"):
        FloatFormat(4, specials="nan")
    for bias in (1.5, "7", True):
        with pytest.raises(TypeError, match="bias must be an integer"):
            FloatFormat(4, 5, bias=bias)
    assert FloatFormat(4, 5, bias=np.int8(7)) == FloatFormat(4, 5, bias=7)
    with pytest.raises(ValueError, match="specials"):
        FloatFormat(4, 5, specials="zero")


def test_what_is_no_number_of_the_format_has_no_code():
    for value in (0.1, 1e5, 2.0**-25, 1 + 2.0**-11):
        with pytest.raises(ValueError, match="is not a number of"):
            FORMATS["float16"].encode([1.0, value])
    for form, value in itertools.product(FORMATS.values(), (np.nan, np.inf)):
        with pytest.raises(ValueError, match="finite"):
            form.encode(value)
    for call in (FloatFormat(4).encode, FloatFormat(4).decode):
        with pytest.raises(ValueError, match="unbounded"):
            call([1])


@pytest.mark.parametrize(
    ("codes", "error", "match"),
    [
        ([1.5], TypeError, "unsigned integers, got an array of dtype float64"),
        ([0, -1], ValueError, "8 bits, got -1"),
        ([300, 0], ValueError, "8 bits, got 300"),
        (np.array([-1], np.int8), ValueError, "8 bits, got -1"),
    ],
)
def test_what_is_no_code_has_no_number(codes, error, match):
    with pytest.raises(error, match=match):
        FORMATS["float8_e5m2"].decode(codes)
    assert FORMATS["float8_e5m2"].decode([]).shape == (0,)


def test_formats_by_name_and_dtype():
    assert as_format(np.float16) is as_format("float16") is as_format(np.dtype("float16"))
    form = FloatFormat(3)
    assert as_format(form) is form
    for unknown in ("fp8", "float32", np.float32):
        with pytest.raises(ValueError, match="unknown format"):
            as_format(unknown)
    with pytest.raises(TypeError, match="a format must be"):
        as_format(3.5)


def test_dtypes_of_ml_dtypes_are_formats():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    assert as_format(ml_dtypes.bfloat16) is FORMATS["bfloat16"]
    assert as_format(np.dtype(ml_dtypes.float8_e4m3fn)) is FORMATS["float8_e4m3fn"]


def test_dtypes_of_codes(monkeypatch):
    for width, dtype in (((24, 8), np.float32), ((53, 11), np.float64)):
        form = FloatFormat(*width)
        assert form.dtype == dtype
        values = np.array([1.5, -3e-8], dtype)
        assert form.encode(values).tobytes() == values.tobytes()
    with pytest.raises(ValueError, match="no dtype of the codes of FloatFormat"):
        _ = FloatFormat(4).dtype
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(ImportError, match=r"bfloat16 comes with: .*lazyop\[quantization\]"):
        _ = FORMATS["bfloat16"].dtype
