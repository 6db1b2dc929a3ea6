"""
How often random supports are bad
=================================

Prune two layers at random, and train what is left. Is there a best set of weights for every matrix
that the layers should make? For some supports there is none: see
:doc:`no_best_factors <no_best_factors>`. Here square supports are drawn, each entry with the same
probability, and ``diagnose`` looks for a proof one way or the other.
"""

import matplotlib.pyplot as plt
import numpy as np

import lazyop as lo

rng = np.random.default_rng(0)
densities = np.logspace(-2.3, 0, 18)
draws = 30


def status(n, density):
    """What is known of one pair of random supports."""
    I, J = rng.random((2, n, n)) < density
    if not (I.astype(int) @ J).any():
        return "closed"  # no product but zero
    return lo.fixed_support.diagnose(I, J).status


counts = {}
for n in (10, 30, 100):
    drawn = [[status(n, density) for _ in range(draws)] for density in densities]
    for name in ("closed", "not closed", "unknown"):
        counts[n, name] = [row.count(name) / draws for row in drawn]

# %%
# Between a few entries and many, nearly all random supports are bad. The thinnest ones have
# rank-one supports that don't meet. In the densest ones every entry of the product is covered many
# times over; no proof is found there, of neither kind, until the supports are full.

for n in (10, 30, 100):
    bad = [
        f"{d:.3f}"
        for d, share in zip(densities, counts[n, "not closed"], strict=True)
        if share > 0.9
    ]
    print(f"n = {n:3}: more than 90 % are bad for densities from {bad[0]} to {bad[-1]}")

# %%
# What a network gains from structure can be read off here as well: the supports of butterfly
# factors are as sparse, and closed.

for n in (8, 64, 512):
    left, right = (lo.KroneckerSparse(np.ones(tuple(p))).tosparse() for p in lo.Chain.monarch(n))
    density = left.nnz / n**2
    print(f"n = {n:3}, density {density:.3f}: {lo.fixed_support.diagnose(left, right).status}")

# %%
# The figure
# ----------

COLORS = {"closed": "#0072B2", "not closed": "#D55E00", "unknown": "#dddddd"}
plt.rcParams.update({"axes.titlelocation": "left"})
figure, axes = plt.subplots(1, 3, figsize=(11, 3.8), sharey=True, layout="constrained")
for ax, n in zip(axes, (10, 30, 100), strict=True):
    shares = [counts[n, name] for name in COLORS]
    ax.stackplot(densities, shares, colors=COLORS.values(), labels=COLORS)
    ax.set(xscale="log", xlim=(densities[0], 1), ylim=(0, 1), xlabel="density of the supports")
    ax.set_title(f"{n} x {n} supports")
axes[0].set_ylabel("share of random supports")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=3)
plt.show()
