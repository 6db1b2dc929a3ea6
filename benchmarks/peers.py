"""Who takes part in `compare.py`: lazyop, its peers, and how each is given a problem.

A contender's ``prepare(problem)`` does all that is done once for an operator, and returns a
function without arguments that computes the product. It raises `NotOfferedError` with the reason
where the contender is not installed, has no such operator, or would take minutes to prepare.
"""

import importlib
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from timeit import Timer
from types import ModuleType
from typing import Any

import numpy as np
import scipy.fft
from cases import (
    BlockDiagonalProblem,
    ChainProblem,
    KronProblem,
    apply_right_to_left,
    bit_reversal,
)
from scipy.sparse import bsr_array, csr_matrix

import lazyop as lo

#: The largest order for which the dense matrix takes part: 128 MiB in double precision.
DENSE_ORDER = 4096
#: lazylinop builds its SciPy factors block by block in Python: minutes from this order on.
LAZYLINOP_SCIPY_ORDER = 2**16

Product = Callable[[], np.ndarray]


class NotOfferedError(Exception):
    """A contender does not take part in a cell, and why."""


@dataclass(frozen=True)
class Contender:
    """A name, what it counts as, and how it prepares a product.

    The kinds are ``lazyop``, ``adjoint`` (lazyop's own), ``peer``, ``dense``, ``by hand`` (what
    one would write with NumPy or SciPy for this cell), and ``distance`` (another algorithm).
    """

    name: str
    kind: str
    prepare: Callable[[Any], Product]
    adjoint: bool = False


@cache
def module(name: str) -> ModuleType:
    """Import an optional peer; what it does to the environment on import is undone."""
    with restored_environment(), warnings.catch_warnings(record=True):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            missing = "not installed" if error.name == name.split(".")[0] else f"needs {error.name}"
            raise NotOfferedError(missing) from None


