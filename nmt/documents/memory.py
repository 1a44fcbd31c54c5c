"""Look up translations in translation memories: of equal texts, and of similar ones."""

import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import numpy

from nmt.decoding.translator.marked import Mark, Marked
from nmt.documents.messages.tmx import Unit, read_units, write_units
from nmt.documents.style import with_outer_space_of

# Scripts without spaces between words: each character is a token.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf"
    "\u4e00-\u9fff\U00020000-\U0003ffff"
)
SPACED = rf"[^\W{UNSPACED}]"
NUMBER = re.compile(rf"(?<!{SPACED})\d+(?:[.,]\d+)*(?!{SPACED})")  # not that of mp3
TOKEN = re.compile(rf"{NUMBER.pattern}|[{UNSPACED}]|{SPACED}+|[^\w\s]")


class Sort(Enum):
    """The sort of a token."""

    WORD = "word"
    NUMBER = "number"
    SIGN = "sign"  # of punctuation
    SYMBOL = "symbol"  # of money or mathematics, or %, #, @, § and °: it changes what is said
    MARK = "mark"


# What a token costs that one text has and the other has not. A sign changes little.
COSTS = {Sort.WORD: 4, Sort.NUMBER: 4, Sort.MARK: 4, Sort.SYMBOL: 4, Sort.SIGN: 1}
CASE_COST = 1  # of a word with other capitals
SYMBOLS = frozenset("%‰#@§°")  # beside those of money and mathematics
WORD_COST = COSTS[Sort.WORD]


class Token(NamedTuple):
    """A word, a number, a sign, a symbol or a mark; a mark has its kind as text."""

    sort: Sort
    text: str

    @property
    def cost(self) -> int:
        """Cost of the token where only one text has it."""
        return COSTS[self.sort]

    def cost_to(self, other: "Token") -> int:
        """Return the cost of another token in its place: none for a number or a mark."""
        if self.sort is not other.sort:
            return max(self.cost, other.cost)
        if self.text == other.text or self.sort is Sort.NUMBER:
            return 0
        if self.sort is Sort.WORD and self.text.casefold() == other.text.casefold():
            return CASE_COST
        return self.cost


def tokens_of(text: Marked) -> list[Token]:
    """Return the tokens of a text, in order; marks that are text for the format are words."""
    text = text.of_format()
    tokens = []
    marks = iter(text.marks)
    for part, is_mark in text.parts():
        if is_mark:
            tokens.append(Token(Sort.MARK, next(marks).kind.value))
        else:
            tokens += [Token(sort_of(each), each) for each in TOKEN.findall(part)]
    return tokens


def sort_of(token: str) -> Sort:
    """Return what a token of a text is."""
    if NUMBER.fullmatch(token):
        return Sort.NUMBER
    if token[0].isalnum() or len(token) > 1:
        return Sort.WORD
    is_symbol = token in SYMBOLS or unicodedata.category(token) in {"Sc", "Sm"}
    return Sort.SYMBOL if is_symbol else Sort.SIGN


def weight(tokens: Sequence[Token]) -> int:
    """Return the cost of all tokens."""
    return sum(each.cost for each in tokens)


def similarity(left: Sequence[Token], right: Sequence[Token], least: float = 0.0) -> float:
    """Return 1 minus the weighted edit distance of two texts over the cost of the larger one.

    Numbers and marks that alone differ cost nothing. If the result is below `least`, it may be 0.
    """
    larger = max(weight(left), weight(right))
    most = (1 - least) * larger + 1e-9
    row = [0]
    for token in right:
        row.append(row[-1] + token.cost)
    for token in left:
        previous, row = row, [row[0] + token.cost]
        for place, other in enumerate(right):
            row.append(
                min(
                    previous[place] + token.cost_to(other),
                    previous[place + 1] + token.cost,
                    row[place] + other.cost,
                )
            )
        if min(row) > most:
            return 0.0
    return max(0.0, 1 - row[-1] / larger) if larger else 1.0


SWAPPED = str.maketrans(".,", ",.")  # the decimal point of one language is the comma of another


def fitted(source: Marked, unit: Unit) -> Marked | None:
    """Return the translation of a unit with the numbers and the marks of a source.

    None if it cannot be done for certain: a mark has no place in it, or a number is written in
    another way.
    """
    target: Marked | None = unit.target
    if folded(source.text) != folded(unit.source.text):
        target = rewritten(source.of_format(), unit)
    target = target and with_marks(target, source)
    return target and with_outer_space_of(source, target)


def folded(text: str) -> str:
    """Return a text with single spaces."""
    return " ".join(text.split())


