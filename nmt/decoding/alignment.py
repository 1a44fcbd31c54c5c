"""Align the tokens of outputs with those of their sources by the decoder's attention.

`links` makes links of words of them.

Dimensions: B sources, each with an output, S source positions, T positions of an output, EOS
counted, h heads.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from operator import eq

import torch
from torch import Tensor

from nmt.decoding.incremental import IncrementalDecoder
from nmt.decoding.links import best_places, words_of_output
from nmt.model.attention import MultiHeadAttention
from nmt.model.transformer import Transformer
from nmt.runs.model_file import AligningAttention
from nmt.text.batches import pad_with_eos, source_batch, target_input_of
from nmt.text.plan import batches_by_length
from nmt.text.shards import flatten
from nmt.text.tokenizer import SubwordModel

CHOICE_TOKENS = 1000  # of a side, that are read at once to choose an attention


@torch.inference_mode()
def aligned_places(
    models: Sequence[IncrementalDecoder],
    attentions: Sequence[AligningAttention],
    sources: Sequence[Sequence[int]],
    outputs: Sequence[Sequence[int]],
    subwords: SubwordModel,
) -> list[list[int]]:
    """Return, for each token of each output, the place of the source token it is aligned to.

    Args:
        models: one, or those of an ensemble, whose attention is averaged.
        attentions: what to align with, in each model.
        sources: encoded, without EOS; none is empty.
        outputs: one of each source, without BOS and EOS.
        subwords: those of the outputs.
    """
    source = source_batch(sources).to(models[0].model.device)
    step = -1 if models[0].model.settings.is_right_to_left else 1
    labels = pad_with_eos(flatten([each[::step] for each in outputs])).to(source.device)
    total = torch.zeros((), device=source.device)
    for model, each in zip(models, attentions, strict=True):
        weights = attention_to_source(model, source, labels, [each.layer])[0]
        total = total + (weights.mean(1) if each.head is None else weights[:, each.head])
    found = total.cpu().numpy()
    return [
        best_places(row[: len(output), : len(ids)][::step], words_of_output(output, subwords))
        for row, output, ids in zip(found, outputs, sources, strict=True)
    ]


@torch.inference_mode()
def choose_attention(
    network: Transformer,
    sources: Sequence[Sequence[int]],
    outputs: Sequence[Sequence[int]],
    links: Sequence[Sequence[int]],
    subwords: SubwordModel,
) -> AligningAttention | None:
    """Return the attention that aligns most tokens of outputs as other links do.

    It is a head, or the mean of the heads of a layer. None: there are no links.

    links: the place of the source token of each token of the outputs, or `NONE`. Other arguments
    are as in `aligned_places`.
    """
    settings = network.settings
    step = -1 if settings.is_right_to_left else 1
    layers = range(settings.decoder_layers)
    # Of equally good ones the mean wins, then the later layer.
    candidates = [
        AligningAttention(layer, head)
        for head in (None, *range(settings.heads))
        for layer in reversed(layers)
    ]
    words = [words_of_output(output, subwords) for output in outputs]
    agreed = dict.fromkeys(candidates, 0)
    lengths = [max(map(len, pair)) + 1 for pair in zip(sources, outputs, strict=True)]
    with network.evaluating():
        decoder = IncrementalDecoder(network)
    for indices in batches_by_length(lengths, CHOICE_TOKENS):
        source = source_batch([sources[index] for index in indices]).to(network.device)
        labels = pad_with_eos(flatten([outputs[index][::step] for index in indices]))
        found = attention_to_source(decoder, source, labels.to(source.device), layers)
        heads = [weights.cpu().numpy() for weights in found]
        for one in candidates:
            of_layer = heads[one.layer]
            rows = of_layer.mean(1) if one.head is None else of_layer[:, one.head]
            for row, index in zip(rows, indices, strict=True):
                weights = row[: len(words[index]), : len(sources[index])][::step]
                places = best_places(weights, words[index])
                agreed[one] += sum(map(eq, places, links[index]))
    best = max(candidates, key=agreed.__getitem__)
    return best if agreed[best] else None


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
