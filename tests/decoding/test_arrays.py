"""The Transformer in NumPy computes what the model in PyTorch computes."""

import math
from dataclasses import replace
from typing import Any

import numpy
import pytest
import torch

from nmt.decoding.models.arrays import ArrayDecoder, has_array_backend
from nmt.decoding.models.pytorch import IncrementalDecoder
from nmt.kernels.array_functions import SINUSOIDS, array_top_tokens, sinusoids
from nmt.model.transformer import Transformer
from tests.model.conftest import VARIANTS as SMALL_VARIANTS

WIDTHS: dict[str, Any] = {"d_model": 64, "d_ff": 96, "heads": 4, "d_k": 16, "d_v": 16}
PAPER = replace(SMALL_VARIANTS["paper"], encoder_layers=2, decoder_layers=3, **WIDTHS)
VARIANTS = {
    **{
        name: replace(variant, **WIDTHS)
        for name, variant in SMALL_VARIANTS.items()
        if has_array_backend(variant)
    },
    "RMS norm, target tied, ReGLU": replace(
        PAPER, norm_kind="rms", positions="learned", tied="target", activation="reglu", d_v=8
    ),
    "odd widths, GLU, untied, biases": replace(
        PAPER,
        d_model=37,
        d_ff=51,
        heads=3,
        d_k=6,
        d_v=5,
        positions="rotary",
        activation="glu",
        norm="pre",
        tied="none",
        attention_bias=True,
        softmax_bias=True,
    ),
    "one head, one layer": replace(PAPER, encoder_layers=1, decoder_layers=1, heads=1),
}
V = 70  # not a multiple of the blocks of ArrayLinear


@pytest.fixture(params=VARIANTS)
def model(request: pytest.FixtureRequest) -> Transformer:
    torch.manual_seed(3)
    made = Transformer(VARIANTS[request.param], V, pad_id=0).eval()
    with torch.no_grad():  # biases and norms start as zeros and ones, which would hide mistakes
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return made


def arrays(model: Transformer) -> ArrayDecoder:
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    return ArrayDecoder(model.settings, weights, model.pad_id)


def test_each_step_agrees_with_the_model(model: Transformer) -> None:
    """Logits are equal while hypotheses are reordered and sentences leave the batch.

    The weights stay as they were.
    """
    generator = numpy.random.default_rng(sentences := 12)
    lengths = generator.integers(1, 12, sentences)
    lengths[0] = 11
    source = generator.integers(3, V, (sentences, 12))
    source[numpy.arange(12) > lengths[:, None]] = 0
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    ours, reference = arrays(model), IncrementalDecoder(model)
    state, expected_state = ours.encode(source), reference.encode(torch.from_numpy(source))
    ids = numpy.full((sentences, 1), 2)
    for step in range(40):  # more than a cache has room for at first
        logits, state = ours.step(ids, state)
        expected, expected_state = reference.step(torch.from_numpy(ids), expected_state)
        assert logits.shape == expected.shape
        torch.testing.assert_close(torch.from_numpy(logits), expected, atol=2e-4, rtol=1e-4)
        own = generator.integers(0, ids.shape[1], (len(ids), 4))  # hypotheses of its own sentence
        rows = own + ids.shape[1] * numpy.arange(len(ids))[:, None]
        if step % 13 == 12 and len(rows) > 1:
            rows = rows[generator.permutation(len(rows))[: len(rows) // 2 + 1]]
        state, expected_state = state.select(rows), expected_state.select(torch.from_numpy(rows))
        ids = generator.integers(3, V, rows.shape)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_tables_of_positions_grow() -> None:
    torch.manual_seed(3)
    for positions in ("sinusoidal", "sinusoidal_halves", "rotary"):
        settings = replace(PAPER, encoder_layers=1, decoder_layers=1, positions=positions)
        model = Transformer(settings, V, pad_id=0).eval()
        source = numpy.arange(600)[None] % 60 + 3
        logits, _ = arrays(model).step(numpy.array([[2]]), arrays(model).encode(source))
        with torch.no_grad():
            expected = model(torch.from_numpy(source), torch.tensor([[2]]))
        torch.testing.assert_close(torch.from_numpy(logits), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.filterwarnings("error")
def test_large_and_missing_numbers_pass_without_a_warning() -> None:
    """The gate's power overflows, and NaN reaches the logits, as in PyTorch."""
    torch.manual_seed(3)
    model = Transformer(VARIANTS["swiglu"], V, pad_id=0).eval()
    source, bos = numpy.array([[5, 6, 1]]), numpy.array([[2]])
    with torch.no_grad():
        model.get_parameter("encoder.0.feed_forward.inner.bias").sub_(500)
        expected = model(torch.from_numpy(source), torch.from_numpy(bos))
    logits, _ = arrays(model).step(bos, arrays(model).encode(source))
    torch.testing.assert_close(torch.from_numpy(logits), expected, atol=1e-3, rtol=1e-3)
    with torch.no_grad():
        model.get_parameter("decoder.0.feed_forward.inner.bias").add_(math.nan)
    logits, _ = arrays(model).step(bos, arrays(model).encode(source))
    assert numpy.isnan(logits).all()


def test_tables_grow_while_another_thread_needs_longer_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(3)
    model = Transformer(PAPER, V, pad_id=0).eval()
    source = numpy.full((1, 700), 5)
    expected = arrays(model).encode(source).memory_keys
    ours = arrays(model)
    inside: list[int] = []

    def interrupted(length: int, width: int) -> numpy.ndarray:
        if not inside:
            inside.append(length)
            numpy.testing.assert_array_equal(ours.encode(source).memory_keys, expected)
        return sinusoids(length, width)

    monkeypatch.setitem(SINUSOIDS, "sinusoidal", interrupted)
    ours.encode(source[:, :400])
    assert inside
    numpy.testing.assert_array_equal(ours.encode(source).memory_keys, expected)


def test_numbers_out_of_range_raise_nothing_where_a_program_asks_numpy_to_raise() -> None:
    torch.manual_seed(3)
    model = Transformer(PAPER, V, pad_id=0).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(8)  # weights of attention become too small for float32
    ours = arrays(model)
    source = numpy.random.default_rng(1).integers(3, V, (4, 40))
    with numpy.errstate(all="raise"):
        logits, _ = ours.step(numpy.full((4, 1), 2), ours.encode(source))
        array_top_tokens(logits.reshape(4, V), [], 2)
    assert not numpy.isnan(logits).any()
