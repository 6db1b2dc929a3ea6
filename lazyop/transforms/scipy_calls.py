"""What a call of a function of `scipy.fft` asks for: the transform, its axes, lengths and norm.

The functions here have the arguments of SciPy's, but for the shape and dtype of the array in the
place of the array, and return a `Call`. They raise ValueError or TypeError where SciPy's would; as
SciPy then says why, the text is not seen.
"""

from __future__ import annotations

import operator as operators
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np

from lazyop.kernels.fourier import as_norm
from lazyop.namespaces import real_counterpart
from lazyop.transforms.along_axes import as_axis, as_length, check_points
from lazyop.transforms.resize import as_axes_and_lengths, resized_dims

__all__ = ["FROM_HALF", "FUNCTIONS", "TO_HALF", "TRIGONOMETRIC", "Call", "floating", "read_call"]

#: How many calls are kept with what they ask for.
_KEPT = 1024

#: Transforms whose result, or argument, is the first half of a spectrum along the last axis.
TO_HALF, FROM_HALF = ("rfft", "ihfft"), ("irfft", "hfft")
#: Cosine and sine transforms, and the way back.
TRIGONOMETRIC = ("dct", "idct", "dst", "idst")
#: What the transforms of half a spectrum do along other axes than the last.
_ELSEWHERE = {"rfft": "fft", "irfft": "ifft", "hfft": "fft", "ihfft": "ifft"}


@dataclass(frozen=True)
class Call:
    """A transform of an array along some axes.

    Attributes
    ----------
    name : str
        Of the function of one axis: "fft" for `scipy.fft.fftn` as well.
    dims : tuple of int
        The shape of the argument.
    dtype : numpy.dtype
        Real or complex, in single or double precision.
    axes, lengths : tuple of int
        Axes are not negative; a length is that of the signal, also where half a spectrum comes in.
    norm : str
    workers : int or None
    type : int or None
        Of a cosine or sine transform.
    orthogonalize : bool or None
        Of a cosine or sine transform.
    """

    name: str
    dims: tuple[int, ...]
    dtype: np.dtype[Any]
    axes: tuple[int, ...]
    lengths: tuple[int, ...]
    norm: str
    workers: Any
    type: Any = None
    orthogonalize: Any = None

    @cached_property
    def out_dims(self) -> tuple[int, ...]:
        """Shape of the result."""
        dims = resized_dims(self.dims, self.axes, self.lengths)
        return _halved(dims, self.axes[-1]) if self.name in TO_HALF else dims

    @cached_property
    def out_dtype(self) -> np.dtype[Any]:
        """The dtype that SciPy's result has: real or complex, in the precision of the argument."""
        if self.name in FROM_HALF:
            return real_counterpart(self.dtype)
        return self.dtype if self.name in TRIGONOMETRIC else np.result_type(self.dtype, "F")

    def steps(self) -> list[tuple[str, int, int]]:
        """The same one axis after the other: what to do, along which axis, and its length."""
        pairs = list(zip(self.axes, self.lengths, strict=True))
        others = [(_ELSEWHERE.get(self.name, self.name), *pair) for pair in pairs[:-1]]
        last = (self.name, *pairs[-1])
        return [last, *others] if self.name in TO_HALF else [*others, last]

    def step(
        self, dims: tuple[int, ...], dtype: np.dtype[Any], name: str, axis: int, n: int
    ) -> Call:
        """One of them, of an array of some shape and dtype."""
        return replace(self, name=name, dims=dims, dtype=dtype, axes=(axis,), lengths=(n,))


