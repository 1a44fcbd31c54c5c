"""A constrained search finds the best of the outputs that the constraints allow.

The fake model and the exhaustive search are those of the tests of beam search.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy
import pytest
import torch

from nmt.config import DecodeSettings
from nmt.decoding.search.prefix import PrefixEncoder, TargetPrefix
from nmt.decoding.search.rules import Allow, Constraint, ForbidSome, Force, make_constraints
from nmt.decoding.translator.segments import output_limit
from nmt.text.tokenizer import SPACE, SubwordModel
from tests.decoding.test_beam import BOS, EOS, IDS, Table, beam_search, exhaustive, same
from tests.decoding.test_rules import Kind, both_kinds

LENGTHS = [5, 4, 5]
DEFAULTS = DecodeSettings()
FREE: tuple[tuple[int, ...], ...] = ((), (), ())


def constraints(
    settings: DecodeSettings = DEFAULTS,
    prefixes: tuple[tuple[int, ...], ...] = FREE,
    begin: Callable[[tuple[int, ...]], TargetPrefix] = TargetPrefix.of_tokens,
) -> list[Constraint]:
    limits = [output_limit(1, settings)] * len(prefixes)
    return make_constraints([*map(begin, prefixes)], limits, settings, EOS)


def check(
    given: list[Constraint],
    is_allowed: Callable[[int, tuple[int, ...]], bool],
    seed: int,
    lengths: list[int] = LENGTHS,
) -> None:
    """Compare a search of full width with the outputs of exhaustive search that are allowed."""
    model = Table(seed)
    found = beam_search(
        model,
        torch.arange(len(lengths))[:, None],
        lengths,
        IDS,
        beam_size=108,
        alpha=0.6,
        n_best=5,
        constraints=given,
    )
    for sentence, length in enumerate(lengths):
        every = exhaustive(model, sentence, length, 0.6)
        expected = [each for each in every if is_allowed(sentence, each.ids)][:5]
        assert same(found[sentence][: len(expected)], expected)
        assert all(is_allowed(sentence, each.ids) for each in found[sentence])


@pytest.mark.parametrize("seed", range(3))
def test_min_length(seed: int) -> None:
    check(constraints(DecodeSettings(min_length=3)), lambda _, ids: len(ids) >= 3, seed)


@pytest.mark.parametrize("seed", range(3))
def test_prefixes_of_different_lengths(seed: int) -> None:
    prefixes = ((2, 4), (), (3,))
    check(
        constraints(prefixes=prefixes),
        lambda sentence, ids: ids[: len(prefixes[sentence])] == prefixes[sentence],
        seed,
    )


def has_repeat(ids: tuple[int, ...], size: int, first: int = 0) -> bool:
    """Return whether a run of tokens that ends after the `first` tokens occurred before."""
    runs = [ids[end - size : end] for end in range(size, len(ids) + 1)]
    return any(run in runs[:index] for index, run in enumerate(runs) if index + size > first)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", [1, 2])
def test_no_repeat(seed: int, size: int) -> None:
    check(
        constraints(DecodeSettings(no_repeat_ngram=size)),
        lambda _, ids: not has_repeat(ids, size),
        seed,
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
        0,
    )


class Pieces(SubwordModel):
    """The pieces of the fake model's tokens."""

    texts = ("<s>", "</s>", f"{SPACE}a", "b", f"{SPACE}ab")

    def __init__(self) -> None:
        """Load no file."""

    def __len__(self) -> int:
        return len(self.texts)

    def piece(self, piece_id: int) -> str:
        return self.texts[piece_id]


texts = PrefixEncoder(Pieces(), never=[BOS], eos=EOS)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("repeat", [0, 1])
def test_the_last_word_of_a_prefix_may_go_on_in_a_longer_token(seed: int, repeat: int) -> None:
    """`ab` also begins two tokens; the tokens of the words before it are given."""
    begins = ([(2, 2, 3), (2, 4)], [()], [(2,), (4,)])
    check(
        constraints(
            DecodeSettings(no_repeat_ngram=repeat), ((2, 2, 3), (), (2,)), texts.with_open_word
        ),
        lambda sentence, ids: any(
            ids[: len(each)] == each and not (repeat and has_repeat(ids, repeat, first=len(each)))
            for each in begins[sentence]
        ),
        seed,
    )


@pytest.mark.parametrize("seed", range(3))
def test_a_word_that_a_space_ends_does_not_go_on(seed: int) -> None:
    prefixes = ((2, 3), (4,), (2,))
    check(
        constraints(prefixes=prefixes, begin=texts.with_whole_word),
        lambda sentence, ids: (
            ids[: len(prefixes[sentence])] == prefixes[sentence]
            and ids[len(prefixes[sentence]) :][:1] != (3,)
        ),
        seed,
    )


def begins_with(begins: Sequence[tuple[int, ...]], _: int, ids: tuple[int, ...]) -> bool:
    return any(ids[: len(each)] == each for each in begins)


def test_the_last_word_of_a_prefix_has_room() -> None:
    """Before the end of an output, there may be no room for the two tokens."""
    for room, begins in ((1, [(4,)]), (2, [(4,), (2, 3)])):
        check(
            constraints(DecodeSettings(max_length=room), ((2, 3),) * 3, texts.with_open_word),
            partial(begins_with, begins),
            0,
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
    Force(numpy.array([0, 1, 2]), numpy.array([True, True, False])).apply(log_probs, 1)
    assert log_probs.tolist() == [[-math.inf, 1.0, -math.inf], [3.0, 4.0, 5.0]]
    allowed = numpy.array([0, 2, 2, 3]), numpy.array([0, 0, 2, 1])
    Allow(*allowed).apply(log_probs, 1)
    assert log_probs.tolist() == [[-math.inf, 1.0, -math.inf], [3.0, -math.inf, 5.0]]
    log_probs[1, 1] = 4.0
    tokens = numpy.array([[0, 0], [0, 0], [2, 2]])
    is_forbidden = numpy.array([[True, True], [False, False], [True, True]])
    ForbidSome(tokens, is_forbidden).apply(log_probs, 1)
    assert log_probs.tolist() == [[-math.inf, 1.0, -math.inf], [3.0, 4.0, -math.inf]]
