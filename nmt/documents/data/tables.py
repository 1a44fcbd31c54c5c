"""Tables of text, `.csv` and `.tsv`: the cells of named columns are translated, and quotes stay."""

import re
from collections.abc import Iterator
from functools import partial
from itertools import takewhile
from typing import NamedTuple

from nmt.decoding.translator.marked import Marked
from nmt.decoding.translator.odd_input import has_words
from nmt.documents.document import Document, Options, SourceDocument, decode
from nmt.documents.marks.tags import with_tags
from nmt.documents.texts.wrapping import LINE_BREAK
from nmt.errors import NmtError, shown

SYNTAX = frozenset({"brace", "tags"})
LONGEST_NAMES = 200  # characters in a message
QUOTED = re.compile(r'(?<![^,;\t\r\n])"[^"]*+"')  # a cell, or its begin; may have line breaks
FIRST_LINE = re.compile(rf"(?:[^\S\r\n]*[\r\n])*((?:{QUOTED.pattern}|[^\r\n])*+)")  # not blank
SPACE = re.compile(r"[\t\r\n]+")


class Cell(NamedTuple):
    """A cell: where it is in the text, without its quotes, and what it holds."""

    begin: int
    end: int
    value: str
    is_quoted: bool
    row: int
    column: int


class Dialect(NamedTuple):
    """How a table is written."""

    delimiter: str
    has_quotes: bool = True  # a cell may be quoted that was not

    def cells(self, text: str) -> Iterator[Cell]:
        """Yield the cells in order; raises NmtError for a quote without its end."""
        delimiter = re.escape(self.delimiter)
        # In TSV, a quotation mark may be plain text, so a quotation can run over two rows. A cell
        # counts as quoted only if it has tabs or line breaks, but not both.
        insides = ['[^"]'] if self.has_quotes else [r'[^"\r\n]', f'[^"{delimiter}]']
        quoted = "|".join(f'{inside}*+(?:""{inside}*+)*+' for inside in insides)
        pattern = re.compile(
            rf'"(?P<quoted>{quoted})"(?={delimiter}|[\r\n]|\Z)|[^{delimiter}\r\n]*'
        )
        at = row = column = 0
        while at < len(text):
            found = pattern.match(text, at)
            if not found:  # the second part matches anything
                return
            is_quoted = found["quoted"] is not None
            if self.has_quotes and not is_quoted and found[0].startswith('"'):
                line = text.count("\n", 0, at) + 1
                raise NmtError(
                    f'line {line}: the cell begins with " but does not end with "; a quote inside'
                    ' it is written as ""'
                )
            value = found["quoted"].replace('""', '"') if is_quoted else found[0]
            yield Cell(*found.span("quoted" if is_quoted else 0), value, is_quoted, row, column)
            at = found.end()
            line_break = LINE_BREAK.match(text, at)
            row, column = (row + 1, 0) if line_break else (row, column + 1)
            at = line_break.end() if line_break else at + len(self.delimiter)

    def write(self, is_quoted: bool, translation: Marked) -> str:
        """Return a translation as a cell, without the quotes that the file has around it."""
        text = translation.text
        if is_quoted:
            return text.replace('"', '""')
        if not self.has_quotes:
            return SPACE.sub(" ", text)
        if text.startswith('"') or any(sign in text for sign in (self.delimiter, "\n", "\r")):
            return '"' + text.replace('"', '""') + '"'
        return text


def read_table(content: bytes, options: Options, dialect: Dialect | None) -> Document:
    """Return the document of a table; each cell of the named columns that has words has segments.

    dialect: None: the delimiter that the first line has most often: a comma, a semicolon or a tab.
    If a column is named, the first row is the header, which stays.

    Raises:
        NmtError: if no column is named, or one that there is not.
    """
    text, encoding = decode(content)
    dialect = dialect or Dialect(find_delimiter(text))
    document = SourceDocument(content, text, encoding)
    header = [cell.value for cell in takewhile(lambda cell: cell.row == 0, dialect.cells(text))]
    columns = _columns(header, options.columns) if header else {}
    first = 1 if any(name in header for name in options.columns) else 0  # row after the header
    for cell in dialect.cells(text):
        source = with_tags(cell.value)
        if cell.column in columns and cell.row >= first and has_words(source.without_marks()):
            write = partial(dialect.write, cell.is_quoted)
            document.fill_text(cell.begin, cell.end, source, write, [columns[cell.column]], SYNTAX)
    return document


def find_delimiter(text: str) -> str:
    """Return what stands between the cells of the first line: a comma, a semicolon or a tab."""
    first = FIRST_LINE.match(text)
    outside = QUOTED.sub("", first[1] if first else "")
    return max(",;\t", key=outside.count)


def _columns(header: list[str], wanted: tuple[str, ...]) -> dict[int, str]:
    """Return the columns to translate, by their indices: their names, or numbers from 1."""
    named = ", ".join(map(shown, header[:LONGEST_NAMES]))
    named = named if len(named) <= LONGEST_NAMES else f"{named[:LONGEST_NAMES]}..."
    if not wanted:
        raise NmtError(
            f"line 1: the table has the columns {named}; name those to translate with --columns"
        )
    found: dict[int, str] = {}
    for column in wanted:
        if column in header:
            found |= {index: column for index, name in enumerate(header) if name == column}
        elif column.isdecimal() and 1 <= int(column[:9]) <= len(header):
            found[int(column) - 1] = column
        else:
            raise NmtError(
                f"line 1: the table has no column {shown(column)}; its columns are {named}"
            )
    return found


def read_csv(content: bytes, options: Options) -> Document:
    """Return the document of a table; see `read_table`. The first line shows the delimiter."""
    return read_table(content, options, None)


def read_tsv(content: bytes, options: Options) -> Document:
    """Return the document of a table; see `read_table`. Only a cell with quotes keeps them."""
    return read_table(content, options, Dialect("\t", has_quotes=False))
