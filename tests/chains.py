"""Random chains, and dense matrices of patterns and factors straight from their definition."""

import math
from functools import reduce

import numpy as np
from hypothesis import strategies as st

from lazyop.butterfly.chain import Chain


def support(pattern):
    a, b, c, d = pattern
    return np.kron(np.eye(a), np.kron(np.ones((b, c)), np.eye(d)))


def dense(values):
    a, b, c, d = values.shape
    matrix = np.zeros((a * b * d, a * c * d), dtype=values.dtype)
    i, k, l, j = np.indices(values.shape)
    matrix[i * b * d + k * d + j, i * c * d + l * d + j] = values
    return matrix


def product(factors):
    return reduce(np.matmul, [dense(np.asarray(values)) for values in factors])


def random_values(chain, seed=0, dtype=float, uniform=False):
    rng = np.random.default_rng(seed)
    draw = rng.random if uniform else rng.standard_normal
    real = [draw(tuple(p)) for p in chain]
    if np.dtype(dtype).kind == "c":
        real = [values + 1j * draw(values.shape) for values in real]
    return [values.astype(dtype) for values in real]


@st.composite
def chains(
    draw, lengths=st.integers(1, 4), outer=st.sampled_from([(1, 1), (1, 2), (2, 1), (2, 3)])
):
    """Chainable chains, redundant or not, whose product need not be a full matrix."""
    length = draw(lengths)
    size = st.integers(1, 3)
    rows = draw(st.lists(size, min_size=length, max_size=length))
    cols = draw(st.lists(size, min_size=length, max_size=length))
    ranks = draw(st.lists(st.integers(1, 3), min_size=length - 1, max_size=length - 1))
    a, d = draw(outer)
    chain = Chain.from_sizes(rows, cols, ranks)
    assert math.prod(rows) == chain.shape[0]
    return Chain((a * p.a, p.b, p.c, d * p.d) for p in chain)
