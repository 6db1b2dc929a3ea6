import copy
import math
import pickle
from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from chains import chains, dense, random_values, support
from hypothesis import given
from hypothesis import strategies as st

from lazyop.butterfly.chain import Chain, restrict_order
from lazyop.butterfly.pattern import Pattern

DYADIC_8 = ((1, 2, 2, 4), (2, 2, 2, 2), (4, 2, 2, 1))


@st.composite
def partitions(draw, length):
    lengths = []
    while sum(lengths) < length:
        lengths.append(draw(st.integers(1, length - sum(lengths))))
    return tuple(lengths)


def test_is_an_immutable_sequence_of_patterns():
    chain = Chain(DYADIC_8)
    assert len(chain) == 3
    assert chain[0] == Pattern(1, 2, 2, 4)
    assert chain[-1] == Pattern(4, 2, 2, 1)
    assert chain[1:] == Chain(DYADIC_8[1:])
    assert isinstance(chain[1:], Chain)
    assert [tuple(p) for p in chain] == list(DYADIC_8)
    assert list(reversed(chain)) == list(chain)[::-1]
    assert Pattern(2, 2, 2, 2) in chain
    assert chain.index(Pattern(2, 2, 2, 2)) == 1
    assert Chain([*chain[:2], Pattern(4, 2, 2, 1)]) == chain
    assert chain != Chain(DYADIC_8[:2])
    assert chain != DYADIC_8
    assert hash(chain) == hash(Chain(DYADIC_8))
    with pytest.raises(AttributeError):
        chain._patterns = ()
    with pytest.raises(AttributeError):
        chain.name = "mine"


def test_copies_and_pickles():
    chain = Chain(DYADIC_8)
    assert pickle.loads(pickle.dumps(chain)) == copy.copy(chain) == copy.deepcopy(chain) == chain


def test_repr_is_one_line_that_makes_it_again():
    chain = Chain.square_dyadic(1024)
    assert "\n" not in repr(chain)
    assert eval(repr(chain)) == chain


def test_empty_chain_and_empty_slice_are_refused():
    with pytest.raises(ValueError, match="at least one pattern"):
        Chain([])
    with pytest.raises(ValueError, match="at least one pattern"):
        Chain(DYADIC_8)[3:]


def test_neighbours_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"patterns 2 and 3 .* \(8, 8\), .* \(6, 6\)"):
        Chain([*DYADIC_8[:2], (3, 2, 2, 1)])


@given(chains())
def test_properties_follow_from_the_patterns(chain):
    assert chain.shape == (chain[0].shape[0], chain[-1].shape[1])
    assert chain.nnz == sum(p.nnz for p in chain)
    assert chain.chainable
    assert chain.ranks == tuple(p.rank_with(q) for p, q in pairwise(chain))
    assert chain == chain.H.H
    assert [tuple(p) for p in chain.H] == [tuple(p.H) for p in reversed(chain)]


def test_adjoint_of_a_chain_chains_only_from_the_other_side():
    chain = Chain(DYADIC_8)
    assert chain.H.shape == chain.shape
    assert not chain.H.chainable
    assert chain.H.H.chainable


def test_ranks_of_a_chain_that_does_not_chain_name_the_first_bad_pair():
    chain = Chain([(1, 2, 2, 4), (4, 2, 2, 1), (2, 2, 2, 2), (1, 2, 2, 4)])
    assert not chain.chainable
    with pytest.raises(ValueError, match="patterns 1 and 2 of the chain"):
        chain[:].ranks  # noqa: B018
    with pytest.raises(ValueError, match="patterns 2 and 3 of the chain"):
        Chain([(1, 2, 2, 4), (2, 2, 2, 2), (1, 2, 2, 4)]).ranks  # noqa: B018


@given(chains(), st.data())
def test_merging_multiplies_the_supports_of_each_group(chain, data):
    lengths = data.draw(partitions(len(chain)))
    merged = chain.merge(lengths)
    assert len(merged) == len(lengths)
    start = 0
    for p, n in zip(merged, lengths, strict=True):
        counts = reduce(np.matmul, [support(q) for q in chain[start : start + n]])
        assert np.array_equal(counts > 0, support(p) > 0)
        start += n


