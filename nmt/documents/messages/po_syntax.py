"""Read and write the syntax of PO files: entries, strings and the header."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from nmt.decoding.translator.marked import Edit
from nmt.documents.messages.plurals import (
    FALLBACK,
    SingularForm,
    find_rule,
    find_singular_form,
    parsed,
)
from nmt.documents.texts.wrapping import Word, is_wide, join_words, measure_width, wrapped
from nmt.errors import NmtError, shown

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
FUZZY = "fuzzy"


class Piece(NamedTuple):
    """A string with its quotation marks, or a comment with its line break."""

    begin: int
    end: int
    raw: str  # as it stands there, without quotation marks or line break


@dataclass(slots=True)
class Statement:
    """A keyword and its strings."""

    keyword: str  # with [] if it has an index
    index: int
    begin: int  # of the keyword
    line: int
    strings: list[Piece] = field(default_factory=list)

    @property
    def end(self) -> int:
        """Return where the last string ends."""
        return self.strings[-1].end

    def may_have_index(self) -> bool:
        """Return whether the number of a form may follow."""
        return self.keyword == "msgstr" and not self.strings

    def text(self) -> str:
        """Return the text of the strings; raises NmtError for an unknown escape."""
        try:
            return "".join(unescaped(string.raw) for string in self.strings)
        except NmtError as error:
            raise NmtError(f"line {self.line}: {error}") from error


@dataclass(slots=True)
class Entry:
    """A message and its translations."""

    comments: list[Piece]
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
        lines = [comment.raw[2:] for comment in self.comments if comment.raw.startswith(FLAGS)]
        return {flag.strip() for line in lines for flag in line.split(",")} - {""}

    def is_header(self) -> bool:
        """Return whether the entry holds the header fields of the catalogue."""
        return self.context is None and not self.id.text()


def read_entries(lines: Iterable[str]) -> Iterator[Entry | None]:
    """Yield the entries of a catalogue; None for a directive `domain`, which starts another.

    lines: with their line feeds; an entry is yielded when the next one begins.

    Raises:
        NmtError: with the line, if the text is no catalogue.
    """
    entry: Entry | None = None
    context: Statement | None = None
    before = ""
    for comments, statement in read_statements(lines):
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
    expected, keyword, problem = FOLLOWING[before], statement.keyword, ""
    count = len(entry.strings) if entry else 0
    if keyword not in expected:
        wanted = " or ".join(expected[:2])
        problem = f"stands where {wanted} must; correct this entry or the one before"
    elif not statement.strings:
        problem = "has no string; add one"
    elif keyword == "msgstr[]" and statement.index != count:
        keyword = f"msgstr[{statement.index}]"
        problem = f"stands where msgstr[{count}] must; number the forms from 0"
    if problem:
        raise NmtError(f"line {statement.line}: {keyword} {problem}")


def read_statements(lines: Iterable[str]) -> Iterator[tuple[list[Piece], Statement]]:
    """Yield the statements of a catalogue, each with the comments before it."""
    comments: list[Piece] = []
    statement: Statement | None = None
    before_statement: list[Piece] = []
    offset = 0  # of the line
    for number, line in enumerate(lines, 1):
        end = 0
        while end < len(line):
            found = TOKEN.match(line, end)
            if found is None:
                raise NmtError(f"line {number}: {unreadable(line[end:])}")
            begin, end = found.span()
            kind, raw = found.lastgroup, found[0]
            if kind == "comment":
                comments.append(Piece(offset + begin, offset + len(line), raw.rstrip("\r")))
                if raw.startswith("#~"):  # its flags are not those of the entry that follows
                    comments.clear()
            elif kind == "keyword":
                if statement is not None:
                    yield before_statement, statement
                statement = Statement(raw, -1, offset + begin, number)
                before_statement, comments = comments, []
            elif kind == "string" and statement is not None:
                statement.strings.append(Piece(offset + begin, offset + end, raw[1:-1]))
            elif kind == "index" and statement and statement.may_have_index():
                statement.keyword, statement.index = "msgstr[]", int(raw[1:-1])
            elif kind != "space":
                raise NmtError(
                    f"line {number}: {raw[:20]} stands where a keyword such as msgid must;"
                    " correct the entry"
                )
        offset += len(line)
    if statement is not None:
        yield before_statement, statement


def unreadable(rest: str) -> str:
    """Return what is wrong with the rest of a line in which no token begins."""
    if rest.startswith('"'):
        return "the string does not end on its line; close it with a quotation mark"
    word = re.match(r"\S{1,20}", rest)
    return (
        f"{word[0] if word else rest[0]!r} is no part of a catalogue; write msgid, msgstr or a"
        " comment"
    )


COLUMNS = 79  # of a line, quotation marks and keyword counted, as xgettext writes it
TOO_LONG = 90  # columns of a line with spaces, in files that break none
SHORT_ESCAPES = {
    **{"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"},
    **{'"': '"', "\\": "\\"},
}
ESCAPED = str.maketrans({value: f"\\{key}" for key, value in SHORT_ESCAPES.items()})
ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,8})|(.))", re.DOTALL)
LINE = re.compile(r"[^\n]*\n|[^\n]+")
# Where a line may end: after spaces, and beside a wide character unless a mark of punctuation
# follows it.
WORD = re.compile(r"[^ ]+ *| +")


def unescaped(text: str) -> str:
    """Return the text of a string; raises NmtError for an unknown escape."""
    return ESCAPE.sub(read_escape, text) if "\\" in text else text


def read_escape(found: re.Match[str]) -> str:
    """Return the character of an escape: by a letter, or by an octal or hexadecimal number."""
    octal, hexadecimal, letter = found.groups()
    if letter is None:
        return chr((int(octal, 8) if octal else int(hexadecimal, 16)) & 0xFF)
    if letter not in SHORT_ESCAPES:
        raise NmtError(f"{found[0]!r} in a string is no escape; write \\\\ for a backslash")
    return SHORT_ESCAPES[letter]


def escaped(text: str) -> str:
    """Return a text as it is written between quotation marks."""
    return text.translate(ESCAPED)


def written(keyword: str, text: str, columns: int, line_end: str = "\n") -> str:
    """Return a keyword and its string, broken after line breaks and at this many columns.

    columns: 0 breaks no long lines.
    """
    lines = [escaped(line) for line in LINE.findall(text)] or [""]
    if len(lines) == 1 and (not columns or measure_width(f'{keyword} "{lines[0]}"') <= columns):
        return f'{keyword} "{lines[0]}"'
    if columns:
        columns -= len('""')
        lines = [join_words(part) for line in lines for part in wrapped([*words(line)], columns)]
    return line_end.join([f'{keyword} ""', *(f'"{line}"' for line in lines)])


def words(line: str) -> Iterator[Word]:
    """Yield the parts of a line that are not broken, each with the spaces after it."""
    for text in WORD.findall(line):
        begin = 0
        for index in range(1, 0 if text.isascii() else len(text)):
            if is_wide(text[index - 1]) and text[index].isalnum():
                yield Word(text[begin:index], measure_width(text[begin:index]), has_space=False)
                begin = index
        yield Word(text[begin:], measure_width(text[begin:]), has_space=False)


def find_columns(strings: Iterable[Sequence[str]]) -> int:
    """Return the columns at which a file breaks its strings; 0: it breaks none.

    strings: the lines of each string as they stand between quotation marks.
    """
    longest, fits = 0, COLUMNS
    for lines in strings:
        for line, following in pairwise(lines):
            if line and not line.endswith("\\n"):
                longest = max(longest, measure_width(line) + 2)
                fits = min(
                    fits,
                    measure_width(line) + 1 + measure_width("".join(WORD.findall(following)[:1])),
                )
        if any(" " in line.strip() and measure_width(line) > TOO_LONG for line in lines):
            return 0
    return min(COLUMNS, max(fits, longest)) if longest else COLUMNS


CHARSET = re.compile(
    rb"^(?!#)[^\n]{0,1000}?Content-Type:[^\"\n]{0,80}?charset=([\w.:-]{1,40})(?![\w.:-])",
    re.IGNORECASE | re.MULTILINE,
)
TEMPLATE_CHARSET = "CHARSET"  # what xgettext writes if the messages are ASCII
TEMPLATE_PLURALS = re.compile(r"INTEGER|EXPRESSION")  # as xgettext writes them
NEW_HEADER = (
    "MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n"
)


def declared_charset(content: bytes) -> str:
    """Return the encoding that a catalogue declares; "" if it declares none."""
    found = CHARSET.search(content)
    name = found[1].decode("ascii", "replace") if found else ""
    return "" if name == TEMPLATE_CHARSET else name


def header_fields(header: Entry | None) -> dict[str, str]:
    """Return the fields of a header by their names in small letters; None: there is no header."""
    lines = header.strings[0].text().split("\n") if header else []
    fields = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in fields}


class Header:
    """The header of a catalogue, or of a domain in it, with the plural rule of its messages."""

    def __init__(self, entry: Entry | None, language: str) -> None:
        """Read a header; None: there is none. Raises NmtError if it states what is no plural rule.

        language: of the translations; its rule counts if the header has none.
        """
        self.entry = entry
        self.fields = header_fields(entry)
        self.place = f"line {entry.id.line if entry else 1}"
        stated = self.fields.get("plural-forms", "")
        own = parsed(stated)
        if stated and own is None and not TEMPLATE_PLURALS.search(stated):
            raise NmtError(
                f"{self.place}: Plural-Forms {shown(stated)} is no plural rule; correct it, or"
                " remove the line to get the rule of the language"
            )
        known = own or find_rule(language)
        self.is_known = known is not None
        self.rule = known or FALLBACK
        self.new: dict[str, str] = {}  # values of fields that are empty or those of a template
        if language and not self.fields.get("language"):
            self.new["Language"] = language
        if own is None:
            self.new["Plural-Forms"] = self.rule.header()
        content_type = self.fields.get("content-type", "")
        if content_type.endswith(f"charset={TEMPLATE_CHARSET}"):
            self.new["Content-Type"] = content_type.replace(TEMPLATE_CHARSET, "UTF-8")

    def one(self) -> SingularForm:
        """Return the form for the number 1; raises NmtError if the header's rule is none."""
        try:
            return find_singular_form(self.rule)
        except NmtError as error:
            raise NmtError(f"{self.place}: {error}; correct Plural-Forms") from error

    def edits(self, first: Entry, line_end: str) -> list[Edit]:
        """Return the changes that fill in the header, or add one before the first message."""
        if self.entry is None:
            position = min((comment.begin for comment in first.comments), default=first.begin)
            text = written("msgstr", with_fields(NEW_HEADER, self.new), 0, line_end)
            return [Edit(position, position, f'msgid ""{line_end}{text}{line_end}{line_end}')]
        statement = self.entry.strings[0]
        text, missing, edits = statement.text(), dict(self.new), list[Edit]()
        for string in statement.strings:
            line = unescaped(string.raw)
            name = next((name for name in missing if names(line, name)), None)
            if name is not None and line.count("\n") == 1 and line.endswith("\n"):
                value = missing.pop(name)
                edits.append(Edit(string.begin, string.end, f'"{name}: {value}\\n"'))
        is_odd = text[-1:] not in ("", "\n") or any(
            names(line, name) for line in text.split("\n") for name in missing
        )
        if missing and is_odd:
            text = written("msgstr", with_fields(text, self.new), 0, line_end)
            edits = [Edit(statement.begin, statement.end, text)]
        elif missing:
            added = "".join(f'{line_end}"{name}: {value}\\n"' for name, value in missing.items())
            edits.append(Edit(statement.end, statement.end, added))
        return [*edits, *without_fuzzy(self.entry, line_end)]


def without_fuzzy(header: Entry, line_end: str) -> Iterator[Edit]:
    """Yield the changes that remove the flag fuzzy of a template's header.

    A compiled catalogue would have no header with it.
    """
    for comment in header.comments:
        if comment.raw.startswith(FLAGS[0]) and FUZZY in comment.raw:
            flags = [flag.strip() for flag in comment.raw[len(FLAGS[0]) :].split(",")]
            kept = ", ".join(flag for flag in flags if flag and flag != FUZZY)
            line = f"{FLAGS[0]} {kept}{line_end}" if kept else ""
            yield Edit(comment.begin, comment.end, line)


def names(line: str, name: str) -> bool:
    """Return whether a line of a header is the field with a name."""
    return line.lower().startswith(f"{name.lower()}:")


def with_fields(text: str, new: dict[str, str]) -> str:
    """Return the text of a header with new values of fields, each on its line."""
    lines = [line for line in text.split("\n") if line]
    for name, value in new.items():
        field = f"{name}: {value}"
        if any(names(line, name) for line in lines):
            lines = [field if names(line, name) else line for line in lines]
        else:
            lines.append(field)
    return "".join(f"{line}\n" for line in lines)
