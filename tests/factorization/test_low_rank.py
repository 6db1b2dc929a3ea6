import array_api_strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lazyop.factorization.low_rank import leading_subspaces, singular_energies, tail_norm


def gaussian(shape, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    blocks = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        blocks = blocks + 1j * rng.standard_normal(shape)
    return blocks.astype(dtype)


def with_singular_values(shape, s, dtype, seed=0):
    U = np.linalg.qr(gaussian((*shape[:-1], min(shape[-2:])), dtype, seed))[0]
    V = np.linalg.qr(gaussian((*shape[:-2], shape[-1], min(shape[-2:])), dtype, seed + 1))[0]
    return (U * np.asarray(s)) @ np.conj(V).mT


def projected(blocks, basis):
    return basis @ (np.conj(basis).mT @ blocks)


@settings(max_examples=200)
@given(
    st.lists(st.integers(1, 3), max_size=2),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(1, 9),
    st.sampled_from(["float64", "complex128"]),
    st.integers(0, 99),
)
def test_subspaces_of_every_block_are_the_best(stack, m, n, rank, dtype, seed):
    rank = min(rank, m, n)
    blocks = gaussian((*stack, m, n), dtype, seed)
    U, s, Vh = np.linalg.svd(blocks, full_matrices=False)
    expected = (U[..., :rank] * s[..., None, :rank]) @ Vh[..., :rank, :]
    basis, residual = leading_subspaces(blocks, rank)
    assert basis.shape == (*stack, m, rank)
    assert basis.dtype == dtype
    assert np.allclose(np.conj(basis).mT @ basis, np.eye(rank))
    left_out = np.linalg.norm(s[..., rank:])
    assert np.linalg.norm(blocks - projected(blocks, basis)) <= left_out * (1 + 1e-10) + 1e-13
    if seed % 2:  # singular values apart by chance, most of the time
        assert np.allclose(projected(blocks, basis), expected, atol=1e-6)
    assert residual == pytest.approx(left_out, abs=1e-6)
    assert tail_norm(blocks, rank) == pytest.approx(left_out, abs=1e-12)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("shape", [(5, 2, 2), (5, 2, 7), (5, 7, 2)])
@pytest.mark.parametrize("tail", [1e-3, 1e-7, 1e-12, 0.0])
def test_rank_one_in_a_plane_loses_nothing_to_its_gram_matrix(shape, tail, dtype):
    blocks = with_singular_values(shape, [1.0, tail], dtype)
    basis, _ = leading_subspaces(blocks, 1)
    left_out = np.linalg.norm(blocks - projected(blocks, basis))
    assert left_out == pytest.approx(tail * np.sqrt(5), rel=1e-10, abs=1e-15)


@pytest.mark.parametrize(
    "block",
    [
        [[0, 0], [0, 0]],
        [[1, 0], [0, 0]],
        [[0, 0], [3, 0]],
        [[1, 0], [0, 1]],
        [[1, 1], [1, 1]],
        [[1, -1j], [1j, 1]],
        [[0, 1e-160], [1, 0]],
        [[1e-200, 1e-200], [1e-200, 1e-200]],
        [[1e-158, 1e-158j], [2e-158, 1e-159]],
    ],
)
def test_rank_one_in_a_plane_where_the_closed_form_could_divide_by_zero(block):
    blocks = np.array([block], dtype=complex)
    for stack in (blocks, np.concatenate([blocks, blocks], axis=-1), blocks.mT):
        basis, _ = leading_subspaces(stack, 1)
        assert np.linalg.norm(basis) == pytest.approx(1)
        s = np.linalg.svd(stack, compute_uv=False)
        error = np.linalg.norm(stack - projected(stack, basis))
        assert error == pytest.approx(s[0, 1], abs=1e-15)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("shape", [(3, 6, 9), (3, 9, 6), (3, 6, 6)])
@pytest.mark.parametrize(
    "s",
    [
        [1, 1e-10, 1e-14, 0, 0, 0],
        [1, 1e-3, 1e-6, 1e-9, 1e-12, 1e-15],
        [1, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ],
)
def test_small_singular_values_that_squares_would_hide(shape, s, dtype):
    # The eigenvectors of a Gram matrix know nothing of what is below 1e-8.
    blocks = with_singular_values(shape, s, dtype)
    basis, residual = leading_subspaces(blocks, 2)
    left_out = np.linalg.norm(s[2:]) * np.sqrt(3)
    assert np.linalg.norm(blocks - projected(blocks, basis)) <= left_out * (1 + 1e-9) + 1e-14
    assert tail_norm(blocks, 2) == pytest.approx(left_out, rel=1e-9, abs=1e-14)
    assert residual == pytest.approx(left_out, rel=1e-9, abs=1e-14) or left_out > 1e-7


@pytest.mark.parametrize("dtype", ["float64", "complex128", "float32"])
@pytest.mark.parametrize(
    ("rest", "decomposed"),
    [
        (0.9 ** np.arange(45.0), []),  # Gram matrices are enough
        (0.1 ** np.arange(1.0, 46.0), [24]),  # 24 dimensions hold all
        (np.zeros(45), [24]),
        (np.full(45, 1e-3), [24, 48]),  # they do not, in units of the root of rounding
    ],
)
def test_a_wider_space_is_taken_where_it_holds_enough(dtype, rest, decomposed, monkeypatch):
    sizes, svd, eps = [], np.linalg.svd, float(np.finfo(dtype).eps)
    s = np.append(np.ones(3), rest * (eps**0.5 if decomposed == [24, 48] else 1))
    blocks = with_singular_values((2, 48, 60), s, dtype)
    monkeypatch.setattr(
        np.linalg, "svd", lambda x, **more: sizes.append(min(x.shape[-2:])) or svd(x, **more)
    )
    basis, residual = leading_subspaces(blocks, 8)
    assert sizes == decomposed
    left_out, slack = np.linalg.norm(s[8:]) * np.sqrt(2), 200 * eps
    assert np.allclose(np.conj(basis).mT @ basis, np.eye(8), atol=slack)
    error = np.linalg.norm(blocks - projected(blocks, basis))
    assert error <= left_out * (1 + eps ** (2 / 3)) + slack
    assert residual == pytest.approx(left_out, rel=1e-5 if dtype == "float32" else 1e-9, abs=slack)


@pytest.mark.parametrize("dtype", ["float64", "complex64"])
@pytest.mark.parametrize("shape", [(512, 600), (600, 512)])
def test_large_blocks_of_low_rank_take_no_decomposition_of_their_order(shape, dtype, monkeypatch):
    def small_alone(function):
        def checked(x, **more):
            assert min(x.shape[-2:]) <= 64
            return function(x, **more)

        return checked

    eps = float(np.finfo(dtype).eps)
    s = np.concatenate([0.6 ** np.arange(40.0), np.zeros(472)])
    A = with_singular_values(shape, s, dtype)
    for name in ("svd", "svdvals", "eigh", "eigvalsh"):
        monkeypatch.setattr(np.linalg, name, small_alone(getattr(np.linalg, name)))
    basis, residual = leading_subspaces(A, 20)
    left_out = np.linalg.norm(s[20:])
    error = np.linalg.norm(A - projected(A, basis))
    assert error <= left_out * (1 + eps ** (2 / 3)) + 100 * eps
    assert residual == pytest.approx(error, rel=1e-3, abs=100 * eps)
    for accurate in (True, False):
        energies = singular_energies(A, accurate)
        assert energies.shape == (512,)
        assert np.sqrt(energies[:40]) == pytest.approx(s[:40], rel=1e-3, abs=100 * eps)
        assert np.all(energies[64:] == 0)


@pytest.mark.parametrize("accurate", [True, False])
def test_large_blocks_whose_rows_deceive(accurate):
    # The rows that are looked at first say nothing of the others.
    A = np.zeros((512, 512))
    A[::8] = 1.0
    A[1::8] = np.random.default_rng(0).standard_normal((64, 512))
    s = np.linalg.svd(A, compute_uv=False)
    basis, residual = leading_subspaces(A, 20)
    assert residual == pytest.approx(np.linalg.norm(s[20:]))
    assert np.linalg.norm(A - projected(A, basis)) == pytest.approx(residual)
    assert singular_energies(A, accurate) == pytest.approx(s**2, abs=1e-8)


def test_decompositions_of_blocks_are_rare(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a decomposition of the blocks")

    noisy = with_singular_values((4, 8, 20), [1, 1, 1, 1, 1e-2, 1e-2, 1e-2, 1e-2], "float64")
    gap = with_singular_values((4, 8, 20), [1, 0.9, 0.5, 0.3, 0, 0, 0, 0], "float64")
    monkeypatch.setattr(np.linalg, "svd", refuse)
    for blocks in (noisy, gap):
        leading_subspaces(blocks, 4)
        leading_subspaces(blocks.mT, 4)
    leading_subspaces(gap[:, :2], 1)
    with pytest.raises(AssertionError):
        leading_subspaces(gap, 6)


@pytest.mark.parametrize("dtype", ["float32", "complex64", "float64", "complex128"])
@pytest.mark.parametrize("shape", [(3, 2, 5), (3, 5, 2), (3, 4, 6), (3, 6, 4)])
def test_runs_on_the_array_api_alone(shape, dtype):
    blocks = gaussian(shape, dtype)
    strict = array_api_strict.asarray(blocks)
    basis, residual = leading_subspaces(blocks, 1)
    found, found_residual = leading_subspaces(strict, 1)
    assert type(found) is type(strict)
    assert np.allclose(np.asarray(found), basis)
    assert found_residual == pytest.approx(residual)
    assert tail_norm(strict, 1) == pytest.approx(tail_norm(blocks, 1))
