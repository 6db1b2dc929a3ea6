"""Operators never change, copy faithfully, and are gone when their last name is."""

import copy
import gc
import pickle
import weakref
from contextlib import contextmanager

import numpy as np
import pytest
import scipy.sparse
from market import BOUND_TO_NUMPY, MARKET, random

import lazyop as lo

every_operator = pytest.mark.parametrize("name", MARKET)
DTYPE = "complex128"


def make(name):
    return MARKET[name](DTYPE)[0]


# Nothing changes ----------------------------------------------------------------------------------


@every_operator
def test_attributes_can_not_be_set_or_deleted(name):
    A = make(name)
    for attribute in ("shape", "dtype", "new", *A._fields):
        with pytest.raises(AttributeError, match="immutable"):
            setattr(A, attribute, None)
    for attribute in ("shape", "dtype", *A._fields):
        with pytest.raises(AttributeError, match="immutable"):
            delattr(A, attribute)
    assert A.shape == MARKET[name](DTYPE)[1].shape


@every_operator
def test_properties_can_not_be_set(name):
    A = make(name)
    for attribute in ("H", "T", "N", "args", "cost", "namespace"):
        with pytest.raises(AttributeError):
            setattr(A, attribute, None)


@every_operator
def test_data_are_read_only(name):
    A = make(name)
    for view in (A, A.H, A.T, A.conj()):
        for array, _ in view._arrays():
            assert not array.flags.writeable


def test_data_are_held_without_a_copy_and_stay_the_callers():
    d = random(DTYPE, 4)
    D = lo.Diagonal(d)
    assert np.shares_memory(D.d, d)
    assert d.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        D.d[0] = 0


def test_a_sparse_matrix_stays_the_callers():
    C = scipy.sparse.csr_array(np.eye(3))
    A = lo.aslazy(C)
    C.data[0] = 5  # allowed: the caller owns it
    assert np.shares_memory(A.data, C.data)
    with pytest.raises(ValueError, match="read-only"):
        A.data[0] = 5


@every_operator
def test_results_are_the_callers(name):
    A = make(name)
    D = MARKET[name](DTYPE)[1]
    x = random(DTYPE, A.shape[1])
    for result in (A @ x, A.toarray(), A.tosparse().data, A.diagonal().copy()):
        result[...] = 7
    np.testing.assert_allclose(A.toarray(), D, rtol=1e-13, atol=1e-13)


# Copies -------------------------------------------------------------------------------------------


PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
DUPLICATES = {"copy": copy.copy, "deepcopy": copy.deepcopy} | {
    f"pickle {protocol}": lambda A, protocol=protocol: pickle.loads(pickle.dumps(A, protocol))
    for protocol in PROTOCOLS
}


@every_operator
@pytest.mark.parametrize("way", DUPLICATES)
def test_copies(name, way):
    A = make(name)
    A.H, A.T, A.N  # noqa: B018 (links between operators do not get in the way)
    for view in (A, A.H, A.T, 2j * A):
        B = DUPLICATES[way](view)
        assert B.tree() == view.tree()
        assert B.cost == view.cost
        assert not any(array.flags.writeable for array, _ in B._arrays())
        for (copied, _), (held, _) in zip(B._arrays(), view._arrays(), strict=True):
            np.testing.assert_array_equal(copied, held)
        # A copy of an adjoint packs its weights anew, which rounds in another order.
        np.testing.assert_allclose(B.toarray(), view.toarray(), rtol=0, atol=1e-13)
        np.testing.assert_allclose(B.H.toarray(), view.H.toarray(), rtol=0, atol=1e-13)
        with pytest.raises(AttributeError, match="immutable"):
            B.shape = None


def test_a_deep_copy_shares_no_data():
    A = lo.Diagonal(random(DTYPE, 4))
    assert not np.shares_memory(copy.deepcopy(A).d, A.d)
    assert np.shares_memory(copy.copy(A).d, A.d)


@every_operator
def test_a_copy_on_another_namespace(name):
    if name in BOUND_TO_NUMPY:
        pytest.skip("bound to NumPy")
    A = make(name).to("array_api_strict")
    B = pickle.loads(pickle.dumps(A))
    assert B.namespace is A.namespace
    np.testing.assert_array_equal(np.asarray(B.toarray()), np.asarray(A.toarray()))


# Adjoints of adjoints -----------------------------------------------------------------------------


@every_operator
@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_the_adjoint_of_the_adjoint_is_the_operator(name, dtype):
    A = MARKET[name](dtype)[0]
    assert A.H.H is A
    assert A.T.T is A
    assert A.H is A.H
    if dtype == "float32":
        assert A.T is A.H
        assert A.conj() is A


@every_operator
def test_an_adjoint_outlives_its_operator(name):
    A, D = MARKET[name](DTYPE)
    B = A.H
    del A
    np.testing.assert_allclose(B.toarray(), D.conj().T, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(B.H.toarray(), D, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(B.T.toarray(), D.conj(), rtol=1e-13, atol=1e-13)


# The end ------------------------------------------------------------------------------------------


@contextmanager
def no_collector():
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


USES = {
    "nothing": lambda A: None,
    "adjoint": lambda A: A.H,
    "transpose": lambda A: A.T,
    "conjugate": lambda A: A.conj().H,
    "adjoint twice": lambda A: (A.H.H, A.H.T, A.T.H, A.T.T),
    "normal": lambda A: A.N.H,
    "multiple": lambda A: (2j * A).H.H,
    "product": lambda A: A @ np.ones(A.shape[1]),
    "product from the left": lambda A: np.ones(A.shape[0]) @ A,
    "dense and sparse": lambda A: (A.toarray(), A.tosparse(), A.diagonal()),
    "restriction": lambda A: A[:0].H,
    "description": lambda A: (A.cost, A.plan(), A.tree()),
    "copy": lambda A: copy.deepcopy(A).H,
    "precision": lambda A: None if "External" in A.tree() else A.astype("complex64").H,
    "namespace": lambda A: None if "External" in A.tree() else A.to("array_api_strict").N,
}


@every_operator
@pytest.mark.parametrize("dtype", ["float64", DTYPE])
@pytest.mark.parametrize("use", USES)
def test_an_operator_dies_with_its_last_name(name, use, dtype):
    with no_collector():
        A = MARKET[name](dtype)[0]
        results = USES[use](A)
        parts = [weakref.ref(part) for part in (A, A.H, A.T, *A.args)]
        arrays = [weakref.ref(array) for array, _ in A._arrays()]
        del A, results
        assert [ref() for ref in parts + arrays] == [None] * len(parts + arrays)
