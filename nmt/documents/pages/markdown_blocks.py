"""Read the blocks of Markdown: paragraphs, headings, tables, directives, front matter."""

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import Options, Segment
from nmt.documents.nested import NestedDocument, Write
from nmt.documents.pages.html import HtmlReader
from nmt.documents.pages.html_scanner import names
from nmt.documents.pages.markdown_inline import Inline, ShortTexts
from nmt.documents.pages.markdown_parser import (
    Line,
    Located,
    cells,
    front_matter_length,
    front_matter_texts,
    heading,
    inner_lines,
    paragraph,
    parser,
)
from nmt.documents.pages.markdown_writer import Surroundings, Writer
from nmt.documents.pages.runs import Item, add_run

if TYPE_CHECKING:
    from markdown_it.token import Token

MOST_NESTED = 10  # directives
CELLS = ("th_open", "td_open")


class Block(NamedTuple):
    """The begin or end of a block, such as a list."""

    name: str
    line: int  # in the file; for an end, that of the last begin


class BlockReader:
    """Adds Markdown to a document."""

    def __init__(self, source: str, document: NestedDocument, options: Options) -> None:
        """Take the text of a file."""
        self._source, self._document, self._options = source, document, options
        self._short = ShortTexts(document, options)
        self._env: dict[str, Any] = {}
        self._place = 0  # up to here, the file is in the document
        line_end = re.search(r"\r\n?|\n", source)
        self._line_end = line_end[0] if line_end else "\n"

    def read(self, lines: Sequence[Line]) -> None:
        """Add the lines of a file."""
        count = front_matter_length(lines)
        for begin, end, spot in front_matter_texts(lines[:count]):
            self.keep_to(begin)
            self._document.put(spot)
            self._place = end
        self._read(lines[count:], 0)

    def keep_to(self, place: int) -> None:
        """Add the file up to a place as it is."""
        if place > self._place:
            self._document.put(self._source[self._place : place])
            self._place = place

    def _read(self, lines: Sequence[Line], depth: int) -> None:
        tokens = parser().parse("\n".join(each.text for each in lines), self._env)
        row = iter(list[Located | None]())
        for number, token in enumerate(tokens):
            # The lines of a term of a definition list end where they begin.
            own = lines[token.map[0] : max(token.map[1], token.map[0] + 1)] if token.map else []
            if not own:
                continue
            if token.type == "tr_open":
                row = iter(cells(list(cells_of(tokens, number)), own[0]))
            elif token.type == "inline":
                is_cell = tokens[number - 1].type in CELLS
                located = (
                    next(row, None) if is_cell else self._located(tokens[number - 1], token, own)
                )
                if located is not None:
                    self._add_text(located, token, tokens[number - 1], own)
            elif token.type == "html_block":
                self._add_html(token, own)
            elif token.type in ("fence", "colon_fence") and depth < MOST_NESTED:
                inner = content_of(token, own)
                if inner:
                    self._read(inner, depth + 1)

    def _located(self, block: "Token", token: "Token", own: Sequence[Line]) -> Located | None:
        """Return where the text of a paragraph or heading is in the file."""
        if block.type == "heading_open" and block.markup.startswith("#"):
            return heading(token.content, own[0], block.markup)
        return paragraph(token.content, own)

    def _add_text(
        self, located: Located, token: "Token", block: "Token", own: Sequence[Line]
    ) -> None:
        """Add the text of a block."""
        content = located.content
        begin, end = located.at(0), located.at(len(content))
        if not content or begin < self._place:
            return
        children = token.children or []
        inline = Inline(located, self._source, self._short)
        inline.add(children)
        self.keep_to(begin)
        is_wrapped = any(each.type == "softbreak" for each in children)
        most = max(len(each.outer + each.text.rstrip()) for each in own) if is_wrapped else 0
        shape = shape_of(block, own[0], begin)

        def segment(source: Marked) -> Segment:
            is_heading = block.type == "heading_open"
            return Segment(source, f"line {located.number}", is_heading=is_heading)

        def write_of(before: Sequence[Item], after: Sequence[Item]) -> Write:
            start = inline.places[len(before)][0]
            stop = inline.places[-1 - len(after)][1]
            line_begin = content.rfind("\n", 0, start) + 1
            around = Surroundings(
                shape,
                before=content[:start],
                after=content[stop:],
                prefix=located.prefix,
                column=start - line_begin + (len(located.prefix) if line_begin else located.column),
                most_columns=most,
                line_end=self._line_end,
                has_pipes="|" in content or block.type in CELLS,
                references=self._env,
            )
            return Writer(around, before, after, self._short).write

        add_run(self._document, inline.items, segment, write_of)
        self._place = end

    def _add_html(self, token: "Token", own: Sequence[Line]) -> None:
        """Add a block of HTML, unless its lines have a prefix that is no white space."""
        lines = inner_lines(token.content, own)
        if not lines or any((each.outer).strip() for each in lines[1:]):
            return
        begin, end = lines[0].begin, lines[-1].begin + len(lines[-1].text)
        if begin < self._place:
            return
        self.keep_to(begin)
        text = self._source[begin:end]
        HtmlReader(text, self._document, self._options, lines[0].number).read()
        self._place = end


