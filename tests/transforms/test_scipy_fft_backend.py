"""Code that calls scipy.fft, with the backend set: the same results, dtypes and errors."""

import threading

import numpy as np
import pytest
import scipy.fft
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

import lazyop as lo
from lazyop.transforms import scipy_fft_backend as backend
from lazyop.transforms.scipy_calls import FUNCTIONS

room = __import__("sys").modules["lazyop.transforms.scipy_fft_backend"]

FOURIER = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
TRIGONOMETRIC = ("dct", "idct", "dst", "idst")
ONE_AXIS = FOURIER + TRIGONOMETRIC
REAL_ONLY = ("rfft", "rfft2", "rfftn", "ihfft", "ihfft2", "ihfftn")
NORMS = (None, "backward", "ortho", "forward")
DTYPES = ("float32", "float64", "complex64", "complex128")


@pytest.fixture(autouse=True)
def runs(monkeypatch):
    """Counts the transforms that operators made, so that none is SciPy's in disguise."""
    made = []
    for name in ("_run", "_run_own"):
        run = getattr(room, name)
        monkeypatch.setattr(room, name, lambda *args, run=run: made.append(args[0]) or run(*args))
    return made


def random(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def through(chosen, function, *args, **kwargs):
    with scipy.fft.set_backend(chosen, only=True):
        return function(*args, **kwargs)


def agree(found, expected):
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert found.flags.c_contiguous
    assert found.flags.writeable
    single = expected.dtype.name in ("float32", "complex64")
    size = np.abs(expected).max(initial=0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=(1e-5 if single else 1e-12) * size)


# The same as SciPy ------------------------------------------------------------------------------


@st.composite
def calls(draw):
    name = draw(st.sampled_from(sorted(FUNCTIONS)))
    # transforms of type I need two points
    shape = draw(st.lists(st.integers(2, 6), min_size=2 if "2" in name else 1, max_size=3))
    lengths = st.integers(2, 7)
    options = {"norm": draw(st.sampled_from(NORMS))}
    if name.rstrip("2n") in TRIGONOMETRIC:
        options["type"] = draw(st.integers(1, 4))
        options["orthogonalize"] = draw(st.sampled_from([None, True, False]))
    if name in ONE_AXIS:
        options["axis"] = draw(st.integers(-len(shape), len(shape) - 1))
        options["n"] = draw(st.none() | lengths)
    else:
        count = 2 if "2" in name else draw(st.integers(1, len(shape)))
        axes = draw(st.permutations(range(-len(shape), 0)))[:count]
        options["axes"] = draw(st.sampled_from([axes, tuple(axes)]))
        options["s"] = draw(st.none() | st.lists(lengths, min_size=count, max_size=count))
    dtypes = DTYPES[:2] if name in REAL_ONLY else DTYPES
    dtype = draw(st.sampled_from([*dtypes, "int16", "bool", "float16", ">f8"]))
    return name, tuple(shape), dtype, options


@settings(max_examples=300)
@given(calls())
def test_every_call_agrees_with_scipy(call):
    name, shape, dtype, options = call
    function, x = getattr(scipy.fft, name), random(shape, dtype)
    before, expected = x.copy(), function(x, **options)
    if name.rstrip("2n") in TRIGONOMETRIC and x.dtype.kind == "c":
        # SciPy forgets orthogonalize where the argument is complex
        expected = function(x.real, **options) + 1j * function(x.imag, **options)
    agree(through(backend, function, x, **options), expected)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_operators_run(name, runs):
    x = random((4, 6), "float64")
    through(backend, getattr(scipy.fft, name), x)
    assert [call.name for call in runs] == [name.rstrip("2n")]


def test_arguments_by_position_and_by_name(runs):
    x = random((4, 6), "float64")
    agree(through(backend, scipy.fft.fft, x, 5, 0, "ortho"), scipy.fft.fft(x, 5, 0, "ortho"))
    agree(through(backend, scipy.fft.dct, x, 3, 5, 0), scipy.fft.dct(x, 3, 5, 0))
    agree(through(backend, scipy.fft.fft2, x=x, s=(3, -1)), scipy.fft.fft2(x, (3, 6)))
    agree(through(backend, scipy.fft.fftn, x, 5), scipy.fft.fftn(x, 5))
    agree(through(backend, scipy.fft.fft, x, overwrite_x=True), scipy.fft.fft(x))
    assert len(runs) == 5


def test_array_likes_and_views():
    agree(through(backend, scipy.fft.fft, [1, 2, 3]), scipy.fft.fft([1, 2, 3]))
    agree(through(backend, scipy.fft.dct, (1.0, 2.0)), scipy.fft.dct((1.0, 2.0)))
    x = random((6, 8), "complex128")
    for view in (x.T, x[::2, ::-1], np.broadcast_to(x[:1], (3, 8))):
        agree(through(backend, scipy.fft.fft, view), scipy.fft.fft(view))
    for shape in ((0, 4), (2, 0, 3)):
        agree(through(backend, scipy.fft.fft, np.zeros(shape)), scipy.fft.fft(np.zeros(shape)))


def test_workers_are_passed_on(monkeypatch):
    seen = []
    apply = lo.LazyOperator.__matmul__

    def watched(self, x):
        seen.append(scipy.fft.get_workers())
        return apply(self, x)

    monkeypatch.setattr(lo.LazyOperator, "__matmul__", watched)
    x = random((4, 6), "float64")
    agree(through(backend, scipy.fft.fft, x, workers=2), scipy.fft.fft(x))
    through(backend, scipy.fft.fft, x)
    assert seen == [2, 1]


# Identities -------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", ["fft", "rfft", "hfft", "dct", "dst"])
@pytest.mark.parametrize("n", [1, 2, 7, 16])
def test_roundtrips(name, n, norm):
    x = random((3, n), "float64")
    forward, inverse = getattr(scipy.fft, name), getattr(scipy.fft, "i" + name)
    with scipy.fft.set_backend(backend, only=True):
        if name == "hfft":
            forward, inverse = inverse, forward
        options = {} if name in TRIGONOMETRIC else {"n": n}
        found = inverse(forward(x, norm=norm), norm=norm, **options)
    np.testing.assert_allclose(found, x, atol=1e-14)


def test_identities_of_the_fourier_transform():
    x, y = random(30, "complex128"), random(30, "complex128", seed=1)
    with scipy.fft.set_backend(backend, only=True):
        n, fft, ifft = 30, scipy.fft.fft, scipy.fft.ifft
        np.testing.assert_allclose(fft(np.eye(n)[3]), np.exp(-2j * np.pi * 3 * np.arange(n) / n))
        np.testing.assert_allclose(np.linalg.norm(fft(x, norm="ortho")), np.linalg.norm(x))
        shift = np.exp(-2j * np.pi * 4 * np.arange(n) / n)
        np.testing.assert_allclose(fft(np.roll(x, 4)), shift * fft(x), atol=1e-13)
        circular = [np.sum(x * y[(k - np.arange(n)) % n]) for k in range(n)]
        np.testing.assert_allclose(ifft(fft(x) * fft(y)), circular, atol=1e-13)
        np.testing.assert_allclose(scipy.fft.rfft(x.real), fft(x.real)[:16], atol=1e-13)
        np.testing.assert_allclose(scipy.fft.hfft(x[:16], n).imag, 0)
        rows = fft(fft(random((4, 5), "float64"), axis=0), axis=1)
        np.testing.assert_allclose(rows, scipy.fft.fft2(random((4, 5), "float64")), atol=1e-13)


@pytest.mark.parametrize("kind", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["dct", "dst"])
def test_identities_of_the_real_transforms(name, kind):
    transform, inverse = getattr(scipy.fft, name), getattr(scipy.fft, "i" + name)
    x, partner = random((3, 9), "float64"), {1: 1, 2: 3, 3: 2, 4: 4}[kind]
    with scipy.fft.set_backend(backend, only=True):
        y = transform(x, kind, norm="ortho")
        np.testing.assert_allclose(np.linalg.norm(y), np.linalg.norm(x))
        np.testing.assert_allclose(transform(y, partner, norm="ortho"), x, atol=1e-14)
        np.testing.assert_allclose(
            inverse(x, kind, norm="forward"), transform(x, partner), atol=1e-13
        )


# Code that calls scipy.fft ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        lambda x: scipy.signal.fftconvolve(x, x[:9]),
        lambda x: scipy.signal.oaconvolve(x, x[:9]),
        lambda x: scipy.signal.correlate(x, x[:30], method="fft"),
        scipy.signal.hilbert,
        lambda x: scipy.signal.resample(x, 150),
        lambda x: scipy.signal.welch(x, nperseg=32)[1],
        lambda x: scipy.signal.czt(x, 40),
    ],
)
def test_scipy_signal_runs_unchanged(function, runs):
    x = random(100, "float64")
    expected = function(x)
    with scipy.fft.set_backend(backend):
        found = function(x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    assert runs


def test_as_the_global_backend(runs):
    x = random(16, "float64")
    expected = scipy.fft.fft(x)
    try:
        scipy.fft.set_global_backend(backend)
        scipy.fft.register_backend("scipy")
        agree(scipy.fft.fft(x), expected)
        assert len(runs) == 1
        scipy.fft.fht(x, 0.1, 0.0)  # left to SciPy's own
        found = []
        thread = threading.Thread(target=lambda: found.append(scipy.fft.fft(x)))
        thread.start()
        thread.join()
        agree(found[0], expected)
        assert len(runs) > 1
    finally:
        scipy.fft.set_global_backend("scipy", try_last=True)


def test_backends_in_each_other(runs):
    x = random(8, "float64")
    other = backend.replacing("fft", 2 * lo.transforms.dft(8))
    with scipy.fft.set_backend(backend), scipy.fft.set_backend(other):
        agree(scipy.fft.fft(x), 2 * scipy.fft.fft(x, workers=1) / 2)
        with scipy.fft.skip_backend(other):
            found = scipy.fft.fft(x)
    agree(found, scipy.fft.fft(x))
    assert len(runs) == 3


@pytest.mark.parametrize(
    "x", [np.ones(4, np.longdouble), np.ma.ones(4), np.array([1.0, None]), "text", None]
)
def test_what_is_left_to_the_next_backend(x, runs):
    def result():
        try:
            return scipy.fft.fft(x)
        except Exception as error:
            return repr(error)

    expected = result()
    with scipy.fft.set_backend(backend):
        np.testing.assert_array_equal(result(), expected)
    assert not runs


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("fft", ([],), {}),
        ("fft", (1.0,), {}),
        ("fft", (np.ones(4),), {"n": 0}),
        ("fft", (np.ones(4),), {"n": 2.5}),
        ("fft", (np.ones(4),), {"n": -1}),
        ("irfft", (np.ones(4),), {"n": -1}),
        ("dst", (np.ones(4),), {"n": -1}),
        ("fft", (np.ones(4),), {"axis": 1}),
        ("fft", (np.ones(4),), {"norm": "none"}),
        ("fft", (np.ones(4),), {"workers": 0}),
        ("fft", (np.ones(4),), {"plan": 1}),
        ("fft", (np.ones(4),), {"size": 1}),
        ("fft", (np.array(["a", "b"]),), {}),
        ("rfft", (1j * np.ones(4),), {}),
        ("irfft", (np.ones(1),), {}),
        ("fftn", (np.ones((2, 2)),), {"axes": (0, 0)}),
        ("fftn", (np.ones((2, 2)),), {"axes": (0, 5)}),
        ("fftn", (np.ones((2, 2)),), {"s": (2, 2, 2)}),
        ("fftn", (np.ones((2, 2)),), {"s": (2,), "axes": (0, 1)}),
        ("fft2", (np.ones(4),), {}),
        ("dct", (np.ones(4), 5), {}),
        ("dct", (np.ones(4), 2.0), {}),
        ("dct", (np.ones(1), 1), {}),
        ("dctn", (np.ones((2, 2)),), {"norm": 1}),
    ],
)
def test_errors_are_those_of_scipy(name, args, kwargs):
    function = getattr(scipy.fft, name)
    refused = (ValueError, TypeError, IndexError, NotImplementedError, RuntimeError)
    with pytest.raises(refused) as expected:
        function(*args, **kwargs)
    with scipy.fft.set_backend(backend), pytest.raises(expected.type) as found:
        function(*args, **kwargs)
    assert str(found.value) == str(expected.value)


