"""Multilayer perceptrons of scikit-learn: read, rescaled, written back."""

import numpy as np
import pytest

import lazyop as lo

neural_network = pytest.importorskip(
    "sklearn.neural_network", reason="needs scikit-learn, of the extra lazyop[test]"
)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 4))
    return X, np.abs(X[:, 0]) - np.maximum(X[:, 1], X[:, 2])


@pytest.fixture
def model(data):
    perceptron = neural_network.MLPRegressor(
        hidden_layer_sizes=(6, 5), solver="lbfgs", max_iter=30, random_state=0
    )
    with pytest.warns(Warning, match="failed to converge"):
        return perceptron.fit(*data)


def test_balancing_keeps_the_function(model, data):
    before = model.predict(data[0])
    layers = lo.rescale.read_layers(model)
    assert [W.shape for W, _ in layers] == [(6, 4), (5, 6), (1, 5)]
    lo.rescale.write_layers(model, lo.rescale.balance(layers))
    np.testing.assert_allclose(model.predict(data[0]), before, rtol=1e-12, atol=1e-12)
    assert not np.allclose(model.coefs_[0], layers[0][0].T)
    for kept in lo.rescale.conserved(lo.rescale.read_layers(model)):
        np.testing.assert_allclose(kept, 0, atol=1e-11)


def test_what_is_read_is_a_copy(model):
    [(W, b), *_] = lo.rescale.read_layers(model)
    before = model.coefs_[0].copy(), model.intercepts_[0].copy()
    W[...], b[...] = 0, 0
    np.testing.assert_array_equal(model.coefs_[0], before[0])
    np.testing.assert_array_equal(model.intercepts_[0], before[1])


def test_what_does_not_fit_is_not_written(model):
    layers = lo.rescale.read_layers(model)
    before = model.coefs_[0].copy()
    zeros = [(0 * W, 0 * b) for W, b in layers]
    for wrong, message in [
        (zeros[:2], "3 linear layers, got 2"),
        ([*zeros[:2], zeros[2][0]], "layer 3 of the model has a bias, got no bias"),
        (
            [*zeros[:2], (np.ones((5, 1)), zeros[2][1])],
            r"shape \(1, 5\) in the model, got \(5, 1\)",
        ),
        ([*zeros[:2], (*zeros[2], None)], r"layer 3 is a tuple of 3; expected a pair"),
        ([*zeros[:2], (zeros[2][0], np.ones(2))], r"bias of layer 3 has shape \(1,\).*\(2,\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            lo.rescale.write_layers(model, wrong)
    with pytest.raises(TypeError, match="matrix of layer 3 is real in the model, got a complex"):
        lo.rescale.write_layers(model, [*zeros[:2], (1j * zeros[2][0], zeros[2][1])])
    for wrong in (None, iter(zeros)):
        with pytest.raises(TypeError, match="expected a list of layers, got"):
            lo.rescale.write_layers(model, wrong)
    np.testing.assert_array_equal(model.coefs_[0], before)


def test_other_models_are_refused(data):
    with pytest.raises(ValueError, match="fit it first"):
        lo.rescale.read_layers(neural_network.MLPRegressor())
    tanh = neural_network.MLPRegressor(
        hidden_layer_sizes=(2,), activation="tanh", solver="lbfgs", max_iter=200, tol=1.0
    )
    with pytest.raises(ValueError, match="activation 'tanh'"):
        lo.rescale.read_layers(tanh.fit(*data))
    with pytest.raises(TypeError, match=r"Sequential or a multilayer perceptron.*got list"):
        lo.rescale.read_layers([np.ones((2, 2))])
