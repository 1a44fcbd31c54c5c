"""Models in CTranslate2's format: every architecture has the same probabilities there."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from nmt.interop.ctranslate2_export import read_tokenizer, write
from nmt.runs.trained_model import TrainedModel
from nmt.text.subwords.tokenizer import EOS, PAD, Tokenizer
from tests.conftest import Run
from tests.interop.models import batch, compute_logits, random_model

ctranslate2 = pytest.importorskip("ctranslate2")

VARIANTS: dict[str, dict[str, Any]] = {
    "paper": {},
    "pre_rms": {"model.norm": "pre", "model.norm_kind": "rms"},
    "post_rms": {"model.norm_kind": "rms", "model.decoder_layers": 2},
    "pre_epsilon": {"model.norm": "pre", "model.norm_epsilon": 1e-3},
    "learned": {"model.positions": "learned", "model.tied": "target"},
    "rotary": {"model.positions": "rotary", "model.tied": "none"},
    "rotary_narrow_keys": {"model.positions": "rotary", "model.d_k": 4, "model.d_v": 12},
    "wide_keys": {"model.d_k": 12, "model.attention_bias": True},
    "wide_values": {"model.d_v": 12, "model.attention_bias": True},
    "marian": {
        "model.positions": "sinusoidal_halves",
        "model.activation": "silu",
        "model.attention_bias": True,
        "model.softmax_bias": True,
        "model.norm_epsilon": 1e-5,
    },
    **{
        activation: {"model.activation": activation}
        for activation in ("gelu", "glu", "reglu", "geglu", "swiglu")
    },
}


def forced(model: TrainedModel, folder: Path, compute_type: str) -> Any:
    """Return the log-probabilities (B, T) of random outputs, by a folder's model."""
    source, target = batch(model.tokenizer)
    engine = ctranslate2.Translator(str(folder), compute_type=compute_type)
    texts = [[model.tokenizer.source.piece(int(x)) for x in row if x > EOS] for row in source]
    outputs = [[model.tokenizer.target.piece(int(x)) for x in row[1:]] for row in target]
    return numpy.array([result.log_probs[:-1] for result in engine.score_batch(texts, outputs)])


def expected(model: TrainedModel) -> Any:
    source, target = batch(model.tokenizer)
    assert (source == PAD).any()
    logits = compute_logits(model, source, target[:, :-1])
    log_probs = torch.from_numpy(logits).double().log_softmax(-1).numpy()
    return numpy.take_along_axis(log_probs, target[:, 1:, None], -1)[..., 0]


@pytest.mark.parametrize("name", VARIANTS)
def test_probabilities_are_equal(name: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = random_model(tokenizer, VARIANTS[name])
    write(model, tmp_path, "")
    assert numpy.abs(forced(model, tmp_path, "float32") - expected(model)).max() < 2e-5


@pytest.mark.parametrize("quantization", ["int8", "int8_float32", "int16", "float16", "bfloat16"])
def test_quantized_weights_are_smaller(
    quantization: str, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    wide = {"model.d_model": 64, "model.d_k": 32, "model.d_v": 32, "model.positions": "rotary"}
    model = random_model(tokenizer, wide, scale=0.2)  # logits as small as those of trained models
    before = expected(model)
    sizes = []
    for name in ("", quantization):
        folder = tmp_path / (name or "float32")
        folder.mkdir()
        write(model, folder, name)
        sizes.append((folder / "model.bin").stat().st_size)
    assert sizes[1] < 0.7 * sizes[0]
    found = forced(model, tmp_path / quantization, "float32")
    assert numpy.abs(found - before).max() < 0.2
    # A new network, of the same weights: the export has left them as they were.
    assert numpy.array_equal(expected(replace(model)), before)


def test_two_vocabularies(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """Each language has its tokens, and rows beyond them are left out."""
    pair = Tokenizer.from_two(tokenizer.source, tokenizer.target)
    model = random_model(pair, {"model.tied": "target"})
    write(model, tmp_path, "")
    names = {path.name for path in tmp_path.iterdir()}
    assert {"source.spm", "target.spm", "tokenizer.bin"} <= names
    assert "tokenizer.model" not in names
    assert (tmp_path / "target.spm").read_bytes() == tokenizer.target.model
    assert read_tokenizer(tmp_path).model == pair.model
    assert numpy.abs(forced(model, tmp_path, "float32") - expected(model)).max() < 2e-5


def test_configuration(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    options = ("--to", "ctranslate2", "--quantization", "int8")
    assert nmt("export", tiny_run, folder, *options).code == 0
    config = json.loads((folder / "config.json").read_text())
    assert config["add_source_eos"] is True
    assert config["layer_norm_epsilon"] == 1e-6
    details = json.loads((folder / "nmt-export.json").read_text())["details"]
    assert details == {"format": "ctranslate2", "quantization": "int8", "positions": "1024"}
    assert read_tokenizer(folder).model == (tiny_run / "tokenizer.model").read_bytes()


def test_the_package_is_named_if_it_is_missing(
    nmt: Run, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ctranslate2", None)
    for arguments in (
        ("export", tiny_run, tmp_path / "out", "--to", "ctranslate2"),
        ("translate", "--model", tiny_run, "--engine", "ctranslate2"),
    ):
        result = nmt(*arguments)
        assert result.code == 1
        assert "pip install 'attention-nmt[ctranslate2]'" in result.err
    assert [*tmp_path.iterdir()] == []
