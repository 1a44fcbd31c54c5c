"""Compute the projection to the softmax and its label-smoothed loss, block by block, on a CPU.

The plain reference is `reference_projected_loss`. Whole logits take tens of megabytes, which three
products and the loss would read from memory. A block of them stays in the cache.
Dimensions: N positions, M of them not padding, V tokens.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

from nmt.kernels.agreement import Agreement, overwrite_by_agreement, reference_agreement
from nmt.kernels.loss import LossSums, at_least_float32, chunk_rows, reference_loss, sum_type
from nmt.kernels.padded_product import cast

# Rows of a block of logits. With fewer, adding up the matrix's gradient takes longer.
BLOCK_ROWS = 512


def reference_projected_loss(
    hidden: Tensor,
    weight: Tensor,
    labels: Tensor,
    smoothing: float,
    pad_id: int,
    bias: Tensor | None = None,
    agreement: Agreement | None = None,
) -> LossSums:
    """Compute the loss of hidden (N, d), a weight (V, d) and labels (N,); the plain reference.

    bias: (V,), or None if the logits have none. agreement: how two passes must agree; hidden is
    then (2N, d), the second pass below the first. None if there is one pass.
    """
    logits = linear(hidden, weight, bias)
    logits = logits.to(at_least_float32(logits))
    if agreement is not None:
        return reference_agreement(logits, labels, smoothing, pad_id, agreement)
    return reference_loss(logits, labels, smoothing, pad_id)


class _ProjectedLoss(torch.autograd.Function):
    """Compute the loss and its gradients in one pass, while a block of logits is in the cache."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        labels: Tensor,
        smoothing: float,
        pad_id: int,
        bias: Tensor | None,
        agreement: Agreement | None,
    ) -> tuple[Tensor, Tensor]:
        passes = 1 if agreement is None else 2
        block_rows = passes * max(1, BLOCK_ROWS // passes)
        real = (labels != pad_id).nonzero()[:, 0]  # (M,): padding needs no products
        if passes == 2:
            real = rows_of_both(real, len(labels), block_rows)
        x, matrix = cast(hidden)[real], cast(weight)
        sums = torch.zeros(2, dtype=sum_type(x.device))
        x_gradient = torch.empty_like(x)
        weight_gradient = torch.zeros_like(weight)
        shift = None if bias is None else cast(bias)
        bias_gradient = None if bias is None else torch.zeros_like(bias)
        product = torch.empty_like(matrix)  # all blocks use it: fresh memory takes time
        block = x.new_empty(min(block_rows, len(x)), len(weight))
        label_of = labels.repeat(passes)[real, None]
        parts = (each.split(block_rows) for each in (x, label_of, x_gradient))
        for rows, label, rows_gradient in zip(*parts, strict=True):
            logits = product_with_bias(rows, matrix, shift, block[: len(rows)])
            if agreement is None:
                sums += overwrite_by_gradient(logits, label, smoothing)
            else:
                half = len(rows) // 2
                both = logits.view(2, half, len(weight))
                sums += overwrite_by_agreement(both, label[:half], smoothing, pad_id, agreement)
            if bias_gradient is not None:
                bias_gradient += logits.sum(0, dtype=bias_gradient.dtype)
            torch.mm(logits, matrix, out=rows_gradient)
            weight_gradient += torch.mm(logits.T, rows, out=product)
        hidden_gradient = torch.zeros_like(hidden)
        hidden_gradient[real] = x_gradient.to(hidden.dtype)
        ctx.gradients = hidden_gradient, weight_gradient, bias_gradient
        smoothed, plain = sums.to(at_least_float32(x))
        ctx.mark_non_differentiable(plain)
        return smoothed, plain

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, *gradients: Tensor
    ) -> tuple[Tensor, Tensor, None, None, None, Tensor | None, None]:
        hidden, weight, bias = ctx.gradients
        if gradients[0] != 1:
            for each in (hidden, weight, bias):
                if each is not None:
                    each.mul_(gradients[0])
        return hidden, weight, None, None, None, bias, None


def rows_of_both(positions: Tensor, count: int, block_rows: int) -> Tensor:
    """Return the rows of positions (M,) in both of two passes over `count` positions, (2M,).

    Each block of rows has those of the first pass and then the same positions of the second.
    """
    blocks = positions.split(block_rows // 2)
    return torch.cat([rows for block in blocks for rows in (block, block + count)])


def product_with_bias(rows: Tensor, matrix: Tensor, bias: Tensor | None, out: Tensor) -> Tensor:
    """Write rows (n, d) * matrix (V, d)^T + bias (V,) into `out` (n, V), and return it."""
    if bias is None:
        return torch.mm(rows, matrix.T, out=out)
    return torch.addmm(bias, rows, matrix.T, out=out)


def overwrite_by_gradient(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Overwrite logits (N, V) by their gradient; labels (N, 1) have no padding.

    Returns the sums of the smoothed and of the plain loss.
    """
    V = logits.shape[-1]
    kind = at_least_float32(logits)
    rows = chunk_rows(logits)
    buffers = torch.empty(2, min(rows, len(logits)), V, dtype=kind)
    targets, totals, means = (torch.empty_like(labels, dtype=kind) for _ in range(3))
    for begin in range(0, len(logits), rows):
        part = slice(begin, begin + rows)
        chunk, label = logits[part], labels[part]
        z, p = buffers[:, : len(chunk)]
        z.copy_(chunk)
        torch.softmax(z, -1, out=p)
        targets[part] = z.gather(-1, label)
        means[part] = z.mean(-1, keepdim=True)
        # The largest probability cannot underflow as others can.
        totals[part] = z.amax(-1, keepdim=True) - p.amax(-1, keepdim=True).log()
        # d loss / d z = softmax(z) - smoothed target
        p.sub_(smoothing / V)
        p.scatter_add_(-1, label, p.new_full((1, 1), smoothing - 1).expand_as(label))
        chunk.copy_(p)
    plain, uniform = (totals - targets).sum(), (totals - means).sum()
    return torch.stack([(1 - smoothing) * plain + smoothing * uniform, plain])


def projected_loss(
    hidden: Tensor,
    weight: Tensor,
    labels: Tensor,
    smoothing: float,
    pad_id: int,
    bias: Tensor | None = None,
    agreement: Agreement | None = None,
) -> LossSums:
    """Compute `reference_projected_loss` fast for training on a CPU.

    Backward may be called once. Under autocast, products have its data type, as in `linear`.
    """
    apply: Callable[..., Any] = _ProjectedLoss.apply  # before torch 2.15 it has no types
    return LossSums(*apply(hidden, weight, labels, smoothing, pad_id, bias, agreement))
