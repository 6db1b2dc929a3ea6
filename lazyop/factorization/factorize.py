"""Factorization of a matrix: what the caller passes in.

Checks the options, makes the input dense, and hands over to a given chain or to the search.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from lazyop.butterfly.chain import Chain, as_chain, restrict_order
from lazyop.factorization.given_chain import Factorization, factorize_on
from lazyop.factorization.hierarchical import split_order
from lazyop.factorization.matrix import Target, prepared, scaled
from lazyop.factorization.matrix_free import DENSE_BYTES, Source, opened
from lazyop.factorization.permutation import searched_permutations
from lazyop.factorization.residual_sum import residual_sum
from lazyop.factorization.search import within_parameters, within_tolerance
from lazyop.factorization.sketched import factorize_source
from lazyop.factorization.sketched_search import source_within_parameters, source_within_tolerance
from lazyop.namespaces import Array
from lazyop.scalars import as_real, positive_int

__all__ = ["factorize"]


def factorize(
    A: Any,
    chain: Chain | Iterable[Any] | None = None,
    *,
    tol: float | None = None,
    max_parameters: int | None = None,
    terms: int = 1,
    order: str | Iterable[int] = "left-to-right",
    orthonormalize: bool = True,
    permutation: Any = None,
    shape: tuple[int, int] | None = None,
    progress: bool = False,
) -> Factorization:
    r"""Approximate a matrix by a product of Kronecker-sparse factors with given patterns.

    Finds :math:`A \approx K_1 K_2 \cdots K_L`, with the support of :math:`K_l` the `l`-th
    pattern of the chain, by :math:`L - 1` steps. A step takes one split `s` of the chain and
    replaces a factor by two, the best two for it: across the split, the product of patterns
    before and after cuts the matrix into disjoint blocks, and each is truncated to the rank
    :math:`r_s` of the split by its singular value decomposition. With

    .. math:: E_s = \Bigl(\sum_{\text{blocks of } A} \sum_{i > r_s} \sigma_i^2\Bigr)^{1/2},

    no factors of this chain come closer to `A` than :math:`\max_s E_s`. What the steps find is
    no further away than :math:`\sum_s E_s`, and than :math:`(\sum_s E_s^2)^{1/2}` if every step
    splits off an end of what remains, as in the orders from left to right and back. A matrix
    that is such a product is recovered, up to rounding, in any order with orthonormalisation;
    without it, if no block of the product falls short of its rank.

    The truncations come from closed forms for blocks with two rows and from Gram matrices for
    others, as long as the squared error is above the optimum by less than 1e-10 of it (3e-5 in
    single precision) or by rounding alone. That holds but for blocks that are nearly of lower
    rank; these take the decompositions themselves.

    With `tol` or `max_parameters` in place of a chain, it chooses the chain itself. The cut of a
    chain between two factors is given by how many row sizes and how many column sizes are left of
    it, multiplied out, as :math:`(B, C)`; the blocks there, and so :math:`E_s` as a function of
    the rank, depend on nothing else. From the spectra at cuts that keep :math:`B` and :math:`C`
    in proportion, and at the one that makes two factors of low rank, it finds the path of cuts
    and the rank at each with the fewest numbers for which :math:`\sum_s E_s^2` stays within one
    budget, by dynamic programming with a Lagrange multiplier. As the error is mostly below that
    sum, larger budgets are tried as well, and so are equal ranks at all cuts. What a path does not
    cut is merged; the path without cuts is the matrix itself, as one dense factor.

    An operator whose dense matrix would take more than 64 MiB, or a function that returns blocks of
    so many entries, is never made dense. The split with the smallest two factors is then made
    first: from sketches of an operator, which for a square dyadic chain of rank `r` take
    :math:`(r + 8) \sqrt{n}` products with it and twice as many with its adjoint [3]_, or from the
    entries of a function, of which each is asked for once, in panels of columns. Memory is taken
    for these two factors, :math:`O(r n^{3/2})` numbers. The error is then not computed but
    estimated: the result has an `estimate`, with an interval, and no bounds. With `tol`, the
    end of that interval has to be within it, and the chain is cut near the middle in any case.

    Parameters
    ----------
    A : array, array_like, sparse array, operator or function, shape (m, n)
        Integers count as float64; other precisions and the array's namespace are kept. An operator
        or sparse array is made dense if that takes 64 MiB or less; a larger one needs products with
        its adjoint as well. A function is called as ``A(rows, cols)`` with two integer
        arrays, and returns the block of entries there, of shape ``(len(rows), len(cols))``.
        A tensor of PyTorch that requires a gradient, such as the weight of a layer, counts as a
        constant: the factors don't require gradients.
    chain : Chain or sequence of patterns, optional
        Chainable, of shape `(m, n)`. Redundant neighbours are merged first, which costs no
        accuracy and saves numbers.
    tol : float, optional
        Instead of a chain: the relative error that must not be exceeded.
    max_parameters : int, optional
        Instead of a chain: how many numbers the factors may hold together.
    terms : int
        With more than one, which takes a chain, the operator is a sum of such products, at most so
        many: each is fitted to what those before it leave. `refine` improves them together. It
        takes a matrix that is dense or small enough to be made so, and so does a search for
        permutations.
    order : {"left-to-right", "right-to-left", "balanced"} or sequence of int
        Order of the splits, numbered from 1 to `len(chain) - 1` from the left.
        The first two are the fastest, and have the better bound. Where the chain is chosen, only
        a name will do. For what is not made dense, it is the order on either side of the split that
        comes first.
    orthonormalize : bool
        Whether to bring the other factors to orthonormal form before each step, so that the
        step minimises the error of the whole product. It costs little, and nothing at all from
        left to right or from right to left.
    permutation : None, "bit-reversal", "search", Permutation or pair
        A permutation `Q` of the columns: the operator is the product of the factors times `Q`.
        A pair `(P, Q)`, in which either may be None, "bit-reversal" or a permutation, makes it
        `P` times the product times `Q`. With "search", both are looked for, in square matrices
        whose order is a power of two: first among the eight permutations of [2]_, then by pairs
        of rows that are multiples of each other on both halves of a common partition of the
        columns, level by level. That finds the permutations of a Fourier or Hadamard matrix, or
        of a generic product of square dyadic factors, also under some noise. It promises nothing
        for others, and searches in NumPy, where a copy of `A` goes.
    shape : tuple of int, optional
        `(m, n)`, where `A` is a function, and nowhere else.
    progress : bool
        Whether to show progress bars, by tqdm: of the steps, of a search, of the pass over a matrix
        that is not dense, and of the bounds when these are read.

    Returns
    -------
    Factorization

    Raises
    ------
    ValueError
        If `A` is empty or not finite, there is not exactly one of `chain`, `tol` and
        `max_parameters`, no chain that is tried has so few parameters, the chain does not have
        the shape of `A` or does not chain, the order is no permutation of the splits, a
        permutation does not fit, or `terms` is below 1, or above it without a chain. If the shape
        of a function is missing, or its blocks have another one. If the products of a large
        operator and of its adjoint contradict each other. If an option needs entries that are not
        at hand, or no factors that hold much less than a dense matrix are found within `tol`.
    TypeError
        If the entries of `A` are not real or complex numbers in single or double precision, or not
        known, because JAX or PyTorch traces or differentiates the function that calls this. If a
        large operator has no products with its adjoint.
    ImportError
        If a progress bar is asked for, and tqdm is not installed.

    References
    ----------
    .. [1] The algorithm is that of Q.-T. Le, L. Zheng, E. Riccietti, R. Gribonval, "Butterfly
       factorization with error guarantees", SIAM J. Matrix Anal. Appl. 46(4), 2025,
       arXiv:2411.04506. The bounds above are proved in lazyop's documentation.
    .. [2] Q.-T. Le, L. Zheng, E. Riccietti, R. Gribonval, "Fast learning of fast transforms, with
       guarantees", ICASSP 2022, hal-03438881.
    .. [3] J. A. Tropp, A. Yurtsever, M. Udell, V. Cevher, "Practical sketching algorithms for
       low-rank matrix approximation", SIAM J. Matrix Anal. Appl. 38(4), 2017.

    Examples
    --------
    The discrete Fourier transform is a product of ten sparse factors and the bit reversal:

    >>> import scipy.linalg
    >>> from lazyop import Chain, factorize
    >>> F = scipy.linalg.dft(1024)
    >>> found = factorize(F, Chain.square_dyadic(1024), permutation="bit-reversal")
    >>> found.relative_error < 1e-13
    True
    >>> found.chain.nnz, F.size
    (20480, 1048576)

    Without the permutation no product of such factors is near it:

    >>> found = factorize(F, Chain.square_dyadic(1024))
    >>> found.relative_error >= found.lower_bound > 0.98
    True

    Without a chain, a kernel on scattered points within a tolerance:

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> points = np.sort(rng.random(256))
    >>> A = np.exp(-8 * np.subtract.outer(points, points) ** 2)
    >>> found = factorize(A, tol=1e-6)
    >>> found.relative_error <= 1e-6
    True
    >>> found.chain.nnz < A.size / 10
    True

    An unknown order of rows and columns can be found from the entries:

    >>> A = scipy.linalg.dft(64)[rng.permutation(64)][:, rng.permutation(64)]
    >>> found = factorize(A, Chain.square_dyadic(64), permutation="search")
    >>> found.relative_error < 1e-13
    True

    A transform of order 4096 that is known by its products alone:

    >>> import scipy.fft
    >>> from scipy.sparse.linalg import LinearOperator
    >>> def forward(X):
    ...     return scipy.fft.fft(X, axis=0)
    >>> def adjoint(X):
    ...     return scipy.fft.ifft(X, axis=0, norm="forward")
    >>> n = 4096
    >>> A = LinearOperator((n, n), forward, rmatvec=adjoint, matmat=forward, rmatmat=adjoint,
    ...                    dtype=complex)
    >>> found = factorize(A, Chain.square_dyadic(n), permutation="bit-reversal")
    >>> found.estimate.interval[1] < 1e-13
    True
    """
    if sum(given is not None for given in (chain, tol, max_parameters)) != 1:
        raise ValueError("give one of a chain, tol and max_parameters")
    matrix, count = opened(A, shape), positive_int(terms, "terms")
    if chain is None and count > 1:
        raise ValueError("a sum of several terms needs a chain")
    if isinstance(matrix, Source):
        _check_matrix_free(count, permutation)
    if chain is None:
        return _searched(matrix, tol, max_parameters, order, orthonormalize, permutation, progress)
    chain = as_chain(chain)
    _check_fit(chain, tuple(matrix.shape))
    partition = chain._partition()
    splits, merged = _merged_order(order, partition), chain.merge(partition)
    if isinstance(matrix, Source):
        return factorize_source(matrix, merged, splits, orthonormalize, permutation, progress)
    target = _target(matrix, merged, permutation, progress)
    if count == 1:
        return factorize_on(merged, target, splits, orthonormalize, progress=progress)

    def fit(left: Array) -> Factorization:
        return factorize_on(merged, prepared(left, None), splits, orthonormalize)

    found = residual_sum(target.entries, merged, count, fit, progress)
    held: Any = found.operator
    products = [[factor.values for factor in term.factors] for term in held.operands]
    return replace(found, operator=target.operator(*products), permutation=target.permutation)


def _check_matrix_free(terms: int, permutation: Any) -> None:
    """What takes all entries at hand is refused where they are not."""
    wanted = [
        ("terms above 1", terms > 1),
        ("permutation='search'", isinstance(permutation, str) and permutation == "search"),
    ]
    for name, given in wanted:
        if given:
            raise ValueError(
                f"{name} takes all entries at once, and a dense matrix of this size takes more "
                f"than {DENSE_BYTES >> 20} MiB; make A dense first, if there is room for it"
            )


def _target(matrix: Array, chain: Chain | None, permutation: Any, progress: bool) -> Target:
    if isinstance(permutation, str) and permutation == "search":
        permutation = searched_permutations(scaled(matrix)[0], chain, progress)
    return prepared(matrix, permutation)


def _searched(
    matrix: Array | Source,
    tol: float | None,
    max_parameters: int | None,
    order: str | Iterable[int],
    orthonormalize: bool,
    permutation: Any,
    progress: bool,
) -> Factorization:
    if not isinstance(order, str):
        raise ValueError("an order of splits needs a chain; without one, name the order")
    split_order(order, 1)
    goal: Any
    search: Callable[..., Factorization]
    search_source: Callable[..., Factorization]
    if tol is not None:
        goal = _tolerance(tol)
        search, search_source = within_tolerance, source_within_tolerance
    else:
        goal = positive_int(max_parameters, "max_parameters")
        search, search_source = within_parameters, source_within_parameters
    if isinstance(matrix, Source):
        return search_source(matrix, goal, order, orthonormalize, permutation, progress)
    target = _target(matrix, None, permutation, progress)
    return search(target, goal, order, orthonormalize, progress)


def _tolerance(tol: Any) -> float:
    tolerance = as_real(tol, "tol")
    if not 0 <= tolerance < math.inf:
        raise ValueError(f"tol must be finite and not negative, got {tol!r}")
    return tolerance


def _check_fit(chain: Chain, shape: tuple[int, ...]) -> None:
    if chain.shape != shape:
        raise ValueError(f"the chain makes matrices of shape {chain.shape}, A has shape {shape}")
    try:
        chain.ranks  # noqa: B018 (names the first pair that does not chain)
    except ValueError as error:
        advice = "; the adjoint chain does: factorize A.H with chain.H" if chain.H.chainable else ""
        raise ValueError(f"{error}{advice}") from None


def _merged_order(order: str | Iterable[int], partition: tuple[int, ...]) -> tuple[int, ...]:
    if isinstance(order, str):
        return split_order(order, len(partition))
    return restrict_order(split_order(order, sum(partition)), partition)
