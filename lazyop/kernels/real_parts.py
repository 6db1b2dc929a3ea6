"""Real linear maps of complex arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lazyop.namespaces import Array, cast, dtype_of, namespace_of

if TYPE_CHECKING:
    from collections.abc import Callable


def by_parts(function: Callable[[Array], Array], X: Array) -> Array:
    """Return a real linear function of a complex array, from that of its real and imaginary parts.

    On NumPy the function is called once, with an array of pairs: of one more axis at the end.
    """
    if isinstance(X, np.ndarray):
        pairs = np.ascontiguousarray(X)[..., None].view(X.real.dtype)
        Y = np.ascontiguousarray(function(pairs))
        return Y.view(np.result_type(Y.dtype, np.complex64))[..., 0]
    xp = namespace_of(X)
    real, imag = function(xp.real(X)), function(xp.imag(X))
    dtype = np.result_type(dtype_of(real), np.complex64)
    return cast(real, dtype) + 1j * cast(imag, dtype)
