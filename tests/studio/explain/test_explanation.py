"""An explanation has the translation of `nmt translate`, and its numbers are the model's own."""

import math
import re
from dataclasses import replace
from typing import Any

import pytest
import torch

from nmt.config import DecodeSettings, ModelSettings, Recipe
from nmt.decoding.translator.translator import Translator
from nmt.errors import NmtError, UsageError
from nmt.model.transformer import Transformer
from nmt.runs.trained_model import TrainedModel, arrays_of
from nmt.studio.explain.data import page_data
from nmt.studio.explain.explanation import Explanation, explain
from nmt.studio.explain.packing import unpack
from nmt.studio.explain.page import render_explanation
from nmt.text.tokenizer import BOS, EOS


@pytest.mark.parametrize("text", ["sun moon star rain", "seed", "tree leaf root wind snow"])
@pytest.mark.parametrize("beam", [1, 4])
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_the_translation_equals_that_of_nmt_translate(
    model: TrainedModel, text: str, beam: int, precision: str
) -> None:
    # `nmt translate` would search again if the small model repeated itself.
    settings = replace(model.recipe.decode, beam_size=beam, precision=precision, odd_input="as_is")
    (expected,) = Translator(model, settings, print).translate([text])
    explanation = explain(model, text, settings, print)
    assert explanation.translation == expected.text
    assert explanation.best.score == pytest.approx(expected.candidates[0].score, abs=1e-5)


def test_the_replay_gives_the_log_probability_of_the_search(explanation: Explanation) -> None:
    """The replay has no cache and runs all positions at once; the search has one."""
    chosen = torch.tensor(explanation.target_outputs)[:, None]
    total = explanation.logits.log_softmax(-1).gather(1, chosen).sum()
    assert float(total) == pytest.approx(explanation.best.log_prob, abs=1e-4)


@torch.no_grad()
def test_a_matrix_and_a_probability_of_the_page_equal_the_models(
    explanation: Explanation, model: TrainedModel
) -> None:
    """Both are computed again from the weights, without the recording."""
    data = page_data(explanation)
    network = model.network
    ids = torch.tensor([explanation.source_ids])
    x = network.embeddings.embed_source(ids)[0]
    attention = network.get_submodule("encoder.0.self_attention")
    weight = attention.get_parameter("query_key_value.weight")
    heads, d_k = model.recipe.model.heads, model.recipe.model.d_k
    for head in range(heads):
        q, k = (x @ weight[part * heads * d_k + head * d_k :][:d_k].T for part in (0, 1))
        expected = (q @ k.T / math.sqrt(d_k)).softmax(-1)
        shown = unpack(data["encoder"][0]["self"]["weights"])[head]
        torch.testing.assert_close(shown, expected, atol=1e-4, rtol=0)
    target = torch.tensor([[BOS, *explanation.best.ids]])
    expected = (network(ids, target)[0] / 0.5).softmax(-1)
    at = data["next_tokens"]["temperatures"].index(0.5)
    for step, row in zip(data["next_tokens"]["steps"], expected, strict=True):
        for token, logit in zip(step["tokens"], step["logits"], strict=True):
            share = math.exp(logit / 0.5 - step["log_sums"][at])
            assert share == pytest.approx(float(row[token]), abs=1e-4)


def test_vectors_add_up_in_each_layer(explanation: Explanation, model: TrainedModel) -> None:
    data = page_data(explanation)
    for side, first in (("source", "encoder.0"), ("target", "decoder.0")):
        parts = {name: unpack(each) for name, each in data["embedding"][side].items()}
        torch.testing.assert_close(
            parts["scaled"] + parts["position"], parts["sum"], atol=1e-3, rtol=0
        )
        torch.testing.assert_close(
            parts["sum"], explanation.recording.inputs[first], atol=1e-3, rtol=0
        )
    layer = data["decoder"][0]
    norm = model.network.get_submodule("decoder.0.feed_forward_norm.norm")
    summed = unpack(layer["cross"]["added"]) + unpack(layer["feed_forward"])
    torch.testing.assert_close(norm(summed), unpack(layer["output"]), atol=1e-2, rtol=0)
    assert bool((unpack(layer["hidden"]) >= 0).all())


def test_vectors_add_up_with_variants_of_later_papers(model: TrainedModel) -> None:
    """The variants: pre-norm, RMSNorm, SwiGLU, rotary positions, untied matrices."""
    torch.manual_seed(0)
    later = replace(
        model.recipe.model,
        norm="pre",
        norm_kind="rms",
        activation="swiglu",
        positions="rotary",
        tied="none",
    )
    weights = arrays_of(Transformer(later, len(model.tokenizer), 0).state_dict())
    untrained = replace(model, weights=weights, recipe=replace(model.recipe, model=later))
    network = untrained.network
    data = page_data(explain(untrained, "sun moon", model.recipe.decode, print))

    def close(one: torch.Tensor, other: torch.Tensor) -> None:
        torch.testing.assert_close(one, other, atol=2e-3, rtol=0)

    layer = data["decoder"][0]
    x = unpack(data["embedding"]["target"]["sum"])
    close(x, unpack(data["embedding"]["target"]["scaled"]))
    norm = network.get_submodule("decoder.0.self_attention_norm.norm")
    close(norm(x), unpack(layer["self"]["normed"]))
    close(x + unpack(layer["self"]["projected"]), unpack(layer["self"]["added"]))
    close(unpack(layer["cross"]["added"]) + unpack(layer["feed_forward"]), unpack(layer["output"]))
    outer = network.get_submodule("decoder.0.feed_forward.outer")
    close(outer(unpack(layer["hidden"])), unpack(layer["feed_forward"]))
    logits = network.embeddings.project(unpack(data["decoder_output"]))
    for row, step in zip(logits, data["next_tokens"]["steps"], strict=True):
        close(row[step["tokens"]], torch.tensor(step["logits"]))


