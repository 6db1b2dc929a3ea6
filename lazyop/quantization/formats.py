"""Floating-point formats of few bits: their numbers, rounding to nearest, and their codes.

All arithmetic is in double precision, of which every format here is a subset. What to round, so
that a product of rounded numbers is accurate, is no matter of this module.
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lazyop.quantization.significands import round_significand
from lazyop.scalars import as_integer, positive_int

__all__ = ["FORMATS", "FloatFormat", "as_format"]

#: What the largest codes stand for: infinities and NaNs, one NaN of each sign, or numbers.
_SPECIALS = ("infinity", "nan", "none")

#: Significand bits, exponents and smallest unit of double precision.
_DOUBLE = 53, 1023, -1074


@dataclass(frozen=True, repr=False)
class FloatFormat:
    r"""Binary floating-point numbers with a given width of significand and exponent.

    The numbers are zero and :math:`\pm m\,2^{e - t + 1}` with an integer
    :math:`2^{t-1} \le m < 2^t`. With `w` exponent bits, a code is a sign, an exponent field and
    the significand without its leading bit, the widths of which are 1, `w` and `t - 1`; numbers
    below the least exponent lose leading bits, as IEEE 754 has it.

    Parameters
    ----------
    significand_bits : int
        `t`, from 1 to 53, the leading bit included: 11 for half precision, 8 for bfloat16.
    exponent_bits : int, optional
        `w`, from 2 to 11. By default exponents are unbounded, within double precision; an array
        of such numbers is held with the exponents that it needs (see `fitted`).
    bias : int, optional
        What is added to an exponent to make its field; :math:`2^{w-1} - 1` by default.
    specials : {"infinity", "nan", "none"}
        What the codes with the largest exponent field are: infinities and NaNs, as in IEEE 754;
        numbers but for the last one of each sign, which is a NaN; or numbers.

    Raises
    ------
    ValueError
        If a width is out of range, or double precision does not hold all numbers of the format.
    TypeError
        If one is not an integer.

    Examples
    --------
    >>> import lazyop as lo
    >>> half = lo.FloatFormat(significand_bits=11, exponent_bits=5)
    >>> half.bits, half.largest
    (16, 65504.0)
    >>> half.round([0.1, 1e-9, 7e4])
    array([0.09997559, 0.        ,        inf])
    >>> lo.FloatFormat(significand_bits=2).round([1.2, 1.3, 70.0])
    array([ 1. ,  1.5, 64. ])
    """

    significand_bits: int
    exponent_bits: int | None = None
    _: KW_ONLY
    bias: int | None = None
    specials: str = field(default="infinity")

    def __post_init__(self) -> None:
        t = positive_int(self.significand_bits, "significand_bits")
        if t > _DOUBLE[0]:
            raise ValueError(f"significand_bits must be at most {_DOUBLE[0]}, got {t}")
        object.__setattr__(self, "significand_bits", t)
        if self.specials not in _SPECIALS:
            raise ValueError(f"specials must be one of {_SPECIALS}, got {self.specials!r}")
        if self.exponent_bits is None:
            if self.bias is not None:
                raise ValueError("a format with unbounded exponents has no bias")
            if self.specials != "infinity":
                raise ValueError("a format with unbounded exponents has no codes to be specials")
            return
        w = positive_int(self.exponent_bits, "exponent_bits")
        if w > 11 or (w < 2 and self.specials != "none"):
            raise ValueError(f"exponent_bits must be from 2 to 11, got {w}")
        object.__setattr__(self, "exponent_bits", w)
        bias = 2 ** (w - 1) - 1 if self.bias is None else as_integer(self.bias, "bias")
        object.__setattr__(self, "bias", bias)
        too_large = self.specials != "none" and self._last_exponent() > _DOUBLE[1]
        if too_large or self.min_exponent - t + 1 < _DOUBLE[2]:
            raise ValueError(f"{self} holds numbers that double precision does not hold")

    def __repr__(self) -> str:
        said = [f"significand_bits={self.significand_bits}"]
        if self.exponent_bits is not None:
            said.append(f"exponent_bits={self.exponent_bits}")
            if self.bias != 2 ** (self.exponent_bits - 1) - 1:
                said.append(f"bias={self.bias}")
        if self.specials != "infinity":
            said.append(f"specials={self.specials!r}")
        return f"FloatFormat({', '.join(said)})"

    # What it holds --------------------------------------------------------------------------

    @property
    def is_bounded(self) -> bool:
        """Whether there is a largest number."""
        return self.exponent_bits is not None

    @property
    def bits(self) -> int:
        """Width of a code, sign included.

        Raises
        ------
        ValueError
            If exponents are unbounded; see `fitted`.
        """
        return 1 + self._width() + self.significand_bits - 1

    @property
    def max_exponent(self) -> int:
        """Exponent of the largest number; that of double precision where there is none."""
        return min(self._last_exponent(), _DOUBLE[1])

    def _last_exponent(self) -> int:
        if self.exponent_bits is None or self.bias is None:
            return _DOUBLE[1]
        last = (1 << self.exponent_bits) - 1
        # Without bits beside the leading one, the one NaN takes the whole field.
        reserved = self.specials == "infinity" or (
            self.specials == "nan" and self.significand_bits == 1
        )
        return last - reserved - self.bias

    @property
    def min_exponent(self) -> int:
        """Least exponent of a number with all its bits; that of double precision if unbounded."""
        return 1 - _DOUBLE[1] if self.bias is None else 1 - self.bias

    @property
    def largest(self) -> float:
        """The largest finite number; infinity if exponents are unbounded."""
        if not self.is_bounded:
            return math.inf
        t = self.significand_bits
        significand = 2**t - (2 if self.specials == "nan" and t > 1 else 1)
        return math.ldexp(significand, self.max_exponent - t + 1)

    @property
    def dtype(self) -> Any:
        """The dtype of NumPy or ml_dtypes of which the codes are the bits.

        Raises
        ------
        ValueError
            If there is none.
        ImportError
            If it is one of ml_dtypes, which is not installed.

        Examples
        --------
        >>> import lazyop as lo
        >>> form = lo.FloatFormat(significand_bits=11, exponent_bits=5)
        >>> form.encode([1.0, -2.5]).view(form.dtype)
        array([ 1. , -2.5], dtype=float16)
        """
        name = next((name for name, form in _DTYPES.items() if form == self), None)
        if name is None:
            raise ValueError(f"there is no dtype of the codes of {self}")
        if hasattr(np, name):
            return np.dtype(name)
        try:
            import ml_dtypes
        except ImportError as error:
            raise ImportError(f"{name} comes with: pip install lazyop[quantization]") from error
        return np.dtype(getattr(ml_dtypes, name))

    # Rounding -------------------------------------------------------------------------------

    def round(self, values: Any) -> npt.NDArray[Any]:
        """Nearest numbers of the format; of two equally near, the one with an even significand.

        Parameters
        ----------
        values : array_like
            Real, or complex, of which real and imaginary parts are rounded one by one.

        Returns
        -------
        array
            Single precision stays so, all else becomes double. What rounds to more than the
            largest number becomes infinite, or NaN where the format has no infinity.
        """
        x = np.asarray(values)
        if x.dtype.kind == "c":
            single = x.dtype == np.complex64
            wide = np.ascontiguousarray(x, dtype=np.complex64 if single else np.complex128)
            parts = self.round(wide.view(wide.real.dtype).reshape(*x.shape, 2))
            return np.asarray(parts.view(wide.dtype).reshape(x.shape))
        kept = x.dtype if x.dtype == np.float32 else np.dtype(np.float64)
        x = np.asarray(x, dtype=np.float64)
        rounded = round_significand(x, self.significand_bits)
        if self.is_bounded:
            rounded = self._within_range(x, rounded)
        return np.asarray(rounded.astype(kept, copy=False))

    def _within_range(
        self, x: npt.NDArray[np.float64], rounded: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        unit, normal = self.min_exponent - self.significand_bits + 1, 2.0**self.min_exponent
        units = np.rint(np.ldexp(np.clip(x, -normal, normal), -unit))
        small = np.copysign(np.ldexp(units, unit), x)
        rounded = np.where(np.abs(x) < normal, small, rounded)
        over = np.copysign(np.inf if self.specials == "infinity" else np.nan, x)
        return np.where(np.abs(rounded) > self.largest, over, rounded)

    # Codes ----------------------------------------------------------------------------------

    def fitted(self, values: Any) -> FloatFormat:
        """Format with the fewest exponent bits that hold some numbers of this format.

        Parameters
        ----------
        values : array_like
            Numbers of the format, real or complex.

        Returns
        -------
        FloatFormat
            The format itself where its exponents are bounded. Else one without special codes, of
            which width and bias are to be kept beside the codes.

        Raises
        ------
        ValueError
            If a value is not finite.

        Examples
        --------
        >>> import lazyop as lo
        >>> fitted = lo.FloatFormat(significand_bits=4).fitted([0.0, 1.5, -12.0])
        >>> fitted.exponent_bits, fitted.bits
        (3, 7)
        >>> fitted.decode(fitted.encode([0.0, 1.5, -12.0]))
        array([  0. ,   1.5, -12. ])
        """
        if self.is_bounded:
            return self
        parts = _parts(np.asarray(values))
        _check_finite(parts)
        exponents = np.frexp(parts[parts != 0])[1] - 1
        exponents = np.maximum(exponents, self.min_exponent)
        low, high = (int(exponents.min()), int(exponents.max())) if exponents.size else (0, 0)
        # Field 0 is left to zero.
        width = max(1, (high - low + 1).bit_length())
        return FloatFormat(self.significand_bits, width, bias=1 - low, specials="none")

    def encode(self, values: Any) -> npt.NDArray[np.unsignedinteger[Any]]:
        """Codes of numbers of the format.

        Parameters
        ----------
        values : array_like
            Real numbers of the format, as `round` gives them.

        Returns
        -------
        array of unsigned integers
            Of the least dtype that holds `bits` bits.

        Raises
        ------
        ValueError
            If a value is not a finite number of the format, or exponents are unbounded.
        """
        x = np.asarray(values, dtype=np.float64)
        t, dtype = self.significand_bits, self._code_dtype()
        _check_finite(x)
        size = np.abs(x)
        exponent = np.where(size > 0, np.frexp(size)[1] - 1, self.min_exponent)
        exponent = np.maximum(exponent, self.min_exponent)
        with np.errstate(over="ignore"):
            significand = np.ldexp(size, t - 1 - exponent)
        outside = (size > self.largest) | (significand != np.rint(significand))
        if outside.any():
            raise ValueError(f"{float(x[outside].flat[0])!r} is not a number of {self}")
        # Where the significand has its leading bit, the sum carries it into the exponent field.
        code = significand.astype(np.int64) + (
            (exponent.astype(np.int64) - self.min_exponent) << (t - 1)
        )
        sign = np.signbit(x).astype(np.uint64) << np.uint64(self.bits - 1)
        return np.asarray((code.astype(np.uint64) | sign).astype(dtype))

    def decode(self, codes: Any) -> npt.NDArray[np.float64]:
        """Numbers of which `encode` gives the codes.

        Parameters
        ----------
        codes : array_like of unsigned integers

        Returns
        -------
        array of float64
            Infinities and NaNs included.

        Raises
        ------
        ValueError
            If exponents are unbounded, or a code is negative or has more bits than `bits`.
        TypeError
            If one is not an integer.
        """
        t, width = self.significand_bits, self._width()
        code = _codes(codes, self.bits).astype(np.uint64)
        low, magnitude = np.uint64(2 ** (t - 1) - 1), np.uint64(2 ** (self.bits - 1) - 1)
        fields = ((code & magnitude) >> np.uint64(t - 1)).astype(np.int64)
        leading = np.where(fields > 0, 2 ** (t - 1), 0)
        significand = ((code & low).astype(np.int64) + leading).astype(np.float64)
        exponent = np.maximum(fields, 1) - 1 + self.min_exponent - (t - 1)
        # Fields of special codes may lie above double precision, and are replaced below.
        special = self._special(fields, code & low, 2**width - 1)
        values = np.ldexp(significand, np.where(special > 0, 0, exponent))
        values = np.where(special == 1, np.inf, np.where(special == 2, np.nan, values))
        negative = (code >> np.uint64(self.bits - 1)) > 0
        return np.asarray(np.where(negative, -values, values))

    def _special(
        self, fields: npt.NDArray[np.int64], rest: npt.NDArray[np.uint64], last: int
    ) -> npt.NDArray[np.int64]:
        """1 where a code is an infinity, 2 where it is a NaN, else 0."""
        is_last = fields == last
        if self.specials == "infinity":
            return np.where(is_last, np.where(rest == 0, 1, 2), 0)
        if self.specials == "nan":
            return np.where(is_last & (rest == 2 ** (self.significand_bits - 1) - 1), 2, 0)
        return np.zeros_like(fields)

    def _width(self) -> int:
        if self.exponent_bits is None:
            raise ValueError(
                f"{self} has unbounded exponents, and no codes of one width; "
                "its method fitted gives a format that holds given values"
            )
        return self.exponent_bits

    def _code_dtype(self) -> np.dtype[Any]:
        return np.dtype(f"u{next(size for size in (1, 2, 4, 8) if self.bits <= 8 * size)}")


#: The formats that have names, after their dtypes in NumPy and ml_dtypes.
FORMATS = {
    "float16": FloatFormat(11, 5),
    "bfloat16": FloatFormat(8, 8),
    "float8_e4m3fn": FloatFormat(4, 4, specials="nan"),
    "float8_e5m2": FloatFormat(3, 5),
}


#: All that have dtypes.
_DTYPES = {**FORMATS, "float32": FloatFormat(24, 8), "float64": FloatFormat(53, 11)}


def as_format(obj: Any) -> FloatFormat:
    """Return the format that a caller means: one itself, its name, or its dtype.

    Raises
    ------
    ValueError
        If there is no format of that name.
    TypeError
        If it is none of these.
    """
    if isinstance(obj, FloatFormat):
        return obj
    name = obj if isinstance(obj, str) else _dtype_name(obj)
    if name not in FORMATS:
        raise ValueError(f"unknown format {name!r}; known are {', '.join(FORMATS)} and FloatFormat")
    return FORMATS[name]


def _codes(codes: Any, bits: int) -> npt.NDArray[np.integer[Any]]:
    """Codes in an array, after checking that they are of so many bits."""
    array = np.asarray(codes)
    if not array.size:
        return array.astype(np.uint64)
    if array.dtype.kind not in "iu":
        raise TypeError(f"codes must be unsigned integers, got an array of dtype {array.dtype}")
    outside = (array < 0) | (array >> bits > 0) if 8 * array.itemsize > bits else array < 0
    if outside.any():
        raise ValueError(f"a code has {bits} bits, got {array[outside].flat[0]}")
    return array


def _dtype_name(obj: Any) -> str:
    try:
        # None would be the default dtype.
        return str(np.dtype("" if obj is None else obj).name)
    except TypeError:
        raise TypeError(
            f"a format must be a FloatFormat or one of {', '.join(map(repr, FORMATS))}, got {obj!r}"
        ) from None


def _parts(x: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Real and imaginary parts, in one array."""
    parts = np.stack([x.real, x.imag]) if x.dtype.kind == "c" else x
    return np.asarray(parts, dtype=np.float64)


def _check_finite(x: npt.NDArray[np.float64]) -> None:
    finite = np.isfinite(x)
    if not finite.all():
        raise ValueError(f"values must be finite, got {float(x[~finite].flat[0])!r}")
