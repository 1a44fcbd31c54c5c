"""Messages of ICU: arguments in braces, of which plurals and choices hold messages themselves.

"{n, plural, one {# file} other {# files}} in {folder}" has an argument with two messages. These are
translated each by itself, and so is the text around it, in which arguments are marks. An apostrophe
before a brace quotes what follows, up to the next one; two stand for one.
"""

import re
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from nmt.decoding.translator.marked import Edit, Mark, Marked, joined
from nmt.documents.marks.tags import Span, outside, without_overlaps
from nmt.documents.messages.plurals import find_categories

DEEPEST = 8  # messages within messages; deeper arguments stay as they are
MOST_CHOICES = 100  # of a message that are looked into
HEAD = re.compile(
    r"\{\s{0,20}([^\s{},'#]{1,100})\s{0,20},\s{0,20}(plural|selectordinal|select)\s{0,20},"
)
OFFSET = re.compile(r"\s*offset\s{0,20}:\s{0,20}\d{1,9}(?=\s)")
KEY = re.compile(r"\s*([^\s{},']{1,100})\s{0,20}(?=\{)")
SIMPLE = re.compile(r"\{\s{0,20}[^\s{},'#]{1,100}\s{0,20}(?:,[^{}']{0,500})?\}")
EXACT = {"=0": "zero", "=1": "one", "=2": "two"}  # numbers that some write for categories
SPECIAL = re.compile(r"['{}]")
NUMBER = re.compile("#")
TWO_QUOTES = "''"
NEED_TWO = frozenset("{}#|'")  # signs before which an apostrophe quotes


class Choice(NamedTuple):
    """An argument with messages."""

    span: Span
    name: str
    kind: str  # plural, selectordinal or select
    messages: dict[str, Span]  # by key, without their braces


class Scan(NamedTuple):
    """The braces and apostrophes of a text that have a meaning."""

    closings: dict[int, int]  # for each opening brace that is closed its closing one
    quoted: list[Span]  # with their apostrophes
    doubled: list[int]  # positions of two apostrophes for one

    @classmethod
    def parse(cls, text: str) -> "Scan":
        """Read a text once, from left to right."""
        scan = cls({}, [], [])
        opened: list[int] = []
        position = 0
        while found := SPECIAL.search(text, position):
            position = found.end()
            if found[0] == "{":
                opened.append(found.start())
            elif found[0] == "}":
                if opened:
                    scan.closings[opened.pop()] = found.start()
            elif text.startswith("'", position):
                scan.doubled.append(found.start())
                position += 1
            elif text[position : position + 1] in ("{", "}"):
                end = quote_end(text, position)
                scan.quoted.append(Span(found.start(), end))
                position = end
        return scan


def quote_end(text: str, position: int) -> int:
    """Return the end of a quoted part from a position in it; two apostrophes do not end it."""
    while (end := text.find("'", position)) >= 0:
        if not text.startswith("'", end + 1):
            return end + 1
        position = end + 2
    return len(text)


def arguments(text: str, scan: Scan) -> Iterator[Choice | Span]:
    """Yield the arguments of a message, in order: those without messages as spans."""
    end = 0
    for begin in sorted(scan.closings):
        if begin < end:
            continue
        choice = choice_at(text, begin, scan)
        simple = SIMPLE.match(text, begin) if choice is None else None
        if choice is not None:
            yield choice
            end = choice.span.end
        elif simple:
            yield Span(*simple.span())
            end = simple.end()


def choice_at(text: str, begin: int, scan: Scan) -> Choice | None:
    """Return the argument with messages that begins at a brace, if one does."""
    head = HEAD.match(text, begin)
    if head is None:
        return None
    last = scan.closings[begin]
    offset = OFFSET.match(text, head.end(), last)
    position = offset.end() if offset else head.end()
    messages: dict[str, Span] = {}
    while found := KEY.match(text, position, last + 1):
        closing = scan.closings.get(found.end())
        if closing is None or closing >= last or found[1] in messages:
            return None
        messages[found[1]] = Span(found.end() + 1, closing)
        position = closing + 1
    if not messages or text[position:last].strip():
        return None
    return Choice(Span(begin, last + 1), head[1], head[2], messages)


