"""Segments with marks: what a model reads of them, and how their translations are finished."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from nmt.decoding.marks.output import with_marks
from nmt.decoding.marks.tree import Tree, read_tree
from nmt.decoding.translator.marked import Mark, Marked
from nmt.decoding.translator.odd_input import (
    ADDRESS,
    UNIT,
    find_copied,
    has_address,
    has_words,
    is_noise,
    knows_lower_case,
)
from nmt.decoding.translator.translation import Link, Translation
from nmt.text.tokenizer import UNK, SubwordModel
from nmt.text.words import locate_tokens

MOST_MARKS = 1_000  # a segment with more is copied: nobody writes one


@dataclass(frozen=True)
class MarkedSegment:
    """A segment with marks."""

    source: Marked
    text: str  # what the model reads; blank: nothing, and the source is copied
    tree: Tree | None  # None: the source is copied
    is_capitals: bool = False

    @property
    def copied(self) -> str:
        """The translation, if the model reads nothing."""
        return "" if self.tree else self.source.text

    @property
    def linked(self) -> re.Pattern[str] | None:
        """Return what matches a unit, if links of units are needed to finish a translation."""
        return UNIT if self.tree else None

    def finish(self, translation: Translation, links: Sequence[Sequence[Link]]) -> Translation:
        """Return the translation of the segment, from that of `text`.

        links: those of the units of `text` and of each candidate.
        """
        if self.tree is None:
            copied = replace(
                translation.candidates[0], text=self.source.text, marks=self.source.marks, read=""
            )
            return replace(translation, candidates=(copied,))
        candidates = []
        for candidate, own in zip(translation.candidates, links, strict=True):
            text = candidate.text.upper() if self.is_capitals else candidate.text
            marked = with_marks(self.tree, text, own)
            candidates.append(
                replace(candidate, text=marked.text, marks=marked.marks, read=self.text)
            )
        return replace(translation, candidates=(*candidates,))


def marked_segment(source: Marked, hidden: Sequence[Mark] = ()) -> MarkedSegment:
    """Return how a text with marks is translated; hidden: other parts that are copied."""
    few = len(source.marks) + len(hidden) <= MOST_MARKS
    tree = read_tree(source, hidden) if few else None
    if tree is None or not has_words(tree.text):
        return MarkedSegment(source, "", None)
    return MarkedSegment(source, tree.text, tree)


def repaired(segment: MarkedSegment, ids: Sequence[int], subwords: SubwordModel) -> MarkedSegment:
    """Return how a segment is translated if it may be odd, as in `odd_input`.

    Addresses and unknown symbols are copied, noise too; capitals are read in lower case.

    Args:
        segment: that of `marked_segment`.
        ids: those that its text is encoded as.
        subwords: those of the source language.
    """
    if segment.tree is None:
        return segment
    if is_noise(ids):
        return MarkedSegment(segment.source, "", None)
    if UNK in ids or has_address(segment.text):
        hidden = [*hidden_marks(segment.source, subwords)]
        if hidden and len(hidden) + len(segment.source.marks) <= MOST_MARKS:
            segment = marked_segment(segment.source, hidden)
    text = segment.text
    if text.isupper() and knows_lower_case(text, subwords.encode([text])[0], subwords):
        return replace(segment, text=text.capitalize(), is_capitals=True)
    return segment


def hidden_marks(source: Marked, subwords: SubwordModel) -> Iterator[Mark]:
    """Yield the addresses, the unknown words and the unknown signs between the marks of a text."""
    begin = 0
    for part, is_mark in source.parts():
        if not is_mark:
            for first, last in spans_to_copy(part, subwords):
                yield Mark(begin + first, begin + last)
        begin += len(part)


def spans_to_copy(text: str, subwords: SubwordModel) -> Iterator[tuple[int, int]]:
    """Yield the spans of a text that a model cannot read, or should not, in order and apart."""
    copied = bytearray(len(text))
    for found in ADDRESS.finditer(text):
        copied[slice(*found.span())] = bytes([True]) * len(found[0])
    (ids,) = subwords.encode([text])
    for token, (begin, end) in zip(ids, locate_tokens(text, subwords), strict=True):
        if token == UNK:
            copied[begin:end] = bytes([True]) * (end - begin)
    for begin, end in find_copied(text):
        is_copied = not text[begin:end].isspace() and any(copied[begin:end])
        copied[begin:end] = bytes([is_copied]) * (end - begin)
    yield from map(re.Match.span, re.finditer(rb"\x01+", copied))
