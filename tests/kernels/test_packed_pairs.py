"""Products of compiled code with the packed bits of dyadic chains."""

import numpy as np
import pytest
from chains import random_values

import lazyop as lo
from lazyop.kernels import packed_chain
from lazyop.kernels.plan import Tiling, has_compiled
from lazyop.quantization.codings import Directions, Floats, Ratios, Rows
from lazyop.quantization.packed import pack_butterfly

pytestmark = pytest.mark.skipif(not has_compiled(), reason="Numba is not installed")


def packed(n, dtype="float64", widths=(5, 1, 11, 29), form=(6, 3, 3), seed=0):
    values = random_values(lo.Chain.square_dyadic(n), seed)
    t, w, bias = form
    norms = lo.FloatFormat(t, w, bias=bias, specials="none")
    *codings, last = (Directions(widths[k % len(widths)]) for k in range(len(values)))
    values[-1] *= min(1, norms.largest / np.abs(values[-1]).sum(axis=2).max())
    rows = Rows(last.bits, norms)
    return pack_butterfly([v.astype(dtype) for v in values], [*codings, rows])


def agree(A, x, rtol):
    U = A.astype(np.result_type(A.dtype, x.dtype))
    for op, plain in ((A, U), (A.T, U.T)):
        y, expected = op @ x, plain @ x
        assert y.dtype == expected.dtype
        np.testing.assert_allclose(y, expected, rtol=0, atol=rtol * np.abs(expected).max())


def test_it_is_what_products_take():
    A = packed(256)
    assert A.plan(1).steps[0].kernel == "compiled"
    assert A.plan(100).steps[0].kernel == "unpacked"
    assert packed(128).plan(1).steps[0].kernel == "unpacked"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [256, 512, 1024, 2048, 4096])
def test_products_are_those_of_the_unpacked_weights(n, dtype):
    A = packed(n, dtype, (5, 1, 11, 23 if dtype == "float32" else 29))
    rtol = 2e-6 if dtype == "float32" else 1e-14
    agree(A, np.sin(np.arange(n)).astype(dtype), rtol)


@pytest.mark.parametrize("shape", [(512, 1), (512, 3), (2, 512, 2)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_arguments_of_any_form(shape, dtype):
    A = packed(512, "float32", (5, 1, 23))
    x = np.cos(np.arange(np.prod(shape))).reshape(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * x[..., ::-1, :]
    agree(A, x.astype(dtype), 2e-6)
    agree(A, np.asfortranarray(x[..., ::-1, :]).astype(dtype)[..., :, ::-1], 2e-6)


@pytest.mark.parametrize("form", [(1, 2, 2), (4, 1, 1), (8, 5, 16), (22, 7, 60), (11, 5, -3)])
def test_norms_of_any_format_and_subnormal_ones(form):
    agree(packed(512, form=form), np.sin(np.arange(512)), 1e-14)


@pytest.mark.parametrize("span", [16, 32, 128, 512])
@pytest.mark.parametrize("threads", [1, 2])
def test_rows_in_parts_give_the_same(monkeypatch, span, threads):
    n = 2048

    def tiling(strides, rows, levels, itemsize):
        low = sum(stride < span for stride in strides)
        where = strides[low] if low < len(strides) else rows
        return Tiling(0, low, where, min(8, where), threads)

    A, x = packed(n), np.sin(np.arange(n))
    expected = A @ x, A.T @ x
    monkeypatch.setattr(packed_chain, "choose_packed_tiling", tiling)
    np.testing.assert_array_equal(A @ x, expected[0])
    np.testing.assert_array_equal(A.T @ x, expected[1])


def test_what_the_kernel_does_not_take_is_unpacked():
    values = random_values(lo.Chain.square_dyadic(256))
    norms = lo.FloatFormat(6, 3, bias=3, specials="none")
    values[-1] = np.clip(values[-1], -1, 1)
    rows = Rows(5, norms)
    for codings in (
        [Directions(30)] * 7 + [rows],
        [Directions(5)] * 7 + [Rows(30, norms)],
        [Directions(5)] * 7 + [Rows(5, lo.FloatFormat(30, 4))],
        [Directions(5)] * 7 + [Rows(5, lo.FloatFormat(4, 9))],
        [Directions(5)] * 6 + [Ratios(5), rows],
        [Directions(5)] * 7 + [Floats(norms)],
    ):
        A = pack_butterfly(values, codings)
        assert A.plan(1).steps[0].kernel == "unpacked"
        agree(A, np.sin(np.arange(256)), 1e-13)
    single = [v.astype("float32") for v in values]
    for codings in (
        [Directions(24)] * 7 + [rows],
        [Directions(5)] * 7 + [Rows(5, lo.FloatFormat(23, 4, specials="none"))],
    ):
        wide = pack_butterfly(single, codings)
        assert wide.plan(1).steps[0].kernel == "unpacked"
        agree(wide, np.sin(np.arange(256, dtype="float32")), 2e-6)


def test_a_large_chain_in_two_runs_of_stages():
    n = 1 << 16
    agree(packed(n), np.sin(np.arange(n)), 1e-13)