def argument_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of the arguments and of the quoted parts of a message."""
    scan = Scan.parse(text)
    for argument in arguments(text, scan):
        yield argument.span if isinstance(argument, Choice) else argument
    yield from scan.quoted


class Part(NamedTuple):
    """A choice in a message, its messages, and the mark that stands for it in the text around."""

    choice: Choice
    stand_in: str
    messages: tuple["IcuMessage", ...]


@dataclass(frozen=True)
class IcuMessage:
    """A message, and the texts in it that are translated each by itself."""

    source: Marked
    text: Marked  # with marks in place of choices, and single apostrophes
    parts: tuple[Part, ...]

    @classmethod
    def parse(cls, source: Marked, depth: int = 0, *, has_number: bool = False) -> "IcuMessage":
        """Find the texts of a message; has_number: # stands for the number of a plural.

        What a mark of the format crosses stays as it is.
        """
        scan = Scan.parse(source.text)
        parts: list[Part] = []
        for choice in arguments(source.text, scan):
            if len(parts) == MOST_CHOICES:
                break
            if isinstance(choice, Choice) and depth < DEEPEST and is_whole(source, choice):
                name = stand_in(choice.name, source.text, {part.stand_in for part in parts})
                inner = (
                    cls.parse(source.slice(*span), depth + 1, has_number=choice.kind != "select")
                    for span in choice.messages.values()
                )
                parts.append(Part(choice, name, tuple(inner)))
        signs = NUMBER.finditer(source.text) if has_number else ()
        numbers = (Mark(*sign.span(), is_text=True) for sign in signs)
        free = outside([*(Mark(*span) for span in scan.quoted), *numbers], source.marks)
        marks = without_overlaps([*source.marks, *free])
        choices = (Mark(*part.choice.span) for part in parts)
        taken = sorted([*marks, *choices], key=lambda mark: mark[:2])
        doubled = outside((Mark(position, position + 2) for position in scan.doubled), taken)
        changes = [(Span(mark.begin, mark.end), Marked("'")) for mark in doubled]
        changes += ((part.choice.span, Mark(0, 0).over(part.stand_in)) for part in parts)
        text = replaced(Marked(source.text, tuple(marks)), sorted(changes))
        return cls(source, text, tuple(parts))

    def texts(self) -> list[Marked]:
        """Return the texts to translate; some may have no words."""
        inner = (text for part in self.parts for one in part.messages for text in one.texts())
        return [self.text, *inner]

    def join(self, translations: Iterable[Marked]) -> Marked:
        """Return the message with a translation of each of `texts`, the next ones.

        A message whose translation has not each argument once stays as it is.
        """
        remaining = iter(translations)
        text = next(remaining).of_format()
        inside: dict[str, Marked] = {}
        for part in self.parts:
            messages = [message.join(remaining) for message in part.messages]
            changes = zip(part.choice.messages.values(), messages, strict=True)
            inside[part.stand_in] = replaced(self.source, changes, part.choice.span)
        texts = text.mark_texts()
        if any(texts.count(name) != 1 for name in inside):
            return self.source
        if text == self.text.of_format():
            choices = ((part.choice.span, inside[part.stand_in]) for part in self.parts)
            return replaced(self.source, choices)
        text = quoted(text, doubles=TWO_QUOTES in self.source.text)
        shown = zip(text.marks, text.mark_texts(), strict=True)
        return replaced(
            text, [(Span(*mark[:2]), inside[name]) for mark, name in shown if name in inside]
        )

    def missing_categories(self, language: str) -> list[str]:
        """Return the plural categories of a language that some plural of the message lacks."""
        needed = find_categories(language)
        missing: dict[str, None] = {}
        for part in self.parts:
            if part.choice.kind == "plural":
                own = {EXACT.get(key, key) for key in part.choice.messages}
                missing |= dict.fromkeys(category for category in needed if category not in own)
            for message in part.messages:
                missing |= dict.fromkeys(message.missing_categories(language))
        return [*missing]


def is_whole(source: Marked, choice: Choice) -> bool:
    """Return whether each mark is inside a message of a choice or beside the choice."""
    (begin, end) = choice.span
    return all(
        any(span.begin <= mark.begin and mark.end <= span.end for span in choice.messages.values())
        for mark in source.marks
        if mark.begin < end and mark.end > begin
    )


def stand_in(name: str, text: str, used: Container[str]) -> str:
    """Return a mark that stands for a choice, and that neither a text nor another choice has."""
    made = f"{{{name}}}"
    number = 0
    while made in text or made in used:
        number += 1
        made = f"{{{name}{number}}}"
    return made


def replaced(
    source: Marked, changes: Iterable[tuple[Span, Marked]], whole: Span | None = None
) -> Marked:
    """Return a text, or a part of it, with other texts in place of spans, which are in order."""
    whole = whole or Span(0, len(source.text))
    pieces: list[Marked] = []
    end = whole.begin
    for span, text in changes:
        pieces += source.slice(end, span.begin), text
        end = span.end
    return joined([*pieces, source.slice(end, whole.end)])


def quoted(text: Marked, *, doubles: bool) -> Marked:
    """Return a translated text with two apostrophes where one would quote what follows.

    doubles: the source writes two for each.
    """
    signs = outside((Mark(*sign.span()) for sign in re.finditer("'", text.text)), text.marks)
    return text.edited(
        Edit(sign.begin, sign.end, TWO_QUOTES)
        for sign in signs
        if doubles or (text.text[sign.end : sign.end + 1] or "}") in NEED_TWO
    )