def blocks_of(lines: Sequence[Line]) -> list[Block]:
    """Return the blocks of a page after its front matter, without the content of directives."""
    first = front_matter_length(lines)
    tokens = parser().parse("\n".join(each.text for each in lines[first:]))
    blocks, line = list[Block](), 0
    for token in tokens:
        line = token.map[0] if token.map else line
        blocks.append(Block(token.type, first + 1 + line))
    return blocks


def shape_of(block: "Token", line: Line, begin: int) -> str:
    """Return what a block is, a key of `BLOCKS`; begin: where its text is in the file."""
    if block.type in CELLS:
        return "cell" if line.text[: begin - line.begin].strip(" \t>") else "first cell"
    if block.type == "heading_open":
        return "heading" if block.markup.startswith("#") else block.markup
    return "paragraph"


def cells_of(tokens: "Sequence[Token]", row: int) -> Iterator[str]:
    """Yield the texts of the cells of a row."""
    for token in tokens[row:]:
        if token.type == "tr_close":
            return
        if token.type == "inline":
            yield token.content


# Directives of MyST, and the containers of other programs, whose content is Markdown.
WITH_TEXT = names(
    "admonition attention card caution danger details dropdown epigraph error figure grid"
    " grid-item grid-item-card hint important info list-table margin note pull-quote question"
    " seealso sidebar success tab-item tab-set table tip todo topic versionadded versionchanged"
    " deprecated warning"
)
INFO = re.compile(r"\{?([\w-]+)\}?")
OPTION = re.compile(r"[ \t]*:[\w-]+:(?:[ \t]|$)")
OPTIONS_END = "---"


def content_of(token: "Token", own: Sequence[Line]) -> list[Line]:
    """Return the lines of Markdown inside a fence: none if it is code.

    own: the lines of the fence. Its options stay.
    """
    info = token.info.strip()
    name = INFO.match(info)
    is_directive = info.startswith("{") or token.type == "colon_fence"
    if not is_directive or name is None or name[1].lower() not in WITH_TEXT:
        return []
    lines = inner_lines(token.content, own[1:]) or []
    return lines[options(lines) :]


def options(lines: Sequence[Line]) -> int:
    """Return how many lines at the begin of a directive are its options."""
    if lines and lines[0].text.rstrip() == OPTIONS_END:
        ends = (n for n, each in enumerate(lines) if n and each.text.rstrip() == OPTIONS_END)
        return next(ends, -1) + 1
    count = 0
    while count < len(lines) and OPTION.match(lines[count].text):
        count += 1
    return count
