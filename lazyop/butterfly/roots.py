"""What closed forms share: roots of unity, radices, norms, and how an argument is checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

#: By which power of the order each norm of `scipy.fft` multiplies a forward transform.
POWERS = {"backward": 0.0, "ortho": -0.5, "forward": -1.0}

_QUARTERS = np.array([1, -1j, -1, 1j])


def roots_of_unity(numerators: npt.ArrayLike, order: int) -> npt.NDArray[np.complex128]:
    r"""Return :math:`e^{-2 \pi i k / N}` for integers k, exact at all quarters of a turn.

    The angle is taken from the nearest quarter, so that it is at most a half right angle, and
    rounding does not grow with k.
    """
    k = np.asarray(numerators, dtype=np.int64) % order
    quarter = (8 * k + order) // (2 * order)
    angle = np.pi / 2 * (4 * k - quarter * order) / order
    roots: npt.NDArray[np.complex128] = np.cos(angle) - 1j * np.sin(angle)
    roots *= _QUARTERS[quarter % 4]
    return roots


def prime_factors(n: int) -> tuple[int, ...]:
    """Return the primes whose product is n, the smallest first; (1,) for 1."""
    found, p = [], 2
    while p * p <= n:
        while n % p == 0:
            found.append(p)
            n //= p
        p += 1
    return (*found, n) if n > 1 or not found else tuple(found)


def as_dtype(dtype: Any, *, is_complex: bool) -> np.dtype[Any]:
    """Return the dtype of a closed form, in native byte order: the kinds that kernels take."""
    found: np.dtype[Any] = np.dtype(dtype).newbyteorder("=")
    allowed = "FD" if is_complex else "fdFD"
    if found.char not in allowed:
        names = ", ".join(np.dtype(char).name for char in allowed)
        raise TypeError(f"the dtype must be one of {names}, got {found}")
    return found
