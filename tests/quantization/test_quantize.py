"""Quantized operators: the errors they state, the figures they reach, and what is refused."""

import pickle

import numpy as np
import pytest
from chains import random_values

import lazyop as lo
from lazyop.quantization.formats import FORMATS, as_format
from lazyop.quantization.packed import PackedButterfly

rng = np.random.default_rng(0)
DYADIC = lo.Butterfly(random_values(lo.Chain.square_dyadic(32)))
COMPLEX = lo.Butterfly(random_values(lo.Chain.square_dyadic(32), 1, complex))
P = lo.Permutation(rng.permutation(32))
WIDE = lo.Butterfly(random_values(lo.Chain.from_sizes((2, 4, 3), (3, 1, 2))))
RANK_2 = lo.Butterfly(random_values(lo.Chain.dyadic(32, rank=2)))
OTHER = lo.Butterfly(random_values(lo.Chain.square_dyadic(32), 2))

OPERATORS = {
    "butterfly": DYADIC,
    "complex": COMPLEX,
    "adjoint": COMPLEX.H,
    "unequal": WIDE,
    "unequal, transposed": WIDE.T,
    "rank 2": RANK_2,
    "one factor": DYADIC.factors[2],
    "product of factors": lo.Product(*DYADIC.factors[1:3]),
    "permuted": P @ DYADIC @ P,
    "adjoint of permuted": (P @ COMPLEX).H,
    "multiple": 3 * DYADIC,
    "complex multiple, permuted": (1 + 2j) * (DYADIC @ P),
    "sum": DYADIC - 0.01j * OTHER,
    "permuted sum": P @ (DYADIC + OTHER),
    "single precision": DYADIC.astype(np.float32),
    "integers": lo.Butterfly([np.ones((1, 2, 2, 2), int), np.full((2, 2, 2, 1), 3)]),
}


def dense_error(op, quantized):
    A, B = (x.astype(complex).toarray() for x in (op, quantized))
    return np.linalg.norm(A - B) / np.linalg.norm(A)


def chains_in(op):
    if isinstance(op, PackedButterfly):
        yield op.unpack()
    for part in op.args:
        yield from chains_in(part)


def fft(n):
    """Factors of the fast Fourier transform, with the entries as they are usually written."""
    factors = []
    for a, _, _, d in lo.Chain.square_dyadic(n):
        twiddles = np.exp(-1j * np.pi * np.arange(d) / d)
        pair = np.array([[np.ones(d), twiddles], [np.ones(d), -twiddles]])
        factors.append(np.broadcast_to(pair, (a, 2, 2, d)))
    return lo.Butterfly(factors)


@pytest.mark.parametrize("form", ["bfloat16", "float8_e4m3fn", lo.FloatFormat(3)], ids=str)
@pytest.mark.parametrize("name", OPERATORS)
def test_stated_errors_are_true_and_entries_are_of_the_format(name, form):
    op = OPERATORS[name]
    found = lo.quantize(op, form)
    plain = lo.quantize(op, form, method="round")
    for result in (found, plain):
        assert dense_error(op, result.operator) == pytest.approx(
            result.relative_error, rel=1e-9, abs=1e-15
        )
        assert result.operator.dtype == np.result_type(op.dtype, np.float32)
        for chain in chains_in(result.operator):
            for factor in chain.factors:
                np.testing.assert_array_equal(as_format(form).round(factor.values), factor.values)
    assert plain.relative_error == plain.rounding_error == found.rounding_error
    assert found.relative_error <= found.rounding_error


def test_permutations_and_coefficients_stay():
    found = lo.quantize(2j * (P @ DYADIC), "bfloat16").operator
    assert found.coefficient == 2j
    permutation, packed = found.operand.args
    assert permutation is P
    assert packed.chain == DYADIC.chain


@pytest.mark.parametrize("n", [64, 256])
def test_errors_agree_with_dense_ones_at_any_size(n):
    F = lo.Butterfly(random_values(lo.Chain.square_dyadic(n)))
    for form in ("float16", lo.FloatFormat(2)):
        found = lo.quantize(F, form, mirror=True, sweeps=0)
        assert found.relative_error == pytest.approx(dense_error(F, found.operator), rel=1e-6)


