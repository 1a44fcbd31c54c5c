"""Products with a fixed weight, laid out once in the order in which the processor reads it."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

# Multiply-accumulates from which the laid-out weight pays: a call of oneDNN takes 10 us more.
WORTHWHILE = 2_000_000
FEW = 4  # rows, of a single sentence's beam


class PackedLinear:
    """x W^T + b, then ReLU if asked for: (..., n) -> (..., m) for a weight (m, n).

    On a CPU oneDNN gets its own copy of the weight, in blocks. The plain product reads it row by
    row and copies it into blocks at each call: that took half the time for the 4 rows of a single
    sentence's beam, and an eighth for 300 rows.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None, *, relu: bool = False) -> None:
        self.bias = bias
        self.relu = relu
        self.rows = len(weight)
        self.blocks: Any = None
        self.weight: Tensor | None = weight.contiguous()
        if can_lay_out(weight):
            self.blocks = torch.ops.mkldnn._reorder_linear_weight(self.weight)
            if is_large(weight):
                self.weight = None  # never read again: one copy is enough

    def __call__(self, x: Tensor) -> Tensor:
        """The product of x."""
        weight = self.weight
        if weight is not None and (self.blocks is None or x.numel() * self.rows < WORTHWHILE):
            out = linear(x, weight, self.bias)
            return out.relu_() if self.relu else out
        after = "relu" if self.relu else "none"
        product: Tensor = torch.ops.mkldnn._linear_pointwise(
            x, self.blocks, self.bias, after, [], ""
        )
        return product


def can_lay_out(weight: Tensor) -> bool:
    """Whether oneDNN multiplies such weights here, by the operations that torch.compile uses."""
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
        return False  # for want of wider vectors the plain product is as fast, and its call cheaper
    return weight.dtype == torch.float32


def is_large(weight: Tensor) -> bool:
    """Whether a laid-out weight pays however few the rows."""
    return weight.numel() * FEW >= WORTHWHILE
