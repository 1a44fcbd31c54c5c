"""Forced decoding: the log-probability of each token of given outputs.

The decoder reads all positions of an output at once, as in training. The numbers are those of the
search, up to rounding: the same packed models, the same precision.

Dimensions: B sources, S source positions, R outputs of these sources, T positions of an output,
N tokens of all outputs without padding, V tokens of the vocabulary.
"""

import math
from collections.abc import Sequence
from itertools import accumulate, islice, pairwise

import torch
from torch import Tensor

from nmt.decoding.models.pytorch import Decoder
from nmt.kernels.loss import at_least_float32
from nmt.text.batches import pad_with_eos, shift_right, source_batch
from nmt.text.plan import batches_by_length
from nmt.text.shards import flatten
from nmt.text.subwords.tokenizer import PAD

TokenLogProbs = tuple[float, ...]  # of the tokens of an output, then of its EOS

# Bytes of float32 logits that are worked on at once. On a CPU, fresh memory for larger blocks costs
# more than the work; a GPU's kernels need much work each.
CPU_BLOCK_BYTES = 1 << 22
GPU_BLOCK_BYTES = 1 << 28


@torch.inference_mode()
def forced_log_probs(
    models: Sequence[Decoder],
    sources: Sequence[Sequence[int]],
    outputs: Sequence[Sequence[Sequence[int]]],
    max_tokens: int,
) -> list[list[TokenLogProbs]]:
    """Return the log-probabilities of the tokens of each source's outputs.

    Args:
        models: one, or those of an ensemble, whose probabilities are averaged at each token.
        sources: B encoded sources, without EOS; they are encoded as one batch.
        outputs: for each source any number of outputs in natural order, without BOS and EOS. They
            may hold the unknown token, which the search never chooses.
        max_tokens: the decoder reads so many tokens at once, padding included, or a single output.
    """
    owners = [number for number, own in enumerate(outputs) for _ in own]
    right_to_left = models[0].model.settings.is_right_to_left
    rows = [output[::-1] if right_to_left else output for own in outputs for output in own]
    source = source_batch(sources).to(models[0].model.device)
    encoded = [model.model.encode(source) for model in models]
    found: list[TokenLogProbs] = [() for _ in rows]
    for batch in batches_by_length([len(row) + 1 for row in rows], max_tokens):
        labels = pad_with_eos(flatten([rows[index] for index in batch])).to(source.device)
        chosen = torch.tensor([owners[index] for index in batch], device=source.device)
        log_probs = [
            batch_log_probs(model, memory[chosen], None if mask is None else mask[chosen], labels)
            for model, (memory, mask) in zip(models, encoded, strict=True)
        ]
        mean = torch.stack(log_probs).logsumexp(0).sub_(math.log(len(models))).tolist()
        ends = accumulate((len(rows[index]) + 1 for index in batch), initial=0)
        for index, (begin, end) in zip(batch, pairwise(ends), strict=True):
            found[index] = tuple(mean[begin:end])
    if right_to_left:
        found = [(*values[-2::-1], values[-1]) for values in found]  # EOS stays last
    rest = iter(found)
    return [[*islice(rest, len(own))] for own in outputs]


def batch_log_probs(
    model: Decoder, memory: Tensor, memory_mask: Tensor | None, labels: Tensor
) -> Tensor:
    """Return the log-probabilities (N,) of the tokens of outputs, one output after another.

    memory: (R, S, d_model). memory_mask: hides its padding. labels: (R, T) ids, each output with
    EOS, padded.
    """
    x = model.model.decode(shift_right(labels), memory, memory_mask)
    is_real = labels != PAD
    hidden, ids = x[is_real], labels[is_real][:, None]
    is_cpu = hidden.device.type == "cpu"
    block_bytes = CPU_BLOCK_BYTES if is_cpu else GPU_BLOCK_BYTES
    block = max(1, block_bytes // (4 * model.model.vocab_size))
    return torch.cat(
        [
            picked(model.project(hidden[begin : begin + block]), ids[begin : begin + block])
            for begin in range(0, len(ids), block)
        ]
    )


def picked(logits: Tensor, ids: Tensor) -> Tensor:
    """Return the log-probabilities (n,), in float32 at least, of ids (n, 1); logits (n, V)."""
    return logits.log_softmax(-1, dtype=at_least_float32(logits)).gather(1, ids)[:, 0]
