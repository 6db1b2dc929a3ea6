"""The CUDA source compiles for GPUs, where there is a compiler for them."""

import os
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from lazyop.kernels.cuda import OPTIONS, instances, source
from lazyop.kernels.cuda_launch import NUMBERS, RECORD


def nvcc():
    """The CUDA compiler on the path or where CUDA is installed by default, if there is one."""
    home = Path(os.environ.get("CUDA_HOME", "/usr/local/cuda"), "bin")
    return shutil.which("nvcc") or shutil.which("nvcc", path=str(home))


@pytest.mark.parametrize(
    ("architecture", "weight", "number"),
    [("sm_80", "bfloat16", "float32"), ("sm_90", "complex64", "complex64")],
)
def test_kernels_compile_and_keep_to_their_registers(architecture, weight, number, tmp_path):
    if nvcc() is None:
        pytest.skip("no nvcc on this machine")
    kernel = instances(weight, number)[-1]
    code = tmp_path / "kernels.cu"
    size = f'static_assert(sizeof(Pass) == {RECORD.itemsize}, "record");'
    code.write_text(
        f"{source()}\ntemplate __global__ void {kernel}(const __grid_constant__ Pass);\n{size}\n"
    )
    command = [nvcc(), *OPTIONS, f"-arch={architecture}", "-cubin", "-Xptxas", "-v"]
    done = subprocess.run(
        [*command, "-o", tmp_path / "kernels.cubin", code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    spilled = [int(n) for n in re.findall(r"(\d+) bytes spill", done.stderr)]
    assert spilled == [0, 0], done.stderr
    registers = [int(n) for n in re.findall(r"Used (\d+) registers", done.stderr)]
    assert max(registers) * 512 <= 65536


def test_the_source_is_part_of_the_package():
    assert files("lazyop.kernels").joinpath("cuda.cu").is_file()
    for weight in NUMBERS:
        one, *several = instances(weight, weight)
        assert one.endswith(", 1>")
        assert len(several) == (weight != "complex128")
