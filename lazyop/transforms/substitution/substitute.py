"""`lazyop.substitute`: from a black-box linear function to an operator that takes its place."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from lazyop.butterfly.chain import as_chain
from lazyop.factorization.given_chain import Factorization
from lazyop.factorization.nearest_kron import nearest_kron
from lazyop.operator import LazyOperator
from lazyop.scalars import positive_int, positive_real
from lazyop.structured.dense import Dense
from lazyop.structured.kron import Kron
from lazyop.transforms.substitution.black_box import BlackBox, Columns
from lazyop.transforms.substitution.linearity import (
    NotLinearError,
    checked_linearity,
    departure,
)
from lazyop.transforms.substitution.record import NotCompressibleError, Substitution
from lazyop.transforms.substitution.search import (
    Goal,
    factorized_entries,
    factorized_matrix,
    is_dense,
)
from lazyop.transforms.substitution.separable import kron_error, separable_parts

__all__ = ["substitute"]

#: The tolerance where none is given, in double and in single precision.
_TOLERANCES = (1e-10, 1e-5)
#: Kronecker products that are tried in a sum, where one is not enough.
_TERMS = 4
#: How often, and for how many seconds in all, a function is called for its time.
_RUNS, _SECONDS = 25, 0.5

Found = tuple[LazyOperator, Any]


def substitute(
    function: Callable[[Any], Any],
    shape: int | Iterable[int],
    *,
    tol: float | None = None,
    chain: Any = None,
    permutation: Any = "try",
    dtype: npt.DTypeLike = np.float64,
    vectorized: bool = False,
    namespace: Any = "numpy",
    linearity_tol: float | None = None,
    timing: bool = False,
    progress: bool = False,
) -> Substitution:
    r"""Put a butterfly operator in the place of a function that is linear, after checking it.

    The function is only ever called: `scipy.fft.dct`, a lambda, or a layer of a network. First,
    random arguments show whether it is linear, and if not, what it is instead. Then unit arguments
    give the columns of its matrix, and factors are searched for as in `lazyop.factorize`, over
    several orders of rows and columns: those in which Fourier, Hartley and Hadamard transforms, and
    cosine and sine transforms of types II to IV, of any composite length are butterflies, and if
    none helps, those that a search finds. A matrix that is not square, such as that of
    `scipy.fft.rfft`, is also taken for a part of a square one. The order in which the spectra of
    blocks let expect the fewest numbers is taken. At last the operator is compared with the
    function, column by column.

    A function of an n-dimensional array that acts along each axis by itself is a Kronecker product.
    It is found from as many calls as all axes together are long, and each of its matrices is
    factorized by itself.

    Parameters
    ----------
    function : callable
        From an array to an array. It need not be known how it works; it may not write into its
        argument.
    shape : int or tuple of int
        Of its argument, which is not the shape of a matrix: a function of images takes ``(h, w)``.
    tol : float, optional
        The relative error that must not be exceeded, as a Frobenius norm; 1e-10 for results in
        double precision by default, and 1e-5 in single precision.
    chain : Chain or sequence of patterns, optional
        Patterns of the factors, instead of a search for the chain with the fewest numbers.
    permutation : "try", None, "bit-reversal", "search", Permutation or pair
        As in `lazyop.factorize`; by default, several are tried. With a chain or a permutation, no
        Kronecker product is looked for.
    dtype : dtype
        Of the function's argument: float64 by default, float32, complex128 or complex64.
    vectorized : bool
        Whether the function takes a stack of arguments along a new first axis, and returns the
        stack of results: faster, where it does. Functions along the last axis, such as those
        of `scipy.fft`, and layers of networks do.
    namespace : str, namespace or device
        Where the function wants its argument, and where the operator is to live, as in
        `LazyOperator.to`. The search runs on NumPy.
    linearity_tol : float, optional
        By how much the function may depart from linear, relatively; the root of the unit of
        rounding by default. Larger for functions that stop short of full precision, such as
        iterative solvers.
    timing : bool
        Whether to time the operator and the function.
    progress : bool
        Whether to show progress bars, by tqdm.

    Returns
    -------
    Substitution
        To be called as the function was, with its `operator` and its `relative_error`.

    Raises
    ------
    NotLinearError
        If the function is not linear; the message names affine and antilinear functions, and those
        that are linear over the real numbers alone, where the dtype is complex. A `ValueError`.
    NotCompressibleError
        If no factors that hold fewer numbers than the matrix are found within the tolerance; the
        message says how far off the best is. A `ValueError`.
    ValueError
        If the function is not deterministic, writes into its argument, returns NaN or infinite
        numbers, or nothing, or changes the shape or dtype of its result; or a shape or tolerance
        is not positive.
    TypeError
        If the function is none, or returns what is no array of numbers in single or double
        precision, or the dtype is not one of these.

    Notes
    -----
    Random vectors are the same in each call. A function that is linear for them at all scales from
    1e-6 to 1e6, and for unit vectors, but not elsewhere passes the test.

    A matrix of more than 64 MiB is never held. Its columns are then computed twice: for the
    factors, and for the error.

    To give the operator entries of few bits, pass it on to `lazyop.quantize`.

    Examples
    --------
    >>> import scipy.fft
    >>> import lazyop as lo
    >>> found = lo.substitute(scipy.fft.dct, 256)
    >>> found.relative_error < 1e-13
    True
    >>> found.operator.cost.parameters, 256 * 256
    (10752, 65536)

    The result of a real transform is half as long, and that of an image a Kronecker product:

    >>> found = lo.substitute(scipy.fft.rfft, 256)
    >>> found.out_shape, found.relative_error < 1e-13
    ((129,), True)
    >>> found = lo.substitute(scipy.fft.dctn, (32, 64))
    >>> type(found.operator).__name__, found.operator.shape
    ('Kron', (2048, 2048))

    What is not linear is refused:

    >>> lo.substitute(lambda x: scipy.fft.dct(x) + 1, 256)
    Traceback (most recent call last):
    ...
    lazyop...NotLinearError: the function is affine: f(0) is not zero but of norm 16, ...
    """
    if not callable(function):
        raise TypeError(f"expected a function, got {type(function).__name__}")
    box = BlackBox(function, _dims(shape), _dtype(dtype), bool(vectorized), namespace)
    epsilon = max(float(np.finfo(dtype).eps) for dtype in (box.dtype, box.out_dtype))
    tolerance = _positive(tol, "tol", _TOLERANCES[epsilon > _TOLERANCES[0]])
    allowed = _positive(linearity_tol, "linearity_tol", math.sqrt(epsilon))
    off, domain = checked_linearity(box, allowed)
    goal = Goal(tolerance, None if chain is None else as_chain(chain), permutation, progress)
    found, factorization, error, more = _found(box, goal, allowed)
    operator = found if box.is_on_numpy else found.to(namespace)
    times = _times(box, operator) if timing else (None, None)
    return Substitution(
        operator,
        error,
        max(off, more),
        domain,
        box.in_shape,
        box.out_shape,
        factorization,
        *times,
    )


def _dims(shape: Any) -> tuple[int, ...]:
    sizes = tuple(shape) if isinstance(shape, Iterable) else (shape,)
    if not sizes:
        raise ValueError("the shape of the argument is empty; a number has the shape (1,)")
    return tuple(positive_int(n, "a length of the argument") for n in sizes)


def _dtype(dtype: Any) -> np.dtype[Any]:
    found: np.dtype[Any] = np.dtype(dtype)
    if found.char not in "fdFD":
        raise TypeError(f"dtype must be one in single or double precision, got {found}")
    return found


def _positive(value: Any, name: str, default: float) -> float:
    return default if value is None else positive_real(value, name)


def _found(box: BlackBox, goal: Goal, allowed: float) -> tuple[LazyOperator, Any, float, float]:
    """The operator, how it was found, its error, and how far the function is from a matrix."""
    matrix = _matrix(box) if is_dense(box) else None
    more = 0.0 if matrix is None else _check_matrix(box, matrix, allowed)
    parts = separable_parts(box, allowed) if goal.chain is None and goal.tries else None
    if parts is not None:
        operator, factorization, operands = _kron(parts[0], goal)
        more = max(more, parts[1])
        if matrix is None:
            return operator, factorization, kron_error(parts[0], operands), more
    elif matrix is not None:
        operator, factorization = _from_matrix(box, matrix, goal)
    else:
        operator, factorization = factorized_entries(box, goal)
    error = _distance(box, matrix, operator)
    if error > goal.tol:
        raise NotCompressibleError(
            f"the operator that was found is off by {error:.2g}, more than tol={goal.tol:g}"
        )
    return operator, factorization, error, more


def _matrix(box: BlackBox) -> Columns:
    """All columns; real where they came complex and are all real."""
    matrix = np.concatenate([columns for _, columns in box.blocks()], axis=1)
    real = matrix.dtype.kind == "c" and not np.any(matrix.imag)
    return np.ascontiguousarray(matrix.real if real and box.dtype.kind == "c" else matrix)


def _check_matrix(box: BlackBox, matrix: Columns, allowed: float) -> float:
    x = np.random.default_rng(2).standard_normal((box.shape[1], 3)).astype(box.dtype)
    off = departure(matrix @ x, box(x))
    if off > allowed:
        raise NotLinearError(
            "the function is not linear: for random arguments it is not the combination of its "
            f"results for unit arguments, off by {off:.1e} of the size"
        )
    return off


def _from_matrix(box: BlackBox, matrix: Columns, goal: Goal) -> Found:
    """Factors, or a sum of Kronecker products if that holds fewer numbers."""
    nearest = _kron_sum(box, matrix, goal)
    try:
        operator, found = factorized_matrix(matrix, goal)
    except NotCompressibleError:
        if nearest is None:
            raise
        return nearest, None
    if nearest is not None and nearest.cost.parameters < found.chain.nnz:
        return nearest, None
    return operator, found


def _kron_sum(box: BlackBox, matrix: Columns, goal: Goal) -> LazyOperator | None:
    """The sum of the fewest Kronecker products within the tolerance, over the first two axes."""
    sizes, out_sizes = box.in_shape, box.out_shape
    if goal.chain is not None or not goal.tries or len(sizes) != 2 or len(out_sizes) != 2:
        return None
    if min(*sizes, *out_sizes) == 1:
        return None
    size = float(np.linalg.norm(matrix))
    for terms in range(1, _TERMS + 1):
        found = nearest_kron(matrix, list(zip(out_sizes, sizes, strict=True)), terms)
        if found.cost.parameters >= matrix.size:
            return None
        if np.linalg.norm(found.toarray() - matrix) <= goal.tol * size:
            return found
    return None


def _kron(parts: list[Columns], goal: Goal) -> tuple[LazyOperator, Any, list[Columns]]:
    """A Kronecker product of butterflies, and of matrices where these hold fewer numbers."""
    share = goal.within(math.expm1(math.log1p(goal.tol) / len(parts)))
    operators: list[LazyOperator] = []
    how: list[Factorization | None] = []
    for matrix in parts:
        try:
            operator, found = factorized_matrix(matrix, share)
        except NotCompressibleError:
            operator, found = Dense(matrix), None
        operators.append(operator)
        how.append(found)
    return Kron(*operators), tuple(how), [operator.toarray() for operator in operators]


def _distance(box: BlackBox, matrix: Columns | None, operator: LazyOperator) -> float:
    """Relative distance of an operator from a function, from all columns."""
    off, size, n = 0.0, 0.0, box.shape[1]
    for cut, columns in _columns(box, matrix):
        unit = np.eye(n, cut.stop - cut.start, k=-cut.start, dtype=operator.dtype)
        off += float(np.linalg.norm(operator @ unit - columns)) ** 2
        size += float(np.linalg.norm(columns)) ** 2
    return math.sqrt(off / size) if size else math.sqrt(off)


def _columns(box: BlackBox, matrix: Columns | None) -> Iterator[tuple[slice, Columns]]:
    if matrix is None:
        yield from box.blocks()
    else:
        yield slice(0, matrix.shape[1]), matrix


def _times(box: BlackBox, operator: LazyOperator) -> tuple[float, float]:
    """Medians of the seconds that the operator and the function take for one argument."""
    x = np.random.default_rng(3).standard_normal(box.shape[1]).astype(box.dtype)
    vector = box.argument(x)
    shape = (1, *box.in_shape) if box.vectorized else box.in_shape
    argument = box.argument(x.reshape(shape))
    return _median(lambda: operator @ vector), _median(lambda: box.function(argument))


def _median(call: Callable[[], Any]) -> float:
    call()
    taken: list[float] = []
    while len(taken) < _RUNS and (sum(taken) < _SECONDS or len(taken) < 3):
        start = perf_counter()
        call()
        taken.append(perf_counter() - start)
    return median(taken)
