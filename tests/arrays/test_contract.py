"""The contract suite over every operator, on PyTorch and on JAX as it is by default."""

from importlib.util import find_spec

import pytest
from market import BOUND_TO_NUMPY, MARKET

import lazyop as lo

#: JAX compiles every product anew, which takes its time. By default it has single precision alone;
#: real entries are met in the tests of tracing and of gradients.
SETTINGS = {
    "torch": {},
    "jax": {"dtypes": ("complex64",), "views": ("forward", "adjoint")},
}

#: What JAX would compile at length, to run as another that it does compile.
LEFT_OUT = {"torch": set(), "jax": {"Toeplitz", "Circulant", "CirculantByTransforms"}}

INSTALLED = [name for name in SETTINGS if find_spec(name)]
if not INSTALLED:
    pytest.skip("neither PyTorch nor JAX is installed", allow_module_level=True)


def _contract(name, namespace):
    factory = MARKET[name]

    class Contract(lo.testing.OperatorContract):
        def make(self, dtype):
            return factory(dtype)[0]

        def dense(self, dtype):
            return factory(dtype)[1]

    return type("Contract", (Contract,), {"namespaces": (namespace,), **SETTINGS[namespace]})


for _namespace in INSTALLED:
    for _name in sorted(set(MARKET) - BOUND_TO_NUMPY - LEFT_OUT[_namespace]):
        _title = f"Test{_name}_{_namespace}"
        globals()[_title] = type(_title, (_contract(_name, _namespace),), {})
