"""Outputs that repeat themselves or are far too long are found."""

import pytest

from nmt.config import DecodeSettings, TokenizerSettings
from nmt.decoding.repetition import most_repeats
from nmt.decoding.runaway import is_runaway, is_unusual, limited
from nmt.text.tokenizer import learn_subwords


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
    assert not is_runaway(source, [*range(100, 130)])  # 30 = 2.5 * 10 + 5
    assert is_runaway(source, [*range(100, 131)])
    assert not is_runaway(source, [7, 8, 9, 9, 9])
    assert is_runaway(source, [7, 8, 9, 9, 9, 9])
    assert is_runaway(source, [7, 8, 9, 8, 9, 8, 9, 8, 9])
    # The source repeats itself too.
    assert not is_runaway([3, 3, 3], [9, 9, 9, 9, 9])
    assert is_runaway([3, 3, 3], [9, 9, 9, 9, 9, 9])


def test_limits_of_the_second_search() -> None:
    assert limited(DecodeSettings(max_extra_tokens=50)) == DecodeSettings(
        max_extra_tokens=5, no_repeat_ngram=2
    )
    given = DecodeSettings(max_extra_tokens=3, no_repeat_ngram=4)
    assert limited(given) == given


def test_what_is_unusual() -> None:
    subwords = learn_subwords(["sun moon star rain snow"] * 9, TokenizerSettings(40))
    texts = ["sun moon star rain", "sun moon", "moon moon moon moon"]
    encoded = subwords.encode(texts)
    assert [len(each) for each in encoded[:2]] == [4, 2]
    assert [is_unusual(each, subwords) for each in encoded[:3]] == [False, True, True]
    assert is_unusual(subwords.encode(["sun rotars nsoma"])[0], subwords)
