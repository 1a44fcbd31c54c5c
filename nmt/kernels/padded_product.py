"""The product with the softmax's matrix on a GPU, whose tensor cores work on whole tiles.

The plain reference is `torch.nn.functional.linear`. A vocabulary that is not a multiple of the tile
makes the product take a slower kernel. Zero rows below the matrix fill the last tile: neither the
logits that a caller sees nor the gradients have them. Dimensions: V tokens, P padded tokens.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear, pad

MULTIPLE = 64  # 128 bytes of bf16, and half of the widest tile of a product


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
