"""Networks of PyTorch: read, rescaled, written back."""

import numpy as np
import pytest

import lazyop as lo

torch = pytest.importorskip("torch", reason="needs PyTorch, of the extra lazyop[torch]")
nn = torch.nn


def network(dtype=torch.float64):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Flatten(),
        nn.Linear(6, 5),
        nn.ReLU(),
        nn.Sequential(nn.Dropout(0.5), nn.Linear(5, 4, bias=False), nn.LeakyReLU()),
        nn.Linear(4, 3),
        nn.Softmax(dim=1),
    )
    return model.to(dtype).eval()


def test_balancing_keeps_the_function():
    model, x = network(), torch.randn(10, 2, 3, dtype=torch.float64)
    before = model(x)
    layers = lo.rescale.read_layers(model)
    assert [type(layer) for layer in layers] == [tuple, torch.Tensor, tuple]
    balanced = lo.rescale.balance(layers)
    assert isinstance(balanced[1], torch.Tensor)
    lo.rescale.write_layers(model, balanced)
    torch.testing.assert_close(model(x), before, rtol=1e-12, atol=1e-14)
    assert not torch.allclose(model[1].weight, layers[0][0])
    for kept in lo.rescale.conserved(lo.rescale.read_layers(model)):
        assert float(torch.max(torch.abs(kept))) < 1e-12
    assert model[1].weight.requires_grad


def test_figures_are_those_of_numpy():
    layers = lo.rescale.read_layers(network())
    host = [
        (layer[0].numpy(), layer[1].numpy()) if isinstance(layer, tuple) else layer.numpy()
        for layer in layers
    ]
    assert lo.rescale.path_norm(layers, 2) == pytest.approx(lo.rescale.path_norm(host, 2))
    for one, other in zip(lo.rescale.prune(layers, 0.4), lo.rescale.prune(host, 0.4), strict=True):
        one, other = (x[0] if isinstance(x, tuple) else x for x in (one, other))
        np.testing.assert_array_equal(one.numpy(), other)


def test_parameters_that_need_gradients_are_read_as_they_are():
    model = network()
    layers = [(model[1].weight, model[1].bias), model[3][1].weight]
    read = lo.rescale.read_layers(model)[:2]
    assert lo.rescale.path_norm(layers) == lo.rescale.path_norm(read)
    torch.testing.assert_close(
        lo.rescale.balance(layers)[0][0].detach(), lo.rescale.balance(read)[0][0]
    )
    assert lo.rescale.prune(layers, 0.5)[1].requires_grad


def test_single_precision_and_arrays_of_numpy_are_written():
    model = network(torch.float32)
    layers = lo.rescale.read_layers(model)
    assert lo.rescale.balance(layers)[0][0].dtype == torch.float32
    zeros = [
        (np.zeros(layer[0].shape), np.zeros(layer[1].shape))
        if isinstance(layer, tuple)
        else np.zeros(layer.shape)
        for layer in layers
    ]
    lo.rescale.write_layers(model, zeros)
    assert all(float(x.detach().abs().max()) == 0 for x in model.parameters())
    assert model[1].weight.dtype == torch.float32


def test_other_networks_are_refused():
    shared = nn.Linear(3, 3)
    for model, message in [
        (nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)), "through Tanh, only.*ReLU"),
        (nn.Sequential(shared, nn.ReLU(), shared), "share a matrix"),
        (nn.Sequential(nn.ReLU()), "no linear layer"),
    ]:
        with pytest.raises(ValueError, match=message):
            lo.rescale.read_layers(model)
    with pytest.raises(TypeError, match="got Linear"):
        lo.rescale.read_layers(shared)
