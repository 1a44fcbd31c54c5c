"""Look up translations in translation memories: of equal texts, and of similar ones."""

import re
import unicodedata
from array import array
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy

from nmt.decoding.translator.marked import Mark, Marked, joined
from nmt.documents.messages.tmx import Unit, write_units
from nmt.documents.style import with_outer_space
from nmt.text.subwords.words import UNSPACED

SPACED = rf"[^\W{UNSPACED}]"
NUMBER = re.compile(rf"(?<!{SPACED})\d+(?:[.,]\d+)*(?!{SPACED})")  # not that of mp3
# In scripts without spaces, each character is a token.
TOKEN = re.compile(rf"{NUMBER.pattern}|[{UNSPACED}]|{SPACED}+|[^\w\s]")


SYMBOLS = frozenset("%‰#@§°")  # beside those of money and mathematics
COST, SIGN_COST = 4, 1  # of a token that one text has and the other has not; a sign changes little
CASE_COST = 1  # of a word with other capitals
SWAPPED = str.maketrans(".,", ",.")  # the decimal point of one language is the comma of another

ALMOST = 0.99  # the similarity of texts that differ in numbers or marks alone
MOST_TOKENS = 400  # of a text that similar ones are searched for
MOST_MARKS = 200  # of a text that is looked up
MOST_CANDIDATES = 100  # units with the most words of a text, which are compared word by word
ROUNDING = 1e-9


class Sort(Enum):
    """The sort of a token."""

    WORD = "word"
    NUMBER = "number"
    SIGN = "sign"  # of punctuation
    SYMBOL = "symbol"  # of money or mathematics, or one of SYMBOLS: it changes what is said
    MARK = "mark"


class Token(NamedTuple):
    """A word, a number, a sign, a symbol or a mark; a mark has its kind as text."""

    sort: Sort
    text: str

    @property
    def cost(self) -> int:
        """Return the cost of the token where only one text has it."""
        return SIGN_COST if self.sort is Sort.SIGN else COST

    def cost_to(self, other: "Token") -> int:
        """Return the cost of another token in its place: none for a number."""
        if self.sort is not other.sort:
            return COST
        if self.text == other.text or self.sort is Sort.NUMBER:
            return 0
        is_same_word = self.sort is Sort.WORD and self.text.casefold() == other.text.casefold()
        return CASE_COST if is_same_word else self.cost


def read_tokens(text: Marked) -> list[Token]:
    """Return the tokens of a text, in order; marks that are text for the format are words."""
    text = text.of_format()
    tokens = []
    for part, mark in text.parts():
        if mark:
            tokens.append(Token(Sort.MARK, mark.kind.value))
        else:
            tokens += [Token(token_sort(token), token) for token in TOKEN.findall(part)]
    return tokens


def token_sort(token: str) -> Sort:
    """Return what a token of a text is."""
    if NUMBER.fullmatch(token):
        return Sort.NUMBER
    if token[0].isalnum() or len(token) > 1:
        return Sort.WORD
    is_symbol = token in SYMBOLS or unicodedata.category(token) in {"Sc", "Sm"}
    return Sort.SYMBOL if is_symbol else Sort.SIGN


def weight(tokens: Iterable[Token]) -> int:
    """Return the cost of all tokens."""
    return sum(token.cost for token in tokens)


def folded_words(tokens: Iterable[Token]) -> set[str]:
    """Return the words among some tokens, without their capitals."""
    return {token.text.casefold() for token in tokens if token.sort is Sort.WORD}


def shape(tokens: Iterable[Token]) -> list[str]:
    """Return what similar texts must share: the count of numbers, kinds of marks, and symbols."""
    kept = [token.text for token in tokens if token.sort in {Sort.MARK, Sort.SYMBOL}]
    return [*kept, *("" for token in tokens if token.sort is Sort.NUMBER)]


def similarity(left: Sequence[Token], right: Sequence[Token], least: float = 0.0) -> float:
    """Return 1 minus the weighted edit distance of two texts over the cost of the larger one.

    Numbers that alone differ cost nothing. If the result is below `least`, it may be 0.
    """
    larger = max(weight(left), weight(right))
    most = (1 - least) * larger + ROUNDING
    row = [0]
    for token in right:
        row.append(row[-1] + token.cost)
    for token in left:
        previous, row = row, [row[0] + token.cost]
        for index, other in enumerate(right):
            changed = previous[index] + token.cost_to(other)
            row.append(min(changed, previous[index + 1] + token.cost, row[index] + other.cost))
        if min(row) > most:
            return 0.0
    return max(0.0, 1 - row[-1] / larger) if larger else 1.0


