"""A page: its source with code of templates hidden, its front matter, and its runs of text.

A template is filled in before anyone reads HTML or Markdown, so its code may stand anywhere: in a
tag, in the address of a link, across blocks. Each code becomes one character of Unicode's private
planes, which is neither a letter nor markup. In the texts of segments, the codes are marks.

A run is texts and tags that no block divides. It becomes a segment: without what only surrounds its
words, and with pairs of marks.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from enum import Enum
from functools import cached_property, partial
from typing import NamedTuple

from nmt.decoding.translator.marked import Kind, Mark, Marked, joined
from nmt.documents.document import Encoding, Finding, Options, Own, RawMark, Segment, SourceDocument
from nmt.documents.marks.never_text import alternatives, is_word, paired, template_codes
from nmt.documents.marks.tags import find_partners
from nmt.documents.texts.wrapping import LINE_BREAK

FIRST, LAST = "\U000f0000", "\U0010fffe"
SIGN = "\U0010ffff"  # begins a comment that is none of the file
PRIVATE = f"[{FIRST}-{SIGN}]"
# A page may have such characters itself.
OWN = re.compile(
    rf"{PRIVATE}|&#(?:[xX]0*(?:[fF]|10)[0-9a-fA-F]{{4}}|0*(?:98[3-9]\d{{3}}|99\d{{4}}|1[01]\d{{5}}));"
)
STAND_IN = re.compile(f"({PRIVATE})")
ALONE = re.compile(rf"(?m)^([ \t>]*+)({PRIVATE}(?:[ \t]*+{PRIVATE})*+)(?=[ \t]*+\r?$)")
COMMENT = re.compile(f"<!--{SIGN}([^->]*+)-->")
LINE_BREAK_OR_CODE = re.compile(rf"{LINE_BREAK.pattern}|{PRIVATE}")


def has_words(text: str) -> bool:
    """Return whether a text has a letter."""
    return any(map(str.isalpha, text))


class PageText(NamedTuple):
    """A text of a page, and where it is in the source."""

    begin: int
    end: int
    segment: Segment
    write: Callable[[Marked], str | None]
    marks: Sequence[RawMark] = ()


class PageDocument(SourceDocument):
    """A page. Its source has a character in place of each code of a template."""

    source: str

    def __init__(
        self,
        content: bytes,
        text: str,
        encoding: Encoding,
        options: Options,
        lines: re.Pattern[str] | None = None,
    ) -> None:
        """Hide the code of templates.

        lines: for Markdown, what is code on lines of its own, besides. As a template leaves nothing
        of lines with statements alone, these become comments of HTML, which divide paragraphs.
        """
        super().__init__(content, text, encoding)
        self.options = options
        # Reads the page again when it is written.
        self.check: Callable[[str], Sequence[Finding]] = lambda text: ()
        self.texts: list[PageText] = []  # in any order, until they are numbered
        self._codes: dict[str, str] = {}  # by their characters
        self._characters: dict[str, str] = {}  # by the code
        spans = [*template_codes(text), *(found.span() for found in OWN.finditer(text))]
        spans += [found.span() for found in lines.finditer(text)] if lines else []
        parts, end = list[str](), 0
        for begin, last in sorted(spans, key=lambda span: (span[0], -span[1])):
            if begin < end or len(self._codes) > ord(LAST) - ord(FIRST):
                continue
            code = text[begin:last]
            character = self._characters.setdefault(code, chr(ord(FIRST) + len(self._codes)))
            self._codes[character] = code
            parts += text[end:begin], character
            end = last
        self.source = "".join([*parts, text[end:]])
        if lines and self._codes:
            self.source = ALONE.sub(self._comment, self.source)

    def _comment(self, line: re.Match[str]) -> str:
        """Return a line of code alone as a comment, unless it has words when it is filled in."""
        return line[0] if self._has_output(line[2]) else f"{line[1]}<!--{SIGN}{line[2]}-->"

    def _has_output(self, codes: str) -> bool:
        """Return whether one of some codes stands for words."""
        return any(is_word(self._restored(code)) for code in STAND_IN.findall(codes))

    def dividers(self, begin: int, end: int) -> set[int]:
        """Return where code divides the texts of HTML: alone on lines, or between alternatives."""
        if not self._codes:
            return set()
        positions = [found.start() for found in STAND_IN.finditer(self.source, begin, end)]
        codes = joined(
            Mark(0, 0).over(self._restored(self.source[position])) for position in positions
        )
        found = {positions[number] for number in alternatives(codes.text, [*codes.marks])}
        for line in ALONE.finditer(self.source, begin, end):
            if not self._has_output(line[2]):
                found.update(range(*line.span(2)))
        return found

    @cached_property
    def _line_ends(self) -> list[int]:
        """Return where lines end; those within the code of a template end where it stands."""
        return [
            found.start()
            for found in LINE_BREAK_OR_CODE.finditer(self.source)
            for _ in LINE_BREAK.findall(self._codes.get(found[0], found[0]))
        ]

    def number(self) -> None:
        """Add the texts in the order of the page; one comes before those within its marks."""
        for text in sorted(self.texts, key=lambda text: (text.begin, -text.end)):
            number = self.add(replace(text.segment, source=self._shown(text.segment.source)))
            marks = [mark._replace(shown=self._restored(mark.shown)) for mark in text.marks]
            self.fill(text.begin, text.end, number, text.write, marks)

    def translated(self, translations: Sequence[Marked | None]) -> Own:
        """Return the translations that differ from their sources, with their code hidden."""
        own = super().translated(translations)
        return {number: self._hidden(text) for number, text in own.items()} if self._codes else own

    def filled(self, translated: Own) -> tuple[str, list[Finding]]:
        """Return the page with its code, and what a user should look at."""
        text, findings = super().filled(translated)
        return self._restored(text), [*findings, *self.check(text)]

    def _restored(self, text: str) -> str:
        """Return a text with the codes in place of their stand-ins."""
        if not self._codes:
            return text
        text = COMMENT.sub(r"\1", text)
        return STAND_IN.sub(lambda found: self._codes.get(found[0], found[0]), text)

    def _shown(self, source: Marked) -> Marked:
        """Return the text of a segment with its codes as marks."""
        if not self._codes:
            return source
        parts = list[Marked]()
        for part, mark in source.parts():
            if mark:
                parts.append(mark.over(self._restored(part)))
                continue
            for number, text in enumerate(STAND_IN.split(part)):
                parts.append(Mark(0, 0).over(self._restored(text)) if number % 2 else Marked(text))
        text, marks = joined(parts)
        return Marked(text, tuple(paired(text, [*marks])))

    def _hidden(self, translation: Marked) -> Marked:
        """Return a translation with stand-ins for its codes, and without their marks."""
        return joined(
            Marked(self._characters[part] if mark else part)
            if mark is None or part in self._characters
            else mark.over(part)
            for part, mark in translation.parts()
        )


# Of YAML or TOML: the first line with words is a key or a comment.
FRONT_MATTER = re.compile(
    r"(---|\+\+\+)[^\S\r\n]*+(?>\r\n?|\n)(?:[^\S\r\n]*+(?>\r\n?|\n))*+(?=[\w-]+[ \t]*[:=]|#)"
    r"(?:[^\r\n]*+(?>\r\n?|\n))*?\1[^\S\r\n]*+(?:(?>\r\n?|\n)|\Z)"
)
# A value on one line: in quotation marks without escapes, or plain.
TEXT = re.compile(
    r"(?<![^\r\n])(?:title|description)[ \t]*[:=][ \t]*"
    r"(\"[^\"\\\r\n]*\"|'[^'\\\r\n]*'|[^\W\d_][^#\r\n]*?)[ \t]*(?=[\r\n]|\Z)"
)
PLAIN = re.compile(r"[^\W\d_](?:[^:#]|:(?=\S)|(?<=\S)#)*(?<![:\s])")
NO_TEXT = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def front_matter_end(text: str) -> int:
    """Return where the front matter of a page ends; 0 if there is none."""
    found = FRONT_MATTER.match(text)
    return found.end() if found else 0


def add_front_matter(document: PageDocument) -> int:
    """Put the titles and descriptions of front matter into a page; return where it ends."""
    end = front_matter_end(document.source)
    is_yaml = document.source.startswith("-")
    for found in TEXT.finditer(document.source, 0, end):
        raw = found[1]
        is_quoted = raw[0] in "\"'"
        if not has_words(raw) or not (is_quoted or (is_yaml and is_plain(raw))):
            continue

        segment = Segment(
            Marked(raw[1:-1] if is_quoted else raw),
            document.place(found.start()),
            context="front matter",
        )
        write = partial(write_value, document.encoding, is_yaml and not is_quoted)
        document.texts.append(PageText(*found.span(1), segment, write))
    return end


def write_value(encoding: Encoding, may_be_plain: bool, translation: Marked) -> str:
    """Return a value of front matter: in quotation marks unless it may be plain."""
    text = " ".join(translation.text.split())
    written = text
    if not may_be_plain or not is_plain(text):
        written = json.dumps(text, ensure_ascii=False)
    encoding._replace(lacking="strict").encode(written)  # front matter has no references of HTML
    return written


def is_plain(text: str) -> bool:
    """Return whether YAML reads a text without quotation marks as this text."""
    return PLAIN.fullmatch(text) is not None and text.lower() not in NO_TEXT


LONGEST_SHOWN = 100  # characters of a mark in the text of a segment


class Role(Enum):
    """The role of a part of a run."""

    TEXT = "text"
    START = "begins what an END of its name ends"
    END = "ends it"
    ALONE = "stands for itself, and is no word"
    WORD = "stands for a word, as code does"


class Item(NamedTuple):
    """A part of a run."""

    role: Role
    begin: int  # in the source, or in the text of a block of Markdown
    end: int
    text: str  # of words: without escapes; of a mark: as the file has it
    name: str = ""
    changed: str = ""  # what is written for a mark if the segment is translated; "": the source

    @property
    def kind(self) -> Kind:
        """Return what its mark is if it has a partner."""
        if self.role is Role.START:
            return Kind.OPEN
        return Kind.CLOSE if self.role is Role.END else Kind.ALONE

    @property
    def has_substance(self) -> bool:
        """Return whether it holds a letter, a digit, a word or code of a template."""
        if self.role is Role.TEXT:
            return any(sign.isalnum() or sign >= FIRST for sign in self.text)
        return self.role is Role.WORD


class RunText(NamedTuple):
    """The text of a run, and which of its items it has: from `first` to before `last`."""

    first: int
    last: int
    source: Marked
    marks: list[RawMark]


def read_run(run: Sequence[Item]) -> RunText | None:
    """Return the text of a run, without what only surrounds it; None if it has no words."""
    if not any(item.role is Role.TEXT and has_words(item.text) for item in run):
        return None
    partners = partners_in(run)
    first, last = inside(run, partners)
    pieces, raw_marks = list[Marked](), list[RawMark]()
    forms = shown_forms(item.text for item in run[first:last] if item.role is not Role.TEXT)
    for item, partner in zip(run[first:last], partners[first:last], strict=True):
        if item.role is Role.TEXT:
            pieces.append(Marked(item.text))
            continue
        text = forms[item.text]
        pieces.append(Mark(0, 0, Kind.ALONE if partner < 0 else item.kind).over(text))
        raw_marks.append(RawMark(text, item.begin, item.end, item.changed))
    return RunText(first, last, joined(pieces), raw_marks)


def partners_in(run: Sequence[Item]) -> list[int]:
    """Return the index of the END of each START, and of the START of each END; -1 for none."""
    return find_partners([(item.kind, item.name) for item in run])


def inside(run: Sequence[Item], partners: Sequence[int]) -> tuple[int, int]:
    """Return where the segment of a run begins and ends: without what only surrounds its text."""
    before = [0]  # items of substance before each index
    for item in run:
        before.append(before[-1] + item.has_substance)
    begin, end = 0, len(run)
    while begin < end:
        last = end - 1
        if is_loose(run[begin], partners[begin]):
            begin += 1
        elif is_loose(run[last], partners[last]):
            end -= 1
        elif partners[begin] == last and not run[last].changed:
            begin, end = begin + 1, last
        elif partners[begin] > begin and before[begin] == before[partners[begin]]:
            begin = partners[begin] + 1  # a pair without words, such as an anchor
        elif 0 <= partners[last] < last and before[partners[last]] == before[last]:
            end = partners[last]
        else:
            break
    return begin, end


def is_loose(item: Item, partner: int) -> bool:
    """Return whether an item at the edge of a run is no part of its segment."""
    if item.role is Role.TEXT:
        return not item.text.strip()
    return item.role is Role.ALONE or (partner < 0 and item.role is not Role.WORD)


def shown_forms(marks: Iterable[str]) -> dict[str, str]:
    """Return how the text of a segment shows its marks: each on one line, short, others otherwise.

    marks: as the file has them, in order.
    """
    forms, taken = dict[str, str](), set[str]()
    numbers = Counter[str]()  # the last one of each form: clients choose how many
    for raw in dict.fromkeys(marks):
        # A line break of Markdown may be blanks alone; a backslash shows it.
        shown = " ".join(raw.split()) or "\\"
        if len(shown) > LONGEST_SHOWN:
            shown = shown[:LONGEST_SHOWN] + "..."
        number = numbers[shown] + 1
        while (form := shown if number == 1 else f"{shown}#{number}") in taken:
            number += 1
        forms[raw], numbers[shown] = form, number
        taken.add(form)
    return forms
