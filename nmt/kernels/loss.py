"""Label-smoothed cross-entropy as a sum, so that micro-batches and workers add up exactly.

The smoothed target gives the correct token the probability 1 - eps + eps/V and every other token
eps/V (section 5.4; Szegedy et al., 2015, section 7).

`projected_loss` computes the projection to the softmax and its loss block by block, on a CPU: whole
logits take tens of megabytes, which three products and the loss would read from memory. A block
stays in the cache. The plain reference is `reference_projected_loss`.

With R-Drop and SimCut, two passes over the same pairs must agree. Both losses are weighted sums of
the two smoothed losses and the two Kullback-Leibler divergences. R-Drop ("R-Drop: Regularized
Dropout for Neural Networks", Liang et al., 2021, equation 4) treats the two passes alike. It is
halved, so that the loss has the scale of one pass. SimCut ("Bi-SimCut: A Simple Strategy for
Boosting Neural Machine Translation", Gao et al., 2022, section 3.2) learns from the first pass and
makes the second one, in which embeddings are cut, agree with it; the gradient of the divergence
reaches both passes.

Dimensions: N positions, M of them not padding, V tokens; the logits of two passes are (2N, V).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

from nmt.kernels.padded_product import cast, pads_rows, whole_groups

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
    losses = [reference_loss(half, labels, smoothing, pad_id) for half in passes]
    first, second = (half.log_softmax(-1) for half in passes)
    difference = first - second
    one, other = weights.divergences
    divergence = ((one * first.exp() - other * second.exp()) * difference).sum(-1)
    divergence = (divergence * (labels != pad_id)).sum()
    smoothed, plain = (
        weights.losses[0] * of_first + weights.losses[1] * of_second
        for of_first, of_second in zip(*losses, strict=True)
    )
    return LossSums(smoothed + divergence, plain)


def overwrite_with_padding(logits: Tensor, labels: Tensor, smoothing: float, pad_id: int) -> Tensor:
    """Overwrite logits (N, V) by their gradient, chunk by chunk in the cache; labels (N, 1).

    Returns the sums of the smoothed and of the plain loss. `overwrite_by_gradient` is faster on a
    CPU, without padding.
    """
    V = logits.shape[-1]
    kind = at_least_float32(logits)
    sums = torch.zeros(2, device=logits.device, dtype=sum_type(logits.device))
    smoothed, plain = sums  # which share its memory
    rows = chunk_rows(logits)
    for begin in range(0, len(labels), rows):
        part = slice(begin, begin + rows)
        label = labels[part]
        real = (label != pad_id).to(kind)
        z = logits[part].to(kind)
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
        logits[part] = z.mul_(real)
    return sums


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
        torch.tensor(pair, device=logits.device, dtype=kind)[:, None, None] for pair in weights
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


class _FusedLoss(torch.autograd.Function):
    """Compute loss and gradient in one pass, while a chunk of logits is in the cache.

    The gradient overwrites the logits.
    """

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        labels: Tensor,
        smoothing: float,
        pad_id: int,
        agreement: Agreement | None,
    ) -> tuple[Tensor, Tensor]:
        ctx.gradient = logits.detach()  # shares memory: the logits are overwritten
        labels = labels[:, None]
        if agreement is None:
            sums = overwrite_with_padding(ctx.gradient, labels, smoothing, pad_id)
        else:
            passes = ctx.gradient.view(2, len(labels), -1)
            sums = overwrite_by_agreement(passes, labels, smoothing, pad_id, agreement)
        smoothed, plain = sums.to(at_least_float32(logits))
        ctx.mark_non_differentiable(plain)
        return smoothed, plain

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        return ctx.gradient.mul_(gradients[0]), None, None, None, None


def smoothed_loss(
    logits: Tensor,
    labels: Tensor,
    smoothing: float,
    pad_id: int,
    agreement: Agreement | None = None,
) -> LossSums:
    """Compute `reference_loss` fast for training; it overwrites the logits (N, V).

    agreement: how two passes must agree; the logits are then (2N, V), and the reference is
    `reference_agreement`. Backward may be called once.
    """
    apply: Callable[..., Any] = _FusedLoss.apply  # before torch 2.15 it has no types
    return LossSums(*apply(logits, labels, smoothing, pad_id, agreement))


# Rows of a block of logits: whole groups, also in half a block. With fewer, adding up the matrix's
# gradient takes longer.
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
        if pads_rows(hidden):
            x = whole_groups(x, x.dtype)
        sums = torch.zeros(2, dtype=sum_type(x.device))
        x_gradient = torch.empty_like(x)
        weight_gradient = torch.zeros_like(weight)
        shift = None if bias is None else cast(bias)
        bias_gradient = None if bias is None else torch.zeros_like(bias)
        product = torch.empty_like(matrix)  # all blocks use it: fresh memory takes time
        block = x.new_empty(min(block_rows, len(x)), len(weight))
        real_labels = labels.repeat(passes)[real, None]
        parts = (tensor.split(block_rows) for tensor in (x, real_labels, x_gradient))
        for rows, label, rows_gradient in zip(*parts, strict=True):
            logits = product_with_bias(rows, matrix, shift, block[: len(rows)])
            logits[len(label) :] = 0  # of padding, which would reach the bias's gradient
            if agreement is None:
                sums += overwrite_by_gradient(logits[: len(label)], label, smoothing)
            else:
                half = len(label) // 2
                both = logits[: len(label)].view(2, half, len(weight))
                sums += overwrite_by_agreement(both, label[:half], smoothing, pad_id, agreement)
            if bias_gradient is not None:
                bias_gradient += logits.sum(0, dtype=bias_gradient.dtype)
            torch.mm(logits, matrix, out=rows_gradient)
            weight_gradient += torch.mm(logits.T, rows, out=product)
        hidden_gradient = torch.zeros_like(hidden)
        hidden_gradient[real] = x_gradient[: len(real)].to(hidden.dtype)
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
            for tensor in (hidden, weight, bias):
                if tensor is not None:
                    tensor.mul_(gradients[0])
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
