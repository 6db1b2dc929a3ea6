"""Transforms give on PyTorch, JAX and Dask what they give on NumPy, and gradients flow through."""

import numpy as np
import pytest

import lazyop as lo

T = lo.transforms
KERNEL = np.array([1.0, -2.0, 0.5], "float32")
OPERATORS = {
    "dft": T.dft((3, 4), 6, axis=0),
    "idftn": T.idftn((3, 4), norm="ortho"),
    "rdftn": T.rdftn((3, 4)),
    "irdft": T.irdft(5, 9),
    **{f"dct {type}": T.dct((3, 5), type) for type in (1, 2, 3, 4)},
    **{f"dst {type}": T.dst((2, 4), type, norm="ortho") for type in (1, 2, 3, 4)},
    "hadamard": T.hadamard(24, norm="ortho"),
    "sequency": T.hadamard(16, order="sequency"),
    "pad": T.pad((2, 5), ((0, 0), (3, 1)), "symmetric"),
    "odd": T.pad(5, 2, "reflect", reflect_type="odd"),
    "difference": T.difference((2, 6), kind="centered", edge="one-sided"),
    "downsample": T.downsample((2, 7), 3, start=1),
    "resample": T.resample(8, 5),
    "convolve": T.convolve(12, KERNEL, "same", method="direct"),
    "by transforms": T.convolve((3, 12), KERNEL, method="fft"),
    "by blocks": T.convolve(40, KERNEL, method="overlap-add"),
    "circular": T.convolve((5, 6), KERNEL, "circular"),
    "resample_poly": T.resample_poly(12, 3, 2, window=KERNEL),
    "Toeplitz": lo.Toeplitz(KERNEL, KERNEL[:2]),
    "Circulant": lo.Circulant(KERNEL),
}
#: JAX compiles every product anew.
CASES = [
    *(("torch", name) for name in OPERATORS),
    *(("jax", name) for name in ("dct 3", "convolve", "difference")),
    *(("dask.array", name) for name in ("dft", "dct 2", "pad", "by transforms")),
]


def numbers(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype("float32")


@pytest.mark.parametrize(("namespace", "name"), CASES)
def test_products(namespace, name):
    library = pytest.importorskip(namespace)
    library = library.numpy if namespace == "jax" else library
    single = "complex64" if OPERATORS[name].dtype.kind == "c" else "float32"
    A = OPERATORS[name].astype(single)
    for op in (A, A.H):
        there = op if op.namespace is None else op.to(namespace.partition(".")[0])
        x = numbers(op.shape[1], 2)
        make = library.from_array if namespace == "dask.array" else library.asarray
        y = there @ (make(x, chunks=2) if namespace == "dask.array" else make(x))
        assert type(y).__module__.startswith(namespace.partition(".")[0])
        np.testing.assert_allclose(np.asarray(y), op @ x, atol=2e-5)


@pytest.mark.parametrize("name", ["dct 2", "pad", "difference", "resample", "by transforms"])
def test_gradients(name):
    torch = pytest.importorskip("torch")
    A = OPERATORS[name].astype("float64") if OPERATORS[name].namespace else OPERATORS[name]
    there = A if A.namespace is None else A.to("torch")
    x = torch.from_numpy(numbers(A.shape[1]).astype("float64")).requires_grad_()
    (there @ x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), A.H @ np.ones(A.shape[0]), atol=1e-6)


def test_gradients_of_a_kernel():
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(numbers(20))
    for method in ("direct", "fft", "overlap-add"):
        h = torch.from_numpy(KERNEL).requires_grad_()
        y = T.convolve(20, h, "valid", method=method) @ x
        y.sum().backward()
        expected = [x[2 - j : 20 - j].sum() for j in range(3)]
        np.testing.assert_allclose(h.grad.numpy(), expected, atol=1e-5)