# Mean errors of left to right over Gaussian factors, by an independent implementation without
# sweeps; and those that the authors of CROQuant store for complex ones.
REAL = {3: 0.043, 4: 0.016, 5: 0.0053, 6: 0.0021, 7: 0.00085, 8: 0.00025, 10: 4.2e-5, 11: 1.9e-5}
CROQUANT = {2: 0.0718, 3: 0.0250, 4: 0.00947, 5: 0.00368, 6: 0.00147, 7: 6.05e-4}


def test_real_dyadic_chains():
    errors = []
    for bits, bound in REAL.items():
        F = lo.Butterfly(random_values(lo.Chain.square_dyadic(256), bits))
        found = lo.quantize(F, lo.FloatFormat(bits), mirror=False, sweeps=1)
        errors.append(found.relative_error)
        assert errors[-1] < bound
    slope = np.polyfit(list(REAL), np.log2(errors), 1)[0]
    assert slope < -1.38


@pytest.mark.parametrize("bits", CROQUANT)
def test_complex_dyadic_chains(bits):
    F = lo.Butterfly(random_values(lo.Chain.square_dyadic(256), 0, complex))
    found = lo.quantize(F, lo.FloatFormat(bits), mirror=False, sweeps=0)
    assert found.relative_error < CROQUANT[bits]


def test_rounding_of_the_fast_fourier_transform():
    found = lo.quantize(fft(256), lo.FloatFormat(4), sweeps=0)
    assert found.rounding_error == pytest.approx(0.0307, abs=5e-5)
    assert found.relative_error < 0.0055


@pytest.mark.parametrize("method", ["round", "pairwise", "left-to-right"])
def test_exact_entries_stay_exact(method):
    hadamard = lo.Butterfly([np.sign(v.values.real) for v in fft(64).factors])
    for op in (fft(4), hadamard, 0.3 * fft(4)):
        found = lo.quantize(op, lo.FloatFormat(1), method=method)
        assert found.relative_error < 1e-15
        np.testing.assert_allclose(found.operator.toarray(), op.toarray(), atol=1e-15)


@pytest.mark.parametrize("dtype", [float, complex])
def test_scalings_that_hide_exact_entries_are_undone(dtype):
    """Hadamard factors with diagonal matrices and their inverses between them."""
    diagonals = [np.ones(32), *random_values(lo.Chain([(32, 1, 1, 1)] * 4), 7, dtype), np.ones(32)]
    factors = []
    for k, factor in enumerate(fft(32).factors):
        a, b, c, d = factor.values.shape
        rows, columns = diagonals[k].reshape(a, b, 1, d), diagonals[k + 1].reshape(a, 1, c, d)
        factors.append(np.sign(factor.values.real) / rows * columns)
    found = lo.quantize(lo.Butterfly(factors), lo.FloatFormat(2))
    assert found.relative_error < 1e-14
    assert found.rounding_error > 0.1


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("exponents", [(0, 0, 0, 0), (20, -20, 7, -9), (-30, 10, 10, 10)])
def test_formats_with_a_range(name, exponents):
    factors = random_values(lo.Chain.square_dyadic(16), 5)
    F = lo.Butterfly([np.ldexp(v, e) for v, e in zip(factors, exponents, strict=True)])
    found = lo.quantize(F, name)
    free = lo.quantize(F, lo.FloatFormat(as_format(name).significand_bits))
    # Some entries may be below the normal range.
    accuracy = {"float16": 1e-6, "bfloat16": 0, "float8_e4m3fn": 0.05, "float8_e5m2": 1e-3}[name]
    assert found.relative_error == pytest.approx(free.relative_error, rel=accuracy, abs=0)


def with_powers_between(F, most):
    """The same product with diagonal matrices of powers of two between the factors."""
    values = [factor.values for factor in F.factors]
    for k in range(len(values) - 1):
        a, b, c, d = values[k].shape
        powers = np.random.default_rng(k).integers(-most, most + 1, a * c * d)
        values[k] = values[k] * np.ldexp(1.0, powers).reshape(a, 1, c, d)
        a, b, _, d = values[k + 1].shape
        values[k + 1] = values[k + 1] * np.ldexp(1.0, -powers).reshape(a, b, 1, d)
    return lo.Butterfly(values)


