"""Alignments of tokens by attention, and of words by those of tokens."""

from dataclasses import replace

import numpy
import pytest
import torch

from nmt.decoding.models.alignment import (
    align_tokens,
    aligning_attention,
    attention_to_source,
    best_positions,
    choose_attention,
    link_words,
    pharaoh_line,
)
from nmt.decoding.models.pytorch import make_decoder
from nmt.decoding.search.hypothesis import Hypothesis
from nmt.decoding.translator.segments import SubSegment
from nmt.decoding.translator.translation import BLANK, Translation
from nmt.recipe.files import load_recipe
from nmt.runs.model_file import AligningAttention
from nmt.runs.trained_model import TrainedModel
from nmt.text.alignment import NONE
from nmt.text.batches import pad_with_eos, source_batch
from nmt.text.shards import flatten

MEAN = AligningAttention(0, None)


def find_links(
    model: TrainedModel, segment: str, parts: list[str], outputs: list[tuple[str, list[int]]]
) -> list[tuple[int, int]]:
    """Return the links of outputs, given as texts and the positions of their tokens."""
    source, target = model.tokenizer.sides
    hypotheses = [
        Hypothesis(tuple(target.encode([text])[0]), 0.0, 0.0, aligned_positions=tuple(positions))
        for text, positions in outputs
    ]
    encoded = [SubSegment(source.encode([text])[0]) for text in parts]
    return [*link_words(segment, encoded, hypotheses, model.tokenizer)]


def test_words_are_linked_if_any_of_their_tokens_are(model: TrainedModel) -> None:
    """By hand: the tokens of the vocabulary are characters or longer, so a word has several."""
    sun, moon = (len(model.tokenizer.source.encode([word])[0]) for word in ("sun", "moon"))
    upper = len(model.tokenizer.target.encode(["SUN"])[0])
    assert upper > 1
    for positions, links in (
        ([0] * upper, [(0, 0)]),  # all tokens of SUN come from the first of sun
        ([sun + moon - 1] * upper, [(1, 0)]),
        ([0, *[sun] * (upper - 1)], [(0, 0), (1, 0)]),
    ):
        assert find_links(model, "sun  moon", ["sun moon"], [("SUN", positions)]) == links
    # Carriage returns split a segment; its words are counted through.
    outputs = [("SUN SUN", [0] * (2 * upper)), ("", []), ("SUN", [0] * upper)]
    found = find_links(model, "sun moon\r\rstar\rrain", ["sun moon", "star", "rain"], outputs)
    assert found == [(0, 0), (0, 1), (3, 2)]


def test_the_format_of_pharaoh() -> None:
    assert pharaoh_line(Translation(BLANK.candidates, ((0, 0), (1, 2)))) == "0-0 1-2\n"
    assert pharaoh_line(BLANK) == "\n"


def test_a_noun_is_aligned_to_its_translation_and_not_to_the_article_that_looks_at_it() -> None:
    """By hand: "Die Frau" for "the woman"; Die looks at woman for its gender."""
    weights = numpy.array([[0.4, 0.6], [0.1, 0.9]], numpy.float32)
    assert weights.argmax(1).tolist() == [1, 1]
    # 0.4 * 0.4 / 0.5 = 0.32, and 0.6 * 0.6 / 1.5 = 0.24
    assert best_positions(weights, [range(1), range(1, 2)]) == [0, 1]
    assert best_positions(numpy.empty((0, 2), numpy.float32), []) == []


def test_tokens_of_a_word_are_aligned_together_unless_they_clearly_differ() -> None:
    """By hand: the second token of the second word attends a little more to another word."""
    rows = [[0.9, 0.1], [0.1, 0.9], [0.55, 0.45]]
    weights = numpy.array(rows, numpy.float32)
    first, second, third = (range(word, word + 1) for word in range(3))
    assert best_positions(weights, [first, second, third]) == [0, 1, 0]
    assert best_positions(weights, [first, second, second]) == [0, 1, 1]


def test_attention_is_that_of_the_step_that_predicts_a_token(model: TrainedModel) -> None:
    """Cut after a token, an output has the same weights up to it: no step sees later ones."""
    decoder = make_decoder(model.network)
    source = source_batch(model.tokenizer.source.encode(["sun moon star"]))
    ids = model.tokenizer.target.encode(["STAR MOON SUN"])[0]
    whole = attention_to_source(decoder, source, pad_with_eos(flatten([ids])), [0])[0]
    short = attention_to_source(decoder, source, pad_with_eos(flatten([ids[:2]])), [0])[0]
    assert whole.shape[2] == len(ids) + 1
    assert torch.allclose(whole[:, :, :3], short, atol=1e-6)
    assert torch.allclose(whole.sum(-1), torch.ones(whole.shape[:-1]))


def test_batches_and_ensembles_align_as_each_output_alone(model: TrainedModel) -> None:
    decoder = make_decoder(model.network)
    sources = model.tokenizer.source.encode(["sun moon star", "tree", "wind root"])
    outputs = model.tokenizer.target.encode(["STAR MOON SUN", "", "ROOT"])
    subwords = model.tokenizer.target
    together = align_tokens([decoder], [MEAN], sources, outputs, subwords)
    assert [*map(len, together)] == [*map(len, outputs)]
    for source, output, positions in zip(sources, outputs, together, strict=True):
        assert align_tokens([decoder], [MEAN], [source], [output], subwords) == [positions]
        assert all(position < len(source) for position in positions)
    assert align_tokens([decoder, decoder], [MEAN, MEAN], sources, outputs, subwords) == together


def test_the_attention_is_chosen_that_agrees_most_with_given_links(model: TrainedModel) -> None:
    """Its own links choose an attention, whatever it is."""
    decoder, settings = make_decoder(model.network), model.recipe.model
    subwords = model.tokenizer.target
    sources = model.tokenizer.source.encode(["sun moon star", "tree wind root", "rain sun wind"])
    outputs = subwords.encode(["STAR MOON SUN", "ROOT WIND TREE", "WIND SUN RAIN"])
    own: dict[str, AligningAttention] = {}
    for head in (None, *range(settings.heads)):
        attention = AligningAttention(settings.decoder_layers - 1, head)
        links = align_tokens([decoder], [attention], sources, outputs, subwords)
        own.setdefault(str(links), attention)
        found = choose_attention(model.network, sources, outputs, links, subwords)
        assert found == own[str(links)]
    none = [[NONE] * len(output) for output in outputs]
    assert choose_attention(model.network, sources, outputs, none, subwords) is None


@pytest.mark.parametrize(
    ("layers", "usual", "guided"), [(1, 0, 0), (2, 1, 0), (4, 2, 2), (6, 4, 4)]
)
def test_what_aligns_in_a_model(layers: int, usual: int, guided: int, model: TrainedModel) -> None:
    """What its training chose; without that, the guided head, or a layer by their number."""
    changed = [f"model.decoder_layers={layers}"]
    plain = replace(model, recipe=load_recipe("pocket", changed), alignment=None)
    assert aligning_attention(plain) == AligningAttention(usual, None)
    recipe = load_recipe("pocket", [*changed, "train.guided_alignment=0.05"])
    trained = replace(plain, recipe=recipe)
    assert aligning_attention(trained) == AligningAttention(guided, 0)
    chosen = AligningAttention(0, 1)
    assert aligning_attention(replace(trained, alignment=chosen)) == chosen
