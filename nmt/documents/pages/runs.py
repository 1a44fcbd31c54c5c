"""Make a segment of a run of texts and tags: pairs of marks, and what is left outside of it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import NamedTuple

from nmt.decoding.translator.marked import Kind, Mark, Marked, joined
from nmt.documents.document import RawMark
from nmt.documents.marks.tags import find_partners
from nmt.documents.pages.page import FIRST, has_words

LONGEST_SHOWN = 100  # characters of a mark in the text of a segment


class Role(Enum):
    """The role of a part of a run."""

    TEXT = "text"
    START = "begins what an END of its name ends"
    END = "ends it"
    ALONE = "stands for itself, and is no word"
    WORD = "stands for a word, as code does"


class Item(NamedTuple):
    """A part of a run."""

    role: Role
    begin: int  # in the source, or in the text of a block of Markdown
    end: int
    text: str  # of words: without escapes; of a mark: as the file has it
    name: str = ""
    changed: str = ""  # what is written for a mark if the segment is translated; "": the source

    @property
    def kind(self) -> Kind:
        """What its mark is if it has a partner."""
        return {Role.START: Kind.OPEN, Role.END: Kind.CLOSE}.get(self.role, Kind.ALONE)

    @property
    def has_substance(self) -> bool:
        """True if it holds a letter, a digit, a word or code of a template."""
        if self.role is Role.TEXT:
            return any(sign.isalnum() or sign >= FIRST for sign in self.text)
        return self.role is Role.WORD


class RunText(NamedTuple):
    """The text of a run, and which of its items it has: from `first` to before `last`."""

    first: int
    last: int
    source: Marked
    marks: list[RawMark]


def read_run(run: Sequence[Item]) -> RunText | None:
    """Return the text of a run, without what only surrounds it; None if it has no words."""
    if not any(item.role is Role.TEXT and has_words(item.text) for item in run):
        return None
    partners = partners_in(run)
    first, last = inside(run, partners)
    pieces, raw_marks = list[Marked](), list[RawMark]()
    forms = shown_forms(item.text for item in run[first:last] if item.role is not Role.TEXT)
    for item, partner in zip(run[first:last], partners[first:last], strict=True):
        if item.role is Role.TEXT:
            pieces.append(Marked(item.text))
            continue
        text = forms[item.text]
        pieces.append(Mark(0, 0, Kind.ALONE if partner < 0 else item.kind).over(text))
        raw_marks.append(RawMark(text, item.begin, item.end, item.changed))
    return RunText(first, last, joined(pieces), raw_marks)


def partners_in(run: Sequence[Item]) -> list[int]:
    """Return the place of the END of each START, and of the START of each END; -1 for none."""
    return find_partners([(item.kind, item.name) for item in run])


def inside(run: Sequence[Item], partners: Sequence[int]) -> tuple[int, int]:
    """Return where the segment of a run begins and ends: without what only surrounds its text."""
    before = [0]  # items of substance before each place
    for item in run:
        before.append(before[-1] + item.has_substance)
    begin, end = 0, len(run)
    while begin < end:
        last = end - 1
        if is_loose(run[begin], partners[begin]):
            begin += 1
        elif is_loose(run[last], partners[last]):
            end -= 1
        elif partners[begin] == last and not run[last].changed:
            begin, end = begin + 1, last
        elif partners[begin] > begin and before[begin] == before[partners[begin]]:
            begin = partners[begin] + 1  # a pair without words, such as an anchor
        elif 0 <= partners[last] < last and before[partners[last]] == before[last]:
            end = partners[last]
        else:
            break
    return begin, end


def is_loose(item: Item, partner: int) -> bool:
    """Return whether an item at the edge of a run is no part of its segment."""
    if item.role is Role.TEXT:
        return not item.text.strip()
    return item.role is Role.ALONE or (partner < 0 and item.role is not Role.WORD)


def shown_forms(marks: Iterable[str]) -> dict[str, str]:
    """Return how the text of a segment shows its marks: each on one line, short, others otherwise.

    marks: as the file has them, in order.
    """
    forms, taken = dict[str, str](), set[str]()
    numbers = Counter[str]()  # the last one of each form: clients choose how many
    for raw in dict.fromkeys(marks):
        # A line break of Markdown may be blanks alone; a backslash shows it.
        shown = " ".join(raw.split()) or "\\"
        if len(shown) > LONGEST_SHOWN:
            shown = shown[:LONGEST_SHOWN] + "..."
        number = numbers[shown] + 1
        while (form := shown if number == 1 else f"{shown}#{number}") in taken:
            number += 1
        forms[raw], numbers[shown] = form, number
        taken.add(form)
    return forms
