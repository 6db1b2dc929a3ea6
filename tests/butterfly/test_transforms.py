"""Closed forms: equal to the transforms of SciPy and PyWavelets, and found in their matrices."""

import pickle

import numpy as np
import pytest
import scipy.fft
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

import lazyop as lo
from lazyop.butterfly.roots import prime_factors, roots_of_unity

pywt = pytest.importorskip("pywt")


@pytest.fixture(autouse=True, scope="module")
def array_kernels():
    """Factors are what is tested here; compiling kernels for all their sizes would take minutes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lazyop.kernels.chain.has_compiled", lambda: False)
        yield


LENGTHS = [1, 2, 3, 4, 6, 7, 8, 9, 12, 15, 30, 35, 49, 60, 64, 100]
NORMS = [None, "backward", "ortho", "forward"]
TRIGONOMETRIC = [(name, type) for name in ("dct", "dst") for type in (2, 3, 4)]


def butterfly_of(A):
    return A if isinstance(A, lo.Butterfly) else next(f for f in A.args if hasattr(f, "chain"))


def permutations_of(A):
    """The permutations to the left and right of the butterfly, None where there is none."""
    factors = list(A.args) if not isinstance(A, lo.Butterfly) else [A]
    at = factors.index(butterfly_of(A))
    sides = factors[:at], factors[at + 1 :]
    return tuple(side[0] if side else None for side in sides)


def close(A, D, tol=1e-13):
    assert A.shape == D.shape
    assert np.linalg.norm(A.toarray() - D) <= tol * np.linalg.norm(D)


def fourier(n, norm, name="fft"):
    return getattr(scipy.fft, name)(np.eye(n), axis=0, norm=norm)


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("norm", NORMS)
def test_fourier_transforms(n, norm):
    close(lo.butterfly.dft(n, norm), fourier(n, norm))
    close(lo.butterfly.idft(n, norm), fourier(n, norm, "ifft"))


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize(("name", "type"), TRIGONOMETRIC)
def test_cosine_and_sine_transforms(n, name, type):
    for norm in NORMS:
        A = getattr(lo.butterfly, name)(n, type, norm)
        close(A, getattr(scipy.fft, name)(np.eye(n), type, axis=0, norm=norm))
        assert A.dtype == np.float64


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 300), st.sampled_from(NORMS), st.sampled_from(TRIGONOMETRIC))
def test_products_at_any_length(n, norm, kind):
    name, type = kind
    x = np.random.default_rng(n).standard_normal(n)
    A = getattr(lo.butterfly, name)(n, type, norm)
    expected = getattr(scipy.fft, name)(x, type, norm=norm)
    np.testing.assert_allclose(A @ x, expected, atol=1e-13 * n * abs(expected).max())
    expected = scipy.fft.fft(x, norm=norm)
    found = lo.butterfly.dft(n, norm) @ x
    np.testing.assert_allclose(found, expected, atol=1e-13 * n * abs(expected).max())


@pytest.mark.parametrize("n", [1, 2, 8, 64])
def test_hadamard(n):
    H = scipy.linalg.hadamard(n).astype(float)
    for norm, scale in ((None, 1), ("ortho", n**-0.5), ("forward", 1 / n)):
        close(lo.butterfly.hadamard(n, norm), scale * H)
    assert np.array_equal(lo.butterfly.hadamard(n).toarray(), H)


@pytest.mark.parametrize("n", [12, 20, 24, 160])
def test_hadamard_of_other_orders(n):
    for norm in NORMS:
        close(lo.butterfly.hadamard(n, norm), lo.transforms.hadamard(n, norm=norm).toarray())
    A = lo.butterfly.hadamard(n)
    assert np.array_equal((A.H @ A).toarray(), n * np.eye(n))
    assert lo.factorize(A.toarray(), A.chain).relative_error < 1e-13


@pytest.mark.parametrize(("n", "levels"), [(2, 1), (8, 3), (8, 2), (12, 2), (12, 1), (24, None)])
def test_haar(n, levels):
    deepest = 3 if levels is None else levels
    bands = pywt.wavedec(np.eye(n), "haar", mode="periodization", level=deepest, axis=0)
    close(lo.butterfly.haar(n, levels), np.concatenate(bands))


@pytest.mark.parametrize("n", [1, 2, 3, 4, 6, 7, 16, 30, 36])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_circulant(n, dtype):
    rng = np.random.default_rng(n)
    c = rng.standard_normal(n) + (1j * rng.standard_normal(n) if dtype == "complex128" else 0)
    C = lo.butterfly.circulant(c)
    close(C, scipy.linalg.circulant(c))
    assert isinstance(C, lo.Butterfly)
    assert C.dtype == dtype


def test_circulant_of_integers_and_of_a_list():
    close(lo.butterfly.circulant([1, 2, 3, 4]), scipy.linalg.circulant([1, 2, 3, 4]))
    assert lo.butterfly.circulant(np.arange(4, dtype=np.int8)).dtype == np.float64


# Numbers held -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [64, 360, 1000, 1024])
def test_numbers_are_few(n):
    radices = sum(prime_factors(n))
    assert butterfly_of(lo.butterfly.dft(n)).chain.nnz == n * radices
    for type in (2, 3, 4):
        assert butterfly_of(lo.butterfly.dct(n, type)).chain.nnz < 4 * n * radices
    assert lo.butterfly.circulant(np.ones(n)).chain.nnz < 8 * n * radices


def test_a_prime_length_is_one_dense_factor():
    for A in (lo.butterfly.dft(7), lo.butterfly.dct(7), lo.butterfly.circulant(np.ones(7))):
        assert isinstance(A, lo.Butterfly)
        assert list(A.chain) == [lo.Pattern(1, 7, 7, 1)]


def test_the_chain_of_a_power_of_two_is_the_dyadic_one():
    F = lo.butterfly.dft(64)
    assert F.args[0].chain == lo.Chain.square_dyadic(64)
    assert np.array_equal(F.args[1].p, lo.bit_reversal(64).p)
    assert lo.butterfly.haar(64).args[1].chain == lo.Chain.square_dyadic(64)


def test_roots_of_unity():
    quarters = roots_of_unity(np.arange(-8, 8) * 5, 20)
    assert np.array_equal(quarters, np.tile([1, -1j, -1, 1j], 4))
    n = 3 * 2**18
    roots = roots_of_unity(np.arange(n), n)
    assert abs(abs(roots) - 1).max() < 4e-16
    assert abs(roots[1:] - roots[:0:-1].conj()).max() < 2e-16


# Found again in the dense matrix ------------------------------------------------------------------

CLOSED_FORMS = {
    "dft": lo.butterfly.dft,
    "idft": lo.butterfly.idft,
    "haar": lo.butterfly.haar,
    **{
        f"{name} {type}": lambda n, name=name, type=type: getattr(lo.butterfly, name)(n, type)
        for name, type in TRIGONOMETRIC
    },
}


@pytest.mark.parametrize("name", CLOSED_FORMS)
@pytest.mark.parametrize("n", [12, 30, 64, 72])
def test_factorize_finds_it(name, n):
    A = CLOSED_FORMS[name](n)
    found = lo.factorize(A.toarray(), butterfly_of(A).chain, permutation=permutations_of(A))
    assert found.relative_error < 1e-13


@pytest.mark.parametrize("n", [8, 64, 256])
def test_factorize_finds_hadamard(n):
    A = lo.butterfly.hadamard(n)
    assert lo.factorize(A.toarray(), A.chain).relative_error < 1e-13


@pytest.mark.parametrize("n", [12, 64])
def test_factorize_finds_the_halves_of_a_circulant_matrix(n):
    C = lo.butterfly.circulant(np.random.default_rng(n).standard_normal(n))
    half = len(C.factors) // 2
    there, back = lo.Butterfly(C.factors[half:]), lo.Butterfly(C.factors[:half])
    assert lo.factorize(there.H.toarray(), there.chain.H).relative_error < 1e-13
    assert lo.factorize(back.toarray(), back.chain).relative_error < 1e-13
    assert not C.chain.chainable


# Precision, and what is known ---------------------------------------------------------------------

MAKERS = {
    "dft": (lo.butterfly.dft, "complex64"),
    "idft": (lo.butterfly.idft, "complex64"),
    "dct": (lo.butterfly.dct, "float32"),
    "dst": (lo.butterfly.dst, "float32"),
    "hadamard": (lo.butterfly.hadamard, "float32"),
    "haar": (lo.butterfly.haar, "float32"),
    "circulant": (lambda n, dtype: lo.butterfly.circulant(np.ones(n), dtype=dtype), "float32"),
}


@pytest.mark.parametrize("name", MAKERS)
def test_single_precision(name):
    make, dtype = MAKERS[name]
    A = make(16, dtype=dtype)
    assert A.dtype == dtype
    assert (A @ np.ones(16, dtype)).dtype == dtype
    wide = "complex128" if dtype == "complex64" else "float64"
    close(A, make(16, dtype=wide).toarray(), tol=1e-6)
    close(make(16, dtype="complex128"), make(16, dtype=wide).toarray())


@pytest.mark.parametrize("n", [6, 7, 16])
def test_orthonormal_ones_are_known_to_be(n):
    operators = [lo.butterfly.dft(n, "ortho"), lo.butterfly.idft(n, "ortho")]
    operators += [getattr(lo.butterfly, k)(n, type, "ortho") for k, type in TRIGONOMETRIC]
    operators += [lo.butterfly.hadamard(16, "ortho"), lo.butterfly.haar(16)]
    for A in operators:
        for B in (A, A.H, A.T, A.conj(), A.astype("complex64"), pickle.loads(pickle.dumps(A))):
            assert B._is_unitary
        np.testing.assert_allclose((A.H @ A).toarray(), np.eye(A.shape[0]), atol=1e-14)
    assert not lo.butterfly.dft(n)._is_unitary
    assert not lo.butterfly.dct(n, norm="forward")._is_unitary


def test_what_is_known_is_saved(tmp_path):
    A = lo.butterfly.dct(12, norm="ortho")
    lo.save(tmp_path / "A", A)
    loaded = lo.load(tmp_path / "A")
    assert loaded._is_unitary
    assert np.array_equal(loaded.toarray(), A.toarray())


# Bad input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: lo.butterfly.dft(0), ValueError, "positive integer, got 0"),
        (lambda: lo.butterfly.dct(-3), ValueError, "positive integer, got -3"),
        (lambda: lo.butterfly.dft(2.0), TypeError, "positive integer, got 2.0"),
        (lambda: lo.butterfly.dft(4, "orthonormal"), ValueError, "norm must be 'backward'"),
        (lambda: lo.butterfly.dct(4, norm=1), ValueError, "norm must be 'backward'"),
        (lambda: lo.butterfly.dft(4, dtype=float), TypeError, "complex64, complex128, got float64"),
        (lambda: lo.butterfly.dct(4, dtype=int), TypeError, "float32, .* got int64"),
        (lambda: lo.butterfly.dct(4, dtype="float16"), TypeError, "got float16"),
        (lambda: lo.butterfly.dct(4, 1), ValueError, "must be 2, 3 or 4, got 1"),
        (lambda: lo.butterfly.dst(4, "II"), TypeError, "must be 2, 3 or 4, got 'II'"),
        (lambda: lo.butterfly.hadamard(36), ValueError, "times 1, 12 or 20, got n = 36"),
        (lambda: lo.butterfly.haar(7), ValueError, "multiple of 2, got n = 7"),
        (lambda: lo.butterfly.haar(12, 3), ValueError, "multiple of 8, got n = 12"),
        (lambda: lo.butterfly.haar(12, 0), ValueError, "positive integer, got 0"),
        (lambda: lo.butterfly.circulant([]), ValueError, "at least one entry"),
        (lambda: lo.butterfly.circulant(np.ones((2, 2))), ValueError, r"got shape \(2, 2\)"),
        (lambda: lo.butterfly.circulant([1.0, np.nan]), ValueError, "not finite"),
        (lambda: lo.butterfly.circulant("abc"), TypeError, "array of numbers"),
        (lambda: lo.butterfly.circulant([1j, 0], dtype=float), TypeError, "must be complex"),
    ],
)
def test_bad_input(make, error, message):
    with pytest.raises(error, match=message):
        make()
