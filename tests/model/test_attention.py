"""Attention by its formula, with d_k and d_v free of d_model / h (section 3.2)."""

import math

import pytest
import torch
from torch import nn

from nmt.config import ModelSettings
from nmt.model.attention import MultiHeadAttention, attention, causal_mask, padding_mask


def test_hand_worked_attention() -> None:
    """Two keys, d_k 4: scores 2 / sqrt(4) = 1 and 0, hence weights e / (e + 1) and 1 / (e + 1)."""
    query = torch.tensor([[[[2.0, 0, 0, 0]]]])
    key = torch.tensor([[[[1.0, 0, 0, 0], [0, 1, 0, 0]]]])
    value = torch.tensor([[[[10.0], [20.0]]]])
    first = math.e / (math.e + 1)
    assert float(attention(query, key, value, None)) == pytest.approx(10 * first + 20 * (1 - first))


def test_a_hidden_key_has_no_weight() -> None:
    query, key = torch.randn(1, 1, 1, 4), torch.randn(1, 1, 2, 4)
    value = torch.tensor([[[[10.0], [20.0]]]])
    mask = padding_mask(torch.tensor([[False, True]]), torch.float64)
    assert float(attention(query, key, value, mask)) == 10


def test_no_padding_needs_no_mask() -> None:
    assert padding_mask(torch.zeros(2, 3, dtype=torch.bool), torch.float64) is None


def test_the_causal_mask_hides_later_positions() -> None:
    hidden = -math.inf
    expected = [[0, hidden, hidden], [0, 0, hidden], [0, 0, 0]]
    assert causal_mask(torch.zeros(1), 3, 3).tolist() == expected


def test_the_causal_mask_of_a_later_query_hides_unused_capacity() -> None:
    """The query at position 2 sees positions 0 to 2 of a cache with room for 5."""
    mask = causal_mask(torch.zeros(1), 1, 5, first=2)
    assert mask.tolist() == [[0, 0, 0, -math.inf, -math.inf]]


@pytest.mark.parametrize(("heads", "d_k", "d_v"), [(1, 5, 7), (4, 3, 2), (8, 16, 1)])
def test_heads_one_by_one(heads: int, d_k: int, d_v: int) -> None:
    """One matrix for all heads equals h separate ones, concatenated and projected by W^O."""
    settings = ModelSettings(d_model=6, heads=heads, d_k=d_k, d_v=d_v)
    module = MultiHeadAttention(settings, is_cross=True)
    module.reset_parameters()
    queries, memory = torch.randn(2, 3, 6), torch.randn(2, 4, 6)
    w_q = module.query.weight
    w_k, w_v = module.key_value.weight.split([heads * d_k, heads * d_v])
    outputs = []
    for head in range(heads):
        q = queries @ w_q[head * d_k : (head + 1) * d_k].T
        k = memory @ w_k[head * d_k : (head + 1) * d_k].T
        v = memory @ w_v[head * d_v : (head + 1) * d_v].T
        outputs.append((q @ k.transpose(1, 2) / math.sqrt(d_k)).softmax(-1) @ v)
    expected = torch.cat(outputs, -1) @ module.out.weight.T
    torch.testing.assert_close(module(queries, None, memory), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize(("is_cross", "blocks"), [(False, [128]), (True, [16, 112])])
def test_initial_weights_are_glorot_uniform(is_cross: bool, blocks: list[int]) -> None:
    """Bounded by the fans of the authors' matrices: QKV to itself, Q and KV to the encoder."""
    module = MultiHeadAttention(
        ModelSettings(d_model=64, heads=2, d_k=8, d_v=48), is_cross=is_cross
    )
    module.reset_parameters()
    weights = [layer.weight for layer in module.children() if isinstance(layer, nn.Linear)]
    assert [len(weight) for weight in weights[:-1]] == blocks
    for weight, fan_out in zip(weights, blocks, strict=False):
        bound = math.sqrt(6 / (64 + fan_out))
        assert 0.95 * bound < float(weight.detach().abs().max()) <= bound
