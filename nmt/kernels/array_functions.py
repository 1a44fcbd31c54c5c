"""The parts of the Transformer's layers and the top-k of the next tokens, on NumPy arrays.

The references of the parts are in `nmt.model`, that of the top-k is `partitioned` over the whole
vocabulary. `top_k` does the same in tensors.

Dimensions: R rows (of the top-k: hypotheses), d their width, V tokens, n wanted tokens.
"""

from collections.abc import Callable, Sequence

import numpy
from numpy.typing import NDArray

from nmt.kernels.rule import IdArray, Rule

Floats = NDArray[numpy.float32]
Rotations = NDArray[numpy.complex64]

COLUMNS = 64  # of a block of `ArrayLinear`; measured for widths of 128 to 2,048
MOST_ROWS = 48  # for more rows, and for one, the product with the whole weight is as fast
# A weight of at least so many numbers, with rows at least so wide, is kept in blocks only. They are
# made at once, so that processes that are forked later share them. The product with many rows then
# takes 1.1 times as long.
LARGE, WIDE = 200_000, 256

GROUP = 32  # tokens of a group in the top-k, a power of two
BLOCK_BYTES = 1 << 20  # bytes of logits in one block of rows: larger blocks leave the core's cache
MOST_LOG = 60.0  # exp overflows float32 at 88; below -60, it would be zero for some logits


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
    if missing := -rows % COLUMNS:
        weight = numpy.pad(weight, ((0, missing), (0, 0)))
    return numpy.ascontiguousarray(weight.reshape(-1, COLUMNS, width).swapaxes(1, 2))


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


def array_top_tokens(logits: Floats, rules: Sequence[Rule], count: int) -> tuple[Floats, IdArray]:
    """Return log-probabilities and ids (R, n) of the `count` best tokens, in any order.

    logits: (R, V); they are overwritten. If one of a row's logits is NaN, so are its results.

    A small vocabulary is searched as a whole (`partitioned`). In a larger one, only the groups of
    tokens with the greatest maxima are searched. A group is every `groups`-th token, not
    neighbours. The maxima of all groups are then maxima of long vectors, which takes a fifth of the
    time.
    """
    rows = max(1, BLOCK_BYTES // (4 * logits.shape[1]))
    firsts = range(0, len(logits), rows)
    blocks = [top_of_block(logits[first : first + rows], rules, count, first) for first in firsts]
    if len(blocks) == 1:
        return blocks[0]
    log_probs, ids = zip(*blocks, strict=True)
    return numpy.concatenate(log_probs), numpy.concatenate(ids)


@numpy.errstate(all="ignore")
def top_of_block(
    logits: Floats, rules: Sequence[Rule], count: int, first_row: int
) -> tuple[Floats, IdArray]:
    """Return the best tokens of a block of rows; its logits become log-probabilities."""
    logits -= log_totals(logits)
    for rule in rules:
        rule.apply(logits, first_row)
    ids = find_greatest(logits, count)
    return logits[numpy.arange(len(ids))[:, None], ids], ids


def log_totals(logits: Floats) -> Floats:
    """Return log(sum(exp(logits))) of each row, (R, 1): logits minus it are log-probabilities.

    The maximum is not subtracted first, which saves a pass over the logits. A row whose sum is very
    large or very small is summed again, with its maximum subtracted.
    """
    # A product with ones would be faster, but it rounds by how many rows there are.
    totals: Floats = numpy.exp(logits).sum(axis=1, keepdims=True)
    found = numpy.log(totals)
    for row in numpy.flatnonzero(~(numpy.abs(found) < MOST_LOG)):  # NaN, too
        greatest = logits[row].max()
        found[row] = greatest + numpy.log(numpy.exp(logits[row] - greatest).sum())
    return found


def find_greatest(values: Floats, count: int) -> IdArray:
    """Return the indices (R, n) of the greatest of the values (R, V) of each row, in any order.

    They are in the `count` groups with the greatest maxima, or in the rest that fills no group.
    """
    R, V = values.shape
    groups = V // GROUP
    if count >= groups:
        return partitioned(values, count)
    end = groups * GROUP
    maxima = values[:, :end]
    while maxima.shape[1] > groups:  # halves are long vectors
        half = maxima.shape[1] // 2
        maxima = numpy.maximum(maxima[:, :half], maxima[:, half:])
    best_groups = partitioned(maxima, count)  # (R, n)
    indices = best_groups[:, None, :] + numpy.arange(0, end, groups)[:, None]
    indices = indices.reshape(R, -1)  # (R, GROUP * n)
    if end < V:
        rest = numpy.broadcast_to(numpy.arange(end, V), (R, V - end))
        indices = numpy.concatenate([indices, rest], axis=1)
    rows = numpy.arange(R)[:, None]
    return indices[rows, partitioned(values[rows, indices], count)]


def partitioned(values: Floats, count: int) -> IdArray:
    """Return the indices (R, n) of the greatest of the values of each row; NaN is the greatest."""
    width = values.shape[1]
    return values.argpartition(width - count, axis=1)[:, width - count :]


def descending(values: Floats) -> IdArray:
    """Return the order of each row's values (R, n), the greatest first and NaN before it.

    Equal values keep their order.
    """
    reversed_order = values[:, ::-1].argsort(axis=1, kind="stable")[:, ::-1]
    order: IdArray = values.shape[1] - 1 - reversed_order
    return order
