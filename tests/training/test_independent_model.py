"""Twenty updates against a Transformer assembled from PyTorch's own layers, loss and optimiser.

Nothing of `nmt` is in the other model: not its positions, masks, loss or schedule.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from nmt.config import ModelSettings
from nmt.model.transformer import Transformer
from nmt.training.loss import reference_loss
from nmt.training.schedule import inverse_sqrt

V, D, FF, HEADS, PAD, UPDATES, WARMUP = 40, 16, 24, 4, 0, 20, 8


class Independent(nn.Module):
    """The paper's model from `torch.nn`."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(V, D)
        options: dict[str, Any] = {"dropout": 0.0, "layer_norm_eps": 1e-6, "batch_first": True}
        self.encoder = nn.ModuleList(
            nn.TransformerEncoderLayer(D, HEADS, FF, **options) for _ in range(2)
        )
        self.decoder = nn.ModuleList(
            nn.TransformerDecoderLayer(D, HEADS, FF, **options) for _ in range(2)
        )

    def embed(self, ids: Tensor) -> Tensor:
        x: Tensor = self.embedding(ids) * math.sqrt(D)
        for position in range(ids.shape[1]):
            for i in range(D // 2):
                angle = position / 10_000 ** (2 * i / D)
                x[:, position, 2 * i] += math.sin(angle)
                x[:, position, 2 * i + 1] += math.cos(angle)
        return x

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        memory, padding = self.embed(source), source == PAD
        for layer in self.encoder:
            memory = layer(memory, src_key_padding_mask=padding)
        x = self.embed(target)
        mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1]).isinf()
        for layer in self.decoder:
            x = layer(x, memory, tgt_mask=mask, memory_key_padding_mask=padding)
        return x @ self.embedding.weight.T


@torch.no_grad()
def carry_over(ours: Transformer, theirs: Independent) -> None:
    """Give the independent model our initial weights; what we lack, biases of projections, is 0."""
    theirs.embedding.weight.copy_(ours.embedding)
    pairs: list[tuple[Any, Any]] = [*zip(ours.encoder, theirs.encoder, strict=True)]
    pairs += zip(ours.decoder, theirs.decoder, strict=True)
    for layer, other in pairs:
        names = {"self_attn": "self_attention", "multihead_attn": "cross_attention"}
        for their_name, our_name in names.items():
            if hasattr(other, their_name):
                attention = getattr(layer, our_name)
                getattr(other, their_name).in_proj_weight.copy_(attention.in_weight)
                getattr(other, their_name).out_proj.weight.copy_(attention.out.weight)
                getattr(other, their_name).in_proj_bias.zero_().requires_grad_(False)
                getattr(other, their_name).out_proj.bias.zero_().requires_grad_(False)
        other.linear1.load_state_dict(layer.feed_forward.inner.state_dict())
        other.linear2.load_state_dict(layer.feed_forward.outer.state_dict())


def batch(update: int) -> tuple[Tensor, Tensor]:
    """Random padded ids, target with BOS 2 and EOS 3 at its ends."""
    generator = torch.Generator().manual_seed(update)
    source = torch.randint(4, V, (6, 7), generator=generator)
    target = torch.randint(4, V, (6, 8), generator=generator)
    target[:, 0] = 2
    for row in range(6):
        length = int(torch.randint(2, 8, (), generator=generator))
        source[row, length - 1], source[row, length:] = 3, PAD
        target[row, length], target[row, length + 1 :] = 3, PAD
    return source, target


def test_losses_of_twenty_updates_are_equal() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        torch.manual_seed(5)
        settings = ModelSettings(2, 2, D, FF, HEADS, D // HEADS, D // HEADS, dropout=0.0)
        ours, theirs = Transformer(settings, V, PAD), Independent()
        carry_over(ours, theirs)
        adam: dict[str, Any] = {"betas": (0.9, 0.98), "eps": 1e-9}
        our_adam = torch.optim.Adam(ours.parameters(), fused=True, **adam)
        their_adam = torch.optim.Adam(
            [p for p in theirs.parameters() if p.requires_grad], foreach=False, **adam
        )
        curves: list[tuple[float, float]] = []
        for update in range(1, UPDATES + 1):
            source, target = batch(update % 2)
            labels = target[:, 1:]
            count = int((labels != PAD).sum())
            for group in our_adam.param_groups:
                group["lr"] = 4 * inverse_sqrt(update, d_model=D, warmup=WARMUP)
            for group in their_adam.param_groups:
                group["lr"] = 4 * min(update**-0.5, update / (WARMUP * WARMUP**0.5)) / D**0.5
            logits = ours(source, target[:, :-1])
            sums = reference_loss(logits.flatten(0, 1), labels.flatten(), 0.1, PAD)
            our_loss = sums.smoothed / count
            their_loss = nn.functional.cross_entropy(
                theirs(source, target[:, :-1]).transpose(1, 2),
                labels,
                ignore_index=PAD,
                label_smoothing=0.1,
            )
            for optimizer, value in ((our_adam, our_loss), (their_adam, their_loss)):
                optimizer.zero_grad()
                value.backward()
                optimizer.step()
            curves.append((our_loss.item(), their_loss.item()))
        for our_value, their_value in curves:
            assert abs(our_value - their_value) < 1e-9
        # It learned something on the way, so that equality is not that of two dead models.
        assert min(value for value, _ in curves) < curves[0][0] - 0.2
    finally:
        torch.set_default_dtype(torch.float32)
