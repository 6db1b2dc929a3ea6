"""The Fourier transform at irregular frequencies: its matrix by factors, or FINUFFT."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lazyop.algebra.normal_form import multiply
from lazyop.kernels.fourier import as_norm
from lazyop.namespaces import Array, as_array, as_data, cast, to_numpy
from lazyop.operator import LazyOperator
from lazyop.scalars import as_real
from lazyop.transforms.along_axes import as_complex_dtype, as_dims
from lazyop.transforms.resize import resize
from lazyop.transforms.row_kron import RowKron

if TYPE_CHECKING:
    import numpy.typing as npt

#: From how many entries of the matrix FINUFFT takes over, where it is installed.
_FAST_FROM = 2**20

#: Up to how many numbers in and out FINUFFT runs in one thread: more would wait for each other.
_ONE_THREAD = 2**14


class FastNonuniform(LazyOperator):
    """The transform by FINUFFT, to a tolerance; or its adjoint, "back".

    Parameters
    ----------
    dims : tuple of int
        The shape of the signal, of at most three axes.
    frequencies : numpy.ndarray, shape (m, d)
        In cycles per sample; they stay in double precision.
    scale : float
        What the sums are multiplied by.
    tolerance : float
        FINUFFT's relative error.
    back : bool
        Whether this is the adjoint.
    dtype : dtype
        complex64 or complex128. Both are computed in double precision: single would not do for the
        phases of long signals.
    """

    _fields = ("dims", "frequencies", "scale", "tolerance", "back", "dtype")
    _index_fields = frozenset({"frequencies"})
    _makes_new = True

    def __init__(
        self,
        dims: tuple[int, ...],
        frequencies: Array,
        scale: float,
        tolerance: float,
        back: bool,
        dtype: npt.DTypeLike,
    ) -> None:
        self.dims, self.scale, self.tolerance, self.back = dims, scale, tolerance, back
        self.frequencies = as_data(frequencies, "frequencies", ndim=2)
        if not isinstance(self.frequencies, np.ndarray):
            raise TypeError("FINUFFT runs on NumPy; for other arrays there is method='direct'")
        sizes = self.frequencies.shape[0], math.prod(dims)
        super().__init__(dtype, sizes[::-1] if back else sizes)

    def _apply(self, X: Array) -> Array:
        finufft, d = _finufft(), len(self.dims)
        columns = X.shape[1]
        stack = np.ascontiguousarray(X.T, dtype=np.complex128)
        points = [np.ascontiguousarray(2 * np.pi * (f - np.rint(f))) for f in self.frequencies.T]
        # FINUFFT counts samples from the middle
        middle = np.array([n // 2 for n in self.dims])
        phases = np.exp(-2j * np.pi * np.mod(self.frequencies * middle, 1).sum(axis=1))
        name = f"nufft{d}d{1 if self.back else 2}"
        transform = getattr(finufft, name)
        threads = int(columns * sum(self.shape) <= _ONE_THREAD)  # 0: as many as it likes
        options = {"eps": self.tolerance, "nthreads": threads}
        if self.back:
            stack = stack * phases.conj()
            Y = transform(*points, stack, self.dims, isign=1, **options)
        else:
            grids = stack.reshape(columns, *self.dims)
            Y = transform(*points, grids, isign=-1, **options) * phases
        Y = self.scale * Y.reshape(columns, self.shape[0]).T
        return cast(Y, self._result_with(X.dtype))

    def _adjoint(self) -> LazyOperator:
        back = not self.back
        return FastNonuniform(
            self.dims, self.frequencies, self.scale, self.tolerance, back, self.dtype
        )

    def _flops(self) -> int:
        """Count a Fourier transform of twice the size, and a kernel wider by one for each digit."""
        d, samples = len(self.dims), math.prod(self.dims)
        width = math.ceil(1 - math.log10(self.tolerance))
        fine = samples << d
        transform = math.ceil(5 * fine * math.log2(max(fine, 2)))
        spread: int = 8 * math.prod([width] * d) * self.shape[1 if self.back else 0]
        return transform + spread

    def _details(self) -> str:
        return f"FINUFFT to {self.tolerance:.1g}"


def nudft(
    shape: int | tuple[int, ...],
    frequencies: Any,
    times: Any = None,
    *,
    norm: str | None = None,
    method: str = "auto",
    tol: float | None = None,
    dtype: npt.DTypeLike = np.complex128,
) -> LazyOperator:
    r"""Return the discrete Fourier transform at irregular frequencies.

    .. math:: y_j = \frac{1}{n^s} \sum_{k=0}^{n-1} x_k\, e^{-2 \pi i f_j k}

    for frequencies f in cycles per sample, and s as in `dft`, which this is for ``f = arange(n) /
    n``. Over several axes, f and k are vectors, and ``f k`` is their product. The way from
    irregular times to the integer frequencies 0 to n - 1 is the transpose, ``nudft(n, times).T``.

    Parameters
    ----------
    shape : int or tuple of int
        The length n of a vector, or the shape of the array that a vector holds in row-major order.
    frequencies : array_like, shape (m,) or (m, d)
        In cycles per sample along each of the d axes; any real numbers, in double precision.
    times : array_like, shape (n,), optional
        Irregular times of the samples of a vector, in place of k.
    norm : {"backward", "ortho", "forward"}, optional
        As in `dft`; None means "backward".
    method : {"auto", "direct", "finufft"}, optional
        "direct" is the product with the matrix, which is held as factors of about ``m sqrt(n)``
        numbers, and runs on every namespace. "finufft" is FINUFFT's fast transform, for regular
        times, up to three axes, and NumPy's arrays. "auto" takes it for large matrices, where it
        is installed.
    tol : float, optional
        The relative error of FINUFFT: 1e-13 by default, 1e-6 for complex64.
    dtype : dtype, optional
        complex128 by default, or complex64.

    Returns
    -------
    LazyOperator
        Of shape ``(m, n)``.

    Raises
    ------
    ValueError
        If frequencies or times are not finite or of the wrong shape, the method is unknown or
        can't do what is asked, or the tolerance is not between 0 and 1.
    TypeError
        If frequencies, times or the tolerance are not real, a length is not an integer, or the
        dtype is not complex.
    ImportError
        If FINUFFT is asked for and not installed.

    References
    ----------
    A. H. Barnett, J. Magland, L. af Klinteberg, A parallel nonuniform fast Fourier transform
    library based on an "exponential of semicircle" kernel, SIAM J. Sci. Comput. 41(5):C479-C504,
    2019, doi 10.1137/18M120885X.

    Examples
    --------
    >>> import numpy as np
    >>> import lazyop as lo
    >>> A = lo.transforms.nudft(4, [0.0, 0.3])
    >>> A @ [1.0, 0.0, -1.0, 0.0]
    array([0.        +0.j        , 1.80901699-0.58778525j])
    """
    dims, kind, scaling = as_dims(shape), as_complex_dtype(dtype), as_norm(norm)
    f = _as_real(frequencies, "frequencies")
    f = f[:, None] if f.ndim == 1 else f
    if f.ndim != 2 or f.shape[1] != len(dims):
        raise ValueError(
            f"frequencies of the shape (m, {len(dims)}) go with the shape {dims}, got {f.shape}"
        )
    n = math.prod(dims)
    scale = float(max(n, 1)) ** -{"backward": 0.0, "ortho": 0.5, "forward": 1.0}[scaling]
    if method not in ("auto", "direct", "finufft"):
        raise ValueError(f"method must be auto, direct or finufft, got {method!r}")
    tolerance = (1e-6 if kind == np.complex64 else 1e-13) if tol is None else _as_tolerance(tol)
    if times is not None:
        if method == "finufft":
            raise ValueError("method 'finufft' takes regular times only")
        return _at_times(dims, f, _as_real(times, "times"), scale, kind)
    if method == "auto":
        is_large = n * len(f) >= _FAST_FROM and len(dims) <= 3
        method = "finufft" if is_large and _has_finufft() else "direct"
    if method == "direct" or not n * len(f):  # FINUFFT takes no empty signals or frequencies
        return _direct(dims, f, scale, kind)
    if len(dims) > 3:
        raise ValueError(f"method 'finufft' takes up to three axes, got the shape {dims}")
    _finufft()
    return FastNonuniform(dims, f, scale, tolerance, False, kind)


def _as_tolerance(tol: Any) -> float:
    tolerance = as_real(tol, "tol")
    if not 0 < tolerance < 1:
        raise ValueError(f"tol must be between 0 and 1, got {tol!r}")
    return tolerance


def _as_real(x: Any, what: str) -> npt.NDArray[np.float64]:
    values = to_numpy(as_array(x, what))
    if values.dtype.kind == "c":
        raise TypeError(f"{what} must be real, got {values.dtype}")
    found = values.astype(np.float64)
    if not np.all(np.isfinite(found)):
        raise ValueError(f"{what} must be finite")
    return found


def _at_times(
    dims: tuple[int, ...], f: Any, times: npt.NDArray[np.float64], scale: float, dtype: Any
) -> LazyOperator:
    """Return the dense matrix of irregular frequencies and times."""
    if len(dims) != 1 or times.shape != dims:
        raise ValueError(f"times of the shape (n,) go with a vector of length n, got {times.shape}")
    return RowKron((scale * _waves(f[:, 0], times)).astype(dtype))


def _direct(
    dims: tuple[int, ...], f: npt.NDArray[np.float64], scale: float, dtype: Any
) -> LazyOperator:
    """Return the matrix as factors, over axes and over the two digits of every place."""
    factors, whole = [], []
    for frequency, n in zip(f.T, dims, strict=True):
        low = max(math.isqrt(n), 1)
        high = -(-n // low)
        factors += [_waves(frequency, low * np.arange(high)), _waves(frequency, np.arange(low))]
        whole.append(low * high)
    factors[-1] = scale * factors[-1]
    matrix = RowKron(*(factor.astype(dtype) for factor in factors))
    return multiply(matrix, resize(dims, tuple(whole), dtype))


def _waves(f: npt.NDArray[np.float64], times: npt.NDArray[Any]) -> npt.NDArray[np.complex128]:
    waves: npt.NDArray[np.complex128] = np.exp(-2j * np.pi * np.mod(np.outer(f, times), 1))
    return waves


def _finufft() -> Any:
    try:
        import finufft
    except ImportError as error:
        raise ImportError(
            "method='finufft' needs FINUFFT, which comes with: pip install lazyop[nufft]"
        ) from error
    return finufft


def _has_finufft() -> bool:
    try:
        _finufft()
    except ImportError:
        return False
    return True
