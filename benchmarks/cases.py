"""What `compare.py` times: the works, their goals, and the cells with their data.

Who computes them is in `peers.py`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

import lazyop as lo

CHAIN_PEERS = ("peer", "dense")


@dataclass(frozen=True)
class Goal:
    """How many times faster than the fastest of some contenders lazyop is to be.

    `floor` holds for each cell, `mean` for the geometric mean over the cells of a work.
    """

    against: tuple[str, ...]
    floor: float | None = None
    mean: float | None = None

    def __str__(self) -> str:
        wanted = {"every cell": self.floor, "geometric mean": self.mean}
        return ", ".join(f"{k} >= {v:.2f}x" for k, v in wanted.items() if v is not None)


@dataclass(frozen=True)
class Work:
    """Cells that share their goals; the first goal is the one that the tables and figure show."""

    title: str
    goals: tuple[Goal, ...]


WORKS = {
    "dyadic-64": Work("Square-dyadic chain, 64 columns", (Goal(CHAIN_PEERS, 3, 6),)),
    "dyadic-1": Work("Square-dyadic chain, one vector", (Goal(CHAIN_PEERS, 2, 3),)),
    "dyadic-1-small": Work("Square-dyadic chain of order 256, one vector", (Goal(("dense",), 1),)),
    "dft": Work("DFT factors, complex128", (Goal(CHAIN_PEERS, 2),)),
    "monarch": Work(
        "Monarch and rank-8 dyadic chains", (Goal(("peer",), 1.5), Goal(("dense",), 1))
    ),
    "blocks": Work(
        "Kronecker products and block diagonals",
        (Goal(("peer",), 1.5), Goal(("by hand",), 1 / 1.3), Goal(("dense",), 1)),
    ),
}

#: How far apart a product and its adjoint may be.
ADJOINT_GOAL = 1.15


@dataclass(frozen=True)
class ChainProblem:
    """A product of Kronecker-sparse factors with some columns."""

    values: list[np.ndarray]
    X: np.ndarray
    dyadic: bool = False
    dft: bool = False

    @cached_property
    def csr(self) -> list[csr_array]:
        return [csr_factor(v) for v in self.values]

    @cached_property
    def expected(self) -> np.ndarray:
        return apply_right_to_left(self.csr, self.X)

    @cached_property
    def expected_adjoint(self) -> np.ndarray:
        return apply_right_to_left([K.conj().T for K in reversed(self.csr)], self.X)

    def dense(self) -> np.ndarray:
        identity = np.eye(self.csr[-1].shape[1], dtype=self.X.dtype)
        return np.ascontiguousarray(apply_right_to_left(self.csr, identity))


@dataclass(frozen=True)
class KronProblem:
    """A Kronecker product of dense matrices with some columns."""

    operands: Sequence[np.ndarray]
    X: np.ndarray

    def dense(self) -> np.ndarray:
        product = np.ones((1, 1))
        for A in self.operands:
            product = np.kron(product, A)
        return product

    @cached_property
    def expected(self) -> np.ndarray:
        return self.dense() @ self.X


@dataclass(frozen=True)
class BlockDiagonalProblem:
    """Equal square blocks, an array of shape (blocks, order, order), with some columns."""

    blocks: np.ndarray
    X: np.ndarray

    def dense(self) -> np.ndarray:
        return csr_factor(self.blocks[..., None]).toarray()

    @cached_property
    def expected(self) -> np.ndarray:
        return self.dense() @ self.X


@dataclass(frozen=True)
class Cell:
    """One size of one work: what the columns of a table call it, and how to make its data."""

    work: str
    structure: str
    n: int
    columns: int
    dtype: str
    operands: tuple[tuple[int, ...], ...] = field(repr=False)

    @property
    def name(self) -> str:
        columns = "1 vector" if self.columns == 1 else f"{self.columns} columns"
        return f"{self.work}: {self.structure}, n={self.n}, {columns}, {self.dtype}"

    def problem(self) -> ChainProblem | KronProblem | BlockDiagonalProblem:
        rng = np.random.default_rng(self.n + self.columns)
        X = draw(rng, (self.n,) if self.columns == 1 else (self.n, self.columns), self.dtype)
        if self.structure.startswith("Kron"):
            return KronProblem([draw(rng, shape, self.dtype) for shape in self.operands], X)
        if self.structure.startswith("BlockDiagonal"):
            return BlockDiagonalProblem(draw(rng, self.operands[0], self.dtype), X)
        if self.structure == "DFT":
            return ChainProblem(dft_values(self.n), X, dyadic=True, dft=True)
        # So scaled, the columns keep their size however many factors there are.
        values = [
            draw(rng, p, self.dtype) / np.sqrt(p[2]).astype(self.dtype) for p in self.operands
        ]
        return ChainProblem(values, X, dyadic=self.structure == "dyadic")


def draw(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Normal numbers, complex ones where the type is."""
    numbers = rng.standard_normal(shape)
    if np.issubdtype(dtype, np.complexfloating):
        numbers = numbers + 1j * rng.standard_normal(shape)
    return numbers.astype(dtype)


