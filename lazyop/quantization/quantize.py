"""Quantization of a butterfly: what the caller passes in, and the record of the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lazyop.namespaces import name_of
from lazyop.operator import LazyOperator
from lazyop.quantization.codings import Floats
from lazyop.quantization.doubles import in_double
from lazyop.quantization.errors import relative_error
from lazyop.quantization.formats import FloatFormat, as_format
from lazyop.quantization.matches import Values
from lazyop.quantization.normal_form import normal_form
from lazyop.quantization.packed import pack_butterfly
from lazyop.quantization.ranges import times_power, unit_exponent
from lazyop.quantization.rank_one import searchable
from lazyop.quantization.structure import Chained, chained, quantized_dtype
from lazyop.quantization.term import Held, Term
from lazyop.scalars import as_integer, positive_real

__all__ = ["Quantization", "quantize"]

#: Relative error of the normal form where rounding is exact.
_CLOSEST = 2.0**-40

_METHODS = ("round", "pairwise", "left-to-right", "normal-form")


@dataclass(frozen=True, repr=False)
class Quantization:
    """A butterfly with entries of few bits, and how far it is from the exact one.

    Errors are Frobenius norms of the difference, by the norm of the exact operator, and true up to
    rounding in double precision.

    Attributes
    ----------
    operator : LazyOperator
        Acts as the one that was quantized, with permutations, coefficients and dtype. Holds the
        entries as bits, and multiplies from them: less memory, and more time. Its ``astype`` makes
        the butterfly of the same numbers.
    relative_error : float
        Of the operator.
    rounding_error : float
        Of plain rounding of every entry to the same format.
    bits_per_weight : float
        All bits that the operator holds, by the number of entries of its factors. A complex entry
        counts once, and has two numbers.
    format : FloatFormat
        What all entries are numbers of. Of a normal form, to which no format was given, the
        format of unbounded exponents to which rounding is as accurate.

    Examples
    --------
    >>> import numpy as np
    >>> import lazyop as lo
    >>> rng = np.random.default_rng(0)
    >>> F = lo.Butterfly([rng.standard_normal(tuple(p)) for p in lo.Chain.square_dyadic(64)])
    >>> found = lo.quantize(F, "bfloat16")
    >>> found.relative_error < found.rounding_error / 10
    True
    """

    operator: LazyOperator
    relative_error: float
    rounding_error: float
    bits_per_weight: float
    format: FloatFormat

    def __repr__(self) -> str:
        (m, n), gain = self.operator.shape, self.rounding_error / (self.relative_error or np.inf)
        closer = f", {gain:.3g} times less than rounding" if gain > 1 else ""
        return "\n".join(
            [
                f"Quantization of a {m} x {n} operator to {self.format}",
                f"  relative error  {self.relative_error:.3g}{closer}",
                f"  of rounding     {self.rounding_error:.3g}",
                f"  bits a weight   {self.bits_per_weight:.3g}",
            ]
        )


def quantize(
    F: LazyOperator,
    format: Any = None,
    *,
    method: str = "left-to-right",
    mirror: bool | None = None,
    sweeps: int | None = None,
    tol: float | None = None,
    bits: float | None = None,
    widths: str | None = None,
) -> Quantization:
    r"""Round the entries of a butterfly to few bits, so that their product stays accurate.

    A diagonal matrix and its inverse between two factors do not change their product, but change
    what rounding does to it. In a chain of rank one, the product is a sum of rank-one matrices
    with disjoint supports, one for each column of the factors left of a junction and row of those
    right of it: so each such pair can be scaled by itself, and errors add in squares.

    With "left-to-right", the columns of one factor after the other are scaled to be as parallel to
    themselves as can be when rounded; what is left of scale and direction goes to the row of the
    next factor, and the last two factors are quantized together, as `quantize_rank_one` does. Then
    coordinate descent goes over the junctions, back and forth: each time, the columns of one
    factor and the rows of the next are replaced by the best ones for all others as they are, by
    the same search, until nothing changes. In a chain of rank one no step makes the error larger.
    Of real columns and rows all scalings are compared, of complex ones up to 4096.

    Columns of chains of higher rank overlap. There the scalings are those that would be the best
    if they did not, which mostly still gains a good part; sweeps that gain nothing are undone.

    With "normal-form", what scalings leave free is not kept at all, and what is kept has as many
    bits as an error wants, or as are to be had: the result is a `PackedButterfly`, in which numbers
    have not the format, but the product has its accuracy.

    Parameters
    ----------
    F : LazyOperator
        A butterfly, a Kronecker-sparse factor, products of such neighbours, permutations around
        one, a multiple of one, or a sum of some of one chain, which are quantized one by one. On
        NumPy. The factors have to chain, from left to right or from right to left. A single factor
        has no junction, and is rounded.
    format : str, dtype or FloatFormat
        "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", their dtypes, or a `FloatFormat`.
        Powers of two on columns and rows keep all entries in its range, and in that of the dtype,
        where that is possible. Where it is for the large entries alone, small ones lose bits; a
        product that plain rounding is then closer to is rounded so.
        The normal form is at most as far off as plain rounding to this format, or `tol` or `bits`
        take its place.
    method : {"left-to-right", "pairwise", "round", "normal-form"}
        "pairwise" quantizes the first and the second factor together, the third and the fourth,
        and so on, and rounds the last of an odd number, before the sweeps. "round" rounds every
        entry. Only that takes formats with more than 16 significand bits.
    mirror : bool, optional
        Whether "left-to-right" goes from right to left. By default, both are done, and the better
        one is taken on.
    sweeps : int, optional
        How many sweeps of coordinate descent to make at most; by default, until nothing changes.
    tol : float, optional
        Of the normal form: the relative error to stay below, with as few bits as are found.
    bits : float, optional
        Of the normal form: bits per weight to stay below, with as small an error as is found.
    widths : {"number", "factor"}, optional
        Of the normal form: whether every number has a width of its own, for the fewest bits, or the
        numbers of a factor have one, which products read directly where Numba is installed. By
        default "number" for square dyadic chains of order less than 2**14, else "factor".

    Returns
    -------
    Quantization

    Raises
    ------
    ValueError
        If there is no such format or method, an entry is NaN, infinite, outside the range of double
        precision, or larger than powers of two can bring into the range (the error names the
        factor), `F` is not one chain, or an option does not go with the method.
    TypeError
        If `F` is not an operator, or not on NumPy, or an option is of another type.

    References
    ----------
    .. [1] R. Gribonval, T. Mary, E. Riccietti, "Optimal quantization of rank-one matrices in
       floating-point arithmetic, with applications to butterfly factorizations", 2023,
       hal-04125381.
    .. [2] M. Chaumette, R. Gribonval, E. Riccietti, "CROQuant: complex rank-one quantization
       algorithm, with application to butterfly factorizations", 2026, hal-05520926.

    Examples
    --------
    The discrete Fourier transform with four bits for each significand:

    >>> import scipy.linalg
    >>> import lazyop as lo
    >>> chain = lo.Chain.square_dyadic(64)
    >>> F = lo.factorize(scipy.linalg.dft(64), chain, permutation="bit-reversal").operator
    >>> found = lo.quantize(F, lo.FloatFormat(significand_bits=4))
    >>> found.relative_error < found.rounding_error / 8
    True

    The fewest bits for an error, by the normal form:

    >>> found = lo.quantize(F, tol=1e-3, method="normal-form")
    >>> found.relative_error <= 1e-3
    True
    >>> found.bits_per_weight < 16
    True
    """
    _check_options(method, mirror, sweeps, {"tol": tol, "bits": bits, "widths": widths})
    if method == "normal-form":
        return _in_normal_form(F, format, tol, bits, widths)
    form = as_format(format)
    if method != "round":
        searchable(form)
    found = chained(_on_numpy(F))
    dtype = _dtype(found)
    terms = [Term(_in_double(term), form, dtype) for term in found.terms]
    plain = [term.rounded() for term in terms]
    held = plain
    if method != "round":
        held = [
            _closer(term, term.held(_quantized(term, method, mirror, sweeps)), numbers)
            for term, numbers in zip(terms, plain, strict=True)
        ]
    operator = found.rebuild(
        [
            _packed(term.restored(numbers), form, dtype)
            for term, numbers in zip(terms, held, strict=True)
        ]
    )
    return Quantization(
        operator=operator,
        relative_error=_error(found, terms, [numbers.unit for numbers in held]),
        rounding_error=_error(found, terms, [numbers.unit for numbers in plain]),
        bits_per_weight=8 * operator.cost.nbytes / found.weights,
        format=form,
    )


def _in_normal_form(
    F: LazyOperator, format: Any, tol: float | None, bits: float | None, widths: str | None
) -> Quantization:
    """Quantize by the degrees of freedom, to the error of a format, to another, or to a size."""
    if sum(x is not None for x in (format, tol, bits)) != 1:
        raise ValueError(
            "the normal form takes one of: a format, a relative error, bits per weight"
        )
    found = chained(_on_numpy(F))
    dtype, doubles = _dtype(found), [_in_double(term) for term in found.terms]
    epsilon = float(np.finfo(dtype).eps)

    def rounding(form: FloatFormat) -> float:
        terms = [Term(values, form, dtype) for values in doubles]
        return _error(found, terms, [term.rounded().unit for term in terms])

    form = as_format(format) if format is not None else None
    if form is not None:
        tol = max(rounding(form), 16 * epsilon, _CLOSEST)
    packed = [normal_form(values, dtype, tol=tol, bits=bits, widths=widths) for values in doubles]
    operator = found.rebuild([each.operator for each in packed])
    terms = [Term(values, FloatFormat(53), dtype) for values in doubles]
    error = _error(found, terms, [each.unit for each in packed])
    if form is None:
        form = _as_accurate(rounding, error)
    return Quantization(
        operator=operator,
        relative_error=error,
        rounding_error=rounding(form),
        bits_per_weight=8 * operator.cost.nbytes / found.weights,
        format=form,
    )


def _as_accurate(rounding: Callable[[FloatFormat], float], error: float) -> FloatFormat:
    """Return the format of fewest significand bits that rounding to is as accurate."""
    low, high = 1, 53
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if rounding(FloatFormat(middle)) <= error else (middle + 1, high)
    return FloatFormat(low)


def _quantized(term: Term, method: str, mirror: bool | None, sweeps: int | None) -> list[Values]:
    start = term.pairwise() if method == "pairwise" else term.left_to_right(mirror)
    return term.swept(start, sweeps)


def _closer(term: Term, found: Held, plain: Held) -> Held:
    """The first, unless a narrow range, which only `Term.held` knows, has undone what it gained."""
    return min(found, plain, key=lambda numbers: term.error(numbers.unit))


def _error(found: Chained, terms: Sequence[Term], quantized: Sequence[list[Values]]) -> float:
    """Relative error of the whole operator."""
    if len(terms) == 1:
        return terms[0].error(quantized[0])
    multiples = _multiples(found.coefficients, terms)
    exact = [_times(c, term.unit) for c, term in zip(multiples, terms, strict=True)]
    return relative_error(exact, [_times(c, q) for c, q in zip(multiples, quantized, strict=True)])


def _multiples(coefficients: Sequence[complex], terms: Sequence[Term]) -> list[Values]:
    """By what the terms' unit factors are multiplied in the sum, the largest near 1."""
    numbers = [np.asarray(c, complex if isinstance(c, complex) else float) for c in coefficients]
    exponents = [unit_exponent(c) for c in numbers]
    total = [e + term.exponent for e, term in zip(exponents, terms, strict=True)]
    # Terms that are zero are of no size, and their exponents say nothing.
    counts = [c != 0 and term.unit[-1].any() for c, term in zip(numbers, terms, strict=True)]
    most = max((e for e, some in zip(total, counts, strict=True) if some), default=0)
    return [
        times_power(times_power(c, -e), min(max(t - most, -1000), 0))
        for c, e, t in zip(numbers, exponents, total, strict=True)
    ]


