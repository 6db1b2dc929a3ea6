"""Products with a whole chain on NumPy: packed once, shared by an operator and its adjoint.

This is the host's side of the compiled kernels: over which tiles they run, and in how many
threads. `lazyop.kernels.plan` decides that; here it is carried out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from lazyop.kernels.packing import Packed, pack
from lazyop.kernels.plan import choose_whole_chain, has_compiled
from lazyop.kernels.threads import share

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from lazyop.kernels.plan import Tiling

    Values = npt.NDArray[Any]


class ChainKernel:
    """The values of a chain's factors, leftmost first, ready for compiled products.

    An operator and its adjoint share one, so that the weights are packed once for both.

    Parameters
    ----------
    values : sequence of arrays (a, b, c, d)
        Of one dtype, on NumPy.
    """

    def __init__(self, values: Sequence[Values]) -> None:
        self.values = tuple(values)
        self.dtype = self.values[0].dtype
        self._kernels: dict[int, str] = {}

    @cached_property
    def packed(self) -> Packed:
        """The weights in the order in which products read them; made at the first product."""
        return pack(self.values)

    @cached_property
    def dense(self) -> Values:
        """The dense matrix; a single dense block is not copied."""
        a, b, c, d = self.values[0].shape
        if len(self.values) == 1 and a * d == 1:
            return self.values[0].reshape(b, c)
        unit = np.eye(self.packed.shape[1], dtype=self.dtype)
        return self._apply_packed(unit, transposed=False, conjugated=False)

    def kernel_for(self, columns: int) -> str:
        """Name the kernel that a product with that many columns takes."""
        if columns not in self._kernels:
            (m, n), thin = self.packed.shape, self.packed.is_thin
            copies = len(self.values) == 1 and self.values[0].size < m * n
            entries = 0 if thin or copies else self.packed.weights.size
            self._kernels[columns] = choose_whole_chain(entries, m * n, columns)
        return self._kernels[columns]

    def admit(self, X: Values) -> Values | None:
        """Return an argument in the dtype of the weights; None where that would lose some of it."""
        if X.dtype == self.dtype:
            return X
        if np.can_cast(X.dtype, self.dtype):
            return X.astype(self.dtype)
        if X.dtype.kind == "c" and X.real.dtype == self.dtype:
            return np.ascontiguousarray(X).view(self.dtype)  # real weights act on both parts
        return None

    @cached_property
    def _short(self) -> tuple[Callable[..., None], Callable[..., None]] | None:
        """The compiled functions, forward and transposed, of a vector that needs no tiling."""
        packed = self.packed
        if not packed.is_thin or packed.tiling(1).low_stages < len(packed.stages):
            return None
        from lazyop.kernels import cpu

        return cpu.low_vector, cpu.low_vector_transposed

    def apply(self, X: Values, kernel: str, *, transposed: bool, conjugated: bool) -> Values:
        """Multiply a matrix of columns by the chain, its transpose, conjugate or adjoint."""
        if kernel == "compiled":
            return self._apply_packed(X, transposed=transposed, conjugated=conjugated)
        matrix = self.dense.T if transposed else self.dense
        flips = conjugated and self.dtype.kind == "c"
        Y: Values = matrix @ (np.conj(X) if flips else X)
        return np.conj(Y) if flips else Y

    def _apply_packed(self, X: Values, *, transposed: bool, conjugated: bool) -> Values:
        packed, columns = self.packed, X.shape[1]
        Y = np.empty((packed.shape[transposed], columns), dtype=X.dtype)
        if columns == 1 and self._short is not None:
            stages, rows = packed.stages, len(Y)
            x, y = _flat(np.ascontiguousarray(X)), _flat(Y)
            kernel = self._short[transposed]
            kernel(x, y, packed.weights, stages, len(stages), rows, 0, 1, conjugated)
            return Y
        run = _Run(packed, packed.tiling(columns), transposed, conjugated)
        if run.tiling.tile:
            run.columns(X, Y)
        elif columns == 1:
            run.vector(np.ascontiguousarray(X), Y)
        else:
            for k in range(columns):
                y = np.empty(len(Y), dtype=Y.dtype)
                run.vector(np.ascontiguousarray(X[:, k]), y)
                Y[:, k] = y
        return Y


@dataclass(frozen=True)
class OrientedChain:
    """A chain's kernel, and which way round it is used: the four share one set of weights."""

    kernel: ChainKernel
    transposed: bool = False
    conjugated: bool = False

    def apply(self, X: Any, kernel: str | None = None) -> Any | None:
        """Multiply a matrix of columns; None where the argument wants the array kernels."""
        if not isinstance(X, np.ndarray):
            return None
        admitted = self.kernel.admit(X)
        if admitted is None:
            return None
        Y = self.kernel.apply(
            admitted,
            kernel or self.kernel.kernel_for(admitted.shape[1]),
            transposed=self.transposed,
            conjugated=self.conjugated,
        )
        return Y if admitted.dtype == Y.dtype and X.shape[1] == Y.shape[1] else Y.view(X.dtype)

    def transpose(self) -> OrientedChain:
        """Return the transpose, over the same weights."""
        return replace(self, transposed=not self.transposed)

    def conj(self) -> OrientedChain:
        """Return the conjugate, over the same weights."""
        return replace(self, conjugated=not self.conjugated)


