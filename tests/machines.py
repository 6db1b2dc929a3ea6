"""Machines for the CUDA kernels that need no GPU: both work on NumPy arrays.

One runs the source itself, compiled as C++, thread by thread. The other walks the same indices from
the same records, in NumPy.
"""

import ctypes
import hashlib
import mmap
import os
import shutil
import subprocess
from functools import cache
from importlib.resources import files
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from lazyop.kernels import cuda_launch
from lazyop.kernels.cuda_launch import RECORD, entries_of, instance
from lazyop.kernels.cuda_plan import Kind, Limits

#: Entries around a result, which no kernel may write to.
GUARD = 16


class Machine:
    """NumPy's memory, with room around every result.

    Parameters
    ----------
    limits : Limits
        What the device is taken to offer.
    """

    def __init__(self, limits=None):
        self.given, self.launches, self._rooms = limits or Limits(), [], []

    def holds(self, x):
        return isinstance(x, np.ndarray)

    def address(self, x):
        return x.__array_interface__["data"][0]

    def contiguous(self, x):
        return np.ascontiguousarray(x)

    def empty(self, shape, like, *, by_columns):
        rows, columns = shape
        room = np.full(rows * columns + 2 * GUARD, np.nan).astype(like.dtype)
        self._rooms.append(room)
        return room[GUARD:-GUARD].reshape(shape, order="F" if by_columns else "C")

    def limits(self, x):
        return self.given

    def launch(self, x, work):
        assert work.shared_bytes <= self.given.shared_bytes
        assert 32 <= work.threads <= 512
        assert work.threads % 32 == 0
        self.launches.append(work)
        self.run(work)
        for room in self._rooms:
            assert np.isnan(room[:GUARD]).all()
            assert np.isnan(room[-GUARD:]).all()
        self._rooms = self._rooms[-1:]


# The source as C++ --------------------------------------------------------------------------------

#: Of weights and of entries, what is compiled here: equal dtypes, and narrower or real weights.
PAIRS = [
    ("float32", "float32"),
    ("float64", "float64"),
    ("complex64", "complex64"),
    ("complex128", "complex128"),
    ("float16", "float16"),
    ("bfloat16", "bfloat16"),
    ("bfloat16", "float32"),
    ("float32", "complex64"),
    ("codes of float32", "float32"),
    ("codes of complex64", "complex64"),
    ("codes of float64", "float64"),
]

ENTRY = """
template <class W, class X, int V> static void call(const void* pass) {
    chain_pass<W, X, V>(*static_cast<const Pass*>(pass));
}
static const Kernel kernels[] = {KERNELS};
extern "C" unsigned long size_of_pass() { return sizeof(Pass); }
extern "C" int run(int which, const void* pass, unsigned blocks, unsigned threads, unsigned bytes,
                   int falls) {
    kernel = kernels[which];
    argument = pass;
    return launch(blocks, threads, bytes, falls);
}
"""


def kernels():
    """The names of all kernels of these pairs."""
    return [
        instance(*pair, lanes) for pair in PAIRS for lanes in sorted({1, entries_of(*pair).lanes})
    ]


def compiler():
    """The C++ compiler of this machine, if there is one; the threads need a POSIX system."""
    return None if os.name == "nt" else shutil.which("g++") or shutil.which("clang++")


@cache
def library(folder):
    """The kernels as functions of this process, compiled once for all that share a folder."""
    calls = ", ".join(name.replace("chain_pass", "call") for name in kernels())
    source = files(cuda_launch.__package__).joinpath("cuda.cu").read_text(encoding="utf-8")
    header = Path(__file__).with_name("cpu.h").read_text(encoding="utf-8")
    code = header + source + ENTRY.replace("KERNELS", calls)
    command = [compiler(), "-std=c++14", "-O0", "-w", "-shared", "-fPIC"]
    key = hashlib.sha256("".join([*command, code]).encode()).hexdigest()[:20]
    path = Path(folder, f"lazyop-{key}.so")
    if not path.exists():
        work = Path(mkdtemp(dir=folder))
        work.joinpath("kernels.cpp").write_text(code, encoding="utf-8")
        made = work / "kernels.so"
        subprocess.run([*command, "-o", made, work / "kernels.cpp"], check=True)
        os.replace(made, path)
        shutil.rmtree(work)
    return ctypes.CDLL(str(path))


