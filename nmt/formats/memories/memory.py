"""Translation memories: texts that are translated already, looked up by equal and similar ones."""

from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy

from nmt.decoding.marks.marked import Marked
from nmt.formats.memories.reuse import fitted, folded
from nmt.formats.memories.similarity import WORD_COST, Sort, Token, similarity, tokens_of, weight
from nmt.formats.memories.tmx import Unit, read_units
from nmt.formats.memories.tmx_writing import write_units

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
