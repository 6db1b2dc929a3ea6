"""All that the library knows of array namespaces, devices and dtypes.

Everything else asks this module which namespace an array belongs to, what its dtype is in NumPy's
terms, and how to move it. Nothing here knows of operators.
"""

from __future__ import annotations

import importlib
import math
import numbers
import sys
from functools import lru_cache
from typing import Any

import array_api_compat
import array_api_compat.numpy as numpy_namespace
import numpy as np
import numpy.typing as npt

from lazyop.tracing import check_constant, is_traced, lasting

#: An array of any namespace, and a namespace itself. Neither has a common static type.
Array = Any
Namespace = Any

#: The importable module of each namespace that can be named, and what to install for it.
_MODULES = {
    "numpy": ("numpy", "numpy"),
    "cupy": ("cupy", "lazyop[cuda13] (or lazyop[cuda12])"),
    "torch": ("torch", "lazyop[torch]"),
    "jax": ("jax.numpy", "lazyop[jax]"),
    "array_api_strict": ("array_api_strict", "array-api-strict"),
    "dask": ("dask.array", "dask"),
}


def is_array(x: object) -> bool:
    """Whether ``x`` is an array of a namespace that follows the array API standard."""
    return isinstance(x, np.ndarray) or (
        not isinstance(x, np.generic) and bool(array_api_compat.is_array_api_obj(x))
    )


def is_dask(x: object) -> bool:
    """Whether ``x`` is an array of Dask, which is taken up chunk by chunk."""
    return bool(array_api_compat.is_dask_array(x))


def namespace_of(x: Array) -> Namespace:
    """Return the namespace of one array, wrapped by array-api-compat."""
    if isinstance(x, np.ndarray):
        return numpy_namespace
    return array_api_compat.array_namespace(x)


def device_of(x: Array) -> Any:
    """Return the device of one array, None where its namespace has no such notion."""
    return None if isinstance(x, np.ndarray) else array_api_compat.device(x)


def name_of(xp: Namespace) -> str:
    """Name a namespace as a person would: ``numpy``, ``cupy``, ``torch``, ``jax``."""
    name: str = xp.__name__.removeprefix("array_api_compat.")
    return {"jax.numpy": "jax", "dask.array": "dask"}.get(name, name)


def describe(x: Array) -> str:
    """Name the namespace of an array, and the device where there is more than one."""
    device = device_of(x)
    name = name_of(namespace_of(x))
    return name if device is None or str(device) == "cpu" else f"{name} on {device}"


def share_home(x: Array, y: Array) -> bool:
    """Whether two arrays live in one namespace and on one device."""
    if isinstance(x, np.ndarray) or isinstance(y, np.ndarray):
        return isinstance(x, np.ndarray) and isinstance(y, np.ndarray)
    if namespace_of(x) is not namespace_of(y):
        return False
    devices = device_of(x), device_of(y)
    return None in devices or devices[0] == devices[1]


@lru_cache(maxsize=256)
def _numpy_dtype(dtype: Any) -> np.dtype[Any]:
    try:
        return np.dtype(str(dtype).rpartition(".")[2])
    except TypeError:
        raise TypeError(f"{dtype} has no counterpart among NumPy's dtypes") from None


def dtype_of(x: Array) -> np.dtype[Any]:
    """Return the dtype of an array of any namespace as a NumPy dtype."""
    dtype = x.dtype
    return dtype if isinstance(dtype, np.dtype) else _numpy_dtype(dtype)


def native_dtype(xp: Namespace, dtype: npt.DTypeLike) -> Any:
    """Return the dtype of a namespace that stands for a NumPy dtype."""
    name = np.dtype(dtype).name
    if name in _WIDE and _lacks_wide(xp):
        raise TypeError(
            f"JAX holds no {name} unless 64-bit numbers are switched on, by "
            "jax.config.update('jax_enable_x64', True); or else convert what is "
            f"{name}, here or before: .astype('{_WIDE[name]}'), .to(..., dtype='{_WIDE[name]}')"
        )
    try:
        return getattr(xp, name)
    except AttributeError:
        raise TypeError(f"{name_of(xp)} has no dtype {name}") from None


#: What JAX holds only by request, and what it holds instead.
_WIDE = {
    "float64": "float32",
    "complex128": "complex64",
    "int64": "int32",
    "uint64": "uint32",
}


