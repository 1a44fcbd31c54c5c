"""Encode segments for the search, and split those that are too long for the model.

The first token of a source may be a language token such as `>>deu<<`, which tells a model of
several languages which one to write. No text can spell it. Notes about lines are collected here,
and each is printed once at the end.
"""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from types import MappingProxyType

from nmt.config import DecodeSettings, ModelSettings
from nmt.decoding.search.prefix import NO_PREFIX, TargetPrefix
from nmt.decoding.terms.glossary import Glossary, Term, TermOccurrence
from nmt.decoding.translator.marked import Mark, Marked
from nmt.decoding.translator.odd_input import OddSegment, cut_segment, odd_segment
from nmt.errors import NmtError, list_first
from nmt.system.arguments import check_surrogates
from nmt.system.log import Notify
from nmt.text.reading.lines import LineNumbers
from nmt.text.subwords.tokenizer import SPACE, UNK, SubwordModel, target_token
from nmt.text.subwords.words import WORD, find_words, locate_tokens

SHOWN_SYMBOLS = 10
SHOWN_CHARACTERS = 20  # of an unknown word
UNLIKE_SHARE = 0.1  # of the texts; of text like the corpus, 2 % seem unlike it
INVISIBLE = "CMZ"  # Unicode categories: control and format, combining, space

# What a user should know about lines. First, what unknown characters are; {} stands for these.
READ_AS_UNKNOWN = "characters that are not in the vocabulary, which the model reads as unknown: {}"
SCORED_AS_UNKNOWN = "characters of targets that are not in the vocabulary, scored as unknown: {}"
COPIED = "characters that are not in the vocabulary, copied to the translations: {}"
# Then other notes; {} stands for the numbers of the lines.
WORDLESS = "copied, because there is nothing to translate in {}"
CAPITALS = "capitals in {}: translated in lower case"
RETURNS = (
    "carriage returns in {}: the parts between them were translated one by one and joined again"
)
RETURNS_AS_SPACES = "carriage returns in {} count as spaces"


class UnknownSymbols(LineNumbers):
    """Lines with unknown characters, and which these are."""

    def __init__(self) -> None:
        super().__init__()
        self._symbols: dict[str, None] = {}  # in the order of their first occurrence
        self._seen: set[str] = set()  # characters of lines whose unknown symbols are in `_symbols`

    def add_text(self, line: int, text: str, find_unknown: Callable[[str], Iterable[str]]) -> None:
        """Count a line, and remember its symbols if it may have new ones."""
        self.add(line)
        if len(self._symbols) <= SHOWN_SYMBOLS and not self._seen.issuperset(text):
            self._seen.update(text)
            self._symbols.update(dict.fromkeys(find_unknown(text)))

    def __str__(self) -> str:
        """Return the first symbols, and the lines."""
        shown = ", ".join(map(visible, [*self._symbols][:SHOWN_SYMBOLS]))
        more = " and more" if len(self._symbols) > SHOWN_SYMBOLS else ""
        return f"{shown}{more} ({super().__str__()})"


class LineNotes:
    """Collects the lines that a user should look at, and what is special about them."""

    def __init__(self, unit: str = "line") -> None:
        """`unit`: what a text is whose likeness is counted."""
        self._unit = unit
        kinds = READ_AS_UNKNOWN, SCORED_AS_UNKNOWN, COPIED
        self._unknown = {kind: UnknownSymbols() for kind in kinds}
        # In the order in which they are printed.
        notes = WORDLESS, CAPITALS, RETURNS, RETURNS_AS_SPACES
        self._lines = self._unknown | {note: LineNumbers() for note in notes}
        self._missing: dict[str, LineNumbers] = {}  # by the term
        self._texts = self._unlike = 0

    def add(self, note: str, line: int) -> None:
        """Count a line of which a note tells; {} in the note stands for the lines."""
        self._lines.setdefault(note, LineNumbers()).add(line)

    def add_unknown(
        self,
        line: int,
        text: str,
        find_unknown: Callable[[str], Iterable[str]],
        kind: str = READ_AS_UNKNOWN,
    ) -> None:
        """Count a line whose text has unknown characters.

        find_unknown: returns them, or words if the vocabulary is one of words. kind: what they are.
        """
        self._unknown[kind].add_text(line, text, find_unknown)

    def add_missing(self, line: int, term: str) -> None:
        """Count a line whose translation lacks a term of the glossary."""
        self._missing.setdefault(term, LineNumbers()).add(line)

    def add_likeness(self, likeness: Sequence[float]) -> None:
        """Count texts that are not blank; below 1 they are unlike the training text."""
        self._texts += len(likeness)
        self._unlike += sum(value < 1 for value in likeness)

    def tell(self, notify: Notify) -> None:
        """Print the notes, if there are any."""
        for note, lines in self._lines.items():
            if lines.count:
                notify(note.replace("{}", str(lines)))
        if self._missing:
            terms = [f"{term} ({lines})" for term, lines in self._missing.items()]
            notify(
                f"terms of the glossary that are missing in the translation: {list_first(terms)}"
            )
        if self._unlike > UNLIKE_SHARE * self._texts:
            verb = "is" if self._unlike == 1 else "are"
            found = f"{self._unlike:,} of {self._texts:,} {self._unit}s {verb}"
            wrong = "wrong translations"
            if self._texts == 1:
                found, wrong = f"this {self._unit} is", "a wrong translation"
            notify(f"{found} unlike the text that this model was trained on; expect {wrong}")


