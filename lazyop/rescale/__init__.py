"""Chains of factors and ReLU networks up to rescaling: what it leaves alone, and its best use."""

from lazyop.rescale.conservation import conserved
from lazyop.rescale.networks import read_layers, write_layers
from lazyop.rescale.paths import path_norm, path_scores
from lazyop.rescale.pruning import prune
from lazyop.rescale.scalings import balance

__all__ = [
    "balance",
    "conserved",
    "path_norm",
    "path_scores",
    "prune",
    "read_layers",
    "write_layers",
]
