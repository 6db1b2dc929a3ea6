"""What gradient descent keeps, up to its step, along descents that are written out here."""

import numpy as np
import pytest
from chains import dense, random_values, support

import lazyop as lo
from lazyop.rescale import conserved

rng = np.random.default_rng(0)


def descended_network(steps, time):
    """Two layers of ReLU with biases, by full gradients of a squared loss."""
    random = np.random.default_rng(1)
    x, y = random.standard_normal((3, 30)), random.standard_normal((2, 30))
    W, b = random.standard_normal((6, 3)), random.standard_normal((6, 1))
    V, c = random.standard_normal((2, 6)), random.standard_normal((2, 1))
    path = []
    for _ in range(steps + 1):
        path.append([(W, b[:, 0]), (V, c[:, 0])])
        inner = W @ x + b
        hidden = np.maximum(inner, 0)
        error = (V @ hidden + c - y) / 30
        back = (V.T @ error) * (inner > 0)
        h = time / steps
        V, c = V - h * error @ hidden.T, c - h * error.sum(1, keepdims=True)
        W, b = W - h * back @ x.T, b - h * back.sum(1, keepdims=True)
    return path[0], path[-1]


def descended_chain(steps, time):
    """Four factors on their supports, by gradients of the distance to a matrix."""
    chain = lo.Chain.square_dyadic(8)
    masks = [support(p) for p in chain]
    factors = [dense(v) for v in random_values(chain, 2)]
    target = np.random.default_rng(3).standard_normal((8, 8))
    first = list(factors)
    for _ in range(steps):
        left = [np.eye(8)]
        for K in factors:
            left.append(left[-1] @ K)
        right, gradients = np.eye(8), []
        error = left[-1] - target
        for K, before, mask in zip(factors[::-1], left[-2::-1], masks[::-1], strict=True):
            gradients.append(mask * (before.T @ error @ right.T))
            right = K @ right
        factors = [K - time / steps * g for K, g in zip(factors, gradients[::-1], strict=True)]
    from lazyop.butterfly.blocks import values_from_dense

    return tuple(
        lo.Butterfly([values_from_dense(K, p) for K, p in zip(made, chain, strict=True)])
        for made in (first, factors)
    )


@pytest.mark.parametrize(
    ("descended", "time", "junctions"), [(descended_network, 1.0, 1), (descended_chain, 0.01, 2)]
)
def test_gradient_descent_drifts_in_proportion_to_its_step(descended, time, junctions):
    drifts = []
    for steps in (100, 200, 400):
        start, end = (conserved(x) for x in descended(steps, time))
        assert len(start) == junctions
        drifts.append(max(np.max(np.abs(x - y)) for x, y in zip(start, end, strict=True)))
    size = max(np.max(np.abs(x)) for x in start)
    assert 0 < drifts[-1] < 0.01 * size
    assert 1.8 < drifts[0] / drifts[1] < 2.2
    assert 1.8 < drifts[1] / drifts[2] < 2.2


def test_values_by_definition():
    layers = [
        (rng.standard_normal((3, 2)) + 1j * rng.standard_normal((3, 2)), rng.standard_normal(3)),
        rng.standard_normal((4, 3)),
    ]
    (W, b), V = layers
    [found] = conserved(layers)
    wanted = np.sum(V**2, axis=0) - np.sum(np.abs(W) ** 2, axis=1) - b**2
    np.testing.assert_allclose(found, wanted)


def test_permutations_between_factors_move_units():
    W, V, p = rng.standard_normal((3, 2)), rng.standard_normal((4, 3)), [2, 0, 1]
    wanted = conserved([np.asarray(W)[p], V])
    np.testing.assert_allclose(conserved([lo.Permutation(p) @ lo.aslazy(W), V]), wanted)
    [found] = conserved(lo.Product(V, lo.Permutation(p), W))
    np.testing.assert_allclose(found[p], wanted[0])


@pytest.mark.parametrize("last", [1.0, 1e200])
def test_squares_beyond_the_range_are_refused(last):
    with pytest.raises(OverflowError, match="squared norm"):
        conserved([[[1e200]], [[last]]])
