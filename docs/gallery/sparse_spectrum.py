"""
A sparse spectrum from irregular samples
========================================

Of an electrocardiogram, two values in five are left, at irregular times. A heartbeat repeats, so
its spectrum has few large coefficients: of all spectra that fit the values, we look for a sparse
one. PyLops does that, by FISTA, and needs of the matrix its products only. Here the matrix is three
sparse factors.
"""

from pathlib import Path
from statistics import median
from timeit import repeat

import matplotlib.pyplot as plt
import numpy as np
import pylops
import pywt.data
from numpy.linalg import norm
from pylops.optimization.sparsity import fista
from scipy import fft
from scipy.sparse.linalg import lsqr

import lazyop as lo

rng = np.random.default_rng(2)
n, seen = 1024, 410
frequencies = np.arange(-n // 2, n // 2)
record = pywt.data.ecg() - pywt.data.ecg().mean()
truth = fft.fftshift(fft.fft(record)) / n
truth[0] = 0  # frequency -512, which has no partner

# %%
# Irregular times
# ---------------
# Each of 1,024 intervals has a time in its middle half, as in the :doc:`quickstart <quickstart>`.
# The matrix of waves at these times becomes sparse factors, of the accuracy that rounded data want.
# 410 of its rows are what was measured.

times = (np.arange(n) + rng.uniform(0.25, 0.75, n)) / n
waves = np.exp(2j * np.pi * np.outer(times, frequencies))
found = lo.factorize(waves, tol=1e-3, permutation="bit-reversal")
print(found)
rows = np.sort(rng.permutation(n)[:seen])
A = found.operator[rows]
values = np.rint((waves[rows] @ truth).real).astype(complex)

# %%
# Two spectra that fit
# --------------------
# Least squares finds the one with the smallest energy, which is spread over all frequencies. FISTA
# finds the one with the smallest sum of absolute values.

spread = lsqr(A, values, atol=1e-6, btol=1e-6)[0]
sparse, _, _ = fista(pylops.aslinearoperator(A), values, niter=200, eps=200.0, tol=0)


def signal_of(spectrum):
    """Values of the waves at equally spaced times."""
    return n * fft.ifft(fft.ifftshift(spectrum)).real


def distance(signal):
    """Distance from the record, by its norm."""
    return norm(signal - signal_of(truth)) / norm(signal_of(truth))


regular = np.arange(n) / n
between = np.interp(regular, times[rows], values.real)
print(f"least squares: {distance(signal_of(spread)):.2f} off, {np.sum(spread != 0)} coefficients")
print(f"FISTA:         {distance(signal_of(sparse)):.2f} off, {np.sum(sparse != 0)} coefficients")
print(f"straight lines between the values: {distance(between):.2f} off")

# %%
# What a product costs. FISTA takes two an iteration.

x, dense = sparse.copy(), waves[rows]
for name, matrix in (("butterfly", A), ("dense matrix", dense)):
    seconds = median(repeat(lambda matrix=matrix: matrix @ x, number=20, repeat=9)) / 20
    print(f"{name}: {1e6 * seconds:.0f} microseconds a product")

# %%
# Sparsity is all that was used. Who knows more, for example that a heart has no high frequencies,
# can say so: ``A @ lo.Diagonal(weights)`` takes the place of ``A``.

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"
plt.rcParams.update({"axes.titlelocation": "left", "legend.frameon": False})
figure, (above, below) = plt.subplots(2, 1, figsize=(9, 6.5), layout="constrained")
shown = slice(n // 2, n // 2 + 260)
for spectrum, color, name in (
    (truth, GREY, "of the whole record"),
    (spread, ORANGE, "least squares"),
    (sparse, BLUE, "FISTA"),
):
    width = 4 if spectrum is truth else 1.2
    above.plot(frequencies[shown], np.abs(spectrum[shown]), color=color, lw=width, label=name)
    below.plot(signal_of(spectrum), color=color, lw=width, label=name)
above.set(xlabel="frequency", ylabel="size of coefficient", title="Three spectra")
below.plot(n * times[rows], values.real, ".", color="black", markersize=4, label="values left")
below.set(xlim=(420, 680), xlabel="time, in intervals", ylabel="units", title="Their signals")
above.legend()
below.legend(loc="upper left")

# %%
# In a checkout of lazyop, the figure goes to its folder ``build``.

here = Path.cwd()
root = next((d for d in (here, *here.parents) if (d / "pyproject.toml").is_file()), here)
(root / "build").mkdir(exist_ok=True)
figure.savefig(root / "build" / "sparse_spectrum.png", dpi=150)
print("The figure is in build/sparse_spectrum.png")
