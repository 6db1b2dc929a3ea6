"""
A spectrogram, and the way back
===============================

The short-time Fourier transform shows what frequencies a signal has at what time. As an operator
with an inverse, it also changes them: a filter that varies with time is the inverse, times a
diagonal operator, times the transform. Here it takes a hum of drifting frequency out of a real
electrocardiogram.
"""

import matplotlib.pyplot as plt
import numpy as np
import pywt.data
from numpy.linalg import norm

import lazyop as lo

record = pywt.data.ecg().astype(float)
record -= record.mean()
n = len(record)

# %%
# Transform and inverse
# ---------------------
# Frames of 64 samples, every 8. There are nine times as many numbers as before, so that there are
# many ways back; that of the canonical dual window is `istft`. The transform is one-sided: it holds
# the frequencies that say all about a real signal, which then is the real part of the way back.

arguments = n, ("hann", 64), 8
S, R = lo.transforms.stft(*arguments), lo.transforms.istft(*arguments)
print(S)
back = (R @ (S @ record)).real
print(f"relative error there and back: {norm(back - record) / norm(record):.1e}")

# %%
# A hum of drifting frequency
# ---------------------------
# Its frequency goes from 0.16 to 0.24 cycles per sample and back. No filter that stays the same can
# remove it without these frequencies of the heart beats.

time = np.arange(n)
drift = 0.2 - 0.04 * np.cos(2 * np.pi * time / n)
hum = 40 * np.sin(2 * np.pi * np.cumsum(drift))
humming = record + hum
spectrum = (S @ humming).reshape(S.spectrum_shape)

# %%
# In the spectrogram the hum is a ridge. We look for the strongest frequency of each slice between
# 0.1 and 0.3, where the record has little, and drop what is near.

frequencies, times = S.frequencies(), S.times()
band = np.flatnonzero((frequencies > 0.1) & (frequencies < 0.3))
ridge = frequencies[band[np.argmax(abs(spectrum[band]), axis=0)]]
keep = abs(frequencies[:, None] - ridge) > 0.04

drop_hum = R @ lo.Diagonal(keep.ravel().astype(float)) @ S
print(drop_hum.tree())
clean = (drop_hum @ humming).real


def snr(x):
    """Signal-to-noise ratio in decibels."""
    return 20 * np.log10(norm(record) / norm(x - record))


print(f"{snr(humming):.1f} dB with the hum, {snr(clean):.1f} dB after")

# %%
# The figure
# ----------

plt.rcParams.update({"axes.titlelocation": "left", "legend.frameon": False})
figure, axes = plt.subplots(
    3, 1, figsize=(9, 7.5), sharex=True, layout="constrained", height_ratios=[1, 1, 1.1]
)
kept = (S @ clean).reshape(S.spectrum_shape)
for ax, title, values in (
    (axes[0], "With the hum", spectrum),
    (axes[1], "Without what is near the ridge", kept),
):
    decibels = 20 * np.log10(np.maximum(abs(values), 1))
    image = ax.pcolormesh(times, frequencies, decibels, vmin=10, vmax=75, rasterized=True)
    ax.set(title=title, ylabel="cycles per sample")
figure.colorbar(image, ax=axes[:2], label="decibels", aspect=30)
axes[2].plot(
    time, humming, color="#D55E00", linewidth=0.7, label=f"with the hum, {snr(humming):.1f} dB"
)
axes[2].plot(time, record, color="#bbbbbb", linewidth=3, label="record")
axes[2].plot(time, clean, color="#0072B2", linewidth=1, label=f"filtered, {snr(clean):.1f} dB")
axes[2].set(title="The signal", xlabel="sample", xlim=(0, n))
axes[2].legend(ncols=3)
plt.show()
