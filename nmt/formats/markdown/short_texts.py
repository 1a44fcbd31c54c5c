"""Find the texts inside marks that people read: of pictures, titles of links, HTML attributes."""

import re
from typing import TYPE_CHECKING

from nmt.decoding.marks.marked import Marked
from nmt.formats.document import Options, Segment
from nmt.formats.html.reader import HtmlReader
from nmt.formats.html.scanner import NAME
from nmt.formats.inline import has_words
from nmt.formats.markdown.escapes import LEVELS, escaped
from nmt.formats.markdown.parser import parser
from nmt.formats.nested import NestedDocument, Part, Piece, Spot

if TYPE_CHECKING:
    from markdown_it.token import Token

TITLE = re.compile(
    r"(?<=\s)(\"(?:\\.|[^\"\\])*+\"|'(?:\\.|[^'\\])*+')(?=\s*\)(?:\{[^{}]*\})?$)", re.DOTALL
)
WORDS = {"text", "text_special", "softbreak"}


class ShortTexts:
    """Makes spots of texts inside marks."""

    def __init__(self, document: NestedDocument, options: Options) -> None:
        """Take the document of the spots."""
        self._html = HtmlReader("", document, options)

    def tag(self, raw: str, number: int) -> tuple[Part, ...]:
        """Return an HTML tag in line `number` as parts."""
        name = NAME.match(raw)
        is_start = name is not None and not raw.startswith("</")
        return self._html.tag(raw, name[1].lower(), number) if name and is_start else (raw,)

    def picture(self, raw: str, token: "Token", number: int) -> tuple[Part, ...]:
        """Return a picture in line `number` as parts, with spots for its text and title."""
        end = 2 + len(token.content)
        text = plain(token.children or [])
        if raw[2:end] != token.content or text is None or not has_words(text):
            return raw[:end], *self.link_end(raw[end:], number)
        segment = Segment(Marked(text.strip()), f"line {number}", context="alt", is_one=True)
        spot = Spot(segment, (Piece((raw[2:end],)),), written_alt)
        return "![", spot, *self.link_end(raw[end:], number)

    def link_end(self, raw: str, number: int) -> tuple[Part, ...]:
        """Return the end of a link or picture as parts, with a spot for its title."""
        from markdown_it.common.utils import unescapeAll

        found = TITLE.search(raw) if raw.startswith("](") else None
        if found is None or not has_words(found[1]) or "\n" in found[1]:
            return (raw,)
        quote, text = found[1][0], unescapeAll(found[1][1:-1])

        def write(translation: Marked) -> str:
            return f"{quote}{escaped_title(translation.text, quote)}{quote}"

        segment = Segment(Marked(text), f"line {number}", context="title", is_one=True)
        return raw[: found.start()], Spot(segment, (Piece((found[1],)),), write), raw[found.end() :]


def plain(tokens: "list[Token]") -> str | None:
    """Return the text of tokens without markup; None if there is some."""
    if any(each.type not in WORDS for each in tokens):
        return None
    return "".join(" " if each.type == "softbreak" else each.content for each in tokens)


def written_alt(translation: Marked) -> str | None:
    """Return the text of a picture with escapes where they are needed."""
    text = " ".join(translation.text.split())
    for level in LEVELS:
        # A pipe would end a cell of a table.
        written = escaped(text, level).replace("|", "&#124;")
        tokens = parser().parseInline(f"![{written}](x)")[0].children or []
        if [each.type for each in tokens] == ["image"] and plain(tokens[0].children or []) == text:
            return written
    return None


def escaped_title(text: str, quote: str) -> str:
    """Return the title of a link with escapes."""
    text = " ".join(text.split()).replace("&", "&amp;").replace("\\", "\\\\")
    return text.replace(quote, "\\" + quote).replace("|", "&#124;")
