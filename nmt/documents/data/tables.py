"""Tables of text, `.csv` and `.tsv`: the cells of named columns are translated, and quotes stay."""

import re
from collections.abc import Iterator
from functools import partial
from itertools import takewhile
from typing import NamedTuple

from nmt.decoding.translator.marked import Marked
from nmt.decoding.translator.odd_input import has_words
from nmt.documents.data.values import ValueDocument, path_of
from nmt.documents.document import Document, Options
from nmt.documents.encoding import decode
from nmt.documents.marks.tags import message
from nmt.documents.texts.wrapping import LINE_BREAK
from nmt.errors import NmtError, shown

SYNTAX = frozenset({"brace", "tags"})
LONGEST_NAMES = 200  # characters in a message
QUOTED = re.compile(r'(?<![^,;\t\r\n])"[^"]*+"')  # a cell, or its begin; may have line breaks
FIRST_LINE = re.compile(rf"(?:[^\S\r\n]*[\r\n])*((?:{QUOTED.pattern}|[^\r\n])*+)")  # not blank
SPACE = re.compile(r"[\t\r\n]+")


class Cell(NamedTuple):
    """A cell: where it is in the text, without its quotes."""

    begin: int
    end: int
    is_quoted: bool
    row: int
    column: int


class Form(NamedTuple):
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
            yield Cell(*found.span("quoted" if is_quoted else 0), is_quoted, row, column)
            at = found.end()
            line_break = LINE_BREAK.match(text, at)
            row, column = (row + 1, 0) if line_break else (row, column + 1)
            at = line_break.end() if line_break else at + len(self.delimiter)

    def value(self, text: str, cell: Cell) -> str:
        """Return the characters of a cell."""
        raw = text[cell.begin : cell.end]
        return raw.replace('""', '"') if cell.is_quoted else raw

    def write(self, is_quoted: bool, translation: Marked) -> str:
        """Return a translation as a cell, without the quotes that the file has around it."""
        text = translation.text
        if is_quoted:
            return text.replace('"', '""')
        if not self.has_quotes:
            return SPACE.sub(" ", text)
        if text.startswith('"') or any(each in text for each in (self.delimiter, "\n", "\r")):
            return '"' + text.replace('"', '""') + '"'
        return text


def read_table(content: bytes, options: Options, form: Form | None) -> Document:
    """Return the document of a table; each cell of the named columns that has words has segments.

    form: None: the delimiter that the first line has most often: a comma, a semicolon or a tab. If
    a column is named, the first row is the header, which stays.

    Raises:
        NmtError: if no column is named, or one that there is not.
    """
    text, encoding = decode(content)
    form = form or Form(delimiter_of(text))
    document = ValueDocument(encoding)
    header = [
        form.value(text, cell) for cell in takewhile(lambda cell: cell.row == 0, form.cells(text))
    ]
    columns = _columns(header, options.columns) if header else {}
    has_header = any(each in header for each in options.columns)
    kept, line = 0, 1
    for cell in form.cells(text):
        raw = text[cell.begin : cell.end]
        value = form.value(text, cell)
        if (
            cell.column not in columns
            or (has_header and cell.row == 0)
            or not has_words(message(value).without_marks())
        ):
            continue
        document.keep(text[kept : cell.begin])
        line += text.count("\n", kept, cell.begin)
        document.translate(
            raw,
            message(value),
            partial(form.write, cell.is_quoted),
            place=f"line {line}",
            context=path_of([columns[cell.column]]),
            syntax=SYNTAX,
        )
        line += raw.count("\n")
        kept = cell.end
    document.keep(text[kept:])
    return document


def delimiter_of(text: str) -> str:
    """Return what stands between the cells of the first line: a comma, a semicolon or a tab."""
    first = FIRST_LINE.match(text)
    outside = QUOTED.sub("", first[1] if first else "")
    return max(",;\t", key=outside.count)


def _columns(header: list[str], wanted: tuple[str, ...]) -> dict[int, str]:
    """Return the columns to translate, by their places: their names, or numbers from 1."""
    named = ", ".join(map(shown, header[:LONGEST_NAMES]))
    named = named if len(named) <= LONGEST_NAMES else f"{named[:LONGEST_NAMES]}..."
    if not wanted:
        raise NmtError(
            f"line 1: the table has the columns {named}; name those to translate with --columns"
        )
    found: dict[int, str] = {}
    for each in wanted:
        if each in header:
            found |= {place: each for place, name in enumerate(header) if name == each}
        elif each.isdecimal() and 1 <= int(each[:9]) <= len(header):
            found[int(each) - 1] = each
        else:
            raise NmtError(
                f"line 1: the table has no column {shown(each)}; its columns are {named}"
            )
    return found


def read_csv(content: bytes, options: Options) -> Document:
    """Return the document of a table; see `read_table`. The first line shows the delimiter."""
    return read_table(content, options, None)


def read_tsv(content: bytes, options: Options) -> Document:
    """Return the document of a table; see `read_table`. Only a cell with quotes keeps them."""
    return read_table(content, options, Form("\t", has_quotes=False))
