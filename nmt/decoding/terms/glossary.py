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
from dataclasses import dataclass, replace
from itertools import starmap
from pathlib import Path
from types import NoneType
from typing import NamedTuple

from nmt.errors import NmtError, UsageError, shown
from nmt.system.arguments import AnyPath, check_surrogates, check_type
from nmt.text.reading.lines import check_stdin, read_lines, show_name
from nmt.text.subwords.tokenizer import UNK, SubwordModel

HYPHENS = "-\u2010\u2011"
SENTENCE_ENDS = ".!?"  # last characters of words; normalisation writes \u2026 as three points
BAR = re.compile(r"\\([|#\\])|\|")  # a bar, or a character with the backslash that protects it
WORD = re.compile(rf"w(?:w|[{HYPHENS}](?=w))*|\S")  # in a text with "w" for all parts of words
Words = tuple[str, ...]
Terms = Mapping[str, str | Iterable[str]]  # for each source term its target term, or several


@dataclass(frozen=True)
class Term:
    """A term of the source and its alternatives, of which the output must contain one."""

    source: str
    targets: Words  # in a `Glossary` as the vocabulary writes them: with normalised characters
    location: str = ""  # file and line, or the entry; for messages

    def is_in(self, text: str) -> bool:
        """Return whether a text contains an alternative in whole words."""
        return any(
            contains(text, target) or begins_with(text, capitalised(target))
            for target in self.targets
        )


@dataclass(frozen=True)
class TermOccurrence:
    """A term and where a source segment has it."""

    term: Term
    words: tuple[range, ...]  # the tokens of each of the term's words in a part of the segment

    @property
    def tokens(self) -> range:
        """Return the tokens of all words."""
        return range(self.words[0].start, self.words[-1].stop)


class Word(NamedTuple):
    """A word of a text, or a single character that belongs to no word."""

    text: str
    start: int
    end: int


class Found(NamedTuple):
    """A term that a text holds."""

    words: list[Word]
    term: Term


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
    starts = (found.start() for found in re.finditer(f"(?={re.escape(words)})", text))
    return any(
        begins_with(text[start:], words) and not goes_on(text[:start][-1:] or " ")
        for start in starts
    )


def split_words(text: str) -> list[Word]:
    """Return the words of a text; hyphens join words, other characters are words of their own."""
    kinds = "".join("w" if is_part_of_word(symbol) else symbol for symbol in text)
    spans = map(re.Match.span, WORD.finditer(kinds))
    return [Word(unicodedata.normalize("NFKC", text[slice(*span)]), *span) for span in spans]


def word_texts(text: str) -> Words:
    """Return the words of a text without their positions."""
    return tuple(word.text for word in split_words(text))


def read_glossary(given: Terms | AnyPath | None, beside: Iterable[Path | None] = ()) -> list[Term]:
    """Return the terms of a glossary, each source term once; none if there is no glossary.

    given: a file, or terms in memory. beside: other files that are read.

    Raises TypeError, which names the entry, for anything else, UsageError for a term in memory that
    is empty or if stdin would be read twice, NmtError, which names file and line, if the file
    cannot be read or has a bad line.
    """
    check_type("glossary", given, Mapping, str, Path, NoneType)
    if given is None:
        return []
    if isinstance(given, Mapping):
        return check_repeated(starmap(make_term, given.items()), "name all of them in one list")
    path = Path(given)
    check_stdin(file for file in (path, *beside) if file is not None)
    terms = (
        parse(text, f"{show_name(path)}, line {line}")
        for line, text in enumerate(read_lines(path), start=1)
        if text.strip() and not text.lstrip().startswith("#")
    )
    return check_repeated(terms, "write all of them on one line, separated by |")


def make_term(source: str, targets: str | Iterable[str]) -> Term:
    """Return a source term with its target term, or with several."""
    location = f"glossary[{shown(source)}]"
    check_type(f"the target of {location}", targets, str, Iterable)
    texts = [source, targets] if isinstance(targets, str) else [source, *targets]
    for text in texts:
        check_type(f"each term of {location}", text, str)
        check_surrogates(text, location)
    first, *others = (" ".join(text.split()) for text in texts)
    if not others or not all((first, *others)):
        raise UsageError(f"{location}: a term is empty; write it, or leave out the entry")
    return Term(first, tuple(dict.fromkeys(others)), location)


