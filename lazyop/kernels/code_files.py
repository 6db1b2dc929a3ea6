"""Machine code on disk: where it is kept, and whether it is still that of these sources.

A file holds one kernel for one dtype. Its name says for which machine, and by which compiler, it
was made; its first line, from which sources, so that one that is out of date is written anew.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_HERE = Path(__file__).parent

#: Numba's settings that do not bear on what it compiles.
_INDIFFERENT = {"NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS", "NUMBA_THREADING_LAYER"}

#: Names of functions of Numba's and Python's, which another process may not find.
_FOREIGN = re.compile(rb"\0_*(numba|NRT|Py)_?[A-Za-z]\w*\0")


class Code(NamedTuple):
    """An object file, and the symbol by which it is entered."""

    entry: str
    object_code: bytes


def read(name: str) -> Code | None:
    """Return the code of that name if there is some that was made from these sources."""
    for folder in _folders():
        with suppress(OSError):
            head, _, object_code = (folder / _file_name(name)).read_bytes().partition(b"\n")
            entry, _, marks = head.decode("ascii", "replace").partition(" ")
            if marks == _marks(object_code):
                return Code(entry, object_code)
    return None


def write(name: str, code: Code) -> None:
    """Keep code for other processes, in the first folder that takes it, if any does."""
    if _FOREIGN.search(code.object_code):
        return
    content = f"{code.entry} {_marks(code.object_code)}\n".encode() + code.object_code
    for folder in _folders():
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            _replace(folder / _file_name(name), content)
            return


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever sees a part of it."""
    from uuid import uuid4  # slow to import, and most processes only read

    temporary = path.with_name(f"{path.name}.{uuid4().hex}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _folders() -> Iterator[Path]:
    """Yield the folders that may hold code, the preferred one first."""
    if not any(_HERE.glob("*.py")):  # without sources, nothing tells code of other ones
        return
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        yield Path(chosen) / "lazyop"
        return
    yield _HERE / "__pycache__"
    if sys.platform == "win32":
        of_user = os.environ.get("LOCALAPPDATA", "~/AppData/Local")
    elif sys.platform == "darwin":
        of_user = "~/Library/Caches"
    else:
        of_user = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    yield Path(of_user).expanduser() / "lazyop"


def _file_name(name: str) -> str:
    return f"{name}-{_machine()[:16]}.code"


def _marks(object_code: bytes) -> str:
    """Return what tells code of these sources, all of it, from any other."""
    return f"{_sources()} {sha256(object_code).hexdigest()}"


@cache
def _sources() -> str:
    """Return a digest of all sources of kernels, as they are compiled into each other."""
    digest = sha256()
    for path in sorted(_HERE.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def _machine() -> str:
    """Return a digest of the processor, the compiler and its settings."""
    import llvmlite
    import llvmlite.binding as llvm

    settings = sorted(
        f"{name}={value}"
        for name, value in os.environ.items()
        if name.startswith("NUMBA_") and name not in _INDIFFERENT
    )
    parts = (
        llvm.get_process_triple(),
        llvm.get_host_cpu_name(),
        llvm.get_host_cpu_features().flatten(),
        llvmlite.__version__,
        _numba_version(),
        *settings,
    )
    return sha256("\n".join(parts).encode()).hexdigest()


def _numba_version() -> str:
    """Return what tells Numba's versions apart, without importing it."""
    spec = find_spec("numba")
    if spec is not None and spec.origin:
        with suppress(OSError):
            return Path(spec.origin).with_name("_version.py").read_text()
    import numba

    return str(numba.__version__)
