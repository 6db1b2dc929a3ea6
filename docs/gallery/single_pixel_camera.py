"""
A camera with one pixel
=======================

A camera with a single pixel sees the scene through patterns of light and dark, one after the other,
and records one number for each. With far fewer patterns than pixels, the picture is found as the
one that needs the fewest wavelets: compressive sensing. The matrix of the problem would take seven
gigabytes; as an operator it takes kilobytes, and PyLops' solver FISTA does the rest.
"""

import matplotlib.pyplot as plt
import numpy as np
import pylops
import pywt.data
import scipy.linalg
from pylops.optimization.sparsity import fista

import lazyop as lo

rng = np.random.default_rng(0)
n = 256
photograph = pywt.data.camera().reshape(n, 2, n, 2).mean(axis=(1, 3))
scene = photograph.ravel() - 128

# %%
# Patterns
# --------
# Rows of a Hadamard matrix of order 256² are patterns of ±1 that a mirror array can show. It is the
# Kronecker product of a Hadamard matrix with itself, and that is a product of eight sparse factors,
# as ``lo.factorize`` finds from its numbers.

hadamard = scipy.linalg.hadamard(n) / np.sqrt(n)
found = lo.factorize(hadamard, lo.Chain.square_dyadic(n))
patterns = lo.kron(found.operator, found.operator)
print(f"relative error {found.relative_error:.0e}, numbers held {patterns.cost.parameters}")

# %%
# Most of a picture is in coarse patterns. Those that are constant on squares of 4 by 4 pixels are
# all taken; of those constant on squares of 2 by 2, two in five; of the others, one in eleven. The
# camera shows one pattern in five, and what it records is noisy.

share = np.full((n, n), 0.09)
share[::2, ::2], share[::4, ::4] = 0.4, 1.0
shown = np.flatnonzero(rng.random(n * n) < share.ravel())
camera = patterns[shown]
record = camera @ scene + rng.normal(0, 2, len(shown))
print(f"{len(shown)} patterns of {n * n}: {camera}")

# %%
# The picture with few wavelets
# -----------------------------
# The wavelet transform is orthonormal, so that its adjoint makes the picture from coefficients.
# Operators multiply as matrices do, and FISTA takes their product.

wavelets = lo.transforms.dwtn((n, n), "db4", mode="periodization", level=5)
A = camera @ wavelets.H
coefficients, steps, cost = fista(pylops.aslinearoperator(A), record, niter=100, eps=8, alpha=1.0)
sparse = wavelets.H @ coefficients
least = camera.H @ record  # the picture of least norm, as the rows of the camera are orthonormal


def decibels(picture):
    """Peak signal-to-noise ratio, in decibels."""
    return 10 * np.log10(255**2 / np.mean((picture - scene) ** 2))


print(f"{np.count_nonzero(coefficients)} wavelets of {n * n} after {steps} steps")
print(f"least norm {decibels(least):.1f} dB, few wavelets {decibels(sparse):.1f} dB")

# %%
# The picture of least norm has blocks and noise where fine patterns were not shown. Few wavelets
# draw the lines through.

plt.rcParams["axes.titlelocation"] = "left"
figure, axes = plt.subplots(1, 4, figsize=(14, 4), layout="constrained")
ones = np.zeros((n * n, 16))
ones[rng.choice(shown, 16, replace=False), np.arange(16)] = 1
tiles = (patterns.T @ ones).reshape(n, n, 4, 4)[:64, :64]
tiles = np.pad(np.sign(tiles), ((0, 4), (0, 4), (0, 0), (0, 0)))
axes[0].imshow(tiles.transpose(2, 0, 3, 1).reshape(4 * 68, 4 * 68)[:-4, :-4], cmap="gray")
axes[0].set_title("corners of 16 patterns")
for ax, title, picture in zip(
    axes[1:],
    ["the scene", "least norm", "few wavelets, by FISTA"],
    [scene, least, sparse],
    strict=True,
):
    ax.imshow(picture.reshape(n, n), cmap="gray", vmin=-128, vmax=127)
    ax.set_title(title if picture is scene else f"{title}: {decibels(picture):.1f} dB")
for ax in axes:
    ax.set_axis_off()
plt.show()
