"""Factors with given supports: the best ones where they can be found, and whether they exist."""

from lazyop.fixed_support.diagnosis import Diagnosis, diagnose
from lazyop.fixed_support.solve import SupportedFactorization, factorize
from lazyop.fixed_support.witness import Witness

__all__ = ["Diagnosis", "SupportedFactorization", "Witness", "diagnose", "factorize"]
