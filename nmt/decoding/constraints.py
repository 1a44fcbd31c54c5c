"""Constraints: what a user asks of an output, as rules that depend on the hypothesis so far.

A new constraint is a class with one method, `rule`, and a line in `constraints_of`. A constraint
must leave every hypothesis a token to go on with, and EOS to one of the greatest length.

Dimensions: B sentences, K hypotheses for each sentence, R = B * K rows, V tokens, t tokens so far.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from nmt.config import DecodeSettings
from nmt.decoding.segments import Part
from nmt.kernels.top_k import Rule


class Constraint(Protocol):
    """A limit of what an output may be."""

    def rule(self, sentences: Sequence[int], prefixes: Tensor) -> Rule | None:
        """Return the rule for the next token of hypotheses; None if every token may come.

        sentences: for each of B rows the index of its sentence in the source batch. prefixes:
        (B, K, t), the hypotheses' tokens without BOS.
        """
        ...


@dataclass(frozen=True)
class Forbid:
    """Forbid one token in all rows."""

    token: int

    def apply(self, log_probs: Tensor, first_row: int) -> None:
        """Set the log-probabilities (n, V) of the token to minus infinity."""
        log_probs[:, self.token] = -math.inf


@dataclass(frozen=True)
class ForbidSome:
    """Forbid some tokens, others in each row."""

    tokens: Tensor  # (R, n) ids
    is_forbidden: Tensor  # (R, n) bool

    def apply(self, log_probs: Tensor, first_row: int) -> None:
        """Set the log-probabilities (n, V) of the forbidden tokens to minus infinity."""
        rows = slice(first_row, first_row + len(log_probs))
        change = torch.zeros_like(log_probs[:, :1]).expand(self.tokens[rows].shape)
        change = change.masked_fill(self.is_forbidden[rows], -math.inf)
        log_probs.scatter_add_(1, self.tokens[rows], change)


@dataclass(frozen=True)
class Force:
    """Allow one token only, in some rows."""

    tokens: Tensor  # (R,) ids
    is_forced: Tensor  # (R,) bool

    def apply(self, log_probs: Tensor, first_row: int) -> None:
        """Set log_probs (n, V) to minus infinity, except for the forced token, in forced rows."""
        rows = slice(first_row, first_row + len(log_probs))
        tokens = self.tokens[rows, None]
        kept = log_probs.gather(1, tokens)
        log_probs.masked_fill_(self.is_forced[rows, None], -math.inf)
        log_probs.scatter_(1, tokens, kept)


@dataclass(frozen=True)
class MinLength:
    """Let no output end before it has some tokens."""

    length: int
    eos: int

    def rule(self, sentences: Sequence[int], prefixes: Tensor) -> Rule | None:
        """Forbid EOS while there are too few tokens."""
        return Forbid(self.eos) if prefixes.shape[2] < self.length else None


@dataclass(frozen=True)
class Prefix:
    """Let each output begin with given tokens."""

    tokens: Tensor  # (sentences, longest prefix) ids, padded
    lengths: Tensor  # (sentences,)

    @classmethod
    def of(cls, prefixes: Sequence[tuple[int, ...]], device: torch.device) -> "Prefix":
        """Return the constraint for the prefix of each sentence of the source batch."""
        tokens = torch.zeros(len(prefixes), max(map(len, prefixes)), dtype=torch.long)
        for row, prefix in enumerate(prefixes):
            tokens[row, : len(prefix)] = torch.tensor(prefix, dtype=torch.long)
        return cls(tokens.to(device), torch.tensor([*map(len, prefixes)], device=device))

    def rule(self, sentences: Sequence[int], prefixes: Tensor) -> Rule | None:
        """Allow only the next token of the prefix in sentences whose prefix goes on."""
        K, t = prefixes.shape[1:]
        if t >= self.tokens.shape[1]:
            return None
        rows = torch.tensor(sentences, device=prefixes.device).repeat_interleave(K)
        return Force(self.tokens[rows, t], self.lengths[rows] > t)


@dataclass(frozen=True)
class NoRepeat:
    """Let no output have the same n tokens in a row twice; what a prefix repeats may stay."""

    size: int  # n
    prefix_lengths: Tensor | None  # (sentences,): tokens that are forced

    def rule(self, sentences: Sequence[int], prefixes: Tensor) -> Rule | None:
        """Forbid each token that followed the last n - 1 tokens before."""
        K, t = prefixes.shape[1:]
        if t < self.size:
            return None
        grams = prefixes.flatten(0, 1).unfold(1, self.size, 1)  # (R, t - n + 1, n)
        last = prefixes.flatten(0, 1)[:, t - self.size + 1 :]  # (R, n - 1)
        is_forbidden = (grams[:, :, :-1] == last[:, None]).all(-1)
        if self.prefix_lengths is not None:
            is_free = self.prefix_lengths[torch.tensor(sentences, device=prefixes.device)] <= t
            is_forbidden &= is_free.repeat_interleave(K)[:, None]
        return ForbidSome(grams[:, :, -1], is_forbidden)


def constraint_rules(
    constraints: Sequence[Constraint], sentences: Sequence[int], prefixes: Tensor
) -> list[Rule]:
    """Return the rules of all constraints for one step; arguments are those of `rule`."""
    rules = (each.rule(sentences, prefixes) for each in constraints)
    return [rule for rule in rules if rule is not None]


def constraints_of(
    parts: Sequence[Part], settings: DecodeSettings, eos: int, device: torch.device
) -> list[Constraint]:
    """Return the constraints of a batch; none if the settings and the parts ask for none."""
    constraints: list[Constraint] = []
    prefixes = [part.prefix for part in parts]
    prefix = Prefix.of(prefixes, device) if any(prefixes) else None
    if settings.no_repeat_ngram:
        lengths = None if prefix is None else prefix.lengths
        constraints.append(NoRepeat(settings.no_repeat_ngram, lengths))
    if settings.min_length:
        constraints.append(MinLength(settings.min_length, eos))
    if prefix is not None:
        constraints.append(prefix)
    return constraints
