"""What the tests of array libraries share; each is skipped where its library is not installed."""

import sys

import pytest


@pytest.fixture
def x64():
    """Switches JAX's 64-bit numbers on for one test."""
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


@pytest.fixture(scope="module", autouse=True)
def _no_programs_kept():
    """Drops the programs that JAX compiled for a file: they fill the memory otherwise."""
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
