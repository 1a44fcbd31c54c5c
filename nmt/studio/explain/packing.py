"""Tensors as short text: 16-bit whole numbers, a scale, base64.

A page of a hundred thousand numbers stays small, and each of them is right to 1/65,000 of the
greatest of its tensor. `nmt/studio/explain/web/unpack.js` reads it.
"""

import base64
from typing import Any

import torch
from torch import Tensor

LARGEST = 2**15 - 1


def pack(tensor: Tensor) -> dict[str, Any]:
    """{"shape", "scale", "data"}; a number is the whole number, little-endian, times the scale."""
    greatest = float(tensor.abs().max()) if tensor.numel() else 0.0
    scale = greatest / LARGEST or 1.0
    whole = (tensor / scale).round().to(torch.int16)
    content = base64.b64encode(whole.contiguous().numpy().astype("<i2").tobytes()).decode("ascii")
    return {"shape": [*tensor.shape], "scale": scale, "data": content}


def unpack(packed: dict[str, Any]) -> Tensor:
    """The tensor back, in float32."""
    content = bytearray(base64.b64decode(packed["data"]))
    whole = torch.frombuffer(content, dtype=torch.int16) if content else torch.zeros(0)
    numbers: Tensor = (whole.double() * packed["scale"]).float()
    return numbers.view(packed["shape"])
