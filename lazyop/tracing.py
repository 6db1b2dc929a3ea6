"""What tracing and automatic differentiation ask for: which arrays have values, and may be kept.

A function that JAX or PyTorch traces sees arrays that end with the call, and arrays that need
gradients belong to the computation that made them. Operators keep what they make of their data, so
they ask here first.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import array_api_compat
import numpy as np


def is_traced(x: Any) -> bool:
    """Whether an array stands for one of JAX's whose values are not known yet."""
    return array_api_compat.is_jax_array(x) and isinstance(x, sys.modules["jax"].core.Tracer)


def lasts(x: Any) -> bool:
    """Whether what is made of an array now can serve later: no trace and no gradient needs it."""
    if isinstance(x, np.ndarray):
        return True
    if not array_api_compat.is_torch_array(x):
        return not is_traced(x)
    return not (x.requires_grad or x.is_inference()) and _has_memory(x)


def _has_memory(x: Any) -> bool:
    """Whether a tensor is one, and not what PyTorch puts in its place to trace or to vectorise."""
    if type(x) not in (sys.modules["torch"].Tensor, sys.modules["torch"].nn.Parameter):
        return False
    try:
        return bool(x.data_ptr()) or x.device.type != "meta"
    except RuntimeError:
        return False


def lasting(xp: Any) -> AbstractContextManager[Any]:
    """Return a context in which what a namespace makes of arrays that last will last as well.

    JAX would stage it out into the function that is being traced, and PyTorch's inference mode
    would make it useless outside.
    """
    if array_api_compat.is_jax_namespace(xp):
        context: AbstractContextManager[Any] = sys.modules["jax"].ensure_compile_time_eval()
        return context
    if array_api_compat.is_torch_namespace(xp) and xp.is_inference_mode_enabled():
        context = sys.modules["torch"].inference_mode(False)
        return context
    return nullcontext()


def value_of(x: Any) -> float | None:
    """Return the value of a real array without dimensions; None where it is being traced."""
    if is_traced(x):
        return None
    try:
        return float(x)
    except RuntimeError:  # PyTorch, when something traces
        if array_api_compat.is_torch_array(x):
            return None
        raise


def known(x: Any, what: str) -> Any:
    """Return an array whose values can be looked at, as the constant that it is now.

    A tensor of PyTorch that requires a gradient comes without it. What has no values yet raises
    TypeError, and so does what `torch.func` differentiates: its gradient would silently be zero.
    """
    is_torch = array_api_compat.is_torch_array(x)
    if array_api_compat.is_jax_array(x):
        # Inside of `jit`, what is made of known arrays is traced as well.
        lacks_values = is_traced(x) or is_traced(sys.modules["jax"].numpy.zeros(()))
    else:
        lacks_values = is_torch and _lacks_values(x)
    if lacks_values:
        library = "PyTorch" if is_torch else "JAX"
        raise TypeError(
            f"expected {what} with known values, but {library} is tracing, vectorising or "
            "differentiating; call this outside of the function that is transformed, and use the "
            "operator that comes out inside of it"
        )
    return x.detach() if is_torch and x.requires_grad else x


def _lacks_values(x: Any) -> bool:
    """Whether a tensor of at least one entry stands for others, or has no memory."""
    try:
        x.reshape(-1)[0].item()
        x.data_ptr()
    except RuntimeError:
        return True
    return False


def check_constant(x: Any, what: str) -> None:
    """Raise TypeError where a number would be taken out of a trace, or away from its gradient."""
    if is_traced(x) or (array_api_compat.is_torch_array(x) and x.requires_grad):
        raise TypeError(
            f"{what} is traced or needs a gradient, but must be a known number; keep it in an "
            "array that an operator holds, or multiply the product by it"
        )
