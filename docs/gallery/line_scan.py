"""
A photograph from an unsteady scanner
=====================================

A scanner reads a picture line by line, while its carriage jerks and its lens bends the lines. What
it records are values of the picture at irregular places. Both irregularities are dense matrices;
here they become products of sparse factors, and SciPy's least squares take the distortion out
again.
"""

from statistics import median
from timeit import repeat

import matplotlib.pyplot as plt
import numpy as np
import pywt.data
from numpy.linalg import norm
from scipy import fft
from scipy.sparse.linalg import lsqr

import lazyop as lo

rng = np.random.default_rng(0)

# %%
# The picture
# -----------
# PyWavelets ships a photograph of 512 by 512 pixels. With its mirror images it has no jump where it
# repeats, and is a sum of waves in both directions, one for each pair of frequencies from -512 to
# 511.

photograph = np.pad(pywt.data.camera(), ((0, 512), (0, 512)), mode="symmetric").astype(float)
n = len(photograph)
frequencies = np.arange(-n // 2, n // 2)
spectrum = fft.fftshift(fft.fft2(photograph)) / n**2


def picture_of(spectrum):
    """Values at the pixels."""
    return fft.ifft2(fft.ifftshift(spectrum)).real * n**2


# %%
# The scanner
# -----------
# Of each pixel's height a line is read at a random place in its middle half. Along a line, the lens
# moves places by up to ten pixels, smoothly. The values of waves at these places make two matrices,
# and what the scanner records of the picture is the product of their Kronecker product with the
# spectrum, which as a dense matrix would hold 2⁴⁰ numbers. It is rounded to whole grey values.

pixels = np.arange(n)
heights = (pixels + rng.uniform(-0.25, 0.25, n)) / n
widths = (pixels + 10 * np.sin(2 * np.pi * pixels / n)) / n
carriage = np.exp(2j * np.pi * np.outer(heights, frequencies))
lens = np.exp(2j * np.pi * np.outer(widths, frequencies))
scan = np.rint((carriage @ spectrum @ lens.T).real)

# %%
# Both matrices as factors
# ------------------------
# The data are rounded by 0.3 grey values on average, about 0.2 % of what they are. A tolerance of
# 0.1 % will do. A fast Fourier transform puts either the frequencies in bit-reversed order or the
# places. That makes a difference here: we take for each matrix the order in which fewer numbers are
# enough.

tol = 1e-3


def fewest_numbers(matrix, name):
    """The smaller of two factorizations, with the frequencies or the places in reversed order."""
    orders = {"frequencies": (None, "bit-reversal"), "places": ("bit-reversal", None)}
    tried = {o: lo.factorize(matrix, tol=tol, permutation=pair) for o, pair in orders.items()}
    for order, found in tried.items():
        print(f"{name}, {order} reversed: {found.chain.nnz / matrix.size:5.1%} of dense")
    return min(tried.values(), key=lambda found: found.chain.nnz)


jerks = fewest_numbers(carriage, "carriage")
bends = fewest_numbers(lens, "lens")
print(bends)

# %%
# A smooth shift of ten pixels is next to nothing to a few neighbouring frequencies. To a few
# neighbouring places, at all frequencies, it is not: the lens takes the places reversed.
#
# The distortion of the picture is one operator again:

scanner = lo.kron(jerks.operator, bends.operator)
simulated = (scanner @ spectrum.ravel()).reshape(n, n)
exact = carriage @ spectrum @ lens.T
print(f"error of a scan through the factors: {norm(simulated - exact) / norm(exact):.1e}")
print(f"numbers held: {scanner.cost.parameters:,} for the two, {2 * n**2:,} for both dense")

# %%
# Take the distortion out
# -----------------------

found, _, steps, *_ = lsqr(scanner, scan.ravel(), atol=1e-3, btol=1e-3)
restored = picture_of(found.reshape(n, n))


def distance(picture):
    """Root mean square difference from the photograph, in grey values."""
    return norm(picture - photograph) / n


print(f"as scanned:            {distance(scan):6.2f} grey values off")
print(f"restored in {steps:2} steps:  {distance(restored):6.2f} grey values off")

# %%
# Time
# ----
# A step takes a product with the operator and one with its adjoint. With dense matrices, each of
# these is two products of matrices of order n.


def seconds(product):
    """Median time of a product."""
    return median(repeat(product, number=1, repeat=3))


dense = seconds(lambda: carriage @ spectrum @ lens.T)
sparse = seconds(lambda: scanner @ spectrum.ravel())
print(f"one product: {sparse:.3f} s through the factors, {dense:.3f} s dense")

# %%
# The figure
# ----------

plt.rcParams.update({"axes.titlelocation": "left"})
figure, axes = plt.subplots(2, 2, figsize=(8, 8.6), layout="constrained")
part = (slice(80, 336), slice(128, 384))
for ax, title, picture in (
    (axes[0, 0], "The photograph, a quarter", photograph),
    (axes[0, 1], "As scanned", scan),
):
    ax.imshow(picture[part], cmap="gray", vmin=0, vmax=255)
    ax.set_title(title)
for ax, title, picture in (
    (axes[1, 0], f"Scan: {distance(scan):.1f} grey values off", scan),
    (axes[1, 1], f"Restored: {distance(restored):.1f} grey values off", restored),
):
    image = ax.imshow((picture - photograph)[part], cmap="RdBu", vmin=-50, vmax=50)
    ax.set_title(title)
for ax in axes.flat:
    ax.set_axis_off()
figure.colorbar(image, ax=axes[1], shrink=0.7, label="difference from the photograph")
plt.show()
