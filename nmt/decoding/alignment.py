"""Align the words of outputs with those of their sources by the decoder's attention.

Dimensions: B sources, each with an output, S source positions, T positions of an output, EOS
counted, h heads.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nmt.config import ModelSettings, Recipe
from nmt.decoding.hypothesis import Hypothesis
from nmt.decoding.incremental import IncrementalDecoder
from nmt.decoding.segments import EncodedSegments, Part, words_of_segment
from nmt.decoding.translation import Link, Translation
from nmt.model.attention import MultiHeadAttention
from nmt.text.batches import flatten, pad_with_eos, source_batch, target_input_of
from nmt.text.tokenizer import EOS, PAD, Tokenizer
from nmt.text.words import words_of_ids

GUIDED_HEAD = 0  # of the aligning layer, which guided alignment trains


@dataclass(frozen=True)
class AligningAttention:
    """The attention to the source that aligns best in a model."""

    layer: int  # of the decoder, from 0
    head: int | None  # None: the mean of all heads


def aligning_layer(settings: ModelSettings) -> int:
    """Return the index of the decoder layer that aligns: the last but one, if there are two.

    Garg et al. (2019) found it the best; `benchmarks/alignment.py` compares the layers.
    """
    return max(0, settings.decoder_layers - 2)


def aligning_attention(recipe: Recipe) -> AligningAttention:
    """Return the attention that a model of this recipe aligns with."""
    head = GUIDED_HEAD if recipe.train.guided_alignment else None
    return AligningAttention(aligning_layer(recipe.model), head)


@torch.inference_mode()
def aligned_places(
    models: Sequence[IncrementalDecoder],
    attentions: Sequence[AligningAttention],
    sources: Sequence[Sequence[int]],
    outputs: Sequence[Sequence[int]],
) -> list[list[int]]:
    """Return, for each token of each output, the place of the source token it is aligned to.

    Args:
        models: one, or those of an ensemble, whose attention is averaged.
        attentions: what to align with, in each model.
        sources: encoded, without EOS; none is empty.
        outputs: one of each source, without BOS and EOS.
    """
    source = source_batch(sources).to(models[0].model.device)
    step = -1 if models[0].model.settings.is_right_to_left else 1
    labels = pad_with_eos(flatten([each[::step] for each in outputs])).to(source.device)
    total = torch.zeros((), device=source.device)
    for model, each in zip(models, attentions, strict=True):
        weights = attention_to_source(model, source, labels, [each.layer])[0]
        total = total + (weights.mean(1) if each.head is None else weights[:, each.head])
    places = best_places(total, source).tolist()
    return [row[: len(output)][::step] for row, output in zip(places, outputs, strict=True)]


def best_places(weights: Tensor, source: Tensor) -> Tensor:
    """Return the source place (B, T) that each token of the outputs is aligned to.

    A token takes the weights of the step that predicts it. (The step that reads it looks at what
    comes next; `benchmarks/alignment.py` compares the two.) The end of the source is left out: it
    has no word.

    weights: (B, T, S). source: ids (B, S).
    """
    has_no_word = (source == EOS) | (source == PAD)
    return weights.masked_fill(has_no_word[:, None], -1).argmax(-1)


def attention_to_source(
    model: IncrementalDecoder, source: Tensor, labels: Tensor, layers: Sequence[int]
) -> list[Tensor]:
    """Return the weights (B, h, T, S) with which layers attend to the source as they read outputs.

    source: ids (B, S). labels: the outputs (B, T) with EOS. layers: indices in ascending order.
    """
    network = model.model
    found: list[Tensor] = []

    def record(_query: Tensor, _key: Tensor, _value: Tensor, weights: Tensor) -> None:
        found.append(weights.float())

    with ExitStack() as stack:
        # Children of packed modules are found as plain functions, but not by `modules`.
        modules = [each for each in network.modules() if isinstance(each, MultiHeadAttention)]
        of_layers = [each for each in modules if each.is_cross]
        for layer in layers:
            of_layers[layer].recorder = record
            stack.callback(setattr, of_layers[layer], "recorder", None)
        memory, mask = network.encode(source)
        network.decode(target_input_of(labels), memory, mask)
    return found


def align_all(
    translations: Sequence[Translation],
    segments: Sequence[str],
    encoded: EncodedSegments,
    found: Sequence[Sequence[Hypothesis]],
    tokenizer: Tokenizer,
) -> list[Translation]:
    """Return the translations of segments with links; found: the hypotheses of all parts."""
    return [
        with_links(
            translation,
            segment,
            [encoded.parts[index] for index in parts],
            [found[index][0] for index in parts],
            tokenizer,
        )
        for translation, segment, parts in zip(
            translations, segments, encoded.segments, strict=True
        )
    ]


def with_links(
    translation: Translation,
    segment: str,
    parts: Sequence[Part],
    outputs: Sequence[Hypothesis],
    tokenizer: Tokenizer,
) -> Translation:
    """Return a translation with the links of its words, in order.

    Two words are linked if any of their tokens are (Zenkel et al., 2019). The words of a text are
    those of `str.split`.

    Args:
        translation: that of the segment.
        segment: the text that was translated.
        parts: those of the segment.
        outputs: the best hypothesis of each part, with `aligned_places`.
        tokenizer: that of the models.
    """
    source_words = words_of_segment(segment, tokenizer.source)
    links: set[Link] = set()
    first_token = first_word = 0
    for part, output in zip(parts, outputs, strict=True):
        words = words_of_ids(output.ids, tokenizer.target)
        for place, own in zip(output.aligned_places, words.of_tokens, strict=True):
            links.update(
                (each, first_word + word)
                for each in source_words[first_token + place]
                for word in own
            )
        first_token += len(part)
        first_word += words.count
    return replace(translation, links=tuple(sorted(links)))


def pharaoh_line(translation: Translation) -> str:
    """Return the links in the format of Pharaoh, such as "0-0 1-2": source word, output word."""
    return " ".join(f"{source}-{output}" for source, output in translation.links) + "\n"
