"""Probabilities of the next token after each token of the translation, at any temperature.

Softmax at temperature T is softmax(logits / T). The page holds the logits of the most probable
tokens, and for each temperature of its slider the logarithm of the sum over the whole vocabulary.
So its probabilities are exact, with a few numbers for each step.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

TEMPERATURES = tuple(round(0.1 * tenth, 1) for tenth in range(1, 31))
SHOWN = 12  # tokens of each step


@dataclass(frozen=True)
class NextTokens:
    """The most probable tokens of one step, and the token that the translation has there."""

    ids: tuple[int, ...]  # most probable first; then the chosen token, if it is not among them
    logits: tuple[float, ...]  # of ids
    log_sums: tuple[float, ...]  # log of the sum of exp(logit / T) over all tokens, for each T
    entropy: float  # bits, at temperature 1
    chosen: int
    rank: int  # of the chosen token among those that may come; 1 is the most probable


def next_tokens(
    logits: Tensor, chosen: Collection[int], never: Collection[int]
) -> list[NextTokens]:
    """Return the next tokens of each of T steps.

    logits: (T, V). chosen: the T tokens of the translation. never: tokens that are never an output;
    they count in the sums, but they are not shown.
    """
    rows = logits.double()
    return [next_tokens_of(row, token, never) for row, token in zip(rows, chosen, strict=True)]


def next_tokens_of(logits: Tensor, chosen: int, never: Collection[int]) -> NextTokens:
    """Return the next tokens of one step; logits (V,)."""
    temperatures = torch.tensor(TEMPERATURES, dtype=logits.dtype)[:, None]
    log_sums = (logits / temperatures).logsumexp(-1)
    log_probs = logits.log_softmax(-1)
    allowed = logits.clone()
    allowed[list(never)] = -torch.inf
    best = allowed.topk(min(SHOWN, len(allowed) - len(never))).indices.tolist()
    shown = best if chosen in best else [*best, chosen]
    return NextTokens(
        ids=tuple(shown),
        logits=tuple(logits[shown].tolist()),
        log_sums=tuple(log_sums.tolist()),
        entropy=float(-(log_probs.exp() * log_probs).sum()) / math.log(2),
        chosen=chosen,
        rank=int((allowed > allowed[chosen]).sum()) + 1,
    )
