"""Codes of a few bits in registers, by every way in which processors read them."""

import numpy as np
import pytest

from lazyop.kernels.plan import has_compiled
from lazyop.quantization.bits import pack

if not has_compiled():
    pytest.skip("Numba is not installed", allow_module_level=True)

from numba import njit

from lazyop.kernels import streams as reading
from lazyop.kernels.codes import directions
from lazyop.kernels.jit import INNER, has, has_many_registers
from lazyop.kernels.octets import eight, store_eight

#: Each way, and the entries for which this processor has it.
WAYS = {
    "pairs": (reading._loaded_in_pairs, "fd"),
    "halves": (reading._permuted_by_halves, "f" if has_many_registers() else "fd" * has("avx2")),
    "permuted": (reading._permuted, "fd" * has("avx512vbmi")),
}


def reader(codes, is_short):
    """Return a function that reads streams of directions, eight at a time."""

    @njit(**{**INNER, "forceinline": False, "no_cpython_wrapper": False})
    def read(B, width, out):
        like = eight(out)
        for octet in range(out.size // 8):
            if is_short:
                found = codes(B, octet * width, width, True, like)
            else:
                found = codes(B, octet * width, width, False, like)
            store_eight(out, 8 * octet, directions(found, width, like))

    return read


def agree(read, widths, dtype):
    for width in widths:
        codes = np.random.default_rng(width).integers(0, 2**width, 64)
        codes[:2] = 0, 2**width - 1
        found = np.empty(64, dtype)
        read(np.append(pack(codes, width), np.full(reading.WINDOW, 255, np.uint8)), width, found)
        np.testing.assert_array_equal(found, codes * 2.0 ** (1 - width) - 1)


@pytest.mark.parametrize(("dtype", "widest"), [("float64", 29), ("float32", 23)])
@pytest.mark.parametrize("way", WAYS)
def test_codes_of_any_width(way, dtype, widest):
    read, of = WAYS[way]
    if np.dtype(dtype).char not in of:
        pytest.skip("this processor has no such instruction")
    agree(reader(reading.codes_read(read), is_short=False), range(1, widest + 1), dtype)


def test_short_codes():
    agree(reader(reading.codes, is_short=True), range(1, 9), "float64")
