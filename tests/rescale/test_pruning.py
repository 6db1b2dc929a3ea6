"""Pruning: what goes, by which measure, and what rescaling does to it."""

import array_api_strict
import numpy as np
import pytest
import scipy.sparse
from chains import random_values

import lazyop as lo
from lazyop.rescale import prune

rng = np.random.default_rng(0)
LAYERS = [
    (rng.standard_normal((6, 4)), rng.standard_normal(6)),
    (rng.standard_normal((5, 6)), rng.standard_normal(5)),
    rng.standard_normal((3, 5)),
]
D = [np.ones(4), *(np.exp(rng.uniform(-6, 6, n)) for n in (6, 5)), np.ones(3)]


def matrices(layers):
    return [layer[0] if isinstance(layer, tuple) else layer for layer in layers]


def rescaled(layers):
    found = []
    for layer, rows, columns in zip(layers, D[1:], D, strict=False):
        W, b = layer if isinstance(layer, tuple) else (layer, None)
        V = W * rows[:, None] / columns
        found.append(V if b is None else (V, b * rows))
    return found


@pytest.mark.parametrize("criterion", ["path", "magnitude"])
@pytest.mark.parametrize("amount", [0.0, 0.3, 0.5, 1.0, 0, 1, 17, 69])
def test_the_least_entries_go(criterion, amount):
    total = 24 + 30 + 15
    count = amount if isinstance(amount, int) else round(amount * total)
    found = prune(LAYERS, amount, criterion)
    keys = matrices(lo.rescale.path_scores(LAYERS) if criterion == "path" else LAYERS)
    kept, gone = [], []
    for W, V, key in zip(matrices(LAYERS), matrices(found), keys, strict=True):
        np.testing.assert_array_equal(V[V != 0], W[V != 0])
        kept += list(np.abs(key[V != 0]))
        gone += list(np.abs(key[V == 0]))
    assert len(gone) == count
    assert max(gone, default=-1.0) <= min(kept, default=np.inf)
    for one, other in zip(found[:2], LAYERS[:2], strict=True):
        np.testing.assert_array_equal(one[1], other[1])


def test_by_path_score_rescaling_changes_nothing():
    one, other = rescaled(prune(LAYERS, 0.5)), prune(rescaled(LAYERS), 0.5)
    for W, V in zip(matrices(one), matrices(other), strict=True):
        np.testing.assert_array_equal(W, V)


def test_by_magnitude_it_does():
    one = rescaled(prune(LAYERS, 0.5, "magnitude"))
    other = prune(rescaled(LAYERS), 0.5, "magnitude")
    pairs = zip(matrices(one), matrices(other), strict=True)
    assert sum(np.sum((W != 0) != (V != 0)) for W, V in pairs) > 20


def test_forms_stay():
    B = lo.Butterfly(random_values(lo.Chain.square_dyadic(8)))
    sparse = scipy.sparse.csc_array(np.where(rng.random((8, 8)) < 0.6, rng.random((8, 8)), 0))
    tiny = rng.standard_normal((2, 8)).astype(np.float32)
    found = prune([(B, None), sparse, tiny], 0.25)
    assert type(found[0][0]) is lo.Butterfly
    assert found[0][1] is None
    assert isinstance(found[1], scipy.sparse.csc_array)
    assert found[2].dtype == np.float32
    zeros = sum(np.sum(factor.values == 0) for factor in found[0][0].factors)
    gone = sparse.nnz - found[1].nnz
    assert 0 < gone < sparse.nnz
    assert zeros + gone + np.sum(found[2] == 0) == round(0.25 * (48 + sparse.nnz + 16))


def test_networks_out_of_range_are_pruned_as_well():
    layers = [np.array([[1e3, 2e3], [3e3, 4e3]], np.float32)] * 200
    found = prune(layers, 0.5)
    assert sum(np.sum(W == 0) for W in found) == 400


def test_on_other_namespaces():
    xp = array_api_strict
    moved = [xp.asarray(W) for W in matrices(LAYERS)]
    for W, V in zip(prune(moved, 0.5), prune(matrices(LAYERS), 0.5), strict=True):
        assert isinstance(W, type(moved[0]))
        np.testing.assert_array_equal(np.asarray(W), V)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ((0.5, "size"), ValueError, "unknown criterion 'size'"),
        ((1.5,), ValueError, "from 0.0 to 1.0.*1.5"),
        ((-0.1,), ValueError, "from 0.0 to 1.0"),
        ((float("nan"),), ValueError, "from 0.0 to 1.0.*nan"),
        ((70,), ValueError, "69 entries to prune, got amount=70"),
        ((-1,), ValueError, "69 entries"),
        ((True,), TypeError, "must be a number, got True"),
        (("half",), TypeError, "must be a number, got 'half'"),
    ],
)
def test_bad_amounts(arguments, kind, message):
    with pytest.raises(kind, match=message):
        prune(LAYERS, *arguments)
