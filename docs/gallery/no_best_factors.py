"""
A matrix without best factors
=============================

Fit a lower times an upper triangular matrix to one that exchanges rows, by gradient descent. The
loss falls and falls, and so the fit looks fine; but the factors never settle, since there is
nothing to settle at: products come as near as one likes, and none is nearest. Le, Riccietti and
Gribonval found this in training sparse networks
(`arXiv:2306.02666 <https://arxiv.org/abs/2306.02666>`__). lazyop tells before the descent.
"""

import matplotlib.pyplot as plt
import numpy as np
from numpy.linalg import norm

import lazyop as lo

n = 2
target = np.eye(n)[::-1]
lower, upper = np.tri(n), np.tri(n).T

diagnosis = lo.fixed_support.diagnose(lower, upper)
print(diagnosis)

# %%
# The diagnosis comes with a witness: a matrix, here the same, and factors at any distance from it.
# The nearer, the larger.

witness = diagnosis.witness
print(witness.target.toarray())
distances = np.logspace(-1.7, 0, 25)
nearing = [max(norm(X.toarray()), norm(Y.toarray())) for X, Y in map(witness.factors, distances)]

# %%
# Gradient descent, with and without weight decay
# -----------------------------------------------


def descent(decay, steps=40_000, rate=0.02):
    """Distance of the product and the larger norm of the factors, at some of the steps."""
    rng = np.random.default_rng(0)
    X, Y = lower * rng.standard_normal((n, n)), upper * rng.standard_normal((n, n))
    shown, path = set(np.unique(np.logspace(0, np.log10(steps), 120).astype(int))), []
    for step in range(1, steps + 1):
        error = X @ Y - target
        slope_X, slope_Y = error @ Y.T + decay * X, X.T @ error + decay * Y
        X, Y = X - rate * lower * slope_X, Y - rate * upper * slope_Y
        if step in shown:
            path.append((step, norm(X @ Y - target), max(norm(X), norm(Y))))
    return np.array(path).T


paths = {decay: descent(decay) for decay in (0, 0.01)}
for decay, (_, distance, size) in paths.items():
    print(f"decay {decay:<5}  distance {distance[-1]:.3f}  largest norm {size[-1]:.2f}")

# %%
# With weight decay there is a minimum, and descent ends there. It is the minimum that
# ``factorize`` finds with the decay as its ``regularization``:

weights = np.logspace(-3, -0.5, 12)
best = [
    lo.fixed_support.factorize(target, lower, upper, regularization=weight)
    for weight in (0.01, *weights)
]
sizes = [max(norm(factor.toarray()) for factor in found.factors) for found in best]
errors = [found.relative_error * norm(target) for found in best]
print(best[0])

# %%
# The figure
# ----------
# On the right, descent without decay follows the best that can be had at a given size, and goes on
# for ever. The witness takes larger factors than it needs to; its line has no end either.

GREY, BLUE, ORANGE = "#999999", "#0072B2", "#D55E00"
plt.rcParams.update({"axes.titlelocation": "left", "legend.frameon": False})
figure, (ax, plane) = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained")
for (decay, (steps, distance, size)), color in zip(paths.items(), (ORANGE, BLUE), strict=True):
    name = f"weight decay {decay}" if decay else "no weight decay"
    ax.loglog(steps, distance, color=color, label=f"distance, {name}")
    ax.loglog(steps, size, color=color, linestyle="--", label=f"norm of a factor, {name}")
    plane.loglog(size, distance, color=color, linewidth=3, label=f"descent, {name}")
    plane.plot(size[-1], distance[-1], "o", color=color, markersize=9)
ax.set(xlabel="step", title="Gradient descent")
ax.legend(loc="lower left")
plane.loglog(sizes[1:], errors[1:], "ko", markersize=4, zorder=3, label="best, by weight decay")
plane.loglog(nearing, distances, ":", color=GREY, label="witness")
plane.set(xlabel="norm of the larger factor", ylabel="distance from the matrix")
plane.set_title("Nearer only with larger factors")
plane.legend(loc="lower left")
plt.show()
