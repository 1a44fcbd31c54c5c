"""Texts of XML with inline codes: elements become marks, which are written as they are."""

from collections.abc import Callable, Iterator
from enum import Enum
from typing import NamedTuple

from nmt.decoding.marks.marked import Kind, Mark, Marked
from nmt.formats.xml.file import XmlFile
from nmt.formats.xml.tree import Element, Text


class Role(Enum):
    """The role of an element inside a text."""

    PAIR = "a start tag, a text and an end tag"
    WHOLE = "one code with all that is in it"
    BEGIN = "one code, which an END ends"
    END = "one code"


class Code(NamedTuple):
    """An element's role, and the name that a BEGIN has in common with its END."""

    role: Role
    name: str = ""


class Part(NamedTuple):
    """A text or a code, in the order of the file."""

    text: str
    code: Code | None = None  # None: a text
    is_start: bool = False  # of a PAIR; else its end


def marked(
    xml: XmlFile, element: Element, code_of: Callable[[Element], Code], keeps_lines: bool = True
) -> Marked:
    """Return the text of an element with the elements in it as marks.

    keeps_lines: a line break is part of the text; else it is a space.
    """
    parts = list(parts_of(xml, element, code_of))
    kinds = kinds_of(parts)
    texts: list[str] = []
    marks = []
    length = 0
    for part, kind in zip(parts, kinds, strict=True):
        text = part.text
        if part.code is None and not keeps_lines:
            text = on_one_line(text)
        if kind is not None:
            marks.append(Mark(length, length + len(text), kind))
        texts.append(text)
        length += len(text)
    return Marked("".join(texts), tuple(marks))


def on_one_line(text: str) -> str:
    """Return a text with a space for each line break and the spaces around it."""
    if "\n" not in text:
        return text
    lines = text.split("\n")
    inner = [each.strip() for each in lines[1:-1]]
    ends = [lines[0].rstrip(), *inner, lines[-1].lstrip()]
    return " ".join(ends)


def parts_of(xml: XmlFile, element: Element, code_of: Callable[[Element], Code]) -> Iterator[Part]:
    """Yield the texts and codes in an element."""
    for child in element.children:
        if isinstance(child, Text):
            yield Part(child.text)
        elif not isinstance(child, Element):  # a comment
            yield Part(xml.raw(child.begin, child.end), Code(Role.WHOLE))
        else:
            code = code_of(child)
            if code.role is not Role.PAIR or child.is_empty_tag:
                whole = Code(Role.WHOLE) if code.role is Role.PAIR else code
                yield Part(xml.raw(child.begin, child.end), whole)
                continue
            yield Part(xml.raw(child.begin, child.inner_begin), code, is_start=True)
            yield from parts_of(xml, child, code_of)
            yield Part(xml.raw(child.inner_end, child.end), code)


def kinds_of(parts: list[Part]) -> list[Kind | None]:
    """Return the kinds of codes, None for texts; a BEGIN or END that crosses a pair is ALONE."""
    kinds: list[Kind | None] = [None if each.code is None else Kind.ALONE for each in parts]
    open_at: list[int] = []
    for number, part in enumerate(parts):
        if part.code is None:
            continue
        if part.is_start or part.code.role is Role.BEGIN:
            open_at.append(number)
        elif part.code.role in (Role.END, Role.PAIR) and open_at:
            begin = partner(parts, open_at, part.code)
            if begin is not None:
                kinds[begin], kinds[number] = Kind.OPEN, Kind.CLOSE
    return kinds


def partner(parts: list[Part], open_at: list[int], code: Code) -> int | None:
    """Return the part that an end belongs to, and take it and all after it from the open ones."""
    if code.role is Role.PAIR:  # XML is well-formed: it is there
        while parts[open_at[-1]].code != code or not parts[open_at[-1]].is_start:
            open_at.pop()
        return open_at.pop()
    first = parts[open_at[-1]].code
    if first is not None and first.role is Role.BEGIN and first.name == code.name:
        return open_at.pop()
    return None
