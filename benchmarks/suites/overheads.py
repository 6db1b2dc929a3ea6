"""What a call costs besides its arithmetic, and what an import costs."""

import numpy as np
from scipy.sparse.linalg import aslinearoperator

import lazyop as lo


def operators(rng):
    """Operators of order 16 by name, made when called."""
    square = rng.standard_normal
    return {
        "dense": lambda: lo.aslazy(square((16, 16))),
        "Identity": lambda: lo.Identity(16),
        "Diagonal": lambda: lo.Diagonal(square(16)),
        "Permutation": lambda: lo.Permutation(rng.permutation(16)),
        "Kron": lambda: lo.kron(*square((2, 4, 4))),
        "Butterfly": lambda: lo.Butterfly([square(tuple(p)) for p in lo.Chain.square_dyadic(16)]),
        "SciPy's dense, to compare": lambda: aslinearoperator(square((16, 16))),
    }


class Calls:
    params = tuple(operators(np.random.default_rng(0)))
    param_names = ("operator",)

    def setup(self, operator):
        rng = np.random.default_rng(0)
        self.A, self.x = operators(rng)[operator](), rng.standard_normal(16)
        self.A @ self.x

    def time_product(self, operator):
        self.A @ self.x

    def time_matvec(self, operator):
        self.A.matvec(self.x)

    def time_adjoint(self, operator):
        self.A.H  # noqa: B018


class Expressions:
    """Making operators, without a product."""

    def setup(self):
        rng = np.random.default_rng(0)
        self.dense, self.diagonal = rng.standard_normal((16, 16)), rng.standard_normal(16)
        self.A, self.D = lo.aslazy(self.dense), lo.Diagonal(self.diagonal)
        self.values = [np.ones(tuple(p)) for p in lo.Chain.square_dyadic(2**10)]

    def time_aslazy(self):
        lo.aslazy(self.dense)

    def time_expression(self):
        2 * self.A @ self.D + self.D.H

    def time_butterfly(self):
        lo.Butterfly(self.values)

    def time_restriction(self):
        self.A[2:5, ::2]


class NewProcess:
    """What a program waits for; NumPy and SciPy alone show how much of it is ours."""

    timeout = 120

    def timeraw_import(self):
        return "import lazyop"

    def timeraw_import_numpy_and_scipy(self):
        return "import numpy, scipy.sparse.linalg"

    def timeraw_first_product(self):
        return """
        import numpy as np
        import lazyop as lo
        values = [np.ones(tuple(p)) for p in lo.Chain.square_dyadic(1024)]
        lo.Butterfly(values) @ np.ones(1024)
        """
