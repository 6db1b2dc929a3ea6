"""The normal form of a chain, in bits: errors, sizes, and what is kept of a chain."""

from typing import ClassVar

import numpy as np
import pytest
from chains import chains, product, random_values
from hypothesis import given, settings
from hypothesis import strategies as st

import lazyop as lo
from lazyop.kernels.plan import has_compiled
from lazyop.quantization import by_energy, factorwise, reading
from lazyop.quantization.by_energy import ByEnergy
from lazyop.quantization.codings import Directions, Floats, Ratios
from lazyop.quantization.packed import PackedButterfly
from lazyop.quantization.parts import Layout

REAL, COMPLEX = "float64", "complex128"


def dyadic(n, dtype=REAL, seed=0):
    return lo.Butterfly(random_values(lo.Chain.square_dyadic(n), seed, dtype))


def error(A, F):
    exact = F.toarray()
    return np.linalg.norm(A.toarray() - exact) / np.linalg.norm(exact)


class _Contract(lo.testing.OperatorContract):
    namespaces = ("numpy", "array_api_strict")
    size = 16

    def make(self, dtype):
        return lo.quantize(dyadic(self.size, dtype), tol=0.02, method="normal-form").operator

    def dense(self, dtype):
        return product([f.values for f in self.make(dtype).unpack().factors]).astype(dtype)


class TestOnePart(_Contract):
    pass


class TestTwoByTwo(_Contract):
    size = 2


class TestManyParts(lo.testing.OperatorContract):
    made: ClassVar = {}
    namespaces = ("numpy", "array_api_strict")
    dtypes = ("float32", "complex128")

    def make(self, dtype):
        if dtype not in self.made:
            found = lo.quantize(dyadic(512, dtype), tol=0.1, method="normal-form")
            self.made[dtype] = found.operator
        return self.made[dtype]

    def dense(self, dtype):
        return self.make(dtype).unpack().toarray()


@pytest.mark.parametrize("widths", ["number", "factor"])
@pytest.mark.parametrize("dtype", [REAL, COMPLEX, "float32"])
@pytest.mark.parametrize("tol", [0.3, 1e-2, 1e-4])
def test_a_tolerance_is_met_and_not_by_much(widths, dtype, tol):
    F = dyadic(64, dtype)
    found = lo.quantize(F, tol=tol, method="normal-form", widths=widths)
    assert found.relative_error <= tol
    assert found.relative_error == pytest.approx(error(found.operator, F), rel=1e-2, abs=1e-7)
    assert found.relative_error > tol * (0.9 if widths == "number" else 0.4)
    assert found.operator.dtype == dtype
    assert found.bits_per_weight == 8 * found.operator.codes.size / F.chain.nnz


@pytest.mark.parametrize("widths", ["number", "factor"])
def test_a_size_is_kept_and_nearly_filled(widths):
    F = dyadic(256)
    for bits in (2.5, 4.0, 9.0):
        found = lo.quantize(F, bits=bits, method="normal-form", widths=widths)
        assert bits - 0.6 < found.bits_per_weight <= bits
    errors = [
        lo.quantize(F, bits=b, method="normal-form", widths=widths).relative_error
        for b in (3, 5, 7)
    ]
    assert errors[0] > 3 * errors[1] > 9 * errors[2]


@pytest.mark.parametrize("widths", ["number", "factor"])
@pytest.mark.parametrize("power", [60, 300, 530])
def test_what_stands_between_factors_changes_nothing(widths, power):
    left, right = (factor.values for factor in dyadic(4).factors)
    between = np.ldexp(1.0, [power, 0, 0, -power])
    F = lo.Butterfly([left * between.reshape(1, 1, 2, 2), right / between.reshape(2, 2, 1, 1)])
    plain, found = (
        lo.quantize(op, tol=1e-3, method="normal-form", widths=widths) for op in (dyadic(4), F)
    )
    assert found.relative_error == plain.relative_error <= 1e-3
    np.testing.assert_array_equal(found.operator.codes, plain.operator.codes)