def digest_text(terms: Iterable[Term]) -> str:
    """Return what the digest of a job has of a glossary: the same as in earlier versions."""
    entries = (
        f"Entry(place={term.location!r}, source={term.source!r}, targets={term.targets!r})"
        for term in terms
    )
    return f"[{', '.join(entries)}]"


def check_repeated(terms: Iterable[Term], remedy: str) -> list[Term]:
    """Return terms without those that say the same as an earlier one.

    Raises NmtError, which names location and remedy, if a source term has other target terms.
    """
    found: dict[Words, Term] = {}
    for term in terms:
        before = found.setdefault(word_texts(term.source), term)
        if {*before.targets} != {*term.targets}:
            raise NmtError(
                f"{term.location}: the source term {term.source} has other target terms than in"
                f" {before.location}; {remedy}"
            )
    return [*found.values()]


def parse(text: str, location: str) -> Term:
    """Return the term of a line; raises NmtError, which names the location, for a bad line."""
    columns = text.split("\t")
    if len(columns) != 2:
        count = "no tab" if len(columns) == 1 else f"{len(columns) - 1} tabs"
        raise NmtError(f"{location}: {count}; write the source term, a tab and the target term")
    (source,), targets = alternatives(columns[0], "|"), alternatives(columns[1], "\t")
    if not source or not all(targets):
        side = "target" if source else "source"
        raise NmtError(f"{location}: a {side} term is empty; write it, or remove the line")
    return Term(source, tuple(dict.fromkeys(targets)), location)


def alternatives(column: str, separator: str) -> list[str]:
    """Return the texts of a column that `|` separates, if the separator is a tab.

    Backslashes that protect characters are removed. A column has no tab of its own.
    """
    plain = BAR.sub(lambda found: found[1] or separator, column)
    return [" ".join(text.split()) for text in plain.split("\t")]


class Glossary:
    """The terms that translations must contain."""

    def __init__(self, terms: Iterable[Term], target: SubwordModel) -> None:
        """Take the terms and the subword model of the target language.

        Raises NmtError, which names file and line, for a target term that it cannot write.
        """
        self._terms: dict[Words, Term] = {}
        self._longest: dict[str, int] = {}  # words of a term, by the first one
        terms = [*terms]
        encoded = iter(target.encode([text for term in terms for text in term.targets]))
        for term in terms:
            targets = []
            for text in term.targets:
                ids = next(encoded)
                if UNK in ids or not ids:
                    unknown = ", ".join(target.unknown(text)) or text
                    raise NmtError(
                        f"{term.location}: the target term {text} has characters that are not in"
                        f" the vocabulary: {unknown}; choose another term"
                    )
                targets.append(target.decode(ids))
            words = word_texts(term.source)
            self._terms[words] = replace(term, targets=(*targets,))
            self._longest[words[0]] = max(len(words), self._longest.get(words[0], 0))

    def find(self, text: str) -> Iterator[Found]:
        """Yield the terms in a text, from left to right, without overlaps.

        Of the terms that begin at a word, the longest is found; of equal ones that with the same
        case. A sentence's first word may have a capital letter that the term has not.
        """
        words = split_words(text)
        texts = [word.text for word in words]
        index = 0
        while index < len(words):
            firsts = [texts[index]]
            small = firsts[0][:1].lower() + firsts[0][1:]
            if small in self._longest and begins_sentence(texts, index):
                firsts.append(small)
            options = (
                (first, *texts[index + 1 : index + length])
                for first in firsts
                for length in range(1, self._longest.get(first, 0) + 1)
            )
            best = max((option for option in options if option in self._terms), key=len, default=())
            if best:
                yield Found(words[index : index + len(best)], self._terms[best])
            index += len(best) or 1


def begins_sentence(words: list[str], index: int) -> bool:
    """Return whether a word is the first of the text, or the first after the end of a sentence."""
    for before in reversed(words[:index]):
        if is_part_of_word(before[0]):
            return False
        if before[-1] in SENTENCE_ENDS:
            return True
    return True
