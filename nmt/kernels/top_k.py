"""What may come next, and how likely: the best pieces of each hypothesis.

Dimensions: B sentences, K hypotheses a sentence, R = B * K rows, V pieces.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

GROUP = 64  # pieces whose greatest logit is taken first
CHUNK_BYTES = 1 << 22  # of logits worked on at once: beyond, fresh memory costs more than the work


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
    """The same without sorting the whole vocabulary.

    The best pieces are in the groups of the greatest maxima.
    """
    R, V = logits.shape
    if count >= V // GROUP or logits.device.type != "cpu":
        return reference_candidates(logits, rules, count)
    rows = max(1, CHUNK_BYTES // (4 * V))
    parts = [
        chunk_candidates(logits[begin : begin + rows], rules, count, begin)
        for begin in range(0, R, rows)
    ]
    if len(parts) == 1:
        return parts[0]
    return Candidates(*map(torch.cat, zip(*parts, strict=True)))


def chunk_candidates(logits: Tensor, rules: Rules, count: int, begin: int) -> Candidates:
    """Of rows whose logits fit into a core's cache, the first of them being row `begin`."""
    R, V = logits.shape
    log_probs = logits.log_softmax(-1, dtype=torch.float32)
    rules.apply(log_probs, begin)
    groups, rest = divmod(V, GROUP)
    if rest:  # a last group of pieces that do not exist
        groups += 1
        log_probs = pad(log_probs, (0, GROUP - rest), value=-math.inf)
    grouped = log_probs.view(R, groups, GROUP)
    best_groups = grouped.amax(-1).topk(count, sorted=False).indices  # (R, n)
    flat = best_groups + torch.arange(0, R * groups, groups, device=logits.device)[:, None]
    among = grouped.view(-1, GROUP).index_select(0, flat.flatten()).view(R, -1)
    best, places = among.topk(count)
    in_group = torch.div(places, GROUP, rounding_mode="floor")
    return Candidates(best, best_groups.gather(1, in_group) * GROUP + places % GROUP)
