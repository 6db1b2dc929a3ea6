"""Operators as functions of the weights that they hold, for tests of gradients and of tracing."""

from lazyop.conversion import Conversion


def weights_of(A):
    """The arrays that an operator holds but for index data, each once."""
    held = {id(x): x for x, parameters in A._arrays() if parameters}
    return list(held.values())


def with_weights(A, weights):
    """The same operator with other arrays in place of `weights_of(A)`."""
    return _Exchange(A, weights).operator(A)


class _Exchange(Conversion):
    def __init__(self, A, weights):
        super().__init__(A, A.namespace, None, None)
        self._new = {id(x): new for x, new in zip(weights_of(A), weights, strict=True)}

    def array(self, x, *, index=False):
        return x if index or 0 in x.shape else self._new[id(x)]
