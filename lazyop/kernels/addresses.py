"""Where the entries of arrays begin."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt

#: Where NumPy's C interface has the pointer to an array's entries: after what all objects begin
#: with. An attribute of the array takes several times as long as to look there.
_OFFSET = object.__basicsize__

_pointer_at = ctypes.c_void_p.from_address


def address(numbers: npt.NDArray[Any]) -> int:
    """Return the address of an array's first entry."""
    return _pointer_at(id(numbers) + _OFFSET).value or 0