def fitted(source: Marked, unit: Unit) -> Marked | None:
    """Return the translation of a unit with the numbers and the marks of a source.

    None if it cannot be done for certain: it lacks a mark, or a number is written in another way.
    """
    target: Marked | None = unit.target
    if folded(source.text) != folded(unit.source.text):
        target = rewritten(source.of_format(), unit)
    target = target and with_marks(target, source)
    return target and with_outer_space(source, target)


def folded(text: str) -> str:
    """Return a text with single spaces."""
    return " ".join(text.split())


def rewritten(source: Marked, unit: Unit) -> Marked | None:
    """Return the target of a unit with the numbers and marks of a source in place of its own."""
    own, target = unit.source.of_format(), unit.target.of_format()
    numbers = new_numbers(*map(read_numbers, (own, source, target)))
    order = matching_marks(own, target)
    if numbers is None or order is None or len(own.marks) != len(source.marks):
        return None
    marks = (source.slice(*source.marks[number][:2]) for number in order)
    return joined(
        next(marks)
        if mark
        else Marked(NUMBER.sub(lambda found: numbers.get(found[0], found[0]), part))
        for part, mark in target.parts()
    )


def read_numbers(text: Marked) -> list[str]:
    """Return the numbers outside the marks of a text."""
    parts = (part for part, mark in text.parts() if not mark)
    return [number for part in parts for number in NUMBER.findall(part)]


def new_numbers(
    own: Sequence[str], new: Sequence[str], target: Sequence[str]
) -> dict[str, str] | None:
    """Return what stands in a target in place of its numbers, from those of a source and another.

    None if a number that changes is not in the target as often, or becomes two different ones.
    """
    changes = dict.fromkeys(zip(own, new, strict=False))
    if len(own) != len(new) or len(changes) != len(set(own)):
        return None
    found: dict[str, str] = {}
    for number, other in changes:
        forms = (number, other), (number.translate(SWAPPED), other.translate(SWAPPED))
        fitting = [form for form in forms if target.count(form[0]) == own.count(number)]
        if number != other and not fitting:
            return None
        found.update(fitting[:1] if number != other else ())
    return found


def matching_marks(source: Marked, target: Marked) -> list[int] | None:
    """Return the number of the source's mark for each mark of a target.

    Equal texts match first, then marks of a kind in order. None if any mark is left.
    """
    if len(source.marks) != len(target.marks):
        return None
    texts, left = source.mark_texts(), [*range(len(source.marks))]
    found: dict[int, int] = {}
    for has_same_text in (True, False):
        for index, (text, mark) in enumerate(zip(target.mark_texts(), target.marks, strict=True)):
            own = [number for number in left if source.marks[number].kind is mark.kind]
            own = [number for number in own if texts[number] == text or not has_same_text]
            if own and index not in found:
                found[index] = own[0]
                left.remove(own[0])
    return None if left else [found[index] for index in sorted(found)]


def with_marks(target: Marked, source: Marked) -> Marked | None:
    """Return a target whose marks are those of a source; None if it lacks one of them.

    A mark that begins with a digit, such as 3.5 GB, may be written in another way.
    """
    wanted: dict[str, list[Mark]] = {}
    for text, mark in zip(source.mark_texts(), source.marks, strict=True):
        wanted.setdefault(text, []).append(mark)
    marks = []
    for text, mark in zip(target.mark_texts(), target.marks, strict=True):
        if wanted.get(text):
            marks.append(wanted[text].pop(0)._replace(begin=mark.begin, end=mark.end))
    for text, missing in wanted.items():
        size = len(text)
        starts = (found.start() for found in re.finditer(f"(?={re.escape(text)})", target.text))
        for mark in missing:
            begin = next((start for start in starts if is_free(start, start + size, marks)), None)
            if begin is not None:
                marks.append(mark._replace(begin=begin, end=begin + size))
            elif not (mark.is_text and text[:1].isdigit()):
                return None
    return Marked(target.text, tuple(sorted(marks)))


def is_free(begin: int, end: int, marks: Iterable[Mark]) -> bool:
    """Return whether a part of a text overlaps none of some marks."""
    return all(mark.end <= begin or end <= mark.begin for mark in marks)


