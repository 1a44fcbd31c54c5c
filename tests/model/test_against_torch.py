"""Our layers against PyTorch's with the same weights."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import gelu, silu

from nmt.config import ModelSettings
from nmt.model.attention import MultiHeadAttention, causal_mask, padding_mask
from nmt.model.layers import DecoderLayer, EncoderLayer

SETTINGS = ModelSettings(d_model=12, d_ff=20, heads=3, d_k=4, d_v=4, dropout=0.0)
# PyTorch's settings, and ours with the same meaning.
KINDS: dict[str, tuple[dict[str, Any], ModelSettings]] = {
    "post": ({"layer_norm_eps": 1e-6}, SETTINGS),
    "pre": ({"layer_norm_eps": 1e-6, "norm_first": True}, replace(SETTINGS, norm="pre")),
    "SiLU, biases, epsilon": (
        {"activation": silu, "layer_norm_eps": 1e-5},
        replace(SETTINGS, activation="silu", attention_bias=True, norm_epsilon=1e-5),
    ),
    "GELU, pre, biases, epsilon": (
        {"activation": gelu, "layer_norm_eps": 1e-3, "norm_first": True},
        replace(SETTINGS, activation="gelu", norm="pre", attention_bias=True, norm_epsilon=1e-3),
    ),
}
each_kind = pytest.mark.parametrize("kind", KINDS)
LIKE_OURS: dict[str, Any] = {"d_model": 12, "nhead": 3, "dim_feedforward": 20}
LIKE_OURS |= {"dropout": 0.0, "batch_first": True}
EXACT: dict[str, Any] = {"atol": 1e-10, "rtol": 0.0}


def copy_attention(ours: MultiHeadAttention, theirs: nn.MultiheadAttention) -> None:
    """Give PyTorch's attention our weights; without biases, it gets zeros."""
    assert theirs.in_proj_weight is not None
    layers = [layer for layer in ours.children() if isinstance(layer, nn.Linear)][:-1]
    theirs.in_proj_weight.copy_(torch.cat([layer.weight for layer in layers]))
    theirs.out_proj.weight.copy_(ours.out.weight)
    theirs.in_proj_bias.zero_()
    theirs.out_proj.bias.zero_()
    if ours.out.bias is not None:
        theirs.in_proj_bias.copy_(torch.cat([layer.bias for layer in layers]))
        theirs.out_proj.bias.copy_(ours.out.bias)


def copied(ours: EncoderLayer | DecoderLayer, theirs: Any) -> Any:
    """Draw every parameter of our layer, give them to PyTorch's layer, and return that.

    Norms and biases are drawn too, so that none can hide behind 0 or 1.
    """
    for parameter in ours.parameters():
        parameter.data.normal_(std=0.5)
    copy_attention(ours.self_attention, theirs.self_attn)
    theirs.linear1.load_state_dict(ours.feed_forward.inner.state_dict())
    theirs.linear2.load_state_dict(ours.feed_forward.outer.state_dict())
    norms = [ours.self_attention_norm, ours.feed_forward_norm]
    if isinstance(ours, DecoderLayer):
        copy_attention(ours.cross_attention, theirs.multihead_attn)
        norms.insert(1, ours.cross_attention_norm)
    for number, norm in enumerate(norms, start=1):
        getattr(theirs, f"norm{number}").load_state_dict(norm.norm.state_dict())
    return theirs


def padding() -> torch.Tensor:
    """Mark the padding among 5 positions of 3 rows."""
    return torch.arange(5) >= torch.tensor([5, 2, 4])[:, None]


@each_kind
@torch.no_grad()
def test_encoder_stack_equals_torch(kind: str) -> None:
    like, settings = KINDS[kind]
    x, is_padding = torch.randn(3, 5, 12), padding()
    expected = actual = x
    for _ in range(3):
        ours = EncoderLayer(settings)
        theirs = copied(ours, nn.TransformerEncoderLayer(**LIKE_OURS, **like))
        expected = theirs(expected, src_key_padding_mask=is_padding)
        actual = ours(actual, padding_mask(is_padding, x.dtype))
    torch.testing.assert_close(actual[~is_padding], expected[~is_padding], **EXACT)


@each_kind
@torch.no_grad()
def test_decoder_stack_equals_torch(kind: str) -> None:
    like, settings = KINDS[kind]
    x, memory, is_padding = torch.randn(3, 4, 12), torch.randn(3, 5, 12), padding()
    mask = torch.ones(4, 4, dtype=torch.bool).triu(1)
    expected = actual = x
    for _ in range(3):
        ours = DecoderLayer(settings)
        theirs = copied(ours, nn.TransformerDecoderLayer(**LIKE_OURS, **like))
        expected = theirs(expected, memory, tgt_mask=mask, memory_key_padding_mask=is_padding)
        actual = ours(actual, causal_mask(x, 4, 4), memory, padding_mask(is_padding, x.dtype))
    torch.testing.assert_close(actual, expected, **EXACT)
