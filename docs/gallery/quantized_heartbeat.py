"""
A heartbeat through eight bits
==============================

The Fourier transform of order 1024 is a product of ten sparse factors, as the
:doc:`quickstart <quickstart>` finds. How few bits can their entries have? Rounded to eight bits,
the transform spoils an electrocardiogram. But the factors have a freedom that rounding does not
use: between any two of them, a diagonal matrix and its inverse change nothing. Quantization uses
it, and the record comes through.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pywt.data
import scipy.linalg
from numpy.linalg import norm
from scipy import fft

import lazyop as lo

n = 1024
record = pywt.data.ecg().astype(float)
chain = lo.Chain.square_dyadic(n)
F = lo.factorize(scipy.linalg.dft(n), chain, permutation="bit-reversal").operator

# %%
# Rounding, and better
# --------------------
# Each entry is a complex number, of which real and imaginary part get 8 or 16 bits. The error of
# the operator is that of the whole matrix, computed from the factors and not sampled.

formats = ["float8_e5m2", "float8_e4m3fn", "bfloat16", "float16"]
rounded = {name: lo.quantize(F, name, method="round") for name in formats}
quantized = {name: lo.quantize(F, name, sweeps=2) for name in formats}

print("format          bits of a part   error by rounding   by quantization")
for name in formats:
    found = quantized[name]
    print(
        f"{name:<14}  {found.format.bits:14}   {found.rounding_error:17.2e}   "
        f"{found.relative_error:15.2e}"
    )

# %%
# The quantized operator holds the bits and nothing else, and multiplies from them. (The
# permutation holds 64 bits for each row, which are counted as well.)

best = quantized["float8_e4m3fn"]
print(best)
print(f"bytes: {F.cost.nbytes:,} before, {best.operator.cost.nbytes:,} after")

# %%
# The record through the transform and back
# -----------------------------------------
# A low-pass filter: transform, damp the high frequencies, transform back. All three operators are
# of eight bits.

damping = np.exp(-((fft.fftfreq(n, 1 / n) / 80) ** 2) / 2)


def filtered(transform):
    """The record, low-passed through a transform and its adjoint."""
    return (transform.H @ (damping * (transform @ record))).real / n


exact = fft.ifft(damping * fft.fft(record)).real


def distance(y):
    """Distance from the filtered record, relative to how much that varies."""
    return norm(y - exact) / norm(exact - exact.mean())


print("format          error by rounding   by quantization")
for name in formats:
    errors = [distance(filtered(way[name].operator)) for way in (rounded, quantized)]
    print("{:<14}  {:17.2e}   {:15.2e}".format(name, *errors))

# %%
# With eight bits, rounding leaves a comb over the record. The quantized factors, of the same
# format, leave next to nothing.

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"
plt.rcParams.update({"axes.titlelocation": "left", "legend.frameon": False})
figure, axes = plt.subplots(2, 1, figsize=(9, 6), sharex=True, layout="constrained")
for ax, name in zip(axes, ["float8_e5m2", "float8_e4m3fn"], strict=True):
    ax.plot(filtered(rounded[name].operator), color=ORANGE, label="through rounded factors")
    ax.plot(exact, color=GREY, linewidth=4, label="in double precision")
    ax.plot(filtered(quantized[name].operator), color=BLUE, label="through quantized factors")
    ax.set(xlim=(420, 680), ylabel="recorder units", title=f"The filtered record, {name}")
axes[0].legend(loc="upper left")
axes[1].set_xlabel("time, in intervals")

# %%
# In a checkout of lazyop, the figure goes to its folder ``build``.

here = Path.cwd()
root = next((d for d in (here, *here.parents) if (d / "pyproject.toml").is_file()), here)
(root / "build").mkdir(exist_ok=True)
figure.savefig(root / "build" / "quantized_heartbeat.png", dpi=150)
print("The figure is in build/quantized_heartbeat.png")
