"""Linear layers with weights in 8 bits, for CPUs: a quarter of the memory to read.

The plain reference is `torch.nn.functional.linear` over float32 weights; the tests bound the
difference. Each row of a weight and of an input has its own scale, so a row's result depends on no
other row, and sums of integers are exact. Of the 255 steps of 8 bits, 181 are used: sums of two
products then fit into the 16 bits that processors without VNNI have for them.
"""

from platform import machine

import torch
from torch import Tensor, nn

from nmt.kernels.linear import PackedLinear

LARGE = 200_000  # elements of a weight; smaller ones were not faster in 8 bits
CHUNK_BYTES = 1 << 21  # of output at once: beyond, fresh memory takes longer than the product
STEPS = 90  # from 0 to the largest element of a row: 2 * (STEPS + ZERO_POINT) * STEPS < 2^15
ZERO_POINT = STEPS  # the unsigned number that represents 0 in inputs
SMALLEST = 1e-30  # stands for the largest element of a row of zeros


class Int8Linear(nn.Module):
    """x W^T + b, then ReLU if wanted: (..., n) to (..., m) for a fixed weight (m, n)."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None, *, relu: bool = False) -> None:
        """Quantise a float32 weight (m, n)."""
        super().__init__()
        self.scales = weight.abs().amax(1).clamp_min_(SMALLEST) / STEPS
        steps = (weight / self.scales[:, None]).round_().to(torch.int8)
        self.blocks = torch.ops.onednn.qlinear_prepack(steps, None)
        self.zero_points = torch.zeros(len(weight), dtype=torch.long)
        self.bias = bias
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        """Multiply x (..., n), float32."""
        rows = x.flatten(0, -2)
        scales = rows.abs().amax(1, keepdim=True).clamp_min_(SMALLEST).mul_(1 / STEPS)
        steps = (rows / scales).add_(ZERO_POINT + 0.5).to(torch.uint8)  # which rounds
        out = rows.new_empty(len(rows), len(self.scales))
        for part in chunks(*out.shape):
            torch.mul(self.multiply_steps(steps[part]), scales[part], out=out[part])
        if self.bias is not None:
            out += self.bias
        if self.relu:
            out.relu_()
        return out.view(*x.shape[:-1], len(self.scales))

    def multiply_steps(self, steps: Tensor) -> Tensor:
        """Multiply quantised inputs (R, n): unsigned integers, ZERO_POINT more than their value."""
        product: Tensor = torch.ops.onednn.qlinear_pointwise(
            steps,
            1.0,
            ZERO_POINT,
            self.blocks,
            self.scales,
            self.zero_points,
            None,
            1.0,
            0,
            torch.float32,
            "none",
            [],
            "",
        )
        return product


def chunks(rows: int, width: int) -> list[slice]:
    """Split the rows of a float32 output into parts that stay in a core's cache."""
    step = max(1, CHUNK_BYTES // (4 * width))
    return [slice(begin, begin + step) for begin in range(0, rows, step)]


def int8_if_large(
    weight: Tensor, bias: Tensor | None = None, *, relu: bool = False
) -> PackedLinear | Int8Linear:
    """Return an 8-bit layer for a large weight and a float32 one for a small weight."""
    if weight.numel() < LARGE or weight.dtype != torch.float32:
        return PackedLinear(weight, bias, relu=relu)
    return Int8Linear(weight, bias, relu=relu)


def has_int8(device: torch.device | str) -> bool:
    """Return whether the device multiplies in 8 bits: x86 CPUs with oneDNN do."""
    is_x86 = machine().lower() in ("x86_64", "amd64") and torch.backends.mkldnn.is_available()
    is_cpu = torch.device(device).type == "cpu"
    return is_cpu and is_x86 and hasattr(torch.ops.onednn, "qlinear_pointwise")
