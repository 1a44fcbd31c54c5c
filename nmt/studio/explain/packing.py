"""Pack numbers for the page: 16-bit integers and a scale, in base64.

So a page of a hundred thousand numbers stays small. The error of a number is at most 1/65,000 of
the tensor's greatest magnitude.
"""

import base64
from typing import Any

import torch
from torch import Tensor

LARGEST = 2**15 - 1


def pack(tensor: Tensor) -> dict[str, Any]:
    """Return {"shape", "scale", "data"}: each number is a little-endian integer times the scale."""
    greatest = float(tensor.abs().max()) if tensor.numel() else 0.0
    scale = greatest / LARGEST or 1.0
    integers = (tensor / scale).round().to(torch.int16)
    content = base64.b64encode(integers.contiguous().numpy().astype("<i2").tobytes())
    return {"shape": [*tensor.shape], "scale": scale, "data": content.decode("ascii")}
