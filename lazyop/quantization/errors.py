r"""How far a butterfly with rounded factors is from the exact one, without either in memory.

With :math:`P_l` the product of the first `l` factors and :math:`D_l` what rounding adds to it,

.. math:: P_{l+1} = P_l K_{l+1}, \qquad
          D_{l+1} = D_l \hat K_{l+1} + P_l (\hat K_{l+1} - K_{l+1}).

Only the inner products of their columns matter for the norm of the last. Columns of a junction fall
into blocks of as many as the rank, with disjoint rows; of each block, `P` and `D` side by side are
replaced by the triangular factor of their QR decomposition before the next step, which is accurate
for each column by itself. So the error is off by some units of rounding of the norm of the whole,
and never by their square root, as it would be if squared norms were subtracted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lazyop.butterfly.blocks import Junction
from lazyop.butterfly.chain import Chain
from lazyop.butterfly.pattern import Pattern
from lazyop.quantization.matches import Values

__all__ = ["relative_error"]


def relative_error(
    terms: Sequence[Sequence[Values]], quantized: Sequence[Sequence[Values]]
) -> float:
    """Frobenius norm of a sum of products minus the exact one, by the norm of the exact one.

    Parameters
    ----------
    terms, quantized : sequences of sequences of arrays
        Of each term the values of the factors, leftmost first. All terms have the same patterns,
        which are chainable.

    Returns
    -------
    float
        Zero, where both are zero.
    """
    chain = Chain([values.shape for values in terms[0]])
    pattern, states = chain[0], []
    for factors, rounded in zip(terms, quantized, strict=True):
        states += [factors[0], rounded[0] - factors[0]]
    for k in range(1, len(chain)):
        pattern, states = _compressed(pattern, chain[k], states)
        junction, after = Junction(pattern, chain[k]), []
        for i, (factors, rounded) in enumerate(zip(terms, quantized, strict=True)):
            P, D = states[2 * i : 2 * i + 2]
            off = junction.product(P, rounded[k] - factors[k])
            after += [junction.product(P, factors[k]), junction.product(D, rounded[k]) + off]
        pattern, states = pattern @ chain[k], after
    size = float(np.linalg.norm(sum(states[::2])))
    error = float(np.linalg.norm(sum(states[1::2])))
    if size == 0:
        return 0.0 if error == 0 else np.inf
    return error / size


def _compressed(
    pattern: Pattern, following: Pattern, states: Sequence[Values]
) -> tuple[Pattern, list[Values]]:
    """Matrices with fewer rows, whose columns have the same inner products within each block."""
    junction = Junction(pattern, following)
    columns = junction.rank * len(states)
    if pattern.b <= columns:
        return pattern, list(states)
    blocks = np.concatenate([junction.split_left(values) for values in states], axis=-1)
    triangular = np.split(np.linalg.qr(blocks, mode="r"), len(states), axis=-1)
    shorter = Pattern(pattern.a, columns, pattern.c, pattern.d)
    return shorter, [Junction(shorter, following).join_left(R) for R in triangular]
