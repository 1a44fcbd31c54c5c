"""Cut the marks out of a text: what remains for the model to read, and where the marks belong.

- A pair of marks encloses words. A pair that encloses none is an atom, which stays whole, like each
  mark alone, and like several marks with nothing but signs between them.
- Signs that touch an atom and no word are part of it, as in "(%s)".
- Punctuation that belongs to the sentence stays with its words: "Open %s." is read as "Open.".
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from nmt.decoding.marks.mark_atoms import SIGNS, WORDLIKE, bounds_of
from nmt.decoding.marks.mark_tree import Atom, Edge, Pair, Touch, Tree
from nmt.decoding.marks.marked import Kind, Mark, Marked
from nmt.decoding.marks.units import AFTER, ANY_UNSPACED, Units

LINE_BREAK = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")


DEEPEST = 100  # pairs around pairs; what is nested more deeply is copied


def tree_of(marked: Marked, hidden: Iterable[Mark] = ()) -> Tree:
    """Cut the marks out of a text; line breaks between them are read as spaces.

    hidden: other parts that are copied, which are no marks in a translation.
    """
    reader = MarkReader(marked, hidden)
    reader.read_all()
    reader.settle()
    return Tree(reader.read, reader.units, reader.whole)


class MarkReader:
    """Reads a marked text from left to right. Until `settle`, places are those of characters."""

    def __init__(self, marked: Marked, hidden: Iterable[Mark] = ()) -> None:
        """Arguments are those of `tree_of`."""
        self.text = marked.text
        self._hidden = {*hidden}
        self.marks = sorted([*marked.marks, *self._hidden], key=lambda each: each[:2])
        self.partner = Marked(marked.text, (*self.marks,)).partners()
        self.read = ""
        self.units = Units("")
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
        for each in reversed(self._placed):
            if each.place <= len(self.read):
                break
            each.place = len(self.read)

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
        found = bounds_of(self.text, inside, (end, last), has_word)
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
        visible = (each.moved(-begin) for each in marks if each not in self._hidden)
        return Marked(self.text[begin:end], (*visible,))

    def settle(self) -> None:
        """Find the units of what was read, and count places in them."""
        self.units = units = Units.of(self.read)
        begins, cores, core_ends, ends = (
            [span[column] for span in units.spans] for column in range(4)
        )
        for pair in self._pairs:
            assert pair.opening is not None  # noqa: S101 (for the type checker)
            assert pair.closing is not None  # noqa: S101
            pair.first = min(bisect_right(core_ends, pair.opening.place), len(units) - 1)
            pair.end = max(pair.first + 1, bisect_left(cores, pair.closing.place))
        self.whole.end = len(units)
        for each in self._placed:
            place = each.place
            if isinstance(each, Atom):
                counted = core_ends if each.is_before_signs else ends
                each.place = bisect_right(counted, place)
                if each.is_after_signs:
                    each.place = bisect_left(cores, place)
            elif each.kind is Kind.OPEN:
                each.place = unit = bisect_right(core_ends, place)
                has_signs = unit < len(units) and begins[unit] < cores[unit]
                each.is_outside = has_signs and place <= begins[unit]
            else:
                each.place = bisect_left(cores, place)
                has_signs = each.place > 0 and core_ends[each.place - 1] < ends[each.place - 1]
                each.is_outside = has_signs and place >= ends[each.place - 1]


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
