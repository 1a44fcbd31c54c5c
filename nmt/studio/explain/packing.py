"""Pack numbers for the page: 16-bit integers, and a scale for each group of them, in base64.

So a page of a hundred thousand numbers stays small. The error of a number is at most 1/65,000 of
the greatest magnitude in its group. With one scale for a tensor, the errors of the logits that the
page computes were twice as great.
"""

import base64
from typing import Any

from torch import Tensor
from torch.nn.functional import pad

LARGEST = 2**15 - 1
GROUP = 64  # numbers that share a scale, as in unpack.js


def pack(tensor: Tensor) -> dict[str, Any]:
    """Return {"shape", "scales", "data"}: a little-endian integer for each number of a tensor.

    An integer is multiplied by the scale of its group; scales are 32-bit numbers.
    """
    padded = pad(tensor.flatten(), (0, -tensor.numel() % GROUP))
    groups = padded.view(padded.numel() // GROUP, GROUP)
    scales = groups.abs().amax(1, keepdim=True) / LARGEST
    scales[scales == 0] = 1
    integers = (groups / scales).round().flatten()[: tensor.numel()]
    return {
        "shape": [*tensor.shape],
        "scales": base64.b64encode(scales.numpy().astype("<f4").tobytes()).decode("ascii"),
        "data": base64.b64encode(integers.numpy().astype("<i2").tobytes()).decode("ascii"),
    }
