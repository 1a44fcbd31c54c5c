"""Rules: which tokens may come next.

A rule is a small object with one method, `apply` (`nmt.kernels.rule.Rule`). The rules here
hold for every search; those that a user asks for are in `constraints`. Rules keep ids in NumPy's
arrays, which can index log-probabilities in arrays and in tensors.

Dimensions: B sentences, K hypotheses for each sentence, R = B * K rows, V tokens.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from nmt.kernels.rule import BoolArray, IdArray, Logits, Rule
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

    ids: IdArray  # (n,)

    @classmethod
    def of(cls, ids: SpecialIds) -> "Never":
        """Return the rule of a search."""
        return cls(numpy.array(ids.never, numpy.int64))

    def apply(self, log_probs: Logits, first_row: int) -> None:
        """Set the log-probabilities (n, V) of the tokens to minus infinity."""
        log_probs[:, self.ids] = -math.inf


@dataclass(frozen=True)
class Force:
    """Allow one token only, in some rows."""

    tokens: IdArray  # (R,)
    is_forced: BoolArray  # (R,)

    def apply(self, log_probs: Logits, first_row: int) -> None:
        """Set log_probs (n, V) to minus infinity, except for the forced token, in forced rows."""
        (rows,) = self.is_forced[first_row : first_row + len(log_probs)].nonzero()
        tokens = self.tokens[first_row + rows]
        kept: Any = log_probs[rows, tokens]
        log_probs[rows] = -math.inf
        log_probs[rows, tokens] = kept


@dataclass(frozen=True)
class Allow:
    """Allow some tokens only, in some rows."""

    rows: IdArray  # (n,) of each token
    tokens: IdArray  # (n,)

    def apply(self, log_probs: Logits, first_row: int) -> None:
        """Set log_probs (n, V) to minus infinity, except for the allowed tokens, in their rows."""
        rows = self.rows - first_row
        is_here = (rows >= 0) & (rows < len(log_probs))
        rows, tokens = rows[is_here], self.tokens[is_here]
        kept: Any = log_probs[rows, tokens]
        log_probs[numpy.unique(rows)] = -math.inf
        log_probs[rows, tokens] = kept


def rules_for_step(never: Never, eos: int, must_end: Sequence[bool], beam: int) -> list[Rule]:
    """Return the rules of one step of a search.

    must_end: for each of B sentences, whether this step's token is the last that it may have, so
    that it must be EOS. beam: K.
    """
    rules: list[Rule] = [never]
    if any(must_end):
        is_forced = numpy.array(must_end).repeat(beam)
        rules.append(Force(numpy.full(len(is_forced), eos), is_forced))
    return rules


def special_ids(tokenizer: Tokenizer) -> SpecialIds:
    """Return the ids that the search treats specially.

    With two vocabularies, V is the size of the larger one. If that is the source's, the ids beyond
    the target's have no meaning and are never an output. Nor are bytes that would end a line, and
    tags of sources.
    """
    target = tokenizer.target
    meaningless = range(len(target), len(tokenizer))
    return SpecialIds(
        BOS,
        EOS,
        never=(PAD, UNK, BOS, *target.tag_ids(), *target.control_ids(), *meaningless),
    )
