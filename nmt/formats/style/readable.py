"""Read a text with marks as plain text, and find the places in it again.

Tags are left out, and another mark is a word, a number or a line break: so a rule for words and
punctuation sees "Open it!" in "<b>Open</b> %s!".
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from nmt.decoding.marks.marked import Edit, Kind, Marked

# Read in place of a mark that stands alone. A word with a capital may begin a sentence.
WORD, NUMBER, BREAK = "Xx", "1", "\n"
NUMBER_MARK = re.compile(r"%[\d.]*[dif]")
BREAK_MARK = re.compile(r"\s*\n\s*|<br\b[^>]*>", re.IGNORECASE)


class Span(NamedTuple):
    """A part of a text."""

    begin: int
    end: int


class Readable(NamedTuple):
    """A text without tags, and which part of the source each of its characters stands for."""

    source: Marked
    text: str
    begins: list[int]
    ends: list[int]
    is_mark: bytearray  # 1 for characters that are read in place of a mark

    def spans(self, ends: Sequence[int]) -> list[Span]:
        """Return the sentences in the source, from their ends in the text, without outer spaces."""
        spans, begin = [], 0
        for end in [*ends, len(self.text)]:
            sentence = self.text[begin:end]
            if sentence.strip():
                first = begin + len(sentence) - len(sentence.lstrip())
                last = begin + len(sentence.rstrip()) - 1
                spans.append(Span(self.begins[first], self.ends[last]))
            begin = end
        return spans

    def changed(self, changes: Mapping[int, str]) -> Marked:
        """Return the source with texts in place of characters; none of them stands for a mark."""
        edits = (
            Edit(self.begins[each], self.ends[each], changes[each]) for each in sorted(changes)
        )
        return self.source.edited(edits)


def readable(source: Marked) -> Readable:
    """Return a text without tags, and with a word in place of other marks."""
    read: list[str] = []
    begins: list[int] = []
    ends: list[int] = []
    is_mark = bytearray()
    marks = {each.begin: each for each in source.marks}
    end = 0
    for part, is_marked in source.parts():
        begin, end = end, end + len(part)
        if not is_marked:
            read.append(part)
            begins += range(begin, end)
            ends += range(begin + 1, end + 1)
            is_mark += bytes(len(part))
        elif marks[begin].kind is Kind.ALONE:
            read.append(stand_in(part))
            begins += [begin] * len(read[-1])
            ends += [end] * len(read[-1])
            is_mark += bytes([True]) * len(read[-1])
    return Readable(source, "".join(read), begins, ends, is_mark)


def stand_in(mark: str) -> str:
    """Return what is read in place of a mark that stands alone."""
    if BREAK_MARK.fullmatch(mark):
        return BREAK
    is_number = any(map(str.isdigit, mark)) and not any(map(str.isalpha, mark))
    return NUMBER if is_number or NUMBER_MARK.fullmatch(mark) else WORD
