"""Align the tokens of outputs with those of their sources by the decoder's attention.

`links` makes links of words of them.

Dimensions: B sources, each with an output, S source positions, T positions of an output, EOS
counted, h heads.
"""

from collections.abc import Sequence
from contextlib import ExitStack

import torch
from torch import Tensor

from nmt.artifacts.model_header import AligningAttention
from nmt.decoding.incremental import IncrementalDecoder
from nmt.model.attention import MultiHeadAttention
from nmt.text.batches import pad_with_eos, source_batch, target_input_of
from nmt.text.padding import flatten
from nmt.text.tokenizer import EOS, PAD


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