@contextmanager
def restored_environment() -> Iterator[None]:
    """Undo changes of the environment: one peer sets the thread counts of all that load later."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


def installed(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


# Chains of Kronecker-sparse factors


def lazyop_chain(problem: ChainProblem) -> Product:
    A, X = lo.Butterfly(problem.values), problem.X
    return lambda: A @ X


def lazyop_chain_adjoint(problem: ChainProblem) -> Product:
    A, X = lo.Butterfly(problem.values).H, problem.X
    return lambda: A @ X


def scipy_chain(problem: ChainProblem) -> Product:
    factors, X = problem.csr, problem.X
    return lambda: apply_right_to_left(factors, X)


def lazylinop_chain(backend: str) -> Callable[[ChainProblem], Product]:
    def prepare(problem: ChainProblem) -> Product:
        return lazylinop_ksm(problem.values, problem.X, backend)

    return prepare


def lazylinop_fused(problem: ChainProblem) -> Product:
    """The fastest of its backends with groups of factors fused, as its optimizer would find.

    The fusion itself is left to lazyop, as lazylinop's takes minutes for large orders.
    """
    if len(problem.values) < 3:
        raise NotOfferedError("nothing to fuse")
    butterfly = lo.Butterfly(problem.values)
    best, best_time = None, np.inf
    for partition in partitions(len(problem.values), problem.dyadic):
        values = [np.ascontiguousarray(f.values) for f in butterfly.merge(partition).factors]
        for backend in ("xp", "scipy"):
            try:
                product = lazylinop_ksm(values, problem.X, backend)
            except NotOfferedError:
                continue
            product()
            time = min(Timer(product).repeat(5, 1))
            if time < best_time:
                best, best_time = product, time
    if best is None:
        module("lazylinop.butterfly")
        raise NotOfferedError("no way to run it")
    return best


def partitions(length: int, dyadic: bool) -> list[list[int]]:
    """Group lengths worth a try: pairs, triples, and, where blocks stay small, two halves."""
    groups = [[size] * (length // size) + [length % size] * (length % size > 0) for size in (2, 3)]
    if not dyadic:
        return groups[:1]
    if 6 < length <= 12:
        groups.append([length // 2, length - length // 2])
    return groups


def lazylinop_ksm(values: list[np.ndarray], X: np.ndarray, backend: str) -> Product:
    if backend == "scipy" and X.shape[0] > LAZYLINOP_SCIPY_ORDER:
        raise NotOfferedError("takes minutes to prepare")
    ksm = module("lazylinop.butterfly").ksm
    L = ksm(list(values), {"backend": backend, "params": None})
    return lambda: L @ X


def pyfaust_chain(problem: ChainProblem) -> Product:
    F, X = faust(problem), in_fortran_order(problem.X)
    return lambda: F @ X


def pyfaust_opt_butterfly(problem: ChainProblem) -> Product:
    if not problem.dyadic:
        module("pyfaust")
        raise NotOfferedError("for dyadic chains only")
    F, X = module("pyfaust").opt_butterfly_faust(faust(problem)), in_fortran_order(problem.X)
    return lambda: F @ X


def faust(problem: ChainProblem) -> Any:
    """Its class reads int32 indices and the types below; other input can end the interpreter."""
    pyfaust = module("pyfaust")
    if problem.X.dtype.name not in ("float32", "float64", "complex128"):
        raise NotOfferedError(f"has no {problem.X.dtype}")
    return pyfaust.Faust([csr_matrix(K) for K in problem.csr])


def in_fortran_order(X: np.ndarray) -> np.ndarray:
    """The order that pyfaust asks for; it converts any other in each product, with a warning."""
    return np.asfortranarray(X)


def dense(problem: ChainProblem | KronProblem | BlockDiagonalProblem) -> Product:
    X = problem.X
    if X.shape[0] > DENSE_ORDER:
        raise NotOfferedError("too large")
    D = problem.dense()
    return lambda: D @ X


def lazyop_dft(problem: ChainProblem) -> Product:
    """The transform itself, bit reversal included, of columns in bit-reversed order."""
    if not problem.dft:
        raise NotOfferedError("not a DFT")
    order = bit_reversal(problem.X.shape[0])
    A, X = lo.Butterfly(problem.values) @ lo.Permutation(order), problem.X[order]
    return lambda: A @ X


def scipy_fft(problem: ChainProblem) -> Product:
    if not problem.dft:
        raise NotOfferedError("not a DFT")
    X = problem.X[bit_reversal(problem.X.shape[0])]
    return lambda: scipy.fft.fft(X, axis=0)


# Kronecker products


def lazyop_kron(problem: KronProblem) -> Product:
    A, X = lo.kron(*problem.operands), problem.X
    return lambda: A @ X


def pylops_kron(problem: KronProblem) -> Product:
    pylops = module("pylops")
    A, X = pylops.MatrixMult(problem.operands[-1]), problem.X
    for operand in problem.operands[-2::-1]:
        A = pylops.Kronecker(pylops.MatrixMult(operand), A)
    return lambda: A @ X


def lazylinop_kron(problem: KronProblem) -> Product:
    kron = module("lazylinop").kron
    A, X = problem.operands[-1], problem.X
    for operand in problem.operands[-2::-1]:
        A = kron(operand, A)
    return lambda: A @ X


def lazylinop_kron_ksm(problem: KronProblem) -> Product:
    """Each operand beside identities is a Kronecker-sparse factor."""
    operands, values, a, d = problem.operands, [], 1, problem.X.shape[0]
    for A in operands:
        m, n = A.shape
        d //= n
        values.append(np.ascontiguousarray(np.broadcast_to(A[None, :, :, None], (a, m, n, d))))
        a *= n
    return lazylinop_ksm(values, problem.X, "xp")


def numpy_kron_first_to_last(problem: KronProblem) -> Product:
    """Multiply along each axis as one stack of matrices, the first axis first."""
    operands, X = problem.operands, problem.X
    columns = 1 if X.ndim == 1 else X.shape[1]

    def product() -> np.ndarray:
        Y, before, after = X, 1, X.shape[0]
        for A in operands:
            after //= A.shape[1]
            Y = A @ Y.reshape(before, A.shape[1], after * columns)
            before *= A.shape[0]
        return Y.reshape(X.shape)

    return product


def numpy_kron_rotating(problem: KronProblem) -> Product:
    """Multiply along the last axis as one matrix, then rotate that axis to the front."""
    operands, X = problem.operands, problem.X
    columns = 1 if X.ndim == 1 else X.shape[1]

    def product() -> np.ndarray:
        Y = X.reshape(-1, columns).T
        for A in reversed(operands):
            Y = Y.reshape(-1, A.shape[1]) @ A.T
            Y = Y.reshape(columns, -1, A.shape[0]).swapaxes(1, 2).reshape(columns, -1)
        return Y.T.reshape(X.shape)

    return product


def numpy_kron_matrix(problem: KronProblem) -> Product:
    """For two operands and one vector: two products of matrices, no transposition."""
    if len(problem.operands) != 2 or problem.X.ndim != 1:
        raise NotOfferedError("for two operands and one vector")
    (A, B), x = problem.operands, problem.X
    BT = B.T
    return lambda: (A @ x.reshape(A.shape[1], B.shape[1]) @ BT).reshape(-1)


# Block diagonals


def lazyop_block_diagonal(problem: BlockDiagonalProblem) -> Product:
    A, X = lo.block_diag(*problem.blocks), problem.X
    return lambda: A @ X


def pylops_block_diagonal(problem: BlockDiagonalProblem) -> Product:
    pylops = module("pylops")
    A, X = pylops.BlockDiag([pylops.MatrixMult(block) for block in problem.blocks]), problem.X
    return lambda: A @ X


def lazylinop_block_diagonal(problem: BlockDiagonalProblem) -> Product:
    A, X = module("lazylinop").block_diag(*problem.blocks), problem.X
    return lambda: A @ X


def lazylinop_block_diagonal_ksm(problem: BlockDiagonalProblem) -> Product:
    return lazylinop_ksm([problem.blocks[..., None]], problem.X, "xp")


def scipy_block_diagonal(problem: BlockDiagonalProblem) -> Product:
    count, order, _ = problem.blocks.shape
    position = np.arange(count + 1)
    A = bsr_array((problem.blocks, position[:-1], position), shape=(count * order, count * order))
    X = problem.X
    return lambda: A @ X


def numpy_block_diagonal(problem: BlockDiagonalProblem) -> Product:
    blocks, X = problem.blocks, problem.X
    count, order, _ = blocks.shape
    return lambda: (blocks @ X.reshape(count, order, -1)).reshape(X.shape)


def numpy_block_diagonal_matvec(problem: BlockDiagonalProblem) -> Product:
    if problem.X.ndim != 1 or not hasattr(np, "matvec"):
        raise NotOfferedError("for one vector, with NumPy 2.2 or newer")
    blocks, x = problem.blocks, problem.X
    return lambda: np.matvec(blocks, x.reshape(blocks.shape[:2])).reshape(-1)


CONTENDERS = {
    ChainProblem: (
        Contender("lazyop", "lazyop", lazyop_chain),
        Contender("lazyop adjoint", "adjoint", lazyop_chain_adjoint, adjoint=True),
        Contender("SciPy CSR", "peer", scipy_chain),
        Contender("lazylinop xp", "peer", lazylinop_chain("xp")),
        Contender("lazylinop scipy", "peer", lazylinop_chain("scipy")),
        Contender("lazylinop fused", "peer", lazylinop_fused),
        Contender("pyfaust", "peer", pyfaust_chain),
        Contender("pyfaust opt", "peer", pyfaust_opt_butterfly),
        Contender("dense BLAS", "dense", dense),
        Contender("lazyop DFT", "distance", lazyop_dft),
        Contender("scipy.fft", "distance", scipy_fft),
    ),
    KronProblem: (
        Contender("lazyop", "lazyop", lazyop_kron),
        Contender("PyLops", "peer", pylops_kron),
        Contender("lazylinop", "peer", lazylinop_kron),
        Contender("lazylinop ksm", "peer", lazylinop_kron_ksm),
        Contender("dense BLAS", "dense", dense),
        Contender("NumPy stacked", "by hand", numpy_kron_first_to_last),
        Contender("NumPy rotating", "by hand", numpy_kron_rotating),
        Contender("NumPy matrix", "by hand", numpy_kron_matrix),
    ),
    BlockDiagonalProblem: (
        Contender("lazyop", "lazyop", lazyop_block_diagonal),
        Contender("PyLops", "peer", pylops_block_diagonal),
        Contender("lazylinop", "peer", lazylinop_block_diagonal),
        Contender("lazylinop ksm", "peer", lazylinop_block_diagonal_ksm),
        Contender("SciPy BSR", "by hand", scipy_block_diagonal),
        Contender("dense BLAS", "dense", dense),
        Contender("NumPy stacked", "by hand", numpy_block_diagonal),
        Contender("NumPy matvec", "by hand", numpy_block_diagonal_matvec),
    ),
}

#: The distributions whose versions belong to a result, beside lazyop's.
DISTRIBUTIONS = ("numpy", "scipy", "numba", "lazylinop", "pyfaust", "pylops")
