from functools import reduce
from itertools import pairwise
from operator import matmul

import numpy as np
import pytest
from chains import chains, dense, product, random_values, support
from hypothesis import given
from hypothesis import strategies as st

import lazyop as lo
from lazyop.butterfly.blocks import (
    Junction,
    chain_values,
    dense_from_values,
    values_from_dense,
)
from lazyop.butterfly.pattern import Pattern

PATTERNS = [(1, 3, 2, 1), (2, 3, 2, 1), (1, 2, 3, 2), (2, 2, 3, 4), (3, 1, 1, 2)]


@pytest.mark.parametrize("fields", PATTERNS)
@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_dense_and_back(fields, dtype):
    (values,) = random_values([Pattern(*fields)], dtype=dtype)
    matrix = dense_from_values(values)
    assert matrix.dtype == dtype
    assert np.array_equal(matrix, dense(values))
    noise = np.random.default_rng(0).standard_normal(matrix.shape) * (support(fields) == 0)
    assert np.array_equal(values_from_dense(matrix + noise, Pattern(*fields)), values)


@given(chains(lengths=st.integers(2, 4)))
def test_blocks_multiply_to_the_product(chain):
    for p, q in pairwise(chain):
        junction = Junction(p, q)
        left, right = random_values([p, q], dtype=complex)
        X, Y = junction.split_left(left), junction.split_right(right)
        assert X.shape[-1] == Y.shape[-2] == junction.rank
        values = junction.product(left, right)
        assert values.shape == tuple(p @ q)
        assert np.allclose(dense(values), dense(left) @ dense(right))
        assert np.allclose(X @ Y, junction.split(values))


@pytest.mark.parametrize(
    "dtypes", [("float64", "complex128"), ("float32", "float64"), ("i8", "f8")]
)
def test_products_have_the_wider_dtype(dtypes):
    for first, second in (dtypes, dtypes[::-1]):
        left, right = np.full((1, 2, 2, 2), 3, first), np.full((2, 2, 2, 1), np.pi).astype(second)
        F = lo.Butterfly([left, right])
        expected = dense(left) @ dense(right)
        dtype = np.result_type(first, second)
        for A in (F, F.merge((2,)), F.with_plan(F.plan(1))):
            assert A.dtype == dtype
            np.testing.assert_allclose(A.toarray(), expected, rtol=1e-14)
            np.testing.assert_allclose(A @ np.ones(4), expected @ np.ones(4), rtol=1e-14)
        junction = Junction(Pattern(1, 2, 2, 2), Pattern(2, 2, 2, 1))
        Y = junction.split_right(right)
        X = np.ones((*Y.shape[:-1], Y.shape[-2]), first)
        assert junction.join_right_product(X, Y).dtype == dtype


@given(chains(lengths=st.integers(2, 3)))
def test_joining_undoes_splitting(chain):
    p, q = chain[:2]
    junction = Junction(p, q)
    left, right, both = random_values([p, q, p @ q])
    assert np.array_equal(junction.join_left(junction.split_left(left)), left)
    assert np.array_equal(junction.join_right(junction.split_right(right)), right)
    assert np.array_equal(junction.join(junction.split(both)), both)


@given(chains())
def test_values_of_a_chain_are_those_of_the_dense_product(chain):
    factors = random_values(chain)
    values = chain_values(factors, chain)
    assert values.shape == tuple(reduce(matmul, chain))
    assert np.allclose(dense(values), product(factors))
    assert np.allclose(values_from_dense(product(factors), reduce(matmul, chain)), values)