# Operators of one's own -------------------------------------------------------------------------


def own_transform(name, n, factor=2.0, **options):
    """The transform with all results multiplied, as a dense operator."""
    function = getattr(scipy.fft, name)
    if name in ("irfft", "hfft"):
        m = n // 2 + 1
        half = lo.transforms.irdft(m, n, norm="forward" if name == "hfft" else None)
        return factor * lo.aslazy((half.conj() if name == "hfft" else half).toarray())
    return factor * lo.aslazy(np.ascontiguousarray(function(np.eye(n), axis=0, **options)))


@pytest.mark.parametrize("name", ONE_AXIS)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_an_operator_takes_the_place_of_a_transform(name, axis, runs):
    n, function = 6, getattr(scipy.fft, name)
    mine = backend.replacing(name, own_transform(name, n))
    dtype = "float64" if name in REAL_ONLY else "complex128"
    x = random((6, 6, 6), dtype)
    options = {} if name in TRIGONOMETRIC else {"n": n}
    agree(through(mine, function, x, axis=axis, **options), 2 * function(x, axis=axis, **options))
    # of other lengths, cropped and padded to this one
    for m in (3, 9):
        y = random((m, m, m), dtype)
        agree(through(mine, function, y, n=n, axis=axis), 2 * function(y, n=n, axis=axis))
        if m != (n // 2 + 1) or name not in ("irfft", "hfft"):
            agree(through(mine, function, y, axis=axis), function(y, axis=axis))
    # with other norms, and other functions
    agree(through(mine, function, x, norm="forward"), function(x, norm="forward"))
    agree(through(backend, function, x, axis=axis, **options), function(x, axis=axis, **options))
    assert len(runs) >= 7


@pytest.mark.parametrize("name", ["fft", "rfft", "irfft", "hfft", "ihfft", "dct", "idst"])
def test_it_acts_along_each_of_several_axes(name):
    # of length 6 along two of three axes
    function, n = getattr(scipy.fft, name + "n"), 6
    along = {"rfft": "fft", "irfft": "ifft", "hfft": "fft", "ihfft": "ifft"}.get(name, name)
    x = random((6, 6, 5), "float64" if name in REAL_ONLY else "complex128")
    s = {} if name in TRIGONOMETRIC else {"s": (n, 4, n)}
    axes = (0, 2, 1)
    first = backend.replacing(along, own_transform(along, n))
    both = first if along == name else first.replacing(name, own_transform(name, n))
    expected = function(x, axes=axes, **s)
    agree(through(both, function, x, axes=axes, **s), 4 * expected)
    agree(through(first, function, x, axes=axes, **s), (4 if along == name else 2) * expected)
    assert backend.replacing("fft", own_transform("fft", 7))._own.keys() != both._own.keys()


def test_type_norm_and_variant_have_to_match():
    n, x = 8, random((3, 8), "float64")
    mine = backend.replacing(
        "dct", own_transform("dct", n, type=3, norm="ortho"), type=3, norm="ortho"
    )
    agree(through(mine, scipy.fft.dct, x, 3, norm="ortho"), 2 * scipy.fft.dct(x, 3, norm="ortho"))
    for options in (
        {"type": 3},
        {"type": 2, "norm": "ortho"},
        {"type": 3, "norm": "ortho", "orthogonalize": False},
    ):
        agree(through(mine, scipy.fft.dct, x, **options), scipy.fft.dct(x, **options))


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_precision_of_the_argument_stays(dtype):
    mine = backend.replacing("dct", own_transform("dct", 8)).replacing(
        "fft", own_transform("fft", 8)
    )
    x = random((3, 8), dtype)
    agree(through(mine, scipy.fft.dct, x), 2 * scipy.fft.dct(x))
    agree(through(mine, scipy.fft.fft, x), 2 * scipy.fft.fft(x))


def test_a_backend_stays_as_it_is():
    mine = backend.replacing("fft", own_transform("fft", 4))
    assert repr(backend) == "ScipyFFTBackend()"
    assert repr(mine) == "ScipyFFTBackend(its own: fft(4, norm='backward'))"
    x = random(4, "float64")
    agree(through(backend, scipy.fft.fft, x), scipy.fft.fft(x))


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"function": "fftn"}, ValueError, "transform along one axis, got 'fftn'"),
        ({"operator": np.ones((3, 4))}, ValueError, r"takes an operator of shape \(4, 4\)"),
        ({"operator": np.ones((0, 0))}, ValueError, "takes an operator of shape"),
        ({"operator": "text"}, TypeError, "expected a matrix"),
        ({"function": "rfft", "operator": np.eye(4)}, ValueError, r"shape \(3, 4\), got \(4, 4\)"),
        ({"function": "irfft", "operator": np.eye(4)}, ValueError, r"\(4, 3\), got \(4, 4\)"),
        ({"function": "dct", "operator": 1j * np.eye(4)}, TypeError, "real transform.*complex128"),
        ({"function": "dct", "type": 5}, ValueError, "1, 2, 3 or 4, got 5"),
        ({"norm": "unit"}, ValueError, "norm must be"),
    ],
)
def test_bad_input(arguments, error, match):
    with pytest.raises(error, match=match):
        backend.replacing(**({"function": "fft", "operator": np.eye(4)} | arguments))


def test_operators_of_other_namespaces_are_refused():
    xp = pytest.importorskip("array_api_strict")
    with pytest.raises(TypeError, match="arrays of NumPy"):
        backend.replacing("fft", lo.aslazy(xp.eye(4)))


def test_few_operators_are_kept():
    for n in range(1, 400):
        through(backend, scipy.fft.fft, np.ones(n))
    assert room._operator_of.cache_info().currsize <= 256
