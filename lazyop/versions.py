"""What is installed: versions, kernels and devices, for a report of a problem."""

from __future__ import annotations

import importlib
import platform
from importlib import metadata

from lazyop.kernels.plan import KERNELS
from lazyop.namespaces import device_of

_REQUIRED = ("lazyop", "numpy", "scipy", "array-api-compat")
_OPTIONAL = ("array-api-strict", "cupy", "torch", "jax", "dask")


def show_versions() -> None:
    """Print the versions of Python and of the packages that matter, kernels and devices.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.show_versions()  # doctest: +ELLIPSIS
    python            ...
    """
    print(f"{'python':<18}{platform.python_version()} on {platform.platform()}")
    for name in _REQUIRED + _OPTIONAL:
        print(f"{name:<18}{_version(name)}")
    print(f"{'kernels':<18}{', '.join(KERNELS)}")
    for name, device in _devices().items():
        print(f"{name + ' device':<18}{device}")


def _version(name: str) -> str:
    for distribution in (name, f"{name}-cuda13x", f"{name}-cuda12x"):
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return "not installed"


def _devices() -> dict[str, str]:
    """Return the device on which each array library that is installed makes its arrays."""
    found = {"numpy": "cpu"}
    for name, module in (("cupy", "cupy"), ("torch", "torch"), ("jax", "jax.numpy")):
        try:
            found[name] = str(device_of(importlib.import_module(module).asarray([0.0])))
        except ImportError:
            continue
        except Exception as error:  # a GPU library that finds no GPU says so in its own ways
            found[name] = f"none ({error})"
    return found
