"""Packed weights, multiplied from their codes by the CUDA kernels: no GPU, NumPy taken for CuPy."""

import pickle

import array_api_compat
import numpy as np
import pytest
from machines import Compiled, compiler
from market import random

import lazyop as lo
from lazyop.kernels import cuda
from lazyop.quantization import bits
from lazyop.quantization.codings import Directions, Floats, Ratios, Rows
from lazyop.quantization.on_device import is_readable
from lazyop.quantization.packed import PackedButterfly, pack_butterfly

FORMATS = {
    "float16": lo.FloatFormat(11, 5),
    "bfloat16": lo.FloatFormat(8, 8),
    "e4m3fn": lo.FloatFormat(4, 4, specials="nan"),
    "e5m2": lo.FloatFormat(3, 5),
    "odd": lo.FloatFormat(6, 3, bias=5, specials="none"),
    "single": lo.FloatFormat(24, 8),
}

#: Streams of one lane and of eight, and blocks that no stage takes together.
CHAINS = {
    "short": lo.Chain.square_dyadic(16),
    "long": lo.Chain.square_dyadic(256),
    "monarch": lo.Chain.monarch((12, 18), rank=2),
}


@pytest.fixture
def device(monkeypatch, tmp_path_factory):
    """A machine where arrays are as soon as they are asked for from then on."""
    if compiler() is None:
        pytest.skip("no C++ compiler on this machine")
    machine = Compiled(tmp_path_factory.getbasetemp().parent)

    def moved(packed):
        with monkeypatch.context() as patch:
            patch.setattr(cuda, "MACHINE", machine)
            patch.setattr(array_api_compat, "is_cupy_array", lambda x: isinstance(x, np.ndarray))
            return packed._rebuild_with(packed.codes)

    moved.launches = machine.launches
    return moved


def packed_by(chain, coding, dtype):
    values = [random(dtype, *p, seed=k) for k, p in enumerate(chain)]
    return pack_butterfly(values, [coding] * len(values))


def agree(A, exact, dtype):
    for turned, D in ((A, exact), (A.H, exact.conj().T), (A.T, exact.T), (A.conj(), exact.conj())):
        assert turned.dtype == dtype
        for columns in (1, 16):
            X = random(dtype, D.shape[1], columns)
            expected = D @ X
            error = np.linalg.norm(turned @ X - expected)
            assert error <= 20 * np.finfo(dtype).eps * np.linalg.norm(expected)


@pytest.mark.parametrize("dtype", ["float32", "complex64", "float64"])
@pytest.mark.parametrize("name", FORMATS)
def test_floats(name, dtype, device):
    for chain in CHAINS.values():
        packed = packed_by(chain, Floats(FORMATS[name]), dtype)
        A = device(packed)
        agree(A, packed.unpack().tosparse().toarray(), dtype)
        assert {work.weight for work in device.launches} == {f"codes of {dtype}"}
        assert A.plan(3).steps[0].kernel == "cuda"
        assert A.cost == packed.cost


@pytest.mark.parametrize("width", [1, 2, 5, 11, 24])
def test_directions(width, device):
    for chain in (CHAINS["short"], CHAINS["long"]):
        values = [random("float32", *p, seed=k) for k, p in enumerate(chain)]
        for last in (Floats(FORMATS["float16"]), Rows(width, FORMATS["float16"])):
            packed = pack_butterfly(values, [Directions(width)] * (len(values) - 1) + [last])
            agree(device(packed), packed.unpack().tosparse().toarray(), "float32")


@pytest.mark.parametrize("name", FORMATS)
def test_every_code_is_the_number_that_it_stands_for(name, device):
    """One entry after another, infinities, NaN and the smallest numbers among them."""
    form = FORMATS[name]
    every = 2 ** min(form.bits, 12)
    codes = (np.arange(every) * 2 ** (form.bits - 12 if form.bits > 12 else 0)).astype(np.uint64)
    data = pack_butterfly([np.zeros((every, 1, 1, 1))], [Floats(form)]).codes.copy()
    stream = bits.pack(codes.astype(np.int64), form.bits)
    start = PackedButterfly(data)._store.factors[0].streams[0][0]
    data[start : start + stream.size] = stream
    A = device(PackedButterfly(data))
    with np.errstate(invalid="ignore"):
        found = A @ np.ones(every)
    np.testing.assert_array_equal(found, form.decode(codes))


def test_quantized_butterflies(device):
    F = lo.Butterfly([random("float32", *p, seed=k) for k, p in enumerate(CHAINS["short"])])
    for options in (
        {"format": "bfloat16"},
        {"format": "float16", "method": "round"},
        {"bits": 6, "method": "normal-form", "widths": "factor"},
    ):
        packed = lo.quantize(F, **options).operator
        assert isinstance(packed, PackedButterfly)
        agree(device(packed), packed.unpack().tosparse().toarray(), "float32")
        assert pickle.loads(pickle.dumps(packed)).codes.size == packed.codes.size


def test_what_kernels_do_not_read_is_unpacked():
    chain = CHAINS["short"]
    by_number = lo.quantize(
        lo.Butterfly([random("float64", *p) for p in chain]), bits=6, method="normal-form"
    ).operator
    for packed in (
        packed_by([(2, 3, 2, 2)], Ratios(4), "float32"),
        packed_by(chain, Floats(lo.FloatFormat(8, 9)), "float64"),
        packed_by(chain, Floats(lo.FloatFormat(30, 8)), "float64"),
        by_number,
    ):
        assert not is_readable(packed._store)
        there = packed.to("array_api_strict")
        assert isinstance(there, lo.Butterfly)
    assert is_readable(packed_by(chain, Floats(FORMATS["float16"]), "complex128")._store)
