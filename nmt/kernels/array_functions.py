"""The parts of the Transformer's layers on NumPy arrays; the references are in `nmt.model`.

Dimensions: R rows, d their width.
"""

from collections.abc import Callable

import numpy
from numpy.typing import NDArray

Floats = NDArray[numpy.float32]
Rotations = NDArray[numpy.complex64]

COLUMNS = 64  # of a block of `ArrayLinear`; measured for widths of 128 to 2,048
MOST_ROWS = 48  # for more rows, and for one, the product with the whole weight is as fast
# A weight of at least so many numbers, with rows at least so wide, is kept in blocks only. They are
# made at once, so that processes that are forked later share them. The product with many rows then
# takes 1.1 times as long.
LARGE, WIDE = 200_000, 256


class ArrayLinear:
    """x W^T + b: (R, n) to (R, m) for a fixed weight (m, n).

    The plain reference is `x @ weight.T + bias`. In each call, OpenBLAS would copy the whole weight
    into the order of its registers. For a few rows, this copy takes much of the time. A product
    with a block of 64 columns is small enough for kernels that copy nothing: 4 rows take less than
    half of the time.
    """

    def __init__(self, weight: Floats, bias: Floats | None = None) -> None:
        """Take a weight (m, n) and a bias (m,); a small weight is copied when it is first used."""
        self.weight = weight
        self.bias = bias
        is_large = weight.size >= LARGE and weight.shape[1] >= WIDE
        self.whole: Floats | None = weight.T if is_large else None  # (n, m)
        self.blocks: Floats | None = in_blocks(weight) if is_large else None  # (m / 64, n, 64)

    def __call__(self, x: Floats) -> Floats:
        """Multiply x (R, n); the result (R, m) is a fresh array."""
        rows = len(x)
        if not 1 < rows <= MOST_ROWS:
            if self.whole is None:
                self.whole = numpy.ascontiguousarray(self.weight.T)
            product = x @ self.whole
        else:
            if self.blocks is None:
                self.blocks = in_blocks(self.weight)
            count = len(self.blocks)
            padded = numpy.empty((rows, count, COLUMNS), numpy.float32)
            numpy.matmul(x, self.blocks, out=padded.swapaxes(0, 1))
            product = padded.reshape(rows, count * COLUMNS)
            if product.shape[1] != len(self.weight):
                product = product[:, : len(self.weight)]
        if self.bias is not None:
            product += self.bias
        return product


def in_blocks(weight: Floats) -> Floats:
    """Return a weight (m, n) as blocks (m / 64, n, 64) of its transpose, filled up with zeros."""
    rows, width = weight.shape
    count = -(-rows // COLUMNS)
    if rows == count * COLUMNS:
        return numpy.ascontiguousarray(weight.reshape(count, COLUMNS, width).swapaxes(1, 2))
    padded = numpy.zeros((count * COLUMNS, width), numpy.float32)
    padded[:rows] = weight
    return numpy.ascontiguousarray(padded.reshape(count, COLUMNS, width).swapaxes(1, 2))


class ArrayNorm:
    """LayerNorm, or RMSNorm if there is no bias."""

    def __init__(self, weight: Floats, bias: Floats | None, epsilon: float) -> None:
        """Take the weight and the bias (d,), and what is added to the variance."""
        self.weight = weight
        self.bias = bias
        self.epsilon = epsilon
        # A product with 1 / d is the mean, in a fifth of the time of `mean`.
        self.mean: Floats = numpy.full((len(weight), 1), 1 / len(weight), numpy.float32)

    def __call__(self, x: Floats) -> Floats:
        """Normalise x (R, d); the result is a fresh array."""
        if self.bias is None:
            scaled: Floats = x / self.deviation(x)
            scaled *= self.weight
            return scaled
        out: Floats = x - x @ self.mean
        out /= self.deviation(out)
        out *= self.weight
        out += self.bias
        return out

    def deviation(self, x: Floats) -> Floats:
        """Return the square root (R, 1) of the mean of the squares of x, plus epsilon."""
        squares: Floats = numpy.matmul(x * x, self.mean)
        squares += self.epsilon
        return numpy.sqrt(squares, out=squares)


def softmax(x: Floats) -> Floats:
    """Replace x (..., n) by its softmax over the last dimension, and return it.

    NaN propagates. A row of minus infinities becomes NaN.
    """
    x -= numpy.maximum.reduce(x, axis=-1, keepdims=True)
    numpy.exp(x, out=x)
    x /= numpy.add.reduce(x, axis=-1, keepdims=True)
    return x


def relu(x: Floats) -> Floats:
    """Replace x by max(0, x), and return it."""
    return numpy.maximum(x, 0, out=x)


def sigmoid(x: Floats) -> Floats:
    """Return 1 / (1 + exp(-x)); 0 if exp(-x) overflows."""
    out: Floats = numpy.negative(x)
    numpy.exp(out, out=out)
    out += 1
    return numpy.reciprocal(out, out=out)


def silu(x: Floats) -> Floats:
    """Return x * sigmoid(x)."""
    out = sigmoid(x)
    out *= x
    return out


# Activations without a gate, by the names of `nmt.model.feed_forward.ACTIVATIONS`. GELU is missing,
# here and below, because NumPy has no error function. The argument may be overwritten.
ARRAY_ACTIVATIONS: dict[str, Callable[[Floats], Floats]] = {"relu": relu, "silu": silu}

# Functions of the gate in gated activations, by the names of `nmt.model.feed_forward.GATES`.
ARRAY_GATES: dict[str, Callable[[Floats], Floats]] = {
    "glu": sigmoid,
    "reglu": lambda x: numpy.maximum(x, 0),
    "swiglu": silu,
}


def angles(length: int, width: int) -> NDArray[numpy.float64]:
    """Return pos / 10000^(2i / width) of each position and pair: (length, ceil(width / 2))."""
    return numpy.arange(length)[:, None] / 10_000 ** (numpy.arange(0, width, 2) / width)


def sinusoids(length: int, width: int) -> Floats:
    """Return the paper's table of positions (length, width), sine and cosine interleaved."""
    table = numpy.zeros((length, width))
    table[:, 0::2] = numpy.sin(angles(length, width))
    table[:, 1::2] = numpy.cos(angles(length, width))[:, : width // 2]
    return table.astype(numpy.float32)


def sinusoids_in_halves(length: int, width: int) -> Floats:
    """Return the table (length, width) with the sines of all angles before all cosines."""
    table = sinusoids(length, width)
    return numpy.concatenate([table[:, 0::2], table[:, 1::2]], axis=1)


# Tables of positions that are added to embeddings, by the names of `model.positions`.
SINUSOIDS: dict[str, Callable[[int, int], Floats]] = {
    "sinusoidal": sinusoids,
    "sinusoidal_halves": sinusoids_in_halves,
}


def rotations(length: int, width: int) -> Rotations:
    """Return e^(i * angle) of each position and pair: (length, width / 2); width is even.

    Rotating a pair of numbers by its angle is a product of complex numbers.
    """
    turned: Rotations = numpy.exp(1j * angles(length, width)).astype(numpy.complex64)
    return turned
