"""What may come next, and how likely: the best pieces of each hypothesis.

Dimensions: B sentences, K hypotheses a sentence, R = B * K rows, V pieces.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

GROUP = 64  # pieces whose greatest logit is taken first
CHUNK_BYTES = 1 << 20  # of logits worked on at once: about a core's level-2 cache


@dataclass(frozen=True)
class Rules:
    """What may come next at a step."""

    never: tuple[int, ...]  # ids that may not
    eos: int
    must_end: Tensor | None  # (R,) rows where only EOS may; None: no row

    def apply(self, scores: Tensor, begin: int = 0) -> None:
        """Make minus infinity of what may not, in scores (n, V) of the rows from `begin` on."""
        scores[:, list(self.never)] = -math.inf
        if self.must_end is not None:
            ending = scores[:, self.eos].clone()
            scores.masked_fill_(self.must_end[begin : begin + len(scores), None], -math.inf)
            scores[:, self.eos] = ending


class Candidates(NamedTuple):
    """The best pieces of each row, best first."""

    log_probs: Tensor  # (R, n) float32
    pieces: Tensor  # (R, n)


def reference_candidates(logits: Tensor, rules: Rules, count: int) -> Candidates:
    """Log-softmax, then the best of all, plainly; logits (R, V)."""
    log_probs = logits.float().log_softmax(-1)
    rules.apply(log_probs)
    return Candidates(*log_probs.topk(count))


def best_candidates(logits: Tensor, rules: Rules, count: int) -> Candidates:
    """The same with as few passes over the logits, which it overwrites, as are needed.

    The best pieces are in the groups of the greatest maxima; the rest is not sorted. Only the best
    are normalised, by the logarithm of the sum of all exponentials.
    """
    R, V = logits.shape
    groups = V // GROUP
    if groups <= count or logits.device.type != "cpu":
        return reference_candidates(logits, rules, count)
    rows = max(1, CHUNK_BYTES // (4 * V))
    parts = [
        chunk_candidates(logits[begin : begin + rows], rules, count, begin)
        for begin in range(0, R, rows)
    ]
    return Candidates(*map(torch.cat, zip(*parts, strict=True)))


def chunk_candidates(logits: Tensor, rules: Rules, count: int, begin: int) -> Candidates:
    """Of rows whose logits fit into a core's cache, the first of them being row `begin`."""
    R, V = logits.shape
    logits = logits.float()
    greatest = logits.amax(-1, keepdim=True)
    total = (logits - greatest).exp_().sum(-1, keepdim=True).log_().add_(greatest)
    rules.apply(logits, begin)
    grouped = logits[:, : V - V % GROUP].view(R, -1, GROUP)
    best_groups = grouped.amax(-1).topk(count).indices  # (R, n)
    among = grouped.gather(1, best_groups[:, :, None].expand(-1, -1, GROUP)).flatten(1)
    offsets = torch.arange(GROUP, device=logits.device)
    pieces = (best_groups[:, :, None] * GROUP + offsets).flatten(1)
    if V % GROUP:
        rest = torch.arange(V - V % GROUP, V, device=logits.device)
        among = torch.cat([among, logits[:, V - V % GROUP :]], 1)
        pieces = torch.cat([pieces, rest.expand(R, -1)], 1)
    best, places = among.topk(count)
    return Candidates(best - total, pieces.gather(1, places))