@pytest.mark.parametrize("most", [60, 480])
@pytest.mark.parametrize("form", ["float16", lo.FloatFormat(4)], ids=str)
@pytest.mark.parametrize("method", ["round", "pairwise", "left-to-right", "normal-form"])
@pytest.mark.parametrize("F", [DYADIC, COMPLEX, WIDE.T, RANK_2], ids=["d", "F", "turned", "rank"])
def test_powers_between_factors_change_no_error(F, method, form, most):
    sweeps = 0 if method in ("pairwise", "left-to-right") else None
    found = lo.quantize(with_powers_between(F, most), form, method=method, sweeps=sweeps)
    plain = lo.quantize(F, form, method=method, sweeps=sweeps)
    assert dense_error(F, found.operator) == pytest.approx(found.relative_error, rel=1e-9)
    assert found.relative_error == pytest.approx(plain.relative_error, rel=1e-9)
    assert found.rounding_error == pytest.approx(plain.rounding_error, rel=1e-9)


@pytest.mark.parametrize("c", [1e155, 1e-165, 1e200, 1e200j, 1.7e308 + 1.7e308j, 10**250])
def test_coefficients_of_any_size(c):
    F, G = (lo.Butterfly(random_values(lo.Chain.square_dyadic(8), k)) for k in range(2))
    found, plain = (lo.quantize(x * F + x * G, "bfloat16") for x in (c, 1))
    assert found.relative_error == pytest.approx(plain.relative_error, rel=1e-9)
    assert lo.quantize(c * F + 0 * G, "bfloat16").relative_error == pytest.approx(
        lo.quantize(F, "bfloat16").relative_error, rel=1e-9
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("method", ["round", "left-to-right"])
@pytest.mark.parametrize("form", [lo.FloatFormat(4), lo.FloatFormat(8, 11)], ids=str)
def test_entries_come_into_the_range_of_the_dtype(form, method, dtype):
    """Subnormal ones, and those that are too large once they are rounded."""
    left, right = (factor.values for factor in DYADIC.factors[:2])
    least, most = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max
    for scale in (200 * float(least), most / np.abs(left).max()):
        F = lo.Butterfly([(left * scale).astype(dtype), right.astype(dtype)])
        found = lo.quantize(F, form, method=method)
        assert found.operator.dtype == dtype
        numbers, exact = ([f.values for f in x.factors] for x in (found.operator.unpack(), F))
        for values in numbers:
            assert (np.abs(values[values != 0]) >= np.finfo(dtype).tiny).all()
            np.testing.assert_array_equal(form.round(values), values)
        # Both products by the same power of two, for a norm in double precision.
        p, q = (int(np.frexp(size)[1]) for size in (np.abs(numbers[0]).max(), scale))
        sized, wanted = (
            lo.Butterfly([np.ldexp(a.astype(float), -e), np.ldexp(b.astype(float), e - q)])
            for (a, b), e in ((numbers, p), (exact, q))
        )
        assert dense_error(wanted, sized) == pytest.approx(found.relative_error, rel=1e-6)


@pytest.mark.parametrize("patterns", [[(5, 1, 1, 1)], [(1, 3, 1, 1), (1, 1, 4, 1)]])
@pytest.mark.parametrize("method", ["left-to-right", "pairwise"])
def test_a_narrow_range_makes_no_method_worse_than_rounding(patterns, method):
    for seed in range(20):
        F = lo.Butterfly(random_values(lo.Chain(patterns), seed))
        found = lo.quantize(F, lo.FloatFormat(3, 3), method=method)
        dense = F.toarray()
        error = np.linalg.norm(dense - found.operator.toarray()) / np.linalg.norm(dense)
        assert error == pytest.approx(found.relative_error)
        assert error <= found.rounding_error * (1 + 1e-12)


def test_what_a_format_cannot_hold_at_all_is_an_error_of_one():
    F = lo.Butterfly([f.values * s for f, s in zip(DYADIC.factors[:2], (1e-310, 1), strict=True)])
    found = lo.quantize(F, "bfloat16")
    assert found.relative_error == found.rounding_error == 1


@pytest.mark.parametrize("method", ["round", "normal-form"])
@pytest.mark.parametrize(("given", "wanted"), [("i8", "f8"), ("f2", "f4"), ("f4", "f4")])
def test_multiples_have_the_dtype_of_quantized_numbers(given, wanted, method):
    chain = lo.Chain.square_dyadic(4)
    F = 2 * lo.Butterfly([np.arange(1, 9).reshape(tuple(p)).astype(given) for p in chain])
    found = lo.quantize(F, lo.FloatFormat(3), method=method).operator
    assert found.dtype == wanted
    dense = found.toarray()
    assert dense.dtype == (found @ np.ones(4, wanted)).dtype == wanted
    np.testing.assert_array_equal(found.tosparse().toarray(), dense)
    np.testing.assert_array_equal(found.diagonal(), np.diagonal(dense))


def test_zeros_and_rounding_errors_in_their_place():
    factors = [v.copy() for v in random_values(lo.Chain.square_dyadic(16))]
    factors[1][0, 0, 0] = 0
    noisy = [v.copy() for v in factors]
    noisy[1][0, 0, 0] = 1e-18
    for values in (factors, noisy):
        found = lo.quantize(lo.Butterfly(values), "float8_e4m3fn").operator.unpack()
        assert not found.factors[1].values[0, 0, 0].any()
    zero = lo.quantize(lo.Butterfly([0 * v for v in factors]), "float16")
    assert zero.relative_error == zero.rounding_error == 0
    assert not zero.operator.toarray().any()


def test_options():
    args = DYADIC, lo.FloatFormat(4)
    forth, back = (lo.quantize(*args, mirror=m, sweeps=0).relative_error for m in (False, True))
    assert lo.quantize(*args, sweeps=0).relative_error == min(forth, back)
    turned = lo.quantize(DYADIC.T, args[1], mirror=True, sweeps=0)
    assert turned.relative_error == pytest.approx(forth)
    errors = [lo.quantize(*args, mirror=False, sweeps=k).relative_error for k in range(4)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > errors[1]
    assert lo.quantize(*args, mirror=False).relative_error <= errors[-1]
    pairs = [lo.quantize(*args, method="pairwise", sweeps=k).relative_error for k in (0, None)]
    assert pairs[0] > pairs[1]


def test_it_says_what_it_has_found():
    found = lo.quantize(DYADIC, "bfloat16")
    assert found.format is FORMATS["bfloat16"]
    for number in (found.relative_error, found.rounding_error, found.bits_per_weight):
        assert f"{number:.3g}" in repr(found)
    assert "times less than rounding" in repr(found)
    assert pickle.loads(pickle.dumps(found)).relative_error == found.relative_error


@pytest.mark.parametrize("form", [*FORMATS, lo.FloatFormat(4)], ids=str)
@pytest.mark.parametrize("op", [DYADIC, COMPLEX, WIDE.astype(np.float32)], ids=["d", "F", "f"])
def test_it_holds_only_the_bits_it_says(op, form):
    found = lo.quantize(op, form, sweeps=0)
    parts = 2 if op.dtype.kind == "c" else 1
    weights = sum(f.values.size for f in op.factors)
    assert found.bits_per_weight * weights == 8 * found.operator.cost.nbytes
    assert found.operator.cost.parameters == weights
    if form in FORMATS:
        width = as_format(form).bits * parts
        assert found.bits_per_weight == pytest.approx(width, abs=8 * 20 * 5 / weights)
        assert found.bits_per_weight >= width
    else:
        # A sign, three bits beside the leading one, and an exponent of a few bits.
        assert 6 * parts <= found.bits_per_weight <= 10 * parts
    x = rng.standard_normal(op.shape[1])
    np.testing.assert_allclose(
        found.operator @ x,
        found.operator.astype(float if parts == 1 else complex) @ x,
        rtol=1e-4,
        atol=1e-4,
    )


def test_what_is_quantized_can_be_quantized():
    once = lo.quantize(P @ DYADIC, "bfloat16").operator
    again = lo.quantize(once, "bfloat16")
    assert again.relative_error < 1e-15
    coarse = lo.quantize(once, lo.FloatFormat(4))
    assert dense_error(once, coarse.operator) == pytest.approx(coarse.relative_error)


def test_nothing_is_random():
    for op in (DYADIC, COMPLEX):
        one, two = (lo.quantize(op, lo.FloatFormat(3)).operator for _ in range(2))
        np.testing.assert_array_equal(one.toarray(), two.toarray())


NAN = [v.copy() for v in random_values(lo.Chain.square_dyadic(8))]
NAN[1][0, 0, 0, 0] = np.nan
LARGE = lo.Butterfly([1e6 * v for v in random_values(lo.Chain.square_dyadic(8))])
NORMAL = {"method": "normal-form"}
UNCHAINED = lo.Butterfly([np.ones((1, 2, 2, 2)), np.ones((2, 2, 2, 1)), np.ones((1, 2, 2, 2))])


@pytest.mark.parametrize(
    ("op", "form", "options", "error", "match"),
    [
        (lo.Butterfly(NAN), "float16", {}, ValueError, "factor 2 of 3 holds NaN"),
        (DYADIC, "float12", {}, ValueError, "unknown format 'float12'"),
        (DYADIC, 7, {}, TypeError, "a format must be"),
        (DYADIC, None, {}, TypeError, "a format must be"),
        (LARGE, "float16", {}, ValueError, r"factor . of 3 .* no powers of two .* 65504"),
        (LARGE, "float16", {"method": "round"}, ValueError, r"factor . of 3"),
        (np.eye(4), "float16", {}, TypeError, r"butterfly, got ndarray; lazyop\.factorize"),
        (lo.aslazy(np.eye(4)), "float16", {}, ValueError, "expected a butterfly.*Dense"),
        (P, "float16", {}, ValueError, "one chain between permutations|expected a butterfly"),
        (UNCHAINED, "float16", {}, ValueError, "do not chain"),
        (DYADIC @ P @ DYADIC, "float16", {}, ValueError, "one chain between permutations"),
        (DYADIC @ lo.Diagonal(np.ones(32)), "float16", {}, ValueError, "between permutations"),
        (DYADIC + RANK_2, "float16", {}, ValueError, "sum of different chains"),
        (DYADIC + P @ OTHER, "float16", {}, ValueError, "without permutations"),
        (DYADIC.to("array_api_strict"), "float16", {}, TypeError, r"NumPy, got array_api_strict"),
        (DYADIC, "float16", {"method": "best"}, ValueError, "unknown method 'best'.*pairwise"),
        (DYADIC, "float16", {"sweeps": -1}, ValueError, "negative, got -1"),
        (DYADIC, "float16", {"sweeps": 1.5}, TypeError, "sweeps must be an integer, got 1.5"),
        (DYADIC, "float16", {"mirror": "left"}, TypeError, "mirror must be True.*'left'"),
        (DYADIC, None, {**NORMAL, "tol": "1"}, TypeError, "tol must be a real number, got '1'"),
        (DYADIC, None, {**NORMAL, "tol": 0}, ValueError, "tol must be positive.*got 0"),
        (DYADIC, None, {**NORMAL, "bits": np.nan}, ValueError, "bits must be positive.*got nan"),
        (DYADIC, "float16", {"method": "round", "sweeps": 1}, ValueError, "no sweeps"),
        (DYADIC, "float16", {"method": "pairwise", "mirror": True}, ValueError, "no mirror"),
        (DYADIC, lo.FloatFormat(17), {}, ValueError, "up to 16 significand bits, got 17"),
    ],
)
def test_bad_input(op, form, options, error, match):
    with pytest.raises(error, match=match):
        lo.quantize(op, form, **options)


@pytest.mark.skipif(np.finfo(np.longdouble).maxexp == 1024, reason="long double is double")
@pytest.mark.parametrize("size", ["1e1000", "1e-1000"])
@pytest.mark.parametrize("method", ["round", "normal-form"])
def test_numbers_beyond_double_precision(size, method):
    F = lo.Butterfly([np.ones((1, 2, 2, 2)), np.full((2, 2, 2, 1), np.longdouble(size))])
    with pytest.raises(ValueError, match=r"factor 2 of 2 holds .* range of double precision"):
        lo.quantize(F, "bfloat16", method=method)


def test_wide_significands_can_be_rounded():
    found = lo.quantize(DYADIC, lo.FloatFormat(24), method="round")
    assert found.relative_error < 2e-7
    assert dense_error(DYADIC, DYADIC.astype(np.float32)) == pytest.approx(found.relative_error)


@pytest.mark.parametrize("method", ["round", "pairwise", "left-to-right", "normal-form"])
@pytest.mark.parametrize("small", [1e-155, 1e-160])
def test_complex_columns_with_subnormal_squares(small, method):
    left, right = random_values(lo.Chain.square_dyadic(4), 3, complex)
    left[:, 0] *= small
    F = lo.Butterfly([left, right])
    found = lo.quantize(F, lo.FloatFormat(4), method=method)
    assert dense_error(F, found.operator) == pytest.approx(found.relative_error)
    x_hat, y_hat, error = lo.quantize_rank_one(left.ravel(), right.ravel(), lo.FloatFormat(4))
    off = np.outer(x_hat, y_hat.conj()) - np.outer(left, right.conj())
    assert np.linalg.norm(off) / np.linalg.norm(np.outer(left, right)) == pytest.approx(error)
