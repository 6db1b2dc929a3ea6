"""Numbers of any size beside exact rationals."""

import math
from fractions import Fraction

import numpy as np
import pytest

from lazyop.rescale.ranged import Ranged, concatenated, exponents_of

NUMBERS = np.array([[0.0, 5e-324, 1e-308, 1e-160], [1e-30, 1.0, 3e200, 1.7e308]])


def exact(x):
    exponents = np.broadcast_to(x.exponent, x.mantissa.shape)
    pairs = zip(x.mantissa.ravel(), exponents.ravel(), strict=True)
    return [Fraction(m) * Fraction(2) ** int(e) for m, e in pairs]


def test_numbers_are_kept_as_they_are():
    x = Ranged.of(NUMBERS, -2560.0)
    assert exact(x) == [Fraction(a) / 2**2560 for a in NUMBERS.ravel()]
    held = x.mantissa[x.mantissa > 0]
    assert held.min() >= 2.0**-128
    assert held.max() < 2.0**128
    assert Ranged.of(np.array([-1e-17, 2.0])).mantissa.tolist() == [0.0, 2.0]


@pytest.mark.parametrize("q", [1, 2, 3, 16])
def test_powers(q):
    for found, a in zip(exact(Ranged.of(NUMBERS).power(q)), NUMBERS.ravel(), strict=True):
        assert 10**12 * abs(found - Fraction(a) ** q) <= Fraction(a) ** q


def test_sums_and_products():
    x, y = Ranged.of(NUMBERS).power(3), Ranged.of(NUMBERS[::-1, ::-1].copy(), 256.0).power(2)
    pairs = list(zip(exact(x), exact(y), strict=True))
    for found, (a, b) in zip(exact(x.plus(y)), pairs, strict=True):
        assert 10**15 * abs(found - a - b) <= a + b
    for found, (a, b) in zip(exact(x.times(y)), pairs, strict=True):
        assert 10**15 * abs(found - a * b) <= a * b


def test_places_and_totals():
    x = Ranged.of(NUMBERS).power(2)
    stacked = concatenated([x, Ranged.of(np.ones((1, 4))).map(lambda a: 1 * a)])
    assert stacked.mantissa.shape == (3, 4)
    assert len(exponents_of([stacked])) > 2
    mantissa, exponent = stacked.total()
    assert math.log2(mantissa) + exponent == pytest.approx(2 * math.log2(1.7e308))
    assert Ranged.of(np.zeros((2, 2))).total() == (0.0, 0.0)


def test_what_is_out_of_any_range():
    with pytest.raises(OverflowError, match="beyond the range"):
        Ranged.of(np.array([np.inf]))
    with pytest.raises(OverflowError, match=r"too large a power, q=1e\+307"):
        Ranged.of(NUMBERS).power(1e307)
    with pytest.raises(OverflowError, match="too far apart"):
        exponents_of([Ranged.of(2.0 ** np.linspace(0, 1, 2000)).power(1e6)])
