"""The most probable next tokens of each row.

Reference: log-softmax, the rules, then a top-k of the whole vocabulary. Fast form: the top-k is
taken from a few groups of tokens, those with the greatest maxima. It applies on a CPU, if there are
more groups than wanted tokens.

Dimensions: R rows (hypotheses), V tokens, n wanted tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from nmt.kernels.rule import Rule

GROUP = 64  # tokens whose greatest log-probability is taken first
# Bytes of logits in one block of rows: in larger blocks, fresh memory costs more than the work.
BLOCK_BYTES = 1 << 22


@dataclass(frozen=True)
class TopTokens:
    """The most probable tokens of each row, best first."""

    log_probs: Tensor  # (R, n) float32
    ids: Tensor  # (R, n)


def reference_top_tokens(logits: Tensor, rules: Sequence[Rule], count: int) -> TopTokens:
    """Return the `count` most probable tokens that the rules allow; logits (R, V)."""
    log_probs = logits.float().log_softmax(-1)
    for rule in rules:
        rule.apply(log_probs, 0)
    return TopTokens(*log_probs.topk(count))


@torch.inference_mode()
def top_tokens(logits: Tensor, rules: Sequence[Rule], count: int) -> TopTokens:
    """Return what `reference_top_tokens` returns, in the fast form if it applies.

    Tokens of equal probability may come in another order.
    """
    R, V = logits.shape
    if count >= V // GROUP or logits.device.type != "cpu":
        return reference_top_tokens(logits, rules, count)
    rows = max(1, BLOCK_BYTES // (4 * V))
    blocks = [
        grouped_top_tokens(logits[first : first + rows], rules, count, first)
        for first in range(0, R, rows)
    ]
    if len(blocks) == 1:
        return blocks[0]
    return TopTokens(
        torch.cat([block.log_probs for block in blocks]), torch.cat([block.ids for block in blocks])
    )


def grouped_top_tokens(
    logits: Tensor, rules: Sequence[Rule], count: int, first_row: int
) -> TopTokens:
    """Return the most probable tokens of a block of rows that fits into a core's cache.

    The `count` best tokens are in the `count` groups with the greatest maxima.
    """
    R, V = logits.shape
    log_probs = logits.log_softmax(-1, dtype=torch.float32)
    for rule in rules:
        rule.apply(log_probs, first_row)
    groups, rest = divmod(V, GROUP)
    if rest:  # fill up the last group
        groups += 1
        log_probs = pad(log_probs, (0, GROUP - rest), value=-torch.inf)
    grouped = log_probs.view(R, groups, GROUP)
    best_groups = grouped.amax(-1).topk(count, sorted=False).indices  # (R, n)
    flat = best_groups + torch.arange(0, R * groups, groups, device=logits.device)[:, None]
    in_best = grouped.view(-1, GROUP).index_select(0, flat.flatten()).view(R, -1)  # (R, n * GROUP)
    best, positions = in_best.topk(count)
    group = best_groups.gather(1, torch.div(positions, GROUP, rounding_mode="floor"))
    # Where rules leave few tokens, padding of the last group may be among the best, at -inf, too.
    return TopTokens(best, (group * GROUP + positions % GROUP).clamp_(max=V - 1))
