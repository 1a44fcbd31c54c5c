"""A story is the translation that `nmt translate` gives, and its numbers are the model's own."""

import math
import re
from dataclasses import replace

import pytest
import torch

from nmt.artifacts.model_file import TrainedModel
from nmt.config import DecodeSettings, ModelSettings, Recipe
from nmt.decoding.translator import Translator
from nmt.errors import NmtError, UsageError
from nmt.model.transformer import Transformer
from nmt.studio.explain.data import as_data
from nmt.studio.explain.packing import unpack
from nmt.studio.explain.page import page_of
from nmt.studio.explain.story import Explanation, tell
from nmt.text.tokenizer import BOS, EOS


@pytest.mark.parametrize("text", ["sun moon star rain", "seed", "tree leaf root wind snow"])
@pytest.mark.parametrize("beam", [1, 4])
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_the_translation_is_that_of_translate(
    model: TrainedModel, text: str, beam: int, precision: str
) -> None:
    settings = replace(model.recipe.decode, beam_size=beam, precision=precision)
    (expected,) = Translator.of(model, settings, print).translate([text])
    story = tell(model, text, settings, print)
    assert story.translation == expected.text
    assert story.winner.score == pytest.approx(expected.candidates[0].score, abs=1e-6)


def test_the_replay_gives_the_log_probability_of_the_search(story: Explanation) -> None:
    """Uncached, all positions at once, it is the cached search's sum."""
    chosen = torch.tensor(story.target_outputs)[:, None]
    total = story.logits.log_softmax(-1).gather(1, chosen).sum()
    assert float(total) == pytest.approx(story.winner.log_prob, abs=1e-4)


@torch.no_grad()
def test_a_matrix_and_a_probability_of_the_page_are_the_models_own(
    story: Explanation, model: TrainedModel
) -> None:
    """Computed anew from the weights, with nothing of what recorded them."""
    data = as_data(story)
    network = model.network
    ids = torch.tensor([story.source_ids])
    x = network.embed_source(ids)[0]
    attention = network.get_submodule("encoder.0.self_attention")
    weight = attention.get_parameter("in_weight")
    heads, d_k = model.recipe.model.heads, model.recipe.model.d_k
    for head in range(heads):
        q, k = (x @ weight[part * heads * d_k + head * d_k :][:d_k].T for part in (0, 1))
        expected = (q @ k.T / math.sqrt(d_k)).softmax(-1)
        shown = unpack(data["encoder"][0]["self"]["weights"])[head]
        torch.testing.assert_close(shown, expected, atol=1e-4, rtol=0)
    target = torch.tensor([[BOS, *story.winner.ids]])
    expected = (network(ids, target)[0] / 0.5).softmax(-1)
    at = data["outlook"]["temperatures"].index(0.5)
    for step, row in zip(data["outlook"]["steps"], expected, strict=True):
        for piece, logit in zip(step["pieces"], step["logits"], strict=True):
            share = math.exp(logit / 0.5 - step["log_sums"][at])
            assert share == pytest.approx(float(row[piece]), abs=1e-4)


def test_vectors_add_up_along_the_way(story: Explanation, model: TrainedModel) -> None:
    data = as_data(story)
    for side, first in (("source", "encoder.0"), ("target", "decoder.0")):
        parts = {name: unpack(each) for name, each in data["embedding"][side].items()}
        torch.testing.assert_close(
            parts["scaled"] + parts["position"], parts["sum"], atol=1e-3, rtol=0
        )
        torch.testing.assert_close(parts["sum"], story.recording.inputs[first], atol=1e-3, rtol=0)
    layer = data["decoder"][0]
    norm = model.network.get_submodule("decoder.0.feed_forward_norm.norm")
    summed = unpack(layer["cross"]["added"]) + unpack(layer["fed"])
    torch.testing.assert_close(norm(summed), unpack(layer["output"]), atol=1e-2, rtol=0)
    assert bool((unpack(layer["hidden"]) >= 0).all())


