"""The compiled kernels against the array kernels, over every way through a chain."""

import dataclasses
import subprocess
import sys
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market import any_chain, random

import lazyop as lo
from lazyop.kernels import chain as chain_module
from lazyop.kernels import plan
from lazyop.kernels.chain import ChainKernel
from lazyop.kernels.packing import Kind, pack

pytest.importorskip("numba")

DTYPES = ("float32", "float64", "complex64", "complex128")

#: Compiling takes longer than running: where the dtype is not the point, these two stand for all.
TWO = ("float64", "complex64")

CHAINS = {
    "one": lo.Chain([(1, 2, 2, 1)]),
    "dyadic2": lo.Chain.square_dyadic(4),
    "dyadic3": lo.Chain.square_dyadic(8),
    "dyadic6": lo.Chain.square_dyadic(64),
    "dyadic7": lo.Chain.square_dyadic(128),
    "monarch": lo.Chain.monarch((12, 18), rank=2),
    "rank3": lo.Chain.dyadic(32, rank=3),
    "mixed": lo.Chain([(1, 2, 2, 60), (2, 2, 2, 30), (4, 2, 2, 15), (8, 3, 3, 5), (24, 5, 7, 1)]),
    "thin in the middle": lo.Chain([(1, 3, 5, 24), (5, 2, 2, 12), (10, 2, 2, 6), (20, 6, 1, 1)]),
    "interleaved": lo.Chain([(1, 6, 5, 32), (5, 4, 7, 8), (35, 8, 6, 1)]),
    "rows half a page apart": lo.Chain([(1, 5, 64, 8), (2, 16, 3, 16)]),
    "rank4": lo.Chain.dyadic(256, rank=4),
    "row": lo.Chain([(1, 1, 9, 1)]),
    "column": lo.Chain([(1, 9, 1, 1)]),
    "diagonal": lo.Chain([(3, 1, 1, 4)]),
}


def values_of(chain, dtype, seed=0):
    values = [random(dtype, *p, seed=seed + i) / np.sqrt(p.c) for i, p in enumerate(chain)]
    return [v.astype(dtype) for v in values]


def reference(F, X):
    """The product by the array kernels."""
    return F.with_plan(F.plan(1).with_kernel("matmul")) @ X


def agree(found, expected, dtype, steps=20):
    scale = np.abs(expected).max(initial=0) or 1
    np.testing.assert_allclose(found, expected, rtol=0, atol=steps * np.finfo(dtype).eps * scale)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CHAINS)
def test_every_direction_agrees_with_the_array_kernels(name, dtype):
    F = lo.Butterfly(values_of(CHAINS[name], dtype))
    for A, columns in product((F, F.H, F.T, F.conj()), (1, 2, 4, 7, 64, 70)):
        X = random(dtype, A.shape[1], columns)
        expected = reference(A, X)
        agree(A @ X, expected, dtype)
        for kernel in ("compiled", "dense"):
            forced = A.with_plan(A.plan(columns).with_kernel(kernel))
            assert [step.kernel for step in forced.plan(columns).steps] == [kernel]
            agree(forced @ X, expected, dtype)


@pytest.mark.parametrize("dtype", TWO)
@pytest.mark.parametrize(
    "layout",
    ["fortran", "rows apart", "columns apart", "backwards", "upside down", "tile of a wide one"],
)
def test_arguments_in_any_layout(layout, dtype):
    F = lo.Butterfly(values_of(CHAINS["dyadic6"], dtype))
    X = random(dtype, 64, 8)
    wide = random(dtype, 128, 40)
    x = {
        "fortran": np.asfortranarray(X),
        "rows apart": wide[::2, :8],
        "columns apart": wide[:64, ::5],
        "backwards": X[:, ::-1],
        "upside down": X[::-1],
        "tile of a wide one": wide[64:, 3:9],
    }[layout]
    before = x.copy()
    for A in (F, F.H):
        agree(A @ x, reference(A, np.ascontiguousarray(x)), dtype)
        agree(A @ x[:, 0], reference(A, x[:, 0].copy()), dtype)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize(("weights", "argument"), list(product(DTYPES, DTYPES)))
