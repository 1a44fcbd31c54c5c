"""Candidates: the live hypotheses of a beam, each extended by one token.

Dimensions: B sentences, K live hypotheses for each sentence, R = B * K, V tokens, C candidates for
each sentence.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from nmt.kernels.array_top_k import array_top_tokens, descending
from nmt.kernels.rule import BoolArray, FloatArray, IdArray, Logits, Rule


@dataclass(frozen=True)
class Candidates:
    """The best candidates of each sentence, best first."""

    log_probs: FloatArray  # (B, C) of the whole candidate; minus infinity: the rules forbid it
    parents: IdArray  # (B, C) place in the beam of the hypothesis that is extended
    tokens: IdArray  # (B, C) the new token
    is_eos: BoolArray  # (B, C): the new token is EOS

    def choose(
        self, order: IdArray, live: FloatArray, kept: Sequence[int], beam: int
    ) -> tuple[IdArray, IdArray, FloatArray]:
        """Return rows, tokens and log-probabilities (B', K) of the candidates that go on.

        order: (B, K), the candidate at each place of the next beam. live: (B, C) log-probabilities.
        kept: the rows of the sentences that stay in the batch. A result's rows are flat indices of
        the hypotheses that are extended, of which each sentence has `beam`.
        """
        sentences = numpy.array(kept)[:, None]
        chosen = sentences, order[kept]
        return sentences * beam + self.parents[chosen], self.tokens[chosen], live[chosen]


def best_candidates(
    log_probs: FloatArray, logits: Logits, rules: Sequence[Rule], beam_size: int, eos: int
) -> Candidates:
    """Return the 2 * beam_size best candidates of each sentence; fewer if there are fewer.

    log_probs: (B, K) of the live hypotheses. logits: (B, K, V) of their next tokens.
    """
    B, K, V = logits.shape
    width = min(2 * beam_size, V)  # the best candidates may all extend the same hypothesis
    found, ids = top_tokens(logits.reshape(B * K, V), rules, width)
    extended = (log_probs[:, :, None] + found.reshape(B, K, width)).reshape(B, -1)
    order = descending(extended)[:, : 2 * beam_size]
    chosen = numpy.arange(B)[:, None], order
    tokens = ids.reshape(B, -1)[chosen]
    return Candidates(extended[chosen], order // width, tokens, tokens == eos)


def top_tokens(logits: Logits, rules: Sequence[Rule], count: int) -> tuple[FloatArray, IdArray]:
    """Return log-probabilities and ids (R, count) of the best tokens; logits (R, V)."""
    if isinstance(logits, numpy.ndarray):
        return array_top_tokens(logits, rules, count)
    from nmt.kernels import top_k  # imported here, because arrays need no PyTorch

    top = top_k.top_tokens(logits, rules, count)
    return on_host(top.log_probs), top.ids.cpu().numpy()


def on_host(values: Logits) -> FloatArray:
    """Return numbers as an array; those of a GPU are copied."""
    return values if isinstance(values, numpy.ndarray) else values.cpu().numpy()
