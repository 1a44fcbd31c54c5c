"""Rules: which tokens may come next.

A rule is a small object with one method, `apply` (`nmt.kernels.top_k.Rule`). The rules here
hold for every search; those that a user asks for are in `constraints`.

Dimensions: B sentences, K hypotheses for each sentence, R = B * K rows, V tokens.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nmt.kernels.top_k import Rule
from nmt.text.tokenizer import BOS, EOS, PAD, UNK, Tokenizer


@dataclass(frozen=True)
class SpecialIds:
    """Ids that the search treats specially."""

    bos: int
    eos: int
    never: tuple[int, ...] = ()  # ids that are never an output: padding, BOS, unknown


@dataclass(frozen=True)
class Never:
    """Forbid some tokens everywhere."""

    ids: Tensor  # (n,), on the device of the log-probabilities

    @classmethod
    def of(cls, ids: SpecialIds, device: torch.device) -> "Never":
        """Return the rule of a search; made once, because a GPU waits for numbers from Python."""
        return cls(torch.tensor(ids.never, dtype=torch.long, device=device))

    def apply(self, log_probs: Tensor, first_row: int) -> None:
        """Set the log-probabilities (n, V) of the tokens to minus infinity."""
        log_probs.index_fill_(1, self.ids, -math.inf)


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


def rules_for_step(never: Never, eos: int, must_end: Tensor | None, beam: int) -> list[Rule]:
    """Return the rules of one step of a search.

    must_end: (B,) bool, whether this step's token is the last that a sentence may have, so that it
    must be EOS; None if this is so for none of them. beam: K.
    """
    rules: list[Rule] = [never]
    if must_end is not None:
        rules.append(MustEnd(eos, must_end[:, None].expand(-1, beam).flatten()))
    return rules


def special_ids(tokenizer: Tokenizer) -> SpecialIds:
    """Return the ids that the search treats specially.

    With two vocabularies, V is the size of the larger one. If that is the source's, the ids beyond
    the target's have no meaning and are never an output. Nor are bytes that would end a line.
    """
    meaningless = range(len(tokenizer.target), len(tokenizer))
    return SpecialIds(
        BOS, EOS, never=(PAD, UNK, BOS, *tokenizer.target.control_ids(), *meaningless)
    )