def test_the_parts_of_later_work_add_up_as_well(model: TrainedModel) -> None:
    """Norms before sub-layers and a last one, gates, turned queries, matrices of their own."""
    torch.manual_seed(0)
    later = replace(
        model.recipe.model,
        norm="pre",
        norm_kind="rms",
        activation="swiglu",
        positions="rotary",
        tied="none",
    )
    network = Transformer(later, len(model.tokenizer), 0).eval()
    untrained = replace(model, network=network, recipe=replace(model.recipe, model=later))
    data = as_data(tell(untrained, "sun moon", model.recipe.decode, print))

    def close(one: torch.Tensor, other: torch.Tensor) -> None:
        torch.testing.assert_close(one, other, atol=2e-3, rtol=0)

    layer = data["decoder"][0]
    x = unpack(data["embedding"]["target"]["sum"])
    close(x, unpack(data["embedding"]["target"]["scaled"]))
    norm = network.get_submodule("decoder.0.self_attention_norm.norm")
    close(norm(x), unpack(layer["self"]["read"]))
    close(x + unpack(layer["self"]["projected"]), unpack(layer["self"]["added"]))
    close(unpack(layer["cross"]["added"]) + unpack(layer["fed"]), unpack(layer["output"]))
    outer = network.get_submodule("decoder.0.feed_forward.outer")
    close(outer(unpack(layer["hidden"])), unpack(layer["fed"]))
    logits = network.project(unpack(data["last"]))
    for row, step in zip(logits, data["outlook"]["steps"], strict=True):
        close(row[step["pieces"]], torch.tensor(step["logits"]))


def test_the_tree_ends_in_the_translation(story: Explanation) -> None:
    nodes = as_data(story)["beam"]["nodes"]
    last = nodes["wins"][-1]
    path = []
    while nodes["parent"][last] is not None:
        path.append(nodes["piece"][last])
        last = nodes["parent"][last]
    assert path[::-1] == [*story.winner.ids, EOS]


@pytest.mark.parametrize("text", ["", "   ", "\t"])
def test_a_blank_text_has_no_story(model: TrainedModel, text: str) -> None:
    with pytest.raises(NmtError, match="the text is blank"):
        tell(model, text, model.recipe.decode, print)


def test_a_text_that_is_translated_in_pieces_has_none(model: TrainedModel) -> None:
    settings = replace(model.recipe.decode, max_segment_tokens=3)
    with pytest.raises(NmtError, match=r"longer than 3 is translated in pieces") as refused:
        tell(model, "sun moon star rain", settings, print)
    (mend,) = re.findall(r"or --set decode\.max_segment_tokens=(\d+)$", str(refused.value))
    settings = replace(settings, max_segment_tokens=int(mend))
    assert tell(model, "sun moon star rain", settings, print).translation
    learned = replace(model.recipe.model, positions="learned", max_positions=6)
    small = replace(model, recipe=replace(model.recipe, model=learned))
    with pytest.raises(NmtError, match=r"explain one sentence of it$"):  # nothing else would help
        tell(small, "sun moon star rain", model.recipe.decode, print)


def test_no_setting_is_named_that_would_not_mend_it(model: TrainedModel) -> None:
    """Learned positions end where they end."""
    few = replace(model.recipe.model, positions="learned", max_positions=6)
    few_positions = replace(model, recipe=replace(model.recipe, model=few))
    with pytest.raises(
        NmtError, match="longer than 2 is translated in pieces; explain one sent"
    ) as it:
        tell(few_positions, "sun moon star rain", model.recipe.decode, print)
    assert "raise" not in str(it.value)


def test_a_precision_that_no_page_can_show(model: TrainedModel) -> None:
    settings = replace(model.recipe.decode, precision="int8")
    with pytest.raises(UsageError, match=r"add --set decode\.precision=float32"):
        tell(model, "sun moon", settings, print)


def test_a_beam_that_no_page_can_show(model: TrainedModel) -> None:
    with pytest.raises(UsageError, match="a beam of 17 is too wide for a page"):
        tell(model, "sun", replace(model.recipe.decode, beam_size=17), print)


def test_unknown_characters_are_told(model: TrainedModel) -> None:
    said: list[str] = []
    tell(model, "sun ж", model.recipe.decode, said.append)
    assert said == [
        "the text holds characters that the vocabulary lacks; the model reads an unknown"
    ]


TINY = ModelSettings(
    encoder_layers=4, decoder_layers=4, d_model=256, d_ff=1024, heads=4, d_k=64, d_v=64
)
BASE = ModelSettings()


@pytest.mark.parametrize(("settings", "megabytes"), [(TINY, 3), (BASE, 15)])
def test_a_page_of_20_tokens_stays_small(
    model: TrainedModel, settings: ModelSettings, megabytes: int
) -> None:
    """With random weights of those shapes; reckoned up should the output be shorter."""
    torch.manual_seed(0)
    network = Transformer(settings, len(model.tokenizer), 0).eval()
    recipe = Recipe("size", model=settings, decode=DecodeSettings(max_extra_tokens=1))
    untrained = TrainedModel(network, model.tokenizer, recipe, model.path)
    text = ""
    while len(model.tokenizer.source.encode([f"{text} sun"])[0]) <= 19:
        text += " sun"
    story = tell(untrained, text, recipe.decode, print)
    tokens = len(story.source_ids) + len(story.target_inputs)
    assert len(page_of(story).encode()) * max(1, 40 / tokens) < megabytes * 1e6
