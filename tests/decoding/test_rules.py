"""Rules forbid tokens, in arrays and tensors; a constrained search finds the best allowed outputs.

The fake model and the exhaustive search are those of the tests of beam search.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy
import pytest
import torch

from nmt.config import DecodeSettings
from nmt.decoding.search.device_beam import DeviceMustEnd
from nmt.decoding.search.prefix import PrefixEncoder, TargetPrefix
from nmt.decoding.search.rules import (
    Allow,
    Constraint,
    ForbidSome,
    Never,
    make_constraints,
    rules_for_step,
)
from nmt.decoding.translator.segments import output_limit
from nmt.kernels.rule import FloatArray, Logits, Rule
from nmt.text.subwords.tokenizer import SPACE, SubwordModel
from tests.decoding.test_beam import BOS, EOS, IDS, Table, beam_search, exhaustive, same

Kind: TypeAlias = Callable[[FloatArray], Logits]
NEVER = Never(numpy.array([0, 2]))


both_kinds = pytest.mark.parametrize("kind", [numpy.array, torch.from_numpy])


@both_kinds
@pytest.mark.parametrize(
    "rules",
    [
        rules_for_step(NEVER, 3, [False, True], 2),
        [Never(torch.tensor([0, 2])), DeviceMustEnd(3, torch.arange(4) >= 2)],
    ],
)
@pytest.mark.parametrize("first", [0, 1, 2])
def test_only_sentences_at_their_greatest_length_must_end(
    first: int, rules: list[Rule], kind: Kind
) -> None:
    """A block of two rows begins with a first one; other numbers stay as they are."""
    expected = numpy.arange(20, dtype=numpy.float32).reshape(4, 5)
    log_probs = kind(expected[first : first + 2].copy())
    expected[:, [0, 2]] = expected[2:, [1, 4]] = -math.inf
    for rule in rules:
        rule.apply(log_probs, first)
    assert log_probs.tolist() == expected[first : first + 2].tolist()
    assert rules_for_step(NEVER, 3, [False, False], 2) == [NEVER]


LENGTHS = [5, 4, 5]
DEFAULTS = DecodeSettings()


FREE: tuple[tuple[int, ...], ...] = ((), (), ())


def constraints(
    settings: DecodeSettings = DEFAULTS,
    prefixes: tuple[tuple[int, ...], ...] = FREE,
    begin: Callable[[tuple[int, ...]], TargetPrefix] = TargetPrefix.of_tokens,
    contexts: tuple[tuple[int, ...], ...] = FREE,
) -> list[Constraint]:
    limits = [output_limit(1, settings)] * len(prefixes)
    begins = [begin(own).after(context) for own, context in zip(prefixes, contexts, strict=True)]
    return make_constraints(begins, limits, settings, EOS)


class After(Table):
    """The fake model in the middle of an output."""

    def __init__(self, seed: int, contexts: tuple[tuple[int, ...], ...]) -> None:
        super().__init__(seed)
        self.contexts = contexts

    def logits(self, sentence: int, prefix: tuple[int, ...]) -> list[float]:
        return super().logits(sentence, (BOS, *self.contexts[sentence], *prefix[1:]))


def check(
    given: list[Constraint],
    is_allowed: Callable[[int, tuple[int, ...]], bool],
    lengths: list[int] = LENGTHS,
    contexts: tuple[tuple[int, ...], ...] = FREE,
) -> None:
    """Compare a search of full width with the outputs of exhaustive search that are allowed."""
    source = torch.arange(len(lengths))[:, None]
    settings: dict[str, Any] = {"beam_size": 108, "alpha": 0.6, "n_best": 5}
    settings["contexts"] = contexts
    for seed in (0, 1):
        found = beam_search(Table(seed), source, lengths, IDS, constraints=given, **settings)
        for sentence, length in enumerate(lengths):
            every = exhaustive(After(seed, contexts), sentence, length, 0.6)
            expected = [hypothesis for hypothesis in every if is_allowed(sentence, hypothesis.ids)][
                :5
            ]
            assert same(found[sentence][: len(expected)], expected)
            assert all(is_allowed(sentence, hypothesis.ids) for hypothesis in found[sentence])


def has_repeat(ids: tuple[int, ...], size: int, first: int = 0) -> bool:
    """Return whether a run of tokens that ends after the `first` tokens occurred before."""
    runs = [ids[end - size : end] for end in range(size, len(ids) + 1)]
    return any(run in runs[:index] for index, run in enumerate(runs) if index + size > first)


@pytest.mark.parametrize("size", [1, 2])
def test_no_repeat(size: int) -> None:
    check(
        constraints(DecodeSettings(no_repeat_ngram=size)),
        lambda _, ids: not has_repeat(ids, size),
    )


def test_a_prefix_may_repeat_itself_and_what_follows_may_not() -> None:
    prefixes = ((2, 2), (2,), ())
    check(
        constraints(DecodeSettings(no_repeat_ngram=1, min_length=3), prefixes),
        lambda sentence, ids: (
            len(ids) >= 3
            and ids[: len(prefixes[sentence])] == prefixes[sentence]
            and not has_repeat(ids, 1, first=len(prefixes[sentence]))
        ),
    )


def test_a_context_is_no_part_of_the_output() -> None:
    """Scores, limits, repeats and prefixes are those of what follows it; it may have any token."""
    prefixes, contexts = ((2,), (), (3,)), ((2, 3, BOS), (3,), (2, 2))
    check(
        constraints(DecodeSettings(no_repeat_ngram=1, min_length=2), prefixes, contexts=contexts),
        lambda sentence, ids: (
            len(ids) >= 2
            and ids[: len(prefixes[sentence])] == prefixes[sentence]
            and not has_repeat(ids, 1)
        ),
        contexts=contexts,
    )


class Pieces(SubwordModel):
    texts = ("<s>", "</s>", f"{SPACE}a", "b", f"{SPACE}ab")

    def __init__(self) -> None:
        """Load no file."""

    def __len__(self) -> int:
        return len(self.texts)

    def piece(self, piece_id: int) -> str:
        return self.texts[piece_id]


texts = PrefixEncoder(Pieces(), never=[BOS], eos=EOS)


@pytest.mark.parametrize("repeat", [0, 1])
def test_the_last_word_of_a_prefix_may_go_on_in_a_longer_token(repeat: int) -> None:
    """`ab` also begins two tokens; the tokens of the words before it are given."""
    begins = ([(2, 2, 3), (2, 4)], [()], [(2,), (4,)])
    check(
        constraints(
            DecodeSettings(no_repeat_ngram=repeat), ((2, 2, 3), (), (2,)), texts.with_open_word
        ),
        lambda sentence, ids: any(
            ids[: len(prefix)] == prefix
            and not (repeat and has_repeat(ids, repeat, first=len(prefix)))
            for prefix in begins[sentence]
        ),
    )


def test_a_word_that_a_space_ends_does_not_go_on() -> None:
    prefixes = ((2, 3), (4,), (2,))
    check(
        constraints(prefixes=prefixes, begin=texts.with_whole_word),
        lambda sentence, ids: (
            ids[: len(prefixes[sentence])] == prefixes[sentence]
            and ids[len(prefixes[sentence]) :][:1] != (3,)
        ),
    )


def begins_with(begins: Sequence[tuple[int, ...]], _: int, ids: tuple[int, ...]) -> bool:
    return any(ids[: len(prefix)] == prefix for prefix in begins)


def test_the_last_word_of_a_prefix_has_room() -> None:
    """Before the end of an output, there may be no room for the two tokens."""
    for room, begins in ((1, [(4,)]), (2, [(4,), (2, 3)])):
        check(
            constraints(DecodeSettings(max_length=room), ((2, 3),) * 3, texts.with_open_word),
            partial(begins_with, begins),
            [room + 1] * 3,
        )


def test_without_a_wish_there_is_no_constraint() -> None:
    assert constraints() == []
    assert constraints(DecodeSettings(max_length=3)) == []  # a limit, not a constraint


def test_output_limits() -> None:
    """EOS counts: 7 source tokens allow 7 + 50 with it, a greatest length of 5 allows 6."""
    assert output_limit(7, DecodeSettings()) == 57
    assert output_limit(7, DecodeSettings(max_length=5)) == 6
    assert output_limit(7, DecodeSettings(max_length=500)) == 57
    assert output_limit(7, DecodeSettings(min_length=80)) == 81


@both_kinds
def test_rules_see_the_rows_of_their_block(kind: Kind) -> None:
    """The block of two rows begins with row 1."""
    log_probs = kind(numpy.arange(6, dtype=numpy.float32).reshape(2, 3))
    log_probs[0, ::2] = -math.inf
    allowed = numpy.array([0, 2, 2, 3]), numpy.array([0, 0, 2, 1])
    Allow(*allowed, numpy.zeros(4, bool)).apply(log_probs, 1)
    assert log_probs.tolist() == [[-math.inf, 1.0, -math.inf], [3.0, -math.inf, 5.0]]
    log_probs[1, 1] = 4.0
    tokens = numpy.array([[0, 0], [0, 0], [2, 2]])
    is_forbidden = numpy.array([[True, True], [False, False], [True, True]])
    ForbidSome(tokens, is_forbidden).apply(log_probs, 1)
    assert log_probs.tolist() == [[-math.inf, 1.0, -math.inf], [3.0, 4.0, -math.inf]]