def visible(symbol: str) -> str:
    """Return a character or word with U+ codes for what cannot be seen."""
    return "".join(
        f"U+{ord(character):04X}" if unicodedata.category(character)[0] in INVISIBLE else character
        for character in symbol[:SHOWN_CHARACTERS]
    )


WIDE_ENDS = tuple("\u3002\uff01\uff1f")  # of Chinese and Japanese sentences; no space follows
SENTENCE_ENDS = (*".!?\u2026", *WIDE_ENDS)
# May follow the end of a sentence.
CLOSERS = "\"')]\u201c\u201d\u2019\u00bb\uff09\u300d\u300f"
LATER_BYTE = re.compile("<0x[89AB][0-9A-F]>")  # the piece of a byte inside a character, in UTF-8
LONE_RETURN = re.compile(r"\r(?!\n)")  # a line end of old Macintosh text
Marks = Mapping[int, tuple[Mark, ...]]  # of some segments, by their index
NO_MARKS: Marks = MappingProxyType({})


@dataclass(frozen=True)
class SegmentLimit:
    """The length of the longest segment that is translated whole."""

    tokens: int
    reason: str  # the setting or the property of the model that it comes from


def segment_limit(settings: DecodeSettings, model: ModelSettings) -> SegmentLimit:
    """Return the limit of a model: `decode.max_segment_tokens`, or fewer for learned positions.

    Learned positions must hold the output too, which may be `max_extra_tokens` longer than the
    source. Raises NmtError if they hold no segment.
    """
    wanted, most = settings.max_segment_tokens, model.position_limit
    limit = SegmentLimit(wanted, f"decode.max_segment_tokens={wanted}")
    if most is None:
        return limit
    if settings.min_length >= most:
        raise NmtError(
            f"decode.min_length={settings.min_length} does not fit the {most} positions that the"
            " model learned; lower it"
        )
    room = most - settings.max_extra_tokens
    if room < 2:
        raise NmtError(
            f"decode.max_extra_tokens={settings.max_extra_tokens} leaves no room in the {most}"
            " positions that the model learned; lower it"
        )
    if room >= wanted:
        return limit
    return SegmentLimit(
        room,
        f"the {room} for which the model's {most} learned positions have room, output included",
    )


def output_limit(source_tokens: int, settings: DecodeSettings) -> int:
    """Return the most tokens that an output may have: its EOS counts, the source's does not.

    An output may always reach `decode.min_length`.
    """
    limit = source_tokens + settings.max_extra_tokens
    if settings.max_length:
        limit = min(limit, settings.max_length + 1)
    return max(limit, settings.min_length + 1)


@dataclass(frozen=True)
class SubSegment:
    """A segment, or a piece of one that was split: what is searched at once."""

    ids: list[int]  # token ids of the source without EOS
    prefix: TargetPrefix = NO_PREFIX  # what the output must begin with
    terms: tuple[TermOccurrence, ...] = ()  # that the output must contain, from left to right
    opening: int = 0  # how many of the first ids are a language token
    language: str = ""  # the code in it
    # Token ids of the segments before and of their outputs, each with the separator: see `context`.
    context: tuple[int, ...] = ()
    target_context: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.context) + len(self.ids)

    @property
    def source(self) -> list[int]:
        """Return the token ids that the model reads: the context follows the language token."""
        if not self.context:
            return self.ids
        return [*self.ids[: self.opening], *self.context, *self.ids[self.opening :]]


@dataclass(frozen=True)
class EncodedSegment:
    """A segment as the search takes it."""

    parts: list[SubSegment]  # none if it is blank
    # The texts before, between and after the parts, if there are carriage returns inside.
    separators: list[str] | None = None
    odd: OddSegment | None = None


