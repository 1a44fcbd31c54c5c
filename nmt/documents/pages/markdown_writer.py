"""Write a translation as Markdown: escaped, wrapped, and read again to check it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from nmt.decoding.translator.marked import Kind, Marked
from nmt.documents.pages.markdown_parser import Located, parser, plain, read_items
from nmt.documents.pages.page import Item, Role, partners_in

# How much is escaped: nothing; what often is markup; every character that can be.
NOTHING, OFTEN, ALL = LEVELS = range(3)

PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
OFTEN_MARKUP = re.compile(
    r"(\\(?=[!-/:-@\[-`{-~])|[`*\[\]]|~~|<(?=[a-zA-Z/!?])|&(?=#?\w+;)|\$"
    r"|(?<![^\W_])_|_(?![^\W_])|\{(?=[\w:.#%]))"
)
BEGINS_BLOCK = re.compile(r"[-+*](?=\s|$)|#{1,6}(?=\s|$)|[>%:~]|=+$|-+$|\+{3}|\(")
DEFINITION = re.compile(r"[:~](?=\s|$)")
NUMBER = re.compile(r"(\d{1,9})([.)])(?=\s|$)")


def escaped(text: str, level: int) -> str:
    """Return a text with a backslash before what may be markup in it."""
    if level == NOTHING:
        return text
    if level == OFTEN:
        return OFTEN_MARKUP.sub(r"\\\1", text)
    # Tables do not see the backslash before a pipe in their only column.
    return PUNCTUATION.sub(r"\\\1", text).replace("\\|", "&#124;")


def escaped_begin(text: str, level: int) -> str:
    """Return an escaped text that does not begin a list, a heading or a quotation.

    level: that at which the text was escaped.
    """
    if level == NOTHING:
        # After a paragraph, this would be its definition; the parser does not see it alone.
        return "\\" + text if DEFINITION.match(text) else text
    if found := NUMBER.match(text):
        return f"{found[1]}\\{text[len(found[1]) :]}"
    return "\\" + text if BEGINS_BLOCK.match(text) else text


def written_alt(translation: Marked) -> str | None:
    """Return the text of a picture with escapes where they are needed."""
    text = " ".join(translation.text.split())
    for level in LEVELS:
        # A pipe would end a cell of a table.
        written = escaped(text, level).replace("|", "&#124;")
        tokens = parser().parseInline(f"![{written}](x)")[0].children or []
        types = [token.type for token in tokens]
        if types == ["image"] and plain(tokens[0].children or []) == text:
            return written
    return None


def written_title(quote: str, translation: Marked) -> str:
    """Return the title of a link with escapes, in quotation marks."""
    text = " ".join(translation.text.split()).replace("&", "&amp;").replace("\\", "\\\\")
    return f"{quote}{text.replace(quote, chr(92) + quote).replace('|', '&#124;')}{quote}"


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


@dataclass(frozen=True)
class Writer:
    """Writes the translations of a segment in the block that it is in."""

    located: Located
    block: str  # a key of `BLOCKS`
    items: Sequence[Item]  # of the block; the segment's are from `first` to before `last`
    first: int
    last: int
    most_columns: int  # of the longest line of the source; 0: it is on one line
    line_end: str
    references: dict[str, Any]  # of the parser, from the whole file

    def write(self, translation: Marked) -> str | None:
        """Return the lines of a translation; None if they would not be read as it is meant."""
        content = self.located.content
        begin, end = self.items[self.first].begin, self.items[self.last - 1].end
        for is_spaced in (False, True):
            for level in LEVELS:
                parts = composed(translation, level, is_spaced=is_spaced)
                if "|" not in content and self.block not in CELLS:
                    parts = [part if part.kind else without_pipes(part) for part in parts]
                if not begin and not parts[0].kind:
                    parts[0] = Part(escaped_begin(parts[0].text, level))
                lines = self._lines(parts, begin)
                written = "\n".join(lines)
                if self._is_read_as(content[:begin] + written + content[end:], translation, parts):
                    written = f"{self.line_end}{self.located.prefix}".join(lines)
                    return written.replace("|", "\\|") if self.block in CELLS else written
        return None

    def _lines(self, parts: Sequence[Part], begin: int) -> list[str]:
        """Return the lines of a translation, wrapped as its source is; begin: where it is."""
        line_begin = self.located.content.rfind("\n", 0, begin) + 1
        indent = len(self.located.prefix)
        column = begin - line_begin + (indent if line_begin else self.located.column)
        text = "".join(
            part.text.replace(" ", KEPT_SPACE) if part.kind else part.text for part in parts
        )
        lines = list[str]()
        for line in text.split("\n"):  # at the line breaks that are marks
            lines += self._wrapped(line.strip(" "), column)
            column = indent
        return [line.replace(KEPT_SPACE, " ") for line in lines]

    def _wrapped(self, line: str, column: int) -> list[str]:
        """Return a line as several lines that are no longer than those of the source."""
        if not self.most_columns:
            return [line]
        lines, words, length = list[str](), list[str](), -1
        width = self.most_columns - column
        for word in line.split(" "):
            is_block = MAY_BEGIN_BLOCK.match(word.replace(KEPT_SPACE, " ")) is not None
            if words and length + 1 + len(word) > width and not is_block:
                lines.append(" ".join(words))
                words, length, width = [], -1, self.most_columns - len(self.located.prefix)
            words.append(word)
            length += 1 + len(word)
        return [*lines, " ".join(words)]

    def _is_read_as(self, content: str, translation: Marked, parts: Sequence[Part]) -> bool:
        """Return whether a block with this text is one block with these marks and words."""
        found = self._read(content)
        if found is None:
            return False
        own, before, after = (
            find_marks(self.items),
            self.items[: self.first],
            self.items[self.last :],
        )
        inside = [(part.text.strip(" "), part.kind) for part in parts if part.kind]
        meant = [*own[: self.first], *inside, *own[self.last :]]
        if [mark for mark in find_marks(found) if mark] != [mark for mark in meant if mark]:
            return False
        words = bare_words(before) + bare(translation.without_marks()) + bare_words(after)
        return bare_words(found) == words

    def _read(self, content: str) -> list[Item] | None:
        """Return the items of the text of a block; None if it is not read as one block."""
        shape, first = BLOCKS[self.block]
        is_cell = self.block in CELLS
        source = shape.format(content.replace("|", "\\|") if is_cell else content)
        tokens = parser().parse(source, dict(self.references))
        texts = [token for token in tokens if token.type == "inline"]
        if not texts or tokens[0].type != first or len(texts) != (4 if is_cell else 1):
            return None
        is_open = tokens[-1].type != first.replace("_open", "_close")
        text = texts[CELLS.get(self.block, 0)]
        if is_open or (not is_cell and len(tokens) != 3) or text.content != content.strip():
            return None
        children = text.children or []
        return read_items(text.content, children, lambda begin, end: text.content[begin:end])


def composed(translation: Marked, level: int, *, is_spaced: bool) -> list[Part]:
    """Return a translation as parts, with its white space outside of pairs of marks.

    is_spaced: delimiters that letters touch from outside get a space.
    """
    parts = list[Part]()
    for text, mark in translation.parts():
        if mark:
            # Between letters, "_" is no delimiter.
            shown = text.replace("_", "*") if level and not text.strip("_") else text
            parts.append(Part(shown, mark.kind))
        else:
            parts.append(Part(escaped(SPACE.sub(" ", text), level)))
    return with_spaces(spaces_outside(parts) if parts else [Part("")], is_spaced)


def spaces_outside(parts: Sequence[Part]) -> list[Part]:
    """Return parts with white space after an OPEN before it, and that before a CLOSE after it."""
    result, pending, opens = list[Part](), "", 0
    for number, part in enumerate(parts):
        if part.kind:
            opens = opens + 1 if part.kind is Kind.OPEN else 0
            if pending and part.kind is not Kind.CLOSE:
                result.append(Part(pending))
                pending = ""
            result.append(part)
            continue
        text, pending = pending + part.text, ""
        if opens and text.startswith(" "):
            text = text.lstrip(" ")
            result.insert(len(result) - opens, Part(" "))
        opens = 0
        is_last = number + 1 == len(parts)
        if not is_last and parts[number + 1].kind is Kind.CLOSE and text.endswith(" "):
            text, pending = text.rstrip(" "), " "
        if text:
            result.append(Part(text))
    return [*result, Part(pending)] if pending else result


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


def without_pipes(part: Part) -> Part:
    """Return text in which a pipe cannot begin a table."""
    return Part(part.text.replace("\\|", "|").replace("|", "&#124;"))


def find_marks(items: Sequence[Item]) -> list[tuple[str, Kind] | None]:
    """Return each mark of some items, without the spaces around a line break; None for words."""
    return [
        None
        if item.role is Role.TEXT
        else (item.text.strip(" "), Kind.ALONE if partner < 0 else item.kind)
        for item, partner in zip(items, partners_in(items), strict=True)
    ]


def bare_words(items: Sequence[Item]) -> str:
    """Return the words of items without white space."""
    return bare("".join(item.text for item in items if item.role is Role.TEXT))


def bare(text: str) -> str:
    """Return a text without white space."""
    return SPACE.sub("", text)
