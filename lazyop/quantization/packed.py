"""PackedButterfly: a butterfly that holds its weights as bits, and multiplies from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import array_api_compat
import numpy as np
import numpy.typing as npt

from lazyop.butterfly.kronecker_sparse import KroneckerSparse
from lazyop.butterfly.operator import Butterfly
from lazyop.kernels.plan import Step
from lazyop.namespaces import Array, device_of, namespace_of, resolve, to_numpy
from lazyop.operator import LazyOperator
from lazyop.quantization.by_energy import ByEnergy
from lazyop.quantization.codings import Coding
from lazyop.quantization.factorwise import Factorwise, pack_factorwise
from lazyop.quantization.on_device import device_codes, is_readable

if TYPE_CHECKING:
    from lazyop.butterfly.chain import Chain
    from lazyop.conversion import Conversion
    from lazyop.kernels.cuda_chain import DeviceChain
    from lazyop.traits import Invert, Order

__all__ = ["PackedButterfly", "head", "pack_butterfly"]

_DTYPES = "fdFD"


class Store(Protocol):
    """What reads the bytes of a packed butterfly."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the entries."""

    @property
    def chain(self) -> Chain:
        """The patterns of the factors."""

    @property
    def is_compiled(self) -> bool:
        """Whether a kernel multiplies a vector by the bits themselves."""

    def values(self) -> list[npt.NDArray[Any]]:
        """Return the entries of all factors, leftmost first."""

    def vector(self, x: npt.NDArray[Any], *, transposed: bool) -> npt.NDArray[Any] | None:
        """Multiply a vector by the bits themselves; None where no kernel takes them."""

    def apply(self, X: Array, *, transposed: bool, conjugated: bool) -> Array:
        """Multiply a matrix of columns by the chain, its transpose, conjugate or adjoint."""


#: Up to how many columns are multiplied one by one where a kernel reads the bits.
_FEW_COLUMNS = 8

#: What reads the bytes that begin with a kind. Kind 0 had factorwise codes in another order.
STORES: dict[int, type[Factorwise] | type[ByEnergy]] = {1: ByEnergy, 2: Factorwise}