def _halved(dims: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return (*dims[:axis], dims[axis] // 2 + 1, *dims[axis + 1 :])


def floating(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in which SciPy transforms an array: integers in double, half in single precision.

    Raises
    ------
    TypeError
        If it is not one of numbers.
    """
    if dtype.kind not in "biufc":
        raise TypeError(f"no array of numbers, but of {dtype}")
    if dtype.kind in "biu":
        return np.dtype(np.float64)
    return np.dtype(np.float32) if dtype.itemsize == 2 else dtype.newbyteorder("=")


def read_call(
    name: str, dims: tuple[int, ...], dtype: np.dtype[Any], args: Any, kwargs: dict[str, Any]
) -> Call:
    """What a function of `scipy.fft` is asked for.

    Parameters
    ----------
    name : str
        One of `FUNCTIONS`.
    dims, dtype
        Shape and dtype of the array that it is to transform.
    args, kwargs
        Its other arguments.

    Raises
    ------
    ValueError, TypeError
        If SciPy's function refuses them.
    """
    try:
        key = name, dims, dtype, args, tuple(kwargs.items())
        hash(key)
    except TypeError:  # a list of axes, for example
        return FUNCTIONS[name](dims, dtype, *args, **kwargs)
    return _read_once(*key)


@lru_cache(maxsize=_KEPT, typed=True)
def _read_once(
    name: str, dims: tuple[int, ...], dtype: np.dtype[Any], args: Any, kwargs: Any
) -> Call:
    return FUNCTIONS[name](dims, dtype, *args, **dict(kwargs))


def _made(
    name: str,
    dims: tuple[int, ...],
    dtype: np.dtype[Any],
    s: Any,
    axes: Any,
    norm: Any,
    workers: Any,
    type: Any = None,
    orthogonalize: Any = None,
) -> Call:
    if name in TO_HALF and dtype.kind == "c":
        raise TypeError(f"{name} takes a real array")
    if type is not None:
        type = operators.index(type)
    if s is not None:
        s = [s] if np.ndim(s) == 0 else list(s)
        places, _ = as_axes_and_lengths(axes, s, dims)
        s = [dims[axis] if n == -1 else n for axis, n in zip(places, s, strict=True)]
    places, lengths = as_axes_and_lengths(axes, s, dims)
    if lengths is None:
        lengths = tuple(dims[axis] for axis in places)
        if name in FROM_HALF:
            lengths = (*lengths[:-1], 2 * (lengths[-1] - 1))
    whole = resized_dims(dims, places, lengths)
    check_points(whole, places)
    final = tuple(whole[axis] for axis in places)
    return Call(name, dims, dtype, places, final, as_norm(norm), workers, type, orthogonalize)


def _one_axis(
    name: str,
    dims: tuple[int, ...],
    dtype: np.dtype[Any],
    n: Any = None,
    axis: Any = -1,
    norm: Any = None,
    overwrite_x: Any = False,
    workers: Any = None,
    *,
    plan: Any = None,
) -> Call:
    _check_plan(plan)
    s = None if n is None else (as_length(n, "n", least=1),)  # -1 keeps a length of several only
    return _made(name, dims, dtype, s, (as_axis(axis, dims),), norm, workers)


def _axes(
    default: Any,
    name: str,
    dims: tuple[int, ...],
    dtype: np.dtype[Any],
    s: Any = None,
    axes: Any = ...,
    norm: Any = None,
    overwrite_x: Any = False,
    workers: Any = None,
    *,
    plan: Any = None,
) -> Call:
    _check_plan(plan)
    axes = default if axes is ... else axes
    return _made(name, dims, dtype, s, axes, norm, workers)


def _trigonometric(
    name: str,
    dims: tuple[int, ...],
    dtype: np.dtype[Any],
    type: Any = 2,
    n: Any = None,
    axis: Any = -1,
    norm: Any = None,
    overwrite_x: Any = False,
    workers: Any = None,
    orthogonalize: Any = None,
) -> Call:
    s = None if n is None else (as_length(n, "n", least=1),)  # -1 keeps a length of several only
    axes = (as_axis(axis, dims),)
    return _made(name, dims, dtype, s, axes, norm, workers, type, _orthogonal(orthogonalize, norm))


def _trigonometric_axes(
    name: str,
    dims: tuple[int, ...],
    dtype: np.dtype[Any],
    type: Any = 2,
    s: Any = None,
    axes: Any = None,
    norm: Any = None,
    overwrite_x: Any = False,
    workers: Any = None,
    *,
    orthogonalize: Any = None,
) -> Call:
    return _made(name, dims, dtype, s, axes, norm, workers, type, _orthogonal(orthogonalize, norm))


def _orthogonal(orthogonalize: Any, norm: Any) -> bool:
    return norm == "ortho" if orthogonalize is None else bool(orthogonalize)


def _check_plan(plan: Any) -> None:
    if plan is not None:
        raise TypeError("there are no plans")


def _functions() -> dict[str, Callable[..., Call]]:
    found: dict[str, Callable[..., Call]] = {}
    for name in ("fft", "ifft", *TO_HALF, *FROM_HALF):
        found[name] = partial(_one_axis, name)
        found[name + "2"] = partial(_axes, (-2, -1), name)
        found[name + "n"] = partial(_axes, None, name)
    for name in TRIGONOMETRIC:
        found[name] = partial(_trigonometric, name)
        found[name + "n"] = partial(_trigonometric_axes, name)
    return found


#: From the names of SciPy's functions to functions of their arguments that return a `Call`.
FUNCTIONS = _functions()
