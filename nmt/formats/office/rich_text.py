"""Make a segment of a paragraph whose text is in many small pieces of XML, and write it again.

Word processors split words over runs. Here neighbours that look equal are one text; the look that
most characters of a paragraph have needs no mark, and another look is a pair of marks such as
<1> and </1>. What is no text is a mark that stands alone, as <2/>; at the edges of a paragraph it
is left out of the segment.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from nmt.decoding.marks.marked import Kind, Mark, Marked
from nmt.decoding.translator.odd_input import has_words
from nmt.formats.office.rich_parts import (
    Look,
    Part,
    Pieces,
    edges,
    partner,
    stripped,
    united,
    with_looks_of_neighbours,
    xml_of,
)
from nmt.formats.xml.document import Span

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
