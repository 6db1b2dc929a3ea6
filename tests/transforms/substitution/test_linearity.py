"""What functions are refused, and what is said of them."""

import itertools

import numpy as np
import pytest
import scipy.fft
from black_boxes import box

from lazyop import NotLinearError
from lazyop.transforms.substitution.linearity import checked_linearity

DOUBLE = 1.5e-8


def checked(function, dtype=float, tol=DOUBLE):
    return checked_linearity(box(function, dtype=dtype), tol)


@pytest.mark.parametrize(
    ("function", "dtype", "domain"),
    [
        (scipy.fft.dct, float, "complex"),
        (scipy.fft.fft, float, "complex"),
        (scipy.fft.fft, complex, "complex"),
        (scipy.fft.rfft, float, "real"),  # refuses complex arguments
        (scipy.fft.irfft, float, "real"),  # takes them, and is linear over the reals alone
        (np.real, float, "real"),
        (lambda x: x if np.isrealobj(x) else 2 * x, float, "real"),
        (np.diff, np.float32, "complex"),
        (np.zeros_like, float, "complex"),
    ],
)
def test_linear_functions(function, dtype, domain):
    off, found = checked(function, dtype, 3e-4 if dtype is np.float32 else DOUBLE)
    assert found == domain
    assert off < (1e-6 if dtype is np.float32 else 1e-14)


@pytest.mark.parametrize(
    "function",
    [
        np.abs,
        np.square,
        np.sort,
        lambda x: np.maximum(x, 0),
        lambda x: x / np.linalg.norm(x),
        lambda x: x * (1 + 1e-6 * np.tanh(x)),
        np.exp,
        # visible for small arguments, and for large ones
        lambda x: np.where(np.abs(x) < 1e-6, 0, x),
        lambda x: np.clip(x, -1e3, 1e3),
        lambda x: np.round(x, 9),
    ],
)
def test_nonlinear_functions(function):
    with np.errstate(invalid="ignore"), pytest.raises(NotLinearError, match=r"linear: .* off by"):
        checked(function)


@pytest.mark.parametrize("offset", [1.0, 1e-9])
def test_an_offset_is_named(offset):
    with pytest.raises(NotLinearError, match=r"affine: f\(0\) is not zero .* f\(x\) - f\(0\)"):
        checked(lambda x: scipy.fft.dct(x) + offset)


def test_a_function_that_conjugates_is_named():
    with pytest.raises(NotLinearError, match="antilinear"):
        checked(lambda x: scipy.fft.fft(x).conj(), complex)


@pytest.mark.parametrize("function", [np.real, lambda x: x + 2 * x.conj(), scipy.fft.irfft])
def test_a_function_that_is_linear_over_the_reals_alone_is_named(function):
    with pytest.raises(NotLinearError, match=r"over the real numbers alone.*with a real dtype"):
        checked(function, complex)


def test_a_complex_function_of_real_and_imaginary_parts_together():
    with pytest.raises(NotLinearError, match=r"f\(x \+ 1j y\)"):
        checked(lambda z: z + 1e-3 * np.abs(z.real) * np.abs(z.imag), complex)


def test_a_complex_dtype_needs_complex_arguments():
    def refusing(x):
        if x.imag.any():
            raise RuntimeError("no imaginary parts, please")
        return x

    with pytest.raises(RuntimeError, match="please"):
        checked(refusing, complex)
    assert checked(refusing)[1] == "real"


def test_a_function_that_changes_its_mind():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"not deterministic.*differ by"):
        checked(lambda x: x * rng.random())
    state = itertools.count()
    with pytest.raises(ValueError, match="not deterministic"):
        checked(lambda x: x * (1 + next(state)))


def test_imprecise_functions_pass_within_what_they_are_granted():
    def imprecise(x):
        return x * (1 + 1e-5 * np.sin(1e3 * x))

    with pytest.raises(NotLinearError):
        checked(imprecise)
    off, _ = checked(imprecise, tol=1e-4)
    assert 1e-7 < off < 1e-4