def rewritten(source: Marked, unit: Unit) -> Marked | None:
    """Return the target of a unit with the numbers and marks of a source in place of its own."""
    own, target = unit.source.of_format(), unit.target.of_format()
    numbers = new_numbers(numbers_of(own), numbers_of(source), numbers_of(target))
    places = matching_marks(own, target)
    if numbers is None or places is None or len(own.marks) != len(source.marks):
        return None
    texts: list[str] = []
    marks: list[Mark] = []
    length = 0
    for part, is_mark in target.parts():
        text = part
        if is_mark:
            mark = source.marks[places[len(marks)]]
            text = source.text[mark.begin : mark.end]
            marks.append(Mark(length, length + len(text), mark.kind))
        else:
            text = NUMBER.sub(lambda found: numbers.get(found[0], found[0]), part)
        texts.append(text)
        length += len(text)
    return Marked("".join(texts), tuple(marks))


def numbers_of(text: Marked) -> list[str]:
    """Return the numbers outside the marks of a text."""
    parts = (NUMBER.findall(part) for part, is_mark in text.parts() if not is_mark)
    return [number for found in parts for number in found]


def new_numbers(
    own: Sequence[str], new: Sequence[str], target: Sequence[str]
) -> dict[str, str] | None:
    """Return what stands in a target in place of its numbers, from those of a source and another.

    None if a number that changes is not in the target as often, or becomes two different ones.
    """
    if len(own) != len(new):
        return None
    changed = dict(zip(own, new, strict=True))
    if any(changed[number] != other for number, other in zip(own, new, strict=True)):
        return None
    counts, in_target = Counter(own), Counter(target)
    found = {}
    for number, other in changed.items():
        if number == other:
            continue
        swapped = number.translate(SWAPPED)
        if in_target[number] == counts[number]:
            found[number] = other
        elif in_target[swapped] == counts[number]:
            found[swapped] = other.translate(SWAPPED)
        else:
            return None
    return found


def matching_marks(source: Marked, target: Marked) -> list[int] | None:
    """Return the number of the source's mark for each mark of a target.

    Equal texts match first, then marks of a kind in order. None if any mark is left.
    """
    if len(source.marks) != len(target.marks):
        return None
    left = dict(enumerate(zip(source.mark_texts(), source.marks, strict=True)))
    found: dict[int, int] = {}
    wanted = [*zip(target.mark_texts(), target.marks, strict=True)]
    for has_same_text in (True, False):
        for place, (text, mark) in enumerate(wanted):
            for number, (own_text, own) in left.items() if place not in found else ():
                if own.kind is mark.kind and (own_text == text or not has_same_text):
                    found[place] = number
                    del left[number]
                    break
    return [found[place] for place in range(len(wanted))] if not left else None


