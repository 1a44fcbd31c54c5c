"""Exports to ONNX: onnxruntime computes our logits, at once and step by step, for every model."""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest

from nmt.errors import NmtError
from nmt.interop.onnx_export import describe_model, write
from nmt.runs.trained_model import TrainedModel
from nmt.text.subwords.tokenizer import Tokenizer
from tests.interop import models
from tests.interop.models import MARIAN, batch, compute_logits, random_model, two_vocabularies

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

MODERN = {
    "model.norm": "pre",
    "model.norm_kind": "rms",
    "model.activation": "swiglu",
    "model.positions": "rotary",
}
SHAPES: list[dict[str, Any]] = [
    {},
    {"model.tied": "target"},
    {"model.tied": "none"},
    {"model.norm": "pre", "model.positions": "learned", "model.max_positions": 32},
    {"model.norm_kind": "rms"},
    {"model.activation": "glu", "model.d_k": 6},
    {"model.activation": "reglu", "model.decoder_layers": 2},
    {"model.activation": "geglu", "model.d_v": 4},
    {"model.positions": "rotary", "model.heads": 1},
    MODERN,
    MARIAN,
    {"model.activation": "gelu", "model.norm_epsilon": 1e-3},
]


class Exported:
    def __init__(self, folder: Path) -> None:
        self.settings: dict[str, Any] = json.loads((folder / "settings.json").read_text())
        self.sessions = {
            name: onnxruntime.InferenceSession(folder / self.settings[name]["file"])
            for name in ("encoder", "decoder")
        }

    def run(self, name: str, inputs: dict[str, Any]) -> dict[str, Any]:
        """Run a graph; check the names of what goes in and comes out."""
        described = self.settings[name]
        assert {*inputs} == {*described["inputs"]}
        values = self.sessions[name].run(None, inputs)
        return dict(zip(described["outputs"], values, strict=True))

    def encode(self, source: Any) -> dict[str, Any]:
        """Return the state before the first step."""
        state = self.run("encoder", {"source_ids": source})
        for layer in range(self.settings["decoder_layers"]):
            for kind in ("key", "value"):
                shape = len(source), self.settings["heads"], 0, self.settings[f"{kind}_width"]
                state[f"self_{kind}s_{layer}"] = numpy.zeros(shape, numpy.float32)
        return state

    def step(self, ids: Any, state: dict[str, Any]) -> Any:
        """Return the logits of new positions, and keep their keys and values in the state."""
        found = self.run("decoder", {"target_ids": ids, **state})
        logits = found.pop("logits")
        state.update({name.removeprefix("new_"): value for name, value in found.items()})
        return logits


def check_equal(model: TrainedModel, folder: Path) -> None:
    write(model, folder, "")
    exported = Exported(folder)
    source, target = batch(model.tokenizer)
    ours = compute_logits(model, source, target)
    at_once = exported.step(target, exported.encode(source))
    state = exported.encode(source)
    steps = [exported.step(target[:, index : index + 1], state) for index in range(target.shape[1])]
    for found in (at_once, numpy.concatenate(steps, axis=1)):
        assert numpy.abs(found - ours).max() < 1e-4


@pytest.mark.parametrize("settings", [{}, MODERN], ids=["paper", "modern"])
def test_logits_are_ours(settings: dict[str, Any], tokenizer: Tokenizer, tmp_path: Path) -> None:
    check_equal(random_model(tokenizer, settings), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("settings", SHAPES, ids=lambda shape: " ".join(map(str, shape.values())))
def test_every_shape(
    settings: dict[str, Any], seed: int, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    check_equal(random_model(tokenizer, settings, seed), tmp_path)


def test_both_graphs_share_one_file_of_weights(tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = random_model(tokenizer, {})
    write(model, tmp_path, "")
    names: list[str] = []
    for name in ("encoder", "decoder"):
        graph = onnx.load(tmp_path / f"{name}.onnx", load_external_data=False).graph
        outside = [tensor for tensor in graph.initializer if tensor.data_location]
        names += [tensor.name for tensor in outside]
        for tensor in outside:
            location = {entry.key: entry.value for entry in tensor.external_data}
            assert location["location"] == "weights.bin"
            assert int(location["offset"]) % 4096 == 0
    assert names.count("embeddings.weight") == names.count("positions") == 2
    assert {*model.weights} == {*names} - {"positions"}


def test_each_language_may_have_its_vocabulary(tmp_path: Path) -> None:
    tokenizer = two_vocabularies()
    model = random_model(tokenizer, {"model.tied": "target"})
    check_equal(model, tmp_path)
    settings = Exported(tmp_path).settings
    for side, subwords in zip(("source", "target"), tokenizer.sides, strict=True):
        ids = json.loads((tmp_path / settings[f"{side}_vocabulary"]).read_text(encoding="utf-8"))
        assert list(ids) == [subwords.piece(number) for number in range(len(subwords))]
    assert settings["never_output_ids"] == [0, 1, 2]


def test_too_long_a_text_is_an_error(tokenizer: Tokenizer, tmp_path: Path) -> None:
    settings = {"model.positions": "learned", "model.max_positions": 8}
    write(random_model(tokenizer, settings), tmp_path, "")
    exported = Exported(tmp_path)
    assert exported.settings["max_positions"] == 8
    state = exported.encode(numpy.full((1, 8), 5))
    with pytest.raises(Exception, match="ONNXRuntimeError"):
        exported.encode(numpy.full((1, 9), 5))
    exported.step(numpy.full((1, 8), 5), state)
    with pytest.raises(Exception, match="ONNXRuntimeError"):
        exported.step(numpy.full((1, 1), 5), state)


def test_the_package_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(sys.modules, "nmt.interop.onnx_export")
    with pytest.raises(NmtError, match=r"pip install 'attention-nmt\[onnx\]'"):
        importlib.import_module("nmt.interop.onnx_export")


def test_the_settings_have_the_ids_of_languages() -> None:
    assert describe_model(models.two_languages(), 9)["language_ids"] == {">>de<<": 4, ">>en<<": 5}
