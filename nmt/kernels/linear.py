"""Linear layers with a fixed weight in the order in which the processor reads it.

The plain reference is `torch.nn.functional.linear`. It reads the weight row by row and copies it
into blocks at each call: half of its time for the 4 rows of a single sentence's beam, an eighth for
300 rows. oneDNN multiplies by a copy in blocks that is made once.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

# Multiply-adds from which the packed weight pays: a call of oneDNN takes 10 us more.
WORTHWHILE = 2_000_000
FEW_ROWS = 4  # of a single sentence's beam


class PackedLinear(nn.Module):
    """x W^T + b, then ReLU if wanted: (..., n) to (..., m) for a fixed weight (m, n)."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None, *, relu: bool = False) -> None:
        """Pack a weight (m, n) and a bias (m,); small weights stay as they are."""
        super().__init__()
        self.bias = bias
        self.relu = relu
        self.rows = len(weight)
        self.blocks: Any = None
        self.weight: Tensor | None = weight.contiguous()
        if can_pack(weight):
            self.blocks = torch.ops.mkldnn._reorder_linear_weight(self.weight)
            if is_large(weight):
                self.weight = None  # never read again: one copy is enough

    def forward(self, x: Tensor) -> Tensor:
        """Multiply x (..., n)."""
        weight = self.weight
        if weight is not None and (self.blocks is None or x.numel() * self.rows < WORTHWHILE):
            out = linear(x, weight, self.bias)
            return out.relu_() if self.relu else out
        after = "relu" if self.relu else "none"
        product: Tensor = torch.ops.mkldnn._linear_pointwise(
            x, self.blocks, self.bias, after, [], ""
        )
        return product


def can_pack(weight: Tensor) -> bool:
    """Return whether oneDNN multiplies such weights here, by torch.compile's operations."""
    if weight.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    operations = torch.ops.mkldnn
    if not all(
        hasattr(operations, name) for name in ("_reorder_linear_weight", "_linear_pointwise")
    ):
        return False
    if weight.dtype == torch.bfloat16:
        return bool(operations._is_mkldnn_bf16_supported())
    if torch.backends.cpu.get_cpu_capability() == "AVX2" and not is_large(weight):
        return False  # without wider vectors the plain product is as fast and its call cheaper
    return weight.dtype == torch.float32


def is_large(weight: Tensor) -> bool:
    """Return whether a packed weight pays for any number of rows."""
    return weight.numel() * FEW_ROWS >= WORTHWHILE
