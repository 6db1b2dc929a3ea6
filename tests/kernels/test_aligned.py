"""Where new arrays begin, and what becomes of the memory of large ones."""

import numpy as np
import pytest

from lazyop.kernels.plan import has_compiled

if not has_compiled():
    pytest.skip("Numba is not installed", allow_module_level=True)

from lazyop.kernels import aligned

LARGE = aligned._FEWEST_LENT


@pytest.fixture(autouse=True)
def no_spare_memory():
    aligned._spare.clear()
    yield
    aligned._spare.clear()


def new(size, dtype="uint8"):
    return aligned.empty((size,), size, np.dtype(dtype))


def address(array):
    return array.ctypes.data


@pytest.mark.parametrize("size", [0, 1, 1000, LARGE, LARGE + 1])
def test_arrays_begin_at_a_line(size):
    assert address(new(size)) % aligned.LINE_BYTES == 0
    assert new(size).shape == (size,)


def test_joined_vectors():
    vectors = [np.arange(3.0), np.arange(0.0), np.arange(5.0)]
    found = aligned.joined(vectors)
    np.testing.assert_array_equal(found, np.concatenate(vectors))
    assert address(found) % aligned.LINE_BYTES == 0


def test_memory_of_what_is_gone_is_lent_again():
    first = new(LARGE)
    where = address(first)
    del first
    second = new(LARGE)
    assert address(second) == where
    assert address(new(LARGE)) != where


def test_memory_in_use_is_not_lent():
    first = new(LARGE, "uint8")
    first[:] = 7
    view = memoryview(first[5:].reshape(-1, 1))
    del first
    others = [new(LARGE) for _ in range(3)]
    for other in others:
        other[:] = 9
    assert view[0, 0] == view[LARGE - 6, 0] == 7


def test_one_block_at_most_is_kept():
    arrays = [new(LARGE), new(2 * LARGE), new(LARGE + 64)]
    while arrays:
        last = arrays.pop()
        size = last.size
        del last
        assert [memory.size for memory in aligned._spare] == [size + aligned.LINE_BYTES]
    assert new(3 * LARGE).size == 3 * LARGE
    assert aligned._spare == [] or aligned._spare[0].size == 3 * LARGE + aligned.LINE_BYTES


@pytest.mark.parametrize("size", [LARGE - 1, aligned._MOST_LENT + 1])
def test_other_sizes_are_given_back(size):
    assert len(new(size)) == size
    assert aligned._spare == []
