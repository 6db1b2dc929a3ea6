"""A backend of `scipy.fft`, whose transforms are operators of this library, or the caller's own."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from lazyop.aslazy import aslazy
from lazyop.kernels.fourier import ADJOINT_NORM, as_norm
from lazyop.namespaces import real_counterpart
from lazyop.operator import LazyOperator
from lazyop.transforms.cosine import dctn, idctn
from lazyop.transforms.fourier import dftn, idftn
from lazyop.transforms.real_fourier import irdftn, rdftn
from lazyop.transforms.resize import resized
from lazyop.transforms.scipy_calls import (
    FROM_HALF,
    FUNCTIONS,
    TO_HALF,
    TRIGONOMETRIC,
    Call,
    floating,
    read_call,
)
from lazyop.transforms.sine import dstn, idstn

__all__ = ["ScipyFFTBackend", "scipy_fft_backend"]

#: How many operators are kept. They hold no numbers, but take longer to make than to run if small.
_KEPT = 256

_FACTORIES: dict[str, Any] = {
    "fft": dftn,
    "ifft": idftn,
    "rfft": rdftn,
    "irfft": irdftn,
    "hfft": irdftn,
    "ihfft": rdftn,
    "dct": dctn,
    "idct": idctn,
    "dst": dstn,
    "idst": idstn,
}

#: What an operator of one's own stands for: name, length, type, norm, and orthogonalize.
Key = tuple[str, int, Any, str, Any]
Values = npt.NDArray[Any]


#: Whether a backend runs in this thread.
_THREAD = threading.local()


class ScipyFFTBackend:
    """A backend for `scipy.fft` that transforms by operators.

    With `scipy.fft.set_backend`, code that calls functions of `scipy.fft` runs on the operators
    of `lazyop.transforms`, with the same results, dtypes and errors, and without a change to it.
    `replacing` puts operators of one's own in the place of chosen transforms.

    What runs is a product with an operator for the Fourier transforms ``fft``, ``rfft``, ``hfft``,
    their inverses, and the cosine and sine transforms ``dct``, ``dst`` and their inverses, along
    one, two and n axes, of what NumPy makes arrays of in double precision or less. All else is
    left to the next backend, as a rule to SciPy's own: arrays of other libraries, extended
    precision, and the Hankel transforms ``fht`` and ``ifht``. Calls that SciPy refuses are handed
    to SciPy, which says why.

    Notes
    -----
    ``overwrite_x`` is accepted, and nothing is overwritten. ``workers`` holds for SciPy's
    transforms, which the operators use. With complex arguments, ``orthogonalize`` holds for cosine
    and sine transforms as with real ones; SciPy's own forget it there, as of version 1.17.

    `scipy.fft.set_global_backend` takes SciPy's own backend out;
    ``scipy.fft.register_backend("scipy")`` puts it back behind this one.

    Up to 256 operators are kept for the next call with arrays of the same shape and dtype.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.fft
    >>> import scipy.signal
    >>> import lazyop as lo
    >>> x = np.sin(np.arange(64.0))
    >>> with scipy.fft.set_backend(lo.transforms.scipy_fft_backend):
    ...     envelope = np.abs(scipy.signal.hilbert(x))
    >>> np.allclose(envelope, np.abs(scipy.signal.hilbert(x)))
    True
    """

    __ua_domain__ = "numpy.scipy.fft"

    def __init__(self) -> None:
        self._own: dict[Key, LazyOperator] = {}

    def replacing(
        self,
        function: str,
        operator: Any,
        *,
        type: int = 2,
        norm: str | None = None,
        orthogonalize: bool | None = None,
    ) -> ScipyFFTBackend:
        """Return a backend in which an operator takes the place of one transform.

        It does so in every call for its length, type and norm, along any axis, and along each of
        several axes: an operator for "dct" also runs in `scipy.fft.dctn`. Transforms with
        other norms stay as they are, and so does the inverse.

        Parameters
        ----------
        function : str
            The function of `scipy.fft` for one axis: "fft", "rfft", "hfft", "dct", "dst", or the
            inverse of one.
        operator : operator or what `aslazy` takes
            On NumPy. For a transform of length n it is of shape `(n, n)`; `(n // 2 + 1, n)` for
            "rfft" and "ihfft"; `(n, n // 2 + 1)` for "irfft" and "hfft", whose results are the real
            part of its product. The result has the precision of the argument. Real, for cosine and
            sine transforms.
        type : int
            Of a cosine or sine transform.
        norm : {"backward", "ortho", "forward"}, optional
            With which the operator is the transform.
        orthogonalize : bool, optional
            As in `scipy.fft.dct`: whether it is the orthogonal variant, by default with the norm
            "ortho".

        Returns
        -------
        ScipyFFTBackend
            A new one; this one stays as it is.

        Raises
        ------
        ValueError
            If the function is none of those, the operator has another shape, or there is no such
            type or norm.
        TypeError
            If the operator is nothing that `aslazy` takes, complex in place of a real transform, or
            not on NumPy.

        Examples
        --------
        A cosine transform whose numbers have 8 significand bits:

        >>> import numpy as np
        >>> import scipy.fft
        >>> import lazyop as lo
        >>> exact = lo.substitute(lambda x: scipy.fft.dct(x, norm="ortho"), 16).operator
        >>> short = lo.quantize(exact, lo.FloatFormat(significand_bits=8)).operator
        >>> backend = lo.transforms.scipy_fft_backend.replacing("dct", short, norm="ortho")
        >>> image = np.add.outer(np.arange(16.0), np.arange(16.0))
        >>> with scipy.fft.set_backend(backend):
        ...     found = scipy.fft.dctn(image, norm="ortho")
        >>> float(np.linalg.norm(found - scipy.fft.dctn(image, norm="ortho")))
        0.21
        >>> float(np.linalg.norm(image))
        261.7
        """
        if function not in list(_FACTORIES):  # which also takes lists
            raise ValueError(
                f"function must be one of {', '.join(_FACTORIES)}, which transform along one axis, "
                f"got {function!r}"
            )
        own = aslazy(operator)
        _check_operator(function, own)
        scale = as_norm(norm)
        key: Key = (function, _length(function, own), None, scale, None)
        if function in TRIGONOMETRIC:
            if isinstance(type, bool) or type not in (1, 2, 3, 4):
                raise ValueError(
                    f"the type of a cosine or sine transform is 1, 2, 3 or 4, got {type!r}"
                )
            orthogonal = scale == "ortho" if orthogonalize is None else bool(orthogonalize)
            key = (*key[:2], int(type), scale, orthogonal)
        backend = ScipyFFTBackend()
        backend._own = {**self._own, key: own}
        return backend

    def __repr__(self) -> str:
        own = ", ".join(f"{name}({n}, norm={norm!r})" for name, n, _, norm, _ in self._own)
        return f"ScipyFFTBackend({f'its own: {own}' if own else ''})"

    # The protocol of uarray -----------------------------------------------------------------

    def __ua_function__(self, method: Any, args: Any, kwargs: Any) -> Any:
        """Run a function of `scipy.fft`, or leave it to the next backend."""
        import scipy.fft  # loaded by whoever calls this; lazyop itself does without

        x = args[0] if args else kwargs.get("x")
        if method.__name__ not in FUNCTIONS or not _is_ours(x) or hasattr(_THREAD, "inside"):
            return NotImplemented
        # The operators call scipy.fft in turn, and would otherwise come back here. What set_backend
        # sets is not always heeded in other threads than the main one (SciPy 1.14).
        _THREAD.inside = True
        try:
            with scipy.fft.set_backend("scipy"):
                others = {name: value for name, value in kwargs.items() if name != "x"}
                return self._called(method, np.asarray(x), args[1:], others)
        finally:
            del _THREAD.inside

    def _called(self, method: Any, x: Values, args: Any, kwargs: dict[str, Any]) -> Any:
        """Run a function, or have SciPy say why it can't be."""
        import scipy.fft

        try:
            dtype = floating(x.dtype)
            call = read_call(method.__name__, x.shape, dtype, args, kwargs)
            run = self._prepared(call)
        except (TypeError, ValueError, OverflowError):
            return method(x, *args, **kwargs)
        x = x.astype(dtype, copy=False)
        if call.workers is None:
            return run(x)
        with scipy.fft.set_workers(call.workers):
            return run(x)

    def _prepared(self, call: Call) -> Callable[[Values], Values]:
        """A function that runs a call, after all that there is to check is checked."""
        if self._own and any(self._key(call, name, n) in self._own for name, _, n in call.steps()):
            return partial(self._run_steps, call)
        return partial(_run, call, _operator_of(call))

    def _key(self, call: Call, name: str, n: int) -> Key:
        return name, n, call.type, call.norm, call.orthogonalize

    def _run_steps(self, call: Call, x: Values) -> Values:
        for name, axis, n in call.steps():
            step = call.step(x.shape, x.dtype, name, axis, n)
            own = self._own.get(self._key(call, name, n))
            x = _run(step, _operator_of(step), x) if own is None else _run_own(step, own, x)
        return x


