r"""Glossaries: read them, find their terms in the source, and tell whether an output has them.

A line of a glossary holds a source term, a tab and a target term, or several target terms separated
by `|`, of which one suffices. Blank lines, and lines that begin with `#`, say nothing. `\|`, `\#`
and `\\` stand for these characters themselves.

An output must contain terms in whole words. A word begins after a space, or after a character that
is not part of a word, such as a quotation mark; it ends before one. Letters, marks, digits and the
underscore are parts of words, and hyphens join them.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path
from types import NoneType
from typing import NamedTuple

from nmt.errors import NmtError, UsageError, shown
from nmt.system.arguments import AnyPath, check_surrogates, check_type
from nmt.text.lines import read_lines
from nmt.text.opening import check_stdin, name_of
from nmt.text.tokenizer import UNK, SubwordModel

HYPHENS = "-\u2010\u2011"
SENTENCE_ENDS = ".!?"  # last characters of words; normalisation writes \u2026 as three points
CHARACTER = re.compile(r"\\[|#\\]|.", re.DOTALL)  # one, with its backslash if it needs one
Words = tuple[str, ...]
Terms = Mapping[str, str | Iterable[str]]  # for each source term its target term, or several


@dataclass(frozen=True)
class Term:
    """A term of a source segment and its alternatives, of which the output must contain one."""

    source: str
    targets: tuple[str, ...]  # as the vocabulary writes them: with normalised characters

    def is_in(self, text: str) -> bool:
        """Return whether a text contains an alternative in whole words."""
        return any(
            contains(text, target) or begins_with(text, capitalised(target))
            for target in self.targets
        )


@dataclass(frozen=True)
class TermPlace:
    """A term and where a source segment has it."""

    term: Term
    words: tuple[range, ...]  # the tokens of each of the term's words in a part of the segment

    @property
    def tokens(self) -> range:
        """The tokens of all words."""
        return range(self.words[0].start, self.words[-1].stop)


def is_part_of_word(character: str) -> bool:
    """Return whether a character is a letter, a combining mark, a digit or an underscore."""
    return character == "_" or unicodedata.category(character)[0] in "LMN"


def goes_on(character: str) -> bool:
    """Return whether a word goes on across a character: it is a part of a word or a hyphen."""
    return character in HYPHENS or is_part_of_word(character)


def capitalised(text: str) -> str:
    """Return a text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def begins_with(text: str, words: str) -> bool:
    """Return whether a text begins with whole words."""
    return text.startswith(words) and not goes_on(text[len(words) :][:1] or " ")


def contains(text: str, words: str) -> bool:
    """Return whether a text contains whole words, next to each other."""
    start = text.find(words)
    while start >= 0:
        if begins_with(text[start:], words) and not (start and goes_on(text[start - 1])):
            return True
        start = text.find(words, start + 1)
    return False


@dataclass(frozen=True)
class Entry:
    """A line of a glossary."""

    place: str  # file and line, for messages
    source: str
    targets: tuple[str, ...]  # alternatives


class Found(NamedTuple):
    """A term that a text holds."""

    words: "list[Word]"
    term: Term


class Word(NamedTuple):
    """A word of a text, or a single character that belongs to no word."""

    text: str
    start: int
    end: int


def read_glossary(path: Path | None, beside: Iterable[Path | None] = ()) -> list[Entry]:
    """Return the entries of a glossary, each source term once; none if there is no glossary.

    beside: other files that are read. Raises UsageError if stdin would be read twice, NmtError,
    which names file and line, if the glossary cannot be read or has a bad line.
    """
    if path is None:
        return []
    check_stdin(each for each in (path, *beside) if each is not None)
    entries = (
        parse(text, f"{name_of(path)}, line {line}")
        for line, text in enumerate(read_lines(path), start=1)
        if text.strip() and not text.lstrip().startswith("#")
    )
    return once(entries, "write all of them on one line, separated by |")


def glossary_of(given: Terms | AnyPath | None) -> list[Entry]:
    """Return the entries of a glossary file or of terms in memory, each source term once.

    Raises TypeError, which names the entry, for anything else, UsageError for a term that is empty,
    NmtError as `read_glossary`.
    """
    check_type("glossary", given, Mapping, str, Path, NoneType)
    if not isinstance(given, Mapping):
        return read_glossary(None if given is None else Path(given))
    return once(starmap(entry_of, given.items()), "name all of them in one list")


def entry_of(source: str, targets: str | Iterable[str]) -> Entry:
    """Return the entry of a source term with its target term, or with several."""
    place = f"glossary[{shown(source)}]"
    check_type(f"the target of {place}", targets, str, Iterable)
    texts = [source, targets] if isinstance(targets, str) else [source, *targets]
    for text in texts:
        check_type(f"each term of {place}", text, str)
        check_surrogates(text, place)
    first, *others = (" ".join(text.split()) for text in texts)
    if not others or not all((first, *others)):
        raise UsageError(f"{place}: a term is empty; write it, or leave out the entry")
    return Entry(place, first, tuple(dict.fromkeys(others)))


