"""What transforms know of each other, what they refuse, and what comes of unusual arguments."""

import numpy as np
import pytest
import scipy.fft
from market import random

import lazyop as lo

T = lo.transforms

ORTHOGONAL = {
    "dft": T.dft((3, 4), norm="ortho"),
    "idftn": T.idftn((3, 4), norm="ortho"),
    **{f"dct {type}": T.dct(5, type, norm="ortho") for type in (1, 2, 3, 4)},
    **{f"idst {type}": T.idst(5, type, norm="ortho") for type in (1, 2, 3, 4)},
    "dctn": T.dctn((3, 4), norm="ortho"),
    "hadamard": T.hadamard((2, 12), norm="ortho"),
    "sequency": T.hadamard(8, norm="ortho", order="sequency"),
    "product": T.dct(8, norm="ortho") @ T.hadamard(8, norm="ortho"),
    "kron": lo.kron(T.dct(3, norm="ortho"), T.dst(4, norm="ortho")),
}


@pytest.mark.parametrize("name", ORTHOGONAL)
def test_orthogonal_transforms_are_known_to_be(name):
    A = ORTHOGONAL[name]
    n = A.shape[0]
    assert A._is_unitary
    assert isinstance(A.N, lo.Identity)
    assert isinstance(A.H @ A, lo.Identity) or name in ("product", "kron")
    np.testing.assert_allclose((A.H @ A).toarray(), np.eye(n), atol=1e-14)


def test_others_are_not():
    weighted = T.dct(5, norm="ortho", orthogonalize=False)
    for A in (T.dft(4), T.dct(5), weighted, T.hadamard(4), T.rdft(4, norm="ortho")):
        assert not A._is_unitary


@pytest.mark.parametrize("norm", [None, "ortho", "forward"])
def test_inverses_multiply_out(norm):
    """As soon as they are written, to multiples of the identity."""
    pairs = [(T.dft((2, 5), norm=norm), T.idft((2, 5), norm=norm))]
    for type in (1, 2, 3, 4):
        pairs.append((T.dct(6, type, norm=norm), T.idct(6, type, norm=norm)))
        pairs.append((T.dstn((2, 3), type, norm=norm), T.idstn((2, 3), type, norm=norm)))
    for A, B in pairs:
        for product in (A @ B, B @ A):
            assert isinstance(product, lo.Identity)
            assert product.dtype == A.dtype
    A = T.dft(8, norm=norm)
    D = lo.Diagonal(np.arange(8.0))
    product = D @ A.H @ A @ D
    assert "Fourier" not in product.tree()
    np.testing.assert_allclose(product.toarray(), D.toarray() @ A.N.toarray() @ D.toarray())


@pytest.mark.parametrize(
    "A",
    [
        T.hadamard((2, 12)),
        T.hadamard(8, norm="forward", order="sequency"),
        T.convolve((4, 3), [[1.0, 0.2], [0.1, 0.3]], "circular"),
        T.convolve((4, 2), [1.0, 0.4j], "circular", axes=0),
    ],
)
def test_inverses_and_norms_from_structure(A):
    D = A.toarray()
    assert type(lo.inverse(A)) is type(A)
    np.testing.assert_allclose(lo.inverse(A) @ D, np.eye(A.shape[0]), atol=1e-13)
    for order in ("fro", 1, -1, 2, np.inf, -np.inf):
        np.testing.assert_allclose(lo.norm(A, order), np.linalg.norm(D, order), rtol=1e-13)


def test_a_convolution_that_loses_a_frequency_has_no_inverse():
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        lo.inverse(T.convolve(4, [1.0, 1.0], "circular"))


def test_different_transforms_stay_products():
    for A, B in (
        (T.dft(4), T.dft(4)),
        (T.dct(4, 2), T.dct(4, 2)),
        (T.dct(4, 2), T.dst(4, 3)),
        (T.dft((2, 2), axis=0), T.idft((2, 2), axis=1)),
        (T.dct(4, 2, norm="ortho"), T.dct(4, 3)),
    ):
        np.testing.assert_allclose((A @ B).toarray(), A.toarray() @ B.toarray(), atol=1e-12)
        assert isinstance(A @ B, lo.Product)


