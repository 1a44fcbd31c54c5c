"""Word alignments: the links of words in a source and its translation, from those of their tokens.

The decoder's attention tells which source token each token of an output is aligned to.

Dimensions: B sources, each with an output, S source positions, T positions of an output, EOS
counted, h heads.
"""

import re
from collections.abc import Sequence
from contextlib import ExitStack
from functools import reduce
from itertools import groupby
from operator import add, eq
from typing import TYPE_CHECKING

import numpy

from nmt.config import ModelSettings
from nmt.decoding.search.hypothesis import Hypothesis
from nmt.decoding.translator.segments import SubSegment, find_segment_words
from nmt.decoding.translator.translation import Link, Translation
from nmt.kernels.array_functions import Floats
from nmt.runs.model_file import AligningAttention
from nmt.runs.trained_model import TrainedModel
from nmt.text.plan import batches_by_length
from nmt.text.shards import flatten
from nmt.text.subwords.tokenizer import SubwordModel, Tokenizer
from nmt.text.subwords.words import UNIT, WORD, find_output_words

if TYPE_CHECKING:  # a search over arrays runs without PyTorch
    from torch import Tensor

    from nmt.decoding.models.pytorch import Decoder
    from nmt.model.encoder_decoder import EncoderDecoder

SMALLEST = 1e-30  # divides instead of 0
# Weight of the evidence of a word, compared with that of a single token. Of 0 to 100, this had the
# lowest error rate of `benchmarks/alignment.py`; with more, a compound has only one source word.
WORD_SHARE = 3.0
GUIDED_HEAD = 0  # of the layer that guided alignment trains
CHOICE_TOKENS = 1000  # of a side, that are read at once to choose an attention


def aligning_attention(model: TrainedModel) -> AligningAttention:
    """Return the attention that aligns in a model: the one that its training chose, if it did."""
    if model.alignment is not None:
        return model.alignment
    settings = model.recipe.model
    if model.recipe.train.guided_alignment:
        return AligningAttention(guided_layer(settings), GUIDED_HEAD)
    # What aligns best in most models of this shape, as `benchmarks/alignment.py` measured: the last
    # layer of two, and the last but one of more.
    layers, _ = settings.cross_attentions
    return AligningAttention(layers - 1 if layers <= 2 else layers - 2, None)


def guided_layer(settings: ModelSettings) -> int:
    """Return the index of the decoder layer that guided alignment trains: the last but one.

    Garg et al. (2019), section 4.3. It is the first one if there is one only.
    """
    return max(0, settings.decoder_layers - 2)


