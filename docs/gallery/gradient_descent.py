"""
Beside gradient descent
=======================

The factors of a butterfly can be learned like the weights of a neural network: from a random start,
by descent along the gradient of the error. :func:`~lazyop.factorize` does not descend; it takes
singular value decompositions of the matrix's blocks, one split after the other. Here both meet on
matrices that are products of sparse factors but for 1 % of noise, and are timed.
"""

from statistics import median
from time import perf_counter
from timeit import repeat

import matplotlib.pyplot as plt
import numpy as np
import scipy.linalg
import torch

import lazyop as lo

n, rng = 128, np.random.default_rng(0)
chain = lo.Chain.square_dyadic(n)
fourier = scipy.linalg.dft(n, scale="sqrtn")[:, lo.bit_reversal(n).p]
hadamard = scipy.linalg.hadamard(n) / np.sqrt(n)
noise = 0.01 / np.sqrt(n) * rng.standard_normal((n, n))
matrices = {
    "Fourier": (fourier + noise).astype(np.complex64),
    "Hadamard": (hadamard + noise).astype(np.float32),
}

# %%
# Descent
# -------
# A hundred steps of ADAM lead from random factors into a valley, and up to two hundred of L-BFGS
# along it. The product of the factors is written here as PyTorch is fast at it; that of
# ``lo.Butterfly(factors) @ X`` has the same gradients (:doc:`/arrays`). Each evaluation of the
# error is noted with its time.

torch.set_num_threads(1)  # products as small as these gain nothing from more


def product(factors):
    """The dense matrix that factors of shapes (a, b, c, d) multiply to."""
    X = torch.eye(n, dtype=factors[0].dtype)
    for K in reversed(factors):
        a, _, c, d = K.shape
        X = (K[..., None] * X.reshape(a, 1, c, d, n)).sum(dim=2).reshape(n, n)
    return X


def descent(A, seed, steps=100, refinements=200):
    """Seconds and relative errors of a descent from one random start."""
    A, numbers = torch.asarray(A), torch.Generator().manual_seed(seed)
    factors = [torch.randn(tuple(p), generator=numbers, dtype=A.dtype) / 2**0.5 for p in chain]
    factors = [K.requires_grad_() for K in factors]
    noted, start = [], perf_counter()

    def evaluate():
        adam.zero_grad()
        squared = (torch.linalg.norm(product(factors) - A) / torch.linalg.norm(A)) ** 2
        squared.backward()
        noted.append((perf_counter() - start, squared.item() ** 0.5))
        return squared

    adam = torch.optim.Adam(factors, lr=0.1)
    for _ in range(steps):
        adam.step(evaluate)
    lbfgs = torch.optim.LBFGS(factors, max_iter=refinements, line_search_fn="strong_wolfe")
    lbfgs.step(evaluate)
    return np.array(noted).T


_ = descent(matrices["Fourier"], 0, steps=1, refinements=1)  # loads the rest of PyTorch


# %%
# Three starts for each matrix, and the factorization, which needs none. Its lower bound holds for
# any factors of this chain, however they were found.

found, seconds, descents = {}, {}, {}
for name, A in matrices.items():
    found[name] = lo.factorize(A, chain)
    seconds[name] = median(repeat(lambda A=A: lo.factorize(A, chain), number=1, repeat=15))
    descents[name] = [descent(A, seed) for seed in range(3)]
    print(f"{name}: no factors are closer than {found[name].lower_bound:.6f}")
    print(f"  lo.factorize  {seconds[name]:7.4f} s, error {found[name].relative_error:.6f}")
    for times, errors in descents[name]:
        print(f"  descent       {times[-1]:7.4f} s, error {errors.min():.6f}")

# %%
# A descent that arrives ends with the error that the factorization had from the first, which is
# that of the noise. On its way it stays on plateaus, where factors are nearly stationary without
# being good, and how long depends on the start.
#
# The gradient has its place where there is no matrix to be taken apart, such as in a layer that is
# learned from data; and a matrix that was learned can be factorized, and its factors trained on.

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"
plt.rcParams.update({"axes.titlelocation": "left", "legend.frameon": False})
figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True, layout="constrained")
for ax, name in zip(axes, matrices, strict=True):
    for times, errors in descents[name]:
        ax.loglog(times, np.minimum.accumulate(errors), color=ORANGE, alpha=0.8)
        ax.plot(times[100], errors[:100].min(), "|", color=ORANGE, markersize=14)
    x, y = seconds[name], found[name].relative_error
    ax.plot(x, y, "o", color=BLUE)
    ax.text(x, 1.2 * y, "lo.factorize", color=BLUE, ha="center")
    ax.axhline(found[name].lower_bound, color=GREY)
    ax.set(xlim=(3e-4, 9), ylim=(0.0055, 2.2), xlabel="seconds", title=f"{name} matrix, 1 % noise")
ax = axes[0]
ax.text(4e-4, 0.0070, "lower bound for all such factors", color="#666666")
ax.text(
    4e-4, 0.5, "descent from three random starts:\nADAM, then (after the tick) L-BFGS", color=ORANGE
)
ax.set_ylabel("relative error, the least so far")
plt.show()