def test_transforms_follow_the_namespace_of_their_argument():
    strict = pytest.importorskip("array_api_strict")
    x = random("float64", 12)
    for A in (T.dct(12), T.dft((3, 4)), T.pad(12, 2, "wrap"), T.hadamard(12), T.resample(12, 7)):
        assert A.namespace is None
        assert A.cost.parameters == 0
        np.testing.assert_allclose(np.asarray(A @ strict.asarray(x)), A @ x, atol=1e-12)
    B = T.convolve(12, strict.asarray([1.0, 2.0]))
    np.testing.assert_allclose(np.asarray(B @ strict.asarray(x)), np.convolve(x, [1, 2]))


def test_kron_of_transforms_acts_along_both_axes():
    x = random("complex128", 12)
    A = lo.kron(T.dft(3), T.dft(4))
    np.testing.assert_allclose(A @ x, scipy.fft.fft2(x.reshape(3, 4)).ravel())


def test_integers_and_lists_are_taken():
    np.testing.assert_allclose(T.dct(3) @ [1, 2, 3], scipy.fft.dct([1, 2, 3]))
    np.testing.assert_allclose(
        T.dft(3) @ np.array([1, 2, 200], np.uint8), scipy.fft.fft([1, 2, 200])
    )
    found = T.convolve(3, [1, 200]) @ np.array([1, 1, 100], np.int8)
    np.testing.assert_array_equal(found, [1, 201, 300, 20000])


def test_one_point_and_none():
    for A in (T.dft(1), T.dct(1), T.dst(1, 1), T.idct(1, 3), T.hadamard(1), T.convolve(1, [3.0])):
        assert (A @ np.ones(1)).shape == (1,)
    for A in (T.dft((0, 3)), T.dctn((3, 0), axes=0), T.pad(0, 0), T.convolve((0, 3), [1.0, 2.0])):
        assert (A @ np.ones(0)).size == 0
        assert (A.H @ np.ones((A.shape[0], 2))).shape == (A.shape[1], 2)
        assert A.cost.flops == 0
    assert (T.pad(0, 2) @ np.ones(0)).tolist() == [0.0] * 4
    assert T.pad((0, 3), ((0, 0), (1, 2)), "reflect", reflect_type="odd").shape == (0, 0)
    assert T.dft(4) @ np.ones((4, 0)) is not None


def test_spectra_are_not_held_twice():
    A = T.convolve(100, random("float64", 3))
    assert A.cost.parameters == 3


def test_plans_name_the_way():
    assert T.convolve(64, [1.0, 2.0]).plan().steps[0].kernel == "direct"
    assert lo.Toeplitz(random("float64", 500)).plan().steps[0].kernel == "fft"
    assert lo.Toeplitz(random("float64", 5)).plan().steps[0].kernel == "matmul"


