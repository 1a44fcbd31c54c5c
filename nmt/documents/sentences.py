"""Split a paragraph into sentences, and join their translations with the target's spacing.

The package sentencex finds the ends of sentences. It knows the abbreviations of many languages; an
unknown language has the rules of English. It reads the text without its tags, and with a word in
place of other marks.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from nmt.decoding.translator.marked import Kind, Mark, Marked, joined
from nmt.decoding.translator.odd_input import has_words
from nmt.documents.marks.tags import Span
from nmt.documents.registry import missing
from nmt.documents.style import readable
from nmt.text.reading.languages import primary, writes_spaces

UNKNOWN = "en"  # the language whose rules hold where none is known
WINDOW = 4000  # characters that sentencex reads at a time


class Paragraph(NamedTuple):
    """A text and its sentences; spaces and line breaks stand before, between and after them."""

    texts: tuple[Marked, ...]
    gaps: tuple[Marked, ...]  # one more than texts

    @property
    def sentences(self) -> list[Marked]:
        """Return those with words; a tag whose partner is in another sentence is a mark alone."""
        return [with_lone_tags(text) for text in self.texts if is_translated(text)]

    def join(self, translations: Sequence[Marked], source: str, target: str) -> Marked:
        """Return the translation of the paragraph.

        translations: one of each of `sentences`. source, target: their languages. If only one of
        them has spaces between sentences, those of the paragraph are left out, or one is added
        where there is none. A line break stays.
        """
        remaining = iter(translations)
        texts = [self.gaps[0]]
        was_translated = False
        for text, gap in zip(self.texts, self.gaps[1:], strict=True):
            is_now = is_translated(text)
            if was_translated and is_now:
                texts[-1] = respaced(texts[-1], source, target)
            texts += [with_kinds(text, next(remaining)) if is_now else text, gap]
            was_translated = is_now
        return joined(texts)


def split(source: Marked, language: str, *, is_one: bool = False) -> Paragraph:
    """Return the sentences of a paragraph, and what stands between them.

    No mark is cut. An opening tag belongs to the sentence after it, a closing tag to the sentence
    before it. The time is linear in the length. is_one: there is one sentence.

    Raises:
        NmtError: if sentencex is not installed.
    """
    read = readable(source)
    if not read.text.strip():
        return Paragraph((), (source,))
    ends = [] if is_one or not is_translated(source) else sentence_ends(read.text, language)
    spans = read.spans(ends)
    tags = [mark for mark in source.marks if mark.kind is not Kind.ALONE]
    begin, end = spans[0].begin, spans[-1].end
    before = tags_within(tags, 0, begin)
    after = tags_within(tags, end, len(source.text))
    gaps = [
        Span(0, before[0].begin if before else begin),
        *(inner_gap(tags, one.end, following.begin) for one, following in pairwise(spans)),
        Span(after[-1].end if after else end, len(source.text)),
    ]
    texts = (source.slice(gap.end, following.begin) for gap, following in pairwise(gaps))
    return Paragraph(tuple(texts), tuple(source.slice(*gap) for gap in gaps))


def is_translated(text: Marked) -> bool:
    """Return whether a text has words outside its marks."""
    return has_words(text.without_marks())


SPACES = re.compile(r"(?![\x00-\x7f])\s")


def sentence_ends(text: str, language: str) -> list[int]:
    """Return where sentences end in a text, in order; the space after them belongs to them.

    The time of sentencex is quadratic in the length of a text without spaces, so that it reads a
    window at a time. The next window begins with the last sentence of the one before.
    """
    try:
        from sentencex import get_sentence_boundaries
    except ImportError as error:
        raise missing("splitting sentences", "sentencex") from error
    # Half of a surrogate pair, which JSON may hold, cannot be encoded. "?" is as long.
    text = text.encode("utf-8", "replace").decode()
    code = primary(language) or UNKNOWN
    ends, begin = [], 0
    while begin < len(text):
        part = text[begin : begin + WINDOW]
        try:
            window = get_sentence_boundaries(code, part)
        except BaseException as error:
            # Of sentencex 1.0.32, at a space of two bytes beside a quotation mark; it has no other
            # class. With plain spaces, which are as long, the text can be read.
            if type(error).__name__ != "PanicException":
                raise
            window = get_sentence_boundaries(code, SPACES.sub(" ", part))
        inner = [begin + int(found["end_index"]) for found in window[:-1]]
        ends += inner
        is_last = begin + WINDOW >= len(text)
        begin = inner[-1] if inner and not is_last else begin + WINDOW
    return ends


def inner_gap(tags: Sequence[Mark], begin: int, end: int) -> Span:
    """Return what is between two sentences: all between two words, without the tags."""
    found = tags_within(tags, begin, end)
    begin = max((tag.end for tag in found if tag.kind is Kind.CLOSE), default=begin)
    return Span(begin, min((tag.begin for tag in found if tag.begin >= begin), default=end))


def tags_within(tags: Sequence[Mark], begin: int, end: int) -> Sequence[Mark]:
    """Return the tags in a part of a text, from those of the text."""
    first = bisect_left(tags, begin, key=lambda tag: tag.begin)
    return tags[first : bisect_left(tags, end, first, key=lambda tag: tag.begin)]


def respaced(gap: Marked, source: str, target: str) -> Marked:
    """Return the gap between two translated sentences from that of their sources."""
    has_spaces = writes_spaces(target)
    if has_spaces == writes_spaces(source) or gap.marks or "\n" in gap.text:
        return gap
    return Marked(gap.text or " ") if has_spaces else Marked("")


def with_lone_tags(text: Marked) -> Marked:
    """Return a sentence whose tags without a partner are marks alone."""
    pairs = text.partners()
    marks = (
        mark if number in pairs else mark._replace(kind=Kind.ALONE)
        for number, mark in enumerate(text.marks)
    )
    return Marked(text.text, tuple(marks))


def with_kinds(source: Marked, translation: Marked) -> Marked:
    """Return the translation of a sentence whose lone tags are tags again."""
    pairs = zip(source.marks, with_lone_tags(source).marks, strict=True)
    kinds = {source.text[mark.begin : mark.end]: mark.kind for mark, lone in pairs if mark != lone}
    marks = (
        mark._replace(kind=kinds.get(translation.text[mark.begin : mark.end], mark.kind))
        if mark.kind is Kind.ALONE
        else mark
        for mark in translation.marks
    )
    return Marked(translation.text, tuple(marks)) if kinds else translation
