"""Functions as those who substitute see them."""

import numpy as np

from lazyop.transforms.substitution.black_box import BlackBox


def box(function, shape=(16,), dtype=float, vectorized=False, home="numpy"):
    return BlackBox(function, shape, np.dtype(dtype), vectorized, home)
