"""What needs a CUDA device and CuPy: run it with ``pytest -m gpu tests/gpu``."""

import gc

import numpy as np
import pytest
from market import BOUND_TO_NUMPY, MARKET, random
from scipy.sparse.linalg import aslinearoperator

import lazyop as lo
from lazyop.kernels.cuda_launch import NUMBERS

cupy = pytest.importorskip("cupy", reason="CuPy is not installed", exc_type=ImportError)


def _devices():
    try:
        return cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError:
        return 0


if _devices() == 0:
    pytest.skip("no CUDA device on this machine", allow_module_level=True)

pytestmark = pytest.mark.gpu

ORDERS = {"dyadic": (lo.Chain.square_dyadic, (8, 64, 2048, 2**14)),
          "monarch": (lambda n: lo.Chain.monarch((n, n)), (16, 256, 4096)),
          "rank 4": (lambda n: lo.Chain.dyadic(n, rank=4), (256,))}  # fmt: skip

CHAINS = [(name, n) for name, (_, orders) in ORDERS.items() for n in orders]


def butterfly(name, n, dtype):
    """A butterfly on NumPy whose products are as large as their arguments, about."""
    kind = "complex64" if np.dtype(dtype).kind == "c" else "float32"
    values = [random(kind, *p, seed=k) for k, p in enumerate(ORDERS[name][0](n))]
    return lo.Butterfly([(v / np.sqrt(v.shape[2])).astype(dtype) for v in values])


def agree(found, expected, dtype):
    """Compare within rounding, of which a pass over the argument has some."""
    found = cupy.asnumpy(found)
    error = np.linalg.norm(found.astype(expected.dtype) - expected)
    assert error <= 20 * float(np.finfo(dtype).eps) * np.linalg.norm(expected)


# Every operator -----------------------------------------------------------------------------------


def _contract(name):
    factory = MARKET[name]

    class Contract(lo.testing.OperatorContract):
        namespaces = ("cupy",)

        def make(self, dtype):
            return factory(dtype)[0]

        def dense(self, dtype):
            return factory(dtype)[1]

    return Contract


for _name in sorted(set(MARKET) - BOUND_TO_NUMPY):
    globals()[f"Test{_name}"] = type(f"Test{_name}", (_contract(_name),), {})


# The kernels --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [name for name in NUMBERS if name != "bfloat16"])
@pytest.mark.parametrize(("name", "n"), CHAINS)
def test_directions_layouts_and_columns(name, n, dtype):
    F = butterfly(name, n, dtype)
    exact = F.astype("complex128" if F.dtype.kind == "c" else "float64").tosparse()
    G = F.to("cupy")
    G = G.with_plan(G.plan(1).with_kernel("cuda")) if G.plan(1).steps[0].kernel != "cuda" else G
    views = [(G, exact), (G.H, exact.conj().T), (G.T, exact.T), (G.conj(), exact.conj())]
    for A, D in views:
        for columns in (1, 2, 5, 16, 33, 100):
            x = random("complex64" if F.dtype.kind == "c" else "float32", n, columns)
            for X in (x, np.asfortranarray(x)):
                Y = A @ cupy.asarray(X.astype(dtype), order="K")
                assert Y.dtype == F.dtype
                agree(Y, D @ X.astype(dtype).astype(D.dtype), dtype)
        agree(
            A @ cupy.asarray(x[:, 0].astype(dtype)),
            D @ x[:, 0].astype(dtype).astype(D.dtype),
            dtype,
        )


@pytest.mark.parametrize("bad", ["rows apart", "columns apart", "backwards", "not aligned"])
def test_any_strides(bad):
    F = butterfly("dyadic", 64, "float32")
    wide = cupy.asarray(random("float32", 128, 81))
    X = {
        "rows apart": wide[::2, :16],
        "columns apart": wide[:64, ::5],
        "backwards": wide[63::-1, 15::-1],
        "not aligned": wide[:64, 3:19],
    }[bad]
    agree(F.to("cupy") @ X, F.tosparse() @ cupy.asnumpy(X), "float32")


@pytest.mark.parametrize("number", ["float32", "float64", "complex64"])
def test_narrow_weights_meet_wide_arguments(number):
    F = butterfly("dyadic", 256, "float16")
    X = random("complex64" if number[0] == "c" else "float32", 256, 24).astype(number)
    Y = F.to("cupy") @ cupy.asarray(X)
    assert Y.dtype == number
    agree(Y, F.astype("float64").tosparse() @ X, number)


def test_more_columns_compile_nothing_anew():
    from lazyop.kernels import cuda

    A = butterfly("dyadic", 256, "float32").to("cupy")
    for columns in (1, 40):
        _ = A @ cupy.ones((256, columns), "float32")
    made = cuda._module.cache_info().misses, cuda._kernel.cache_info().misses
    for columns in (2, 3, 50, 1000, 1001):
        _ = A @ cupy.ones((256, columns), "float32")
        _ = A.H @ cupy.ones((256, columns), "float32")
    assert (cuda._module.cache_info().misses, cuda._kernel.cache_info().misses) == made


def test_more_columns_than_one_axis_of_a_grid_takes():
    A = butterfly("dyadic", 8, "float32").to("cupy")
    X = cupy.ones((8, 2**22), "float32")
    Y = A @ X
    assert bool(cupy.all(cupy.abs(Y - Y[:, :1]) <= 1e-6 * cupy.abs(Y[:, :1])))


# Streams, transfers and memory --------------------------------------------------------------------


