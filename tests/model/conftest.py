"""Small models in double precision."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import nn

from nmt.config import ModelSettings
from nmt.model import make_network
from nmt.model.encoder_decoder import EncoderDecoder
from nmt.model.transformer import Transformer

PAD = 0
SMALL = ModelSettings(
    encoder_layers=2,
    decoder_layers=2,
    d_model=12,
    d_ff=20,
    heads=3,
    d_k=4,
    d_v=4,
    dropout=0.0,
)


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(3)
    yield
    torch.set_default_dtype(torch.float32)


def small_model(settings: ModelSettings) -> Transformer:
    """Return a Transformer with random weights and biases, in evaluation mode."""
    model = small_network(settings)
    assert isinstance(model, Transformer)
    return model


def small_network(settings: ModelSettings) -> EncoderDecoder:
    """Return a network with random weights and biases, in evaluation mode."""
    model = make_network(settings, vocab_size=17, pad_id=PAD).eval()
    for name, parameter in model.named_parameters():
        if name.endswith("bias") and "norm" not in name:  # zeros would hide mistakes
            nn.init.normal_(parameter, std=0.5)
    return model


VARIANTS: dict[str, ModelSettings] = {
    "paper": SMALL,
    "learned": replace(SMALL, positions="learned"),
    "rotary": replace(SMALL, positions="rotary"),
    "pre-norm": replace(SMALL, norm="pre"),
    "pre-rms": replace(SMALL, norm="pre", norm_kind="rms"),
    "swiglu": replace(SMALL, activation="swiglu"),
    "no positions": replace(SMALL, positions="none"),
    "untied": replace(SMALL, tied="none"),
    "Marian": replace(
        SMALL,
        activation="silu",
        positions="sinusoidal_halves",
        attention_bias=True,
        softmax_bias=True,
        norm_epsilon=1e-5,
    ),
    "rotary, untied, biases": replace(
        SMALL,
        activation="gelu",
        positions="rotary",
        tied="none",
        attention_bias=True,
        softmax_bias=True,
    ),
    "all at once": replace(
        SMALL,
        norm="pre",
        norm_kind="rms",
        activation="geglu",
        positions="rotary",
        tied="target",
        attention_dropout=0.5,  # only in training
        encoder_layers=3,
        decoder_layers=1,
    ),
}


@pytest.fixture(params=VARIANTS)
def model(request: pytest.FixtureRequest) -> Transformer:
    """Return a small model of the paper's architecture, then one of each alternative."""
    return small_model(VARIANTS[request.param])


NETWORKS = {
    **VARIANTS,
    "recurrent": replace(SMALL, architecture="recurrent"),
    "recurrent, deep, untied": replace(
        SMALL, architecture="recurrent", encoder_layers=1, decoder_layers=3, tied="none"
    ),
}


@pytest.fixture(params=NETWORKS)
def network(request: pytest.FixtureRequest) -> EncoderDecoder:
    """A small network of each kind."""
    return small_network(NETWORKS[request.param])