REFUSED = {
    "no points": (lambda: T.dft(0), ValueError, "at least 1 point.*got 0"),
    "no points along the axis": (
        lambda: T.dct((3, 0)),
        ValueError,
        r"axis 1 of the shape \(3, 0\)",
    ),
    "negative": (lambda: T.dft(-3), ValueError, "at least 0, got -3"),
    "fractional": (lambda: T.dft(3.5), TypeError, "a length must be an integer, got 3.5"),
    "bool": (lambda: T.dft(True), TypeError, "got a bool"),
    "word": (lambda: T.dft("8"), TypeError, "must be an integer, got '8'"),
    "no axes in the shape": (
        lambda: T.dft(()),
        ValueError,
        r"at least one axis, got the shape \(\)",
    ),
    "axis": (lambda: T.dft((3, 4), axis=2), ValueError, r"axis 2 is out of range.*\(3, 4\)"),
    "axis below": (lambda: T.dct(3, axis=-2), ValueError, "axis -2 is out of range"),
    "fractional axis": (lambda: T.dft(3, axis=0.0), TypeError, "an axis must be an integer"),
    "axes twice": (lambda: T.dftn((3, 4), axes=(1, -1)), ValueError, "axes must be different"),
    "no axes": (lambda: T.dctn(3, axes=()), ValueError, "at least one axis, got none"),
    "no lengths": (lambda: T.rdftn((3, 4), s=()), ValueError, "at least one axis, got none"),
    "lengths": (lambda: T.dftn((3, 4), s=(1, 2, 3)), ValueError, "3 lengths for the shape"),
    "lengths and axes": (lambda: T.dctn((3, 4), s=(1, 2), axes=0), ValueError, "2 lengths for 1"),
    "length": (
        lambda: T.dft(3, n=0),
        ValueError,
        "length of a transform must be at least 1, got 0",
    ),
    "norm": (lambda: T.dft(3, norm="unit"), ValueError, "norm must be 'backward'.*got 'unit'"),
    "dtype": (lambda: T.dft(3, dtype="float64"), TypeError, "complex64 or complex128, got float64"),
    "integer dtype": (lambda: T.dct(3, dtype=int), TypeError, "must be float32.*got int64"),
    "half precision": (
        lambda: T.dct(3, dtype="float16"),
        TypeError,
        "must be float32.*got float16",
    ),
    "type": (lambda: T.dct(3, 5), ValueError, "1, 2, 3 or 4, got 5"),
    "types": (lambda: T.dct(3, [2, 3]), ValueError, r"1, 2, 3 or 4, got \[2, 3\]"),
    "difference orders": (lambda: T.difference(3, order=[1]), ValueError, r"of order \[1\]"),
    "functions": (
        lambda: T.scipy_fft_backend.replacing(["fft"], np.eye(3)),
        ValueError,
        r"one of fft.*got \['fft'\]",
    ),
    "type in words": (lambda: T.dst(3, "II"), ValueError, "got 'II'"),
    "cosine of one point": (lambda: T.dct(1, 1), ValueError, "at least 2 point.*got 1"),
    "orthogonalize": (lambda: T.dct(3, orthogonalize=1), TypeError, "True, False or None, got 1"),
    "spectrum of one entry": (lambda: T.irdft(1), ValueError, "at least 1, got 0"),
    "hadamard": (lambda: T.hadamard(6), ValueError, "power of two times 1, 12 or 20, got 6"),
    "sequency": (lambda: T.hadamard(12, order="sequency"), ValueError, "only powers of two"),
    "order": (lambda: T.hadamard(4, order="dyadic"), ValueError, "'natural' or 'sequency'"),
    "kernel": (lambda: T.convolve(3, []), ValueError, r"needs entries, got the shape \(0,\)"),
    "kernel of words": (lambda: T.convolve(3, "ab"), TypeError, "a kernel must be an array of num"),
    "kernel of a number": (lambda: T.convolve(3, 2.0), ValueError, "a kernel with 0 axes"),
    "kernel's axes": (lambda: T.convolve(3, np.ones((2, 2))), ValueError, "2 axes does not fit"),
    "kernel and axes": (lambda: T.convolve((3, 3), [1.0], axes=(0, 1)), ValueError, "for 2 axes"),
    "mode": (lambda: T.convolve(3, [1.0], "circ"), ValueError, "mode must be one of.*'circ'"),
    "method": (lambda: T.convolve(3, [1.0], method="slow"), ValueError, "method must be one of"),
    "circular method": (
        lambda: T.convolve(3, [1.0], "circular", method="direct"),
        ValueError,
        "runs by 'fft', not by 'direct'",
    ),
    "blocks of two axes": (
        lambda: T.convolve((3, 3), np.ones((2, 2)), method="overlap-add"),
        ValueError,
        "for one axis, got 2",
    ),
    "valid": (
        lambda: T.convolve((3, 5), np.ones((4, 2)), "valid"),
        ValueError,
        "at least as long as the other",
    ),
    "toeplitz and shape": (
        lambda: T.toeplitz([1.0, 2.0], shape=(2, 3)),
        ValueError,
        r"shape \(2, 2\) acts along axis 1 of the shape \(2, 3\).*3 points and not 2",
    ),
    "hankel": (lambda: T.hankel([]), ValueError, "needs a column and a row"),
    "padding": (lambda: T.pad(3, -1), ValueError, "width of padding must be at least 0, got -1"),
    "paddings": (lambda: T.pad(3, ((1, 1), (1, 1))), ValueError, "a pair for each axis of the sha"),
    "padding mode": (lambda: T.pad(3, 1, "mean"), ValueError, "'wrap', got 'mean'"),
    "padding of nothing": (lambda: T.pad(0, 1, "edge"), ValueError, "empty axis.*'edge'"),
    "odd padding": (
        lambda: T.pad(3, 3, "reflect", reflect_type="odd"),
        ValueError,
        "odd reflection of 3 points reaches 2 far",
    ),
    "odd edge": (lambda: T.pad(3, 1, "edge", reflect_type="odd"), ValueError, "not for 'edge'"),
    "difference kind": (lambda: T.difference(3, kind="left"), ValueError, "'left' of order 1"),
    "difference order": (lambda: T.difference(3, order=3), ValueError, "'forward' of order 3"),
    "difference edge": (lambda: T.difference(3, edge="mirror"), ValueError, "edge must be one of"),
    "difference of one": (lambda: T.difference(1), ValueError, "at least 2 point"),
    "spacing": (lambda: T.difference(3, spacing=0), ValueError, "finite and not zero, got 0"),
    "spacing in words": (
        lambda: T.difference(3, spacing="wide"),
        TypeError,
        "spacing must be a real number, got 'wide'",
    ),
    "no spacing": (lambda: T.difference(3, spacing=None), TypeError, "real number, got None"),
    "wide spacing": (lambda: T.difference(3, order=2, spacing=1e200), ValueError, "1e.200 is beyo"),
    "narrow spacing": (lambda: T.difference(3, order=2, spacing=1e-200), ValueError, "beyond"),
    "infinite weights": (lambda: T.difference(3, spacing=1e-320), ValueError, "beyond"),
    "infinite in single precision": (
        lambda: T.difference(3, spacing=1e-40, dtype="float32"),
        ValueError,
        "beyond the range of float32",
    ),
    "window's length": (lambda: T.window(4, [1.0, 2.0]), ValueError, "2 points is none for 4"),
    "unknown window": (lambda: T.window(4, "glass"), ValueError, "glass|[Uu]nknown"),
    "no window": (lambda: T.window(4, ()), ValueError, r"unknown window \(\)"),
    "window's parameter": (
        lambda: T.window(4, ("kaiser", None)),
        ValueError,
        "unknown window .'kaiser', None.:",
    ),
    "filter's window": (
        lambda: T.resample_poly(4, 1, 2, window=("kaiser", "a")),
        ValueError,
        "unknown window .'kaiser', 'a'.",
    ),
    "step": (lambda: T.downsample(4, 0), ValueError, "the step must be at least 1, got 0"),
    "rate": (lambda: T.resample_poly(4, 0, 1), ValueError, "a rate must be at least 1, got 0"),
    "no filter": (
        lambda: T.resample_poly(4, 1, 2, window=[]),
        ValueError,
        "coefficients, got none",
    ),
    "complex filter": (
        lambda: T.resample_poly(4, 1, 2, window=[1.0, 1j], dtype=float),
        TypeError,
        "complex coefficients.*float64",
    ),
    "filter of equal rates": (
        lambda: T.resample_poly(4, 2, 2, window=[[1.0]]),
        ValueError,
        "a window must have 1 dimension",
    ),
    "points": (lambda: T.resample(4, 0), ValueError, "number of points must be at least 1"),
    "factor": (lambda: T.decimate(4, 1.5), TypeError, "the factor must be an integer, got 1.5"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    make, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        make()
