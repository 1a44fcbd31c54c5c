"""Translate documents: segments, their sentences with marks, and segments again."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

from nmt.config import DecodeSettings
from nmt.decoding.files.quality import checked_pairs, find_flags
from nmt.decoding.terms.glossary import Term
from nmt.decoding.translator.marked import Marked, joined
from nmt.decoding.translator.odd_input import has_words
from nmt.decoding.translator.translation import Candidate, OutputOptions, Request, Translation
from nmt.documents.document import Document, Finding, Joined, Options, Segment
from nmt.documents.marks.checks import added_placeholders, mark_problems, number_problems
from nmt.documents.marks.icu import IcuMessage
from nmt.documents.marks.never_text import with_placeholders
from nmt.documents.memory import Match, Memory
from nmt.documents.messages.tmx import Unit
from nmt.documents.sentences import Paragraph, split
from nmt.documents.style import after, after_sentence, before, names_of
from nmt.runs.trained_model import TrainedModel
from nmt.system.json_data import json_text
from nmt.text.tokenizer import SubwordModel

Translate = Callable[[Sequence[Request]], Sequence[Translation]]


class Way(Enum):
    """How a sentence got its marks."""

    PLAIN = "plain"  # it has none
    COPIED = "copied"  # there are no words to translate
    ALIGNED = "aligned"  # by word alignment
    AROUND = "around"  # the texts between them were translated one by one
    FLAGGED = "flagged"  # not all are there as in the source


class Placed(NamedTuple):
    """A translated sentence."""

    text: Marked
    way: Way
    flags: tuple[str, ...] = ()  # what is wrong: sentences without their ends
    candidates: tuple[Candidate, ...] = ()  # those of the search; none if texts were put together


class Placer:
    """Translates sentences with marks."""

    def __init__(self, translate: Translate) -> None:
        """Store the function that translates requests."""
        self._translate = translate

    def translate(self, sentences: Sequence[Marked]) -> list[Placed]:
        """Return the translation of each sentence; each way takes one call for all."""
        found: dict[int, Placed] = {}
        for number, sentence in enumerate(sentences):
            if not has_words(sentence.without_marks()):
                found[number] = Placed(sentence, Way.COPIED)
        for way in (self._aligned, self._around):
            left = [number for number in range(len(sentences)) if number not in found]
            if left:
                results = way([sentences[number] for number in left])
                pairs = zip(left, results, strict=True)
                found.update((number, each) for number, each in pairs if each is not None)
        return [found[number] for number in range(len(sentences))]

    def _aligned(self, sentences: Sequence[Marked]) -> list[Placed | None]:
        """Let the search place the marks; None: no candidate has them as they should be."""
        requests = [Request(each.text, marks=each.marks) for each in sentences]
        return [
            chosen(sentence, translation)
            for sentence, translation in zip(sentences, self._translate(requests), strict=True)
        ]

    def _around(self, sentences: Sequence[Marked]) -> list[Placed | None]:
        """Translate the texts between the marks, which stay where they are."""
        texts = [
            part.strip()
            for sentence in sentences
            for part, is_mark in sentence.parts()
            if not is_mark and has_words(part)
        ]
        translations = iter(self._translate([*map(Request, texts)]) if texts else [])
        return [filled(sentence, translations) for sentence in sentences]


def chosen(source: Marked, translation: Translation) -> Placed | None:
    """Return the first candidate that keeps marks and numbers, else the first that keeps marks.

    Returns None if no candidate keeps the marks.
    """
    texts = [Marked(candidate.text, candidate.marks) for candidate in translation.candidates]
    kept = [text for text in texts if not mark_problems(source, text)]
    if not kept:
        return None
    best = next((text for text in kept if not number_problems(source, text)), kept[0])
    way = Way.ALIGNED if source.marks else Way.PLAIN
    return Placed(best, way, number_problems(source, best), translation.candidates)


def filled(source: Marked, translations: Iterator[Translation]) -> Placed:
    """Return a sentence with the next translations in place of the texts that have words."""
    pieces: list[Marked] = []
    begin = 0
    for part, is_mark in source.parts():
        end = begin + len(part)
        if is_mark or not has_words(part):
            pieces.append(source.slice(begin, end))
        else:
            stripped = part.strip()
            before, _, after = part.partition(stripped)
            pieces.append(Marked(before + next(translations).text + after))
        begin = end
    text = joined(pieces)
    problems = mark_problems(source, text)
    way = Way.FLAGGED if problems else Way.AROUND
    return Placed(text, way, (*problems, *number_problems(source, text)))


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


CANDIDATES = 4  # of a sentence with marks: the first that keeps them all is taken


def document_translator(
    model: TrainedModel,
    settings: DecodeSettings,
    options: Options,
    *,
    glossary: Sequence[Term] = (),
    memory: Memory | None = None,
    on_progress: Callable[[int, int], object] = lambda done, total: None,
) -> DocumentTranslator:
    """Return what translates documents with a model.

    Args:
        model: a model, or an ensemble.
        settings: how to search.
        options: what the user says about the files; the languages are set to the model's.
        glossary: terms that translations must contain.
        memory: what was translated before.
        on_progress: called with the numbers of sentences that are translated and that there are.

    Raises:
        NmtError, UsageError: as `Translator` does.
    """
    from nmt.decoding.translator.translator import Translator

    is_beam = settings.method == "beam" and settings.mbr == "none"
    asked = OutputOptions(min(CANDIDATES, settings.beam_size) if is_beam else 1)
    translator = Translator(model, settings, drop_note, asked, glossary=glossary)

    def translate(requests: Sequence[Request]) -> list[Translation]:
        return [each for chunk in translator.chunks([requests]) for each in chunk]

    placer = Placer(translate)
    subwords = translator.tokenizer.source

    def place(sentences: Sequence[Marked]) -> list[Placed]:
        return with_quality_flags(subwords, sentences, placer.translate(sentences))

    documents = DocumentTranslator(place, options, memory, on_progress)
    translator.scheduler.on_batch = documents.advance
    return documents


def with_quality_flags(
    subwords: SubwordModel, sentences: Sequence[Marked], placed: Sequence[Placed]
) -> list[Placed]:
    """Return translated sentences, flagged too if their translations are probably wrong.

    subwords: those of the source language. Numbers are left out: they are checked with the marks.
    """
    texts = [" ".join(each.without_marks().split()) for each in sentences]
    chosen = [candidate_of(each) for each in placed]
    pairs = checked_pairs(subwords, texts, [Translation((each,)) for each in chosen])
    found = []
    for each, pair in zip(placed, pairs, strict=True):
        flags = find_flags(pair) if each.candidates else []
        kept = [
            f"{flag.name}: {json_text(flag.values)}" for flag in flags if flag.name != "numbers"
        ]
        found.append(each._replace(flags=(*each.flags, *kept)))
    return found


def candidate_of(placed: Placed) -> Candidate:
    """Return the candidate that was chosen, without its marks."""
    text = placed.text.without_marks()
    own = next((each for each in placed.candidates if each.text == placed.text.text), None)
    return replace(own, text=text, marks=()) if own else Candidate(text, 0.0, 0.0)


def drop_note(message: str) -> None:
    """Drop a note on a line number: it counts sentences, which a file does not have."""


ICU = "icu"  # the name of the syntax


def taken_apart(document: Document, options: Options) -> Document:
    """Return a document whose segments are the texts in its messages, if it has such messages.

    One plural or choice shows that the messages of a document are those of ICU: the syntax alone
    may say that they could be.
    """
    messages = {
        number: IcuMessage.of(each.source)
        for number, each in enumerate(document.segments)
        if ICU in each.syntax
    }
    if not any(each.parts for each in messages.values()):
        return document
    return IcuDocument.of(document, messages, options.target_language)


@dataclass(frozen=True)
class IcuDocument:
    """A document, with the texts in its messages as segments."""

    document: Document
    messages: dict[int, IcuMessage]  # by the number of the segment
    segments: list[Segment]
    language: str  # the target

    @classmethod
    def of(
        cls, document: Document, messages: dict[int, IcuMessage], language: str
    ) -> "IcuDocument":
        """Make a segment of each text."""
        segments: list[Segment] = []
        for number, segment in enumerate(document.segments):
            if number in messages:
                segments += (replace(segment, source=each) for each in messages[number].texts())
            else:
                segments.append(segment)
        return cls(document, messages, segments, language)

    def join(self, translations: Sequence[Marked | None]) -> Joined:
        """Return the file with a translation of each text; see `Document.join`."""
        remaining = iter(zip(self.segments, translations, strict=True))
        whole: list[Marked | None] = []
        findings: list[Finding] = []
        for number, segment in enumerate(self.document.segments):
            message = self.messages.get(number)
            if message is None:
                whole.append(next(remaining)[1])
                continue
            pairs = [next(remaining) for _ in message.texts()]
            texts = [own.source if text is None else text for own, text in pairs]
            whole.append(message.join(texts))
            if whole[-1] == segment.source:
                continue
            missing = message.missing_categories(self.language)
            if missing:
                findings.append(
                    Finding(
                        segment.place,
                        f"a plural has no {' and no '.join(missing)}, which {self.language} needs",
                    )
                )
        joined = self.document.join(whole)
        return Joined(joined.content, (*joined.findings, *findings))
