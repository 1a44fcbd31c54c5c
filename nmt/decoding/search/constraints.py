"""Constraints: what a user asks of an output, as rules that depend on the hypothesis so far.

A new constraint is a class with one method, `rule`, and a line in `constraints_of`. A constraint
must leave every hypothesis a token to go on with, and EOS to one of the greatest length.

Dimensions: B sentences, K hypotheses for each sentence, R = B * K rows, V tokens, t tokens so far.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

import numpy
from numpy.lib.stride_tricks import sliding_window_view

from nmt.config import DecodeSettings
from nmt.decoding.search.beginnings import Beginning
from nmt.decoding.search.rules import Allow
from nmt.decoding.translator.segments import Part, output_limit
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
    """Let each output begin as its part asks."""

    beginnings: Sequence[Beginning]  # of each sentence
    limits: Sequence[int]  # tokens of each output, EOS counted

    def rule(self, sentences: Sequence[int], prefixes: IdArray) -> Rule | None:
        """Allow only tokens that go on with the beginning, in rows that have not completed it."""
        allowed = self._allowed(sentences, prefixes)
        if not any(allowed):
            return None
        counts = [*map(len, allowed)]
        tokens = numpy.array([*chain.from_iterable(allowed)], numpy.int64)
        return Allow(numpy.arange(len(counts)).repeat(counts), tokens)

    def is_complete(self, sentences: Sequence[int], prefixes: IdArray) -> BoolArray:
        """Return which rows (R,) have completed their beginning."""
        return numpy.array([not each for each in self._allowed(sentences, prefixes)])

    def _allowed(self, sentences: Sequence[int], prefixes: IdArray) -> list[Sequence[int]]:
        """Return the tokens that may come in each of R rows; none: all."""
        K, t = prefixes.shape[1:]
        if t >= max(each.longest for each in self.beginnings):
            return [()] * (len(sentences) * K)
        return [
            self.beginnings[sentence].allowed(tokens, self.limits[sentence])
            for sentence, rows in zip(sentences, prefixes.tolist(), strict=True)
            for tokens in rows
        ]


@dataclass(frozen=True)
class NoRepeat:
    """Let no output have the same n tokens in a row twice; what a prefix repeats may stay."""

    size: int  # n
    prefix: Prefix | None

    def rule(self, sentences: Sequence[int], prefixes: IdArray) -> Rule | None:
        """Forbid each token that followed the last n - 1 tokens before."""
        B, K, t = prefixes.shape
        if t < self.size:
            return None
        flat = prefixes.reshape(B * K, t)
        grams = sliding_window_view(flat, self.size, axis=1)  # (R, t - n + 1, n)
        last = flat[:, t - self.size + 1 :]  # (R, n - 1)
        is_forbidden = (grams[:, :, :-1] == last[:, None]).all(-1)
        if self.prefix is not None:
            is_forbidden &= self.prefix.is_complete(sentences, prefixes)[:, None]
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
    prefix = None
    if any(part.prefix for part in parts):
        limits = [output_limit(len(part), settings) for part in parts]
        prefix = Prefix([part.prefix for part in parts], limits)
    if settings.no_repeat_ngram:
        constraints.append(NoRepeat(settings.no_repeat_ngram, prefix))
    if settings.min_length:
        constraints.append(MinLength(settings.min_length, eos))
    if prefix is not None:
        constraints.append(prefix)
    return constraints
