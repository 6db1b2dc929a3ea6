from functools import reduce
from itertools import pairwise

import array_api_strict
import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from lazyop.algebra.composite import Sum
from lazyop.aslazy import aslazy
from lazyop.factorization.nearest_kron import nearest_kron
from lazyop.structured.kron import Kron


def gaussian(*shape, seed=(0,), dtype="float64"):
    rng = np.random.default_rng([*seed, *shape])
    matrix = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        matrix = matrix + 1j * rng.standard_normal(shape)
    return matrix.astype(dtype)


def products(shapes, terms, dtype="float64"):
    operands = [
        [gaussian(*s, seed=(k, i), dtype=dtype) for i, s in enumerate(shapes)] for k in range(terms)
    ]
    return sum(reduce(np.kron, group) for group in operands)


def error(found, A):
    return np.linalg.norm(A - found.toarray()) / np.linalg.norm(A)


def rearranged(A, first, second):
    """Row (i, j) holds block (i, j) of A, entry by entry."""
    (m, n), (p, q) = first, second
    blocks = [A[i * p : (i + 1) * p, j * q : (j + 1) * q] for i in range(m) for j in range(n)]
    return np.stack([block.ravel() for block in blocks])


SIZES = st.tuples(st.integers(1, 4), st.integers(1, 4))


@given(SIZES, SIZES, st.integers(1, 5), st.sampled_from(["float64", "complex128"]))
def test_error_is_that_of_the_truncated_rearrangement(first, second, terms, dtype):
    A = gaussian(first[0] * second[0], first[1] * second[1], dtype=dtype)
    found = nearest_kron(A, [first, second], terms)
    tail = np.linalg.svd(rearranged(A, first, second), compute_uv=False)[terms:]
    assert found.shape == A.shape
    assert found.dtype == dtype
    assert error(found, A) == pytest.approx(np.linalg.norm(tail) / np.linalg.norm(A), abs=1e-13)


@given(st.lists(SIZES, min_size=2, max_size=4), st.sampled_from(["float64", "complex128"]))
def test_a_kronecker_product_is_found_exactly(shapes, dtype):
    A = products(shapes, 1, dtype)
    found = nearest_kron(A, shapes)
    assert isinstance(found, Kron)
    assert [op.shape for op in found.operands] == shapes
    assert error(found, A) < 1e-13


@pytest.mark.parametrize("terms", [2, 3])
def test_a_sum_is_found_with_no_more_terms_than_it_has(terms):
    shapes = [(3, 4), (5, 2)]
    A = products(shapes, terms)
    found = nearest_kron(A, shapes, terms=9)
    assert isinstance(found, Sum)
    assert len(found.operands) == terms
    assert error(found, A) < 1e-13
    norms = [np.linalg.norm(op.toarray()) for op in found.operands]
    assert norms == sorted(norms, reverse=True)


def test_more_terms_of_three_operands_come_closer():
    shapes = [(2, 2), (3, 2), (2, 3)]
    A = gaussian(12, 12)
    errors = [error(nearest_kron(A, shapes, terms), A) for terms in range(1, 7)]
    assert all(after < before for before, after in pairwise(errors))


def test_a_term_of_three_operands_is_stationary():
    A = gaussian(12, 12, dtype="complex128")
    shapes = [(2, 2), (3, 2), (2, 3)]
    operands = [op.toarray() for op in nearest_kron(A, shapes).operands]
    left, residual = A - reduce(np.kron, operands), []
    for k, shape in enumerate(shapes):
        for unit in np.eye(shape[0] * shape[1]).reshape(-1, *shape):
            direction = reduce(np.kron, [*operands[:k], unit, *operands[k + 1 :]])
            residual.append(np.vdot(direction, left) / np.linalg.norm(direction))
    assert np.abs(residual).max() < 1e-3 * np.linalg.norm(A)


def test_a_block_diagonal_matrix_of_equal_blocks():
    B = gaussian(3, 2)
    found = nearest_kron(scipy.linalg.block_diag(B, B, B, B), [(4, 4), (3, 2)])
    assert np.allclose(found.toarray(), np.kron(np.eye(4), B), atol=1e-14)


def test_operands_share_the_scale():
    found = nearest_kron(products([(2, 2), (3, 3)], 1) * 1e12, [(2, 2), (3, 3)])
    norms = [np.linalg.norm(op.toarray()) for op in found.operands]
    assert max(norms) < 4 * min(norms)


