"""An explanation has the translation of `nmt translate`, and its numbers are the model's own."""

import base64
import math
import re
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import torch
from torch import Tensor

import nmt
from nmt.decoding.translator.translator import Translator
from nmt.errors import NmtError, UsageError
from nmt.kernels.eight_bits import quantise
from nmt.model.transformer import Transformer
from nmt.runs.trained_model import TrainedModel, to_arrays
from nmt.studio.explain.examples import widest_gap
from nmt.studio.explain.explanation import SHOWN, TEMPERATURES, Explanation, explain, next_tokens
from nmt.studio.explain.live import live_data
from nmt.studio.explain.packing import GROUP, LARGEST, pack
from nmt.studio.explain.page import code_data, page_data
from nmt.text.subwords.tokenizer import BOS
from tests.interop.models import two_languages


def unpack(packed: dict[str, Any]) -> Tensor:
    """Return the tensor that was packed, in float32."""
    content = bytearray(base64.b64decode(packed["data"]))
    if not content:
        return torch.zeros(packed["shape"])
    shape = packed["shape"]
    is_short = len(content) == math.prod(shape)
    integers = torch.frombuffer(content, dtype=torch.int8 if is_short else torch.int16)
    scales = torch.frombuffer(bytearray(base64.b64decode(packed["scales"])), dtype=torch.float32)
    group = shape[-1] if is_short else GROUP
    numbers: Tensor = integers * scales.repeat_interleave(group)[: len(integers)]
    return numbers.view(shape)


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4), (0, 4)])
def test_a_packed_tensor_comes_back_with_a_small_rounding_error(shape: tuple[int, ...]) -> None:
    torch.manual_seed(len(shape))
    tensor = 5 * torch.randn(shape)
    again = unpack(pack(tensor))
    assert again.shape == tensor.shape
    step = float(tensor.abs().max()) / LARGEST if tensor.numel() else 0
    assert bool(((again - tensor).abs() <= 0.51 * step).all())
    assert torch.equal(unpack(pack(torch.zeros(2, 2))), torch.zeros(2, 2))


def test_a_matrix_in_8_bits_keeps_its_integers() -> None:
    torch.manual_seed(1)
    matrix = torch.from_numpy(quantise(torch.randn(5, 70).numpy()).matrix)
    record = pack(matrix)
    assert len(base64.b64decode(record["data"])) == matrix.numel()
    torch.testing.assert_close(unpack(record), matrix, rtol=1e-6, atol=0)


def test_probabilities_at_every_temperature_are_exact() -> None:
    torch.manual_seed(1)
    logits = 3 * torch.randn(2, 40)
    for row, step in zip(logits.double(), next_tokens(logits, [5, 6], never=(0, 1)), strict=True):
        for temperature, log_sum in zip(TEMPERATURES, step.log_sums, strict=True):
            expected = (row / temperature).softmax(-1)
            for token, logit in zip(step.ids, step.logits, strict=True):
                share = math.exp(logit / temperature - log_sum)
                assert share == pytest.approx(float(expected[token]), rel=1e-6, abs=1e-12)


def test_forbidden_tokens_count_but_are_not_shown() -> None:
    (step,) = next_tokens(torch.tensor([[5.0, 2.0, 1.0]]), [2], never=(0,))
    assert step.ids == (1, 2)
    assert (step.chosen, step.rank) == (2, 2)
    share = math.exp(step.logits[0] - step.log_sums[TEMPERATURES.index(1.0)])
    assert share == pytest.approx(math.exp(2) / (math.exp(5) + math.exp(2) + math.exp(1)))


def test_an_unlikely_chosen_token_is_shown_and_entropy_is_in_bits() -> None:
    (step,) = next_tokens(torch.arange(30.0, 0.0, -1.0)[None], [29], never=())
    assert (step.ids, step.rank) == ((*range(SHOWN), 29), 30)
    (step,) = next_tokens(torch.zeros(1, 8), [0], never=())
    assert step.entropy == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("text", "beam", "precision"),
    [
        ("sun moon star rain", 4, "float32"),
        ("seed", 1, "float32"),
        ("tree leaf root wind snow", 4, "bf16"),
    ],
)
def test_the_translation_equals_that_of_nmt_translate(
    model: TrainedModel, text: str, beam: int, precision: str
) -> None:
    # `nmt translate` would search again if the small model repeated itself.
    settings = replace(model.recipe.decode, beam_size=beam, precision=precision, odd_input="as_is")
    (expected,) = Translator(model, settings, print).translate([text])
    explanation = explain(model, text, settings)
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
        parts = {name: unpack(part) for name, part in data["embedding"][side].items()}
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
    weights = to_arrays(Transformer(later, len(model.tokenizer), 0).state_dict())
    untrained = replace(model, weights=weights, recipe=replace(model.recipe, model=later))
    network = untrained.network
    data = page_data(explain(untrained, "sun moon", model.recipe.decode))

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


