"""A recording holds what the model computes, and recording changes nothing."""

import pytest
import torch
from torch import Tensor, nn

from nmt.config import ModelSettings
from nmt.model.layers import DecoderLayer
from nmt.model.transformer import Transformer
from nmt.runs.trained_model import TrainedModel
from nmt.studio.explain.recording import recording

SOURCE = torch.tensor([[7, 9, 5, 3]])
TARGET = torch.tensor([[2, 8, 6]])


@pytest.fixture
def network() -> Transformer:
    torch.manual_seed(0)
    settings = ModelSettings(
        encoder_layers=2, decoder_layers=2, d_model=12, d_ff=20, heads=3, d_k=4, d_v=5, dropout=0
    )
    return Transformer(settings, 11, pad_id=0).eval()


def by_hand(query: Tensor, key: Tensor) -> list[list[float]]:
    """Compute softmax(Q K^T / sqrt(d_k)) of one head, number by number."""
    rows = []
    for q in query.tolist():
        scores = [
            sum(a * b for a, b in zip(q, k, strict=True)) / len(q) ** 0.5 for k in key.tolist()
        ]
        powers = [2.718281828459045**score for score in scores]
        rows.append([power / sum(powers) for power in powers])
    return rows


@torch.no_grad()
def test_weights_are_the_softmax_of_the_recorded_queries_and_keys(network: Transformer) -> None:
    with recording(network) as record:
        network(SOURCE, TARGET)
    assert set(record.attention) == {
        *(f"encoder.{n}.self_attention" for n in (0, 1)),
        *(f"decoder.{n}.{kind}_attention" for n in (0, 1) for kind in ("self", "cross")),
    }
    seen = record.attention["decoder.1.cross_attention"]
    assert seen.query.shape == (3, 3, 4)
    assert seen.value.shape == (3, 4, 5)
    for head in range(3):
        expected = torch.tensor(by_hand(seen.query[head], seen.key[head]))
        torch.testing.assert_close(seen.weights[head], expected)
    layer = network.decoder[1]
    assert isinstance(layer, DecoderLayer)
    gathered = (seen.weights @ seen.value).transpose(0, 1).flatten(1)
    torch.testing.assert_close(record.inputs["decoder.1.cross_attention.out"], gathered)
    torch.testing.assert_close(
        record.outputs["decoder.1.cross_attention"], gathered @ layer.cross_attention.out.weight.T
    )


@torch.no_grad()
def test_no_position_attends_to_a_later_one(network: Transformer) -> None:
    with recording(network) as record:
        network(SOURCE, TARGET)
    weights = record.attention["decoder.0.self_attention"].weights
    assert torch.equal(weights, weights.tril())
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 3))


@torch.no_grad()
def test_recording_changes_no_output_and_leaves_no_hook(network: Transformer) -> None:
    before = network(SOURCE, TARGET)
    with recording(network) as record:
        during = network(SOURCE, TARGET)
    after = network(SOURCE, TARGET)
    assert torch.equal(before, during)
    assert torch.equal(before, after)
    torch.testing.assert_close(network.embeddings.project(record.outputs["decoder.1"]), before[0])
    outputs, attention = dict(record.outputs), dict(record.attention)
    network(SOURCE.flip(1), TARGET)
    assert all(record.outputs[name] is each for name, each in outputs.items())
    assert all(record.attention[name] is each for name, each in attention.items())


@torch.no_grad()
def test_an_error_leaves_no_hook(network: Transformer) -> None:
    with pytest.raises(ZeroDivisionError), recording(network) as record:
        1 / 0  # noqa: B018 (it is the error)
    network(SOURCE, TARGET)
    assert (record.inputs, record.attention) == ({}, {})


def test_any_network_is_recorded() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    with recording(network) as record:
        out = network(torch.ones(1, 4, 2))
    assert torch.equal(record.outputs["1"], out[0])
    assert record.inputs["1"].shape == (4, 3)


def test_a_batch_of_two_segments_is_refused(network: Transformer) -> None:
    with pytest.raises(ValueError, match="too many values"), recording(network):
        network(SOURCE.repeat(2, 1), TARGET.repeat(2, 1))


@torch.no_grad()
def test_a_trained_model_in_bf16_is_recorded_in_float32(model: TrainedModel) -> None:
    network = Transformer(model.recipe.model, len(model.tokenizer), 0).eval().bfloat16()
    with recording(network) as record:
        network(SOURCE, TARGET)
    assert record.attention["encoder.0.self_attention"].weights.dtype == torch.float32
