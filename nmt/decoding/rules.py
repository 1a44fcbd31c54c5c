"""Rules: which tokens may come next.

A rule is a small object with one method, `apply` (`nmt.kernels.top_k.Rule`). A new constraint is a
class here and a line in `rules_for_step`.

Dimensions: B sentences, K hypotheses for each sentence, R = B * K rows, V tokens.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nmt.kernels.top_k import Rule


@dataclass(frozen=True)
class SpecialIds:
    """Ids that the search treats specially."""

    bos: int
    eos: int
    never: tuple[int, ...] = ()  # ids that are never an output: padding, BOS, unknown


@dataclass(frozen=True)
class Never:
    """Forbid some tokens everywhere."""

    ids: tuple[int, ...]

    def apply(self, log_probs: Tensor, first_row: int) -> None:
        """Set the log-probabilities (n, V) of the tokens to minus infinity."""
        log_probs[:, list(self.ids)] = -math.inf


@dataclass(frozen=True)
class MustEnd:
    """Forbid every token but EOS in some rows."""

    eos: int
    rows: Tensor  # (R,) bool

    def apply(self, log_probs: Tensor, first_row: int) -> None:
        """Set log_probs (n, V) to minus infinity, except EOS, in the rows that must end."""
        eos = log_probs[:, self.eos].clone()
        must_end = self.rows[first_row : first_row + len(log_probs), None]
        log_probs.masked_fill_(must_end, -math.inf)
        log_probs[:, self.eos] = eos


def rules_for_step(
    ids: SpecialIds, at_max_length: Sequence[bool], beam: int, device: torch.device
) -> list[Rule]:
    """Return the rules of one step of a search.

    at_max_length: for each of B sentences, whether this step's token is the last that is allowed;
    it must be EOS. beam: K.
    """
    rules: list[Rule] = [Never(ids.never)]
    if any(at_max_length):
        rows = torch.tensor(at_max_length, device=device).repeat_interleave(beam)
        rules.append(MustEnd(ids.eos, rows))
    return rules
