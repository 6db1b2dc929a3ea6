"""Transforms in time and scale or frequency give on PyTorch and JAX what they give on NumPy."""

import numpy as np
import pytest

import lazyop as lo

T = lo.transforms
FREQUENCIES = [[0.1, 0.7], [0.3, 0.2], [0.9, 0.5]]
OPERATORS = {
    "dwt": T.dwt((3, 20), "db3", "smooth", 1),
    "idwt": T.idwt(33, "bior2.2", "periodization", 2),
    "dwtn": T.dwtn((9, 12), "db2", "reflect"),
    "stft": T.stft(40, ("hamming", 8), 3),
    "istft": T.istft(40, ("hamming", 8), 3, fft_mode="twosided"),
    "mdct": T.mdct((2, 40), ("sine", 8), boundary="orthogonal"),
    "nudft": T.nudft((3, 4), FREQUENCIES, method="direct"),
    "noiselet": T.noiselet(16),
}


def numbers(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype("float32")


@pytest.mark.parametrize(
    ("namespace", "name"),
    [*(("torch", name) for name in OPERATORS), ("jax", "dwt"), ("jax", "mdct")],  # JAX is slow
)
def test_products(name, namespace):
    library = pytest.importorskip(namespace)
    make = library.numpy.asarray if namespace == "jax" else library.from_numpy
    single = "complex64" if OPERATORS[name].dtype.kind == "c" else "float32"
    for A in (OPERATORS[name].astype(single), OPERATORS[name].astype(single).H):
        B = A if A.namespace is None else A.to(namespace)
        x = numbers(A.shape[1], 2)
        y = B @ make(x)
        assert type(y).__module__.startswith(namespace)
        np.testing.assert_allclose(np.asarray(y), A @ x, atol=1e-5)


@pytest.mark.parametrize("name", ["dwt", "idwt", "dwtn", "mdct"])
def test_gradients(name):
    torch = pytest.importorskip("torch")
    A = OPERATORS[name]
    B = A if A.namespace is None else A.to("torch")
    x = torch.from_numpy(numbers(A.shape[1]).astype("float64")).requires_grad_()
    (B @ x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), A.H @ np.ones(A.shape[0]), atol=1e-12)
