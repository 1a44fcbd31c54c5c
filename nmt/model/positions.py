"""Sinusoidal positional encoding (section 3.5)."""

import torch
from torch import Tensor


def sinusoids(length: int, d_model: int) -> Tensor:
    """PE(pos, 2i) = sin(pos / 10000^(2i/d_model)), PE(pos, 2i+1) = cos(same): (length, d_model).

    Interleaved, as the paper writes them. Computed in float64.
    """
    positions = torch.arange(length, dtype=torch.float64)[:, None]
    even = torch.arange(0, d_model, 2, dtype=torch.float64)
    angles = positions / 10_000 ** (even / d_model)  # (length, ceil(d_model / 2))
    table = torch.zeros(length, d_model, dtype=torch.float64)
    table[:, 0::2] = angles.sin()
    table[:, 1::2] = angles.cos()[:, : d_model // 2]
    return table.to(torch.get_default_dtype())
