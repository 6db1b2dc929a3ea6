"""Named operators of every kind, each with the dense matrix it stands for."""

from __future__ import annotations

import math
from functools import partial, reduce

import numpy as np
import scipy.sparse
from hypothesis import strategies as st
from scipy.linalg import block_diag, circulant, toeplitz
from scipy.sparse.linalg import LinearOperator

import lazyop as lo


def random(dtype, *shape, seed=0):
    """Random numbers of a dtype, complex ones in both parts."""
    rng = np.random.default_rng([seed, *shape])
    x = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def _dense(dtype, m=5, n=4):
    D = random(dtype, m, n)
    return lo.aslazy(D), D


def _sparse(dtype, form="csr"):
    D = random(dtype, 5, 7)
    D[abs(D) < 0.7] = 0
    return lo.aslazy(scipy.sparse.csr_array(D).asformat(form)), D


def _scipy_operator(dtype):
    D = random(dtype, 5, 4)
    forward, adjoint = partial(np.matmul, D), partial(np.matmul, D.conj().T)
    op = LinearOperator(D.shape, matvec=forward, rmatvec=adjoint, dtype=D.dtype)
    return lo.aslazy(op), D


class Duck:
    """What has shape, dtype, matvec and rmatvec, and nothing more."""

    def __init__(self, D):
        self.D, self.shape, self.dtype = D, D.shape, D.dtype

    def matvec(self, x):
        return self.D @ x

    def rmatvec(self, y):
        return self.D.conj().T @ y


def _duck(dtype):
    D = random(dtype, 3, 4)
    return lo.aslazy(Duck(D)), D


def _diagonal(dtype):
    d = random(dtype, 6)
    return lo.Diagonal(d), np.diag(d)


def _permutation(dtype):
    p = np.array([2, 0, 3, 1])
    return lo.Permutation(p, dtype=dtype), np.eye(4, dtype=dtype)[p]


def _block_diagonal(dtype):
    blocks = [random(dtype, 2, 3), random(dtype, 4, 1), random(dtype, 2, 2)]
    return lo.BlockDiagonal(blocks), block_diag(*blocks)


def _equal_blocks(dtype):
    blocks = [random(dtype, 3, 2, seed=i) for i in range(4)]
    return lo.BlockDiagonal(blocks), block_diag(*blocks)


def _block(dtype):
    A, B, C = random(dtype, 2, 3), random(dtype, 4, 3), random(dtype, 4, 2)
    return lo.block([[A, None], [B, C]]), np.block([[A, np.zeros((2, 2), dtype)], [B, C]])


def _kron(dtype, *shapes):
    factors = [random(dtype, *shape, seed=i) for i, shape in enumerate(shapes)]
    return lo.Kron(*factors), reduce(np.kron, factors)


def _kron_with_identities(dtype):
    D = random(dtype, 3, 2)
    eye = np.eye(2, dtype=dtype)
    kinds = lo.Identity(2, dtype), lo.aslazy(D), lo.Identity(2, dtype)
    return lo.Kron(*kinds), np.kron(eye, np.kron(D, eye))


def _kron_sum(dtype):
    A, B, C = (random(dtype, n, n, seed=n) for n in (2, 3, 2))
    I2, I3 = np.eye(2, dtype=dtype), np.eye(3, dtype=dtype)
    dense = np.kron(A, np.kron(I3, I2)) + np.kron(I2, np.kron(B, I2)) + np.kron(I2, np.kron(I3, C))
    return lo.KronSum(A, B, C), dense.astype(dtype)


def _sum(dtype):
    A, B = random(dtype, 3, 4, seed=1), random(dtype, 3, 4, seed=2)
    return lo.Sum(A, B), A + B


def _product(dtype):
    A, B, C = random(dtype, 3, 4), random(dtype, 4, 2), random(dtype, 2, 5)
    return lo.Product(A, B, C), A @ B @ C


def _scaled(dtype):
    D = random(dtype, 3, 4)
    c = 2.5 - 1.5j if np.dtype(dtype).kind == "c" else -2.5
    return c * lo.aslazy(D), (c * D).astype(dtype)


def _power(dtype):
    D = random(dtype, 4, 4)
    return lo.aslazy(D) ** 3, D @ D @ D


def _conjugate(dtype):
    D = random(dtype, 4, 3)
    return lo.aslazy(D).conj(), D.conj()


def _low_rank(dtype):
    U, V = random(dtype, 5, 2), random(dtype, 4, 2)
    return lo.LowRank(U, V), U @ V.conj().T


def _toeplitz(dtype, m, n):
    c, r = random(dtype, m), random(dtype, n, seed=1)
    return lo.Toeplitz(c, r), toeplitz(c, r)


def _circulant(dtype, n):
    c = random(dtype, n)
    return lo.Circulant(c), circulant(c)


def _restriction(dtype, rows, cols):
    D = random(dtype, 6, 5)
    # a Kronecker product and a sum keep the restriction from being pushed into a dense leaf
    op = lo.Sum(D, lo.Zero(D.shape, dtype))
    return op[rows, cols], D[rows, :][:, cols]