def csr_factor(values: np.ndarray) -> csr_array:
    """The matrix of a Kronecker-sparse factor: value iklj in row ikj and column ilj.

    Written here once more, so that lazyop is not checked against itself.
    """
    a, b, c, d = values.shape
    i, j, l = (np.arange(size, dtype=np.int32) for size in (a, d, c))
    columns = (i[:, None, None] * c + l) * d + j[:, None]
    columns = np.broadcast_to(columns[:, None], (a, b, d, c)).ravel()
    rows = np.arange(0, values.size + 1, c, dtype=np.int32)
    data = values.transpose(0, 1, 3, 2).ravel()
    return csr_array((data, columns, rows), shape=(a * b * d, a * c * d))


def apply_right_to_left(factors: Sequence, X: np.ndarray) -> np.ndarray:
    for factor in reversed(factors):
        X = factor @ X
    return X


def bit_reversal(n: int) -> np.ndarray:
    order = np.arange(1)
    while order.size < n:
        order = np.concatenate((2 * order, 2 * order + 1))
    return order


def dft_values(n: int) -> list[np.ndarray]:
    """Factors of the DFT with its columns in bit-reversed order (Cooley and Tukey, 1965)."""
    values = []
    for a, b, c, d in lo.Chain.square_dyadic(n):
        twiddles = np.exp(-1j * np.pi * np.arange(d) / d)
        K = np.ones((a, b, c, d), dtype=np.complex128)
        K[:, 0, 1], K[:, 1, 1] = twiddles, -twiddles
        values.append(K)
    return values


def chain_cell(work: str, structure: str, n: int, columns: int, dtype: str = "float64") -> Cell:
    chain = {
        "dyadic": lambda: lo.Chain.square_dyadic(n),
        "DFT": lambda: lo.Chain.square_dyadic(n),
        "Monarch": lambda: lo.Chain.monarch((n, n)),
        "rank-8 dyadic": lambda: lo.Chain.dyadic((n, n), rank=8),
    }[structure]()
    return Cell(work, structure, n, columns, dtype, tuple(tuple(p) for p in chain))


def cells() -> Iterator[Cell]:
    """All cells, in the order of the report."""
    for dtype in ("float64", "float32"):
        for bits in range(8, 17, 2):
            yield chain_cell("dyadic-64", "dyadic", 2**bits, 64, dtype)
    for dtype in ("float64", "float32"):
        for bits in range(8, 21, 2):
            work = "dyadic-1" if bits > 8 else "dyadic-1-small"
            yield chain_cell(work, "dyadic", 2**bits, 1, dtype)
    for columns in (1, 64):
        for bits in (10, 12, 14):
            yield chain_cell("dft", "DFT", 2**bits, columns, "complex128")
    for structure in ("Monarch", "rank-8 dyadic"):
        for columns in (1, 64):
            for bits in (10, 12):
                yield chain_cell("monarch", structure, 2**bits, columns)
    shapes = {
        "Kron 32 (x) 32": ((32, 32),) * 2,
        "Kron 16 (x) 16 (x) 16": ((16, 16),) * 3,
        "BlockDiagonal 64 of 32": ((64, 32, 32),),
    }
    for structure, operands in shapes.items():
        n = 64 * 32 if len(operands) == 1 else operands[0][0] ** len(operands)
        for columns in (1, 64):
            yield Cell("blocks", structure, n, columns, "float64", operands)


def is_quick(cell: Cell) -> bool:
    """Whether a cell takes well under a second a round, and stands for its work."""
    if cell.work in ("monarch", "blocks"):
        return cell.n < 4096
    return cell.n == 1024 or (cell.n == 256 and cell.columns == 1)
