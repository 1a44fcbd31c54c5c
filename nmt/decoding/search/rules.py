"""Rules and constraints: which tokens may come next.

A rule is a small object with one method, `apply` (`nmt.kernels.rule.Rule`), for one step. A
constraint is what a user asks of an output; it makes rules that depend on the hypotheses so far. A
new constraint is a class with one method, `rule`, and a line in `make_constraints`. It must leave
every hypothesis a token to go on with, and EOS to one of the greatest length. Ids are in NumPy's
arrays, which can index arrays and tensors.

Dimensions: B sentences, K hypotheses for each sentence, R = B * K rows, V tokens, t tokens so far.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol, Union

import numpy
from numpy.lib.stride_tricks import sliding_window_view

from nmt.config import DecodeSettings
from nmt.decoding.search.prefix import TargetPrefix
from nmt.kernels.rule import BoolArray, IdArray, Logits, Rule
from nmt.text.subwords.tokenizer import BOS, EOS, PAD, UNK, Tokenizer

if TYPE_CHECKING:  # a search over arrays runs without PyTorch
    from torch import Tensor


@dataclass(frozen=True)
class SpecialIds:
    """Ids that the search treats specially."""

    bos: int
    eos: int
    never: tuple[int, ...] = ()  # ids that are never an output: padding, BOS, unknown


@dataclass(frozen=True)
class Never:
    """Forbid some tokens everywhere."""

    ids: Union[IdArray, "Tensor"]  # (n,)

    def apply(self, log_probs: Logits, first_row: int) -> None:
        """Set the log-probabilities (n, V) of the tokens to minus infinity."""
        log_probs[:, self.ids] = -math.inf


@dataclass(frozen=True)
class MustEnd:
    """Allow only EOS in some rows."""

    eos: int
    rows: BoolArray  # (R,)

    def apply(self, log_probs: Logits, first_row: int) -> None:
        """Set log_probs (n, V) to minus infinity, except EOS, in the rows that must end."""
        (rows,) = self.rows[first_row : first_row + len(log_probs)].nonzero()
        kept: Any = log_probs[rows, self.eos]
        log_probs[rows] = -math.inf
        log_probs[rows, self.eos] = kept


@dataclass(frozen=True)
class Allow:
    """Allow some tokens only, in some rows."""

    rows: IdArray  # (n,) of each token
    tokens: IdArray  # (n,)
    is_given: BoolArray  # (n,) whether it is no choice: its probability becomes 1

    def apply(self, log_probs: Logits, first_row: int) -> None:
        """Set log_probs (n, V) to minus infinity, except for the allowed tokens, in their rows."""
        rows = self.rows - first_row
        is_here = (rows >= 0) & (rows < len(log_probs))
        rows, tokens = rows[is_here], self.tokens[is_here]
        kept: Any = log_probs[rows, tokens]
        kept[self.is_given[is_here]] = 0
        log_probs[numpy.unique(rows)] = -math.inf
        log_probs[rows, tokens] = kept


def rules_for_step(never: Never, eos: int, must_end: Sequence[bool], beam: int) -> list[Rule]:
    """Return the rules of one step of a search.

    must_end: for each of B sentences, whether this step's token is the last that it may have, so
    that it must be EOS. beam: K.
    """
    rules: list[Rule] = [never]
    if any(must_end):
        rules.append(MustEnd(eos, numpy.array(must_end).repeat(beam)))
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


class Constraint(Protocol):
    """A limit of what an output may be."""

    def rule(self, sentences: Sequence[int], prefixes: IdArray) -> Rule | None:
        """Return the rule for the next token of hypotheses; None if every token may come.

        sentences: for each of B rows the index of its sentence in the source batch. prefixes:
        (B, K, t), the hypotheses' tokens without BOS.
        """
        ...


@dataclass(frozen=True)
class ForbidSome:
    """Forbid some tokens in each row, not the same in all."""

    tokens: IdArray  # (R, n)
    is_forbidden: BoolArray  # (R, n)

    def apply(self, log_probs: Logits, first_row: int) -> None:
        """Set the log-probabilities (n, V) of the forbidden tokens to minus infinity."""
        rows, columns = self.is_forbidden[first_row : first_row + len(log_probs)].nonzero()
        log_probs[rows, self.tokens[first_row + rows, columns]] = -math.inf


@dataclass(frozen=True)
class MinLength:
    """Let no output end before it has some tokens."""

    length: int
    eos: int
    prefix: "Prefix | None"

    def rule(self, sentences: Sequence[int], prefixes: IdArray) -> Rule | None:
        """Forbid EOS while there are too few tokens."""
        B, K, t = prefixes.shape
        if self.prefix is None:
            return Never(numpy.array([self.eos])) if t < self.length else None
        is_short = t < self.length + self.prefix.contexts[sentences]  # (B,)
        return ForbidSome(numpy.full((B * K, 1), self.eos), is_short.repeat(K)[:, None])


@dataclass(frozen=True)
class Prefix:
    """Let each output begin as it is asked to."""

    target_prefixes: Sequence[TargetPrefix]  # of each sentence
    limits: Sequence[int]  # tokens of each output, EOS counted

    @cached_property
    def contexts(self) -> IdArray:
        """Return how many tokens stand before the output of each sentence (B,)."""
        return numpy.array([target_prefix.context for target_prefix in self.target_prefixes])

    def rule(self, sentences: Sequence[int], prefixes: IdArray) -> Rule | None:
        """Allow only tokens that continue the target prefix, in rows that have not completed it."""
        allowed = self._allowed(sentences, prefixes)
        if not any(allowed):
            return None
        counts = [*map(len, allowed)]
        tokens = numpy.array([*chain.from_iterable(allowed)], numpy.int64)
        rows = numpy.arange(len(counts)).repeat(counts)
        is_context = prefixes.shape[2] < self.contexts[sentences]  # (B,)
        return Allow(rows, tokens, is_context[rows // prefixes.shape[1]])

    def is_complete(self, sentences: Sequence[int], prefixes: IdArray) -> BoolArray:
        """Return which rows (R,) have completed their target prefix."""
        return numpy.array([not tokens for tokens in self._allowed(sentences, prefixes)])

    def _allowed(self, sentences: Sequence[int], prefixes: IdArray) -> list[Sequence[int]]:
        """Return the tokens that may come in each of R rows; none: all."""
        K, t = prefixes.shape[1:]
        if t >= max(target_prefix.longest for target_prefix in self.target_prefixes):
            return [()] * (len(sentences) * K)
        return [
            self.target_prefixes[sentence].allowed(tokens, self.limits[sentence])
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
            firsts = self.prefix.contexts[sentences].repeat(K)  # what is before may be repeated
            is_forbidden &= numpy.arange(grams.shape[1]) >= firsts[:, None]
        return ForbidSome(grams[:, :, -1], is_forbidden)


def make_constraints(
    target_prefixes: Sequence[TargetPrefix],
    limits: Sequence[int],
    settings: DecodeSettings,
    eos: int,
) -> list[Constraint]:
    """Return the constraints of a batch; none if the settings and the sentences ask for none.

    target_prefixes: what each output must begin with. limits: tokens of each output, EOS counted.
    """
    constraints: list[Constraint] = []
    prefix = Prefix(target_prefixes, limits) if any(target_prefixes) else None
    if settings.no_repeat_ngram:
        constraints.append(NoRepeat(settings.no_repeat_ngram, prefix))
    if settings.min_length:
        constraints.append(MinLength(settings.min_length, eos, prefix))
    if prefix is not None:
        constraints.append(prefix)
    return constraints