def _times(coefficient: Values, factors: list[Values]) -> list[Values]:
    return [coefficient * factors[0], *factors[1:]]


def _check_options(method: str, mirror: Any, sweeps: Any, options: dict[str, Any]) -> None:
    if method not in _METHODS:
        raise ValueError(f"unknown method {method!r}; known are {', '.join(_METHODS)}")
    if method in ("round", "normal-form") and sweeps is not None:
        raise ValueError(f"method {method!r} makes no sweeps")
    if method != "left-to-right" and mirror is not None:
        raise ValueError(f"method {method!r} has no mirror image")
    if mirror is not None and not isinstance(mirror, bool | np.bool_):
        raise TypeError(f"mirror must be True, False or None, got {mirror!r}")
    if sweeps is not None and as_integer(sweeps, "sweeps") < 0:
        raise ValueError(f"sweeps can't be negative, got {sweeps}")
    for name, value in options.items():
        if method != "normal-form" and value is not None:
            raise ValueError(f"method {method!r} takes no {name}, only 'normal-form' does")
    for name in ("tol", "bits"):
        if options[name] is not None:
            positive_real(options[name], name)


def _on_numpy(F: Any) -> LazyOperator:
    if not isinstance(F, LazyOperator):
        raise TypeError(
            f"expected a butterfly, got {type(F).__name__}; lazyop.factorize finds one in a matrix"
        )
    if F.namespace is not None and name_of(F.namespace) != "numpy":
        raise TypeError(f"expected data on NumPy, got {name_of(F.namespace)}; see .to('numpy')")
    return F


def _dtype(found: Chained) -> np.dtype[Any]:
    """Dtype of the result."""
    return quantized_dtype(np.result_type(*(values for term in found.terms for values in term)))


def _in_double(factors: Sequence[Values]) -> list[Values]:
    wide = np.complex128 if any(v.dtype.kind == "c" for v in factors) else np.float64
    names = [f"factor {k + 1} of {len(factors)}" for k in range(len(factors))]
    for values, name in zip(factors, names, strict=True):
        if not np.isfinite(values).all():
            raise ValueError(f"{name} holds NaN or infinity")
    return [in_double(values, wide, name) for values, name in zip(factors, names, strict=True)]


def _packed(factors: Sequence[Values], form: FloatFormat, dtype: np.dtype[Any]) -> LazyOperator:
    codings = [Floats(form.fitted(values)) for values in factors]
    return pack_butterfly([_as(values, dtype) for values in factors], codings)


def _as(values: Values, dtype: np.dtype[Any]) -> Values:
    """Values in the dtype of the result, which holds them exactly."""
    with np.errstate(over="ignore"):
        cast = values.astype(dtype)
    if not np.array_equal(cast, values):
        raise ValueError(f"some of the numbers found do not fit into {dtype}: scale the factors")
    return cast
