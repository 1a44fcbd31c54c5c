"""Products with weights in 8 bits, for CPUs: a quarter of the memory to read.

Each row of a weight and each row of an input has a scale of its own, so that what is computed of a
row depends on no other row, and sums of integers are exact. Of the 255 steps that 8 bits have, 181
are used: sums of two products then fit into the 16 bits that processors without VNNI have for them.
"""

from platform import machine

import torch
from torch import Tensor

from nmt.kernels.linear import PackedLinear

LARGE = 200_000  # numbers of a weight; smaller ones were no faster in 8 bits
CHUNK_BYTES = 1 << 21  # of output made at once: beyond, fresh memory takes more than the product
STEPS = 90  # from 0 to a row's greatest: 2 * (STEPS + ZERO_POINT) * STEPS < 2^15
ZERO_POINT = STEPS  # the unsigned number that stands for 0 in inputs
SMALLEST = 1e-30  # greatest number of a row of zeros


class Int8Linear:
    """x W^T + b, then ReLU if asked for: (..., n) -> (..., m) for a weight (m, n)."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None, *, relu: bool = False) -> None:
        self.scales = weight.abs().amax(1).clamp_min_(SMALLEST) / STEPS
        steps = (weight / self.scales[:, None]).round_().to(torch.int8)
        self.blocks = torch.ops.onednn.qlinear_prepack(steps, None)
        self.zero_points = torch.zeros(len(weight), dtype=torch.long)
        self.bias = bias
        self.relu = relu

    def __call__(self, x: Tensor) -> Tensor:
        """The product of x."""
        rows = x.flatten(0, -2)
        scales = rows.abs().amax(1, keepdim=True).clamp_min_(SMALLEST).mul_(1 / STEPS)
        steps = (rows / scales).add_(ZERO_POINT + 0.5).to(torch.uint8)  # which rounds
        out = rows.new_empty(len(rows), len(self.scales))
        for part in chunks(*out.shape):
            torch.mul(self.of_steps(steps[part]), scales[part], out=out[part])
        if self.bias is not None:
            out += self.bias
        if self.relu:
            out.relu_()
        return out.view(*x.shape[:-1], len(self.scales))

    def of_steps(self, steps: Tensor) -> Tensor:
        """The product of inputs (R, n) in steps of 1, as they come after the zero point."""
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
    """Rows of a float32 output in parts that stay in a core's cache."""
    step = max(1, CHUNK_BYTES // (4 * width))
    return [slice(begin, begin + step) for begin in range(0, rows, step)]


def int8_if_large(
    weight: Tensor, bias: Tensor | None = None, *, relu: bool = False
) -> PackedLinear | Int8Linear:
    """A product in 8 bits for a large weight, in float32 for a small one."""
    if weight.numel() < LARGE or weight.dtype != torch.float32:
        return PackedLinear(weight, bias, relu=relu)
    return Int8Linear(weight, bias, relu=relu)


def has_int8(device: torch.device) -> bool:
    """Whether there are products in 8 bits."""
    is_x86 = machine().lower() in ("x86_64", "amd64") and torch.backends.mkldnn.is_available()
    return device.type == "cpu" and is_x86 and hasattr(torch.ops.onednn, "qlinear_pointwise")
