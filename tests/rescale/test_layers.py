"""Layers as they are passed, and what is refused at the door, by all that take them."""

import array_api_strict
import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator

import lazyop as lo

W, V = np.ones((3, 2)), np.ones((4, 3))
FORWARD_ONLY = LinearOperator((3, 2), matvec=lambda x: np.repeat(x[:1], 3), dtype=np.float64)
FUNCTIONS = {
    "balance": lo.rescale.balance,
    "path_norm": lo.rescale.path_norm,
    "path_scores": lo.rescale.path_scores,
    "prune": lambda layers: lo.rescale.prune(layers, 0.5),
    "conserved": lo.rescale.conserved,
}


class Ones(lo.LazyOperator):
    """An operator whose field is not its entries."""

    _fields = ("values",)

    def __init__(self, values):
        self.values = values
        super().__init__(values.dtype, (2, 2))

    def _apply(self, X):
        return np.ones((2, 2)) @ X

    def _adjoint(self):
        return self


BAD = {
    "none": ([], ValueError, "at least one layer"),
    "no sequence": (3, TypeError, "sequence of layers.*got int"),
    "an array": (W, TypeError, r"sequence of layers.*got ndarray.*\[W\]"),
    "a sparse array": (scipy.sparse.csr_array(W), TypeError, r"csr_array.*\[W\]"),
    "layers that do not chain": ([V, W], ValueError, "1 and 2 do not chain: 4 rows meet 2 col"),
    "third does not chain": ([W, V, V], ValueError, "layers 2 and 3 do not chain"),
    "NaN": ([W, np.full((4, 3), np.nan)], ValueError, "layer 2 holds NaN or infinity"),
    "infinity in a factor": (
        [lo.Butterfly([np.full((1, 2, 2, 1), np.inf)])],
        ValueError,
        "layer 1 holds NaN or infinity",
    ),
    "NaN in a bias": ([(W, [0.0, np.nan, 0.0])], ValueError, "layer 1 holds NaN"),
    "short bias": ([(W, np.ones(2))], ValueError, "layer 1 has 3 rows, and a bias of length 2"),
    "bias of a matrix": ([(W, np.ones((3, 1)))], ValueError, r"bias of layer 1.*\(3, 1\)"),
    "triple": ([(W, np.ones(3), 1)], ValueError, "layer 1 is a tuple of 3.*pair"),
    "vector": ([np.ones(3)], ValueError, r"2 dimension.*\(3,\)"),
    "strings": ([np.array([["a"]])], TypeError, "numbers.*U1"),
    "nothing": ([None], TypeError, "NoneType"),
    "an operator without adjoint": ([FORWARD_ONLY], TypeError, r"entries of .*not known.*toarray"),
    "SciPy's operator": ([aslinearoperator(W)], TypeError, "entries of .*not known"),
    "a rule": ([Ones(np.ones(1))], TypeError, "entries of Ones.*not known"),
    "a rule within": (
        [2 * Ones(np.ones(1)) @ lo.aslazy(W.T)],
        TypeError,
        "entries of Ones.*not known",
    ),
    "two homes": (
        [W, array_api_strict.asarray(V)],
        TypeError,
        r"in numpy and in array_api_strict.*\.to\(",
    ),
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("case", BAD)
def test_bad_layers(function, case):
    layers, kind, message = BAD[case]
    with pytest.raises(kind, match=message):
        FUNCTIONS[function](layers)


@pytest.mark.parametrize(
    ("p", "kind", "message"),
    [(p, ValueError, "positive and finite") for p in (0, -1.0, np.inf, np.nan)]
    + [(p, TypeError, "a real number") for p in ("2", None, True)],
)
def test_bad_exponents(p, kind, message):
    with pytest.raises(kind, match=f"p must be {message}"):
        lo.rescale.balance([W, V], p)
    with pytest.raises(kind, match=f"q must be {message}"):
        lo.rescale.path_norm([W, V], p)


def test_a_single_operator_is_a_chain_only():
    F = lo.Butterfly([np.ones((1, 2, 2, 1))])
    assert type(lo.rescale.balance(F)) is lo.Butterfly
    with pytest.raises(TypeError, match=r"got Butterfly.*\[W\]"):
        lo.rescale.path_norm(F)


def test_packed_butterflies_are_unpacked():
    rng = np.random.default_rng(0)
    F = lo.Butterfly([rng.standard_normal(tuple(p)) for p in lo.Chain.square_dyadic(8)])
    packed = lo.quantize(F, "bfloat16").operator
    norm = np.abs(packed.toarray()).sum()
    assert lo.rescale.path_norm([packed]) == pytest.approx(norm)
    assert type(lo.rescale.balance(packed)) is lo.Butterfly


def test_what_is_known_of_a_matrix_is_not_said_of_another():
    F = lo.butterfly.dft(8, "ortho")
    assert F.args[0]._is_unitary
    assert lo.rescale.balance(F)._is_unitary
    pruned, scores = lo.rescale.prune([F], 0.5)[0], lo.rescale.path_scores([F])[0]
    assert not pruned._is_unitary
    assert not scores._is_unitary


def test_lists_of_numbers_are_matrices():
    assert lo.rescale.path_norm([[[1.0, -2.0]], ([[3.0]], [1.0])]) == 10.0
