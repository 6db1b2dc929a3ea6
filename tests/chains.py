"""Random chains, and dense matrices of patterns and factors straight from their definition."""

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


OUTER = st.sampled_from([(1, 1), (1, 2), (2, 1), (2, 3)])


@st.composite
def chains(draw, lengths=st.integers(1, 4)):
    """Chainable chains, most of them redundant; the product need not be a full matrix."""
    length = draw(lengths)
    size = st.integers(1, 3)
    rows, cols = (draw(st.lists(size, min_size=length, max_size=length)) for _ in range(2))
    ranks = draw(st.lists(st.integers(1, 3), min_size=length - 1, max_size=length - 1))
    return widened(Chain.from_sizes(rows, cols, ranks), *draw(OUTER))


@st.composite
def proper_chains(draw, lengths=st.integers(1, 5)):
    """Chainable chains without redundant neighbours, so that they keep their length."""
    length = draw(lengths)
    size = st.sampled_from([2, 2, 3])
    rows, cols = (draw(st.lists(size, min_size=length, max_size=length)) for _ in range(2))
    ranks = draw(st.lists(st.integers(1, 2), min_size=length - 1, max_size=length - 1))
    chain = Chain.from_sizes(rows, cols, ranks)
    while chain.redundant:
        ranks[ranks.index(2)] = 1
        chain = Chain.from_sizes(rows, cols, ranks)
    return widened(chain, *draw(OUTER)) if length < 4 else chain


def widened(chain, a, d):
    """The chain whose products have `a d` independent blocks where those of `chain` have one."""
    return Chain((a * p.a, p.b, p.c, d * p.d) for p in chain)
