"""The support of one Kronecker-sparse factor, and the algebra of such supports.

Values that live on a support are in `lazyop.butterfly.operator`; sequences of patterns are in
`lazyop.butterfly.chain`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from lazyop.scalars import positive_int

__all__ = ["Pattern", "as_pattern"]


@dataclass(frozen=True, order=True, slots=True)
class Pattern:
    r"""Support :math:`I_a \otimes 1_{b \times c} \otimes I_d` of a Kronecker-sparse matrix.

    The matrix is block-diagonal with `a` equal blocks, and each block is a :math:`b \times c`
    array of diagonal matrices of order `d`. Its values form an array of shape `(a, b, c, d)`:
    entry `[i, k, l, j]` stands in row :math:`i b d + k d + j` and column :math:`i c d + l d + j`.

    Two patterns *chain* when the product of their supports is a multiple of a support of the
    same kind, which is when

    .. math:: a_1 \mid a_2, \qquad d_2 \mid d_1, \qquad
              r = \frac{a_1 c_1}{a_2} = \frac{b_2 d_2}{d_1} \in \mathbb{N}.

    Then :math:`S_1 S_2 = r S_{12}` with :math:`S_{12}` the support of the pattern
    :math:`(a_1, b_1 d_1 / d_2, a_2 c_2 / a_1, d_2)`. The product of two matrices with these
    supports splits into :math:`a_2 d_1` disjoint blocks of size :math:`b_1 \times c_2`, each of
    rank `r` at most.

    Parameters
    ----------
    a, b, c, d : int
        Positive integers.

    Raises
    ------
    TypeError
        If a field is not an integer.
    ValueError
        If a field is below 1.

    References
    ----------
    Q.-T. Le, L. Zheng, E. Riccietti, R. Gribonval, "Butterfly factorization with error
    guarantees", arXiv:2411.04506.

    Examples
    --------
    >>> from lazyop.butterfly.pattern import Pattern
    >>> p, q = Pattern(1, 2, 2, 4), Pattern(2, 2, 2, 2)
    >>> p.shape, p.nnz, p.density
    ((8, 8), 16, 0.25)
    >>> p @ q
    Pattern(a=1, b=4, c=4, d=2)
    >>> p.rank_with(q)
    1
    >>> Pattern(1, 2, 3, 4).H
    Pattern(a=1, b=3, c=2, d=4)
    """

    a: int
    b: int
    c: int
    d: int

    def __post_init__(self) -> None:
        for field in fields(self):
            value = positive_int(getattr(self, field.name), f"{field.name} of a pattern")
            object.__setattr__(self, field.name, value)

    def __iter__(self) -> Iterator[int]:
        return iter((self.a, self.b, self.c, self.d))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns, `(a b d, a c d)`."""
        return self.a * self.b * self.d, self.a * self.c * self.d

    @property
    def nnz(self) -> int:
        """Number of entries on the support, `a b c d`."""
        return self.a * self.b * self.c * self.d

    @property
    def density(self) -> float:
        """Fraction of the entries on the support, `1 / (a d)`."""
        return 1 / (self.a * self.d)

    @property
    def H(self) -> Pattern:
        """Pattern of the adjoint, `(a, c, b, d)`."""
        return Pattern(self.a, self.c, self.b, self.d)

    def chainable_with(self, other: Pattern) -> bool:
        """Whether a chain may have `self` and then `other`.

        Parameters
        ----------
        other : Pattern
            The pattern of the right factor.

        Returns
        -------
        bool

        Examples
        --------
        >>> from lazyop.butterfly.pattern import Pattern
        >>> p, q = Pattern(1, 2, 2, 4), Pattern(2, 2, 2, 2)
        >>> p.chainable_with(q), q.chainable_with(p)
        (True, False)
        """
        return self._obstacle(other) is None

    def rank_with(self, other: Pattern) -> int:
        """Rank `r` of the blocks of a product of matrices with these two patterns.

        Parameters
        ----------
        other : Pattern
            The pattern of the right factor.

        Returns
        -------
        int

        Raises
        ------
        ValueError
            If the patterns do not chain.

        Examples
        --------
        >>> from lazyop.butterfly.pattern import Pattern
        >>> Pattern(1, 4, 8, 4).rank_with(Pattern(4, 8, 4, 1))
        2
        """
        obstacle = self._obstacle(other)
        if obstacle is not None:
            raise ValueError(f"{self} and {other} do not chain: {obstacle}")
        return self.a * self.c // other.a

    def __matmul__(self, other: Pattern) -> Pattern:
        """Pattern of the product of a matrix with this pattern and one with the other.

        Adjoints of patterns that chain multiply too: ``(p @ q).H`` is ``q.H @ p.H``.
        """
        if not isinstance(other, Pattern):
            return NotImplemented
        if not self.chainable_with(other) and other.H.chainable_with(self.H):
            return (other.H @ self.H).H
        self.rank_with(other)
        return Pattern(self.a, self.b * self.d // other.d, other.a * other.c // self.a, other.d)

    def _obstacle(self, other: Pattern) -> str | None:
        """The first condition of chaining that fails, in words."""
        if self.shape[1] != other.shape[0]:
            return f"the left has {self.shape[1]} columns, the right {other.shape[0]} rows"
        if other.a % self.a:
            return f"a of the left ({self.a}) does not divide a of the right ({other.a})"
        if self.d % other.d:
            return f"d of the right ({other.d}) does not divide d of the left ({self.d})"
        if self.a * self.c % other.a:
            return f"the rank a1 c1 / a2 = {self.a} * {self.c} / {other.a} is not an integer"
        return None


def as_pattern(obj: Any) -> Pattern:
    """`obj` itself if it is a pattern, else the pattern of four integers."""
    if isinstance(obj, Pattern):
        return obj
    try:
        numbers = tuple(obj)
    except TypeError:
        numbers = ()
    if len(numbers) != 4:
        raise TypeError(f"a pattern is four integers (a, b, c, d), got {obj!r}")
    return Pattern(*numbers)