def kronecker_sparse_dense(values):
    """The matrix of a Kronecker-sparse factor, entry by entry."""
    a, b, c, d = values.shape
    D = np.zeros((a * b * d, a * c * d), values.dtype)
    for i, k, l, j in np.ndindex(values.shape):
        D[(i * b + k) * d + j, (i * c + l) * d + j] = values[i, k, l, j]
    return D


def _kronecker_sparse(dtype, *pattern):
    values = random(dtype, *pattern)
    return lo.KroneckerSparse(values), kronecker_sparse_dense(values)


def _butterfly(dtype, chain):
    values = [random(dtype, *p, seed=i) / math.sqrt(p.c) for i, p in enumerate(chain)]
    return lo.Butterfly(values), reduce(np.matmul, map(kronecker_sparse_dense, values))


#: From a name to a function of the dtype that returns an operator and its dense matrix.
MARKET = {
    "Dense": _dense,
    "DenseWide": lambda dtype: _dense(dtype, 3, 7),
    "DenseOneByOne": lambda dtype: _dense(dtype, 1, 1),
    "DenseNoRows": lambda dtype: _dense(dtype, 0, 3),
    "DenseNoColumns": lambda dtype: _dense(dtype, 3, 0),
    "SparseRows": _sparse,
    "SparseColumns": lambda dtype: _sparse(dtype, "csc"),
    "SparseCoordinates": lambda dtype: _sparse(dtype, "coo"),
    "ScipyOperator": _scipy_operator,
    "Duck": _duck,
    "Identity": lambda dtype: (lo.Identity(4, dtype), np.eye(4, dtype=dtype)),
    "Zero": lambda dtype: (lo.Zero((3, 4), dtype), np.zeros((3, 4), dtype)),
    "Diagonal": _diagonal,
    "Permutation": _permutation,
    "BlockDiagonal": _block_diagonal,
    "BlockDiagonalEqual": _equal_blocks,
    "Block": _block,
    "Kron": lambda dtype: _kron(dtype, (2, 3), (3, 2)),
    "KronThree": lambda dtype: _kron(dtype, (2, 3), (1, 2), (4, 2)),
    "KronOne": lambda dtype: _kron(dtype, (2, 3)),
    "KronIdentities": _kron_with_identities,
    "KronSum": _kron_sum,
    "Sum": _sum,
    "Product": _product,
    "Scaled": _scaled,
    "Power": _power,
    "Conjugate": _conjugate,
    "LowRank": _low_rank,
    "Toeplitz": lambda dtype: _toeplitz(dtype, 5, 3),
    "ToeplitzByTransforms": lambda dtype: _toeplitz(dtype, 190, 180),
    "Circulant": lambda dtype: _circulant(dtype, 6),
    "CirculantByTransforms": lambda dtype: _circulant(dtype, 185),
    "RestrictionSlices": lambda dtype: _restriction(dtype, slice(1, 5), slice(None, None, -2)),
    "RestrictionBeyond": lambda dtype: _restriction(dtype, slice(2, 99, 3), slice(-99, 3)),
    "RestrictionArrays": lambda dtype: _restriction(dtype, [0, -1, 3, 3], np.array([4, 4, 4, 0])),
    "RestrictionMasks": lambda dtype: _restriction(
        dtype, np.arange(6) % 2 == 0, np.array([True, False, True, True, False])
    ),
    "RestrictionEmpty": lambda dtype: _restriction(dtype, [], slice(2, 2)),
    "KroneckerSparse": lambda dtype: _kronecker_sparse(dtype, 2, 3, 4, 2),
    "KroneckerSparseThin": lambda dtype: _kronecker_sparse(dtype, 3, 2, 2, 4),
    "KroneckerSparseDense": lambda dtype: _kronecker_sparse(dtype, 1, 4, 5, 1),
    "KroneckerSparseDiagonal": lambda dtype: _kronecker_sparse(dtype, 3, 1, 1, 2),
    "ButterflyDyadic": lambda dtype: _butterfly(dtype, lo.Chain.square_dyadic(8)),
    "ButterflyMonarch": lambda dtype: _butterfly(dtype, lo.Chain.monarch((12, 18), rank=2)),
    "ButterflyRectangular": lambda dtype: _butterfly(dtype, lo.Chain.dyadic((8, 32))),
}

#: Operators of other libraries, whose data can't leave NumPy.
BOUND_TO_NUMPY = {"ScipyOperator", "Duck"}


@st.composite
def any_chain(draw):
    """Patterns of up to five factors whose sizes fit, whether they chain or not."""
    patterns, rows = [], draw(st.sampled_from([4, 8, 12]))
    for _ in range(draw(st.integers(1, 5))):
        a = draw(st.sampled_from([a for a in range(1, rows + 1) if rows % a == 0]))
        b = draw(st.sampled_from([b for b in range(1, rows // a + 1) if rows // a % b == 0]))
        c = draw(st.sampled_from([1, 2, 3, b]))
        patterns.append((a, b, c, rows // a // b))
        rows = a * c * patterns[-1][3]
    return patterns
