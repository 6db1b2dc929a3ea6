"""One file for an operator: a zip of NumPy arrays and a JSON tree that says how they combine.

The file is an ``.npz``: `numpy.load` opens it. The entry ``lazyop`` is the JSON text, which lists
every operator of the expression once, operands before those that use them; the other entries are
the arrays. There is no pickle in it, and loading one runs no code from it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from lazyop.algebra.composite import Conjugate, Power, Product, Scaled, Sum
from lazyop.algebra.neutral import Identity, Zero
from lazyop.algebra.restriction import Extension, Restriction
from lazyop.butterfly.kronecker_sparse import KroneckerSparse
from lazyop.butterfly.operator import Butterfly
from lazyop.namespaces import is_array
from lazyop.operator import LazyOperator
from lazyop.structured.block import Block
from lazyop.structured.block_diagonal import BlockDiagonal
from lazyop.structured.dense import Dense
from lazyop.structured.diagonal import Diagonal
from lazyop.structured.kron import Kron, KronSum
from lazyop.structured.low_rank import LowRank
from lazyop.structured.permutation import Permutation
from lazyop.structured.sparse import Sparse
from lazyop.structured.toeplitz import Circulant, Toeplitz

#: Raised by one when a file of the new kind can't be read by older code.
FORMAT_VERSION = 1

_HEADER = "lazyop"

#: How many characters of its name a file has while it is written; with some more, a whole one may
#: be too long.
_NAME_PART = 32

_STRUCTURED = (
    *(Block, BlockDiagonal, Butterfly, Circulant, Conjugate, Dense, Diagonal, Extension, Identity),
    *(Kron, KronSum, KroneckerSparse, LowRank, Permutation, Power, Product),
    *(Restriction, Scaled, Sparse, Sum, Toeplitz, Zero),
)


@cache
def _classes() -> dict[str, type[LazyOperator]]:
    """Return the operators that can be in a file; their names are part of the format."""
    from lazyop.quantization.packed import PackedButterfly
    from lazyop.transforms.operators import OPERATORS

    return {cls.__name__: cls for cls in (*_STRUCTURED, PackedButterfly, *OPERATORS)}


def save(path: str | os.PathLike[str], A: LazyOperator) -> None:
    """Write an operator to one file.

    Parameters
    ----------
    path : path-like
        Where to; taken as it is, no suffix is added. An existing file is replaced, and only when
        the new one is complete.
    A : LazyOperator
        Any expression of lazyop's own operators. Data on other namespaces and devices are copied
        to NumPy for it. What several operands share is written once.

    Raises
    ------
    TypeError
        If ``A`` is no lazyop operator, or holds another library's operator, which is code.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import lazyop as lo
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "operator.npz"
    >>> lo.save(path, 2 * lo.Diagonal([1.0, 2.0]))
    >>> lo.load(path) @ [1.0, 1.0]
    array([2., 4.])
    """
    if not isinstance(A, LazyOperator):
        raise TypeError(f"expected a lazyop operator, got {type(A).__name__}; see lo.aslazy")
    writer = _Writer()
    root = writer.add(A.to("numpy"))
    header = {"version": FORMAT_VERSION, "root": root, "operators": writer.operators}
    text = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    _write_whole(Path(os.path.realpath(path)), {_HEADER: text, **writer.arrays})


def _write_whole(path: Path, arrays: dict[str, Any]) -> None:
    """Write beside the target first, so that an interrupted call leaves nothing half written."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:_NAME_PART]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays)
        _take_mode(name, path)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


def _take_mode(name: str, path: Path) -> None:
    """Give a temporary file, which only its owner may read, the mode of the file that it replaces.

    Where there is none, it is the mode of an ordinary new file.
    """
    if path.exists():
        shutil.copymode(path, name)
        return
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(name, 0o666 & ~mask)


def load(path: str | os.PathLike[str]) -> LazyOperator:
    """Read an operator from a file that `save` wrote.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    LazyOperator
        On NumPy; ``.to(...)`` takes it elsewhere.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a lazyop file, is damaged, or was written by a newer version.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import lazyop as lo
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "operator.npz"
    >>> lo.save(path, lo.Diagonal([1.0, 2.0]))
    >>> lo.load(path)
    Diagonal(2x2, float64)
    """
    # An integer would be taken for the descriptor of an open file.
    with open(os.fspath(path), "rb") as file:
        try:
            return _read(file)
        except ValueError as error:
            raise ValueError(f"can't load an operator from {os.fspath(path)!r}: {error}") from error
        except Exception as error:  # whatever readers of zip, NumPy and JSON make of wrong bytes
            raise ValueError(f"can't load {os.fspath(path)!r}, it is damaged: {error!r}") from error


