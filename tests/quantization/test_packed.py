"""Butterflies held as bits: products, files, conversions."""

import zipfile

import numpy as np
import pytest
from chains import chains, product, random_values
from hypothesis import given
from hypothesis import strategies as st

import lazyop as lo
from lazyop.quantization import factorwise
from lazyop.quantization.codings import Directions, Floats, Ratios, Rows
from lazyop.quantization.packed import PackedButterfly, pack_butterfly

EIGHT_BITS = Floats(lo.FloatFormat(4, 4))


def with_unit_columns(values):
    """Scale columns of blocks so that the largest entry is 1."""
    place = np.abs(values).argmax(axis=1)[:, None]
    return values / np.take_along_axis(values, place, axis=1)


def packed(chain, dtype="float64", seed=0, coding=None):
    """A packed butterfly with ratios and floats, one of directions where entries are real."""
    values = random_values(chain, seed, dtype)
    codings = [EIGHT_BITS] * len(values)
    for k in range(len(values) - 1):
        values[k] = with_unit_columns(values[k]).astype(dtype)
        is_pair = values[k].shape[1] == 2 and np.dtype(dtype).kind != "c"
        codings[k] = Directions(5) if is_pair and k % 2 else Ratios(4)
    return pack_butterfly(values, [coding] * len(values) if coding else codings)


class _Contract(lo.testing.OperatorContract):
    namespaces = ("numpy", "array_api_strict")
    chain = lo.Chain.square_dyadic(16)

    def make(self, dtype):
        return packed(self.chain, dtype)

    def dense(self, dtype):
        return product([f.values for f in self.make(dtype).unpack().factors]).astype(dtype)


class TestDyadic(_Contract):
    pass


class TestMonarch(_Contract):
    chain = lo.Chain.monarch((12, 18), rank=2)


class TestRectangular(_Contract):
    chain = lo.Chain.dyadic((8, 32))


