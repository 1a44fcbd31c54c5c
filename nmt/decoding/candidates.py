"""Candidates: the live hypotheses of a beam, each extended by one token.

Dimensions: B sentences, K live hypotheses for each sentence, V tokens, C candidates for each
sentence.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from nmt.kernels.top_k import Rule, top_tokens


@dataclass(frozen=True)
class Candidates:
    """The best candidates of each sentence, best first."""

    log_probs: Tensor  # (B, C) of the whole candidate; minus infinity: the rules forbid it
    parents: Tensor  # (B, C) place in the beam of the hypothesis that is extended
    tokens: Tensor  # (B, C) the new token
    is_eos: Tensor  # (B, C) bool: the new token is EOS


def best_candidates(
    log_probs: Tensor, logits: Tensor, rules: Sequence[Rule], beam_size: int, eos: int
) -> Candidates:
    """Return the 2 * beam_size best candidates of each sentence; fewer if there are fewer.

    log_probs: (B, K) of the live hypotheses. logits: (B, K, V) of their next tokens.
    """
    B, K, V = logits.shape
    width = min(2 * beam_size, V)  # the best candidates may all extend the same hypothesis
    top = top_tokens(logits.view(B * K, V), rules, width)
    extended = log_probs[:, :, None] + top.log_probs.view(B, K, width)
    best, flat = extended.view(B, -1).topk(min(2 * beam_size, K * width))
    tokens = top.ids.view(B, -1).gather(1, flat)
    return Candidates(best, flat // width, tokens, tokens == eos)