class SegmentEncoder:
    """Encodes segments, and splits those that are over the limit or hold carriage returns."""

    def __init__(
        self,
        subwords: SubwordModel,
        limit: SegmentLimit,
        notify: Notify,
        glossary: Glossary | None = None,
        *,
        repairs: bool = False,
        language: str = "",
        own: str = "",
    ) -> None:
        """`subwords`: of the source language. repairs: look for odd segments.

        language: the one to write for texts that ask for none. own: as in `target_token`.
        """
        self._language, self._own = language, own
        self._openings: dict[str, list[int]] = {}  # by the language that is asked for
        self.subwords = subwords
        self.limit = limit
        self.notify = notify
        self.glossary = glossary
        self.repairs = repairs
        self._room = min(1, len(subwords.language_tokens))  # of a language token in each part

    def encode(
        self,
        segments: Sequence[str],
        first_line: int,
        notes: LineNotes,
        prefixes: Sequence[TargetPrefix] = (),
        marks: Marks = NO_MARKS,
        languages: Sequence[str] = (),
    ) -> list[EncodedSegment]:
        """Encode segments.

        Args:
            segments: a chunk of the text. Line separators inside a segment are white space, except
                that the parts between carriage returns are encoded as segments of their own.
            first_line: the line number of the first one.
            notes: receives the lines that a user should look at.
            prefixes: what the translation of each segment begins with, or nothing at all.
            marks: those of some segments, by their index. They do not reach the model.
            languages: the one to write for each segment, if they differ; "" as for no segment.

        Raises:
            UsageError: if a segment has half of a surrogate pair, or for a wrong language.
        """
        encoded = []
        for language in filter(None, dict.fromkeys(languages)):
            self.opening(language)  # raises the error for a wrong one, also beside a blank segment
        for line, segment in enumerate(segments, first_line):
            check_surrogates(segment, f"segment {line}")
        marked = {index: cut_segment(Marked(segments[index], own)) for index, own in marks.items()}
        bodies = [*segments]
        for index, cut in marked.items():
            bodies[index] = cut.text
        # SentencePiece drops some of the separators and does not know others.
        texts = [" ".join(body.splitlines()) for body in bodies]
        for index, ids in enumerate(self.subwords.encode(texts)):
            line, text, body = first_line + index, texts[index], bodies[index]
            prefix = prefixes[index] if prefixes else NO_PREFIX
            has_return = ids and "\r" in body and LONE_RETURN.search(body)
            own = odd = marked.get(index)
            if self.repairs and ids and not has_return and not prefix:
                odd = self._odd(text, ids, own)
            if UNK in ids:
                kind = READ_AS_UNKNOWN if odd is own else COPIED
                notes.add_unknown(line, text, self.subwords.unknown, kind)
            separators = None
            if has_return:
                notes.add(RETURNS, line)
                parts, separators = self._split_at_returns(body, line)
                odd = None
            elif odd is not None:
                parts = self._parts_of_odd(odd, text, line, notes)
            else:
                parts = self._parts(text, ids, line)
            if parts and (opening := self.opening(languages[index] if languages else "")):
                to = self.subwords.piece(opening[0])[2:-2]
                parts = [replace(x, ids=opening + x.ids, opening=1, language=to) for x in parts]
            if parts and prefix:
                parts[0] = replace(parts[0], prefix=prefix)
            encoded.append(EncodedSegment(parts, separators, odd))
        return encoded

    def opening(self, language: str) -> list[int]:
        """Return the ids that each part begins with; errors are those of `opening_ids`."""
        found = self._openings.get(language)
        if found is None:
            found = opening_ids(language or self._language, self.subwords, self._own)
            self._openings[language] = found
        return found

    def _split_at_returns(self, segment: str, line: int) -> tuple[list[SubSegment], list[str]]:
        """Return the parts of a segment, and what stands before, between and after them."""
        parts, separators = list[SubSegment](), [""]
        between = texts_between_returns(segment)
        for number, ids in enumerate(self.subwords.encode(between)):
            separators[-1] += "\r" if number else ""
            split = self._parts(between[number], ids, line)
            separators += [" "] * (len(split) - 1) + [""] * bool(split)
            parts += split
        return parts, separators

    def _odd(self, text: str, ids: list[int], marked: OddSegment | None) -> OddSegment | None:
        """Return how a text is translated if it is odd; else `marked`, which it is if it has marks.

        If the repair would hide a term of the glossary, the model reads the text as it is.
        """
        odd = odd_segment(text, ids, self.subwords, marked)
        if odd is not marked and odd is not None:
            terms = self._terms(text)
            if terms and terms != self._terms(odd.text):
                return marked
        return odd

    def _terms(self, text: str) -> list[Term]:
        """Return the terms of the glossary that a text holds, from left to right."""
        return [found.term for found in self.glossary.find(text)] if self.glossary else []

    def _parts_of_odd(
        self, odd: OddSegment, text: str, line: int, notes: LineNotes
    ) -> list[SubSegment]:
        """Return the parts of an odd text, and note what is done with it. text: as it is."""
        if not odd.text:
            notes.add(WORDLESS, line)
        if odd.is_capitals:
            notes.add(CAPITALS, line)
        (ids,) = self.subwords.encode([odd.text])
        return self._parts(odd.text, ids, line, has_terms=bool(self._terms(text)))

    def _parts(
        self, text: str, ids: list[int], line: int, *, has_terms: bool = True
    ) -> list[SubSegment]:
        """Return the parts of a text; a term goes with the part that holds its beginning.

        has_terms: false if terms of the text do not count.
        """
        if not ids:
            return []
        split = split_long(ids, self.limit.tokens - self._room, self.subwords)
        if len(split) > 1:
            self.notify(
                f"line {line}: {len(ids):,} tokens are more than {self.limit.reason};"
                f" translated in {len(split)} parts"
            )
        found = [*self.glossary.find(text)] if self.glossary and has_terms else []
        if not found:
            return [*map(SubSegment, split)]
        starts = [begin for begin, _ in locate_tokens(text, self.subwords)]  # of each token
        firsts = [0, *accumulate(map(len, split))]  # the first token of each part
        terms: list[list[TermOccurrence]] = [[] for _ in split]
        for words, term in found:
            tokens = [
                range(
                    bisect_left(starts, starts[bisect_right(starts, word.start) - 1]),
                    bisect_left(starts, word.end),
                )
                for word in words
            ]
            owner = bisect_right(firsts, tokens[0].start) - 1
            first, last = firsts[owner : owner + 2]
            own = [range(word.start - first, min(word.stop, last) - first) for word in tokens]
            terms[owner].append(TermOccurrence(term, (*own,)))
        return [SubSegment(own, terms=(*held,)) for own, held in zip(split, terms, strict=True)]