def compiled_chain(values: Sequence[Any], *, conjugated: bool) -> OrientedChain | None:
    """Return a chain for the compiled kernels; None where they don't apply."""
    if not all(isinstance(v, np.ndarray) for v in values) or not has_compiled():
        return None
    dtype = values[0].dtype
    if any(v.dtype != dtype for v in values) or dtype.char not in "fdFD" or not dtype.isnative:
        return None
    return OrientedChain(ChainKernel(values), False, conjugated)


class _Run:
    """One product: which compiled function, over what."""

    def __init__(self, packed: Packed, tiling: Tiling, transposed: bool, conjugated: bool) -> None:
        self.weights, self.stages = packed.weights, packed.stages
        self.tiling, self.transposed, self.conjugated = tiling, transposed, conjugated
        self.is_thin, self.longest = packed.is_thin, packed.longest

    def _compiled(self, name: str) -> Callable[..., None]:
        from lazyop.kernels import cpu

        function: Callable[..., None] = getattr(cpu, name + "_transposed" * self.transposed)
        return function

    def vector(self, x: Values, y: Values) -> None:
        """Multiply a contiguous vector."""
        X, Y = _flat(x), _flat(y)
        if not self.is_thin:
            size = self.longest
            scratch = _flat(np.empty(2 * size, dtype=y.dtype))
            self._compiled("mixed_vector")(
                X, Y, scratch[:size], scratch[size:], self.weights, self.stages, self.conjugated
            )
            return
        n, span, low = y.size, self.tiling.span, self.tiling.low_stages
        kernel = self._compiled("low_vector")
        if low == len(self.stages):
            kernel(X, Y, self.weights, self.stages, low, n, 0, 1, self.conjugated)
            return
        high, width = self._compiled("high_vector"), self.tiling.width

        def run_low(source: Values) -> None:
            share(
                n // span,
                self.tiling.threads,
                lambda first, stop: kernel(
                    source, Y, self.weights, self.stages, low, span, first, stop, self.conjugated
                ),
            )

        def run_high(source: Values) -> None:
            share(
                span // width,
                self.tiling.threads,
                lambda first, stop: high(
                    source, Y, self.weights, self.stages, low, span, width, first, stop,
                    self.conjugated,
                ),
            )  # fmt: skip

        first, second = self._in_order(run_low, run_high)
        first(X)
        second(Y)

    def columns(self, X: Values, Y: Values) -> None:
        """Multiply a matrix of several columns."""
        tile, count = self.tiling.tile, X.shape[1]
        tiles = -(-count // tile)
        source, source_ld = _rows(X)
        target, target_ld = _rows(Y)
        if not self.is_thin:
            size = self.longest * tile
            kernel = self._compiled("mixed_columns")

            def run_mixed(first: int, stop: int) -> None:
                scratch = _flat(np.empty(2 * size, dtype=Y.dtype))
                kernel(
                    source, source_ld, target, target_ld, scratch, size, self.weights,
                    self.stages, count, tile, first, stop, self.conjugated,
                )  # fmt: skip

            share(tiles, self.tiling.threads, run_mixed)
            return
        n, span, low = len(Y), self.tiling.span, self.tiling.low_stages
        kernel, high = self._compiled("low_columns"), self._compiled("high_columns")
        run = self.tiling.width

        def run_low(entries: Values, ld: int) -> None:
            def work(first: int, stop: int) -> None:
                scratch = _flat(np.empty(span * tile, dtype=Y.dtype))
                kernel(
                    entries, ld, target, target_ld, scratch, self.weights, self.stages, low,
                    span, count, tile, first, stop, self.conjugated,
                )  # fmt: skip

            share((n // span) * tiles, self.tiling.threads, work)

        def run_high(entries: Values, ld: int) -> None:
            def work(first: int, stop: int) -> None:
                scratch = _flat(np.empty(n // span * run * tile, dtype=Y.dtype))
                high(
                    entries, ld, target, target_ld, scratch, self.weights, self.stages, low,
                    n, span, run, count, tile, first, stop, self.conjugated,
                )  # fmt: skip

            share((span // run) * tiles, self.tiling.threads, work)

        if low == len(self.stages):
            run_low(source, source_ld)
            return
        first, second = self._in_order(run_low, run_high)
        first(source, source_ld)
        second(target, target_ld)

    def _in_order(
        self, low: Callable[..., None], high: Callable[..., None]
    ) -> tuple[Callable[..., None], Callable[..., None]]:
        """Return the two parts of a long chain in the order in which they run."""
        return (high, low) if self.transposed else (low, high)


def _flat(x: Values) -> Values:
    """Return the entries of a contiguous array as a flat view of the one type compiled for."""
    flat = x.reshape(-1)
    flat.flags.writeable = False
    return flat


def _rows(X: Values) -> tuple[Values, int]:
    """Return a matrix's entries as a flat view that starts at them, and how far rows lie apart."""
    if X.flags.c_contiguous:
        return _flat(X), X.shape[1]
    if X.strides[1] != X.itemsize or X.strides[0] % X.itemsize:
        return _rows(np.ascontiguousarray(X))
    return as_strided(X, (1,), (X.itemsize,), writeable=False), X.strides[0] // X.itemsize