class PackedButterfly(LazyOperator):
    """Butterfly that is held as the bits of its quantized weights.

    Products unpack a part of the weights at a time. The adjoint, the transpose and the conjugate
    share the bits. `unpack` gives the butterfly whose entries are the same numbers as floats;
    `astype` does so in any precision, its own included, and ``.to`` another namespace as well,
    since bits are read on NumPy alone; and on CuPy where factors have codes of one width, and every
    entry is a floating-point number of up to 8 exponent bits, every column a direction, or every
    row a direction times such a number.

    Parameters
    ----------
    codes : array of uint8
        As `lazyop.quantize` makes them: a header, which says what follows, and the weights.

    Attributes
    ----------
    codes : array of uint8
        All that is held.
    chain : Chain
        The patterns of the factors.

    Raises
    ------
    ValueError
        If the bytes are not those of a packed butterfly.
    TypeError
        If it is no vector of bytes on NumPy.

    Examples
    --------
    >>> import numpy as np
    >>> import lazyop as lo
    >>> F = lo.Butterfly([np.ones(tuple(p)) for p in lo.Chain.square_dyadic(256)])
    >>> packed = lo.quantize(F, bits=4, method="normal-form").operator
    >>> packed.cost.nbytes <= F.cost.nbytes / 16
    True
    >>> np.allclose(packed.H @ np.ones(256), 256)
    True
    """

    _fields = ("codes", "_transposed", "_conjugated")
    _makes_new = True

    def __init__(self, codes: Any, *, _transposed: bool = False, _conjugated: bool = False) -> None:
        self.codes = _as_bytes(codes)
        self._transposed, self._conjugated = bool(_transposed), bool(_conjugated)
        self._store = _read(to_numpy(self.codes))
        self._on_device = self._device_chain()
        chain = self._store.chain
        self.chain = chain.H if self._transposed else chain
        super().__init__(self._store.dtype, self.chain.shape)

    def values(self) -> list[npt.NDArray[Any]]:
        """Return the entries that the bits stand for, of each factor, before any transposition."""
        return self._store.values()

    def _norm(self, order: Order, norm_of: Callable[[LazyOperator], float]) -> float | None:
        return norm_of(self.unpack())

    def _inverse(self, invert: Invert) -> LazyOperator | None:
        return invert(self.unpack())

    def unpack(self) -> Butterfly:
        """Return the butterfly with the same entries, as floats of this operator's dtype.

        Returns
        -------
        Butterfly
            On NumPy.
        """
        factors = [KroneckerSparse(values) for values in self.values()]
        if self._transposed:
            factors = [factor._transpose() for factor in reversed(factors)]
        if self._conjugated:
            factors = [factor._conj() for factor in factors]
        return Butterfly(factors)

    def _device_chain(self) -> DeviceChain | None:
        """Return what multiplies by codes on a GPU, this way round; None on NumPy."""
        if not array_api_compat.is_cupy_array(self.codes):
            return None
        from lazyop.kernels.cuda import MACHINE

        chain = device_codes(self._store, self.codes, MACHINE)
        if chain is None:
            raise TypeError(
                "kernels on a GPU can't read these codes; unpack() them before they move"
            )
        chain = chain.transpose() if self._transposed else chain
        return chain.conj() if self._conjugated else chain

    def _apply(self, X: Array) -> Array:
        if self._on_device is not None:
            return self._on_device.apply(X, "cuda")
        if X.shape[1] <= _FEW_COLUMNS:
            each = [self._compiled_vector(X[:, k]) for k in range(X.shape[1])]
            columns = [y for y in each if y is not None]
            if columns and len(columns) == len(each):
                return np.stack(columns, axis=1)
        return self._store.apply(X, transposed=self._transposed, conjugated=self._conjugated)

    def _apply_vector(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        y = None if self._on_device is not None else self._compiled_vector(x)
        return super()._apply_vector(x) if y is None else y

    def _compiled_vector(self, x: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
        """Multiply a vector by the bits directly; None where there is no such kernel."""
        if x.dtype.kind == "c" and self.dtype.kind != "c":  # real weights act on both parts
            real, imaginary = (self._compiled_vector(part) for part in (x.real, x.imag))
            return None if real is None or imaginary is None else real + 1j * imaginary
        return self._store.vector(x, transposed=self._transposed)

    def _adjoint(self) -> LazyOperator:
        return self._turned(transposed=True, conjugated=self.dtype.kind == "c")

    def _transpose(self) -> LazyOperator:
        return self._turned(transposed=True, conjugated=False)

    def _conj(self) -> LazyOperator:
        return self._turned(transposed=False, conjugated=True)

    def _turned(self, *, transposed: bool, conjugated: bool) -> PackedButterfly:
        return PackedButterfly(
            self.codes,
            _transposed=self._transposed != transposed,
            _conjugated=self._conjugated != conjugated,
        )

    def _convert(self, xp: Any, device: Any, dtype: npt.DTypeLike | None) -> LazyOperator:
        if dtype is None:
            return super()._convert(xp, device, dtype)
        if xp is None:
            xp, device = namespace_of(self.codes), device_of(self.codes)
        return self.unpack()._convert(xp, device, dtype)

    def _converted(self, conversion: Conversion) -> LazyOperator:
        xp = namespace_of(self.codes) if conversion.xp is None else conversion.xp
        on_gpu = array_api_compat.is_cupy_namespace(xp) and is_readable(self._store)
        if conversion.dtype is None and (on_gpu or xp is resolve("numpy")[0]):
            codes = conversion.array(self.codes)
            return self if codes is self.codes else self._rebuild_with(codes)
        return conversion.operator(self.unpack())

    def _rebuild_with(self, codes: Array) -> PackedButterfly:
        flags = {"_transposed": self._transposed, "_conjugated": self._conjugated}
        return PackedButterfly(codes, **flags)

    def _arrays(self) -> Iterator[tuple[Array, int]]:
        yield self.codes, self.chain.nnz

    def _tosparse(self) -> Any:
        return self.unpack().tosparse()

    def _flops(self) -> int:
        return self.chain.nnz * self._flops_per_entry()

    def _steps(self, columns: int) -> Iterator[Step]:
        kernel = "compiled" if self._store.is_compiled and columns <= _FEW_COLUMNS else "unpacked"
        kernel = "cuda" if self._on_device is not None else kernel
        yield Step(repr(self), kernel, self._flops() * columns)

    def _details(self) -> str:
        weights = self.chain.nnz
        return f"{len(self.chain)} factors, {8 * self.codes.size / weights:.2f} bits per weight"


def pack_butterfly(
    values: Sequence[npt.NDArray[Any]], codings: Sequence[Coding]
) -> PackedButterfly:
    """Return a packed butterfly, every factor by a coding of its own.

    Parameters
    ----------
    values : sequence of arrays (a, b, c, d)
        The entries of the factors, leftmost first, of one floating-point dtype; each is rounded to
        what its coding holds.
    codings : sequence of Coding
        One for each factor.
    """
    return PackedButterfly(pack_factorwise(values, codings, head(Factorwise, values[0].dtype)))


def head(store: type, dtype: np.dtype[Any]) -> bytes:
    """Return the bytes that say what reads the others, and the dtype of the entries."""
    (kind,) = (kind for kind, known in STORES.items() if known is store)
    return bytes([kind, _DTYPES.index(dtype.char)])


def _read(codes: npt.NDArray[np.uint8]) -> Store:
    if codes.size < 3 or int(codes[0]) not in STORES or codes[1] >= len(_DTYPES):
        raise ValueError("these bytes are not those of a packed butterfly")
    return STORES[int(codes[0])].from_header(codes, 2, np.dtype(_DTYPES[int(codes[1])]))


def _as_bytes(codes: Any) -> Array:
    known = isinstance(codes, np.ndarray) or array_api_compat.is_cupy_array(codes)
    if not known or codes.dtype != np.uint8 or codes.ndim != 1:
        name = type(codes).__name__
        raise TypeError(f"expected a vector of bytes (uint8) on NumPy or CuPy, got {name}")
    return codes
