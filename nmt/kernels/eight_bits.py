"""Matrices in 8 bits: each number is a whole step, and each row has its own scale.

Of the 255 steps of 8 bits, 181 are used: sums of two products then fit into the 16 bits that
processors without VNNI have for them. So files and products share one rule.
"""

from typing import NamedTuple

import numpy
from numpy.typing import NDArray

STEPS = 90  # from 0 to the largest element of a row; see `nmt.kernels.linear.Int8Linear`
SMALLEST = 1e-30  # stands for the largest element of a row of zeros


class EightBits(NamedTuple):
    """A matrix (m, n) whose row i is scales[i] * steps[i]."""

    steps: NDArray[numpy.int8]  # (m, n), from -STEPS to STEPS
    scales: NDArray[numpy.float32]  # (m,), positive

    @property
    def matrix(self) -> NDArray[numpy.float32]:
        """Return the matrix in float32."""
        matrix = self.steps.astype(numpy.float32)
        matrix *= self.scales[:, None]
        return matrix


def quantise(matrix: NDArray[numpy.float32]) -> EightBits:
    """Round a matrix to 8 bits; one that is in 8 bits already stays as it is, up to rounding."""
    largest = numpy.maximum(matrix.max(1), -matrix.min(1))
    scales = numpy.maximum(largest, numpy.float32(SMALLEST)) / numpy.float32(STEPS)
    steps = matrix / scales[:, None]
    return EightBits(numpy.rint(steps, out=steps).astype(numpy.int8), scales)
