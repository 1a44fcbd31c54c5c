"""Read the entries of a catalogue (`.po`, `.pot`) with the places of their parts in the text.

The grammar is that of GNU gettext: "The Format of PO Files" in its manual. Obsolete entries (#~)
are comments.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from nmt.errors import NmtError
from nmt.formats.catalogues.po_strings import UnknownEscapeError, unescaped

TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<comment>\#[^\n]*)"
    r"|(?P<keyword>(?:msgctxt|msgid_plural|msgid|msgstr|domain)(?!\w))"
    r"|(?P<index>\[[ \t]*[0-9]{1,4}[ \t]*\])"
    r'|(?P<string>"[^"\\\n]*(?:\\[^\n][^"\\\n]*)*")'
)
# What may follow a statement of an entry; "" is its end.
FOLLOWING = {
    "": ("msgctxt", "msgid", "domain"),
    "domain": ("msgctxt", "msgid", "domain"),
    "msgctxt": ("msgid",),
    "msgid": ("msgid_plural", "msgstr"),
    "msgid_plural": ("msgstr[]",),
    "msgstr": ("msgctxt", "msgid", "domain"),
    "msgstr[]": ("msgstr[]", "msgctxt", "msgid", "domain"),
}
FLAGS = ("#,", "#=")


class String(NamedTuple):
    """A string between quotation marks, as it stands there."""

    begin: int  # of its first quotation mark
    end: int  # after its last
    raw: str


class Comment(NamedTuple):
    """A comment with its line break."""

    begin: int
    end: int
    text: str  # without it


@dataclass
class Statement:
    """A keyword and its strings."""

    keyword: str  # with [] if it has an index
    index: int
    begin: int  # of the keyword
    line: int
    strings: list[String] = field(default_factory=list)

    @property
    def end(self) -> int:
        """Return where the last string ends."""
        return self.strings[-1].end

    def text(self) -> str:
        """Return the text of the strings; raises NmtError for an unknown escape."""
        try:
            return "".join(unescaped(each.raw) for each in self.strings)
        except UnknownEscapeError as error:
            raise NmtError(
                f"line {self.line}: {str(error)!r} in a string is no escape; write \\\\ for a"
                " backslash"
            ) from error

    def lines(self) -> list[str]:
        """Return the strings as they stand there."""
        return [each.raw for each in self.strings]


@dataclass
class Entry:
    """A message and its translations."""

    comments: list[Comment]
    id: Statement
    context: Statement | None = None
    plural: Statement | None = None
    strings: list[Statement] = field(default_factory=list)  # msgstr, or msgstr[0] and so on

    @property
    def begin(self) -> int:
        """Return where the first keyword begins."""
        return (self.context or self.id).begin

    def flags(self) -> set[str]:
        """Return the flags of the message, such as fuzzy and c-format."""
        lines = [each.text[2:] for each in self.comments if each.text.startswith(FLAGS)]
        return {flag.strip() for line in lines for flag in line.split(",")} - {""}

    def is_header(self) -> bool:
        """Return whether the entry holds the header fields of the catalogue."""
        return self.context is None and not self.id.text()


def entries_of(text: str, first_line: int = 1) -> Iterator[Entry | None]:
    """Yield the entries of a catalogue; None for a directive `domain`, which starts another.

    first_line: the number of the text's first line, if the text is a part of a file.

    Raises:
        NmtError: with the line, if the text is no catalogue.
    """
    entry: Entry | None = None
    context: Statement | None = None
    before = ""
    for comments, statement in statements_of(text, first_line):
        keyword = statement.keyword
        check_order(before, statement, entry)
        before = keyword
        if keyword in ("msgctxt", "domain") or (keyword == "msgid" and context is None):
            if entry is not None:
                yield entry
            entry, own_comments = None, comments
        if keyword == "domain":
            yield None
        elif keyword == "msgctxt":
            context = statement
        elif keyword == "msgid":
            entry = Entry(own_comments + (comments if context else []), statement, context)
            context = None
        elif entry is not None and keyword == "msgid_plural":
            entry.plural = statement
        elif entry is not None:
            entry.strings.append(statement)
    if before and not before.startswith(("msgstr", "domain")):
        raise NmtError(f"line {statement.line}: the entry ends without msgstr; add its msgstr")
    if entry is not None:
        yield entry


def check_order(before: str, statement: Statement, entry: Entry | None) -> None:
    """Raise NmtError unless a statement may follow the one before."""
    expected = FOLLOWING[before]
    if statement.keyword not in expected:
        raise NmtError(
            f"line {statement.line}: {statement.keyword} stands where"
            f" {' or '.join(expected[:2])} must; correct this entry or the one before"
        )
    if not statement.strings:
        raise NmtError(f"line {statement.line}: {statement.keyword} has no string; add one")
    if statement.keyword == "msgstr[]" and entry is not None:
        count = len(entry.strings)
        if statement.index != count:
            raise NmtError(
                f"line {statement.line}: msgstr[{statement.index}] stands where"
                f" msgstr[{count}] must; number the forms from 0"
            )


def statements_of(text: str, first_line: int) -> Iterator[tuple[list[Comment], Statement]]:
    """Yield the statements of a catalogue, each with the comments before it."""
    line_begins = [0, *(found.end() for found in re.finditer("\n", text))]
    comments: list[Comment] = []
    statement: Statement | None = None
    before_statement: list[Comment] = []
    end = 0
    while end < len(text):
        found = TOKEN.match(text, end)
        line = bisect_right(line_begins, end) + first_line - 1
        if found is None:
            raise NmtError(unreadable(text, end, line))
        begin, end = found.span()
        kind, raw = found.lastgroup, found[0]
        if kind == "comment":
            whole = end + 1 if text.startswith("\n", end) else end
            comments.append(Comment(begin, whole, raw.rstrip("\r")))
            if raw.startswith("#~"):  # its flags are not those of the entry that follows
                comments.clear()
        elif kind == "keyword":
            if statement is not None:
                yield before_statement, statement
            statement, before_statement = Statement(raw, -1, begin, line), comments
            comments = []
        elif kind in ("index", "string"):
            if statement is None or (kind == "index" and not may_have_index(statement)):
                raise NmtError(
                    f"line {line}: {raw[:20]} stands where a keyword such as msgid must;"
                    " correct the entry"
                )
            if kind == "string":
                statement.strings.append(String(begin, end, raw[1:-1]))
            else:
                statement.keyword, statement.index = "msgstr[]", int(raw[1:-1])
    if statement is not None:
        yield before_statement, statement


def may_have_index(statement: Statement) -> bool:
    """Return whether the number of a form may follow."""
    return statement.keyword == "msgstr" and not statement.strings


def unreadable(text: str, begin: int, line: int) -> str:
    """Return what is wrong where no token begins."""
    if text[begin] == '"':
        return f"line {line}: the string does not end on its line; close it with a quotation mark"
    word = re.match(r"\S{1,20}", text[begin : begin + 20])
    return (
        f"line {line}: {word[0] if word else text[begin]!r} is no part of a catalogue; write"
        " msgid, msgstr or a comment"
    )
