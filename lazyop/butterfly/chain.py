"""Sequences of patterns: the shape of a butterfly, without its values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from itertools import accumulate, pairwise
from math import isqrt, prod
from operator import matmul
from typing import Any, overload

from lazyop.butterfly.pattern import Pattern, as_pattern
from lazyop.scalars import positive_int
from lazyop.sequences import as_list

__all__ = ["Chain", "as_chain", "restrict_order"]


class Chain(Sequence[Pattern]):
    r"""Patterns :math:`\pi_1, \dots, \pi_L` of a product :math:`K_1 K_2 \cdots K_L`.

    An immutable, hashable sequence, leftmost factor first. A slice is a chain again.

    Parameters
    ----------
    patterns : iterable of Pattern or of 4-tuples of int
        At least one; the columns of each must match the rows of the next.

    Raises
    ------
    ValueError
        If there is no pattern, or two neighbours differ in size.

    References
    ----------
    Q.-T. Le, L. Zheng, E. Riccietti, R. Gribonval, "Butterfly factorization with error
    guarantees", arXiv:2411.04506.

    Examples
    --------
    >>> from lazyop.butterfly.chain import Chain
    >>> chain = Chain.square_dyadic(8)
    >>> chain
    Chain([(1, 2, 2, 4), (2, 2, 2, 2), (4, 2, 2, 1)])
    >>> chain.shape, chain.nnz, chain.ranks
    ((8, 8), 48, (1, 1))
    >>> chain.merge((2, 1))
    Chain([(1, 4, 4, 2), (4, 2, 2, 1)])
    >>> chain.chainable, chain.redundant
    (True, False)
    >>> chain.H
    Chain([(4, 2, 2, 1), (2, 2, 2, 2), (1, 2, 2, 4)])
    """

    __slots__ = ("_patterns",)
    _patterns: tuple[Pattern, ...]

    def __init__(self, patterns: Iterable[Any]) -> None:
        held = tuple(map(as_pattern, as_list(patterns, "patterns (a, b, c, d)")))
        if not held:
            raise ValueError("a chain holds at least one pattern")
        for position, (left, right) in enumerate(pairwise(held), start=1):
            if left.shape[1] != right.shape[0]:
                raise ValueError(
                    f"patterns {position} and {position + 1} of the chain do not fit: "
                    f"{left} has shape {left.shape}, {right} has shape {right.shape}"
                )
        object.__setattr__(self, "_patterns", held)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a chain cannot be changed")

    def __reduce__(self) -> tuple[Any, ...]:
        return Chain, (self._patterns,)

    def __len__(self) -> int:
        return len(self._patterns)

    def __iter__(self) -> Iterator[Pattern]:
        return iter(self._patterns)

    @overload
    def __getitem__(self, index: int) -> Pattern: ...
    @overload
    def __getitem__(self, index: slice) -> Chain: ...
    def __getitem__(self, index: int | slice) -> Pattern | Chain:
        if isinstance(index, slice):
            return Chain(self._patterns[index])
        return self._patterns[index]

    def __eq__(self, other: object) -> bool:
        return self._patterns == other._patterns if isinstance(other, Chain) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._patterns)

    def __repr__(self) -> str:
        return f"Chain({[tuple(p) for p in self]})"

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the product."""
        return self._patterns[0].shape[0], self._patterns[-1].shape[1]

    @property
    def nnz(self) -> int:
        """Number of values that all factors hold together."""
        return sum(p.nnz for p in self)

    @property
    def H(self) -> Chain:
        """Chain of the adjoint."""
        return Chain(p.H for p in reversed(self._patterns))

    @property
    def chainable(self) -> bool:
        """Whether all neighbours chain, so that a best approximation exists and is bounded."""
        return all(left.chainable_with(right) for left, right in pairwise(self))

    @property
    def ranks(self) -> tuple[int, ...]:
        """Rank between each factor and the next; ValueError if the chain is not chainable."""
        return tuple(
            _rank_at(position, left, right)
            for position, (left, right) in enumerate(pairwise(self), start=1)
        )

    @property
    def redundant(self) -> bool:
        """Whether some two neighbours hold more values than their product, and say no more."""
        return any(_redundant(left, right) for left, right in pairwise(self))

    def merge(self, partition: Iterable[int] | None = None) -> Chain:
        """Chain with groups of neighbours replaced by their products.

        Parameters
        ----------
        partition : iterable of int, optional
            Lengths of the groups, from the left, with sum `len(self)`. By default, redundant
            neighbours are merged until none is left, which does not change the set of
            matrices that the chain can represent.

        Returns
        -------
        Chain

        Raises
        ------
        ValueError
            If the lengths do not sum to the length of the chain, or a group does not chain.

        Examples
        --------
        >>> from lazyop.butterfly.chain import Chain
        >>> Chain.square_dyadic(8).merge((1, 2))
        Chain([(1, 2, 2, 4), (2, 4, 4, 1)])
        >>> Chain([(1, 2, 2, 2), (2, 2, 1, 1)]).merge()
        Chain([(1, 4, 2, 1)])
        """
        if partition is None:
            partition = self._partition()
        lengths = tuple(
            positive_int(n, "a group length") for n in as_list(partition, "lengths of groups")
        )
        if sum(lengths) != len(self):
            raise ValueError(
                f"group lengths {lengths} sum to {sum(lengths)}, the chain holds {len(self)} "
                "patterns"
            )
        ends = accumulate(lengths)
        return Chain(
            reduce(matmul, self._patterns[end - n : end])
            for n, end in zip(lengths, ends, strict=True)
        )

    def _partition(self) -> tuple[int, ...]:
        """Group lengths that merge redundant neighbours, the leftmost first, until none is left."""
        patterns, lengths = list(self), [1] * len(self)
        while True:
            pairs = enumerate(pairwise(patterns))
            k = next((k for k, (left, right) in pairs if _redundant(left, right)), None)
            if k is None:
                return tuple(lengths)
            patterns[k : k + 2] = [patterns[k] @ patterns[k + 1]]
            lengths[k : k + 2] = [lengths[k] + lengths[k + 1]]

    @classmethod
    def from_sizes(
        cls, rows: Iterable[int], cols: Iterable[int], ranks: int | Iterable[int] = 1
    ) -> Chain:
        r"""Chain from the sizes by which each factor splits rows and columns.

        With row sizes :math:`b_l`, column sizes :math:`c_l` and ranks :math:`r_l`
        (:math:`r_0 = r_L = 1`), pattern `l` is

        .. math:: \Bigl(\prod_{k<l} c_k,\; b_l r_{l-1},\; c_l r_l,\; \prod_{k>l} b_k\Bigr),

        and the product has shape :math:`(\prod b_l, \prod c_l)`.

        Parameters
        ----------
        rows, cols : iterables of int
            As many as there are factors.
        ranks : int or iterable of int
            One rank for all junctions, or one for each, a number fewer than factors.

        Returns
        -------
        Chain

        Raises
        ------
        ValueError
            If sizes and ranks do not fit in number, or one is below 1.
        TypeError
            If one is not an integer.

        Examples
        --------
        >>> from lazyop.butterfly.chain import Chain
        >>> Chain.from_sizes((4, 2), (3, 5), ranks=2)
        Chain([(1, 4, 6, 2), (3, 4, 5, 1)])
        """
        b = [positive_int(n, "a row size") for n in rows]
        c = [positive_int(n, "a column size") for n in cols]
        if len(b) != len(c):
            raise ValueError(f"as many row as column sizes are needed, got {len(b)} and {len(c)}")
        r = [1, *_junction_ranks(ranks, len(b) - 1), 1]
        return cls(
            (prod(c[:k]), b[k] * r[k], c[k] * r[k + 1], prod(b[k + 1 :])) for k in range(len(b))
        )

    @classmethod
    def square_dyadic(cls, n: int) -> Chain:
        r"""The :math:`\log_2 n` patterns :math:`(2^{l-1}, 2, 2, n / 2^l)` of the FFT.

        Parameters
        ----------
        n : int
            A power of two.

        Returns
        -------
        Chain

        Raises
        ------
        ValueError
            If `n` is not a power of two.
        TypeError
            If it is not an integer.

        Examples
        --------
        >>> from lazyop.butterfly.chain import Chain
        >>> Chain.square_dyadic(4)
        Chain([(1, 2, 2, 2), (2, 2, 2, 1)])
        """
        return cls.dyadic((n, n))

    @classmethod
    def dyadic(cls, shape: int | tuple[int, int], rank: int = 1) -> Chain:
        """Chain that halves the shorter side once a factor, redundant neighbours merged.

        Parameters
        ----------
        shape : int or tuple of int
            Rows and columns, powers of two. The halvings of the longer side are spread
            evenly over the factors.
        rank : int
            Rank at every junction.

        Returns
        -------
        Chain

        Raises
        ------
        ValueError
            If a side is not a power of two, or the rank is below 1.
        TypeError
            If one is not an integer.

        Examples
        --------
        >>> from lazyop.butterfly.chain import Chain
        >>> Chain.dyadic((16, 4))
        Chain([(1, 4, 2, 4), (2, 4, 2, 1)])
        >>> Chain.dyadic(16, rank=2)
        Chain([(1, 4, 8, 4), (4, 8, 4, 1)])
        """
        m, n = _shape(shape)
        row_bits, col_bits = _bits(m), _bits(n)
        count = max(1, min(row_bits, col_bits))
        return cls.from_sizes(
            _powers_of_two(row_bits, count), _powers_of_two(col_bits, count), rank
        ).merge()

    @classmethod
    def monarch(
        cls,
        shape: int | tuple[int, int],
        blocks: int | tuple[int, int] | None = None,
        rank: int = 1,
    ) -> Chain:
        r"""Two factors :math:`(1, m/K, R r, K)` and :math:`(R, K r, n/R, 1)`.

        Parameters
        ----------
        shape : int or tuple of int
            Rows `m` and columns `n`.
        blocks : int or tuple of int, optional
            `K`, which divides `m`, and `R`, which divides `n`; one int stands for both.
            By default the divisors closest to the square roots.
        rank : int
            Rank `r` at the junction.

        Returns
        -------
        Chain

        Raises
        ------
        ValueError
            If `K` does not divide `m`, or `R` does not divide `n`, or an integer is below 1.
        TypeError
            If one is not an integer.

        References
        ----------
        T. Dao et al., "Monarch: expressive structured matrices for efficient and accurate
        training", ICML 2022, arXiv:2204.00595.

        Examples
        --------
        >>> from lazyop.butterfly.chain import Chain
        >>> Chain.monarch(64)
        Chain([(1, 8, 8, 8), (8, 8, 8, 1)])
        """
        m, n = _shape(shape)
        if blocks is None:
            blocks = _middle_divisor(m), _middle_divisor(n)
        k, r = _pair(blocks, "blocks")
        for count, size, side in ((k, m, "rows"), (r, n, "columns")):
            if size % count:
                raise ValueError(f"{count} blocks do not divide {size} {side}")
        return cls.from_sizes((m // k, k), (r, n // r), rank)


def as_chain(obj: Any) -> Chain:
    """`obj` itself if it is a chain, else the chain of its patterns."""
    return obj if isinstance(obj, Chain) else Chain(obj)


def restrict_order(order: Iterable[int], partition: Iterable[int]) -> tuple[int, ...]:
    """Order of splits of a merged chain from one of the chain before.

    Split `s` stands between factors `s` and `s + 1`, counted from 1. Splits inside a group
    fall away, the others keep their order and are renumbered.
    """
    ends = tuple(accumulate(partition))[:-1]
    return tuple(ends.index(s) + 1 for s in order if s in ends)


def _redundant(left: Pattern, right: Pattern) -> bool:
    # With r >= min(b1, c2) a block of size b1 x c2 and rank r is any block at all.
    return left.chainable_with(right) and left.rank_with(right) >= min(left.b, right.c)


def _rank_at(position: int, left: Pattern, right: Pattern) -> int:
    try:
        return left.rank_with(right)
    except ValueError as error:
        raise ValueError(f"patterns {position} and {position + 1} of the chain: {error}") from None


def _junction_ranks(ranks: int | Iterable[int], count: int) -> list[int]:
    if not isinstance(ranks, Iterable):
        return [positive_int(ranks, "rank")] * count
    given = [positive_int(r, "rank") for r in ranks]
    if len(given) != count:
        raise ValueError(f"a chain of {count + 1} factors has {count} ranks, got {len(given)}")
    return given


def _pair(value: int | tuple[int, int], name: str) -> tuple[int, int]:
    if not isinstance(value, Iterable):
        value = value, value
    numbers = tuple(positive_int(n, name) for n in value)
    if len(numbers) != 2:
        raise ValueError(f"{name} must be one integer or two, got {value!r}")
    return numbers[0], numbers[1]


def _shape(shape: int | tuple[int, int]) -> tuple[int, int]:
    return _pair(shape, "shape")


def _bits(n: int) -> int:
    if n & (n - 1):
        raise ValueError(f"a dyadic chain needs sizes that are powers of two, got {n}")
    return n.bit_length() - 1


def _powers_of_two(bits: int, count: int) -> list[int]:
    """`count` powers of two with product `2**bits`, their exponents as equal as can be."""
    ends = [bits * k // count for k in range(count + 1)]
    return [2 ** (end - start) for start, end in pairwise(ends)]


def _middle_divisor(n: int) -> int:
    # The largest divisor below the square root is closer to it than its partner above.
    return next(d for d in range(isqrt(n), 0, -1) if n % d == 0)
