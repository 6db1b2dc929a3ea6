"""The kernels of `cuda.cu` on CuPy arrays. CuPy is imported where it is used.

They are compiled by NVRTC at the first product with a pair of dtypes; CuPy keeps the code on disk
for other processes. They start on the caller's stream, and nothing here waits for them, copies
between host and device, or frees memory.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import array_api_compat

from lazyop.kernels.cuda_launch import entries_of, instance
from lazyop.kernels.cuda_plan import Limits

if TYPE_CHECKING:
    from lazyop.kernels.cuda_chain import Launch
    from lazyop.namespaces import Array

#: Of the compiler: what language the source is written in.
OPTIONS = ("-std=c++14",)

#: The compute capability that the source needs, for parameters that are not copied.
_LEAST_CAPABILITY = 70


@cache
def source() -> str:
    """Return the CUDA C++ source of the kernels."""
    return files("lazyop.kernels").joinpath("cuda.cu").read_text(encoding="utf-8")


def instances(weight: str, number: str) -> tuple[str, ...]:
    """Return the names of the kernels for a pair of dtypes: by single columns, and by several."""
    lanes = {1, entries_of(weight, number).lanes}
    return tuple(instance(weight, number, each) for each in sorted(lanes))


@cache
def _module(weight: str, number: str) -> Any:
    import cupy

    return cupy.RawModule(
        code=source(), options=OPTIONS, name_expressions=instances(weight, number)
    )


@cache
def _kernel(weight: str, number: str, name: str, device: int) -> Any:
    """Return a kernel that may have all the shared memory of the current device."""
    kernel = _module(weight, number).get_function(name)
    kernel.max_dynamic_shared_size_bytes = _limits(device).shared_bytes
    return kernel


@cache
def _limits(device: int) -> Limits:
    import cupy

    found = cupy.cuda.Device(device).attributes
    return Limits(found["MaxSharedMemoryPerBlockOptin"], found["MultiProcessorCount"])


@cache
def _is_supported(device: int) -> bool:
    import cupy

    if cupy.cuda.runtime.is_hip:
        return False
    return int(cupy.cuda.Device(device).compute_capability) >= _LEAST_CAPABILITY


class CupyMachine:
    """CuPy's arrays, and the current stream of the device where they are."""

    def holds(self, x: Any) -> bool:
        """Whether an array is CuPy's, on a device that is new enough."""
        return array_api_compat.is_cupy_array(x) and _is_supported(x.device.id)

    def address(self, x: Array) -> int:
        """Return the address of an array's first entry."""
        return int(x.data.ptr)

    def contiguous(self, x: Array) -> Array:
        """Return a copy whose rows lie one after another."""
        import cupy

        with x.device:
            return cupy.ascontiguousarray(x)

    def empty(self, shape: tuple[int, int], like: Array, *, by_columns: bool) -> Array:
        """Return a new matrix of the dtype and on the device of another."""
        import cupy

        with like.device:
            return cupy.empty(shape, like.dtype, order="F" if by_columns else "C")

    def limits(self, x: Array) -> Limits:
        """Return what the device of an array offers."""
        return _limits(x.device.id)

    def launch(self, x: Array, work: Launch) -> None:
        """Start a kernel on the current stream of an array's device."""
        with x.device:
            kernel = _kernel(work.weight, work.number, work.kernel, x.device.id)
            kernel((work.blocks,), (work.threads,), (work.record,), shared_mem=work.shared_bytes)


MACHINE = CupyMachine()
