"""Candidates: the live hypotheses of a beam, each extended by one token.

Dimensions: B sentences, K live hypotheses for each sentence, V tokens, C candidates for each
sentence.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nmt.kernels.top_k import Rule, top_tokens


@dataclass(frozen=True)
class Candidates:
    """The best candidates of each sentence, best first."""

    log_probs: Tensor  # (B, C) of the whole candidate; minus infinity: the rules forbid it
    parents: Tensor  # (B, C) place in the beam of the hypothesis that is extended
    tokens: Tensor  # (B, C) the new token
    is_eos: Tensor  # (B, C) bool: the new token is EOS

    def choose(
        self, order: Tensor, live: Tensor, kept: Sequence[int], beam: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return rows, tokens and log-probabilities (B', K) of the candidates that go on.

        order: (B, K), the candidate at each place of the next beam. live: (B, C) log-probabilities.
        kept: the rows of the sentences that stay in the batch. A result's rows are flat indices of
        the hypotheses that are extended, of which each sentence has `beam`.
        """
        B = len(order)
        first_rows = torch.arange(0, B * beam, beam, device=order.device)
        rows = self.parents.gather(1, order) + first_rows[:, None]
        chosen = rows, self.tokens.gather(1, order), live.gather(1, order)
        if len(kept) == B:
            return chosen
        kept_rows = torch.tensor(kept, device=order.device)
        rows, tokens, log_probs = (each[kept_rows] for each in chosen)
        return rows, tokens, log_probs


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
