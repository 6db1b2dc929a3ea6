"""What an operator holds and what its product costs, as numbers."""

from __future__ import annotations

from typing import NamedTuple


class Cost(NamedTuple):
    """Size and price of an operator.

    Attributes
    ----------
    parameters : int
        Numbers held, an array that several operands share being counted once.
        Index data (of a permutation, of a restriction) are not parameters.
    flops : int
        Real floating-point operations of a product with one column: 2 for each real
        multiply-add, 8 for each complex one.
    nbytes : int
        Bytes held, index data included.

    Examples
    --------
    >>> import lazyop as lo
    >>> lo.Diagonal([1.0, 2.0, 3.0]).cost
    Cost(parameters=3, flops=6, nbytes=24)
    """

    parameters: int
    flops: int
    nbytes: int
