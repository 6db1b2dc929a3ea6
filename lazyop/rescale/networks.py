"""Networks of PyTorch and scikit-learn: their linear layers, read and written back."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from lazyop.namespaces import Array, as_array, copied, is_complex, like, share_home, to_numpy

__all__ = ["read_layers", "write_layers"]

#: The matrix and the bias, if any, of a layer, as views into the model.
_Held: TypeAlias = tuple[Array, Array | None]

#: Modules of PyTorch through which a positive diagonal matrix passes.
_HOMOGENEOUS = ("ReLU", "LeakyReLU", "Identity", "Dropout", "Flatten")


def read_layers(model: Any) -> list[Any]:
    """Return the linear layers of a network, as the functions of this module take them.

    Parameters
    ----------
    model : torch.nn.Sequential or a fitted MLPClassifier or MLPRegressor of scikit-learn
        Between its linear layers may be ReLU, and what rescaling passes through as well: leaky
        ReLU, dropout, the identity. Before the first and after the last there may be anything.

    Returns
    -------
    list
        A pair (matrix, bias) for each layer, in the order in which they act; the matrix alone
        where there is no bias. They are copies: `write_layers` changes the model.

    Raises
    ------
    TypeError
        If the model is of another kind.
    ValueError
        If rescaling would not leave its function alone, as another activation or a layer that
        occurs twice does not let it through; or there is no layer, or it has not been fitted.

    Examples
    --------
    >>> import numpy as np
    >>> import lazyop as lo
    >>> from sklearn.neural_network import MLPRegressor
    >>> X = np.linspace(-1.0, 1.0, 20)[:, None]
    >>> model = MLPRegressor(hidden_layer_sizes=(3,), solver="lbfgs", random_state=0)
    >>> model = model.fit(X, np.abs(X[:, 0]))
    >>> before = model.predict(X)
    >>> layers = lo.rescale.read_layers(model)
    >>> [W.shape for W, b in layers]
    [(3, 1), (1, 3)]
    >>> lo.rescale.write_layers(model, lo.rescale.balance(layers))
    >>> np.allclose(model.predict(X), before)
    True
    """
    return [
        copied(weight) if bias is None else (copied(weight), copied(bias))
        for weight, bias in _held(model)
    ]


def write_layers(model: Any, layers: Sequence[Any]) -> None:
    """Write layers back into the network that they were read from, in its precision.

    Parameters
    ----------
    model : torch.nn.Sequential or a fitted MLPClassifier or MLPRegressor of scikit-learn
        Its parameters change in place.
    layers : sequence
        As `read_layers` returns them, of the same shapes.

    Raises
    ------
    TypeError
        If the model is of another kind, the layers are no list, or one is no array, or a complex
        one for a real model.
    ValueError
        If numbers of layers, shapes or biases differ. With any error, nothing is written.
    """
    held = _held(model)
    if not isinstance(layers, Sequence):
        raise TypeError(f"expected a list of layers, got {type(layers).__name__}")
    if len(layers) != len(held):
        raise ValueError(f"the model has {len(held)} linear layers, got {len(layers)}")
    writes = [
        pair
        for k, (own, new) in enumerate(zip(held, layers, strict=True), start=1)
        for pair in _matched(own, new, k)
    ]
    for target, x in writes:
        target[...] = x if share_home(target, x) else like(to_numpy(x), target)


def _matched(own: _Held, new: Any, k: int) -> Iterator[tuple[Array, Array]]:
    """Yield what is written into with what is written, after checking that it fits."""
    if isinstance(new, tuple) and len(new) != 2:
        raise ValueError(f"layer {k} is a tuple of {len(new)}; expected a pair (W, b)")
    weight, bias = new if isinstance(new, tuple) else (new, None)
    if (bias is None) != (own[1] is None):
        wanted, got = ("no bias" if b is None else "a bias" for b in (own[1], bias))
        raise ValueError(f"layer {k} of the model has {wanted}, got {got}")
    for target, x, name in ((own[0], weight, "matrix"), (own[1], bias, "bias")):
        if target is None:
            continue
        array = as_array(x, f"the {name} of layer {k}")
        if tuple(array.shape) != tuple(target.shape):
            raise ValueError(
                f"the {name} of layer {k} has shape {tuple(target.shape)} in the model, got "
                f"{tuple(array.shape)}"
            )
        if is_complex(array) and not is_complex(target):
            raise TypeError(f"the {name} of layer {k} is real in the model, got a complex array")
        yield target, array


def _held(model: Any) -> list[_Held]:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(model, torch.nn.Sequential):
        return [
            (module.weight.data, None if module.bias is None else module.bias.data)
            for module in _linear_modules(model, torch)
        ]
    if hasattr(model, "hidden_layer_sizes") and hasattr(model, "activation"):
        return _perceptron_layers(model)
    raise TypeError(
        "expected a torch.nn.Sequential or a multilayer perceptron of scikit-learn, got "
        f"{type(model).__name__}; pass other networks as lists of matrices or (matrix, bias)"
    )


def _linear_modules(model: Any, torch: Any) -> list[Any]:
    modules = list(_flattened(model, torch))
    places = [i for i, module in enumerate(modules) if isinstance(module, torch.nn.Linear)]
    if not places:
        raise ValueError("the model has no linear layer")
    linear = [modules[i] for i in places]
    for module in modules[places[0] : places[-1]]:
        if module not in linear and type(module).__name__ not in _HOMOGENEOUS:
            raise ValueError(
                f"rescaling does not pass through {type(module).__name__}, only through "
                f"{', '.join(_HOMOGENEOUS)}"
            )
    if len({id(module.weight) for module in linear}) < len(linear):
        raise ValueError("layers of the model share a matrix, which can't be rescaled for both")
    return linear


def _flattened(model: Any, torch: Any) -> Iterator[Any]:
    for module in model:
        if isinstance(module, torch.nn.Sequential):
            yield from _flattened(module, torch)
        else:
            yield module


def _perceptron_layers(model: Any) -> list[_Held]:
    if not hasattr(model, "coefs_"):
        raise ValueError(f"this {type(model).__name__} has no layers yet: fit it first")
    if model.activation not in ("relu", "identity"):
        raise ValueError(
            f"rescaling does not pass through the activation {model.activation!r}, only through "
            "'relu' and 'identity'"
        )
    return [(W.T, b) for W, b in zip(model.coefs_, model.intercepts_, strict=True)]
