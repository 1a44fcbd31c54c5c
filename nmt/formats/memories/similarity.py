"""Compare texts word by word, for translation memories."""

import re
import unicodedata
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from nmt.decoding.marks.marked import Marked

# Scripts without spaces between words: each character is a token.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf"
    "\u4e00-\u9fff\U00020000-\U0003ffff"
)
SPACED = rf"[^\W{UNSPACED}]"
NUMBER = re.compile(rf"(?<!{SPACED})\d+(?:[.,]\d+)*(?!{SPACED})")  # not that of mp3
TOKEN = re.compile(rf"{NUMBER.pattern}|[{UNSPACED}]|{SPACED}+|[^\w\s]")


class Sort(Enum):
    """The sort of a token."""

    WORD = "word"
    NUMBER = "number"
    SIGN = "sign"  # of punctuation
    SYMBOL = "symbol"  # of money or mathematics, or %, #, @, § and °: it changes what is said
    MARK = "mark"


# What a token costs that one text has and the other has not. A sign changes little.
COSTS = {Sort.WORD: 4, Sort.NUMBER: 4, Sort.MARK: 4, Sort.SYMBOL: 4, Sort.SIGN: 1}
CASE_COST = 1  # of a word with other capitals
SYMBOLS = frozenset("%‰#@§°")  # beside those of money and mathematics
WORD_COST = COSTS[Sort.WORD]


class Token(NamedTuple):
    """A word, a number, a sign, a symbol or a mark; a mark has its kind as text."""

    sort: Sort
    text: str

    @property
    def cost(self) -> int:
        """Cost of the token where only one text has it."""
        return COSTS[self.sort]

    def cost_to(self, other: "Token") -> int:
        """Return the cost of another token in its place: none for a number or a mark."""
        if self.sort is not other.sort:
            return max(self.cost, other.cost)
        if self.text == other.text or self.sort is Sort.NUMBER:
            return 0
        if self.sort is Sort.WORD and self.text.casefold() == other.text.casefold():
            return CASE_COST
        return self.cost


def tokens_of(text: Marked) -> list[Token]:
    """Return the tokens of a text, in order; marks that are text for the format are words."""
    text = text.of_format()
    tokens = []
    marks = iter(text.marks)
    for part, is_mark in text.parts():
        if is_mark:
            tokens.append(Token(Sort.MARK, next(marks).kind.value))
        else:
            tokens += [Token(sort_of(each), each) for each in TOKEN.findall(part)]
    return tokens


def sort_of(token: str) -> Sort:
    """Return what a token of a text is."""
    if NUMBER.fullmatch(token):
        return Sort.NUMBER
    if token[0].isalnum() or len(token) > 1:
        return Sort.WORD
    is_symbol = token in SYMBOLS or unicodedata.category(token) in {"Sc", "Sm"}
    return Sort.SYMBOL if is_symbol else Sort.SIGN


def weight(tokens: Sequence[Token]) -> int:
    """Return the cost of all tokens."""
    return sum(each.cost for each in tokens)


def similarity(left: Sequence[Token], right: Sequence[Token], least: float = 0.0) -> float:
    """Return 1 minus the weighted edit distance of two texts over the cost of the larger one.

    Numbers and marks that alone differ cost nothing. If the result is below `least`, it may be 0.
    """
    larger = max(weight(left), weight(right))
    most = (1 - least) * larger + 1e-9
    row = [0]
    for token in right:
        row.append(row[-1] + token.cost)
    for token in left:
        previous, row = row, [row[0] + token.cost]
        for place, other in enumerate(right):
            row.append(
                min(
                    previous[place] + token.cost_to(other),
                    previous[place + 1] + token.cost,
                    row[place] + other.cost,
                )
            )
        if min(row) > most:
            return 0.0
    return max(0.0, 1 - row[-1] / larger) if larger else 1.0
