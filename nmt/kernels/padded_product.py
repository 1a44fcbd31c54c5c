"""Products that are faster with zeros below a matrix; nobody sees their results.

The plain reference of both is `torch.nn.functional.linear`.

On a GPU, tensor cores work on whole tiles. A vocabulary that is not a multiple of the tile makes
the product with the softmax's matrix take a slower kernel (`padded_linear`).

On a CPU, oneDNN compiles a kernel for each shape of a bf16 product, in 1 to 3 ms. Batches come in
hundreds of shapes, and small products took as long as their kernels. With whole groups of rows, a
few kernels are enough (`Linear`, `projected_loss`).

Dimensions: V tokens, P padded tokens; R rows, and n and m columns, of a linear layer.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear, pad

MULTIPLE = 64  # 128 bytes of bf16, and half of the widest tile of a product
ROW_GROUP = 64  # rows of a product on a CPU come in multiples of this
LARGE = 1 << 28  # multiply-adds of a product that takes no less time than compiling its kernel


def padded_linear(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, multiple: int = MULTIPLE
) -> Tensor:
    """Multiply x (..., n) by a weight (V, n), and add a bias (V,): a view (..., V) of (..., P).

    P is the next multiple. A loss may overwrite the view with its gradient, as the fused ones do:
    backward then reads the padded logits in place.
    """
    if len(weight) % multiple == 0:
        return linear(x, weight, bias)
    apply: Callable[..., Tensor] = _PaddedProduct.apply  # before torch 2.15 it has no types
    return apply(x, weight, bias, multiple)


def cast(tensor: Tensor) -> Tensor:
    """Cast an operand as `linear` does under autocast, which leaves float64 as it is."""
    kind = tensor.device.type
    if not torch.is_autocast_enabled(kind) or tensor.dtype == torch.float64:
        return tensor
    return tensor.to(torch.get_autocast_dtype(kind))


class _PaddedProduct(torch.autograd.Function):
    """Pad weight and bias, multiply, and hide the padding."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, multiple: int) -> Tensor:
        V = len(weight)
        rows = cast(x).reshape(-1, x.shape[-1])
        padded = pad(cast(weight), (0, 0, 0, -V % multiple))
        padded_bias = None if bias is None else pad(cast(bias), (0, -V % multiple))
        logits = linear(rows, padded, padded_bias)
        ctx.save_for_backward(rows, padded)  # autocast is off in backward: cast once, here
        ctx.kinds = x.dtype, weight.dtype, None if bias is None else bias.dtype
        ctx.logits = logits  # not saved: a saved tensor must not be overwritten
        return logits.view(*x.shape[:-1], -1)[..., :V]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor | None, None]:
        rows, padded = ctx.saved_tensors
        x_type, weight_type, bias_type = ctx.kinds
        V = gradient.shape[-1]
        whole = with_padding(gradient.reshape(-1, V), ctx.logits)
        x = (whole @ padded).to(x_type).view(*gradient.shape[:-1], -1)
        bias = None if bias_type is None else whole.sum(0, dtype=bias_type)[:V]
        return x, (whole.T @ rows)[:V].to(weight_type), bias, None


def with_padding(gradient: Tensor, logits: Tensor) -> Tensor:
    """Return a gradient (N, V) with zero columns; if it overwrote the logits (N, P), as they are.

    Their padding is zero: nobody has written to these products with zero rows, and the bias has
    zeros there.
    """
    V = gradient.shape[-1]
    own = logits[:, :V]
    if gradient.data_ptr() == own.data_ptr() and gradient.stride() == own.stride():
        return logits
    return pad(gradient, (0, logits.shape[-1] - V))


class Linear(nn.Linear):
    """x W^T + b, whose rows are padded for small products in bf16 on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        """Multiply x (..., n) by the weight (m, n), and add the bias (m,)."""
        # The size comes last: torch.compile would make a graph for each answer.
        pads = not torch.compiler.is_compiling() and pads_rows(x)
        if pads and x.numel() * self.out_features < LARGE:
            apply: Callable[..., Tensor] = _PaddedRows.apply  # before torch 2.15 it has no types
            return apply(x, self.weight, self.bias)
        return super().forward(x)


def pads_rows(x: Tensor) -> bool:
    """Return whether autocast casts a product on a CPU: to bf16, in trainings."""
    kind = x.device.type
    return kind == "cpu" and torch.is_autocast_enabled(kind) and x.dtype != torch.float64


def whole_groups(rows: Tensor, data_type: torch.dtype) -> Tensor:
    """Cast rows (R, n), and add zeros until there are whole groups; copy only if needed."""
    count, width = rows.shape
    padding = -count % ROW_GROUP
    if not padding:
        return rows.to(data_type)
    padded = rows.new_empty(count + padding, width, dtype=data_type)
    padded[:count] = rows
    padded[count:] = 0
    return padded


class _PaddedRows(torch.autograd.Function):
    """Pad the rows, multiply, and hide the padding."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        matrix = cast(weight)
        rows = whole_groups(flat, matrix.dtype)
        product = linear(rows, matrix, None if bias is None else cast(bias))
        # Autocast is off in backward: cast once, here. ReLU keeps its output in bf16 as well, so a
        # padded copy of it would be kept besides: it is padded again.
        ctx.save_for_backward(flat if flat.dtype == matrix.dtype else rows, matrix)
        ctx.kinds = x.dtype, weight.dtype, None if bias is None else bias.dtype
        return product[: len(flat)].view(*x.shape[:-1], len(matrix))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        rows, matrix = ctx.saved_tensors
        x_type, weight_type, bias_type = ctx.kinds
        flat = gradient.reshape(-1, len(matrix))
        whole, rows = (whole_groups(part, matrix.dtype) for part in (flat, rows))
        x = (whole @ matrix)[: len(flat)].to(x_type).view(*gradient.shape[:-1], rows.shape[-1])
        bias = None if bias_type is None else flat.sum(0).to(bias_type)  # as `linear` does
        return x, (whole.T @ rows).to(weight_type), bias
