"""Bars on request, for all that can take seconds; and what an interrupt leaves behind."""

import sys

import numpy as np
import pytest

from lazyop.butterfly.chain import Chain
from lazyop.factorization import given_chain, nearest_kron, residual_sum, search
from lazyop.factorization.factorize import factorize

CHAIN = Chain.square_dyadic(16)
#: What to do to a matrix of order 16, and the bars that show it.
CALLS = {
    "chain": (lambda A, **more: factorize(A, CHAIN, **more), ["splits"]),
    "order": (lambda A, **more: factorize(A, CHAIN, order="balanced", **more), ["splits"]),
    "bounds": (lambda A, **more: factorize(A, CHAIN, **more).lower_bound, ["splits", "bounds"]),
    "terms": (lambda A, **more: factorize(A, CHAIN, terms=3, **more), ["further terms", "bounds"]),
    "tol": (lambda A, **more: factorize(A, tol=0.8, **more), ["spectra", "chains"]),
    "limit": (lambda A, **more: factorize(A, max_parameters=99, **more), ["spectra", "splits"]),
    "kron": (
        lambda A, **more: nearest_kron.nearest_kron(A, [(4, 4), (4, 4)], **more),
        ["Kronecker products"],
    ),
    "three": (
        lambda A, **more: nearest_kron.nearest_kron(A, [(2, 2), (4, 4), (2, 2)], 2, **more),
        ["Kronecker products"],
    ),
}


def gaussian():
    return np.random.default_rng(0).standard_normal((16, 16))


@pytest.mark.parametrize("name", CALLS)
def test_bars_are_shown_on_request_alone(name, capsys):
    pytest.importorskip("tqdm")
    call, bars = CALLS[name]
    call(gaussian())
    assert capsys.readouterr().err == ""
    call(gaussian(), progress=True)
    shown = capsys.readouterr().err
    assert all(f"{bar}: " in shown for bar in bars)
    assert "100%" in shown or "chains: " in shown


@pytest.mark.parametrize("name", CALLS)
def test_without_tqdm_the_error_says_what_to_install(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(ImportError, match=r"lazyop\[progress\]"):
        CALLS[name][0](gaussian(), progress=True)


@pytest.mark.parametrize(
    ("name", "module", "function", "count"),
    [
        ("chain", given_chain, "hierarchical_factors", 1),
        ("chain", given_chain, "residual_norm", 1),
        ("terms", residual_sum, "norm", 3),
        ("tol", search, "tails_at", 2),
        ("tol", search, "factorize_on", 2),
        ("limit", search, "factorize_on", 1),
        ("kron", nearest_kron, "leading_subspaces", 1),
        ("three", nearest_kron, "norm", 3),
    ],
)
def test_an_interrupt_changes_nothing(name, module, function, count, monkeypatch):
    call, calls, original = CALLS[name][0], [], getattr(module, function)
    A = gaussian()
    if function == "residual_norm":  # measured entry by entry where it is small
        A[:] = 1.0
    before, expected = A.copy(), call(A)

    def interrupted(*args, **kwargs):
        calls.append(1)
        if len(calls) == count:
            raise KeyboardInterrupt
        return original(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(module, function, interrupted)
        with pytest.raises(KeyboardInterrupt):
            call(A)
    assert np.array_equal(A, before)
    again = call(A)
    arrays = [getattr(found, "operator", found).toarray() for found in (expected, again)]
    assert np.array_equal(*arrays)
