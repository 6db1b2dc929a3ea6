"""Layers of networks as operators."""

import pytest
import scipy.linalg

import lazyop as lo


def test_a_layer_of_pytorch():
    torch = pytest.importorskip("torch")
    layer = torch.nn.Linear(16, 16)
    layer.weight.data = torch.tensor(scipy.linalg.hadamard(16), dtype=torch.float32)
    options = {"dtype": "float32", "namespace": "torch", "vectorized": True}
    with pytest.raises(lo.NotLinearError, match="affine"):
        lo.substitute(layer, 16, **options)
    layer.bias = None
    found = lo.substitute(layer, 16, **options)
    assert found.operator.cost.parameters < 256
    x = torch.randn(2, 3, 16)
    y = found(x)
    assert y.dtype == torch.float32
    torch.testing.assert_close(y, layer(x), rtol=0, atol=1e-5)


def test_what_pytorch_does_to_its_argument():
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match="writes into its argument"):
        lo.substitute(lambda x: x.mul_(2), 8, namespace="torch")
    with pytest.raises(ValueError, match="not deterministic"):
        lo.substitute(torch.nn.Dropout(), 32, namespace="torch")