@pytest.mark.parametrize(("dtype", "limit"), [("float32", 1e-6), ("complex64", 1e-6)])
@pytest.mark.parametrize("shapes", [[(4, 3), (2, 5)], [(2, 3), (2, 1), (2, 5)]])
def test_single_precision_stays(dtype, limit, shapes):
    A = products(shapes, 1, dtype)
    found = nearest_kron(A, shapes)
    assert found.dtype == dtype
    assert error(found, A) < limit


@pytest.mark.parametrize("shapes", [[(4, 3), (2, 5)], [(2, 3), (2, 1), (2, 5)]])
@pytest.mark.parametrize("scale", [1e-200, 1e200, 5e306])
def test_scale_does_not_matter(scale, shapes):
    A = products(shapes, 1)
    A /= np.abs(A).max()
    assert np.allclose(nearest_kron(A * scale, shapes).toarray() / scale, A, atol=1e-13)


def test_zero_is_one_term():
    for shapes in ([(2, 2), (3, 3)], [(2, 2), (3, 1), (1, 3)]):
        found = nearest_kron(np.zeros((6, 6)), shapes, terms=2)
        assert isinstance(found, Kron)
        assert np.array_equal(found.toarray(), np.zeros((6, 6)))


def test_one_number():
    assert nearest_kron([[-6]], [(1, 1), (1, 1)]).toarray() == pytest.approx(-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda A: A.tolist(),
        aslazy,
        scipy.sparse.csr_array,
        lambda A: A.astype("int8"),
        np.asfortranarray,
    ],
)
def test_takes_whatever_stands_for_a_matrix(make):
    A = scipy.linalg.hadamard(8).astype(float)
    found = nearest_kron(make(A), [(2, 2), (4, 4)])
    assert found.dtype == "float64"
    assert np.allclose(found.toarray(), A)


@pytest.mark.parametrize("shapes", [[(2, 2), (6, 3)], [(2, 2), (3, 3), (2, 1)]])
def test_stays_in_its_namespace(shapes):
    A = gaussian(12, 6, dtype="complex64")
    found = nearest_kron(array_api_strict.asarray(A), shapes, terms=2)
    x = array_api_strict.ones(6, dtype=array_api_strict.complex64)
    y = found @ x
    assert type(y) is type(x)
    assert np.allclose(np.asarray(y), nearest_kron(A, shapes, terms=2) @ np.asarray(x), atol=1e-5)


def test_does_not_write_into_its_argument():
    A = gaussian(6, 6)
    A.flags.writeable = False
    found = nearest_kron(A, [(2, 2), (3, 3)])
    assert not any(np.may_share_memory(A, op.values) for op in found.operands)


@pytest.mark.parametrize(
    ("A", "shapes", "terms", "exception", "message"),
    [
        (np.eye(6), [(2, 2), (2, 3)], 1, ValueError, r"multiply to \(4, 6\), .* \(6, 6\)"),
        (np.eye(6), [(6, 6)], 1, ValueError, "two shapes or more, got 1"),
        (np.eye(6), [(2, 2, 1), (3, 3)], 1, ValueError, r"pair .*, got \(2, 2, 1\)"),
        (np.eye(6), [2, 3], 1, ValueError, "pair .*, got 2"),
        (np.eye(6), [(-2, 2), (-3, 3)], 1, ValueError, "rows must be a positive integer, got -2"),
        (np.eye(6), [(2.0, 2), (3, 3)], 1, TypeError, "rows must be a positive integer, got 2.0"),
        (np.eye(6), [(2, 2), (3, 3)], 0, ValueError, "terms must be a positive integer, got 0"),
        (np.eye(6), [(2, 2), (3, 3)], 1.5, TypeError, "terms must be a positive integer"),
        (np.eye(6) * np.nan, [(2, 2), (3, 3)], 1, ValueError, "NaN or infinite"),
        (np.eye(6, dtype="float16"), [(2, 2), (3, 3)], 1, TypeError, "got float16"),
        (np.ones(6), [(2, 1), (3, 1)], 1, ValueError, r"must be a matrix, .* \(6,\)"),
        (np.ones((0, 4)), [(1, 2), (1, 2)], 1, ValueError, r"no entries: its shape is \(0, 4\)"),
    ],
)
def test_bad_input_is_named(A, shapes, terms, exception, message):
    with pytest.raises(exception, match=message):
        nearest_kron(A, shapes, terms)
