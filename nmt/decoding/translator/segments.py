"""Encode segments for the search, and split those that are too long for the model.

The first token of a source may be a language token, which tells a multilingual model which language
to write. A text may begin with one, such as `>>deu<<`; `decode.target_token` names one for all
other texts.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from types import MappingProxyType
from typing import TYPE_CHECKING

from nmt.config import DecodeSettings, ModelSettings
from nmt.decoding.marks.marked import Mark, Marked
from nmt.decoding.search.beginnings import NO_BEGINNING, Beginning
from nmt.decoding.terms.glossary import Glossary, Term, TermPlace
from nmt.decoding.translator.line_notes import LineNotes
from nmt.decoding.translator.odd_input import OddSegment, odd_segment
from nmt.errors import NmtError, UsageError, suggestion
from nmt.system.arguments import check_surrogates
from nmt.system.log import Notify
from nmt.text.tokenizer import SPACE, UNK, SubwordModel
from nmt.text.words import WORD, find_words, locate_tokens

if TYPE_CHECKING:
    from nmt.decoding.marks.segment import MarkedSegment

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
class Part:
    """A segment, or a piece of one that was split: what is searched at once."""

    ids: list[int]  # token ids of the source without EOS
    prefix: Beginning = NO_BEGINNING  # what the output must begin with
    terms: tuple[TermPlace, ...] = ()  # that the output must contain, from left to right
    is_again: bool = False  # searched again, with `repetition.limited` settings
    opening: int = 0  # how many of the first ids are a language token

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class EncodedSegments:
    """Segments as the search takes them: their parts, and which parts belong to which segment."""

    parts: list[Part]
    segments: list[range]  # for each segment the indices of its parts; none if it is blank
    # For a segment with carriage returns inside, what stands before, between and after its parts.
    separators: dict[int, list[str]]
    odd: dict[int, "OddSegment | MarkedSegment"]  # by the index of the segment


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
        token: str = "",
    ) -> None:
        """`subwords`: of the source language. repairs: look for odd segments.

        token: the language token of texts that begin with none. The parts of a split text all begin
        with its token.
        """
        self.token = token
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
        prefixes: Sequence[Beginning] = (),
        marks: Marks = NO_MARKS,
    ) -> EncodedSegments:
        """Encode segments.

        Args:
            segments: a chunk of the text. Line separators inside a segment are white space, except
                that the parts between carriage returns are encoded as segments of their own.
            first_line: the line number of the first one.
            notes: receives the lines that a user should look at.
            prefixes: what the translation of each segment begins with, or nothing at all.
            marks: those of some segments, by their index. They do not reach the model.

        Raises:
            UsageError: if a segment has half of a surrogate pair.
        """
        encoded = EncodedSegments([], [], {}, {})
        parts = encoded.parts
        pairs = [split_token(segment, self.token, self.subwords) for segment in segments]
        tokens, bodies = [token for token, _ in pairs], [body for _, body in pairs]
        marked = self._cut_marks(segments, bodies, marks, first_line) if marks else {}
        # SentencePiece drops some of the separators and does not know others.
        texts = [" ".join(body.splitlines()) for body in bodies]
        for index, ids in enumerate(self._encode_whole(texts, first_line)):
            line, begin = first_line + index, len(parts)
            has_return = ids and "\r" in bodies[index] and LONE_RETURN.search(bodies[index])
            own = marked.get(index)
            odd: OddSegment | MarkedSegment | None = own
            is_repaired = False
            if self.repairs and ids and not has_return and not (prefixes and prefixes[index]):
                odd, is_repaired = self._odd(texts[index], ids, own)
            if UNK in ids and notes.add_unknown(line, texts[index], is_copied=is_repaired):
                notes.add_symbols(self.subwords.unknown(texts[index]), is_copied=is_repaired)
            if has_return:
                notes.add_returns(line)
                encoded.separators[index] = self._split_at_returns(bodies[index], line, parts)
            elif odd is not None:
                encoded.odd[index] = odd
                notes.add_odd(line, is_copied=bool(odd.copied), is_capitals=odd.is_capitals)
                has_terms = bool(self._terms(texts[index]))
                parts += self._parts_of_odd(odd, line, has_terms=has_terms)
            elif ids:
                parts += self._parts(texts[index], ids, line)
            if len(parts) > begin and self.subwords.language_tokens:
                self._open(parts, begin, tokens[index], line, notes)
            if prefixes and len(parts) > begin:
                parts[begin] = replace(parts[begin], prefix=prefixes[index])
            encoded.segments.append(range(begin, len(parts)))
        return encoded

    def _open(self, parts: list[Part], begin: int, token: str, line: int, notes: LineNotes) -> None:
        """Put a language token before each part from `begin` on, and note if there is none."""
        if not token:
            notes.add_tokenless(line)
            return
        (ids,) = self.subwords.encode([token])
        if UNK in ids and notes.add_unknown(line, token):
            notes.add_symbols([token])
        for index, part in enumerate(parts[begin:], begin):
            parts[index] = replace(part, ids=[*ids, *part.ids], opening=len(ids))

    def _encode_whole(self, texts: Sequence[str], first_line: int) -> list[list[int]]:
        try:
            return self.subwords.encode(texts)
        except TypeError:  # SentencePiece's, for text that cannot be written as UTF-8
            for line, text in enumerate(texts, first_line):
                check_surrogates(text, f"segment {line}")
            raise

    def _split_at_returns(self, segment: str, line: int, parts: list[Part]) -> list[str]:
        """Add the parts of a segment to `parts`; return what stands before, between, after them."""
        separators = [""]
        between = texts_between_returns(segment)
        for number, ids in enumerate(self.subwords.encode(between)):
            separators[-1] += "\r" if number else ""
            split = self._parts(between[number], ids, line) if ids else []
            separators += [" "] * (len(split) - 1) + [""] * bool(split)
            parts += split
        return separators

    def _cut_marks(
        self, segments: Sequence[str], bodies: list[str], marks: Marks, first_line: int
    ) -> dict[int, "MarkedSegment"]:
        """Cut marks out of bodies, the segments without language tokens; return what was cut."""
        from nmt.decoding.marks.segment import marked_segment  # needed for marks only

        marked = {}
        for index, each in marks.items():
            segment, body = segments[index], bodies[index]
            check_surrogates(segment, f"segment {first_line + index}")
            source = Marked(segment, each).slice(len(segment) - len(body), len(segment))
            marked[index] = marked_segment(source)
            bodies[index] = marked[index].text
        return marked

    def _odd(
        self, text: str, ids: list[int], marked: "MarkedSegment | None"
    ) -> tuple["OddSegment | MarkedSegment | None", bool]:
        """Return how a text is translated if it is odd or has marks, and whether it is odd.

        If the repair would hide a term of the glossary, the model reads the text as it is.
        """
        odd: OddSegment | MarkedSegment | None
        if marked is None:
            odd = odd_segment(text, ids, self.subwords)
        else:
            from nmt.decoding.marks.segment import repaired

            odd = repaired(marked, ids, self.subwords)
        if odd is not marked and odd is not None:
            terms = self._terms(text)
            if terms and terms != self._terms(odd.text):
                odd = marked
        return odd, odd is not marked

    def _terms(self, text: str) -> list[Term]:
        """Return the terms of the glossary that a text holds, from left to right."""
        return [found.term for found in self.glossary.find(text)] if self.glossary else []

    def _parts_of_odd(
        self, odd: "OddSegment | MarkedSegment", line: int, *, has_terms: bool
    ) -> list[Part]:
        """Return the parts of an odd text. has_terms: the text as it is holds terms."""
        (ids,) = self.subwords.encode([odd.text])
        if not ids:
            return []
        return self._parts(odd.text, ids, line) if has_terms else self._plain_parts(ids, line)

    def _plain_parts(self, ids: list[int], line: int) -> list[Part]:
        return [*map(Part, self._split(ids, line))]

    def _parts(self, text: str, ids: list[int], line: int) -> list[Part]:
        """Return the parts of a text; a term goes with the part that holds its beginning."""
        parts = self._plain_parts(ids, line)
        found = [*self.glossary.find(text)] if self.glossary else []
        if not found:
            return parts
        starts = [begin for begin, _ in locate_tokens(text, self.subwords)]  # of each token
        firsts = [0, *accumulate(len(part) for part in parts)]  # the first token of each part
        terms: list[list[TermPlace]] = [[] for _ in parts]
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
            own = [range(each.start - first, min(each.stop, last) - first) for each in tokens]
            terms[owner].append(TermPlace(term, (*own,)))
        return [replace(part, terms=(*each,)) for part, each in zip(parts, terms, strict=True)]

    def _split(self, ids: list[int], line: int) -> list[list[int]]:
        split = split_long(ids, self.limit.tokens - self._room, self.subwords)
        if len(split) > 1:
            self.notify(
                f"line {line}: {len(ids):,} tokens are more than {self.limit.reason};"
                f" translated in {len(split)} parts"
            )
        return split


def texts_between_returns(segment: str) -> list[str]:
    """Return the texts between a segment's carriage returns, on one line each."""
    return [" ".join(each.splitlines()) for each in LONE_RETURN.split(segment)]


