"""Linear layers on NumPy arrays, for a fixed weight.

The plain reference is `x @ weight.T + bias`. In each call, OpenBLAS would copy the whole weight
into the order of its registers. For a few rows, this copy takes much of the time. A product with a
block of 64 columns is small enough for kernels that copy nothing: 4 rows take less than half of the
time.
"""

import numpy
from numpy.typing import NDArray

Floats = NDArray[numpy.float32]

COLUMNS = 64  # of a block; measured for widths of 128 to 2,048
MOST_ROWS = 48  # for more rows, and for one, the product with the whole weight is as fast
# A weight of at least so many numbers, with rows at least so wide, is kept in blocks only. They are
# made at once, so that processes that are forked later share them. The product with many rows then
# takes 1.1 times as long.
LARGE, WIDE = 200_000, 256


class ArrayLinear:
    """x W^T + b: (R, n) to (R, m) for a fixed weight (m, n)."""

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
