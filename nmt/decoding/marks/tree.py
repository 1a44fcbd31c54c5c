"""Cut the marks out of a text: what remains for the model to read, and where the marks belong.

- The text that remains is a row of units: words, or characters of a script without spaces. A unit
  has a core, and may have punctuation before and after it: a mark may stand on either side.
- A pair of marks encloses words. A pair that encloses none is an atom, which stays whole, like each
  mark alone, and like several marks with nothing but signs between them.
- Signs that touch an atom and no word are part of it, as in "(%s)".
- Punctuation that belongs to the sentence stays with its words: "Open %s." is read as "Open.".
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from nmt.decoding.translator.marked import Kind, Mark, Marked
from nmt.decoding.translator.odd_input import AFTER, BEFORE, END_MARKS, UNIT
from nmt.text.words import UNSPACED

ANY_UNSPACED = re.compile(f"[{UNSPACED}]")
WORDLIKE = re.compile(r"\w")
SIGNS = re.compile(r"[^\w\s]*")
APOSTROPHES = "'\u2019"
LINE_BREAK = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
CHUNKS = 3  # of a unit: what stands before its core, the core, what stands after it
DEEPEST = 100  # pairs around pairs; what is nested more deeply is copied


@dataclass(frozen=True)
class Units:
    """The units of a text, each in three chunks; most have nothing before and after the core."""

    text: str
    spans: list[tuple[int, int, int, int]] = field(default_factory=list)  # ends of the chunks

    @classmethod
    def of(cls, text: str) -> "Units":
        """Find the units of a text."""
        units = cls(text)
        for found in UNIT.finditer(text):
            unit = found[0]
            begin = found.start() + len(unit) - len(unit.lstrip(BEFORE))
            end = found.start() + len(unit.rstrip(AFTER))
            if end <= begin:  # punctuation alone
                begin, end = found.span()
            units.spans.append((found.start(), begin, end, found.end()))
        return units

    def __len__(self) -> int:
        return len(self.spans)

    def chunk(self, place: int) -> str:
        """Return a chunk: three for each unit, one after the other."""
        span = self.spans[place // CHUNKS]
        return self.text[span[place % CHUNKS] : span[place % CHUNKS + 1]]

    def space_before(self, unit: int) -> str:
        """Return the white space before a unit."""
        return self.text[self.spans[unit - 1][3] if unit else 0 : self.spans[unit][0]]

    def has_no_spaces(self, unit: int) -> bool:
        """Return whether a unit is of a script without spaces."""
        return ANY_UNSPACED.search(self.text, *self.spans[unit][::3]) is not None


class Touch(Enum):
    """Tell what an atom touches on one side."""

    SPACE = 0  # or an end of the text
    SIGN = 1
    WORD = 2


@dataclass
class Atom:
    """A part of a text that is copied, with marks in it, and its place among the units."""

    text: Marked
    number: int  # in the order of the source
    place: int  # number of units before it
    before: Touch = Touch.SPACE
    after: Touch = Touch.SPACE
    is_before_signs: bool = False  # punctuation of the unit before follows it
    is_after_signs: bool = False  # punctuation of the unit after it stands before it


@dataclass
class Edge:
    """A mark that opens or closes, alone or one side of a pair."""

    mark: Marked  # it alone
    number: int  # in the order of the source
    place: int  # number of units before it
    is_outside: bool = False  # punctuation of its unit is enclosed too
    is_at_end: bool = False  # nothing but marks stands outside of it
    has_space_inside: bool = False
    has_space_outside: bool = False

    @property
    def kind(self) -> Kind:
        """The kind of the mark."""
        return self.mark.marks[0].kind


@dataclass
class Pair:
    """Two marks that enclose words; or, without marks, the whole text."""

    opening: Edge | None = None
    closing: Edge | None = None
    first: int = 0  # unit that is enclosed
    end: int = 0  # the unit after the last one
    pairs: list["Pair"] = field(default_factory=list)
    atoms: list[Atom] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)  # without a partner

    @property
    def number(self) -> int:
        """The number of its first mark."""
        return self.opening.number if self.opening else 0


@dataclass(frozen=True)
class Tree:
    """A text without its marks."""

    text: str  # what the model reads
    units: Units  # of it
    whole: Pair


def read_tree(marked: Marked, hidden: Iterable[Mark] = ()) -> Tree:
    """Cut the marks out of a text; line breaks between them are read as spaces.

    hidden: other parts that are copied, which are no marks in a translation.
    """
    reader = MarkReader(marked, hidden)
    reader.read_all()
    return reader.settle()


class MarkReader:
    """Reads a marked text from left to right. Until `settle`, places are those of characters."""

    def __init__(self, marked: Marked, hidden: Iterable[Mark] = ()) -> None:
        """Arguments are those of `read_tree`."""
        self.text = marked.text
        self._hidden = {*hidden}
        self.marks = sorted([*marked.marks, *self._hidden], key=lambda mark: mark[:2])
        self.partner = Marked(marked.text, (*self.marks,)).partners()
        self.read = ""
        self.whole = Pair()
        self._inside = [self.whole]  # pairs that are open, the innermost last
        self._pairs: list[Pair] = []
        self._placed: list[Atom | Edge] = []
        self._drops_space = False  # an opening sign waits for its word
        self._parts_words = False  # an atom stands before what is read next

    def read_all(self) -> None:
        """Read the text."""
        index = end = 0
        while index < len(self.marks):
            stop = self._atom_stop(index)
            if stop > index:
                end = self._read_atom(end, index, stop)
                index = stop
            else:
                self._read_text(self.text[end : self.marks[index].begin])
                self._read_edge(index)
                end = self.marks[index].end
                index += 1
        self._read_text(self.text[end:])

    def _atom_stop(self, index: int) -> int:
        """Return the index after the last mark of an atom that begins with a mark, or the index."""
        stop = index
        while stop < len(self.marks):
            if stop > index and self._has_words(stop - 1, stop):
                break
            partner = self.partner.get(stop, -1)
            if self.marks[stop].kind is Kind.ALONE:
                stop += 1
            elif partner > stop and (
                len(self._inside) > DEEPEST or not self._has_words(stop, partner)
            ):
                stop = partner + 1
            else:
                break
        return stop

    def _has_words(self, first: int, last: int) -> bool:
        """Return whether there are words between two marks, apart from the marks between them."""
        return any(
            WORDLIKE.search(self.text, self.marks[index].end, self.marks[index + 1].begin)
            for index in range(first, last)
        )

    def _read_text(self, text: str) -> None:
        if not text:
            return
        text = LINE_BREAK.sub(" ", text)
        if self._drops_space or not self.read:
            text = text.lstrip()
        elif self._parts_words and text:
            if ends_word(text):
                self._strip()
            elif self.read[-1].isspace():
                text = text.lstrip()
            elif not text[0].isspace():
                text = f" {text}"
        self._drops_space = self._parts_words = False
        self.read += text

    def _strip(self) -> None:
        """Take away white space at the end of what was read."""
        self.read = self.read.rstrip()
        for mark in reversed(self._placed):
            if mark.place <= len(self.read):
                break
            mark.place = len(self.read)

    def _read_edge(self, index: int) -> None:
        mark = self.marks[index]
        is_open = mark.kind is Kind.OPEN
        inside = self.text[mark.end : mark.end + 1] if is_open else self.text[: mark.begin][-1:]
        outside = self._before(index, mark.begin) if is_open else self._after(index, mark.end)
        edge = Edge(
            Marked(self.text[mark.begin : mark.end], (mark.moved(-mark.begin),)),
            index,
            len(self.read),
            is_at_end=not outside,
            has_space_inside=inside.isspace(),
            has_space_outside=not outside or outside.isspace(),
        )
        self._placed.append(edge)
        if index not in self.partner:
            self.whole.edges.append(edge)
        elif is_open:
            pair = Pair(edge)
            self._inside[-1].pairs.append(pair)
            self._inside.append(pair)
            self._pairs.append(pair)
        else:
            self._inside.pop().closing = edge

    def _before(self, index: int, place: int) -> str:
        """Return the character before a place, looking through the tags before a mark."""
        while index and self.marks[index - 1].end == place and not self._is_alone(index - 1):
            index -= 1
            place = self.marks[index].begin
        return self.text[place - 1 : place] if place else ""

    def _after(self, index: int, place: int) -> str:
        """Return the character after a place, looking through the tags after a mark."""
        last = len(self.marks) - 1
        while index < last and self.marks[index + 1].begin == place:
            if self._is_alone(index + 1):
                break
            index += 1
            place = self.marks[index].end
        return self.text[place : place + 1]

    def _is_alone(self, index: int) -> bool:
        return self.marks[index].kind is Kind.ALONE

    def _read_atom(self, end: int, first: int, stop: int) -> int:
        """Read an atom and the text before it, from `end` on; return the end of what was read."""
        last = self.marks[stop].begin if stop < len(self.marks) else len(self.text)
        inside = self.marks[first].begin, self.marks[stop - 1].end
        has_word = WORDLIKE.search(self.read) is not None
        found = find_bounds(self.text, inside, (end, last), has_word)
        self._read_text(self.text[end : found.begin])
        has_tail = found.tail_end > found.end
        if has_tail:
            self._strip()
        atom = Atom(
            self._part(found.begin, found.end, self.marks[first:stop]),
            first,
            len(self.read),
            touch(self._before(first, found.begin)),
            touch(self._after(stop - 1, found.tail_end)),
            is_before_signs=has_tail,
            is_after_signs=found.is_after_signs,
        )
        self._inside[-1].atoms.append(atom)
        self._placed.append(atom)
        self.read += LINE_BREAK.sub(" ", self.text[found.end : found.tail_end])
        self._parts_words = not has_tail
        self._drops_space = found.is_after_signs
        return found.tail_end

    def _part(self, begin: int, end: int, marks: Iterable[Mark]) -> Marked:
        visible = (mark.moved(-begin) for mark in marks if mark not in self._hidden)
        return Marked(self.text[begin:end], (*visible,))

    def settle(self) -> Tree:
        """Find the units of what was read, and count places in them."""
        units = Units.of(self.read)
        begins, cores, core_ends, ends = (
            [span[column] for span in units.spans] for column in range(4)
        )
        for pair in self._pairs:
            assert pair.opening is not None  # noqa: S101 (for the type checker)
            assert pair.closing is not None  # noqa: S101
            pair.first = min(bisect_right(core_ends, pair.opening.place), len(units) - 1)
            pair.end = max(pair.first + 1, bisect_left(cores, pair.closing.place))
        self.whole.end = len(units)
        for mark in self._placed:
            place = mark.place
            if isinstance(mark, Atom):
                counted = core_ends if mark.is_before_signs else ends
                mark.place = bisect_right(counted, place)
                if mark.is_after_signs:
                    mark.place = bisect_left(cores, place)
            elif mark.kind is Kind.OPEN:
                mark.place = unit = bisect_right(core_ends, place)
                has_signs = unit < len(units) and begins[unit] < cores[unit]
                mark.is_outside = has_signs and place <= begins[unit]
            else:
                mark.place = bisect_left(cores, place)
                has_signs = mark.place > 0 and core_ends[mark.place - 1] < ends[mark.place - 1]
                mark.is_outside = has_signs and place >= ends[mark.place - 1]
        return Tree(self.read, units, self.whole)


def touch(character: str) -> Touch:
    """Return what a character that touches an atom is; "" is an end of the text.

    A character of a script without spaces tells nothing.
    """
    if not character or character.isspace() or ANY_UNSPACED.match(character):
        return Touch.SPACE
    return Touch.WORD if WORDLIKE.match(character) else Touch.SIGN


def ends_word(text: str) -> bool:
    """Return whether a text begins with signs that belong to the word before it."""
    found = SIGNS.match(text)
    signs = found[0] if found else ""
    is_end = len(signs) == len(text) or text[len(signs)].isspace()
    return bool(signs) and not signs.strip(AFTER) and is_end


class Bounds(NamedTuple):
    """An atom with its signs, as characters of a text."""

    begin: int
    end: int
    tail_end: int  # of the signs after it that belong to the word before it
    is_after_signs: bool = False  # signs of the word after it stand before it


def find_bounds(text: str, marks: tuple[int, int], room: tuple[int, int], has_word: bool) -> Bounds:
    """Return an atom with its signs.

    Args:
        text: that of the segment.
        marks: begin and end of the marks.
        room: begin and end of the text up to the neighbouring marks.
        has_word: there is a word somewhere before `room`.
    """
    (begin, end), (first, last) = marks, room
    opening = trailing_signs(text[first:begin])
    signs = SIGNS.match(text, end, last)
    closing = signs[0] if signs else ""
    is_inside = WORDLIKE.match(text, end + len(closing), last) is not None
    while opening and closing and is_bracketed(opening[-1], closing[0]):
        opening, closing, begin, end = opening[:-1], closing[1:], begin - 1, end + 1
    kept = len(opening.rstrip("".join({*opening} - {*BEFORE})))
    opening, begin = opening[:kept], begin - len(opening) + kept
    if is_inside and closing[:1] not in APOSTROPHES:
        closing, end = "", end + len(closing)
    elif not is_inside:
        kept = len(closing.rstrip(AFTER))
        closing, end = closing[kept:], end + kept
    has_opening = bool(opening) and not closing
    has_opening = has_opening and WORDLIKE.match(text[end:last].lstrip()) is not None
    if not has_opening:
        begin -= len(opening)
    if is_inside or not closing:
        return Bounds(begin, end, end, has_opening)
    tail_end = end + len(closing)
    before = text[first:begin].rstrip()
    if not has_word and not WORDLIKE.search(before):
        return Bounds(begin, tail_end, tail_end)
    word = before.rstrip(AFTER)
    if len(word) < len(before) < begin - first and WORDLIKE.match(word[-1:]):
        begin = first + len(word)  # two signs at the end of one word are too many
    return Bounds(begin, end, tail_end)


def trailing_signs(text: str) -> str:
    """Return the signs at the end of a text that touch no word before them."""
    place = len(text)
    while place and not text[place - 1].isspace():
        if WORDLIKE.match(text[place - 1]):
            return ""
        place -= 1
    return text[place:]


def is_bracketed(before: str, after: str) -> bool:
    """Return whether two signs are brackets or quotation marks around something."""
    return before in BEFORE and after in AFTER and after not in END_MARKS
