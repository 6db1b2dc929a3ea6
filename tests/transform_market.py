"""Named transforms, each with the dense matrix that the reference library gives."""

from __future__ import annotations

import numpy as np
import scipy.fft
from market import random
from scipy import linalg, signal

import lazyop as lo


def matrix(function, shape, dtype):
    """The matrix of a function of arrays of a shape, by its values on unit arrays."""
    n = int(np.prod(shape))
    units = np.eye(n).reshape(n, *np.atleast_1d(shape))
    return np.stack([np.ravel(function(unit)) for unit in units], axis=-1).astype(dtype)


def _analytic(inverse):
    """The complex-linear function whose real part is that of an inverse of a real transform."""
    return lambda x, **arguments: inverse(x, **arguments) - 1j * inverse(1j * x, **arguments)


def _pair(transform, function, shape, **arguments):
    """A function of the dtype that returns a transform and the matrix of a function alike."""
    return lambda dtype: (
        transform(shape, **arguments, dtype=dtype),
        matrix(lambda x: function(x, **arguments), shape, dtype),
    )


def _of(make, function, shape):
    """A function of the dtype that returns an operator and the matrix of a function."""
    return lambda dtype: (make(dtype), matrix(function, shape, dtype))


def matrix_of_paley(q):
    """Paley's first construction of a Hadamard matrix, entry by entry."""
    squares = {i * i % q for i in range(1, q)}
    H = np.eye(q + 1)
    H[0, 1:], H[1:, 0] = 1, -1
    for i, j in np.ndindex(q, q):
        if i != j:
            H[1 + i, 1 + j] = 1 if (i - j) % q in squares else -1
    return H


def by_sign_changes(H):
    """The rows of a matrix in order of their sign changes."""
    return H[np.argsort((np.diff(H) != 0).sum(axis=1))]


def _convolution(transform, function, shape, *kernel_shape, **arguments):
    """A function of the dtype that returns a convolution with a kernel of that dtype."""

    def make(dtype):
        h = random(dtype, *kernel_shape)
        D = matrix(lambda x: function(x.astype(h.dtype), h), shape, dtype)
        return transform(shape, h, **arguments), D

    return make


def along_axis(function, axis):
    """A function of arrays by a function of vectors along one axis."""
    return lambda x, h: np.apply_along_axis(lambda v: function(v, h), axis, x)


def circular(x, h):
    """Circular convolution of arrays by definition."""
    y = np.zeros(x.shape, np.result_type(x, h))
    for place in np.ndindex(h.shape):
        y += h[place] * np.roll(x, place, axis=tuple(range(x.ndim)))
    return y


def _with_data(make, dense, *shapes):
    """A function of the dtype that returns an operator of arrays of that dtype."""

    def both(dtype):
        arrays = [random(dtype, *shape, seed=i) for i, shape in enumerate(shapes)]
        return make(*arrays), dense(*arrays).astype(dtype)

    return both


T = lo.transforms

#: From a name to a function of the dtype that returns an operator and its dense matrix; transforms
#: with complex matrices.
COMPLEX_MARKET = {
    "Dft": _pair(T.dft, scipy.fft.fft, 6),
    "DftOnePoint": _pair(T.dft, scipy.fft.fft, 1),
    "DftAxis": _pair(T.dft, scipy.fft.fft, (3, 4, 2), axis=1, norm="ortho"),
    "DftLonger": _pair(T.dft, scipy.fft.fft, (2, 3), n=5, norm="forward"),
    "Idft": _pair(T.idft, scipy.fft.ifft, 6),
    "IdftShorter": _pair(T.idft, scipy.fft.ifft, (5, 2), n=3, axis=0),
    "Dftn": _pair(T.dftn, scipy.fft.fftn, (3, 4), norm="ortho"),
    "DftnAxes": _pair(T.dftn, scipy.fft.fftn, (2, 3, 4), s=(3, 2), axes=(2, 0)),
    "Rdft": _pair(T.rdft, scipy.fft.rfft, 6),
    "RdftOdd": _pair(T.rdft, scipy.fft.rfft, (5, 2), axis=0, norm="ortho"),
    "RdftLonger": _pair(T.rdft, scipy.fft.rfft, (2, 3), n=6, norm="forward"),
    "Rdftn": _pair(T.rdftn, scipy.fft.rfftn, (3, 2, 4), axes=(2, 0), s=(3, 5)),
    "Irdft": _pair(T.irdft, _analytic(scipy.fft.irfft), 4),
    "IrdftOdd": _pair(T.irdft, _analytic(scipy.fft.irfft), (5, 2), n=7, axis=0, norm="ortho"),
    "IrdftOnePoint": _pair(T.irdft, _analytic(scipy.fft.irfft), 3, n=1),
    "Irdftn": _pair(T.irdftn, _analytic(scipy.fft.irfftn), (3, 2, 4), norm="forward"),
    "Idftn": _pair(T.idftn, scipy.fft.ifftn, (2, 5), norm="forward"),
}