def test_merging_one_by_one_or_all_at_once():
    chain = Chain.square_dyadic(8)
    assert chain.merge((1, 1, 1)) == chain
    assert chain.merge((3,)) == Chain([(1, 8, 8, 1)])
    assert chain.merge(n for n in (1, 2)) == Chain([(1, 2, 2, 4), (2, 4, 4, 1)])


@pytest.mark.parametrize(
    ("partition", "error", "message"),
    [
        ((2, 2), ValueError, r"\(2, 2\) sum to 4, the chain holds 3"),
        ((), ValueError, "sum to 0"),
        ((3, 0), ValueError, "positive"),
        ((1.0, 2.0), TypeError, "group length"),
    ],
)
def test_partitions_that_do_not_fit_are_refused(partition, error, message):
    with pytest.raises(error, match=message):
        Chain(DYADIC_8).merge(partition)


def test_a_group_that_does_not_chain_is_refused():
    chain = Chain([(1, 6, 6, 1), (2, 3, 3, 1), (3, 2, 2, 1)])
    assert chain.merge((2, 1)) == Chain([(1, 6, 6, 1), (3, 2, 2, 1)])
    with pytest.raises(ValueError, match="do not chain"):
        chain.merge((1, 2))


def test_adjoints_of_a_chain_merge_as_the_chain_does():
    chain = Chain(DYADIC_8)
    assert chain.H.merge((1, 2)) == chain.merge((2, 1)).H
    assert not chain.H.chainable


@given(chains())
def test_merging_redundant_neighbours_leaves_none_and_never_costs_values(chain):
    merged = chain.merge()
    assert not merged.redundant
    assert merged.shape == chain.shape
    assert (merged == chain) == (not chain.redundant)
    assert merged.nnz < chain.nnz if chain.redundant else merged.nnz == chain.nnz


@given(chains())
def test_a_chain_without_redundancy_has_none_after_any_merge(chain):
    chain = chain.merge()
    for k in range(1, len(chain)):
        assert not chain.merge((1,) * (k - 1) + (2,) + (1,) * (len(chain) - k - 1)).redundant


def test_redundant_pair_holds_every_matrix_of_its_product_pattern():
    thin, wide = Pattern(1, 2, 4, 2), Pattern(2, 4, 3, 1)
    assert Chain([thin, wide]).redundant
    assert Chain([thin, wide]).merge() == Chain([thin @ wide])
    left, target = (dense(v) for v in random_values([thin, thin @ wide]))
    for column, rows in zip(target.T, support(wide).T > 0, strict=True):
        solution = np.linalg.lstsq(left[:, rows], column)[0]
        assert np.allclose(left[:, rows] @ solution, column)
    assert not Chain([(1, 2, 2, 2), (2, 2, 2, 1)]).redundant


def test_neighbours_that_do_not_chain_are_not_redundant():
    mirrored = Chain(DYADIC_8).H
    assert not mirrored.redundant
    assert mirrored.merge() == mirrored
    mixed = Chain([(2, 2, 2, 2), (1, 2, 2, 4), (2, 1, 4, 4), (8, 4, 1, 1)])
    assert mixed.redundant
    assert mixed._partition() == (1, 1, 2)


def test_restricting_an_order_drops_the_splits_inside_groups():
    assert restrict_order((3, 1, 2), (1, 1, 1, 1)) == (3, 1, 2)
    assert restrict_order((4, 1, 3, 2), (2, 1, 2)) == (2, 1)
    assert restrict_order((1, 2), (3,)) == ()


@given(chains(lengths=st.integers(2, 5)), st.data())
def test_restricted_orders_are_orders_of_the_merged_chain(chain, data):
    order = data.draw(st.permutations(range(1, len(chain))))
    partition = chain._partition()
    assert chain.merge(partition) == chain.merge()
    restricted = restrict_order(order, partition)
    assert sorted(restricted) == list(range(1, len(partition)))
    ends = np.cumsum(partition)
    kept = [s for s in order if s in ends]
    assert [int(ends[s - 1]) for s in restricted] == kept


# The named families -------------------------------------------------------------------------


