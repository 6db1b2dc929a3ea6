"""Whether best factors exist: proofs that hold, and none where there is none."""

from itertools import combinations_with_replacement, product

import numpy as np
import pytest
import scipy.sparse
from numpy.linalg import matrix_rank, norm

import lazyop as lo
from lazyop.fixed_support import diagnose


def random_supports(rng, shape, density):
    m, n, r = shape
    while True:
        I, J = rng.random((m, r)) < density, rng.random((r, n)) < density
        if (I.astype(int) @ J).any():
            return I, J


def check_witness(found, I, J):
    """The whole of a proof, from the supports, the target and the factors that approach it."""
    I, J = np.asarray(I, bool), np.asarray(J, bool)
    witness = found.witness
    T = witness.target.toarray()
    sizes = []
    for step in (1.0, 2.0**-10, 2.0**-30):
        X, Y = (factor.toarray() for factor in witness.factors(step))
        assert not X[~I].any()
        assert not Y[~J].any()
        assert norm(X @ Y - T) == step
        sizes.append(max(abs(X).max(), abs(Y).max()))
    assert sizes == [1, 2**10, 2**30]
    assert never_reached(T, witness.entry, I, J) or never_reached(
        T.T, witness.entry[::-1], J.T, I.T
    )


def never_reached(T, entry, I, J):
    """Whether a one can't be reached, as all that covers it has to be zero in its row.

    What is found with latent indices `K` and the columns that they alone cover is `X_K Y_K`. If
    that has rank `|K|` on other rows, and zeros in the row of the entry, `X_K` is zero there.
    """
    row, column = entry
    if T[row, column] != 1:
        return False
    rank_one = [np.outer(I[:, k], J[k]) for k in range(I.shape[1])]
    left = {k for k, S in enumerate(rank_one) if S[row, column]}
    while left:
        k = next(iter(left))
        K = [l for l, S in enumerate(rank_one) if (rank_one[k] == S).all()]
        others = sum(S for l, S in enumerate(rank_one) if l not in K) + np.zeros(T.shape)
        alone = rank_one[k] & (others == 0)
        columns = np.flatnonzero(alone[row] & (T[row] == 0) & T.any(axis=0))
        rows = np.flatnonzero(T[:, columns].any(axis=1))
        exclusive = alone[np.ix_(rows, columns)].all()
        if not len(columns) or not exclusive or matrix_rank(T[np.ix_(rows, columns)]) < len(K):
            return False
        left -= set(K)
    return True


# Two rows: a decision by another way -----------------------------------------------------------


def two_row_classes(I, J):
    """Columns of the latent indices on both rows, and what each row is reached by alone."""
    both = [J[k] for k in range(len(J)) if I[:, k].all() and J[k].any()]
    alone = [
        J[[k for k in range(len(J)) if I[i, k] and not I[1 - i, k]]].any(axis=0) for i in (0, 1)
    ]
    return both, alone


def attained(T, both, alone):
    """By trial: a latent index has one of few directions, or one that nothing else has."""
    axes = [np.zeros(2), np.array([1.0, 0]), np.array([0, 1.0]), np.ones(2)]
    own = [np.array([1.0, 0.37 * (k + 1)]) for k in range(len(both))]
    return any(
        all(_spanned(T[:, j], j, directions, both, alone) for j in range(T.shape[1]))
        for directions in product(*([*axes, g] for g in own))
    )


def _spanned(column, j, directions, both, alone):
    vectors = [d for d, columns in zip(directions, both, strict=True) if columns[j]]
    vectors += [np.eye(2)[i] for i in (0, 1) if alone[i][j]]
    V = np.array([np.zeros(2), *vectors]).T
    return matrix_rank(V) == matrix_rank(np.column_stack([V, column]))


def approached(T, both, alone):
    """By directions that may move a little: only a column that one covers alone holds it."""
    covers = np.array([np.zeros(T.shape[1]), *both])
    single = (covers.sum(axis=0) == 1) & ~alone[0] & ~alone[1]
    if any(matrix_rank(T * (single & (columns > 0))) > 1 for columns in covers[1:]):
        return False
    nothing = ~covers.any(axis=0)
    return not any((T[i] * (nothing & ~alone[i])).any() for i in (0, 1))


def closed_by_trial(I, J):
    both, alone = two_row_classes(I, J)
    n = J.shape[1]
    targets = (np.array(bits).reshape(2, n) for bits in product((0.0, 1.0), repeat=2 * n))
    return all(attained(T, both, alone) for T in targets if approached(T, both, alone))


