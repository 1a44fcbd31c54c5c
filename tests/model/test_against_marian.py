"""Our Transformer with Marian's choices against the one of `transformers`, with random weights."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nmt.config import ModelSettings
from nmt.decoding.models.arrays import ArrayDecoder
from nmt.model.transformer import Transformer
from tests.model.conftest import PAD

V = 23
START = PAD  # Marian's decoder starts from padding
SETTINGS = ModelSettings(
    encoder_layers=2,
    decoder_layers=3,
    d_model=16,
    d_ff=24,
    heads=2,
    d_k=8,
    d_v=8,
    positions="sinusoidal_halves",
    norm_epsilon=1e-5,
    activation="silu",
    attention_bias=True,
    softmax_bias=True,
)


@pytest.fixture(scope="module")
def theirs() -> Any:
    """Return a Marian model in float32 whose weights, biases and gains are all random."""
    transformers = pytest.importorskip("transformers")
    config = transformers.MarianConfig(
        vocab_size=V,
        d_model=16,
        encoder_layers=2,
        decoder_layers=3,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=24,
        decoder_ffn_dim=24,
        activation_function="swish",
        scale_embedding=True,
        max_position_embeddings=64,
        pad_token_id=PAD,
        eos_token_id=1,
        decoder_start_token_id=START,
        forced_eos_token_id=None,
    )
    torch.set_default_dtype(torch.float32)
    model = transformers.MarianMTModel(config).eval()
    torch.manual_seed(4)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "embed_positions" not in name:
                parameter.normal_(std=0.3)
        model.final_logits_bias.normal_()
    return model


def linear(ours: str, *layers: nn.Module) -> dict[str, Tensor]:
    """Return the weights and biases of layers, one below the other, by our name."""
    kinds = "weight", "bias"
    return {f"{ours}.{kind}": torch.cat([getattr(x, kind) for x in layers]) for kind in kinds}


def layer_weights(name: str, layer: Any) -> dict[str, Tensor]:
    """Return the weights of a layer by our names."""
    own = layer.self_attn
    found = linear(f"{name}.self_attention.query_key_value", own.q_proj, own.k_proj, own.v_proj)
    found |= linear(f"{name}.self_attention.out", own.out_proj)
    found |= linear(f"{name}.self_attention_norm.norm", layer.self_attn_layer_norm)
    if name.startswith("decoder"):
        cross = layer.encoder_attn
        found |= linear(f"{name}.cross_attention.query", cross.q_proj)
        found |= linear(f"{name}.cross_attention.key_value", cross.k_proj, cross.v_proj)
        found |= linear(f"{name}.cross_attention.out", cross.out_proj)
        found |= linear(f"{name}.cross_attention_norm.norm", layer.encoder_attn_layer_norm)
    found |= linear(f"{name}.feed_forward.inner", layer.fc1)
    found |= linear(f"{name}.feed_forward.outer", layer.fc2)
    return found | linear(f"{name}.feed_forward_norm.norm", layer.final_layer_norm)


def our_weights(theirs: Any) -> dict[str, Tensor]:
    """Return the weights of a Marian model by our names."""
    found = {
        "embeddings.weight": theirs.model.shared.weight,
        "embeddings.softmax_bias": theirs.final_logits_bias[0],
    }
    for stack in ("encoder", "decoder"):
        for number, layer in enumerate(getattr(theirs.model, stack).layers):
            found |= layer_weights(f"{stack}.{number}", layer)
    return {name: each.detach().clone() for name, each in found.items()}


def test_logits_equal_those_of_marian(theirs: Any) -> None:
    """In PyTorch and in NumPy, with padding in the source."""
    torch.set_default_dtype(torch.float32)
    source = torch.tensor([[5, 9, 4, 7, 3, 1], [8, 3, 1, PAD, PAD, PAD], [6, 22, 11, 4, 1, PAD]])
    target = torch.tensor([[START, 6, 8, 12], [START, 20, 3, 3], [START, 4, 17, 5]])
    with torch.no_grad():
        expected = theirs(
            input_ids=source, attention_mask=(source != PAD).long(), decoder_input_ids=target
        ).logits
    model = Transformer(SETTINGS, V, PAD).eval()
    weights = our_weights(theirs)
    model.load_state_dict(weights)
    with torch.no_grad():
        torch.testing.assert_close(model(source, target), expected, atol=1e-4, rtol=0)
    arrays = ArrayDecoder(SETTINGS, {name: each.numpy() for name, each in weights.items()}, PAD)
    state = arrays.encode(source.numpy())
    for position, ids in enumerate(target.numpy().T):
        logits, state = arrays.step(ids[:, None], state)
        found = torch.from_numpy(logits[:, 0])
        torch.testing.assert_close(found, expected[:, position], atol=1e-4, rtol=0)


@pytest.mark.parametrize("width", [4, 7])
def test_sinusoids_equal_those_of_marian(width: int) -> None:
    """An odd width has one more sine than cosines."""
    pytest.importorskip("transformers")
    from transformers.models.marian.modeling_marian import MarianSinusoidalPositionalEmbedding

    from nmt.model.positions import sinusoids_in_halves

    embedding: Any = MarianSinusoidalPositionalEmbedding(20, width)
    expected = embedding.create_weight()
    found = sinusoids_in_halves(20, width).to(expected.dtype)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