def test_products_run_on_the_callers_stream():
    """A stream that is being captured forbids copies to the host, and waiting, for all of them."""
    F = butterfly("dyadic", 2**14, "float32")
    A = F.to("cupy")
    x, y = (cupy.asarray(random("float32", 2**14, 8, seed=k)) for k in (1, 2))
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        held = x.copy()
        _ = A @ held, A.H @ held  # compiled, and memory from the pool
        stream.synchronize()
        stream.begin_capture()
        Y, Z = A @ held, A.H @ held
        graph = stream.end_capture()
        for argument in (x, y):
            held[...] = argument
            graph.launch(stream)
            stream.synchronize()
            host = cupy.asnumpy(argument)
            agree(Y, F.tosparse() @ host, "float32")
            agree(Z, F.tosparse().T @ host, "float32")


def test_moving_copies_each_array_once():
    values = np.ones((1, 256, 256, 4), "float32")
    K = lo.KroneckerSparse(values)
    expression = lo.Butterfly([K, K.H]) + 2 * lo.Butterfly([K, K.H])
    pool = cupy.get_default_memory_pool()
    gc.collect()
    before = pool.used_bytes()
    A = expression.to("cupy")
    assert pool.used_bytes() - before <= values.nbytes + 2**16
    assert A.to("cupy") is A
    np.testing.assert_array_equal(A.to("numpy").toarray(), expression.toarray())


def test_products_leave_the_pool_alone():
    A = butterfly("dyadic", 4096, "float32").to("cupy")
    X = cupy.ones((4096, 64), "float32")
    _ = A @ X
    pool = cupy.get_default_memory_pool()
    total = pool.total_bytes()
    for _ in range(5):
        _ = A @ X
    assert pool.total_bytes() == total


# Solvers ------------------------------------------------------------------------------------------


def spd(dtype):
    """A well-conditioned Hermitian operator and its matrix, and a vector."""
    F = butterfly("dyadic", 64, dtype)
    A = F.H @ F + 4 * lo.Identity(64, dtype)
    return A.to("cupy"), A.toarray(), random(dtype, 64)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("solver", ["cg", "gmres", "minres", "lsmr"])
def test_linear_systems(solver, dtype):
    from cupyx.scipy.sparse import linalg

    if solver in ("minres", "lsmr") and dtype[0] == "c":
        pytest.skip("CuPy solves real systems by it")
    A, D, b = spd(dtype)
    x = getattr(linalg, solver)(A, cupy.asarray(b))[0]
    assert isinstance(x, cupy.ndarray)
    assert np.linalg.norm(D @ cupy.asnumpy(x) - b) <= 1e-3 * np.linalg.norm(b)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_eigenvalues_and_singular_values(dtype):
    from cupyx.scipy.sparse import linalg

    A, D, _ = spd(dtype)
    exact = np.linalg.eigvalsh(D)
    found = linalg.eigsh(A, k=3, return_eigenvectors=False)
    np.testing.assert_allclose(np.sort(cupy.asnumpy(found)), exact[-3:], rtol=1e-6)
    found = linalg.svds(A, k=3, return_singular_vectors=False)
    np.testing.assert_allclose(np.sort(cupy.asnumpy(found)), exact[-3:], rtol=1e-6)
    if dtype == "float64":
        start = cupy.asarray(random(dtype, 64, 3))
        found = linalg.lobpcg(A, start, maxiter=200, tol=1e-8)[0]
        np.testing.assert_allclose(np.sort(cupy.asnumpy(found)), exact[-3:], rtol=1e-5)


# What does not fit together -----------------------------------------------------------------------


def test_host_and_device_do_not_mix():
    A = lo.aslazy(cupy.eye(3))
    for mixed in (
        lambda: A @ np.ones(3),
        lambda: lo.aslazy(np.eye(3)) @ cupy.ones(3),
        lambda: A + aslinearoperator(np.eye(3)),
        lambda: A @ lo.aslazy(np.eye(3)),
    ):
        with pytest.raises(TypeError, match=r"\.to\("):
            mixed()
    assert isinstance(cupy.ones(3) @ A, cupy.ndarray)


@pytest.mark.skipif(_devices() < 2, reason="one CUDA device only")
def test_devices_do_not_mix_and_each_runs_its_own():
    A = butterfly("dyadic", 64, "float32")
    one, two = A.to("cupy"), A.to(cupy.cuda.Device(1))
    X = random("float32", 64, 5)
    with cupy.cuda.Device(1):
        there = cupy.asarray(X)
    Y = two @ there  # while device 0 is the current one
    assert Y.device.id == 1
    agree(Y, A.tosparse() @ X, "float32")
    with pytest.raises(TypeError, match=r"\.to\("):
        one @ there
    with pytest.raises(TypeError, match=r"\.to\("):
        one + two


# Packed weights -----------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"format": "bfloat16"}, {"format": "float8_e4m3fn"}])
@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_packed_weights_stay_packed(dtype, options):
    packed = lo.quantize(butterfly("dyadic", 256, dtype), **options).operator
    there = packed.to("cupy")
    assert there.cost == packed.cost
    assert there.plan(4).steps[0].kernel == "cuda"
    exact = packed.unpack().tosparse()
    for A, D in ((there, exact), (there.H, exact.conj().T)):
        for columns in (1, 24):
            X = random(dtype, 256, columns)
            agree(A @ cupy.asarray(X), D @ X, dtype)
    np.testing.assert_array_equal(there.to("numpy").codes, packed.codes)
    assert isinstance(there.astype("float64").factors[0].values, cupy.ndarray)
