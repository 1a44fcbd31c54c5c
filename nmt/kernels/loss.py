"""Label-smoothed cross-entropy as a sum, so that micro-batches and workers add up exactly.

The smoothed target gives the correct token the probability 1 - eps + eps/V and every other token
eps/V (section 5.4; Szegedy et al., 2015, section 7). Dimensions: N positions, V tokens.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

# Bytes of float32 logits that are worked on at once. On a CPU: about a core's level-2 cache. On a
# GPU, whose kernels need much work each: whole logits, unless the copy in float32 takes too much.
CPU_CHUNK_BYTES = 1 << 20
GPU_CHUNK_BYTES = 256 << 20


class LossSums(NamedTuple):
    """Sums over the positions that are not padding."""

    smoothed: Tensor  # the loss that training minimises; differentiable
    plain: Tensor  # unsmoothed, for the perplexity


def at_least_float32(logits: Tensor) -> torch.dtype:
    """Return the data type to compute in: float32 for bf16 logits, float64 for float64."""
    return torch.promote_types(logits.dtype, torch.float32)


def sum_type(device: torch.device) -> torch.dtype:
    """Return the data type to sum losses in: float64, or float32 on MPS, which has no float64."""
    return torch.float32 if device.type == "mps" else torch.float64


def chunk_rows(logits: Tensor, bytes_per_logit: int = 4) -> int:
    """Return how many rows of logits (N, V) to work on at once; their number changes no result."""
    chunk = CPU_CHUNK_BYTES if logits.device.type == "cpu" else GPU_CHUNK_BYTES
    return max(1, chunk // (bytes_per_logit * logits.shape[-1]))


def reference_loss(logits: Tensor, labels: Tensor, smoothing: float, pad_id: int) -> LossSums:
    """Compute the formula for logits (N, V) and labels (N,); the plain reference."""
    log_probs = logits.log_softmax(-1)
    picked = -log_probs.gather(-1, labels[:, None])[:, 0]
    uniform = -log_probs.mean(-1)
    real = labels != pad_id
    smoothed = ((1 - smoothing) * picked + smoothing * uniform) * real
    return LossSums(smoothed.sum(), (picked * real).sum().detach())


class _FusedLoss(torch.autograd.Function):
    """Compute loss and gradient in one pass, while a chunk of logits is in the cache.

    The gradient overwrites the logits.
    """

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, labels: Tensor, smoothing: float, pad_id: int
    ) -> tuple[Tensor, Tensor]:
        V = logits.shape[-1]
        kind = at_least_float32(logits)
        gradient = logits.detach()  # shares memory: the logits are overwritten
        smoothed = torch.zeros((), device=logits.device, dtype=sum_type(logits.device))
        plain = torch.zeros((), device=logits.device, dtype=sum_type(logits.device))
        rows = chunk_rows(logits)
        for begin in range(0, len(labels), rows):
            part = slice(begin, begin + rows)
            label = labels[part, None]
            real = (label != pad_id).to(kind)
            z = gradient[part].to(kind)
            z = z - z.amax(-1, keepdim=True)  # the softmax stays the same and cannot overflow
            target, mean = z.gather(-1, label), z.mean(-1, keepdim=True)
            exponents = z.exp_()
            total = exponents.sum(-1, keepdim=True)
            log_total = total.log()
            picked = (log_total - target) * real
            uniform = (log_total - mean) * real
            plain += picked.sum()
            smoothed += (1 - smoothing) * picked.sum() + smoothing * uniform.sum()
            # d loss / d z = softmax(z) - smoothed target
            z = exponents.div_(total).sub_(smoothing / V)
            z.scatter_add_(-1, label, torch.full_like(real, smoothing - 1))
            gradient[part] = z.mul_(real)
        ctx.gradient = gradient
        plain = plain.to(kind)
        ctx.mark_non_differentiable(plain)
        return smoothed.to(kind), plain

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        return ctx.gradient.mul_(gradients[0]), None, None, None


def smoothed_loss(logits: Tensor, labels: Tensor, smoothing: float, pad_id: int) -> LossSums:
    """Compute `reference_loss` fast for training; it overwrites the logits (N, V).

    Backward may be called once. Logits that need no gradient go through the reference.
    """
    if not logits.requires_grad:
        return reference_loss(logits.to(at_least_float32(logits)), labels, smoothing, pad_id)
    apply: Callable[..., Any] = _FusedLoss.apply  # before torch 2.15 it has no types
    return LossSums(*apply(logits, labels, smoothing, pad_id))
