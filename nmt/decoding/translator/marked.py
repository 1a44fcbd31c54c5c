"""Texts with marks: the parts that no model translates, such as tags, placeholders and addresses.

A format finds the marks of a segment; `placing` places them in its translation.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from enum import Enum
from itertools import islice, takewhile
from typing import NamedTuple


class Kind(Enum):
    """How a mark belongs to the words beside it."""

    OPEN = "open"  # begins what the next unpaired CLOSE ends, as <b> does
    CLOSE = "close"
    ALONE = "alone"  # stands for itself, as %s, <br/> and an address do


class Mark(NamedTuple):
    """A part of a text that is not translated."""

    begin: int  # of its characters in the text
    end: int
    kind: Kind = Kind.ALONE
    # Found in a text that the format escapes, as %s and addresses are; False: the format's own.
    is_text: bool = False

    def moved(self, characters: int) -> "Mark":
        """Return the mark so many characters later."""
        return Mark(self.begin + characters, self.end + characters, self.kind, self.is_text)

    def over(self, text: str) -> "Marked":
        """Return a text that is this mark alone."""
        return Marked(text, (Mark(0, len(text), self.kind, self.is_text),))


class Edit(NamedTuple):
    """Replace a part of a text by another; an empty part is a position between characters."""

    begin: int
    end: int
    text: str


class Marked(NamedTuple):
    """A text and its marks, in order and apart from each other."""

    text: str
    marks: tuple[Mark, ...] = ()

    def parts(self) -> Iterator[tuple[str, Mark | None]]:
        """Yield the parts of the text in order, each with its mark, if it is one; none is empty."""
        end = 0
        for mark in self.marks:
            if mark.begin > end:
                yield self.text[end : mark.begin], None
            yield self.text[mark.begin : mark.end], mark
            end = mark.end
        if len(self.text) > end:
            yield self.text[end:], None

    def mark_texts(self) -> list[str]:
        """Return the texts of the marks."""
        return [self.text[mark.begin : mark.end] for mark in self.marks]

    def without_marks(self) -> str:
        """Return the text between the marks, as a whole."""
        return "".join(part for part, mark in self.parts() if not mark)

    def slice(self, begin: int, end: int) -> "Marked":
        """Return a part of the text with the marks in it; no mark may cross its ends."""
        first = bisect_left(self.marks, begin, key=lambda mark: mark.begin)
        inside = takewhile(lambda mark: mark.end <= end, islice(self.marks, first, None))
        return Marked(self.text[begin:end], tuple(mark.moved(-begin) for mark in inside))

    def edited(self, edits: Iterable[Edit]) -> "Marked":
        """Return the text after edits, and the marks at their new positions.

        edits: in order and apart from each other and from the marks. What is written between two
        characters is before a mark that begins there, and after a mark that ends there.
        """
        texts: list[str] = []
        marks: list[Mark] = []
        waiting = iter(self.marks)
        mark = next(waiting, None)
        end = moved = 0
        for edit in edits:
            while mark is not None and mark.begin < edit.begin:
                marks.append(mark.moved(moved))
                mark = next(waiting, None)
            texts += self.text[end : edit.begin], edit.text
            end = edit.end
            moved += len(edit.text) - (edit.end - edit.begin)
        if mark is not None:
            marks += [later.moved(moved) for later in (mark, *waiting)]
        return Marked("".join(texts) + self.text[end:], tuple(marks))

    def partners(self) -> dict[int, int]:
        """Return the number of the partner of each mark that has one."""
        found: dict[int, int] = {}
        opened: list[int] = []
        for number, mark in enumerate(self.marks):
            if mark.kind is Kind.OPEN:
                opened.append(number)
            elif mark.kind is Kind.CLOSE and opened:
                found[number] = opened.pop()
                found[found[number]] = number
        return found

    def of_format(self) -> "Marked":
        """Return the text with the marks of the format alone; the others are text like any."""
        return Marked(self.text, tuple(mark for mark in self.marks if not mark.is_text))


def joined(texts: Iterable[Marked]) -> Marked:
    """Return several texts as one, with the marks of all."""
    parts: list[str] = []
    marks: list[Mark] = []
    length = 0
    for text, own in texts:
        marks += [mark.moved(length) for mark in own] if length else own
        parts.append(text)
        length += len(text)
    return Marked("".join(parts), tuple(marks))
