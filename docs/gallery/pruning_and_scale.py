"""
Pruning, and what scale has to do with it
=========================================

Half of a network's weights can go. The usual choice are the smallest ones, but how small a weight
is says little: multiply what comes into a unit by ten and divide what goes out of it by ten, and
the network computes the same. The path norm does not change by that, and neither do the scores of
weights by their part in it.

The published picture of this is ResNet-18 on ImageNet [1]_. Here it is a small network that reads
the handwritten digits that come with scikit-learn, and trains in a second.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import lazyop as lo

rng = np.random.default_rng(0)
images, digits = load_digits(return_X_y=True)
train, test, train_digits, test_digits = train_test_split(
    images / 16, digits, test_size=0.5, random_state=0
)
model = MLPClassifier(hidden_layer_sizes=(64,), tol=1e-3, random_state=0)
model.fit(train, train_digits)
trained = lo.rescale.read_layers(model)


def accuracy(layers):
    """Part of the digits read right that the network was not trained on."""
    lo.rescale.write_layers(model, layers)
    return model.score(test, test_digits)


# %%
# The same network, scaled otherwise
# ----------------------------------
# Each of the 64 units gets a multiple, which its outgoing weights are divided by.

(W, b), (V, c) = trained
d = np.exp(2 * rng.standard_normal(64))
rescaled = [(d[:, None] * W, d * b), (V / d, c)]
print(f"accuracy: {accuracy(trained):.3f} as trained, {accuracy(rescaled):.3f} rescaled")
norms = [lo.rescale.path_norm(layers) for layers in (trained, rescaled)]
print("path norm: {:.10g} as trained, {:.10g} rescaled".format(*norms))

# %%
# Half of the weights gone
# ------------------------
# By magnitude, the accuracy now depends on the multiples. By path score it does not. And by
# magnitude after balancing, which finds the one scale of all at which the weights are smallest,
# it does not either.

networks = {"as trained": trained, "rescaled": rescaled, "balanced": lo.rescale.balance(rescaled)}
for name, layers in networks.items():
    by = {way: accuracy(lo.rescale.prune(layers, 0.5, way)) for way in ("magnitude", "path")}
    print(f"{name:<10}  by magnitude {by['magnitude']:.3f}   by path score {by['path']:.3f}")

# %%
# The pictures on the right are the weights into 24 of the units that are left, one for each pixel
# of a digit. Rescaled, magnitude lets some units keep them all, and others lose them all. (A path
# score counts what comes after a unit as well: units that matter little go as a whole.)

ORANGE, BLUE, GREY = "#D55E00", "#0072B2", "#999999"
plt.rcParams.update({"axes.titlelocation": "left", "legend.frameon": False})
figure = plt.figure(figsize=(10, 4.2), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=[1, 1.25])
axis = left.subplots()
parts = np.linspace(0, 0.95, 20)
curves = [
    ("by magnitude, rescaled", rescaled, "magnitude", {"color": ORANGE, "linewidth": 2}),
    ("by magnitude, as trained", trained, "magnitude", {"color": GREY, "linewidth": 2}),
    ("by path score, as trained", trained, "path", {"color": BLUE, "linewidth": 2}),
    ("by path score, rescaled", rescaled, "path", {"color": BLUE, "marker": "o", "ls": "none"}),
]
for label, layers, way, style in curves:
    found = [accuracy(lo.rescale.prune(layers, part, way)) for part in parts]
    axis.plot(100 * parts, found, label=label, markersize=5, **style)
axis.set(xlabel="% of the weights gone", ylabel="accuracy", title="Digits read right", ylim=(0, 1))
axis.legend(loc="lower left")
rows = [
    ("half gone by magnitude, as trained", trained, "magnitude"),
    ("half gone by magnitude, rescaled", rescaled, "magnitude"),
    ("half gone by path score, rescaled", rescaled, "path"),
]
for part, (label, layers, way) in zip(right.subfigures(3, 1), rows, strict=True):
    part.suptitle(label, x=0.02, ha="left", fontsize="medium")
    cells, kept = part.subplots(2, 12).ravel(), lo.rescale.prune(layers, 0.5, way)[0][0]
    for cell, weights, whole in zip(cells, kept, layers[0][0], strict=False):
        limit = np.abs(whole).max()
        cell.imshow(weights.reshape(8, 8), cmap="RdBu", vmin=-limit, vmax=limit)
        cell.set(xticks=[], yticks=[])

# %%
# .. [1] A. Gonon, N. Brisebarre, E. Riccietti, R. Gribonval, "A rescaling-invariant Lipschitz bound
#    based on path-metrics for modern ReLU network parameterizations", ICML 2025, arXiv:2405.15006.
#
# In a checkout of lazyop, the figure goes to its folder ``build``.

here = Path.cwd()
root = next((d for d in (here, *here.parents) if (d / "pyproject.toml").is_file()), here)
(root / "build").mkdir(exist_ok=True)
figure.savefig(root / "build" / "pruning_and_scale.png", dpi=150)
print("The figure is in build/pruning_and_scale.png")
