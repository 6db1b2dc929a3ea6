"""How a product runs: which kernel each factor takes, in one readable place."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from lazyop.kernels import array_api

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lazyop.namespaces import Array

#: The kernels that apply one Kronecker-sparse factor: ``kernel(values, x)``.
KERNELS: Mapping[str, Callable[[Array, Array], Array]] = MappingProxyType(
    {
        "elementwise": array_api.kronecker_sparse_elementwise,
        "matmul": array_api.kronecker_sparse_matmul,
    }
)


def choose_kernel(shape: tuple[int, int, int, int], columns: int) -> str:
    """Choose the kernel of a factor with values of that shape for that many columns.

    Whole-array multiply-adds win where a block row is short, or where one column meets many
    interleaved blocks, whose strided products are slow; batched products win elsewhere.
    """
    _, _, c, d = shape
    return "elementwise" if c <= 2 or (columns == 1 and d >= 64) else "matmul"


@dataclass(frozen=True)
class Step:
    """One call of a kernel.

    Attributes
    ----------
    operator : str
        What is applied, as its operator shows itself.
    kernel : str
        The kernel's name.
    flops : int
        Real floating-point operations of the call.
    """

    operator: str
    kernel: str
    flops: int


@dataclass(frozen=True)
class Plan:
    """The kernel calls of a product, in the order in which they run.

    Attributes
    ----------
    columns : int
        How many columns the argument has.
    steps : tuple of Step
        The calls, first one first.
    """

    columns: int
    steps: tuple[Step, ...]

    @property
    def flops(self) -> int:
        """Real floating-point operations of the whole product."""
        return sum(step.flops for step in self.steps)

    def __str__(self) -> str:
        rows = [f"product with {self.columns} column(s), {self.flops:,} flops"]
        rows += [f"  {s.kernel:<12} {s.flops:>14,}  {s.operator}" for s in self.steps]
        return "\n".join(rows)
