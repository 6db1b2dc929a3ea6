"""
Quickstart
==========

A product with a dense matrix of order n costs n² multiplications. Many matrices that matter are
products of a few sparse factors and cost far less; lazyop finds such factors when all there is is
the matrix, says how far they are from it, and makes of them an operator that SciPy takes anywhere.

Three matrices show it, on a real electrocardiogram and a real photograph: a Fourier matrix for
irregular times, the discrete Fourier transform, and the Fourier transform of an image.
"""

from pathlib import Path
from statistics import median
from timeit import repeat

import matplotlib.pyplot as plt
import numpy as np
import pywt.data
import scipy.linalg
from matplotlib.colors import ListedColormap
from numpy.linalg import norm
from scipy import fft
from scipy.sparse.linalg import lsqr

import lazyop as lo

rng = np.random.default_rng(2)
n = 1024

# %%
# A heartbeat, sampled at irregular times
# ---------------------------------------
# PyWavelets ships 1,024 samples of an electrocardiogram. We take the record as a sum of waves,
# one for each frequency from -512 to 511: then it has a value at every time between its samples,
# and its Fourier coefficients say all of it. (The mean is left out, and so is frequency -512,
# which has no partner 512 with which to make a real wave.)

frequencies = np.arange(-n // 2, n // 2)
record = pywt.data.ecg() - pywt.data.ecg().mean()
coefficients = fft.fftshift(fft.fft(record)) / n
coefficients[0] = 0


def signal_of(coefficients, size=n):
    """Values of the sum of waves at ``size`` equally spaced times."""
    padding = (size - n) // 2
    return size * fft.ifft(fft.ifftshift(np.pad(coefficients, padding))).real


truth = signal_of(coefficients)

# %%
# Now the clock is unsteady. Of 1,024 equal intervals, each is sampled once, at a random time in
# its middle half. The samples are the product of a dense matrix with the coefficients, and the
# recorder rounds them to whole units, as it did the record.

times = (np.arange(n) + rng.uniform(0.25, 0.75, n)) / n
A = np.exp(2j * np.pi * np.outer(times, frequencies))
samples = np.rint((A @ coefficients).real)

# %%
# The matrix as sparse factors
# ----------------------------
# Is this matrix a product of sparse factors? The samples are nearly where those of a fast Fourier
# transform would be, and that algorithm has a factor for each halving of the matrix, after it has
# put the frequencies in bit-reversed order. So we ask for a dyadic chain of factors in that order.
# With equally spaced times the blocks of the matrix that the factors stand for would have rank 1;
# here they need a bit more. Each rank is a trade of accuracy against numbers to hold:

print("rank   relative error   numbers held, % of dense")
trials = {}
for rank in range(1, 7):
    chain = lo.Chain.dyadic((n, n), rank=rank)
    trials[rank] = found = lo.factorize(A, chain, permutation="bit-reversal")
    print(f"{rank:4}   {found.relative_error:14.1e}   {100 * found.chain.nnz / A.size:24.1f}")

# %%
# Rank 4 will do for data that are rounded to whole units. A factorization knows its error, what
# the error can be at most, by proof, and at least, for any factors of these sizes:

nonuniform = trials[4]
print(nonuniform)

# %%
# The order matters. With the frequencies as they are, the error is large, and the lower bound says
# that this is not the algorithm's failure: no factors of these sizes come close.

unordered = lo.factorize(A, lo.Chain.dyadic((n, n), rank=4))
print(f"relative error without the permutation: {unordered.relative_error:.2f}")
print(f"of any factors of these sizes, at least: {unordered.lower_bound:.2f}")

# %%
# Recover the signal
# ------------------
# The operator goes where SciPy takes a matrix. Least squares by ``lsqr`` recovers the coefficients
# from the samples, once through the butterfly and once through the dense matrix.


def distance(x, reference):
    """Distance from a reference, relative to its norm."""
    return norm(x - reference) / norm(reference)


def recover(matrix, name):
    """Coefficients from the samples, and their signal's distance from the truth."""
    solution, _, steps, *_ = lsqr(matrix, samples, atol=1e-8, btol=1e-8)
    error = distance(signal_of(solution), truth)
    print(f"through the {name}: relative error {error:.2e} after {steps} steps")
    return solution, error


recovered, recovery_error = recover(nonuniform.operator, "butterfly")
recovered_dense, recovery_error_dense = recover(A, "dense matrix")
print(f"from each other: {distance(signal_of(recovered), signal_of(recovered_dense)):.1e}")

# %%
# Both are off by what the rounding of the samples does. The error of the factors is far below it.
#
# The Fourier transform, found from its numbers
# ---------------------------------------------
# At equally spaced times rank 1 is enough, and nothing is lost: from its numbers alone, the dense
# matrix of the discrete Fourier transform is found to be ten factors with two numbers in each row,
# which is the fast Fourier transform. The lower bound says whose error remains: no factors come
# closer to these entries, because they are rounded.

dft = scipy.linalg.dft(n)
uniform = lo.factorize(dft, lo.Chain.square_dyadic(n), permutation="bit-reversal")
print(uniform)

# %%
# The operator is a butterfly of ten factors times the permutation.

F = uniform.operator
ten_factors, bit_reversal = F.args
print(F.tree())

# %%
# It takes the place of ``scipy.fft.fft`` in a filter. Operators multiply as matrices do, so the
# whole filter (transform, damp the high frequencies, transform back) is one operator. The inverse
# transform is the adjoint divided by n.

waves = fft.fftfreq(n, 1 / n)  # the frequencies, in the order of the transform
damping = np.exp(-((waves / 80) ** 2) / 2)

low_pass = F.H @ lo.Diagonal(damping) @ F / n
smooth = (low_pass @ record).real
smooth_scipy = fft.ifft(damping * fft.fft(record)).real
smooth_dense = (dft.conj().T @ (damping * (dft @ record)) / n).real
filter_error, filter_error_dense = (distance(y, smooth_scipy) for y in (smooth, smooth_dense))
print(f"relative distance from the result of scipy.fft: {filter_error:.1e}")

# %%
# The same factors transform an image
# -----------------------------------
# The Fourier transform of an image is the Kronecker product of the transform with itself. As a
# dense matrix of order 1024² it would hold 2⁴⁰ numbers, 16 TiB. As an operator it holds those of
# F, and acts on the image read row by row. The photograph, 512 by 512, is mirrored at its lower
# and right edge, so that the filter sees no jump where the image repeats.

photograph = pywt.data.camera()
mirrored = np.pad(photograph, ((0, n - 512), (0, n - 512)), mode="symmetric")
damping2 = np.exp(-((waves[:, None] ** 2 + waves**2) / 40**2) / 2)

F2 = lo.kron(F, F)
low_pass2 = F2.H @ lo.Diagonal(damping2.ravel()) @ F2 / n**2
blurred = (low_pass2 @ mirrored.ravel()).reshape(n, n).real[:512, :512]
blurred_scipy = fft.ifft2(damping2 * fft.fft2(mirrored)).real[:512, :512]
image_error = distance(blurred, blurred_scipy)
print(f"relative distance from the result of scipy.fft: {image_error:.1e}")

# %%
# Side by side
# ------------
# The error of F ⊗ F and its bounds follow from those of F, by the norm of a Kronecker product and
# the rule ⟨A ⊗ B, C ⊗ D⟩ = ⟨A, C⟩ ⟨B, D⟩.

dft_found = F.toarray()
error = dft_found - dft
crossed = 2 * (np.vdot(error, dft) * np.vdot(dft_found, error)).real
squared = norm(error) ** 2 * (norm(dft_found) ** 2 + norm(dft) ** 2) + crossed
kron_error = np.sqrt(squared) / norm(dft) ** 2
low, high = uniform.lower_bound, uniform.error_bound
kron_low, kron_high = low * np.sqrt(2 - low**2), high * (2 + high)


def ms(product, x, runs=25):
    """Median time of a product, in milliseconds."""
    return f"{1e3 * median(repeat(lambda: product(x), number=1, repeat=runs)):.3f}"


def row(label, *cells):
    """Print a line of the table."""
    texts = (f"{cell:.1e}" if isinstance(cell, float) else str(cell) for cell in cells)
    print(f"{label:<33}" + "".join(f"{text:>14}" for text in texts))


N, x, x2 = nonuniform.operator, coefficients, mirrored.ravel() + 0j
row("", "non-uniform", "DFT", "2-D DFT")
print("relative error of the operator")
row("  found", nonuniform.relative_error, distance(dft_found, dft), kron_error)
row("  at least, for any such factors", nonuniform.lower_bound, low, kron_low)
row("  at most, as proved", nonuniform.error_bound, high, kron_high)
print("numbers held")
row("  lazyop", N.cost.parameters, F.cost.parameters, F2.cost.parameters)
row("  dense", A.size, dft.size, "2^40")
print("time per product, milliseconds")
row("  lazyop", ms(N.dot, x), ms(F.dot, x), ms(F2.dot, x2, 7))
row("  dense", ms(A.dot, x), ms(dft.dot, x), "-")
row("  scipy.fft", "-", ms(fft.fft, x), ms(fft.fft2, x2.reshape(n, n), 7))
print("relative error of the result")
row("  lazyop", recovery_error, filter_error, image_error)
row("  dense", recovery_error_dense, filter_error_dense, "-")

# %%
# The results are the recovered signal, compared with the true one, and the filtered signal and
# image, compared with what ``scipy.fft`` makes of them. Times are medians of several runs.
#
# Where SciPy has the transform, take SciPy: its code was written for this one matrix, while the
# factors were found from the numbers. It has none for irregular times. There a dense matrix of
# this order may still be as fast as its factors, or faster, where it fits in the processor's cache;
# but its numbers and its work grow as n², theirs as n log n.
#
# The figure
# ----------

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"
plt.rcParams.update({"axes.titlelocation": "left", "legend.frameon": False})
figure = plt.figure(figsize=(12, 11.3), layout="constrained")
figure.get_layout_engine().set(hspace=0.04, wspace=0.04)
axes = figure.subplot_mosaic(
    [
        ["signal"] * 4 + ["rank"] * 2,
        ["error"] * 4 + ["rank"] * 2,
        ["factors"] * 6,
        ["filtered"] * 2 + ["before"] * 2 + ["after"] * 2,
    ],
    height_ratios=[2.3, 1.3, 1.3, 3.5],
)
beat = (480, 550)  # in intervals

ax, fine = axes["signal"], np.arange(8 * n) / 8
ax.plot(fine, signal_of(coefficients, 8 * n), color=GREY, linewidth=5, label="true signal")
ax.plot(n * times, samples, "o", color=ORANGE, markersize=5, label="irregular samples, rounded")
ax.plot(fine, signal_of(recovered, 8 * n), color=BLUE, label="recovered through the butterfly")
ax.set(xlim=beat, ylabel="recorder units", title="A heartbeat from irregular samples")
ax.tick_params(labelbottom=False)
ax.legend(loc="upper left")

ax = axes["error"]
for name, solution, style in (
    ("through the dense matrix", recovered_dense, {"color": GREY, "linewidth": 5}),
    ("through the butterfly", recovered, {"color": BLUE}),
):
    ax.plot(fine, signal_of(solution - coefficients, 8 * n), label=name, **style)
ax.set(xlim=beat, ylim=(-1.5, 2.2), xlabel="time, in intervals", ylabel="recorder units")
ax.set_title("Error of the recovery")
ax.legend(loc="upper left", ncols=2)

ax, tried = axes["rank"], trials.values()
bounds = [f.lower_bound for f in tried], [f.error_bound for f in tried]
ax.fill_between(list(trials), *bounds, color="#B3D4E8", label="between the bounds")
ax.plot(list(trials), [f.relative_error for f in tried], "o-", color=BLUE, label="found")
for rank, f in trials.items():
    share = f"  {f.chain.nnz / A.size:.0%} of dense"
    ax.text(rank + 0.1, f.relative_error, share, va="bottom")
ax.set(xlim=(0.7, 9.2), xticks=list(trials), yscale="log", xlabel="rank", ylabel="relative error")
ax.set_title("Non-uniform Fourier matrix:\nerror and numbers held")
ax.legend(loc="upper right")

ax, tiles = axes["factors"], []
for factor in ten_factors.factors:
    # A pixel for 8 x 8 entries: 1 where all are zero, else 2; between factors, 0.
    pixels = 1 + (factor.toarray() != 0).reshape(128, 8, 128, 8).any(axis=(1, 3))
    tiles += [pixels, np.zeros((128, 14))]
ax.imshow(np.hstack(tiles[:-1]), cmap=ListedColormap(["white", "#e8e8e8", BLUE]))
ax.set_xticks(64 + 142 * np.arange(10), [str(tuple(p)) for p in ten_factors.chain], fontsize=9)
ax.set_yticks([])
ax.tick_params(length=0)
ax.spines[:].set_visible(False)
ax.set_title("The Fourier transform F: ten factors of patterns (a, b, c, d), and bit reversal")

ax = axes["filtered"]
ax.plot(record, color=ORANGE, label="record")
ax.plot(smooth, color=BLUE, linewidth=2, label="low-passed")
ax.set(xlim=(420, 680), xlabel="time, in intervals", ylabel="recorder units")
ax.set_title("The ECG, filtered through F")
ax.set_box_aspect(1)
ax.legend()

axes["before"].set_title("The photograph, 512 by 512")
axes["after"].set_title("The photograph, filtered through F ⊗ F")
for name, picture in (("before", photograph), ("after", blurred)):
    axes[name].imshow(picture, cmap="gray", vmin=0, vmax=255)
    axes[name].set_axis_off()

# %%
# In a checkout of lazyop, the figure goes to its folder ``build``.

here = Path.cwd()
root = next((d for d in (here, *here.parents) if (d / "pyproject.toml").is_file()), here)
(root / "build").mkdir(exist_ok=True)
figure.savefig(root / "build" / "quickstart.png", dpi=150)
print("The figure is in build/quickstart.png")
