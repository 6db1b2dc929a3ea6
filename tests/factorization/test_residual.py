import array_api_strict
import numpy as np
import pytest
from chains import chains, product, proper_chains, random_values
from hypothesis import given
from hypothesis import strategies as st

from lazyop.butterfly.chain import Chain
from lazyop.factorization import residual
from lazyop.factorization.residual import energy, energy_outside, residual_norm


def gaussian(shape, dtype):
    rng = np.random.default_rng(0)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
@given(chains() | proper_chains(), st.sampled_from([float, complex]), st.integers(1, 64))
def test_is_the_norm_of_the_difference(chain, dtype, panel):
    A = gaussian(chain.shape, complex).real.astype(dtype)
    values = random_values(chain, 0, dtype=dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(residual, "_PANEL", panel)
        found = residual_norm(A, values, chain)
    assert found == pytest.approx(np.linalg.norm(A - product(values)))
    strict = [array_api_strict.asarray(v) for v in values]
    assert residual_norm(array_api_strict.asarray(A), strict, chain) == pytest.approx(found)


def test_is_accurate_where_the_difference_is_tiny():
    chain = Chain.square_dyadic(64)
    values = random_values(chain)
    A = product(values)
    A[3, 5] += 1e-10
    size = np.linalg.norm(A)
    assert abs(residual_norm(A, values, chain) - 1e-10) < 1e-14 * size


def test_energy_of_real_and_complex_matrices():
    assert energy(np.array([[3.0, 4.0]])) == 25
    assert energy(np.array([[3.0, 4.0j], [1 + 1j, 0]])) == 27


def test_energy_off_a_support():
    A = np.arange(16.0).reshape(4, 4)
    (block,) = Chain([(2, 2, 2, 1)])
    off = np.sum(A**2) - np.sum(A[:2, :2] ** 2) - np.sum(A[2:, 2:] ** 2)
    assert energy_outside(A, block) == off
    (dense,) = Chain([(1, 4, 4, 1)])
    assert energy_outside(A, dense) == 0