@pytest.mark.parametrize(("n", "r"), [(2, 1), (2, 2), (2, 3), (3, 1), (3, 2)])
def test_all_small_supports_of_two_rows_or_columns_are_decided_right(n, r):
    one = list(product(product((0, 1), repeat=2), product((0, 1), repeat=n)))
    cases = list(combinations_with_replacement(one, r))
    for case in cases[:: max(1, len(cases) // 40)]:
        I, J = np.array([i for i, _ in case]).T, np.array([j for _, j in case])
        if not (I @ J).any():
            continue
        expected = "closed" if closed_by_trial(I, J) else "not closed"
        for left, right in ((I, J), (J.T, I.T)):
            found = diagnose(left, right)
            assert found.status == expected
            if found.witness is not None:
                check_witness(found, left, right)


# Named supports --------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 4, 7, 20, 60])
def test_triangular_supports_are_flagged_at_every_order(n):
    L = np.tri(n)
    found = diagnose(L, L.T)
    assert found.status == "not closed"
    check_witness(found, L, L.T)


def test_triangular_supports_of_order_one_are_closed():
    assert diagnose([[1]], [[1]]).status == "closed"


def test_block_triangular_supports_are_flagged():
    L = np.kron(np.tri(3), np.ones((3, 3)))
    found = diagnose(L, L.T)
    assert found.status == "not closed"
    check_witness(found, L, L.T)


@pytest.mark.parametrize(
    "chain",
    [lo.Chain.square_dyadic(16), lo.Chain.monarch(36, rank=2), lo.Chain.dyadic((8, 16), rank=2)],
)
def test_butterfly_supports_are_closed_at_every_split(chain):
    supports = [lo.KroneckerSparse(np.ones(tuple(p))).tosparse() for p in chain]
    for s in range(1, len(chain)):
        left, right = supports[0], supports[s]
        for factor in supports[1:s]:
            left = left @ factor
        for factor in supports[s + 1 :]:
            right = right @ factor
        assert diagnose(left, right).status == "closed"


@pytest.mark.parametrize("shape", [(3, 4, 2), (3, 4, 9), (1, 5, 3), (5, 1, 3)])
def test_full_supports_are_closed(shape):
    m, n, r = shape
    assert diagnose(np.ones((m, r)), np.ones((r, n))).status == "closed"


def test_one_row_or_one_column_is_closed_whatever_the_supports():
    rng = np.random.default_rng(0)
    for _ in range(30):
        I, J = random_supports(rng, (1, 6, 4), 0.5)
        assert diagnose(I, J).status == "closed"
        assert diagnose(J.T, I.T).status == "closed"


def test_block_diagonal_and_diagonal_supports_are_closed():
    B = np.kron(np.eye(3), np.ones((2, 2)))
    assert diagnose(B, B).status == "closed"
    assert diagnose(np.eye(4), np.ones((4, 4))).status == "closed"


def test_a_full_left_support_is_not_enough():
    I, J = np.ones((2, 2)), np.array([[1, 0, 1], [0, 1, 1]])
    for left, right in ((I, J), (J.T, I.T)):
        found = diagnose(left, right)
        assert found.status == "not closed"
        check_witness(found, left, right)


def test_pinned_classes_of_several_members():
    # Two planes in space that coincide in the limit, and a column in the sum of both.
    I = np.ones((3, 4))
    J = np.kron(np.eye(2), np.ones((2, 2)))
    J = np.column_stack([J, np.ones(4)])
    found = diagnose(I, J)
    assert found.status == "not closed"
    check_witness(found, I, J)


def test_overlap_that_can_be_made_up_for_is_closed():
    # A rank-one rectangle, one entry of which is free: not closed; a free row: closed.
    corner = np.array([[1, 0], [1, 1]]), np.array([[1, 1], [0, 1]])
    row = np.array([[1, 0], [1, 1]]), np.array([[1, 1], [1, 1]])
    assert diagnose(*corner).status == "not closed"
    assert diagnose(*row).status == "closed"


# Random supports -------------------------------------------------------------------------------


@pytest.mark.parametrize("density", [0.2, 0.35, 0.5])
def test_no_random_witness_is_wrong(density):
    rng = np.random.default_rng(int(100 * density))
    flagged = 0
    for _ in range(60):
        I, J = random_supports(rng, rng.integers(2, 7, 3), density)
        found = diagnose(I, J)
        assert (found.witness is not None) == (found.status == "not closed")
        if found.witness is not None:
            flagged += 1
            check_witness(found, I, J)
        assert diagnose(J.T, I.T).status == found.status
    assert flagged >= 5


def test_order_does_not_matter_and_repetition_is_recognised():
    rng = np.random.default_rng(5)
    for _ in range(25):
        I, J = random_supports(rng, (5, 5, 4), 0.5)
        p, q, s = (rng.permutation(k) for k in (5, 5, 4))
        expected = diagnose(I, J).status
        assert diagnose(I[p][:, s], J[s][:, q]).status == expected
        held = scipy.sparse.csc_array(I), scipy.sparse.coo_array(J)
        assert diagnose(*held).status == expected


def test_sparse_products_find_what_dense_ones_do(monkeypatch):
    rng = np.random.default_rng(6)
    cases = [random_supports(rng, (6, 7, 6), density) for density in 20 * [0.4, 0.7]]
    expected = [diagnose(*case).status for case in cases]
    monkeypatch.setattr("lazyop.fixed_support.certificates._DENSE", 0)
    assert [diagnose(*case).status for case in cases] == expected
    assert set(expected) >= {"not closed", "unknown"}


#: Of supports with independent entries, in percent, how many a single pinned rank-one support
#: proves not closed: order, density, and the figure for 3,000 draws (1,000 for order 30).
FREQUENCIES = [(10, 0.1, 16.7), (10, 0.15, 62.1), (10, 0.2, 91.9), (10, 0.5, 81.8), (30, 0.05, 78)]


def by_definition(I, J):
    """Whether three corners of some rectangle in a rank-one support are covered once, one twice."""
    C = I @ J
    for k in range(I.shape[1]):
        X = ((C == 1) & (np.outer(I[:, k], J[k]) > 0)).astype(float)
        shared = X @ X.T
        if ((shared > 0) & (shared < X.sum(axis=1))).any():
            return True
    return False


@pytest.mark.parametrize(("n", "density", "percent"), FREQUENCIES)
def test_random_supports_are_as_bad_as_known(n, density, percent):
    rng, draws = np.random.default_rng(7), 80
    found, known = 0, 0
    for _ in range(draws):
        I, J = (rng.random((n, n)) < density for _ in range(2))
        plain = by_definition(I.astype(float), J.astype(float))
        known += plain
        status = diagnose(I, J).status if (I.astype(int) @ J).any() else "closed"
        found += status == "not closed"
        assert status == "not closed" or not plain
    margin = 3 * np.sqrt(percent * (100 - percent) / draws)
    assert abs(100 * known / draws - percent) <= margin + 1
    assert known <= found <= known * 1.1 + 2


# What is passed in -----------------------------------------------------------------------------

BAD = {
    "inner sizes": (lambda: diagnose(np.ones((3, 2)), np.ones((3, 3))), ValueError, "J has 3 rows"),
    "empty": (lambda: diagnose(np.zeros((3, 2)), np.ones((2, 3))), ValueError, "I is empty"),
    "nothing to meet": (
        lambda: diagnose([[1, 0]], [[0], [1]]),
        ValueError,
        "no entry of the product",
    ),
    "NaN": (lambda: diagnose([[np.nan]], [[1]]), ValueError, "I holds NaN"),
    "vector": (lambda: diagnose([1], [[1]]), ValueError, "matrix"),
    "stack": (
        lambda: diagnose(scipy.sparse.coo_array(np.ones(3)), [[1]]),
        ValueError,
        "sparse array of shape",
    ),
    "text": (lambda: diagnose("abc", [[1]]), TypeError, "array of numbers"),
    "step": (
        lambda: diagnose(np.tri(2), np.tri(2).T).witness.factors(0),
        ValueError,
        "positive and finite",
    ),
    "tiny step": (
        lambda: diagnose(np.tri(2), np.tri(2).T).witness.factors(5e-324),
        ValueError,
        "positive and finite",
    ),
    "step of text": (
        lambda: diagnose(np.tri(2), np.tri(2).T).witness.factors("1"),
        TypeError,
        "real number",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_at_the_door(name):
    call, error, words = BAD[name]
    with pytest.raises(error, match=words):
        call()


def test_the_reason_names_rows_columns_and_latent_indices():
    found = diagnose(np.tri(2), np.tri(2).T)
    assert "latent 0 alone covers rows 1, 0 in column 0" in found.reason
    assert "entry (0, 1)" in repr(found)
    assert found.witness.entry == (0, 1)
