"""Streams of codes of few bits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazyop.quantization.bits import (
    LANES,
    lanes_for,
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


@given(width=st.integers(1, 40), rows=st.integers(1, 9))
def test_streams_that_fill_all_lanes_have_no_gap(width, rows):
    count = LANES * 32 * rows
    assert lanes_for(count) == LANES
    assert 8 * stream_bytes(count, width) == count * width


def test_a_lane_holds_every_eighth_code_bit_after_bit():
    codes = np.arange(256) % 7
    words = pack(codes, 3).view("<u4").reshape(3, LANES)
    for lane, first in enumerate([0, 4, 1, 5, 2, 6, 3, 7]):  # a half in even, a half in odd lanes
        bits = sum(int(word) << 32 * k for k, word in enumerate(words[:, lane]))
        assert [bits >> 3 * s & 7 for s in range(32)] == list(codes[first::LANES])


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