def once(entries: Iterable[Entry], remedy: str) -> list[Entry]:
    """Return entries without those that say the same as an earlier one.

    Raises NmtError, which names the place and the remedy, if a source term has other target terms.
    """
    found: dict[Words, Entry] = {}
    for entry in entries:
        before = found.setdefault(words_alone(entry.source), entry)
        if {*before.targets} != {*entry.targets}:
            raise NmtError(
                f"{entry.place}: the source term {entry.source} has other target terms than in"
                f" {before.place}; {remedy}"
            )
    return [*found.values()]


def parse(text: str, place: str) -> Entry:
    """Return the entry of a line; raises NmtError, which names the place, for a bad line."""
    columns = text.split("\t")
    if len(columns) != 2:
        count = "no tab" if len(columns) == 1 else f"{len(columns) - 1} tabs"
        raise NmtError(f"{place}: {count}; write the source term, a tab and the target term")
    (source,), targets = alternatives(columns[0], separator=""), alternatives(columns[1])
    if not source or not all(targets):
        side = "target" if source else "source"
        raise NmtError(f"{place}: a {side} term is empty; write it, or remove the line")
    return Entry(place, source, tuple(dict.fromkeys(targets)))


def alternatives(column: str, separator: str = "|") -> list[str]:
    """Return the texts between separators, without backslashes that protect characters."""
    texts = [""]
    for each in CHARACTER.findall(column):
        if each == separator:
            texts.append("")
        else:
            texts[-1] += each[-1]
    return [" ".join(text.split()) for text in texts]


class Glossary:
    """The terms that translations must contain."""

    def __init__(self, entries: Iterable[Entry], target: SubwordModel) -> None:
        """Take the entries and the subword model of the target language.

        Raises NmtError, which names file and line, for a target term that it cannot write.
        """
        # By the first word: the entries with it, the longest first.
        self._terms: dict[str, list[tuple[Words, Term]]] = {}
        entries = [*entries]
        encoded = iter(target.encode([text for entry in entries for text in entry.targets]))
        for entry in entries:
            targets = []
            for text in entry.targets:
                ids = next(encoded)
                if UNK in ids or not ids:
                    unknown = ", ".join(target.unknown(text)) or text
                    raise NmtError(
                        f"{entry.place}: the target term {text} has characters that are not in the"
                        f" vocabulary: {unknown}; choose another term"
                    )
                targets.append(target.decode(ids))
            words = words_alone(entry.source)
            term = Term(entry.source, (*targets,))
            self._terms.setdefault(words[0], []).append((words, term))
        for terms in self._terms.values():
            terms.sort(key=lambda each: -len(each[0]))

    def find(self, text: str) -> Iterator[Found]:
        """Yield the terms in a text, from left to right, without overlaps.

        Of the terms that begin at a word, the longest is found. A sentence's first word may have a
        capital letter that the term has not.
        """
        words = words_of(text)
        alone = [each.text for each in words]
        place = 0
        while place < len(words):
            length = 1
            if best := self._longest(alone, place):
                length = len(best[0])
                yield Found(words[place : place + length], best[1])
            place += length

    def _longest(self, words: list[str], place: int) -> tuple[Words, Term] | None:
        """Return the longest term that begins at a word; of equal ones that with the same case."""
        first = words[place]
        options = [each for each in self._terms.get(first, ()) if matches(each[0], words, place)]
        small = first[:1].lower() + first[1:]
        if small != first and small in self._terms and begins_sentence(words, place):
            options += [each for each in self._terms[small] if matches(each[0], words, place)]
        return max(options, key=lambda each: len(each[0]), default=None)


def matches(term: Words, words: list[str], place: int) -> bool:
    """Return whether the words after a place are those of a term after its first one."""
    return [*term[1:]] == words[place + 1 : place + len(term)]


def begins_sentence(words: list[str], place: int) -> bool:
    """Return whether a word is the first of the text, or the first after the end of a sentence."""
    for before in reversed(words[:place]):
        if is_part_of_word(before[0]):
            return False
        if before[-1] in SENTENCE_ENDS:
            return True
    return True


def words_alone(text: str) -> Words:
    """Return the words of a text without their places."""
    return tuple(each.text for each in words_of(text))


def words_of(text: str) -> list[Word]:
    """Return the words of a text; hyphens join words, other characters are words of their own."""
    words: list[Word] = []
    start = 0
    while start < len(text):
        end = start + 1
        if is_part_of_word(text[start]):
            while end < len(text) and (
                is_part_of_word(text[end])
                or (text[end] in HYPHENS and is_part_of_word(text[end + 1 :][:1] or " "))
            ):
                end += 1
        if not text[start].isspace():
            words.append(Word(unicodedata.normalize("NFKC", text[start:end]), start, end))
        start = end
    return words
