"""Arrange the parts of a paragraph: texts, and marks for what is no text."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from nmt.decoding.marks.marked import Kind
from nmt.decoding.translator.odd_input import has_words
from nmt.formats.xml.document import Span

Pieces = tuple[str | Span, ...]
BREAK, TAB = "\n", "\t"  # how marks for them are shown


class Look(NamedTuple):
    """How text is formatted: what is written around it. Looks with equal keys are equal."""

    key: str
    before: Pieces = ()
    after: Pieces = ()
    is_link: bool = False  # what is not linked never looks like it


class Part(NamedTuple):
    """A part of a paragraph: a text, or a mark of some kind."""

    xml: Pieces  # as it is in the file
    kind: Kind | None = None  # None: a text
    text: str = ""  # of a mark: how it is shown; "": as a number
    look: Look = Look("")  # of a text
    is_edge: bool = True  # of a mark: it means nothing to the words beside it
    role: str = ""  # for the format

    @property
    def is_space(self) -> bool:
        """Return whether it is text without a visible character."""
        return self.kind is None and not self.text.strip()

    @property
    def is_separator(self) -> bool:
        """Return whether it is a tab or a line break."""
        return self.text in {BREAK, TAB} and self.kind is Kind.ALONE


def stripped(part: Part, is_left: bool) -> tuple[str, Part]:
    """Return the spaces at one edge of a text, and the text without them."""
    text = part.text
    if part.kind is not None:
        return "", part
    kept = text.lstrip() if is_left else text.rstrip()
    spaces = text[: len(text) - len(kept)] if is_left else text[len(kept) :]
    return spaces, part._replace(text=kept)


def xml_of(parts: Iterable[Part]) -> Pieces:
    """Return the XML of some parts, as it is in the file."""
    return tuple(piece for part in parts for piece in part.xml)


def united(parts: Iterable[Part]) -> list[Part]:
    """Return the parts with neighbours joined: equal looks, and marks that stand alone."""

    def alike(pair: tuple[int, Part]) -> tuple[Kind | None, str, int]:
        number, part = pair
        is_joined = part.kind is None or (part.kind is Kind.ALONE and not part.is_separator)
        return part.kind, part.look.key, -1 if is_joined else number

    groups = ([part for _, part in group] for _, group in groupby(enumerate(parts), key=alike))
    return [
        group[0]._replace(
            xml=xml_of(group),
            text="".join(each.text for each in group),
            is_edge=all(each.is_edge for each in group),
        )
        for group in groups
    ]


def with_looks_of_neighbours(parts: list[Part]) -> list[Part]:
    """Return the parts with spaces that look as the text beside them."""
    result: list[Part] = []
    for number, part in enumerate(parts):
        if part.is_space:
            beside = [*result[-1:], *parts[number + 1 : number + 2]]
            looks = [each.look for each in beside if each.kind is None]
            result.append(part._replace(look=looks[0] if looks else part.look))
        else:
            result.append(part)
    return united(result)


def edges(parts: Sequence[Part]) -> tuple[int, int]:
    """Return where the segment begins and ends in the parts of a paragraph with words."""
    begin, end = 0, len(parts)
    while True:
        old = begin, end
        begin += leading(parts[begin:end])
        end -= leading(parts[begin:end][::-1])
        if parts[begin].kind is Kind.OPEN and partner(parts, begin) == end - 1:
            begin, end = begin + 1, end - 1
        if old == (begin, end):
            return begin, end


def leading(parts: Sequence[Part]) -> int:
    """Return how many parts before the words do not belong to them; 0 if no part has words."""
    count = 0
    is_edge = True
    for number, part in enumerate(parts):
        if part.kind not in {None, Kind.ALONE} or (part.kind is None and has_words(part.text)):
            return count
        is_edge = is_edge and (part.is_space if part.kind is None else part.is_edge)
        # What a tab or a line break separates from the words is none of theirs: a page number.
        if is_edge or part.is_separator:
            is_edge = True
            count = number + 1
    return 0


def partner(parts: Sequence[Part], begin: int) -> int:
    """Return the place of the mark that closes an opening one."""
    depth = 0
    for number in range(begin, len(parts)):
        kind = parts[number].kind
        depth += (kind is Kind.OPEN) - (kind is Kind.CLOSE)
        if not depth:
            return number
    return len(parts)
