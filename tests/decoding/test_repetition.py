"""Outputs that repeat themselves or are far too long are found."""

from collections.abc import Sequence
from typing import Any

import pytest

from nmt.config import DecodeSettings
from nmt.decoding.search.hypothesis import Hypothesis
from nmt.decoding.translator.repetition import (
    is_degenerate,
    limited,
    longest_loop,
    most_repeats,
    piece_loop,
    word_loop,
)
from nmt.decoding.translator.searcher import Found, Searcher
from nmt.decoding.translator.segments import SubSegment
from nmt.system.pools import Pool


@pytest.mark.parametrize(
    ("ids", "times"),
    [
        ([], 1),
        ([5], 1),
        ([5, 6, 7], 1),
        ([5, 5, 5], 3),
        ([5, 6, 5, 6, 5], 2),
        ([1, 5, 6, 7, 5, 6, 7, 5, 6, 7, 2], 3),
        ([1, 2, 3, 4] * 5, 5),
        ([1, 2, 3, 4, 5] * 5, 1),  # a unit of five tokens
        ([5, 6, 5, 7, 5, 8, 5], 1),
    ],
)
def test_repeats_are_counted(ids: list[int], times: int) -> None:
    assert most_repeats(ids) == times


def test_what_runs_away() -> None:
    source = [*range(10, 20)]
    assert not is_degenerate(source, [*range(100, 130)])  # 30 = 2.5 * 10 + 5
    assert is_degenerate(source, [*range(100, 131)])
    assert not is_degenerate(source, [7, 8, 9, 9, 9])
    assert is_degenerate(source, [7, 8, 9, 9, 9, 9])
    assert is_degenerate(source, [7, 8, 9, 8, 9, 8, 9, 8, 9])
    # The source repeats itself too.
    assert not is_degenerate([3, 3, 3], [9, 9, 9, 9, 9])
    assert is_degenerate([3, 3, 3], [9, 9, 9, 9, 9, 9])


def test_limits_of_the_second_search() -> None:
    assert limited(DecodeSettings(max_extra_tokens=50)) == DecodeSettings(
        max_extra_tokens=5, no_repeat_ngram=2
    )
    given = DecodeSettings(max_extra_tokens=3, no_repeat_ngram=4)
    assert limited(given) == given


@pytest.mark.parametrize(
    ("changes", "is_replaced"),
    [
        ({}, True),
        ({"beam_size": 1}, True),
        ({"method": "sample"}, False),
        ({"odd_input": "as_is"}, False),
        ({"odd_input": "as_is", "search_again": True}, True),
    ],
)
def test_any_source_is_searched_again(changes: dict[str, Any], is_replaced: bool) -> None:
    """The source is an ordinary one: of many tokens, all different."""
    loop, other = (Hypothesis(ids, 0.0, 0.0) for ids in ((7, 7, 7, 7), (7, 8)))

    class Looping(Searcher):
        settings = DecodeSettings(**changes)

        def find_all(self, parts: Sequence[SubSegment], settings: DecodeSettings) -> Found:
            return [[loop if settings == self.settings else other] for _ in parts]

        def make_pool(self) -> Pool:
            raise NotImplementedError

        def places(
            self, parts: Sequence[SubSegment], outputs: Sequence[Sequence[int]]
        ) -> list[list[int]]:
            raise NotImplementedError

    found = Looping().search([SubSegment([*range(10, 20)])])
    assert found == [[other if is_replaced else loop]]


def test_the_longest_loop_is_found() -> None:
    """Worked by hand: in "ababab-xyzxyz", 4 characters repeat the first two, 3 the "xyz"."""
    assert longest_loop("ababab-xyzxyz", "") == ("ab", 3, 4)
    assert longest_loop("aaaa", "") == ("a", 4, 3)
    assert longest_loop("abcd", "") == ("", 1, 0)
    assert longest_loop("", "") == ("", 1, 0)
    assert word_loop("A b a, b. A b c") == ("a b", 3, 4)
    assert piece_loop("10000000 lalalala abab") == ("la", 4, 6)