def test_mixed_precisions(weights, argument):
    F = lo.Butterfly(values_of(CHAINS["dyadic6"], weights))
    for columns in (1, 5):
        x = random(argument, 64, columns)
        y = F @ x
        assert y.dtype == np.result_type(weights, argument)
        agree(y, reference(F, x), "float32" if "float32" in (weights, argument) else weights, 99)


@pytest.mark.parametrize("dtype", TWO)
@pytest.mark.parametrize("bits", [8, 9, 10])
@pytest.mark.parametrize("threads", [1, 3])
def test_parts_of_a_long_chain(bits, threads, dtype, monkeypatch):
    """Low strides first over blocks of rows, then high ones: the same in every cut."""
    F = lo.Butterfly(values_of(lo.Chain.square_dyadic(2**bits), dtype))
    stages = F._compiled.kernel.packed.stages
    for low, (columns, width) in product(range(1, len(stages)), ((1, 8), (1, 16), (9, 1), (9, 2))):
        span = int(stages[low, 5])
        if span < 32:  # what registers hold of several blocks
            continue
        tiling = plan.Tiling(4 if columns > 1 else 0, low, span, width, threads)
        monkeypatch.setattr(chain_module.Packed, "tiling", lambda *_, t=tiling: t)
        G = lo.Butterfly(F.factors)
        for A in (G, G.H):
            X = random(dtype, A.shape[1], columns)
            agree(A @ X, reference(A, X), dtype)


@pytest.mark.parametrize("dtype", TWO)
@pytest.mark.parametrize("name", ["interleaved", "rank4", "mixed", "thin in the middle"])
def test_stages_in_several_threads(name, dtype, monkeypatch):
    """A general chain runs stage after stage for a vector, tile after tile for columns."""
    monkeypatch.setattr(plan, "_threads", lambda parts: 3)
    plan.choose_tiling.cache_clear()
    F = lo.Butterfly(values_of(CHAINS[name], dtype))
    for A, columns in product((F, F.H), (1, 33)):
        X = random(dtype, A.shape[1], columns)
        agree(A @ X, reference(A, X), dtype)
    assert F._compiled.kernel.packed.tiling(1).threads == 3
    plan.choose_tiling.cache_clear()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("threads", [1, 3])
def test_one_block_for_all(threads, dtype, monkeypatch):
    """Equal blocks of a factor are kept once; where none interleaves, they act as a matrix."""
    monkeypatch.setattr(plan, "_threads", lambda parts: threads)
    plan.choose_tiling.cache_clear()
    shapes = {
        (1, 14, 9, 1): (1, 14, 9, 5),
        (1, 9, 13, 1): (5, 9, 13, 1),
        (1, 13, 2, 1): (5, 13, 2, 1),
    }
    equal = [np.broadcast_to(random(dtype, *one), shape) for one, shape in shapes.items()]
    F = lo.Butterfly(equal)
    for A, columns in product((F, F.H, F.T, F.conj()), (1, 3, 33)):
        X = random(dtype, A.shape[1], columns)
        agree(A @ X, reference(A, X), dtype)
    assert F._compiled.kernel.packed.weights.size < sum(v.size for v in equal)
    plan.choose_tiling.cache_clear()


def test_neighbours_are_multiplied_out_where_that_spares_a_pass():
    F = lo.Butterfly(values_of(CHAINS["rank4"], "float64"))
    packed = F._compiled.kernel.packed
    assert len(packed.stages) < len(F.factors)
    assert packed.entries <= F.chain.nnz + plan._ENTRIES_PER_PASS * packed.longest * len(F.factors)
    thin = lo.Butterfly(values_of(CHAINS["dyadic6"], "float64"))._compiled.kernel.packed
    assert {Kind(k) for k in thin.stages[:, 0]} == {Kind.HALF_UNIT_QUAD, Kind.UNIT_QUAD}


