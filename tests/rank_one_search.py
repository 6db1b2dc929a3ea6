"""Best rank-one approximations by trying everything: for a few entries of a few bits."""

import itertools

import numpy as np


def numbers_near(v, bits):
    """All numbers with so many bits from below |v| to above 2 |v|, with the sign of v; or zero."""
    if v == 0:
        return np.zeros(1)
    exponent = np.frexp(abs(v))[1]
    significands = np.arange(2 ** (bits - 1), 2**bits)
    near = [np.ldexp(significands, e) for e in range(exponent - bits - 1, exponent - bits + 3)]
    sizes = np.concatenate(near).astype(float)
    return np.sign(v) * sizes[(sizes > abs(v) / 2) & (sizes < 4 * abs(v))]


def nearest(v, bits):
    m, e = np.frexp(v)
    return np.ldexp(np.rint(np.ldexp(m, bits)), e - bits)


def least_error(x, y, bits, x_weights=None, y_weights=None):
    """Least relative error of any product of two vectors with entries of so many bits.

    A scaling by a power of two brings any x_hat near to x or 2 x; for a given x_hat the best y_hat
    is known.
    """
    w = np.ones_like(x) if x_weights is None else x_weights
    z = np.ones_like(y) if y_weights is None else y_weights
    x_hat = np.array(list(itertools.product(*(numbers_near(v, bits) for v in x))))
    square = x_hat**2 @ w
    scale = np.divide(x_hat @ (w * x), square, out=np.zeros_like(square), where=square > 0)
    y_hat = nearest(scale[:, None] * y, bits)
    differences = x[:, None] * y - x_hat[:, :, None] * y_hat[:, None, :]
    errors = np.einsum("kij,i,j->k", differences**2, w, z)
    return np.sqrt(errors.min() / ((w @ x**2) * (z @ y**2)))


def relative(x, y, x_hat, y_hat, x_weights=None, y_weights=None):
    w = np.ones(len(x)) if x_weights is None else x_weights
    z = np.ones(len(y)) if y_weights is None else y_weights
    off = np.abs(np.outer(x, y) - np.outer(x_hat, y_hat)) ** 2
    return np.sqrt((w @ off @ z) / ((w @ np.abs(x) ** 2) * (z @ np.abs(y) ** 2)))
