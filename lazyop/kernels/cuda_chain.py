"""A whole chain on a GPU: the weights as they are, shared by an operator and its adjoint.

Nothing here calls CUDA: a `Machine` does, which on a GPU is that of `lazyop.kernels.cuda`. The
tests have one that runs the same source on a CPU.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from lazyop.kernels.cuda_launch import (
    Matrix,
    Weights,
    entries_of,
    filled,
    instance,
    name_of_dtype,
    record_of,
)
from lazyop.kernels.cuda_plan import Layout, choose_passes, similar
from lazyop.namespaces import cast, dtype_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lazyop.kernels.cuda_launch import Record
    from lazyop.kernels.cuda_plan import Limits, Pass
    from lazyop.namespaces import Array

#: Above this harmonic mean of a block's sides, halved, products with the blocks by the vendor's
#: matrix product win, which for half precision has units of its own.
_LARGEST_BLOCK = {2: 16.0, 4: 64.0, 8: 64.0, 16: 64.0}

#: Shared memory that every device gives to a block of threads which asks for it.
_SHARED_BYTES = 64 * 1024

#: For how many kinds of argument a chain keeps what was decided.
_WAYS_KEPT = 64


class Machine(Protocol):
    """What runs kernels, and has the memory that they work on."""

    def holds(self, x: Any) -> bool:
        """Whether an array is in that memory."""

    def address(self, x: Array) -> int:
        """Return the address of an array's first entry."""

    def contiguous(self, x: Array) -> Array:
        """Return a copy whose rows lie one after another."""

    def empty(self, shape: tuple[int, int], like: Array, *, by_columns: bool) -> Array:
        """Return a new matrix of the dtype and on the device of another."""

    def limits(self, x: Array) -> Limits:
        """Return what the device of an array offers."""

    def launch(self, x: Array, work: Launch) -> None:
        """Start a kernel on the device of an array, after what was started before it."""


@dataclass(frozen=True)
class Launch:
    """A kernel by name, and how it is to run."""

    weight: str
    number: str
    lanes: int
    blocks: int
    threads: int
    shared_bytes: int
    record: Record

    @property
    def kernel(self) -> str:
        """The kernel's name in C++."""
        return instance(self.weight, self.number, self.lanes)


@dataclass(frozen=True)
class _Way:
    """The passes of products with one kind of argument, and what of their records is known."""

    passes: tuple[Pass, ...]
    records: tuple[Record, ...]


class DeviceWeights:
    """The weights of a chain's factors, where a machine can read them.

    Parameters
    ----------
    held : sequence of arrays
        Which hold the weights, and are kept.
    weights : sequence of Weights
        Where they are, in the order in which the chain applies its factors.
    name : str
        What the kernels are to read.
    dtype : dtype
        Of the weights.
    machine : Machine
    """

    def __init__(
        self, held: Sequence[Array], weights: Sequence[Weights], name: str, dtype: np.dtype[Any],
        machine: Machine,
    ) -> None:  # fmt: skip
        self.held, self.weights, self.machine = tuple(held), tuple(weights), machine
        self.name, self.dtype = name, dtype
        self._ways: dict[Any, _Way] = {}

    @cached_property
    def choice(self) -> str | None:
        """The kernel that products take; None where the array kernels are to be preferred."""
        limit = _LARGEST_BLOCK[self.dtype.itemsize]
        shapes = (weights.shape for weights in self.weights)
        return "cuda" if all(b * c <= limit * (b + c) for _, b, c, _ in shapes) else None

    def oriented(self, transposed: bool) -> tuple[Weights, ...]:
        """Return the same in the order of the chain, or of its transpose."""
        if transposed:
            return tuple(weights.transposed() for weights in reversed(self.weights))
        return self.weights

    def way(
        self, columns: int, number: str, layout: Layout, *, transposed: bool, conjugated: bool
    ) -> _Way:
        """Return the passes of products with so many columns of a dtype."""
        columns = similar(columns)
        limits = self.machine.limits(self.held[0])
        key = columns, number, layout, transposed, conjugated
        way = self._ways.get(key)
        if way is None:
            weights = self.oriented(transposed)
            shapes = [held.shape for held in weights]
            entries = entries_of(self.name, number)
            passes = choose_passes(shapes, columns, entries, layout, limits)
            records = [record_of(each, weights, conjugated=conjugated) for each in passes]
            if len(self._ways) >= _WAYS_KEPT:
                self._ways.clear()
            way = self._ways[key] = _Way(passes, tuple(records))
        return way