def _lacks_wide(xp: Namespace) -> bool:
    """Whether a namespace has no numbers of 64 bits, as JAX by default."""
    if not array_api_compat.is_jax_namespace(xp):
        return False
    return not sys.modules["jax"].config.jax_enable_x64


def index_dtype(xp: Namespace, dtype: npt.DTypeLike = np.int64) -> np.dtype[Any]:
    """Return the dtype of index data in a namespace: their own, but no wider than it holds."""
    name = np.dtype(dtype).name
    return np.dtype(_WIDE[name] if name in _WIDE and _lacks_wide(xp) else name)


def real_counterpart(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """Return the dtype of the real part: float64 for complex128; real dtypes are their own."""
    return np.empty(0, dtype).real.dtype


def is_complex(x: Array) -> bool:
    """Whether the entries of an array are complex numbers."""
    return bool((x.dtype if isinstance(x, np.ndarray) else dtype_of(x)).kind == "c")


def conj(x: Array) -> Array:
    """Return the complex conjugate; a real array comes back as it is, without a copy."""
    return namespace_of(x).conj(x) if is_complex(x) else x


def adjoint(x: Array) -> Array:
    """Return the conjugate transpose of a matrix, or of each in a stack."""
    return conj(namespace_of(x).matrix_transpose(x))


def cast(x: Array, dtype: npt.DTypeLike) -> Array:
    """Return ``x`` in another dtype; the array itself where it has that dtype already."""
    if dtype_of(x) == dtype:
        return x
    xp = namespace_of(x)
    return xp.astype(x, native_dtype(xp, dtype))


def floating(x: Array) -> Array:
    """Return numbers as floating-point ones that Fourier transforms take: integers in double."""
    return cast(x, np.result_type(dtype_of(x), np.float32))


def unify_kinds(x: Array, y: Array) -> tuple[Array, Array]:
    """Bring two to one dtype where the standard leaves it undefined.

    That is where integers meet floats, and where half precision meets any other.
    """
    first, second = dtype_of(x), dtype_of(y)
    is_defined = (first.kind in "iu") == (second.kind in "iu") and "e" not in (
        first.char, second.char,
    )  # fmt: skip
    if isinstance(x, np.ndarray) or first == second or is_defined:
        return x, y
    dtype = np.result_type(first, second)
    return cast(x, dtype), cast(y, dtype)


def is_scalar(x: object) -> bool:
    """Whether ``x`` is a number: a Python or NumPy scalar or an array without dimensions."""
    if isinstance(x, numbers.Number | np.number | np.bool_):
        return True
    return is_array(x) and getattr(x, "ndim", None) == 0


def as_scalar(x: Any) -> tuple[complex, Any]:
    """Return a finite scalar as a Python number, and what it promotes dtypes by.

    The second value is what to hand to `result_type`: the number itself where it is a Python
    scalar, which does not widen a dtype of its kind, and the scalar's own dtype otherwise.
    """
    check_constant(x, "a coefficient")
    value = to_numpy(x).item() if is_array(x) else x.item() if isinstance(x, np.generic) else x
    number: complex
    if isinstance(value, numbers.Integral):
        number = int(value)
    elif isinstance(value, numbers.Complex) and not isinstance(value, numbers.Real):
        number = complex(value)
    else:
        number = float(value)
    if not is_finite(number):
        raise ValueError(f"a coefficient must be finite, got {x!r}")
    return number, dtype_of(x) if hasattr(x, "dtype") else number


def is_finite(number: complex) -> bool:
    """Whether a Python number is in the range of floating-point numbers."""
    try:
        return math.isfinite(number.real) and math.isfinite(number.imag)
    except OverflowError:  # an integer beyond all floats
        return False


def result_type(*items: Any) -> np.dtype[Any]:
    """`numpy.result_type`, but an integer dtype widens for a Python integer it can't hold.

    No dtype of integers holds one of more than 64 bits: that counts as a float.
    """
    dtypes = [np.dtype(i) for i in items if not isinstance(i, int | float | complex)]
    if all(dtype.kind in "iu" for dtype in dtypes):
        kinds = {dtype.kind for dtype in dtypes}
        items = tuple(_type_for(i, kinds) if type(i) is int else i for i in items)
    return np.result_type(*items)


def _type_for(number: int, kinds: set[str]) -> np.dtype[Any] | int:
    """Return the least dtype that holds a number, or the number where all of these kinds do.

    A signed dtype holds its negative as well, up to 1.
    """
    if (0 if "u" in kinds else -128) <= number < 128:
        return number
    is_signed = kinds != {"u"} or number < 0
    dtype = np.min_scalar_type(min(number, -1 - number) if is_signed else number)
    return np.dtype(np.float64) if dtype.kind == "O" else dtype


def as_array(x: Any, what: str) -> Array:
    """Return ``x`` as a numeric array: arrays as they are, anything else through NumPy.

    Parameters
    ----------
    x : array or array_like
        What the caller passed.
    what : str
        How to call it in an error.
    """
    if is_array(x):
        if isinstance(x, np.ma.MaskedArray):
            raise TypeError(f"{what} is a masked array; fill it first, e.g. with .filled(0)")
        array = np.asarray(x) if isinstance(x, np.ndarray) else x
    elif hasattr(x, "toarray"):  # NumPy would make it an array of one object
        raise TypeError(f"{what} is a {type(x).__name__}; make it dense first, with .toarray()")
    else:
        try:
            array = np.asarray(x)
        except ValueError as error:
            raise TypeError(f"{what} is not an array: {error}") from None
    if dtype_of(array).kind not in "biufc":
        raise TypeError(
            f"{what} must be an array of numbers, got {type(x).__name__} of dtype {array.dtype}"
        )
    return array


def as_data(x: Any, what: str, ndim: int) -> Array:
    """Return ``x`` as the data of an operator: numeric, of that many dimensions, read-only.

    NumPy data is held as a read-only view, never as a copy; booleans become integers.
    """
    array = as_array(x, what)
    if array.ndim != ndim:
        raise ValueError(f"{what} must have {ndim} dimension(s), got shape {tuple(array.shape)}")
    if dtype_of(array).kind == "b":
        array = cast(array, np.int64)
    if isinstance(array, np.ndarray):
        array = array.view()
        array.flags.writeable = False
    return array


def as_index(x: Any, what: str, size: int) -> Array:
    """Return a one-dimensional integer array of indices below ``size``, negative ones wrapped."""
    index = as_array(x, what)
    if is_traced(index):
        raise TypeError(f"{what} is index data, which must be known: it can't be traced")
    if index.size == 0 and not is_array(x):  # an empty list has no dtype of its own
        index = cast(index, index_dtype(namespace_of(index)))
    if dtype_of(index).kind not in "iu":
        raise TypeError(f"{what} must be integers, got dtype {index.dtype}")
    if index.ndim != 1:
        raise ValueError(f"{what} must be one-dimensional, got shape {tuple(index.shape)}")
    host = to_numpy(index)
    outside = (host < -size) | (host >= size)
    if np.any(outside):
        raise IndexError(
            f"index {host[np.argmax(outside)]} in {what} is out of range for size {size}"
        )
    if np.any(host < 0):
        wide = host.astype(np.int64)
        index = like(np.where(wide < 0, wide + size, wide), index)
    xp = namespace_of(index)
    with lasting(xp):
        return as_data(cast(index, index_dtype(xp)), what, ndim=1)


def to_numpy(x: Array) -> npt.NDArray[Any]:
    """Return an array of any namespace and device on NumPy, over the same memory if it can be."""
    if isinstance(x, np.ndarray):
        return x
    if hasattr(x, "detach"):  # PyTorch refuses arrays with gradients or on a GPU
        return np.asarray(x.detach().cpu().resolve_conj().resolve_neg().numpy())
    if hasattr(x, "get"):  # CuPy converts by this method alone
        return np.asarray(x.get())
    if array_api_compat.is_array_api_strict_namespace(xp := namespace_of(x)):
        x = x.to_device(xp.__array_namespace_info__().default_device())
    return np.asarray(x)


def resolve(target: Any) -> tuple[Namespace, Any]:
    """Return the namespace and the device (or None) that the caller means by ``target``.

    ``target`` is a name ("numpy", "cupy", "torch", "jax", "array_api_strict", "dask"), an array
    namespace, or a device object.
    """
    if isinstance(target, str):
        return _import(target), None
    if hasattr(target, "__name__") and hasattr(target, "asarray"):
        return namespace_of(target.asarray([0.0])), None
    root = type(target).__module__.partition(".")[0].removesuffix("lib")
    if root in _MODULES:
        return _import(root), target
    raise TypeError(
        f"expected a namespace ({', '.join(map(repr, _MODULES))}, or its module) or a device, "
        f"got {target!r}"
    )


def _import(name: str) -> Namespace:
    if name not in _MODULES:
        raise ValueError(
            f"unknown namespace {name!r}; known are {', '.join(_MODULES)}, and devices as objects, "
            "such as torch.device('cuda')"
        )
    module, requirement = _MODULES[name]
    try:
        return namespace_of(importlib.import_module(module).asarray([0.0]))
    except ImportError as error:
        raise ImportError(
            f"{name} is not installed, or does not load here ({error}); "
            f"it comes with: pip install {requirement}"
        ) from error


def move(x: Array, xp: Namespace, device: Any, dtype: npt.DTypeLike) -> Array:
    """Return ``x`` in another namespace, device and dtype; itself where nothing changes.

    What changes is copied once, and within one namespace gradients flow through.
    """
    if namespace_of(x) is xp:
        return cast(x if device in (None, device_of(x)) else _to_device(x, device), dtype)
    if is_traced(x):
        raise TypeError(f"an array that JAX traces can't be moved to {name_of(xp)}")
    wanted = native_dtype(xp, dtype)
    host = to_numpy(x)
    if xp is numpy_namespace:
        # JAX writes into none of its own; arrays of array_api_strict are NumPy's in a wrapper.
        is_wrapped = array_api_compat.is_array_api_strict_namespace(namespace_of(x))
        owned = (host.flags.owndata and not is_wrapped) or not host.flags.writeable
        return host.astype(dtype, copy=not owned)
    if array_api_compat.is_torch_namespace(xp):
        # PyTorch takes neither steps backwards nor foreign byte orders, and would copy once more
        plain = np.dtype(dtype).newbyteorder("=")
        moved = xp.from_numpy(np.array(host, dtype=plain, order="C"))
        return moved if device is None else moved.to(device)
    where = {} if device is None else {"device": device}
    with lasting(xp):
        return xp.asarray(host, dtype=wanted, copy=True, **where)


def _to_device(x: Array, device: Any) -> Array:
    with lasting(namespace_of(x)):
        return array_api_compat.to_device(x, device)


def like(x: Array, reference: Array) -> Array:
    """Return the NumPy array ``x`` where ``reference`` lives (for small index and unit data)."""
    xp = namespace_of(reference)
    dtype = dtype_of(x)
    wanted = index_dtype(xp, dtype) if dtype.kind in "iu" else dtype
    return move(x, xp, device_of(reference), wanted)


def copied(x: Array) -> Array:
    """Return an array of its own memory that may be written to; arrays that never can be as is."""
    xp = namespace_of(x)
    if array_api_compat.is_jax_namespace(xp):
        return x
    if array_api_compat.is_torch_namespace(xp):
        return x.clone()
    return x.copy() if hasattr(x, "copy") else xp.asarray(x, copy=True)


def fresh(y: Array, x: Array) -> Array:
    """Return ``y``, a product with ``x``, as an array that nothing else holds and that is plain."""
    if isinstance(y, np.ndarray):
        return y.copy() if np.may_share_memory(y, x) or not y.flags.writeable else y
    if array_api_compat.is_torch_array(y):
        y = y.resolve_conj().resolve_neg()
    return copied(y) if y is x or _share_memory(y, x) else y


def _share_memory(y: Array, x: Array) -> bool:
    """Whether two arrays off NumPy may share memory, as far as their namespace tells."""
    if array_api_compat.is_torch_array(y):
        try:
            return bool(y.untyped_storage().data_ptr() == x.untyped_storage().data_ptr())
        except (NotImplementedError, RuntimeError):  # inside of PyTorch's transforms
            return False
    overlap = getattr(namespace_of(y), "may_share_memory", None)
    return array_api_compat.is_cupy_array(y) and overlap is not None and bool(overlap(y, x))


def take_rows(x: Array, index: Array) -> Array:
    """Return the rows of ``x`` that an index array of the same namespace picks."""
    if isinstance(x, np.ndarray):
        return x.take(index, axis=0)
    if is_dask(x):
        index = to_numpy(index)  # by indices that are not known, Dask makes one chunk of all
    return namespace_of(x).take(x, index, axis=0)


def along(axis: int, index: slice | int) -> tuple[Any, ...]:
    """Return what indexes one axis of an array, and takes all of the others."""
    return (*(slice(None),) * axis, index, ...)


def zeros(shape: tuple[int, ...], dtype: npt.DTypeLike, reference: Array) -> Array:
    """Return zeros where ``reference`` lives."""
    xp = namespace_of(reference)
    return xp.zeros(shape, dtype=native_dtype(xp, dtype), device=device_of(reference))
