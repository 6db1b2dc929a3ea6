import numpy as np
import pytest

from lazyop.factorization.low_rank import best_rank, tail_norm


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("shape", [(2, 3, 5, 4), (2, 3, 4, 5), (1, 1, 7), (3, 6, 6)])
@pytest.mark.parametrize("rank", [1, 2])
def test_best_rank_of_every_block(shape, rank, dtype):
    rng = np.random.default_rng(0)
    blocks = rng.standard_normal(shape).astype(dtype)
    if dtype is complex:
        blocks += 1j * rng.standard_normal(shape)
    rank = min(rank, *shape[-2:])
    found = best_rank(blocks, rank)
    U, s, Vh = np.linalg.svd(blocks, full_matrices=False)
    expected = (U[..., :rank] * s[..., None, :rank]) @ Vh[..., :rank, :]
    for X, Y in (found.left(), found.right()):
        assert np.allclose(X @ Y, expected)
    left, right = found.left()[0], found.right()[1]
    assert np.allclose(np.conj(left).mT @ left, np.eye(rank))
    assert np.allclose(right @ np.conj(right).mT, np.eye(rank))
    residual = np.linalg.norm(blocks - expected)
    assert found.residual == pytest.approx(residual, abs=1e-14)
    assert tail_norm(blocks, rank) == pytest.approx(residual, abs=1e-14)


def test_residual_is_relative_to_the_matrix_not_to_its_square():
    # A tail of 1e-12 would be lost in a difference of energies.
    blocks = np.diag([1.0, 1e-12])[None]
    assert best_rank(blocks, 1).residual == pytest.approx(1e-12, rel=1e-3)
    assert tail_norm(blocks, 1) == pytest.approx(1e-12, rel=1e-3)
