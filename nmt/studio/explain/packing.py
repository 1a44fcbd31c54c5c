"""Pack numbers for the page: integers, and a scale for each group of them, in base64.

So a page of a hundred thousand numbers stays small. Integers have 16 bits, and the error of a
number is at most 1/65,000 of the greatest magnitude in its group. With one scale for a tensor, the
errors of the logits that the page computes were twice as great. A matrix of a model in 8 bits has
its own integers, so that its page is half as large.
"""

import base64
from typing import Any

import numpy
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from nmt.kernels.eight_bits import quantise

LARGEST = 2**15 - 1
GROUP = 64  # numbers that share a scale, as in unpack.js
ROUNDING = 1e-6  # of numbers that were multiplied by their scale before


def pack(tensor: Tensor) -> dict[str, Any]:
    """Return {"shape", "scales", "data"}: a little-endian integer for each number of a tensor.

    An integer is multiplied by the scale of its group; scales are 32-bit numbers. If integers have
    8 bits, the groups are the rows of a matrix, instead of `GROUP` numbers.
    """
    if tensor.dim() == 2 and tensor.numel():
        matrix = tensor.numpy()
        rows = quantise(matrix)
        if numpy.allclose(rows.matrix, matrix, rtol=ROUNDING, atol=0):
            return packed(tensor, rows.scales, rows.steps)
    groups = pad(tensor.flatten(), (0, -tensor.numel() % GROUP)).unflatten(0, (-1, GROUP))
    scales = groups.abs().amax(1, keepdim=True) / LARGEST
    scales[scales == 0] = 1
    integers = (groups / scales).round().flatten()[: tensor.numel()]
    return packed(tensor, scales.numpy(), integers.numpy().astype("<i2"))


def packed(tensor: Tensor, scales: NDArray[Any], integers: NDArray[Any]) -> dict[str, Any]:
    """Return the record of a tensor, from its scales and integers."""
    content = {"scales": scales.astype("<f4"), "data": integers}
    texts = {key: base64.b64encode(array.tobytes()).decode() for key, array in content.items()}
    return {"shape": [*tensor.shape], **texts}