class Match(NamedTuple):
    """A translation of a memory for a text."""

    target: Marked  # with the marks of the text
    similarity: float  # 1.0: the text itself

    @property
    def origin(self) -> str:
        """Return where the translation comes from, such as "memory 96 %"."""
        return f"memory {int(self.similarity * 100 + ROUNDING)} %"


class Memory:
    """Units that are looked up by their sources, and new ones to be written."""

    def __init__(
        self,
        units: Iterable[Unit],
        threshold: float,
        languages: tuple[str, str] = ("", ""),
        *,
        keeps_new: bool = False,
    ) -> None:
        """Keep units, each once; of equal texts, the first one counts.

        threshold: least similarity of a match, 1.0 for equal texts alone. languages: source and
        target. keeps_new: new translations are kept for `write`.
        """
        self._threshold, self._languages, self.keeps_new = threshold, languages, keeps_new
        self._new: dict[Unit, None] = {}
        self._equal: dict[str, list[Unit]] = {}  # units by their texts
        self._units: list[Unit] = []
        for unit in units:
            known = self._equal.setdefault(folded(unit.source.text), [])
            if all((one.target, one.context) != (unit.target, unit.context) for one in known):
                known.append(unit)
                self._units.append(unit)

    def record(self, unit: Unit) -> None:
        """Keep a new translation for `write`, if wanted; it is not looked up."""
        if self.keeps_new:
            self._new[unit] = None

    def write(self, path: Path) -> None:
        """Write the translations that were recorded, whole or not at all."""
        write_units(path, self._new, *self._languages)

    def __len__(self) -> int:
        """Return the number of units."""
        return len(self._units)

    def find(self, source: Marked, context: str = "") -> Match | None:
        """Return the translation of a text, or of the most similar one above the threshold.

        Among equal texts, one with the same context comes first. Numbers and marks that alone
        differ are replaced. If they cannot be replaced for certain, there is no match.
        """
        if len(source.marks) > MOST_MARKS:
            return None
        for share, unit in self._found(source, context):
            target = fitted(source, unit)
            if target is not None:
                return Match(target, share)
        return None

    def _found(self, source: Marked, context: str) -> Iterator[tuple[float, Unit]]:
        """Yield equal and similar units, the best first, each with its similarity."""
        equal = self._equal.get(folded(source.text), ())
        for unit in sorted(equal, key=lambda unit: unit.context != context):
            yield 1.0, unit
        if self._threshold >= 1.0 or not self._units:
            return
        tokens = read_tokens(source)
        found = []
        for number in self._candidates(tokens):
            unit = self._units[number]
            others = read_tokens(unit.source)
            if shape(others) == shape(tokens):
                share = similarity(tokens, others, self._threshold)
                if share >= self._threshold:
                    found.append((-share, unit.context != context, number))
        for cost, _, number in sorted(found):
            yield min(-cost, ALMOST), self._units[number]

    def _candidates(self, tokens: Sequence[Token]) -> list[int]:
        """Return the units that may be similar enough and share a word, up to a limit.

        They have about the same weight, and lack no more words than the threshold allows.
        """
        known, all_weights = self._index
        words = folded_words(tokens)
        numbers = [numpy.frombuffer(known[word], "I") for word in words if word in known]
        if not numbers or len(tokens) > MOST_TOKENS:
            return []
        weights = numpy.frombuffer(all_weights, "I")
        shared = numpy.bincount(numpy.concatenate(numbers), minlength=len(self._units))
        total = weight(tokens)
        most = total / self._threshold + ROUNDING
        lacking = int((1 - self._threshold) * most / COST + ROUNDING)
        is_near = (weights >= total * self._threshold - ROUNDING) & (weights <= most)
        near = numpy.flatnonzero(is_near & (shared >= max(1, len(words) - lacking)))
        order = numpy.argsort(-shared[near], kind="stable")[:MOST_CANDIDATES]
        return [int(number) for number in near[order]]

    @cached_property
    def _index(self) -> "tuple[dict[str, array[int]], array[int]]":
        """Return the numbers of the units with a word, and the weights of the units."""
        words: dict[str, array[int]] = {}
        weights = array("I")
        for number, unit in enumerate(self._units):
            tokens = read_tokens(unit.source)
            weights.append(weight(tokens))
            for word in folded_words(tokens) if len(tokens) <= MOST_TOKENS else ():
                words.setdefault(word, array("I")).append(number)
        return words, weights


NOTHING = Memory((), 1.0)  # has no units and keeps none