def test_a_text_that_would_be_split_is_refused(model: TrainedModel) -> None:
    with pytest.raises(NmtError, match="the text is blank"):
        explain(model, "\t", model.recipe.decode)
    settings = replace(model.recipe.decode, max_segment_tokens=3)
    with pytest.raises(NmtError, match=r"a text of more than 3 is split") as refused:
        explain(model, "sun moon star rain", settings)
    (fix,) = re.findall(r"or add --set decode\.max_segment_tokens=(\d+)$", str(refused.value))
    settings = replace(settings, max_segment_tokens=int(fix))
    assert explain(model, "sun moon star rain", settings).translation
    learned = replace(model.recipe.model, positions="learned", max_positions=6)
    small = replace(model, recipe=replace(model.recipe, model=learned))
    with pytest.raises(NmtError, match=r"explain one sentence of it$"):
        explain(small, "sun moon star rain", model.recipe.decode)


def test_the_limits_of_the_search_hold(model: TrainedModel) -> None:
    plain = explain(model, "sun", model.recipe.decode)
    settings = replace(model.recipe.decode, min_length=len(plain.best.ids) + 1)
    assert len(explain(model, "sun", settings).best.ids) > len(plain.best.ids)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "sample"}, "the page shows a beam search alone"),
        ({"mbr": "chrf"}, "the page shows a beam search alone"),
        ({"beam_size": 17}, "a beam of 17 is too wide for a page"),
        ({"precision": "int8"}, r"add --set decode\.precision=float32"),
    ],
)
def test_what_a_page_cannot_show_is_refused(
    model: TrainedModel, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        explain(model, "sun", replace(model.recipe.decode, **changes))


def test_notes_say_what_the_model_reads(
    model: TrainedModel, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = replace(model.recipe.decode, odd_input="as_is")
    explain(model, "sun ж", settings)
    found = explain(model, "sun ж", model.recipe.decode)
    assert found.text == "sun"
    explain(model, "12:30", model.recipe.decode)
    unknown, changed, copied, *_ = capsys.readouterr().err.splitlines()
    assert "characters that the vocabulary lacks" in unknown
    assert "gives the model 'sun', and puts back what is missing" in changed
    assert "`nmt translate` copies this text" in copied


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"positions": "rotary", "activation": "swiglu", "norm": "pre", "norm_kind": "rms"},
        {"positions": "learned", "activation": "gelu"},
        {"positions": "sinusoidal_halves"},
    ],
)
def test_the_code_of_a_block_stands_at_its_line(
    model: TrainedModel, changes: dict[str, Any]
) -> None:
    package = Path(nmt.__file__).parents[1]
    for key, block in code_data(replace(model.recipe.model, **changes)).items():
        lines = (package / block["file"]).read_text(encoding="utf-8").splitlines()
        found = lines[block["first"] - 1 :][: len(block["lines"])]
        assert dedent("\n".join(found)).splitlines() == block["lines"], key
        assert block["lines"][-1].startswith("return"), key
        assert len(block["pseudo"] or "12345") == 5


def test_the_example_has_words_that_move_far() -> None:
    assert widest_gap([(0, 0), (1, 1), (1, 6), (2, 2), (2, 4)]) == 5
    assert widest_gap([]) == 0


def test_the_token_of_a_language_is_the_first_that_a_page_shows() -> None:
    """The model in the page knows it, and all others."""
    model = two_languages()
    settings = replace(model.recipe.decode, target_language="eng")
    explanation = explain(model, "sun moon", settings)
    data = page_data(explanation)
    first = data["tokens"][str(data["source"]["ids"][0])]["text"]
    assert (first, data["model"]["source_language"]) == (">>en<<", "de")
    decode = live_data(model, settings)["decode"]
    assert (decode["to"], decode["languages"]) == (">>en<<", {">>de<<": 4, ">>en<<": 5})
