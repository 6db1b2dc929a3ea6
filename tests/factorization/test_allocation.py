from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazyop.butterfly.chain import Chain
from lazyop.factorization.allocation import (
    Allocation,
    fewest_numbers,
    least_tail,
    uniform_ranks,
)
from lazyop.factorization.cuts import Cut, cut_places

SHAPES = st.sampled_from([(8, 8), (16, 16), (12, 18), (6, 35), (7, 11), (1, 9), (9, 1), (1, 1)])


@st.composite
def problems(draw):
    """A shape, and its cuts with tails that fall to zero at full rank."""
    m, n = draw(SHAPES)
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    cuts = []
    for B, C in cut_places(m, n):
        energies = np.sort(rng.random(min(B, n // C)) ** draw(st.sampled_from([1, 8])))[::-1]
        cuts.append(Cut(B, C, np.append(np.cumsum(energies[::-1])[::-1][1:], 0.0)))
    return (m, n), cuts


def all_allocations(shape, cuts):
    """Every path of cuts with every rank."""
    paths = [()]
    for path in paths:
        paths += [(*path, c) for c in cuts if not path or path[-1].before(c)]
    for path in paths:
        for ranks in product(*(range(1, len(c.tails) + 1) for c in path)):
            yield Allocation(shape, path, ranks)


@given(problems(), st.data())
def test_an_allocation_counts_the_numbers_of_its_chain(problem, data):
    shape, cuts = problem
    path = []
    for cut in cuts:
        if data.draw(st.booleans()) and (not path or path[-1].before(cut)):
            path.append(cut)
    ranks = tuple(data.draw(st.integers(1, len(cut.tails))) for cut in path)
    allocation = Allocation(shape, tuple(path), ranks)
    rows = np.array([1, *(c.rows for c in path), shape[0]])
    columns = np.array([1, *(c.columns for c in path), shape[1]])
    sizes = (rows[1:] // rows[:-1]).tolist(), (columns[1:] // columns[:-1]).tolist()
    assert allocation.numbers == Chain.from_sizes(*sizes, ranks).nnz
    assert allocation.chain.shape == shape
    assert allocation.chain.nnz <= allocation.numbers
    assert not allocation.chain.redundant


@given(problems(), st.floats(0, 3))
def test_fewest_numbers_keeps_the_budget_and_comes_near_the_optimum(problem, budget):
    shape, cuts = problem
    found = fewest_numbers(shape, cuts, budget)
    assert found.tail <= budget
    assert found.numbers <= shape[0] * shape[1]
    best = min(a.numbers for a in all_allocations(shape, cuts) if a.tail <= budget)
    assert best <= found.numbers <= 2 * best


@given(problems(), st.integers(1, 300))
def test_least_tail_keeps_the_limit_and_comes_near_the_optimum(problem, limit):
    shape, cuts = problem
    within = [a.tail for a in all_allocations(shape, cuts) if a.numbers <= limit]
    if not within:
        with pytest.raises(ValueError, match=rf"no chain .* {limit} parameters or fewer"):
            least_tail(shape, cuts, limit)
        return
    found = least_tail(shape, cuts, limit)
    assert found.numbers <= limit
    smaller = [a.tail for a in all_allocations(shape, cuts) if a.numbers <= 0.6 * limit]
    assert found.tail <= min(smaller, default=np.inf) + 1e-12


def test_without_a_budget_the_dense_factor_remains():
    cuts = [Cut(B, C, np.array([1.0, 0.5, 0.0])) for B, C in [(4, 4)]]
    found = fewest_numbers((16, 16), cuts, 0.0)
    assert found.chain in (Chain([(1, 16, 16, 1)]), Chain.from_sizes((4, 4), (4, 4), 3))
    assert found.numbers == min(256, 2 * 64 * 3)


def test_uniform_ranks_make_the_dyadic_chain():
    cuts = [Cut(B, C, np.zeros(min(B, 64 // C))) for B, C in cut_places(64, 64)]
    for rank in (1, 2, 4, 8):
        assert uniform_ranks((64, 64), cuts, rank).chain == Chain.dyadic(64, rank)


def test_tails_far_below_rounding_make_no_multiplier_infinite():
    cuts = [Cut(B, B, np.array([size, size / 2, 0.0])) for B, size in ((2, 1e-280), (4, 1e-290))]
    for limit in (48, 60):
        assert least_tail((8, 8), cuts, limit).numbers <= limit
    assert fewest_numbers((8, 8), cuts, 1e-307).numbers <= 64