#: Those that take the dtype of their data, which may be of either kind.
DATA_MARKET = {
    **{
        f"Convolve{mode.title()}{method.title()}": _convolution(
            T.convolve,
            lambda x, h, mode=mode: signal.convolve(x, h, mode),
            9,
            3,
            mode=mode,
            method=method,
        )
        for mode in ("full", "same", "valid")
        for method in ("direct", "fft", "overlap-add")
    },
    "ConvolveLongKernel": _convolution(
        T.convolve, lambda x, h: signal.convolve(x, h, "valid"), 3, 8, mode="valid", method="fft"
    ),
    "ConvolveBlocks": _convolution(T.convolve, signal.convolve, 50, 2, method="overlap-add"),
    "ConvolveAxis": _convolution(
        T.convolve,
        along_axis(lambda x, h: signal.convolve(x, h, "same"), 1),
        (2, 5, 3),
        *(4,),
        mode="same",
        axes=1,
        method="direct",
    ),
    "ConvolveTwoAxes": _convolution(
        T.convolve, lambda x, h: signal.convolve(x, h, "same"), (4, 5), 2, 3, mode="same"
    ),
    "ConvolveTurnedAxes": _convolution(
        T.convolve,
        lambda x, h: signal.convolve(x, h[:, None, :].T),
        (4, 2, 5),
        *(3, 2),
        axes=(-1, 0),
        method="fft",
    ),
    "ConvolveCircular": _convolution(T.convolve, circular, 5, 7, mode="circular"),
    "ConvolveCircularTwoAxes": _convolution(T.convolve, circular, (3, 4), 2, 2, mode="circular"),
    "CorrelateFull": _convolution(T.correlate, signal.correlate, 6, 3),
    "CorrelateSame": _convolution(
        T.correlate, lambda x, h: signal.correlate(x, h, "same"), (4, 5), 2, 2, mode="same"
    ),
    "CorrelateCircular": _convolution(
        T.correlate, lambda x, h: circular(x, np.roll(h.conj()[::-1], 1)), 5, 5, mode="circular"
    ),
    "ToeplitzAxis": _with_data(
        lambda c, r: T.toeplitz(c, r, shape=(2, 3, 2), axis=1),
        lambda c, r: np.kron(np.eye(2), np.kron(linalg.toeplitz(c, r), np.eye(2))),
        *((4,), (3,)),
    ),
    "CirculantAxis": _with_data(
        lambda c: T.circulant(c, shape=(3, 2), axis=0),
        lambda c: np.kron(linalg.circulant(c), np.eye(2)),
        (3,),
    ),
    "Window": _with_data(
        lambda w: T.window((2, 3, 2), w, axis=1),
        lambda w: np.diag(np.ravel(np.tile(np.repeat(w, 2), 2))),
        (3,),
    ),
    "ResamplePolyOfTaps": _with_data(
        lambda h: T.resample_poly((2, 7), 3, 2, window=h),
        lambda h: matrix(
            lambda x: signal.resample_poly(x, 3, 2, axis=-1, window=h), (2, 7), h.dtype
        ),
        (4,),
    ),
    "Hankel": _with_data(T.hankel, linalg.hankel, (4,), (3,)),
    "HankelOfColumn": _with_data(T.hankel, linalg.hankel, (3,)),
}

