"""Translate documents: segments, their sentences with marks, and segments again."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby, islice
from typing import Generic, NamedTuple, TypeVar

from nmt.config import DecodeSettings
from nmt.decoding.files.quality import Checked, checked_pairs, find_flags
from nmt.decoding.terms.glossary import Term
from nmt.decoding.translator.marked import Marked
from nmt.decoding.translator.odd_input import has_words
from nmt.decoding.translator.segments import LineNotes
from nmt.decoding.translator.translation import Candidate, OutputOptions, Request, Translation
from nmt.documents.document import Document, Finding, Joined, Options, Segment
from nmt.documents.marks.checks import added_placeholders, mark_problems, number_problems
from nmt.documents.marks.icu import IcuMessage
from nmt.documents.marks.never_text import with_placeholders
from nmt.documents.marks.tags import with_changed_words
from nmt.documents.memory import NOTHING, Memory
from nmt.documents.messages.tmx import Unit
from nmt.documents.sentences import Paragraph, split
from nmt.documents.style import after, find_names, sentence_case
from nmt.runs.trained_model import TrainedModel
from nmt.system.json_data import json_text
from nmt.text.reading.lines import FirstSegment

Translate = Callable[[Sequence[Request]], Sequence[Translation]]
END = Marked("")  # between the sentences of two documents, for a model that translates in context


class TranslatedSentence(NamedTuple):
    """A translated sentence."""

    text: Marked
    flags: tuple[str, ...] = ()  # what is wrong: sentences without their ends
    candidates: tuple[Candidate, ...] = ()  # those of the search; none if texts were put together


def translate_marked(
    sentences: Sequence[Marked], translate: Translate, languages: Sequence[str] = ()
) -> list[TranslatedSentence]:
    """Return the translation of each sentence with its marks.

    languages: the one to write for each sentence, if they differ.

    The search places the marks. If no candidate has them as they should be, they stay where they
    are, and the texts between them are translated. Each way takes one call for all sentences.
    """
    found: dict[int, TranslatedSentence] = {}
    left = dict(enumerate(sentences))
    for number, sentence in enumerate(sentences):
        if sentence != END and not has_words(sentence.without_marks()):
            found[number] = TranslatedSentence(left.pop(number))
    languages = languages or [""] * len(sentences)
    requests = [
        Request(sentence.text, marks=sentence.marks, language=languages[number])
        for number, sentence in left.items()
    ]
    translations = translate(requests) if requests else []
    for (number, sentence), translation in zip([*left.items()], translations, strict=True):
        best = choose(sentence, translation)
        if best is not None:
            found[number] = best
            del left[number]
    texts = [
        Request(FirstSegment(part.strip()), language=languages[number])  # alone, without context
        for number, sentence in left.items()
        for part, mark in sentence.parts()
        if not mark and has_words(part)
    ]
    between = iter(translate(texts) if texts else [])
    found.update((number, fill(sentence, between)) for number, sentence in left.items())
    return [found[number] for number in range(len(sentences))]


def choose(source: Marked, translation: Translation) -> TranslatedSentence | None:
    """Return the first candidate that keeps marks and numbers, else the first that keeps marks.

    Returns None if no candidate keeps the marks.
    """
    texts = [Marked(candidate.text, candidate.marks) for candidate in translation.candidates]
    kept = [text for text in texts if not mark_problems(source, text)]
    if not kept:
        return None
    best = next((text for text in kept if not number_problems(source, text)), kept[0])
    return TranslatedSentence(best, number_problems(source, best), translation.candidates)


def fill(source: Marked, translations: Iterator[Translation]) -> TranslatedSentence:
    """Return a sentence with the next translations in place of the texts that have words."""

    def translated(part: str) -> str:
        return part.replace(part.strip(), next(translations).text, 1) if has_words(part) else part

    text = with_changed_words(source, translated)
    return TranslatedSentence(text, (*mark_problems(source, text), *number_problems(source, text)))


CHUNK = 512  # sentences that are translated at once: enough for full batches
MODEL, UNCHANGED = "model", "unchanged"  # origins of translations
MOST_KEPT = 100_000  # translations that are kept for equal sentences of later files

# Translates sentences with their marks.
TranslateSentences = Callable[[Sequence[Marked]], Sequence[TranslatedSentence]]
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


class SegmentPlan:
    """How a segment is translated: by the memory as a whole, or sentence by sentence."""

    def __init__(
        self, segment: Segment, options: Options, memory: Memory, names: frozenset[str]
    ) -> None:
        """Look into the memory, and split the segment if that has nothing.

        names: words that keep their capitals in headings.
        """
        self.segment, self.options = segment, options
        self.source = source = with_placeholders(segment.source, segment.syntax)
        self.record = memory.record
        self.match = memory.find(source, segment.context)
        self.paragraph = Paragraph((), (source,))
        if self.match is None:
            language = options.source_language
            read = sentence_case(source, language, names) if segment.is_heading else source
            self.paragraph = split(read, language, is_one=segment.is_one)
        sentences = self.paragraph.sentences
        is_part = sentences != [source]  # else it was looked up
        self.matches = [
            (sentence, memory.find(sentence) if is_part else None) for sentence in sentences
        ]

    def result(self, look_up: Callable[[Marked], TranslatedSentence]) -> TranslatedSegment:
        """Return the translation; look_up: returns that of a sentence.

        The memory records texts and their translations.
        """
        segment, options = self.segment, self.options
        texts: list[Marked] = []
        flags: list[str] = []
        origins: list[str] = []
        for sentence, match in self.matches:
            if match is None:
                target, wrong, _ = look_up(sentence)
                target = after(sentence, target, options) if len(self.matches) > 1 else target
            else:
                target, wrong = match.target, ()
            texts.append(target)
            flags += wrong
            origins.append(MODEL if match is None else match.origin)
            if not wrong and len(self.matches) > 1:
                self.record(Unit(sentence, target, "", origins[-1]))
        if self.match is not None:
            text, origins = self.match.target, [self.match.origin]
        elif texts:
            text = self.paragraph.join(texts, options.source_language, options.target_language)
            text = after(self.source, text, options, is_heading=segment.is_heading)
            flags += added_placeholders(self.source, text, segment.syntax)
        else:
            return TranslatedSegment(segment, segment.source, UNCHANGED)
        origin = ", ".join(dict.fromkeys(origins))
        if not flags:
            self.record(Unit(self.source, text, segment.context, origin))
        return TranslatedSegment(segment, text.of_format(), origin, (*dict.fromkeys(flags),))


class Plan:
    """How the segments of a document are translated."""

    def __init__(self, document: Document, options: Options, memory: Memory = NOTHING) -> None:
        """Look into the memory, and split what is not in it into sentences."""
        self.document = document = taken_apart(document, options)
        names: frozenset[str] = frozenset()
        if any(segment.is_heading for segment in document.segments):
            prose = (segment for segment in document.segments if not segment.is_heading)
            names = find_names(segment.source for segment in prose)
        self._plans = [
            SegmentPlan(segment, options, memory, names) for segment in document.segments
        ]
        # Those that a model translates, by the document that the file says they are from.
        self.documents = [
            [sentence for plan in own for sentence, match in plan.matches if match is None]
            for _, own in groupby(self._plans, lambda plan: plan.segment.document)
        ]
        self.sentences = [*chain.from_iterable(self.documents)]

    def results(self, look_up: Callable[[Marked], TranslatedSentence]) -> list[TranslatedSegment]:
        """Return the translations of the segments; look_up: returns that of a sentence."""
        return [plan.result(look_up) for plan in self._plans]


class DocumentTranslator:
    """Translates the segments of documents, many at once. Equal sentences are translated once."""

    def __init__(
        self,
        translate_sentences: TranslateSentences,
        options: Options,
        memory: Memory = NOTHING,
        on_progress: Callable[[int, int], object] = lambda done, total: None,
        *,
        in_context: bool = False,
    ) -> None:
        """Prepare to translate.

        Args:
            translate_sentences: tests and other models may give their own.
            options: the languages, and what else the user says.
            memory: what was translated before.
            on_progress: called with the number of sentences that are translated, and of those that
                there are, which is estimated from the documents that were read.
            in_context: equal sentences may differ by those before them, so that each is translated.
        """
        self._in_context = in_context
        self.notes = LineNotes("sentence")  # tells at the end if sentences are unlike the corpus
        self.options, self.memory = options, memory
        self._translate_sentences, self._on_progress = translate_sentences, on_progress
        self._kept: dict[Marked, TranslatedSentence] = {}
        self._count = self._read = 0  # documents, and those that were read
        self._needed = self._done = 0  # sentences of these, and translated ones
        self._chunk = self._tried = 0  # sentences at work, and translations of them

    def switch(self, options: Options) -> None:
        """Translate the next documents with other options."""
        if options != self.options:
            self._kept.clear()
        self.options = options

    def translate(
        self, documents: Iterable[tuple[Item, Document]], count: int = 1
    ) -> Iterator[Translated[Item]]:
        """Translate documents, in order; several small ones wait for each other to fill batches.

        documents: pairs of a document and what the caller knows it by. count: how many there are,
        with those of earlier and later calls.
        """
        self._count = count
        waiting: list[tuple[Item, Plan]] = []
        count = 0
        for item, document in documents:
            plan = Plan(document, self.options, self.memory)
            waiting.append((item, plan))
            count += len(plan.sentences)
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

    def _finish(self, waiting: Sequence[tuple[Item, Plan]]) -> Iterator[Translated[Item]]:
        """Translate what is not yet known, and yield the documents with their translations."""
        if len(self._kept) > MOST_KEPT:
            self._kept.clear()
        sentences = (sentence for _, plan in waiting for sentence in plan.sentences)
        needed = [*dict.fromkeys(text for text in sentences if text not in self._kept)]
        size = CHUNK
        if self._in_context:
            documents = [own for _, plan in waiting for own in plan.documents]
            needed = [text for own in documents for text in (*own, END)]
            size = len(needed)
        self._read += len(waiting)
        self._needed += len(needed)
        found: list[TranslatedSentence] = []
        remaining = iter(needed)
        while chunk := [*islice(remaining, size)]:
            self._chunk, self._tried = len(chunk), 0
            self.advance(0)
            found += self._translate_sentences(chunk)
            self._done += len(chunk)
        self._chunk = 0
        self.advance(0)
        if not self._in_context:
            self._kept.update(zip(needed, found, strict=True))
        translations = (own for text, own in zip(needed, found, strict=True) if text != END)
        for item, plan in waiting:
            look_up = (lambda _: next(translations)) if self._in_context else self._kept.__getitem__
            yield Translated(item, plan.document, plan.results(look_up))


CANDIDATES = 4  # of a sentence with marks: the first that keeps them all is taken


def document_translator(
    model: TrainedModel,
    settings: DecodeSettings,
    options: Options,
    *,
    glossary: Sequence[Term] = (),
    memory: Memory = NOTHING,
    on_progress: Callable[[int, int], object] = lambda done, total: None,
) -> DocumentTranslator:
    """Return what translates documents with a model.

    Args:
        model: a model, or an ensemble.
        settings: how to search.
        options: what the user says about the files, and the languages.
        glossary: terms that translations must contain.
        memory: what was translated before.
        on_progress: called with the numbers of sentences that are translated and that there are.

    Raises:
        NmtError, UsageError: as `Translator` does.
    """
    from nmt.decoding.translator.translator import Translator

    is_beam = settings.method == "beam" and settings.mbr == "none"
    asked = OutputOptions(min(CANDIDATES, settings.beam_size) if is_beam else 1)
    # Without notes on line numbers: they count sentences, which a file does not have.
    translator = Translator(model, settings, lambda _: None, asked, glossary=glossary)

    def translate(requests: Sequence[Request]) -> list[Translation]:
        return [translation for chunk in translator.chunks([requests]) for translation in chunk]

    def translate_sentences(sentences: Sequence[Marked]) -> list[TranslatedSentence]:
        found = translate_marked(sentences, translate, [documents.options.to] * len(sentences))
        # Translations that are probably wrong are flagged too, but for numbers, which are checked
        # with the marks.
        texts = [" ".join(sentence.without_marks().split()) for sentence in sentences]
        chosen = [Translation((find_candidate(translated),)) for translated in found]
        pairs = checked_pairs(translator, texts, chosen)
        documents.notes.add_likeness([pair.likeness for pair in pairs if pair.source_tokens])
        return [
            translated._replace(flags=(*translated.flags, *quality_flags(pair)))
            if translated.candidates
            else translated
            for translated, pair in zip(found, pairs, strict=True)
        ]

    in_context = translator.context is not None
    documents = DocumentTranslator(
        translate_sentences, options, memory, on_progress, in_context=in_context
    )
    translator.scheduler.on_batch = documents.advance
    return documents


def quality_flags(pair: Checked) -> list[str]:
    """Return what is probably wrong with a translation; its numbers are checked with its marks."""
    flags = find_flags(pair)
    return [f"{name}: {json_text(flags[name])}" for name in flags if name != "numbers"]


def find_candidate(translated: TranslatedSentence) -> Candidate:
    """Return the candidate that was chosen, without its marks."""
    text = translated.text.without_marks()
    for candidate in translated.candidates:
        if candidate.text == translated.text.text:
            return replace(candidate, text=text, marks=())
    return Candidate(text, 0.0, 0.0)


ICU = "icu"  # the name of the syntax


def taken_apart(document: Document, options: Options) -> Document:
    """Return a document whose segments are the texts in its messages, if it has such messages.

    One plural or choice shows that the messages of a document are those of ICU: the syntax alone
    may say that they could be.
    """
    messages = {
        number: IcuMessage.parse(segment.source)
        for number, segment in enumerate(document.segments)
        if ICU in segment.syntax
    }
    has_choices = any(message.parts for message in messages.values())
    return IcuDocument(document, messages, options.target_language) if has_choices else document


class IcuDocument:
    """A document, with the texts in its messages as segments."""

    def __init__(self, document: Document, messages: dict[int, IcuMessage], language: str) -> None:
        """Make a segment of each text; messages: by the numbers of their segments."""
        self._document, self._messages, self._language = document, messages, language
        self.segments: list[Segment] = []
        for number, segment in enumerate(document.segments):
            texts = messages[number].texts() if number in messages else [segment.source]
            self.segments += (replace(segment, source=text) for text in texts)

    def join(self, translations: Sequence[Marked | None]) -> Joined:
        """Return the file with a translation of each text; see `Document.join`."""
        pairs = zip(self.segments, translations, strict=True)
        whole: list[Marked | None] = []
        findings: list[Finding] = []
        for number, segment in enumerate(self._document.segments):
            message = self._messages.get(number)
            if message is None:
                whole.append(next(pairs)[1])
                continue
            whole.append(message.join(own.source if text is None else text for own, text in pairs))
            missing = message.missing_categories(self._language)
            if missing and whole[-1] != segment.source:
                lacking = " and no ".join(missing)
                text = f"a plural has no {lacking}, which {self._language} needs"
                findings.append(Finding(segment.place, text))
        joined = self._document.join(whole)
        return Joined(joined.content, (*joined.findings, *findings))