class Compiled(Machine):
    """Runs launches block by block, and of each block thread by thread from barrier to barrier.

    Parameters
    ----------
    folder : path
        Where the library is kept.
    limits : Limits, optional
    falls : bool
        Whether the last thread is the first one: results must not hang on it.
    """

    def __init__(self, folder, limits=None, *, falls=False):
        super().__init__(limits)
        self.library, self.falls = library(folder), falls
        assert self.library.size_of_pass() == RECORD.itemsize

    def run(self, work):
        failure = self.library.run(
            kernels().index(work.kernel),
            ctypes.c_void_p(work.record.ctypes.data),
            work.blocks,
            work.threads,
            work.shared_bytes,
            int(self.falls),
        )
        assert failure == 0


# The indices in NumPy -----------------------------------------------------------------------------


class Emulated(Machine):
    """Carries out records by the same indices, a block of threads at a time.

    What is read and written is checked to lie within the arrays that addresses were asked for.
    """

    def __init__(self, limits=None):
        super().__init__(limits)
        self._arrays = {}

    def address(self, x):
        low, high = np.lib.array_utils.byte_bounds(x)
        held = np.ctypeslib.as_array((ctypes.c_uint8 * (high - low)).from_address(low))
        at = super().address(x)
        self._arrays[at] = held.view(x.dtype), (at - low) // x.itemsize, x
        return at

    def run(self, work):
        p = work.record[0]
        assert work.blocks == p["a"] * p["tiles_j"] * p["tiles_c"]
        for block in range(work.blocks):
            self._block(p, block)

    def _entries(self, address, offsets):
        flat, first, _ = self._arrays[int(address)]
        assert offsets.size == 0 or offsets.min() + first >= 0
        return flat, offsets + first

    def _block(self, p, block):
        rest, tile_c = divmod(block, int(p["tiles_c"]))
        i, tile_j = divmod(rest, int(p["tiles_j"]))
        lane = np.arange(p["tile_j"] * p["tile_c"])
        j = tile_j * p["tile_j"] + lane // p["tile_c"]
        column = tile_c * p["tile_c"] + lane % p["tile_c"]
        there = (j < p["d"]) & (column < p["columns"])
        j, column = (x[there].astype(np.int64) for x in (j, column))

        def where(rows, side):
            row = (i * int(rows) + np.arange(rows)[:, None]) * int(p["d"]) + j
            return row * p[side + "_row"] + column * p[side + "_column"]

        flat, offsets = self._entries(p["x"], where(p["rows_in"], "x"))
        x = flat[offsets].astype(np.result_type(flat.dtype, np.float32))
        for stage in p["stage"][: p["stages"]]:
            order = np.arange(stage["first"], stage["first"] + stage["count"])
            for number in order[::-1] if stage["kind"] == Kind.FALLING else order:
                x = self._factor(p["factor"][number], x, i, j, int(p["d"]))
        flat, offsets = self._entries(p["y"], where(p["rows_out"], "y"))
        with np.errstate(over="ignore"):
            flat[offsets] = x

    def _factor(self, f, x, i, j, slices):
        a, b, c, d = (int(f[name]) for name in "abcd")
        at, k, l, inner = np.ogrid[:a, :b, :c, :d]
        outer = (i * a + at) * f["outer"] + k * f["row"] + l * f["column"]
        offsets = outer[..., None] + (inner[..., None] * slices + j) * f["inner"]
        flat, offsets = self._entries(f["weights"], offsets)
        weights = flat[offsets].astype(np.result_type(flat.dtype, np.float32))
        if f["conjugated"]:
            weights = weights.conj()
        return np.einsum("ikljq,iljq->ikjq", weights, x.reshape(a, c, d, -1)).reshape(a * b * d, -1)


# Memory with an end -------------------------------------------------------------------------------


def walled(x, *, end):
    """A copy of an array that ends, or begins, where memory that may not be read begins, or ends.

    Whoever reads beyond it crashes. Where memory can't be protected, it is a plain copy.
    """
    page = mmap.PAGESIZE
    pages = -(-x.nbytes // page)
    room = mmap.mmap(-1, (pages + 2) * page)
    flat = np.frombuffer(room, np.uint8)
    protect = getattr(ctypes.CDLL(None), "mprotect", None) if os.name == "posix" else None
    if protect is not None:
        first = flat.ctypes.data
        for at in (first, first + (pages + 1) * page):
            protect(ctypes.c_void_p(at), ctypes.c_size_t(page), 0)
    start = (pages + 1) * page - x.nbytes if end else page
    held = flat[start : start + x.nbytes].view(x.dtype).reshape(x.shape)
    held[...] = x
    return held