def best_positions(weights: Floats, words: Sequence[range]) -> list[int]:
    """Return the source position that each token of an output is aligned to.

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
    positions: list[int] = evidence.argmax(1).tolist()
    return positions


def find_token_words(output: Sequence[int], subwords: SubwordModel) -> list[range]:
    """Return the words of each token of an output, as `best_positions` takes them."""
    return find_output_words(output, subwords, UNIT).by_token


def link_words(
    segment: str,
    parts: Sequence[SubSegment],
    outputs: Sequence[Hypothesis],
    tokenizer: Tokenizer,
    word: re.Pattern[str] = WORD,
) -> tuple[Link, ...]:
    """Return the links of the words of a segment and its translation, in order.

    Two words are linked if any of their tokens are (Zenkel et al., 2019).

    Args:
        segment: the text that was translated.
        parts: those of the segment.
        outputs: the best hypothesis of each part, with `aligned_positions`.
        tokenizer: that of the models.
        word: matches a word of either text; by default the words are those of `str.split`.
    """
    source_words = find_segment_words(segment, tokenizer.source, word)
    links: set[Link] = set()
    first_token = first_word = 0
    for part, output in zip(parts, outputs, strict=True):
        words = find_output_words(output.ids, tokenizer.target, word)
        for position, own in zip(output.aligned_positions, words.by_token, strict=True):
            if position >= part.opening:
                links.update(
                    (source_word, first_word + own_word)
                    for source_word in source_words[first_token + position - part.opening]
                    for own_word in own
                )
        first_token += len(part) - part.opening
        first_word += words.count
    return tuple(sorted(links))


def pharaoh_line(translation: Translation) -> str:
    """Return the links in the format of Pharaoh, such as "0-0 1-2": source word, output word."""
    return " ".join(f"{source}-{output}" for source, output in translation.links) + "\n"


def align_tokens(
    models: "Sequence[Decoder]",
    attentions: Sequence[AligningAttention],
    sources: Sequence[Sequence[int]],
    outputs: Sequence[Sequence[int]],
    subwords: SubwordModel,
) -> list[list[int]]:
    """Return, for each token of each output, the position of the source token it is aligned to.

    Args:
        models: one, or those of an ensemble, whose attention is averaged.
        attentions: what to align with, in each model.
        sources: encoded, without EOS; none is empty.
        outputs: one of each source, without BOS and EOS.
        subwords: those of the outputs.
    """
    from nmt.text.batches import pad_with_eos, source_batch

    source = source_batch(sources).to(models[0].model.device)
    step = -1 if models[0].model.settings.is_right_to_left else 1
    labels = pad_with_eos(flatten([output[::step] for output in outputs])).to(source.device)
    chosen = []
    for model, attention in zip(models, attentions, strict=True):
        weights = attention_to_source(model, source, labels, [attention.layer])[0]
        chosen.append(weights.mean(1) if attention.head is None else weights[:, attention.head])
    found = reduce(add, chosen).cpu().numpy()
    return [
        best_positions(row[: len(output), : len(ids)][::step], find_token_words(output, subwords))
        for row, output, ids in zip(found, outputs, sources, strict=True)
    ]


def choose_attention(
    network: "EncoderDecoder",
    sources: Sequence[Sequence[int]],
    outputs: Sequence[Sequence[int]],
    links: Sequence[Sequence[int]],
    subwords: SubwordModel,
) -> AligningAttention | None:
    """Return the attention that aligns most tokens of outputs as other links do.

    It is a head, or the mean of the heads of a layer. None: there are no links.

    links: the position of the source token of each token of the outputs, or `NONE`. Other arguments
    are as in `align_tokens`.
    """
    import torch

    from nmt.decoding.models.pytorch import make_decoder
    from nmt.text.batches import pad_with_eos, source_batch

    settings = network.settings
    step = -1 if settings.is_right_to_left else 1
    count, head_count = settings.cross_attentions
    layers = range(count)
    # Of equally good ones the mean wins, then the later layer.
    candidates = [
        AligningAttention(layer, head)
        for head in (None, *range(head_count))
        for layer in reversed(layers)
    ]
    words = [find_token_words(output, subwords) for output in outputs]
    agreed = dict.fromkeys(candidates, 0)
    lengths = [max(map(len, pair)) + 1 for pair in zip(sources, outputs, strict=True)]
    with torch.inference_mode(), network.evaluating():
        decoder = make_decoder(network)
    for indices in batches_by_length(lengths, CHOICE_TOKENS):
        source = source_batch([sources[index] for index in indices]).to(network.device)
        labels = pad_with_eos(flatten([outputs[index][::step] for index in indices]))
        found = attention_to_source(decoder, source, labels.to(source.device), layers)
        heads = [weights.cpu().numpy() for weights in found]
        for candidate in candidates:
            all_heads = heads[candidate.layer]
            rows = all_heads.mean(1) if candidate.head is None else all_heads[:, candidate.head]
            for row, index in zip(rows, indices, strict=True):
                weights = row[: len(words[index]), : len(sources[index])][::step]
                positions = best_positions(weights, words[index])
                agreed[candidate] += sum(map(eq, positions, links[index]))
    best = max(candidates, key=agreed.__getitem__)
    return best if agreed[best] else None


def attention_to_source(
    model: "Decoder", source: "Tensor", labels: "Tensor", layers: Sequence[int]
) -> "list[Tensor]":
    """Return the weights (B, h, T, S) with which layers attend to the source as they read outputs.

    source: ids (B, S). labels: the outputs (B, T) with EOS. layers: indices in ascending order.
    """
    import torch

    from nmt.model.attention import MultiHeadAttention
    from nmt.model.recurrent import AdditiveAttention
    from nmt.text.batches import shift_right

    network = model.model
    found: list[Tensor] = []

    def record(_query: "Tensor", _key: "Tensor", _value: "Tensor", weights: "Tensor") -> None:
        found.append(weights.float())

    with torch.inference_mode(), ExitStack() as stack:
        # Children of packed modules are found as plain functions, but not by `modules`.
        kinds = MultiHeadAttention, AdditiveAttention
        modules = [part for part in network.modules() if isinstance(part, kinds)]
        cross = [module for module in modules if module.is_cross]
        for layer in layers:
            cross[layer].recorder = record
            stack.callback(setattr, cross[layer], "recorder", None)
        memory, mask = network.encode(source)
        network.decode(shift_right(labels), memory, mask)
    return found