def words_of_segment(
    segment: str, subwords: SubwordModel, word: re.Pattern[str] = WORD
) -> list[range]:
    """Return, for each token of a segment's parts, the words of the segment that it is part of.

    word: matches one; by default the words are those of `str.split`.
    """
    found: list[range] = []
    first = 0
    for text in texts_between_returns(segment):
        words = find_words(text, subwords, word)
        found += [range(first + each.start, first + each.stop) for each in words.by_token]
        first += words.count
    return found


def target_token(wanted: str, subwords: SubwordModel) -> str:
    """Return the language token that `decode.target_token` names; "" if it is empty.

    wanted: a token such as ">>deu<<", or what stands in it. Raises UsageError if the vocabulary of
    the source has no such token.
    """
    if not wanted:
        return ""
    known = subwords.language_tokens
    if not known:
        raise UsageError(
            f"decode.target_token={wanted} is for models with language tokens, and this one has"
            " none; leave it out (--target-token, or :CODE in --model of `nmt serve`)"
        )
    token = wanted if wanted.startswith(">>") else f">>{wanted}<<"
    if token not in known:
        raise UsageError(
            f"decode.target_token={wanted}: the model has no language token"
            f" {token}{suggestion(token, known)}"
        )
    return token


def with_token(text: str, token: str, subwords: SubwordModel) -> str:
    """Return a text that begins with a language token: its own, else the one given, if any."""
    if not token or not text.strip() or subwords.language_token(text):
        return text
    return f"{token} {text}"