def test_neighbours_out_of_proportion_stay_apart():
    values = [1e200 * v for v in values_of(CHAINS["rank4"], "float64")]
    assert len(lo.Butterfly(values)._compiled.kernel.packed.stages) == len(values)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "sizes", [[(5, 4), (3, 6)], [(2, 2)] * 7, [(17, 3), (1, 4), (9, 9)], [(16, 17)] * 3]
)
def test_kronecker_products(sizes, dtype, monkeypatch):
    matrices = [random(dtype, *size, seed=i) for i, size in enumerate(sizes)]
    K = lo.kron(*matrices)
    assert K._compiled is not None
    monkeypatch.setattr(chain_module, "has_compiled", lambda: False)
    plain = lo.kron(*matrices)
    assert plain._compiled is None
    for A, B in ((K, plain), (K.H, plain.H), (K.T, plain.T), (K.conj(), plain.conj())):
        for columns in (1, 3, 8, 12, 19, 20, 100):
            X = random(dtype, A.shape[1], columns)
            agree(A @ X, B @ X, dtype, 40)
        agree(A @ X[:, 0], B @ X[:, 0], dtype, 40)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 5, 4), (7, 1, 9), (2, 32, 32), (4, 9, 1)])
@pytest.mark.parametrize("threads", [1, 3])
def test_stacks_of_blocks(threads, shape, dtype, monkeypatch):
    monkeypatch.setattr(plan, "_threads", lambda parts: threads)
    plan.choose_tiling.cache_clear()
    stack = random(dtype, *shape)
    A = lo.block_diag(*stack)
    for B, blocks in ((A, stack), (A.T, stack.transpose(0, 2, 1)), (A.H, stack.conj().mT)):
        for columns in (1, 3, 8, 12, 19, 20, 40, 70):
            X = random(dtype, B.shape[1], columns)
            expected = blocks @ X.reshape(len(blocks), -1, columns)
            agree(B @ X, expected.reshape(-1, columns), dtype)
        agree(B @ X[:, 0], expected.reshape(-1, columns)[:, 0], dtype)
    plan.choose_tiling.cache_clear()


@given(st.integers(1, 2**20), st.integers(1, 5000), st.sampled_from([4, 8, 16]), st.integers(2, 20))
@settings(deadline=None, max_examples=200)
def test_tilings_fit_their_chains(scale, columns, itemsize, bits):
    first = [1] if bits % 2 == 0 else [1, 2]
    strides = (*first, *(2**k for k in range(len(first) + 1, bits, 2)))
    tiling = plan.choose_tiling(strides, 2**bits, *[2**bits * bits] * 2, 0, 1, columns, itemsize)
    assert 1 <= tiling.low_stages <= len(strides)
    assert tiling.threads >= 1
    if tiling.low_stages < len(strides):
        assert tiling.span == strides[tiling.low_stages] >= 32
        assert tiling.span % tiling.width == 0
        assert tiling.tile > 0 or tiling.width % 8 == 0
    else:
        assert tiling.span == 2**bits


@given(any_chain(), st.sampled_from([1, 3, 9]))
@settings(deadline=None)
def test_any_chain(chain, columns):
    F = lo.Butterfly([random("float64", *p, seed=k) for k, p in enumerate(chain)])
    size = np.prod([np.linalg.norm(K.values) for K in F.factors])
    for A in (F, F.T):
        X = random("float64", A.shape[1], columns)
        assert np.linalg.norm(A @ X - A.tosparse() @ X) <= 1e-12 * size * max(A.shape)


