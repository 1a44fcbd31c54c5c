"""Word alignments: the links of words in a source and its translation, from those of their tokens.

`alignment` finds which source token each token of an output is aligned to, with PyTorch.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import numpy

from nmt.config import ModelSettings
from nmt.decoding.hypothesis import Hypothesis
from nmt.decoding.segments import EncodedSegments, Part, words_of_segment
from nmt.decoding.translation import Link, Translation
from nmt.decoding.units import UNIT
from nmt.kernels.array_functions import Floats
from nmt.runs.model_file import AligningAttention
from nmt.runs.trained_model import TrainedModel
from nmt.text.tokenizer import SubwordModel, Tokenizer
from nmt.text.words import WORD, find_output_words

SMALLEST = 1e-30  # divides instead of 0
# Weight of the evidence of a word, compared with that of a single token. Of 0 to 100, this had the
# lowest error rate of `benchmarks/alignment.py`; with more, a compound has only one source word.
WORD_SHARE = 3.0
GUIDED_HEAD = 0  # of the layer that guided alignment trains


def aligning_attention(model: TrainedModel) -> AligningAttention:
    """Return the attention that aligns in a model: the one that its training chose, if it did."""
    if model.alignment is not None:
        return model.alignment
    settings = model.recipe.model
    if model.recipe.train.guided_alignment:
        return AligningAttention(guided_layer(settings), GUIDED_HEAD)
    return usual_attention(settings)


def guided_layer(settings: ModelSettings) -> int:
    """Return the index of the decoder layer that guided alignment trains: the last but one.

    Garg et al. (2019), section 4.3. It is the first one if there is one only.
    """
    return max(0, settings.decoder_layers - 2)


def usual_attention(settings: ModelSettings) -> AligningAttention:
    """Return what aligns best in most models of this shape, as `benchmarks/alignment.py` measured.

    It is the last layer of two, and the last but one of more.
    """
    layers = settings.decoder_layers
    return AligningAttention(layers - 1 if layers <= 2 else layers - 2, None)


def best_places(weights: Floats, words: Sequence[range]) -> list[int]:
    """Return the source place that each token of an output is aligned to.

    Output token t attends to source token s with weight w(t, s). The evidence for a link is
    w(t, s) times the share of t in all attention to s, w(t, s) / sum over t' of w(t', s): the
    decoder looks at a noun for the gender of its article, but the noun's own translation attends to
    it more. The tokens of a word share their evidence: the later ones often look elsewhere, because
    the first ones tell how the word ends.

    weights: (T, S), without the ends of the source and of the output. A token takes the weights of
    the step that predicts it: the step that reads it looks at what comes next. words: those of each
    output token (T,).
    """
    evidence = weights * weights / numpy.maximum(weights.sum(0), SMALLEST)
    lengths = [len([*group]) for _, group in groupby(words)]  # of words, in tokens
    if lengths:
        starts = numpy.cumsum([0, *lengths[:-1]])
        means = numpy.add.reduceat(evidence, starts) / numpy.array(lengths, numpy.float32)[:, None]
        evidence += WORD_SHARE * numpy.repeat(means, lengths, axis=0)
    places: list[int] = evidence.argmax(1).tolist()
    return places


def words_of_output(output: Sequence[int], subwords: SubwordModel) -> list[range]:
    """Return the words of each token of an output, as `best_places` takes them."""
    return find_output_words(output, subwords, UNIT).by_token


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
        words = find_output_words(output.ids, tokenizer.target, word)
        for place, own in zip(output.aligned_places, words.by_token, strict=True):
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
