"""
A Fourier integral operator
===========================

Waves that travel at a speed that changes from place to place take the Fourier transform to

.. math:: (A \\hat f)(x) = \\sum_k e^{2 \\pi i (x k + c(x) |k|)} \\hat f(k),

with :math:`c(x)` the way travelled by what arrives at :math:`x`. Where :math:`c` is constant, this
is an inverse FFT of a filtered spectrum. Where it is not, each value needs a sum of its own, and
all there is is a dense matrix. Within a tolerance, lazyop finds it to be a product of sparse
factors, and how many numbers that takes.

The waves here start in the shape of a real record, the current through a cell membrane, of which
matplotlib ships 12,000 samples.
"""

from statistics import median
from timeit import repeat

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cbook import get_sample_data
from numpy.linalg import norm
from scipy.sparse.linalg import lsqr

import lazyop as lo

# %%
# The matrix
# ----------
# It has a row for each of ``n`` places and a column for each of ``n`` frequencies.


def way(x):
    """How far what arrives at a place has travelled, as a part of the whole line."""
    return (2 + np.sin(2 * np.pi * x)) / 8


def fourier_integral(n):
    """The dense matrix of order n."""
    x, k = np.arange(n) / n, np.arange(n) - n // 2
    return np.exp(2j * np.pi * (np.outer(x, k) + np.outer(way(x), np.abs(k))))


# %%
# No chain needs to be named: with a tolerance, :func:`~lazyop.factorize` chooses how the matrix is
# split and the rank at each split. The bit reversal of the rows puts near places and near
# frequencies into common blocks, of which the ranks then are low. We ask for an error of 0.1 % at
# several orders.

tol = 1e-3
print("   n      error   numbers held   of dense   per row")
trials = {}
for n in (256, 512, 1024, 2048):
    found = lo.factorize(fourier_integral(n), tol=tol, permutation=("bit-reversal", None))
    trials[n] = held = found.chain.nnz
    print(f"{n:4}   {found.relative_error:.1e}   {held:12,}   {held / n**2:8.1%}   {held / n:7.1f}")

# %%
# With each doubling of n, about as many numbers are added to each row: they grow as n log n, and
# those of the matrix as n². The last one has these ranks, and these bounds:

print("ranks at the splits:", *found.chain.ranks)
print(found)

# %%
# The waves
# ---------
# The record as a sum of waves, about its mean and faded in and out:

record = np.fromfile(get_sample_data("membrane.dat"), np.float32)[: 2 * n : 2].astype(float)
record = (record - record.mean()) * np.hanning(n) ** 0.25
spectrum = np.fft.fftshift(np.fft.fft(record)) / n
spectrum[0] = 0  # frequency -n / 2 has no partner

A = fourier_integral(n)
arrived = found.operator @ spectrum
arrived_dense = A @ spectrum
print(f"distance from the dense product: {norm(arrived - arrived_dense) / norm(arrived_dense):.1e}")

# %%
# Of this operator we know better. The phase is linear in :math:`|k|`, so that the real part is the
# mean of the record's values at :math:`x + c(x)` and at :math:`x - c(x)`: half of the waves went
# left, half of them right. These come from another sum over the frequencies, without the matrix.


def record_at(x):
    """Values of the sum of waves at any places."""
    k = np.arange(1, n // 2)
    waves = np.exp(2j * np.pi * np.outer(x, k)) @ spectrum[n // 2 + 1 :]
    return spectrum[n // 2].real + 2 * waves.real


x = np.arange(n) / n
expected = (record_at(x + way(x)) + record_at(x - way(x))) / 2
error = arrived.real - expected
print(f"distance from both halves of the record: {norm(error) / norm(expected):.1e}")

# %%
# And back
# --------
# The adjoint comes with the operator, and so do SciPy's solvers. A few steps of ``lsqr`` find the
# spectrum that the waves had at the start.

recovered, _, steps, *_ = lsqr(found.operator, arrived_dense, atol=1e-4, btol=1e-4)
print(f"after {steps} steps: {norm(recovered - spectrum) / norm(spectrum):.1e}")

# %%
# Time and memory
# ---------------


def ms(matrix):
    """Median time of a product with a vector, in milliseconds."""
    return 1e3 * median(repeat(lambda: matrix @ spectrum, number=1, repeat=15))


cost = found.operator.cost
print(f"butterfly: {ms(found.operator):6.2f} ms, {cost.nbytes / 2**20:5.1f} MiB")
print(f"dense:     {ms(A):6.2f} ms, {A.nbytes / 2**20:5.1f} MiB")

# %%
# The figure
# ----------

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"
plt.rcParams.update({"axes.titlelocation": "left", "legend.frameon": False})
figure, axes = plt.subplots(2, 2, figsize=(11, 7), layout="constrained")

ax = axes[0, 0]
ax.imshow(A.real[::8, ::8], extent=(-n // 2, n // 2, 1, 0), aspect="auto", cmap="gray")
ax.set(xlabel="frequency k", ylabel="place x", title="The matrix, real part, one entry in 64")

ax, orders = axes[0, 1], np.array(list(trials))
ax.semilogx(orders, orders, color=GREY, base=2, label="dense")
ax.semilogx(orders, np.array(list(trials.values())) / orders, "o-", color=BLUE, label="found")
ax.set(ylim=(0, 500), xlabel="order n", title="Numbers held per row: n log n is a straight line")
ax.set_xticks(orders, orders)
ax.legend()

ax = axes[1, 0]
ax.plot(x, record, color=GREY, label="at the start")
ax.plot(x, arrived.real, color=BLUE, label="through the butterfly")
ax.set(xlabel="place x", title="Membrane current as a wave")
ax.legend()

ax = axes[1, 1]
ax.plot(x, error, color=ORANGE)
ax.set(xlabel="place x", title="Error of the wave, same units")
plt.show()