def with_marks(target: Marked, source: Marked) -> Marked | None:
    """Return a target whose marks are those of a source; None if one has no place in it.

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
        begin = 0
        for mark in missing:
            begin = free_place(target.text, text, begin, marks)
            if begin < 0:
                if mark.is_text and text[:1].isdigit():
                    break
                return None
            marks.append(mark._replace(begin=begin, end=begin + len(text)))
            begin += len(text)
    return Marked(target.text, tuple(sorted(marks)))


def free_place(text: str, wanted: str, begin: int, marks: Sequence[Mark]) -> int:
    """Return where a text has another one outside of some marks, from a place on; else -1."""
    while (begin := text.find(wanted, begin)) >= 0:
        end = begin + len(wanted)
        within = [each for each in marks if each.begin < end and begin < each.end]
        if not within:
            return begin
        begin = within[-1].end
    return -1


ALMOST = 0.99  # the similarity of texts that differ in numbers or marks alone
MOST_TOKENS = 400  # of a text that similar ones are searched for
MOST_MARKS = 200  # of a text that is looked up
MOST_CANDIDATES = 100  # units with the most words of a text, which are compared word by word
ROUNDING = 1e-9


class Match(NamedTuple):
    """A translation of a memory for a text."""

    target: Marked  # with the marks of the text
    similarity: float  # 1.0: the text itself

    @property
    def origin(self) -> str:
        """Return where the translation comes from, such as "memory 96 %"."""
        return f"memory {int(self.similarity * 100 + 1e-9)} %"


class Memory:
    """Units that are looked up by their sources, and new ones to be written."""

    def __init__(self, units: Iterable[Unit], threshold: float) -> None:
        """Keep units; threshold: least similarity of a match, 1.0 for equal texts alone."""
        self._threshold = threshold
        self._units: list[Unit] = []
        self._numbers: dict[str, list[int]] = {}  # of the units with a text
        self._words: dict[str, array[int]] = {}  # the numbers of the units with a word
        self._weights = array("I")  # of the units that are indexed by their words
        self._languages = ("", "")
        self._new: dict[Unit, None] | None = None
        for unit in units:
            self._add(unit)

    @staticmethod
    def of(
        paths: Sequence[Path],
        source_language: str,
        target_language: str,
        threshold: float,
        *,
        keeps_new: bool = False,
    ) -> "Memory":
        """Return the memory in some TMX files; of equal texts, the first one counts.

        keeps_new: new translations are kept for `write`.

        Raises:
            NmtError: with the name of the file and the line, for what is not TMX or is refused.
        """
        languages = source_language, target_language
        units = (unit for path in paths for unit in read_units(path, *languages))
        memory = Memory(units, threshold)
        memory._languages = languages
        memory._new = {} if keeps_new else None
        return memory

    def record(self, unit: Unit) -> None:
        """Keep a new translation for `write`, if wanted; it is not looked up."""
        if self._new is not None:
            self._new[unit] = None

    @property
    def keeps_new(self) -> bool:
        """Return whether translations are recorded, to be written."""
        return self._new is not None

    def write(self, path: Path) -> None:
        """Write the translations that were recorded, whole or not at all."""
        write_units(path, self._new or (), *self._languages)

    def __len__(self) -> int:
        """Return the number of units."""
        return len(self._units)

    def _add(self, unit: Unit) -> None:
        """Add a unit, unless the same one is there."""
        numbers = self._numbers.setdefault(folded(unit.source.text), [])
        known = (self._units[number] for number in numbers)
        if all((each.target, each.context) != (unit.target, unit.context) for each in known):
            numbers.append(len(self._units))
            self._units.append(unit)

    def find(self, source: Marked, context: str = "") -> Match | None:
        """Return the translation of a text, or of the most similar one above the threshold.

        Among equal texts, one with the same context comes first. Numbers and marks that alone
        differ are replaced. If they cannot be replaced for certain, there is no match.
        """
        if len(source.marks) > MOST_MARKS:
            return None
        numbers = self._numbers.get(folded(source.text), ())
        for number in sorted(numbers, key=lambda each: self._units[each].context != context):
            target = fitted(source, self._units[number])
            if target is not None:
                return Match(target, 1.0)
        if self._threshold >= 1.0:
            return None
        for share, number in self._similar(source, context):
            target = fitted(source, self._units[number])
            if target is not None:
                return Match(target, min(share, ALMOST))
        return None

    def _similar(self, source: Marked, context: str) -> list[tuple[float, int]]:
        """Return similar units, the best first, each with its similarity."""
        tokens = tokens_of(source)
        if len(tokens) > MOST_TOKENS:
            return []
        shape = shape_of(tokens)
        found = []
        for number in self._candidates(tokens):
            others = tokens_of(self._units[number].source)
            if shape_of(others) == shape:
                share = similarity(tokens, others, self._threshold)
                if share >= self._threshold:
                    found.append((share, number))
        return sorted(
            found, key=lambda each: (-each[0], self._units[each[1]].context != context, each[1])
        )

    def _candidates(self, tokens: Sequence[Token]) -> list[int]:
        """Return the units that may be similar enough and share a word, up to a limit.

        They have about the same weight, and lack no more words than the threshold allows.
        """
        self._index()
        words = {each.text.casefold() for each in tokens if each.sort is Sort.WORD}
        places = [numpy.frombuffer(self._words[each], "I") for each in words if each in self._words]
        if not places:
            return []
        shared = numpy.bincount(numpy.concatenate(places), minlength=len(self._units))
        weights = numpy.frombuffer(self._weights, "I")
        total = weight(tokens)
        most = total / self._threshold + ROUNDING
        lacking = int((1 - self._threshold) * most / WORD_COST + ROUNDING)
        is_near = (weights >= total * self._threshold - ROUNDING) & (weights <= most)
        near = numpy.flatnonzero(is_near & (shared >= max(1, len(words) - lacking)))
        order = numpy.argsort(-shared[near], kind="stable")[:MOST_CANDIDATES]
        return [int(each) for each in near[order]]

    def _index(self) -> None:
        """Index the words of the units that were added since the last time."""
        for number in range(len(self._weights), len(self._units)):
            tokens = tokens_of(self._units[number].source)
            self._weights.append(weight(tokens))
            if len(tokens) <= MOST_TOKENS:
                words = {each.text.casefold() for each in tokens if each.sort is Sort.WORD}
                for word in words:
                    self._words.setdefault(word, array("I")).append(number)


def shape_of(tokens: Sequence[Token]) -> tuple[int, tuple[str, ...]]:
    """Return what similar texts must share: the count of numbers, kinds of marks, and symbols."""
    numbers = sum(each.sort is Sort.NUMBER for each in tokens)
    return numbers, tuple(each.text for each in tokens if each.sort in {Sort.MARK, Sort.SYMBOL})
