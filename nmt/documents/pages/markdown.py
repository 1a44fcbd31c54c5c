"""Markdown: pages of documentation, README files."""

import re
from collections.abc import Sequence
from functools import partial
from itertools import takewhile, zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import Document, Finding, Options, RawMark, Segment, decode
from nmt.documents.marks.never_text import MARKDOWN_LINES, MDX_CODE
from nmt.documents.pages.html import add_attributes, add_html
from nmt.documents.pages.html_scanner import NAME, names
from nmt.documents.pages.markdown_parser import (
    SPAN,
    Line,
    Located,
    cells,
    heading,
    inner_lines,
    paragraph,
    parser,
    plain,
    read_items,
    split_lines,
)
from nmt.documents.pages.markdown_writer import Writer, written_alt, written_title
from nmt.documents.pages.page import (
    PageDocument,
    PageText,
    add_front_matter,
    front_matter_end,
    has_words,
    read_run,
)
from nmt.documents.texts.wrapping import LINE_BREAK

if TYPE_CHECKING:
    from markdown_it.token import Token

MOST_NESTED = 10  # directives
CELLS = ("th_open", "td_open")
TITLE = re.compile(
    r"(?<=\s)(\"(?:\\.|[^\"\\])*+\"|'(?:\\.|[^'\\])*+')(?=\s*\)(?:\{[^{}]*\})?$)", re.DOTALL
)


def read(content: bytes, options: Options, code: re.Pattern[str] = MARKDOWN_LINES) -> Document:
    """Return the document of a page; the text of a block is a segment.

    code: what is no text, besides code of templates.

    Raises NmtError if the packages that parse Markdown are not installed.
    """
    text, encoding = decode(content)
    document = PageDocument(content, text, encoding, options, code)
    lines = split_lines(document.source, add_front_matter(document))
    blocks = find_blocks(BlockReader(document).read(lines))
    document.check = partial(compare_blocks, document, lines, blocks)
    document.number()
    return document


def read_mdx(content: bytes, options: Options) -> Document:
    """Return the document of a page, as that of Markdown."""
    return read(content, options, MDX_CODE)


class Block(NamedTuple):
    """The begin or end of a block, such as a list."""

    name: str
    line: int  # its number, from 0; for an end, that of the last begin


def find_blocks(tokens: "Sequence[Token]") -> list[Block]:
    """Return the blocks of a page, without the content of directives."""
    blocks, line = list[Block](), 0
    for token in tokens:
        line = token.map[0] if token.map else line
        blocks.append(Block(token.type, line))
    return blocks


def compare_blocks(
    document: PageDocument, lines: Sequence[Line], blocks: Sequence[Block], text: str
) -> list[Finding]:
    """Return the first block that is another in the translated page.

    Each text is read again when it is written, but alone. What it makes of the lines before and
    after it is found here.
    """
    translated = split_lines(text, front_matter_end(text))
    tokens = parser().parse("\n".join(line.text for line in translated))
    for before, after in zip_longest(blocks, find_blocks(tokens)):
        if before is None or after is None or before.name != after.name:
            line = lines[min((before or after).line, len(lines) - 1)]
            message = "the translated page has another block here; compare it with the source"
            return [Finding(document.place(line.begin), message)]
    return []


