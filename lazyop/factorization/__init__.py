"""Butterfly factorization of dense matrices."""