def test_unit_diagonals_halve_the_weights():
    packed = pack(values_of(lo.Chain.square_dyadic(256), "float64"))
    kinds = [Kind(k) for k in packed.stages[:, 0]]
    assert kinds == [Kind.HALF_UNIT_QUAD] + [Kind.UNIT_QUAD] * 3
    assert packed.weights.size == (2 + 7) * 256


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_pivot_of_zero_spoils_its_own_stage_alone(dtype):
    values = values_of(lo.Chain.square_dyadic(1024), dtype)
    values[4][3, 0, 0] = 0  # the outer factor of the third stage of five from the left
    kinds = [Kind(k) for k in pack(values).stages[:, 0]]
    half, unit = Kind.HALF_UNIT_QUAD, Kind.UNIT_QUAD
    assert kinds == [half, unit, Kind.QUAD, half, unit]
    F = lo.Butterfly(values)
    for A, columns in product((F, F.H, F.T, F.conj()), (1, 3, 65)):
        X = random(dtype, 1024, columns)
        agree(A @ X, reference(A, X), dtype)


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_scales_that_leave_the_range_begin_anew(dtype):
    values = values_of(lo.Chain.square_dyadic(4096), dtype)
    for level in values[:-1]:
        level[:, 0, 0] *= 2.0**-6
    packed = pack(values)
    kinds = [Kind(k) for k in packed.stages[:, 0]]
    assert kinds.count(Kind.HALF_UNIT_QUAD) == 2
    assert kinds.count(Kind.UNIT_QUAD) == 4
    assert np.all(abs(packed.weights) < 2.0**64)
    F = lo.Butterfly(values)
    for A, columns in product((F, F.H, F.T, F.conj()), (1, 3, 65)):
        X = random(dtype, 4096, columns)
        agree(A @ X, reference(A, X), dtype)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("spoil", ["zero", "tiny", "huge", "wild", "hadamard"])
def test_pivots_that_do_not_serve(spoil, seed):
    """Zero, tiny and huge diagonals give the right product, made units or not."""
    rng = np.random.default_rng(seed)
    values = values_of(lo.Chain.square_dyadic(64), "float64", seed)
    with np.errstate(over="raise"):
        if spoil == "zero":
            values[rng.integers(6)][0, 0] = 0
        elif spoil == "tiny":
            values[rng.integers(6)][0, 0] *= 1e-300
        elif spoil == "huge":
            values[rng.integers(6)][0, 0] *= 1e150
        elif spoil == "wild":
            values = [v * 10.0 ** rng.integers(-12, 12, v.shape) for v in values]
        else:
            values = [
                np.broadcast_to([[1.0], [1.0]], v.shape[1:]) * np.ones(v.shape) for v in values
            ]
    F = lo.Butterfly(values)
    for A in (F, F.H):
        x = rng.standard_normal(64)
        size = abs(A.toarray()) @ abs(x)  # what rounding errors are measured by
        assert np.all(abs(A @ x - reference(A, x)) <= 1e-14 * size + 1e-290)


def test_zero_columns_and_rows_of_weights():
    values = values_of(lo.Chain.square_dyadic(16), "float64")
    values[1][:] = 0
    F = lo.Butterfly(values)
    np.testing.assert_array_equal(F @ np.ones(16), np.zeros(16))


def test_weights_are_packed_once_for_all_directions():
    F = lo.Butterfly(values_of(CHAINS["dyadic6"], "complex128"))
    x = random("complex128", 64)
    for A in (F, F.H, F.T, F.conj(), F.H.H, F.T.H):
        A @ x
        assert A._compiled.kernel is F._compiled.kernel


def test_a_factor_alone_is_not_copied():
    values = random("float64", 4, 8, 8, 4)
    K = lo.KroneckerSparse(values)
    for A in (K, K.H):
        _ = A @ np.ones(128)
        assert np.shares_memory(A._compiled.kernel.packed.weights, values)


@pytest.mark.parametrize("count", [1, 2])
def test_weights_in_foreign_byte_order_or_out_of_alignment(count):
    values = random("float64", 2, 2, 2, 2)
    x = random("float64", 8)
    expected = reference(lo.Butterfly([values] * count), x)
    apart = np.frombuffer(b"x" + values.tobytes(), dtype="f8", offset=1).reshape(values.shape)
    shifted = np.frombuffer(b"x" + x.tobytes(), dtype="f8", offset=1)
    for held in (values.astype(">f8"), values.astype("<f8"), apart):
        for argument in (x, x.astype(">f8"), x.astype("<f8"), shifted):
            agree(lo.Butterfly([held] * count) @ argument, expected, "float64")


def test_without_numba_the_answer_is_the_same(monkeypatch):
    values = values_of(CHAINS["dyadic6"], "float64")
    x = random("float64", 64, 3)
    compiled = lo.Butterfly(values)
    monkeypatch.setattr(chain_module, "has_compiled", lambda: False)
    plain = lo.Butterfly(values)
    assert {step.kernel for step in plain.plan(3).steps} <= {"elementwise", "matmul"}
    agree(plain @ x, compiled @ x, "float64")


