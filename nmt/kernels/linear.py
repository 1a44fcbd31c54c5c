"""Linear layers with a fixed weight that is packed for the processor, as it is or in 8 bits.

The plain reference is `torch.nn.functional.linear`. It reads the weight row by row and copies it
into blocks at each call: half of its time for the 4 rows of a single sentence's beam, an eighth for
300 rows. oneDNN multiplies by a copy in blocks that is made once (`PackedLinear`).

In 8 bits there is a quarter of the memory to read (`Int8Linear`); the tests bound the difference.
Each row of a weight and of an input has its own scale, so a row's result depends on no other row,
and sums of integers are exact.
"""

from platform import machine
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from nmt.kernels.eight_bits import SMALLEST, STEPS, EightBits, quantise

# Multiply-adds from which the packed weight pays: a call of oneDNN takes 10 us more.
WORTHWHILE = 2_000_000
FEW_ROWS = 4  # of a single sentence's beam

INT8_ELEMENTS = 200_000  # of a weight; smaller ones were not faster in 8 bits
CHUNK_BYTES = 1 << 21  # of output at once: beyond, fresh memory takes longer than the product
# The unsigned number that represents 0 in inputs: 2 * (STEPS + ZERO_POINT) * STEPS < 2^15.
ZERO_POINT = STEPS
IN_8_BITS = "eight_bits"  # attribute of a parameter: its `EightBits`, if they are known


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


class Int8Linear(nn.Module):
    """x W^T + b, then ReLU if wanted: (..., n) to (..., m) for a fixed weight (m, n)."""

    def __init__(
        self, weight: EightBits, bias: Tensor | None = None, *, relu: bool = False
    ) -> None:
        """Pack a weight (m, n)."""
        super().__init__()
        self.scales = torch.from_numpy(weight.scales)
        self.blocks = torch.ops.onednn.qlinear_prepack(torch.from_numpy(weight.steps), None)
        self.zero_points = torch.zeros(len(self.scales), dtype=torch.long)
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
        # of the output: neither a bias nor a scale, and nothing after the product
        output: tuple[Any, ...] = None, 1.0, 0, torch.float32, "none", [], ""
        product: Tensor = torch.ops.onednn.qlinear_pointwise(
            steps, 1.0, ZERO_POINT, self.blocks, self.scales, self.zero_points, *output
        )
        return product


def chunks(rows: int, width: int) -> list[slice]:
    """Split the rows of a float32 output into parts that stay in a core's cache."""
    step = max(1, CHUNK_BYTES // (4 * width))
    return [slice(begin, begin + step) for begin in range(0, rows, step)]


def int8_if_large(weight: Tensor) -> Tensor | EightBits:
    """Return a large weight in 8 bits, as they are known or by rounding; a small one as it is."""
    if weight.numel() < INT8_ELEMENTS or weight.dtype != torch.float32:
        return weight.detach()
    return vars(weight).get(IN_8_BITS) or quantise(weight.detach().numpy())


def pack(
    weight: Tensor | EightBits, bias: Tensor | None = None, *, relu: bool = False
) -> PackedLinear | Int8Linear:
    """Return the layer of a weight (m, n), in 8 bits if the weight is."""
    if isinstance(weight, EightBits):
        return Int8Linear(weight, bias, relu=relu)
    return PackedLinear(weight, bias, relu=relu)


def has_int8(device: torch.device | str) -> bool:
    """Return whether the device multiplies in 8 bits: x86 CPUs with oneDNN do."""
    is_x86 = machine().lower() in ("x86_64", "amd64") and torch.backends.mkldnn.is_available()
    is_cpu = torch.device(device).type == "cpu"
    return is_cpu and is_x86 and hasattr(torch.ops.onednn, "qlinear_pointwise")
