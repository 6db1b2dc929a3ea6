"""What gradient flow keeps, whatever the loss."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from lazyop.namespaces import Array, like, namespace_of
from lazyop.operator import LazyOperator
from lazyop.rescale.entries import magnitude
from lazyop.rescale.factors import Stage, stages_of
from lazyop.rescale.layers import as_layers

__all__ = ["conserved"]


def conserved(layers: Any) -> list[Array]:
    r"""Return the quantities that gradient flow on a network keeps, whatever its loss.

    A loss depends on the function alone, and rescaling does not change that. So along
    :math:`\dot\theta = -\nabla \ell(\theta)`, each unit between two layers keeps

    .. math:: \|W_{k+1}[:, i]\|^2 - \|W_k[i, :]\|^2 - b_k[i]^2,

    the difference of what goes out and what comes in [1]_. Gradient descent with small steps keeps
    it up to an error in proportion to the step.

    Parameters
    ----------
    layers : sequence of layers, or LazyOperator
        As for `balance`; an operator counts as one layer.

    Returns
    -------
    list of arrays
        For each junction, in the order in which layers act, and for an operator from right to
        left: one number a unit, in the order of the rows of the matrix before it. All are zero
        where the network is balanced.

    Raises
    ------
    ValueError, TypeError
        As for `balance`.
    OverflowError
        If a squared norm is beyond the range of floating-point numbers.

    Notes
    -----
    These are the ones that all supports and ReLU leave. Without an activation, and where both
    factors are dense, gradient flow keeps all of :math:`W_{k+1}^H W_{k+1} - W_k W_k^H`, of which
    they are the diagonal.

    References
    ----------
    .. [1] S. Marcotte, R. Gribonval, G. Peyré, "Abide by the law and follow the flow: conservation
       laws for gradient flows", NeurIPS 2023, arXiv:2307.00144.

    Examples
    --------
    >>> import numpy as np
    >>> import lazyop as lo
    >>> layers = [(np.array([[1.0, 2.0]]), np.array([3.0])), np.array([[4.0]])]
    >>> lo.rescale.conserved(layers)
    [array([2.])]
    """
    stages = stages_of(as_layers([layers] if isinstance(layers, LazyOperator) else layers))
    with np.errstate(over="ignore", invalid="ignore"):  # which is looked for
        found = [_difference(left, right) for left, right in pairwise(stages)]
    if not all(bool(namespace_of(x).all(namespace_of(x).isfinite(x))) for x in found):
        raise OverflowError("a squared norm is beyond the range of floating-point numbers")
    return found


def _difference(left: Stage, right: Stage) -> Array:
    """Return the squared norms of what goes out of each unit, less those of what comes in."""
    coming = _row_sums(left.magnitudes(2.0))
    if left.bias is not None:
        coming = coming + magnitude(left.bias) ** 2
    return _row_sums(right.magnitudes(2.0).T) - coming


def _row_sums(matrix: LazyOperator) -> Array:
    ones: Array = like(np.ones(matrix.shape[1]), matrix._reference())
    return matrix @ ones
