"""Losses of two passes over the same pairs that must agree: R-Drop and SimCut.

Both are weighted sums of the two smoothed losses and the two Kullback-Leibler divergences. R-Drop
("R-Drop: Regularized Dropout for Neural Networks", Liang et al., 2021, equation 4) treats the two
passes alike. It is halved, so that the loss has the scale of one pass. SimCut ("Bi-SimCut: A Simple
Strategy for Boosting Neural Machine Translation", Gao et al., 2022, section 3.2) learns from the
first pass and makes the second one, in which embeddings are cut, agree with it; the gradient of the
divergence reaches both passes.

Dimensions: N positions, V tokens; the logits of the two passes are concatenated, (2N, V).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nmt.kernels.loss import LossSums, at_least_float32, chunk_rows, reference_loss, sum_type


class Agreement(NamedTuple):
    """Weights of the parts of a loss of two passes, whose probabilities are P1 and P2."""

    losses: tuple[float, float]  # of the smoothed loss of each pass; their sum is 1
    divergences: tuple[float, float]  # of KL(P1 || P2) and of KL(P2 || P1)


def r_drop(alpha: float) -> Agreement:
    """Return the weights of R-Drop: the mean of both losses, and alpha / 4 of both divergences."""
    return Agreement((0.5, 0.5), (alpha / 4, alpha / 4))


def simcut(alpha: float) -> Agreement:
    """Return the weights of SimCut: the first pass's loss, and alpha of KL(P1 || P2)."""
    return Agreement((1.0, 0.0), (alpha, 0.0))


def reference_agreement(
    logits: Tensor, labels: Tensor, smoothing: float, pad_id: int, weights: Agreement
) -> LossSums:
    """Compute the formula for logits (2N, V) and labels (N,); the plain reference."""
    passes = logits.chunk(2)
    sums = [reference_loss(each, labels, smoothing, pad_id) for each in passes]
    first, second = (each.log_softmax(-1) for each in passes)
    difference = first - second
    one, other = weights.divergences
    divergence = ((one * first.exp() - other * second.exp()) * difference).sum(-1)
    divergence = (divergence * (labels != pad_id)).sum()
    smoothed = sum(
        weight * each.smoothed for weight, each in zip(weights.losses, sums, strict=True)
    )
    plain = sum(weight * each.plain for weight, each in zip(weights.losses, sums, strict=True))
    return LossSums(torch.as_tensor(smoothed + divergence), torch.as_tensor(plain))


def overwrite_by_agreement(
    logits: Tensor, labels: Tensor, smoothing: float, pad_id: int, weights: Agreement
) -> Tensor:
    """Overwrite logits (2, N, V) by their gradient, chunk by chunk in the cache; labels (N, 1).

    Returns the sums of the smoothed and of the plain loss.
    """
    N, V = logits.shape[1:]
    kind = at_least_float32(logits)
    sums = torch.zeros(2, device=logits.device, dtype=sum_type(logits.device))
    # For each pass, (2, 1, 1): the weights of its loss and of its divergence from the other.
    of_loss, of_divergence = (
        torch.tensor(each, device=logits.device, dtype=kind)[:, None, None] for each in weights
    )
    rows = chunk_rows(logits, bytes_per_logit=8)  # both passes
    for begin in range(0, N, rows):
        part = slice(begin, begin + rows)
        label = labels[part].expand(2, -1, -1)
        real = (label != pad_id).to(kind)
        log_p = logits[:, part].to(kind).log_softmax(-1)  # (2, rows, V)
        p = log_p.exp()
        weight = of_loss * real
        picked = -log_p.gather(-1, label) * weight
        uniform = -log_p.mean(-1, keepdim=True) * weight
        # KL divergence of each pass from the other, (2, rows, 1); log_p becomes the difference.
        log_p -= log_p.flip(0)
        divergence = (p * log_p).sum(-1, keepdim=True)
        sums[1] += picked.sum()
        sums[0] += (1 - smoothing) * picked.sum() + smoothing * uniform.sum()
        sums[0] += (of_divergence * divergence * real).sum()
        # With q the smoothed target, r = p_1 / p_2, w the weights of the losses, and a and b those
        # of KL_1 = KL(P1 || P2) and of KL(P2 || P1):
        # d loss / d z_1 = w_1 (p_1 - q) + a p_1 (log r - KL_1) + b (p_1 - p_2)
        z = log_p.sub_(divergence).mul_(p).mul_(of_divergence)
        z.addcmul_(p, of_loss + of_divergence.flip(0))
        z.addcmul_(p.flip(0), of_divergence.flip(0), value=-1)
        z.sub_(of_loss * (smoothing / V))
        z.scatter_add_(-1, label, (smoothing - 1) * of_loss.expand_as(real))
        logits[:, part] = z.mul_(real)
    return sums


class _FusedAgreement(torch.autograd.Function):
    """Compute loss and gradient in one pass. The gradient overwrites the logits."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, labels: Tensor, smoothing: float, pad_id: int, weights: Agreement
    ) -> tuple[Tensor, Tensor]:
        ctx.gradient = logits.detach()  # shares memory: the logits are overwritten
        passes = ctx.gradient.view(2, len(labels), -1)
        sums = overwrite_by_agreement(passes, labels[:, None], smoothing, pad_id, weights)
        smoothed, plain = sums.to(at_least_float32(logits))
        ctx.mark_non_differentiable(plain)
        return smoothed, plain

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        return ctx.gradient.mul_(gradients[0]), None, None, None, None


def agreement_loss(
    logits: Tensor, labels: Tensor, smoothing: float, pad_id: int, weights: Agreement
) -> LossSums:
    """Compute `reference_agreement` fast for training; it overwrites the logits (2N, V).

    Backward may be called once.
    """
    apply: Callable[..., Any] = _FusedAgreement.apply  # before torch 2.15 it has no types
    return LossSums(*apply(logits, labels, smoothing, pad_id, weights))