def _read(file: IO[bytes]) -> LazyOperator:
    if not zipfile.is_zipfile(file):
        raise ValueError("it is no lazyop file, or only a part of one")
    file.seek(0)
    with np.load(file, allow_pickle=False) as entries:
        if _HEADER not in entries.files:
            raise ValueError("it is no lazyop file")
        header = json.loads(bytes(entries[_HEADER]))
        arrays = {name: entries[name] for name in entries.files if name != _HEADER}
    return _Reader(header, arrays).root()


class _Writer:
    """Turns an expression into JSON values and named arrays, each shared part once."""

    def __init__(self) -> None:
        self.operators: list[dict[str, Any]] = []
        self.arrays: dict[str, Any] = {}
        self._seen: dict[object, tuple[Any, int]] = {}

    def add(self, op: LazyOperator) -> int:
        """Describe an operator and its operands, and return its place in the list."""
        if id(op) not in self._seen:
            name = type(op).__name__
            if _classes().get(name) is not type(op):
                raise TypeError(f"{op!r} can't be saved: its class is not one of lazyop's own")
            fields = {field: self._value(x) for field, x in op._field_values().items()}
            self.operators.append({"class": name, "fields": fields})
            self._seen[id(op)] = op, len(self.operators) - 1
        return self._seen[id(op)][1]

    def _value(self, x: Any) -> Any:
        if isinstance(x, LazyOperator):
            return {"operator": self.add(x)}
        if is_array(x):
            return {"array": self._array(x)}
        if isinstance(x, np.dtype):
            return {"dtype": x.name}
        if isinstance(x, tuple):
            return [self._value(item) for item in x]
        if isinstance(x, complex):
            return {"complex": [x.real, x.imag]}
        return x

    def _array(self, x: npt.NDArray[Any]) -> tuple[str, list[int]]:
        """Keep an array, and return its name and the order of axes that makes it ``x``.

        All transposes of an array, as adjoints hold them, are one entry.
        """
        axes = sorted(range(x.ndim), key=lambda axis: (-abs(x.strides[axis]), x.shape[axis]))
        kept = x.transpose(axes)
        key = kept.__array_interface__["data"][0], kept.shape, kept.strides, kept.dtype
        if key not in self._seen:
            self._seen[key] = x, len(self.arrays)
            self.arrays[f"array{len(self.arrays)}"] = kept
        return f"array{self._seen[key][1]}", np.argsort(axes).tolist()


class _Reader:
    """Turns the JSON values and arrays of a file into operators."""

    def __init__(self, header: dict[str, Any], arrays: dict[str, Any]) -> None:
        if header["version"] > FORMAT_VERSION:
            raise ValueError(
                f"its format version is {header['version']}, this lazyop reads up to "
                f"{FORMAT_VERSION}; a newer lazyop wrote it"
            )
        self._arrays = arrays
        self._operators: list[LazyOperator] = []
        self._root = int(header["root"])
        for entry in header["operators"]:
            fields = {name: self._value(x) for name, x in entry["fields"].items()}
            self._operators.append(_class_of(entry["class"])._rebuild(**fields))

    def root(self) -> LazyOperator:
        return self._operators[self._root]

    def _value(self, x: Any) -> Any:
        if isinstance(x, list):
            return tuple(self._value(item) for item in x)
        if not isinstance(x, dict):
            return x
        [(kind, value)] = x.items()
        if kind == "operator":
            return self._operators[value]
        if kind == "array":
            name, axes = value
            return self._arrays[name].transpose(axes)
        if kind == "dtype":
            return np.dtype(value)
        if kind == "complex":
            return complex(*value)
        raise ValueError(f"it holds a value of unknown kind {kind!r}")


def _class_of(name: str) -> type[LazyOperator]:
    if name not in _classes():
        raise ValueError(f"it holds an operator of unknown class {name!r}")
    return _classes()[name]