def texts_between_returns(segment: str) -> list[str]:
    """Return the texts between a segment's carriage returns, on one line each."""
    return [" ".join(text.splitlines()) for text in LONE_RETURN.split(segment)]


def find_segment_words(
    segment: str, subwords: SubwordModel, word: re.Pattern[str] = WORD
) -> list[range]:
    """Return, for each token of a segment's parts, the words of the segment that it is part of.

    word: matches one; by default the words are those of `str.split`.
    """
    found: list[range] = []
    first = 0
    for text in texts_between_returns(segment):
        words = find_words(text, subwords, word)
        found += [range(first + span.start, first + span.stop) for span in words.by_token]
        first += words.count
    return found


def opening_ids(wanted: str, subwords: SubwordModel, own: str = "") -> list[int]:
    """Return the id of the token of `target_token`, if there is one."""
    token = target_token(wanted, subwords, own)
    return [subwords.language_id(token)] if token else []


def split_long(ids: list[int], max_tokens: int, subwords: SubwordModel) -> list[list[int]]:
    """Split ids into parts of at most `max_tokens`, without losing any.

    Each split is after the last sentence end that fits; if there is none, before the last word that
    fits; if a word is longer than a part, within that word.
    """
    parts, begin = [], 0
    while len(ids) - begin > max_tokens:
        end = begin + find_split(ids[begin : begin + max_tokens + 1], subwords)
        parts.append(ids[begin:end])
        begin = end
    return [*parts, ids[begin:]]


def find_split(window: list[int], subwords: SubwordModel) -> int:
    """Return where to split a window that is one token longer than a part may be."""
    texts = [subwords.piece(token) for token in window]
    words = [index for index in range(1, len(texts)) if texts[index].startswith(SPACE)]
    sentences, last = list[int](), ""  # last: the last character before, apart from closers
    for index, text in enumerate(texts):
        is_end = last in (SENTENCE_ENDS if text.startswith(SPACE) else WIDE_ENDS)
        if is_end and not text.startswith(tuple(CLOSERS)):
            sentences.append(index)
        last = (last + text).rstrip(CLOSERS)[-1:]
    # Bytes of one character stay together.
    inside = [index for index in range(1, len(texts)) if not LATER_BYTE.fullmatch(texts[index])]
    return (sentences or words or inside or [len(window) - 1])[-1]
