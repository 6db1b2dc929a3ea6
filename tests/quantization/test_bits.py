"""Streams of codes of few bits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazyop.quantization.bits import (
    pack,
    pack_each,
    put_number,
    read,
    read_each,
    stream_bytes,
    take_number,
)


@given(
    width=st.integers(0, 52),
    count=st.sampled_from([1, 3, 8, 31, 256, 300, 512]),
    seed=st.integers(0, 9),
)
def test_codes_come_back_from_any_place(width, count, seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 2**width, count)
    stream = pack(codes, width)
    assert stream.size == stream_bytes(count, width)
    index = rng.permutation(count)[: count // 2 + 1].reshape(1, -1)
    np.testing.assert_array_equal(read(stream, count, width, index), codes[index])


def test_codes_follow_each_other_bit_after_bit():
    codes = np.arange(100) % 7
    bits = np.unpackbits(pack(codes, 3), bitorder="little")
    number = sum(int(code) << 3 * k for k, code in enumerate(codes))
    assert [number >> k & 1 for k in range(300)] == list(bits[:300])
    assert not bits[300:].any()


@given(width=st.integers(1, 40), octets=st.integers(1, 9))
def test_eight_codes_have_as_many_bytes_as_one_has_bits(width, octets):
    codes = np.arange(8 * octets) % 2**width
    stream = pack(codes, width)
    for k in range(octets):
        part = pack(codes[8 * k : 8 * k + 8], width)[:width]
        np.testing.assert_array_equal(stream[k * width : (k + 1) * width], part)


@given(
    widths=st.lists(st.integers(0, 56), min_size=1, max_size=40),
    offset=st.integers(0, 3),
    seed=st.integers(0, 9),
)
def test_codes_of_different_widths_come_back(widths, offset, seed):
    widths = np.array(widths)
    codes = np.array(
        [np.random.default_rng([seed, k]).integers(2**w) for k, w in enumerate(widths)]
    )
    before = np.full(8 + offset, 255, np.uint8)
    stream = np.concatenate([before, pack_each(codes, widths)])
    found, end = read_each(stream, 8 * before.size, widths)
    np.testing.assert_array_equal(found, codes)
    assert end == 8 * before.size + widths.sum()


@given(numbers=st.lists(st.integers(0, 2**62), max_size=5))
def test_numbers_of_a_header_come_back(numbers):
    data = np.frombuffer(b"".join(map(put_number, numbers)), np.uint8)
    at = 0
    for number in numbers:
        found, at = take_number(data, at)
        assert found == number
    assert at == data.size


def test_a_header_that_ends_too_early_is_an_error():
    with pytest.raises(ValueError, match="end within"):
        take_number(np.array([200], np.uint8), 0)
