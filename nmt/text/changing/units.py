"""Divide a text into units: words, characters of unspaced scripts, and runs of other symbols."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from nmt.text.words import UNSPACED

# Vowels and tones of Thai, Lao, Burmese, Khmer and kana that belong to the character before them.
COMBINING = (
    "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ecd\u102b-\u103e\u17b6-\u17d3"
    "\u3099\u309a"
)
# Punctuation and symbols; everything else is part of words, because `re` does not count the vowel
# signs of Hindi and other languages as such.
SYMBOL = (
    r"!-/:-@\[-^`{-~\u00a1-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u060c\u061b\u061f\u0964"
    r"\u0965\u2010-\u205e\u20a0-\u20cf\u2190-\u2bff\u3000-\u303f\uff01-\uff0f\uff1a-\uff20"
    r"\uff3b-\uff40\uff5b-\uff65"
)
OF_WORD = rf"[^\s{SYMBOL}{UNSPACED}]"
# A hyphen or an apostrophe inside a word belongs to it.
UNIT = re.compile(rf"[{UNSPACED}][{COMBINING}]*|{OF_WORD}+(?:[-'\u2019]{OF_WORD}+)*|[{SYMBOL}]+")
IS_UNSPACED = re.compile(rf"[{UNSPACED}]")


@dataclass(frozen=True)
class Units:
    """A text as n units and the white space around them."""

    units: tuple[str, ...]  # (n,)
    gaps: tuple[str, ...]  # (n + 1,): before each unit, and after the last one

    @property
    def text(self) -> str:
        """Return the text."""
        parts = zip(self.gaps, self.units, strict=False)
        return "".join(gap + unit for gap, unit in parts) + self.gaps[-1]

    def __len__(self) -> int:
        return len(self.units)

    def is_word(self, unit: int) -> bool:
        """Return whether a unit holds a letter or a digit."""
        return self.units[unit][0].isalnum()

    def map(self, change: Callable[[str], str]) -> "Units":
        """Return the text with each unit changed by a function that may change its length."""
        return replace(self, units=tuple(map(change, self.units)))


def units_of(text: str) -> Units:
    """Return a text as units."""
    units, gaps, end = [], [], 0
    for found in UNIT.finditer(text):
        gaps.append(text[end : found.start()])
        units.append(found[0])
        end = found.end()
    return Units(tuple(units), (*gaps, text[end:]))


def units_of_tokens(units: Units, lengths: Sequence[int]) -> list[range]:
    """Return the units that each token stands in.

    lengths: characters of each token; together they are the text. A token that is white space
    alone stands in none.
    """
    parts = [len(part) for both in zip(units.gaps, units.units, strict=False) for part in both]
    places = [*accumulate(parts)]  # where gaps and units end, in turn
    starts, ends = places[0::2], places[1::2]
    token_ends = [*accumulate(lengths)]
    return [
        range(bisect_right(ends, end - length), bisect_left(starts, end))
        for end, length in zip(token_ends, lengths, strict=True)
    ]
