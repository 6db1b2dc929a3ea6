"""What the tests of the CUDA kernels share."""

import pytest
from machines import Compiled, Emulated, compiler


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Where compiled kernels stay, for all processes that test, and for the next run."""
    return tmp_path_factory.getbasetemp().parent


@pytest.fixture(params=["compiled", "compiled, last thread first", "emulated"])
def machine(request, folder):
    """A function of limits that makes a machine."""
    if request.param == "emulated":
        return Emulated
    if compiler() is None:
        pytest.skip("no C++ compiler on this machine")
    return lambda limits=None: Compiled(folder, limits, falls="last" in request.param)