def test_the_tree_ends_in_the_translation(explanation: Explanation) -> None:
    nodes = page_data(explanation)["beam"]["nodes"]
    last = nodes["wins"][-1]
    path = []
    while nodes["parent"][last] is not None:
        path.append(nodes["token"][last])
        last = nodes["parent"][last]
    assert path[::-1] == [*explanation.best.ids, EOS]


@pytest.mark.parametrize("text", ["", "   ", "\t"])
def test_a_blank_text_is_refused(model: TrainedModel, text: str) -> None:
    with pytest.raises(NmtError, match="the text is blank"):
        explain(model, text, model.recipe.decode, print)


def test_a_text_that_would_be_split_is_refused(model: TrainedModel) -> None:
    settings = replace(model.recipe.decode, max_segment_tokens=3)
    with pytest.raises(NmtError, match=r"a text of more than 3 is split") as refused:
        explain(model, "sun moon star rain", settings, print)
    (fix,) = re.findall(r"or add --set decode\.max_segment_tokens=(\d+)$", str(refused.value))
    settings = replace(settings, max_segment_tokens=int(fix))
    assert explain(model, "sun moon star rain", settings, print).translation
    learned = replace(model.recipe.model, positions="learned", max_positions=6)
    small = replace(model, recipe=replace(model.recipe, model=learned))
    with pytest.raises(NmtError, match=r"explain one sentence of it$"):
        explain(small, "sun moon star rain", model.recipe.decode, print)


def test_the_error_names_no_setting_if_positions_are_learned(model: TrainedModel) -> None:
    """No setting of a trained model can raise the number of its learned positions."""
    few = replace(model.recipe.model, positions="learned", max_positions=6)
    few_positions = replace(model, recipe=replace(model.recipe, model=few))
    with pytest.raises(NmtError, match=r"more than 2 is split.*explain one sentence") as refused:
        explain(few_positions, "sun moon star rain", model.recipe.decode, print)
    assert "--set" not in str(refused.value)


def test_int8_is_refused(model: TrainedModel) -> None:
    settings = replace(model.recipe.decode, precision="int8")
    with pytest.raises(UsageError, match=r"add --set decode\.precision=float32"):
        explain(model, "sun moon", settings, print)


def test_the_limits_of_the_search_hold(model: TrainedModel) -> None:
    plain = explain(model, "sun", model.recipe.decode, print)
    settings = replace(model.recipe.decode, min_length=len(plain.best.ids) + 1)
    assert len(explain(model, "sun", settings, print).best.ids) > len(plain.best.ids)


@pytest.mark.parametrize("changes", [{"method": "sample"}, {"mbr": "chrf"}])
def test_other_searches_are_refused(model: TrainedModel, changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="the page shows a beam search alone"):
        explain(model, "sun", replace(model.recipe.decode, **changes), print)


def test_a_wide_beam_is_refused(model: TrainedModel) -> None:
    with pytest.raises(UsageError, match="a beam of 17 is too wide for a page"):
        explain(model, "sun", replace(model.recipe.decode, beam_size=17), print)


def test_a_note_names_unknown_characters(model: TrainedModel) -> None:
    notes: list[str] = []
    settings = replace(model.recipe.decode, odd_input="as_is")
    explain(model, "sun ж", settings, notes.append)
    (note,) = notes
    assert "characters that the vocabulary lacks" in note


def test_odd_text_is_explained_as_the_model_reads_it(model: TrainedModel) -> None:
    notes: list[str] = []
    found = explain(model, "sun ж", model.recipe.decode, notes.append)
    assert found.text == "sun"
    assert "gives the model 'sun', and puts back what is missing" in notes[0]
    explain(model, "12:30", model.recipe.decode, notes.append)
    assert "`nmt translate` copies this text" in notes[1]


TINY = ModelSettings(
    encoder_layers=4, decoder_layers=4, d_model=256, d_ff=1024, heads=4, d_k=64, d_v=64
)
BASE = ModelSettings()


@pytest.mark.parametrize(("settings", "megabytes"), [(TINY, 3), (BASE, 15)])
def test_a_page_of_20_tokens_stays_small(
    model: TrainedModel, settings: ModelSettings, megabytes: int
) -> None:
    """The weights are random; a page with fewer than 40 tokens is scaled up to 40."""
    torch.manual_seed(0)
    weights = arrays_of(Transformer(settings, len(model.tokenizer), 0).state_dict())
    recipe = Recipe("size", model=settings, decode=DecodeSettings(max_extra_tokens=1))
    untrained = TrainedModel(weights, model.tokenizer, recipe, model.path)
    text = ""
    while len(model.tokenizer.source.encode([f"{text} sun"])[0]) <= 19:
        text += " sun"
    explanation = explain(untrained, text, recipe.decode, print)
    tokens = len(explanation.source_ids) + len(explanation.target_inputs)
    assert len(render_explanation(explanation).encode()) * max(1, 40 / tokens) < megabytes * 1e6
