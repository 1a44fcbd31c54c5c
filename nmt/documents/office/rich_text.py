"""Arrange the parts of a paragraph: texts, and marks for what is no text."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from nmt.decoding.translator.marked import Kind, Mark, Marked
from nmt.decoding.translator.odd_input import has_words
from nmt.documents.xml.document import Span
from nmt.documents.xml.file import Element, escape_text

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


Escape = Callable[[str], str]  # returns a text as XML


class Opened(NamedTuple):
    """A pair of marks that is open at the current place of the translation."""

    mark: str  # that closes it
    after: Pieces
    look: Look


@dataclass
class Shown:
    """The XML that a mark of the segment stands for."""

    xml: Pieces
    kind: Kind
    closed_by: str = ""  # of an opening mark
    look: Look = Look("")  # of the text after an opening mark
    after: Pieces = ()  # of an opening mark: what its closing mark writes


@dataclass
class Inline:
    """A paragraph: the segment, and what is needed to write its translation."""

    source: Marked
    escape: Escape
    shown: dict[str, list[Shown]] = field(default_factory=dict)
    base: Look = Look("")
    before: Pieces = ()
    after: Pieces = ()

    def written(self, translation: Marked) -> list[str | Span]:
        """Return the XML of a translation: well-formed, even if marks are lost or in disorder.

        A mark that stands alone and is not in the translation is written at the end.
        """
        left = {text: list(shown) for text, shown in self.shown.items()}
        xml: list[str | Span] = [*self.before]
        opened = [Opened("", (), self.base)]
        for part, is_mark in translation.of_format().parts():
            look = opened[-1].look
            if not is_mark:
                xml += [*look.before, self.escape(part), *look.after]
            elif left.get(part):
                mark = left[part].pop(0)
                xml += mark.xml
                if mark.kind is Kind.OPEN:
                    opened.append(Opened(mark.closed_by, mark.after, mark.look))
            elif any(each.mark == part for each in opened):
                while opened[-1].mark != part:
                    xml += opened.pop().after
                xml += opened.pop().after
        for each in reversed(opened):
            xml += each.after
        for lost in left.values():
            xml += [piece for each in lost if each.kind is Kind.ALONE for piece in each.xml]
        return [*xml, *self.after]


def inline(parts: Iterable[Part], escape: Escape) -> Inline | None:
    """Return the paragraph of some parts, whose pairs are balanced; None without words."""
    texts = with_looks_of_neighbours(united(parts))
    if not has_words("".join(each.text for each in texts if each.kind is None)):
        return None
    begin, end = edges(texts)
    inner = texts[begin:end]
    first, inner[0] = stripped(inner[0], is_left=True)
    last, inner[-1] = stripped(inner[-1], is_left=False)
    content = build(inner, escape)
    content.before = (*xml_of(texts[:begin]), *space(first, inner[0].look, escape))
    content.after = (*space(last, inner[-1].look, escape), *xml_of(texts[end:]))
    return content


def space(spaces: str, look: Look, escape: Escape) -> Pieces:
    """Return the XML of spaces."""
    return (*look.before, escape(spaces), *look.after) if spaces else ()


def with_bases(parts: Sequence[Part]) -> tuple[list[Part], Look]:
    """Return the parts, each opening mark with the look of most characters in it; and for all."""
    counts: list[tuple[int, Counter[str]]] = [(-1, Counter())]
    looks: dict[str, Look] = {}
    result = list(parts)

    def base(count: Counter[str]) -> Look:
        # The most frequent look; at the same frequency, the first one.
        keys = sorted(count, key=lambda key: (looks[key].is_link, -count[key]))
        return looks[keys[0]] if keys else Look("")

    for number, part in enumerate(parts):
        if part.kind is Kind.OPEN:
            counts.append((number, Counter()))
        elif part.kind is Kind.CLOSE:
            place, count = counts.pop()
            result[place] = result[place]._replace(look=base(count))
        elif part.kind is None:
            looks.setdefault(part.look.key, part.look)
            counts[-1][1][part.look.key] += len(part.text.strip())
    return result, base(counts[0][1])


def with_looks(parts: Sequence[Part], base: Look) -> Iterator[Part]:
    """Yield the parts with a pair of marks around each text that does not look like most."""
    bases = [base]
    number = 0
    while number < len(parts):
        part = parts[number]
        if part.kind is Kind.OPEN:
            bases.append(part.look)
        elif part.kind is Kind.CLOSE:
            bases.pop()
        if part.kind is None and not part.is_space and part.look.key != bases[-1].key:
            end = end_of_look(parts, number)
            yield from paired(parts[number:end], part.look)
            number = end
        else:
            yield part
            number += 1


def end_of_look(parts: Sequence[Part], begin: int) -> int:
    """Return the end of all that looks like a text, with the marks that stand alone in it."""
    end = begin + 1
    for number in range(begin + 1, len(parts)):
        part = parts[number]
        if part.kind is None and not part.is_space and part.look.key == parts[begin].look.key:
            end = number + 1
        elif part.kind is not Kind.ALONE and not part.is_space:
            break
    return end


def paired(parts: Sequence[Part], look: Look) -> Iterator[Part]:
    """Yield parts of one look within a pair of marks; spaces at the edges stay outside."""
    first, last = parts[0].text, parts[-1].text
    inner = list(parts)
    inner[0] = inner[0]._replace(text=inner[0].text.lstrip())
    inner[-1] = inner[-1]._replace(text=inner[-1].text.rstrip())
    yield Part((), None, first[: len(first) - len(first.lstrip())])
    yield Part((), Kind.OPEN, look=look)
    yield from inner
    yield Part((), Kind.CLOSE)
    yield Part((), None, last[len(last.rstrip()) :])


def build(parts: Sequence[Part], escape: Escape) -> Inline:
    """Return the paragraph of parts that begin and end with words."""
    based, base = with_bases(parts)
    paired_parts = list(with_looks(based, base))
    texts: list[str] = []
    marks: list[Mark] = []
    shown: dict[str, list[Shown]] = {}
    closing: list[str] = []
    characters = numbers = 0
    for number, part in enumerate(paired_parts):
        text = part.text
        if part.kind is Kind.CLOSE:
            text = closing.pop()
        elif part.kind is not None:
            numbers += not text
            is_open = part.kind is Kind.OPEN
            text = text or (f"<{numbers}>" if is_open else f"<{numbers}/>")
            mark = Shown(part.xml, part.kind)
            if is_open:
                closing.append(f"</{numbers}>")
                end = paired_parts[partner(paired_parts, number)].xml
                mark = Shown(part.xml, part.kind, closing[-1], part.look, end)
            shown.setdefault(text, []).append(mark)
        if part.kind is not None:
            marks.append(Mark(characters, characters + len(text), part.kind))
        texts.append(text)
        characters += len(text)
    return Inline(Marked("".join(texts), tuple(marks)), escape, shown, base)


def spans(element: Element | None) -> tuple[Span, ...]:
    """Return the span of an element, if there is one."""
    return (Span(element.begin, element.end),) if element else ()


def escape(text: str) -> str:
    """Return the text of a translation for a run, which can hold no line end."""
    return escape_text(" ".join(text.split("\n")))
