"""
Why blind deconvolution finds nothing
=====================================

A recorder blurs what it sees, :math:`y = h * x`. Neither the filter h nor the signal x is known.
Both are sparse or short, so one looks for the pair with the smallest
:math:`\\alpha \\|h\\|_1 + \\beta \\|x\\|_1` among all that give y. On an electrocardiogram, this
page shows that the answer is always the same, and useless [1]_: the filter is a single spike, and
the signal is the blurred record.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pywt.data
from numpy.linalg import norm
from scipy.sparse.linalg import lsqr

import lazyop as lo

n = 1024
signal = np.diff(pywt.data.ecg().astype(float), append=0.0)[: n - 1]
signal = np.append(signal, -signal.sum())

# %%
# The signal is the slope of a heartbeat, which is large at a few places only. The recorder's input
# is a resistor and a capacitor: an exponential filter, of eight intervals. A convolution is a
# circulant matrix, and that is a product of sparse factors, of which least squares take products.


def filter_of(time):
    """An exponential decay within that time, of norm 1; a spike for 0."""
    decay = np.exp(-np.arange(n) / time) if time else np.eye(1, n)[0]
    return decay / decay.sum()


def unblurred(h, y):
    """The signal that a filter blurs to y, by least squares."""
    x, _, iterations, residual = lsqr(lo.butterfly.circulant(h), y, atol=1e-10, btol=1e-10)[:4]
    assert residual < 1e-8 * norm(y), f"not there after {iterations} iterations"
    return x


true_time = 8.0
H = lo.butterfly.circulant(filter_of(true_time))
print(H)
blurred = H @ signal

# %%
# Scale does not matter
# ---------------------
# As :math:`(s h) * (x / s) = h * x`, the scale s is free, and the best one makes both terms equal.
# What is left is twice the geometric mean,
# :math:`2 \sqrt{\alpha \beta \|h\|_1 \|x\|_1}`. So the weights do not matter either: it is the
# product of the norms that is made small.
#
# The spike wins
# --------------
# A convolution makes no 1-norm larger than that product, :math:`\|y\|_1 \le \|h\|_1 \|x\|_1`. For
# the spike and the blurred record, the two sides are equal. Here are filters from the spike to the
# true one and beyond, each with its own signal.

times = np.linspace(0, 12, 25)
found = {time: unblurred(filter_of(time), blurred) for time in times}
print("decay time   ‖h‖₁ ‖x‖₁   off the signal by")
for time in (0.0, 4.0, true_time, 12.0):
    off = norm(found[time] - signal) / norm(signal)
    print(f"{time:10.1f}   {norm(found[time], 1):9.0f}   {off:17.1e}")

# %%
# Only what the norms do not say can help: that the filter decays and the signal does not, or two
# records of the same signal through different filters.

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"
plt.rcParams.update({"axes.titlelocation": "left", "legend.frameon": False})
figure, (above, below) = plt.subplots(2, 1, figsize=(9, 6), layout="constrained")
above.plot(signal, color=GREY, label="signal (true filter)")
above.plot(blurred, color=ORANGE, label="blurred record (spike)")
above.set(xlim=(420, 680), xlabel="time, in intervals", ylabel="units", title="Two answers")
above.legend(loc="upper left")
scales = np.geomspace(12, 200, 100)
marks = [(0.0, ORANGE, "spike"), (4.0, BLUE, "half-way"), (true_time, GREY, "true filter")]
for time, color, name in marks:
    size = norm(found[time], 1)
    below.plot(scales, scales + size / scales, color=color, label=name)
    below.plot(np.sqrt(size), 2 * np.sqrt(size), "o", color=color)
least = np.sqrt([norm(x, 1) for x in found.values()])
below.plot(least, 2 * least, ":", color="black", label="least, for decay times from 0 to 12")
below.set(xscale="log", yscale="log")
below.set(xlim=(12, 200), xticks=[20, 50, 100, 200], xticklabels=[20, 50, 100, 200])
below.set(ylim=(60, 400), yticks=[100, 200, 400], yticklabels=[100, 200, 400])
below.minorticks_off()
below.set(xlabel="scale of the filter, ‖h‖₁", ylabel="‖h‖₁ + ‖x‖₁")
below.set(title="What is made small: for each filter least at the geometric mean")
below.legend(loc="upper center", ncols=2)

# %%
# .. [1] A. Benichoux, E. Vincent, R. Gribonval, "A fundamental pitfall in blind deconvolution with
#    sparse and shift-invariant priors", ICASSP 2013, hal-00800770.
#
# In a checkout of lazyop, the figure goes to its folder ``build``.

here = Path.cwd()
root = next((d for d in (here, *here.parents) if (d / "pyproject.toml").is_file()), here)
(root / "build").mkdir(exist_ok=True)
figure.savefig(root / "build" / "blind_deconvolution.png", dpi=150)
print("The figure is in build/blind_deconvolution.png")
