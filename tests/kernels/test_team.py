"""The threads that share a product: right results whoever helps, or does not."""

import itertools
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import lazyop as lo
from lazyop.kernels import plan, team

pytest.importorskip("numba")

#: So that small products are shared, on a machine of any number of processors.
ALWAYS = """
from lazyop.kernels import plan
plan._allowed_threads = lambda: 3
plan._FLOPS_PER_THREAD = plan._BYTES_PER_THREAD = plan._CODES_PER_THREAD = 16
"""


@pytest.fixture
def always_shared(monkeypatch):
    """Have all products shared by three threads."""
    monkeypatch.setattr(plan, "_allowed_threads", lambda: 3)
    for name in ("_FLOPS_PER_THREAD", "_BYTES_PER_THREAD", "_CODES_PER_THREAD"):
        monkeypatch.setattr(plan, name, 16)
    plan.choose_tiling.cache_clear()
    plan.choose_packed_tiling.cache_clear()
    yield
    plan.choose_tiling.cache_clear()
    plan.choose_packed_tiling.cache_clear()


def operators():
    """Operators for all kernels, and their factors: chains, blocks, packed bits."""
    rng = np.random.default_rng(0)

    def butterfly(chain):
        return lo.Butterfly([rng.standard_normal(tuple(p)) for p in chain])

    small = butterfly(lo.Chain.square_dyadic(256))
    for F in (
        small,
        butterfly(lo.Chain.square_dyadic(2**16)),
        butterfly(lo.Chain.dyadic(64, rank=3)),
    ):
        yield F, [K.tosparse() for K in F.factors]
    blocks = lo.BlockDiagonal([rng.standard_normal((5, 7)) for _ in range(30)])
    yield blocks, [blocks.tosparse()]
    packed = lo.quantize(small, bits=6, method="normal-form").operator
    yield packed, [K.tosparse() for K in packed.unpack().factors]


def times(matrices, X):
    """Multiply by all factors, the last one first."""
    for matrix in reversed(matrices):
        X = matrix @ X
    return X


@pytest.mark.usefixtures("always_shared")
def test_products_are_the_same_whether_helpers_are_awake_or_asleep():
    rng = np.random.default_rng(1)
    for A, factors in operators():
        X = rng.standard_normal((A.shape[1], 70))
        expected, size = times(factors, X), times([abs(factor) for factor in factors], abs(X))
        for pause in (0, 0, 0, 0.01, 0):
            time.sleep(pause)
            assert np.all(abs(A @ X - expected) <= 1e-13 * size)
            assert np.all(abs(A @ X[:, 0] - expected[:, 0]) <= 1e-13 * size[:, 0])


@pytest.mark.usefixtures("always_shared")
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_short_chains_are_shared(dtype):
    """By rows, where those are many enough, or by columns."""
    rng = np.random.default_rng(3)
    for bits, columns in itertools.product(range(1, 9), (1, 9, 64, 200, 500)):
        shapes = [tuple(p) for p in lo.Chain.square_dyadic(2**bits)]
        F = lo.Butterfly([rng.standard_normal(shape).astype(dtype) for shape in shapes])
        X = rng.standard_normal((2**bits, columns)).astype(dtype)
        for A in (F, F.H):
            D = A.toarray()
            tolerance = 30 * np.finfo(dtype).eps * np.linalg.norm(D) * np.linalg.norm(X)
            assert np.linalg.norm(A @ X - D @ X) <= tolerance


@pytest.mark.usefixtures("always_shared")
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize(
    ("shapes", "parts"),
    [
        ([(1, 24, 24, 48), (24, 48, 16, 1)], (3, 3)),  # 48 = 3 x 16; 24 = 3 x 8
        ([(1, 16, 16, 256), (16, 16, 16, 16), (256, 16, 16, 1)], (2, 2)),
        ([(1, 16, 96, 32), (48, 64, 20, 1)], (2, 3)),  # of each 32 of 64 rows; 48 = 3 x 16
        ([(2, 20, 30, 24), (60, 24, 24, 1)], (3, 1)),  # two blocks keep apart what they make
        ([(3, 20, 30, 5)], (2, 3)),  # a single factor can be cut at any row
        ([(1, 40, 24, 10), (24, 10, 7, 1)], (1, 3)),  # 10 rows are too few for two
    ],
)
def test_rows_of_general_chains_are_cut(shapes, parts, dtype):
    rng = np.random.default_rng(4)
    F = lo.Butterfly([rng.standard_normal(shape).astype(dtype) for shape in shapes])
    packed = F._compiled.kernel.packed
    assert tuple(packed.tiling(64, transposed).parts for transposed in (False, True)) == parts
    D = F.toarray()
    for columns in (5, 64, 101):
        for A, matrix in ((F, D), (F.H, D.conj().T)):
            X = rng.standard_normal((A.shape[1], columns)).astype(dtype)
            tolerance = 30 * np.finfo(dtype).eps * np.linalg.norm(D) * np.linalg.norm(X)
            assert np.linalg.norm(A @ X - matrix @ X) <= tolerance


@pytest.mark.usefixtures("always_shared")
def test_callers_in_several_threads_do_not_disturb_each_other():
    rng = np.random.default_rng(2)
    cases = [(A, rng.standard_normal((A.shape[1], 9))) for A, _ in operators()]
    expected = [A @ X for A, X in cases]
    wrong = []

    def multiply():
        for _ in range(50):
            for (A, X), Y in zip(cases, expected, strict=True):
                if not np.array_equal(A @ X, Y):
                    wrong.append(A)

    callers = [threading.Thread(target=multiply) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


def run(code):
    """Run a program of its own."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ALWAYS + code], check=False, timeout=300
    ).returncode


PRODUCT = """
import os, sys, numpy as np, lazyop as lo
A = lo.Butterfly([np.ones(tuple(p)) for p in lo.Chain.square_dyadic(256)])
X = np.ones((256, 8))
def is_right():
    return np.array_equal(A @ X, np.full((256, 8), 256.0))
assert is_right()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_threads_work_in_a_forked_child():
    """The threads of a parent are not there in its child, which makes its own."""
    code = """
child = os.fork()
if child == 0:
    os._exit(0 if is_right() and is_right() else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    assert run(PRODUCT + code) == 0


def test_a_program_ends_while_helpers_look_out():
    assert run(PRODUCT + "sys.exit(7)") == 7


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity on this system")
def test_threads_may_run_where_they_might_before():
    before = os.sched_getaffinity(0)
    team._leave(team._cpu())
    assert os.sched_getaffinity(0) == before


def test_a_closed_team_is_gone():
    one = team.Team()
    one._hire()
    one.close()
    assert not any(helper.is_alive() for helper in one._helpers)


@pytest.mark.usefixtures("always_shared")
def test_short_products_wake_nobody_unless_there_are_many(monkeypatch):
    monkeypatch.setattr(plan, "_WAKING_THREADS", sys.maxsize)
    crew = team.Team()
    monkeypatch.setattr(team, "_team", lambda: crew)
    A = lo.Butterfly([np.ones(tuple(p)) for p in lo.Chain.square_dyadic(256)])
    x = np.ones((256, 64))
    for _ in range(10):
        time.sleep(2 * team._LOOK_OUT)
        A @ x
    assert crew._rings == 0
    for _ in range(500):
        A @ x
    assert crew._rings > 0
    crew.close()
