"""Word alignments: the links of words in a source and its translation, from those of their tokens.

`alignment` finds which source token each token of an output is aligned to, with PyTorch.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from nmt.config import ModelSettings, Recipe
from nmt.decoding.hypothesis import Hypothesis
from nmt.decoding.segments import EncodedSegments, Part, words_of_segment
from nmt.decoding.translation import Link, Translation
from nmt.text.tokenizer import Tokenizer
from nmt.text.words import WORD, words_of_ids

GUIDED_HEAD = 0  # of the aligning layer, which guided alignment trains


@dataclass(frozen=True)
class AligningAttention:
    """The attention to the source that aligns best in a model."""

    layer: int  # of the decoder, from 0
    head: int | None  # None: the mean of all heads


def aligning_layer(settings: ModelSettings) -> int:
    """Return the index of the decoder layer that guided alignment trains: the last but one.

    Garg et al. (2019) found it the best; `benchmarks/alignment.py` compares the layers.
    """
    return max(0, settings.decoder_layers - 2)


def mean_attention(settings: ModelSettings) -> AligningAttention:
    """Return the attention that aligns if none was trained to: the last layer of two aligns."""
    is_short = settings.decoder_layers <= 2
    return AligningAttention(settings.decoder_layers - (1 if is_short else 2), None)


def aligning_attention(recipe: Recipe) -> AligningAttention:
    """Return the attention that a model of this recipe aligns with."""
    if recipe.train.guided_alignment:
        return AligningAttention(aligning_layer(recipe.model), GUIDED_HEAD)
    return mean_attention(recipe.model)


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
    """Return a translation with the links of its words; arguments are as in `links_of`."""
    return replace(translation, links=links_of(segment, parts, outputs, tokenizer))


def links_of(
    segment: str,
    parts: Sequence[Part],
    outputs: Sequence[Hypothesis],
    tokenizer: Tokenizer,
    word: re.Pattern[str] = WORD,
) -> tuple[Link, ...]:
    """Return the links of the words of a segment and its translation, in order.

    Two words are linked if any of their tokens are (Zenkel et al., 2019).

    Args:
        segment: the text that was translated.
        parts: those of the segment.
        outputs: the best hypothesis of each part, with `aligned_places`.
        tokenizer: that of the models.
        word: matches a word of either text; by default the words are those of `str.split`.
    """
    source_words = words_of_segment(segment, tokenizer.source, word)
    if tokenizer.source.language_token(segment):  # it stands before each part, and has no link
        source_words = source_words[1:]
    links: set[Link] = set()
    first_token = first_word = 0
    for part, output in zip(parts, outputs, strict=True):
        words = words_of_ids(output.ids, tokenizer.target, word)
        for place, own in zip(output.aligned_places, words.of_tokens, strict=True):
            if place >= part.opening:
                links.update(
                    (each, first_word + own_word)
                    for each in source_words[first_token + place - part.opening]
                    for own_word in own
                )
        first_token += len(part) - part.opening
        first_word += words.count
    return tuple(sorted(links))


def pharaoh_line(translation: Translation) -> str:
    """Return the links in the format of Pharaoh, such as "0-0 1-2": source word, output word."""
    return " ".join(f"{source}-{output}" for source, output in translation.links) + "\n"
