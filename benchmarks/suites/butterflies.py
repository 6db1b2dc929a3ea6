"""Products with butterflies."""

import numpy as np

import lazyop as lo


def chain(structure, n):
    makers = {
        "square dyadic": lambda: lo.Chain.square_dyadic(n),
        "rank-8 dyadic": lambda: lo.Chain.dyadic((n, n), rank=8),
        "Monarch": lambda: lo.Chain.monarch((n, n)),
    }
    return makers[structure]()


def draw(rng, shape, dtype):
    numbers = rng.standard_normal(shape)
    if np.issubdtype(dtype, np.complexfloating):
        numbers = numbers + 1j * rng.standard_normal(shape)
    return numbers.astype(dtype)


def butterfly(structure, n, dtype="float64"):
    rng = np.random.default_rng(0)
    values = [draw(rng, tuple(pattern), dtype) for pattern in chain(structure, n)]
    # So scaled, the columns keep their size however many factors there are.
    return lo.Butterfly([K / K.dtype.type(K.shape[2] ** 0.5) for K in values])


class SquareDyadic:
    params = ((2**8, 2**12, 2**16), (1, 64), ("float32", "float64", "complex128"))
    param_names = ("n", "columns", "dtype")

    def setup(self, n, columns, dtype):
        self.A = butterfly("square dyadic", n, dtype)
        self.X = draw(np.random.default_rng(1), (n, columns)[: 1 + (columns > 1)], dtype)
        self.AH = self.A.H
        self.A @ self.X, self.AH @ self.X

    def time_forward(self, n, columns, dtype):
        self.A @ self.X

    def time_adjoint(self, n, columns, dtype):
        self.AH @ self.X


class Structures:
    params = (("Monarch", "rank-8 dyadic"), (2**10, 2**12), (1, 64))
    param_names = ("structure", "n", "columns")

    def setup(self, structure, n, columns):
        self.A = butterfly(structure, n)
        self.X = np.random.default_rng(1).standard_normal((n, columns)[: 1 + (columns > 1)])
        self.A @ self.X

    def time_forward(self, structure, n, columns):
        self.A @ self.X


class Layouts:
    """Arguments that are not C-contiguous."""

    params = (("C", "Fortran", "reversed", "every second column"),)
    param_names = ("layout",)

    def setup(self, layout):
        X = np.random.default_rng(1).standard_normal((2**10, 64))
        layouts = {
            "C": lambda: X,
            "Fortran": lambda: np.asfortranarray(X),
            "reversed": lambda: X[::-1],
            "every second column": lambda: np.repeat(X, 2, axis=1)[:, ::2],
        }
        self.A, self.X = butterfly("square dyadic", 2**10), layouts[layout]()
        self.A @ self.X

    def time_forward(self, layout):
        self.A @ self.X


class Merge:
    params = ((2**10, 2**14),)
    param_names = ("n",)

    def setup(self, n):
        self.A = butterfly("square dyadic", n)
        self.pairs = (2,) * (len(self.A.factors) // 2)

    def time_merge_pairs(self, n):
        self.A.merge(self.pairs)

    def time_first_product(self, n):
        """What an operator does once is in its first product."""
        lo.Butterfly(self.A.factors) @ np.ones(n)
