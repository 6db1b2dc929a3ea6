"""What counts as a matrix: the one function that makes operators of other things.

The operators register here what they are made of; see `lazyop.structured`.
"""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING, Any

from lazyop.namespaces import is_array

if TYPE_CHECKING:
    from lazyop.operator import LazyOperator


def is_operator(x: object) -> bool:
    """Whether ``x`` stands for a matrix that `aslazy` wraps when it meets an operator.

    Arrays do not: to them an operator applies. What a library has registered does.
    """
    if is_array(x):
        return False
    return aslazy.dispatch(type(x)) is not aslazy.dispatch(object) or hasattr(x, "matvec")


@singledispatch
def aslazy(obj: Any) -> LazyOperator:
    """Return an operator for anything that stands for a matrix.

    Parameters
    ----------
    obj : array_like, sparse array, or operator
        A dense two-dimensional array (of any namespace), a SciPy or CuPy sparse array, a SciPy
        operator, or any object with ``shape``, ``dtype``, ``matvec`` and ``rmatvec``.
        A lazyop operator is returned as it is.

    Returns
    -------
    LazyOperator

    Raises
    ------
    TypeError
        If ``obj`` is nothing of the kind, or has no dtype.
    ValueError
        If it is not two-dimensional.

    Notes
    -----
    A single-dispatch function: a library can register its own types with ``aslazy.register``.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.aslazy([[1.0, 2.0], [3.0, 4.0]])
    Dense(2x2, float64)
    """
    raise TypeError(f"expected a matrix or an operator, got {type(obj).__name__}")