def _is_ours(x: Any) -> bool:
    """Whether an argument is an array of NumPy, or becomes one, in double precision or less."""
    if isinstance(x, np.ndarray):
        return type(x) is np.ndarray and x.dtype.char not in "gG"
    if hasattr(x, "__array_namespace__") or hasattr(x, "__array__") or x is None:
        return False
    return isinstance(x, list | tuple | int | float | complex)


def _check_operator(function: str, own: LazyOperator) -> None:
    if not own._on_numpy:
        raise TypeError("scipy.fft transforms arrays of NumPy; bring the operator there with .to")
    if function in TRIGONOMETRIC and own.dtype.kind == "c":
        raise TypeError(f"{function} is a real transform, the operator has dtype {own.dtype}")
    n = _length(function, own)
    half = n // 2 + 1
    expected = (half, n) if function in TO_HALF else (n, half if function in FROM_HALF else n)
    if own.shape != expected or not n:
        raise ValueError(
            f"{function} of length {n} takes an operator of shape {expected}, got {own.shape}"
        )


def _length(function: str, own: LazyOperator) -> int:
    return own.shape[0] if function in FROM_HALF else own.shape[1]


@lru_cache(maxsize=_KEPT)
def _operator_of(call: Call) -> LazyOperator:
    """The operator of arrays of this shape, as a vector holds them."""
    options: dict[str, Any] = {"s": call.lengths, "axes": call.axes, "norm": call.norm}
    if call.name in TRIGONOMETRIC:
        options |= {"type": call.type, "orthogonalize": call.orthogonalize}
        options["dtype"] = real_counterpart(call.dtype)
    else:
        options["dtype"] = np.result_type(call.dtype, np.complex64)
    if call.name in ("hfft", "ihfft"):
        options["norm"] = ADJOINT_NORM[call.norm]
    found: LazyOperator = _FACTORIES[call.name](call.dims, **options)
    return found


def _run(call: Call, operator: LazyOperator, x: Values) -> Values:
    """The transform by an operator of arrays of this shape."""
    if call.name == "hfft":
        x = x.conj()
    y = (operator @ x.reshape(-1)).reshape(call.out_dims)
    return _finished(call, y.conj() if call.name == "ihfft" else y)


def _run_own(call: Call, own: LazyOperator, x: Values) -> Values:
    """The transform by an operator that acts along one axis."""
    (axis,) = call.axes
    x = resized(x, own.shape[1], axis)
    before, after = math.prod(x.shape[:axis]), math.prod(x.shape[axis + 1 :])
    y = own @ np.reshape(x, (before, own.shape[1], after))
    return _finished(call, np.reshape(y, call.out_dims))


def _finished(call: Call, y: Values) -> Values:
    """A result as SciPy returns it: contiguous, and real where it is to be."""
    y = y.real if call.name in FROM_HALF else y
    if y.dtype == call.out_dtype and y.flags.c_contiguous:
        return y
    return np.ascontiguousarray(y, dtype=call.out_dtype)


#: The backend whose transforms are those of `lazyop.transforms`.
scipy_fft_backend = ScipyFFTBackend()