#: Those with real matrices.
REAL_MARKET = {
    **{
        f"Pad{mode.title()}": _of(
            lambda dtype, mode=mode: T.pad(3, (4, 2), mode, dtype=dtype),
            lambda x, mode=mode: np.pad(x, (4, 2), mode),
            3,
        )
        for mode in ("constant", "edge", "reflect", "symmetric", "wrap")
    },
    "PadOdd": _of(
        lambda dtype: T.pad((2, 4), ((0, 0), (2, 3)), "reflect", reflect_type="odd", dtype=dtype),
        lambda x: np.pad(x, ((0, 0), (2, 3)), "reflect", reflect_type="odd"),
        (2, 4),
    ),
    "PadAxes": _of(
        lambda dtype: T.pad((2, 3), ((1, 0), (2, 5)), "symmetric", dtype=dtype),
        lambda x: np.pad(x, ((1, 0), (2, 5)), "symmetric"),
        (2, 3),
    ),
    "Difference": _of(lambda dtype: T.difference(5, dtype=dtype), np.diff, 5),
    "DifferenceOneSided": _of(
        lambda dtype: T.difference(
            (2, 4, 3), 1, kind="centered", edge="one-sided", spacing=0.5, dtype=dtype
        ),
        lambda x: np.gradient(x, 0.5, axis=1),
        (2, 4, 3),
    ),
    "DifferenceSecond": _of(
        lambda dtype: T.difference(6, order=2, edge="zero", spacing=2, dtype=dtype),
        lambda x: np.pad(np.diff(x, 2), 1) / 4,
        6,
    ),
    "DifferenceBackward": _of(
        lambda dtype: T.difference((3, 2), 0, kind="backward", edge="constant", dtype=dtype),
        lambda x: np.diff(x, axis=0, prepend=0),
        (3, 2),
    ),
    "DifferenceWrap": _of(
        lambda dtype: T.difference(4, kind="centered", edge="wrap", dtype=dtype),
        lambda x: (np.roll(x, -1) - np.roll(x, 1)) / 2,
        4,
    ),
    "Downsample": _of(
        lambda dtype: T.downsample((2, 7, 2), 3, 1, start=1, dtype=dtype),
        lambda x: x[:, 1::3],
        (2, 7, 2),
    ),
    "Hadamard": _pair(T.hadamard, lambda x: linalg.hadamard(8) @ x, 8),
    "HadamardOnePoint": _pair(T.hadamard, lambda x: x, 1),
    "HadamardAxis": _pair(
        T.hadamard,
        lambda x, axis, norm: np.einsum("ij,ajk->aik", linalg.hadamard(4), x) / 2,
        (2, 4, 3),
        axis=1,
        norm="ortho",
    ),
    "HadamardTwelve": _pair(
        T.hadamard,
        lambda x, norm: np.kron(linalg.hadamard(2), matrix_of_paley(11)) @ x / 24,
        24,
        norm="forward",
    ),
    "HadamardTwenty": _pair(T.hadamard, lambda x: matrix_of_paley(19) @ x, 20),
    "HadamardSequency": _pair(
        T.hadamard, lambda x, order: by_sign_changes(linalg.hadamard(16)) @ x, 16, order="sequency"
    ),
    "ResampleFewer": _pair(T.resample, signal.resample, 7, num=4),
    "ResampleMore": _pair(T.resample, signal.resample, (2, 6), num=9, axis=1),
    "ResampleEven": _pair(T.resample, signal.resample, (6, 2), num=4, axis=0),
    "ResamplePoly": _of(
        lambda dtype: T.resample_poly((8, 2), 2, 3, axis=0, dtype=dtype),
        lambda x: signal.resample_poly(x, 2, 3, axis=0),
        (8, 2),
    ),
    "Decimate": _of(
        lambda dtype: T.decimate(30, 4, dtype=dtype),
        lambda x: signal.decimate(x, 4, ftype="fir"),
        30,
    ),
    "DecimateDelayed": _of(
        lambda dtype: T.decimate(30, 3, 7, zero_phase=False, dtype=dtype),
        lambda x: signal.decimate(x, 3, 7, ftype="fir", zero_phase=False),
        30,
    ),
    **{
        f"{name.title()}{type}{norm}": _pair(
            getattr(T, name), getattr(scipy.fft, name), 5, type=type, norm=norm
        )
        for name in ("dct", "dst")
        for type in (1, 2, 3, 4)
        for norm in ("backward", "ortho")
    },
    "DctOnePoint": _pair(T.dct, scipy.fft.dct, 1),
    "DctLonger": _pair(T.dct, scipy.fft.dct, (2, 3), n=4, norm="ortho"),
    "DctPlain": _pair(T.dct, scipy.fft.dct, 4, norm="ortho", orthogonalize=False),
    "DctWeighted": _pair(T.dct, scipy.fft.dct, 4, type=3, norm="forward", orthogonalize=True),
    "Idct": _pair(T.idct, scipy.fft.idct, (3, 4), axis=0),
    "DctnAxes": _pair(T.dctn, scipy.fft.dctn, (2, 3, 4), type=3, axes=(2, 0)),
    "Idctn": _pair(T.idctn, scipy.fft.idctn, (2, 3), type=1),
    "Idst": _pair(T.idst, scipy.fft.idst, 6, type=2, norm="forward"),
    "Dstn": _pair(T.dstn, scipy.fft.dstn, (3, 2), s=4, norm="ortho"),
    "Idstn": _pair(T.idstn, scipy.fft.idstn, (3, 2), type=1, axes=0),
}