def test_subnormal_entries_of_the_last_factor():
    F = lo.Butterfly([f.values * s for f, s in zip(dyadic(4).factors, (1e-320, 1), strict=True)])
    found = lo.quantize(F, tol=1e-2, method="normal-form", widths="factor")
    assert found.relative_error <= 1e-2


def test_a_format_stands_for_the_error_of_rounding_to_it():
    F = dyadic(64)
    found = lo.quantize(F, "float8_e4m3fn", method="normal-form")
    assert found.format == lo.FloatFormat(4, 4, specials="nan")
    assert 0.9 * found.rounding_error < found.relative_error <= found.rounding_error
    assert found.rounding_error == lo.quantize(F, "float8_e4m3fn", method="round").relative_error
    by_error = lo.quantize(F, tol=0.01, method="normal-form")
    assert by_error.rounding_error <= by_error.relative_error
    t = by_error.format.significand_bits
    coarser = lo.quantize(F, lo.FloatFormat(t - 1), method="round")
    assert coarser.relative_error > by_error.relative_error


@pytest.mark.parametrize("n", [256, 1024])
@pytest.mark.parametrize(("tol", "significand", "exponent"), [(5e-2, 5, 2), (5e-3, 8, 2)])
def test_it_takes_less_than_half_of_the_bits_of_rounding(n, tol, significand, exponent):
    found = lo.quantize(dyadic(n), tol=tol, method="normal-form")
    assert found.relative_error <= tol
    assert found.bits_per_weight <= 0.45 * (significand + exponent)


@settings(max_examples=40)
@given(
    chain=chains(),
    dtype=st.sampled_from([REAL, COMPLEX]),
    seed=st.integers(0, 3),
    backwards=st.booleans(),
)
def test_any_chain_has_a_normal_form(chain, dtype, seed, backwards):
    F = lo.Butterfly(random_values(chain, seed, dtype))
    F = F.H if backwards else F
    found = lo.quantize(F, tol=0.02, method="normal-form")
    assert found.relative_error <= 0.02
    assert error(found.operator, F) == pytest.approx(found.relative_error, rel=1e-6)
    columns = [f.values for f in found.operator.unpack().factors]
    turned = found.operator._transposed
    for values in (v.transpose(0, 2, 1, 3) for v in columns[1:]) if turned else columns[:-1]:
        if not isinstance(found.operator._store, ByEnergy):
            is_direction = values.shape[1] == 2 and dtype == REAL
            sizes = np.abs(values)
            held = sizes.sum(axis=1) == 1 if is_direction else (sizes == 1).any(axis=1)
            assert held.all()


def test_columns_have_unit_norm_where_numbers_have_widths():
    A = lo.quantize(dyadic(512, COMPLEX), tol=1e-2, method="normal-form").operator
    for factor in A.unpack().factors[:-1]:
        norms = np.linalg.norm(factor.values, axis=1)
        np.testing.assert_allclose(norms, 1, rtol=1e-14)


def test_codings_follow_the_blocks():
    chain = lo.Chain.from_sizes((2, 3, 2), (2, 2, 3))
    F = lo.Butterfly(random_values(chain))
    A = lo.quantize(F, tol=0.01, method="normal-form").operator
    kinds = [type(factor.coding) for factor in A._store.factors]
    assert kinds == [Directions, Ratios, Floats]


@pytest.mark.parametrize("widths", ["number", "factor"])
@pytest.mark.parametrize("n", [8, 512])
def test_the_hadamard_matrix_is_exact_in_few_bits(widths, n):
    H = np.array([[1.0, 1], [1, -1]])
    chain = lo.Chain.square_dyadic(n)
    F = lo.Butterfly([np.broadcast_to(H[None, :, :, None], tuple(p)) for p in chain])
    found = lo.quantize(F, bits=5 if n == 512 else 12, method="normal-form", widths=widths)
    assert found.relative_error < 1e-7


