"""Write a translation as Markdown: escaped, wrapped, and read again to check it."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from nmt.decoding.translator.marked import Kind, Marked
from nmt.documents.pages.markdown_inline import Inline, ShortTexts
from nmt.documents.pages.markdown_parser import LEVELS, Located, escaped, escaped_begin, parser
from nmt.documents.pages.runs import Item, Role, partners_of

# Each kind of block as it is read again; the first token that it must give.
BLOCKS = {
    "paragraph": ("{}", "paragraph_open"),
    "heading": ("# {}", "heading_open"),
    "=": ("{}\n===", "heading_open"),  # underlined
    "-": ("{}\n---", "heading_open"),
    "cell": ("|a|b|\n|-|-|\n||{}|", "table_open"),
    "first cell": ("|a|b|\n|-|-|\n{}|", "table_open"),  # of a row that begins without a pipe
}
CELLS = {"cell": 3, "first cell": 2}  # which of the texts of the table it is
SPACE = re.compile(r"\s+")
KEPT_SPACE = "\0"  # stands for a space in a mark; no file has this character
DELIMITER = re.compile(r"[*_~]+")
# A line that begins with this may be a block of its own.
MAY_BEGIN_BLOCK = re.compile(
    r"[-+*](?=\s|$)|\d{1,9}[.)](?=\s|$)|#{1,6}(?=\s|$)|>|`{3}|~{3}|:|[-=]+\s*$|[*_-]{3}|\||<|\[\^?[^]]*]:"
    r"|\$\$|%|\+{3}|\("
)


class Part(NamedTuple):
    """A part of a translation: escaped text, or a mark."""

    text: str
    kind: Kind | None = None  # None: text


class Surroundings(NamedTuple):
    """The block that a segment is in."""

    block: str  # a key of `BLOCKS`
    before: str  # of its text, before and after the segment
    after: str
    prefix: str  # of lines after the first
    column: int  # where the segment begins in its line
    most_columns: int  # of the longest line of the source; 0: it is on one line
    line_end: str
    has_pipes: bool
    references: dict[str, Any]  # of the parser, from the whole file


class Writer:
    """Writes the translations of a segment."""

    def __init__(
        self, around: Surroundings, before: Sequence[Item], after: Sequence[Item], short: ShortTexts
    ) -> None:
        """Take the block and its items before and after the segment."""
        self._around, self._short = around, short
        self._before = [bare_mark(each) for each in before if each.role is not Role.TEXT]
        self._after = [bare_mark(each) for each in after if each.role is not Role.TEXT]
        self._words = (words_of(before), words_of(after))

    def write(self, translation: Marked) -> str | None:
        """Return the lines of a translation; None if they would not be read as it is meant."""
        around = self._around
        for is_spaced in (False, True):
            for level in LEVELS:
                parts = composed(translation, level, is_spaced=is_spaced)
                parts = [self._without_new_pipes(each) for each in parts]
                if not around.before:
                    first = escaped_begin(parts[0].text, level)
                    parts[0] = parts[0]._replace(text=first) if not parts[0].kind else parts[0]
                lines = self._lines(parts)
                content = f"{around.before}{chr(10).join(lines)}{around.after}"
                if self._is_read_as(content, translation, parts):
                    written = f"{around.line_end}{around.prefix}".join(lines)
                    return written.replace("|", "\\|") if around.block in CELLS else written
        return None

    def _without_new_pipes(self, part: Part) -> Part:
        """Return text in which a pipe cannot begin a table, as the source has none."""
        if part.kind or self._around.has_pipes:
            return part
        return part._replace(text=part.text.replace("\\|", "|").replace("|", "&#124;"))

    def _lines(self, parts: Sequence[Part]) -> list[str]:
        """Return the lines of a translation, wrapped as its source is."""
        text = "".join(
            each.text.replace(" ", KEPT_SPACE) if each.kind else each.text for each in parts
        )
        lines, column = list[str](), self._around.column
        for line in text.split("\n"):  # at the line breaks that are marks
            lines += wrapped(line.strip(" "), column, self._around)
            column = len(self._around.prefix)
        return [each.replace(KEPT_SPACE, " ") for each in lines]

    def _is_read_as(self, content: str, translation: Marked, parts: Sequence[Part]) -> bool:
        """Return whether a block with this text is one block with these marks and words."""
        found = items_of(content, self._around, self._short)
        if found is None:
            return False
        partners = partners_of(found)
        marks = [
            (bare_mark(each), kind_of(each, partner))
            for each, partner in zip(found, partners, strict=True)
            if each.role is not Role.TEXT
        ]
        meant = [(each.text.strip(" "), each.kind) for each in parts if each.kind]
        count = len(self._before)
        inside = marks[count : count + len(meant)]
        outside = [each[0] for each in (*marks[:count], *marks[count + len(meant) :])]
        if outside != [*self._before, *self._after] or inside != meant:
            return False
        before, after = self._words
        return words_of(found) == before + bare(translation.without_marks()) + after


def items_of(content: str, around: Surroundings, short: ShortTexts) -> list[Item] | None:
    """Return the items of the text of a block; None if it is not read as one block."""
    shape, first = BLOCKS[around.block]
    is_cell = around.block in CELLS
    source = shape.format(content.replace("|", "\\|") if is_cell else content)
    tokens = parser().parse(source, dict(around.references))
    texts = [each for each in tokens if each.type == "inline"]
    if not texts or tokens[0].type != first or len(texts) != (4 if is_cell else 1):
        return None
    if tokens[-1].type != first.replace("_open", "_close") or (not is_cell and len(tokens) != 3):
        return None
    text = texts[CELLS.get(around.block, 0)]
    if text.content != content.strip():
        return None
    inline = Inline(Located(text.content, (0,), (0,)), text.content, short)
    inline.add(text.children or [])
    return inline.items


def kind_of(item: Item, partner: int) -> Kind:
    """Return the kind of the mark of an item."""
    if partner < 0:
        return Kind.ALONE
    return Kind.OPEN if item.role is Role.START else Kind.CLOSE


def composed(translation: Marked, level: int, *, is_spaced: bool) -> list[Part]:
    """Return a translation as parts, with its white space outside of pairs of marks.

    is_spaced: delimiters that letters touch from outside get a space.
    """
    parts, marks = list[Part](), iter(translation.marks)
    for text, is_mark in translation.parts():
        if is_mark:
            # Between letters, "_" is no delimiter.
            mark = text.replace("_", "*") if level and not text.strip("_") else text
            parts.append(Part(mark, next(marks).kind))
        else:
            parts.append(Part(escaped(SPACE.sub(" ", text), level)))
    return with_spaces(list(spaces_outside(parts)) if parts else [Part("")], is_spaced)


def spaces_outside(parts: Sequence[Part]) -> Iterator[Part]:
    """Yield parts, with white space after an OPEN before it and that before a CLOSE after it."""
    result, pending = list[Part](), ""
    for number, part in enumerate(parts):
        if part.kind is not None:
            if part.kind is not Kind.CLOSE and pending:
                result.append(Part(pending))
                pending = ""
            result.append(part)
            continue
        text = pending + part.text
        pending = ""
        before = number - 1
        opens = before
        while opens >= 0 and parts[opens].kind is Kind.OPEN:
            opens -= 1
        if opens < before and text.startswith(" "):
            text = text.lstrip(" ")
            result.insert(len(result) - (before - opens), Part(" "))
        following = parts[number + 1].kind if number + 1 < len(parts) else None
        if following is Kind.CLOSE and text.endswith(" "):
            text, pending = text.rstrip(" "), " "
        if text:
            result.append(Part(text))
    if pending:
        result.append(Part(pending))
    yield from result


def with_spaces(parts: list[Part], is_spaced: bool) -> list[Part]:
    """Return parts with an escape before a link, and perhaps spaces around delimiters."""
    result = list[Part]()
    for number, part in enumerate(parts):
        following = parts[number + 1] if number + 1 < len(parts) else Part("")
        if not part.kind and part.text.endswith("!") and following.text.startswith("["):
            result.append(Part(f"{part.text[:-1].removesuffix(chr(92))}\\!"))
        else:
            result.append(part)
        opens = following.kind is Kind.OPEN and DELIMITER.fullmatch(following.text)
        closes = part.kind is Kind.CLOSE and DELIMITER.fullmatch(part.text)
        is_code = part.text.endswith("`") and following.text.startswith("`")
        if is_spaced and (
            (opens and part.kind is not Kind.OPEN)
            or (closes and following.kind is not Kind.CLOSE)
            or (is_code and part.kind and following.kind)
        ):
            result.append(Part(" "))
    return result


def wrapped(line: str, column: int, around: Surroundings) -> list[str]:
    """Return a line as several lines that are no longer than those of the source."""
    if not around.most_columns:
        return [line]
    lines, width = list[str](), around.most_columns - column
    words = list[str]()
    length = -1
    for word in line.split(" "):
        is_block = MAY_BEGIN_BLOCK.match(word.replace(KEPT_SPACE, " ")) is not None
        if words and length + 1 + len(word) > width and not is_block:
            lines.append(" ".join(words))
            words, length, width = [], -1, around.most_columns - len(around.prefix)
        words.append(word)
        length += 1 + len(word)
    return [*lines, " ".join(words)]


def bare_mark(item: Item) -> str:
    """Return a mark without the spaces that a line break may have around it."""
    return item.text.strip(" ")


def words_of(items: Sequence[Item]) -> str:
    """Return the words of items without white space."""
    return bare("".join(each.text for each in items if each.role is Role.TEXT))


def bare(text: str) -> str:
    """Return a text without white space."""
    return SPACE.sub("", text)
