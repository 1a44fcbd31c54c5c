"""Make a segment of a run of texts and tags: pairs of marks, and what is left outside of it."""

from collections import Counter
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from nmt.decoding.translator.marked import Kind, Mark, Marked, joined
from nmt.documents.document import RawMark
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
    partners = find_partners(run)
    first, last = inside(run, partners)
    pieces, raw_marks = list[Marked](), list[RawMark]()
    forms = ShownForms()
    for item, partner in zip(run[first:last], partners[first:last], strict=True):
        if item.role is Role.TEXT:
            pieces.append(Marked(item.text))
            continue
        text = forms.of(item.text)
        pieces.append(Mark(0, 0, item_kind(item, partner)).over(text))
        raw_marks.append(RawMark(text, item.begin, item.end, item.changed))
    return RunText(first, last, joined(pieces), raw_marks)


def item_kind(item: Item, partner: int) -> Kind:
    """Return the kind of the mark of an item."""
    if partner < 0:
        return Kind.ALONE
    return Kind.OPEN if item.role is Role.START else Kind.CLOSE


def find_partners(run: Sequence[Item]) -> list[int]:
    """Return the place of the END of each START, and of the START of each END; -1 for none.

    Pairs lie in each other or apart, whatever the run holds.
    """
    partners, stack, counts = [-1] * len(run), list[int](), Counter[str]()
    for place, item in enumerate(run):
        if item.role is Role.START:
            stack.append(place)
            counts[item.name] += 1
        elif item.role is Role.END and counts[item.name]:
            while True:
                start = stack.pop()
                counts[run[start].name] -= 1
                if run[start].name == item.name:
                    break
            partners[start], partners[place] = place, start
    return partners


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


class ShownForms:
    """How the text of a segment shows its marks: each on one line, short, others otherwise."""

    def __init__(self) -> None:
        self._forms: dict[str, str] = {}  # of each mark as the file has it
        self._taken: set[str] = set()
        self._numbers: dict[str, int] = {}  # the last one of each form: clients choose how many

    def of(self, raw: str) -> str:
        """Return how a mark is shown; always the same for the same mark."""
        if raw not in self._forms:
            self._forms[raw] = self._new(raw)
        return self._forms[raw]

    def _new(self, raw: str) -> str:
        # A line break of Markdown may be blanks alone; a backslash shows it.
        shown = " ".join(raw.split()) or "\\"
        if len(shown) > LONGEST_SHOWN:
            shown = shown[:LONGEST_SHOWN] + "..."
        number = self._numbers.get(shown, 0) + 1
        while (form := shown if number == 1 else f"{shown}#{number}") in self._taken:
            number += 1
        self._numbers[shown] = number
        self._taken.add(form)
        return form
