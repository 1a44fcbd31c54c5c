"""R-Drop: train two passes with different dropout masks to agree (Liang et al., 2021).

"R-Drop: Regularized Dropout for Neural Networks", equation 4, halved so that the loss has the scale
of one pass: the mean of the two smoothed losses + alpha / 4 * (KL(P1 || P2) + KL(P2 || P1)).
Dimensions: N positions, V tokens; the logits of the two passes are concatenated, (2N, V).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nmt.kernels.loss import LossSums, at_least_float32, chunk_rows, reference_loss, sum_type


def reference_r_drop(
    logits: Tensor, labels: Tensor, smoothing: float, pad_id: int, alpha: float
) -> LossSums:
    """Compute the formula for logits (2N, V) and labels (N,); the plain reference."""
    passes = logits.chunk(2)
    sums = [reference_loss(each, labels, smoothing, pad_id) for each in passes]
    first, second = (each.log_softmax(-1) for each in passes)
    divergence = ((first.exp() - second.exp()) * (first - second)).sum(-1)
    divergence = (divergence * (labels != pad_id)).sum()
    mean = (sums[0].smoothed + sums[1].smoothed) / 2
    return LossSums(mean + alpha / 4 * divergence, (sums[0].plain + sums[1].plain) / 2)


class _FusedRDrop(torch.autograd.Function):
    """Compute loss and gradient in one pass, while a chunk of logits is in the cache.

    The gradient overwrites the logits.
    """

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, labels: Tensor, smoothing: float, pad_id: int, alpha: float
    ) -> tuple[Tensor, Tensor]:
        N, V = len(labels), logits.shape[-1]
        kind = at_least_float32(logits)
        gradient = logits.detach().view(2, N, V)  # shares memory: the logits are overwritten
        sums = torch.zeros(2, device=logits.device, dtype=sum_type(logits.device))
        rows = chunk_rows(logits, bytes_per_logit=8)  # both passes
        for begin in range(0, N, rows):
            part = slice(begin, begin + rows)
            label = labels[part, None].expand(2, -1, -1)
            real = (label != pad_id).to(kind)
            log_p = gradient[:, part].to(kind).log_softmax(-1)  # (2, rows, V)
            p = log_p.exp()
            picked = -log_p.gather(-1, label) * real / 2
            uniform = -log_p.mean(-1, keepdim=True) * real / 2
            # KL divergence of each pass from the other, (2, rows, 1); log_p becomes the difference.
            log_p -= log_p.flip(0)
            divergence = (p * log_p).sum(-1, keepdim=True)
            sums[1] += picked.sum()
            sums[0] += (1 - smoothing) * picked.sum() + smoothing * uniform.sum()
            sums[0] += alpha / 4 * (divergence * real).sum()
            # With q the smoothed target and r = p_1 / p_2:
            # d loss / d z_1 = (p_1 - q) / 2 + alpha / 4 (p_1 (log r - KL_1) + p_1 - p_2)
            z = log_p.sub_(divergence).mul_(p).add_(p).sub_(p.flip(0)).mul_(alpha / 4)
            z.add_(p, alpha=0.5).sub_(smoothing / V / 2)
            z.scatter_add_(-1, label, torch.full_like(real, (smoothing - 1) / 2))
            gradient[:, part] = z.mul_(real)
        ctx.gradient = gradient.view_as(logits)
        smoothed, plain = sums.to(kind)
        ctx.mark_non_differentiable(plain)
        return smoothed, plain

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        return ctx.gradient.mul_(gradients[0]), None, None, None, None


def r_drop_loss(
    logits: Tensor, labels: Tensor, smoothing: float, pad_id: int, alpha: float
) -> LossSums:
    """Compute `reference_r_drop` fast for training; it overwrites the logits (2N, V).

    Backward may be called once.
    """
    apply: Callable[..., Any] = _FusedRDrop.apply  # before torch 2.15 it has no types
    return LossSums(*apply(logits, labels, smoothing, pad_id, alpha))