@given(chain=chains(), dtype=st.sampled_from("fdFD"), seed=st.integers(0, 3))
def test_products_are_those_of_the_unpacked_weights(chain, dtype, seed):
    A = packed(chain, dtype, seed)
    X = np.random.default_rng(seed).standard_normal((A.shape[1], 2)).astype(dtype)
    expected = product([f.values for f in A.unpack().factors]) @ X
    np.testing.assert_allclose(A @ X, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("entries", [1, 16, 60, 200])
def test_tiles_of_any_size_give_the_same(monkeypatch, entries):
    A = packed(lo.Chain.monarch((24, 36), rank=2))
    x = np.sin(np.arange(A.shape[1]))
    expected, adjoint = A @ x, A.H @ expected_like(A)
    monkeypatch.setattr(factorwise, "_TILE_ENTRIES", entries)
    np.testing.assert_allclose(A @ x, expected, rtol=1e-13)
    np.testing.assert_allclose(A.H @ expected_like(A), adjoint, rtol=1e-13)


def expected_like(A):
    return np.cos(np.arange(A.shape[0]))


def test_weights_are_exactly_those_of_the_coding():
    values = random_values(lo.Chain.square_dyadic(8))
    A = pack_butterfly(values, [EIGHT_BITS] * 3)
    for factor, entries in zip(A.unpack().factors, values, strict=True):
        np.testing.assert_array_equal(factor.values, EIGHT_BITS.format.round(entries))


@pytest.mark.parametrize("bits", [2, 3, 7, 12, 30])
def test_ratios_are_within_half_a_step_and_hold_the_ends(bits):
    values = with_unit_columns(random_values([(2, 5, 3, 4)])[0])
    found = pack_butterfly([values], [Ratios(bits)]).unpack().factors[0].values
    assert np.abs(found - values).max() <= 0.5 / (2 ** (bits - 1) - 1) + 1e-15
    assert ((found == 1).sum(axis=1) >= 1).all()
    ends = np.array([1.0, 0.0, -1.0, -1.0]).reshape(1, 4, 1, 1)
    held = pack_butterfly([ends], [Ratios(bits)]).unpack().factors[0].values
    np.testing.assert_array_equal(held, ends)


@pytest.mark.parametrize("bits", [1, 2, 3, 8, 20])
def test_directions_are_the_nearest_of_all(bits):
    values = random_values([(3, 2, 2, 8)])[0]
    found = pack_butterfly([values], [Directions(bits)]).unpack().factors[0].values
    assert (np.abs(found).sum(axis=1) == 1).all()
    if bits >= 2:
        assert _angles(values, found).max() <= 2.0 / 2**bits
    if 2 <= bits <= 8:
        along = np.arange(-1, 1, 2.0 ** (1 - bits))
        every = np.stack([1 - abs(along), along])
        best = np.min([_angles(values, e[None, :, None, None]) for e in every.T], axis=0)
        # Nearest along the square, which by angle is so within the slope between them.
        assert (_angles(values, found) <= 2 * best + 1e-12).all()


def _angles(x, y):
    cross = x[:, 0] * y[:, 1] - x[:, 1] * y[:, 0]
    dot = x[:, 0] * y[:, 0] + x[:, 1] * y[:, 1]
    return np.abs(np.arctan2(np.abs(cross), np.abs(dot)))


def test_directions_hold_the_axes_and_the_diagonals():
    K = np.array([[1.0, 1, 0, 1], [0, 1, 1, -1]]).reshape(1, 2, 4, 1)
    found = pack_butterfly([K], [Directions(3)]).unpack().factors[0].values
    np.testing.assert_array_equal(found[0, 0, :, 0], [1, 0.5, 0, 0.5])
    np.testing.assert_array_equal(found[0, 1, :, 0], [0, 0.5, -1, -0.5])


@pytest.mark.parametrize("bits", [2, 5, 12])
def test_rows_are_the_nearest_multiples_of_the_nearest_directions(bits):
    values = random_values([(3, 4, 2, 8)])[0]
    numbers = lo.FloatFormat(30, 8)
    found = pack_butterfly([values], [Rows(bits, numbers)]).unpack().factors[0].values
    columns = pack_butterfly([values.swapaxes(1, 2)], [Directions(bits)]).unpack().factors[0].values
    assert (_angles(columns, found.swapaxes(1, 2)) <= 1e-7).all()
    left = np.sum((values - found) * found, axis=2)
    np.testing.assert_allclose(left, 0, atol=1e-8)


def test_rows_of_zeros_stay_zeros_and_encoding_twice_changes_nothing():
    values = random_values([(2, 2, 2, 4)])[0]
    values[0, 1] = 0
    coding = Rows(7, lo.FloatFormat(6, 4))
    once = pack_butterfly([values], [coding])
    found = once.unpack().factors[0].values
    assert not found[0, 1].any()
    np.testing.assert_array_equal(pack_butterfly([found], [coding]).codes, once.codes)


def test_it_holds_the_bits_and_no_more():
    chain = lo.Chain.square_dyadic(1024)
    A = packed(chain, coding=EIGHT_BITS)
    assert A.cost.nbytes < chain.nnz + 200
    assert A.cost.parameters == chain.nnz
    assert (2 * A + A.H).cost.nbytes == A.cost.nbytes
    assert A.H.codes is A.codes


def test_a_file_holds_the_bits_and_no_more(tmp_path):
    A = packed(lo.Chain.square_dyadic(512), "complex64")
    path = tmp_path / "packed.npz"
    lo.save(path, 2 * A.H)
    assert path.stat().st_size < A.cost.nbytes + 4096
    assert all(not name.endswith(".pkl") for name in zipfile.ZipFile(path).namelist())
    B = lo.load(path)
    x = np.sin(np.arange(512))
    np.testing.assert_array_equal(B @ x, 2 * A.H @ x)
    strict = pytest.importorskip("array_api_strict")
    y = B.to("array_api_strict") @ strict.asarray(x)
    np.testing.assert_allclose(np.asarray(y), B @ x, rtol=1e-4)


def test_as_floats_it_is_a_butterfly_again():
    A = packed(lo.Chain.square_dyadic(8))
    for dtype in ("float64", "float32", "complex128"):
        F = A.astype(dtype)
        assert isinstance(F, lo.Butterfly)
        assert F.dtype == dtype
        for factor, exact in zip(F.factors, A.unpack().factors, strict=True):
            np.testing.assert_array_equal(factor.values, exact.values.astype(dtype))
    assert A.to("numpy") is A
    both = (A + lo.Identity(8)).to("array_api_strict")
    assert both.namespace.__name__ == "array_api_strict"
    assert isinstance((A + lo.Identity(8)).astype("float32").args[0], lo.Butterfly)


def test_views_turn_back():
    A = packed(lo.Chain.monarch((12, 18), rank=2), "complex128")
    assert A.H.H is A
    D = A.unpack().toarray()
    for view, expected in ((A.H, D.conj().T), (A.T, D.T), (A.conj(), D.conj()), (A.H.T, D.conj())):
        assert view.chain.shape == view.shape == expected.shape
        np.testing.assert_allclose(view.toarray(), expected, rtol=1e-13, atol=1e-13)
        np.testing.assert_array_equal(view.astype(complex).toarray(), view.unpack().toarray())


def test_wrong_bytes_are_errors():
    codes = packed(lo.Chain.square_dyadic(8)).codes
    for wrong in (codes[:2], codes[:9], codes[:-1], np.append(codes, codes[:4])):
        with pytest.raises(ValueError, match=r"bytes|header"):
            PackedButterfly(wrong)
    for place, value in ((0, 0), (0, 99), (1, 9), (7, 77)):  # kind 0 had another order
        damaged = codes.copy()
        damaged[place] = value
        with pytest.raises(ValueError, match=r"packed|bytes|positive"):
            PackedButterfly(damaged)
    floats = packed(lo.Chain.square_dyadic(8), coding=EIGHT_BITS).codes
    for place, value, said in ((2, 0, "no factors"), (11, 3, "codes of unknown kind")):
        damaged = floats.copy()
        damaged[place] = value
        with pytest.raises(ValueError, match=said):
            PackedButterfly(damaged)
    with pytest.raises(TypeError, match="bytes"):
        PackedButterfly([1, 2, 3])
