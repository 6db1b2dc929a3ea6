"""Equal dense blocks are one stack, through adjoints and round trips."""

import numpy as np
import pytest
from market import random

import lazyop as lo


@pytest.mark.parametrize("dtype", ["float64", "complex64"])
def test_equal_blocks_share_one_stack(dtype):
    A = lo.BlockDiagonal([random(dtype, 3, 2, seed=i) for i in range(4)])
    assert A._stack.shape == (4, 3, 2)
    for B in (A.T, A.T.T):
        assert np.shares_memory(B._stack, A._stack)
    assert A.cost.parameters == 4 * 3 * 2


def test_blocks_that_differ_are_applied_one_by_one():
    for blocks in (
        [np.ones((2, 2)), np.ones((2, 3))],
        [np.ones((2, 2)), np.ones((2, 2), "float32")],
        [np.ones((2, 2)), lo.Identity(2)],
        [np.ones((200, 200)), np.ones((200, 200))],
    ):
        assert lo.BlockDiagonal(blocks)._stack is None


def test_parts_of_one_array_are_not_copied():
    blocks = random("float64", 5, 3, 3)
    assert np.shares_memory(lo.BlockDiagonal(list(blocks))._stack, blocks)
    apart = lo.BlockDiagonal([blocks[0], blocks[2], blocks[4]])
    np.testing.assert_array_equal(apart._stack, blocks[::2])
    backwards = lo.BlockDiagonal(list(blocks[::-1]))
    np.testing.assert_array_equal(backwards._stack, blocks[::-1])


@pytest.mark.parametrize("shape", [(0, 2), (2, 0)])
def test_blocks_without_entries_within_a_larger_operator(shape):
    B = lo.BlockDiagonal([np.ones(shape)] * 2)
    for A in (lo.vstack([B, np.ones((1, B.shape[1]))]), lo.hstack([B, np.ones((B.shape[0], 1))])):
        for op in (A, A.T):
            np.testing.assert_array_equal(
                op @ np.ones(op.shape[1]), np.full(op.shape[0], op.shape[1])
            )