def test_a_plan_can_be_overridden_and_refuses_what_does_not_exist():
    F = lo.Butterfly(values_of(CHAINS["dyadic3"], "float64"))
    G = F.with_plan(F.plan(1).with_kernel("elementwise"))
    assert {s.kernel for s in G.plan(5).steps} == {"elementwise"}
    assert {s.kernel for s in G.H.plan(5).steps} == {"elementwise"}
    with pytest.raises(ValueError, match="no kernel 'magic'"):
        F.with_plan(F.plan(1).with_kernel("magic"))
    mixed = dataclasses.replace(plan_of_two(), steps=(*plan_of_two().steps, plan_of_two().steps[0]))
    with pytest.raises(ValueError, match="all factors at once, or none"):
        F.with_plan(
            dataclasses.replace(
                mixed, steps=(dataclasses.replace(mixed.steps[0], kernel="dense"), *mixed.steps[1:])
            )
        )
    with pytest.raises(ValueError, match="2 steps"):
        F.with_plan(plan_of_two())


def plan_of_two():
    """A plan of two array kernels."""
    F = lo.Butterfly(values_of(CHAINS["dyadic2"], "float64"))
    return F.with_plan(F.plan(1).with_kernel("matmul")).plan(1)


def test_a_chain_hardly_smaller_than_its_matrix_is_applied_as_one():
    F = lo.Butterfly(values_of(lo.Chain.dyadic(64, rank=8), "float64"))
    assert F.plan(64).steps[0].kernel == "dense"
    assert F.plan(64).flops == 2 * 64 * 64 * 64
    thin = lo.Butterfly(values_of(CHAINS["dyadic6"], "float64"))
    assert {thin.plan(columns).steps[0].kernel for columns in (1, 64)} == {"compiled"}
    # one factor of several blocks keeps to its values: the matrix would be a larger copy
    K = lo.KroneckerSparse(np.ones((2, 8, 8, 1)))
    assert K.plan(64).steps[0].kernel == "compiled"
    whole = np.ones((1, 8, 8, 1))
    K = lo.KroneckerSparse(whole)
    assert K.plan(64).steps[0].kernel == "dense"
    assert np.shares_memory(K._compiled.kernel.dense, whole)


def test_import_leaves_numba_alone():
    code = "import sys, lazyop; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_folder_for_the_cache_of_numba(monkeypatch):
    """Where Numba finds no folder to write to, what it is to keep compiles without a cache."""
    from lazyop.kernels import jit

    refused = []

    def njit(**options):
        if options.get("cache"):
            refused.append(options)
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(jit, "njit", njit)
    assert jit.compiled(abs) is abs
    assert refused


def test_code_that_numba_keeps_never_takes_the_name_of_other_code(monkeypatch):
    """Not even that of a process that compiles for another dtype at the same time."""
    from lazyop.kernels import by_energy

    files = by_energy.multiply_part._cache._cache_file
    monkeypatch.setattr(files, "_load_index", dict)  # neither has seen what the other one saved
    monkeypatch.setattr(files, "_save_index", lambda overloads: None)
    saved = {}
    monkeypatch.setattr(files, "_save_data", saved.__setitem__)
    files.save("one", 1)
    files.save("other", 2)
    assert sorted(saved.values()) == [1, 2]


def test_kernel_takes_what_it_can():
    kernel = ChainKernel(values_of(CHAINS["dyadic2"], "float32"))
    assert kernel.admit(np.ones((4, 1), "float32")).dtype == "float32"
    assert kernel.admit(np.ones((4, 1), "complex64")).shape == (4, 2)
    assert kernel.admit(np.ones((4, 1))) is None


def test_adjoint_factors_merge():
    F = lo.Butterfly(values_of(CHAINS["dyadic3"], "complex128"))
    merged = F.H.merge((2, 1))
    assert merged.chain == F.chain.merge((1, 2)).H
    agree(merged.toarray(), F.toarray().conj().T, "complex128")
