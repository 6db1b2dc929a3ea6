"""
A photograph out of focus, taken with a shaking hand
====================================================

A lens out of focus blurs the lines of a picture, a hand that moves while the shutter is open
smears them sideways. Either blur is a Toeplitz matrix: it does to every pixel the same. The two
together are a Kronecker product, and SciPy's damped least squares take them out again.
"""

import matplotlib.pyplot as plt
import numpy as np
import pywt.data
from scipy.sparse.linalg import lsqr

import lazyop as lo

rng = np.random.default_rng(0)

# %%
# The camera
# ----------
# What a pixel records is a weighted mean of the scene around it. The scene goes on where the
# picture ends, so that there are fewer pixels than unknowns, and a blur is a matrix with more
# columns than rows. PyWavelets ships the photograph.

scene = pywt.data.camera()[40:360, 120:440].astype(float)
n = len(scene)


def blur(weights):
    """Weighted means of neighbours, wherever all of them are within the scene."""
    first_row = np.pad(weights / weights.sum(), (0, n - len(weights)))
    first_column = np.pad(first_row[:1], (0, n - len(weights)))
    return lo.Toeplitz(first_column, first_row)


focus = blur(np.exp(-(np.linspace(-4, 4, 17) ** 2) / 2))
shake = blur(np.ones(17))
camera = lo.kron(focus, shake)
rows, columns = focus.shape[0], shake.shape[0]
print(camera.tree())
print(f"{camera.cost.parameters} numbers held, of {np.prod(camera.shape):.1e}")

# %%
# The sensor adds noise of one grey value, and rounds to whole ones.

exact = (camera @ scene.ravel()).reshape(rows, columns)
picture = np.rint(exact + rng.standard_normal(exact.shape)).clip(0, 255)
noise = np.sqrt(picture.size * (1 + 1 / 12))

# %%
# Take the blur out
# -----------------
# Without damping, least squares would fit the noise, through the details that a blur all but
# removes. Of a few dampings we take the first, that is the largest, whose residual is no larger
# than the noise. We look for the deviation from the mean: it is what damping draws to zero.

mean = picture.mean()
for damp in (0.25, 0.1, 0.04, 0.016):
    found, _, steps, residual, *_ = lsqr(camera, (picture - mean).ravel(), damp, 1e-4, 1e-4)
    print(f"damp {damp:4}: residual {residual / noise:4.2f} times the noise, {steps} steps")
    if residual <= noise:
        break
restored = found.reshape(n, n) + mean

# %%
# The figure
# ----------
# The peak signal-to-noise ratio compares with the middle of the scene, which the picture shows.


def middle(image):
    """The part of an image of the scene's size that the picture shows."""
    return image[8 : 8 + rows, 8 : 8 + columns]


def psnr(image):
    """Peak signal-to-noise ratio of an image of the picture's size, in dB."""
    return 20 * np.log10(255 / np.sqrt(np.mean((image - middle(scene)) ** 2)))


plt.rcParams.update({"axes.titlelocation": "left"})
figure, axes = plt.subplots(1, 3, figsize=(10, 3.7), layout="constrained")
for ax, title, image in (
    (axes[0], f"As taken: {psnr(picture):.1f} dB", picture),
    (axes[1], f"Restored: {psnr(middle(restored)):.1f} dB", middle(restored)),
    (axes[2], "The scene", middle(scene)),
):
    ax.imshow(image, cmap="gray", vmin=0, vmax=255)
    ax.set_title(title)
    ax.set_axis_off()
plt.show()
