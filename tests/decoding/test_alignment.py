"""Alignments of tokens by attention, and of words by those of tokens."""

from pathlib import Path

import pytest
import torch

from nmt.artifacts.trained_model import TrainedModel, load_model
from nmt.decoding.alignment import aligned_places, attention_to_source, best_places
from nmt.decoding.hypothesis import Hypothesis
from nmt.decoding.incremental import IncrementalDecoder
from nmt.decoding.links import AligningAttention, aligning_attention, pharaoh_line, with_links
from nmt.decoding.segments import Part
from nmt.decoding.translation import BLANK, Translation
from nmt.recipe import load_recipe
from nmt.text.batches import pad_with_eos, source_batch
from nmt.text.padding import flatten
from nmt.text.tokenizer import EOS, PAD

MEAN = AligningAttention(0, None)


@pytest.fixture(scope="module")
def model(skilled_run: Path) -> TrainedModel:
    return load_model(skilled_run / "model.safetensors", "cpu")


def links_of(
    model: TrainedModel, segment: str, parts: list[str], outputs: list[tuple[str, list[int]]]
) -> list[tuple[int, int]]:
    """Return the links of outputs, given as texts and the places of their tokens."""
    source, target = model.tokenizer.sides
    hypotheses = [
        Hypothesis(tuple(target.encode([text])[0]), 0.0, 0.0, aligned_places=tuple(places))
        for text, places in outputs
    ]
    encoded = [Part(source.encode([text])[0]) for text in parts]
    return [*with_links(BLANK, segment, encoded, hypotheses, model.tokenizer).links]


def test_words_are_linked_if_any_of_their_tokens_are(model: TrainedModel) -> None:
    """By hand: the tokens of the vocabulary are characters or longer, so a word has several."""
    subwords = model.tokenizer.source
    sun, moon = (len(subwords.encode([word])[0]) for word in ("sun", "moon"))
    upper = len(subwords.encode(["SUN"])[0])
    first = [0] * upper  # all tokens of SUN come from the first of sun
    assert links_of(model, "sun  moon", ["sun moon"], [("SUN", first)]) == [(0, 0)]
    last = [sun + moon - 1] * upper
    assert links_of(model, "sun  moon", ["sun moon"], [("SUN", last)]) == [(1, 0)]
    both = [0, *[sun] * (upper - 1)]
    found = links_of(model, "sun  moon", ["sun moon"], [("SUN", both)])
    assert found == ([(0, 0), (1, 0)] if upper > 1 else [(0, 0)])


def test_parts_follow_one_another(model: TrainedModel) -> None:
    """Carriage returns split a segment; its words are counted through."""
    upper = len(model.tokenizer.target.encode(["SUN"])[0])
    more = len(model.tokenizer.target.encode(["SUN SUN"])[0])
    outputs = [("SUN SUN", [0] * more), ("", []), ("SUN", [0] * upper)]
    segment = "sun moon\r\rstar\rrain"
    found = links_of(model, segment, ["sun moon", "star", "rain"], outputs)
    assert found == [(0, 0), (0, 1), (3, 2)]


def test_the_format_of_pharaoh() -> None:
    assert pharaoh_line(Translation(BLANK.candidates, ((0, 0), (1, 2)))) == "0-0 1-2\n"
    assert pharaoh_line(BLANK) == "\n"


def test_the_end_of_the_source_and_padding_are_never_aligned_to() -> None:
    weights = torch.tensor([[[0.1, 0.2, 0.7, 0.0]], [[0.1, 0.0, 0.3, 0.6]]])
    source = torch.tensor([[9, 8, EOS, PAD], [9, 7, 8, EOS]])
    assert best_places(weights, source).tolist() == [[1], [2]]


def test_attention_is_that_of_the_step_that_predicts_a_token(model: TrainedModel) -> None:
    """Cut after a token, an output has the same weights up to it: no step sees later ones."""
    decoder = IncrementalDecoder(model.network)
    source = source_batch(model.tokenizer.source.encode(["sun moon star"]))
    ids = model.tokenizer.target.encode(["STAR MOON SUN"])[0]
    whole = attention_to_source(decoder, source, pad_with_eos(flatten([ids])), [0])[0]
    short = attention_to_source(decoder, source, pad_with_eos(flatten([ids[:2]])), [0])[0]
    assert whole.shape[2] == len(ids) + 1
    assert torch.allclose(whole[:, :, :3], short, atol=1e-6)
    assert torch.allclose(whole.sum(-1), torch.ones(whole.shape[:-1]))


def test_batches_and_ensembles_align_as_each_output_alone(model: TrainedModel) -> None:
    decoder = IncrementalDecoder(model.network)
    sources = model.tokenizer.source.encode(["sun moon star", "tree", "wind root"])
    outputs = model.tokenizer.target.encode(["STAR MOON SUN", "", "ROOT"])
    together = aligned_places([decoder], [MEAN], sources, outputs)
    assert [*map(len, together)] == [*map(len, outputs)]
    for source, output, places in zip(sources, outputs, together, strict=True):
        assert aligned_places([decoder], [MEAN], [source], [output]) == [places]
        assert all(place < len(source) for place in places)
    assert aligned_places([decoder, decoder], [MEAN, MEAN], sources, outputs) == together


def test_the_search_is_unchanged_after_an_alignment(model: TrainedModel) -> None:
    decoder = IncrementalDecoder(model.network)
    aligned_places([decoder], [MEAN], [[9, 8]], [[7]])
    assert all(getattr(each, "recorder", None) is None for each in decoder.model.modules())


@pytest.mark.parametrize(("layers", "layer"), [(1, 0), (2, 1), (4, 2), (6, 4)])
def test_the_last_layer_but_one_of_many_aligns(layers: int, layer: int) -> None:
    changed = [f"model.decoder_layers={layers}"]
    assert aligning_attention(load_recipe("pocket", changed)) == AligningAttention(layer, None)
    guided = load_recipe("pocket", [*changed, "train.guided_alignment=0.05"])
    assert aligning_attention(guided) == AligningAttention(max(0, layers - 2), 0)  # as trained