@dataclass(frozen=True)
class DeviceChain:
    """The weights of a chain, and which way round they are used: the four share them."""

    kernel: DeviceWeights
    transposed: bool = False
    conjugated: bool = False

    #: The kernels that apply the whole chain.
    names: ClassVar[tuple[str, ...]] = ("cuda",)

    @property
    def is_default(self) -> bool:
        """Whether products take such a kernel unless another is asked for."""
        return self.kernel.choice is not None

    def apply(self, X: Array, kernel: str | None = None) -> Array | None:
        """Multiply a matrix of columns; None where the argument wants the array kernels."""
        held, machine = self.kernel, self.kernel.machine
        if (kernel or held.choice) is None or not machine.holds(X):
            return None
        dtype = np.result_type(held.dtype, dtype_of(X))
        number = name_of_dtype(dtype)
        if number is None:
            return None
        return self._run(_addressable(cast(X, dtype), machine), number, dtype.itemsize)

    def _run(self, X: Array, number: str, itemsize: int) -> Array:
        held, machine, columns = self.kernel, self.kernel.machine, X.shape[1]
        by_columns = columns > 1 and abs(X.strides[0]) < abs(X.strides[1])
        layout = Layout(by_columns, by_columns)
        way = self._way(columns, number, layout)
        last = way.passes[-1]
        source = _matrix(X, machine, itemsize)
        for found, record in zip(way.passes, way.records, strict=True):
            shape = (found.a * found.d * found.rows_out, columns)
            Y = machine.empty(shape, X, by_columns=by_columns and found is last)
            target = _matrix(Y, machine, itemsize)
            full = filled(record, found, columns, source, target)
            machine.launch(X, _launch(held.name, number, itemsize, found, columns, full))
            X, source = Y, target
        return X

    def passes(self, columns: int) -> int:
        """Return how often an argument whose rows are contiguous goes to memory and back."""
        return len(self._way(columns, self.kernel.dtype.name, Layout()).passes)

    def _way(self, columns: int, number: str, layout: Layout) -> _Way:
        return self.kernel.way(
            columns, number, layout, transposed=self.transposed, conjugated=self.conjugated
        )

    def vector(self, x: Any, kernel: str | None = None) -> None:
        """Return None: a vector on a device comes as a matrix of one column."""

    def transpose(self) -> DeviceChain:
        """Return the transpose, over the same weights."""
        return replace(self, transposed=not self.transposed)

    def conj(self) -> DeviceChain:
        """Return the conjugate, over the same weights."""
        return replace(self, conjugated=not self.conjugated)


def device_chain(
    values: Sequence[Array], machine: Machine, *, conjugated: bool = False
) -> DeviceChain | None:
    """Return a chain of the values on a machine; None where its kernels don't take them.

    Parameters
    ----------
    values : sequence of arrays (a, b, c, d)
        Of the factors, leftmost first; of any strides.
    machine : Machine
    conjugated : bool
        Whether the conjugates of the values are meant.
    """
    dtype = dtype_of(values[0])
    if name_of_dtype(dtype) is None or any(dtype_of(v) != dtype for v in values):
        return None
    if not all(machine.holds(v) for v in values):
        return None
    size = dtype.itemsize
    if any(step % size for v in values for step in v.strides):
        return None
    weights = [
        Weights(machine.address(v), tuple(v.shape), tuple(step // size for step in v.strides), size)
        for v in reversed(values)
    ]
    if not all(_is_taken(each, size) for each in weights):
        return None
    return DeviceChain(
        DeviceWeights(values, weights, dtype.name, dtype, machine), False, conjugated
    )


def coded_chain(
    stream: Array, weights: Sequence[Weights], dtype: np.dtype[Any], machine: Machine
) -> DeviceChain | None:
    """Return a chain whose weights are codes in an array; None where kernels don't take them.

    Parameters
    ----------
    stream : array
        Whose memory the addresses of the weights are in.
    weights : sequence of Weights
        In the order of application.
    dtype : dtype
        Of the numbers that the codes stand for.
    machine : Machine
    """
    if not machine.holds(stream) or not all(_is_taken(each, dtype.itemsize) for each in weights):
        return None
    held = DeviceWeights([stream], weights, f"codes of {dtype.name}", dtype, machine)
    return DeviceChain(held) if held.choice else None


def _is_taken(weights: Weights, itemsize: int) -> bool:
    """Whether 32 bits suffice for places, and shared memory for a block."""
    longest = _SHARED_BYTES // (4 * max(4, 2 * itemsize))
    return weights.is_addressable and max(weights.shape[1:3]) <= longest


def _addressable(X: Array, machine: Machine) -> Array:
    """Return a matrix whose strides are whole numbers of entries."""
    size = dtype_of(X).itemsize
    return machine.contiguous(X) if any(step % size for step in X.strides) else X


def _matrix(X: Array, machine: Machine, itemsize: int) -> Matrix:
    row, column = X.strides
    column = 1 if X.shape[1] == 1 else column // itemsize
    return Matrix(machine.address(X), row // itemsize, column, itemsize)


def _launch(
    weight: str, number: str, itemsize: int, found: Pass, columns: int, record: Record
) -> Launch:
    a, j, c = found.tiles(columns)
    size = found.buffers * found.buffer * max(4, itemsize)
    return Launch(weight, number, found.tile.lanes, a * j * c, found.threads, size, record)