def test_a_fourier_transform_keeps_its_simple_twiddles():
    n, L = 256, 8
    factors = []
    for l in range(L):
        h = n >> l
        w = np.exp(-2j * np.pi * np.arange(h // 2) / h)
        block = np.array([[np.ones_like(w), w], [np.ones_like(w), -w]])
        factors.append(np.broadcast_to(block[None], (1 << l, 2, 2, h // 2)))
    F = lo.Butterfly(factors)
    found = lo.quantize(F, lo.FloatFormat(4), method="normal-form")
    assert found.relative_error < found.rounding_error
    # Every phase is a multiple of 1/128 turn, and the norms are all the same.
    fine = lo.quantize(F, bits=12, method="normal-form")
    assert fine.relative_error < 1e-9


def test_the_same_weights_give_the_same_bits():
    one, other = (lo.quantize(dyadic(64), tol=1e-3, method="normal-form") for _ in range(2))
    np.testing.assert_array_equal(one.operator.codes, other.operator.codes)


@pytest.mark.parametrize("widths", ["number", "factor"])
@pytest.mark.parametrize("dtype", [REAL, COMPLEX])
def test_zeros_and_extreme_scales(widths, dtype):
    values = random_values(lo.Chain.square_dyadic(16), 0, dtype)
    values[1][1] = 0
    values[2][:, 0] = 0
    values[0][0, :, 1, 3] = 0
    F = lo.Butterfly(values)
    found = lo.quantize(F, tol=1e-3, method="normal-form", widths=widths)
    assert error(found.operator, F) <= 1e-3
    far = lo.Butterfly([values[0] * 1e200, values[1] * 1e-200, values[2] * 1e-100, values[3]])
    scaled = lo.quantize(far, tol=1e-3, method="normal-form", widths=widths)
    assert error(scaled.operator, far) <= 1e-3
    nothing = lo.Butterfly([0 * v for v in values])
    assert not lo.quantize(nothing, tol=1e-3, method="normal-form").operator.toarray().any()


def test_around_and_among_others():
    F, G = dyadic(16), dyadic(16, seed=1)
    P = lo.bit_reversal(16)
    found = lo.quantize(2 * F @ P, tol=1e-3, method="normal-form")
    assert error(found.operator, 2 * F @ P) <= 1e-3
    both = lo.quantize(F + 3 * G, tol=1e-3, method="normal-form")
    assert both.relative_error == pytest.approx(error(both.operator, F + 3 * G), rel=1e-6)
    assert both.relative_error < 2e-3


def test_a_file_is_as_small_and_gives_the_same(tmp_path):
    A = lo.quantize(dyadic(1024), tol=5e-3, method="normal-form").operator
    lo.save(tmp_path / "a", A)
    assert (tmp_path / "a").stat().st_size < A.cost.nbytes + 4096
    x = np.sin(np.arange(1024))
    np.testing.assert_array_equal(lo.load(tmp_path / "a") @ x, A @ x)


def test_parts_cover_the_matrix_once():
    for levels in range(1, 15):
        layout = Layout(levels)
        low, high = list(layout.low_parts()), list(layout.high_parts())
        assert len(low) * layout.tile == layout.size
        assert not high or len(high) == len(low)
        for parts in filter(None, (low, high)):
            seen = np.zeros(layout.size, int)
            for part in parts:
                layout.by_span(seen)[part.rows] += 1
                assert (part.a << part.count) * part.d == layout.tile
            assert (seen == 1).all()


def test_wrong_bytes_are_errors():
    codes = lo.quantize(dyadic(512), tol=1e-2, method="normal-form").operator.codes
    for wrong in (codes[:3], codes[:12], codes[:200]):
        with pytest.raises(ValueError, match=r"bytes|header"):
            PackedButterfly(wrong)
    damaged = codes.copy()
    damaged[2] = 99
    with pytest.raises(ValueError, match="header"):
        PackedButterfly(damaged)


def test_what_can_not_be_is_an_error():
    F = dyadic(16)
    for options in ({}, {"tol": 1e-2, "bits": 3}, {"format": "float16", "tol": 1e-2}):
        with pytest.raises(ValueError, match="takes one of"):
            lo.quantize(F, method="normal-form", **options)
    for options in ({"tol": 0.0}, {"tol": -1}, {"bits": np.nan}, {"tol": np.inf}):
        with pytest.raises(ValueError, match="positive"):
            lo.quantize(F, method="normal-form", **options)
    with pytest.raises(ValueError, match="few"):
        lo.quantize(F, method="normal-form", bits=0.1)
    with pytest.raises(ValueError, match="can't be met"):
        lo.quantize(F.astype("float32"), method="normal-form", tol=1e-12)
    with pytest.raises(ValueError, match="known are"):
        lo.quantize(F, method="normal-form", tol=0.1, widths="none")
    G = lo.Butterfly(random_values(lo.Chain.monarch((4, 6))))
    with pytest.raises(ValueError, match="square dyadic"):
        lo.quantize(G, method="normal-form", tol=0.1, widths="number")
    with pytest.raises(ValueError, match="'normal-form' does"):
        lo.quantize(F, "float16", method="round", tol=0.1)
    with pytest.raises(ValueError, match="sweeps"):
        lo.quantize(F, "float16", method="normal-form", sweeps=1)
    bad = [f.values.copy() for f in F.factors]
    bad[1][0, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        lo.quantize(lo.Butterfly(bad), tol=0.1, method="normal-form")
    large = lo.Butterfly([f.values.astype("float32") * np.float32(1e15) for f in F.factors])
    for widths in ("number", "factor"):
        with pytest.raises(ValueError, match="range"):
            lo.quantize(large, tol=0.1, method="normal-form", widths=widths)


@pytest.mark.skipif(not has_compiled(), reason="Numba is not installed")
@pytest.mark.parametrize("dtype", [REAL, COMPLEX])
@pytest.mark.parametrize("n", [16, 512, 1024])
def test_compiled_code_reads_the_same_to_the_last_bit(monkeypatch, n, dtype):
    tol = 1e-7 if n == 16 else 1e-3
    A = lo.quantize(dyadic(n, dtype), tol=tol, method="normal-form").operator
    compiled = A.values()
    monkeypatch.setattr(reading, "has_compiled", lambda: False)
    for one, other in zip(compiled, A.values(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("dtype", [REAL, COMPLEX, "float32", "complex64"])
def test_without_numba_products_are_the_same(monkeypatch, dtype):
    F = dyadic(512, dtype)
    X = np.sin(np.arange(3 * 512.0)).reshape(512, 3).astype(np.dtype(dtype).type(0).real.dtype)
    made = [
        lo.quantize(F, tol=1e-3, method="normal-form", widths=widths).operator
        for widths in ("factor", "number")
    ]

    def products(A):
        return [op @ x for op in (A, A.H, A.T, A.conj()) for x in (X[:, 0], X, 1j * X)]

    expected = [y for A in made for y in products(A)]
    for room in (by_energy, reading, factorwise):
        monkeypatch.setattr(room, "has_compiled", lambda: False)
    plain = [PackedButterfly(op.codes) for op in made]
    assert plain[0].plan(1).steps[0].kernel == "unpacked"
    digits = 1e-13 if np.finfo(F.dtype).eps < 1e-10 else 3e-6
    for found, y in zip([y for A in plain for y in products(A)], expected, strict=True):
        assert found.dtype == y.dtype
        np.testing.assert_allclose(found, y, rtol=0, atol=digits * np.abs(y).max())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_entries_close_to_the_end_of_the_range(dtype):
    """Norms of rows may be larger than entries: none of them leaves it unnoticed."""
    values = random_values(lo.Chain.square_dyadic(8), dtype=dtype)
    values[0] *= np.finfo(dtype).max / np.abs(lo.Butterfly(values).toarray()).max() / 16
    F = lo.Butterfly(values)
    with np.errstate(all="raise"):
        found = lo.quantize(F, bits=12, method="normal-form", widths="factor")
    exact = found.operator.unpack()
    assert all(np.isfinite(factor.values).all() for factor in exact.factors)
    scale = 1 / np.abs(F.factors[0].values).max()
    np.testing.assert_allclose(
        scale * exact.toarray(),
        scale * F.toarray(),
        rtol=0,
        atol=0.05 * np.abs(scale * F.toarray()).max(),
    )
    with pytest.raises(ValueError, match=f"leave the range of {dtype}"):
        lo.quantize(
            lo.Butterfly([values[0] * 15.9, *values[1:]]),
            bits=12,
            method="normal-form",
            widths="factor",
        )
