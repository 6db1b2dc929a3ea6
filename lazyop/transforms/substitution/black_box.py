"""A function of arrays, called as a function of columns, and what every call of it is held to.

What a call may do wrong is found here: write into its argument, return NaN, or change the shape or
the dtype of its result. Whether it is linear is for `lazyop.transforms.substitution.linearity`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from lazyop.namespaces import Array, as_array, dtype_of, move, resolve, to_numpy

__all__ = ["BlackBox", "Columns"]

#: Columns on NumPy, one argument or result of the function each.
Columns = npt.NDArray[Any]

#: How much the arguments or results may take that are asked for at a time.
_BLOCK_BYTES = 1 << 25


class BlackBox:
    """A function from arrays of one shape to arrays of another, seen as a matrix.

    Parameters
    ----------
    function : callable
    shape : tuple of int
        Of the argument.
    dtype : numpy.dtype
        Of the argument.
    vectorized : bool
        Whether the function takes a stack of arguments along a new first axis.
    home : str, namespace or device
        Where the arguments are made.

    Attributes
    ----------
    out_shape : tuple of int
        Of the result.
    out_dtype : numpy.dtype
        Of the result for an argument of the dtype above; float64 for integers.
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        vectorized: bool,
        home: Any,
    ) -> None:
        self.function, self.in_shape, self.dtype = function, shape, dtype
        self.vectorized, self.home = vectorized, resolve(home)
        self._dtypes: dict[np.dtype[Any], np.dtype[Any]] = {}
        self.out_shape = self._first_shape()
        if 0 in self.out_shape:
            raise ValueError(f"the function returns an empty array, of shape {self.out_shape}")
        self(np.ones((self.shape[1], 1), dtype))

    @property
    def is_on_numpy(self) -> bool:
        """Whether the arguments are NumPy's own arrays."""
        return isinstance(self.argument(np.empty(0, self.dtype)), np.ndarray)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the matrix."""
        return math.prod(self.out_shape), math.prod(self.in_shape)

    @property
    def out_dtype(self) -> np.dtype[Any]:
        """Of the results."""
        return _floating(self._dtypes[self.dtype])

    def __call__(self, X: Columns) -> Columns:
        """Apply the function to columns `(n, k)` one after the other, or to all at once."""
        if self.vectorized:
            return self._checked(self._stack(X), (X.shape[1], *self.out_shape), X)
        results = [self._checked(self._one(x), self.out_shape, x) for x in X.T]
        if not results:
            return np.zeros((self.shape[0], 0), self.out_dtype)
        return np.concatenate(results, axis=1)

    def columns(self, index: npt.NDArray[np.int64]) -> Columns:
        """Some columns of the matrix."""
        unit = np.zeros((self.shape[1], index.size), self.dtype)
        unit[index, np.arange(index.size)] = 1
        return self(unit)

    def blocks(self) -> Iterator[tuple[slice, Columns]]:
        """All columns of the matrix, some at a time."""
        m, n = self.shape
        width = max(1, _BLOCK_BYTES // (16 * max(m, n)))
        for start in range(0, n, width):
            stop = min(start + width, n)
            yield slice(start, stop), self.columns(np.arange(start, stop))

    def argument(self, x: Columns) -> Array:
        """One argument, or a stack of them, as the function takes it: a copy of its own."""
        xp, device = self.home
        return move(np.array(x, order="C"), xp, device, x.dtype)

    # The calls ------------------------------------------------------------------------------

    def _first_shape(self) -> tuple[int, ...]:
        x = np.ones(self.in_shape, self.dtype)
        result = self.function(self.argument(x[None] if self.vectorized else x))
        shape = tuple(as_array(result, "the result of the function").shape)
        if not self.vectorized:
            return shape
        if not shape or shape[0] != 1:
            raise ValueError(
                "a vectorized function returns a result for each argument along the first axis: "
                f"of an argument of shape {(1, *self.in_shape)} it made {shape}"
            )
        return shape[1:]

    def _one(self, x: Columns) -> Array:
        return self._call(x.reshape(self.in_shape))

    def _stack(self, X: Columns) -> Array:
        return self._call(X.T.reshape(X.shape[1], *self.in_shape))

    def _call(self, x: Columns) -> Array:
        argument = self.argument(x)
        result = self.function(argument)
        if not np.array_equal(to_numpy(argument), x):
            raise ValueError(
                "the function writes into its argument; let it work on a copy, as in "
                "lambda x: function(x.copy())"
            )
        return result

    def _checked(self, result: Any, shape: tuple[int, ...], x: Columns) -> Columns:
        """A result as columns on NumPy, of the shape and dtype that the others have."""
        result = as_array(result, "the result of the function")
        if tuple(result.shape) != shape:
            raise ValueError(
                f"the function changes the shape of its result: expected {shape}, as before, "
                f"got {tuple(result.shape)}"
            )
        dtype = dtype_of(result)
        if dtype.kind in "fc" and dtype.char not in "fdFD":
            raise TypeError(
                f"the function returns {dtype}, expected numbers in single or double precision"
            )
        before = self._dtypes.setdefault(x.dtype, dtype)
        if dtype != before:
            raise ValueError(
                f"the function changes the dtype of its result: {before} before, now {dtype}, both "
                f"for an argument of dtype {x.dtype}"
            )
        Y = to_numpy(result).reshape(-1, self.shape[0]).T.astype(_floating(dtype), copy=False)
        if not np.all(np.isfinite(Y)):
            raise ValueError("the function returns NaN or infinite numbers for a finite argument")
        return Y


def _floating(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.float64) if dtype.kind in "biu" else dtype
