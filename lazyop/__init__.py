"""Matrices as short products of structured factors, used wherever SciPy takes an operator."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lazyop import butterfly, testing
from lazyop import structured as _structured  # noqa: F401 (teaches aslazy its types)
from lazyop.algebra.composite import Product, Sum
from lazyop.algebra.neutral import Identity, Zero
from lazyop.algebra.norm import norm
from lazyop.aslazy import aslazy
from lazyop.butterfly.chain import Chain
from lazyop.butterfly.kronecker_sparse import KroneckerSparse
from lazyop.butterfly.operator import Butterfly
from lazyop.butterfly.pattern import Pattern
from lazyop.cost import Cost
from lazyop.io import load, save
from lazyop.operator import LazyOperator
from lazyop.structured.block import block, hstack, vstack
from lazyop.structured.block_diagonal import BlockDiagonal, block_diag
from lazyop.structured.diagonal import Diagonal
from lazyop.structured.inverse import inverse
from lazyop.structured.kron import Kron, KronSum, kron, kronsum
from lazyop.structured.low_rank import LowRank
from lazyop.structured.permutation import Permutation, bit_reversal, perfect_shuffle
from lazyop.structured.toeplitz import Circulant, Toeplitz
from lazyop.versions import show_versions

if TYPE_CHECKING:
    from lazyop import fixed_support, rescale, transforms
    from lazyop.factorization.factorize import factorize
    from lazyop.factorization.given_chain import Factorization
    from lazyop.factorization.nearest_kron import nearest_kron
    from lazyop.factorization.refine import refine
    from lazyop.quantization.formats import FloatFormat
    from lazyop.quantization.quantize import Quantization, quantize
    from lazyop.quantization.rank_one import quantize_rank_one
    from lazyop.transforms.substitution.linearity import NotLinearError
    from lazyop.transforms.substitution.record import NotCompressibleError, Substitution
    from lazyop.transforms.substitution.substitute import substitute

__version__ = "0.1.0"

#: Names whose modules are imported when they are first asked for: the rooms above the operators.
_LATER = {
    "fixed_support": "lazyop.fixed_support",
    "rescale": "lazyop.rescale",
    "transforms": "lazyop.transforms",
    "factorize": "lazyop.factorization.factorize",
    "Factorization": "lazyop.factorization.given_chain",
    "nearest_kron": "lazyop.factorization.nearest_kron",
    "refine": "lazyop.factorization.refine",
    "FloatFormat": "lazyop.quantization.formats",
    "Quantization": "lazyop.quantization.quantize",
    "quantize": "lazyop.quantization.quantize",
    "quantize_rank_one": "lazyop.quantization.rank_one",
    "NotLinearError": "lazyop.transforms.substitution.linearity",
    "NotCompressibleError": "lazyop.transforms.substitution.record",
    "Substitution": "lazyop.transforms.substitution.record",
    "substitute": "lazyop.transforms.substitution.substitute",
}

__all__ = [
    "BlockDiagonal",
    "Butterfly",
    "Chain",
    "Circulant",
    "Cost",
    "Diagonal",
    "Factorization",
    "FloatFormat",
    "Identity",
    "Kron",
    "KronSum",
    "KroneckerSparse",
    "LazyOperator",
    "LowRank",
    "NotCompressibleError",
    "NotLinearError",
    "Pattern",
    "Permutation",
    "Product",
    "Quantization",
    "Substitution",
    "Sum",
    "Toeplitz",
    "Zero",
    "aslazy",
    "bit_reversal",
    "block",
    "block_diag",
    "butterfly",
    "factorize",
    "fixed_support",
    "hstack",
    "inverse",
    "kron",
    "kronsum",
    "load",
    "nearest_kron",
    "norm",
    "perfect_shuffle",
    "quantize",
    "quantize_rank_one",
    "refine",
    "rescale",
    "save",
    "show_versions",
    "substitute",
    "testing",
    "transforms",
    "vstack",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(_LATER[name])
    value = module if _LATER[name] == f"{__name__}.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(globals().keys() | _LATER)
