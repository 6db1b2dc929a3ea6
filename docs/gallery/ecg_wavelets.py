"""
An electrocardiogram in few wavelets
====================================

A transform is good for a signal if few of its coefficients say nearly all. An orthonormal one is
also its own inverse, transposed, whatever it is made of: that is all that compression and
denoising ask of it, and here they are done by a wavelet transform, a cosine transform, and a lapped
cosine transform, in one loop. The record is that of PyWavelets, 1,024 samples of a real heart.
"""

import matplotlib.pyplot as plt
import numpy as np
import pywt.data
from numpy.linalg import norm

import lazyop as lo

record = pywt.data.ecg().astype(float)
record -= record.mean()
n = len(record)

transforms = {
    "wavelets, sym4": lo.transforms.dwt(n, "sym4", "periodization"),
    "lapped cosines, frames of 128": lo.transforms.mdct(n, ("sine", 128), boundary="orthogonal"),
    "cosines over all": lo.transforms.dct(n, norm="ortho"),
}
for name, A in transforms.items():
    print(f"{name:<30} {A!r}")
    print(f"{'':<30} A.H @ A is {A.N!r}")

# %%
# Compress
# --------
# Keep the largest coefficients, and set the others to zero. For electrocardiograms the loss is
# given as the percentage root mean square difference (PRD).


def largest(coefficients, count):
    """The largest coefficients, and zeros in place of the others."""
    kept = np.zeros_like(coefficients)
    places = np.argsort(-abs(coefficients))[:count]
    kept[places] = coefficients[places]
    return kept


def prd(x):
    """Percentage root mean square difference from the record."""
    return 100 * norm(x - record) / norm(record)


counts = np.arange(10, 301, 5)
losses = {
    name: [prd(A.H @ largest(A @ record, count)) for count in counts]
    for name, A in transforms.items()
}
for name, curve in losses.items():
    enough = counts[np.argmax(np.array(curve) < 10)]
    print(f"{name:<30} {enough:4} coefficients for a PRD below 10 %")

# %%
# Denoise
# -------
# White noise stays white in an orthonormal transform, the signal gathers in few coefficients.
# Setting to zero what is below ``sigma * sqrt(2 log n)`` removes nearly all of the noise [1]_. Its
# size is estimated from the finest wavelets, where the record has next to nothing.
#
# .. [1] D. L. Donoho, I. M. Johnstone, Ideal spatial adaptation by wavelet shrinkage, Biometrika
#    81(3):425-455, 1994, doi 10.1093/biomet/81.3.425.

noisy = record + np.random.default_rng(0).normal(0, 20, n)
W = transforms["wavelets, sym4"]
finest = W.split(W @ noisy)[-1]
sigma = np.median(abs(finest)) / 0.6745
print(f"noise estimated as {sigma:.1f}, really 20.0")


def snr(x):
    """Signal-to-noise ratio in decibels."""
    return 20 * np.log10(norm(record) / norm(x - record))


denoised = {}
for name, A in transforms.items():
    y = A @ noisy
    denoised[name] = A.H @ np.where(abs(y) > sigma * np.sqrt(2 * np.log(n)), y, 0)
    print(f"{name:<30} {snr(noisy):.1f} dB before, {snr(denoised[name]):.1f} dB after")

# %%
# The figure
# ----------

COLORS = dict(zip(transforms, ("#0072B2", "#D55E00", "#333333"), strict=True))
plt.rcParams.update({"axes.titlelocation": "left", "legend.frameon": False})
figure = plt.figure(figsize=(10, 6.4), layout="constrained")
axes = figure.subplot_mosaic([["loss", "compressed"], ["noisy", "denoised"]])
for name, curve in losses.items():
    axes["loss"].plot(counts, curve, color=COLORS[name], label=name)
axes["loss"].axhline(10, color="black", linewidth=0.8, linestyle=":")
axes["loss"].set(xlabel="coefficients kept, of 1,024", ylabel="PRD, %", ylim=(0, None))
axes["loss"].set_title("What is lost by keeping few")
axes["loss"].legend()
beat = slice(380, 720)
places = np.arange(n)[beat]
axes["compressed"].plot(places, record[beat], color="#bbbbbb", linewidth=5, label="record")
for name, A in list(transforms.items())[::2]:
    few = A.H @ largest(A @ record, 60)
    axes["compressed"].plot(
        places, few[beat], color=COLORS[name], label=f"{name}: PRD {prd(few):.0f} %"
    )
axes["compressed"].set(title="From 60 coefficients")
axes["compressed"].legend(loc="upper right")
axes["noisy"].plot(places, noisy[beat], color="#D55E00", linewidth=0.9)
axes["noisy"].set(title=f"With noise: {snr(noisy):.1f} dB", xlabel="sample")
found = denoised["wavelets, sym4"]
axes["denoised"].plot(places, record[beat], color="#bbbbbb", linewidth=5)
axes["denoised"].plot(places, found[beat], color="#0072B2")
axes["denoised"].set(title=f"Few wavelets left: {snr(found):.1f} dB", xlabel="sample")
for name in ("compressed", "noisy", "denoised"):
    axes[name].set_ylim(-90, 330)
plt.show()
