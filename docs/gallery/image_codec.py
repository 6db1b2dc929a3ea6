"""
An image codec on a learned transform
=====================================

Codecs such as JPEG cut an image into blocks, take the cosine transform of each, and round the
coefficients. Here is a small one, written with :mod:`scipy.fft`. Without a change to it, the cosine
transform is replaced by a butterfly that was found from the function alone, and then by the same
butterfly with entries of 8, 6 and 4 bits. How good are the images?
"""

import matplotlib.pyplot as plt
import numpy as np
import pywt.data
from scipy import fft

import lazyop as lo

n = 16
photograph = pywt.data.camera().astype(float)

# %%
# The codec
# ---------
# As JPEG does, it subtracts mid-grey first. A larger step of the rounding makes fewer bits and a
# worse image; we count the bits that an entropy coder would need for each of the n² coefficients of
# a block by itself.


def encode(image, step):
    """Rounded coefficients of all blocks."""
    blocks = (image - 128).reshape(len(image) // n, n, -1, n).swapaxes(1, 2)
    return np.rint(fft.dctn(blocks, axes=(2, 3), norm="ortho") / step)


def decode(coefficients, step):
    """The image again."""
    blocks = fft.idctn(coefficients * step, axes=(2, 3), norm="ortho")
    return blocks.swapaxes(1, 2).reshape(512, 512) + 128


def bits_per_pixel(coefficients):
    """Entropy of the coefficients."""
    counts = [np.unique(c, return_counts=True)[1] for c in coefficients.reshape(-1, n * n).T]
    return sum(-(c / c.sum()) @ np.log2(c / c.sum()) for c in counts) / n**2


def decibels(image):
    """Peak signal-to-noise ratio, in decibels."""
    return 10 * np.log10(255**2 / np.mean((image - photograph) ** 2))


# %%
# The transform, learned
# ----------------------
# The function is called with random and with unit vectors. It is linear, and its matrix is a
# product of two sparse factors and a permutation, with 160 numbers instead of 256.

learned = lo.substitute(lambda x: fft.dct(x, norm="ortho"), n)
print(learned)

# %%
# Few bits for its numbers
# ------------------------
# Rounding each number is the simplest way. ``lo.quantize`` chooses them together, so that their
# product stays accurate.

transforms = {"exact": learned.operator}
print("bits   error, rounded   error, chosen together")
for bits in (8, 6, 4):
    found = lo.quantize(learned.operator, lo.FloatFormat(significand_bits=bits))
    rounded = lo.quantize(learned.operator, found.format, method="round")
    transforms[bits] = found.operator.astype(float)
    transforms[bits, "rounded"] = rounded.operator.astype(float)
    print(f"{bits:4}   {rounded.relative_error:14.1e}   {found.relative_error:22.1e}")

# %%
# The codec runs on them
# ----------------------
# A backend of ``scipy.fft`` takes an operator in the place of a transform. The way back is its
# transpose.

steps, curves, images = 2.0 ** np.arange(2, 8), {}, {}
for name, operator in transforms.items():
    backend = lo.transforms.scipy_fft_backend
    backend = backend.replacing("dct", operator, norm="ortho")
    backend = backend.replacing("idct", operator.T, norm="ortho")
    with fft.set_backend(backend):
        coded = [encode(photograph, step) for step in steps]
        images[name] = [decode(*pair) for pair in zip(coded, steps, strict=True)]
    rates = [bits_per_pixel(coefficients) for coefficients in coded]
    curves[name] = rates, [decibels(image) for image in images[name]]

exact = [decibels(decode(encode(photograph, step), step)) for step in steps]
print(f"through scipy.fft itself: off by {np.ptp(np.subtract(curves['exact'][1], exact)):.0e} dB")

# %%
# With 8 bits nothing is lost, and with 6 bits next to nothing if they are chosen together; simple
# rounding to 6 bits costs ten decibels where the image is to be excellent. With 4 bits chosen
# together, it is still a good image at the rates at which images are mostly stored.

plt.rcParams.update({"axes.titlelocation": "left", "legend.frameon": False})
figure = plt.figure(figsize=(12, 6.2), layout="constrained")
rows = [["curves", "photo", "exact"], ["curves", "chosen", "rounded"]]
axes = figure.subplot_mosaic(rows, width_ratios=[1.7, 1, 1])
ax, colors = axes["curves"], {8: "#0072B2", 6: "#009E73", 4: "#D55E00"}
ax.plot(*curves["exact"], color="#bbbbbb", linewidth=7, label="exact")
for bits, color in colors.items():
    ax.plot(*curves[bits], "o-", color=color, label=f"{bits} bits, chosen together")
    ax.plot(*curves[bits, "rounded"], "--", color=color, label=f"{bits} bits, rounded")
ax.set(xlabel="bits per pixel", ylabel="signal to noise, dB", title="A codec on a learned DCT")
ax.legend(loc="upper left")

place, step = (slice(60, 200), slice(180, 320)), 2
shown = {"photo": ("the photograph", photograph), "exact": ("exact transform", None)}
shown |= {"chosen": ("4 bits together", None), "rounded": ("4 bits, rounded", None)}
keys = {"exact": "exact", "chosen": 4, "rounded": (4, "rounded")}
for name, (title, picture) in shown.items():
    image = images[keys[name]][step] if picture is None else picture
    ax = axes[name]
    ax.imshow(image[place], cmap="gray", vmin=0, vmax=255)
    ax.set_title(title if picture is not None else f"{title}: {decibels(image):.1f} dB")
    ax.set_axis_off()
plt.show()
