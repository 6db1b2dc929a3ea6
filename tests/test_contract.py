"""The contract suite over every operator, on NumPy and on array_api_strict."""

import pytest
from market import BOUND_TO_NUMPY, MARKET

import lazyop as lo


def _contract(name):
    factory = MARKET[name]

    class Contract(lo.testing.OperatorContract):
        namespaces = ("numpy",) if name in BOUND_TO_NUMPY else ("numpy", "array_api_strict")

        def make(self, dtype):
            return factory(dtype)[0]

        def dense(self, dtype):
            return factory(dtype)[1]

    return Contract


for _name in MARKET:
    globals()[f"Test{_name}"] = type(f"Test{_name}", (_contract(_name),), {})


@pytest.mark.parametrize("name", MARKET)
def test_the_dtype_that_it_has_changes_nothing(name):
    A = MARKET[name]("float32")[0]
    assert A.astype("float32") is A