def split_token(text: str, token: str, subwords: SubwordModel) -> tuple[str, str]:
    """Return the language token of a text, as `with_token` chooses it, and the text without it."""
    own = subwords.language_token(text)
    return (own or token), text[len(own) :]


def split_long(ids: list[int], max_tokens: int, subwords: SubwordModel) -> list[list[int]]:
    """Split ids into parts of at most `max_tokens`, without losing any.

    Each split is after the last sentence end that fits; if there is none, before the last word that
    fits; if a word is longer than a part, within that word.
    """
    parts, begin = [], 0
    while len(ids) - begin > max_tokens:
        end = begin + split_place(ids[begin : begin + max_tokens + 1], subwords)
        parts.append(ids[begin:end])
        begin = end
    return [*parts, ids[begin:]]


def split_place(window: list[int], subwords: SubwordModel) -> int:
    """Return where to split a window that is one token longer than a part may be."""
    texts = [subwords.piece(token) for token in window]
    words = [place for place in range(1, len(texts)) if texts[place].startswith(SPACE)]
    sentences, last = list[int](), ""  # last: the last character before, apart from closers
    for place, text in enumerate(texts):
        is_end = last in (SENTENCE_ENDS if text.startswith(SPACE) else WIDE_ENDS)
        if is_end and not text.startswith(tuple(CLOSERS)):
            sentences.append(place)
        last = (last + text).rstrip(CLOSERS)[-1:]
    # Bytes of one character stay together.
    inside = [place for place in range(1, len(texts)) if not LATER_BYTE.fullmatch(texts[place])]
    return (sentences or words or inside or [len(window) - 1])[-1]
