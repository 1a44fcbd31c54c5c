"""Constraints: what a user asks of an output, as rules that depend on the hypothesis so far.

A new constraint is a class with one method, `rule`, and a line in `constraints_of`. A constraint
must leave every hypothesis a token to go on with, and EOS to one of the greatest length.

Dimensions: B sentences, K hypotheses for each sentence, R = B * K rows, V tokens, t tokens so far.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy
from numpy.lib.stride_tricks import sliding_window_view

from nmt.config import DecodeSettings
from nmt.decoding.rules import Force
from nmt.decoding.segments import Part
from nmt.kernels.rule import BoolArray, IdArray, Logits, Rule


class Constraint(Protocol):
    """A limit of what an output may be."""

    def rule(self, sentences: Sequence[int], prefixes: IdArray) -> Rule | None:
        """Return the rule for the next token of hypotheses; None if every token may come.

        sentences: for each of B rows the index of its sentence in the source batch. prefixes:
        (B, K, t), the hypotheses' tokens without BOS.
        """
        ...


@dataclass(frozen=True)
class Forbid:
    """Forbid one token in all rows."""

    token: int

    def apply(self, log_probs: Logits, first_row: int) -> None:
        """Set the log-probabilities (n, V) of the token to minus infinity."""
        log_probs[:, self.token] = -math.inf


@dataclass(frozen=True)
class ForbidSome:
    """Forbid some tokens in each row, not the same in all."""

    tokens: IdArray  # (R, n)
    is_forbidden: BoolArray  # (R, n)

    def apply(self, log_probs: Logits, first_row: int) -> None:
        """Set the log-probabilities (n, V) of the forbidden tokens to minus infinity."""
        rows, places = self.is_forbidden[first_row : first_row + len(log_probs)].nonzero()
        log_probs[rows, self.tokens[first_row + rows, places]] = -math.inf


@dataclass(frozen=True)
class MinLength:
    """Let no output end before it has some tokens."""

    length: int
    eos: int

    def rule(self, sentences: Sequence[int], prefixes: IdArray) -> Rule | None:
        """Forbid EOS while there are too few tokens."""
        return Forbid(self.eos) if prefixes.shape[2] < self.length else None


@dataclass(frozen=True)
class Prefix:
    """Let each output begin with given tokens."""

    tokens: IdArray  # (sentences, longest prefix), padded
    lengths: IdArray  # (sentences,)

    @classmethod
    def of(cls, prefixes: Sequence[tuple[int, ...]]) -> "Prefix":
        """Return the constraint for the prefix of each sentence of the source batch."""
        tokens = numpy.zeros((len(prefixes), max(map(len, prefixes))), numpy.int64)
        for row, prefix in enumerate(prefixes):
            tokens[row, : len(prefix)] = prefix
        return cls(tokens, numpy.array([*map(len, prefixes)]))

    def rule(self, sentences: Sequence[int], prefixes: IdArray) -> Rule | None:
        """Allow only the next token of the prefix in sentences whose prefix goes on."""
        K, t = prefixes.shape[1:]
        if t >= self.tokens.shape[1]:
            return None
        rows = numpy.repeat(sentences, K)
        return Force(self.tokens[rows, t], self.lengths[rows] > t)


@dataclass(frozen=True)
class NoRepeat:
    """Let no output have the same n tokens in a row twice; what a prefix repeats may stay."""

    size: int  # n
    prefix_lengths: IdArray | None  # (sentences,): tokens that are forced

    def rule(self, sentences: Sequence[int], prefixes: IdArray) -> Rule | None:
        """Forbid each token that followed the last n - 1 tokens before."""
        B, K, t = prefixes.shape
        if t < self.size:
            return None
        flat = prefixes.reshape(B * K, t)
        grams = sliding_window_view(flat, self.size, axis=1)  # (R, t - n + 1, n)
        last = flat[:, t - self.size + 1 :]  # (R, n - 1)
        is_forbidden = (grams[:, :, :-1] == last[:, None]).all(-1)
        if self.prefix_lengths is not None:
            is_free = self.prefix_lengths[numpy.repeat(sentences, K)] <= t
            is_forbidden &= is_free[:, None]
        return ForbidSome(grams[:, :, -1], is_forbidden)


def constraint_rules(
    constraints: Sequence[Constraint], sentences: Sequence[int], prefixes: IdArray
) -> list[Rule]:
    """Return the rules of all constraints for one step; arguments are those of `rule`."""
    rules = (each.rule(sentences, prefixes) for each in constraints)
    return [rule for rule in rules if rule is not None]


def constraints_of(parts: Sequence[Part], settings: DecodeSettings, eos: int) -> list[Constraint]:
    """Return the constraints of a batch; none if the settings and the parts ask for none."""
    constraints: list[Constraint] = []
    prefixes = [part.prefix for part in parts]
    prefix = Prefix.of(prefixes) if any(prefixes) else None
    if settings.no_repeat_ngram:
        lengths = None if prefix is None else prefix.lengths
        constraints.append(NoRepeat(settings.no_repeat_ngram, lengths))
    if settings.min_length:
        constraints.append(MinLength(settings.min_length, eos))
    if prefix is not None:
        constraints.append(prefix)
    return constraints
