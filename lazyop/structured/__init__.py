"""Operators with a structure of their own, one a file; importing it teaches `aslazy` them all."""

from lazyop.structured import dense, external, sparse

__all__ = ["dense", "external", "sparse"]
