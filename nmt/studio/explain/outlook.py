"""What the model expects after each piece of its translation, at any temperature.

Softmax at temperature T is softmax(logits / T). The page has the logits of the likeliest pieces,
and of each temperature that its slider knows the logarithm of the sum over the whole vocabulary, so
that its probabilities are exact with a few numbers a step.
"""

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

TEMPERATURES = tuple(round(0.1 * tenth, 1) for tenth in range(1, 31))
SHOWN = 12  # pieces a step


@dataclass(frozen=True)
class NextTokens:
    """One step: the likeliest pieces, and the one that the translation has."""

    pieces: tuple[int, ...]  # likeliest first; the last is the chosen one if it is none of those
    logits: tuple[float, ...]
    log_sums: tuple[float, ...]  # of exp(logit / T) over all pieces, a temperature each
    entropy: float  # bits, at temperature 1
    chosen: int
    rank: int  # of the chosen one among the pieces that may come, 1 the likeliest


def next_tokens(logits: Tensor, chosen: list[int], never: Collection[int]) -> list[NextTokens]:
    """Of every step of a translation; logits (T, V)."""
    return [outlook(row, piece, never) for row, piece in zip(logits.double(), chosen, strict=True)]


def outlook(logits: Tensor, chosen: int, never: Collection[int]) -> NextTokens:
    """Of one step; logits (V,). Pieces that never are an output count in sums but are not shown."""
    temperatures = torch.tensor(TEMPERATURES, dtype=logits.dtype)[:, None]
    log_sums = (logits / temperatures).logsumexp(-1)
    log_probs = logits.log_softmax(-1)
    allowed = logits.clone()
    allowed[list(never)] = -torch.inf
    best = allowed.topk(min(SHOWN, len(allowed) - len(never))).indices.tolist()
    shown = best if chosen in best else [*best, chosen]
    return NextTokens(
        tuple(shown),
        tuple(logits[shown].tolist()),
        tuple(log_sums.tolist()),
        float(-(log_probs.exp() * log_probs).sum() / torch.log(torch.tensor(2.0))),
        chosen,
        int((allowed > allowed[chosen]).sum()) + 1,
    )
