"""Find what an output repeats in a row, as a model does that is caught in a loop.

A degenerate output repeats itself or is far too long for its source. It is searched again, with
limits that an ordinary output does not reach.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from operator import eq
from typing import NamedTuple

from nmt.config import DecodeSettings

LONGEST_UNIT = 50  # words or characters that are repeated together
SHORT_UNIT = 4  # tokens that are repeated together in a loop of a search
MOST_REPEATS = 3  # of a unit, one after the other; as many more as the source has
MOST_TIMES, MOST_EXTRA = 2.5, 5  # an output is longer than 2.5 times its source + 5: too long
AGAIN_EXTRA, AGAIN_NGRAM = 5, 2  # limits of the second search, in tokens


class Loop(NamedTuple):
    """A unit that follows itself."""

    unit: str
    times: int  # that the unit stands in a row
    repeated: int  # words or characters after the first unit: (times - 1) * its length


NO_LOOP = Loop("", 1, 0)


def longest_loop(items: Sequence[str], joint: str) -> Loop:
    """Return the unit of items that is repeated in a row over the most items.

    joint: stands between the items of a unit. The time is linear in the number of items.
    """
    best = NO_LOOP
    for length in range(1, min(LONGEST_UNIT, len(items) // 2) + 1):
        equal = equals_before(items, length)
        run = longest_run(equal)
        repeated = run - run % length
        if repeated > best.repeated:
            start = equal.find(b"\1" * run)
            unit = joint.join(items[start : start + length])
            best = Loop(unit, repeated // length + 1, repeated)
    return best


def most_repeats(ids: Sequence[int]) -> int:
    """Return how many times 1 to 4 tokens follow one another, at most; [5, 6, 5, 6, 5] has 2."""
    units = range(1, SHORT_UNIT + 1)
    return 1 + max(longest_run(equals_before(ids, length)) // length for length in units)


def equals_before(items: Sequence[object], length: int) -> bytes:
    """Return a byte for each item but the first ones: 1 if it equals that one unit before."""
    return bytes(map(eq, items[length:], items))


def longest_run(equal: bytes) -> int:
    """Return the most bytes 1 in a row."""
    return max(map(len, equal.split(b"\0")))


def word_loop(text: str) -> Loop:
    """Return the words that a text repeats in a row; capitals and punctuation do not matter."""
    return longest_loop([bare(word) for word in text.casefold().split()], " ")


def piece_loop(text: str) -> Loop:
    """Return the characters that a word of a text repeats in a row.

    Words with digits are left out: 1,000,000 is no loop.
    """
    words = [word for word in {*text.casefold().split()} if not any(map(str.isdigit, word))]
    return max(
        (longest_loop(word, "") for word in words), key=lambda loop: loop.repeated, default=NO_LOOP
    )


def bare(word: str) -> str:
    """Return a word without punctuation and symbols around it; one of symbols alone as it is."""
    letters = [
        index for index, symbol in enumerate(word) if unicodedata.category(symbol)[0] not in "PS"
    ]
    return word[letters[0] : letters[-1] + 1] if letters else word


def is_degenerate(source: Sequence[int], output: Sequence[int]) -> bool:
    """Return whether an output repeats a unit more than its source does, or is far too long."""
    if len(output) > MOST_TIMES * len(source) + MOST_EXTRA:
        return True
    # Each repetition of a unit adds tokens that are not new.
    if len(output) - len(set(output)) < MOST_REPEATS:
        return False
    # A source without repetition has one.
    return most_repeats(output) > most_repeats(source) - 1 + MOST_REPEATS


def limited(settings: DecodeSettings) -> DecodeSettings:
    """Return the settings of the second search."""
    return replace(
        settings,
        no_repeat_ngram=settings.no_repeat_ngram or AGAIN_NGRAM,
        max_extra_tokens=min(settings.max_extra_tokens, AGAIN_EXTRA),
    )
