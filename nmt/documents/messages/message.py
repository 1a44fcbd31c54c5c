"""Messages of programs: texts of several lines, of which each paragraph is translated by itself.

A line break that wraps a sentence is a space for the translator, and the translation is wrapped
again. Every other line break stays where it is, and so does what is before and after the words of a
line: spaces, tabs, bullets, and the options of a command in its help text.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple

from nmt.decoding.translator.marked import Edit, Mark, Marked, joined
from nmt.documents.marks.never_text import with_placeholders
from nmt.documents.texts.wrapping import measure_width
from nmt.text.reading.languages import primary

WRAPPED_COLUMNS = 38  # of a line that a wrapped sentence goes on after, at least
CAPITAL_COLUMNS = 60  # likewise, if a capital follows
MOST_MARKS = 1000  # of a text that is looked through line by line
LINE = re.compile(r"[^\r\n]+")
ENDS_SENTENCE = re.compile(r"[.!?:;\s]$")
MAY_END = re.compile(r"[ \n]|\Z")  # a line
BREAK = re.compile(r"(?<!\s)\s*\n\s*")
# Before the words of a line: spaces, a bullet, or the options of a command and their column.
BEFORE_WORDS = re.compile(r"\s*(?:[-*•]\s+|-{1,2}[^\W\d_][^\t\n]{0,40}?(?:\t|  )\s*)?")
ONLY_OPTION = re.compile(r"-{1,2}[^\W\d_]\S*")


class Part(NamedTuple):
    """A part of a message that is translated by itself."""

    begin: int  # of its characters in the message
    end: int
    columns: int  # at which its lines are wrapped; 0: it is one line


def find_parts(source: Marked) -> tuple[Part, ...]:
    """Return the parts of a text that have words; one with very many marks is one part."""
    if len(source.marks) > MOST_MARKS:
        return (Part(0, len(source.text), 0),)
    inside = covered(source)
    lines = list(LINE.finditer(source.text))
    parts: list[Part] = []
    begin, columns = -1, 0
    for line, following in zip_longest(lines, lines[1:]):
        if begin < 0:
            begin, columns = line.start(), 0
        if following is not None:
            between = source.text[line.end() : following.start()]
            if wraps(line[0], between, following[0]):
                columns = max(columns, measure_width(line[0]), measure_width(following[0]))
                continue
            if any(inside[line.end() : following.start()]):
                continue
        parts.append(trimmed(source, Part(begin, line.end(), columns)))
        begin = -1
    return tuple(part for part in parts if has_words(source, part))


def has_words(source: Marked, part: Part) -> bool:
    """Return whether a part has letters outside its marks."""
    text = source.slice(part.begin, part.end).without_marks()
    return any(map(str.isalpha, text)) and ONLY_OPTION.fullmatch(text) is None


def covered(source: Marked) -> bytearray:
    """Return 1 for each character of a text in a mark or a pair of marks, 0 for others."""
    found, partners = bytearray(len(source.text)), source.partners()
    for number, mark in enumerate(source.marks):
        end = source.marks[partners.get(number, number)].end
        found[mark.begin : end] = b"\1" * (end - mark.begin)
    return found


def wraps(line: str, between: str, following: str) -> bool:
    """Return whether a line break wraps a sentence."""
    if between != "\n" or ENDS_SENTENCE.search(line) or not following[:1].isalpha():
        return False
    needed = CAPITAL_COLUMNS if following[0].isupper() else WRAPPED_COLUMNS
    return measure_width(line) >= needed


def trimmed(source: Marked, part: Part) -> Part:
    """Return a part without what is before and after its words, as far as no mark begins there."""
    within = [mark for mark in source.marks if part.begin <= mark.begin < part.end]
    first, last = (within[0].begin, within[-1].end) if within else (part.end, part.begin)
    before = BEFORE_WORDS.match(source.text, part.begin, part.end)
    begin = before.end() if before else part.begin
    if begin > first:  # a bullet or an option that a mark is part of
        begin = part.begin
    text = source.text[begin : part.end]
    end = max(begin + len(text.rstrip()), min(last, part.end))
    return Part(begin, max(begin, end), part.columns)


def unwrapped(text: Marked) -> Marked:
    """Return a part on one line; a line break that wraps no sentence is a mark."""
    marks = list(text.marks)
    characters = list(text.text)
    line_begin = 0
    for found in BREAK.finditer(text.text):
        line = text.text[line_begin : found.start()]
        line_begin = found.end()
        if any(mark.begin < found.end() and found.start() < mark.end for mark in text.marks):
            continue
        following = text.text.find("\n", found.end())
        if wraps(line, found[0], text.text[found.end() : following if following >= 0 else None]):
            characters[found.start()] = " "
        else:
            marks.append(Mark(found.start(), found.end()))
    return Marked("".join(characters), tuple(sorted(marks, key=lambda mark: mark.begin)))


def wrapped(text: Marked, columns: int) -> Marked:
    """Return a text with line breaks in place of spaces, so that lines fit into these columns."""
    characters = list(text.text)
    in_marks = {index for mark in text.marks for index in range(mark.begin, mark.end)}
    start = last = 0  # of the line, and of the last space that may end it
    for found in MAY_END.finditer(text.text):
        position = found.start()
        if found[0] == "\n":
            start = last = position + 1
        elif position not in in_marks:
            if last > start and measure_width(text.text[start:position]) > columns:
                characters[last] = "\n"
                start = last + 1
            last = position
    return Marked("".join(characters), text.marks)


LETTER = r"[^\W_]"
AMPERSAND = re.compile(rf"&(?={LETTER})")
# A name such as AT&T or R&D; a menu in capitals has longer words, E&XIT.
NAME = re.compile(rf"(?<!{LETTER})({LETTER}{{1,2}})&({LETTER})(?!{LETTER})")
ENTITY = re.compile(r"&(?:\w+|#\w+);")  # is no accelerator: &amp;
UNDERSCORE = re.compile(rf"(?<!\S)_(?={LETTER})")  # only before a word: an_identifier has none
BEFORE_LETTER = re.compile(LETTER)
# Languages that add the letter in brackets: "ファイル(&F)".
WITH_BRACKETS = {"ja", "ko", "zh"}
ENDING = re.compile(r"[\s.:：…。]*$")
IN_BRACKETS = re.compile(rf"\(([&_])({LETTER})\)")  # how these languages write a source


class Accelerator(NamedTuple):
    """A sign and the letter after it."""

    sign: str  # & or _
    letter: str


def taken_out(source: Marked) -> tuple[Marked, Accelerator] | None:
    """Return a text without its accelerator, and that; None if it does not have exactly one."""
    text = source.text
    if found := IN_BRACKETS.search(text):
        begin = len(text[: found.start()].rstrip())
        return source.edited([Edit(begin, found.end(), "")]), Accelerator(found[1], found[2])
    positions = [
        found.start()
        for sign, pattern in (("&", AMPERSAND), ("_", UNDERSCORE))
        for found in pattern.finditer(text)
        if text.count(sign) == 1 and not ENTITY.match(text, found.start())
    ]
    is_name = any((found[1] + found[2]).isupper() for found in NAME.finditer(text))
    if is_name or len(positions) != 1 or in_mark(source, positions[0]):
        return None
    (position,) = positions
    accelerator = Accelerator(*text[position : position + 2])
    return source.edited([Edit(position, position + 1, "")]), accelerator


def put_in(translation: Marked, accelerator: Accelerator, language: str) -> Marked:
    """Return a translation with an accelerator: before the same letter if it has that.

    The start of a word is preferred. Chinese, Japanese and Korean get the letter in brackets.
    """
    sign, letter = accelerator
    text = translation.text
    if primary(language) in WITH_BRACKETS:
        ending = ENDING.search(text)
        position = ending.start() if ending else len(text)
        if not in_mark(translation, position):
            return translation.edited([Edit(position, position, f"({sign}{letter.upper()})")])
    free = [
        found.start()
        for found in BEFORE_LETTER.finditer(text)
        if (found[0].isalpha() or found[0] == letter) and not in_mark(translation, found.start())
    ]
    if not free:
        return translation
    starts = [index for index in free if index == 0 or not text[index - 1].isalnum()]
    same = [index for index in (*starts, *free) if text[index].casefold() == letter.casefold()]
    position = [*same, *starts, *free][0]
    return translation.edited([Edit(position, position, sign)])


def in_mark(text: Marked, position: int) -> bool:
    """Return whether the character at a position belongs to a mark."""
    return any(mark.begin <= position < mark.end for mark in text.marks)


@dataclass(frozen=True, slots=True)
class Text:
    """A message of a file and its parts, each of them a segment; these are consecutive."""

    source: Marked
    text: Marked  # the source without its accelerator, if that is put in again
    parts: tuple[Part, ...]
    segments: range  # their numbers in the file
    syntax: frozenset[str]  # of its placeholders
    accelerator: Accelerator | None
    language: str  # of the translations

    @classmethod
    def parse(
        cls, source: Marked, first: int, syntax: frozenset[str], accelerator_language: str | None
    ) -> "Text":
        """Find the parts of a message, whose first segment has a number.

        accelerator_language: that of the translations, if letters may have signs of accelerators.
        """
        text, accelerator, parts = source, None, find_parts(source)
        if accelerator_language is not None and (labelled := taken_out(source)):
            own = find_parts(labelled[0])
            if len(own) == 1:
                (text, accelerator), parts = labelled, own
        segments = range(first, first + len(parts))
        return cls(source, text, parts, segments, syntax, accelerator, accelerator_language or "")

    def texts(self) -> list[Marked]:
        """Return the parts, each on one line; a line break within a pair of marks is a mark."""
        return [unwrapped(self.text.slice(part.begin, part.end)) for part in self.parts]

    def filled(self, translated: Mapping[int, Marked]) -> Marked | None:
        """Return the message with the translations of its segments; None if it has none."""
        own = [translated.get(number) for number in self.segments]
        if all(translation is None for translation in own):
            return None
        text = self.join(own)
        if self.accelerator is not None:
            text = put_in(self.known(text.of_format()), self.accelerator, self.language)
        return text.of_format()

    def join(self, translations: Sequence[Marked | None]) -> Marked:
        """Return the text with a translation of each part; None leaves one as it is."""
        pieces, end = [], 0
        for part, translation in zip(self.parts, translations, strict=True):
            pieces.append(self.text.slice(end, part.begin))
            new = translation or self.text.slice(part.begin, part.end)
            if translation and part.columns:  # a line does not end within a placeholder
                new = wrapped(self.known(new), part.columns)
            pieces.append(new)
            end = part.end
        return joined([*pieces, self.text.slice(end, len(self.text.text))])

    def known(self, text: Marked) -> Marked:
        """Return a text with its placeholders: no letter of theirs gets an accelerator."""
        return with_placeholders(text, self.syntax)
