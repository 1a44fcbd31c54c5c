"""Translate documents: segments, their sentences, translations with marks, and segments again."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from nmt.decoding.marks.marked import Marked
from nmt.formats.document import Document, Options, Segment
from nmt.formats.marking.checks import added_placeholders
from nmt.formats.marking.icu_document import taken_apart
from nmt.formats.marking.placeholders import with_placeholders
from nmt.formats.marking.placer import Placed
from nmt.formats.memories.memory import Match, Memory
from nmt.formats.memories.tmx import Unit
from nmt.formats.sentences import Paragraph, split
from nmt.formats.style.casing import names_of
from nmt.formats.style.typography import after, after_sentence, before

CHUNK = 512  # sentences that are translated at once: enough for full batches
MODEL, UNCHANGED = "model", "unchanged"  # origins of translations
MOST_KEPT = 100_000  # translations that are kept for equal sentences of later files

Place = Callable[[Sequence[Marked]], Sequence[Placed]]  # translates sentences with their marks
Item = TypeVar("Item")


@dataclass(frozen=True)
class TranslatedSegment:
    """A segment of a file, with its translation."""

    segment: Segment  # its `source`, and its `place` in the file
    text: Marked  # with the marks of the format
    origin: str  # MODEL, UNCHANGED, or that of a memory, such as "memory 96 %"
    flags: tuple[str, ...] = ()  # what is wrong with it


@dataclass(frozen=True)
class Translated(Generic[Item]):
    """A document with the translations of its segments."""

    item: Item
    document: Document
    results: list[TranslatedSegment]


class Plan:
    """How a segment is translated: by the memory as a whole, or sentence by sentence."""

    def __init__(
        self,
        segment: Segment,
        options: Options,
        memory: Memory | None,
        names: frozenset[str],
    ) -> None:
        """Look into the memory, and split the segment if that has nothing.

        names: words that keep their capitals in headings.
        """
        self.segment = segment
        self.source = with_placeholders(segment.source, segment.syntax)
        self.match = memory.find(self.source, segment.context) if memory else None
        self.paragraph: Paragraph | None = None
        self.matches: list[Match | None] = []  # of the sentences
        if self.match is None:
            read = before(self.source, segment, options, names)
            self.paragraph = split(read, options.source_language, is_one=segment.is_one)
            found = self.paragraph.sentences
            is_whole = len(found) == 1 and found[0] == self.source
            lookup = memory if memory and not is_whole else None
            self.matches = [lookup.find(each, "") if lookup else None for each in found]

    @property
    def sentences(self) -> list[Marked]:
        """Sentences that a model translates."""
        found = self.paragraph.sentences if self.paragraph else []
        return [each for each, match in zip(found, self.matches, strict=True) if match is None]

    def result(
        self,
        placed: Callable[[Marked], Placed],
        options: Options,
        record: Callable[[Unit], object],
    ) -> TranslatedSegment:
        """Return the translation.

        placed: gives those of the sentences. record: receives texts and their translations.
        """
        if self.match is not None:
            record(Unit(self.source, self.match.target, self.segment.context, self.match.origin))
            return TranslatedSegment(self.segment, self.match.target.of_format(), self.match.origin)
        assert self.paragraph is not None  # noqa: S101 (one of the two is there)
        texts: list[Marked] = []
        flags: list[str] = []
        origins: Counter[str] = Counter()
        for sentence, match in zip(self.paragraph.sentences, self.matches, strict=True):
            if match is None:
                found = placed(sentence)
                target, wrong, origin = found.text, found.flags, MODEL
                if len(self.matches) > 1:
                    target = after_sentence(sentence, target, options)
            else:
                target, wrong, origin = match.target, (), match.origin
            texts.append(target)
            flags += wrong
            origins[origin] += 1
            if not wrong and len(self.matches) > 1:
                record(Unit(sentence, target, "", origin))
        if not texts:
            return TranslatedSegment(self.segment, self.segment.source, UNCHANGED)
        text = self.paragraph.join(texts, options.source_language, options.target_language)
        text = after(self.source, text, self.segment, options)
        flags += added_placeholders(self.source, text, self.segment.syntax)
        if not flags:
            record(Unit(self.source, text, self.segment.context, ", ".join(origins)))
        return TranslatedSegment(
            self.segment, text.of_format(), ", ".join(origins), (*dict.fromkeys(flags),)
        )


class DocumentTranslator:
    """Translates the segments of documents, many at once. Equal sentences are translated once."""

    def __init__(
        self,
        place: Place,
        options: Options,
        memory: Memory | None = None,
        on_progress: Callable[[int, int], object] = lambda done, total: None,
    ) -> None:
        """Prepare to translate.

        Args:
            place: translates sentences; tests and other models may give their own.
            options: the languages, and what else the user says.
            memory: what was translated before.
            on_progress: called with the number of sentences that are translated, and of those that
                there are, which is estimated from the documents that were read.
        """
        self.options, self.memory = options, memory
        self._place, self._on_progress = place, on_progress
        self._kept: dict[Marked, Placed] = {}
        self._count = self._read = 0  # documents, and those that were read
        self._needed = self._done = 0  # sentences of these, and translated ones
        self._chunk = self._tried = 0  # sentences at work, and translations of them

    def translate(
        self, documents: Iterable[tuple[Item, Document]], count: int = 1
    ) -> Iterator[Translated[Item]]:
        """Translate documents, in order; several small ones wait for each other to fill batches.

        documents: pairs of a document and what the caller knows it by. count: how many there are.
        """
        self._count, self._read, self._needed, self._done = count, 0, 0, 0
        waiting: list[tuple[Item, Document, list[Plan]]] = []
        count = 0
        for item, whole in documents:
            document = taken_apart(whole, self.options)
            names = names_in(document)
            plans = [Plan(each, self.options, self.memory, names) for each in document.segments]
            waiting.append((item, document, plans))
            count += sum(len(each.sentences) for each in plans)
            if count >= CHUNK:
                yield from self._finish(waiting)
                waiting, count = [], 0
        yield from self._finish(waiting)

    def advance(self, count: int) -> None:
        """Report that some sentences at work are translated; some are tried more than once."""
        self._tried += count
        done = self._done + min(self._tried, self._chunk)
        estimated = self._needed * self._count // max(1, self._read)
        self._on_progress(done, max(done, estimated))

    def _finish(
        self, waiting: Sequence[tuple[Item, Document, list[Plan]]]
    ) -> Iterator[Translated[Item]]:
        """Translate what is not yet known, and yield the documents with their translations."""
        if len(self._kept) > MOST_KEPT:
            self._kept.clear()
        needed = dict.fromkeys(
            sentence
            for _, _, plans in waiting
            for plan in plans
            for sentence in plan.sentences
            if sentence not in self._kept
        )
        self._read += len(waiting)
        self._needed += len(needed)
        remaining = iter(needed)
        while chunk := [*islice(remaining, CHUNK)]:
            self._chunk, self._tried = len(chunk), 0
            self.advance(0)
            self._kept.update(zip(chunk, self._place(chunk), strict=True))
            self._done += len(chunk)
        self._chunk = 0
        self.advance(0)
        record = drop if self.memory is None else self.memory.record
        for item, document, plans in waiting:
            results = [plan.result(self._kept.__getitem__, self.options, record) for plan in plans]
            yield Translated(item, document, results)


def names_in(document: Document) -> frozenset[str]:
    """Return the words of a document that keep their capitals in its headings."""
    if not any(each.is_heading for each in document.segments):
        return frozenset()
    return names_of(each.source for each in document.segments if not each.is_heading)


def drop(unit: Unit) -> None:
    """Keep nothing of a translation."""
