"""The paper's model, made of `torch.nn` layers alone: a training of it checks one of `nmt`."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from nmt.config import ModelSettings
from nmt.model.transformer import Transformer
from nmt.text.subwords.tokenizer import PAD


class Independent(nn.Module):
    """The paper's model, made of `torch.nn` layers."""

    def __init__(self, shape: ModelSettings, vocab_size: int) -> None:
        super().__init__()
        self.width = shape.d_model
        self.embedding = nn.Embedding(vocab_size, shape.d_model)
        options: dict[str, Any] = {"dropout": 0.0, "layer_norm_eps": 1e-6, "batch_first": True}
        widths = shape.d_model, shape.heads, shape.d_ff
        self.encoder = nn.ModuleList(
            nn.TransformerEncoderLayer(*widths, **options) for _ in range(shape.encoder_layers)
        )
        self.decoder = nn.ModuleList(
            nn.TransformerDecoderLayer(*widths, **options) for _ in range(shape.decoder_layers)
        )

    def embed(self, ids: Tensor) -> Tensor:
        """Return embedding plus sinusoid, (B, length) to (B, length, width)."""
        angles = [
            [position / 10_000 ** (2 * i / self.width) for i in range(self.width // 2)]
            for position in range(ids.shape[1])
        ]
        waves = [[wave(a) for a in row for wave in (math.sin, math.cos)] for row in angles]
        x: Tensor = self.embedding(ids) * math.sqrt(self.width)
        return x + torch.tensor(waves, dtype=x.dtype, device=x.device)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Return the logits (B, T, V) of the token after each target position."""
        memory, padding = self.embed(source), source == PAD
        for layer in self.encoder:
            memory = layer(memory, src_key_padding_mask=padding)
        x = self.embed(target)
        mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1], device=x.device)
        for layer in self.decoder:
            x = layer(x, memory, tgt_mask=mask.isinf(), memory_key_padding_mask=padding)
        return x @ self.embedding.weight.T


@torch.no_grad()
def copy_weights(ours: Transformer, theirs: Independent) -> None:
    """Copy nmt's weights to the independent model.

    Its projections have biases, which nmt's lack; they are set to 0.
    """
    theirs.embedding.weight.copy_(ours.embeddings.weight)
    pairs: list[tuple[Any, Any]] = [*zip(ours.encoder, theirs.encoder, strict=True)]
    pairs += zip(ours.decoder, theirs.decoder, strict=True)
    for layer, other in pairs:
        names = {"self_attn": "self_attention", "multihead_attn": "cross_attention"}
        for their_name, our_name in names.items():
            if hasattr(other, their_name):
                attention = getattr(layer, our_name)
                getattr(other, their_name).in_proj_weight.copy_(input_weights(attention))
                getattr(other, their_name).out_proj.weight.copy_(attention.out.weight)
                getattr(other, their_name).in_proj_bias.zero_().requires_grad_(False)
                getattr(other, their_name).out_proj.bias.zero_().requires_grad_(False)
        other.linear1.load_state_dict(layer.feed_forward.inner.state_dict())
        other.linear2.load_state_dict(layer.feed_forward.outer.state_dict())


def input_weights(attention: Any) -> Tensor:
    """Return the projections of queries, keys and values as one matrix, as PyTorch stores them."""
    if attention.is_cross:
        return torch.cat([attention.query.weight, attention.key_value.weight])
    weight: Tensor = attention.query_key_value.weight
    return weight