@pytest.mark.parametrize("bits", range(1, 7))
def test_square_dyadic_is_the_pattern_of_the_fft(bits):
    chain = Chain.square_dyadic(2**bits)
    assert [tuple(p) for p in chain] == [
        (2 ** (k - 1), 2, 2, 2 ** (bits - k)) for k in range(1, bits + 1)
    ]
    assert chain.ranks == (1,) * (bits - 1)
    assert not chain.redundant
    assert chain == Chain.dyadic(2**bits) == Chain.dyadic((2**bits, 2**bits))


def test_dyadic_of_rank_two_merges_its_ends():
    assert Chain.dyadic((64, 64), rank=2) == Chain(
        [(1, 4, 8, 16), (4, 4, 4, 8), (8, 4, 4, 4), (16, 8, 4, 1)]
    )


@given(st.integers(0, 7), st.integers(0, 7), st.integers(1, 5))
def test_dyadic_has_its_shape_and_rank_and_is_not_redundant(row_bits, col_bits, rank):
    shape = 2**row_bits, 2**col_bits
    chain = Chain.dyadic(shape, rank)
    assert chain.shape == shape
    assert set(chain.ranks) <= {rank}
    assert not chain.redundant
    assert math.prod(reduce(lambda p, q: p @ q, chain)) == math.prod(shape)
    if rank == 1:
        assert len(chain) == max(1, min(row_bits, col_bits))


def test_dyadic_spreads_the_longer_side():
    assert Chain.dyadic((64, 16)) == Chain.from_sizes((2, 4, 2, 4), (2, 2, 2, 2))
    assert Chain.dyadic((16, 64)) == Chain.from_sizes((2, 2, 2, 2), (2, 4, 2, 4))
    assert Chain.dyadic((1, 8)) == Chain([(1, 1, 8, 1)])


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=1, max_size=4))
def test_from_sizes_multiplies_to_a_full_matrix(sizes):
    rows, cols = zip(*sizes, strict=True)
    chain = Chain.from_sizes(rows, cols, ranks=2)
    assert chain.ranks == (2,) * (len(sizes) - 1)
    assert reduce(lambda p, q: p @ q, chain) == Pattern(1, math.prod(rows), math.prod(cols), 1)


def test_from_sizes_follows_its_formula():
    assert Chain.from_sizes([4, 2, 8], [2, 3, 5], ranks=[2, 3]) == Chain(
        [(1, 4, 2 * 2, 16), (2, 2 * 2, 3 * 3, 8), (6, 8 * 3, 5, 1)]
    )


def test_monarch_follows_its_formula():
    assert Chain.monarch((12, 30), blocks=(3, 5), rank=2) == Chain([(1, 4, 10, 3), (5, 6, 6, 1)])
    assert Chain.monarch(64) == Chain([(1, 8, 8, 8), (8, 8, 8, 1)])
    assert Chain.monarch(64, blocks=4) == Chain([(1, 16, 4, 4), (4, 4, 16, 1)])
    assert Chain.monarch((12, 50)) == Chain([(1, 4, 5, 3), (5, 3, 10, 1)])
    assert Chain.monarch((7, 7), rank=2) == Chain([(1, 7, 2, 1), (1, 2, 7, 1)])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Chain.square_dyadic(12), ValueError, "powers of two, got 12"),
        (lambda: Chain.dyadic((8, 6)), ValueError, "powers of two, got 6"),
        (lambda: Chain.dyadic(8, rank=0), ValueError, "rank must be a positive integer"),
        (lambda: Chain.dyadic((8, 8, 8)), ValueError, "shape must be one integer or two"),
        (lambda: Chain.dyadic(8.0), TypeError, "shape must be a positive integer"),
        (lambda: Chain.monarch(12, blocks=5), ValueError, "5 blocks do not divide 12 rows"),
        (lambda: Chain.monarch(12, blocks=(3, 5)), ValueError, "5 blocks .* 12 columns"),
        (lambda: Chain.from_sizes([2, 2], [2]), ValueError, "got 2 and 1"),
        (lambda: Chain.from_sizes([2, 2], [2, 2], [1, 1]), ValueError, "has 1 ranks, got 2"),
        (lambda: Chain.from_sizes([], []), ValueError, "at least one"),
        (lambda: Chain.from_sizes([2, 0], [2, 2]), ValueError, "a row size must be"),
        (lambda: Chain([(1, 2, 3)]), TypeError, "four integers"),
        (lambda: Chain(5), TypeError, "expected patterns.*got int"),
    ],
)
def test_bad_arguments_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
