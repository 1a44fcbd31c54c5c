"""Find the text of a block in the lines of a file."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n|$)")
PIPE = re.compile(r"(?<!\\)\|")


class Line(NamedTuple):
    """A line of Markdown: a line of the file, perhaps without a prefix."""

    begin: int  # in the file
    text: str
    number: int
    outer: str = ""  # the prefix in the file that the text lacks


def lines_of(text: str) -> list[Line]:
    """Return the lines of a file, without their ends."""
    lines, place = list[Line](), 0
    while place < len(text):
        found = LINE.match(text, place)
        assert found is not None  # noqa: S101 (it matches everywhere)
        lines.append(Line(place, found[0].rstrip("\r\n"), len(lines) + 1))
        place = found.end()
    return lines


class Located(NamedTuple):
    """The text of a block, and where its parts are in the file."""

    content: str
    begins: tuple[int, ...]  # of parts in the content
    places: tuple[int, ...]  # of the same parts in the file
    prefix: str = ""  # of the second line in the file, such as "> "
    column: int = 0  # of the first character
    number: int = 0  # of the first line

    def at(self, place: int) -> int:
        """Return the place in the file of a place in the content."""
        part = max(0, bisect_right(self.begins, place) - 1)
        return self.places[part] + place - self.begins[part]


def inner_lines(content: str, lines: Sequence[Line]) -> list[Line] | None:
    """Return the lines of a file that have a text, which may lack a prefix; None if they do not."""
    found = list[Line]()
    for part, line in zip(content.splitlines(), lines, strict=False):
        if not line.text.endswith(part):
            return None
        column = len(line.text) - len(part)
        found.append(Line(line.begin + column, part, line.number, line.outer + line.text[:column]))
    return found


def paragraph(content: str, lines: Sequence[Line]) -> Located | None:
    """Return where the text of a paragraph is, whose lines end lines of the file; None if not."""
    begins, places, prefixes = list[int](), list[int](), list[str]()
    begin = 0
    for part, line in zip(content.split("\n"), lines, strict=False):
        stripped = part.strip()
        if not stripped or not line.text.rstrip().endswith(stripped):
            return None
        column = len(line.text.rstrip()) - len(stripped)
        begins.append(begin + len(part) - len(part.lstrip()))
        places.append(line.begin + column)
        prefixes.append(line.outer + line.text[:column])
        begin += len(part) + 1
    if len(begins) != content.count("\n") + 1:
        return None
    prefix = prefixes[1] if len(prefixes) > 1 else ""
    return Located(content, tuple(begins), tuple(places), prefix, len(prefixes[0]), lines[0].number)


def heading(content: str, line: Line, markup: str) -> Located | None:
    """Return where the text of a heading that begins with `#` is; None if nowhere."""
    begin = line.text.find(markup)
    column = line.text.find(content, begin + len(markup)) if begin >= 0 else -1
    if column < 0:
        return None
    return Located(content, (0,), (line.begin + column,), number=line.number)


def cells(contents: Sequence[str], line: Line) -> list[Located | None]:
    """Return where the cells of a row are; None for those that are empty or not found."""
    ends = [each.start() for each in PIPE.finditer(line.text)] + [len(line.text)]
    begins = [0] + [each + 1 for each in ends[:-1]]
    rest = iter(zip(begins, ends, strict=True))
    found = list[Located | None]()
    for content in contents:
        located = None
        while content and located is None and (span := next(rest, None)):
            located = cell(content, line, *span)
        found.append(located)
    return found


def cell(content: str, line: Line, begin: int, end: int) -> Located | None:
    """Return where a cell is in a part of a row; None if the part is another cell."""
    raw = line.text[begin:end].rstrip()
    # The first part of a row may begin with the prefix of a list or a quotation.
    escaped = content.replace("|", "\\|")
    if not (raw.endswith(escaped) if begin == 0 else raw.strip() == escaped):
        return None
    column = begin + len(raw) - len(escaped)
    parts, places = [0], [line.begin + column]
    for number, place in enumerate(each.start() for each in re.finditer(r"\|", content)):
        parts.append(place)
        places.append(line.begin + column + place + number + 1)
    return Located(content, tuple(parts), tuple(places), number=line.number)