class BlockReader:
    """Puts the texts of Markdown into a document."""

    def __init__(self, document: PageDocument) -> None:
        """Take the document of a file."""
        self._document = document
        self._env: dict[str, Any] = {}  # of the parser
        self._end = 0  # of what was read
        line_end = LINE_BREAK.search(document.source)
        self._line_end = line_end[0] if line_end else "\n"

    def read(self, lines: Sequence[Line], depth: int = 0) -> "list[Token]":
        """Read lines of a file; return the tokens of their blocks."""
        tokens = parser().parse("\n".join(line.text for line in lines), self._env)
        row = iter(list[Located | None]())
        for number, token in enumerate(tokens):
            # The lines of a term of a definition list end where they begin.
            own = lines[token.map[0] : max(token.map[1], token.map[0] + 1)] if token.map else []
            if not own:
                continue
            if token.type == "tr_open":
                row_tokens = takewhile(lambda token: token.type != "tr_close", tokens[number:])
                texts = [inner.content for inner in row_tokens if inner.type == "inline"]
                row = iter(cells(texts, own[0]))
            elif token.type == "inline":
                block = tokens[number - 1]
                if block.type in CELLS:
                    located = next(row, None)
                elif block.type == "heading_open" and block.markup.startswith("#"):
                    located = heading(token.content, own[0], block.markup)
                else:
                    located = paragraph(token.content, own)
                if located is not None:
                    self._add_text(located, token.children or [], block, own)
            elif token.type == "html_block":
                self._add_html(token, own)
            elif token.type in ("fence", "colon_fence") and depth < MOST_NESTED:
                self.read(directive_lines(token, own), depth + 1)
        return tokens

    def _add_text(
        self, located: Located, tokens: "Sequence[Token]", block: "Token", own: Sequence[Line]
    ) -> None:
        """Add the text of a block."""
        content, source = located.content, self._document.source
        begin, end = located.at(0), located.at(len(content))
        if not content or begin < self._end:
            return
        self._end = end

        def raw(begin: int, end: int) -> str:
            return source[located.at(begin) : located.at(end)]

        items = read_items(content, tokens, raw)
        by_span = {token.meta.get(SPAN): token for token in tokens}
        for item in items:
            token = by_span.get((item.begin, item.end))
            if token and raw(item.begin, item.end) == item.text:
                add_short_texts(self._document, token, located.at(item.begin), item.text, begin)
        found = read_run(items)
        if found is None:
            return
        is_wrapped = any(token.type == "softbreak" for token in tokens)
        most = max(len(line.outer + line.text.rstrip()) for line in own) if is_wrapped else 0
        shape = block_shape(block, own[0], begin)
        first, last, text, marks = found
        writer = Writer(located, shape, items, first, last, most, self._line_end, self._env)
        is_heading = block.type == "heading_open"
        segment = Segment(text, self._document.place(begin), is_heading=is_heading)
        begin, end = located.at(items[first].begin), located.at(items[last - 1].end)
        raw_marks = [
            RawMark(shown, located.at(begin), located.at(end), changed)
            for shown, begin, end, changed in marks
        ]
        self._document.texts.append(PageText(begin, end, segment, writer.write, raw_marks))

    def _add_html(self, token: "Token", own: Sequence[Line]) -> None:
        """Add a block of HTML, unless its lines have a prefix that is no white space."""
        lines = inner_lines(token.content, own)
        if not lines or any(line.outer.strip() for line in lines[1:]):
            return
        begin, end = lines[0].begin, lines[-1].begin + len(lines[-1].text)
        if begin >= self._end:
            add_html(self._document, begin, end)
            self._end = end


def add_short_texts(
    document: PageDocument, token: "Token", begin: int, raw: str, block: int
) -> None:
    """Put the texts inside a mark into a document: attributes of a tag, a picture's text, a title.

    begin: where the mark is; raw: its text; block: where its block is, for messages.
    """
    from markdown_it.common.utils import unescapeAll

    if token.type == "html_inline":
        name = NAME.match(raw)
        if name and not raw.startswith("</"):
            add_attributes(document, begin, begin + len(raw), name[1].lower(), block)
        return
    label_end = 0
    if token.type == "image":
        label_end = 2 + len(token.content)
        text = plain(token.children or [])
        if raw[2:label_end] == token.content and text is not None and has_words(text):
            segment = Segment(Marked(text.strip()), document.place(block), "alt", is_one=True)
            document.texts.append(PageText(begin + 2, begin + label_end, segment, written_alt))
    if token.type not in ("image", "link_close") or not raw.startswith("](", label_end):
        return
    found = TITLE.search(raw, label_end)
    if found and has_words(found[1]) and "\n" not in found[1]:
        text = unescapeAll(found[1][1:-1])
        segment = Segment(Marked(text), document.place(block), "title", is_one=True)
        first, last = found.span(1)
        write = partial(written_title, found[1][0])
        document.texts.append(PageText(begin + first, begin + last, segment, write))


def block_shape(block: "Token", line: Line, begin: int) -> str:
    """Return what a block is, a key of `BLOCKS`; begin: where its text is in the file."""
    if block.type in CELLS:
        return "cell" if line.text[: begin - line.begin].strip(" \t>") else "first cell"
    if block.type == "heading_open":
        return "heading" if block.markup.startswith("#") else block.markup
    return "paragraph"


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


def directive_lines(token: "Token", own: Sequence[Line]) -> list[Line]:
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
        ends = (n for n, line in enumerate(lines) if n and line.text.rstrip() == OPTIONS_END)
        return next(ends, -1) + 1
    count = 0
    while count < len(lines) and OPTION.match(lines[count].text):
        count += 1
    return count
